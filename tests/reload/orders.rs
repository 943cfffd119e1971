//! Orders to a daemon in this process: pause, resume, subscribe, reload.

use std::sync::Arc;

use cometail::admin::{Order, Refusal, Request, Target};
use cometail::config::Source;
use cometail::daemon::{self, Ending, Options};
use cometail::event::{Channel, ReplayId};
use cometail::sinks::{SinkStatus, State};
use cometail::status::Snapshot;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::scene::{Scene, connection_on, sink};
use crate::support::{A, Emulator, LONG};

const B: &str = "/topic/B";

struct Running {
    scene: Scene,
    emulator: Emulator,
    orders: mpsc::Sender<Request>,
    status: Box<dyn Fn() -> Snapshot<SinkStatus>>,
    daemon: tokio::task::JoinHandle<Ending>,
}

impl Running {
    fn start() -> Self {
        let (scene, emulator) = (Scene::new(), Emulator::start());
        let file = scene.place.config(&text(&scene, &emulator));
        let source = Source::read(file.as_ref()).unwrap();
        let (config, _) = source.resolve(&|name| std::env::var_os(name)).unwrap();
        let daemon = daemon::start(config, Options { source: Some(source), ..Options::default() }).unwrap();
        let (orders, status) = (daemon.orders(), Box::new(daemon.status()));
        Self { scene, emulator, orders, status, daemon: tokio::spawn(daemon.run()) }
    }

