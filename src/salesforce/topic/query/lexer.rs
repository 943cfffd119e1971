//! The words of a query, each with its place in bytes.

use std::ops::Range;

use super::Finding;

/// What a word may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number, a date or a time.
    Number,
    /// A string with its quotes.
    Text,
    /// An operator, a parenthesis, a comma, a point, a colon or a semicolon.
    Sign,
    /// What follows the last word.
    End,
}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'q> {
    pub(super) kind: Kind,
    pub(super) text: &'q str,
    pub(super) span: Range<usize>,
}

/// The signs, longer ones first.
const SIGNS: [&str; 13] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", ":", ";"];

/// What may follow a backslash in a string (SOQL reference, "Quoted String Escape Sequences"); `u` and four digits besides.
const ESCAPES: &str = "nNrRtTbBfF\"'\\_%";

/// The words of `query` and its end.
pub(super) fn tokens(query: &str) -> Result<Vec<Token<'_>>, Finding> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, rest)) = skip_space(query, at) {
        let (kind, length) = token(rest).map_err(|bad| bad.at(start))?;
        let span = start..start + length;
        found.push(Token { kind, text: query.get(span.clone()).unwrap_or_default(), span });
        at = start + length;
    }
    let end = query.trim_end().len();
    found.push(Token { kind: Kind::End, text: "<EOF>", span: end..end });
    Ok(found)
}

/// The place from `at` on where something stands, and the query from there.
fn skip_space(query: &str, at: usize) -> Option<(usize, &str)> {
    let rest = query.get(at..)?;
    let trimmed = rest.trim_start();
    (!trimmed.is_empty()).then(|| (at + rest.len() - trimmed.len(), trimmed))
}

/// What is no word, and where it begins and ends in the rest of the query.
struct Bad {
    span: Range<usize>,
    message: String,
    hint: Option<&'static str>,
}

impl Bad {
    fn at(self, start: usize) -> Finding {
        let span = start + self.span.start..start + self.span.end;
        Finding { hint: self.hint, ..Finding::malformed(span, self.message) }
    }
}

/// The kind and the length of the word at the beginning of `rest`, which is not empty.
fn token(rest: &str) -> Result<(Kind, usize), Bad> {
    let mut characters = rest.chars();
    let (first, second) = (characters.next().unwrap_or_default(), characters.next().unwrap_or_default());
    if first == '\'' {
        return text(rest).map(|length| (Kind::Text, length));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        return Ok((Kind::Word, end.unwrap_or(rest.len())));
    }
    if first.is_ascii_digit() || "+-.".contains(first) && (second.is_ascii_digit() || second == '.') {
        return Ok((Kind::Number, number(rest)));
    }
    let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
    sign.map(|sign| (Kind::Sign, sign.len())).ok_or_else(|| stray(first))
}

fn stray(character: char) -> Bad {
    let hint = match character {
        '"' | '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '`' => {
            Some("strings stand in 'straight single quotes'")
        }
        '*' => Some("SOQL has no *; name the fields"),
        '-' | '/' => Some("SOQL has no comments"),
        _ => None,
    };
    let message = format!("unexpected char: '{}'", character.escape_debug());
    Bad { span: 0..character.len_utf8(), message, hint }
}

/// The length of the string at the beginning of `rest`, its quotes included.
fn text(rest: &str) -> Result<usize, Bad> {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Ok(at + 1),
            '\\' => {
                let after = rest.get(at + 1..).unwrap_or_default();
                let good = after.starts_with(|c| ESCAPES.contains(c)) || is_code(after);
                let next = after.chars().next();
                if let (false, Some(next)) = (good, next) {
                    let message = "no escape sequence of a string".to_owned();
                    let hint = Some("a backslash is written \\\\");
                    return Err(Bad { span: at..at + 1 + next.len_utf8(), message, hint });
                }
                characters.next();
            }
            _ => {}
        }
    }
    let hint = Some("it begins here; a quote inside of it is written \\'");
    Err(Bad { span: 0..1, message: "a string without an end".to_owned(), hint })
}

/// Whether this is `u` and four hexadecimal digits.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('u').and_then(|rest| rest.get(..4));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The length of a number, a date or a time, right or wrong: the org reads it.
fn number(rest: &str) -> usize {
    let head = rest.as_bytes().get(..5).unwrap_or_default();
    let dated = head.ends_with(b"-") && head.iter().take(4).all(u8::is_ascii_digit);
    let mut before = '+';
    let end = rest.char_indices().find(|(at, c)| {
        let exponent = !dated && matches!(before, 'e' | 'E');
        let sign = "+-".contains(*c) && (*at == 0 || dated || exponent);
        before = *c;
        !(c.is_ascii_alphanumeric() || *c == '.' || sign || dated && *c == ':')
    });
    end.map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<&str> {
        tokens(query).unwrap().iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_end_where_they_end() {
        let query = "SELECT Id,a.b FROM X WHERE c>=-1.5e+3 AND d!='it\\'s' OR e<>.5;";
        let wanted = [
            "SELECT", "Id", ",", "a", ".", "b", "FROM", "X", "WHERE", "c", ">=", "-1.5e+3", "AND", "d", "!=",
            "'it\\'s'", "OR", "e", "<>", ".5", ";", "<EOF>",
        ];
        assert_eq!(texts(query), wanted);
        for token in tokens(query).unwrap().iter().filter(|token| token.kind != Kind::End) {
            assert_eq!(&query[token.span.clone()], token.text);
        }
    }

    #[test]
    fn dates_times_and_escapes_are_one_word_each() {
        let query = r"2011-06-14 2011-06-14T10:00:00.5+01:00 LAST_N_DAYS:3 '\\' 'é\n\u00e9' USD5000.5";
        let wanted = [
            "2011-06-14",
            "2011-06-14T10:00:00.5+01:00",
            "LAST_N_DAYS",
            ":",
            "3",
            r"'\\'",
            r"'é\n\u00e9'",
            "USD5000",
            ".5",
            "<EOF>",
        ];
        assert_eq!(texts(query), wanted);
    }

    #[test]
    fn what_is_no_word_is_told_with_its_place() {
        let cases = [
            ("a = \"b\"", 4..5, "unexpected char: '\\\"'"),
            ("a = 'b", 4..5, "a string without an end"),
            ("a = 'b\\", 4..5, "a string without an end"),
            ("é", 0..2, "unexpected char: 'é'"),
            ("a = 'b\\xc'", 6..8, "no escape sequence of a string"),
            ("a = '\\u00g0'", 5..7, "no escape sequence of a string"),
            ("a -- b", 2..3, "unexpected char: '-'"),
            ("SELECT *", 7..8, "unexpected char: '*'"),
        ];
        for (query, span, message) in cases {
            let finding = tokens(query).unwrap_err();
            assert_eq!((finding.span, finding.message.as_str()), (span, message), "{query}");
        }
    }
}
