//! Exchanges on their way: at most one kept-alive HTTP connection per lane is kept when they are done.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use url::Url;

use crate::bayeux::border::{Exchange, ExchangeId, Lane, Outcome};
use crate::http::{Client, Request};
use crate::secret::Secret;

type Landing = Pin<Box<dyn Future<Output = (Client, Outcome)> + Send>>;

struct Flight {
    id: ExchangeId,
    lane: Lane,
    landing: Landing,
}

/// The exchanges of one connection.
pub(super) struct Flights {
    url: Arc<Url>,
    /// What new lanes are made from; it sends nothing itself.
    origin: Client,
    poll: Option<Client>,
    side: Option<Client>,
    /// Two, or a few more while a session closes.
    open: Vec<Flight>,
}

impl Flights {
    pub(super) fn new(url: Url, origin: Client) -> Self {
        Self { url: Arc::new(url), origin, poll: None, side: None, open: Vec::new() }
    }

    /// Starts an exchange; it moves on whenever [`Flights::next`] is awaited.
    pub(super) fn send(&mut self, exchange: Exchange, authorization: Option<Arc<Secret<String>>>) {
        let Exchange { id, lane, body, deadline } = exchange;
        let kept = self.kept(lane).take();
        let mut client = kept.unwrap_or_else(|| self.origin.lane());
        let url = self.url.clone();
        let landing = Box::pin(async move {
            let request = Request {
                url: &url,
                body,
                content_type: "application/json;charset=UTF-8",
                authorization: authorization.as_deref(),
                headers: &[],
                deadline,
            };
            let outcome = client.post(request).await;
            (client, outcome)
        });
        self.open.push(Flight { id, lane, landing });
    }

    /// Gives an exchange up, and its HTTP connection with it.
    pub(super) fn cancel(&mut self, id: ExchangeId) {
        self.open.retain(|flight| flight.id != id);
    }

    /// The next exchange that ends; never, while none is open. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (ExchangeId, Outcome) {
        let (at, client, outcome) = poll_fn(|context| {
            for (at, flight) in self.open.iter_mut().enumerate() {
                if let Poll::Ready((client, outcome)) = flight.landing.as_mut().poll(context) {
                    return Poll::Ready((at, client, outcome));
                }
            }
            Poll::Pending
        })
        .await;
        let Flight { id, lane, .. } = self.open.swap_remove(at);
        *self.kept(lane) = Some(client);
        (id, outcome)
    }

    const fn kept(&mut self, lane: Lane) -> &mut Option<Client> {
        match lane {
            Lane::Poll => &mut self.poll,
            Lane::Side => &mut self.side,
        }
    }
}
