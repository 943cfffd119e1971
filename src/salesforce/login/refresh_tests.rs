//! Rotated tokens on real files.

use std::path::Path;

use super::*;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn opened(store: &mut Store, first: &str) -> Result<String, String> {
    store
        .open(secret(first))
        .await
        .map(|opened| opened.token.expose().clone())
        .map_err(|trouble| trouble.reason)
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_rotated_token_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refresh.json");
    let mut store = Store::new(Some(path.clone()));
    store.open(secret("one-hush")).await.unwrap().rotate(secret("two-hush")).await;
    assert_eq!(opened(&mut store, "one-hush").await.unwrap(), "two-hush");
    #[cfg(unix)]
    assert_eq!((mode(&path), mode(&dir.path().join("refresh.json.lock"))), (0o600, 0o600));
    let mut again = Store::new(Some(path.clone()));
    assert_eq!(opened(&mut again, "one-hush").await.unwrap(), "two-hush");
    assert_eq!(opened(&mut again, "three").await.unwrap(), "three", "a person gave another");
    assert_eq!(opened(&mut again, "one-hush").await.unwrap(), "one-hush");
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 2, "nothing half written is left");
}

#[tokio::test]
async fn without_a_file_it_lives_as_long_as_the_process() {
    let mut store = Store::new(None);
    store.open(secret("one")).await.unwrap().rotate(secret("two")).await;
    assert_eq!(opened(&mut store, "one").await.unwrap(), "two");
    assert_eq!(opened(&mut store, "other").await.unwrap(), "other");
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_used_and_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let path = gone.join("refresh.json");
    let mut store = Store::new(Some(path.clone()));
    let reason = opened(&mut store, "one-hush").await.unwrap_err();
    assert!(reason.contains("cannot be used") && !reason.contains("hush"), "{reason}");
    std::fs::create_dir(&gone).unwrap();
    let opened_one = store.open(secret("one-hush")).await.unwrap();
    std::fs::remove_dir_all(&gone).unwrap();
    opened_one.rotate(secret("two-hush")).await;
    assert!(opened(&mut store, "one-hush").await.is_err(), "the directory is not there");
    std::fs::create_dir(&gone).unwrap();
    assert_eq!(opened(&mut store, "one-hush").await.unwrap(), "two-hush");
    assert_eq!(opened(&mut Store::new(Some(path)), "one-hush").await.unwrap(), "two-hush");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_said_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refresh.json");
    for text in ["", "hush", "{\"version\":2,\"first\":\"x\",\"refresh_token\":\"hush\"}"] {
        private::write(&path, secret(text)).await.unwrap();
        let reason = opened(&mut Store::new(Some(path.clone())), "one").await.unwrap_err();
        assert!(!reason.contains("hush"), "{reason}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let reason = opened(&mut Store::new(Some(path.clone())), "one").await.unwrap_err();
        assert!(reason.contains("0600"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_uses_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refresh.json");
    let mut first = Store::new(Some(path.clone()));
    let held = first.open(secret("one")).await.unwrap();
    let mut second = Store::new(Some(path));
    let waiting = tokio::spawn(async move { opened(&mut second, "one").await });
    // The other cannot end before this one has rotated: what it sees is the new token, whenever it looks.
    held.rotate(secret("two")).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "two");
}
