//! The capture of what connections send and receive, switched on and off while the daemon runs.
//!
//! Every client of a connection has it, for the session, for websockets and for the org's limits. Logins and webhooks are
//! in no capture: they go to others, with secrets of their own.

use std::sync::Arc;

use crate::admin::Refusal;
use crate::http::{Wire, WireConfig};

/// The switch of a capture; there is none where there is no file for it.
#[derive(Clone, Debug)]
pub(super) struct Capture(Option<Arc<Wire>>);

impl Capture {
    /// `running` is one that the command line began; otherwise one that is off, in the file of the configuration.
    pub(super) fn new(running: Option<Arc<Wire>>, config: Option<WireConfig>) -> Self {
        Self(running.or_else(|| config.map(|config| Arc::new(Wire::new(config)))))
    }

    /// What clients write to while it is on.
    pub(super) const fn wire(&self) -> Option<&Arc<Wire>> {
        self.0.as_ref()
    }

    /// The file of the one that is on.
    pub(super) fn path(&self) -> Option<String> {
        let wire = self.0.as_ref().filter(|wire| wire.is_on())?;
        Some(wire.config().path.display().to_string())
    }

    /// Begins a capture, or goes on with the one that is on. What an earlier one left in the file is gone.
    ///
    /// # Errors
    /// There is no file for it, or it cannot be written.
    pub(super) fn start(&self) -> Result<(), Refusal> {
        let wire = self.wire_or_why()?;
        if wire.is_on() {
            return Ok(());
        }
        let path = wire.config().path.display();
        wire.start().map_err(|error| Refusal::Impossible(format!("the capture in {path}: {error}")))?;
        tracing::warn!(%path, "a capture of all requests and responses begins");
        Ok(())
    }

    /// Ends a capture; nothing where none is on.
    ///
    /// # Errors
    /// There is no file for one.
    pub(super) fn stop(&self) -> Result<(), Refusal> {
        let wire = self.wire_or_why()?;
        if wire.is_on() {
            wire.stop();
            tracing::info!(path = %wire.config().path.display(), "the capture has ended");
        }
        Ok(())
    }

    /// Carries out [`Order::Capture`](crate::admin::Order::Capture).
    ///
    /// # Errors
    /// As [`Capture::start`] and [`Capture::stop`].
    pub(super) fn switch(&self, on: bool) -> Result<(), Refusal> {
        if on { self.start() } else { self.stop() }
    }

    fn wire_or_why(&self) -> Result<&Arc<Wire>, Refusal> {
        let why = "there is no file for a capture: set [wire] path, or a state directory";
        self.0.as_ref().ok_or_else(|| Refusal::Impossible(why.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_switched_on_and_off_and_asking_twice_is_asking_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wire.har");
        let capture = Capture::new(None, Some(WireConfig::new(path.clone())));
        let is_on = || capture.wire().is_some_and(|wire| wire.is_on());
        assert!(!is_on() && !path.exists());
        capture.switch(false).unwrap();
        for _ in 0..2 {
            capture.switch(true).unwrap();
            assert!(is_on());
        }
        assert_eq!(capture.path(), Some(path.display().to_string()));
        assert!(serde_json::from_slice::<serde_json::Value>(&std::fs::read(&path).unwrap()).is_ok());
        for _ in 0..2 {
            capture.switch(false).unwrap();
            assert!(!is_on() && path.exists() && capture.path().is_none());
        }
    }

    #[test]
    fn a_capture_without_a_file_is_refused_with_what_to_do() {
        let refused = |capture: &Capture| match capture.switch(true) {
            Err(Refusal::Impossible(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(&Capture::new(None, None)).contains("[wire] path"));
        let dir = tempfile::tempdir().unwrap();
        let capture = Capture::new(None, Some(WireConfig::new(dir.path().to_owned())));
        assert!(refused(&capture).contains(&dir.path().display().to_string()));
        assert!(capture.wire().is_some_and(|wire| !wire.is_on()));
    }
}
