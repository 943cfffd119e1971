//! Refused tokens, storms of them, caches, and logins that nobody waits for any more.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::super::testing::*;
use super::*;

/// Waits as they are in service.
fn patient() -> Options {
    Options { retry: Options::default().retry, ..options() }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.password(), patient());
    assert!(login.header().is_none() && login.legacy_cookies().is_empty());
    for _ in 0..3 {
        renew(&mut login, false).await.unwrap();
        assert_eq!((number(&login), host.requests().len()), (0, 1));
    }
    let cookies: Vec<_> = login.legacy_cookies().into_iter().map(|(name, _)| name).collect();
    assert_eq!(cookies, ["com.salesforce.LocaleInfo", "login", "sid", "language"]);
    login.accepted();
    renew(&mut login, true).await.unwrap();
    assert_eq!((number(&login), host.requests().len(), login.begun()), (1, 2, 2));
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_waits() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.password(), Options { seed: 7, ..patient() });
    renew(&mut login, false).await.unwrap();
    for _ in 0..100 {
        let failure = renew(&mut login, true).await.unwrap_err();
        assert!(!failure.permanent && failure.after.is_some_and(|after| !after.is_zero()), "{failure:?}");
        assert!(
            failure
                .reason
                .contains("refused the access token that the last login gave; the next login is in")
        );
    }
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn a_storm_of_refusals_stays_within_the_budget() {
    for accepted in [false, true] {
        let host = Host::giving().await;
        let options = Options { logins_per_hour: 5, ..options() };
        let kit = Kit::new(&host.url);
        let mut login = login(kit.password(), options);
        let mut last = Ok(());
        for _ in 0..200 {
            last = renew(&mut login, true).await;
            if accepted {
                login.accepted();
            }
        }
        let failure = last.unwrap_err();
        let after = failure.after.unwrap();
        assert!(!failure.permanent && after > Duration::from_mins(59) && after <= Duration::from_hours(1));
        assert_eq!(host.requests().len(), 5, "{accepted}");
    }
}

#[tokio::test]
async fn a_daemon_that_was_logged_in_once_does_not_give_up_but_locks_nobody_out() {
    let host = Host::start(|number, request| {
        Some(if number == 0 {
            given(number, request)
        } else {
            refusal("invalid_grant", "authentication failure")
        })
    })
    .await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.password(), patient());
    renew(&mut login, false).await.unwrap();
    login.accepted();
    for _ in 0..50 {
        let failure = renew(&mut login, true).await.unwrap_err();
        assert!(!failure.permanent && failure.reason.contains("authentication failure"), "{failure}");
        assert!(failure.after.unwrap() > Duration::from_mins(14), "{failure:?}");
    }
    assert_eq!(host.requests().len(), 2);
    assert!(login.header().is_some(), "requests on their way keep what they had");
}

#[tokio::test]
async fn what_never_reached_a_host_does_not_count_as_a_login() {
    let host = Host::start(|_, _| None).await;
    host.stop().await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.password(), Options { logins_per_hour: 2, ..options() });
    for _ in 0..20 {
        let failure = renew(&mut login, false).await.unwrap_err();
        assert!(!failure.permanent && failure.reason.contains("connect"), "{failure}");
    }
}

#[tokio::test]
async fn secrets_are_read_when_they_are_used() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.client_credentials(), options());
    renew(&mut login, false).await.unwrap();
    login.accepted();
    kit.secret("client", "hush-new");
    renew(&mut login, true).await.unwrap();
    let requests = host.requests();
    let sent: Vec<_> = requests.iter().map(|request| form(request)[2].1.clone()).collect();
    assert_eq!(sent, [CLIENT_SECRET, "hush-new"]);
    std::fs::remove_file(kit.dir.path().join("client")).unwrap();
    login.accepted();
    let failure = renew(&mut login, true).await.unwrap_err();
    assert!(!failure.permanent && failure.reason.contains("no client secret from the file"), "{failure}");
}

