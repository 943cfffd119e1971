//! A place in a query, marked under it as compilers do.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

/// The most columns of a line that are shown.
const COLUMNS: usize = 100;
/// So many of them before the place, where the line is longer.
const BEFORE: usize = 40;

/// The line of a query with a place in it, and carets below the place; each ends with a line break.
#[derive(Clone, Debug)]
pub struct Marked<'q> {
    /// The query.
    pub query: &'q str,
    /// The place, in bytes.
    pub span: Range<usize>,
}

impl Marked<'_> {
    /// The line and the column of the place, both from 1, in characters.
    pub fn place(&self) -> (usize, usize) {
        let before = self.query.get(..self.span.start).unwrap_or(self.query);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The line, and where the place begins in it, in characters.
    fn line(&self) -> (&str, usize, usize) {
        let (number, column) = self.place();
        let line = self.query.lines().nth(number - 1).unwrap_or_default();
        let marked = self.query.get(self.span.clone()).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default();
        (line, column - 1, marked.chars().count())
    }
}

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, start, length) = self.line();
        let skipped = if line.chars().count() > COLUMNS { start.saturating_sub(BEFORE) } else { 0 };
        let shown: String = line.chars().skip(skipped).take(COLUMNS).map(plain).collect();
        let dots = |cut| if cut { "..." } else { "" };
        let (left, right) = (dots(skipped > 0), dots(line.chars().count() > skipped + COLUMNS));
        writeln!(f, "    {left}{shown}{right}")?;
        let inside = start - skipped;
        let indent = left.len() + width(shown.chars().take(inside));
        let carets = width(shown.chars().skip(inside).take(length)).max(1);
        writeln!(f, "    {}{}", " ".repeat(indent), "^".repeat(carets))
    }
}

/// Tabs and what else drives a terminal, or turns the direction of text, become spaces.
fn plain(character: char) -> char {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if turns || character.is_control() { ' ' } else { character }
}

/// A text of one line that drives no terminal.
pub(super) fn tidy(text: &str) -> String {
    text.chars().map(plain).collect()
}

fn width(characters: impl Iterator<Item = char>) -> usize {
    characters.map(|character| character.width().unwrap_or_default()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(query: &str, mark: &str) -> String {
        let start = query.find(mark).unwrap();
        Marked { query, span: start..start + mark.len() }.to_string()
    }

    #[test]
    fn carets_stand_below_the_place() {
        assert_eq!(
            marked("SELECT Id FROM X LIMIT 1", "LIMIT 1"),
            "    SELECT Id FROM X LIMIT 1\n                     ^^^^^^^\n"
        );
        let end = Marked { query: "SELECT", span: 6..6 };
        assert_eq!(end.to_string(), "    SELECT\n          ^\n");
        assert_eq!(Marked { query: "", span: 0..0 }.to_string(), "    \n    ^\n");
    }

    #[test]
    fn only_its_line_is_shown() {
        let query = "SELECT Id\n\tFROM X\nORDER BY\nName";
        assert_eq!(marked(query, "FROM"), "     FROM X\n     ^^^^\n");
        assert_eq!(marked(query, "ORDER BY\nName"), "    ORDER BY\n    ^^^^^^^^\n");
        assert_eq!(Marked { query, span: 18..20 }.place(), (3, 1));
    }

    #[test]
    fn wide_characters_are_two_columns() {
        assert_eq!(
            marked("a = '\u{8ab2}\u{984c}' b", "b"),
            "    a = '\u{8ab2}\u{984c}' b\n               ^\n"
        );
        assert_eq!(marked("\u{1b}[2J b", "b"), "     [2J b\n         ^\n");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let query = format!("{} LIMIT {}", "a".repeat(300), "b".repeat(300));
        let text = marked(&query, "LIMIT");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].len(), 4 + 3 + COLUMNS + 3);
        assert_eq!(lines[0].find("LIMIT"), lines[1].find('^'));
        assert!(lines[1].ends_with("^^^^^"));
    }

    #[test]
    fn a_place_that_is_none_panics_nowhere() {
        for span in [7..9, 0..99, 50..60, Range { start: 3, end: 1 }] {
            assert!(Marked { query: "caf\u{e9} \u{e9}\n", span }.to_string().contains('^'));
        }
    }
}
