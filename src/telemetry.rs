//! Logs on stderr.
//!
//! Constraints: a log never fails, panics or holds up what it reports on (a closed stderr is ignored, lines that
//! nobody reads are lost and counted), and what a
//! server or a file put into a field stays within its line: on human lines every control character is
//! escaped, on JSON lines JSON does it.
//!
//! Format: on a terminal `TIME LEVEL message key=value ...`, coloured unless `NO_COLOR` is set; elsewhere one
//! flat JSON object a line with `timestamp` (RFC 3339, UTC), `level`, `target`, `message` and the fields.
//!
//! Operations: [`start`] once in a process, its [`Guard`] kept to the end; [`check_filter`] before that; [`filter`] and
//! [`set_filter`] while it runs.

mod lossy;
mod switch;

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self as lines, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use lossy::Guard;
pub use switch::{Filter, filter, set_filter};

/// The environment variable that wins over the configured filter.
const VARIABLE: &str = "COMETAIL_LOG";

/// Libraries that tell at `info` and below what only their own developers need; a filter may name them.
const QUIET: &str = "hyper=warn,hyper_util=warn,hyper_rustls=warn,rustls=warn,cookie_store=warn,mio=warn,\
                     tungstenite=warn,tokio_tungstenite=warn";

/// What is logged and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// A filter such as `info` or `cometail=debug`; `COMETAIL_LOG` wins over it.
    pub filter: Option<String>,
    /// The form of a line.
    pub form: Form,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logs could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelemetryError {
    /// A filter that cannot be understood.
    Filter {
        /// The filter.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `COMETAIL_LOG` is not UTF-8.
    NotUnicode,
    /// No thread for them could be started; the system's words.
    NoThread(String),
    /// Logs are started once in a process.
    AlreadyStarted,
    /// They have not been started, so that there is no filter to change.
    NotStarted,
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter { text, reason } => write!(
                f,
                "the log filter {text:?} cannot be understood: {reason}; valid are \"info\" or \"warn,cometail=debug\""
            ),
            Self::NotUnicode => write!(f, "the environment variable {VARIABLE} is not UTF-8"),
            Self::NoThread(error) => write!(f, "no thread for the logs: {error}"),
            Self::AlreadyStarted => f.write_str("logs have been started already"),
            Self::NotStarted => f.write_str("logs have not been started"),
        }
    }
}

impl std::error::Error for TelemetryError {}

/// Starts the logs of this process, on stderr, until the guard is dropped.
pub fn start(config: &Config) -> Result<Guard, TelemetryError> {
    let variable = match std::env::var(VARIABLE) {
        Ok(text) => Some(text),
        Err(std::env::VarError::NotPresent) => None,
        Err(std::env::VarError::NotUnicode(_)) => return Err(TelemetryError::NotUnicode),
    };
    let text = choose_filter(variable.as_deref(), config.filter.as_deref());
    let (filter, switch) = switch::new(parse_filter(text)?);
    let terminal = std::io::stderr().is_terminal();
    let (lines, guard) = lossy::start(std::io::stderr(), |lines| {
        tracing::warn!(lines, "standard error was not read in time; these log lines are lost");
    })
    .map_err(|error| TelemetryError::NoThread(error.to_string()))?;
    let writer = move || lines.clone();
    let registry = tracing_subscriber::registry().with(filter);
    let started = if is_human(config.form, terminal) {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        registry.with(human(writer, terminal && !plain)).try_init()
    } else {
        registry.with(json(writer)).try_init()
    };
    started.map_err(|_| TelemetryError::AlreadyStarted)?;
    switch::keep(switch, text);
    Ok(guard)
}

/// Checks a filter: levels and `TARGET=LEVEL`, separated by commas.
pub fn check_filter(text: &str) -> Result<(), TelemetryError> {
    parse_filter(text).map(drop)
}

/// `COMETAIL_LOG` unless it is empty, else the configured filter, else `info`.
fn choose_filter<'t>(variable: Option<&'t str>, configured: Option<&'t str>) -> &'t str {
    let variable = variable.filter(|text| !text.trim().is_empty());
    variable.or(configured).unwrap_or("info")
}

fn parse_filter(text: &str) -> Result<Targets, TelemetryError> {
    let error = |reason: String| TelemetryError::Filter { text: text.to_owned(), reason };
    if text.trim().is_empty() {
        return Err(error("it is empty".to_owned()));
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut level = LevelFilter::OFF;
    // Nothing is logged within a span, so that a filter which asks for one would let nothing through.
    if let Some(span) = parts.iter().find(|part| part.contains('[')) {
        return Err(error(format!("{span:?} asks for spans, and there are none")));
    }
    // The library would take a misspelt level for a target, and then nothing at all is logged.
    for word in parts.iter().filter(|part| !part.contains('=')) {
        let levels = "off, error, warn, info, debug or trace";
        let wanted = |_| error(format!("{word:?} is neither a level ({levels}) nor TARGET=LEVEL"));
        level = word.parse().map_err(wanted)?;
    }
    let text = parts.join(",");
    // Whatever the filter says itself comes later and wins.
    let filter = if level > LevelFilter::WARN { format!("{QUIET},{text}") } else { text };
    filter.parse::<Targets>().map_err(|invalid| error(invalid.to_string()))
}

const fn is_human(form: Form, terminal: bool) -> bool {
    match form {
        Form::Auto => terminal,
        Form::Human => true,
        Form::Json => false,
    }
}

fn human<S, W>(writer: W, color: bool) -> impl Layer<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    lines::layer()
        .event_format(lines::format().compact().with_target(false))
        .fmt_fields(Fields)
        .with_ansi(color)
        // The library would panic where stderr is closed: it reports a failed write on stderr.
        .log_internal_errors(false)
        .with_writer(writer)
}

fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    lines::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .log_internal_errors(false)
        .with_writer(writer)
}

/// Fields as `key=value` with every control character escaped. The library's own form leaves line breaks
/// alone, and everything else outside the message.
struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, first: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Events of the `log` crate carry their metadata as fields.
        if field.name().starts_with("log.") {
            return;
        }
        let gap = if self.first { "" } else { " " };
        self.first = false;
        self.result = self.result.and_then(|()| match field.name() {
            "message" => write!(self.writer, "{gap}").and_then(|()| self.escaped(value)),
            name => write!(self.writer, "{gap}{}=", name.trim_start_matches("r#"))
                .and_then(|()| self.escaped(value)),
        });
    }
}

impl Line<'_> {
    fn escaped(&mut self, value: &dyn fmt::Debug) -> fmt::Result {
        write!(Escape(&mut self.writer), "{value:?}")
    }
}

/// Writes text on, control characters and those that turn the direction of writing escaped.
struct Escape<'e, 'w>(&'e mut Writer<'w>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(self.0, "{}", character.escape_unicode())
            }
            control if control.is_control() => write!(self.0, "{}", control.escape_default()),
            printable => self.0.write_char(printable),
        })
    }
}

#[cfg(test)]
mod tests;
