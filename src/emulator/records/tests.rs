//! The tables of the guide, row by row, and what they need: an org with an admin and the guide's objects.

mod notify;
mod push_topic;
mod query;
mod scenarios;
mod store;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::topic::Notice;
use super::{Call, Edition, ObjectSeed, Records, Refused};
use crate::emulator::event::Content;
use crate::emulator::seed::Seed;
use crate::emulator::users::{Org, User};

/// An org, its admin, and the API version of the calls.
pub(super) struct Scene {
    pub(super) records: Records,
    user: Arc<User>,
    version: u8,
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

impl Scene {
    /// An org with the invoice of the guide's tables: fields `f1` to `f4`, `Amount__c` and others.
    pub(super) fn new() -> Self {
        let user = Arc::clone(Org::new(&Seed::default()).anybody().unwrap());
        let records = Records::new(Edition::Enterprise, &[Arc::clone(&user)], Timestamp::UNIX_EPOCH);
        let mut scene = Self { records, user, version: 35 };
        scene.define(
            "InvoiceStatement__c",
            &json!({"f1__c": "string", "f2__c": "string", "f3__c": "string", "f4__c": "string",
                "Description__c": "string", "Amount__c": "currency", "BillingState__c": "string",
                "Notes__c": "textarea", "Total__c": "formula", "Place__c": "location"}),
        );
        scene
    }

    pub(super) fn at(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    fn call(user: &User, version: u8) -> Call<'_> {
        Call { user, version, now: "2024-05-15T12:00:00Z".parse().unwrap() }
    }

    pub(super) fn define(&mut self, name: &str, fields: &Value) {
        let seed: ObjectSeed = serde_json::from_value(json!({"fields": fields})).unwrap();
        self.records.define(name, &seed).unwrap();
    }

    pub(super) fn try_create(&mut self, kind: &str, body: &Value) -> Result<(String, Vec<Notice>), Refused> {
        self.records.create(Self::call(&self.user, self.version), kind, &map(body))
    }

    /// Creates a record; its id and what is told.
    pub(super) fn create(&mut self, kind: &str, body: &Value) -> (String, Vec<String>) {
        let (id, notices) =
            self.try_create(kind, body).unwrap_or_else(|refused| panic!("{body}: {refused:?}"));
        (id, told(notices))
    }

    pub(super) fn try_update(&mut self, kind: &str, id: &str, body: &Value) -> Result<Vec<Notice>, Refused> {
        self.records.update(Self::call(&self.user, self.version), kind, id, &map(body))
    }

    pub(super) fn update(&mut self, kind: &str, id: &str, body: &Value) -> Vec<String> {
        told(self.try_update(kind, id, body).unwrap_or_else(|refused| panic!("{body}: {refused:?}")))
    }

    pub(super) fn delete(&mut self, kind: &str, id: &str) -> Vec<String> {
        told(self.records.delete(Self::call(&self.user, self.version), kind, id).unwrap())
    }

    pub(super) fn undelete(&mut self, kind: &str, id: &str) -> Vec<String> {
        told(self.records.undelete(Self::call(&self.user, self.version), kind, id).unwrap())
    }

    pub(super) fn get(&self, kind: &str, id: &str, field: &str) -> Value {
        let call = Self::call(&self.user, self.version);
        self.records.get(call, kind, id).unwrap().2.get(field).clone()
    }

    pub(super) fn query(&mut self, text: &str) -> Result<Vec<Value>, Refused> {
        let page = super::Page { size: 2000, all: false };
        let found = self.records.query(Self::call(&self.user, self.version), text, page)?;
        Ok(found.records.iter().map(|record| serde_json::to_value(record).unwrap()).collect())
    }

    /// Creates a topic `T` of this query, with more fields if there are any.
    pub(super) fn topic(&mut self, query: &str, more: &Value) -> Result<String, Refused> {
        let mut body = map(&json!({"Name": "T", "ApiVersion": 35.0, "Query": query}));
        body.extend(map(more));
        self.try_create("PushTopic", &Value::Object(body)).map(|(id, _)| id)
    }

    /// The message of the refusal of a topic of this query.
    pub(super) fn refused(&mut self, query: &str) -> String {
        let refused = self.topic(query, &json!({})).unwrap_err();
        format!("{}, {}", refused.code, refused.message)
    }
}

/// Channel, type and fields of each notice: `/topic/T created Id,f1__c`.
fn told(notices: Vec<Notice>) -> Vec<String> {
    let tell = |notice: Notice| match notice.content {
        Content::Record { event, fields, .. } => {
            let kind = event.rsplit(':').next().unwrap_or_default().replace('"', "");
            let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
            format!("{} {kind} {}", notice.channel, names.join(","))
        }
        other => panic!("{other:?}"),
    };
    notices.into_iter().map(tell).collect()
}
