//! Names that can be subscribed to: what is wrong with one, before the org's records are asked.

use std::sync::Arc;

use super::filter::{Filter, split};
use super::version::{self, Version};

/// The longest filter, in bytes: that of a topic's query (guide, "Streaming API Limits").
const FILTER_MAX: usize = 1300;

/// What a subscription is to.
#[derive(Debug)]
pub(super) struct Target {
    /// The channel with its prefix, and the filter if there is one.
    pub(super) name: Arc<str>,
    /// Which events of the channel.
    pub(super) filter: Option<Filter>,
}

/// What a client of this version means by `name`; the Bayeux error where it is none of the channels that exist,
/// `listed` ones only where there is such a list.
pub(super) fn check(listed: Option<&[String]>, version: Version, name: &str) -> Result<Target, String> {
    if name.is_empty() {
        return Err("400::Channel name not specified".to_owned());
    }
    if !name.starts_with('/') {
        return Err("400::Channel subscriptions must start with a leading '/'".to_owned());
    }
    let (shown, _) = split(name);
    if shown.contains('*') || shown.starts_with("/meta/") {
        return Err("403::Restricted channel".to_owned());
    }
    let whole = version.channel(name);
    let (channel, filter) = split(&whole);
    let filterable = filter.is_none_or(|filter| channel.starts_with("/topic/") && filter.len() <= FILTER_MAX);
    if !version::is_channel(channel) || !filterable || !is_listed(listed, channel)? {
        return Err(version::missing(version.number(), shown));
    }
    Ok(Target { filter: filter.map(Filter::parse), name: whole.into() })
}

fn is_listed(listed: Option<&[String]>, channel: &str) -> Result<bool, String> {
    let Some(listed) = listed else { return Ok(true) };
    let exists = listed.iter().any(|one| one == channel);
    if !exists && listed.iter().any(|one| one.eq_ignore_ascii_case(channel)) {
        return Err(version::VARIES_BY_CASE.to_owned());
    }
    Ok(exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &str, name: &str) -> Result<String, String> {
        let listed = ["/topic/A".to_owned(), "/u/b".to_owned()];
        let version = Version::of_path(path).unwrap().unwrap();
        check(Some(&listed), version, name).map(|target| target.name.to_string())
    }

    #[test]
    fn filters_are_part_of_the_name_and_not_of_the_channel() {
        for (path, name, whole) in [
            ("/cometd/61.0", "/topic/A?B='c*'", "/topic/A?B='c*'"),
            ("/cometd", "/A?B='/meta/'", "/topic/A?B='/meta/'"),
            ("/cometd/61.0", "/u/b", "/u/b"),
        ] {
            assert_eq!(checked(path, name).as_deref(), Ok(whole));
        }
        let error = "400::The channel you requested to subscribe to doesn't exist {/u/b}";
        assert_eq!(checked("/cometd/61.0", "/u/b?c='d'").unwrap_err(), error, "only topics have fields");
        let long = format!("/topic/A?{}", "x".repeat(FILTER_MAX + 1));
        assert!(checked("/cometd/61.0", &long).unwrap_err().ends_with("doesn't exist {/topic/A}"));
    }
}
