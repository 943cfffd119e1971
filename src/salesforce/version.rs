//! What an API version cannot do, so that whoever asks for it hears of it at the start and not by what never comes.
//!
//! Constraints: only what the guide or the later documentation of Salesforce states is said; other servers have paths
//! alike, so these are hints and never refusals.
//!
//! Operations: [`of_path`], [`notes`].

use super::api::ApiVersion;

/// The first version whose events are numbered and kept for a day (Salesforce: "Message Durability").
pub const REPLAY: ApiVersion = ApiVersion(37);

/// The first version whose subscribers hear of deleted and undeleted records (guide: "PushTopic"), and that has generic
/// streaming (guide: `StreamingChannel`).
pub const DELETIONS: ApiVersion = ApiVersion(29);

/// Something that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The version that can.
    pub wanted: ApiVersion,
    /// What is missing, for a person.
    pub text: &'static str,
}

/// The version that the path of an endpoint names. `/cometd` alone names none: other servers have it too.
pub fn of_path(path: &str) -> Option<ApiVersion> {
    path.trim_end_matches('/').rsplit_once("/cometd/")?.1.parse().ok()
}

/// What cannot be had of these channels at `version`, the gravest first.
pub fn notes<'c>(version: ApiVersion, channels: &(impl Iterator<Item = &'c str> + Clone)) -> Vec<Note> {
    let any = |prefix: &str| channels.clone().any(|channel| channel.starts_with(prefix));
    let note = |wanted, text| Note { wanted, text };
    let mut notes = Vec::new();
    if version < REPLAY {
        let text = "events have no replay ids: what is sent while no session is connected is lost, and replay has no effect";
        notes.push(note(REPLAY, text));
    }
    if version < DELETIONS && !any("/u/") {
        notes.push(note(DELETIONS, "deleted and undeleted records are not notified of"));
    } else if version < DELETIONS {
        notes.push(note(
            DELETIONS,
            "/u/ channels are not known, and deleted and undeleted records are not notified of",
        ));
    }
    if version <= ApiVersion::LEGACY && any("/topic/") {
        let text = "channels of the endpoint without a version are named without /topic, such as /InvoiceStatementUpdates";
        notes.push(note(ApiVersion(ApiVersion::LEGACY.0 + 1), text));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_version_or_none() {
        for (path, version) in [
            ("/cometd/61.0", Some(61)),
            ("/cometd/36.0/", Some(36)),
            ("/x/cometd/48.0", Some(48)),
            ("/cometd", None),
            ("/cometd/", None),
            ("/cometd/61.0/connect", None),
            ("/bayeux", None),
        ] {
            assert_eq!(of_path(path).map(|version| version.0), version, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        for (version, channels, wanted) in [
            (61, &["/topic/A", "/u/B"][..], &[][..]),
            (37, &["/topic/A"], &[]),
            (36, &["/topic/A", "/u/B"], &[37]),
            (29, &["/topic/A"], &[37]),
            (28, &["/topic/A"], &[37, 29]),
            (28, &["/u/A"], &[37, 29]),
            (22, &["/topic/A"], &[37, 29, 23]),
            (22, &["/A"], &[37, 29]),
        ] {
            let told = notes(ApiVersion(version), &channels.iter().copied());
            let told: Vec<_> = told.iter().map(|note| note.wanted.0).collect();
            assert_eq!(told, wanted, "{version} {channels:?}");
        }
        let both = notes(ApiVersion(28), &["/u/A"].into_iter());
        assert!(both[1].text.starts_with("/u/ channels"));
    }
}
