//! The end of a sink, within its time.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::outlet::Tap;

/// How long a sink that was halted may take to end, before it is given up as it stands.
const LAST: Duration = Duration::from_secs(2);

/// Gives up a sink that does not end in time.
pub(super) fn see_off(tap: Arc<Tap>, grace: Duration) {
    tokio::spawn(async move {
        let name = Arc::clone(tap.handle.name());
        if tokio::time::timeout(grace, tap.handle.ended()).await.is_ok() {
            return;
        }
        tracing::warn!(sink = &*name, "not everything is delivered in time: the sink is ended as it is");
        tap.handle.halt();
        if tokio::time::timeout(LAST, tap.handle.ended()).await.is_err() {
            tap.handle.abort();
        }
        if tokio::time::timeout(LAST, tap.handle.gone()).await.is_err() {
            tracing::error!(
                sink = &*name,
                "the sink's thread hangs in the system: until it is let go, no other is started in its place"
            );
        }
    });
}
