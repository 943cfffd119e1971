//! `[connection.NAME]`: one session with one server.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::endpoint::{self, Endpoint};
use super::load::Environment;
use super::login::{self, Around};
use super::reader::{Node, Table, shown};
use super::{Connection, OnStop, limits, secrets, urls};
use crate::bayeux::{self, ReplayLost, Wanted};
use crate::event::{Channel, ReplayId};
use crate::salesforce::api::ApiVersion;
use crate::salesforce::version;
use crate::sinks::{Order, filter::Pattern};
use crate::{http, journal, retry};

const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What a timeout may be.
pub(super) const TIMEOUT: RangeInclusive<Duration> = MILLISECOND..=HOUR;
const MARGIN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);
const RECHECK: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;

/// What body caps may be; the ends of an event within a body are 32-bit numbers.
/// What is larger might not fit a record of the journal.
const BODY: RangeInclusive<u64> = 1 << 10..=journal::BODY_MAX;

const CHANNELS_MAX: usize = 10_000;

/// Reads one connection and the orderings of its channels; `None` where a problem is noted.
pub(super) fn read(
    name: &str,
    node: &Node<'_>,
    environment: Environment<'_>,
    state_dir: Option<&Path>,
) -> Option<(Connection, Vec<Order>)> {
    let mut table = node.table("a table [connection.NAME]")?;
    let name: Arc<str> = Arc::from(name);
    let (url, version) = (table.get("url"), table.get("api_version"));
    let endpoint = endpoint::read(url.as_ref(), version.as_ref());
    let channels = channels(&mut table);
    let login_node = table.get("login");
    let login = login_node.as_ref().and_then(|node| {
        let place = endpoint.as_ref();
        let url = place.filter(|place| place.is_located).map(|place| &place.url);
        let version = place.and_then(|place| place.version).unwrap_or(ApiVersion::DEFAULT);
        login::read(node.table("a table")?, &Around { environment, state_dir, name: &name, url, version })
    });
    // A login that cannot be read may be one that tells.
    let told = login.as_ref().map_or(login_node.is_some(), |(config, _)| login::tells_instance(config));
    if url.is_none() && !told {
        table.miss("url", "the URL of a CometD endpoint");
    }
    if let (Some(node), Some(endpoint)) = (url.as_ref().or(version.as_ref()), &endpoint) {
        warn_about(node, endpoint, login.is_some());
        warn_of_version(version.as_ref().unwrap_or(node), endpoint, channels.as_deref().unwrap_or_default());
    }
    let limits = table.table("limits").and_then(limits::read);
    let session = session(&mut table, Arc::clone(&name));
    let http = transport(&mut table);
    let stops = [("disconnect", OnStop::Disconnect), ("keep", OnStop::Keep)];
    let on_stop = table.get("on_stop").and_then(|node| node.choice(&stops)).unwrap_or_default();
    let required = table.get("required").and_then(|node| node.boolean()).unwrap_or(true);
    table.end();
    let channels = channels?;
    let order = orders(&name, &channels);
    let channels = channels.into_iter().map(|(wanted, _)| wanted).collect();
    let session = bayeux::Config { channels, ..session };
    let Endpoint { url, is_located, is_legacy, .. } = endpoint?;
    let (login, login_options) = login.map(|(config, options)| (Some(config), options)).unwrap_or_default();
    let connection = Connection {
        name,
        url,
        is_located,
        is_legacy,
        session,
        http,
        login,
        login_options,
        limits,
        on_stop,
        required,
    };
    Some((connection, order))
}

