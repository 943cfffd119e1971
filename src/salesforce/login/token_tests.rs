//! Tokens of files and of the environment.

use std::time::Duration;

use super::*;

const fn login(source: Option<SecretSource>, one_shot: bool) -> Token {
    Token::new(source, one_shot)
}

#[tokio::test]
async fn a_refused_token_is_waited_for_until_the_file_changes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one\n").unwrap();
    let mut token = login(Some(SecretSource::File(file.path().into())), false);
    assert_eq!(token.renew(false).await, Ok(()));
    assert_eq!(token.header().unwrap().expose(), "Bearer one");
    assert!(matches!(token.renew(true).await, Err(Failure { permanent: false, .. })));
    std::fs::write(file.path(), "two").unwrap();
    assert_eq!(token.renew(true).await, Ok(()));
    assert_eq!(token.header().unwrap().expose(), "Bearer two");
}

#[tokio::test]
async fn no_reason_holds_the_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", "  \n", "hush hush", "hush\u{7}"] {
        std::fs::write(file.path(), text).unwrap();
        let mut token = login(Some(SecretSource::File(file.path().into())), true);
        let Err(Failure { reason, permanent: true, .. }) = token.renew(false).await else {
            panic!("{text:?} was taken");
        };
        assert!(!reason.contains("hush"), "{reason}");
    }
    let mut none = login(None, false);
    assert_eq!(none.renew(false).await, Ok(()));
    assert!(matches!(none.renew(true).await, Err(Failure { permanent: true, .. })));
}

fn reason_of(renewed: Result<(), Failure>) -> (String, bool) {
    let failure = renewed.expect_err("a token was handed out");
    (failure.reason, failure.permanent)
}

/// A variable that is not UTF-8, in a child process of this test that has it.
#[cfg(unix)]
#[tokio::test]
async fn a_variable_that_is_no_text_is_not_shown() {
    use std::os::unix::ffi::OsStrExt as _;
    const NAME: &str = "COMETAIL_TEST_ODD_TOKEN";
    if std::env::var_os(NAME).is_some() {
        let mut token = login(Some(SecretSource::Env(NAME.to_owned())), false);
        let (reason, permanent) = reason_of(token.renew(false).await);
        assert!(permanent && reason.contains(NAME) && !reason.contains("hush"), "{reason}");
        return;
    }
    let name = "salesforce::login::token::tests::a_variable_that_is_no_text_is_not_shown";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(NAME, std::ffi::OsStr::from_bytes(b"hush\xffhush"))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && stdout.contains("1 passed"), "{stdout}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_a_regular_file_of_a_tokens_size_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_bits_truncate(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let large = dir.path().join("large");
    std::fs::write(&large, "x".repeat(65_537)).unwrap();
    for (path, why) in [
        (pipe, "not a regular file"),
        (dir.path().to_owned(), "not a regular file"),
        (large, "longer than 65536 bytes"),
        (dir.path().join("none"), "No such file"),
    ] {
        let begun = std::time::Instant::now();
        let mut token = login(Some(SecretSource::File(path)), false);
        let (reason, permanent) = reason_of(token.renew(false).await);
        assert!(reason.contains(why) && !permanent, "{reason}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it was waited for");
    }
}

#[tokio::test]
async fn a_refused_token_that_stays_is_tried_again_from_time_to_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one").unwrap();
    let mut token = login(Some(SecretSource::File(file.path().into())), false);
    assert_eq!(token.renew(false).await, Ok(()));
    for asked in 1..=45 {
        let ready = token.renew(true).await == Ok(());
        assert_eq!(ready, asked % 15 == 0, "{asked}");
    }
    token.one_shot = true;
    for _ in 0..30 {
        assert!(reason_of(token.renew(true).await).1, "a person watches");
    }
}

#[tokio::test]
async fn what_was_accepted_once_is_never_given_up_by_a_daemon() {
    let path = SecretSource::Env(String::from("CARGO_PKG_NAME"));
    for (source, one_shot, accepted, ends) in [
        (Some(path.clone()), false, false, true),
        (Some(path.clone()), false, true, false),
        (Some(path), true, true, true),
        (None, false, false, true),
        (None, false, true, false),
    ] {
        let mut token = login(source, one_shot);
        assert_eq!(token.renew(false).await, Ok(()));
        if accepted {
            token.accepted();
        }
        assert_eq!(reason_of(token.renew(true).await).1, ends);
        let mut again = false;
        for _ in 0..20 {
            again |= token.renew(true).await == Ok(());
        }
        assert_eq!(again, !ends);
    }
}
