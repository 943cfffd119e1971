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

/// A text with `***` in the place of `value`, also where it is cut short, in other letter case (host names), has
/// backslashes in it (JSON in JSON), or is escaped as in URLs, JSON or HTML. Values below 8 bytes are not looked for.
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
    let (mut same, mut at, mut end) = (0, 0, 0);
    while let (Some(next), Some(rest)) = (wanted.peek(), text.get(at..)) {
        if let Some(length) = spelled(rest, *next) {
            wanted.next();
            same += 1;
            at += length;
            end = at;
        } else if same > 0 && rest.starts_with('\\') {
            at += 1;
        } else {
            break;
        }
    }
    (wanted.peek().is_none() || same >= BEGINNING).then_some(end)
}

/// How many bytes at the beginning of `text` are the character `wanted`: itself, in other letter case, or as URLs, JSON
/// and HTML escape it.
fn spelled(text: &str, wanted: char) -> Option<usize> {
    let plain = text.chars().next()?;
    if plain.eq_ignore_ascii_case(&wanted) {
        return Some(plain.len_utf8());
    }
    let (digits, length, radix) = match plain {
        '%' => (text.get(1..3)?, 3, 16),
        '\\' => (text.strip_prefix("\\u")?.get(..4)?, 6, 16),
        '&' => {
            let (digits, _) = text.strip_prefix("&#")?.split_once(';')?;
            let hexadecimal = digits.strip_prefix(['x', 'X']);
            (hexadecimal.unwrap_or(digits), digits.len() + 3, if hexadecimal.is_some() { 16 } else { 10 })
        }
        _ => return None,
    };
    let escaped = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    escaped.eq_ignore_ascii_case(&wanted).then_some(length)
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
            ("a 00Dxx0000001gPL%21AQ%2f4AQ\u{e9}F%61ke b".to_owned(), "a *** b"),
            (r"\u00300Dxx0000001gPL\\u0021AQ\/4AQ\u00e9Fake".to_owned(), "***"),
            ("00Dxx0000001gPL&#33;AQ&#x2F;4AQ&#233;Fake".to_owned(), "***"),
            (String::new(), ""),
        ] {
            assert_eq!(hide(&text, value), shown, "{text}");
        }
        assert_eq!(hide("abc short", "short"), "abc short");
        assert_eq!(hide("abcdefgh", "abcdefgh"), "***");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ab\\\\\u{e9}%&#;u0]{0,60}", value in "[ab\\\\\u{e9}]{0,20}") {
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
