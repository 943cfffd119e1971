//! JSON for people: indented, in colours, harmless to a terminal.
//!
//! Key order and the spelling of numbers and strings are kept: the bytes are walked over, not parsed into
//! values. Whatever a terminal might take for a command (C0 and C1 controls, DEL) leaves as `\u00XX`, and
//! bytes that are no UTF-8 as U+FFFD. Text that is no JSON comes out too, only oddly
//! spaced.

/// How JSON is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Two spaces a level, one member a line.
    pub(super) indent: bool,
    /// ANSI colours.
    pub(super) color: bool,
}

/// The deepest level that is indented further: a hostile nesting must not grow into quadratic output.
const DEEPEST: usize = 64;

const KEY: &str = "\x1b[34m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const WORD: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Appends `json` in `style`, without a line end.
pub(super) fn append(json: &[u8], style: Style, out: &mut Vec<u8>) {
    let mut printer = Printer { style, depth: 0, out };
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => printer.space(after),
            b'{' | b'[' => printer.open(byte, after),
            b'}' | b']' => printer.close(byte, after),
            b',' => printer.comma(after),
            b':' => printer.colon(after),
            b'"' => printer.string(rest),
            _ => printer.scalar(rest),
        };
    }
}

struct Printer<'a> {
    style: Style,
    depth: usize,
    out: &'a mut Vec<u8>,
}

impl Printer<'_> {
    fn space<'a>(&mut self, after: &'a [u8]) -> &'a [u8] {
        if !self.style.indent {
            self.out.push(b' ');
        }
        after
    }

    fn open<'a>(&mut self, byte: u8, after: &'a [u8]) -> &'a [u8] {
        self.out.push(byte);
        let inside = after.trim_ascii_start();
        if let (true, Some((close @ (b'}' | b']'), rest))) = (self.style.indent, inside.split_first()) {
            self.out.push(*close);
            return rest;
        }
        self.depth += 1;
        self.line();
        after
    }

    fn close<'a>(&mut self, byte: u8, after: &'a [u8]) -> &'a [u8] {
        self.depth = self.depth.saturating_sub(1);
        self.line();
        self.out.push(byte);
        after
    }

    fn comma<'a>(&mut self, after: &'a [u8]) -> &'a [u8] {
        self.out.push(b',');
        self.line();
        after
    }

    fn colon<'a>(&mut self, after: &'a [u8]) -> &'a [u8] {
        self.out.push(b':');
        if self.style.indent {
            self.out.push(b' ');
        }
        after
    }

    fn string<'a>(&mut self, from_quote: &'a [u8]) -> &'a [u8] {
        let (string, rest) = from_quote.split_at(string_end(from_quote));
        let is_key = rest.trim_ascii_start().first() == Some(&b':');
        self.colored(if is_key { KEY } else { STRING }, string);
        rest
    }

    fn scalar<'a>(&mut self, from: &'a [u8]) -> &'a [u8] {
        let ends = |byte: &u8| b" \t\r\n,:{}[]\"".contains(byte);
        let (scalar, rest) = from.split_at(from.iter().position(ends).unwrap_or(from.len()));
        let is_word = scalar.first().is_some_and(u8::is_ascii_alphabetic);
        self.colored(if is_word { WORD } else { NUMBER }, scalar);
        rest
    }

    fn line(&mut self) {
        if self.style.indent {
            self.out.push(b'\n');
            let spaces = 2 * self.depth.min(DEEPEST);
            self.out.extend(std::iter::repeat_n(b' ', spaces));
        }
    }

    fn colored(&mut self, color: &str, text: &[u8]) {
        if self.style.color {
            self.out.extend_from_slice(color.as_bytes());
        }
        harmless(text, self.out);
        if self.style.color {
            self.out.extend_from_slice(PLAIN.as_bytes());
        }
    }
}

/// Where the string that begins with a quote ends, its closing quote included.
fn string_end(string: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in string.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    string.len()
}

fn harmless(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INDENT: Style = Style { indent: true, color: false };

    fn shown(json: &[u8], style: Style) -> String {
        let mut out = Vec::new();
        append(json, style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_numbers_their_spelling() {
        let json = br#"{"b":1.50e+3, "a" : [ 1,{"c":"x,\"{"}], "e":{},"f":[ ]}"#;
        let wanted = "{\n  \"b\": 1.50e+3,\n  \"a\": [\n    1,\n    {\n      \"c\": \"x,\\\"{\"\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}";
        assert_eq!(shown(json, INDENT), wanted);
    }

    #[test]
    fn colours_tell_keys_strings_numbers_and_words_apart() {
        let style = Style { indent: false, color: true };
        let wanted = "{\x1b[34m\"k\"\x1b[0m:[\x1b[32m\"s\"\x1b[0m,\x1b[36m-1\x1b[0m,\x1b[33mnull\x1b[0m]}";
        assert_eq!(shown(br#"{"k":["s",-1,null]}"#, style), wanted);
    }

    #[test]
    fn nothing_that_commands_a_terminal_comes_through() {
        let json = b"{\"a\":\"x\x1b]0;t\x07\xc2\x9b2J\x7f\x9b\"}\x1b[2J";
        let shown = shown(json, INDENT);
        assert!(shown.contains(r"x\u001b]0;t\u0007\u009b2J\u007f"), "{shown}");
        assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
    }

    #[test]
    fn deep_nesting_grows_linearly() {
        let json = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(shown(&json, INDENT).len() < 200_000 * (2 * DEEPEST + 2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(json in proptest::collection::vec(any::<u8>(), 0..200), indent: bool, color: bool) {
            let shown = shown(&json, Style { indent, color: false });
            prop_assert!(shown.chars().all(|character| character == '\n' || !character.is_control()));
            append(&json, Style { indent, color }, &mut Vec::new());
        }

        #[test]
        fn indented_json_is_the_same_json(keys in proptest::collection::vec(("\\PC*", any::<f64>()), 0..8)) {
            let json = serde_json::to_string(&keys).unwrap();
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(value(&shown(json.as_bytes(), INDENT)), value(&json));
        }
    }
}
