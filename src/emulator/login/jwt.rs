//! Assertions: signed JSON web tokens (RFC 7515, RFC 7519) with RS256, as the JWT bearer flow takes them (RFC 7523).

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;
use webpki::{EndEntityCert, RawPublicKeyEntity};

use super::super::state::Shared;
use super::super::users::Client;
use super::oauth::Denial;

/// How far ahead an assertion may expire (public documentation of the flow: 3 minutes; earlier 5).
const LIFETIME_MAX: Duration = Duration::from_mins(5);

const INVALID: Denial = Denial("invalid_grant", "invalid assertion");
const AUDIENCE: Denial = Denial("invalid_grant", "audience is invalid");

/// An assertion that has been taken apart.
#[derive(Debug)]
pub(super) struct Assertion<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Value,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    /// What `sub` was in the drafts.
    prn: Option<String>,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    exp: Value,
    #[serde(default)]
    nbf: Value,
}

impl<'a> Assertion<'a> {
    /// Takes `text` apart; nothing in it is to be believed yet.
    pub(super) fn parse(text: &'a str) -> Result<Self, Denial> {
        let (signed, signature) = text.rsplit_once('.').ok_or(INVALID)?;
        let (header, claims) = signed.split_once('.').ok_or(INVALID)?;
        let header: Header = part(header)?;
        // RFC 7515, 4.1.11: what is critical and not understood must be refused.
        if header.alg != "RS256" || !header.crit.is_null() {
            return Err(INVALID);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| INVALID)?;
        Ok(Self { signed, signature, claims: part(claims)? })
    }

    /// The consumer key of the client that it says to be from.
    pub(super) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// The username that it is for.
    pub(super) fn subject(&self) -> Option<&str> {
        self.claims.sub.as_deref().or(self.claims.prn.as_deref())
    }

    /// Whether the client has signed it.
    pub(super) fn check_signature(&self, client: &Client) -> Result<(), Denial> {
        let pem = client.certificate.as_deref().ok_or(INVALID)?;
        verify(pem, self.signed.as_bytes(), &self.signature).map_err(|_| INVALID)
    }

    /// Whether it is for this server, reached at `origin`, and for the present time.
    pub(super) fn check_claims(&self, shared: &Shared, origin: &str) -> Result<(), Denial> {
        let login =
            if shared.org.sandbox { "https://test.salesforce.com" } else { "https://login.salesforce.com" };
        let audience = match &self.claims.aud {
            Value::String(one) => Some(one.as_str()),
            Value::Array(many) => many.first().filter(|_| many.len() == 1).and_then(Value::as_str),
            _ => None,
        };
        if !audience.is_some_and(|audience| audience == login || audience == origin) {
            return Err(AUDIENCE);
        }
        let now = shared.now();
        let expires = time(&self.claims.exp).ok_or(INVALID)?;
        let late = expires <= now || expires > now + LIFETIME_MAX;
        let early = !self.claims.nbf.is_null() && time(&self.claims.nbf).is_none_or(|begins| begins > now);
        if late || early { Err(INVALID) } else { Ok(()) }
    }
}

/// What is wrong with a client's certificate or public key, if anything.
pub(in super::super) fn check_certificate(pem: &str) -> Result<(), String> {
    // No signature is right for it, but whether it is a key of RSA shows.
    match verify(pem, b"", &[0; 256]) {
        Ok(()) | Err(Wrong::Signature) => Ok(()),
        Err(Wrong::Key(what)) => Err(what),
    }
}

/// Why a signature was not found right.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Signature,
    Key(String),
}

/// Checks an RS256 signature with a certificate, whose dates and issuer do not matter, or a public key.
fn verify(pem: &str, signed: &[u8], signature: &[u8]) -> Result<(), Wrong> {
    let key = |error: webpki::Error| Wrong::Key(format!("no certificate or public key of RSA: {error}"));
    let outcome = if let Ok(certificate) = CertificateDer::from_pem_slice(pem.as_bytes()) {
        let certificate = EndEntityCert::try_from(&certificate).map_err(key)?;
        certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed, signature)
    } else {
        let public = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        let public = public.map_err(|_| Wrong::Key("no PEM of a certificate or public key".to_owned()))?;
        let public = RawPublicKeyEntity::try_from(&public).map_err(key)?;
        public.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed, signature)
    };
    outcome.map_err(|error| match error {
        webpki::Error::InvalidSignatureForPublicKey => Wrong::Signature,
        other => key(other),
    })
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Denial> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| INVALID)?;
    serde_json::from_slice(&bytes).map_err(|_| INVALID)
}

/// Seconds since 1970, as a number or its text.
fn time(value: &Value) -> Option<SystemTime> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7515, appendix A.2, and what it signed there.
    const KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
oQIDAQAB
-----END PUBLIC KEY-----
";
    const SIGNED: &str = "\
         eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
         cnVlfQ";
    const SIGNATURE: &str = "\
         cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
         Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d\
         O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
         cN_IoypGlUPQGe77Rw";

    #[test]
    fn the_example_of_the_rfc_is_verified_and_no_altered_one() {
        let text = format!("{SIGNED}.{SIGNATURE}");
        let assertion = Assertion::parse(&text).unwrap();
        assert_eq!((assertion.issuer(), assertion.subject()), ("joe", None));
        assert_eq!(
            time(&assertion.claims.exp),
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1_300_819_380))
        );
        assert_eq!(verify(KEY, SIGNED.as_bytes(), &assertion.signature), Ok(()));
        for at in 0..assertion.signature.len() {
            let mut altered = assertion.signature.clone();
            altered[at] ^= 1;
            assert_eq!(verify(KEY, SIGNED.as_bytes(), &altered), Err(Wrong::Signature), "{at}");
        }
        assert_eq!(verify(KEY, b"other", &assertion.signature), Err(Wrong::Signature));
    }
}
