//! What makes an org's topics those of a file.

use super::super::api::ApiVersion;
use super::record::{Change, Difference, Stored};

/// What is to be done about one topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The org has none of this name.
    Create(Change),
    /// The org has one that differs.
    Change(Stored, Vec<Difference>),
    /// The org has it as it is wanted.
    Same(Stored),
    /// Only the org has it.
    Extra(Stored),
}

/// The steps, in the order in which they are done: creations and changes as they were asked for, then the rest by name.
pub type Plan = Vec<Step>;

impl Step {
    /// The topic's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Create(wanted) => wanted.name.as_deref().unwrap_or_default(),
            Self::Change(stored, _) | Self::Same(stored) | Self::Extra(stored) => stored.name(),
        }
    }

    /// The record's id, where the org has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Create(_) => None,
            Self::Change(stored, _) | Self::Same(stored) | Self::Extra(stored) => Some(stored.id()),
        }
    }
}

/// Compares what is wanted with what the org has. Names that differ by case alone are one topic's.
pub fn plan(wanted: &[Change], present: Vec<Stored>, api: ApiVersion) -> Plan {
    let mut rest: Vec<_> = present.into_iter().map(|stored| (folded(stored.name()), stored)).collect();
    let step = |change: &Change| {
        let name = folded(change.name.as_deref().unwrap_or_default());
        let Some(at) = rest.iter().position(|(known, _)| *known == name) else {
            return Step::Create(change.clone());
        };
        let (_, stored) = rest.swap_remove(at);
        let differences = change.differences(&stored, api);
        if differences.is_empty() { Step::Same(stored) } else { Step::Change(stored, differences) }
    };
    let mut steps: Vec<_> = wanted.iter().map(step).collect();
    rest.sort_by(|(_, one), (_, other)| one.name().cmp(other.name()));
    steps.extend(rest.into_iter().map(|(_, stored)| Step::Extra(stored)));
    steps
}

/// Orgs compare names without regard to case.
fn folded(name: &str) -> String {
    name.to_lowercase()
}
