//! Signatures as version 1 of the Standard Webhooks specification has them.
//!
//! * Signed is `{webhook-id}.{webhook-timestamp}.{body}`, by HMAC-SHA256 with each key.
//! * `webhook-signature` is `v1,` and the signature in base64, once for each key, with spaces between them: while
//!   keys are rotated, a receiver needs only one that it knows.
//! * A secret that starts with `whsec_` is a key in base64; any other text is the key itself, byte for byte (the
//!   specification knows only the former). Keys have 24 to 64 bytes, as the specification says.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::STANDARD as PADDED;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What keys in base64 start with.
const PREFIX: &str = "whsec_";
/// What the keys of the specification's other scheme (ed25519) start with.
const ASYMMETRIC: [&str; 2] = ["whsk_", "whpk_"];
/// The shortest and the longest key, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// A key of fewer different bytes was not drawn at random.
const DIFFERENT_MIN: usize = 5;
/// The length of one signature, with its version and a space.
const SIGNATURE_LEN: usize = 48;
/// Base64 whose padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A symmetric key; never printed, wiped on drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Secret<Vec<u8>>);

/// Why a text is no key; nothing of the text is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// What follows `whsec_` is no base64.
    NotBase64,
    /// Fewer than 24 bytes.
    Short,
    /// More than 64 bytes.
    Long,
    /// Hardly two bytes in it are different.
    Weak,
    /// A key of an asymmetric scheme.
    Asymmetric,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBase64 => "a secret with no base64 after whsec_",
            Self::Short => "a secret of less than 24 bytes",
            Self::Long => "a secret of more than 64 bytes",
            Self::Weak => "a secret that repeats a few bytes",
            Self::Asymmetric => "a key for asymmetric signatures",
        })
    }
}

impl std::error::Error for KeyError {}

impl Key {
    /// The key that a secret stands for.
    pub fn parse(secret: &str) -> Result<Self, KeyError> {
        if ASYMMETRIC.iter().any(|prefix| secret.starts_with(prefix)) {
            return Err(KeyError::Asymmetric);
        }
        let key = match secret.strip_prefix(PREFIX) {
            Some(text) => decode(text)?,
            None => Secret::new(secret.as_bytes().to_vec()),
        };
        check(key.expose())?;
        Ok(Self(key))
    }
}

/// Keys that are ready to sign: what is the same for each signature has been done.
pub(super) struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// With these keys; none where there are none.
    pub(super) fn new(keys: &[Key]) -> Option<Self> {
        let ready = |key: &Key| Hmac::new_from_slice(key.0.expose()).expect("HMAC takes keys of any length");
        (!keys.is_empty()).then(|| Self(keys.iter().map(ready).collect()))
    }

    /// The value of `webhook-signature` for a body that is sent at `timestamp`, in seconds since 1970.
    pub(super) fn signature(&self, id: &[u8], timestamp: u64, body: &[u8]) -> String {
        let mut signatures = String::with_capacity(self.0.len() * SIGNATURE_LEN);
        let timestamp = format!(".{timestamp}.");
        for ready in &self.0 {
            let mut mac = ready.clone();
            for part in [id, timestamp.as_bytes(), body] {
                mac.update(part);
            }
            signatures.push_str(if signatures.is_empty() { "v1," } else { " v1," });
            PADDED.encode_string(mac.finalize().into_bytes(), &mut signatures);
        }
        signatures
    }
}

/// Into a buffer that is wiped, whatever comes of it.
fn decode(text: &str) -> Result<Secret<Vec<u8>>, KeyError> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64.decode_slice(text, bytes.as_mut_slice()).map_err(|_| KeyError::NotBase64)?;
    let key = bytes.get(..length).unwrap_or_default();
    Ok(Secret::new(key.to_vec()))
}

fn check(key: &[u8]) -> Result<(), KeyError> {
    let different: std::collections::BTreeSet<_> = key.iter().collect();
    match key.len() {
        length if length < *LENGTH.start() => Err(KeyError::Short),
        length if length > *LENGTH.end() => Err(KeyError::Long),
        _ if different.len() < DIFFERENT_MIN => Err(KeyError::Weak),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference libraries of the specification sign.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &[u8] = b"msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signature(keys: &[Key], id: &[u8], timestamp: u64, body: &[u8]) -> String {
        Signer::new(keys).unwrap().signature(id, timestamp, body)
    }

    #[test]
    fn the_published_example_has_its_published_signature() {
        let keys = [Key::parse(SECRET).unwrap()];
        assert_eq!(signature(&keys, ID, 1_614_265_330, br#"{"test": 2432232314}"#), SIGNATURE);
    }

    #[test]
    fn each_key_signs_and_the_first_comes_first() {
        let other = Key::parse("a text of 24 bytes, raw.").unwrap();
        let known = Key::parse(SECRET).unwrap();
        let both = signature(&[other.clone(), known], ID, 1_614_265_330, br#"{"test": 2432232314}"#);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert_eq!(first, signature(&[other], ID, 1_614_265_330, br#"{"test": 2432232314}"#));
    }

    #[test]
    fn a_key_has_24_to_64_bytes_and_padding_may_be_missing() {
        let coded = |length: u8| format!("whsec_{}", PADDED.encode((0..length).collect::<Vec<_>>()));
        for length in [24, 25, 26, 64] {
            let key = Key::parse(&coded(length)).unwrap();
            assert_eq!(key.0.expose(), &(0..length).collect::<Vec<_>>());
            let bare = coded(length).trim_end_matches('=').to_owned();
            assert_eq!(Key::parse(&bare).unwrap().0, key.0);
        }
        assert_eq!(Key::parse("a text of 24 bytes, raw.").unwrap().0.expose(), b"a text of 24 bytes, raw.");
        for (secret, error) in [
            (coded(23), KeyError::Short),
            (coded(65), KeyError::Long),
            ("whsec_".to_owned(), KeyError::Short),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w".to_owned(), KeyError::NotBase64),
            (String::new(), KeyError::Short),
            ("a text of 23 bytes, raw".to_owned(), KeyError::Short),
            ("a long text ".repeat(6), KeyError::Long),
            ("changeme".to_owned(), KeyError::Short),
            ("abab".repeat(8), KeyError::Weak),
            (format!("whsec_{}", "A".repeat(40)), KeyError::Weak),
            (SECRET.replace("whsec_", "whsk_"), KeyError::Asymmetric),
            (SECRET.replace("whsec_", "whpk_"), KeyError::Asymmetric),
        ] {
            assert_eq!(Key::parse(&secret).map(|_| ()), Err(error), "{secret}");
        }
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let key = Key::parse("raw hush, 24 bytes of it").unwrap();
        assert_eq!(format!("{key:?}"), "Key(***)");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(whsec_)?\\PC{0,100}") {
            let _ = Key::parse(&text).map(|key| signature(&[key], b"a", 1, b""));
        }
    }
}
