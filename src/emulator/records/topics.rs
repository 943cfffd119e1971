//! Every `PushTopic` that is in use, by the id of its record.

use std::collections::{BTreeMap, VecDeque};

use super::topic::{Change, Notice, Topic};

/// The most names that are remembered after topics have others.
const FORMER_MAX: usize = 100;

/// The topics, and the channels that subscribers of renamed ones still listen to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    all: BTreeMap<String, Topic>,
    /// Channel and id of a topic that has another name now, oldest first.
    former: VecDeque<(String, String)>,
}

impl Topics {
    /// Sets or removes the topic of a record. Under a name that it had before, its present subscribers go on
    /// to hear of it (guide, "PushTopic Queries").
    pub(super) fn set(&mut self, id: &str, topic: Option<Topic>) {
        let channel = topic.as_ref().map(Topic::channel);
        let old = match topic {
            Some(topic) => self.all.insert(id.to_owned(), topic),
            None => self.all.remove(id),
        };
        self.former
            .retain(|(name, owner)| Some(name) != channel.as_ref() && (owner != id || channel.is_some()));
        if let Some(old) = old.map(|old| old.channel()).filter(|old| channel.is_some_and(|new| new != *old)) {
            self.former.push_back((old, id.to_owned()));
            while self.former.len() > FORMER_MAX {
                self.former.pop_front();
            }
        }
    }

    /// What each topic says of a change.
    pub(super) fn tell(&self, change: &Change<'_>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (id, topic) in &self.all {
            if let Some(notice) = topic.tell(change) {
                let former = self.former.iter().filter(|(_, owner)| owner == id);
                notices.extend(former.map(|(channel, _)| Notice {
                    channel: channel.clone(),
                    former: true,
                    ..notice.clone()
                }));
                notices.push(notice);
            }
        }
        notices
    }

    /// The topic that publishes on `channel`, if there is one.
    pub(super) fn find(&self, channel: &str) -> Option<&Topic> {
        let name = channel.strip_prefix("/topic/")?;
        self.all.values().find(|topic| topic.name == name)
    }

    /// Whether there is a topic whose channel differs from this one only by case.
    pub(super) fn varies_by_case(&self, channel: &str) -> bool {
        let name = channel.strip_prefix("/topic/").unwrap_or_default();
        self.all.values().any(|topic| topic.name.eq_ignore_ascii_case(name) && topic.name != name)
    }

    /// Whether a topic had this channel and has another one now.
    pub(super) fn is_former(&self, channel: &str) -> bool {
        self.former.iter().any(|(name, _)| name == channel)
    }
}
