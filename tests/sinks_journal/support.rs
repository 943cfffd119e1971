//! Numbered events, sinks for them, and what is found in their files.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cometail::event::{Batch, BatchBuilder, Channel, ReplayId};
use cometail::journal::{self, Journal, Kind, Library, Refused, SyncPolicy, Writer};
use cometail::sinks::{self, Handle, Supply, file, format::Format};
use flate2::read::GzDecoder;

/// Small segments and little memory, so that readers come to the disk.
pub(crate) fn journal_config() -> journal::Config {
    journal::Config {
        segment_bytes: 100_000,
        sync: SyncPolicy::Interval(Duration::from_millis(5)),
        tail_bytes: 20_000,
        queue_bytes: 1 << 20,
        ..journal::Config::default()
    }
}

pub(crate) fn open(dir: &Path) -> (Writer, Library) {
    let writer = Writer::start(Journal::open(dir, journal_config()).unwrap(), |_| ()).unwrap();
    let library = writer.library().clone();
    (writer, library)
}

/// The event that has this sequence number: it stands in it, with a time of creation that goes up and down.
pub(crate) fn message(number: u64) -> String {
    let created = number.saturating_sub(number * 7 % 20);
    let (second, milli) = (created / 1_000 % 60, created % 1_000);
    let fill = "x".repeat(usize::try_from(number * 7919 % 90).unwrap());
    format!(
        r#"{{"n":{number},"data":{{"event":{{"createdDate":"2026-01-02T03:04:{second:02}.{milli:03}Z"}},"fill":"{fill}"}}}}"#
    )
}

/// `events` events from number `first` on, over `channels` channels.
pub(crate) fn batch(first: u64, events: u64, channels: u64) -> Arc<Batch> {
    let (mut body, mut builder) = (Vec::new(), BatchBuilder::default());
    for number in first..first + events {
        let start = body.len();
        body.extend_from_slice(message(number).as_bytes());
        let channel = format!("/topic/{}", number % channels);
        builder.push(&channel, start, body.len(), Some(ReplayId(number.cast_signed()))).unwrap();
    }
    Arc::new(Batch::new(Arc::from("acme"), SystemTime::now(), Bytes::from(body), builder))
}

/// Appends a batch, however long that takes.
pub(crate) fn append(writer: &Writer, batch: &Arc<Batch>, kind: Kind) {
    loop {
        match writer.append(Arc::clone(batch), kind) {
            Ok(_) => return,
            Err(Refused::Busy) => std::thread::sleep(Duration::from_millis(1)),
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(crate) fn config(name: &str, kind: sinks::Kind) -> sinks::Config {
    sinks::Config {
        name: Arc::from(name),
        channels: Vec::new(),
        format: Format::Message,
        gap_records: true,
        queue: 1 << 20,
        order: Vec::new(),
        kind,
    }
}

/// A file sink for paths below `dir`.
pub(crate) fn to_file(name: &str, dir: &Path, template: &str) -> sinks::Config {
    config(name, sinks::Kind::File(file_config(dir, template)))
}

pub(crate) fn file_config(dir: &Path, template: &str) -> file::Config {
    file::Config::new(file::Template::parse(dir.join(template).to_str().unwrap()).unwrap())
}

/// The channels that a gap is told of: those of [`batch`], up to ninety.
pub(crate) fn channels() -> sinks::Channels {
    let channel = |number| Channel::parse(&format!("/topic/{number}")).unwrap();
    (0..90).map(|number| (Arc::from("acme"), channel(number))).collect()
}

pub(crate) fn start(config: sinks::Config, library: &Library) -> Handle {
    sinks::start(config, Supply::Journal(library.clone(), channels())).unwrap()
}

/// Every file in `dir` and below, by path.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The text of a file, whether it is compressed or not.
pub(crate) fn text(path: &Path) -> String {
    let (mut file, mut text) = (File::open(path).unwrap(), String::new());
    if path.extension().is_some_and(|ending| ending == "gz") {
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else if path.extension().is_some_and(|ending| ending == "zst") {
        zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

/// The numbers of the events in a file, each of which is whole.
pub(crate) fn numbers(path: &Path) -> Vec<u64> {
    let number = |line: &str| {
        let number = line.strip_prefix(r#"{"n":"#).and_then(|rest| rest.split(',').next()?.parse().ok());
        let number = number.unwrap_or_else(|| panic!("{}: {line:?}", path.display()));
        assert_eq!(line, message(number), "{}", path.display());
        number
    };
    text(path).lines().map(number).collect()
}

/// Checks that the files below `dir` have each number below `end` exactly once; how many files there are.
pub(crate) fn assert_exactly_once(dir: &Path, end: u64) -> usize {
    let files = files(dir);
    let mut all: Vec<_> = files.iter().flat_map(|path| numbers(path)).collect();
    all.sort_unstable();
    if !all.iter().copied().eq(0..end) {
        let twice: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        let missing: Vec<_> = (0..end).filter(|number| all.binary_search(number).is_err()).collect();
        panic!("{}: of {end}, twice: {twice:?}, missing: {missing:?}", dir.display());
    }
    files.len()
}

/// Waits until `condition` holds, for at most twenty seconds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come about within twenty seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}
