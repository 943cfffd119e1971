//! What every connection of the server shares.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::access::Access;
use super::limits::Limits;
use super::ring::Ring;
use super::watch::Latest;
use super::{Config, Port};
use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// How long the daemon's status may take.
const STATUS: Duration = Duration::from_secs(5);

/// The server's insides.
pub(super) struct Shared {
    pub(super) port: Port,
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) ring: Ring,
    pub(super) latest: Latest,
}

impl Shared {
    pub(super) fn new(config: &Config, port: Port) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            port,
            access: Access::new(config)?,
            limits: Limits::default(),
            ring: Ring::default(),
            latest: Latest::default(),
        }))
    }

    /// The daemon's status; none where something in the daemon holds it up. It is taken beside this thread, which
    /// must go on.
    pub(super) async fn status(&self) -> Option<Snapshot<SinkStatus>> {
        let status = Arc::clone(&self.port.status);
        let taking = tokio::task::spawn_blocking(move || status());
        tokio::time::timeout(STATUS, taking).await.ok()?.ok()
    }
}
