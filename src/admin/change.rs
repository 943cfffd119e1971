//! Orders: read from a request, handed to the daemon, and what it says to them.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use url::form_urlencoded;

use super::deadline::REQUEST;
use super::order::{Order, Refusal, Request};
use super::reply::{self, Answer, Denial, Reply, invalid};
use super::shared::Shared;
use crate::event::{Channel, ReplayId};

/// The largest body of a request, in bytes.
const BODY_MAX: usize = 64 << 10;
/// What is read of a larger one, so that its sender gets to read the refusal.
const READ_MAX: usize = 1 << 20;
/// How long the daemon is waited for.
const WAIT: Duration = Duration::from_secs(5);

/// `POST .../channels`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    channel: String,
    #[serde(default)]
    replay: Replay,
}

/// Where a subscription begins.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Replay {
    Id(i64),
    Word(Word),
    #[default]
    Default,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    New,
    All,
}

/// `POST .../capture`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    on: bool,
}

/// A request that has nothing to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads a body within its time and size.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Denial> {
    let too_large = || reply::refuse(StatusCode::PAYLOAD_TOO_LARGE, "a body has at most 64 KiB");
    match tokio::time::timeout(REQUEST, Limited::new(body, READ_MAX).collect()).await {
        Ok(Ok(body)) => Some(body.to_bytes()).filter(|body| body.len() <= BODY_MAX).ok_or_else(too_large),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(reply::refuse(StatusCode::BAD_REQUEST, "the body is incomplete")),
        Err(_) => Err(reply::refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

/// What a body says; a refusal where it is something else.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], wanted: &str) -> Result<T, Denial> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("the body: {error}; wanted {wanted}")))
}

/// Wants one more channel.
pub(super) async fn subscribe(shared: &Shared, connection: &str, body: &[u8]) -> Answer {
    let wanted = r#"{"channel": "/topic/Name", "replay": "new", "all" or a replay id from 0}"#;
    let Subscribe { channel, replay } = parse(body, wanted)?;
    let replay = match replay {
        Replay::Id(id) if id < 0 => {
            return Err(invalid(format!("replay: found {id}, wanted \"new\", \"all\" or an id from 0")));
        }
        Replay::Id(id) => ReplayId(id),
        Replay::Word(Word::All) => ReplayId::ALL,
        Replay::Word(Word::New) | Replay::Default => ReplayId::NEW,
    };
    let (connection, channel) = (connection.into(), read_channel(&channel)?);
    hand_over(shared, Order::Subscribe { connection, channel, replay }).await
}

/// No longer wants the channel that the query names.
pub(super) async fn unsubscribe(shared: &Shared, connection: &str, head: &Parts, body: &[u8]) -> Answer {
    nothing(body)?;
    let mut channel = None;
    for (key, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
        if key != "channel" || channel.replace(value).is_some() {
            return Err(invalid("the query: wanted ?channel=CHANNEL and nothing else"));
        }
    }
    let channel = channel.ok_or_else(|| invalid("the query: wanted ?channel=CHANNEL"))?;
    let (connection, channel) = (connection.into(), read_channel(&channel)?);
    hand_over(shared, Order::Unsubscribe { connection, channel }).await
}

fn read_channel(text: &str) -> Result<Channel, Denial> {
    match Channel::parse(text) {
        Ok(channel) if channel.is_meta() => Err(invalid("channel: /meta channels are the protocol's own")),
        Ok(channel) => Ok(channel),
        Err(error) => Err(invalid(format!("channel: {error}"))),
    }
}

/// An order that needs no more words.
pub(super) async fn plain(shared: &Shared, order: Order, body: &[u8]) -> Answer {
    nothing(body)?;
    hand_over(shared, order).await
}

fn nothing(body: &[u8]) -> Result<(), Denial> {
    if body.is_empty() { Ok(()) } else { parse::<Nothing>(body, "{} or no body").map(drop) }
}

/// Begins or ends a capture.
pub(super) async fn capture(shared: &Shared, body: &[u8]) -> Answer {
    let Capture { on } = parse(body, r#"{"on": true} or {"on": false}"#)?;
    hand_over(shared, Order::Capture(on)).await
}

/// Hands an order to the daemon, and says what it says.
async fn hand_over(shared: &Shared, order: Order) -> Answer {
    let (answer, heard) = oneshot::channel();
    tracing::info!(?order, "asked for by a request to the admin server");
    match shared.port.orders.try_send(Request { order, answer }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(refused(Refusal::Busy)),
        Err(TrySendError::Closed(_)) => return Err(reply::busy("the daemon is ending")),
    }
    match tokio::time::timeout(WAIT, heard).await {
        Ok(Ok(Ok(()))) => Ok(accepted(true)),
        Ok(Ok(Err(refusal))) => Err(refused(refusal)),
        Ok(Err(_)) => Err(reply::busy("the daemon is ending")),
        Err(_) => Ok(accepted(false)),
    }
}

/// It is done, or will be.
pub(super) fn accepted(done: bool) -> Reply {
    reply::json(StatusCode::ACCEPTED, &json!({"accepted": true, "done": done}))
}

fn refused(refusal: Refusal) -> Denial {
    match refusal {
        Refusal::Unknown(_) => reply::refuse(StatusCode::NOT_FOUND, refusal.to_string()),
        Refusal::Impossible(why) => reply::refuse(StatusCode::CONFLICT, why),
        Refusal::Busy => reply::busy(refusal.to_string()),
        Refusal::Invalid(problems) => reply::wrong("nothing has changed", problems),
    }
}
