//! The sinks of a running daemon: each moves from what it is to what it is wanted to be, one step for each thing that
//! happens, and none waits for another but for one that writes to the same place.
//!
//! * On the journal, one that is changed is halted, and its successor begins at its cursor: nothing is lost or doubled.
//!   One that is removed delivers what is in the journal by then, within the grace period, and holds nothing back
//!   there any more. A new one begins where the journal ended when it was read of.
//! * Without a journal, the successor takes what comes from now on, and delivers it when the one before has ended.

mod see_off;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use see_off::see_off;
use tokio::task::JoinSet;

use super::line::AGAIN;
use super::outlet::{Outlet, Seat, Tap};
use super::trouble::Trouble;
use crate::journal::{Cursor, Library};
use crate::sinks::{self, Config, Ended, Handle, SinkStatus, Supply};

/// What happened to a sink.
pub(super) enum News {
    /// It runs, or why not.
    Started(Arc<str>, Result<Handle, String>),
    /// It ended and its thread is gone.
    Ended(Arc<str>, Arc<Tap>, Ended),
    /// A start that failed is due again.
    Due(Arc<str>),
}

/// What a sink is at.
enum Stage {
    Idle,
    Starting,
    Running,
    Ending,
    /// Waits to be started again.
    Resting,
    /// Ended by itself.
    Over,
}

/// One sink, through all its starts.
pub(super) struct Post {
    name: Arc<str>,
    /// What it is to be; none where it is to be no more.
    wanted: Option<Config>,
    /// What it is.
    runs: Option<Config>,
    /// Its place in the journal until it has started, and about which that is.
    reserved: Option<(Cursor, u64)>,
    paused: bool,
    /// The one that runs or ran last: its cursor holds its place until there is another.
    tap: Option<Arc<Tap>>,
    /// One before that, which delivers what it has.
    before: Option<Arc<Tap>>,
    stage: Stage,
    trouble: Trouble,
}

/// Every sink.
pub(super) struct Posts {
    outlet: Arc<Outlet>,
    pub(super) supply: Supply,
    pub(super) grace: Duration,
    list: Vec<Post>,
    happening: JoinSet<News>,
    closing: bool,
}

impl Posts {
    /// Of sinks that have been started already, each with its configuration, in the order of the outlet.
    pub(super) fn new(outlet: Arc<Outlet>, supply: Supply, grace: Duration, configs: Vec<Config>) -> Self {
        let (list, happening) = (Vec::new(), JoinSet::new());
        let mut this = Self { outlet, supply, grace, list, happening, closing: false };
        let taps = this.outlet.taps();
        for (config, tap) in configs.into_iter().zip(taps.iter()) {
            let mut post = Post::new(config);
            (post.tap, post.stage) = (Some(Arc::clone(tap)), Stage::Running);
            this.watch(Arc::clone(&post.name), Arc::clone(tap));
            this.list.push(post);
        }
        this
    }

    /// What happens next; never, where nothing is under way.
    pub(super) async fn next(&mut self) -> News {
        loop {
            match self.happening.join_next().await {
                Some(Ok(news)) => return news,
                Some(Err(error)) => tracing::error!(%error, "a sink is not watched any more"),
                None => std::future::pending().await,
            }
        }
    }

    /// Takes what happened; how a sink ended by itself, where one did.
    pub(super) fn take(&mut self, news: News) -> Option<(Arc<str>, Ended)> {
        let (News::Started(name, _) | News::Ended(name, ..) | News::Due(name)) = &news;
        let at = self.list.iter().position(|one| one.name == *name)?;
        let over = match news {
            News::Started(name, Ok(handle)) => {
                self.started(at, name, handle);
                None
            }
            News::Started(name, Err(problem)) => {
                if let Some(post) = self.list.get_mut(at) {
                    post.stage = Stage::Resting;
                    if let Some(attempts) = post.trouble.note(&problem) {
                        let sink = &*name;
                        tracing::error!(sink, problem, attempts, "the sink cannot start; it is tried again");
                    }
                }
                self.happening.spawn(async move {
                    tokio::time::sleep(AGAIN).await;
                    News::Due(name)
                });
                None
            }
            News::Ended(_, tap, ended) => self.list.get_mut(at).and_then(|post| post.end(&tap, ended)),
            News::Due(_) => {
                self.list.get_mut(at).into_iter().for_each(Post::rouse);
                None
            }
        };
        self.settle();
        over
    }

