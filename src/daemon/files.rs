//! How many files the process may have open: a socket is one, and the soft limit that processes begin with (1,024) is
//! that low for programs that wait by `select(2)`, which this one does not.

/// What is open beside the connections: the journal, the sinks, the state directory, the admin server and its clients.
const BESIDE: u64 = 128;

/// The sockets of one connection at times: its poll, and what goes beside it.
const EACH: u64 = 2;

/// Raises the soft limit to the hard one, and tells where even that may be too few for so many connections.
#[cfg(unix)]
pub(super) fn raise_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // What cannot be raised stays as it is, and counts.
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let needed = needed(connections);
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            connections,
            "too few open files are allowed for so many connections: raise the hard limit (LimitNOFILE= of a systemd unit, --ulimit nofile= of a container, ulimit -Hn of a shell)"
        );
    }
}

/// Nothing limits them one by one.
#[cfg(not(unix))]
pub(super) fn raise_limit(_connections: usize) {}

#[cfg(unix)]
fn needed(connections: usize) -> u64 {
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(EACH).saturating_add(BESIDE)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn every_connection_may_need_two() {
        assert_eq!((needed(0), needed(2_000)), (128, 4_128));
        assert_eq!(needed(usize::MAX), u64::MAX);
    }
}
