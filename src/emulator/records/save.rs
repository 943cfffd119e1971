//! Creating, updating, deleting and undeleting records.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::kind::{Field, Kind, Shape};
use super::refused::Refused;
use super::row::{Row, derive};
use super::topic::{self, Change, Notice, Operation, Topic};
use super::value::{checked, moment};
use super::{Call, Records, channel};
use crate::emulator::ids;

/// Fields that change with every update.
const STAMPS: [&str; 3] = ["LastModifiedDate", "LastModifiedById", "SystemModstamp"];

/// A record to be kept, and the topic that it is, where it is one.
struct Ready {
    row: Row,
    topic: Option<Topic>,
}

impl Records {
    /// Creates a record; its id, and what subscribers are told.
    pub(in crate::emulator) fn create(
        &mut self,
        call: Call<'_>,
        kind: &str,
        body: &Map<String, Value>,
    ) -> Result<(String, Vec<Notice>), Refused> {
        let kind = self.changeable(call, kind)?.clone();
        let mut row = Row::default();
        kind.fields.iter().for_each(|field| row.set(&field.name, field.default.clone()));
        let given = apply(&kind, &mut row, call, body)?;
        let number = self.made.get(&kind.prefix).copied().unwrap_or(0) + 1;
        let id = ids::id(&kind.prefix, number);
        row.set("Id", id.as_str().into());
        count(&kind, &mut row, number);
        if row.get("OwnerId").is_null() && kind.field("OwnerId").is_some() {
            row.set("OwnerId", call.user.id.as_str().into());
        }
        stamp_new(&mut row, &call.user.id, call.now);
        require(&kind, &row)?;
        let ready = self.settle(&kind, call, row, None, &given)?;
        self.make_room();
        self.keep(&id, &kind, ready)?;
        self.made.insert(kind.prefix.clone(), number);
        let notices = self.tell(&kind, &id, Operation::Create, &BTreeSet::new(), call.now);
        Ok((id, notices))
    }

    /// Changes fields of a record; what subscribers are told.
    pub(in crate::emulator) fn update(
        &mut self,
        call: Call<'_>,
        kind: &str,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<Vec<Notice>, Refused> {
        self.changeable(call, kind)?;
        let (kind, id, old) = self.get(call, kind, id)?;
        self.check_edit(call, kind, &id, old)?;
        let (kind, old) = (kind.clone(), old.clone());
        let mut row = old.clone();
        let given = apply(&kind, &mut row, call, body)?;
        stamp(&mut row, &call.user.id, call.now);
        require(&kind, &row)?;
        let ready = self.settle(&kind, call, row, Some(&id), &given)?;
        let changed = changed(&kind, &old, &ready.row);
        self.keep(&id, &kind, ready)?;
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.tell(&kind, &id, Operation::Update, &changed, call.now))
    }

    /// Moves a record to the recycle bin; what subscribers are told.
    pub(in crate::emulator) fn delete(
        &mut self,
        call: Call<'_>,
        kind: &str,
        id: &str,
    ) -> Result<Vec<Notice>, Refused> {
        self.changeable(call, kind)?;
        let (kind, id, old) = self.get(call, kind, id)?;
        self.check_edit(call, kind, &id, old)?;
        let (kind, mut row) = (kind.clone(), old.clone());
        row.set("IsDeleted", true.into());
        stamp(&mut row, &call.user.id, call.now);
        self.keep(&id, &kind, Ready { row, topic: None })?;
        Ok(self.tell(&kind, &id, Operation::Delete, &BTreeSet::new(), call.now))
    }

    /// Takes a record out of the recycle bin; what subscribers are told.
    pub(in crate::emulator) fn undelete(
        &mut self,
        call: Call<'_>,
        kind: &str,
        id: &str,
    ) -> Result<Vec<Notice>, Refused> {
        let kind = self.changeable(call, kind)?.clone();
        let (id, old) = self.find(call, &kind, id)?;
        self.check_edit(call, &kind, &id, old)?;
        if !old.flag("IsDeleted") {
            let message = "entity is not in the recycle bin";
            return Err(Refused::new("UNDELETE_FAILED", message).of::<String>([]));
        }
        let mut row = old.clone();
        row.set("IsDeleted", false.into());
        stamp(&mut row, &call.user.id, call.now);
        let ready = self.settle(&kind, call, row, Some(&id), &BTreeSet::new())?;
        self.keep(&id, &kind, ready)?;
        Ok(self.tell(&kind, &id, Operation::Undelete, &BTreeSet::new(), call.now))
    }

