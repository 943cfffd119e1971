//! One run of one side: its process, its processor time, the receiver's book.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::book::Book;
use crate::events::{self, Load};
use crate::shared::program;
use crate::source::Source;
use crate::{Result, receiver};

/// The longest that a run may take to begin, and from there to its end.
const LIMIT: Duration = Duration::from_secs(60);
/// The unit of processor time in `/proc/PID/stat`: `USER_HZ`, which is 100 a second on every Linux that Rust's
/// standard library runs on.
const TICK: Duration = Duration::from_millis(10);
/// What cometail signs its requests with.
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Who posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Floor,
    /// cometail with everything in memory.
    Memory,
    /// cometail as it is by default, with a journal.
    Journal,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) side: Side,
    pub(crate) load: Load,
    /// Whether cometail signs its requests.
    pub(crate) signed: bool,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Requests and events a second, from the first request to the last.
    pub(crate) requests: f64,
    pub(crate) events: f64,
    /// Seconds of processor time for a million events, from the first to the last; with cometail the receipt of the
    /// events is in it.
    pub(crate) processor: f64,
}

/// A running program with a directory of its own; dropped, both are gone.
struct Client {
    child: Child,
    dir: TempDir,
}

/// Measures one side once.
pub(crate) fn measure(setting: Setting) -> Result<Figures> {
    let book = Arc::new(Book::new(setting.load));
    let receiver = receiver::start(&book)?;
    let source = Source::start(setting.load)?;
    let mut client = Client::start(setting, receiver.port(), source.port())?;
    let measured = client.run(setting, &book, &source);
    measured.map_err(|error| format!("{setting:?}: {error}\nits stderr:\n{}", client.said()).into())
}

impl Client {
    fn start(setting: Setting, port: u16, source: u16) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("webhook-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut command = match setting.side {
            Side::Floor => floor(setting.load, port)?,
            Side::Memory => cometail(dir.path(), setting, port, source, "persist = false")?,
            Side::Journal => {
                cometail(dir.path(), setting, port, source, &format!("dir = '{}'", dir.path().display()))?
            }
        };
        // Without the environment of the caller no proxy and no log level of theirs changes the figures.
        command.env_clear().env("HOOK_KEY", KEY).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(File::create(dir.path().join("stderr"))?).spawn()?;
        Ok(Self { child, dir })
    }

    fn run(&mut self, setting: Setting, book: &Book, source: &Source) -> Result<Figures> {
        if setting.side != Side::Floor {
            self.wait_for_poll(source)?;
        }
        let before = self.processor_time()?;
        source.open();
        let took = book.wait(LIMIT)?.as_secs_f64();
        let processor = self.processor_time()?.saturating_sub(before).as_secs_f64();
        let (requests, events) = (f64::from(book.check()?), f64::from(setting.load.total));
        Ok(Figures { requests: requests / took, events: events / took, processor: processor / events * 1e6 })
    }

    fn wait_for_poll(&mut self, source: &Source) -> Result<()> {
        let start = Instant::now();
        while !source.polling() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended on its own: {status}").into());
            }
            if start.elapsed() > LIMIT {
                return Err(format!("it did not begin to poll in {LIMIT:?}").into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The processor time used so far by all of its threads, to 10 ms.
    fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name in parentheses, which may hold anything; proc_pid_stat(5)
        // numbers utime and stime 14 and 15.
        let ticks = |field: usize| {
            let (_, rest) = stat.rsplit_once(')')?;
            rest.split_whitespace().nth(field - 3)?.parse::<u32>().ok()
        };
        let (user, system) = ticks(14).zip(ticks(15)).ok_or("no times in /proc/PID/stat")?;
        Ok(TICK * (user + system))
    }

    /// What the program said on stderr.
    fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only where the program has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn floor(load: Load, port: u16) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--floor").arg(port.to_string()).args(load.arguments());
    Ok(command)
}

fn cometail(dir: &Path, setting: Setting, port: u16, source: u16, state: &str) -> Result<Command> {
    let load = setting.load;
    let channels: Vec<_> = (0..load.channels).map(events::channel).collect();
    let signed = if setting.signed { "secret = { env = 'HOOK_KEY' }\n" } else { "" };
    let config = format!(
        "[state]\n{state}\n[connection.bench]\nurl = 'http://127.0.0.1:{source}/cometd/61.0'\n\
         channels = {channels:?}\n[sink.out.webhook]\nurl = 'http://127.0.0.1:{port}/hook'\n\
         batch = {}\nconcurrency = {}\n{signed}",
        load.per_request, load.channels
    );
    let path = dir.join("cometail.toml");
    fs::write(&path, config)?;
    let mut command = Command::new(program::path());
    command.args(["run", "-c"]).arg(path);
    Ok(command)
}
