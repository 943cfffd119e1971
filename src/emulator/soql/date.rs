//! Date literals: `TODAY`, `LAST_N_DAYS:3` and the like.
//!
//! The day begins at midnight UTC, the week on Sunday, the fiscal year with the calendar's.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan as _};

/// A date literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Relative {
    literal: Literal,
    n: Option<u16>,
}

/// The name of a literal, its unit, and its first and last-but-one unit counted from the present one: a
/// constant and what is multiplied by its number.
type Literal = (&'static str, Unit, (i32, i32), (i32, i32));

/// What a literal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// The literals without a number.
const PLAIN: [Literal; 23] = [
    ("YESTERDAY", Unit::Day, (-1, 0), (0, 0)),
    ("TODAY", Unit::Day, (0, 0), (1, 0)),
    ("TOMORROW", Unit::Day, (1, 0), (2, 0)),
    ("LAST_WEEK", Unit::Week, (-1, 0), (0, 0)),
    ("THIS_WEEK", Unit::Week, (0, 0), (1, 0)),
    ("NEXT_WEEK", Unit::Week, (1, 0), (2, 0)),
    ("LAST_MONTH", Unit::Month, (-1, 0), (0, 0)),
    ("THIS_MONTH", Unit::Month, (0, 0), (1, 0)),
    ("NEXT_MONTH", Unit::Month, (1, 0), (2, 0)),
    ("LAST_90_DAYS", Unit::Day, (-90, 0), (1, 0)),
    ("NEXT_90_DAYS", Unit::Day, (1, 0), (91, 0)),
    ("LAST_QUARTER", Unit::Quarter, (-1, 0), (0, 0)),
    ("THIS_QUARTER", Unit::Quarter, (0, 0), (1, 0)),
    ("NEXT_QUARTER", Unit::Quarter, (1, 0), (2, 0)),
    ("LAST_FISCAL_QUARTER", Unit::Quarter, (-1, 0), (0, 0)),
    ("THIS_FISCAL_QUARTER", Unit::Quarter, (0, 0), (1, 0)),
    ("NEXT_FISCAL_QUARTER", Unit::Quarter, (1, 0), (2, 0)),
    ("LAST_YEAR", Unit::Year, (-1, 0), (0, 0)),
    ("THIS_YEAR", Unit::Year, (0, 0), (1, 0)),
    ("NEXT_YEAR", Unit::Year, (1, 0), (2, 0)),
    ("LAST_FISCAL_YEAR", Unit::Year, (-1, 0), (0, 0)),
    ("THIS_FISCAL_YEAR", Unit::Year, (0, 0), (1, 0)),
    ("NEXT_FISCAL_YEAR", Unit::Year, (1, 0), (2, 0)),
];

/// The literals with a number.
const COUNTED: [Literal; 21] = [
    ("LAST_N_DAYS", Unit::Day, (0, -1), (1, 0)),
    ("NEXT_N_DAYS", Unit::Day, (1, 0), (1, 1)),
    ("N_DAYS_AGO", Unit::Day, (0, -1), (1, -1)),
    ("LAST_N_WEEKS", Unit::Week, (0, -1), (0, 0)),
    ("NEXT_N_WEEKS", Unit::Week, (1, 0), (1, 1)),
    ("N_WEEKS_AGO", Unit::Week, (0, -1), (1, -1)),
    ("LAST_N_MONTHS", Unit::Month, (0, -1), (0, 0)),
    ("NEXT_N_MONTHS", Unit::Month, (1, 0), (1, 1)),
    ("N_MONTHS_AGO", Unit::Month, (0, -1), (1, -1)),
    ("LAST_N_QUARTERS", Unit::Quarter, (0, -1), (0, 0)),
    ("NEXT_N_QUARTERS", Unit::Quarter, (1, 0), (1, 1)),
    ("N_QUARTERS_AGO", Unit::Quarter, (0, -1), (1, -1)),
    ("LAST_N_FISCAL_QUARTERS", Unit::Quarter, (0, -1), (0, 0)),
    ("NEXT_N_FISCAL_QUARTERS", Unit::Quarter, (1, 0), (1, 1)),
    ("N_FISCAL_QUARTERS_AGO", Unit::Quarter, (0, -1), (1, -1)),
    ("LAST_N_YEARS", Unit::Year, (0, -1), (0, 0)),
    ("NEXT_N_YEARS", Unit::Year, (1, 0), (1, 1)),
    ("N_YEARS_AGO", Unit::Year, (0, -1), (1, -1)),
    ("LAST_N_FISCAL_YEARS", Unit::Year, (0, -1), (0, 0)),
    ("NEXT_N_FISCAL_YEARS", Unit::Year, (1, 0), (1, 1)),
    ("N_FISCAL_YEARS_AGO", Unit::Year, (0, -1), (1, -1)),
];

/// Whether a date literal of this name has a number; nothing where there is none of this name.
pub(super) fn is_counted(name: &str) -> Option<bool> {
    let among = |all: &[Literal]| all.iter().any(|(known, ..)| known.eq_ignore_ascii_case(name));
    if among(&COUNTED) { Some(true) } else { among(&PLAIN).then_some(false) }
}

impl Relative {
    /// The literal of this name; `n` is wanted for those that count.
    pub(super) fn new(name: &str, n: Option<u16>) -> Option<Self> {
        let all: &[Literal] = if n.is_some() { &COUNTED } else { &PLAIN };
        let literal = all.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        literal.map(|literal| Self { literal: *literal, n })
    }

    /// The first day, and the day after the last one, seen from `today`.
    pub(in crate::emulator) fn days(&self, today: Date) -> (Date, Date) {
        let (_, unit, first, end) = self.literal;
        let n = i32::from(self.n.unwrap_or(0));
        let day = |(constant, factor): (i32, i32)| unit.start(today, constant + factor * n);
        (day(first), day(end))
    }
}

impl std::fmt::Display for Relative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.literal.0)?;
        self.n.map_or(Ok(()), |n| write!(f, ":{n}"))
    }
}

