//! One run of one side: start it, wait for its poll, let events flow, watch them arrive, check each of them.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Result;
use crate::apart::Apart;
use crate::client::Client;
use crate::response::Load;
use crate::server::{Plan, Server};
use crate::side::Side;

/// The longest that a run may take to begin, and from there to its end.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest in which nothing new may arrive.
const STALL: Duration = Duration::from_secs(10);
/// The nice value of a thread that runs when no other wants to.
const LEAST: i32 = 19;
/// How often is looked at what has arrived: far below a thousandth of a run, and a thousandth of a processor.
const LOOK: Duration = Duration::from_micros(200);
/// How long a client idles in its poll before its memory counts.
const IDLE: Duration = Duration::from_secs(1);
/// The share of a run that warms up: a fifth. Clients with a compiler of their own get going in it.
const WARM: u32 = 5;

/// The figures of a run at full speed.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Throughput {
    /// Events a second.
    #[serde(rename = "events_per_s")]
    pub(crate) rate: f64,
    /// Seconds of processor time for a million events.
    #[serde(rename = "cpu_s_per_million")]
    pub(crate) processor: f64,
    /// The peak of resident memory, in KiB.
    #[serde(rename = "peak_rss_kib")]
    pub(crate) peak: u32,
}

/// A moment at which so many events had arrived.
struct Seen {
    at: Instant,
    events: u32,
}

/// Measures `side` at full speed, from the first fifth of `total` events to the last.
pub(crate) fn throughput(side: &Side, load: &mut Load, total: u32) -> Result<Throughput> {
    run(side, load, Plan { total, period: None }, |server, client| {
        server.open();
        let start = wait_for(client, total / WARM)?;
        let before = client.processor_time()?;
        let end = wait_for(client, total)?;
        let processor = client.processor_time()?.saturating_sub(before);
        if end.events == start.events {
            return Err("too few events: they came all at once".into());
        }
        let events = f64::from(end.events - start.events);
        Ok(Throughput {
            rate: events / end.at.duration_since(start.at).as_secs_f64(),
            processor: processor.as_secs_f64() / events * 1e6,
            peak: client.memory("VmHWM")?,
        })
    })
}

/// How long `side` takes for so many events, roughly.
pub(crate) fn trial(side: &Side, load: &mut Load, total: u32) -> Result<Duration> {
    run(side, load, Plan { total, period: None }, |server, client| {
        server.open();
        let start = Instant::now();
        Ok(wait_for(client, total)?.at.duration_since(start))
    })
}

/// Measures the latency of `side` for single events, without the first `untimed` ones: from the moment of publishing to
/// the line in the file.
pub(crate) fn latency(side: &Side, load: &mut Load, plan: Plan, untimed: usize) -> Result<Vec<Duration>> {
    let apart = Apart::new()?;
    apart.to_others()?;
    run(side, load, plan, |server, client| {
        server.open();
        let arrived = arrivals(client, plan.total, &apart)?;
        let published = server.published();
        let times = arrived.iter().zip(&published).map(|(end, start)| end.duration_since(*start));
        Ok(times.skip(untimed).collect())
    })
}

/// Measures how soon `side` asks for more after each response, without the first `untimed` ones. The server takes the
/// time from the end of its writing to the moment it has read the next connect, so the two wake-ups are in it.
pub(crate) fn turn_around(side: &Side, load: &mut Load, plan: Plan, untimed: usize) -> Result<Vec<Duration>> {
    run(side, load, plan, |server, client| {
        server.open();
        wait_for(client, plan.total)?;
        Ok(server.turns().into_iter().skip(untimed).collect())
    })
}

/// The resident memory of `side` in KiB after a second in an idle poll.
pub(crate) fn idle_memory(side: &Side, load: &mut Load) -> Result<u32> {
    run(side, load, Plan { total: 0, period: None }, |_, client| {
        thread::sleep(IDLE);
        client.memory("VmRSS")
    })
}

/// Brings `side` into its poll, measures, and checks what arrived; what a failed client said is in the error.
fn run<T>(
    side: &Side,
    load: &mut Load,
    plan: Plan,
    measure: impl FnOnce(&Server, &mut Client) -> Result<T>,
) -> Result<T> {
    let server = Server::start(load, plan)?;
    let mut client = Client::start(side, server.port(), load.form)?;
    let measured = wait_for_poll(&server, &mut client).and_then(|()| measure(&server, &mut client));
    let checked = measured.and_then(|figures| {
        if plan.total > 0 {
            client.arrivals.check(plan.total)?;
        }
        Ok(figures)
    });
    checked.map_err(|error| {
        let (form, count, total) = (load.form, load.per_response, plan.total);
        let said = client.said();
        format!("{side}, {form}, {total} events, {count} a response: {error}\nits stderr:\n{said}").into()
    })
}

fn wait_for_poll(server: &Server, client: &mut Client) -> Result<()> {
    let start = Instant::now();
    while !server.polling()? {
        client.check_alive()?;
        if start.elapsed() > LIMIT {
            return Err("it did not begin to poll in 30 s".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Waits until `count` events have arrived; when that was seen.
fn wait_for(client: &mut Client, count: u32) -> Result<Seen> {
    let mut watch = Watch::new(1_000);
    loop {
        let events = client.arrivals.seen()?;
        if events >= count {
            return Ok(Seen { at: Instant::now(), events });
        }
        watch.look(client, events, count)?;
        thread::sleep(LOOK);
    }
}

/// When each of `total` events was first seen. A thread of its own looks for them, apart and with the least of all claims
/// to a processor: otherwise what is measured would wait for the one that measures.
fn arrivals(client: &mut Client, total: u32, apart: &Apart) -> Result<Vec<Instant>> {
    let looked = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            apart.to_last().map_err(|error| error.to_string())?;
            rustix::process::setpriority_process(None, LEAST).map_err(|error| error.to_string())?;
            look_for(client, total).map_err(|error| error.to_string())
        });
        looking.join()
    });
    looked.map_err(|_| "the thread that looks for events broke")?.map_err(Into::into)
}

/// Looks without a pause: a sleep would be as long as what is measured. The processor is given up after each look.
fn look_for(client: &mut Client, total: u32) -> Result<Vec<Instant>> {
    let mut watch = Watch::new(100_000);
    let mut arrived = Vec::new();
    let mut seen = 0;
    while seen < total {
        let events = client.arrivals.seen()?;
        let now = Instant::now();
        arrived.extend((seen..events).map(|_| now));
        seen = seen.max(events);
        watch.look(client, seen, total)?;
        thread::yield_now();
    }
    Ok(arrived)
}

/// Sees to it that a client which has ended or stalled is not waited for.
struct Watch {
    /// How many looks go by before the clock is read.
    every: u32,
    looks: u32,
    start: Instant,
    /// How many events there were when there were more of them for the last time, and when.
    last: Seen,
}

impl Watch {
    fn new(every: u32) -> Self {
        let now = Instant::now();
        Self { every, looks: 0, start: now, last: Seen { at: now, events: 0 } }
    }

    /// Notes that `found` events of `wanted` have arrived; an error where there will not be more.
    fn look(&mut self, client: &mut Client, found: u32, wanted: u32) -> Result<()> {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(self.every) {
            return Ok(());
        }
        client.check_alive()?;
        if found > self.last.events {
            self.last = Seen { at: Instant::now(), events: found };
        }
        if self.start.elapsed() > LIMIT || self.last.at.elapsed() > STALL {
            return Err(format!("it stopped or was too slow: {found} events of {wanted} had arrived").into());
        }
        Ok(())
    }
}
