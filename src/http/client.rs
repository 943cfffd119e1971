//! One lane: requests one after another on one kept-alive connection.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Response as Head, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::Config;
use super::body::{self, Limits};
use super::call::{self, Request, Route};
use super::connect::{Shared, Stage};
use super::held::Stream;
use super::jar::Jar;
use super::link::{Call, Link, Sent};
use super::proxy::Proxies;
use super::response::{self, Answer, REDIRECTS_MAX, Response, Whole};
use super::target::Target;
use super::tls::Trust;
use super::trouble::{SetupError, Trouble};
use super::wire::{Came, Draft, Wire};
use crate::bayeux::border::{Fault, FaultKind, Outcome, Reply};

/// One lane: at most one kept-alive connection, and one request at a time.
///
/// Dropping the future of [`Client::post`] gives the request up and closes its connection.
pub struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) jar: Option<Arc<Jar>>,
    pub(super) wire: Option<Arc<Wire>>,
    /// Whose requests they are, in the capture.
    pub(super) name: Option<Arc<str>>,
    /// The way to the last URL.
    pub(super) route: Option<Box<Route>>,
    /// The idle connection to the server of `route`.
    link: Option<Link>,
    pub(super) authorization: Option<HeaderValue>,
    /// The cookies of the request under way.
    cookie: Option<HeaderValue>,
    pub(super) stage: Stage,
    /// Whether a byte left on the present connection since the stage was `Waiting`.
    pub(super) wrote: Arc<AtomicBool>,
    /// Whether an earlier request of the same post, before a redirect, left.
    wrote_before: bool,
    /// The request under way, for the capture.
    pub(super) draft: Option<Box<Draft>>,
}

/// What is done with the body of a response.
#[derive(Clone, Copy)]
enum Wanted {
    Whole,
    /// Nothing: the status has said it all. The deadline of the request, where it has one within the clock's range.
    Nothing(Option<Instant>),
}

/// A request and what is done with it.
struct Ask<'a> {
    method: Method,
    request: &'a Request<'a>,
    wanted: Wanted,
}

