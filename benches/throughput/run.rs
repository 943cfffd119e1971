//! One run of one side: start it, wait for its poll, let events flow, watch its file, check its file.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Side};
use crate::server::{Plan, Server};
use crate::{Result, check, events};

/// The longest that a run may take to begin, and from there to its end.
const LIMIT: Duration = Duration::from_secs(30);
/// How often the file is looked at: far below a thousandth of a run, and a thousandth of a processor.
const LOOK: Duration = Duration::from_micros(200);
/// How long a client idles in its poll before its memory counts.
const IDLE: Duration = Duration::from_secs(1);

/// The figures of a run at full speed.
pub(crate) struct Throughput {
    /// Events a second, from the first response to the last line in the file.
    pub(crate) rate: f64,
    /// Seconds of processor time for a million events.
    pub(crate) processor: f64,
    /// The peak of resident memory, in KiB.
    pub(crate) peak: u32,
}

/// The figures of a paced run: from the moment of publishing to the line in the file, or from a response to the next
/// connect.
pub(crate) struct Latency {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Result<Self> {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().ok_or("no event was timed");
        Ok(Self { median: at(50)?, p99: at(99)? })
    }
}

/// Measures `side` at full speed.
pub(crate) fn throughput(side: Side, plan: Plan) -> Result<Throughput> {
    run(side, plan, |server, client| {
        let before = client.processor_time()?;
        server.open();
        let end = wait_for_length(client, file_length(plan.total))?;
        let processor = client.processor_time()?.saturating_sub(before);
        let start = server.published().first().copied().ok_or("no response was sent")?;
        let events = f64::from(plan.total);
        Ok(Throughput {
            rate: events / end.duration_since(start).as_secs_f64(),
            processor: processor.as_secs_f64() / events * 1e6,
            peak: client.memory("VmHWM")?,
        })
    })
}

/// Measures the latency of `side` for single events, without the first `untimed` ones.
pub(crate) fn latency(side: Side, plan: Plan, untimed: u32) -> Result<Latency> {
    run(side, plan, |server, client| {
        server.open();
        let arrived = arrivals(client, plan.total)?;
        let published = server.published();
        let mut times: Vec<Duration> =
            arrived.iter().zip(&published).map(|(end, start)| end.duration_since(*start)).collect();
        times.drain(..usize::try_from(untimed)?);
        Latency::of(times)
    })
}

/// Measures how soon `side` asks for more after each response, without the first `untimed` ones. The server takes the
/// time from the end of its writing to the moment it has read the next connect, so the two wake-ups are in it.
pub(crate) fn turn_around(side: Side, plan: Plan, untimed: u32) -> Result<Latency> {
    run(side, plan, |server, client| {
        server.open();
        wait_for_length(client, file_length(plan.total))?;
        let mut turns = server.turns();
        turns.drain(..usize::try_from(untimed)?);
        Latency::of(turns)
    })
}

/// The resident memory of `side` in KiB after a second in an idle poll.
pub(crate) fn idle_memory(side: Side) -> Result<u32> {
    let plan = Plan { per_response: 1, total: 0, period: None };
    run(side, plan, |_, client| {
        thread::sleep(IDLE);
        client.memory("VmRSS")
    })
}

/// Brings `side` into its poll, measures, and checks the file; what a failed client said is in the error.
fn run<T>(side: Side, plan: Plan, measure: impl FnOnce(&Server, &mut Client) -> Result<T>) -> Result<T> {
    let server = Server::start(plan)?;
    let mut client = Client::start(side, server.port())?;
    let measured = wait_for_poll(&server, &mut client).and_then(|()| measure(&server, &mut client));
    let checked = measured.and_then(|figures| {
        if plan.total > 0 {
            check::check(&client.output(), plan.total)?;
        }
        Ok(figures)
    });
    checked.map_err(|error| {
        let (count, total) = (plan.per_response, plan.total);
        format!("{side}, {total} events, {count} a response: {error}\nits stderr:\n{}", client.said()).into()
    })
}

fn wait_for_poll(server: &Server, client: &mut Client) -> Result<()> {
    let start = Instant::now();
    while !server.polling() {
        client.check_alive()?;
        if start.elapsed() > LIMIT {
            return Err("it did not begin to poll in 30 s".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Waits until the client's file has `length` bytes; when that was seen.
fn wait_for_length(client: &mut Client, length: u64) -> Result<Instant> {
    let path = client.output();
    let start = Instant::now();
    let mut looks = 0_u32;
    while length_of(&path) < length {
        looks += 1;
        if looks.is_multiple_of(1000) {
            check_progress(client, start, length)?;
        }
        thread::sleep(LOOK);
    }
    Ok(Instant::now())
}

/// When each of `total` lines was first seen in the client's file, which is looked at without a pause:
/// a sleep would be as long as what is measured. The processor is given up after each look.
fn arrivals(client: &mut Client, total: u32) -> Result<Vec<Instant>> {
    let path = client.output();
    let start = Instant::now();
    let mut arrived = Vec::new();
    let mut seen = 0;
    let mut looks = 0_u32;
    while seen < u64::from(total) {
        let lines = length_of(&path) / events::LINE_LEN;
        let now = Instant::now();
        arrived.extend((seen..lines).map(|_| now));
        seen = seen.max(lines);
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(100_000) {
            check_progress(client, start, file_length(total))?;
        }
        thread::yield_now();
    }
    Ok(arrived)
}

fn check_progress(client: &mut Client, start: Instant, length: u64) -> Result<()> {
    client.check_alive()?;
    if start.elapsed() > LIMIT {
        let found = length_of(&client.output());
        return Err(format!("after 30 s its file has {found} bytes of {length}").into());
    }
    Ok(())
}

/// The length of a file of `total` events.
fn file_length(total: u32) -> u64 {
    u64::from(total) * events::LINE_LEN
}

/// The length of the file at `path`; a file that is not there yet is empty.
fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
