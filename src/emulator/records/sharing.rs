//! Who sees which records of a type that is private (guide, "Security and the PushTopic Query": a subscriber is told of
//! the records that the sharing rules show; "StreamingChannel": user sharing).
//!
//! A record of a private type is for its owner, for those it is shared with, and for those who see or change all data.
//! It is shared by a record of the type's share type: `StreamingChannelShare` and `Employee__Share` have `ParentId`,
//! `UserOrGroupId` and `AccessLevel` (`Read` or `Edit`), `AccountShare` has `AccountId` and `AccountAccessLevel`
//! instead. There are no groups, roles and rules.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{Field, Kind, Shape};
use super::refused::Refused;
use super::row::Row;
use super::{Call, Records};
use crate::emulator::event::Audience;
use crate::emulator::users::{Access, Permission, User};

/// What one user may do with the records of one type.
#[derive(Debug)]
pub(super) struct Sight<'s> {
    user: &'s User,
    /// With every record.
    all: Access,
    /// With those that are shared with the user, by their ids.
    shared: BTreeMap<&'s str, Access>,
}

impl Sight<'_> {
    /// What the user may do with a record.
    pub(super) fn of(&self, id: &str, row: &Row) -> Access {
        let owned = if row.text("OwnerId") == self.user.id { Access::Edit } else { Access::None };
        self.all.max(owned).max(self.shared.get(id).copied().unwrap_or(Access::None))
    }
}

/// The names of a share type, of its field for the record and of that for the level.
fn names(kind: &Kind) -> [String; 3] {
    let name = &kind.name;
    match name.strip_suffix("__c") {
        Some(stem) => [format!("{stem}__Share"), "ParentId".to_owned(), "AccessLevel".to_owned()],
        None if name == "StreamingChannel" => {
            ["StreamingChannelShare", "ParentId", "AccessLevel"].map(str::to_owned)
        }
        None => [format!("{name}Share"), format!("{name}Id"), format!("{name}AccessLevel")],
    }
}

/// The share type of a type, its ids with this prefix.
pub(super) fn share_type(of: &Kind, prefix: &str) -> Kind {
    let [name, parent, level] = names(of);
    let levels = Shape::Picklist { values: vec!["Read".to_owned(), "Edit".to_owned()], restricted: true };
    let fields = vec![
        Field::new(&parent, Shape::Reference(of.name.clone())).required(),
        Field::new("UserOrGroupId", Shape::Reference("User".to_owned())).required(),
        Field::new(&level, levels).required(),
    ];
    let mut kind = Kind { since: of.since, streams: false, ..Kind::new(&name, prefix, fields) };
    kind.fields.retain(|field| field.name != "OwnerId");
    kind
}

impl Records {
    /// What a user may do with the records of a type.
    pub(super) fn sight<'s>(&'s self, kind: &Kind, user: &'s User) -> Sight<'s> {
        let all = if !kind.private || user.has(Permission::ModifyAllData) {
            Access::Edit
        } else if user.has(Permission::ViewAllData) {
            Access::Read
        } else {
            Access::None
        };
        let mut shared = BTreeMap::new();
        if all < Access::Edit {
            for (parent, _, level) in self.shares(kind).filter(|(_, with, _)| *with == user.id) {
                let known = shared.entry(parent).or_insert(level);
                *known = level.max(*known);
            }
        }
        Sight { user, all, shared }
    }

    /// Refuses who may only read a record.
    pub(super) fn check_edit(&self, call: Call<'_>, kind: &Kind, id: &str, row: &Row) -> Result<(), Refused> {
        if self.sight(kind, call.user).of(id, row) < Access::Edit {
            Err(Refused::no_access())
        } else {
            Ok(())
        }
    }

    /// Of `audience`, whom a record is shown to.
    pub(in crate::emulator) fn shown_to(
        &self,
        kind: &Kind,
        id: &str,
        row: &Row,
        audience: Audience,
    ) -> Audience {
        if !kind.private {
            return audience;
        }
        let shares = self.shares(kind).filter(|(parent, ..)| *parent == id);
        let mut with: BTreeSet<_> = shares.map(|(_, user, _)| user.to_owned()).collect();
        with.insert(row.text("OwnerId").to_owned());
        Audience::Shared { with, of: Box::new(audience) }
    }

    /// Record, user and level of each share of a private type.
    fn shares(&self, kind: &Kind) -> impl Iterator<Item = (&str, &str, Access)> {
        let [name, parent, level] = names(kind);
        let private = kind.private;
        let rows = self.live(&name).filter(move |_| private);
        rows.map(move |(_, row)| {
            let access = if row.text(&level) == "Edit" { Access::Edit } else { Access::Read };
            (row.text(&parent), row.text("UserOrGroupId"), access)
        })
    }
}
