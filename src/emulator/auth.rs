//! Who a request is from: the access token that it carries; and the cookie that ties it to a Bayeux session.
//!
//! A token that a login gave out stands for its user as long as it is good, and is refused afterwards. Any other has to
//! be the token demanded, where one is. Where neither that nor a login is demanded, everybody is let in, with any token
//! or none, as the first active user by name; with the token demanded, a request is that user's too.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::http::{Reply, json as json_reply};
use super::state::{Shared, State};
use super::tokens::Known;
use super::users::{Org, Permission, User};
use super::version::Version;

/// What the guide's client sets by hand for API 22 beside `sid`.
const LEGACY_COOKIES: [&str; 3] = ["com.salesforce.LocaleInfo", "login", "language"];

/// Who a request is from.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The user.
    pub(super) user: Arc<User>,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It carries no token.
    Missing,
    /// It carries another one, or one that is good no more.
    Wrong,
    /// Its `Authorization` is of another form.
    Malformed,
    /// Its user may not use the API.
    Disabled,
}

impl Denied {
    /// The Bayeux error.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Missing => "401::Request requires authentication",
            Self::Wrong | Self::Malformed => "401::Authentication invalid",
            Self::Disabled => "403::API is not enabled for this Organization or Partner",
        }
    }

    /// The answer of the REST API (its developer guide, "Status Codes and Error Responses").
    pub(super) fn rest(self) -> Reply {
        let (status, code, message) = match self {
            Self::Missing | Self::Wrong => {
                (StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid")
            }
            Self::Malformed => (StatusCode::UNAUTHORIZED, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
            Self::Disabled => (
                StatusCode::FORBIDDEN,
                "API_DISABLED_FOR_ORG",
                "The REST API is not enabled for this Organization.",
            ),
        };
        json_reply(status, json!([{"message": message, "errorCode": code}]).to_string())
    }
}

/// Who a request is from. It takes the lock of the state: whoever holds it asks [`State::caller`].
pub(super) fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Denied> {
    shared.lock().caller(&shared.org, headers, shared.config.login)
}

/// Who a Bayeux request is from. One that carries a token to the legacy endpoint has to carry the cookies too that the
/// guide's client sets by hand there, `sid` being the token.
pub(super) fn bayeux_caller(
    shared: &Shared,
    headers: &HeaderMap,
    version: Version,
) -> Result<Caller, Denied> {
    let caller = caller(shared, headers)?;
    let missing = |name: &&str| cookie(headers, name).is_none();
    let complete =
        || !LEGACY_COOKIES.iter().any(missing) && cookie(headers, "sid").as_deref() == token(headers).ok();
    let demanded = version.is_legacy() && shared.config.cookies && headers.contains_key(AUTHORIZATION);
    if demanded && !complete() { Err(Denied::Wrong) } else { Ok(caller) }
}

/// The user of a REST request, who has to have the permission to use the API.
pub(super) fn rest_caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Denied> {
    let caller = caller(shared, headers)?;
    if caller.user.has(Permission::ApiEnabled) { Ok(caller) } else { Err(Denied::Disabled) }
}

impl State {
    /// Who a request is from; `login` says whether a token of a login is demanded.
    pub(super) fn caller(&self, org: &Org, headers: &HeaderMap, login: bool) -> Result<Caller, Denied> {
        let token = token(headers);
        let known = token.as_ref().map_or(Known::Foreign, |token| self.tokens.look_up(token));
        let good = match (known, self.token.as_deref()) {
            (Known::Good(user), _) => return Ok(Caller { user }),
            (_, Some(demanded)) if token.as_ref().is_ok_and(|token| *token == demanded) => Ok(()),
            (Known::Foreign, None) if !login => Ok(()),
            _ => token.and(Err(Denied::Wrong)),
        };
        let anybody = good.map(|()| org.anybody())?;
        anybody.map(|user| Caller { user: Arc::clone(user) }).ok_or(Denied::Wrong)
    }
}

/// The token of `Authorization: Bearer TOKEN` or `OAuth TOKEN`.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Denied> {
    let given = headers.get(AUTHORIZATION).ok_or(Denied::Missing)?;
    let (scheme, token) =
        given.to_str().ok().and_then(|given| given.split_once(' ')).ok_or(Denied::Malformed)?;
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("OAuth");
    if known { Ok(token.trim()) } else { Err(Denied::Malformed) }
}

/// The value of the cookie `name`.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// A name that nobody has had before, of lower-case letters and digits.
pub(super) fn random_name(len: usize) -> String {
    std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_lowercase()).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Config;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn who(shared: &Shared, authorization: &str) -> Result<String, Denied> {
        caller(shared, &headers(AUTHORIZATION, authorization)).map(|caller| caller.user.username.clone())
    }

    fn nobody(shared: &Shared) -> Option<Denied> {
        caller(shared, &HeaderMap::new()).err()
    }

    #[test]
    fn the_token_is_demanded_in_either_scheme() {
        let shared = Shared::new(Config { token: Some("t0k".to_owned()), ..Config::default() });
        assert_eq!(who(&shared, "Bearer t0k").unwrap(), "admin@example.com");
        assert_eq!(who(&shared, "OAuth t0k").unwrap(), "admin@example.com");
        assert_eq!(who(&shared, "Basic t0k"), Err(Denied::Malformed));
        assert_eq!(who(&shared, "Bearer other"), Err(Denied::Wrong));
        assert_eq!(who(&shared, "t0k"), Err(Denied::Malformed));
        assert_eq!(nobody(&shared), Some(Denied::Missing));
    }

    #[test]
    fn without_a_demand_everybody_is_let_in_but_with_a_dead_token() {
        let shared = Shared::new(Config::default());
        assert_eq!(nobody(&shared), None);
        assert_eq!(who(&shared, "Bearer any").unwrap(), "admin@example.com");
        assert_eq!(who(&shared, "Basic any").unwrap(), "admin@example.com");
        let user = Arc::clone(shared.org.anybody().unwrap());
        let token = shared.lock().tokens.issue(&user, None);
        assert_eq!(who(&shared, &format!("Bearer {token}")).unwrap(), "admin@example.com");
        shared.lock().tokens.revoke(&token);
        assert_eq!(who(&shared, &format!("Bearer {token}")), Err(Denied::Wrong));
    }

    #[test]
    fn where_a_login_is_demanded_only_its_token_will_do() {
        let shared = Shared::new(Config { login: true, ..Config::default() });
        assert_eq!(nobody(&shared), Some(Denied::Missing));
        assert_eq!(who(&shared, "Bearer any"), Err(Denied::Wrong));
        let user = Arc::clone(shared.org.anybody().unwrap());
        let token = shared.lock().tokens.issue(&user, None);
        assert_eq!(who(&shared, &format!("OAuth {token}")).unwrap(), "admin@example.com");
    }

    #[test]
    fn cookies_are_found_among_others() {
        let many = headers(COOKIE, "a=1; BAYEUX_BROWSER=x=y;b=2");
        assert_eq!(cookie(&many, "BAYEUX_BROWSER").as_deref(), Some("x=y"));
        assert_eq!(cookie(&many, "BROWSER"), None);
    }
}
