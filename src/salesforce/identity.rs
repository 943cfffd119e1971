//! Who a token stands for: user, org, and the API versions that the org speaks.
//!
//! Constraints: the identity URL of a login is often that of another host (`login.salesforce.com`); only its path is
//! used, on the org itself, so that the token goes nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::api::Api;
use super::error::ApiError;
use crate::bayeux::border::FaultKind;

/// The most scopes and versions that are kept.
const LIST_MAX: usize = 200;

/// What a login and its org tell of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The user's id, 18 characters.
    pub user_id: String,
    /// The org's id, 18 characters.
    pub organization_id: String,
    /// The user's login name.
    pub username: Option<String>,
    /// The user's name for people.
    pub display_name: Option<String>,
    /// The user's mail address.
    pub email: Option<String>,
    /// Whether the user is active.
    pub active: Option<bool>,
    /// Such as `STANDARD`.
    pub user_type: Option<String>,
    /// Such as `en_US`.
    pub language: Option<String>,
    /// Such as `en_US`.
    pub locale: Option<String>,
    /// Such as `America/Los_Angeles`.
    pub timezone: Option<String>,
    /// Scopes, where the token tells them: those in JWT form do.
    pub scopes: Option<Vec<String>>,
}

/// The answer of the identity service or of `userinfo`, which name the same things differently.
#[derive(Deserialize)]
struct Written {
    user_id: String,
    organization_id: String,
    username: Option<String>,
    preferred_username: Option<String>,
    display_name: Option<String>,
    name: Option<String>,
    email: Option<String>,
    active: Option<bool>,
    user_type: Option<String>,
    language: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
    zoneinfo: Option<String>,
}

/// The part of `/services/data/vXX.X/` that is of use here.
#[derive(Deserialize)]
struct Resources {
    identity: Option<String>,
}

/// Asks who the token in use stands for.
pub async fn identity(api: &mut Api) -> Result<Identity, ApiError> {
    let told = written(api).await?;
    let header = api.login().header();
    let scopes = header.and_then(|header| scopes(header.expose()));
    Ok(Identity {
        user_id: told.user_id,
        organization_id: told.organization_id,
        username: told.username.or(told.preferred_username),
        display_name: told.display_name.or(told.name),
        email: told.email,
        active: told.active,
        user_type: told.user_type,
        language: told.language,
        locale: told.locale,
        timezone: told.timezone.or(told.zoneinfo),
        scopes,
    })
}

/// By the login's own word, else by the org's list of resources, else by `userinfo`: which of them answers depends on
/// the kind of token. Where none does, the first reason is told.
async fn written(api: &mut Api) -> Result<Written, ApiError> {
    let told = match api.login().identity() {
        Some(url) => Ok(Some(path(url))),
        None => resource(api).await,
    };
    let by_path = match told {
        Ok(Some(path)) => api.get(&path).await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let refused = match by_path {
        Ok(Some(told)) => return Ok(told),
        Err(error) if !is_no(&error) => return Err(error),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    match api.get("/services/oauth2/userinfo").await {
        Err(error) if is_no(&error) => Err(refused.unwrap_or(error)),
        other => other,
    }
}

/// The path of the identity URL in the org's list of resources.
async fn resource(api: &mut Api) -> Result<Option<String>, ApiError> {
    let Resources { identity } = api.get("").await?;
    Ok(identity.and_then(|url| Url::parse(&url).ok()).map(|url| path(&url)))
}

/// Whether another resource may tell what this one does not.
fn is_no(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { .. } | ApiError::Malformed(_) => true,
        ApiError::Fault(fault) => fault.kind == FaultKind::Redirect,
        ApiError::Login(_) => false,
    }
}

fn path(url: &Url) -> String {
    format!("/{}", url.path().trim_start_matches('/'))
}

/// A version as the org lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Listed {
    version: String,
}

/// The API versions that the org speaks, such as `61.0`, in its order.
pub async fn versions(api: &mut Api) -> Result<Vec<String>, ApiError> {
    let listed: Vec<Listed> = api.get("/services/data").await?;
    Ok(listed.into_iter().take(LIST_MAX).map(|one| one.version).collect())
}

/// The scopes in a token of JWT form (claim `scp`), unverified: it is the server that trusts them.
fn scopes(header: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Claims {
        scp: String,
    }
    let claims = header.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.scp.split_whitespace().take(LIST_MAX).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_jwt_form_tells_its_scopes() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"scp":"api web refresh_token","sub":"x"}"#);
        let scopes = |token: &str| scopes(&format!("Bearer {token}"));
        assert_eq!(scopes(&format!("e30.{claims}.c2ln")).unwrap(), ["api", "web", "refresh_token"]);
        for other in ["00Dxx0000001gPL!AQ.AQ", "00D!x", "e30.e30.x", "e30.!.x", ""] {
            assert_eq!(scopes(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_path_of_an_identity_url_is_used() {
        let of = |url: &str| path(&Url::parse(url).unwrap());
        assert_eq!(of("https://login.salesforce.com/id/00D/005?x=y"), "/id/00D/005");
        assert_eq!(of("https://evil.example//evil.example/id"), "/evil.example/id");
    }
}
