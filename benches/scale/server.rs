//! The server of the bench: the least of Bayeux that many subscribers need, on one thread.
//!
//! A session goes so: handshake, with a cookie of its own that every later request must bring; subscribe; a first connect
//! that is answered at once. A later connect is held until an event of the session is due, for as long as it takes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::{MINUTE, Result};

/// The connections that may wait to be accepted: all begin at once.
const BACKLOG: u32 = 4096;
/// The longest request.
const REQUEST_MAX: usize = 64 << 10;
/// Fills an event up to about 300 bytes.
const FILL: usize = 120;

/// Where an event carries its number.
pub(crate) struct Mark;

impl Mark {
    pub(crate) const POINTER: &'static str = "/data/sobject/Number__c";
}

/// Allows this process as many open files as it may have.
pub(crate) fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// What came so far.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) handshakes: u32,
    pub(crate) subscriptions: u32,
    /// Sessions whose connect has been held.
    pub(crate) polling: u32,
    pub(crate) disconnects: u32,
    pub(crate) problems: Vec<String>,
}

#[derive(Default)]
struct State {
    seen: Seen,
    sessions: HashMap<String, Arc<Session>>,
    last_poll: Option<Instant>,
}

/// One client.
#[derive(Default)]
struct Session {
    state: Mutex<Dialogue>,
    news: Notify,
}

#[derive(Default)]
struct Dialogue {
    channel: String,
    greeted: bool,
    polled: bool,
    closed: bool,
    /// The numbers of the events that wait for a connect.
    waiting: VecDeque<u32>,
}

/// A listening server; its thread ends with the bench.
pub(crate) struct Server {
    port: u16,
    certificate: Option<String>,
    state: Arc<Mutex<State>>,
    runtime: Handle,
}

impl Server {
    pub(crate) fn start(tls: bool) -> Result<Self> {
        let (certificate, acceptor) = if tls { Some(identity()?).unzip() } else { (None, None) };
        let state = Arc::new(Mutex::new(State::default()));
        let (sender, started) = mpsc::channel();
        let shared = Arc::clone(&state);
        thread::spawn(move || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let socket = TcpSocket::new_v4()?;
                socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let listener = socket.listen(BACKLOG)?;
                let port = listener.local_addr()?.port();
                if sender.send((port, Handle::current())).is_ok() {
                    accept(&listener, acceptor, &shared).await?;
                }
                Ok(())
            })
        });
        let (port, runtime) = started.recv().map_err(|_| "the server does not start")?;
        Ok(Self { port, certificate, state, runtime })
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/cometd/61.0", self.port)
    }

    /// Of whom its certificate is, where it has one.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }

    /// When a session was first in its poll, the last of them.
    pub(crate) fn last_poll(&self) -> Instant {
        lock(&self.state).last_poll.unwrap_or_else(Instant::now)
    }

    /// Sends each session one event a minute, spread evenly, for so long; how many that are in all.
    pub(crate) fn publish(&self, window: Duration) -> u32 {
        let sessions: Vec<_> = lock(&self.state).sessions.values().map(Arc::clone).collect();
        let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        let gap = MINUTE / count;
        let total = u32::try_from(window.as_nanos() / gap.as_nanos()).unwrap_or(u32::MAX);
        self.runtime.spawn(async move {
            let begun = tokio::time::Instant::now();
            for (number, session) in (0..total).zip(sessions.iter().cycle()) {
                tokio::time::sleep_until(begun + gap * number).await;
                lock(&session.state).waiting.push_back(number);
                session.news.notify_one();
            }
        });
        total
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds it")
}

/// The certificate of an authority, and a server whose own is by that.
fn identity() -> Result<(String, TlsAcceptor)> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_params(&params, &authority_key);
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    Ok((authority.pem(), TlsAcceptor::from(Arc::new(config))))
}

async fn accept(
    listener: &TcpListener,
    acceptor: Option<TlsAcceptor>,
    state: &Arc<Mutex<State>>,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, state) = (acceptor.clone(), Arc::clone(state));
        // A client that ends breaks its connections; what is wrong otherwise is found by who counts.
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => serve(acceptor.accept(stream).await?, &state).await,
                None => serve(stream, &state).await,
            }
        });
    }
}

