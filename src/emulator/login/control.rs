//! What tests and people at the same machine do to users and logins: give out tokens, take them back, change rights,
//! move the org.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::control::{Wrong, parse};
use super::super::state::Shared;
use super::super::users::{Access, Permission, User};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    username: String,
    client: Option<String>,
}

/// `POST /_emulator/tokens/issue`: an access token as a login gives it, with a client a refresh token too.
pub(in super::super) fn issue(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Issue { username, client } = parse(body)?;
    let user = user(shared, &username)?;
    let client =
        client.map(|id| shared.org.client(&id).ok_or_else(|| Wrong::new("client: there is no such")));
    let client = client.transpose()?;
    let tokens = &mut shared.lock().tokens;
    let access = tokens.issue(user, client);
    let refresh = client.map(|client| tokens.issue_refresh(user, client));
    Ok(json!({"access_token": access, "refresh_token": refresh}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    username: Option<String>,
    #[serde(default)]
    refresh: bool,
}

/// `POST /_emulator/tokens/revoke`: the access tokens of a user or of all are good no more, the refresh tokens too
/// where that is asked for.
pub(in super::super) fn revoke(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Revoke { username, refresh } = parse(body)?;
    let id = username.map(|name| user(shared, &name).map(|user| user.id.clone())).transpose()?;
    let tokens = &mut shared.lock().tokens;
    let revoked = tokens.revoke_access(id.as_deref());
    let refresh = if refresh { tokens.revoke_refresh(id.as_deref()) } else { 0 };
    Ok(json!({"revoked": revoked, "refresh_revoked": refresh}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    url: Option<String>,
}

/// `POST /_emulator/instance`: what logins say from now on of where the org is.
pub(in super::super) fn move_instance(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Instance { url } = parse(body)?;
    shared.lock().instance.clone_from(&url);
    Ok(json!({"url": url}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    username: String,
    active: Option<bool>,
    permissions: Option<BTreeSet<Permission>>,
    objects: Option<BTreeMap<String, Access>>,
    hidden_fields: Option<Vec<String>>,
}

/// `POST /_emulator/users`: what a user may do from now on, in the words of a seed; what is not named stays. The access
/// tokens of a user who is active no more are good no more.
pub(in super::super) fn change_rights(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Change { username, active, permissions, objects, hidden_fields } = parse(body)?;
    let user = user(shared, &username)?;
    let mut state = shared.lock();
    user.change(|rights| {
        rights.active = active.unwrap_or(rights.active);
        if let Some(all) = permissions {
            rights.permissions = all;
        }
        if let Some(all) = objects {
            rights.objects = all;
        }
        if let Some(all) = hidden_fields {
            rights.hide(&all);
        }
    });
    state.records.refresh_user(user);
    let revoked = if user.is_active() { 0 } else { state.tokens.revoke_access(Some(&user.id)) };
    Ok(json!({"username": user.username, "revoked": revoked}))
}

fn user<'a>(shared: &'a Shared, username: &str) -> Result<&'a Arc<User>, Wrong> {
    shared.org.user(username).ok_or_else(|| Wrong::new("username: there is no such user"))
}
