//! From a file to a [`Config`], or to everything that is wrong with it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::problem::{Draft, Problems, Warnings, place};
use super::reader::Log;
use super::{Config, root};

/// Looks up an environment variable, as [`std::env::var_os`] does.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

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
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path).and_then(|opened| opened.take(FILE_MAX + 1).read_to_end(&mut bytes)).map_err(
        |error| only(&file, "", 0, &format!("a file that cannot be read ({error})"), "a TOML file"),
    )?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse_with(&file, text, environment),
        Err(_) if too_large(bytes.len()) => Err(oversized(&file)),
        Err(error) => Err(not_utf8(&file, &bytes, error.valid_up_to())),
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
    if too_large(text.len()) {
        return Err(oversized(file_name));
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let log = syntax(text, &errors);
    let config = if log.is_hopeless() { None } else { root::read(&log, document.get_ref(), environment) };
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

/// Notes where the text is no TOML.
fn syntax(text: &str, errors: &[toml::de::Error]) -> Log {
    // The first of two equal keys is kept and nothing is lost; any other break may have taken keys along.
    let breaks = errors.iter().filter(|error| error.message() != "duplicate key");
    let spans: Vec<Range<usize>> = breaks.map(|error| error.span().unwrap_or(0..text.len())).collect();
    // Below a broken header, keys are read into the wrong table.
    let hopeless = spans.iter().any(|span| in_header(text, span.start));
    let log = Log::new(spans, hopeless);
    for error in errors {
        // The message is a fixed text of the parser's, without anything from the file.
        let message = error.message();
        let (found, wanted) = message.split_once(", expected ").unwrap_or((message, "valid TOML"));
        let at = error.span().map_or(0, |span| span.start);
        let (found, wanted) = (format!("no TOML: {found}"), wanted.to_owned());
        log.note(Draft { at, key: String::new(), found, wanted, hint: None });
    }
    log
}

fn in_header(text: &str, at: usize) -> bool {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    text.get(line_start..).is_some_and(|line| line.trim_start().starts_with('['))
}
