//! What a refusal means: the server's error text read into one of a few meanings.
//!
//! An error has the form `CODE:ARGS:TEXT` (Bayeux 1.0, "error"). The codes alone do not tell enough
//! (403 stands for a dozen things), so known texts come first. Salesforce puts the real reason of a denied
//! handshake into `ext.sfdc.failureReason`, which is read before `error`.

use std::fmt;

/// What a server's refusal means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The server does not know the session (any more).
    UnknownClient,
    /// The token is missing, expired or revoked.
    Unauthenticated,
    /// The server has too much to do.
    Busy,
    /// An allocation of the organisation is used up.
    Exhausted,
    /// The user may not do this.
    Forbidden,
    /// There is no such channel.
    NoSuchChannel,
    /// The channel's name or filter is wrong.
    BadChannel,
    /// The position asked for is no longer retained.
    ReplayLost,
    /// The request was too large.
    TooLarge,
    /// The URL is no CometD endpoint.
    Endpoint,
    /// The URL has no API version, or one that the server does not know.
    Version,
    /// None of these.
    Other,
}

impl Meaning {
    /// Reads the reason of a refusal; `failure_reason` wins where it says anything definite.
    pub fn read(error: Option<&str>, failure_reason: Option<&str>) -> Self {
        [failure_reason, error]
            .into_iter()
            .flatten()
            .map(classify)
            .find(|meaning| *meaning != Self::Other)
            .unwrap_or(Self::Other)
    }

    /// The meaning of an HTTP status whose body says nothing.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 | 405 | 410 | 501 => Self::Endpoint,
            413 => Self::TooLarge,
            408 | 429 | 502..=504 => Self::Busy,
            _ => Self::Other,
        }
    }

    /// A short name for logs, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::Unauthenticated => "unauthenticated",
            Self::Busy => "busy",
            Self::Exhausted => "exhausted",
            Self::Forbidden => "forbidden",
            Self::NoSuchChannel => "no_such_channel",
            Self::BadChannel => "bad_channel",
            Self::ReplayLost => "replay_lost",
            Self::TooLarge => "too_large",
            Self::Endpoint => "endpoint",
            Self::Version => "version",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownClient => "the server does not know this session any more",
            Self::Unauthenticated => "the access token is missing, expired or revoked",
            Self::Busy => "the server is overloaded",
            Self::Exhausted => "an allocation of the organisation is used up",
            Self::Forbidden => "the user lacks the right to do this",
            Self::NoSuchChannel => "the channel does not exist; check its spelling and that it is active",
            Self::BadChannel => "the channel's name or filter is wrong",
            Self::ReplayLost => "the stored position is older than what the server retains",
            Self::TooLarge => "the request was too large for the server",
            Self::Endpoint => {
                "this is no CometD endpoint of the server; it looks like https://HOST/cometd/61.0"
            }
            Self::Version => "the API version in the URL is missing or unknown to the server",
            Self::Other => "the server gave no reason that is known",
        })
    }
}

/// Known texts, in lower case, in the order in which they are looked for.
const TEXTS: &[(&str, Meaning)] = &[
    ("unknown client", Meaning::UnknownClient),
    ("has not completed handshake", Meaning::UnknownClient),
    ("has established a session", Meaning::UnknownClient),
    ("authentication invalid", Meaning::Unauthenticated),
    ("requires authentication", Meaning::Unauthenticated),
    ("simultaneous connections", Meaning::Busy),
    ("too busy", Meaning::Busy),
    ("replayid", Meaning::ReplayLost),
    ("api version", Meaning::Version),
    ("maximum request size", Meaning::TooLarge),
    ("maximum channel limit", Meaning::Forbidden),
    ("limit exceeded", Meaning::Exhausted),
    ("subscribe_denied", Meaning::Forbidden),
    ("create_denied", Meaning::NoSuchChannel),
    ("doesn't exist", Meaning::NoSuchChannel),
    ("unknown channel", Meaning::NoSuchChannel),
    ("channel names may not vary only by case", Meaning::BadChannel),
];

