//! Where an org may be: the hosts that a login's reply may send a token to.
//!
//! Constraints: a host is Salesforce's by its last labels, never by a text that ends alike; it is spoken to over TLS. The
//! hosts of the configuration are taken as they are, and over plain HTTP only where the configuration itself says so, as
//! it does for the emulator.

use url::{Host, Url};

/// The domains of Salesforce under which orgs are. The last two are those of the US government's cloud and of China.
const DOMAINS: [&str; 7] = [
    "salesforce.com",
    "force.com",
    "cloudforce.com",
    "database.com",
    "salesforce.mil",
    "crmforce.mil",
    "sfcrmproducts.cn",
];

/// The origin of `url`, as a URL, when tokens may be sent there; `configured` are the URLs that a person wrote.
pub(super) fn allowed(url: &Url, configured: &[&Url]) -> Result<Url, String> {
    let secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(String::from("it is neither https nor http")),
    };
    let Some(host) = url.host() else { return Err(String::from("it names no host")) };
    let same = |known: &&&Url| known.host().as_ref() == Some(&host);
    let known: Vec<_> = configured.iter().filter(same).collect();
    if !secure && !known.iter().any(|known| known.scheme() == "http") {
        return Err(format!("{host} would be spoken to over plain HTTP"));
    }
    if known.is_empty() && !is_salesforce(&host) {
        return Err(format!("{host} is neither the configured host nor one of Salesforce's"));
    }
    origin(url)
}

/// Scheme, host and port.
fn origin(url: &Url) -> Result<Url, String> {
    Url::parse(&url.origin().ascii_serialization()).map_err(|error| error.to_string())
}

fn is_salesforce(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else { return false };
    let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    DOMAINS.iter().any(|domain| below(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, configured: &str) -> Result<String, String> {
        let configured = Url::parse(configured).unwrap();
        allowed(&Url::parse(url).unwrap(), &[&configured]).map(String::from)
    }

    #[test]
    fn the_hosts_of_salesforce_are_followed() {
        for (url, origin) in [
            ("https://na1.salesforce.com/services/Soap/u/35.0/00D", "https://na1.salesforce.com/"),
            ("https://Acme.my.salesforce.com:443", "https://acme.my.salesforce.com/"),
            ("https://acme--uat.sandbox.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com/"),
            ("https://acme.my.salesforce.mil", "https://acme.my.salesforce.mil/"),
            ("https://acme.cloudforce.com", "https://acme.cloudforce.com/"),
            ("https://acme.database.com", "https://acme.database.com/"),
            ("https://acme.force.com", "https://acme.force.com/"),
            ("https://user:pass@acme.my.salesforce.com/x?y#z", "https://acme.my.salesforce.com/"),
        ] {
            assert_eq!(of(url, "https://login.salesforce.com").as_deref(), Ok(origin), "{url}");
        }
    }

    #[test]
    fn no_other_host_is() {
        for url in [
            "https://evil.example",
            "https://evilsalesforce.com",
            "https://salesforce.com.evil.example",
            "https://acme.salesforce.com.",
            "https://salesforce.com",
            "https://evil.example/acme.my.salesforce.com",
            "https://acme.my.salesforce.com@evil.example",
            "https://acme.my.salesforce.co",
            "https://s\u{430}lesforce.com",
            "https://acme.s\u{430}lesforce.com",
            "https://127.0.0.1",
            "https://[::1]",
            "http://acme.my.salesforce.com",
            "ftp://acme.my.salesforce.com",
            "javascript:alert(1)",
        ] {
            assert!(of(url, "https://login.salesforce.com").is_err(), "{url}");
        }
    }

    #[test]
    fn the_configured_host_is_taken_as_it_is_written() {
        assert!(of("https://login.acme.example:8443", "https://login.acme.example").is_ok());
        assert!(of("http://127.0.0.1:8080/x", "http://127.0.0.1:9090").is_ok());
        assert!(of("https://127.0.0.1:8080", "http://127.0.0.1:9090").is_ok());
        assert!(of("http://login.acme.example", "https://login.acme.example").is_err(), "never down to HTTP");
        assert!(of("http://127.0.0.2:9090", "http://127.0.0.1:9090").is_err());
        assert!(of("http://acme.my.salesforce.com", "http://127.0.0.1:9090").is_err());
        assert!(of("https://sub.login.acme.example", "https://login.acme.example").is_err());
    }
}
