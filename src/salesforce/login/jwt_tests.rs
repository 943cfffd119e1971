//! Assertions against another implementation: keys are made, and signatures verified, by the program `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A directory with keys of every kind in it.
fn keys() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8.pem",
        "rsa -in pkcs8.pem -traditional -out pkcs1.pem",
        "rsa -in pkcs8.pem -pubout -out public.pem",
        "pkcs8 -topk8 -in pkcs8.pem -passout pass:hush -out encrypted.pem",
        "rsa -in pkcs8.pem -traditional -aes128 -passout pass:hush -out encrypted1.pem",
        "req -x509 -key pkcs8.pem -subj /CN=x -out certificate.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec8.pem",
        "ec -in ec8.pem -out ec1.pem",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.pem",
    ] {
        openssl(dir.path(), arguments);
    }
    dir
}

fn openssl(dir: &Path, arguments: &str) -> String {
    let run = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
    let run = run.expect("the program openssl verifies what this room signs");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "openssl {arguments}: {said}");
    String::from_utf8(run.stdout).unwrap()
}

fn pem(path: PathBuf) -> Secret<String> {
    Secret::new(std::fs::read_to_string(path).unwrap())
}

const CLAIMS: Claims<'_> = Claims {
    issuer: "3MVG99OxTyEMCQ3gNp2PjkqeZKxnmAiG1xV4oHh9AKL_rSK.BoSVPGZHQukXnVjzRgSuQqGn75NL7yfkQcyy7",
    subject: "my\"user\"@example.com",
    audience: "https://login.salesforce.com",
};

#[test]
fn assertions_are_verified_by_another_implementation() {
    let dir = keys();
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
    for name in ["pkcs8.pem", "pkcs1.pem"] {
        let key = key(&pem(dir.path().join(name))).unwrap();
        let assertion = CLAIMS.sign(&key, now).unwrap();
        let parts: Vec<_> = assertion.expose().split('.').collect();
        let decoded = |index: usize| URL_SAFE_NO_PAD.decode(parts[index]).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&decoded(0)).unwrap();
        assert_eq!(header, serde_json::json!({"alg": "RS256"}));
        let payload: serde_json::Value = serde_json::from_slice(&decoded(1)).unwrap();
        let claims = serde_json::json!({"iss": CLAIMS.issuer, "sub": CLAIMS.subject, "aud": CLAIMS.audience,
            "exp": 1_700_000_180});
        assert_eq!(payload, claims);
        std::fs::write(dir.path().join("signed"), format!("{}.{}", parts[0], parts[1])).unwrap();
        std::fs::write(dir.path().join("signature"), decoded(2)).unwrap();
        let said = openssl(dir.path(), "dgst -sha256 -verify public.pem -signature signature signed");
        assert_eq!((parts.len(), said.trim()), (3, "Verified OK"), "{name}");
    }
}

#[test]
fn other_keys_are_refused_by_name() {
    let dir = keys();
    std::fs::write(dir.path().join("none.pem"), "hush").unwrap();
    let broken = "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----\n";
    std::fs::write(dir.path().join("broken.pem"), broken).unwrap();
    for (name, why) in [
        ("encrypted.pem", "it is encrypted"),
        ("encrypted1.pem", "it is encrypted"),
        ("ec8.pem", "it is no RSA key"),
        ("ec1.pem", "it is an EC key"),
        ("small.pem", "less than 2048 bits"),
        ("public.pem", "it holds the public key"),
        ("certificate.pem", "it holds the certificate"),
        ("none.pem", "no private key in PEM"),
        ("broken.pem", "no valid RSA key"),
    ] {
        let text = pem(dir.path().join(name));
        let trouble = key(&text).unwrap_err();
        assert!(trouble.reason.contains(why), "{name}: {trouble:?}");
        let body = text.expose().lines().find(|line| line.len() >= 60).unwrap_or("hush");
        assert!(!trouble.reason.contains(body), "{name}: {trouble:?}");
    }
}

#[test]
fn a_key_may_stand_after_its_certificate() {
    let dir = keys();
    let both = ["certificate.pem", "pkcs8.pem"].map(|name| pem(dir.path().join(name)).expose().clone());
    assert!(key(&Secret::new(both.concat())).is_ok());
}

#[test]
fn the_servers_clock_corrects_ours_beyond_half_a_minute() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let mut clock = Clock::default();
    assert_eq!(clock.at(at(1_000)), at(1_000));
    assert!(!clock.learn(at(1_000), at(1_030)) && !clock.learn(at(1_000), at(970)));
    assert!(clock.learn(at(1_000), at(1_600)));
    assert_eq!((clock.skew(), clock.at(at(2_000))), (600, at(2_600)));
    assert!(!clock.learn(at(2_000), at(2_610)), "it is known by now");
    assert!(clock.learn(at(3_000), at(3_000)), "ours was set right");
    assert_eq!((clock.skew(), clock.at(at(3_000))), (0, at(3_000)));
    assert!(clock.learn(at(10_000), at(1_000)));
    assert_eq!((clock.skew(), clock.at(at(10_001))), (-9_000, at(1_001)));
}
