use std::path::Path;

use super::{CONNECTION, SINK, problems, read};
use crate::admin::{Config, Listen};

fn server(text: &str) -> Config {
    let text = format!("[admin]\n{text}\n{CONNECTION}{SINK}");
    read(&text).unwrap_or_else(|problems| panic!("{problems}")).0.admin.unwrap()
}

fn wrong(text: &str) -> String {
    problems(&format!("[admin]\n{text}\n{CONNECTION}{SINK}"))
}

#[test]
fn addresses_and_hosts_are_read() {
    assert_eq!(
        server("listen = \"127.0.0.1:9464\""),
        Config { listen: Listen::Tcp("127.0.0.1:9464".parse().unwrap()), token: None, hosts: Vec::new() }
    );
    assert_eq!(server("listen = \"[::1]:0\"").listen.to_string(), "[::1]:0");
    let socket = server("listen = \"unix:/run/cometail/admin.sock\"").listen;
    assert_eq!(socket, Listen::Unix(Path::new("/run/cometail/admin.sock").to_owned()));
    let open = server(
        "listen = \"0.0.0.0:9464\"\ntoken.env = \"ADMIN\"\nhosts = [\"a.example:80\", \"b\", \"[::1]:8\"]",
    );
    assert_eq!(open.token.unwrap().expose(), "hush-hush-hush-hush");
    assert_eq!(open.hosts, ["a.example:80", "b", "[::1]:8"]);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    for (text, found, hint) in [
        ("hosts = []", "1:2: admin.listen", "wanted an address such as"),
        ("listen = \"localhost:9464\"", "found \"localhost:9464\"", "write 127.0.0.1 for localhost"),
        ("listen = \"/run/a.sock\"", "found \"/run/a.sock\"", "write unix: before the path"),
        ("listen = \"unix:a.sock\"", "found \"a.sock\"", "begins with /"),
        ("listen = \"http://127.0.0.1:1\"", "admin.listen: found", "an address is no URL"),
        ("listen = \":9464\"", "found \":9464\"", "every address of this machine"),
        ("listen = \"127.0.0.1\"", "found \"127.0.0.1\"", "IP:PORT, or unix:PATH"),
        ("listen = 9464", "found an integer", "wanted an address such as"),
        ("listen = \"0.0.0.0:9464\"", "found \"0.0.0.0:9464\" without a token", "add token_file"),
        ("listen = \"[::]:9464\"", "found \"[::]:9464\" without a token", "add token_file"),
        ("listen = \"127.0.0.1:1\"\ntoken.env = \"TOKEN\"", "found another token", "openssl rand -hex 32"),
        (
            "listen = \"127.0.0.1:1\"\ntoken_file = { env = \"ADMIN\" }",
            "admin.token_file: found a table",
            "wanted a path",
        ),
        (
            "listen = \"127.0.0.1:1\"\ntoken.env = \"ADMIN\"\ntoken_file = \"/x\"",
            "both token_file and token",
            "one of them",
        ),
        (
            "listen = \"127.0.0.1:1\"\nhosts = [\"*.example\"]",
            "admin.hosts[0]: found \"*.example\"",
            "no wildcards",
        ),
        ("listen = \"127.0.0.1:1\"\nhosts = [\"http://a\"]", "admin.hosts[0]", "leave out the scheme"),
        (
            "listen = \"127.0.0.1:1\"\nhosts = [\"a:b\"]",
            "admin.hosts[0]: found \"a:b\"",
            "as a browser shows it",
        ),
        (
            "listen = \"127.0.0.1:1\"\nhosts = [\"a:\", \"a:70000\", \"\", \"u@a\", \"a b\"]",
            "admin.hosts[4]",
            "with the port",
        ),
        ("listen = \"127.0.0.1:1\"\ntokens = 1", "admin.tokens: found an unknown key", "did you mean token?"),
    ] {
        let told = wrong(text);
        assert!(told.contains(found) && told.contains(hint), "{text}:\n{told}");
    }
    let long = format!("listen = \"unix:/{}\"", "a".repeat(92));
    assert!(wrong(&long).contains("at most 92 bytes"));
    let hosts = vec!["\"a\""; 65].join(", ");
    assert!(wrong(&format!("listen = \"127.0.0.1:1\"\nhosts = [{hosts}]")).contains("found 65 of them"));
}
