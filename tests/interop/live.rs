//! Channels that come and go while a poll is held, asked of the library.

use std::fs::read_to_string;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cometail::bayeux::Wanted;
use cometail::config;
use cometail::daemon::{self, Command, Ending, Options};
use cometail::event::{Channel, ReplayId};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::server::Server;
use crate::{CHANNEL, COMETD_FOR_JAVA, DEADLINE};

const MORE: &str = "/interop/more";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_come_and_go_on_cometd_for_java_while_a_poll_is_held() {
    let mut server = Server::start(COMETD_FOR_JAVA, 0);
    let folder = tempfile::tempdir().unwrap();
    let (commands, receiver) = mpsc::channel(8);
    let options = Options { commands: Some(receiver), ..Options::default() };
    let config = config::parse("test", &configuration(server.port, folder.path())).unwrap();
    let daemon = tokio::spawn(daemon::start(config, options).unwrap().run());
    let tell = async |command| commands.send((Arc::from("c"), command)).await.unwrap();
    server.wait_for(&format!("subscribed {CHANNEL}"));

    server.wait_for_poll();
    let polls = server.ask("polls");
    let wanted = Wanted { channel: Channel::parse(MORE).unwrap(), replay: ReplayId::NEW };
    tell(Command::Subscribe(Box::new(wanted))).await;
    server.wait_for(&format!("subscribed {MORE}"));
    server.wait_for_poll();
    assert_eq!(server.ask("polls"), polls, "the poll is the same one");
    server.send(&format!("publish {MORE} 1 1"));
    expect(folder.path(), "interop.more", &[1]).await;

    server.wait_for_poll();
    let polls = server.ask("polls");
    tell(Command::Unsubscribe(Channel::parse(MORE).unwrap())).await;
    server.wait_for(&format!("unsubscribed {MORE}"));
    server.wait_for_poll();
    assert_eq!(server.ask("polls"), polls, "the poll is the same one");
    server.send(&format!("publish {MORE} 2 2"));
    server.send(&format!("publish {CHANNEL} 3 3"));
    expect(folder.path(), "interop.events", &[3]).await;
    assert_eq!(numbers(folder.path(), "interop.more"), [1], "nobody wants it any more");

    tell(Command::Close { disconnect: true }).await;
    assert_eq!(timeout(DEADLINE, daemon).await.unwrap().unwrap(), Ending::Done);
    server.wait_for("left");
}

fn configuration(port: u16, folder: &Path) -> String {
    let path =
        folder.join("{channel}.jsonl").into_os_string().into_string().expect("a temporary path is text");
    format!(
        "[state]\npersist = false\n[connection.c]\nurl = \"http://127.0.0.1:{port}/cometd\"\n\
         channels = [{CHANNEL:?}]\nproxy = \"direct\"\n[sink.archive.file]\npath = {path:?}\n"
    )
}

/// Waits until the file holds the events of these numbers.
async fn expect(folder: &Path, name: &str, wanted: &[u64]) {
    let deadline = Instant::now() + DEADLINE;
    while numbers(folder, name) != wanted {
        assert!(Instant::now() < deadline, "{name}: {:?} instead of {wanted:?}", numbers(folder, name));
        sleep(Duration::from_millis(5)).await;
    }
}

/// The numbers of the events in a file, which a line that is not yet whole ends.
fn numbers(folder: &Path, name: &str) -> Vec<u64> {
    let text = read_to_string(folder.join(format!("{name}.jsonl"))).unwrap_or_default();
    let events = text.lines().map_while(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.map(|event| event["data"]["n"].as_u64().expect("an event of these tests has a number")).collect()
}