    fn started(&mut self, at: usize, name: Arc<str>, handle: Handle) {
        let Some(post) = self.list.get_mut(at) else { return };
        if let Some(attempts) = post.trouble.end() {
            tracing::info!(sink = &*name, attempts, "the sink starts, after attempts that failed");
        }
        let tap = Tap::new(handle);
        let before = post.tap.replace(Arc::clone(&tap));
        if matches!(self.supply, Supply::Memory) {
            post.before = before.filter(|tap| tap.handle.status().state != sinks::State::Ended);
            if let Some(one) = &post.before {
                one.handle.close();
                see_off(Arc::clone(one), self.grace);
            }
        }
        (post.stage, post.reserved) = (Stage::Running, None);
        self.watch(name, tap);
    }

    fn watch(&mut self, name: Arc<str>, tap: Arc<Tap>) {
        self.happening.spawn(async move {
            let ended = tap.handle.ended().await;
            tap.handle.gone().await;
            News::Ended(name, tap, ended)
        });
    }

    /// Wants these from now on, in this order, each with the place in the journal that a new one has there; what that
    /// changes, one line for each.
    pub(super) fn want(&mut self, wanted: Vec<(Config, Option<Cursor>)>) -> Vec<String> {
        let mut changes = Vec::new();
        let old = std::mem::take(&mut self.list).into_iter();
        let mut old: BTreeMap<_, _> = old.map(|post| (Arc::clone(&post.name), post)).collect();
        for (config, reserved) in wanted {
            let known = old.remove(&config.name);
            let change = match &known {
                None => Some("added"),
                Some(post) if post.wanted.is_none() => Some("added"),
                Some(post) if post.wanted.as_ref() != Some(&config) => Some("changed"),
                Some(post) if matches!(post.stage, Stage::Over) => Some("started again"),
                Some(_) => None,
            };
            changes.extend(change.map(|change| format!("sink {}: {change}", config.name)));
            let mut post = known.unwrap_or_else(|| Post { runs: None, ..Post::new(config.clone()) });
            if change.is_some() {
                post.rouse();
            }
            post.reserved = post.reserved.or_else(|| reserved.map(|cursor| self.place(cursor)));
            post.wanted = Some(config);
            self.list.push(post);
        }
        for (name, mut post) in old {
            if post.wanted.take().is_some() {
                changes.push(format!("sink {name}: removed"));
            }
            self.list.push(post);
        }
        self.settle();
        changes
    }

    /// A place in the journal; one that is new is where the journal ends.
    fn place(&self, cursor: Cursor) -> (Cursor, u64) {
        let at = cursor.committed().map(|committed| committed.sequence);
        let at = at.unwrap_or_else(|| self.library().map_or(0, Library::next_sequence));
        (cursor, at)
    }

    const fn library(&self) -> Option<&Library> {
        match &self.supply {
            Supply::Journal(library, _) => Some(library),
            Supply::Memory | Supply::Again(_) => None,
        }
    }

    /// Takes the next step of each that can take one.
    fn settle(&mut self) {
        if self.closing {
            return;
        }
        for at in 0..self.list.len() {
            self.step(at);
        }
        let stays = |post: &Post| {
            post.wanted.is_some() || !matches!(post.stage, Stage::Idle | Stage::Over | Stage::Resting)
        };
        self.list.retain(stays);
        let taps = self.list.iter().filter_map(|post| post.tap.clone()).collect();
        let seats = self.list.iter().filter_map(|post| post.seat(self.library())).collect();
        self.outlet.replace(taps, seats);
        // One that has just started may have looked into the journal and gone to sleep before it was to be woken here.
        self.outlet.wake();
    }

    fn step(&mut self, at: usize) {
        let Some(post) = self.list.get(at) else { return };
        let is_memory = matches!(self.supply, Supply::Memory);
        let is_free = !post.wanted.iter().any(|wanted| self.is_taken(at, wanted));
        let Some(post) = self.list.get_mut(at) else { return };
        match (&post.stage, &post.wanted, &post.tap) {
            (Stage::Running, None, Some(tap)) => {
                tap.handle.close();
                see_off(Arc::clone(tap), self.grace);
                post.stage = Stage::Ending;
            }
            (Stage::Running, Some(wanted), Some(tap)) if post.runs.as_ref() != Some(wanted) => {
                if is_memory && post.before.is_none() {
                    self.start(at);
                } else if !is_memory {
                    tap.handle.halt();
                    see_off(Arc::clone(tap), self.grace);
                    post.stage = Stage::Ending;
                }
            }
            (Stage::Running, Some(_), Some(tap)) => {
                if post.paused {
                    tap.handle.pause();
                } else if is_free && post.before.is_none() {
                    tap.handle.resume();
                }
            }
            (Stage::Idle, Some(_), _) if is_memory || is_free => self.start(at),
            _ => {}
        }
    }

