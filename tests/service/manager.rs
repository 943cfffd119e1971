//! A service manager: a real socket, and what came over it.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::until;

/// One whose thread ends with the test's process.
pub(crate) struct Manager {
    place: PathBuf,
    heard: Arc<Mutex<Vec<String>>>,
    _dir: tempfile::TempDir,
}

impl Manager {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("notify");
        let socket = UnixDatagram::bind(&place).unwrap();
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let kept = heard.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length) = socket.recv(&mut buffer) {
                kept.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        Self { place, heard, _dir: dir }
    }

    /// Makes a command one of its services; with a watchdog, so many milliseconds long.
    pub(crate) fn adopt(&self, command: &mut Command, watchdog: Option<u32>) {
        command.env("NOTIFY_SOCKET", &self.place);
        if let Some(millis) = watchdog {
            command.env("WATCHDOG_USEC", format!("{millis}000"));
        }
    }

    /// Sends it a datagram, and waits until it and all before it are heard.
    pub(crate) fn hear(&self, text: &str) {
        UnixDatagram::unbound().unwrap().send_to(text.as_bytes(), &self.place).unwrap();
        self.wait(text);
    }

    /// Every datagram so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many datagrams have such a line.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|heard| heard.lines().any(|one| one.starts_with(line))).count()
    }

    /// Waits for a datagram with a line that starts so, and gives the datagram.
    pub(crate) fn wait(&self, line: &str) -> String {
        let found = || self.heard().into_iter().find(|heard| heard.lines().any(|one| one.starts_with(line)));
        until(&format!("{line:?} in what the manager hears"), found)
    }
}
