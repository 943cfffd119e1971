//! The connections of a running daemon: each moves from what it is to what it is wanted to be, one step for each thing
//! that happens, and none waits for another.
//!
//! * One that is changed, paused or removed ends when the journal has taken what it has received. What it knows of
//!   positions and recent events is kept for its next start.
//! * The next start goes on with the same session of the server, unless that is another server or another login: then,
//!   and at a pause or a removal, the server is told of the end.

mod ask;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::asked::Asked;
use super::connection::{Command, Connection, Ended};
use super::prepare::{Means, Past, prepare};
use super::trouble::Trouble;
use crate::bayeux::memory::Memory;
use crate::bayeux::notice::Closed;
use crate::{config, status};

/// How long after a start that failed the next one is.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// The most connections without a configuration of which anything is remembered; of others the positions are in the
/// journal, for the next start of the daemon.
const MEMORIES_MAX: usize = 10_000;

/// What happened to a connection.
pub(super) enum News {
    /// It can run, or why not.
    Prepared(Arc<str>, Result<(mpsc::Sender<Command>, Box<Connection>), String>, Past),
    /// It ended; nothing where it broke.
    Ended(Arc<str>, Option<(Ended, Memory)>),
    /// A start that failed is due again.
    Due(Arc<str>),
}

/// What a connection is at.
enum Stage {
    Idle,
    Starting,
    Running(mpsc::Sender<Command>),
    Ending(mpsc::Sender<Command>),
    /// Waits to be started again.
    Resting,
    /// Ended by itself.
    Over,
    /// Something in it is broken, and what it knew is lost: only a new process knows it again, from the journal.
    Broken,
}

/// One connection, through all its starts.
pub(super) struct Line {
    pub(super) name: Arc<str>,
    /// What it is to be; none where it is to be no more.
    pub(super) wanted: Option<Arc<config::Connection>>,
    /// What it is.
    runs: Option<Arc<config::Connection>>,
    /// Channels that were asked for, or not wanted any more, since it was configured.
    asked: Asked,
    pub(super) paused: bool,
    pub(super) status: Arc<Mutex<status::Connection>>,
    past: Past,
    stage: Stage,
    trouble: Trouble,
}

/// Every connection.
pub(super) struct Lines {
    means: Arc<Means>,
    pub(super) list: Vec<Line>,
    /// What is known of connections that are not there.
    memories: HashMap<Arc<str>, Memory>,
    happening: JoinSet<News>,
    closing: bool,
}

impl Lines {
    pub(super) fn new(means: Arc<Means>, memories: HashMap<Arc<str>, Memory>) -> Self {
        Self { means, list: Vec::new(), memories, happening: JoinSet::new(), closing: false }
    }

    /// One that has been prepared already.
    pub(super) fn launch(
        &mut self,
        wanted: Arc<config::Connection>,
        status: Arc<Mutex<status::Connection>>,
        (commands, connection): (mpsc::Sender<Command>, Connection),
    ) {
        let name = Arc::clone(&wanted.name);
        self.spawn(Arc::clone(&name), Box::new(connection));
        let runs = Some(wanted.clone());
        let stage = Stage::Running(commands);
        let mut line = Line::new(name, status, Past::default());
        (line.wanted, line.runs, line.stage) = (Some(wanted), runs, stage);
        self.list.push(line);
    }

    fn spawn(&mut self, name: Arc<str>, connection: Box<Connection>) {
        self.happening.spawn(async move {
            // What it leaves is not looked at where it broke.
            let ended = std::panic::AssertUnwindSafe(Box::pin(connection.run())).catch_unwind().await;
            News::Ended(name, ended.ok())
        });
    }

    pub(super) fn get(&mut self, name: &str) -> Option<&mut Line> {
        self.list.iter_mut().find(|one| *one.name == *name && one.wanted.is_some())
    }

