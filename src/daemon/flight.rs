//! Exchanges on their way: at most one kept-alive HTTP connection per lane is kept when they are done, and one
//! websocket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio_util::sync::ReusableBoxFuture;
use url::Url;

use super::socket::Line;
use crate::bayeux::border::{Exchange, ExchangeId, Lane, Outcome};
use crate::http::{Client, Jar, Request};
use crate::secret::Secret;

/// An exchange under way. Its memory is used again: there is one for every response.
type Landing = ReusableBoxFuture<'static, (Client, Outcome)>;

struct Flight {
    id: ExchangeId,
    lane: Lane,
    landing: Landing,
}

/// The idle HTTP connection of a lane, and the memory of its last exchange.
struct Idle {
    client: Client,
    landing: Landing,
}

/// What came.
pub(super) enum Landed {
    /// An exchange ended.
    Outcome(ExchangeId, Outcome),
    /// A message came over the websocket.
    Frame(Bytes),
}

/// The exchanges of one connection.
pub(super) struct Flights {
    url: Arc<Url>,
    /// What new lanes are made from; it sends nothing itself.
    origin: Client,
    jar: Arc<Jar>,
    poll: Option<Idle>,
    side: Option<Idle>,
    /// Two, or a few more while a session closes.
    open: Vec<Flight>,
    /// What ended while what was sent went out.
    landed: Option<Landed>,
    line: Line,
}

impl Flights {
    pub(super) fn new(url: Url, origin: Client, jar: Arc<Jar>) -> Self {
        let url = Arc::new(url);
        let line = Line::new(url.clone());
        Self {
            url,
            origin: origin.with_jar(jar.clone()),
            jar,
            poll: None,
            side: None,
            open: Vec::new(),
            landed: None,
            line,
        }
    }

    /// Starts an exchange; it moves on whenever [`Flights::next`] is awaited.
    pub(super) fn send(&mut self, exchange: Exchange, authorization: Option<Arc<Secret<String>>>) {
        let (id, lane, url) = (exchange.id, exchange.lane, self.url.clone());
        let Some(kept) = self.kept(lane) else {
            return self.line.send(exchange, &self.origin, authorization);
        };
        let landing = match kept.take() {
            Some(Idle { client, mut landing }) => {
                landing.set(fly(client, url, exchange, authorization));
                landing
            }
            None => ReusableBoxFuture::new(fly(self.origin.lane(), url, exchange, authorization)),
        };
        self.open.push(Flight { id, lane, landing });
    }

    /// Gives an exchange up, and its HTTP connection with it.
    pub(super) fn cancel(&mut self, id: ExchangeId) {
        self.open.retain(|flight| flight.id != id);
        self.line.cancel(id);
    }

    /// Gives the idle HTTP connections up.
    pub(super) fn renew(&mut self) {
        self.poll = None;
        self.side = None;
    }

    /// Sends what follows to another address. What is under way goes on, and cookies stay with their host.
    pub(super) fn move_to(&mut self, url: &Url) {
        self.url = Arc::new(url.clone());
        self.renew();
        self.line.move_to(self.url.clone());
    }

    /// The cookies.
    pub(super) fn jar(&self) -> Arc<Jar> {
        self.jar.clone()
    }

    /// Closes the websocket: with the session, or as if it had broken for a reason.
    pub(super) fn hang_up(&mut self, broken: Option<String>) {
        self.line.hang_up(broken);
    }

    /// Ends; takes a second at most.
    pub(super) async fn close(self) {
        self.line.close().await;
    }

    /// Lets what was sent go out, before something that takes long.
    pub(super) async fn depart(&mut self) {
        if self.landed.is_none() {
            self.landed = self.next_now().await;
        }
        // The HTTP connection is a task of its own.
        tokio::task::yield_now().await;
    }

    /// The next exchange that ends, or message of the websocket; never, while nothing is open. Dropping the future
    /// loses nothing.
    pub(super) async fn next(&mut self) -> Landed {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What has come by now.
    pub(super) async fn next_now(&mut self) -> Option<Landed> {
        poll_fn(|context| match self.poll_next(context) {
            Poll::Ready(landed) => Poll::Ready(Some(landed)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Landed> {
        if let Some(landed) = self.landed.take() {
            return Poll::Ready(landed);
        }
        for at in 0..self.open.len() {
            let landed = self.open.get_mut(at).map(|flight| flight.landing.poll(context));
            if let Some(Poll::Ready((client, outcome))) = landed {
                let Flight { id, lane, landing } = self.open.swap_remove(at);
                if let Some(kept) = self.kept(lane) {
                    *kept = Some(Idle { client, landing });
                }
                return Poll::Ready(Landed::Outcome(id, outcome));
            }
        }
        self.line.poll_next(context)
    }

    /// The place of a lane's idle connection; none for the websocket.
    const fn kept(&mut self, lane: Lane) -> Option<&mut Option<Idle>> {
        match lane {
            Lane::Poll => Some(&mut self.poll),
            Lane::Side => Some(&mut self.side),
            Lane::Socket => None,
        }
    }
}

async fn fly(
    mut client: Client,
    url: Arc<Url>,
    exchange: Exchange,
    authorization: Option<Arc<Secret<String>>>,
) -> (Client, Outcome) {
    let request = Request {
        url: &url,
        body: exchange.body,
        content_type: "application/json;charset=UTF-8",
        authorization: authorization.as_deref(),
        headers: &[],
        deadline: exchange.deadline,
    };
    let outcome = client.post(request).await;
    (client, outcome)
}