impl Client {
    /// A lane with its own TLS configuration; reads the CA file, opens no connection.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        Self::with_environment(config, |name| std::env::var(name).ok())
    }

    /// Like [`Client::new`], with `environment` in the place of the process's variables.
    pub fn with_environment(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SetupError> {
        let shared = Shared {
            trust: Trust::of(config.ca_file.as_ref())?,
            proxies: Proxies::new(config, environment)?,
            connect_timeout: config.connect_timeout,
            socket_idle: config.socket_idle,
        };
        let limits = Limits { read: config.body_max, inflated: config.inflated_max };
        Ok(Self::from_parts(Arc::new(shared), limits))
    }

    fn from_parts(shared: Arc<Shared>, limits: Limits) -> Self {
        Self {
            shared,
            limits,
            jar: None,
            wire: None,
            name: None,
            route: None,
            link: None,
            authorization: None,
            cookie: None,
            stage: Stage::default(),
            wrote: Arc::default(),
            wrote_before: false,
            draft: None,
        }
    }

    /// Another lane with the same TLS configuration, proxy, cookies and capture, and a connection of its own.
    #[must_use]
    pub fn lane(&self) -> Self {
        let mut lane = Self::from_parts(Arc::clone(&self.shared), self.limits);
        lane.jar.clone_from(&self.jar);
        lane.wire.clone_from(&self.wire);
        lane.name.clone_from(&self.name);
        lane
    }

    /// Keeps cookies in `jar`; without one there are no cookies.
    #[must_use]
    pub fn with_jar(mut self, jar: Arc<Jar>) -> Self {
        self.jar = Some(jar);
        self
    }

    /// Takes no answer larger than `bytes`, before and after inflation, where more was allowed.
    #[must_use]
    pub fn with_answers_of(mut self, bytes: usize) -> Self {
        let Limits { read, inflated } = self.limits;
        self.limits = Limits { read: read.min(bytes), inflated: inflated.min(bytes) };
        self
    }

    /// Writes every request and response to `wire` while it is on.
    #[must_use]
    pub fn with_wire(mut self, wire: Arc<Wire>) -> Self {
        self.wire = Some(wire);
        self
    }

    /// Has captures say that requests are those of the connection `name`.
    #[must_use]
    pub fn with_name(mut self, name: Arc<str>) -> Self {
        self.name = Some(name);
        self
    }

    /// Sends one POST and reads its response to the end, within its deadline. Redirects within the origin are
    /// followed; a kept-alive connection that proves dead before anything was written to it is replaced.
    ///
    /// # Errors
    /// A [`Fault`] whose `sent` is exact; a response of any status is no error.
    pub async fn post(&mut self, request: Request<'_>) -> Outcome {
        let ask = Ask { method: Method::POST, request: &request, wanted: Wanted::Whole };
        self.run(ask).await.map(Reply::from)
    }

    /// Like [`Client::post`], with any method: an empty body has no content type, and a redirect repeats the method.
    ///
    /// # Errors
    /// A [`Fault`] whose `sent` is exact; a response of any status is no error.
    pub async fn send(&mut self, method: Method, request: Request<'_>) -> Result<Response, Fault> {
        let ask = Ask { method, request: &request, wanted: Wanted::Whole };
        self.run(ask).await.map(Response::from)
    }

    /// Like [`Client::post`], for a server whose status is the whole answer: the body of the reply is empty, and no
    /// body, however long, slow or odd, is a fault. At most 64 KiB of it are read, for at most a second, so that the
    /// connection can be kept; otherwise the connection is closed.
    ///
    /// # Errors
    /// A [`Fault`] whose `sent` is exact; a response of any status is no error.
    pub async fn post_for_status(&mut self, request: Request<'_>) -> Outcome {
        let deadline = Instant::now().checked_add(request.deadline);
        let ask = Ask { method: Method::POST, request: &request, wanted: Wanted::Nothing(deadline) };
        self.run(ask).await.map(Reply::from)
    }

    async fn run(&mut self, ask: Ask<'_>) -> Result<Whole, Fault> {
        // Left over when the future of the request before was dropped.
        self.capture(Came::GivenUp);
        self.stage = Stage::default();
        self.wrote_before = false;
        self.wrote.store(false, Ordering::Relaxed);
        let deadline = ask.request.deadline;
        let ended = tokio::time::timeout(deadline, self.follow(&ask)).await;
        ended.unwrap_or_else(|_| Err(self.late(deadline))).map_err(|trouble| self.fault(trouble))
    }

    /// The deadline passed.
    pub(super) fn late(&self, deadline: Duration) -> Trouble {
        let authority = self.route.as_ref().map_or("the server", |route| &route.target.authority);
        let what = format!("{authority}: the deadline of {deadline:?} passed {}", self.stage);
        Trouble::new(FaultKind::Timeout, what)
    }

    pub(super) fn fault(&mut self, trouble: Trouble) -> Fault {
        let fault = Fault { kind: trouble.kind, sent: self.has_sent(), detail: trouble.detail };
        self.capture(Came::Fault(&fault));
        fault
    }

    fn has_sent(&self) -> bool {
        self.wrote_before || (!self.stage.is_before_request() && self.wrote.load(Ordering::Relaxed))
    }

    async fn follow(&mut self, ask: &Ask<'_>) -> Result<Whole, Trouble> {
        let mut url = Cow::Borrowed(ask.request.url);
        for _ in 0..=REDIRECTS_MAX {
            match self.exchange(&url, ask).await? {
                Answer::Reply(whole) => return Ok(whole),
                Answer::Redirect(next) => url = Cow::Owned(next),
            }
        }
        Err(response::endless(&url))
    }

    async fn exchange(&mut self, url: &Url, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let request = ask.request;
        self.wrote_before = self.has_sent();
        self.stage = Stage::default();
        self.aim(url)?;
        self.authorization = call::authorization(self.authorization.take(), request.authorization)?;
        let (link, response) = self.response(url, ask).await?;
        let (head, body) = response.into_parts();
        self.stage = Stage::Reading;
        self.check_proxy(head.status)?;
        if let Some(jar) = &self.jar {
            jar.store(&head.headers, url);
        }
        let body = match ask.wanted {
            Wanted::Whole => {
                let body = self.read(&head.headers, body).await?;
                self.keep(link);
                body
            }
            Wanted::Nothing(deadline) => {
                if Box::pin(body::skip(body, deadline)).await {
                    self.keep(link);
                }
                Bytes::new()
            }
        };
        self.capture(Came::Response(&head, &body));
        response::judge(&ask.method, url, &self.route().target.authority, Whole { head, body })
    }

    /// The connection waits for the next request.
    fn keep(&mut self, mut link: Link) {
        link.rest();
        self.link = Some(link);
    }

    /// Turns to `url`; the connection stays when it leads to the same server.
    fn aim(&mut self, url: &Url) -> Result<(), Trouble> {
        if self.route.as_ref().is_some_and(|route| route.target.url == *url) {
            return Ok(());
        }
        let target = Target::new(url)?;
        let old = self.route.take().filter(|route| route.target.same_server(&target));
        if old.is_none() {
            self.link = None;
        }
        let via = self.shared.proxies.via(&target)?;
        self.route = Some(Box::new(Route::new(target, via)?));
        Ok(())
    }

    pub(super) fn route(&self) -> &Route {
        self.route.as_ref().expect("every exchange begins with aim")
    }

    fn call(&mut self, ask: &Ask<'_>) -> Result<Call, Trouble> {
        let url = &self.route().target.url;
        self.cookie = self.jar.as_ref().and_then(|jar| jar.header(url));
        self.same_call(ask)
    }

    /// The request under way once more, whatever has become of the cookies since.
    fn same_call(&self, ask: &Ask<'_>) -> Result<Call, Trouble> {
        let (authorization, cookie) = (self.authorization.as_ref(), self.cookie.clone());
        self.route().call(&ask.method, ask.request, authorization, cookie)
    }

    /// Sends a request and waits for its response. A poll may be held for as long as a server likes: what is needed before
    /// and after that is boxed, so that it does not take memory meanwhile.
    async fn response(&mut self, url: &Url, ask: &Ask<'_>) -> Result<(Link, Head<Incoming>), Trouble> {
        let stream = match Box::pin(self.carry(url, ask)).await? {
            (link, Sent::Response(response)) => return Ok((link, response)),
            (_, Sent::Held(stream)) => stream,
        };
        stream.heard().await;
        Box::pin(self.resume(stream, ask)).await
    }

    /// Sends a request on the idle connection if it is still there, else on a new one.
    async fn carry(&mut self, url: &Url, ask: &Ask<'_>) -> Result<(Link, Sent), Trouble> {
        let mut call = self.call(ask)?;
        if self.wire.as_ref().is_some_and(|wire| wire.is_on()) {
            self.draft = Some(Box::new(Draft::new(self.name.clone(), url, &call, ask.request.body.clone())));
        }
        if let Some(mut link) = self.link.take()
            && link.is_usable().await
        {
            self.begin();
            let mut lost = match link.send_or_hold(call).await {
                Ok(sent) => return Ok((link, sent)),
                Err(lost) => lost,
            };
            let back = lost.take_message();
            if back.is_none() && self.wrote.load(Ordering::Relaxed) {
                return Err(self.no_response(lost.error()));
            }
            call = back.map_or_else(|| self.call(ask), Ok)?;
        }
        // Boxed, so that the future of the common case, a kept-alive connection, stays small.
        let mut link = Box::pin(self.connect()).await?;
        self.begin();
        match link.send_or_hold(call).await {
            Ok(sent) => Ok((link, sent)),
            Err(lost) => Err(self.no_response(lost.error())),
        }
    }

    /// Lets HTTP be spoken again over a stream that was held, for the response to its request.
    async fn resume(&self, stream: Arc<Stream>, ask: &Ask<'_>) -> Result<(Link, Head<Incoming>), Trouble> {
        let call = self.same_call(ask)?;
        let mut link = Link::resume(stream, &self.route().target.authority).await?;
        let response = link.send(call).await.map_err(|lost| self.no_response(lost.error()))?;
        Ok((link, response))
    }

    /// From here on every byte written is one of the request.
    pub(super) fn begin(&mut self) {
        self.wrote.store(false, Ordering::Relaxed);
        self.stage = Stage::Waiting;
    }

    pub(super) async fn connect(&mut self) -> Result<Link, Trouble> {
        self.stage = Stage::default();
        let route = self.route.as_ref().expect("every exchange begins with aim");
        self.shared.connect(&route.target, route.via.as_ref(), &self.wrote, &mut self.stage).await
    }

    pub(super) fn no_response(&self, error: &hyper::Error) -> Trouble {
        Trouble::of_connection(error, &self.route().target.authority, "no response")
    }

    /// A proxy that answers in the server's place has not passed the request on.
    fn check_proxy(&mut self, status: StatusCode) -> Result<(), Trouble> {
        let route = self.route();
        match &route.via {
            Some(via) if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && !via.tunnel => {
                let trouble = via.refused(&route.target, status);
                self.wrote.store(false, Ordering::Relaxed);
                Err(trouble)
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn read(&self, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Trouble> {
        let authority = &self.route().target.authority;
        let encoding = call::encoding(headers, authority)?;
        body::read(body, encoding, self.limits, authority).await
    }

    pub(super) fn capture(&mut self, came: Came<'_>) {
        if let Some((wire, draft)) = self.wire.as_ref().zip(self.draft.take()) {
            wire.record(&draft, came);
        }
    }
}

/// A request that is given up goes with its client.
impl Drop for Client {
    fn drop(&mut self) {
        self.capture(Came::GivenUp);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stage", &self.stage).finish_non_exhaustive()
    }
}
