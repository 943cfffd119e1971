//! Path templates: `{connection}`, `{channel}` and strftime conversions of the time of arrival (UTC).
//!
//! What a server or a configuration names never climbs: a placeholder becomes a part of one path component
//! that is never empty, never `.` or `..`, never begins with a dot and never passes the 255 bytes that a
//! component may have.
//!
//! A channel becomes a name so: the leading `/` goes, an inner `/` becomes `.`, letters, digits, `_` and `-`
//! stay, every other byte (a `.` too) becomes `%XX`: `/event/Order__e` is `event.Order__e`, `/topic/A?x='1'` is
//! `topic.A%3Fx%3D%271%27`. A slash that is the last or follows another is `%2F`; a name without a leading
//! slash begins with `%_`, and an empty one is `%-`. So no two channels share a name. A name longer than its
//! placeholder's limit (200 bytes, less where several stand in one component) is cut and ends in `~` and 64
//! bits of its SHA-256 in hexadecimal. A connection's name is encoded the same way, without the slashes' rule.
//!
//! Conversions: `%Y %m %d %H %M %S %j %y %F %G %V %u %s`, and `%%` for a percent sign.

use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The most bytes of one component, on every file system in use.
const COMPONENT_MAX: usize = 255;
/// The most bytes that one placeholder becomes.
const NAME_MAX: usize = 200;
/// The fewest bytes worth having for a placeholder: a hash and something to be recognised by.
const NAME_MIN: usize = 40;
/// A cut name's end: `~` and 16 digits.
const HASH_LEN: usize = 17;

/// The conversions and the most bytes that each becomes.
const CONVERSIONS: [(char, usize); 13] = [
    ('Y', 5),
    ('m', 2),
    ('d', 2),
    ('H', 2),
    ('M', 2),
    ('S', 2),
    ('j', 3),
    ('y', 2),
    ('F', 11),
    ('G', 5),
    ('V', 2),
    ('u', 1),
    ('s', 13),
];

/// A path with `{connection}`, `{channel}` and strftime conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    components: Vec<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    pieces: Vec<Piece>,
    /// The most bytes of one placeholder here.
    name_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Time(char, usize),
    Connection,
    Channel,
}

/// Why a text is no path template: what was found and what is wanted, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(pub String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Checks a template as a person wrote it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        check_whole(text)?;
        let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        let components = parts.map(Component::parse).collect::<Result<Vec<_>, _>>()?;
        if components.is_empty() {
            return error("the path names no file; name one, such as out/{channel}.jsonl");
        }
        Ok(Self { text: text.to_owned(), components })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory that every path begins with; empty for the working directory.
    pub fn root(&self) -> PathBuf {
        let directories = self.components.len() - 1;
        let literals = self.components.iter().take(directories).map_while(Component::literal);
        literals.fold(self.start(), |path, name| path.join(name))
    }

    /// Whether the path depends on the time.
    pub fn is_timed(&self) -> bool {
        let pieces = self.components.iter().flat_map(|component| &component.pieces);
        pieces.into_iter().any(|piece| matches!(piece, Piece::Time(..)))
    }

    /// The path of what came over `connection` on `channel` at `time`.
    pub fn path(&self, connection: &str, channel: &str, time: Timestamp) -> PathBuf {
        let names = self.components.iter().map(|component| component.name(connection, channel, time));
        names.fold(self.start(), |path, name| path.join(name))
    }

    fn start(&self) -> PathBuf {
        PathBuf::from(if self.text.starts_with('/') { "/" } else { "" })
    }
}

fn error<T>(text: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError(text.into()))
}

fn check_whole(text: &str) -> Result<(), TemplateError> {
    if text.is_empty() {
        return error("the path is empty; name a file, such as out/{channel}.jsonl");
    }
    if text.chars().any(char::is_control) {
        return error("the path holds a control character; remove it");
    }
    if text.ends_with('/') {
        return error("the path ends in '/' and names a directory; add a file name, such as {channel}.jsonl");
    }
    if text.starts_with('~') {
        return error("'~' is not expanded; write the home directory out");
    }
    Ok(())
}

