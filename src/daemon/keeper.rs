//! What one connection keeps in the state directory: its session and its cookies.
//!
//! Constraints: writing never delays a poll: it happens on a thread for blocking work, a few files at a time however many
//! connections there are. The latest state wins, and a failure is told once. A connection whose state does not change
//! has nothing of it in memory: no task, and no text.
//!
//! Format: the file is [`super::store`]'s.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, Semaphore};
use url::Url;

use super::store::{VERSION, replace};
use crate::bayeux::contract::Snapshot;
use crate::http::Jar;
use crate::secret::Secret;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    url: &'a Url,
    session: Option<&'a Snapshot>,
    cookies: &'a RawValue,
}

/// Keeps the session and the cookies of one connection.
pub(super) struct Keeper {
    url: Url,
    session: Option<Snapshot>,
    jar: Arc<Jar>,
    file: Arc<Kept>,
}

/// The file, and what becomes of it.
struct Kept {
    connection: Arc<str>,
    path: PathBuf,
    writers: Arc<Semaphore>,
    state: Mutex<State>,
    /// Told when nothing is left to write.
    idle: Notify,
}

#[derive(Default)]
struct State {
    /// What is to be written next.
    text: Option<Secret<String>>,
    /// Whether a task writes.
    writing: bool,
    /// Whether the last writing failed.
    failing: bool,
}

impl Keeper {
    pub(super) fn new(
        connection: Arc<str>,
        path: PathBuf,
        url: Url,
        session: Option<Snapshot>,
        jar: Arc<Jar>,
        writers: Arc<Semaphore>,
    ) -> Self {
        let (state, idle) = (Mutex::default(), Notify::new());
        Self { url, session, jar, file: Arc::new(Kept { connection, path, writers, state, idle }) }
    }

    /// The session changed.
    pub(super) fn session(&mut self, session: Option<Snapshot>) {
        self.session = session;
        self.write();
    }

    /// The server is at another address from now on, where no session is known.
    pub(super) fn move_to(&mut self, url: &Url) {
        self.url = url.clone();
        self.session = None;
        self.write();
    }

    /// A response came; its cookies may have changed.
    pub(super) fn cookies(&mut self) {
        if self.jar.changed() {
            self.write();
        }
    }

    fn write(&self) {
        let cookies = self.jar.to_json();
        let Ok(cookies) = serde_json::from_str::<&RawValue>(cookies.expose()) else {
            tracing::error!("cookies are not kept: the jar's JSON is not valid");
            return;
        };
        let written = Written { version: VERSION, url: &self.url, session: self.session.as_ref(), cookies };
        match serde_json::to_string(&written) {
            Ok(text) => self.file.put(Secret::new(text)),
            Err(error) => tracing::error!(%error, "session is not kept"),
        }
    }

    /// Waits until the latest state is on disk.
    pub(super) async fn finish(self) {
        while self.file.state().writing {
            self.file.idle.notified().await;
        }
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done when a holder of the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has this written, by the task that writes already where there is one.
    fn put(self: &Arc<Self>, text: Secret<String>) {
        let mut state = self.state();
        state.text = Some(text);
        if !std::mem::replace(&mut state.writing, true) {
            tokio::spawn(Arc::clone(self).write());
        }
    }

    async fn write(self: Arc<Self>) {
        loop {
            let _place = self.writers.acquire().await;
            let Some(text) = self.next() else { break };
            let target = self.path.clone();
            let write = move || replace(&target, |file| file.write_all(text.expose().as_bytes()));
            let written = tokio::task::spawn_blocking(write).await;
            self.note(written.map_err(io::Error::other).and_then(|result| result));
        }
        self.idle.notify_one();
    }

    /// What is to be written now; where that is nothing, nobody writes any more.
    fn next(&self) -> Option<Secret<String>> {
        let mut state = self.state();
        let text = state.text.take();
        state.writing = text.is_some();
        text
    }

    fn note(&self, result: io::Result<()>) {
        let failing = std::mem::replace(&mut self.state().failing, result.is_err());
        let (connection, path) = (&*self.connection, self.path.display());
        match result {
            Ok(()) if failing => tracing::info!(%connection, "the session is kept again"),
            Err(error) if !failing => {
                tracing::error!(%connection, %path, %error, "the session is not kept; a restart will need a handshake");
            }
            _ => {}
        }
    }
}
