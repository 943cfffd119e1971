//! What is wrong with a configuration file, and where.
//!
//! Constraints: the texts are free of secrets and of control characters before they come here, and a
//! report is bounded, however many mistakes a file holds.
//!
//! Format: `file:line:column: key: found X, wanted Y (hint)`, lines and columns from 1, columns in characters; or
//! `VARIABLE: found X, wanted Y (hint)`.

use std::fmt;

/// The most problems (and warnings) that one report shows; the rest are counted.
pub(super) const MAX: usize = 1000;

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named, or the environment variable.
    pub file: String,
    /// The line, from 1; 0 of a variable.
    pub line: usize,
    /// The column, from 1, in characters; 0 of a variable.
    pub column: usize,
    /// The key with its tables, such as `connection.acme.url`; empty where no key is to blame.
    pub key: String,
    /// What stands there, never a secret.
    pub found: String,
    /// What should.
    pub wanted: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: ", self.file)?,
            line => write!(f, "{}:{line}:{}: ", self.file, self.column)?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}, wanted {}", self.found, self.wanted)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// Everything that is wrong with a configuration file, in the order of the file; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    shown: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub(super) const fn new(shown: Vec<Problem>, more: usize) -> Self {
        Self { shown, more }
    }

    /// The problems, at most 1,000 of them.
    pub fn as_slice(&self) -> &[Problem] {
        &self.shown
    }

    /// How many there are, those past the first 1,000 included.
    pub const fn count(&self) -> usize {
        self.shown.len() + self.more
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.shown {
            writeln!(f, "{problem}")?;
        }
        match (self.count(), self.more) {
            (1, _) => f.write_str("1 problem"),
            (count, 0) => write!(f, "{count} problems"),
            (count, _) => write!(f, "{count} problems, the first {} shown", self.shown.len()),
        }
    }
}

impl std::error::Error for Problems {}

/// What is allowed and probably not meant, in the order of the file; often nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(pub(super) Vec<Problem>);

impl Warnings {
    /// The warnings, at most 1,000 of them.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, warning) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{warning}")?;
        }
        Ok(())
    }
}

/// A problem that knows its byte offset, not its line and column.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) at: usize,
    pub(super) key: String,
    pub(super) found: String,
    pub(super) wanted: String,
    pub(super) hint: Option<String>,
}

/// Sorts drafts by their place in `text` and gives each its line and column, in one pass over the text.
pub(super) fn place(file: &str, text: &str, mut drafts: Vec<Draft>) -> Vec<Problem> {
    drafts.sort_by_key(|draft| draft.at);
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column) = (1, 1);
    let mut problems = Vec::with_capacity(drafts.len());
    for Draft { at, key, found, wanted, hint } in drafts {
        while let Some((_, character)) = characters.next_if(|(offset, _)| *offset < at) {
            match character {
                '\n' => (line, column) = (line + 1, 1),
                // A byte order mark is no column of its own in an editor.
                '\u{feff}' if line == 1 && column == 1 => {}
                _ => column += 1,
            }
        }
        problems.push(Problem { file: file.to_owned(), line, column, key, found, wanted, hint });
    }
    problems
}
