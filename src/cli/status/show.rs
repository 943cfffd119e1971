//! The status as tables, one for each kind of thing, and below them what went wrong last.

use std::fmt::{self, Display};

use super::super::table::{Table, clean};
use super::ago;
use super::snapshot::{Connection, Journal, Limit, Login, Sink, Snapshot, Trouble};

/// A snapshot at a time, in milliseconds since 1970.
pub(super) struct Shown<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: u64,
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, now } = self;
        let since = |then: u64| ago(now.saturating_sub(then));
        write!(f, "cometail {}, process {}", clean(&snapshot.version), snapshot.pid)?;
        writeln!(
            f,
            ", began {} ago, status of {} ago",
            since(snapshot.started_at),
            since(snapshot.updated_at)
        )?;
        if let Some(path) = &snapshot.capture {
            writeln!(f, "every request and response is recorded in {}", clean(path))?;
        }
        for (table, rows) in
            [self.connections(), self.channels(), self.logins(), self.limits(), self.sinks(), self.journal()]
        {
            if rows > 0 {
                write!(f, "\n{table}")?;
            }
        }
        self.troubles(f)
    }
}

/// A table and how many rows it has below its head.
type Rows = (Table, usize);

/// A table of what each of `all` makes of itself.
fn table<T>(heads: &[&str], all: impl Iterator<Item = T>, cells: impl Fn(T) -> Vec<String>) -> Rows {
    let mut table = Table::new(heads);
    let rows = all.map(|one| table.row(cells(one))).count();
    (table, rows)
}

impl<'a> Shown<'a> {
    fn since(&self, then: u64) -> String {
        ago(self.now.saturating_sub(then))
    }

    fn since_some(&self, then: Option<u64>) -> String {
        then.map_or_else(|| String::from("-"), |then| self.since(then))
    }

    fn connections(&self) -> Rows {
        let heads = ["CONNECTION", "STATE", "FOR", "#EVENTS", "LAST EVENT", "WAITING", "NOTE"];
        table(&heads, self.snapshot.connections.iter(), |one| {
            vec![
                one.name.clone(),
                one.state.clone(),
                self.since(one.since),
                one.events.to_string(),
                self.since_some(one.last_event),
                one.waiting.clone(),
                self.note_of_connection(one),
            ]
        })
    }

    fn note_of_connection(&self, one: &Connection) -> String {
        let held = one.paused_since.map(|since| format!("paused for {}", self.since(since)));
        let stalled = one.stalled.then(|| String::from("stalled"));
        let counts =
            [(one.gaps, "gaps"), (one.set_aside, "set aside"), (one.repeats, "repeats"), (one.late, "late")];
        note(held.into_iter().chain(stalled), &counts)
    }

