//! An org that has PushTopics and nothing else.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use crate::server::{Asked, Org, Said, error, ok, status};

type Records = Arc<Mutex<Vec<Map<String, Value>>>>;

/// The fields that a version of the API has for operations.
const EACH: [&str; 4] = [
    "NotifyForOperationCreate",
    "NotifyForOperationUpdate",
    "NotifyForOperationDelete",
    "NotifyForOperationUndelete",
];

/// A running org; its records are the test's to look at.
pub(crate) struct Stub {
    pub(crate) org: Org,
    records: Records,
}

impl Stub {
    /// With a topic of each name and query.
    pub(crate) fn with(topics: &[(&str, &str)]) -> Self {
        let records = Records::default();
        for (name, query) in topics {
            add(&records, object(json!({"Name": name, "Query": query, "ApiVersion": 61.0})));
        }
        let kept = Arc::clone(&records);
        let org = Org::start(move |asked| answer(&kept, asked));
        Self { org, records }
    }

    pub(crate) fn url(&self) -> &str {
        &self.org.url
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records.iter().map(|one| one["Name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn record(&self, name: &str) -> Value {
        let records = self.records.lock().unwrap();
        let found = records.iter().find(|one| one["Name"] == name);
        Value::Object(found.unwrap_or_else(|| panic!("no {name}")).clone())
    }

    pub(crate) fn set(&self, name: &str, fields: Value) {
        let mut records = self.records.lock().unwrap();
        records.iter_mut().find(|one| one["Name"] == name).unwrap().extend(object(fields));
    }

    /// Method and path of each request that is no question, with its body.
    pub(crate) fn changes(&self) -> Vec<String> {
        let seen = self.org.seen();
        let changes = seen.iter().filter(|one| one.method != "GET");
        changes.map(|one| format!("{} {}", one.line(), one.body)).collect()
    }
}

pub(crate) fn id(number: usize) -> String {
    format!("0IFD0000000{number:04}")
}

fn object(mut fields: Value) -> Map<String, Value> {
    std::mem::take(fields.as_object_mut().unwrap())
}

fn add(records: &Records, fields: Map<String, Value>) -> String {
    let mut records = records.lock().unwrap();
    let id = id(records.len());
    let mut record = object(json!({
        "Id": id, "Description": null, "IsActive": true, "NotifyForFields": "Referenced", "NotifyForOperations": "All",
    }));
    record.extend(EACH.map(|name| (name.to_owned(), json!(true))));
    record.extend(fields);
    records.push(record);
    id
}

fn answer(records: &Records, asked: &Asked) -> Said {
    if let Some(soql) = asked.soql() {
        return query(records, &soql);
    }
    let (_, version) = asked.path.split_once("/data/v").unwrap();
    let (version, path) = version.split_once('/').unwrap();
    let id = path.strip_prefix("sobjects/PushTopic").unwrap().trim_start_matches('/');
    let each = version.split_once('.').unwrap().0.parse::<u32>().unwrap() >= 29;
    if asked.method != "DELETE" {
        let bad = |name: &&String| (*name == "NotifyForOperations") == each && name.starts_with("NotifyForO");
        if let Some(name) = asked.json().as_object().unwrap().keys().find(bad) {
            return error(400, "INVALID_FIELD_FOR_INSERT_UPDATE", &format!("no {name} in {version}"));
        }
    }
    change(records, asked, id)
}

fn change(records: &Records, asked: &Asked, id: &str) -> Said {
    if asked.method == "POST" {
        let fields = object(asked.json());
        if fields["Name"] == "Refused" {
            return error(400, "LIMIT_EXCEEDED", "topic limit");
        }
        let id = add(records, fields);
        return status(201, &json!({"id": id, "success": true, "errors": []}).to_string());
    }
    let mut records = records.lock().unwrap();
    let at = records.iter().position(|one| one["Id"] == id).unwrap();
    if asked.method == "PATCH" {
        records[at].extend(object(asked.json()));
    } else {
        assert_eq!(asked.method, "DELETE");
        records.remove(at);
    }
    Said::Status(204, String::new(), String::new())
}

/// `SELECT fields FROM PushTopic`, perhaps with one condition on Id or Name, which compares as an org does.
fn query(records: &Records, soql: &str) -> Said {
    let (fields, rest) = soql.strip_prefix("SELECT ").unwrap().split_once(" FROM PushTopic").unwrap();
    let condition = rest.strip_prefix(" WHERE ").map(|text| text.split_once(" = ").unwrap());
    let meets = |one: &Map<String, Value>| {
        condition.is_none_or(|(field, value)| {
            let text = value.trim_matches('\'').replace("\\'", "'").to_lowercase();
            one[field].as_str().unwrap().to_lowercase() == text
        })
    };
    let records = records.lock().unwrap();
    let pick = |one: &Map<String, Value>| {
        let mut picked = object(json!({"attributes": {"type": "PushTopic"}}));
        picked.extend(fields.split(", ").map(|name| (name.to_owned(), one[name].clone())));
        picked
    };
    let found: Vec<_> = records.iter().filter(|one| meets(one)).map(pick).collect();
    ok(&json!({"totalSize": found.len(), "done": true, "records": found}))
}