/// The protocol's part, without its channels.
fn session(table: &mut Table<'_>, connection: Arc<str>) -> bayeux::Config {
    let defaults = bayeux::Config::new(connection, Vec::new());
    let mut wait =
        |name, default, range| table.get(name).and_then(|node| node.duration(&range)).unwrap_or(default);
    let poll_timeout = wait("poll_timeout", defaults.poll_timeout, TIMEOUT);
    let poll_margin = wait("poll_margin", defaults.poll_margin, MARGIN);
    let request_timeout = wait("request_timeout", defaults.request_timeout, TIMEOUT);
    let handshakes = table.get("handshakes_per_minute").and_then(|node| node.number(&(1..=1000)));
    let watchdog = table.get("watchdog").and_then(|node| node.number(&(1..=1000)));
    let recheck = table.get("recheck").and_then(|node| node.duration(&RECHECK));
    let ack = table.get("ack").and_then(|node| node.boolean());
    let transports = [("long-polling", false), ("websocket", true)];
    let websocket = table.get("transport").and_then(|node| node.choice(&transports));
    let lost = [("all", ReplayLost::All), ("new", ReplayLost::New), ("stop", ReplayLost::Stop)];
    let replay_lost = table.get("replay_lost").and_then(|node| node.choice(&lost));
    bayeux::Config {
        poll_timeout,
        poll_margin,
        request_timeout,
        retry: waits(table, defaults.retry),
        handshakes_per_minute: handshakes.unwrap_or(defaults.handshakes_per_minute),
        replay_lost: replay_lost.unwrap_or(defaults.replay_lost),
        watchdog: watchdog.unwrap_or(defaults.watchdog),
        recheck,
        ack: ack.unwrap_or(defaults.ack),
        websocket: websocket.unwrap_or(defaults.websocket),
        ..defaults
    }
}

/// The transport's part.
fn transport(table: &mut Table<'_>) -> http::Config {
    let mut config = way_out(table);
    let connect = table.get("connect_timeout").and_then(|node| node.duration(&TIMEOUT));
    config.connect_timeout = connect.unwrap_or(config.connect_timeout);
    let body = table.get("body_max").and_then(|node| node.size(&BODY));
    config.body_max = body.unwrap_or(config.body_max);
    let inflated = table.get("inflated_max").and_then(|node| node.size(&BODY));
    config.inflated_max = inflated.unwrap_or(config.inflated_max);
    config
}

/// `ca_file` and `proxy`, for servers and for webhooks.
pub(super) fn way_out(table: &mut Table<'_>) -> http::Config {
    let defaults = http::Config::default();
    let ca = table.get("ca_file").and_then(|node| {
        let path = node.path()?;
        let version = secrets::check_certificates(&node, &path);
        Some((path, version))
    });
    let proxy = table.get("proxy").and_then(|node| urls::proxy(&node)).unwrap_or(defaults.proxy);
    let (ca_file, ca_version) = ca.map_or((None, 0), |(path, version)| (Some(path), version));
    http::Config { ca_file, ca_version, proxy, ..defaults }
}

/// `retry_initial` and `retry_max`, for sessions, logins and webhooks.
pub(super) fn waits(table: &mut Table<'_>, defaults: retry::Config) -> retry::Config {
    let (initial_node, max_node) = (table.get("retry_initial"), table.get("retry_max"));
    let read = |node: &Option<Node<'_>>, range| node.as_ref().and_then(|node| node.duration(&range));
    let initial = read(&initial_node, TIMEOUT).unwrap_or(defaults.initial);
    let max = read(&max_node, MILLISECOND..=DAY).unwrap_or(defaults.max);
    if initial > max {
        let bounds = (super::units::show_duration(initial), super::units::show_duration(max));
        match (initial_node, max_node) {
            (Some(node), _) => {
                node.report(&format!("{:?}", bounds.0), &format!("at most retry_max, {:?}", bounds.1), None);
            }
            (None, Some(node)) => {
                node.report(
                    &format!("{:?}", bounds.1),
                    &format!("at least retry_initial, {:?}", bounds.0),
                    None,
                );
            }
            (None, None) => {}
        }
    }
    retry::Config { initial, max }
}

/// What is allowed, and on most servers not meant.
fn warn_about(node: &Node<'_>, endpoint: &Endpoint, token: bool) {
    let url = &endpoint.url;
    if !url.path().contains("/cometd") {
        let hint = "on Salesforce it is https://HOST/cometd/61.0";
        node.warn(&format!("the path {}", shown(url.path())), "a path with /cometd", Some(hint));
    }
    if url.scheme() == "http" && token && !urls::is_local(url) {
        node.warn("http", "https", Some("everybody on the way can read the access token"));
    }
}