fn classify(text: &str) -> Meaning {
    let lower = text.to_ascii_lowercase();
    if let Some((_, meaning)) = TEXTS.iter().find(|(known, _)| lower.contains(known)) {
        return *meaning;
    }
    match lower.split(':').next().unwrap_or_default().trim() {
        "400" => Meaning::BadChannel,
        "401" => Meaning::Unauthenticated,
        "402" => Meaning::UnknownClient,
        "403" if lower.contains("handshake denied") => Meaning::Other,
        "403" => Meaning::Forbidden,
        "404" => Meaning::NoSuchChannel,
        "408" | "429" | "502" | "503" | "504" => Meaning::Busy,
        "413" => Meaning::TooLarge,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_seen_on_the_wire_has_its_meaning() {
        for (error, meaning) in [
            ("402::Unknown client", Meaning::UnknownClient),
            ("403::Unknown client", Meaning::UnknownClient),
            (
                "400::Client 1x has established a session, but no BAYEUX_BROWSER cookie present",
                Meaning::UnknownClient,
            ),
            ("403::Client has not completed handshake", Meaning::UnknownClient),
            ("401::Authentication invalid", Meaning::Unauthenticated),
            ("401::Request requires authentication", Meaning::Unauthenticated),
            ("503::Server is too busy. Please try your request again later.", Meaning::Busy),
            ("403:denied_by_security_policy:create_denied", Meaning::NoSuchChannel),
            ("403:denied_by_security_policy:subscribe_denied", Meaning::Forbidden),
            (
                "400::The replayId {42} you provided was invalid. Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.",
                Meaning::ReplayLost,
            ),
            (
                "400::The channel you requested to subscribe to doesn't exist {/topic/x}",
                Meaning::NoSuchChannel,
            ),
            ("404::Unknown channel", Meaning::NoSuchChannel),
            ("404::channel names may not vary only by case", Meaning::BadChannel),
            ("400::Channel subscriptions must start with a leading '/'", Meaning::BadChannel),
            ("400::Channel name not specified", Meaning::BadChannel),
            ("400::Query fields {X} do not exist on the topic entity", Meaning::BadChannel),
            ("403::Organization concurrent user limit exceeded", Meaning::Exhausted),
            ("403::Organization total events daily limit exceeded", Meaning::Exhausted),
            ("403::Subscription limit exceeded for this topic", Meaning::Exhausted),
            ("403::Subscriber does not have access to the entity in this topic", Meaning::Forbidden),
            ("403::User not enabled for streaming", Meaning::Forbidden),
            ("403::Restricted channel", Meaning::Forbidden),
            ("403::Cannot create channel /u/x", Meaning::Forbidden),
            (
                "403::Unable to create channel dynamically, maximum channel limit has been exceeded",
                Meaning::Forbidden,
            ),
            ("400::API version in the URI is mandatory. URI format: '/cometd/XX.X'", Meaning::Version),
            (
                "400::Unsupported API version. Only API versions '23.0' and above are supported.",
                Meaning::Version,
            ),
            ("413::Maximum Request Size Exceeded", Meaning::TooLarge),
            ("", Meaning::Other),
            ("something new", Meaning::Other),
        ] {
            assert_eq!(Meaning::read(Some(error), None), meaning, "{error}");
        }
    }

    #[test]
    fn the_failure_reason_wins_over_the_error() {
        let denied = Some("403::Handshake denied");
        for (reason, meaning) in [
            ("401::Authentication invalid", Meaning::Unauthenticated),
            (
                "403::To protect all customers from excessive use we limit the number of simultaneous connections per server.",
                Meaning::Busy,
            ),
            ("503::Server is too busy", Meaning::Busy),
        ] {
            assert_eq!(Meaning::read(denied, Some(reason)), meaning, "{reason}");
        }
        assert_eq!(Meaning::read(denied, None), Meaning::Other);
        assert_eq!(Meaning::read(Some("402::Unknown client"), Some("?")), Meaning::UnknownClient);
    }
}