    async fn order(&self, order: Order) -> Result<(), Refusal> {
        let (answer, came) = oneshot::channel();
        self.orders.send(Request { order, answer }).await.unwrap();
        timeout(LONG, came).await.unwrap().unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Snapshot<SinkStatus>) -> bool) {
        let deadline = Instant::now() + LONG;
        while !holds(&(self.status)()) {
            let status = serde_json::to_string(&(self.status)()).unwrap();
            assert!(Instant::now() < deadline, "not within {LONG:?}: {what}: {status}");
            sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn until_state(&self, state: &str) {
        self.until(state, |status| status.connections[0].state == state).await;
    }

    async fn until_file(&self, file: &str, wanted: impl IntoIterator<Item = u64>) {
        let wanted: Vec<_> = wanted.into_iter().collect();
        self.until(file, |_| self.scene.place.numbers(file).len() >= wanted.len()).await;
        assert_eq!(self.scene.place.numbers(file), wanted, "{file}");
    }

    async fn end(self) {
        // Its only signal would be this process's; a daemon whose orders are gone goes on, so the task is ended.
        self.daemon.abort();
        assert!(self.daemon.await.is_err());
    }
}

fn text(scene: &Scene, emulator: &Emulator) -> String {
    connection_on("c", emulator, "") + &sink(scene, "archive", "[\"/**\"]")
}

fn connection() -> Target {
    Target::Connection(Arc::from("c"))
}

fn archive() -> Target {
    Target::Sink(Arc::from("archive"))
}

const FILE: &str = "out/archive.c.jsonl";

#[tokio::test]
async fn a_connection_that_is_paused_goes_on_where_it_stood() {
    let running = Running::start();
    running.until_state("live").await;
    running.emulator.publish_each(0..3);
    running.until_file(FILE, 0..3).await;
    for _ in 0..2 {
        assert_eq!(running.order(Order::Pause(connection())).await, Ok(()), "asking twice is asking once");
    }
    running.until_state("paused").await;
    assert_eq!(running.emulator.count("disconnects"), 1, "the server is told");
    running.emulator.publish_each(3..8);
    // A reload of something else leaves it paused.
    let more = text(&running.scene, &running.emulator) + &sink(&running.scene, "more", "[\"/**\"]");
    running.scene.place.config(&more);
    assert_eq!(running.order(Order::Reload).await, Ok(()));
    running.until("the new sink", |status| status.sinks.len() == 2).await;
    let status = (running.status)();
    assert_eq!((status.connections[0].state, status.connections[0].is_live()), ("paused", false));
    assert_eq!(running.scene.place.numbers(FILE), [0, 1, 2]);
    for _ in 0..2 {
        assert_eq!(running.order(Order::Resume(connection())).await, Ok(()));
    }
    running.until_state("live").await;
    running.emulator.publish_each(8..10);
    running.until_file(FILE, 0..10).await;
    running.until_file("out/more.c.jsonl", 3..10).await;
    assert_eq!(running.emulator.count("handshakes"), 2);
    assert_eq!((running.status)().connections[0].gaps, 0, "nothing is missing");
    running.end().await;
}

#[tokio::test]
async fn a_sink_that_is_paused_keeps_its_place() {
    let running = Running::start();
    running.until_state("live").await;
    running.emulator.publish_each(0..3);
    running.until_file(FILE, 0..3).await;
    assert_eq!(running.order(Order::Pause(archive())).await, Ok(()));
    running.until("it stands still", |status| status.sinks[0].state == State::Paused).await;
    running.emulator.publish_each(3..8);
    running.until("it is behind", |status| status.sinks[0].lag == Some(5)).await;
    // Changed while it stands still, it stands still.
    let changed = text(&running.scene, &running.emulator) + "queue = \"2MiB\"\n";
    running.scene.place.config(&changed);
    assert_eq!(running.order(Order::Reload).await, Ok(()));
    running
        .until("the changed sink", |status| {
            status.sinks[0].delivered == 0 && status.sinks[0].state == State::Paused
        })
        .await;
    assert_eq!(running.scene.place.numbers(FILE), [0, 1, 2]);
    assert_eq!(running.order(Order::Resume(archive())).await, Ok(()));
    running.until_file(FILE, 0..8).await;
    running.end().await;
}

#[tokio::test]
async fn a_channel_that_is_asked_for_stays_until_it_is_not() {
    let running = Running::start();
    running.until_state("live").await;
    let channel = || Channel::parse(B).unwrap();
    let order = || Order::Subscribe { connection: Arc::from("c"), channel: channel(), replay: ReplayId::NEW };
    assert_eq!(running.order(order()).await, Ok(()));
    assert_eq!(running.order(order()).await, Ok(()));
    let live = |count: usize| {
        move |status: &Snapshot<SinkStatus>| {
            let channels = &status.connections[0].channels;
            channels.len() == count && channels.iter().all(|channel| channel.standing == "live")
        }
    };
    running.until("both channels", live(2)).await;
    running.emulator.publish(B, 0);
    running.until_file(FILE, [0]).await;
    assert_eq!(running.order(Order::Pause(connection())).await, Ok(()));
    running.until_state("paused").await;
    running.emulator.publish(B, 1);
    assert_eq!(running.order(Order::Resume(connection())).await, Ok(()));
    running.until("both channels again", live(2)).await;
    running.until_file(FILE, [0, 1]).await;
    let order = Order::Unsubscribe { connection: Arc::from("c"), channel: channel() };
    assert_eq!(running.order(order).await, Ok(()));
    running.until("one channel", live(1)).await;
    running.end().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let running = Running::start();
    running.until_state("live").await;
    let nobody = Target::Connection(Arc::from("nobody"));
    assert_eq!(running.order(Order::Pause(nobody.clone())).await, Err(Refusal::Unknown(nobody)));
    let nothing = Target::Sink(Arc::from("nothing"));
    assert_eq!(running.order(Order::Resume(nothing.clone())).await, Err(Refusal::Unknown(nothing)));
    let meta = Channel::parse("/meta/connect").unwrap();
    let order = Order::Subscribe { connection: Arc::from("c"), channel: meta, replay: ReplayId::NEW };
    assert!(matches!(running.order(order).await, Err(Refusal::Invalid(_))));
    running.scene.place.config("nonsense");
    let Err(Refusal::Invalid(problems)) = running.order(Order::Reload).await else {
        panic!("it is nonsense")
    };
    assert!(problems[0].contains("cometail.toml:"), "{problems:?}");
    assert_eq!((running.status)().connections[0].state, "live");
    running.end().await;
}

#[tokio::test]
async fn a_pause_of_a_channel_without_a_position_is_a_gap() {
    let running = Running::start();
    running.until_state("live").await;
    assert_eq!(running.order(Order::Pause(connection())).await, Ok(()));
    running.until_state("paused").await;
    running.emulator.publish(A, 0);
    assert_eq!(running.order(Order::Resume(connection())).await, Ok(()));
    running.until_state("live").await;
    assert_eq!((running.status)().connections[0].gaps, 1, "nobody can say what was missed");
    running.end().await;
}