/// A token, and a new refresh token.
fn rotating(number: usize, request: &str) -> String {
    let instance = format!("http://{}", header(request, "host").unwrap());
    let body = serde_json::json!({"access_token": format!("{ACCESS_TOKEN}-{number}"), "instance_url": instance,
        "refresh_token": format!("hushRotated-{number}")});
    response("200 OK", "", &body.to_string())
}

/// A host that answers when it is told to.
async fn held(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> (Host, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let target = Host::start(move |number, request| Some(answer(number, request))).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, through) = (listener.local_addr().unwrap().port(), target.url.port().unwrap());
    let opened = Arc::clone(&gate);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let opened = Arc::clone(&opened);
            tokio::spawn(async move {
                opened.notified().await;
                let mut server = tokio::net::TcpStream::connect(("127.0.0.1", through)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let mut host = target;
    host.url.set_port(Some(port)).unwrap();
    (host, gate)
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_goes_on_and_is_the_only_one() {
    let (host, gate) = held(rotating).await;
    let kit = Kit::new(&host.url);
    let store = kit.dir.path().join("store");
    let mut login = login(kit.refresh(Some(store.clone())), patient());
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_millis(20), login.renew(false)).await;
        assert!(given_up.is_err(), "it was not slow");
    }
    gate.notify_one();
    host.until(1).await;
    renew(&mut login, false).await.unwrap();
    assert_eq!((number(&login), host.requests().len(), login.begun()), (0, 1, 1));
    let stored = std::fs::read_to_string(store).unwrap();
    assert!(stored.contains("hushRotated-0"), "it was lost");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_the_next_to_be_sent() {
    let host = Host::start(|number, request| Some(rotating(number, request))).await;
    let kit = Kit::new(&host.url);
    let store = kit.dir.path().join("store");
    for _ in 0..2 {
        let mut login = login(kit.refresh(Some(store.clone())), options());
        renew(&mut login, false).await.unwrap();
        login.accepted();
        renew(&mut login, true).await.unwrap();
    }
    let requests = host.requests();
    let sent: Vec<_> = requests.iter().map(|request| form(request)[3].1.clone()).collect();
    assert_eq!(sent, [REFRESH_TOKEN, "hushRotated-0", "hushRotated-1", "hushRotated-2"]);
}

#[tokio::test]
async fn a_cached_token_makes_a_restart_no_login() {
    let host = Host::giving().await;
    let kit = Kit::new(&host.url);
    let cache = Some(kit.dir.path().to_owned());
    for config in kit.all() {
        let before = host.requests().len();
        let start = || login(config.clone(), Options { cache: cache.clone(), ..patient() });
        let mut first = start();
        renew(&mut first, false).await.unwrap();
        let mut second = start();
        renew(&mut second, false).await.unwrap();
        assert_eq!((number(&second), second.begun()), (before, 0));
        assert_eq!((second.instance(), second.header()), (Some(&host.url), first.header()));
        renew(&mut second, true).await.unwrap();
        assert_eq!(
            (number(&second), host.requests().len()),
            (before + 1, before + 2),
            "refused, so it is dropped"
        );
        first.accepted();
        renew(&mut first, true).await.unwrap();
        assert_eq!(
            (number(&first), host.requests().len()),
            (before + 1, before + 2),
            "the other process has logged in"
        );
    }
}

#[tokio::test]
async fn what_ends_within_the_login_is_no_end() {
    let asked = AtomicUsize::new(0);
    let host = Host::start(move |number, request| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        Some(if first { response("503 Busy", "", "") } else { given(number, request) })
    })
    .await;
    let kit = Kit::new(&host.url);
    let mut login = login(kit.soap(), options());
    assert!(!renew(&mut login, false).await.unwrap_err().permanent);
    renew(&mut login, false).await.unwrap();
    assert_eq!(number(&login), 1);
}
