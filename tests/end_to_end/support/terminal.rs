//! A terminal, as a person sits before it.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use super::until;

/// What takes a line away.
pub(crate) const AWAY: &str = "\r\u{1b}[K";

/// The two ends of a terminal.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), File::options().read(true).write(true).open(name).unwrap())
}

/// All that comes out of a terminal, until nobody is at its other end.
fn screen(mut terminal: File) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
        // The end of the last process at the other end is an error here.
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            text.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8(text).unwrap()
    })
}

/// Runs a command with a terminal for its standard output and error; its exit code, and what came.
pub(crate) fn run_on_terminal(mut command: Command) -> (Option<i32>, String) {
    let (ours, theirs) = terminal();
    let screen = screen(ours);
    command.stdin(Stdio::null()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut process = command.spawn().unwrap();
    // The command holds the terminal open too.
    drop(command);
    let ended = until("the end of the process", || process.try_wait().unwrap());
    (ended.code(), screen.join().unwrap())
}
