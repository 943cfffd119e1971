//! HTTP around the messages: paths, bodies, status codes, headers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::auth;
use super::bayeux;
use super::control;
use super::faults::{Asked, Met};
use super::heroku;
use super::login;
use super::message::{self, Message, Refusal};
use super::rest;
use super::state::Shared;
use super::version::Version;
use super::wire::{Closed, Cut, Outgoing, Stream, Wire};

/// The largest Bayeux request (guide, "How the client connects").
const REQUEST_MAX: usize = 32_768;
/// What is read of a request that is too large, so that its sender gets to read the 413.
const REQUEST_READ_MAX: usize = 1 << 20;
/// The largest request to a control endpoint.
const CONTROL_MAX: usize = 16 << 20;
/// The largest head of a request.
const HEAD_MAX: usize = 32 << 10;
/// How long the head of a request may take, an idle kept-alive connection included.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the body of a request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
pub(super) type Reply = Response<Bytes>;

/// Serves one TCP connection to its end.
pub(super) async fn serve_connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    // Without it a reply waits for the peer's delayed acknowledgement; the connection works all the same.
    let _ = stream.set_nodelay(true);
    let wire = Wire::default();
    let service = service_fn(|request| dated(Arc::clone(&shared), peer, request, wire.clone()));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_header_size(HEAD_MAX);
    // An error here is the client's: it hung up, was too slow, or spoke no HTTP.
    let stream = TokioIo::new(Stream::new(stream, wire.clone(), Arc::clone(&shared)));
    let _ = builder.serve_connection(stream, service).await;
}

/// Answers with the time of this server's clock.
async fn dated(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
    wire: Wire,
) -> Result<Response<Outgoing>, Closed> {
    let reply = meet(Arc::clone(&shared), peer, request).await?;
    let mut reply = with(reply, DATE, &httpdate::fmt_http_date(shared.now()));
    let (cut, receipts) = (reply.extensions_mut().remove(), reply.extensions_mut().remove());
    Ok(reply.map(|body| wire.body(body, cut, receipts)))
}

/// Answers, unless the path meets a fault.
async fn meet(shared: Arc<Shared>, peer: SocketAddr, request: Request<Incoming>) -> Result<Reply, Closed> {
    let path = request.uri().path();
    let asked = Asked { path: Some(path), messages: &[], user: None };
    let met = if control::is_path(path) { Vec::new() } else { shared.meet(asked, request.headers()) };
    if met.is_empty() {
        return handle(shared, peer, request).await;
    }
    let headers = request.headers().clone();
    spoil(&Arc::clone(&shared), met, &headers, &[], async |_| handle(shared, peer, request).await).await
}

async fn handle(shared: Arc<Shared>, peer: SocketAddr, request: Request<Incoming>) -> Result<Reply, Closed> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if heroku::is_path(path) {
        return Ok(match read(body, heroku::REQUEST_MAX).await {
            Ok(body) => heroku::handle(&shared, &head, &body),
            Err(reply) => reply,
        });
    }
    if control::is_path(path) {
        if !control::allows(peer.ip(), &head.headers) {
            return Ok(text(StatusCode::FORBIDDEN, "for loopback peers only"));
        }
        return Ok(match read(body, CONTROL_MAX).await {
            Ok(body) => control::handle(&shared, &head.method, path, &body),
            Err(reply) => reply,
        });
    }
    if login::is_path(path) {
        return Ok(match read(body, login::REQUEST_MAX).await {
            Ok(body) => login::handle(&shared, &head, &body),
            Err(reply) => reply,
        });
    }
    if rest::is_path(path) {
        return Ok(match read(body, rest::REQUEST_MAX).await {
            Ok(body) => rest::handle(&shared, &head, &body),
            Err(reply) => reply,
        });
    }
    let Some(version) = Version::of_path(path) else {
        return Ok(text(StatusCode::NOT_FOUND, "no such page"));
    };
    if head.method != Method::POST {
        let reply = text(StatusCode::METHOD_NOT_ALLOWED, "POST Bayeux messages here");
        return Ok(with(reply, ALLOW, "POST"));
    }
    let body = match read(body, REQUEST_READ_MAX).await {
        Ok(body) if body.len() <= REQUEST_MAX => body,
        Ok(_) => return Ok(too_large()),
        Err(reply) => return Ok(reply),
    };
    let Ok(messages) = message::parse(&body) else {
        return Ok(text(StatusCode::BAD_REQUEST, "the body is no array of Bayeux messages"));
    };
    exchange(shared, version, &head.headers, &messages).await
}

/// Answers the messages, unless they meet a fault.
async fn exchange(
    shared: Arc<Shared>,
    version: Result<Version, &'static str>,
    headers: &HeaderMap,
    messages: &[Message],
) -> Result<Reply, Closed> {
    let under_way = UnderWay::begin(&shared);
    {
        let mut state = shared.lock();
        state.counters.requests += 1;
        state.last_authorization = headers.contains_key(AUTHORIZATION);
    }
    let met = shared.meet(Asked { path: None, messages, user: None }, headers);
    let busy = under_way.is_too_many();
    let answer =
        async |met: &mut [Met]| Ok(answer(Arc::clone(&shared), version, headers, messages, busy, met).await);
    spoil(&shared, met, headers, messages, answer).await
}

