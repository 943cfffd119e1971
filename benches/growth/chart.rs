//! Resident memory over time as a picture (SVG).

use crate::summary::Sample;

/// The area of the curve, within a picture that has room for words around it.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// Lines across and along, without the first.
const PARTS: u32 = 5;

/// The picture; memory from nothing to a fifth more than the most.
pub(crate) fn draw(samples: &[Sample]) -> String {
    let resident = |one: &Sample| f64::from(one.resident) / 1024.0;
    let most = samples.iter().map(resident).fold(1.0, f64::max) * 1.2;
    let longest = minutes(samples.last().map_or(1, |one| one.second.max(1)));
    let x = |minute: f64| LEFT + WIDTH * minute / longest;
    let y = |mebibytes: f64| TOP + HEIGHT * (1.0 - mebibytes / most);
    let point = |one: &Sample| format!("{:.1},{:.1}", x(minutes(one.second)), y(resident(one)));
    let curve = samples.iter().map(point).collect::<Vec<_>>().join(" ");
    let (width, height) = (LEFT + WIDTH + 40.0, TOP + HEIGHT + 50.0);
    let head = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{LEFT}" y="24" font-size="15">Resident memory, MiB, over minutes: 500 events a second, with faults</text>
"##
    );
    let line = |part: u32| {
        let share = f64::from(part) / f64::from(PARTS);
        let (minute, mebibytes) = (longest * share, most * share);
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        format!(
            r##"<path d="M{LEFT} {1:.1}H{right}M{0:.1} {TOP}V{bottom}" stroke="#dddddd"/>
<text x="{2}" y="{3:.1}" text-anchor="end">{mebibytes:.1}</text><text x="{0:.1}" y="{4}" text-anchor="middle">{minute:.1}</text>
"##,
            x(minute),
            y(mebibytes),
            LEFT - 8.0,
            y(mebibytes) + 4.0,
            bottom + 20.0
        )
    };
    let lines: String = (0..=PARTS).map(line).collect();
    format!(
        r##"{head}{lines}<polyline points="{curve}" fill="none" stroke="#1f5fa8"/>
</svg>
"##
    )
}

fn minutes(seconds: u64) -> f64 {
    f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) / 60.0
}
