//! A TOML table that hands out typed values by key and notes every mistake on the way.
//!
//! Constraints: a reading never ends at a mistake; it notes the mistake and gives `None`, so that one run
//! finds them all. What a value reads as is nobody's business but the caller's: a mistaken *type* is named
//! without the value, which may be a secret in the wrong place.
//!
//! Operations: [`Table::get`] or [`Table::need`] a key, read the [`Node`] as what it should be, and
//! [`Table::end`] the table, which reports every key that was never asked for.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::problem::{Draft, MAX};
use super::units;

/// The mistakes noted so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Where the text is no TOML; a value around such a place is a guess and not read.
    broken: Vec<Range<usize>>,
    /// Whether the rest cannot be read at all.
    hopeless: bool,
    problems: RefCell<Vec<Draft>>,
    warnings: RefCell<Vec<Draft>>,
    more: Cell<usize>,
    /// The files that were read beside it.
    files: RefCell<Vec<PathBuf>>,
}

impl Log {
    /// `broken`: where the text is no TOML. `hopeless`: whether the rest cannot be read because of it.
    pub(super) fn new(broken: Vec<Range<usize>>, hopeless: bool) -> Self {
        Self { broken, hopeless, ..Self::default() }
    }

    /// Whether the rest cannot be read at all.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    pub(super) fn note(&self, draft: Draft) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX {
            problems.push(draft);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// The problems, how many more there are, and the warnings.
    pub(super) fn into_parts(self) -> (Vec<Draft>, usize, Vec<Draft>) {
        (self.problems.into_inner(), self.more.get(), self.warnings.into_inner())
    }

    /// The files that were read beside it, each once.
    pub(super) fn take_files(&self) -> Vec<PathBuf> {
        let mut files = self.files.take();
        files.sort();
        files.dedup();
        files
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        self.broken.iter().any(|broken| span.start <= broken.end && broken.start <= span.end)
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    log: &'t Log,
    /// The key with its tables.
    pub(super) key: String,
    /// Where the key stands; in an array, where the value does.
    key_at: usize,
    /// Where the value stands.
    at: usize,
    value: &'t DeValue<'t>,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'t> {
    log: &'t Log,
    /// The key with its tables; empty for the file itself.
    key: String,
    at: usize,
    entries: &'t DeTable<'t>,
    known: Vec<&'static str>,
    /// Required keys that are not there, and what they should be.
    missing: Vec<(&'static str, String)>,
}

impl<'t> Table<'t> {
    /// The file itself.
    pub(super) const fn root(log: &'t Log, entries: &'t DeTable<'t>) -> Self {
        Self { log, key: String::new(), at: 0, entries, known: Vec::new(), missing: Vec::new() }
    }

    /// The value of an optional key.
    pub(super) fn get(&mut self, name: &'static str) -> Option<Node<'t>> {
        self.known.push(name);
        let (key, value) = self.entries.get_key_value(name)?;
        // A table's span is its header; breaks inside the table are matters of its own keys.
        let span = value.span();
        (!self.log.is_broken(&span)).then(|| Node {
            log: self.log,
            key: join(&self.key, name),
            key_at: key.span().start,
            at: span.start,
            value: value.get_ref(),
        })
    }

    /// The value of a required key; [`Self::end`] reports it where it is missing.
    pub(super) fn need(&mut self, name: &'static str, wanted: &str) -> Option<Node<'t>> {
        let node = self.get(name);
        if node.is_none() {
            self.miss(name, wanted);
        }
        node
    }

    /// Has [`Self::end`] report a key that turned out to be required and is missing.
    pub(super) fn miss(&mut self, name: &'static str, wanted: &str) {
        self.missing.push((name, wanted.to_owned()));
    }

    /// The table at an optional key.
    pub(super) fn table(&mut self, name: &'static str) -> Option<Self> {
        self.get(name)?.table("a table")
    }

    /// Every entry, in the order of the file: for tables whose keys are names that users choose.
    pub(super) fn named(&self) -> Vec<(&'t str, Node<'t>)> {
        let node = |(key, value): (&'t toml::Spanned<toml::de::DeString<'t>>, _)| {
            let value: &'t toml::Spanned<DeValue<'t>> = value;
            let name: &'t str = key.get_ref();
            let node = Node {
                log: self.log,
                key: join(&self.key, name),
                key_at: key.span().start,
                at: value.span().start,
                value: value.get_ref(),
            };
            (!self.log.is_broken(&value.span())).then_some((name, node))
        };
        let mut nodes: Vec<_> = self.entries.iter().filter_map(node).collect();
        nodes.sort_by_key(|(_, node)| node.key_at);
        nodes
    }

    /// Notes that a key is missing, unless broken TOML may have swallowed it.
    pub(super) fn absent(&self, name: &str, wanted: &str, hint: Option<&str>) {
        if self.log.broken.is_empty() {
            let key = if name.is_empty() { self.key.clone() } else { join(&self.key, name) };
            self.log.note(draft(self.at, key, "nothing", wanted, hint));
        }
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn report(&self, found: &str, wanted: &str, hint: Option<&str>) {
        self.log.note(draft(self.at, self.key.clone(), found, wanted, hint));
    }

    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reports every key that was not asked for, with the nearest that was, and every required key that is
    /// missing, unless it is there misspelt.
    pub(super) fn end(mut self) {
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let near = nearest(name, self.known.iter().copied());
            self.missing.retain(|(missing, _)| Some(*missing) != near);
            let hint = near.map_or_else(
                || format!("the keys here: {}", self.known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            let (at, key) = (key.span().start, join(&self.key, name));
            self.log.note(draft(at, key, "an unknown key", "a known one", Some(&hint)));
        }
        for (name, wanted) in &self.missing {
            self.absent(name, wanted, None);
        }
    }
}

impl<'t> Node<'t> {
    /// Notes a mistake in the value.
    pub(super) fn report(&self, found: &str, wanted: &str, hint: Option<&str>) {
        self.log.note(draft(self.at, self.key.clone(), found, wanted, hint));
    }

    /// Notes a file that the value names and that is read now.
    pub(super) fn depends_on(&self, path: &Path) {
        self.log.files.borrow_mut().push(path.to_owned());
    }

    /// Notes a mistake in the key itself.
    pub(super) fn report_key(&self, found: &str, wanted: &str, hint: Option<&str>) {
        self.log.note(draft(self.key_at, self.key.clone(), found, wanted, hint));
    }

    /// Notes what is allowed and probably not meant.
    pub(super) fn warn(&self, found: &str, wanted: &str, hint: Option<&str>) {
        let mut warnings = self.log.warnings.borrow_mut();
        if warnings.len() < MAX {
            warnings.push(draft(self.at, self.key.clone(), found, wanted, hint));
        }
    }

    /// Notes that the value has the wrong type.
    pub(super) fn mistyped<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.report(found, wanted, None);
        None
    }

    /// Whether it is a string.
    pub(super) const fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    /// Whether it is a table.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// An integer of any size that 64 bits hold, where it is one.
    pub(super) fn as_integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A string.
    pub(super) fn text(&self, wanted: &str) -> Option<&'t str> {
        self.value.as_str().or_else(|| self.mistyped(wanted))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.mistyped("true or false"))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.choice_as(choices, &words.join(" or "))
    }

    /// One of a few words, where other types do as well.
    pub(super) fn choice_as<T: Copy>(&self, choices: &[(&str, T)], wanted: &str) -> Option<T> {
        let text = self.text(wanted)?;
        let chosen = choices.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            let hint = nearest(text, choices.iter().map(|(word, _)| *word));
            self.report(&shown(text), wanted, hint.map(|near| format!("did you mean {near:?}?")).as_deref());
        }
        chosen.map(|(_, value)| *value)
    }

    /// A duration within a range.
    pub(super) fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        let bounds = (units::show_duration(*range.start()), units::show_duration(*range.end()));
        let wanted = format!("a duration from {:?} to {:?}", bounds.0, bounds.1);
        let text = self.text(&wanted)?;
        let duration = units::duration(text).filter(|duration| range.contains(duration));
        if duration.is_none() {
            let spelled = units::duration(text).is_some();
            self.report(&shown(text), &wanted, (!spelled).then_some("the units: ms, s, m, h, d"));
        }
        duration
    }

    /// A size in bytes within a range.
    pub(super) fn size(&self, range: &RangeInclusive<u64>) -> Option<usize> {
        let bounds = (units::show_size(*range.start()), units::show_size(*range.end()));
        let wanted = format!("a size from {:?} to {:?}", bounds.0, bounds.1);
        let text = self.text(&wanted)?;
        let size = units::size(text).filter(|size| range.contains(size));
        let size = size.and_then(|size| usize::try_from(size).ok());
        if size.is_none() {
            let spelled = units::size(text).is_some();
            self.report(
                &shown(text),
                &wanted,
                (!spelled).then_some("the units: B, KiB, MiB, GiB, kB, MB, GB"),
            );
        }
        size
    }

    /// A whole number within a range.
    pub(super) fn number(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(integer) = self.value.as_integer() else { return self.mistyped(&wanted) };
        let number = self.as_integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.report(&clipped(&integer.to_string()), &wanted, None);
        }
        number
    }

