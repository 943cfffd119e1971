//! SOQL: text to a query, a query to text, and whether a record meets its conditions.
//!
//! # Constraints
//!
//! - It knows no types of records: a field is a name, and what a record holds comes through [`Row`].
//! - Bounded: a query has at most [`QUERY_MAX`] bytes and conditions in at most [`DEPTH_MAX`] parentheses.
//! - Days begin at midnight UTC; text is compared without regard to case.
//!
//! # Format
//!
//! `SELECT` items `FROM` type, then in this order and each at most once: `WHERE`, `GROUP BY`, `ORDER BY`,
//! `LIMIT`, `OFFSET`, `ALL ROWS`. Items are fields, functions with an alias, `TYPEOF`, or a query in
//! parentheses. Conditions are comparisons, `LIKE`, `IN` and `NOT IN` (values or a query), `NOT`, `AND` and
//! `OR`; the last two are not mixed without parentheses. What is parsed is more than what the records can
//! answer, because a refusal has to name what it refuses.
//!
//! # Operations
//!
//! [`parse`]; `Display` of a [`Query`], which parses to the same one; [`matches`].

mod ast;
mod date;
mod eval;
mod lexer;
mod literal;
mod parser;
mod print;
#[cfg(test)]
mod tests;

pub(super) use ast::{Condition, Item, Path, Query, Value};
pub(super) use eval::{Datum, Row, matches};
pub(super) use parser::parse;

/// The longest query, in bytes.
pub(super) const QUERY_MAX: usize = 20_000;
/// How deep conditions and queries may be nested.
const DEPTH_MAX: usize = 50;

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// In the words of the server.
    pub(super) message: String,
    /// Where, in bytes from the start of the query.
    pub(super) at: usize,
}

/// Private functions that read outside input, for the fuzz targets alone; no part of the library's interface.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    /// A SOQL query as it is printed after it was read; the place where it cannot be read.
    pub fn soql(text: &str) -> Result<String, usize> {
        super::parse(text).map(|query| query.to_string()).map_err(|error| error.at)
    }
}