    /// Sets what follows from what was given, and checks the rules of the record's type.
    fn settle(
        &self,
        kind: &Kind,
        call: Call<'_>,
        mut row: Row,
        id: Option<&str>,
        given: &BTreeSet<String>,
    ) -> Result<Ready, Refused> {
        given.iter().try_for_each(|name| self.check_reference(kind, name, &row))?;
        derive(kind, &mut row);
        let topic = match kind.name.as_str() {
            "PushTopic" => {
                topic::settle(&mut row, call.version, id.is_none(), given.contains("NotifyForOperations"));
                self.check_topics(&row, id)?;
                Some(Topic::new(&row, |name| self.kinds.get(&name.to_lowercase()))?)
            }
            "StreamingChannel" => {
                channel::check_name(row.text("Name"))?;
                self.check_channels(&row, id)?;
                None
            }
            _ => None,
        };
        Ok(Ready { row, topic })
    }

    /// Whether a field that holds the id of another record does so of one that there is and that may be named there.
    fn check_reference(&self, kind: &Kind, name: &str, row: &Row) -> Result<(), Refused> {
        let Some((field, Shape::Reference(to))) = kind.field(name).map(|field| (field, &field.shape)) else {
            return Ok(());
        };
        let id = row.text(name);
        let Some(to) = self.kinds.get(&to.to_lowercase()).filter(|_| !id.is_empty()) else {
            return Ok(());
        };
        if ids::prefix(id) != to.prefix {
            let message = format!("{}: id value of incorrect type: {id}", field.label);
            return Err(Refused::new("MALFORMED_ID", message).of([name]));
        }
        match self.rows.get(id) {
            Some(row) if row.flag("IsDeleted") => {
                Err(Refused::new("ENTITY_IS_DELETED", "entity is deleted").of([name]))
            }
            Some(_) => Ok(()),
            None => Err(Refused::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").of([name])),
        }
    }

    /// Whether the org may have this topic too.
    fn check_topics(&self, row: &Row, id: Option<&str>) -> Result<(), Refused> {
        self.check_unique("PushTopic", row, id)?;
        let others = self.live("PushTopic").filter(|(other, row)| id != Some(other) && row.flag("IsActive"));
        let allowed = self.allowances.topics;
        if row.flag("IsActive") && others.count() >= usize::try_from(allowed).unwrap_or(usize::MAX) {
            return Err(limit(format!("the org has as many active PushTopics as it may: {allowed}")));
        }
        Ok(())
    }

    /// Whether the org may have this channel too.
    fn check_channels(&self, row: &Row, id: Option<&str>) -> Result<(), Refused> {
        self.check_unique("StreamingChannel", row, id)?;
        let others = self.live("StreamingChannel").filter(|(other, _)| id != Some(other));
        let allowed = self.allowances.channels;
        if others.count() >= usize::try_from(allowed).unwrap_or(usize::MAX) {
            return Err(limit(format!("the org has as many StreamingChannels as it may: {allowed}")));
        }
        Ok(())
    }

    /// Whether no other record of the type has this name; case does not matter.
    fn check_unique(&self, kind: &str, row: &Row, id: Option<&str>) -> Result<(), Refused> {
        let name = row.text("Name");
        let mut others = self.live(kind).filter(|(other, _)| id != Some(other));
        match others.find(|(_, other)| other.text("Name").eq_ignore_ascii_case(name)) {
            Some((id, _)) => {
                let message = format!("duplicate value found: Name duplicates value on record with id: {id}");
                Err(Refused::new("DUPLICATE_VALUE", message).of::<String>([]))
            }
            None => Ok(()),
        }
    }

    /// Keeps a record under its id.
    fn keep(&mut self, id: &str, kind: &Kind, ready: Ready) -> Result<(), Refused> {
        self.bounds.put(self.rows.get(id), &ready.row)?;
        self.rows.insert(id.to_owned(), ready.row);
        if kind.name == "PushTopic" {
            self.topics.set(id, ready.topic);
        }
        Ok(())
    }

    /// Empties the recycle bin where another record would find no place.
    fn make_room(&mut self) {
        if self.bounds.is_full() {
            let bounds = &mut self.bounds;
            self.rows.retain(|_, row| {
                let deleted = row.flag("IsDeleted");
                if deleted {
                    bounds.remove(row);
                }
                !deleted
            });
        }
    }

    fn tell(
        &self,
        kind: &Kind,
        id: &str,
        operation: Operation,
        changed: &BTreeSet<String>,
        at: Timestamp,
    ) -> Vec<Notice> {
        let Some(row) = self.rows.get(id) else { return Vec::new() };
        let notices = self.topics.tell(&Change { operation, kind, row, changed, at }).into_iter();
        let shown = |notice: Notice| {
            let audience = self.shown_to(kind, id, row, notice.audience);
            Notice { audience, ..notice }
        };
        notices.map(shown).collect()
    }
}

fn limit(message: String) -> Refused {
    Refused::new("LIMIT_EXCEEDED", message).of::<String>([])
}

/// Sets what the caller gives; the names of the fields that were given.
fn apply(
    kind: &Kind,
    row: &mut Row,
    call: Call<'_>,
    body: &Map<String, Value>,
) -> Result<BTreeSet<String>, Refused> {
    let mut given = BTreeSet::new();
    let mut refused = Vec::new();
    for (name, value) in body.iter().filter(|(name, _)| *name != "attributes") {
        let field = visible(kind, call, name)?;
        if field.shape == Shape::Id {
            let message = "The Id field should not be specified in the sobject data.";
            return Err(Refused::new("INVALID_FIELD", message));
        }
        if !field.settable || call.version > field.until {
            refused.push(field.name.clone());
        } else {
            row.set(&field.name, checked(field, value)?);
            given.insert(field.name.clone());
        }
    }
    if refused.is_empty() {
        return Ok(given);
    }
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and verify that it \
         is read/write for your profile or permission set.",
        refused.join(", ")
    );
    Err(Refused::new("INVALID_FIELD_FOR_INSERT_UPDATE", message).of(refused))
}