    /// A path that some file can have; relative ones start at the working directory.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.text("a path")?;
        let hint = text.starts_with("~/").then_some("~ is not expanded: write the home directory out");
        if text.is_empty() || text.contains('\0') || hint.is_some() {
            let found = if text.is_empty() { "an empty string".to_owned() } else { shown(text) };
            self.report(&found, "a path", hint);
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// An array.
    pub(super) fn list(&self, wanted: &str) -> Option<Vec<Self>> {
        let Some(array) = self.value.as_array() else { return self.mistyped(wanted) };
        let node = |(index, value): (usize, &'t toml::Spanned<DeValue<'t>>)| {
            let at = value.span().start;
            Node {
                log: self.log,
                key: format!("{}[{index}]", self.key),
                key_at: at,
                at,
                value: value.get_ref(),
            }
        };
        Some(array.iter().enumerate().map(node).collect())
    }

    /// A table.
    pub(super) fn table(&self, wanted: &str) -> Option<Table<'t>> {
        let Some(entries) = self.value.as_table() else { return self.mistyped(wanted) };
        let Self { log, key, key_at: at, .. } = self.clone();
        Some(Table { log, key, at, entries, known: Vec::new(), missing: Vec::new() })
    }
}

fn draft(at: usize, key: String, found: &str, wanted: &str, hint: Option<&str>) -> Draft {
    Draft { at, key, found: found.to_owned(), wanted: wanted.to_owned(), hint: hint.map(str::to_owned) }
}

/// A key in its table, quoted where TOML would have it quoted.
fn join(table: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = if bare { clipped(name) } else { shown(name) };
    if table.is_empty() { name } else { format!("{table}.{name}") }
}

/// A text as a problem shows it: quoted, control characters escaped, not too long.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", clipped(text))
}

fn clipped(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The candidate that a misspelt word most likely meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let distance = |candidate: &'c str| (strsim::damerau_levenshtein(word, candidate), candidate);
    let (edits, near) = candidates.map(distance).min()?;
    (edits <= near.len() / 3).then_some(near)
}