/// What is asked for and cannot be had at this version of the API.
fn warn_of_version(node: &Node<'_>, endpoint: &Endpoint, channels: &[Ordered]) {
    let Some(version) = endpoint.version else { return };
    let names = channels.iter().map(|(wanted, _)| wanted.channel.as_str());
    for note in version::notes(version, &names) {
        let wanted = format!("{} or later", note.wanted);
        node.warn(&format!("API version {version}"), &wanted, Some(note.text));
    }
}

type Ordered = (Wanted, Option<Duration>);

/// `channels`, each a name or a table, and `replay`, the default of each.
fn channels(table: &mut Table<'_>) -> Option<Vec<Ordered>> {
    let starts = [("new", ReplayId::NEW), ("all", ReplayId::ALL)];
    let replay = table.get("replay").and_then(|node| node.choice(&starts)).unwrap_or(ReplayId::NEW);
    let wanted = "an array of channels such as [\"/topic/Name\"]";
    let node = table.need("channels", wanted)?;
    let items = node.list(wanted)?;
    match items.len() {
        0 => node.report("an empty array", wanted, None),
        len if len > CHANNELS_MAX => node.report(&format!("{len} channels"), "at most 10000", None),
        _ => {}
    }
    let mut names = HashSet::new();
    let read = |item: &Node<'_>| {
        let (name_node, wanted, order) = channel(item, replay)?;
        if !names.insert(wanted.channel.clone()) {
            let found = format!("{} once more", shown(wanted.channel.as_str()));
            name_node.report(&found, "each channel once", None);
        }
        Some((wanted, order))
    };
    Some(items.iter().take(CHANNELS_MAX).filter_map(read).collect())
}

/// A name, or `{ name, replay, order }`.
fn channel<'t>(item: &Node<'t>, replay: ReplayId) -> Option<(Node<'t>, Wanted, Option<Duration>)> {
    let wanted = "a channel's name, or { name = \"/topic/Name\", replay = ..., order = ... }";
    if item.is_text() {
        return Some((item.clone(), Wanted { channel: name(item)?, replay }, None));
    }
    let mut table = item.table(wanted)?;
    let name_node = table.need("name", "a channel such as \"/topic/Name\"");
    let replay = table.get("replay").and_then(|node| position(&node)).unwrap_or(replay);
    let order = table.get("order").and_then(|node| node.duration(&TIMEOUT));
    table.end();
    let name_node = name_node?;
    let channel = name(&name_node)?;
    Some((name_node, Wanted { channel, replay }, order))
}

fn name(node: &Node<'_>) -> Option<Channel> {
    let wanted = "a channel such as \"/topic/Name\"";
    let text = node.text(wanted)?;
    match Channel::parse(text) {
        Ok(channel) if !channel.is_meta() => return Some(channel),
        Ok(_) => node.report(&shown(text), wanted, Some("/meta channels are the protocol's own")),
        Err(error) => node.report(&shown(text), wanted, Some(&error.to_string())),
    }
    None
}

/// `"new"`, `"all"`, or the replay id of the last event already seen.
fn position(node: &Node<'_>) -> Option<ReplayId> {
    let wanted = "\"new\", \"all\" or a replay id from 0";
    if node.is_text() {
        return node.choice_as(&[("new", ReplayId::NEW), ("all", ReplayId::ALL)], wanted);
    }
    match node.as_integer() {
        Some(id) if id >= 0 => return Some(ReplayId(id)),
        Some(-1) => node.report("-1", wanted, Some("-1 is written \"new\"")),
        Some(-2) => node.report("-2", wanted, Some("-2 is written \"all\"")),
        Some(id) => node.report(&id.to_string(), wanted, None),
        None => return node.mistyped(wanted),
    }
    None
}

/// The orderings of a connection's channels, for its sinks.
fn orders(connection: &Arc<str>, channels: &[Ordered]) -> Vec<Order> {
    let order = |(wanted, window): &Ordered| {
        let window = (*window)?;
        let channels = Pattern::parse(wanted.channel.as_str()).ok()?;
        Some(Order { connection: Arc::clone(connection), channels, window })
    };
    channels.iter().filter_map(order).collect()
}
