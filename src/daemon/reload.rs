//! Reading the configuration again while the daemon runs.
//!
//! Constraints
//! - It is read, and what is new in it is checked, on a thread for blocking work. What is bad changes nothing.
//! - One reading at a time; who asks meanwhile is answered by the next, since the file may have changed in between.
//! - When a file of a secret or of certificates has changed, the text of the configuration that is in use is resolved
//!   again, not what stands in the file by then: nobody has asked for that yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::newer::Newer;
use crate::admin::{self, Refusal};
use crate::config::{self, Config, Source};
use crate::journal::{self, Cursor, Library};
use crate::secret::Secret;
use crate::{http, sinks, status, telemetry};

/// The most that wait for an answer.
const WAITING_MAX: usize = 64;

/// Hears what came of it.
pub(super) type Answer = oneshot::Sender<Result<(), Refusal>>;

/// What came of the last reading, for the status.
pub(super) type Report = Arc<Mutex<Option<status::Reload>>>;

/// What cannot change while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    state_dir: Option<PathBuf>,
    journal: journal::Config,
    log: telemetry::Config,
    admin: Option<admin::Config>,
    wire: Option<http::WireConfig>,
    ready_after: Duration,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let Config { state_dir, journal, log, admin, wire, ready_after, .. } = config.clone();
        Self { state_dir, journal, log, admin, wire, ready_after }
    }

    /// The tables in which `wanted` is different.
    fn differences(&self, wanted: &Self) -> Vec<&'static str> {
        let tables = [
            ("[state]", self.state_dir != wanted.state_dir),
            ("[journal]", self.journal != wanted.journal),
            ("[log]", self.log != wanted.log),
            ("[admin]", self.admin != wanted.admin),
            ("[wire]", self.wire != wanted.wire),
            ("[daemon] ready_after", self.ready_after != wanted.ready_after),
        ];
        tables.into_iter().filter_map(|(table, changed)| changed.then_some(table)).collect()
    }
}

/// What was read and is good.
pub(super) struct Plan {
    source: Source,
    pub(super) config: Config,
    warnings: Vec<String>,
    /// The places in the journal of new sinks, by their names.
    pub(super) reserved: Vec<(Arc<str>, Cursor)>,
}

/// What came of a reading, and who hears of it.
pub(super) type Outcome = (Result<Plan, Vec<String>>, Heard);

/// Who hears of a reading.
pub(super) struct Heard {
    waiting: Vec<Answer>,
    /// Whether somebody asked for it; otherwise a file has changed.
    asked: bool,
}

/// Who is asked to read, and remembers what was read last.
pub(super) struct Reload {
    /// What the daemon runs with; none where it was not started from a file.
    source: Option<Source>,
    fixed: Fixed,
    /// What is running, to know what is new.
    present: (Vec<Arc<config::Connection>>, Vec<sinks::Config>),
    library: Option<Library>,
    /// What else it was read from.
    files: Vec<PathBuf>,
    newer: Option<Newer>,
    reading: Option<JoinHandle<Result<Plan, Vec<String>>>>,
    /// Whether the reading under way was asked for, and by whom.
    asked: bool,
    waiting: Vec<Answer>,
    /// Who waits for the next.
    next: Option<Vec<Answer>>,
    /// Whether a file has changed since the last reading began.
    stale: bool,
    pub(super) report: Report,
    /// Told when [`Reload::report`] has changed.
    pub(super) told: Arc<Notify>,
}

impl Reload {
    /// For a daemon that runs `connections` and with the rest of `config`, read from `source`. Must be called on a tokio
    /// runtime.
    pub(super) fn new(
        source: Option<Source>,
        config: Config,
        connections: Vec<Arc<config::Connection>>,
        library: Option<Library>,
    ) -> Self {
        let newer = source.as_ref().and_then(|_| watched(&config.files));
        let stale = newer.is_some();
        Self {
            source,
            fixed: Fixed::of(&config),
            present: (connections, config.sinks),
            library,
            files: config.files,
            newer,
            reading: None,
            asked: false,
            waiting: Vec::new(),
            next: None,
            stale,
            report: Report::default(),
            told: Arc::new(Notify::new()),
        }
    }

    /// Asks for a reading; `answer` hears what comes of it.
    pub(super) fn ask(&mut self, answer: Option<Answer>) {
        let waiting = self.next.get_or_insert_default();
        match answer {
            Some(answer) if waiting.len() >= WAITING_MAX => drop(answer.send(Err(Refusal::Busy))),
            answer => waiting.extend(answer),
        }
        self.begin();
    }