impl Component {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let pieces = parse_pieces(text)?;
        let names = pieces.iter().filter(|piece| matches!(piece, Piece::Connection | Piece::Channel)).count();
        let fixed: usize = pieces.iter().map(Piece::fixed_len).sum();
        let left = COMPONENT_MAX.saturating_sub(fixed);
        let name_max = (left / names.max(1)).min(NAME_MAX);
        if fixed > COMPONENT_MAX || (names > 0 && name_max < NAME_MIN) {
            return error(format!(
                "'{text}' can pass the {COMPONENT_MAX} bytes of a file name; make it shorter"
            ));
        }
        let component = Self { pieces, name_max };
        match component.literal().as_deref() {
            Some("..") => error("'..' would leave the directory; write the path without it"),
            _ => Ok(component),
        }
    }

    /// The component's name where it is always the same.
    fn literal(&self) -> Option<String> {
        self.pieces.iter().try_fold(String::new(), |name, piece| match piece {
            Piece::Literal(text) => Some(name + text),
            _ => None,
        })
    }

    fn name(&self, connection: &str, channel: &str, time: Timestamp) -> String {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => name.push_str(text),
                Piece::Time(conversion, _) => {
                    write!(name, "{}", time.strftime(&format!("%{conversion}"))).expect("known to jiff");
                }
                Piece::Connection => name.push_str(&cut(encode(connection), connection, self.name_max)),
                Piece::Channel => name.push_str(&cut(encode_channel(channel), channel, self.name_max)),
            }
        }
        name
    }
}

impl Piece {
    fn fixed_len(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Time(_, len) => *len,
            Self::Connection | Self::Channel => 0,
        }
    }
}

fn parse_pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.strip_prefix(first).unwrap_or_default();
        let piece;
        (piece, rest) = match first {
            '{' => placeholder(after)?,
            '%' => conversion(after)?,
            '}' => return error("'}' without '{'; the placeholders are {connection} and {channel}"),
            _ => {
                let (literal, rest) = rest.split_at(rest.find(['{', '}', '%']).unwrap_or(rest.len()));
                (Piece::Literal(literal.to_owned()), rest)
            }
        };
        pieces.push(piece);
    }
    Ok(pieces)
}

fn placeholder(after: &str) -> Result<(Piece, &str), TemplateError> {
    let Some((name, rest)) = after.split_once('}') else {
        return error("'{' without '}'; the placeholders are {connection} and {channel}");
    };
    match name {
        "connection" => Ok((Piece::Connection, rest)),
        "channel" => Ok((Piece::Channel, rest)),
        _ => error(format!("unknown placeholder {{{name}}}; there are {{connection}} and {{channel}}")),
    }
}

fn conversion(after: &str) -> Result<(Piece, &str), TemplateError> {
    let Some(letter) = after.chars().next() else {
        return error("a lone '%' at the end of a component; write %% for a percent sign");
    };
    let rest = after.strip_prefix(letter).unwrap_or_default();
    if letter == '%' {
        return Ok((Piece::Literal("%".to_owned()), rest));
    }
    if let Some((letter, len)) = CONVERSIONS.iter().find(|(known, _)| *known == letter) {
        return Ok((Piece::Time(*letter, *len), rest));
    }
    let known: Vec<String> = CONVERSIONS.iter().map(|(letter, _)| format!("%{letter}")).collect();
    error(format!("unknown conversion %{letter}; there are {} and %% for a percent sign", known.join(" ")))
}

fn encode_byte(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
        out.push(char::from(byte));
    } else {
        write!(out, "%{byte:02X}").expect("writing to a String does not fail");
    }
}

fn encode(name: &str) -> String {
    let mut out = String::from(if name.is_empty() { "%-" } else { "" });
    name.bytes().for_each(|byte| encode_byte(byte, &mut out));
    out
}

fn encode_channel(channel: &str) -> String {
    let (mut out, rest) = match channel.strip_prefix('/') {
        Some("") => return "%-".to_owned(),
        Some(rest) => (String::new(), rest),
        None => ("%_".to_owned(), channel),
    };
    let mut before = b'/';
    for (at, byte) in rest.bytes().enumerate() {
        if byte == b'/' && before != b'/' && at + 1 < rest.len() {
            out.push('.');
        } else {
            encode_byte(byte, &mut out);
        }
        before = byte;
    }
    out
}

/// Everything encoded is ASCII, so that a cut falls between characters.
fn cut(mut encoded: String, name: &str, max: usize) -> String {
    if encoded.len() > max {
        encoded.truncate(max - HASH_LEN);
        let digest = Sha256::digest(name.as_bytes());
        let hash = digest.iter().take(8).fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
        write!(encoded, "~{hash:016x}").expect("writing to a String does not fail");
    }
    encoded
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
