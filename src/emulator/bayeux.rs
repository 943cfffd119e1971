//! Bayeux messages in, replies out.
//!
//! One request is an array of messages or a single one. A connect is held only when it is alone in its
//! request; its response has the events first and the reply last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::auth::{self, Caller, Denied};
use super::channels;
use super::event::Event;
use super::faults::Met;
use super::filter::{self, Filter};
use super::ledger::Receipts;
use super::message::{Message, Refusal, Reply, names, render};
use super::poll::{Held, OpenConnect};
use super::records::Call;
use super::session::{Overflow, Session};
use super::state::{Shared, State};
use super::store;
use super::users::Permission;
use super::version::Version;

/// The cookie that ties requests to a session.
pub(super) const COOKIE: &str = "BAYEUX_BROWSER";
/// The most channels that one session subscribes to.
const SUBSCRIPTIONS_MAX: usize = 1000;
/// Why a handshake is denied where the server has as many clients as it may have.
const CROWDED: &str = "403::To protect all customers from excessive use and Denial of Service attacks, we limit the \
    number of simultaneous connections per server. Your request has been denied because this limit has been exceeded. \
    Please try your request again later.";
/// Why a request is not answered where the server has as many under way as it has the resources for.
pub(super) const BUSY: &str = "503::Server is too busy.  Please try your request again later.";

/// What of an HTTP request matters to the messages in it.
#[derive(Debug)]
pub(super) struct Request {
    /// The server.
    pub(super) shared: Arc<Shared>,
    /// The API version of the path.
    pub(super) version: Version,
    /// The value of the session cookie.
    pub(super) cookie: Option<String>,
    /// Who it is from.
    pub(super) caller: Result<Caller, Denied>,
    /// Whether the server has no resources for it.
    pub(super) busy: bool,
}

/// What answers a request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The session cookie to set.
    pub(super) set_cookie: Option<String>,
    /// JSON texts of messages.
    pub(super) messages: Vec<String>,
    /// What of them is for whom.
    pub(super) receipts: Receipts,
    /// Whether a newer connect took the place of the request's own: it has no answer then.
    pub(super) superseded: bool,
    /// Which of them are events.
    events: Vec<usize>,
}

impl Answer {
    /// Adds an event that the session `client` gets.
    fn add(&mut self, client: &str, event: &Event, text: String) {
        self.events.push(self.messages.len());
        self.messages.push(text);
        let events = self.receipts.entry(client.to_owned()).or_default();
        *events.entry(Arc::clone(&event.channel)).or_default() += 1;
    }

    /// Puts the events into another order.
    pub(super) fn reorder(&mut self, met: &mut Met) {
        let event = |at: &usize| self.messages.get(*at).cloned();
        let mut events: Vec<_> = self.events.iter().filter_map(event).collect();
        met.shuffle(&mut events);
        for (at, event) in self.events.iter().zip(events) {
            if let Some(message) = self.messages.get_mut(*at) {
                *message = event;
            }
        }
    }
}

impl Request {
    /// Answers the messages in their order.
    pub(super) async fn answer(&self, messages: &[Message]) -> Answer {
        let mut answer = Answer::default();
        for message in messages {
            let channel = message.channel.as_deref().unwrap_or_default();
            self.count(channel);
            let reply = match &self.caller {
                _ if self.busy => Err(deny(channel, Denied::Wrong.text(), BUSY)),
                Err(denied) => Err(deny(channel, denied.text(), denied.text())),
                Ok(_) if channel == "/meta/connect" => {
                    self.connect(message, messages.len() == 1, &mut answer).await
                }
                Ok(caller) => self.answer_at_once(caller, channel, message, &mut answer),
            };
            let client = reply.as_ref().ok().and_then(|members| members.get("clientId"));
            let client = client.and_then(Value::as_str).or(message.client.as_deref());
            if let (Ok(_), Some(client)) = (&reply, client) {
                answer.receipts.entry(client.to_owned()).or_default();
            }
            answer.messages.push(render(message, reply));
        }
        self.shared.lock().ledger.hand_out(&answer.receipts);
        answer
    }

    fn answer_at_once(
        &self,
        caller: &Caller,
        channel: &str,
        message: &Message,
        answer: &mut Answer,
    ) -> Reply {
        match channel {
            "/meta/handshake" => self.handshake(caller, message, answer),
            "/meta/subscribe" if !caller.user.has(Permission::Streaming) => {
                Err(Refusal::new("403::User not enabled for streaming"))
            }
            "/meta/subscribe" => self.subscribe(message),
            "/meta/unsubscribe" => self.unsubscribe(message),
            "/meta/disconnect" => self.disconnect(message),
            "" => Err(Refusal::new("400::channel_missing")),
            _ if channel.starts_with("/meta/") => Err(Refusal::new("404::Unknown channel")),
            _ => Err(Refusal::new("403:denied_by_security_policy:publish_denied")),
        }
    }