impl Unit {
    /// The first day of the unit that is `count` units after the one that has `today`; the calendar's first or
    /// last day where it does not reach so far.
    fn start(self, today: Date, count: i32) -> Date {
        let month = date(today.year(), today.month(), 1);
        let (start, step): (Date, Span) = match self {
            Self::Day => (today, 1.day()),
            Self::Week => {
                let past = i64::from(today.weekday().to_sunday_zero_offset());
                (today.saturating_sub(past.days()), 1.week())
            }
            Self::Month => (month, 1.month()),
            Self::Quarter => (month.saturating_sub(i64::from((today.month() - 1) % 3).months()), 3.months()),
            Self::Year => (today.first_of_year(), 1.year()),
        };
        let far = if count < 0 { Date::MIN } else { Date::MAX };
        step.checked_mul(i64::from(count)).map_or(far, |span| start.saturating_add(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Wednesday.
    const TODAY: Date = date(2024, 5, 15);

    fn days(name: &str, n: Option<u16>) -> (String, String) {
        let (first, end) = Relative::new(name, n).unwrap().days(TODAY);
        (first.to_string(), end.to_string())
    }

    #[test]
    fn each_unit_begins_where_it_should() {
        let rows = [
            ("YESTERDAY", "2024-05-14", "2024-05-15"),
            ("TODAY", "2024-05-15", "2024-05-16"),
            ("TOMORROW", "2024-05-16", "2024-05-17"),
            ("LAST_WEEK", "2024-05-05", "2024-05-12"),
            ("THIS_WEEK", "2024-05-12", "2024-05-19"),
            ("NEXT_WEEK", "2024-05-19", "2024-05-26"),
            ("LAST_MONTH", "2024-04-01", "2024-05-01"),
            ("NEXT_MONTH", "2024-06-01", "2024-07-01"),
            ("LAST_90_DAYS", "2024-02-15", "2024-05-16"),
            ("NEXT_90_DAYS", "2024-05-16", "2024-08-14"),
            ("THIS_QUARTER", "2024-04-01", "2024-07-01"),
            ("LAST_QUARTER", "2024-01-01", "2024-04-01"),
            ("NEXT_QUARTER", "2024-07-01", "2024-10-01"),
            ("THIS_FISCAL_QUARTER", "2024-04-01", "2024-07-01"),
            ("LAST_FISCAL_QUARTER", "2024-01-01", "2024-04-01"),
            ("NEXT_FISCAL_QUARTER", "2024-07-01", "2024-10-01"),
            ("THIS_MONTH", "2024-05-01", "2024-06-01"),
            ("LAST_YEAR", "2023-01-01", "2024-01-01"),
            ("THIS_YEAR", "2024-01-01", "2025-01-01"),
            ("NEXT_YEAR", "2025-01-01", "2026-01-01"),
            ("LAST_FISCAL_YEAR", "2023-01-01", "2024-01-01"),
            ("THIS_FISCAL_YEAR", "2024-01-01", "2025-01-01"),
            ("NEXT_FISCAL_YEAR", "2025-01-01", "2026-01-01"),
        ];
        for (name, first, end) in rows {
            assert_eq!(days(name, None), (first.to_owned(), end.to_owned()), "{name}");
        }
        assert!(PLAIN.iter().all(|(name, ..)| rows.iter().any(|row| row.0 == *name)), "each has its row");
    }

    #[test]
    fn counted_units_reach_as_far_as_they_should() {
        let rows = [
            ("LAST_N_DAYS", 3, "2024-05-12", "2024-05-16"),
            ("NEXT_N_DAYS", 3, "2024-05-16", "2024-05-19"),
            ("N_DAYS_AGO", 3, "2024-05-12", "2024-05-13"),
            ("LAST_N_WEEKS", 2, "2024-04-28", "2024-05-12"),
            ("NEXT_N_MONTHS", 2, "2024-06-01", "2024-08-01"),
            ("N_QUARTERS_AGO", 1, "2024-01-01", "2024-04-01"),
            ("NEXT_N_WEEKS", 2, "2024-05-19", "2024-06-02"),
            ("N_WEEKS_AGO", 2, "2024-04-28", "2024-05-05"),
            ("LAST_N_MONTHS", 2, "2024-03-01", "2024-05-01"),
            ("N_MONTHS_AGO", 2, "2024-03-01", "2024-04-01"),
            ("LAST_N_QUARTERS", 2, "2023-10-01", "2024-04-01"),
            ("NEXT_N_QUARTERS", 2, "2024-07-01", "2025-01-01"),
            ("LAST_N_FISCAL_QUARTERS", 2, "2023-10-01", "2024-04-01"),
            ("NEXT_N_FISCAL_QUARTERS", 2, "2024-07-01", "2025-01-01"),
            ("N_FISCAL_QUARTERS_AGO", 2, "2023-10-01", "2024-01-01"),
            ("LAST_N_YEARS", 1, "2023-01-01", "2024-01-01"),
            ("LAST_N_YEARS", u16::MAX, "-9999-01-01", "2024-01-01"),
            ("NEXT_N_YEARS", 2, "2025-01-01", "2027-01-01"),
            ("N_YEARS_AGO", 2, "2022-01-01", "2023-01-01"),
            ("LAST_N_FISCAL_YEARS", 1, "2023-01-01", "2024-01-01"),
            ("NEXT_N_FISCAL_YEARS", 2, "2025-01-01", "2027-01-01"),
            ("N_FISCAL_YEARS_AGO", 2, "2022-01-01", "2023-01-01"),
        ];
        assert!(COUNTED.iter().all(|(name, ..)| rows.iter().any(|row| row.0 == *name)), "each has its row");
        for (name, n, first, end) in rows {
            let (from, to) = days(name, Some(n));
            assert_eq!((from.replace("-009999", "-9999"), to), (first.to_owned(), end.to_owned()), "{name}");
        }
    }

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(is_counted("last_n_days"), Some(true));
        assert_eq!(is_counted("Today"), Some(false));
        assert_eq!(is_counted("SOMEDAY"), None);
        assert!(Relative::new("TODAY", Some(1)).is_none());
    }
}
