//! Scraping a daemon, and reading what came.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::support::{Cometail, json, until};

/// The table of the configuration that has figures served on any free port.
pub(crate) const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the figures of a daemon are.
pub(crate) struct Scraped(String);

impl Scraped {
    /// The admin server of a daemon, by what its log says of it.
    pub(crate) fn of(daemon: &Cometail) -> Self {
        Self(until("the admin server's address", || {
            let log = daemon.log();
            let line = log.lines().find(|line| line.contains("the admin server listens"))?;
            Some(json(line)["address"].as_str()?.to_owned())
        }))
    }

    /// In the text format 0.0.4.
    pub(crate) fn plain(&self) -> String {
        self.get("*/*", PLAIN)
    }

    pub(crate) fn openmetrics(&self) -> String {
        self.get("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS)
    }

    /// The value of a figure, by its name and labels as they are written.
    pub(crate) fn value(&self, figure: &str) -> Option<f64> {
        samples(&self.plain()).get(figure).copied()
    }

    /// Waits for a figure's value.
    pub(crate) fn wait(&self, figure: &str, holds: impl Fn(f64) -> bool) -> f64 {
        until(figure, || self.value(figure).filter(|value| holds(*value)))
    }

    fn get(&self, accept: &str, media_type: &str) -> String {
        let mut stream = TcpStream::connect(&self.0).unwrap();
        let host = &self.0;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let typed = format!("content-type: {media_type}").to_ascii_lowercase();
        assert!(head.to_ascii_lowercase().contains(&typed), "{head}");
        body.to_owned()
    }
}

/// Every figure by its name and labels, as they are written.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (figure, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            (figure.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        })
        .collect()
}

/// The names of all figures.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    samples(text).keys().map(|figure| figure.split('{').next().unwrap().to_owned()).collect()
}

/// Leaves a text for the parsers of other people.
pub(crate) fn leave(name: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("metrics");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}
