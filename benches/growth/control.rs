//! The emulator that a soak talks to: the built program again, and its control endpoints.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::{Process, cometail};

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A running emulator.
pub(crate) struct Emulator {
    address: SocketAddr,
    process: Process,
}

impl Emulator {
    /// Starts one that publishes nothing by itself and delivers at once.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let arguments = ["emulator", "--listen", "127.0.0.1:0", "--quiet", "--poll-interval", "0s"];
        let mut command = cometail(&arguments);
        command.env("COMETAIL_LOG", "warn").stdout(Stdio::piped());
        let mut process = Process::start(command, dir, "emulator")?;
        let url = process.first_line()?;
        let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let address = address.parse().map_err(|_| format!("no URL in {url:?}\n{}", process.said()))?;
        Ok(Self { address, process })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.process.check_alive()
    }

    /// Connects; while the emulator restarts it takes no connections, and nothing has been sent.
    fn connect(&self) -> Result<TcpStream> {
        let start = Instant::now();
        loop {
            match TcpStream::connect_timeout(&self.address, LIMIT) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused && start.elapsed() < LIMIT => {
                    thread::sleep(Duration::from_millis(20));
                }
                connected => return Ok(connected?),
            }
        }
    }

    /// Has it restart, for so long; gives it the time to begin with it, so that the next call is not cut.
    pub(crate) fn restart(&self, down: Duration) -> Result<()> {
        self.post("restart", &format!(r#"{{"down_ms":{}}}"#, down.as_millis()))?;
        thread::sleep(down / 2);
        Ok(())
    }

    /// Posts `body` to a control endpoint.
    pub(crate) fn post(&self, what: &str, body: &str) -> Result<()> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(LIMIT))?;
        let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
        let length = body.len();
        write!(
            stream,
            "POST /_emulator/{what} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        if reply.starts_with("HTTP/1.1 2") {
            Ok(())
        } else {
            Err(format!("/_emulator/{what} {body}: {reply}").into())
        }
    }
}
