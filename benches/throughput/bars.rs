//! The bars: how slow the program may be.
//!
//! Constraints: a bar about what has not been measured is not held, and that is said. The figures under the bars are
//! those of one run, side by side; absolute ones belong to a machine.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::events::{Form, Shape};
use crate::figures::{self, Figure, Figures, PROCESSOR, Paced, RATE, mebibytes};
use crate::options::SIZES;
use crate::side::Side;

/// The longest turn-around of 99 in 100 polls, in microseconds.
const TURN_MAX: f64 = 2_000.0;
/// The most resident memory of an idle cometail, in MiB.
const IDLE_MAX: f64 = 12.0;

/// The groups of the bars that there are in several forms.
const PLAIN: &str = "events/s without a journal, to floor";
const KEPT: &str = "events/s with a journal, to floor-after";

/// What a figure is held against.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure and its bar.
pub(crate) struct Bar {
    /// What belongs together, so that bars that are not held can be named in short.
    pub(crate) group: &'static str,
    /// Where in the group it stands: a form, a size, a quantile.
    pub(crate) place: String,
    pub(crate) limit: Limit,
    /// Where the bar should be one day.
    pub(crate) aim: Option<f64>,
    /// `None` where it has not been measured.
    pub(crate) figure: Option<f64>,
}

impl Bar {
    /// Whether the figure is as it should be; `None` where there is none.
    pub(crate) fn held(&self) -> Option<bool> {
        let figure = self.figure?;
        Some(match self.limit {
            Limit::AtLeast(least) => figure >= least,
            Limit::AtMost(most) => figure <= most,
        })
    }

    /// The bar for programs.
    pub(crate) fn json(&self) -> Value {
        let (word, limit) = match self.limit {
            Limit::AtLeast(least) => ("at_least", least),
            Limit::AtMost(most) => ("at_most", most),
        };
        json!({
            "bar": self.group,
            "at": self.place,
            word: limit,
            "aim": self.aim,
            "figure": self.figure,
            "held": self.held(),
        })
    }
}

/// All bars, with what `figures` say to each.
pub(crate) fn all(figures: &Figures) -> Vec<Bar> {
    let cell = |form, size| Cell { figures, form, size };
    let mut bars: Vec<Bar> = SIZES.into_iter().flat_map(|size| usual(&cell(Form::USUAL, size))).collect();
    for (shape, bytes) in [(Shape::Plain, 3_000), (Shape::Gzip, 300), (Shape::Gzip, 3_000)] {
        bars.extend(SIZES.into_iter().flat_map(|size| otherwise(&cell(Form { shape, bytes }, size))));
    }
    bars.extend(latency(figures, "latency without a journal, to floor", &Side::Memory, &Side::FLOOR));
    bars.extend(latency(
        figures,
        "latency with a journal, to floor-after",
        &Side::Journal,
        &Side::FLOOR_AFTER,
    ));
    bars.push(turn_around(figures));
    bars.push(idle(figures));
    // Those of a group stand together, in the order of their first.
    let mut groups: Vec<&str> = bars.iter().map(|bar| bar.group).collect();
    let mut seen = HashSet::new();
    groups.retain(|group| seen.insert(*group));
    bars.sort_by_key(|bar| groups.iter().position(|group| *group == bar.group));
    bars
}

/// Where ratios are taken.
struct Cell<'a> {
    figures: &'a Figures,
    form: Form,
    size: u32,
}

impl Cell<'_> {
    /// The bar for what a figure of `sides.0` is to that of `sides.1`.
    fn bar(&self, group: &'static str, sides: (&Side, &Side), figure: Figure, limit: Limit) -> Bar {
        let cell = self.figures.cell(self.form, self.size);
        let figure = cell.and_then(|cell| cell.ratio(sides.0, sides.1, figure));
        Bar { group, place: format!("{}, {} a response", self.form, self.size), limit, aim: None, figure }
    }

    /// The bar for the events/s of `side` to those of the fastest public client.
    fn to_clients(&self, group: &'static str, side: &Side, limit: Limit) -> Bar {
        let cell = self.figures.cell(self.form, self.size);
        // Compared with itself a side without a client has no figure, since it is left out below.
        let fastest = cell.and_then(figures::Cell::fastest_foreign);
        let bar = self.bar(group, (side, fastest.unwrap_or(side)), RATE, limit);
        Bar { figure: bar.figure.filter(|_| fastest.is_some()), ..bar }
    }
}

/// The bars of the usual form at one size of response.
fn usual(cell: &Cell<'_>) -> Vec<Bar> {
    let few = cell.size <= 10;
    let pick = |at_few, at_many| if few { at_few } else { at_many };
    let (memory, journal) = (&Side::Memory, &Side::Journal);
    let plain = cell.bar(PLAIN, (memory, &Side::FLOOR), RATE, Limit::AtLeast(pick(0.9, 0.5)));
    let kept = Limit::AtLeast(pick(0.8, 0.5));
    let clients = Limit::AtLeast(pick(2.0, 4.0));
    vec![
        Bar { aim: (!few).then_some(0.6), ..plain },
        cell.bar("CPU without a journal, to floor", (memory, &Side::FLOOR), PROCESSOR, Limit::AtMost(2.0)),
        cell.bar(KEPT, (journal, &Side::FLOOR_AFTER), RATE, kept),
        cell.bar("events/s with a journal, to those without", (journal, memory), RATE, kept),
        cell.to_clients("events/s without a journal, to the fastest public client", memory, clients),
        cell.to_clients("events/s with a journal, to the fastest public client", journal, clients),
    ]
}

/// The bars of longer and of compressed events.
fn otherwise(cell: &Cell<'_>) -> [Bar; 2] {
    let limit = Limit::AtLeast(0.8);
    [
        cell.bar(PLAIN, (&Side::Memory, &Side::FLOOR), RATE, limit),
        cell.bar(KEPT, (&Side::Journal, &Side::FLOOR_AFTER), RATE, limit),
    ]
}

fn latency(figures: &Figures, group: &'static str, side: &Side, base: &Side) -> [Bar; 2] {
    let of = |wanted: &Side| figures.latency.iter().find(|paced| paced.side == *wanted);
    let ratio = |of_1000| Some(of(side)?.quantile(of_1000)? / of(base)?.quantile(of_1000)?);
    [("p50", 500, 1.3), ("p99", 990, 2.0)].map(|(place, of_1000, most)| Bar {
        group,
        place: place.to_owned(),
        limit: Limit::AtMost(most),
        aim: None,
        figure: ratio(of_1000),
    })
}

fn turn_around(figures: &Figures) -> Bar {
    let journal = figures.turn_around.iter().find(|paced| paced.side == Side::Journal);
    Bar {
        group: "turn-around with a journal, microseconds",
        place: "p99".to_owned(),
        limit: Limit::AtMost(TURN_MAX),
        aim: None,
        figure: journal.and_then(|paced: &Paced| paced.quantile(990)),
    }
}

fn idle(figures: &Figures) -> Bar {
    let journal = figures.idle.iter().find(|(side, _)| *side == Side::Journal);
    Bar {
        group: "idle RSS with a journal, MiB",
        place: "in a poll".to_owned(),
        limit: Limit::AtMost(IDLE_MAX),
        aim: None,
        figure: journal.map(|(_, kib)| mebibytes(*kib)),
    }
}