    fn count(&self, channel: &str) {
        let mut state = self.shared.lock();
        let counters = &mut state.counters;
        match channel {
            "/meta/handshake" => counters.handshakes += 1,
            "/meta/connect" => counters.connects += 1,
            "/meta/subscribe" => counters.subscribes += 1,
            "/meta/unsubscribe" => counters.unsubscribes += 1,
            "/meta/disconnect" => counters.disconnects += 1,
            _ => {}
        }
    }

    fn handshake(&self, caller: &Caller, message: &Message, answer: &mut Answer) -> Reply {
        let mut state = self.shared.lock();
        state.make_room(&self.shared.config);
        if state.is_crowded() {
            let advice = Some(json!({"reconnect": "none"}));
            return Err(Refusal {
                error: "403::Handshake denied".into(),
                advice,
                failure: Some(CROWDED.into()),
            });
        }
        if state.sessions.len() >= state.clients_max() {
            let advice = json!({"reconnect": "none"});
            return Err(Refusal::advised("403::Organization concurrent user limit exceeded", advice));
        }
        if state.is_used_up() {
            let advice = json!({"reconnect": "none"});
            return Err(Refusal::advised("403::Organization total events daily limit exceeded", advice));
        }
        let known = self.cookie.as_ref().filter(|cookie| !cookie.is_empty() && cookie.len() <= 64).cloned();
        let cookie = known.unwrap_or_else(|| {
            let fresh = auth::random_name(24);
            answer.set_cookie = Some(fresh.clone());
            fresh
        });
        // Asked for or not: Salesforce's own extension for clients waits for the offer.
        let replay = self.version.replays();
        let ack = self.shared.config.ack && message.ext.get("ack") == Some(&Value::Bool(true));
        let client = auth::random_name(27);
        let session = Session::new(self.version, Arc::clone(&caller.user), cookie, replay, ack);
        state.sessions.insert(client.clone(), session);
        let mut members = json!({
            "clientId": client, "version": "1.0", "minimumVersion": "1.0", "supportedConnectionTypes": ["long-polling"],
        });
        let offered = [("replay", replay), ("payload.format", replay), ("ack", ack)];
        let ext: Map<_, _> = offered
            .iter()
            .filter(|(_, on)| *on)
            .map(|(name, on)| ((*name).to_owned(), (*on).into()))
            .collect();
        if let (false, Some(members)) = (ext.is_empty(), members.as_object_mut()) {
            members.insert("ext".to_owned(), ext.into());
        }
        Ok(members)
    }

    async fn connect(&self, message: &Message, alone: bool, answer: &mut Answer) -> Reply {
        let (client, version, user, open, first) = {
            let mut state = self.shared.lock();
            let (client, session) = self.session(&mut state, message)?;
            let number = session.open_connect(message.ext.get("ack").and_then(Value::as_i64));
            let bell = Arc::clone(&session.bell);
            let (version, user) = (session.version, Arc::clone(&session.user));
            (client, version, user, OpenConnect::new(&self.shared, client, number, bell), number == 1)
        };
        let full = self.shared.config.connect_timeout();
        let asked = message.advice.get("timeout").and_then(Value::as_u64).map(Duration::from_millis);
        let timeout = if alone && !first { asked.unwrap_or(full).min(full) } else { Duration::ZERO };
        let (events, ack) = match open.hold(timeout).await {
            Held::Answered { events, ack } => (events, ack),
            Held::Left => return Ok(json!({"advice": {"reconnect": "none"}})),
            Held::Gone => return Err(self.unknown_client()),
            Held::Superseded => {
                answer.superseded = true;
                return Err(self.unknown_client());
            }
        };
        for event in events {
            let mut text = String::new();
            event.render(version, &user, client, &mut text);
            answer.add(client, &event, text);
        }
        let mut members = Map::new();
        // As the reference server does, also where the client gives advice of its own: it may have forgotten the server's.
        if first || message.advice.is_object() {
            let timeout = u64::try_from(full.as_millis()).unwrap_or(u64::MAX);
            let advice = json!({"reconnect": "retry", "interval": 0, "timeout": timeout});
            members.insert("advice".to_owned(), advice);
        }
        if let Some(ack) = ack {
            members.insert("ext".to_owned(), json!({"ack": ack}));
        }
        Ok(members.into())
    }

