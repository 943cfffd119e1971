//! The opening of a socket: a GET that a server answers with status 101 (RFC 6455, section 4).
//!
//! Constraints: the request goes the way of every other, with its proxy, certificates, cookies and redirects, and a proxy
//! is always asked for a tunnel, `http` or not (RFC 6455, 4.1); a server that agrees to what was not asked for is
//! refused.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::upgrade::{self, Upgraded};
use hyper::{Method, Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::Url;

use super::call::{self, AGENT, Route};
use super::client::Client;
use super::connect::Stage;
use super::link::{Call, Link};
use super::proxy::Via;
use super::response::{self, Answer, REDIRECTS_MAX, Whole};
use super::socket::Socket;
use super::target::Target;
use super::trouble::{Trouble, chain};
use super::wire::{Came, Draft};
use crate::bayeux::border::{Fault, FaultKind, Reply};
use crate::secret::Secret;

/// What became of the wish for a socket.
#[derive(Debug)]
pub enum Opening {
    /// It is open.
    Open(Box<Socket>),
    /// The server answered with another status than 101.
    Refused(Reply),
}

impl Client {
    /// Opens a websocket on a connection of its own: `url` is the `http` or `https` form of its `ws` or `wss` URL, and
    /// `deadline` covers everything from the name to the response. Redirects within the origin are followed.
    ///
    /// # Errors
    /// A [`Fault`] whose `sent` is false: no message was sent. It is [`FaultKind::Malformed`] where the server speaks
    /// another protocol than it was asked for.
    pub async fn open_socket(
        &self,
        url: &Url,
        authorization: Option<&Secret<String>>,
        deadline: Duration,
    ) -> Result<Opening, Fault> {
        let mut lane = self.lane();
        let ended = tokio::time::timeout(deadline, Box::pin(lane.knock(url, authorization))).await;
        let opened = ended.unwrap_or_else(|_| Err(lane.late(deadline)));
        opened.map_err(|trouble| Fault { sent: false, ..lane.fault(trouble) })
    }

    async fn knock(&mut self, url: &Url, authorization: Option<&Secret<String>>) -> Result<Opening, Trouble> {
        self.authorization = call::authorization(None, authorization)?;
        let mut url = Cow::Borrowed(url);
        for _ in 0..=REDIRECTS_MAX {
            match self.ask(&url).await? {
                Asked::Open(socket) => return Ok(Opening::Open(socket)),
                Asked::Other(Answer::Reply(whole)) => return Ok(Opening::Refused(whole.into())),
                Asked::Other(Answer::Redirect(next)) => url = Cow::Owned(next),
            }
        }
        Err(response::endless(&url))
    }

    async fn ask(&mut self, url: &Url) -> Result<Asked, Trouble> {
        self.stage = Stage::default();
        let target = Target::new(url)?;
        let via = self.shared.proxies.via(&target)?.map(|via| Via { tunnel: true, ..via });
        self.route = Some(Box::new(Route::new(target, via)?));
        let key = generate_key();
        let call = self.upgrade_call(&key)?;
        if self.wire.is_some() {
            // Also while it is off: it may be switched on before the socket ends.
            self.draft = Some(Box::new(Draft::new(self.name.clone(), url, &call, Bytes::new())));
        }
        let mut link = self.connect().await?;
        self.begin();
        let response = link.send(call).await.map_err(|lost| self.no_response(lost.error()))?;
        self.stage = Stage::Reading;
        if let Some(jar) = &self.jar {
            jar.store(response.headers(), url);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(link, response, &key).await.map(Asked::Open);
        }
        let (head, body) = response.into_parts();
        let body = self.read(&head.headers, body).await?;
        self.capture(Came::Response(&head, &body));
        let authority = &self.route().target.authority;
        response::judge(&Method::GET, url, authority, Whole { head, body }).map(Asked::Other)
    }

    fn upgrade_call(&self, key: &str) -> Result<Call, Trouble> {
        let route = self.route();
        let unsendable = |_| Trouble::new(FaultKind::Malformed, "the socket's key cannot be sent");
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, route.target.host_header.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(key).map_err(unsendable)?);
        let cookie = self.jar.as_ref().and_then(|jar| jar.header(&route.target.url));
        let authorization = self.authorization.clone();
        let secrets = [(AUTHORIZATION, authorization), (COOKIE, cookie)];
        headers.extend(secrets.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut call = hyper::Request::new(Full::default());
        *call.uri_mut() = route.uri.clone();
        *call.headers_mut() = headers;
        Ok(call)
    }

    /// The server agreed: what follows on the connection is no HTTP any more.
    async fn switch(
        &mut self,
        link: Link,
        mut response: Response<Incoming>,
        key: &str,
    ) -> Result<Box<Socket>, Trouble> {
        let stream = upgrade::on(&mut response);
        let (head, _) = response.into_parts();
        let authority = self.route().target.authority.clone();
        check(&head, key).map_err(|what| {
            Trouble::new(FaultKind::Malformed, format!("{authority} switched to no websocket: {what}"))
        })?;
        let stream: Upgraded = stream.await.map_err(|error| {
            Trouble::new(FaultKind::Broken, format!("{authority}: no socket: {}", chain(&error)))
        })?;
        // Its task has handed the connection over.
        drop(link);
        self.begin();
        let max = self.limits.read.min(self.limits.inflated);
        let mut socket =
            Socket::new(stream, authority, max, self.shared.socket_idle, self.wrote.clone()).await;
        if let Some((wire, draft)) = self.wire.as_ref().zip(self.draft.take()) {
            wire.record(&draft, Came::Response(&head, &Bytes::new()));
            socket.capture(wire.clone(), draft, head);
        }
        Ok(Box::new(socket))
    }
}

/// What one request came to.
enum Asked {
    Open(Box<Socket>),
    Other(Answer),
}

/// What is wrong with the head of a response with status 101 (RFC 6455, 4.1).
fn check(head: &Parts, key: &str) -> Result<(), &'static str> {
    let has = |name: HeaderName, wanted: &str| {
        let values =
            head.headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
        values.map(<[u8]>::trim_ascii).any(|value| value.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err("its response does not name one");
    }
    let accept = head.headers.get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err("its Sec-WebSocket-Accept is not that of the request");
    }
    if head.headers.contains_key(SEC_WEBSOCKET_EXTENSIONS)
        || head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
    {
        return Err("it chose an extension or a subprotocol, and none was offered");
    }
    Ok(())
}
