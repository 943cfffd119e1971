//! API versions and the paths that name them.
//!
//! `/cometd` is the legacy endpoint, API 22: channels there have no `/topic` prefix. `/cometd/XX.X` names the
//! version. CometD clients may append the method to either (`/cometd/61.0/connect`); it changes nothing.

use std::borrow::Cow;
use std::fmt;

/// An API version; only whole ones exist, so the number before the point is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u8);

/// The newest API version, without the point.
pub(super) const NEWEST: u8 = 66;

/// What follows the endpoint in a URL when a client appends the method.
const METHODS: [&str; 5] = ["handshake", "connect", "subscribe", "unsubscribe", "disconnect"];

/// Prefixes that channels have from version 23 on.
const PREFIXES: [&str; 4] = ["/topic/", "/u/", "/event/", "/data/"];

/// The error for a path below `/cometd/` that names no version.
const MANDATORY: &str = "400::API version in the URI is mandatory. URI format: '/cometd/XX.X'";

/// The error for a version that is too old for a versioned endpoint.
const UNSUPPORTED: &str = "400::Unsupported API version. Only API versions '23.0' and above are supported.";

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

impl Version {
    /// What `/cometd` without a version speaks.
    const LEGACY: Self = Self(22);
    /// The oldest that a versioned endpoint speaks.
    const OLDEST: Self = Self(23);

    /// The version that `path` names; the Bayeux error where it names none that is served; nothing where it
    /// is no CometD endpoint.
    pub(super) fn of_path(path: &str) -> Option<Result<Self, &'static str>> {
        let rest = path.strip_prefix("/cometd")?;
        if rest.is_empty() {
            return Some(Ok(Self::LEGACY));
        }
        let rest = rest.strip_prefix('/')?;
        if rest.is_empty() || METHODS.contains(&rest) {
            return Some(Ok(Self::LEGACY));
        }
        let name = match rest.split_once('/') {
            Some((name, method)) if METHODS.contains(&method) => name,
            _ => rest,
        };
        Some(
            Self::parse(name)
                .ok_or(MANDATORY)
                .and_then(|version| if version < Self::OLDEST { Err(UNSUPPORTED) } else { Ok(version) }),
        )
    }

    /// The versions of the REST API.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (20..=NEWEST).map(Self)
    }

    /// The name of the release: three a year, version 20 being of Winter '11.
    pub(super) fn label(self) -> String {
        let season = ["Winter", "Spring", "Summer"].into_iter().cycle().nth(usize::from(self.0 % 3 + 1));
        format!("{} '{}", season.unwrap_or_default(), (self.0 + 13) / 3)
    }

    /// Whether the SOAP API has this version.
    pub(super) fn has_soap_login(self) -> bool {
        self.0 >= 7
    }

    /// Reads `XX.X`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        (digits(major, 2) && digits(minor, 1)).then(|| major.parse().ok().map(Self))?
    }

    /// Whether it is that of `/cometd` without a version.
    pub(super) fn is_legacy(self) -> bool {
        self == Self::LEGACY
    }

    /// The number before the point.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// Whether events are numbered and can be replayed: API 37 and later.
    pub(super) fn replays(self) -> bool {
        self >= Self(37)
    }

    /// Whether subscribers hear of deleted and undeleted records: API 29 and later (guide: "PushTopic").
    pub(super) fn hears_deletions(self) -> bool {
        self >= Self(29)
    }

    /// The channel that a client of this version means by `name`.
    pub(super) fn channel(self, name: &str) -> Cow<'_, str> {
        if self > Self::LEGACY || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Cow::Borrowed(name);
        }
        Cow::Owned(format!("/topic{name}"))
    }

    /// The name by which a client of this version knows `channel`.
    pub(super) fn name(self, channel: &str) -> &str {
        if self > Self::LEGACY {
            return channel;
        }
        channel.strip_prefix("/topic").unwrap_or(channel)
    }

    /// The error for a client id that no session has; 403 is what Salesforce says now, 402 what the Bayeux
    /// specification does.
    pub(super) fn unknown_client(self) -> &'static str {
        if self.replays() { "403::Unknown client" } else { "402::Unknown client" }
    }
}

