//! What a server advises: whether, when and how long to connect (Bayeux 1.0, "Advice").
//!
//! Advice is input like any other: values that make no sense are clamped or ignored, and named once in
//! [`Advice::odd`].

use std::time::Duration;

use serde_json::value::RawValue;

use super::message::{object, text_of};

/// The longest poll that advice can ask for. A server that holds a poll for longer cannot be told from a
/// dead one within any useful time.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// The longest wait that advice can ask for.
const INTERVAL_MAX: Duration = Duration::from_mins(15);

/// What to do after the message that carries the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Connect again with the same client id.
    Retry,
    /// Start over with a handshake.
    Handshake,
    /// Do neither by oneself.
    None,
}

/// The fields that a server sent; absent and unusable ones are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What to do next.
    pub reconnect: Option<Reconnect>,
    /// How long to wait before doing it.
    pub interval: Option<Duration>,
    /// How long the server holds a `/meta/connect`.
    pub timeout: Option<Duration>,
    /// Whether the server sees another session with the same cookie, and so answers this one's polls at once.
    pub multiple_clients: bool,
    /// Whether the server names other hosts, which are never followed: a token belongs to one origin.
    pub hosts: bool,
    /// The first value that made no sense, for a person.
    pub odd: Option<String>,
}

impl Advice {
    /// Reads the JSON text of an `advice` field; nothing in it is an error.
    pub fn parse(json: &str) -> Self {
        let mut advice = Self::default();
        let Some(fields) = object(json) else {
            advice.odd = Some(format!("advice is no object: {}", excerpt(json)));
            return advice;
        };
        let field = |name: &str| fields.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
        advice.reconnect = fields.get("reconnect").and_then(|raw| advice.reconnect(raw));
        advice.interval = field("interval").and_then(|raw| advice.millis("interval", raw, INTERVAL_MAX));
        advice.timeout = field("timeout").and_then(|raw| advice.millis("timeout", raw, TIMEOUT_MAX));
        advice.multiple_clients = field("multiple-clients") == Some("true");
        advice.hosts = field("hosts").is_some();
        advice
    }

    fn reconnect(&mut self, raw: &RawValue) -> Option<Reconnect> {
        match text_of(raw).as_deref() {
            Some("retry") => Some(Reconnect::Retry),
            Some("handshake") => Some(Reconnect::Handshake),
            Some("none") => Some(Reconnect::None),
            _ if raw.get() == "null" => None,
            _ => {
                self.note("reconnect", raw.get(), "ignored");
                None
            }
        }
    }

    fn millis(&mut self, name: &str, raw: &str, max: Duration) -> Option<Duration> {
        let value = raw.trim_matches('"').parse::<f64>().ok().filter(|value| value.is_finite());
        let Some(value) = value else {
            self.note(name, raw, "ignored");
            return None;
        };
        if value < 0.0 {
            // -1 is how some servers spell "no value".
            if value < -1.0 {
                self.note(name, raw, "ignored");
            }
            return None;
        }
        let wanted = Duration::try_from_secs_f64(value / 1000.0).unwrap_or(Duration::MAX);
        if wanted > max {
            self.note(name, raw, &format!("clamped to {} s", max.as_secs()));
        }
        Some(wanted.min(max))
    }

    fn note(&mut self, name: &str, raw: &str, then: &str) {
        if self.odd.is_none() {
            self.odd = Some(format!("advice {name} {}: {then}", excerpt(raw)));
        }
    }
}

/// The beginning of a text, short enough for a log line and without line breaks.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 120;
    let flat = |c: char| if c.is_control() { ' ' } else { c };
    let mut cut = text.chars().take(MOST).map(flat).collect::<String>();
    if text.chars().nth(MOST).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_advice_is_read() {
        let advice = Advice::parse(r#"{"reconnect":"retry","interval":0,"timeout":110000}"#);
        assert_eq!(advice.reconnect, Some(Reconnect::Retry));
        assert_eq!(advice.interval, Some(Duration::ZERO));
        assert_eq!(advice.timeout, Some(Duration::from_secs(110)));
        assert_eq!(advice.odd, None);
        let crowd = Advice::parse(r#"{"multiple-clients":true,"interval":2000,"hosts":["other.example"]}"#);
        assert_eq!((crowd.multiple_clients, crowd.hosts, crowd.odd), (true, true, None));
    }

    #[test]
    fn what_comes_twice_or_in_escapes_is_read() {
        let advice = Advice::parse(r#"{"interval":1,"interval":2,"reconnect":"\u0072etry"}"#);
        assert_eq!(
            (advice.interval, advice.reconnect),
            (Some(Duration::from_millis(2)), Some(Reconnect::Retry))
        );
        assert_eq!(Advice::parse(r#"["none",900000]"#).reconnect, None);
    }

    #[test]
    fn nonsense_is_ignored_or_clamped_and_named_once() {
        for (json, expected) in [
            (
                r#"{"timeout":-2}"#,
                Advice { odd: Some("advice timeout -2: ignored".into()), ..Advice::default() },
            ),
            (r#"{"timeout":-1,"interval":null}"#, Advice::default()),
            (
                r#"{"interval":1e300,"timeout":"x"}"#,
                Advice {
                    interval: Some(INTERVAL_MAX),
                    odd: Some("advice interval 1e300: clamped to 900 s".into()),
                    ..Advice::default()
                },
            ),
            (
                r#"{"timeout":[]}"#,
                Advice { odd: Some("advice timeout []: ignored".into()), ..Advice::default() },
            ),
            ("7", Advice { odd: Some("advice is no object: 7".into()), ..Advice::default() }),
            (
                r#"{"reconnect":"maybe"}"#,
                Advice { odd: Some(r#"advice reconnect "maybe": ignored"#.into()), ..Advice::default() },
            ),
            (
                r#"{"interval":"500"}"#,
                Advice { interval: Some(Duration::from_millis(500)), ..Advice::default() },
            ),
        ] {
            assert_eq!(Advice::parse(json), expected, "{json}");
        }
    }
}
