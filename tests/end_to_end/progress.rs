//! How far something is, for somebody who waits.

use std::net::TcpListener;

use cometail::journal::inspect_telling;

use crate::journal_commands::{append, journal};
use crate::support::{AWAY, Cometail, Place, cometail, run_on_terminal};

/// An org that takes connections and says nothing.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn a_terminal_has_a_line_while_it_waits_and_none_afterwards() {
    let (_listener, url) = silent();
    let mut command = cometail(&["whoami", "--url", &url, "--timeout", "2s"]);
    command.env("COMETAIL_TOKEN", "00Dsecret");
    let (code, text) = run_on_terminal(command);
    assert_eq!(code, Some(1), "{text:?}");
    assert!(text.starts_with(&format!("{AWAY}cometail: waiting for the org: ")), "{text:?}");
    // The line is taken away before the reason is told.
    let (_, last) = text.rsplit_once(AWAY).unwrap();
    assert!(last.starts_with("cometail: ") && !last.contains("waiting for the org"), "{text:?}");
}

#[test]
fn a_file_has_a_line_every_ten_seconds_and_no_control_characters() {
    let (_listener, url) = silent();
    let commands = ["whoami", "limits", "topic list", "channel list", "heroku connections --app a"];
    let start = |words: &&str| {
        let words: Vec<_> = words.split(' ').chain(["--url", &url]).collect();
        let tokens = [("COMETAIL_TOKEN", "00Dsecret"), ("COMETAIL_HEROKU_TOKEN", "hush")];
        Cometail::start(cometail(&words).envs(tokens))
    };
    for (process, words) in commands.iter().map(start).collect::<Vec<_>>().into_iter().zip(commands) {
        let whom = if words.starts_with("heroku") { "Heroku Connect" } else { "the org" };
        process.wait_log(&format!("cometail: waiting for {whom}: 10 s\n"));
        let log = process.log();
        assert!(log.lines().count() <= 2 && !log.contains('\u{1b}'), "{words}: {log:?}");
        assert!(process.lines().is_empty(), "{words}");
        process.stop();
    }
}

#[test]
fn reading_a_journal_tells_how_far_it_is() {
    let place = Place::new();
    let mut journal = journal(&place);
    (0..40).step_by(5).for_each(|first| append(&mut journal, first..first + 5));
    let mut told = Vec::new();
    let found =
        inspect_telling(&place.path("state/journal"), &mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(told.len(), found.segments.len());
    let all = found.segments.iter().map(|segment| segment.bytes).sum::<u64>();
    assert!(told.len() > 2 && told.first() == Some(&(0, all)), "{told:?}");
    assert!(told.is_sorted() && told.iter().all(|(done, _)| *done < all), "{told:?}");
}