/// The error for a channel whose name differs only by case from that of one that exists.
pub(super) const VARIES_BY_CASE: &str = "404::channel names may not vary only by case";

/// The error for a channel that does not exist, for a client of the API version `number`. Before 37 it is that of a
/// CometD server whose security policy lets nobody create channels.
pub(super) fn missing(number: u8, channel: &str) -> String {
    if Version(number).replays() {
        return format!("400::The channel you requested to subscribe to doesn't exist {{{channel}}}");
    }
    let name = Version(number).channel(channel);
    let error = if is_channel(&name) {
        "403:denied_by_security_policy:create_denied"
    } else {
        "404::Unknown channel"
    };
    error.to_owned()
}

/// The error for a user who has no access to a channel; before 37 it is that of the security policy.
pub(super) fn no_access(number: u8, why: &str) -> String {
    if Version(number).replays() {
        why.to_owned()
    } else {
        "403:denied_by_security_policy:subscribe_denied".to_owned()
    }
}

/// Whether `channel` is one that an org with every feature has: `/topic/*`, `/u/*`, `/event/*`, `/data/*`.
pub(super) fn is_channel(channel: &str) -> bool {
    let Some(rest) = PREFIXES.iter().find_map(|prefix| channel.strip_prefix(prefix)) else {
        return false;
    };
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"*?\"\\".contains(c);
    channel.len() <= 255 && rest.split('/').all(|segment| !segment.is_empty() && segment.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_versions() {
        assert_eq!(Version::of_path("/cometd"), Some(Ok(Version(22))));
        assert_eq!(Version::of_path("/cometd/handshake"), Some(Ok(Version(22))));
        assert_eq!(Version::of_path("/cometd/37.0"), Some(Ok(Version(37))));
        assert_eq!(Version::of_path("/cometd/61.0/connect"), Some(Ok(Version(61))));
        assert_eq!(Version::of_path("/cometd/22.0"), Some(Err(UNSUPPORTED)));
        for wrong in ["/cometd/37", "/cometd/replay/37.0", "/cometd/37.0/other", "/cometd/+7.0", "/cometd/x"]
        {
            assert_eq!(Version::of_path(wrong), Some(Err(MANDATORY)), "{wrong}");
        }
        for none in ["/", "/cometdx", "/services/data"] {
            assert_eq!(Version::of_path(none), None, "{none}");
        }
    }

    #[test]
    fn versions_gate_what_they_should() {
        assert!(!Version(36).replays() && Version(37).replays());
        assert!(!Version(28).hears_deletions() && Version(29).hears_deletions());
        assert_eq!(Version(36).unknown_client(), "402::Unknown client");
        assert_eq!(Version(22).channel("/X"), "/topic/X");
        assert_eq!(Version(22).channel("/u/X"), "/u/X");
        assert_eq!(Version(22).name("/topic/X"), "/X");
        assert_eq!(Version(35).channel("/X"), "/X");
    }

    #[test]
    fn releases_have_their_names() {
        for (number, label) in
            [(20, "Winter '11"), (21, "Spring '11"), (35, "Winter '16"), (61, "Summer '24")]
        {
            assert_eq!(Version(number).label(), label);
        }
        assert_eq!(Version(35).to_string(), "35.0");
        assert!(Version::all().all(|version| Version::parse(&version.to_string()) == Some(version)));
    }

    #[test]
    fn channels_are_told_from_other_names() {
        for good in ["/topic/A", "/u/notifications/A", "/event/A__e", "/data/ChangeEvents"] {
            assert!(is_channel(good), "{good}");
        }
        for bad in ["/topic/", "/topic/*", "/topic/**", "/A", "/topic/A?B='c'", "/u//a", "/topic/a b"] {
            assert!(!is_channel(bad), "{bad}");
        }
    }
}