    fn subscribe(&self, message: &Message) -> Reply {
        let mut state = self.shared.lock();
        let (client, session) = self.session(&mut state, message)?;
        let (version, replay, count) = (session.version, session.replay, session.channels.len());
        let user = Arc::clone(&session.user);
        let mut wanted: BTreeMap<Arc<str>, (Option<Filter>, i64)> = BTreeMap::new();
        for name in names(message)? {
            let config = &self.shared.config;
            let target = channels::check(config.channels.as_deref(), version, name).map_err(Refusal::new)?;
            let (channel, _) = filter::split(&target.name);
            let call = Call { user: &user, version: version.number(), now: self.shared.timestamp() };
            let admitted = state.admit(client, call, channel, target.filter.as_ref(), config);
            admitted.map_err(Refusal::new)?;
            let positions = message.ext.get("replay").filter(|_| replay);
            let by_name = |name: &str| positions.and_then(|positions| positions.get(name));
            let position = match by_name(name).or_else(|| by_name(filter::split(name).0)) {
                Some(position) => check_position(&mut state, channel, position)?,
                None => store::NEW,
            };
            wanted.insert(target.name, (target.filter, position));
        }
        if count + wanted.len() > SUBSCRIPTIONS_MAX {
            return Err(Refusal::new("403::Subscription limit exceeded for this topic"));
        }
        // Every channel of the message is good: only now is any of them subscribed to.
        for (name, (filter, position)) in wanted {
            if state.subscribe(client, name, filter, position) == Err(Overflow) {
                state.forget(client);
                return Err(self.unknown_client());
            }
        }
        Ok(json!({"subscription": message.subscription}))
    }

    fn unsubscribe(&self, message: &Message) -> Reply {
        let mut state = self.shared.lock();
        let (_, session) = self.session(&mut state, message)?;
        for name in names(message)? {
            session.channels.remove(&*session.version.channel(name));
        }
        Ok(json!({"subscription": message.subscription}))
    }

    fn disconnect(&self, message: &Message) -> Reply {
        let mut state = self.shared.lock();
        let (client, session) = self.session(&mut state, message)?;
        session.leave();
        state.forget(client);
        Ok(json!({}))
    }

    /// The session that a message names, if its cookie came along; a response to it goes out.
    fn session<'m, 's>(
        &self,
        state: &'s mut State,
        message: &'m Message,
    ) -> Result<(&'m str, &'s mut Session), Refusal> {
        let advice = self.rehandshake();
        let Some(client) = message.client.as_deref() else {
            return Err(Refusal::advised("403::Client has not completed handshake", advice));
        };
        let Some(session) = state.session(client, &self.shared.config) else {
            return Err(self.unknown_client());
        };
        let own = self.caller.as_ref().is_ok_and(|caller| caller.user.id == session.user.id);
        if !own {
            return Err(self.unknown_client());
        }
        let good = !self.shared.config.cookies || self.cookie.as_ref() == Some(&session.cookie);
        if !good && self.cookie.is_none() && self.version.replays() {
            let error =
                format!("400::Client {client} has established a session, but no {COOKIE} cookie present");
            return Err(Refusal::advised(error, advice));
        }
        if !good {
            return Err(self.unknown_client());
        }
        session.touch();
        Ok((client, session))
    }

    fn unknown_client(&self) -> Refusal {
        Refusal::advised(self.version.unknown_client(), self.rehandshake())
    }

    fn rehandshake(&self) -> Value {
        let interval = self.shared.config.rehandshake_interval().as_millis();
        json!({"reconnect": "handshake", "interval": u64::try_from(interval).unwrap_or(u64::MAX)})
    }
}

fn check_position(state: &mut State, channel: &str, position: &Value) -> Result<i64, Refusal> {
    let good = position.as_i64().filter(|number| state.store.check(channel, *number).is_ok());
    good.ok_or_else(|| {
        Refusal::new(format!(
            "400::The replayId {{{position}}} you provided was invalid. Please provide a valid ID, -2 to replay \
             all events, or -1 to replay only new events."
        ))
    })
}

/// A refusal for want of authentication, or of resources, in which case `why` is another than the error.
fn deny(channel: &str, error: &'static str, why: &'static str) -> Refusal {
    let advice = Some(json!({"reconnect": "none", "interval": 0}));
    if channel == "/meta/handshake" {
        return Refusal { error: "403::Handshake denied".into(), advice, failure: Some(why.into()) };
    }
    Refusal { error: error.into(), advice, failure: (error != why).then(|| why.into()) }
}
