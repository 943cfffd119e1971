//! The watchdog in virtual time, with a real socket.

use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, RwLock};

use super::super::notify::Manager;
use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn fed(socket: &UnixDatagram) -> usize {
    let mut buffer = [0; 4096];
    let next = || socket.recv(&mut buffer).ok().map(|length| buffer[..length].starts_with(b"WATCHDOG=1"));
    std::iter::from_fn(next).filter(|fed| *fed).count()
}

/// Lets so many seconds pass, and gives how often the watchdog was fed meanwhile.
async fn meals(socket: &UnixDatagram, seconds: u32) -> usize {
    let mut count = 0;
    for _ in 0..seconds {
        tokio::time::sleep(TICK).await;
        count += fed(socket);
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_is_fed_while_every_loop_turns_and_not_while_one_is_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    socket.set_nonblocking(true).unwrap();
    let status = Arc::new(Mutex::new(status::Connection::new("c", "")));
    let outlet = Arc::new(Outlet::new(Vec::new()));
    let connections = Arc::new(RwLock::new(vec![status.clone()]));
    let (started, reload) = (SystemTime::now(), Report::default());
    let sources =
        Sources { started, connections, outlet, journal: None, reload, capture: Capture::new(None, None) };
    let manager = Manager::new(Some(place.into_os_string()), Some(Duration::from_secs(4)), HOUR);
    let reporter = Reporter::start(sources, None, manager, Arc::default());
    let due = |due| status.lock().unwrap().due = due;

    assert!(meals(&socket, 60).await >= 29, "a server that is down, or a wait without end");
    due(Some(Instant::now() + HOUR));
    assert!(meals(&socket, 60).await >= 29, "a loop that sleeps for as long as it said");
    due(Some(Instant::now()));
    assert!(meals(&socket, 12).await <= 6, "one that sleeps on");
    assert_eq!(meals(&socket, 300).await, 0);
    due(Some(Instant::now() + HOUR));
    assert!(meals(&socket, 10).await >= 4, "it turns again");

    due(Some(Instant::now()));
    reporter.stopping(HOUR);
    assert!(meals(&socket, 60).await >= 29, "what ends has other deadlines");
    reporter.finish().await;
}
