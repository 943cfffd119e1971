//! Clients of the Streaming API that nobody here wrote, against the emulator of the built binary.
//!
//! Each is a program in `tests/interop/clients`, which checks what its library sees and what it makes the org do; it
//! says `good` as its only line and ends with 0.

use std::path::Path;
use std::process::{ChildStdout, Command};
use std::time::Instant;

use crate::DEADLINE;
use crate::process::{Lines, Process};
use crate::server::built;

#[test]
fn cometd_for_javascript_sees_every_event_through_a_lost_session() {
    works(node("cometd.mjs"));
}

#[test]
fn jsforce_logs_in_keeps_records_and_streams_with_replay() {
    works(node("jsforce.mjs"));
}

#[test]
fn simple_salesforce_logs_in_and_keeps_records() {
    works(python("simple_salesforce_client.py"));
}

#[test]
fn aiosfstream_logs_in_and_streams_from_where_another_client_stood() {
    works(python("aiosfstream_client.py"));
}

/// The client does all that it is there for, with an org of its own.
fn works(mut client: Command) {
    let (_emulator, origin) = emulator();
    client.arg(origin).env("NO_PROXY", "127.0.0.1,localhost");
    let mut client = Process::start(&format!("{client:?}"), &mut client);
    let mut lines = Lines::of(stdout(&mut client));
    let status = client.wait();
    assert_eq!(status.code(), Some(0), "{}: {status}", client.name);
    assert_eq!(lines.next(Instant::now() + DEADLINE).as_deref(), Ok("good"));
}

/// An org in which only what was made exists and only who has logged in may do anything; and where it is.
fn emulator() -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
    command.args(["emulator", "--listen", "127.0.0.1:0", "--quiet", "--strict", "--login"]);
    let mut process = Process::start("cometail emulator", &mut command);
    let mut lines = Lines::of(stdout(&mut process));
    let url = lines.next(Instant::now() + DEADLINE).expect("the emulator says where it is");
    let origin = url.strip_suffix("/cometd/61.0").unwrap_or_else(|| panic!("{url} is no endpoint"));
    (process, origin.to_owned())
}

fn stdout(process: &mut Process) -> ChildStdout {
    process.child.stdout.take().expect("stdout is a pipe")
}

fn node(script: &str) -> Command {
    let folder = built("", "node_modules", "npm ci");
    let mut command = Command::new("node");
    command.arg(folder.join("clients").join(script));
    command
}

fn python(script: &str) -> Command {
    let how = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt";
    let folder = built("", ".venv", how);
    let mut command = Command::new(folder.join(Path::new(".venv/bin/python")));
    command.arg("-B").arg(folder.join("clients").join(script));
    command
}
