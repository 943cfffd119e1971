//! Channels that are subscribed and unsubscribed while a poll is held, which it does not notice.

use std::sync::Arc;
use std::time::Duration;

use cometail::bayeux::Wanted;
use cometail::config;
use cometail::daemon::{self, Command, Ending, Options};
use cometail::emulator;
use cometail::event::{Channel, ReplayId};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{A, LONG, Place, archive, connection};

const B: &str = "/topic/B";

struct Running {
    address: String,
    place: Place,
    commands: mpsc::Sender<(Arc<str>, Command)>,
    daemon: tokio::task::JoinHandle<Ending>,
}

impl Running {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(emulator::serve(listener, emulator::Config::default(), std::future::pending()));
        let place = Place::new();
        let url = format!("http://{address}/cometd/61.0");
        let text = format!("[state]\npersist = false\n{}{}", connection(&url, &[A], ""), archive(&place));
        let config = config::parse("test", &text).unwrap();
        let (commands, receiver) = mpsc::channel(8);
        let options = Options { commands: Some(receiver), ..Options::default() };
        let daemon = tokio::spawn(daemon::start(config, options).unwrap().run());
        Self { address, place, commands, daemon }
    }

    async fn request(&self, method: &str, what: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} /_emulator/{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(LONG, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        crate::support::json(text.split_once("\r\n\r\n").unwrap().1)
    }

    async fn publish(&self, channel: &str, n: u64) {
        let body = json!({"channel": channel, "data": {"sobject": {"n": n}}});
        self.request("POST", "publish", &body.to_string()).await;
    }

    /// The state, once one session polls and holds these channels.
    async fn polled(&self, channels: &[&str]) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let state = self.request("GET", "state", "").await;
            let session = &state["sessions"][0];
            if session["channels"] == json!(channels) && session["has_open_connect"] == true {
                return state;
            }
            assert!(Instant::now() < deadline, "{state}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn tell(&self, command: Command) {
        self.commands.send((Arc::from("c"), command)).await.unwrap();
    }

    async fn wait_for(&self, name: &str, wanted: &[u64]) {
        let deadline = Instant::now() + LONG;
        while self.place.numbers(name) != wanted {
            assert!(Instant::now() < deadline, "{:?}", self.place.numbers(name));
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn channels_come_and_go_while_a_poll_is_held() {
    let running = Running::start().await;
    let before = running.polled(&[A]).await;
    assert_eq!((&before["connects"], &before["subscribes"]), (&json!(2), &json!(1)), "a probe and the poll");

    let wanted = Wanted { channel: Channel::parse(B).unwrap(), replay: ReplayId::NEW };
    running.tell(Command::Subscribe(Box::new(wanted))).await;
    let more = running.polled(&[A, B]).await;
    assert_eq!((&more["connects"], &more["subscribes"]), (&json!(2), &json!(2)), "the poll is the same one");
    running.publish(B, 0).await;
    running.wait_for("out/topic.B.jsonl", &[0]).await;

    let before = running.polled(&[A, B]).await;
    running.tell(Command::Unsubscribe(Channel::parse(B).unwrap())).await;
    let fewer = running.polled(&[A]).await;
    assert_eq!(fewer["unsubscribes"], 1);
    assert_eq!((&fewer["connects"], &fewer["handshakes"]), (&before["connects"], &json!(1)));
    running.publish(B, 1).await;
    running.publish(A, 2).await;
    running.wait_for("out/topic.A.jsonl", &[2]).await;
    assert_eq!(running.place.numbers("out/topic.B.jsonl"), [0], "nobody wants it any more");

    running.tell(Command::Close { disconnect: true }).await;
    assert_eq!(timeout(LONG, running.daemon).await.unwrap().unwrap(), Ending::Done);
}
