//! The JWT bearer grant.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cometail::emulator::{Config, Seed};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::client::Client;
use super::keys::{PUBLIC_KEY, sign};
use super::login::{ask, config, denial, form, grant, is_good, whose};
use super::start;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn header() -> Value {
    json!({"alg": "RS256"})
}

/// Claims that are good, but for those that `changed` replaces or, by null, removes.
fn claims(changed: &Value) -> Value {
    let mut claims = json!({
        "iss": "plain", "sub": "ada@example.com", "aud": "https://login.salesforce.com", "exp": now() + 180,
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn refusal(address: SocketAddr, assertion: &str) -> (String, String) {
    denial(address, &[("grant_type", GRANT), ("assertion", assertion)]).await
}

#[tokio::test]
async fn a_good_assertion_gives_a_token_for_its_subject() {
    let address = start(config()).await;
    for (changed, user) in [
        (json!({}), "ada@example.com"),
        (json!({"aud": "http://x"}), "ada@example.com"),
        (json!({"aud": ["http://x"]}), "ada@example.com"),
        (json!({"exp": (now() + 60).to_string()}), "ada@example.com"),
        (json!({"nbf": now(), "iat": now(), "jti": "1"}), "ada@example.com"),
        (json!({"sub": null, "prn": "ada@example.com"}), "ada@example.com"),
        (json!({"iss": "strict", "sub": "Token@example.com"}), "token@example.com"),
    ] {
        let assertion = sign(&header(), &claims(&changed));
        let granted = grant(address, &[("grant_type", GRANT), ("assertion", &assertion)]).await;
        let names: Vec<_> = granted.keys().map(String::as_str).collect();
        assert_eq!(names, ["access_token", "id", "instance_url", "scope", "token_type"]);
        assert!(is_good(address, &granted["access_token"]).await);
        assert_eq!(whose(address, &granted["access_token"]).await, user, "{changed}");
    }
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused_in_salesforces_words() {
    let address = start(config()).await;
    let invalid = ("invalid_grant", "invalid assertion");
    let audience = ("invalid_grant", "audience is invalid");
    let stranger = ("invalid_grant", "user hasn't approved this consumer");
    let client = ("invalid_client_id", "client identifier invalid");
    for (changed, (error, description)) in [
        (json!({"iss": "nobody"}), client),
        (json!({"iss": null}), invalid),
        (json!({"iss": "rotating"}), invalid),
        (json!({"aud": "https://test.salesforce.com"}), audience),
        (json!({"aud": "https://login.salesforce.com/"}), audience),
        (json!({"aud": ["http://x", "https://login.salesforce.com"]}), audience),
        (json!({"aud": null}), audience),
        (json!({"exp": now() - 1}), invalid),
        (json!({"exp": now() + 310}), invalid),
        (json!({"exp": null}), invalid),
        (json!({"exp": "soon"}), invalid),
        (json!({"exp": -1}), invalid),
        (json!({"exp": 1e300}), invalid),
        (json!({"nbf": now() + 60}), invalid),
        (json!({"nbf": "x"}), invalid),
        (json!({"sub": "nobody@example.com"}), stranger),
        (json!({"sub": null}), stranger),
        (json!({"iss": "strict"}), stranger),
        (json!({"sub": "gone@example.com"}), ("inactive_user", "user is inactive")),
    ] {
        let wanted = (error.to_owned(), description.to_owned());
        assert_eq!(refusal(address, &sign(&header(), &claims(&changed))).await, wanted, "{changed}");
    }
}

#[tokio::test]
async fn an_assertion_that_nobody_signed_so_is_refused() {
    let address = start(config()).await;
    let good = sign(&header(), &claims(&json!({})));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let altered =
        format!("{}.{}.{signature}", part(&header()), part(&claims(&json!({"sub": "token@example.com"}))));
    let mut assertions = vec![
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.AAAA"),
        format!("{good}."),
        format!("{good}="),
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims(&json!({})))),
        altered,
        format!("!.{signature}"),
        format!("{}.{}.{signature}", part(&header()), URL_SAFE_NO_PAD.encode("[]")),
    ];
    for header in [
        json!({"alg": "HS256"}),
        json!({"alg": "RS512"}),
        json!({"alg": "none"}),
        json!({}),
        json!([]),
        json!({"alg": "RS256", "crit": ["exp"]}),
    ] {
        assertions.push(sign(&header, &claims(&json!({}))));
    }
    for assertion in assertions {
        let wanted = ("invalid_grant".to_owned(), "invalid assertion".to_owned());
        assert_eq!(refusal(address, &assertion).await, wanted, "{assertion}");
    }
    assert_eq!(ask(address, &[("grant_type", GRANT), ("assertion", &good)]).await.status, 200);
}

#[tokio::test]
async fn a_sandbox_wants_another_audience() {
    let text = format!(
        "org.sandbox = true\n[client.plain]\ncertificate = '''{PUBLIC_KEY}'''\n[user.\"ada@example.com\"]\npassword = \"p\""
    );
    let seed = Seed::parse(&text, std::path::Path::new("")).unwrap();
    let address = start(Config { seed, ..Config::default() }).await;
    let of = |audience: &str| sign(&header(), &claims(&json!({"aud": audience})));
    assert_eq!(refusal(address, &of("https://login.salesforce.com")).await.1, "audience is invalid");
    let good = of("https://test.salesforce.com");
    grant(address, &[("grant_type", GRANT), ("assertion", &good)]).await;
}

#[tokio::test]
async fn a_skewed_clock_refuses_what_its_date_header_lets_a_client_correct() {
    for skew in [600, -600] {
        let address = start(Config { clock_skew: SignedDuration::from_secs(skew), ..config() }).await;
        let fields = |exp: i64| sign(&header(), &claims(&json!({"exp": exp})));
        let body = form(&[("grant_type", GRANT), ("assertion", &fields(now() + 180))]);
        let response = Client::new(address, "").await.request("POST", "/services/oauth2/token", &body).await;
        assert_eq!(
            (response.status, &response.json()["error_description"]),
            (400, &json!("invalid assertion"))
        );
        let date = response.head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        let date = httpdate::parse_http_date(&restore_case(date)).unwrap();
        let server: i64 = date.duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
        assert!((server - now() - skew).abs() < 20, "{skew}");
        grant(address, &[("grant_type", GRANT), ("assertion", &fields(server + 180))]).await;
    }
}

/// The test's client has put heads into small letters.
fn restore_case(date: &str) -> String {
    let mut words: Vec<String> = date.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    words.pop();
    words.join(" ") + " GMT"
}

#[tokio::test]
async fn other_dates_of_the_clock_are_consistent() {
    let ahead = Duration::from_hours(24 * 365);
    let address = start(Config { clock_skew: SignedDuration::try_from(ahead).unwrap(), ..config() }).await;
    let granted = grant(address, &super::login::ADA).await;
    let issued_at: u64 = granted["issued_at"].parse().unwrap();
    let wanted = SystemTime::now() + ahead;
    let difference = wanted.duration_since(UNIX_EPOCH + Duration::from_millis(issued_at)).unwrap();
    assert!(difference < Duration::from_secs(20), "{difference:?}");
}
