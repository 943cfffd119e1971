//! What is run, how often and with how many events.
//!
//! Constraints: in each round every side has its turn, one after the other. How many events a run has depends on the
//! side: a run that does not count shows how many it takes in the time for one. A run that fails is told, and the bench
//! goes on; it does not pass unless the side was a public client. That is left out from there on, for the same shape of
//! responses.

use std::time::Duration;

use crate::Result;
use crate::events::{Form, Shape};
use crate::figures::{Cell, Figures, Paced};
use crate::floor::Order;
use crate::machine::Machine;
use crate::options::Options;
use crate::progress;
use crate::response::Load;
use crate::run;
use crate::server::Plan;
use crate::side::Side;

/// How long a run is to take: in the usual form, of public clients too, whose compilers want a longer one to warm up, and
/// in other forms.
const RUN: Duration = Duration::from_millis(700);
const RUN_FOREIGN: Duration = Duration::from_millis(1_500);
const RUN_OTHERWISE: Duration = Duration::from_millis(400);
/// The fewest responses of a run, however slow a side is.
const RESPONSES_MIN: u32 = 20;
/// The most rounds of sides that no bar compares closely, and of the others in other forms than the usual; the former have
/// one there. Starting a public client can take seconds.
const ROUNDS_ASIDE_MAX: u32 = 3;
const ROUNDS_OTHERWISE_MAX: u32 = 2;
/// The one size at which every side is measured in other forms; the rest of the sizes is for those that bars are about.
const SIZE_OTHERWISE: u32 = 100;
/// After so many failed runs there is nothing to be learnt from more.
const FAILURES_MAX: usize = 20;
/// One event every so often where latency is measured.
const PERIOD: Duration = Duration::from_millis(2);
/// One event every so often where the turn-around is measured.
const TURN: Duration = Duration::from_millis(1);
/// Events whose latency counts, over all rounds; those of each round before them, whose latency does not.
const TIMED: u32 = 2_000;
const UNTIMED: u32 = 200;

/// Measures everything that is asked for.
pub(crate) fn measure(options: &Options) -> Result<Figures> {
    let figures = Figures {
        machine: Machine::here(),
        rounds: options.rounds,
        cells: Vec::new(),
        latency: Vec::new(),
        turn_around: Vec::new(),
        idle: Vec::new(),
        left_out: Vec::new(),
        failures: Vec::new(),
    };
    let mut bench = Bench { options, figures, failed: Vec::new() };
    for form in &options.forms {
        for size in &options.sizes {
            bench.cell(*form, *size)?;
        }
    }
    bench.latency()?;
    bench.turn_around()?;
    bench.idle()?;
    Ok(bench.figures)
}

struct Bench<'a> {
    options: &'a Options,
    figures: Figures,
    /// Public clients that have failed, each with the shape of the responses.
    failed: Vec<(Side, Shape)>,
}

