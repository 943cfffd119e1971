//! The access token that requests must carry, and the cookie that ties them to a session.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It carries no token.
    Missing,
    /// It carries another one.
    Wrong,
}

impl Denied {
    /// The Bayeux error.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Missing => "401::Request requires authentication",
            Self::Wrong => "401::Authentication invalid",
        }
    }
}

/// Compares `Authorization: Bearer TOKEN` or `OAuth TOKEN` with the token demanded, if one is.
pub(super) fn check(headers: &HeaderMap, demanded: Option<&str>) -> Result<(), Denied> {
    let Some(demanded) = demanded else {
        return Ok(());
    };
    let given = headers.get(AUTHORIZATION).ok_or(Denied::Missing)?.to_str().map_err(|_| Denied::Wrong)?;
    let (scheme, token) = given.split_once(' ').ok_or(Denied::Wrong)?;
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("OAuth");
    if known && token.trim() == demanded { Ok(()) } else { Err(Denied::Wrong) }
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

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn the_token_is_demanded_in_either_scheme() {
        let with = |value| check(&headers(AUTHORIZATION, value), Some("t0k"));
        assert_eq!(with("Bearer t0k"), Ok(()));
        assert_eq!(with("OAuth t0k"), Ok(()));
        assert_eq!(with("Basic t0k"), Err(Denied::Wrong));
        assert_eq!(with("Bearer other"), Err(Denied::Wrong));
        assert_eq!(with("t0k"), Err(Denied::Wrong));
        assert_eq!(check(&HeaderMap::new(), Some("t0k")), Err(Denied::Missing));
        assert_eq!(check(&HeaderMap::new(), None), Ok(()));
    }

    #[test]
    fn cookies_are_found_among_others() {
        let many = headers(COOKIE, "a=1; BAYEUX_BROWSER=x=y;b=2");
        assert_eq!(cookie(&many, "BAYEUX_BROWSER").as_deref(), Some("x=y"));
        assert_eq!(cookie(&many, "BROWSER"), None);
    }
}
