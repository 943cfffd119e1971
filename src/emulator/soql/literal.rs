//! Values as they are written: numbers, dates, times, and strings with their escapes.

use jiff::Timestamp;
use jiff::civil::Date;

use super::SyntaxError;
use super::ast::{Value, Wild};
use super::lexer::Token;

/// A number, a date or a time.
pub(super) fn number(text: &str) -> Option<Value> {
    if text.get(4..5) == Some("-") && text.get(..4)?.bytes().all(|byte| byte.is_ascii_digit()) {
        return if text.contains('T') {
            text.parse::<Timestamp>().ok().map(Value::DateTime)
        } else {
            (text.len() == 10).then(|| text.parse::<Date>().ok().map(Value::Date))?
        };
    }
    let finite = text.parse::<f64>().ok().filter(|number| number.is_finite());
    finite.map(Value::Number)
}

/// A character of a string, and whether a backslash was before it.
pub(super) struct Piece {
    char: char,
    escaped: bool,
}

impl Piece {
    /// The character as it stands in a string.
    pub(super) fn literal(self) -> char {
        self.char
    }

    /// What it stands for in a pattern.
    pub(super) fn wild(self) -> Wild {
        match (self.char, self.escaped) {
            ('%', false) => Wild::Any,
            ('_', false) => Wild::One,
            (char, _) => Wild::Char(char),
        }
    }
}

/// The characters of a string.
pub(super) fn unescape(token: &Token<'_>) -> Result<Vec<Piece>, SyntaxError> {
    let inner = token.text.get(1..token.text.len().saturating_sub(1)).unwrap_or_default();
    let mut chars = inner.chars();
    let mut pieces = Vec::new();
    while let Some(char) = chars.next() {
        let piece = if char == '\\' {
            let escape = chars.next().unwrap_or_default();
            let char = escaped(escape, &mut chars).ok_or_else(|| illegal(token, escape))?;
            Piece { char, escaped: true }
        } else {
            Piece { char, escaped: false }
        };
        pieces.push(piece);
    }
    Ok(pieces)
}

/// What a backslash and `escape` stand for.
fn escaped(escape: char, rest: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match escape {
        'n' | 'N' => '\n',
        'r' | 'R' => '\r',
        't' | 'T' => '\t',
        'b' | 'B' => '\u{8}',
        'f' | 'F' => '\u{c}',
        '\'' | '"' | '\\' | '_' | '%' => escape,
        'u' => {
            let digits: String = rest.by_ref().take(4).collect();
            let hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32))??
        }
        _ => return None,
    })
}

fn illegal(token: &Token<'_>, escape: char) -> SyntaxError {
    let message = format!(
        "Invalid string literal {}. Illegal character sequence '\\{escape}' in string literal.",
        token.text
    );
    SyntaxError { message, at: token.at }
}
