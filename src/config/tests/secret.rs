//! Secrets in every wrong place: none is shown.

use super::{CONNECTION, SINK, read};

/// Not a variable's name, not a path, and nothing a hint would suggest.
const SECRET: &str = "00D5e0!AQ.hush";

#[test]
fn a_secret_in_a_wrong_place_is_not_shown() {
    for line in [
        "login = \"SECRET\"",
        "login.token = \"SECRET\"",
        "login.token = [\"SECRET\"]",
        "login.token.env = \"SECRET\"",
        "login.token.env = \"hush\"",
        "login.token.file = \"SECRET\"",
        "login.token.file = [\"SECRET\"]",
        "login.password = \"SECRET\"",
        "login.token.value = \"SECRET\"",
        "token = \"SECRET\"",
        "login.token = SECRET",
        "login.token.file = \"SECRET",
        "login.token = { file = \"SECRET\" \"SECRET\" }",
        "proxy = \"http://user:SECRET@proxy:1\"",
        "proxy = \"user:SECRET@proxy:1\"",
        "proxy = \"http://us er:SECRET@pro xy:1\"",
        "[admin]\nlisten = \"0.0.0.0:1\"\ntoken = \"SECRET\"",
        "[admin]\nlisten = \"0.0.0.0:1\"\ntoken_file = \"SECRET\"",
        "[admin]\nlisten = \"0.0.0.0:1\"\ntoken = { env = \"SECRET\" }",
        "[sink.h.webhook]\nurl = \"https://user:SECRET@h/\"",
        "[sink.h.webhook]\nurl = \"https://hooks.example:x/SECRET\"",
        "[sink.h.webhook]\nurl = \"hooks.example/SECRET\"",
        "[sink.h.webhook]\nurl = \"https://h?SECRET#x\"",
        "[sink.h.webhook]\nurl = \"https://h\"\nheaders = { X-A = \"SECRET\\n\" }",
        "[sink.h.webhook]\nurl = \"https://h\"\nheaders = { X-A = { value = \"SECRET\" } }",
        "[sink.h.webhook]\nurl = \"https://h\"\nheaders = { X-A = { env = \"SECRET\" } }",
        "[sink.h.webhook]\nurl = \"https://h\"\nheaders = { Host = \"SECRET\" }",
        "[sink.h.webhook]\nurl = \"https://h\"\nheaders = \"SECRET\"",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecret = \"SECRET\"",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecret = { value = \"SECRET\" }",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecret = { env = \"SECRET\" }",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecret = { file = \"SECRET\" }",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecrets = \"SECRET\"",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecrets = [\"SECRET\"]",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecrets = [{ env = \"LONG\" }, { env = \"TOKEN\" }]",
        "[sink.h.webhook]\nurl = \"https://h\"\nsecrets = [{ env = \"BROKEN\" }, { env = \"SAME\" }]",
    ] {
        let text = format!("{CONNECTION}{}\n{SINK}", line.replace("SECRET", SECRET));
        let report = read(&text).map(|_| ()).unwrap_err();
        for shown in [report.to_string(), format!("{report:?}")] {
            assert!(!shown.contains("hush"), "{line}: {shown}");
            assert!(shown.contains("x.toml"), "{line}: it is reported");
        }
    }
}

#[test]
fn a_good_token_is_not_in_debug() {
    let text = format!("{CONNECTION}login.token.env = \"TOKEN\"\n{SINK}");
    let (config, _) = read(&text).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn token_files_are_read_and_bad_ones_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let shown = path.display();
    let text = format!("{CONNECTION}login.token.file = \"{shown}\"\n{SINK}");
    for (bytes, found) in [
        (&b" \n"[..], format!("a file that is empty [{shown}]")),
        (b"00D!\xff", format!("a file that is not UTF-8 [{shown}]")),
        (b"00D!hush\n00D!hush\n", format!("a file that is more than one line [{shown}]")),
        ("x".repeat(65_537).as_bytes(), format!("more than 64KiB [{shown}]")),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            read(&text).map(|_| ()).unwrap_err().to_string(),
            format!(
                "x.toml:4:20: connection.a.login.token.file: found {found}, wanted a file with one line of text\n1 problem"
            )
        );
    }
    let text = text.replace(&format!("{shown}"), &dir.path().display().to_string());
    let report = read(&text).map(|_| ()).unwrap_err().to_string();
    assert!(report.contains("a file that cannot be read: not a regular file"), "{report}");
}

#[cfg(unix)]
#[test]
fn a_token_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "00D!hush\n").unwrap();
    let shown = path.display();
    let text = format!("{CONNECTION}login.token.file = \"{shown}\"\n{SINK}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        read(&text).unwrap().1.to_string(),
        format!(
            "x.toml:4:20: connection.a.login.token.file: found a secret that every user of this machine can read \
             [{shown}], wanted a file of mode 0600 or 0640 (chmod o-rwx)"
        )
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(read(&text).unwrap().1.as_slice(), []);
}
