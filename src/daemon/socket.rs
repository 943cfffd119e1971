//! The websocket of a connection: opened when the session has something to say over it, and what is open on it.
//!
//! Constraints: an exchange ends by a frame, of which the session tells, or by a fault: its deadline, or the end of the
//! socket, takes all of them. A socket that ends while nothing is open on it is told with the next exchange, because
//! frames may have been lost with it.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use url::Url;

use super::flight::Landed;
use crate::bayeux::border::{Exchange, ExchangeId, Fault, FaultKind, Outcome};
use crate::http::{Client, Opening, Socket};
use crate::secret::Secret;

type Knock = Pin<Box<dyn Future<Output = Result<Opening, Fault>> + Send>>;

enum Phase {
    Closed,
    Opening(Knock),
    Open(Box<Socket>),
    /// It ended while nothing was open on it.
    Broken(Fault),
}

/// A connection's socket, or the place for one.
pub(super) struct Line {
    url: Arc<Url>,
    phase: Phase,
    /// Messages that wait for the socket to be open.
    unsent: Vec<Bytes>,
    /// Two exchanges, or a few more while a session closes, with the time at which each is given up.
    open: Vec<(ExchangeId, Instant)>,
    ended: VecDeque<(ExchangeId, Outcome)>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Line {
    pub(super) fn new(url: Arc<Url>) -> Self {
        let (unsent, open, ended) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { url, phase: Phase::Closed, unsent, open, ended, alarm: None }
    }

    /// Opens the next socket at another address.
    pub(super) fn move_to(&mut self, url: Arc<Url>) {
        self.hang_up(None);
        self.url = url;
    }

    /// Starts an exchange; `origin` opens the socket where there is none.
    pub(super) fn send(
        &mut self,
        exchange: Exchange,
        origin: &Client,
        authorization: Option<Arc<Secret<String>>>,
    ) {
        self.open.push((exchange.id, Instant::now() + exchange.deadline));
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => {
                let knock = knock(origin.lane(), self.url.clone(), authorization, exchange.deadline);
                self.phase = Phase::Opening(Box::pin(knock));
                self.unsent.push(exchange.body);
            }
            Phase::Opening(knock) => {
                self.phase = Phase::Opening(knock);
                self.unsent.push(exchange.body);
            }
            Phase::Open(mut socket) => match socket.send(exchange.body) {
                Ok(()) => self.phase = Phase::Open(socket),
                Err(fault) => self.fail(&fault),
            },
            Phase::Broken(fault) => self.fail(&fault),
        }
    }

    /// An exchange is over.
    pub(super) fn cancel(&mut self, id: ExchangeId) {
        self.open.retain(|(open, _)| *open != id);
        self.ended.retain(|(ended, _)| *ended != id);
    }

    /// Closes the socket: with the session, or as if it had broken for a reason.
    pub(super) fn hang_up(&mut self, broken: Option<String>) {
        if let Phase::Open(socket) = mem::replace(&mut self.phase, Phase::Closed) {
            tokio::spawn(socket.close());
        }
        if let Some(detail) = broken {
            return self.fail(&Fault { kind: FaultKind::Malformed, sent: true, detail });
        }
        self.unsent.clear();
        self.open.clear();
        self.ended.clear();
    }

    /// Closes the socket for good; takes a second at most.
    pub(super) async fn close(self) {
        if let Phase::Open(socket) = self.phase {
            socket.close().await;
        }
    }

    /// The next message or fault; never, while the socket is closed.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Landed> {
        loop {
            if let Some((id, outcome)) = self.ended.pop_front() {
                return Poll::Ready(Landed::Outcome(id, outcome));
            }
            match &mut self.phase {
                Phase::Closed | Phase::Broken(_) => return Poll::Pending,
                Phase::Opening(knock) => match knock.as_mut().poll(context) {
                    Poll::Ready(opened) => self.on_opened(opened),
                    Poll::Pending => return Poll::Pending,
                },
                Phase::Open(socket) => match socket.poll_next(context) {
                    Poll::Ready(Ok(body)) => return Poll::Ready(Landed::Frame(body)),
                    Poll::Ready(Err(fault)) => self.fail(&fault),
                    Poll::Pending if self.is_late(context) => self.give_up(),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn on_opened(&mut self, opened: Result<Opening, Fault>) {
        match opened {
            Ok(Opening::Open(mut socket)) => {
                let sent = self.unsent.drain(..).try_for_each(|body| socket.send(body));
                match sent {
                    Ok(()) => self.phase = Phase::Open(socket),
                    Err(fault) => self.fail(&fault),
                }
            }
            Ok(Opening::Refused(reply)) => self.end(|| Ok(reply.clone())),
            Err(fault) => self.end(|| Err(fault.clone())),
        }
    }

    /// Whether the deadline of an exchange has passed; asked while the socket is open, for an opening has its own.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(until) = self.open.iter().map(|(_, until)| *until).min() else {
            return false;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.as_mut().poll(context).is_ready()
    }

    fn give_up(&mut self) {
        let detail = String::from("no reply came over the websocket before the deadline");
        self.fail(&Fault { kind: FaultKind::Timeout, sent: true, detail });
    }

    /// The socket is of no further use.
    fn fail(&mut self, fault: &Fault) {
        let idle = self.open.is_empty();
        self.end(|| Err(fault.clone()));
        if idle {
            self.phase = Phase::Broken(fault.clone());
        }
    }

    fn end(&mut self, outcome: impl Fn() -> Outcome) {
        self.phase = Phase::Closed;
        self.unsent.clear();
        self.ended.extend(self.open.drain(..).map(|(id, _)| (id, outcome())));
    }
}

async fn knock(
    client: Client,
    url: Arc<Url>,
    authorization: Option<Arc<Secret<String>>>,
    deadline: Duration,
) -> Result<Opening, Fault> {
    client.open_socket(&url, authorization.as_deref(), deadline).await
}
