//! Exchanges on their way: at most one kept-alive HTTP connection per lane is kept when they are done.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::ReusableBoxFuture;
use url::Url;

use crate::bayeux::border::{Exchange, ExchangeId, Lane, Outcome};
use crate::http::{Client, Request};
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

/// The exchanges of one connection.
pub(super) struct Flights {
    url: Arc<Url>,
    /// What new lanes are made from; it sends nothing itself.
    origin: Client,
    poll: Option<Idle>,
    side: Option<Idle>,
    /// Two, or a few more while a session closes.
    open: Vec<Flight>,
}

impl Flights {
    pub(super) fn new(url: Url, origin: Client) -> Self {
        Self { url: Arc::new(url), origin, poll: None, side: None, open: Vec::new() }
    }

    /// Starts an exchange; it moves on whenever [`Flights::next`] is awaited.
    pub(super) fn send(&mut self, exchange: Exchange, authorization: Option<Arc<Secret<String>>>) {
        let (id, lane, url) = (exchange.id, exchange.lane, self.url.clone());
        let landing = match self.kept(lane).take() {
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
    }

    /// Gives the idle HTTP connections up.
    pub(super) fn renew(&mut self) {
        self.poll = None;
        self.side = None;
    }

    /// The next exchange that ends; never, while none is open. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (ExchangeId, Outcome) {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next exchange that has ended by now.
    pub(super) async fn next_now(&mut self) -> Option<(ExchangeId, Outcome)> {
        poll_fn(|context| match self.poll_next(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(ExchangeId, Outcome)> {
        for at in 0..self.open.len() {
            let landed = self.open.get_mut(at).map(|flight| flight.landing.poll(context));
            if let Some(Poll::Ready((client, outcome))) = landed {
                let Flight { id, lane, landing } = self.open.swap_remove(at);
                *self.kept(lane) = Some(Idle { client, landing });
                return Poll::Ready((id, outcome));
            }
        }
        Poll::Pending
    }

    const fn kept(&mut self, lane: Lane) -> &mut Option<Idle> {
        match lane {
            Lane::Poll => &mut self.poll,
            Lane::Side => &mut self.side,
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