impl Bench<'_> {
    /// Measures events/s at one size of response.
    fn cell(&mut self, form: Form, per_response: u32) -> Result<()> {
        progress(&format!("{form}, {per_response} events a response"));
        let mut load = Load::new(form, per_response);
        let mut totals = Vec::new();
        for side in self.sides(form, per_response) {
            let trial = trial(&side, form, per_response);
            if let Some(elapsed) =
                self.attempt(&side, form.shape, |side| run::trial(side, &mut load, trial))?
            {
                let total = total(&side, trial, elapsed, &load);
                totals.push((side, total, Vec::new()));
            }
        }
        for round in 0..self.options.rounds {
            for (side, total, runs) in &mut totals {
                if round >= rounds(side, form, self.options.rounds) {
                    continue;
                }
                runs.push(self.attempt(side, form.shape, |side| run::throughput(side, &mut load, *total))?);
            }
        }
        let rows = totals.into_iter().map(|(side, _, runs)| (side, runs)).collect();
        self.figures.cells.push(Cell { form, per_response, rows });
        Ok(())
    }

    /// The sides that are measured in a form at a size.
    fn sides(&self, form: Form, per_response: u32) -> Vec<Side> {
        let every = form == Form::USUAL || per_response == SIZE_OTHERWISE || self.options.sizes.len() == 1;
        self.options.sides.iter().filter(|side| every || is_compared(side)).cloned().collect()
    }

    fn latency(&mut self) -> Result<()> {
        let plan = |rounds| Plan { total: UNTIMED + TIMED.div_ceil(rounds), period: Some(PERIOD) };
        let sides: Vec<Side> = self.options.sides.iter().filter(|side| side.has_file()).cloned().collect();
        progress("latency of single events");
        self.figures.latency =
            self.paced(sides, |side, load, rounds, untimed| run::latency(side, load, plan(rounds), untimed))?;
        Ok(())
    }

    fn turn_around(&mut self) -> Result<()> {
        let plan = |rounds| Plan { total: UNTIMED + TIMED.div_ceil(rounds), period: Some(TURN) };
        let wanted =
            |side: &&Side| matches!(side, Side::Floor(Order::PollFirst) | Side::Memory | Side::Journal);
        let sides: Vec<Side> = self.options.sides.iter().filter(wanted).cloned().collect();
        progress("turn-around of polls");
        self.figures.turn_around = self.paced(sides, |side, load, rounds, untimed| {
            run::turn_around(side, load, plan(rounds), untimed)
        })?;
        Ok(())
    }

    /// Pools the times of all rounds.
    fn paced(
        &mut self,
        sides: Vec<Side>,
        measure: impl Fn(&Side, &mut Load, u32, usize) -> Result<Vec<Duration>>,
    ) -> Result<Vec<Paced>> {
        let mut load = Load::new(Form::USUAL, 1);
        let untimed = usize::try_from(UNTIMED)?;
        let mut times: Vec<(Side, Vec<Duration>)> =
            sides.into_iter().map(|side| (side, Vec::new())).collect();
        for round in 0..self.options.rounds {
            for (side, times) in &mut times {
                let rounds = rounds(side, Form::USUAL, self.options.rounds);
                if round < rounds {
                    let run = |side: &Side| measure(side, &mut load, rounds, untimed);
                    times.extend(self.attempt(side, Shape::Plain, run)?.into_iter().flatten());
                }
            }
        }
        Ok(times.into_iter().map(|(side, times)| Paced::new(side, times)).collect())
    }

    fn idle(&mut self) -> Result<()> {
        progress("memory of idle polls");
        let mut load = Load::new(Form::USUAL, 1);
        let sides = self.options.sides.iter().filter(|side| side.has_file()).cloned();
        for side in sides.collect::<Vec<_>>() {
            let memory = self.attempt(&side, Shape::Plain, |side| run::idle_memory(side, &mut load))?;
            self.figures.idle.extend(memory.map(|memory| (side, memory)));
        }
        Ok(())
    }

    /// Runs `side`, but for a public client that has failed before; a run that fails is told and gives nothing.
    fn attempt<T>(
        &mut self,
        side: &Side,
        shape: Shape,
        run: impl FnOnce(&Side) -> Result<T>,
    ) -> Result<Option<T>> {
        let key = (side.clone(), shape);
        if self.failed.contains(&key) {
            return Ok(None);
        }
        let error = match run(side) {
            Ok(figures) => return Ok(Some(figures)),
            Err(error) => error.to_string(),
        };
        progress(&error);
        if side.is_foreign() {
            self.failed.push(key);
            self.figures.left_out.push(error);
        } else {
            self.figures.failures.push(error);
        }
        if self.figures.failures.len() > FAILURES_MAX {
            Err("too many runs have failed".into())
        } else {
            Ok(None)
        }
    }
}

/// Whether bars compare it closely with another side.
const fn is_compared(side: &Side) -> bool {
    matches!(side, Side::Floor(_) | Side::Memory | Side::Journal)
}

/// How many of the wanted rounds `side` takes part in.
fn rounds(side: &Side, form: Form, wanted: u32) -> u32 {
    wanted.min(match (is_compared(side), form == Form::USUAL) {
        (true, true) => wanted,
        (true, false) => ROUNDS_OTHERWISE_MAX,
        (false, true) => ROUNDS_ASIDE_MAX,
        (false, false) => 1,
    })
}

/// How many events the run has that shows how fast a side is: of those that are slower, fewer.
fn trial(side: &Side, form: Form, per_response: u32) -> u32 {
    let responses = match per_response {
        1 => 4_000,
        10 => 2_000,
        100 => 1_000,
        _ => 200,
    };
    let slow = side.is_foreign() || !side.has_file();
    responses / if slow { 8 } else { 1 } / if form == Form::USUAL { 1 } else { 2 } * per_response
}

/// How many events take as long as a run should, in full responses, where `trial` events took `elapsed`.
fn total(side: &Side, trial: u32, elapsed: Duration, load: &Load) -> u32 {
    let run = match (load.form == Form::USUAL, side.is_foreign()) {
        (true, true) => RUN_FOREIGN,
        (true, false) => RUN,
        (false, _) => RUN_OTHERWISE,
    };
    let events = u128::from(trial) * run.as_nanos() / elapsed.as_nanos().max(1);
    let responses = u32::try_from(events / u128::from(load.per_response)).unwrap_or(u32::MAX);
    responses.max(RESPONSES_MIN).min(load.most() / load.per_response) * load.per_response
}
