//! How soon a new process speaks: from just before the built program is started to the moment the request with
//! `/meta/handshake` has been read by the server.
//!
//! Beside it stand `/bin/true` (started and waited for: what a process costs at all) and a client of hyper's that sends
//! one request and knows nothing else. They take turns. `run` has a journal, a new one each time and one that is there.

use std::convert::Infallible;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper_util::rt::TokioIo;

use crate::Result;
use crate::process::cometail;

const ROUNDS: usize = 20;
/// The bar, for the median of each way to start cometail.
const LIMIT: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

const SIDES: [&str; 5] =
    ["/bin/true", "hyper client", "cometail tail", "cometail run, first start", "cometail run, later start"];

/// Measures each in turns and prints the medians; whether the bar was held.
pub(crate) fn run() -> Result<bool> {
    let mut times = [const { Vec::new() }; SIDES.len()];
    let kept = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    // One more round than counts: the first warms up, and makes the journal that later starts find.
    for round in 0..=ROUNDS {
        for (side, times) in SIDES.iter().zip(&mut times) {
            let time = one(side, kept.path())?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    println!("| from its start to its first request | median ms | least | most |\n|---|---|---|---|");
    let mut held = true;
    for (side, times) in SIDES.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |place: usize| times.get(place).map(|time| time.as_secs_f64() * 1e3).unwrap_or_default();
        println!("| {side} | {:.2} | {:.2} | {:.2} |", at(ROUNDS / 2), at(0), at(ROUNDS - 1));
        held &= !side.starts_with("cometail") || at(ROUNDS / 2) < LIMIT.as_secs_f64() * 1e3;
    }
    println!("{}: under {LIMIT:?} to the handshake", if held { "held" } else { "MISSED" });
    Ok(held)
}

fn one(side: &str, kept: &Path) -> Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let url = format!("http://127.0.0.1:{port}/cometd/61.0");
    let mut command = match side {
        "/bin/true" => Command::new(side),
        "hyper client" => itself(port)?,
        "cometail tail" => cometail(&["tail", &url, "/topic/A"]),
        "cometail run, later start" => daemon(kept, &url)?,
        _ => daemon(fresh.path(), &url)?,
    };
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let (sender, heard) = mpsc::channel();
    let begun = Instant::now();
    let mut child = command.spawn()?;
    if side == "/bin/true" {
        child.wait()?;
        return Ok(begun.elapsed());
    }
    // A blocking accept has no time limit; where nobody comes, the thread ends with the bench.
    thread::spawn(move || sender.send(hear(&listener)));
    let heard = heard.recv_timeout(PATIENCE);
    end(&mut child)?;
    match heard {
        Ok(Ok(moment)) => Ok(moment.duration_since(begun)),
        Ok(Err(error)) => Err(format!("{side}: {error}").into()),
        Err(_) => Err(format!("{side}: no handshake in {PATIENCE:?}").into()),
    }
}

/// Reads the first request, which has to be a handshake; when it has come.
fn hear(listener: &TcpListener) -> std::io::Result<Instant> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut text, mut some) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&text).contains("/meta/handshake") {
        let count = stream.read(&mut some)?;
        if count == 0 {
            return Err(std::io::Error::other("it closed its connection without a handshake"));
        }
        text.extend_from_slice(some.get(..count).unwrap_or_default());
    }
    Ok(Instant::now())
}

fn end(child: &mut Child) -> Result<()> {
    // It fails where the process has ended already.
    drop(child.kill());
    child.wait()?;
    Ok(())
}

fn daemon(dir: &Path, url: &str) -> Result<Command> {
    let path = dir.join("cometail.toml");
    let text = format!(
        "[state]\ndir = '{0}/state'\n[connection.a]\nurl = '{url}'\nchannels = ['/topic/A']\n[sink.out.file]\npath = '{0}/out.jsonl'\n",
        dir.display()
    );
    fs::write(&path, text)?;
    Ok(cometail(&["run", "-c", &path.to_string_lossy()]))
}

fn itself(port: u16) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--hyper").arg(port.to_string());
    Ok(command)
}

/// The client to compare with: a runtime of one thread, a connection, a request.
pub(crate) fn speak(port: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let body = Full::<&[u8]>::new(br#"[{"channel":"/meta/handshake"}]"#);
        let request = hyper::Request::post("/cometd/61.0").header("host", "127.0.0.1").body(body)?;
        let asked = async move {
            drop(sender.send_request(request).await);
            Ok::<_, Infallible>(())
        };
        let (_, _) = tokio::join!(connection, asked);
        Ok(())
    })
}
