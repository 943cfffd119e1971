//! Delivery to stdout, files and webhooks.

pub mod file;
pub mod filter;
pub mod format;
pub mod stdout;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use filter::Pattern;
use format::Format;

/// One sink: what it takes, how it writes it, where it goes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name in the configuration, logs and status.
    pub name: Arc<str>,
    /// The channels it takes; every channel where there is none.
    pub channels: Vec<Pattern>,
    /// The form of a record.
    pub format: Format,
    /// The most that may wait for it, in bytes.
    pub queue: usize,
    /// The channels whose events are put in the order of their creation first.
    pub order: Vec<Order>,
    /// Where records go.
    pub kind: Kind,
}

/// Events of these channels are held for at most `window`, and leave by `createdDate`.
#[derive(Clone, Debug)]
pub struct Order {
    /// The connection it holds for.
    pub connection: Arc<str>,
    /// The channels.
    pub channels: Pattern,
    /// The longest that an event is held.
    pub window: Duration,
}

/// Where records go.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Standard output.
    Stdout(stdout::Config),
    /// Files by a path template.
    File(file::Config),
    /// An HTTP endpoint.
    Webhook(Box<webhook::Config>),
}