    /// Everything that connections have, with the connection's name.
    fn each<T>(&self, of: fn(&'a Connection) -> &'a [T]) -> impl Iterator<Item = (&'a str, &'a T)> {
        self.snapshot.connections.iter().flat_map(move |one| of(one).iter().map(|part| (&*one.name, part)))
    }

    fn channels(&self) -> Rows {
        table(&["CONNECTION", "CHANNEL", "STANDING"], self.each(|one| &one.channels), |(name, one)| {
            vec![name.to_owned(), one.name.clone(), one.standing.clone()]
        })
    }

    fn logins(&self) -> Rows {
        let heads = ["CONNECTION", "LOGIN", "USER", "TOKEN SINCE", "#LOGINS", "NOTE"];
        table(&heads, self.each(|one| one.login.as_slice()), |(name, one): (&str, &Login)| {
            vec![
                name.to_owned(),
                one.what.clone(),
                one.user.clone().unwrap_or_else(|| String::from("-")),
                self.since_some(one.token_since),
                one.logins.to_string(),
                self.note_of_login(one),
            ]
        })
    }

    fn note_of_login(&self, one: &Login) -> String {
        let skew = one.clock_skew_s.map(|skew| format!("its clock is {skew} s ahead"));
        let next = one.next_attempt.filter(|at| one.error.is_some() && *at > self.now);
        let next = next.map(|at| format!("next login in {}", ago(at - self.now)));
        note(skew.into_iter().chain(next), &[])
    }

    fn limits(&self) -> Rows {
        let heads = ["CONNECTION", "LIMIT", "#USED", "#MAX", "#LEFT", "#PERCENT"];
        table(&heads, self.each(|one| &one.limits), |(name, one): (&str, &Limit)| {
            let numbers = [one.used, one.max, one.left, one.percent].map(|number| number.to_string());
            [name.to_owned(), one.name.clone()].into_iter().chain(numbers).collect()
        })
    }

    fn sinks(&self) -> Rows {
        let heads = ["SINK", "KIND", "STATE", "#DELIVERED", "#BEHIND", "OLDEST", "NOTE"];
        table(&heads, self.snapshot.sinks.iter(), |one| {
            vec![
                one.name.clone(),
                one.kind.clone(),
                one.state.clone(),
                one.delivered.to_string(),
                one.lag.unwrap_or(one.queued_events).to_string(),
                self.since_some(one.oldest),
                self.note_of_sink(one),
            ]
        })
    }

    fn note_of_sink(&self, one: &Sink) -> String {
        let failing = one.failing_since.map(|since| format!("failing for {}", self.since(since)));
        let kept = (one.kept == Some(false)).then(|| String::from("not kept"));
        let counts = [
            (one.retried, "retries"),
            (one.parked, "parked"),
            (one.refused, "refused"),
            (one.dropped, "lost"),
        ];
        note(failing.into_iter().chain(kept), &counts)
    }

    fn journal(&self) -> Rows {
        let heads = ["JOURNAL", "STATE", "FOR", "#BYTES", "#OF", "#SEGMENTS", "#NEXT", "#NOT SYNCED", "NOTE"];
        table(&heads, self.snapshot.journal.iter(), |one: &Journal| {
            let unsynced = one.next_sequence.saturating_sub(one.durable);
            let numbers = [one.bytes, one.max_bytes, one.segments, one.next_sequence, unsynced];
            let counts = [(one.lost, "lost"), (one.damaged, "damaged places"), (one.gaps, "gap records")];
            [one.path.clone(), one.state.clone(), self.since(one.since)]
                .into_iter()
                .chain(numbers.map(|number| number.to_string()))
                .chain([note([], &counts)])
                .collect()
        })
    }

    /// What went wrong last, in whole lines.
    fn troubles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        let mut add = |what: &str, name: &str, said: &str, error: Option<&Trouble>| {
            let told = error.map(|error| format!("{said} {} ago: {}", self.since(error.at), error.text));
            lines.extend(told.map(|told| format!("{what} {name}: {told}")));
        };
        for one in &self.snapshot.connections {
            let login = one.login.as_ref().and_then(|login| login.error.as_ref());
            add("connection", &one.name, "no good token,", login);
            add("connection", &one.name, "last trouble", one.last_error.as_ref());
        }
        if let Some(one) = &self.snapshot.journal {
            add("journal", &one.path, "last trouble", one.last_error.as_ref());
        }
        for one in &self.snapshot.sinks {
            lines.extend(
                one.last_error.iter().map(|error| format!("sink {}: last trouble: {error}", one.name)),
            );
        }
        if let Some(one) = self.snapshot.reload.as_ref().filter(|one| !one.ok) {
            let when = self.since(one.at);
            lines.extend(
                one.problems.iter().map(|problem| format!("configuration: not used, {when} ago: {problem}")),
            );
        }
        if !lines.is_empty() {
            writeln!(f)?;
        }
        lines.iter().try_for_each(|line| writeln!(f, "{}", clean(line)))
    }
}

/// What is to be said besides, and how many there are of what should not be.
pub(super) fn note(words: impl IntoIterator<Item = String>, counts: &[(u64, &str)]) -> String {
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    words.into_iter().chain(counts).collect::<Vec<_>>().join(", ")
}
