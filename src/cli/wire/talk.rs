//! What one client said to one server, put in the order of time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::asks::{Asks, Named, messages};
use super::har::Entry;
use crate::bayeux::ReplayLost;
use crate::bayeux::border::Outcome;
use crate::bayeux::decode::decode;
use crate::event::{Channel, ReplayId};

/// The longest name of a client in a heading, in characters.
const NAME_MAX: usize = 200;

/// One request: what was asked for and what came of it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub(super) struct Request {
    /// The number of its entry.
    pub(super) entry: usize,
    /// Since the first one.
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) asks: Asks,
    /// The ids of its messages, with the channels that subscriptions name.
    pub(super) ids: Vec<Named>,
    /// None where the client gave it up, and for a message of a socket.
    pub(super) outcome: Option<Outcome>,
    /// Whether other messages stood in the same request, whose replies are not for this one.
    pub(super) is_shared: bool,
    /// Whether the events of the response come with this one.
    pub(super) is_first: bool,
    pub(super) by_socket: bool,
    /// Whether a connect was open when it was sent.
    pub(super) is_beside: bool,
}

/// What happened on a socket.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) entry: usize,
    pub(super) at: Duration,
    pub(super) what: Came,
}

#[derive(Debug)]
pub(super) enum Came {
    /// The server's answer to the request for a socket.
    Opened(Outcome),
    Frame(String),
    /// It broke.
    Ended(Outcome),
}

/// All of one client.
#[derive(Debug)]
pub(super) struct Talk {
    /// The connection's name, or the URL.
    pub(super) name: String,
    pub(super) url: String,
    pub(super) began: Timestamp,
    pub(super) requests: Vec<Request>,
    pub(super) heard: Vec<Heard>,
    /// Entries of the same connection that are no Bayeux.
    pub(super) others: usize,
}

/// Sorts entries by client and time: a named connection is one, and so is a URL.
pub(super) fn talks(entries: Vec<Entry>) -> Vec<Talk> {
    let mut places = HashMap::new();
    let mut groups: Vec<(String, Vec<Entry>)> = Vec::new();
    for entry in entries {
        let key = entry.connection.clone().unwrap_or_else(|| client_of(&entry.url));
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(entry),
            None => groups.push((key, vec![entry])),
        }
    }
    groups.into_iter().filter_map(|(name, group)| Talk::new(&name, group)).collect()
}

/// The same for all that a client sends: CometD's clients add the kind of message to the path, and a websocket has a
/// scheme of its own.
fn client_of(url: &str) -> String {
    let kinds = ["/handshake", "/connect", "/disconnect"];
    let url = kinds.iter().find_map(|kind| url.strip_suffix(kind)).unwrap_or(url).trim_end_matches('/');
    url.strip_prefix("ws").map_or_else(|| url.to_owned(), |rest| format!("http{rest}"))
}

impl Talk {
    /// None where nothing of it is Bayeux.
    fn new(name: &str, mut entries: Vec<Entry>) -> Option<Self> {
        entries.sort_by_key(|entry| (entry.started, entry.number));
        let began = entries.first()?.started;
        let mut talk = Self {
            name: name.chars().take(NAME_MAX).collect(),
            url: String::new(),
            began,
            requests: Vec::new(),
            heard: Vec::new(),
            others: 0,
        };
        for entry in entries {
            talk.add(entry);
        }
        talk.requests.sort_by_key(|request| (request.start, request.entry));
        talk.note_open_connects();
        talk.heard.sort_by_key(|heard| (heard.at, heard.entry));
        (!talk.requests.is_empty()).then_some(talk)
    }

    fn note_open_connects(&mut self) {
        let mut open_until = Duration::ZERO;
        for request in &mut self.requests {
            request.is_beside = request.by_socket || request.start < open_until;
            if matches!(request.asks, Asks::Connect { .. }) {
                open_until = open_until.max(request.end);
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        let start = self.since(entry.started);
        let end = start + entry.took;
        if entry.is_socket || !entry.frames.is_empty() {
            return self.add_socket(entry, start, end);
        }
        let asked = messages(&entry.request);
        if entry.method != "POST" || asked.is_empty() {
            return match entry.outcome {
                Some(outcome) if entry.is_upgrade => self.hear(entry.number, end, Came::Opened(outcome)),
                _ => self.others += 1,
            };
        }
        self.url = entry.url;
        let shared = asked.len() > 1;
        for (at, (asks, ids)) in asked.into_iter().enumerate() {
            self.requests.push(Request {
                entry: entry.number,
                start,
                end,
                asks,
                ids,
                outcome: entry.outcome.clone(),
                is_shared: shared,
                is_first: at == 0,
                by_socket: false,
                is_beside: false,
            });
        }
    }

    fn add_socket(&mut self, entry: Entry, start: Duration, end: Duration) {
        let number = entry.number;
        if let Some(Err(fault)) = entry.outcome {
            return self.hear(number, end, Came::Ended(Err(fault)));
        }
        for frame in entry.frames {
            let at = frame.at.map_or(start, |at| self.since(at));
            if !frame.sent {
                self.hear(number, at, Came::Frame(frame.text));
                continue;
            }
            for (asks, ids) in messages(&frame.text) {
                self.requests.push(Request {
                    entry: number,
                    start: at,
                    end: at,
                    asks,
                    ids,
                    outcome: None,
                    is_shared: false,
                    is_first: true,
                    by_socket: true,
                    is_beside: false,
                });
            }
        }
    }

    fn hear(&mut self, entry: usize, at: Duration, what: Came) {
        self.heard.push(Heard { entry, at, what });
    }

    fn since(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.began)).unwrap_or_default()
    }

