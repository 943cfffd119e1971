//! The assertion of a JWT login: a claim about a user, signed with the key of a connected app.
//!
//! Constraints: RS256 alone, with an RSA key of 2048 to 4096 bits; a key never stands in an error. The server accepts an
//! assertion within five minutes of its own clock, so the clock that an assertion is made by can be corrected.
//!
//! Format: RFC 7515 (compact), RFC 7519 and RFC 7523: `iss` the consumer key, `sub` the user, `aud` the login host, `exp`.
//! Keys in PEM: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`), not encrypted.
//!
//! Operations: [`key`], [`Claims::sign`]; [`Clock`] for the time.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::trouble::Trouble;
use crate::secret::Secret;

/// How long an assertion holds. Salesforce wants five minutes at most; what is left is for clocks that differ.
const HOLDS: Duration = Duration::from_mins(3);

/// Clocks that differ by no more are taken as equal.
const SKEW_MIN: Duration = Duration::from_secs(30);

/// What an assertion claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) audience: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    /// Seconds since 1970.
    exp: u64,
}

impl Claims<'_> {
    /// The assertion as it is at `now`.
    pub(super) fn sign(&self, key: &RsaKeyPair, now: SystemTime) -> Result<Secret<String>, Trouble> {
        let unsigned = |what: &str| Trouble::odd(format!("the assertion cannot be made: {what}")).unsent();
        let since =
            now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| unsigned("the clock is before 1970"))?;
        let exp = since.saturating_add(HOLDS).as_secs();
        let payload = Payload { iss: self.issuer, sub: self.subject, aud: self.audience, exp };
        let payload = serde_json::to_vec(&payload).map_err(|error| unsigned(&error.to_string()))?;
        let mut assertion = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256"}"#);
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut assertion);
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), assertion.as_bytes(), &mut signature)
            .map_err(|_| unsigned("the key does not sign"))?;
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        Ok(Secret::new(assertion))
    }
}

/// The private key in a PEM file.
pub(super) fn key(pem: &Secret<String>) -> Result<RsaKeyPair, Trouble> {
    let refused =
        |what: &str| Trouble::refused(format!("the key of the login cannot be used: {what}")).unsent();
    let text = pem.expose();
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(refused("it is encrypted; give it without a passphrase, readable for this user alone"));
    }
    let Ok(found) = PrivateKeyDer::from_pem_slice(text.as_bytes()) else {
        let what = "there is no private key in PEM in it (PRIVATE KEY or RSA PRIVATE KEY)";
        return Err(refused(&format!("{what}{}", instead(text))));
    };
    let found = Secret::new(found);
    let pair = match found.expose() {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(refused("it is an EC key; Salesforce takes RS256, which wants an RSA key")),
    };
    pair.map_err(|error| match error.to_string().as_str() {
        "WrongAlgorithm" => refused("it is no RSA key; Salesforce takes RS256, which wants one"),
        "TooSmall" => refused("it is an RSA key of less than 2048 bits"),
        "TooLarge" => refused("it is an RSA key of more than 4096 bits"),
        other => refused(&format!("it is no valid RSA key ({other})")),
    })
}

/// What a file holds in the place of a key.
fn instead(text: &str) -> &'static str {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        "; it holds the certificate, which is for the server"
    } else if text.contains("PUBLIC KEY-----") {
        "; it holds the public key, which is for the server"
    } else {
        ""
    }
}

/// The time by which assertions are made: our own, corrected by what the server's `Date` said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// How far the server's clock is from ours, in seconds; positive when it is ahead.
    skew: i64,
}

impl Clock {
    /// The time at the server, where it is `ours` here.
    pub(super) fn at(self, ours: SystemTime) -> SystemTime {
        let by = Duration::from_secs(self.skew.unsigned_abs());
        let moved = if self.skew < 0 { ours.checked_sub(by) } else { ours.checked_add(by) };
        moved.unwrap_or(ours)
    }

    /// Learns that it was `theirs` at the server where it was `ours` here; whether assertions were made at a wrong time.
    pub(super) fn learn(&mut self, ours: SystemTime, theirs: SystemTime) -> bool {
        let believed = self.at(ours);
        let off = believed.duration_since(theirs).or_else(|_| theirs.duration_since(believed));
        if off.is_ok_and(|off| off <= SKEW_MIN) {
            return false;
        }
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.skew = match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        true
    }

    /// How far the server's clock is ahead of ours, in seconds; zero where it is near, or not known.
    pub(super) const fn skew(self) -> i64 {
        self.skew
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