async fn answer(
    shared: Arc<Shared>,
    version: Result<Version, &'static str>,
    headers: &HeaderMap,
    messages: &[Message],
    busy: bool,
    met: &mut [Met],
) -> Reply {
    let version = match version {
        Ok(version) => version,
        Err(error) => {
            let refuse = |message| message::render(message, Err(Refusal::new(error)));
            let refusals: Vec<_> = messages.iter().map(refuse).collect();
            return json(StatusCode::BAD_REQUEST, format!("[{}]", refusals.join(",")));
        }
    };
    if busy && !version.replays() {
        return text(StatusCode::SERVICE_UNAVAILABLE, bayeux::BUSY);
    }
    let caller = auth::bayeux_caller(&shared, headers, version);
    if caller.is_err() && !version.replays() {
        return with(
            text(StatusCode::UNAUTHORIZED, "authentication is required"),
            WWW_AUTHENTICATE,
            "Bearer",
        );
    }
    let cookie = auth::cookie(headers, bayeux::COOKIE);
    let mut answer = bayeux::Request { shared, version, cookie, caller, busy }.answer(messages).await;
    if answer.superseded {
        return text(StatusCode::REQUEST_TIMEOUT, "another connect of this client took its place");
    }
    met.iter_mut().filter(|met| met.fault.reorder).for_each(|met| answer.reorder(met));
    let mut reply = json(StatusCode::OK, format!("[{}]", answer.messages.join(",")));
    reply.extensions_mut().insert(answer.receipts);
    match answer.set_cookie {
        Some(value) => {
            with(reply, SET_COOKIE, &format!("{}={value}; Path=/cometd; HttpOnly", bayeux::COOKIE))
        }
        None => reply,
    }
}

/// What faults make of a request: another reply or none, or the answer, late and damaged.
async fn spoil(
    shared: &Shared,
    mut met: Vec<Met>,
    headers: &HeaderMap,
    messages: &[Message],
    answer: impl AsyncFnOnce(&mut [Met]) -> Result<Reply, Closed>,
) -> Result<Reply, Closed> {
    let strike = |met: &[Met], after: bool| {
        let now = met.iter().filter(|met| met.fault.after == after);
        now.for_each(|met| met.fault.strike(shared, headers, messages));
    };
    strike(&met, false);
    let acts = met.iter().all(|met| met.fault.after || met.fault.keeps_answer());
    let answer = if acts { Some(answer(&mut met).await?) } else { None };
    strike(&met, true);
    tokio::time::sleep(met.iter().map(|met| met.fault.delay()).sum()).await;
    let Some(spoiler) = met.iter_mut().find(|met| met.fault.spoils()) else {
        return answer.ok_or(Closed);
    };
    let fault = Arc::clone(&spoiler.fault);
    if fault.restarts() {
        // It ends this connection too, and nothing is to be read of it before.
        return std::future::pending().await;
    }
    if fault.close {
        return Err(Closed);
    }
    let reply = answer.filter(|_| fault.keeps_answer()).unwrap_or_else(|| fault.replacement(messages));
    let (head, body) = reply.into_parts();
    let (body, cut) = spoiler.damage(body);
    let mut reply = Response::from_parts(head, body);
    cut.and_then(|at| reply.extensions_mut().insert(Cut(at)));
    Ok(reply)
}

/// A Bayeux request that is under way.
struct UnderWay<'a> {
    shared: &'a Shared,
    too_many: bool,
}

impl<'a> UnderWay<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let mut state = shared.lock();
        state.under_way += 1;
        Self { shared, too_many: state.under_way > state.requests_max }
    }

    fn is_too_many(&self) -> bool {
        self.too_many
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shared.lock().under_way -= 1;
    }
}

/// Reads a body of at most `max` bytes; the reply where that fails.
async fn read(body: Incoming, max: usize) -> Result<Bytes, Reply> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(text(StatusCode::BAD_REQUEST, "the body is incomplete")),
        Err(_) => Err(text(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

fn too_large() -> Reply {
    let body = r#"[{"successful":false,"error":"413::Maximum Request Size Exceeded"}]"#;
    json(StatusCode::PAYLOAD_TOO_LARGE, body.to_owned())
}

/// A JSON reply.
pub(super) fn json(status: StatusCode, body: String) -> Reply {
    let mut reply = with(Response::new(body.into()), CONTENT_TYPE, "application/json;charset=UTF-8");
    *reply.status_mut() = status;
    reply
}

/// A reply for a person.
pub(super) fn text(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = with(Response::new(body.into()), CONTENT_TYPE, "text/plain;charset=UTF-8");
    *reply.status_mut() = status;
    reply
}

/// The reply with one more header.
pub(super) fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}
