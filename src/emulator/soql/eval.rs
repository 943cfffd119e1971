//! Whether a record meets a condition.
//!
//! There are two truth values: a comparison with a field that has no value is false, except `!=` and
//! `NOT IN`, which are true, and `= null`.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::ast::{Comparison, Condition, Value, Wild};
use super::date::Relative;

/// What the field of a record holds.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Datum {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text; never empty.
    Text(String),
    /// An id of 18 or 15 characters, of which the first 15 count.
    Id(String),
    /// A day.
    Date(Date),
    /// A moment.
    DateTime(Timestamp),
}

/// A record.
pub(in crate::emulator) trait Row {
    /// What its field holds; a field that it has not holds nothing.
    fn get(&self, field: &str) -> Datum;
}

/// Whether `row` meets `condition` at the moment `now`.
pub(in crate::emulator) fn matches(condition: &Condition, row: &impl Row, now: Timestamp) -> bool {
    match condition {
        Condition::And(all) => all.iter().all(|one| matches(one, row, now)),
        Condition::Or(all) => all.iter().any(|one| matches(one, row, now)),
        Condition::Not(one) => !matches(one, row, now),
        Condition::Compare(field, comparison, value) => {
            compare(&row.get(&field.name), *comparison, value, now)
        }
        Condition::Like(field, pattern) => match row.get(&field.name) {
            Datum::Text(text) => like(&text, pattern),
            _ => false,
        },
        Condition::In(field, negated, values) => {
            let datum = row.get(&field.name);
            values.iter().any(|value| compare(&datum, Comparison::Equal, value, now)) != *negated
        }
        // No record is compared with another type's: a check refuses such queries before.
        Condition::InQuery(..) => false,
    }
}

fn compare(datum: &Datum, comparison: Comparison, value: &Value, now: Timestamp) -> bool {
    if let Value::Relative(relative) = value {
        return within(datum, comparison, relative, now);
    }
    match order(datum, value) {
        Some(order) => comparison.holds(order),
        None => comparison == Comparison::Unequal,
    }
}

impl Comparison {
    /// Whether a value that has this order to another one meets the comparison with it.
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// The order of two values, if they have one.
fn order(datum: &Datum, value: &Value) -> Option<Ordering> {
    match (datum, value) {
        (Datum::Null, Value::Null) => Some(Ordering::Equal),
        (Datum::Null, Value::Text(text)) if text.is_empty() => Some(Ordering::Equal),
        (Datum::Bool(datum), Value::Bool(value)) => Some(datum.cmp(value)),
        (Datum::Number(datum), Value::Number(value)) => datum.partial_cmp(value),
        (Datum::Text(datum), Value::Text(value)) => Some(fold(datum).cmp(&fold(value))),
        (Datum::Id(datum), Value::Text(value)) => Some(short(datum).cmp(short(value))),
        (Datum::Date(datum), Value::Date(value)) => Some(datum.cmp(value)),
        (Datum::DateTime(datum), Value::DateTime(value)) => Some(datum.cmp(value)),
        _ => None,
    }
}

/// Compares with the days of a date literal: `=` is within, `<` before the first, `>` after the last.
fn within(datum: &Datum, comparison: Comparison, relative: &Relative, now: Timestamp) -> bool {
    let day = match datum {
        Datum::Date(date) => *date,
        Datum::DateTime(time) => time.to_zoned(TimeZone::UTC).date(),
        _ => return comparison == Comparison::Unequal,
    };
    let (first, end) = relative.days(now.to_zoned(TimeZone::UTC).date());
    let order = if day < first {
        Ordering::Less
    } else if day < end {
        Ordering::Equal
    } else {
        Ordering::Greater
    };
    comparison.holds(order)
}

/// Text as it is compared.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The part of an id that counts.
fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// Whether `text` is as `pattern` says: the usual search with one place to return to.
fn like(text: &str, pattern: &[Wild]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut place) = (0, 0);
    // Where the last `%` stands, and where the text goes on if it takes one character more.
    let mut back: Option<(usize, usize)> = None;
    while let Some(char) = text.get(at) {
        match pattern.get(place) {
            Some(Wild::Any) => {
                back = Some((place, at));
                place += 1;
                continue;
            }
            Some(Wild::One) => {}
            Some(Wild::Char(wanted)) if same(*char, *wanted) => {}
            _ => {
                let Some((any, taken)) = back else { return false };
                back = Some((any, taken + 1));
                (place, at) = (any + 1, taken + 1);
                continue;
            }
        }
        (place, at) = (place + 1, at + 1);
    }
    pattern.get(place..).is_none_or(|rest| rest.iter().all(|wild| *wild == Wild::Any))
}

fn same(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

impl Datum {
    /// The order of two values of one field: nothing first, then as comparisons have it.
    pub(in crate::emulator) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => fold(one).cmp(&fold(other)),
            (Self::Id(one), Self::Id(other)) => one.cmp(other),
            (Self::Date(one), Self::Date(other)) => one.cmp(other),
            (Self::DateTime(one), Self::DateTime(other)) => one.cmp(other),
            (one, other) => (*other == Self::Null).cmp(&(*one == Self::Null)),
        }
    }
}
