//! What the API has: resources, types, fields.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, Rest, found};
use crate::emulator::records::{Field, Kind, Shape};
use crate::emulator::users::Access;

/// `GET .`
pub(super) fn resources(rest: &Rest<'_>) -> (StatusCode, String) {
    let resource = |name: &str| (name.to_owned(), Value::from(format!("{}/{name}", root(rest))));
    found(&Value::Object(["sobjects", "query", "queryAll", "limits"].map(resource).into_iter().collect()))
}

fn root(rest: &Rest<'_>) -> String {
    format!("/services/data/v{}", rest.version)
}

/// `GET sobjects`
pub(super) fn global(rest: &Rest<'_>) -> (StatusCode, String) {
    let state = rest.shared.lock();
    let all = state.records.kinds(rest.call()).map(|kind| Value::Object(about(rest, kind)));
    found(&json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all.collect::<Vec<_>>()}))
}

/// `GET sobjects/TYPE`
pub(super) fn short(rest: &Rest<'_>, kind: &str) -> Answer {
    let state = rest.shared.lock();
    let kind = state.records.kind(rest.call(), kind)?;
    Ok(found(&json!({"objectDescribe": about(rest, kind), "recentItems": []})))
}

/// `GET sobjects/TYPE/describe`
pub(super) fn whole(rest: &Rest<'_>, kind: &str) -> Answer {
    let state = rest.shared.lock();
    let kind = state.records.kind(rest.call(), kind)?;
    let user = &rest.caller.user;
    let seen = kind
        .fields
        .iter()
        .filter(|field| field.since <= rest.version.number() && user.sees(&kind.name, &field.name));
    let mut members = about(rest, kind);
    members.insert("fields".to_owned(), seen.map(|field| describe(field, rest.version.number())).collect());
    members.insert("childRelationships".to_owned(), json!([]));
    members.insert("recordTypeInfos".to_owned(), json!([]));
    Ok(found(&Value::Object(members)))
}

fn about(rest: &Rest<'_>, kind: &Kind) -> Map<String, Value> {
    let url = format!("{}/sobjects/{}", root(rest), kind.name);
    let changes = !kind.fixed && rest.caller.user.access(&kind.name) == Access::Edit;
    let flags = [("createable", changes), ("updateable", changes), ("deletable", changes)]
        .into_iter()
        .chain([("undeletable", changes), ("custom", kind.is_custom())])
        .chain([("queryable", true), ("retrieveable", true), ("replicateable", true)])
        .chain([("searchable", false), ("triggerable", kind.streams), ("layoutable", kind.streams)])
        .chain([("activateable", false), ("customSetting", false), ("deprecatedAndHidden", false)]);
    let mut members: Map<_, _> = flags.map(|(name, is)| (name.to_owned(), Value::Bool(is))).collect();
    for (name, text) in [
        ("name", &kind.name),
        ("label", &kind.label),
        ("labelPlural", &kind.plural),
        ("keyPrefix", &kind.prefix),
    ] {
        members.insert(name.to_owned(), text.as_str().into());
    }
    let urls = json!({"sobject": url, "describe": format!("{url}/describe"), "rowTemplate": format!("{url}/{{ID}}")});
    members.insert("urls".to_owned(), urls);
    members
}

fn describe(field: &Field, version: u8) -> Value {
    let settable = field.settable && version <= field.until;
    let (values, restricted) = match &field.shape {
        Shape::Picklist { values, restricted } => (values.as_slice(), *restricted),
        _ => (&[][..], false),
    };
    let entry = |value: &String| {
        let default = field.default == value.as_str();
        json!({"value": value, "label": value, "active": true, "defaultValue": default})
    };
    let to: Vec<&str> = match &field.shape {
        Shape::Reference(to) if !to.is_empty() => vec![to],
        _ => Vec::new(),
    };
    json!({
        "name": field.name,
        "label": field.label,
        "type": field.shape.name(),
        "length": field.shape.len(),
        "createable": settable,
        "updateable": settable,
        "nillable": field.is_nillable(),
        "defaultedOnCreate": !field.default.is_null(),
        "defaultValue": field.default,
        "filterable": field.shape.filters(),
        "sortable": field.shape.filters(),
        "calculated": matches!(field.shape, Shape::Formula(_)),
        "autoNumber": matches!(field.shape, Shape::AutoNumber(_)),
        "custom": field.name.ends_with("__c"),
        "nameField": field.name == "Name",
        "restrictedPicklist": restricted,
        "picklistValues": values.iter().map(entry).collect::<Vec<_>>(),
        "referenceTo": to,
    })
}
