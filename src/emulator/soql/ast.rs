//! What a query says.

use jiff::Timestamp;
use jiff::civil::Date;

use super::date::Relative;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) struct Query {
    /// What is asked for; never empty.
    pub(in crate::emulator) select: Vec<Item>,
    /// The type of the records.
    pub(in crate::emulator) from: Path,
    /// Which records.
    pub(in crate::emulator) filter: Option<Condition>,
    /// `GROUP BY`.
    pub(in crate::emulator) group: Vec<Path>,
    /// `ORDER BY`.
    pub(in crate::emulator) order: Vec<Order>,
    /// `LIMIT`.
    pub(in crate::emulator) limit: Option<u32>,
    /// `OFFSET`.
    pub(in crate::emulator) offset: Option<u32>,
    /// `ALL ROWS`: deleted ones too.
    pub(in crate::emulator) all_rows: bool,
}

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Item {
    /// A field.
    Field(Path),
    /// `NAME(FIELD) ALIAS`; `COUNT()` has no field.
    Function {
        /// The function.
        name: String,
        /// What it is of.
        of: Option<Path>,
        /// What its result is called.
        alias: Option<String>,
    },
    /// The records of a child relationship.
    Subquery(Box<Query>),
    /// `TYPEOF ... END`.
    TypeOf {
        /// The reference.
        of: Path,
        /// Type and fields of each `WHEN`.
        cases: Vec<(String, Vec<Path>)>,
        /// The fields of `ELSE`.
        otherwise: Vec<Path>,
    },
}

/// A name, or several with points between; where it stands does not count for equality.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Path {
    /// As it is written, without spaces.
    pub(in crate::emulator) name: String,
    /// Where it begins, in bytes from the start of the query.
    pub(in crate::emulator) at: usize,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Path {
    /// Whether it leads over a relationship.
    pub(in crate::emulator) fn is_related(&self) -> bool {
        self.name.contains('.')
    }
}

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Condition {
    /// All of two or more.
    And(Vec<Self>),
    /// Any of two or more.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A field against one value.
    Compare(Path, Comparison, Value),
    /// A field against a pattern.
    Like(Path, Vec<Wild>),
    /// A field against several values; `true` for `NOT IN`.
    In(Path, bool, Vec<Value>),
    /// A field against the results of another query; `true` for `NOT IN`.
    InQuery(Path, bool, Box<Query>),
}

impl Condition {
    /// Does something with every field that the records are compared by.
    pub(in crate::emulator) fn each_field<'c>(&'c self, look: &mut impl FnMut(&'c Path)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.each_field(look)),
            Self::Not(one) => one.each_field(look),
            Self::Compare(field, ..)
            | Self::Like(field, _)
            | Self::In(field, ..)
            | Self::InQuery(field, ..) => look(field),
        }
    }
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Comparison {
    /// `=`
    Equal,
    /// `!=` or `<>`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// A value as the query writes it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Value {
    /// `null`
    Null,
    /// `TRUE` or `FALSE`
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A string.
    Text(String),
    /// A day.
    Date(Date),
    /// A moment.
    DateTime(Timestamp),
    /// A date literal, such as `LAST_N_DAYS:3`.
    Relative(Relative),
}

/// One place of a `LIKE` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Wild {
    /// `%`: any characters, or none.
    Any,
    /// `_`: one character.
    One,
    /// This character.
    Char(char),
}

/// One field of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) struct Order {
    /// The field.
    pub(in crate::emulator) by: Path,
    /// `DESC`.
    pub(in crate::emulator) descending: bool,
    /// `NULLS LAST`; without it, or with `NULLS FIRST`, records without a value come first.
    pub(in crate::emulator) nulls_last: bool,
}
