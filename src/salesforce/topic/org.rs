//! The calls to an org.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::api::{Api, ApiVersion};
use super::super::error::ApiError;
use super::super::id::{is_id, is_same};
use super::EACH_OPERATION;
use super::record::{Change, Difference, Operation, Stored};

/// What the ids of topics begin with.
const PREFIX: &str = "0IF";

fn fields(api: ApiVersion) -> String {
    let operations = if api < EACH_OPERATION {
        "NotifyForOperations".to_owned()
    } else {
        Operation::NAMES.map(|(_, operation)| operation.field()).join(", ")
    };
    format!("Id, Name, Query, ApiVersion, Description, IsActive, NotifyForFields, {operations}")
}

/// All topics, by name.
pub async fn list(api: &mut Api) -> Result<Vec<Stored>, ApiError> {
    let fields = fields(api.org().version);
    let mut all: Vec<Stored> = api.query(&format!("SELECT {fields} FROM PushTopic")).await?;
    all.sort_by(|one, other| one.name().cmp(other.name()));
    Ok(all)
}

/// The topic of this name or id; none where the org has none.
pub async fn find(api: &mut Api, wanted: &str) -> Result<Option<Stored>, ApiError> {
    let field = if is_id(wanted, PREFIX) { "Id" } else { "Name" };
    let fields = fields(api.org().version);
    let quoted = wanted.replace('\\', "\\\\").replace('\'', "\\'");
    let query = format!("SELECT {fields} FROM PushTopic WHERE {field} = '{quoted}'");
    let mut found: Vec<Stored> = api.query(&query).await?;
    // Whatever else came is not what was named, and may be about to be deleted.
    let name = wanted.to_lowercase();
    found.retain(|one| one.name().to_lowercase() == name || is_same(one.id(), wanted));
    let exact = found.iter().position(|one| one.name() == wanted).unwrap_or_default();
    Ok(found.into_iter().nth(exact))
}

/// Makes a topic; its id. One whose version nobody says is of the API's.
pub async fn create(api: &mut Api, wanted: &Change) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    let version = api.org().version;
    let wanted = Change { api_version: wanted.api_version.or(Some(version)), ..wanted.clone() };
    let created: Created = api.post("sobjects/PushTopic", &wanted.fields(version)).await?;
    Ok(created.id)
}

/// Changes what differs.
pub async fn change(api: &mut Api, stored: &Stored, differences: &[Difference]) -> Result<(), ApiError> {
    let fields: Map<String, Value> =
        differences.iter().map(|one| (one.field.clone(), one.to.clone())).collect();
    let _: Option<serde::de::IgnoredAny> = api.patch(&path(stored)?, &fields).await?;
    Ok(())
}

/// Deletes a topic.
pub async fn delete(api: &mut Api, stored: &Stored) -> Result<(), ApiError> {
    let _: Option<serde::de::IgnoredAny> = api.delete(&path(stored)?).await?;
    Ok(())
}

/// The id is the org's word, and must not lead elsewhere.
fn path(stored: &Stored) -> Result<String, ApiError> {
    let id = stored.id();
    if is_id(id, PREFIX) {
        return Ok(format!("sobjects/PushTopic/{id}"));
    }
    Err(ApiError::Malformed(format!("the org gave a PushTopic an id that is none: '{}'", id.escape_debug())))
}
