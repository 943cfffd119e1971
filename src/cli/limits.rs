//! `cometail limits`: what the org allows, what is used of it, and for how long the rest lasts.

use std::time::{Duration, SystemTime};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::duration;
use super::org::{Outcome, Place, print, print_json, refused};
use super::table::Table;
use crate::salesforce::api::Api;
use crate::salesforce::limits::{Limit, Rate, limits};

const DAY: Duration = Duration::from_hours(24);

/// Show the limits of the org: used, allowed, left
#[derive(Debug, Args)]
#[command(after_help = "\
An org does not tell how fast a limit is used. --rate reads twice and takes what was used in between. Most \
limits count the last 24 hours: what was used a day ago comes back, which the forecast does not know.

Examples:
  COMETAIL_TOKEN=00D... cometail limits --url https://acme.my.salesforce.com
  cometail limits -c /etc/cometail/cometail.toml --connection acme --rate 1m
  cometail limits --url https://acme.my.salesforce.com --all --json \\
      | jq '.limits[] | select(.percent > 80)'")]
pub(super) struct Limits {
    #[command(flatten)]
    place: Place,
    /// Every limit of the org, not only those of streaming
    #[arg(long)]
    all: bool,
    /// Read again after this long, and show how fast each limit is used and when it is reached at that rate
    #[arg(long, value_name = "TIME", value_parser = duration)]
    rate: Option<Duration>,
}

/// A limit, and how fast it is used where that was asked for and means something.
struct Line {
    limit: Limit,
    rate: Option<Rate>,
}

pub(super) fn main(limits: &Limits) -> u8 {
    limits.place.run(async |api| show(api, limits).await)
}

async fn show(api: &mut Api, command: &Limits) -> Outcome<()> {
    let mut now = read(api, command.all).await?;
    let begun = std::time::Instant::now();
    let mut measured = None;
    let mut before = Vec::new();
    if let Some(wait) = command.rate {
        tokio::time::sleep(wait).await;
        before = std::mem::replace(&mut now, read(api, command.all).await?);
        measured = Some(begun.elapsed());
    }
    let lines: Vec<_> = now.into_iter().map(|limit| Line::new(limit, &before, measured)).collect();
    if command.place.json {
        return print_json(&document(&lines, measured));
    }
    print(&table(&lines, measured.is_some()))
}

async fn read(api: &mut Api, all: bool) -> Outcome<Vec<Limit>> {
    let mut limits = limits(api).await.map_err(|error| refused(&error))?;
    limits.retain(|limit| all || limit.is_streaming());
    Ok(limits)
}

impl Line {
    fn new(limit: Limit, before: &[Limit], measured: Option<Duration>) -> Self {
        // How many are connected at once is no use that adds up.
        let adds_up = !limit.name.contains("Concurrent");
        let earlier = before.iter().find(|one| one.name == limit.name && adds_up);
        let rate = earlier.zip(measured).map(|(earlier, ago)| limit.rate(earlier, ago));
        Self { limit, rate }
    }

    fn lasts(&self) -> Option<Duration> {
        self.rate?.lasts
    }
}

fn document(lines: &[Line], measured: Option<Duration>) -> Value {
    let limits: Vec<_> = lines.iter().map(entry).collect();
    json!({"limits": limits, "measured_seconds": measured.map(|time| time.as_secs_f64())})
}

fn entry(line: &Line) -> Value {
    let limit = &line.limit;
    let reached =
        line.lasts().and_then(|lasts| Timestamp::try_from(SystemTime::now().checked_add(lasts)?).ok());
    json!({
        "name": limit.name,
        "max": limit.max,
        "used": limit.used,
        "left": limit.left,
        "percent": limit.percent(),
        "used_per_hour": line.rate.map(|rate| rate.per_hour),
        "lasts_seconds": line.lasts().map(|lasts| lasts.as_secs()),
        "reached_at": reached.map(|time| format!("{time:.0}")),
    })
}

fn table(lines: &[Line], measured: bool) -> Table {
    let heads = ["LIMIT", "#USED", "#OF", "#LEFT", "#PERCENT", "#USED/HOUR", "#LASTS"];
    let mut table = Table::new(heads.get(..if measured { 7 } else { 5 }).unwrap_or_default());
    for line in lines {
        let limit = &line.limit;
        let rate = line.rate.map_or("-".into(), |rate| rate.per_hour.to_string());
        let numbers = [limit.used, limit.max, limit.left, limit.percent()].map(|number| number.to_string());
        let cells = std::iter::once(limit.name.clone()).chain(numbers).chain([rate, lasting(line)]);
        table.row(cells);
    }
    table
}

fn lasting(line: &Line) -> String {
    match line.lasts() {
        None => "-".into(),
        // By then all that is used now has come back.
        Some(lasts) if lasts > DAY && line.limit.name.starts_with("Daily") => "over a day".into(),
        Some(lasts) => span(lasts),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_as_exact_as_it_needs_to_be() {
        for (seconds, shown) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h 0 min"),
            (12_345, "3 h 25 min"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
    }
}
