//! Queries: the records that they find, in pages.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::check::Check;
use super::kind::Kind;
use super::refused::Refused;
use super::row::{Row, View, shown};
use super::{Call, Records};
use crate::emulator::ids;
use crate::emulator::soql::{self, Datum, Item, Query, Row as _, matches};
use crate::emulator::users::Access;

/// The most queries with pages that were not asked for yet, of one user and of all.
const OPEN_MAX: (usize, usize) = (10, 20);
/// How long such a query waits for its next page.
const OPEN_FOR: Duration = Duration::from_mins(15);
/// The largest `OFFSET`.
const OFFSET_MAX: u32 = 2000;

/// The members of a JSON object in their order.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) struct Members(Vec<(String, Value)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// How many records of a result one answer has.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Page {
    /// The most records.
    pub(in crate::emulator) size: usize,
    /// Whether deleted records are wanted.
    pub(in crate::emulator) all: bool,
}

/// What a query finds.
#[derive(Debug)]
pub(in crate::emulator) struct Found {
    /// How many records in all pages.
    pub(in crate::emulator) total: usize,
    /// Those of this page.
    pub(in crate::emulator) records: Vec<Members>,
    /// What the rest is asked for by.
    pub(in crate::emulator) next: Option<String>,
}

/// A query with pages left.
#[derive(Debug)]
struct Cursor {
    id: String,
    user: String,
    kind: String,
    fields: Vec<String>,
    found: Vec<String>,
    used: Instant,
}

/// The queries with pages left, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    open: VecDeque<Cursor>,
    made: u64,
}

impl Cursors {
    fn forget_old(&mut self) {
        self.open.retain(|cursor| cursor.used.elapsed() < OPEN_FOR);
    }

    /// Keeps a query, and forgets the oldest where there are too many.
    fn keep(&mut self, cursor: Cursor) {
        let mine = self.open.iter().filter(|other| other.user == cursor.user).count();
        if mine >= OPEN_MAX.0
            && let Some(oldest) = self.open.iter().position(|other| other.user == cursor.user)
        {
            self.open.remove(oldest);
        }
        while self.open.len() >= OPEN_MAX.1 {
            self.open.pop_front();
        }
        self.open.push_back(cursor);
    }

    fn take(&mut self, id: &str, user: &str) -> Option<Cursor> {
        let at = self.open.iter().position(|cursor| cursor.id == id && cursor.user == user)?;
        self.open.remove(at)
    }
}

impl Records {
    /// Finds records by a query; the first page of them.
    pub(in crate::emulator) fn query(
        &mut self,
        call: Call<'_>,
        text: &str,
        page: Page,
    ) -> Result<Found, Refused> {
        let query = soql::parse(text).map_err(|error| Refused::malformed(text, &error))?;
        let kind = self.kind(call, &query.from.name).map_err(|_| unknown_type(text, &query))?;
        let check = Check { text, kind, version: call.version, user: Some(call.user) };
        check.clauses(&query)?;
        let selected = selected(&check, &query)?;
        let found = self.find_all(call, kind, &query, page.all || query.all_rows);
        let kind = kind.name.clone();
        let Some(fields) = selected else {
            return Ok(Found { total: found.len(), records: Vec::new(), next: None });
        };
        self.cursors.forget_old();
        self.cursors.made += 1;
        let cursor = Cursor {
            id: ids::id("01g", self.cursors.made),
            user: call.user.id.clone(),
            kind,
            fields,
            found,
            used: Instant::now(),
        };
        Ok(self.page(call, cursor, 0, page.size))
    }

    /// The next page of a query, by what the one before said.
    pub(in crate::emulator) fn query_more(
        &mut self,
        call: Call<'_>,
        locator: &str,
        page: Page,
    ) -> Result<Found, Refused> {
        let invalid = || Refused::new("INVALID_QUERY_LOCATOR", "invalid query locator");
        self.cursors.forget_old();
        let (id, start) = locator.split_once('-').ok_or_else(invalid)?;
        let start: usize = start.parse().map_err(|_| invalid())?;
        let mut cursor = self.cursors.take(id, &call.user.id).ok_or_else(invalid)?;
        cursor.used = Instant::now();
        if start >= cursor.found.len() {
            self.cursors.keep(cursor);
            return Err(invalid());
        }
        Ok(self.page(call, cursor, start, page.size))
    }

    /// A page of a result; the query is kept where there are more.
    fn page(&mut self, call: Call<'_>, cursor: Cursor, start: usize, size: usize) -> Found {
        let end = start.saturating_add(size).min(cursor.found.len());
        let kind = self.kinds.get(&cursor.kind.to_lowercase());
        let ids = cursor.found.get(start..end).unwrap_or_default();
        let rows = ids.iter().filter_map(|id| Some((id, self.rows.get(id)?)));
        let record = |(id, row): (&String, &Row)| Some(record(call, kind?, id, row, &cursor.fields));
        let records = rows.filter_map(record).collect();
        let total = cursor.found.len();
        let next = (end < total).then(|| format!("{}-{end}", cursor.id));
        if next.is_some() {
            self.cursors.keep(cursor);
        }
        Found { total, records, next }
    }

