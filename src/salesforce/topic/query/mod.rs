//! The query of a `PushTopic`: what of it an org would refuse, as far as the query alone tells.
//!
//! Constraints: no I/O, no panic, bounded nesting. What only the org can know, which objects and fields there are and of
//! which types, is left to it; so is what the guide says nothing of (`USING SCOPE`, `WITH`, functions of one field).
//!
//! Format: SOQL, `SELECT` fields `FROM` object, then `WHERE` conditions; it has no comments. The rules and their words are
//! those of the guide, "Supported `PushTopic` Queries" and "Unsupported `PushTopic` Queries".
//!
//! Operations: [`read`] a query; [`is_same`] compares two.

mod conditions;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::ops::Range;

/// Something that an org refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the query, in bytes.
    pub span: Range<usize>,
    /// The server's code.
    pub code: &'static str,
    /// What is wrong; the server's words where the guide has them.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

/// What a query says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What an org refuses of it, in the order of the query; nothing after a break in the grammar is read.
    pub findings: Vec<Finding>,
    /// The object after `FROM`; empty where the query breaks off before.
    pub object: String,
    /// The fields of `SELECT`, without the object before them.
    pub selected: Vec<String>,
    /// The fields of `WHERE`, likewise.
    pub filtered: Vec<String>,
}

impl Finding {
    pub(super) fn malformed(span: Range<usize>, message: String) -> Self {
        Self { span, code: "MALFORMED_QUERY", message, hint: None }
    }

    fn field(span: Range<usize>, message: &str, hint: Option<&'static str>) -> Self {
        Self { span, code: "INVALID_FIELD", message: message.to_owned(), hint }
    }
}

/// Reads a query.
pub fn read(query: &str) -> Reading {
    match lexer::tokens(query) {
        Ok(tokens) => parser::Parser::new(&tokens).read(),
        Err(finding) => Reading { findings: vec![finding], ..Reading::default() },
    }
}

/// Whether two queries differ in white space alone.
pub fn is_same(one: &str, other: &str) -> bool {
    let texts = |query| -> Option<Vec<String>> {
        let tokens = lexer::tokens(query).ok()?;
        Some(tokens.into_iter().map(|token| token.text.to_owned()).collect())
    };
    one == other || texts(one).is_some_and(|texts_of_one| texts(other) == Some(texts_of_one))
}
