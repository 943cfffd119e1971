//! Tables for people: columns side by side, each as wide as its widest cell.
//!
//! Constraints: cells may hold a server's words; none is printed with a control character or a line break.

use std::fmt::{self, Display};

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: &str = "  ";

/// The widest that a cell makes its column: what is wider stands out of it.
const WIDTH_MAX: usize = 300;

/// A server's words without what would control a terminal, or turn the direction of its text.
pub(super) fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if is_odd(c) { c.escape_debug().collect() } else { vec![c] }).collect()
}

/// Whether a terminal may take it for something else than a character of the line.
pub(super) fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// Rows under a head.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Whether each column's cells are numbers, which end at the same place.
    numbers: Vec<bool>,
}

impl Table {
    /// A table without rows; a head that begins with `#` is that of a column of numbers.
    pub(super) fn new(heads: &[&str]) -> Self {
        let numbers = heads.iter().map(|head| head.starts_with('#')).collect();
        let heads = heads.iter().map(|head| head.trim_start_matches('#').to_owned()).collect();
        Self { rows: vec![heads], numbers }
    }

    /// A table of names and values, without a head.
    pub(super) fn of_pairs() -> Self {
        Self { rows: Vec::new(), numbers: vec![false; 2] }
    }

    /// Adds a row; cells beyond the columns are left out.
    pub(super) fn row<C: Display>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter().take(self.numbers.len());
        self.rows.push(cells.map(|cell| clean(&cell.to_string())).collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width().min(WIDTH_MAX)).max().unwrap_or_default()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = (0..self.numbers.len()).map(|column| self.width(column)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).zip(&self.numbers).map(|((cell, width), number)| {
                let room = " ".repeat(width.saturating_sub(cell.width()));
                if *number { room + cell } else { cell.clone() + &room }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_stand_below_their_heads() {
        let mut table = Table::new(&["NAME", "#COUNT", "NOTE"]);
        table.row(["/u/a", "7", ""]);
        table.row(["/u/\u{8ab2}\u{984c}", "1000", "two\u{202e}\nlines\u{1b}[0m"]);
        assert_eq!(
            table.to_string(),
            "NAME     COUNT  NOTE\n/u/a         7\n/u/\u{8ab2}\u{984c}   1000  two\\u{202e}\\nlines\\u{1b}[0m\n"
        );
    }

    #[test]
    fn a_table_without_rows_is_its_head() {
        assert_eq!(Table::new(&["A", "#B"]).to_string(), "A  B\n");
        let mut odd = Table::new(&["A"]);
        odd.row(["1", "2"]);
        odd.row([""; 0]);
        assert_eq!(odd.to_string(), "A\n1\n\n");
    }
}
