//! Certificates that do not hold, at the start and in mid-life.

use crate::scene::{Scene, config};
use crate::server::Server;
use crate::support::Place;
use crate::ways::{Authority, Front};

/// A certificate for `name` until `year` is refused and told at the start and later; with a good one the session
/// begins, and goes on.
fn is_refused(name: &str, year: i32, told: &str) {
    let (authority, place, server) = (Authority::new(), Place::new(), Server::start(true));
    let (good, bad) = (authority.acceptor("localhost", 4000), authority.acceptor(name, year));
    let front = Front::start(&server.address, bad.clone());
    let url = format!("https://localhost:{}/cometd/61.0", front.port);
    let more = format!("ca_file = {:?}", authority.file(&place));
    let mut scene = Scene::begin(server, &config(&url, &more));
    scene.told(told);
    scene.told(r#""kind":"tls""#);
    assert_eq!(scene.server.with(|state| state.requests()), 0, "no request is sent to whom nobody knows");
    front.change(good.clone());
    scene.settle();

    let before = scene.daemon.log().matches(told).count();
    front.change(bad);
    let requests = scene.server.with(|state| state.requests());
    scene.publish(1);
    let again = || scene.daemon.log().matches(told).count() > before;
    crate::scene::within_bound("the certificate is told again", again);
    assert_eq!(scene.server.with(|state| state.requests()), requests);
    let last = || scene.status()["last_error"]["text"].as_str().is_some_and(|text| text.contains(told));
    crate::scene::within_bound("the certificate in the status", last);
    front.change(good);
    scene.ends();
}

#[test]
fn an_expired_certificate_is_told_and_waited_out() {
    is_refused("localhost", 2001, "expired");
}

#[test]
fn a_wrong_hosts_certificate_is_told_and_waited_out() {
    is_refused("acme.example", 4000, "wrong host");
}
