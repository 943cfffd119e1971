//! The receiver of a soak's webhook: it takes what comes, refuses a request now and then, and is away at times.
//!
//! Events may come to it again, since it is a webhook, but none may be left out: those of an attempt that it took begin
//! at the latest behind the last one that it has.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::Result;
use crate::shared::listener::Listener;
use crate::shared::messages::Messages;
use crate::trouble::number;

/// One request of so many is answered with 503.
const REFUSED: u64 = 97;

/// A listening receiver.
pub(crate) struct Receiver {
    listener: Listener,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    away: bool,
    requests: u64,
    /// The number of the event that is expected next.
    next: u64,
    /// What was wrong first.
    wrong: Option<String>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let listener = Listener::start(move |stream| serve(stream, &shared))?;
        Ok(Self { listener, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Whether requests are left without an answer.
    pub(crate) fn set_away(&self, away: bool) {
        lock(&self.state).away = away;
    }

    /// How many different events it has.
    pub(crate) fn events(&self) -> Result<u64> {
        let state = lock(&self.state);
        state.wrong.clone().map_or(Ok(state.next), |wrong| Err(wrong.into()))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nothing panics while it holds the state")
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut requests = Messages::new(stream.try_clone()?);
    while let Some((_, body)) = requests.next()? {
        let mut state = lock(state);
        state.requests += 1;
        if state.away {
            return Ok(());
        }
        let status = if state.requests.is_multiple_of(REFUSED) {
            "503 Service Unavailable"
        } else {
            state.take(body);
            "200 OK"
        };
        drop(state);
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}

impl State {
    fn take(&mut self, body: &[u8]) {
        let events: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
        for event in &events {
            match number(event) {
                Some(number) if number <= self.next => self.next = self.next.max(number + 1),
                found => {
                    let next = self.next;
                    self.wrong
                        .get_or_insert_with(|| format!("webhook: event {next} wanted, {found:?} found"));
                }
            }
        }
    }
}