    /// Where the first session of the talk ends: the place of the second handshake, or of the first one where the
    /// capture began in the middle of a session.
    fn first_session(&self) -> usize {
        let handshakes = self.requests.iter().enumerate().skip(1);
        let mut next = handshakes.filter(|(_, one)| matches!(one.asks, Asks::Handshake { .. }));
        next.next().map_or(self.requests.len(), |(at, _)| at)
    }

    /// Whether it begins in the middle of a session: with its name.
    pub(super) fn begins_inside(&self) -> Option<&str> {
        match &self.requests.first()?.asks {
            Asks::Connect { client, .. } => Some(client),
            Asks::Subscribe(_) | Asks::Unsubscribe(_) | Asks::Disconnect => {
                let connects = self.requests.iter().take(self.first_session());
                connects.into_iter().find_map(|one| match &one.asks {
                    Asks::Connect { client, .. } => Some(client.as_str()),
                    _ => None,
                })
            }
            Asks::Handshake { .. } => None,
        }
    }

    /// The channels that the client wanted from the start, and where each began.
    pub(super) fn channels(&self) -> Vec<(Channel, ReplayId)> {
        let mut wanted: Vec<(Channel, ReplayId)> = Vec::new();
        let from = if self.begins_inside().is_some() { self.first_session() } else { 0 };
        let first = self
            .requests
            .iter()
            .skip(from)
            .skip_while(|one| !matches!(one.asks, Asks::Subscribe(_) | Asks::Connect { .. }));
        for request in first {
            match &request.asks {
                Asks::Subscribe(channels) => wanted.extend(channels.iter().filter_map(|(name, replay)| {
                    Some((Channel::parse(name).ok()?, replay.map_or(ReplayId::NEW, ReplayId)))
                })),
                Asks::Connect { .. } => break,
                _ => {}
            }
        }
        if from > 0 || self.begins_inside().is_some() {
            wanted.extend(self.seen_channels().into_iter().map(|channel| (channel, ReplayId::NEW)));
        }
        let mut known = HashSet::new();
        // The events of a filtered subscription may name the channel without its filter.
        wanted.retain(|(channel, _)| known.insert(channel.as_str().split('?').next().map(str::to_owned)));
        wanted
    }

    /// The channels of the events that came in the first session.
    fn seen_channels(&self) -> Vec<Channel> {
        let (mut seen, mut known) = (Vec::new(), HashSet::new());
        let replies = self.requests.iter().take(self.first_session()).filter_map(|one| match &one.outcome {
            Some(Ok(reply)) if one.is_first => Some(&reply.body),
            _ => None,
        });
        for body in replies {
            for channel in decode(body).events.channels() {
                if !channel.is_meta() && known.insert(channel.clone()) {
                    seen.push(channel.clone());
                }
            }
        }
        seen
    }

    /// What the client did about positions that were lost, as far as its requests tell.
    pub(super) fn replay_lost(&self) -> ReplayLost {
        let mut asked = HashMap::new();
        let gives_up = |(name, replay)| {
            let before = asked.insert(name, replay);
            before.is_some_and(|before| before >= 0) && replay == ReplayId::NEW.0
        };
        if self.subscriptions().any(gives_up) { ReplayLost::New } else { ReplayLost::All }
    }

    fn subscriptions(&self) -> impl Iterator<Item = (&str, i64)> {
        let channels = self.requests.iter().filter_map(|one| match &one.asks {
            Asks::Subscribe(channels) => Some(channels),
            _ => None,
        });
        channels.flatten().map(|(name, replay)| (name.as_str(), replay.unwrap_or(-1)))
    }

    /// What the first handshake asked for: acknowledgements, and websockets.
    pub(super) fn handshake(&self) -> (bool, bool) {
        let found = self.requests.iter().find_map(|one| match one.asks {
            Asks::Handshake { ack, websocket } => Some((ack, websocket)),
            _ => None,
        });
        found.unwrap_or_else(|| (self.acknowledges(), !self.heard.is_empty()))
    }

    /// Whether the first session acknowledges what it was sent.
    pub(super) fn acknowledges(&self) -> bool {
        let mut first = self.requests.iter().take(self.first_session());
        first.any(|one| matches!(one.asks, Asks::Connect { ack: Some(_), .. }))
    }
}