/// One request: its head, and its body.
type Request = (String, String);

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &Mutex<State>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some((head, body)) = next(&mut stream, &mut buffer).await? {
        let answer = answer(&head, &body, state).await.unwrap_or_else(|problem| {
            lock(state).seen.problems.push(format!("{problem}: {body}"));
            plain("[]", "")
        });
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// The next request of a stream; what was read of the one after it stays in the buffer.
async fn next<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        if let Some(request) = parse(buffer) {
            return Ok(Some(request));
        }
        if buffer.len() > REQUEST_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(buffer: &mut Vec<u8>) -> Option<Request> {
    let text = std::str::from_utf8(buffer).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length: usize = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = rest.get(..length)?.to_owned();
    let end = text.len() - rest.len() + length;
    buffer.drain(..end);
    Some((head, body))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(key, _)| *key == name).map(|(_, value)| value.trim()).next()
}

/// The string after `"key":` in a message.
fn text_of<'b>(body: &'b str, key: &str) -> Option<&'b str> {
    let (_, rest) = body.split_once(&format!(r#""{key}":""#))?;
    rest.split('"').next()
}

async fn answer(head: &str, body: &str, state: &Mutex<State>) -> std::result::Result<String, &'static str> {
    let id = text_of(body, "id").ok_or("no id")?;
    if body.contains("/meta/handshake") {
        return Ok(handshake(id, state));
    }
    let client = text_of(body, "clientId").ok_or("no client id")?;
    if header(head, "cookie").is_none_or(|cookie| cookie != format!("session={client}")) {
        return Err("not the cookie of its session");
    }
    let session = lock(state).sessions.get(client).map(Arc::clone).ok_or("no such session")?;
    if body.contains("/meta/subscribe") {
        let channel = text_of(body, "subscription").ok_or("no channel")?;
        channel.clone_into(&mut lock(&session.state).channel);
        lock(state).seen.subscriptions += 1;
        return Ok(reply("subscribe", id, &format!(r#","subscription":"{channel}""#)));
    }
    if body.contains("/meta/disconnect") {
        if !std::mem::replace(&mut lock(&session.state).closed, true) {
            lock(state).seen.disconnects += 1;
        }
        session.news.notify_one();
        return Ok(reply("disconnect", id, ""));
    }
    Ok(connect(id, &session, state).await)
}

fn handshake(id: &str, state: &Mutex<State>) -> String {
    let mut state = lock(state);
    state.seen.handshakes += 1;
    let client = format!("{:024}", state.seen.handshakes);
    state.sessions.insert(client.clone(), Arc::default());
    let body = format!(
        r#"[{{"channel":"/meta/handshake","id":"{id}","clientId":"{client}","version":"1.0","minimumVersion":"1.0","supportedConnectionTypes":["long-polling"],"ext":{{"replay":true}},"successful":true}}]"#
    );
    plain(&body, &format!("Set-Cookie: session={client}; Path=/; HttpOnly\r\n"))
}

async fn connect(id: &str, session: &Session, state: &Mutex<State>) -> String {
    const ADVICE: &str = r#","advice":{"reconnect":"retry","interval":0,"timeout":110000}"#;
    if !std::mem::replace(&mut lock(&session.state).greeted, true) {
        return reply("connect", id, ADVICE);
    }
    if !std::mem::replace(&mut lock(&session.state).polled, true) {
        let mut state = lock(state);
        state.seen.polling += 1;
        state.last_poll = Some(Instant::now());
    }
    loop {
        let due = {
            let mut dialogue = lock(&session.state);
            let closed = dialogue.closed;
            dialogue
                .waiting
                .pop_front()
                .map(Some)
                .or(closed.then_some(None))
                .map(|number| number.map(|number| event(&dialogue.channel, number)))
        };
        match due {
            Some(Some(event)) => return plain(&format!("[{event},{}]", message("connect", id, "")), ""),
            Some(None) => return reply("connect", id, ""),
            None => session.news.notified().await,
        }
    }
}

fn event(channel: &str, number: u32) -> String {
    let (replay, fill) = (u64::from(number) + 1, "x".repeat(FILL));
    format!(
        r#"{{"channel":"{channel}","data":{{"event":{{"type":"updated","createdDate":"2016-03-29T16:40:08.208Z","replayId":{replay}}},"sobject":{{"Id":"001D000000KnaXjIAJ","Number__c":{number},"Description":"{fill}"}}}}}}"#
    )
}

fn message(of: &str, id: &str, more: &str) -> String {
    format!(r#"{{"channel":"/meta/{of}","id":"{id}","successful":true{more}}}"#)
}

fn reply(of: &str, id: &str, more: &str) -> String {
    plain(&format!("[{}]", message(of, id, more)), "")
}

fn plain(body: &str, more: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    )
}
