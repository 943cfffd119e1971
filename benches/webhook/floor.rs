//! The floor: the least that a client on hyper does to post the same requests.
//!
//! A loop for each channel, each with one connection and one request under way; the loops share a thread. It knows no
//! deadline, tries nothing again and looks at nothing but the status.

use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;
use crate::events::{self, Load};

/// Posts the events of `load` to the receiver at `port`, then waits to be killed: its processor time is still to be
/// read.
pub(crate) fn run(port: &str, load: Load) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_all(port.parse()?, load))
}

async fn run_all(port: u16, load: Load) -> Result<()> {
    try_join_all((0..load.channels).map(|channel| post_all(port, load, channel))).await?;
    std::future::pending().await
}

async fn post_all(port: u16, load: Load, channel: u32) -> Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let places: Vec<u32> = (channel..load.total).step_by(load.channels as usize).collect();
    for places in places.chunks(load.per_request as usize) {
        post(&mut sender, port, places[0], body(load, places)).await?;
    }
    Ok(())
}

fn body(load: Load, places: &[u32]) -> Bytes {
    let mut body = Vec::with_capacity(places.len() * (events::LEN + 1) + 1);
    for (index, place) in places.iter().enumerate() {
        if load.per_request > 1 {
            body.push(if index == 0 { b'[' } else { b',' });
        }
        events::append(load, *place, &mut body);
    }
    if load.per_request > 1 {
        body.push(b']');
    }
    body.into()
}

/// One request, with the headers that cometail's have.
async fn post(sender: &mut SendRequest<Full<Bytes>>, port: u16, id: u32, body: Bytes) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let request = Request::post("/hook")
        .header("host", format!("127.0.0.1:{port}"))
        .header("user-agent", "cometail/0.1.0")
        .header("content-type", "application/json")
        .header("accept-encoding", "gzip")
        .header("webhook-id", format!("{id:032x}"))
        .header("webhook-timestamp", now)
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("HTTP status {}", response.status()).into());
    }
    response.into_body().collect().await?;
    Ok(())
}