    /// Whether something is being read.
    pub(super) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// What comes of the next reading. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Outcome {
        loop {
            match (&mut self.reading, &mut self.newer) {
                (Some(reading), _) => {
                    let read = reading.await.unwrap_or_else(|error| Err(vec![error.to_string()]));
                    self.reading = None;
                    return (read, Heard { waiting: std::mem::take(&mut self.waiting), asked: self.asked });
                }
                // One may have changed after it was read, and before it was watched.
                (None, _) if self.stale && self.source.is_some() => self.begin(),
                (None, Some(newer)) => {
                    newer.changed().await;
                    tracing::info!("a file of a secret or of certificates has changed: it is read again");
                    self.stale = true;
                }
                (None, None) => std::future::pending().await,
            }
        }
    }

    fn begin(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let Some(source) = self.source.clone() else { return self.refuse() };
        self.asked = self.next.is_some();
        if !self.asked && !self.stale {
            return;
        }
        self.stale = false;
        self.waiting = self.next.take().unwrap_or_default();
        let (present, library) = (self.present.clone(), self.library.clone());
        let (asked, state_dir) = (self.asked, self.fixed.state_dir.clone());
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let source = if asked {
                Source::read(source.path()).map_err(|problems| lines(&problems))?
            } else {
                source
            };
            read(source, state_dir.as_deref(), &present, library.as_ref())
        }));
    }

    /// There is nothing to read.
    fn refuse(&mut self) {
        let why = String::from("this daemon was not started from a configuration file");
        tracing::warn!("{why}");
        for answer in self.next.take().into_iter().flatten() {
            drop(answer.send(Err(Refusal::Impossible(why.clone()))));
        }
        self.note(true, vec![why], Vec::new());
    }

    /// Another token of the admin server, which it can want without a restart; the rest of its table cannot change.
    pub(super) fn take_token(&mut self, plan: &Plan) -> Option<Secret<String>> {
        let present = &mut self.fixed.admin.as_mut()?.token;
        let wanted = plan.config.admin.as_ref()?.token.as_ref();
        let token = wanted.filter(|wanted| present.as_ref().is_some_and(|present| present != *wanted))?;
        *present = Some(token.clone());
        Some(token.clone())
    }

    /// Remembers what is in use now, and gives what cannot be while the daemon runs.
    pub(super) fn adopt(&mut self, plan: &Plan, heard: &Heard) -> Vec<String> {
        for warning in plan.warnings.iter().filter(|_| heard.asked) {
            tracing::warn!("{warning}");
        }
        self.source = Some(plan.source.clone());
        let connections = plan.config.connections.iter().cloned().map(Arc::new).collect();
        self.present = (connections, plan.config.sinks.clone());
        if self.files != plan.config.files {
            self.newer = watched(&plan.config.files);
            self.stale = self.newer.is_some();
            self.files.clone_from(&plan.config.files);
        }
        if !heard.asked {
            return Vec::new();
        }
        let differences = self.fixed.differences(&Fixed::of(&plan.config));
        differences.into_iter().map(|table| format!("{table}: changed, which needs a restart")).collect()
    }

    /// Tells everybody what came of it, and reads again where that was asked for meanwhile.
    pub(super) fn tell(&mut self, heard: Heard, problems: Vec<String>, changes: Vec<String>) {
        let Heard { waiting, asked } = heard;
        // Nobody hears that nothing has changed who has not asked.
        if asked || !problems.is_empty() || !changes.is_empty() || self.has_failed() {
            self.say(waiting, asked, problems, changes);
        }
        if self.next.is_some() {
            self.begin();
        }
    }

    fn say(&self, waiting: Vec<Answer>, asked: bool, problems: Vec<String>, changes: Vec<String>) {
        for problem in &problems {
            tracing::error!(problem, "the configuration is not used; nothing has changed");
        }
        for change in &changes {
            tracing::info!(change, "the configuration was read again");
        }
        if problems.is_empty() && changes.is_empty() {
            tracing::info!("the configuration was read again; nothing in it has changed");
        }
        for answer in waiting {
            let came = if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(problems.clone())) };
            drop(answer.send(came));
        }
        self.note(asked, problems, changes);
    }

    /// Whether the last reading failed.
    fn has_failed(&self) -> bool {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|last| !last.ok)
    }

    fn note(&self, asked: bool, problems: Vec<String>, changes: Vec<String>) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let last = report.take().unwrap_or_default();
        let (at, ok) = (status::millis(SystemTime::now()), problems.is_empty());
        *report = Some(status::Reload {
            number: last.number + u64::from(asked),
            at,
            good: last.good + u64::from(ok),
            bad: last.bad + u64::from(!ok),
            good_at: if ok { Some(at) } else { last.good_at },
            ok,
            problems,
            changes,
        });
        drop(report);
        self.told.notify_one();
    }
}

fn watched(files: &[PathBuf]) -> Option<Newer> {
    (!files.is_empty()).then(|| Newer::new(files.to_owned()))
}

fn lines(problems: &config::Problems) -> Vec<String> {
    problems.to_string().lines().map(str::to_owned).collect()
}

/// Reads, and checks what is new as far as that can be done while the rest runs.
fn read(
    source: Source,
    state_dir: Option<&Path>,
    (connections, known): &(Vec<Arc<config::Connection>>, Vec<sinks::Config>),
    library: Option<&Library>,
) -> Result<Plan, Vec<String>> {
    let environment = |name: &str| std::env::var_os(name);
    let resolved = source.resolve_within(&environment, state_dir);
    let (config, warnings) = resolved.map_err(|problems| lines(&problems))?;
    let mut problems = Vec::new();
    let connections: HashMap<_, _> = connections.iter().map(|one| (&one.name, &**one)).collect();
    for one in config.connections.iter().filter(|one| connections.get(&one.name) != Some(one)) {
        let made = http::Client::new(&one.http).map(drop);
        problems.extend(made.err().map(|error| format!("connection {}: {error}", one.name)));
    }
    let known: HashMap<_, _> = known.iter().map(|one| (&one.name, one)).collect();
    for one in config.sinks.iter().filter(|one| known.get(&one.name) != Some(one)) {
        problems.extend(sinks::check(one).err().map(|error| error.to_string()));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut reserved = Vec::new();
    let is_new = |one: &&sinks::Config| !known.contains_key(&one.name);
    for (one, library) in config.sinks.iter().filter(is_new).zip(std::iter::repeat(library)) {
        let Some(library) = library else { break };
        match sinks::reserve(one, library) {
            Ok(cursor) => reserved.push((Arc::clone(&one.name), cursor)),
            Err(error) => return Err(vec![error.to_string()]),
        }
    }
    let warnings = warnings.as_slice().iter().map(ToString::to_string).collect();
    Ok(Plan { source, config, warnings, reserved })
}
