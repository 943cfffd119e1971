//! The words of a query, each with its place.

use super::SyntaxError;

/// A word with the place of its first character, in bytes from the start of the query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'q> {
    /// What it is.
    pub(super) kind: TokenKind,
    /// How it is written.
    pub(super) text: &'q str,
    /// Where it begins.
    pub(super) at: usize,
}

/// What a word may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or a keyword.
    Word,
    /// A number, date or time.
    Number,
    /// A string with its quotes.
    Text,
    /// An operator, parenthesis, comma, point or colon.
    Sign,
    /// What follows the last word.
    End,
}

/// The signs, longer ones first.
const SIGNS: [&str; 13] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", ":", ";"];

/// The words of `query`, the end included.
pub(super) fn tokens(query: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let at = query.len() - rest.len();
        let (kind, len) = token(rest).ok_or_else(|| unexpected(rest, at))?;
        let (text, after) = rest.split_at_checked(len).ok_or_else(|| unexpected(rest, at))?;
        found.push(Token { kind, text, at });
        rest = after.trim_start();
    }
    found.push(Token { kind: TokenKind::End, text: "<EOF>", at: query.len() });
    Ok(found)
}

fn unexpected(rest: &str, at: usize) -> SyntaxError {
    let sign = rest.chars().next().unwrap_or_default();
    SyntaxError { message: format!("unexpected char: '{sign}'"), at }
}

/// The kind and length of the word that `rest` starts with.
fn token(rest: &str) -> Option<(TokenKind, usize)> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == '\'' {
        return Some((TokenKind::Text, text_len(rest)?));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        return Some((TokenKind::Word, len.unwrap_or(rest.len())));
    }
    let second = chars.next().unwrap_or_default();
    let signed = "+-.".contains(first) && (second.is_ascii_digit() || second == '.');
    if first.is_ascii_digit() || signed {
        return Some((TokenKind::Number, number_len(rest)));
    }
    let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
    Some((TokenKind::Sign, sign.len()))
}

/// The length of a string with its quotes; nothing where it does not end.
fn text_len(rest: &str) -> Option<usize> {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '\'' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// The length of a number, date or time, good or bad: its reader decides.
fn number_len(rest: &str) -> usize {
    let dated = is_dated(rest);
    let mut before = ' ';
    let end = rest.char_indices().find(|(at, c)| {
        let exponent = matches!(before, 'e' | 'E') && !dated;
        let signed = "+-".contains(*c) && (*at == 0 || dated || exponent);
        let part = c.is_ascii_alphanumeric() || *c == '.' || signed || (*c == ':' && dated);
        before = *c;
        !part
    });
    end.map_or(rest.len(), |(at, _)| at)
}

/// Whether a date is written here: four digits, a hyphen, a digit.
fn is_dated(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    let digits = bytes.by_ref().take(4).filter(u8::is_ascii_digit).count() == 4;
    digits && bytes.next() == Some(b'-') && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<&str> {
        tokens(query).unwrap().iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_are_cut_where_they_end() {
        assert_eq!(
            texts("SELECT Id,a.b FROM X WHERE c>=-1.5e+3 AND d!='it\\'s'"),
            [
                "SELECT", "Id", ",", "a", ".", "b", "FROM", "X", "WHERE", "c", ">=", "-1.5e+3", "AND", "d",
                "!=", "'it\\'s'", "<EOF>"
            ]
        );
        assert_eq!(
            texts("2011-06-14 2011-06-14T10:00:00.5+01:00 LAST_N_DAYS:3"),
            ["2011-06-14", "2011-06-14T10:00:00.5+01:00", "LAST_N_DAYS", ":", "3", "<EOF>"]
        );
        assert_eq!(texts(r"'\\' 'a'"), [r"'\\'", "'a'", "<EOF>"]);
    }

    #[test]
    fn what_is_no_word_is_told_with_its_place() {
        assert_eq!(tokens("a = \"b\"").unwrap_err().at, 4);
        assert_eq!(tokens("a = 'b").unwrap_err().message, "unexpected char: '''");
        assert_eq!(tokens("é").unwrap_err().message, "unexpected char: 'é'");
    }
}