    /// What happens next; never, where nothing is under way.
    pub(super) async fn next(&mut self) -> News {
        loop {
            match self.happening.join_next().await {
                Some(Ok(news)) => return news,
                // It was given up.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Takes what happened; how a connection ended by itself, where one did.
    pub(super) fn take(&mut self, news: News) -> Option<(Arc<str>, Option<Ended>)> {
        let (News::Prepared(name, ..) | News::Ended(name, _) | News::Due(name)) = &news;
        let at = self.list.iter().position(|one| one.name == *name)?;
        let over = match news {
            News::Prepared(_, Ok((commands, connection)), _) => {
                self.start(at, commands, connection);
                None
            }
            News::Prepared(name, Err(problem), past) => {
                if let Some(line) = self.list.get_mut(at) {
                    line.rest(problem, past);
                }
                self.happening.spawn(async move {
                    tokio::time::sleep(AGAIN).await;
                    News::Due(name)
                });
                None
            }
            News::Ended(_, ended) => self.list.get_mut(at).and_then(|line| line.end(ended)),
            News::Due(_) => {
                self.list.get_mut(at).into_iter().for_each(Line::rouse);
                None
            }
        };
        self.settle(at);
        over
    }

    fn start(&mut self, at: usize, commands: mpsc::Sender<Command>, connection: Box<Connection>) {
        let Some(line) = self.list.get_mut(at) else { return };
        if self.closing {
            line.stage = Stage::Idle;
            return;
        }
        if let Some(attempts) = line.trouble.end() {
            let connection = &*line.name;
            tracing::info!(connection, attempts, "the connection starts, after attempts that failed");
        }
        line.stage = Stage::Running(commands);
        let name = Arc::clone(&line.name);
        self.spawn(name, connection);
    }

    /// Wants these from now on, in this order; what that changes, one line for each.
    pub(super) fn want(&mut self, wanted: Vec<config::Connection>) -> Vec<String> {
        let mut changes = Vec::new();
        let old = std::mem::take(&mut self.list).into_iter();
        let mut old: BTreeMap<_, _> = old.map(|line| (Arc::clone(&line.name), line)).collect();
        for one in wanted {
            let mut line = old.remove(&one.name).unwrap_or_else(|| self.line(&one));
            changes.extend(line.want(Arc::new(one)));
            self.list.push(line);
        }
        for (name, mut line) in old {
            if line.wanted.take().is_some() {
                line.status().required = false;
                line.asked.forget(&name, &[]);
                changes.push(format!("connection {name}: removed"));
            }
            self.list.push(line);
        }
        for at in (0..self.list.len()).rev() {
            self.settle(at);
        }
        changes
    }

    fn line(&mut self, config: &config::Connection) -> Line {
        let name = Arc::clone(&config.name);
        let memory = self.memories.remove(&name).unwrap_or_default();
        let status = Arc::new(Mutex::new(status::Connection::new(&name, "")));
        Line::new(name, status, Past { memory, away: None })
    }

    /// Takes the next step of one, if there is any.
    fn settle(&mut self, at: usize) {
        let Some(line) = self.list.get_mut(at).filter(|_| !self.closing) else { return };
        line.settle(&self.means, &mut self.happening);
        if line.wanted.is_none() && !line.is_open() && !matches!(line.stage, Stage::Broken) {
            // Behind it are others that nobody wants, if any: the order of those that are wanted stays.
            let line = self.list.swap_remove(at);
            if self.memories.len() < MEMORIES_MAX {
                self.memories.insert(line.name, line.past.memory);
            }
        }
    }

    /// Stops one in order, or lets it go on; whether there is one of this name.
    pub(super) fn pause(&mut self, name: &str, paused: bool) -> bool {
        let named = |one: &Line| *one.name == *name && one.wanted.is_some();
        let Some(at) = self.list.iter().position(named) else { return false };
        if let Some(line) = self.list.get_mut(at) {
            if line.paused && !paused {
                tracing::info!(connection = name, "resumed");
            }
            if !paused {
                line.rouse();
            }
            line.paused = paused;
        }
        self.settle(at);
        true
    }

    /// Whether none runs, or will without being asked.
    pub(super) fn are_over(&self) -> bool {
        self.list.iter().all(|line| matches!(line.stage, Stage::Over | Stage::Broken))
    }

    /// Asks all for their end. None starts any more.
    pub(super) fn close(&mut self) {
        self.closing = true;
        for line in &self.list {
            if let Stage::Running(commands) | Stage::Ending(commands) = &line.stage {
                let keeps = line.runs.as_ref().is_some_and(|runs| runs.on_stop == config::OnStop::Keep);
                // A full queue of commands means that the connection does not listen: its task is given up later.
                drop(commands.try_send(Command::Close { disconnect: !keeps }));
            }
        }
    }

    /// Whether one runs.
    pub(super) fn any_open(&self) -> bool {
        self.list.iter().any(Line::is_open)
    }

    /// Gives up what still runs.
    pub(super) async fn abort(&mut self) {
        self.happening.shutdown().await;
    }
}

impl Line {
    fn new(name: Arc<str>, status: Arc<Mutex<status::Connection>>, past: Past) -> Self {
        let (asked, stage, trouble) = (Asked::default(), Stage::Idle, Trouble::default());
        Self { name, wanted: None, runs: None, asked, paused: false, status, past, stage, trouble }
    }

    /// What a configuration changes, for a person.
    fn want(&mut self, config: Arc<config::Connection>) -> Option<String> {
        let change = match (&self.wanted, &self.stage) {
            (_, Stage::Broken) => Some("broken, which needs a restart"),
            (None, _) => Some("added"),
            (Some(known), _) if *known != config => Some("changed"),
            (Some(_), Stage::Over) => Some("started again"),
            (Some(_), _) => None,
        };
        if change.is_some() {
            self.rouse();
        }
        if self.wanted.as_ref() != Some(&config) {
            self.asked.forget(&self.name, &config.session.channels);
        }
        self.status().required = config.required;
        self.wanted = Some(config);
        change.map(|change| format!("connection {}: {change}", self.name))
    }

    /// Lets one that has ended by itself, or rests after a failure, start again.
    pub(super) fn rouse(&mut self) {
        if let Stage::Over | Stage::Resting = self.stage {
            self.stage = Stage::Idle;
        }
    }

    /// Notes that it could not start, and is to be tried again.
    fn rest(&mut self, problem: String, past: Past) {
        if let Some(attempts) = self.trouble.note(&problem) {
            let connection = &*self.name;
            tracing::error!(connection, problem, attempts, "the connection cannot start; it is tried again");
        }
        self.status().rest(SystemTime::now(), problem, AGAIN);
        (self.past, self.stage) = (past, Stage::Resting);
    }

    const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Running(_) | Stage::Ending(_))
    }

    /// As it is configured, with what was asked for since.
    fn present(&self, mut config: config::Connection) -> config::Connection {
        self.asked.apply(&mut config.session.channels);
        config
    }

    fn settle(&mut self, means: &Arc<Means>, happening: &mut JoinSet<News>) {
        let wanted = self.wanted.as_ref().filter(|_| !self.paused);
        match (&self.stage, wanted) {
            (Stage::Running(commands), _) if wanted != self.runs.as_ref() => {
                let resumes = wanted.zip(self.runs.as_ref()).is_some_and(|(wanted, runs)| {
                    means.store.is_some() && wanted.url == runs.url && wanted.login == runs.login
                });
                if commands.try_send(Command::Retire { disconnect: !resumes }).is_ok() {
                    self.stage = Stage::Ending(commands.clone());
                }
            }
            (Stage::Idle, Some(config)) => {
                self.runs = Some(config.clone());
                self.stage = Stage::Starting;
                let config = self.present(config::Connection::clone(config));
                let (means, status) = (Arc::clone(means), Arc::clone(&self.status));
                let (name, mut past) = (Arc::clone(&self.name), std::mem::take(&mut self.past));
                happening.spawn(async move {
                    let of = Arc::clone(&name);
                    let preparing = tokio::task::spawn_blocking(move || {
                        let prepared = prepare(config, &means, &status, &mut past);
                        News::Prepared(of, prepared.map(|(commands, one)| (commands, Box::new(one))), past)
                    });
                    preparing.await.unwrap_or(News::Ended(name, None))
                });
            }
            (Stage::Idle, None) if self.wanted.is_some() => self.show_pause(),
            _ => {}
        }
    }

    /// Takes the end; how it ended, where nobody had asked for that.
    fn end(&mut self, ended: Option<(Ended, Memory)>) -> Option<(Arc<str>, Option<Ended>)> {
        let asked = matches!(self.stage, Stage::Ending(_));
        let name = Arc::clone(&self.name);
        let Some((ended, memory)) = ended else {
            self.status().break_down(SystemTime::now());
            self.stage = Stage::Broken;
            return Some((name, None));
        };
        self.past = Past { memory, away: Some(SystemTime::now()) };
        self.stage = if asked { Stage::Idle } else { Stage::Over };
        let in_order = asked && ended == Ended::Closed(Closed::Requested);
        (!in_order).then_some((name, Some(ended)))
    }

    fn show_pause(&self) {
        if self.status().state != "paused" {
            tracing::info!(connection = &*self.name, "paused: nothing is received until it is resumed");
            self.status().halt(SystemTime::now(), "paused", "to be resumed");
        }
    }

    fn status(&self) -> MutexGuard<'_, status::Connection> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
