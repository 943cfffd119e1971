use std::collections::HashMap;

use super::*;
use crate::config::{Config, Source};
use crate::daemon::capture::Capture;
use crate::daemon::outlet::Outlet;
use crate::daemon::prepare::Means;
use crate::sinks::Supply;

/// A configuration with these connections.
fn config(names: &[&str]) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cometail.toml");
    let one = |name: &&str| {
        format!("[connection.{name}]\nurl = \"http://127.0.0.1:9/cometd\"\nchannels = [\"/topic/A\"]\n")
    };
    let text: String = names.iter().map(one).collect();
    std::fs::write(&path, text + "[state]\npersist = false\n[sink.out.stdout]\n").unwrap();
    Source::read(&path).unwrap().resolve(&|_| None).unwrap().0
}

fn fleet(config: Config) -> Fleet {
    let outlet = Arc::new(Outlet::new(Vec::new()));
    let means = Means {
        store: None,
        outlet: outlet.clone(),
        journal: None,
        capture: Capture::new(None, None),
        tap: Arc::default(),
        one_shot: false,
    };
    let lines = Lines::new(Arc::new(means), HashMap::new());
    let posts = Posts::new(outlet, Supply::Memory, config.grace, Vec::new());
    let mut fleet = Fleet::new(lines, posts, false);
    fleet.want(config.connections, Vec::new());
    fleet
}

fn states(fleet: &Fleet) -> Vec<(String, &'static str, bool)> {
    let roll = fleet.roll.read().unwrap();
    let of = |one: &Arc<Mutex<status::Connection>>| {
        let one = one.lock().unwrap();
        (one.name.clone(), one.state, one.required)
    };
    roll.iter().map(of).collect()
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_everywhere_until_a_restart() {
    let mut fleet = fleet(config(&["c", "d"]));
    assert!(!fleet.take(News::Line(line::News::Ended(Arc::from("c"), None))), "the other goes on");
    assert_eq!(states(&fleet)[0], (String::from("c"), "broken", true));
    assert_eq!(fleet.ending(), Ending::Io);
    {
        let roll = fleet.roll.read().unwrap();
        let status = roll[0].lock().unwrap();
        assert!(!status.is_live() && status.last_error.is_some(), "{status:?}");
        assert!(status.due.is_some_and(|due| due <= std::time::Instant::now()), "the watchdog sees it");
    }
    // What it knew is lost, so it neither starts again nor begins anew under its name.
    let told = "connection c: broken, which needs a restart";
    assert_eq!(fleet.want(config(&["c", "d"]).connections, Vec::new()), [told]);
    assert_eq!(fleet.want(config(&["d"]).connections, Vec::new()), ["connection c: removed"]);
    assert!(states(&fleet).contains(&(String::from("c"), "broken", false)));
    assert_eq!(fleet.want(config(&["c", "d"]).connections, Vec::new()), [told]);
    assert!(fleet.take(News::Line(line::News::Ended(Arc::from("d"), None))), "nothing is left");
}