    /// Whether another one still writes to where this one is to write.
    fn is_taken(&self, at: usize, wanted: &Config) -> bool {
        let collides = |post: &Post| {
            let open = matches!(post.stage, Stage::Starting | Stage::Running | Stage::Ending);
            open && post.runs.as_ref().is_some_and(|runs| runs.collides(wanted))
        };
        self.list.iter().enumerate().any(|(other, post)| other != at && collides(post))
    }

    /// Starts it. In memory it stands still until nobody else writes to its place.
    fn start(&mut self, at: usize) {
        let Some(post) = self.list.get_mut(at) else { return };
        let Some(config) = post.wanted.clone() else { return };
        (post.stage, post.runs) = (Stage::Starting, Some(config.clone()));
        let still = post.paused || matches!(self.supply, Supply::Memory);
        let (name, supply) = (Arc::clone(&post.name), self.supply.clone());
        self.happening.spawn(async move {
            let starting = tokio::task::spawn_blocking(move || {
                let start = if still { sinks::start_paused } else { sinks::start };
                start(config, supply).map_err(|error| error.to_string())
            });
            News::Started(name, starting.await.unwrap_or_else(|error| Err(error.to_string())))
        });
    }

    /// Lets a sink stand still, or go on; whether there is one of this name.
    pub(super) fn pause(&mut self, name: &str, paused: bool) -> bool {
        let Some(post) = self.list.iter_mut().find(|one| *one.name == *name && one.wanted.is_some()) else {
            return false;
        };
        if post.paused != paused {
            tracing::info!(
                sink = name,
                "{}",
                if paused { "paused: nothing is delivered until it is resumed" } else { "resumed" }
            );
        }
        post.paused = paused;
        if !paused {
            post.rouse();
        }
        self.settle();
        true
    }

    /// Whether every one has ended by itself.
    pub(super) fn are_over(&self) -> bool {
        self.list.iter().all(|post| matches!(post.stage, Stage::Over))
    }

    /// All that run or may hold something, to be ended. None starts any more.
    pub(super) fn close(&mut self) -> Vec<Arc<Tap>> {
        self.closing = true;
        let all = self.list.iter().flat_map(|post| post.before.iter().chain(&post.tap).cloned());
        all.inspect(|tap| tap.handle.close()).collect()
    }
}

impl Post {
    /// One that runs as it is configured.
    fn new(config: Config) -> Self {
        Self {
            name: Arc::clone(&config.name),
            runs: Some(config.clone()),
            wanted: Some(config),
            reserved: None,
            paused: false,
            tap: None,
            before: None,
            stage: Stage::Idle,
            trouble: Trouble::default(),
        }
    }

    /// What is told of it; nothing while nothing is known.
    fn seat(&self, library: Option<&Library>) -> Option<Seat> {
        let (Some((since, reason)), Some(wanted)) = (self.trouble.present(), &self.wanted) else {
            return self.tap.clone().map(Seat::Taken);
        };
        let tap = self.tap.as_ref().map(|tap| tap.handle.status());
        let mut status = tap.unwrap_or_else(|| SinkStatus::new(&self.name, wanted.kind.name()));
        status.cannot_start(since, reason);
        if let (Some((_, at)), Some(library)) = (&self.reserved, library) {
            status.lag = Some(library.next_sequence().saturating_sub(*at));
            status.kept = Some(true);
        }
        Some(Seat::Empty(Box::new(status)))
    }

    /// Lets one that has ended by itself, or rests after a failure, start again.
    fn rouse(&mut self) {
        if let Stage::Over | Stage::Resting = self.stage {
            self.stage = Stage::Idle;
        }
    }

    /// Takes the end of one of its starts; how it ended, where nobody had asked for that.
    fn end(&mut self, tap: &Arc<Tap>, ended: Ended) -> Option<(Arc<str>, Ended)> {
        if self.before.as_ref().is_some_and(|before| Arc::ptr_eq(before, tap)) {
            self.before = None;
            return None;
        }
        if !self.tap.as_ref().is_some_and(|present| Arc::ptr_eq(present, tap)) {
            return None;
        }
        if let Stage::Ending = self.stage {
            self.stage = Stage::Idle;
            if self.wanted.is_none() {
                let behind = tap.handle.status().lag;
                tracing::info!(
                    sink = &*self.name,
                    behind,
                    "the sink is removed: the journal keeps nothing for it"
                );
            }
            return None;
        }
        // Else the events that it does not take would fill the journal and stop the others.
        tap.handle.release();
        self.stage = Stage::Over;
        Some((Arc::clone(&self.name), ended))
    }
}
