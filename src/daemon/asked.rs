//! What was asked of a connection while it runs: channels that its configuration does not have, or has and that are not
//! wanted any more.
//!
//! Constraints: each channel once, and a bounded number of them. Another configuration takes their place, which is said
//! where it makes a difference.

use crate::bayeux::Wanted;
use crate::event::Channel;

/// The most channels that are asked for, or not wanted, beside the configured ones of a connection.
const ASKED_MAX: usize = 10_000;

/// The most channels that a log line names.
const NAMED_MAX: usize = 20;

/// Channels asked for, with where each begins, and channels that are not wanted.
#[derive(Default)]
pub(super) struct Asked(Vec<(Channel, Option<Wanted>)>);

impl Asked {
    /// Whether there is room for what is asked of a channel.
    pub(super) fn has_room(&self, channel: &Channel) -> bool {
        self.0.len() < ASKED_MAX || self.0.iter().any(|(name, _)| name == channel)
    }

    /// Wants a channel, or with none wants it no more.
    pub(super) fn put(&mut self, channel: &Channel, wanted: Option<Wanted>) {
        self.0.retain(|(name, _)| name != channel);
        self.0.push((channel.clone(), wanted));
    }

    /// Makes configured channels what they are with all that was asked.
    pub(super) fn apply(&self, channels: &mut Vec<Wanted>) {
        for (channel, wanted) in &self.0 {
            channels.retain(|known| wanted.is_some() || known.channel != *channel);
            channels.extend(
                wanted.clone().filter(|one| channels.iter().all(|known| known.channel != one.channel)),
            );
        }
    }

    /// Forgets everything, because these are configured now, and says of which channels that is not what was asked.
    pub(super) fn forget(&mut self, connection: &str, configured: &[Wanted]) {
        let is_wanted = |channel: &Channel| configured.iter().any(|one| one.channel == *channel);
        let all = std::mem::take(&mut self.0).into_iter();
        let lost: Vec<_> = all.filter(|(channel, wanted)| is_wanted(channel) != wanted.is_some()).collect();
        let (wanted, unwanted): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(_, wanted)| wanted.is_some());
        let [wanted, unwanted] = [wanted, unwanted].map(|list| names(&list));
        if wanted.is_some() || unwanted.is_some() {
            tracing::warn!(
                connection,
                wanted,
                unwanted,
                "channels that were wanted, or no longer wanted, by orders are what the configuration says again"
            );
        }
    }
}

/// Names for a log line; none where there are none.
fn names(list: &[(Channel, Option<Wanted>)]) -> Option<String> {
    let named: Vec<_> = list.iter().take(NAMED_MAX).map(|(channel, _)| channel.as_str()).collect();
    let more = list.len().saturating_sub(named.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| named.join(" ") + &rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ReplayId;

    fn wanted(name: &str) -> Wanted {
        Wanted { channel: Channel::parse(name).unwrap(), replay: ReplayId::NEW }
    }

    fn names_of(list: &[Wanted]) -> Vec<&str> {
        list.iter().map(|one| one.channel.as_str()).collect()
    }

    #[test]
    fn what_was_asked_last_of_a_channel_holds_until_it_is_forgotten() {
        let mut asked = Asked::default();
        let (a, b, c) = (wanted("/u/a"), wanted("/u/b"), wanted("/u/c"));
        asked.put(&b.channel, Some(b.clone()));
        asked.put(&a.channel, None);
        asked.put(&c.channel, Some(c.clone()));
        asked.put(&c.channel, None);
        let mut channels = vec![a.clone(), c];
        asked.apply(&mut channels);
        assert_eq!(names_of(&channels), ["/u/b"]);
        asked.forget("acme", std::slice::from_ref(&a));
        let mut channels = vec![a];
        asked.apply(&mut channels);
        assert_eq!(names_of(&channels), ["/u/a"]);
    }

    #[test]
    fn there_is_room_for_so_many_and_for_those_that_are_there() {
        let mut asked = Asked::default();
        let all: Vec<_> = (0..ASKED_MAX).map(|n| wanted(&format!("/u/{n}"))).collect();
        for one in &all {
            assert!(asked.has_room(&one.channel));
            // Each is another one, so that looking for it can be left out here.
            asked.0.push((one.channel.clone(), None));
        }
        assert!(asked.has_room(&all[0].channel) && !asked.has_room(&wanted("/u/more").channel));
        assert!(names(&asked.0).unwrap().ends_with(" /u/19 and 9980 more"));
    }
}
