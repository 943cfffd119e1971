//! `cometail tail`: the events of some channels on standard output, without a configuration file.
//!
//! Constraints: URL and channels are read here and not by the parser of arguments, whose errors repeat them with the
//! password that a URL may hold.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use url::Url;

use super::org::{self, TOKEN};
use super::{IO, Recording, USAGE, fail, on_screen, run_daemon};
use crate::bayeux::Wanted;
use crate::config::{Config, Connection};
use crate::daemon::Options;
use crate::event::{Channel, ReplayId};
use crate::salesforce::version;
use crate::sinks::format::Format;

/// Print the events of channels, one JSON object a line
#[derive(Debug, Args)]
#[command(after_help = "\
The access token is taken from the environment variable COMETAIL_TOKEN or from --token-file.

Examples:
  cometail tail https://acme.my.salesforce.com/cometd/61.0 /topic/InvoiceStatementUpdates
  cometail tail https://acme.my.salesforce.com/cometd/61.0 /event/Order__e --replay all | jq .data
  cometail tail http://127.0.0.1:8080/cometd/61.0 /topic/A /u/B --count 10 --pretty")]
pub(super) struct Tail {
    /// The endpoint, such as `https://acme.my.salesforce.com/cometd/61.0`
    url: String,
    /// The channels, such as /topic/InvoiceStatementUpdates
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Where to begin: new events, all that the server retains, or after an event's replay id
    #[arg(long, default_value = "new", value_name = "new|all|ID", value_parser = replay, allow_hyphen_values = true)]
    replay: ReplayId,
    /// The form of a record
    #[arg(long, default_value = "message")]
    format: Form,
    /// Indent, with colours on a terminal
    #[arg(long)]
    pretty: bool,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// What carries the session, where the server offers it
    #[arg(long, default_value = "long-polling")]
    transport: Transport,
    /// Read the access token from a file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    recording: Recording,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// HTTP, as Salesforce wants it
    LongPolling,
    /// A websocket, with long polling where it cannot be had
    Websocket,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Form {
    /// The Bayeux message as the server sent it
    Message,
    /// Its data alone
    Data,
    /// Connection, channel, replay id, time of arrival, id and data
    Envelope,
    /// A CloudEvents 1.0 event
    Cloudevents,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Message => Self::Message,
            Form::Data => Self::Data,
            Form::Envelope => Self::Envelope,
            Form::Cloudevents => Self::CloudEvents,
        }
    }
}

/// What is wrong with a URL is told without the URL.
fn endpoint(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("the URL: {error}; wanted https://HOST/cometd/61.0"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(String::from("wanted an http or https URL, such as https://HOST/cometd/61.0"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("a URL is no place for secrets; put the access token into {TOKEN}"));
    }
    Ok(url)
}

fn channel(text: &str) -> Result<Channel, String> {
    // It may be the URL, in the wrong place.
    let shown = if text.contains(['@', ':']) { String::new() } else { format!(" '{}'", text.escape_debug()) };
    let channel = Channel::parse(text).map_err(|error| format!("channel{shown}: {error}"))?;
    if channel.is_meta() {
        return Err(format!("channel{shown}: those under /meta/ are the protocol's own"));
    }
    Ok(channel)
}

fn replay(text: &str) -> Result<ReplayId, String> {
    match text {
        "new" => Ok(ReplayId::NEW),
        "all" => Ok(ReplayId::ALL),
        _ => match text.parse() {
            Ok(id @ -2..) => Ok(ReplayId(id)),
            _ => Err(String::from("wanted new (-1), all (-2) or a replay id from 0 on")),
        },
    }
}

pub(super) fn main(tail: Tail) -> u8 {
    let (wire, config) = match (tail.recording.open(None), config(tail)) {
        (_, Err(error)) => return fail(USAGE, &error),
        (Err(error), _) => return fail(IO, &error),
        (Ok(wire), Ok(config)) => (wire, config),
    };
    let warnings = shortcomings(&config);
    run_daemon(config, Options { one_shot: true, wire, ..Options::default() }, &warnings)
}

/// What the version of the API in the URL cannot do.
fn shortcomings(config: &Config) -> Vec<String> {
    let of_one = |one: &Connection| {
        let version = version::of_path(one.url.path())?;
        let channels = one.session.channels.iter().map(|wanted| wanted.channel.as_str());
        let say =
            |note: version::Note| format!("API version {version}: {} ({} or later)", note.text, note.wanted);
        Some(version::notes(version, &channels).into_iter().map(say).collect::<Vec<_>>())
    };
    config.connections.iter().filter_map(of_one).flatten().collect()
}

fn config(tail: Tail) -> Result<Config, String> {
    let url = endpoint(&tail.url)?;
    let replay = tail.replay;
    let mut channels = Vec::new();
    for text in tail.channels {
        let wanted = Wanted { channel: channel(&text)?, replay };
        if !channels.contains(&wanted) {
            channels.push(wanted);
        }
    }
    let mut connection = Connection::new("tail", url, channels);
    connection.http.ca_file = tail.ca_file;
    connection.session.websocket = tail.transport == Transport::Websocket;
    connection.login = org::token(tail.token_file);
    Ok(on_screen(connection, tail.format.into(), tail.pretty, tail.count))
}
