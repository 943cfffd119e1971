//! How far something is, for somebody who waits.

use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use cometail::journal::inspect_telling;
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::journal_commands::{append, journal};
use crate::support::{Cometail, Place, cometail, until};

/// The two ends of a terminal.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), File::options().read(true).write(true).open(name).unwrap())
}

/// What comes out of a terminal.
fn screen(mut terminal: File) -> Arc<Mutex<String>> {
    let screen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&screen);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        // The end of the last process at the other end is an error here.
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
    screen
}

/// An org that takes connections and says nothing.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn a_terminal_has_a_line_while_it_waits_and_none_afterwards() {
    let (listener, url) = silent();
    let (ours, theirs) = terminal();
    let screen = screen(ours);
    let mut command = cometail(&["whoami", "--url", &url, "--timeout", "2s"]);
    command.env("COMETAIL_TOKEN", "00Dsecret").stdout(Stdio::null()).stderr(theirs);
    let mut process = command.spawn().unwrap();
    drop(command);
    let line = "\r\u{1b}[Kcometail: waiting for the org: ";
    until("a line about the wait", || screen.lock().unwrap().contains(line).then_some(()));
    let ended = until("the end of the process", || process.try_wait().unwrap());
    drop(listener);
    assert_ne!(ended.code(), Some(0));
    // The line is taken away before the reason is told.
    until("the reason", || {
        let text = screen.lock().unwrap().clone();
        let (_, last) = text.rsplit_once("\u{1b}[K")?;
        (last.starts_with("cometail: ") && !last.contains("waiting for the org")).then_some(())
    });
}

#[test]
fn a_file_has_a_line_every_ten_seconds_and_no_control_characters() {
    let (listener, url) = silent();
    let mut command = cometail(&["whoami", "--url", &url]);
    let process = Cometail::start(command.env("COMETAIL_TOKEN", "00Dsecret"));
    process.wait_log("cometail: waiting for the org: 10 s\n");
    assert!(process.log().lines().count() <= 2 && !process.log().contains('\u{1b}'), "{:?}", process.log());
    assert!(process.lines().is_empty());
    process.stop();
    drop(listener);
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
