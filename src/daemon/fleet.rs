//! What the daemon runs: its connections and its sinks, and what has gone wrong with them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Ending;
use super::connection::Ended;
use super::line::{self, Line, Lines};
use super::post::{self, Posts};
use crate::admin::Target;
use crate::bayeux::notice::Closed;
use crate::bayeux::refusal::Meaning;
use crate::journal::Cursor;
use crate::{config, sinks, status};

/// The status of each connection, in the order of the configuration.
pub(super) type Roll = Arc<RwLock<Vec<Arc<Mutex<status::Connection>>>>>;

/// What happened to a part of it.
pub(super) enum News {
    Line(line::News),
    Post(post::News),
}

/// Everything that runs.
pub(super) struct Fleet {
    pub(super) lines: Lines,
    pub(super) posts: Posts,
    pub(super) roll: Roll,
    /// What ended by itself and has not been started again, the first one first.
    failures: Vec<(Target, Ending)>,
    one_shot: bool,
}

impl Fleet {
    pub(super) fn new(lines: Lines, posts: Posts, one_shot: bool) -> Self {
        let this = Self { lines, posts, roll: Roll::default(), failures: Vec::new(), one_shot };
        this.enroll();
        this
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            news = self.lines.next() => News::Line(news),
            news = self.posts.next() => News::Post(news),
        }
    }

    /// Takes what happened; whether nothing is left to run for.
    pub(super) fn take(&mut self, news: News) -> bool {
        match news {
            News::Line(news) => {
                if let Some((name, ended)) = self.lines.take(news) {
                    if ended.is_none() {
                        tracing::error!(
                            connection = &*name,
                            "the connection's task broke: nothing is received for it until the daemon is restarted"
                        );
                    }
                    self.fail(Target::Connection(name), connection_ending(ended.as_ref()));
                }
                if self.lines.list.len() != self.roll.read().unwrap_or_else(PoisonError::into_inner).len() {
                    self.enroll();
                }
                self.lines.are_over()
            }
            News::Post(news) => {
                let over = self.posts.take(news);
                let last = self.one_shot && over.is_some();
                if let Some((name, ended)) = over {
                    self.fail(Target::Sink(name), sink_ending(&ended, self.one_shot));
                }
                last || self.posts.are_over()
            }
        }
    }

    /// Wants these from now on; what that changes, one line for each.
    pub(super) fn want(
        &mut self,
        connections: Vec<config::Connection>,
        sinks: Vec<(sinks::Config, Option<Cursor>)>,
    ) -> Vec<String> {
        let mut changes = self.lines.want(connections);
        changes.extend(self.posts.want(sinks));
        self.enroll();
        // What had ended has been started again, or is not wanted any more.
        self.failures.clear();
        changes
    }

    /// Closes every connection and waits for that.
    pub(super) async fn close_lines(&mut self) {
        self.lines.close();
        while self.lines.any_open() {
            let news = self.lines.next().await;
            self.take(News::Line(news));
        }
    }

    /// The connections may be others than they were.
    pub(super) fn enroll(&self) {
        let roll = self.lines.list.iter().map(|line| Arc::clone(&line.status)).collect();
        *self.roll.write().unwrap_or_else(PoisonError::into_inner) = roll;
    }

    /// One that is still configured.
    pub(super) fn line(&mut self, name: &str) -> Option<&mut Line> {
        self.lines.get(name)
    }

    /// Stops or resumes something; whether there is such a thing.
    pub(super) fn pause(&mut self, target: &Target, paused: bool) -> bool {
        let known = match target {
            Target::Sink(name) => self.posts.pause(name, paused),
            Target::Connection(name) => self.lines.pause(name, paused),
        };
        if known && !paused {
            self.failures.retain(|(failed, _)| failed != target);
        }
        known
    }

    fn fail(&mut self, target: Target, ending: Ending) {
        if ending != Ending::Done {
            self.failures.retain(|(known, _)| *known != target);
            self.failures.push((target, ending));
        }
    }

    /// What the process is to end with by what has gone wrong: the first thing.
    pub(super) fn ending(&self) -> Ending {
        self.failures.first().map_or(Ending::Done, |(_, ending)| *ending)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("failures", &self.failures).finish_non_exhaustive()
    }
}

fn connection_ending(ended: Option<&Ended>) -> Ending {
    match ended {
        Some(Ended::Closed(Closed::Requested)) => Ending::Done,
        Some(
            Ended::Closed(Closed::Unauthenticated(_))
            | Ended::NothingLeft(Meaning::Forbidden | Meaning::Unauthenticated),
        ) => Ending::Denied,
        Some(Ended::Closed(Closed::Endpoint(_)) | Ended::NothingLeft(_)) => Ending::Refused,
        None => Ending::Io,
    }
}

/// What a process ends with by the end of a sink.
pub(super) fn sink_ending(ended: &sinks::Ended, one_shot: bool) -> Ending {
    match ended {
        sinks::Ended::Drained | sinks::Ended::Limit | sinks::Ended::Halted => Ending::Done,
        sinks::Ended::Closed if one_shot => Ending::Done,
        sinks::Ended::Closed => {
            tracing::error!("standard output was closed by its reader; this sink is dead");
            Ending::Io
        }
        sinks::Ended::Aborted(events) => {
            tracing::error!(events, "events given up");
            Ending::Io
        }
        sinks::Ended::Failed(error) => {
            tracing::error!(error, "a sink died");
            Ending::Io
        }
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
