//! From a file to a [`Config`], or to everything that is wrong with it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problem::{Draft, Problems, Warnings, place};
use super::reader::Log;
use super::{Config, root};
use crate::salesforce::topic::Change;

/// Looks up an environment variable, as [`std::env::var_os`] does.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// Which state directory counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'p> {
    /// The one that the text names.
    AsWritten,
    /// That of a daemon that runs already, if it has one.
    Running(Option<&'p Path>),
}

/// The largest file read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Reads a configuration file with this process's environment.
pub fn load(path: &Path) -> Result<Config, Problems> {
    load_with(path, &|name| std::env::var_os(name)).map(|(config, _)| config)
}

/// Reads a configuration text with this process's environment; `file_name` is what problems name.
pub fn parse(file_name: &str, text: &str) -> Result<Config, Problems> {
    parse_with(file_name, text, &|name| std::env::var_os(name)).map(|(config, _)| config)
}

/// Reads a configuration file; also gives what is allowed and probably not meant.
pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<(Config, Warnings), Problems> {
    load_as(path, &|log, entries| root::read(log, entries, environment, Place::AsWritten))
}

/// Reads a file that holds nothing but `[topic.NAME]` tables, at least one.
pub fn load_topics(path: &Path) -> Result<Vec<Change>, Problems> {
    load_as(path, &root::read_topics).map(|(topics, _)| topics)
}

/// What makes something of the tables of a file; `None` where a problem is noted.
type Reading<'r, T> = &'r dyn Fn(&Log, &DeTable<'_>) -> Option<T>;

fn load_as<T>(path: &Path, read: Reading<'_, T>) -> Result<(T, Warnings), Problems> {
    parse_as(&path.display().to_string(), &read_text(path)?, read)
}

/// The text of a file.
pub(super) fn read_text(path: &Path) -> Result<String, Problems> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path).and_then(|opened| opened.take(FILE_MAX + 1).read_to_end(&mut bytes)).map_err(
        |error| only(&file, "", 0, &format!("a file that cannot be read ({error})"), "a TOML file"),
    )?;
    match String::from_utf8(bytes) {
        Ok(text) if !too_large(text.len()) => Ok(text),
        Err(error) if !too_large(error.as_bytes().len()) => {
            Err(not_utf8(&file, error.as_bytes(), error.utf8_error().valid_up_to()))
        }
        _ => Err(oversized(&file)),
    }
}

/// Reads a configuration text; also gives what is allowed and probably not meant.
///
/// Token files, header files and CA files must exist and be readable, and environment variables be set.
pub fn parse_with(
    file_name: &str,
    text: &str,
    environment: Environment<'_>,
) -> Result<(Config, Warnings), Problems> {
    parse_within(file_name, text, environment, Place::AsWritten)
}

/// The same; `place` is where everything is that lies in the state directory.
pub(super) fn parse_within(
    file_name: &str,
    text: &str,
    environment: Environment<'_>,
    place: Place<'_>,
) -> Result<(Config, Warnings), Problems> {
    parse_as(file_name, text, &|log, entries| root::read(log, entries, environment, place))
}

fn parse_as<T>(file_name: &str, text: &str, read: Reading<'_, T>) -> Result<(T, Warnings), Problems> {
    if too_large(text.len()) {
        return Err(oversized(file_name));
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let log = syntax(text, document.get_ref(), &errors);
    let config = if log.is_hopeless() { None } else { read(&log, document.get_ref()) };
    let (problems, more, warnings) = log.into_parts();
    match config {
        Some(config) if problems.is_empty() => Ok((config, Warnings(place(file_name, text, warnings)))),
        _ => Err(Problems::new(place(file_name, text, problems), more)),
    }
}

fn too_large(len: usize) -> bool {
    u64::try_from(len).is_ok_and(|len| len > FILE_MAX)
}

fn oversized(file: &str) -> Problems {
    only(file, "", 0, "more than 1 MiB", "a TOML file of at most 1 MiB")
}

fn not_utf8(file: &str, bytes: &[u8], valid: usize) -> Problems {
    let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let byte = bytes.get(valid).copied().unwrap_or_default();
    only(file, &text, valid, &format!("the byte 0x{byte:02x} at offset {valid}"), "UTF-8 text")
}

/// A report of one problem, which no key is to blame for.
fn only(file: &str, text: &str, at: usize, found: &str, wanted: &str) -> Problems {
    let (found, wanted) = (found.to_owned(), wanted.to_owned());
    let draft = Draft { at, key: String::new(), found, wanted, hint: None };
    Problems::new(place(file, text, vec![draft]), 0)
}

/// Notes where the text is no TOML: the first break of each value, and of each line outside a value.
fn syntax(text: &str, document: &DeTable<'_>, errors: &[toml::de::Error]) -> Log {
    let line_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    let lines: Vec<usize> = std::iter::once(0).chain(line_breaks).collect();
    let mut values = Vec::new();
    collect_values(text, document, &mut values);
    values.sort_unstable_by_key(|value| value.start);
    let home = |at: usize| match before(&values, |value| value.start <= at) {
        Some(value) if at <= value.end => value.start,
        _ => before(&lines, |start| *start <= at).copied().unwrap_or(0),
    };
    let is_header = |at: usize| {
        let line = before(&lines, |start| *start <= at).and_then(|start| text.get(*start..));
        line.is_some_and(|line| line.trim_start_matches([' ', '\t']).starts_with('['))
    };
    let spans = errors.iter().filter(|error| error.message() != TWICE).filter_map(toml::de::Error::span);
    let spans: Vec<Range<usize>> = spans.collect();
    // Below a broken header, keys are read into the wrong table; and a file of breaks is no configuration.
    let hopeless = spans.len() > BREAKS_MAX || spans.iter().any(|span| is_header(span.start));
    let log = Log::new(spans, hopeless);
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().map_or(0, |s| s.start), error)).collect();
    errors.sort_by_key(|(at, _)| *at);
    errors.dedup_by_key(|(at, _)| home(*at));
    for (at, error) in errors {
        let (found, wanted) = explain(error.message());
        log.note(Draft { at, key: String::new(), found, wanted, hint: None });
    }
    log
}

/// The parser's message where a key or table is there twice. The first one is kept, so nothing is lost; any
/// other break may have taken keys along.
const TWICE: &str = "duplicate key";

/// With more breaks than this, only the breaks are reported.
const BREAKS_MAX: usize = 100;

/// The parser's message, a fixed text without anything from the file, as found and wanted.
fn explain(message: &str) -> (String, String) {
    if message == TWICE {
        return ("a key or table that is there already".to_owned(), "each of them once".to_owned());
    }
    let (found, wanted) = message.split_once(", expected ").unwrap_or((message, "valid TOML"));
    (format!("no TOML: {found}"), wanted.to_owned())
}

/// The last item for which `holds`, of a sorted list.
fn before<T>(sorted: &[T], holds: impl Fn(&T) -> bool) -> Option<&T> {
    sorted.get(sorted.partition_point(holds).checked_sub(1)?)
}

/// The places of all values but the tables with headers, which are looked into.
fn collect_values(text: &str, table: &DeTable<'_>, values: &mut Vec<Range<usize>>) {
    for (_, value) in table {
        let span = value.span();
        let inline = text.get(span.clone()).is_some_and(|text| text.starts_with('{'));
        match value.get_ref() {
            DeValue::Table(inner) if !inline => collect_values(text, inner, values),
            _ => values.push(span),
        }
    }
}