    /// The ids of the records that a query finds, in its order.
    fn find_all(&self, call: Call<'_>, kind: &Kind, query: &Query, deleted: bool) -> Vec<String> {
        let met = |row: &Row| {
            let view = View { kind, row };
            query.filter.as_ref().is_none_or(|filter| matches(filter, &view, call.now))
        };
        let sight = self.sight(kind, call.user);
        let rows = self.rows_of(kind).filter(|(_, row)| deleted || !row.flag("IsDeleted"));
        let rows = rows.filter(|(id, row)| sight.of(id, row) > Access::None);
        let mut rows: Vec<_> = rows.filter(|(_, row)| met(row)).collect();
        rows.sort_by(|(_, one), (_, other)| order(query, View { kind, row: one }, View { kind, row: other }));
        let count = |number: Option<u32>| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let skipped = count(query.offset).unwrap_or(0);
        let limit = count(query.limit).unwrap_or(usize::MAX);
        rows.into_iter().skip(skipped).take(limit).map(|(id, _)| id.clone()).collect()
    }

    /// One record as callers see it: these fields, or every one that the caller sees.
    pub(in crate::emulator) fn show(
        call: Call<'_>,
        kind: &Kind,
        id: &str,
        row: &Row,
        fields: Option<&str>,
    ) -> Result<Members, Refused> {
        let seen = kind
            .fields
            .iter()
            .filter(|field| field.since <= call.version && call.user.sees(&kind.name, &field.name));
        let mut names = Vec::new();
        match fields {
            None => names.extend(seen.map(|field| field.name.clone())),
            Some(fields) => {
                let seen: Vec<_> = seen.collect();
                for name in fields.split(',').map(str::trim) {
                    let field = seen.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                    let message = || format!("No such column '{name}' on sobject of type {}", kind.name);
                    let field = field.ok_or_else(|| Refused::new("INVALID_FIELD", message()))?;
                    names.push(field.name.clone());
                }
                names.retain(|name| name != "Id");
                names.push("Id".to_owned());
            }
        }
        Ok(record(call, kind, id, row, &names))
    }
}

fn record(call: Call<'_>, kind: &Kind, id: &str, row: &Row, fields: &[String]) -> Members {
    let url = format!("/services/data/v{}.0/sobjects/{}/{id}", call.version, kind.name);
    let mut members = vec![("attributes".to_owned(), json!({"type": kind.name, "url": url}))];
    let named = fields.iter().filter_map(|name| kind.field(name));
    members.extend(named.map(|field| (field.name.clone(), shown(field, row))));
    Members(members)
}

fn unknown_type(text: &str, query: &Query) -> Refused {
    let message = format!(
        "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the \
         '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
        query.from.name
    );
    Refused::query("INVALID_TYPE", text, query.from.at, &message)
}

/// The fields asked for, by their API names; nothing where the query only counts.
fn selected(check: &Check<'_>, query: &Query) -> Result<Option<Vec<String>>, Refused> {
    if query.offset.is_some_and(|offset| offset > OFFSET_MAX) {
        let message = format!("Maximum SOQL offset allowed is {OFFSET_MAX}");
        return Err(Refused::new("NUMBER_OUTSIDE_VALID_RANGE", message));
    }
    if let [Item::Function { name, of: None, alias: None }] = query.select.as_slice()
        && name.eq_ignore_ascii_case("COUNT")
    {
        return Ok(None);
    }
    let mut names: Vec<String> = Vec::new();
    for item in &query.select {
        let Item::Field(path) = item else {
            return Err(Refused::new("MALFORMED_QUERY", "this server finds fields, and counts by COUNT()"));
        };
        let field = check.field(path)?;
        if names.contains(&field.name) {
            let message = format!("duplicate field selected: {}", path.name);
            return Err(Refused::query("INVALID_FIELD", check.text, path.at, &message));
        }
        names.push(field.name.clone());
    }
    if query.group.is_empty() {
        return Ok(Some(names));
    }
    Err(Refused::new("MALFORMED_QUERY", "this server does not group"))
}

fn order(query: &Query, one: View<'_>, other: View<'_>) -> Ordering {
    let by = query.order.iter().map(|order| {
        let (one, other) = (one.get(&order.by.name), other.get(&order.by.name));
        match (&one, &other) {
            (Datum::Null, Datum::Null) => Ordering::Equal,
            (Datum::Null, _) | (_, Datum::Null) if order.nulls_last => one.order(&other).reverse(),
            (Datum::Null, _) | (_, Datum::Null) => one.order(&other),
            _ if order.descending => one.order(&other).reverse(),
            _ => one.order(&other),
        }
    });
    by.fold(Ordering::Equal, Ordering::then)
}
