//! Who a token stands for, and which API versions there are.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::auth::{Denied, caller, token};
use super::super::http::{Reply, json as json_reply, text};
use super::super::ids;
use super::super::state::Shared;
use super::super::users::User;
use super::super::version::Version;
use super::origin;

/// `GET /services/data`: the versions that there are, for everybody.
pub(super) fn versions() -> Reply {
    let entry = |version: Version| {
        let url = format!("/services/data/v{version}");
        json!({"label": version.label(), "url": url, "version": version.to_string()})
    };
    let all: Vec<Value> = Version::all().map(entry).collect();
    json_reply(StatusCode::OK, Value::from(all).to_string())
}

/// `GET /id/ORG/USER`.
pub(super) fn identity(shared: &Shared, headers: &HeaderMap, who: &str) -> Reply {
    let user = match user(shared, headers) {
        Ok(user) => user,
        Err(word) => return text(StatusCode::FORBIDDEN, word),
    };
    let (org, id) = who.split_once('/').unwrap_or((who, ""));
    if ids::canonical(org).as_deref() != Some(&shared.org.id) {
        return text(StatusCode::FORBIDDEN, "Wrong_Org");
    }
    if ids::canonical(id).as_deref() != Some(&user.id) {
        return text(StatusCode::FORBIDDEN, "Bad_Id");
    }
    let origin = origin(headers);
    let members = json!({
        "id": format!("{origin}/id/{}/{}", shared.org.id, user.id),
        "asserted_user": true,
        "user_id": user.id,
        "organization_id": shared.org.id,
        "username": user.username,
        "nick_name": user.username.split('@').next(),
        "display_name": user.display_name(),
        "email": user.email,
        "email_verified": true,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": "GMT",
        "photos": {},
        "active": user.is_active(),
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "is_app_installed": true,
        "urls": urls(shared, headers, &user),
    });
    json_reply(StatusCode::OK, members.to_string())
}

/// `GET /services/oauth2/userinfo` (`OpenID` Connect).
pub(super) fn userinfo(shared: &Shared, headers: &HeaderMap) -> Reply {
    let user = match user(shared, headers) {
        Ok(user) => user,
        Err(word) => return text(StatusCode::FORBIDDEN, word),
    };
    let members = json!({
        "sub": format!("{}/id/{}/{}", origin(headers), shared.org.id, user.id),
        "user_id": user.id,
        "organization_id": shared.org.id,
        "preferred_username": user.username,
        "nickname": user.username.split('@').next(),
        "name": user.display_name(),
        "email": user.email,
        "email_verified": true,
        "given_name": user.first_name,
        "family_name": user.last_name,
        "zoneinfo": "GMT",
        "active": user.is_active(),
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "urls": urls(shared, headers, &user),
    });
    json_reply(StatusCode::OK, members.to_string())
}

/// The user of the token; these endpoints refuse with a word and status 403.
fn user(shared: &Shared, headers: &HeaderMap) -> Result<Arc<User>, &'static str> {
    let refuse = |denied| match denied {
        Denied::Missing => "Missing_OAuth_Token",
        Denied::Wrong | Denied::Malformed | Denied::Disabled => "Bad_OAuth_Token",
    };
    // Without a token there is nobody to tell of, whatever the other endpoints let pass.
    token(headers).and_then(|_| caller(shared, headers)).map(|caller| caller.user).map_err(refuse)
}

/// Where the APIs are; clients replace `{version}`.
fn urls(shared: &Shared, headers: &HeaderMap, user: &User) -> Value {
    let instance = super::instance(shared, headers);
    let org = shared.org.id.get(..15).unwrap_or_default();
    let rest = |what: &str| format!("{instance}/services/data/v{{version}}/{what}");
    let soap = |letter: &str| format!("{instance}/services/Soap/{letter}/{{version}}/{org}");
    json!({
        "enterprise": soap("c"),
        "metadata": soap("m"),
        "partner": soap("u"),
        "rest": rest(""),
        "sobjects": rest("sobjects/"),
        "search": rest("search/"),
        "query": rest("query/"),
        "recent": rest("recent/"),
        "profile": format!("{instance}/{}", user.id),
        "custom_domain": instance,
    })
}
