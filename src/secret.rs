//! Values that must never be printed: `***` in every format, wiped from memory on drop; and [`hide`] for texts from
//! outside, where a server may have repeated one.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroize;

/// A token, key, password or cookie.
///
/// `Debug` and `Display` print `***`; the only way to the value is [`Secret::expose`], so that every use
/// of it can be found by that name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes charge of `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What stands for a value.
const HIDDEN: &str = "***";

/// Shorter values, in bytes, are not looked for: they could be any word.
const VALUE_MIN: usize = 8;

/// So many characters from the beginning of a value are as good as all of it: a text may have been cut.
const BEGINNING: usize = 16;

/// A text with `***` in the place of `value`, also where it is cut short, in other letter case (host names) or has
/// backslashes in it (JSON in JSON). Values below 8 bytes are not looked for.
pub fn hide<'t>(text: &'t str, value: &str) -> Cow<'t, str> {
    if value.len() < VALUE_MIN {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut copied, mut at) = (String::new(), 0, 0);
    while let Some((rest, next)) = text.get(at..).and_then(|rest| Some((rest, rest.chars().next()?))) {
        if let Some(length) = found(rest, value) {
            shown.push_str(text.get(copied..at).unwrap_or_default());
            shown.push_str(HIDDEN);
            at += length;
            copied = at;
        } else {
            at += next.len_utf8();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// How many bytes at the beginning of `text` are `value`, or enough of its beginning.
fn found(text: &str, value: &str) -> Option<usize> {
    let mut wanted = value.chars().peekable();
    let (mut same, mut end) = (0, 0);
    for (at, character) in text.char_indices() {
        match wanted.peek() {
            Some(next) if character.eq_ignore_ascii_case(next) => {
                wanted.next();
                same += 1;
                end = at + character.len_utf8();
            }
            Some(_) if character == '\\' && same > 0 => {}
            _ => break,
        }
    }
    (wanted.peek().is_none() || same >= BEGINNING).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::{Secret, hide};

    #[test]
    fn a_value_is_hidden_in_any_shape_it_comes_back_in() {
        let value = "00Dxx0000001gPL!AQ/4AQ\u{e9}Fake";
        for (text, shown) in [
            (format!("a {value} b {value}"), "a *** b ***"),
            (value.to_owned(), "***"),
            (format!("https://{}.evil", value.to_lowercase()), "https://***.evil"),
            (value.replace('/', "\\/"), "***"),
            ("cut: 00Dxx0000001gPL!AQ/4…".to_owned(), "cut: ***…"),
            ("cut in \u{e9}: 00Dxx0000001gPL!AQ/4AQ\u{e8}".to_owned(), "cut in \u{e9}: ***\u{e8}"),
            ("00Dxx0000001gPL of another".to_owned(), "00Dxx0000001gPL of another"),
            (String::new(), ""),
        ] {
            assert_eq!(hide(&text, value), shown, "{text}");
        }
        assert_eq!(hide("abc short", "short"), "abc short");
        assert_eq!(hide("abcdefgh", "abcdefgh"), "***");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ab\\\\\u{e9}]{0,60}", value in "[ab\\\\\u{e9}]{0,20}") {
            let text = format!("x{value}{text}");
            let shown = hide(&text, &value);
            proptest::prop_assert!(value.len() < 8 || !shown.contains(&value));
        }
    }

    #[test]
    fn no_format_prints_the_value() {
        let secret = Secret::new(String::from("00D!hush"));
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "00D!hush");
    }
}
