//! The emulator as a process of its own, and its control endpoints.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{A, Cometail, LONG, cometail, wait};

/// A running emulator that publishes nothing by itself.
pub(crate) struct Emulator {
    process: Cometail,
    address: String,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// With these environment variables.
    pub(crate) fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let listen = ["emulator", "--listen", "127.0.0.1:0", "--quiet", "--poll-interval", "0s"];
        Self::spawn(cometail(&listen).args(arguments).envs(environment.iter().copied()))
    }

    /// At the address of an earlier one.
    pub(crate) fn start_on(address: &str) -> Self {
        Self::spawn(&mut cometail(&["emulator", "--listen", address, "--quiet", "--poll-interval", "0s"]))
    }

    fn spawn(command: &mut std::process::Command) -> Self {
        let process = Cometail::start(command);
        let url = process.wait_lines(1).remove(0);
        let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { process, address }
    }

    /// Stops it in its tracks: its sockets stay open and nothing is answered any more.
    pub(crate) fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Ends a pause.
    pub(crate) fn go_on(&self) {
        self.process.signal(Signal::CONT);
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The endpoint of an API version, such as `61.0`.
    pub(crate) fn url(&self, version: &str) -> String {
        format!("http://{}/cometd/{version}", self.address)
    }

    pub(crate) fn state(&self) -> Value {
        self.request("GET", "state", "")
    }

    /// A counter of the state.
    pub(crate) fn count(&self, counter: &str) -> u64 {
        self.state()[counter].as_u64().unwrap()
    }

    pub(crate) fn post(&self, what: &str, body: &Value) -> Value {
        self.request("POST", what, &body.to_string())
    }

    /// Publishes an event with the number `n`, and gives its replay id.
    pub(crate) fn publish(&self, channel: &str, n: u64) -> i64 {
        let body = json!({"channel": channel, "data": {"sobject": {"n": n}}});
        self.post("publish", &body)["first"].as_i64().unwrap()
    }

    /// Publishes events with these numbers on [`A`], each by itself.
    pub(crate) fn publish_each(&self, numbers: impl IntoIterator<Item = u64>) {
        for n in numbers {
            self.publish(A, n);
        }
    }

    /// Publishes so many events at once, with the numbers from 0.
    pub(crate) fn publish_many(&self, channel: &str, count: u64) {
        self.post("publish", &json!({"channel": channel, "count": count, "data": {}}));
    }

    /// Publishes the text of a message as it is, and gives its replay id.
    pub(crate) fn publish_raw(&self, channel: &str, text: &str) -> i64 {
        self.post("publish", &json!({"channel": channel, "raw": text}))["first"].as_i64().unwrap()
    }

    pub(crate) fn expire_sessions(&self) {
        self.post("sessions/expire", &json!({}));
    }

    /// The next requests meet this fault.
    pub(crate) fn fault(&self, fault: &Value) {
        self.post("faults", fault);
    }

    /// Waits for a session that polls and has subscribed to so many channels.
    pub(crate) fn wait_polled(&self, channels: usize) {
        wait("a session that polls", || {
            let sessions = self.state()["sessions"].take();
            let polled = |session: &Value| {
                session["has_open_connect"] == true
                    && session["channels"].as_array().unwrap().len() == channels
            };
            sessions.as_array().unwrap().iter().any(polled)
        });
    }

    /// Waits for so many sessions that poll.
    pub(crate) fn wait_sessions(&self, count: usize) {
        wait(&format!("{count} sessions that poll"), || {
            let sessions = self.state()["sessions"].take();
            let polling = sessions.as_array().unwrap().iter().filter(|one| one["has_open_connect"] == true);
            polling.count() == count
        });
    }

    /// Waits until no session has a connect open: the client is seen to be gone.
    pub(crate) fn wait_unpolled(&self) {
        wait("no session that polls", || {
            let sessions = self.state()["sessions"].take();
            sessions.as_array().unwrap().iter().all(|session| session["has_open_connect"] == false)
        });
    }

    fn request(&self, method: &str, what: &str, body: &str) -> Value {
        self.try_request(method, what, body).unwrap()
    }

    /// A request that a restart may cut.
    pub(crate) fn try_request(&self, method: &str, what: &str, body: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!(
            "{method} /_emulator/{what} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + body).as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        assert!(head.starts_with("HTTP/1.1 200"), "{what}: {text}");
        Ok(serde_json::from_str(body)?)
    }
}