fn visible<'k>(kind: &'k Kind, call: Call<'_>, name: &str) -> Result<&'k Field, Refused> {
    let seen = |field: &&Field| field.since <= call.version && call.user.sees(&kind.name, &field.name);
    kind.field(name).filter(seen).ok_or_else(|| {
        Refused::new("INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", kind.name))
    })
}

/// Refuses a record that lacks what it has to have.
fn require(kind: &Kind, row: &Row) -> Result<(), Refused> {
    let missing = kind.fields.iter().filter(|field| field.required && row.get(&field.name).is_null());
    let missing: Vec<_> = missing.map(|field| field.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Required fields are missing: [{}]", missing.join(", "));
    Err(Refused::new("REQUIRED_FIELD_MISSING", message).of(missing))
}

/// Sets the numbers that the server counts.
fn count(kind: &Kind, row: &mut Row, number: u64) {
    for field in &kind.fields {
        if let Shape::AutoNumber(format) = &field.shape {
            row.set(&field.name, numbered(format, number).into());
        }
    }
}

/// `format` with the number in place of its braces, which tell by their noughts how many digits it has.
fn numbered(format: &str, number: u64) -> String {
    let Some((before, (digits, after))) =
        format.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return format!("{format}{number}");
    };
    format!("{before}{number:0width$}{after}", width = digits.len())
}

/// Says who made a record, and when.
pub(super) fn stamp_new(row: &mut Row, user: &str, now: Timestamp) {
    row.set("IsDeleted", false.into());
    row.set("CreatedDate", moment(now));
    row.set("CreatedById", user.into());
    stamp(row, user, now);
}

fn stamp(row: &mut Row, user: &str, now: Timestamp) {
    row.set("LastModifiedDate", moment(now));
    row.set("LastModifiedById", user.into());
    row.set("SystemModstamp", moment(now));
}

/// The fields whose values count as changed. What follows another field does not count by itself; the stamps
/// of an update count where anything else changed.
fn changed(kind: &Kind, old: &Row, new: &Row) -> BTreeSet<String> {
    let counts = |field: &&Field| !field.follows && !STAMPS.contains(&field.name.as_str());
    let differs = |field: &&Field| old.get(&field.name) != new.get(&field.name);
    let changed = kind.fields.iter().filter(counts).filter(differs);
    let mut changed: BTreeSet<_> = changed.map(|field| field.name.clone()).collect();
    if !changed.is_empty() {
        changed.extend(STAMPS.map(str::to_owned));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_names_have_the_digits_of_their_format() {
        assert_eq!(numbered("INV-{0000}", 7), "INV-0007");
        assert_eq!(numbered("INV-{0000}", 12_345), "INV-12345");
        assert_eq!(numbered("{0}/a", 3), "3/a");
        assert_eq!(numbered("N", 3), "N3");
    }
}
