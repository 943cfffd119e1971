//! What the query of a `PushTopic` may say (guide, "Unsupported PushTopic Queries").

use std::collections::BTreeSet;

use super::check::Check;
use super::kind::{Kind, Shape};
use super::refused::Refused;
use super::row::Row;
use super::topic::Fields;
use crate::emulator::soql::{self, Condition, Item, Query};

/// The functions of aggregate queries.
const AGGREGATES: [&str; 6] = ["AVG", "COUNT", "COUNT_DISTINCT", "MAX", "MIN", "SUM"];

/// A rule is broken.
fn invalid(message: impl Into<String>) -> Refused {
    Refused::new("INVALID_FIELD", message).of(["Query"])
}

/// The API version that a topic's query is for: 20.0 or later.
pub(super) fn api_version(row: &Row) -> Result<u8, Refused> {
    let number = row.get("ApiVersion").as_f64().unwrap_or_default().to_string();
    let whole = number.parse().ok().filter(|version| (20..=99).contains(version));
    whole.ok_or_else(|| {
        Refused::new("INVALID_FIELD", "ApiVersion: 20.0 or later is required").of(["ApiVersion"])
    })
}

/// Reads the query and refuses the clauses that topics have not.
pub(super) fn parse(text: &str) -> Result<Query, Refused> {
    let query = soql::parse(text).map_err(|error| Refused::malformed(text, &error).of(["Query"]))?;
    query.select.iter().try_for_each(check_item)?;
    for (found, message) in [
        (!query.group.is_empty(), "Aggregate queries are not supported"),
        (!query.order.is_empty(), "'ORDER BY' clause is not allowed"),
        (query.limit.is_some(), "'LIMIT' is not allowed"),
        (query.offset.is_some(), "'OFFSET' clause is not allowed"),
        (query.all_rows, "'ALL ROWS' is not allowed"),
    ] {
        if found {
            return Err(invalid(message));
        }
    }
    query.filter.iter().try_for_each(check_condition)?;
    let related = |item: &Item| matches!(item, Item::Field(path) if path.is_related());
    let mut filtered = false;
    query.filter.iter().for_each(|filter| filter.each_field(&mut |path| filtered |= path.is_related()));
    if filtered || query.from.is_related() || query.select.iter().any(related) {
        return Err(invalid("relationships are not supported"));
    }
    Ok(query)
}

fn check_item(item: &Item) -> Result<(), Refused> {
    match item {
        Item::Field(_) => Ok(()),
        Item::Subquery(_) => Err(invalid("relationships are not supported")),
        Item::TypeOf { .. } => Err(invalid("'TYPEOF' clause is not allowed")),
        Item::Function { name, .. } if AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
            Err(invalid("Aggregate queries are not supported"))
        }
        Item::Function { name, .. } => Err(invalid(format!("'{name}' is not allowed"))),
    }
}

fn check_condition(condition: &Condition) -> Result<(), Refused> {
    match condition {
        Condition::And(all) | Condition::Or(all) => all.iter().try_for_each(check_condition),
        Condition::Not(_) => Err(invalid("'NOT' is not supported")),
        Condition::InQuery(..) => Err(invalid("semi/anti join sub-selects are not supported")),
        Condition::Compare(..) | Condition::Like(..) | Condition::In(..) => Ok(()),
    }
}

/// The type that the query is of, if topics may be of it at this API version.
pub(super) fn object<'k>(query: &Query, kind: Option<&'k Kind>, version: u8) -> Result<&'k Kind, Refused> {
    let name = &query.from.name;
    let kind = kind.filter(|kind| kind.since <= version).ok_or_else(|| {
        Refused::new("INVALID_TYPE", format!("sObject type '{name}' is not supported.")).of(["Query"])
    })?;
    if kind.streams { Ok(kind) } else { Err(invalid(format!("entity type {} is not supported", kind.name))) }
}

/// The fields that the query selects, by their API names.
pub(super) fn select(check: &Check<'_>, query: &Query) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    for item in &query.select {
        if let Item::Field(path) = item {
            let field = check.field(path).map_err(|refused| refused.of(["Query"]))?;
            check_shape(&field.shape, &field.name)?;
            if !names.contains(&field.name) {
                names.push(field.name.clone());
            }
        }
    }
    if names.iter().any(|name| name == "Id") { Ok(names) } else { Err(invalid("Id is required")) }
}

/// The fields that the query filters by, by their API names.
pub(super) fn filter(check: &Check<'_>, query: &Query) -> Result<BTreeSet<String>, Refused> {
    let mut paths = Vec::new();
    query.filter.iter().for_each(|filter| filter.each_field(&mut |path| paths.push(path)));
    let mut names = BTreeSet::new();
    for path in paths {
        let field = check.field(path).map_err(|refused| refused.of(["Query"]))?;
        check_shape(&field.shape, &field.name)?;
        names.insert(field.name.clone());
    }
    check.clauses(query).map_err(|refused| refused.of(["Query"]))?;
    Ok(names)
}

fn check_shape(shape: &Shape, name: &str) -> Result<(), Refused> {
    match shape {
        Shape::Formula(_) => Err(invalid(format!("formula field '{name}' is not supported"))),
        shape if shape.is_compound() => Err(invalid(format!("compound field '{name}' is not supported"))),
        _ => Ok(()),
    }
}

/// Whether the query names the fields without which `NotifyForFields` makes no sense.
pub(super) fn fields(fields: Fields, select: &[String], filter: &BTreeSet<String>) -> Result<(), Refused> {
    let selected = select.iter().any(|name| name != "Id");
    let filtered = filter.iter().any(|name| name != "Id");
    let (good, wanted) = match fields {
        Fields::All => (true, ""),
        Fields::Referenced => (selected || filtered, "Referenced: SELECT or WHERE"),
        Fields::Select => (selected, "Select: SELECT"),
        Fields::Where => (filtered, "Where: WHERE"),
    };
    let message = || format!("NotifyForFields {wanted} has to name a field other than Id");
    if good { Ok(()) } else { Err(Refused::new("INVALID_FIELD", message()).of(["NotifyForFields", "Query"])) }
}
