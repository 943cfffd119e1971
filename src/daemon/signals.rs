//! The signals that a daemon understands: SIGTERM and SIGINT end it, SIGHUP reads its configuration again and reopens
//! its files.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// End.
    Stop,
    /// Read the configuration again and open output files anew.
    Reload,
}

/// SIGHUP. None for a command at a terminal, which the end of the terminal ends, unless it was started to outlive it.
#[cfg(unix)]
pub(super) type Hangup = Option<tokio::signal::unix::Signal>;

/// Takes SIGHUP over, where it is to reload: before anybody can know this process, since until then it would end it.
#[cfg(unix)]
pub(super) fn hangup(reloads: bool) -> io::Result<Hangup> {
    use tokio::signal::unix::{SignalKind, signal};
    reloads.then(|| signal(SignalKind::hangup())).transpose()
}

#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: Hangup,
}

#[cfg(unix)]
impl Signals {
    /// Takes the other signals over.
    pub(super) fn new(hangup: Hangup) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            () = hung_up(&mut self.hangup) => Asked::Reload,
        }
    }
}

#[cfg(unix)]
async fn hung_up(hangup: &mut Hangup) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

/// There is no such signal.
#[cfg(not(unix))]
pub(super) type Hangup = Option<()>;

#[cfg(not(unix))]
pub(super) fn hangup(_reloads: bool) -> io::Result<Hangup> {
    Ok(None)
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new(_hangup: Hangup) -> io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Asked {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Asked::Stop,
            Err(_) => std::future::pending().await,
        }
    }
}
