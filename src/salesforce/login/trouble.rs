//! Why a login came to nothing, in words without a secret.
//!
//! Constraints: what a server or a program said is shown on one line, cut, and without any secret that it was given, in
//! whatever encoding it was given; short secrets are looked for too.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use crate::secret::{Secret, hide};

/// The most characters shown of what somebody else said.
const SHOWN_MAX: usize = 300;

/// What stands for a secret.
const HIDDEN: &str = "***";

/// A login that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// For a person.
    pub(super) reason: String,
    pub(super) kind: Kind,
    /// Whether a server may have counted it as a login.
    pub(super) sent: bool,
}

/// Whether another try can end otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was sent is wrong, and will be.
    Refused,
    /// Something answered that is no login, or a file is not there: a person has to look, or it is maintenance.
    Odd,
    /// It passes: nothing was reached, or it is busy; the wait that it asked for.
    Passing(Option<Duration>),
}

impl Trouble {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: Kind::Refused, sent: true }
    }

    pub(super) fn odd(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: Kind::Odd, sent: true }
    }

    pub(super) fn passing(reason: impl Into<String>, after: Option<Duration>) -> Self {
        Self { reason: reason.into(), kind: Kind::Passing(after), sent: true }
    }

    /// It ended before anything was sent.
    pub(super) fn unsent(self) -> Self {
        Self { sent: false, ..self }
    }

    /// With the wait that an answer asked for, if waiting helps.
    pub(super) fn after(mut self, asked: Option<Duration>) -> Self {
        if let Kind::Passing(after) = &mut self.kind {
            *after = asked.or(*after);
        }
        self
    }
}

/// The secrets of one login, to be taken out of what is said about it.
#[derive(Default)]
pub(super) struct Veil(Vec<Secret<String>>);

impl Veil {
    /// Hides `secret` from now on, as it is and as forms and XML spell it.
    pub(super) fn add(&mut self, secret: &str) {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let percent = form.replace('+', "%20");
        let xml = super::soap::escaped(secret);
        for shape in [secret.to_owned(), form, percent, xml] {
            if !shape.is_empty() && !self.0.iter().any(|known| *known.expose() == shape) {
                self.0.push(Secret::new(shape));
            }
        }
        // One that is part of another must not leave the rest of it.
        self.0.sort_unstable_by_key(|known| Reverse(known.expose().len()));
    }

    /// What somebody said, fit to be shown.
    pub(super) fn quote(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            shown = shown.replace(secret.expose().as_str(), HIDDEN);
        }
        // What is left was cut or changed on its way; only now, for this takes the beginning for the whole.
        for secret in &self.0 {
            shown = hide(&shown, secret.expose()).into_owned();
        }
        one_line(&shown)
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil(***)")
    }
}

/// A text on one line, cut.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = words.chars().take(SHOWN_MAX).map(plain).collect();
    if words.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn plain(character: char) -> char {
    if character.is_control() { '\u{fffd}' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_secret_is_hidden() {
        let mut veil = Veil::default();
        veil.add("p&<w é");
        veil.add("ab");
        for text in ["p&<w é", "p%26%3Cw+%C3%A9", "p%26%3Cw%20%C3%A9", "p&amp;&lt;w é", "ab"] {
            assert_eq!(veil.quote(&format!("x {text}.")), "x ***.");
        }
        assert_eq!(format!("{veil:?}"), "Veil(***)");
        veil.add("a long <one> with + and more behind");
        let form = "a+long+%3Cone%3E+with+%2B+and+more+behind";
        assert_eq!(
            veil.quote(&format!("{form} A LONG <ONE> WITH + AND cut a+long+%3cone%3e")),
            "*** ***cut ***"
        );
    }

    #[test]
    fn a_quote_is_one_short_line() {
        let veil = Veil::default();
        assert_eq!(veil.quote(" a\n\tb\u{1b}[31m "), "a b\u{fffd}[31m");
        assert_eq!(veil.quote(&"é".repeat(301)).chars().count(), SHOWN_MAX + 1);
        assert_eq!(veil.quote(""), "");
    }
}
