//! Tables on standard output: for a terminal, or to be pasted into a page.

use std::collections::BTreeSet;

use crate::bars::{Bar, Limit};
use crate::events::Form;
use crate::figures::{Cell, Figure, Figures, PEAK, PROCESSOR, Paced, RATE, mebibytes};
use crate::options::Style;
use crate::side::Side;

/// Everything that has been measured, and how it stands to the bars.
pub(crate) fn all(figures: &Figures, bars: &[Bar], style: Style) -> String {
    let mut parts = vec![format!("{}.\n{}.\n", figures.machine.sentence(), explained(figures.rounds))];
    let mut add = |title: &str, table: &Table| parts.push(format!("\n{title}\n\n{}", table.print(style)));
    let mut forms: Vec<Form> = figures.cells.iter().map(|cell| cell.form).collect();
    forms.dedup();
    for form in forms {
        add(&format!("Events/s, {form} (to floor):"), &throughput(figures, form, RATE, 0));
        add(
            &format!("CPU s per million events, {form} (to floor):"),
            &throughput(figures, form, PROCESSOR, 2),
        );
        add(&format!("Peak RSS in MiB, {form} (to floor):"), &throughput(figures, form, PEAK, 1));
    }
    add("From publishing to the file, microseconds:", &paced(&figures.latency));
    add("From a response to the next connect, microseconds:", &paced(&figures.turn_around));
    add("RSS after a second in an idle poll:", &idle(figures));
    add("Bars:", &held(bars));
    parts.push(verdict(figures, bars));
    parts.concat()
}

fn explained(rounds: u32) -> String {
    let aside = rounds.min(3);
    format!(
        "One connection. Medians of {rounds} rounds, {aside} for tail, webhooks and public clients; in other forms than plain \
         events of 300 bytes, of at most 2 and 1"
    )
}

/// Rows of cells, the first of them the head.
struct Table(Vec<Vec<String>>);

impl Table {
    fn new(head: &[&str]) -> Self {
        Self(vec![head.iter().map(|&cell| cell.to_owned()).collect()])
    }

    fn print(&self, style: Style) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut lines: Vec<String> = self.0.iter().map(|row| line(row, &widths, style)).collect();
        if style == Style::Markdown {
            lines.insert(1, format!("|{}", "---|".repeat(columns)));
        }
        lines.join("\n") + "\n"
    }
}

fn line(row: &[String], widths: &[usize], style: Style) -> String {
    let padded = |(cell, &width): (&String, &usize)| match style {
        Style::Text => format!("{cell:<width$}"),
        Style::Markdown => cell.clone(),
    };
    let cells: Vec<String> = row.iter().zip(widths).map(padded).collect();
    match style {
        Style::Text => cells.join("   ").trim_end().to_owned(),
        Style::Markdown => format!("| {} |", cells.join(" | ")),
    }
}

/// One figure in one form: a row for each side, a column for each size.
fn throughput(figures: &Figures, form: Form, figure: Figure, decimals: usize) -> Table {
    let cells: Vec<&Cell> = figures.cells.iter().filter(|cell| cell.form == form).collect();
    let heads = cells.iter().map(|cell| grouped(f64::from(cell.per_response), 0));
    let mut table = Table(vec![["events a response".to_owned()].into_iter().chain(heads).collect()]);
    let mut sides: Vec<&Side> = Vec::new();
    for (side, _) in cells.iter().flat_map(|cell| &cell.rows) {
        if !sides.contains(&side) {
            sides.push(side);
        }
    }
    for side in sides {
        let columns = cells.iter().map(|cell| with_ratio(cell, side, figure, decimals));
        table.0.push([side.name().to_owned()].into_iter().chain(columns).collect());
    }
    table
}

/// A figure, and what it is to the floor's.
fn with_ratio(cell: &Cell, side: &Side, figure: Figure, decimals: usize) -> String {
    let Some(value) = cell.median(side, figure) else { return "-".to_owned() };
    let value = grouped(value, decimals);
    match cell.ratio(side, &Side::FLOOR, figure).filter(|_| *side != Side::FLOOR) {
        Some(ratio) => format!("{value} ({ratio:.2})"),
        None => value,
    }
}

fn paced(sides: &[Paced]) -> Table {
    let mut table = Table::new(&["", "p50", "p99", "p99.9", "events"]);
    for paced in sides {
        let times = [500, 990, 999]
            .map(|of_1000| paced.quantile(of_1000).map_or_else(|| "-".to_owned(), |time| grouped(time, 0)));
        let row = [paced.side.name().to_owned()].into_iter().chain(times);
        table.0.push(row.chain([paced.count().to_string()]).collect());
    }
    table
}

fn idle(figures: &Figures) -> Table {
    let mut table = Table::new(&["", "MiB"]);
    for (side, kib) in &figures.idle {
        table.0.push(vec![side.name().to_owned(), grouped(mebibytes(*kib), 1)]);
    }
    table
}

/// The bars that are held against a figure.
fn held(bars: &[Bar]) -> Table {
    let mut table = Table::new(&["figure", "at", "bar", "measured", ""]);
    for bar in bars {
        let (Some(figure), Some(held)) = (bar.figure, bar.held()) else { continue };
        let aim = bar.aim.map_or_else(String::new, |aim| format!(" (aim {aim})"));
        let limit = match bar.limit {
            Limit::AtLeast(least) => format!("at least {least}{aim}"),
            Limit::AtMost(most) => format!("at most {most}{aim}"),
        };
        let word = if held { "held" } else { "missed" };
        let figure = format!("{figure:.2}");
        table.0.push(vec![bar.group.to_owned(), bar.place.clone(), limit, figure, word.to_owned()]);
    }
    table
}

/// How many bars are held and missed, what has no figure, and who was left out.
fn verdict(figures: &Figures, bars: &[Bar]) -> String {
    let count = |wanted| bars.iter().filter(|bar| bar.held() == wanted).count();
    let unmeasured: BTreeSet<&str> =
        bars.iter().filter(|bar| bar.figure.is_none()).map(|bar| bar.group).collect();
    let mut lines = vec![
        format!("Bars: {} held, {} missed.", count(Some(true)), count(Some(false))),
        format!("Not held, since nothing was measured for them: {}.", count(None)),
    ];
    lines.extend(unmeasured.into_iter().map(|group| format!("- {group}")));
    let first = |text: &String| text.lines().next().unwrap_or_default().to_owned();
    lines.extend(figures.failures.iter().map(|failure| format!("Failed: {}", first(failure))));
    lines.extend(figures.left_out.iter().map(|reason| format!("Left out: {}", first(reason))));
    format!("\n{}\n", lines.join("\n"))
}

/// A number with a comma after each thousand.
fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}
