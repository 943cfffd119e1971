//! The chart: events/s as a share of the floor's, by events a response, a line for each side.
//!
//! Constraints: it stands on light and on dark pages, so nothing of it is black or white, and there is no background.
//! The scale is logarithmic, since public clients and the floor are a hundredfold apart.

use std::fmt::Write as _;

use crate::events::Form;
use crate::figures::{Figures, RATE};
use crate::options::SIZES;
use crate::side::Side;

const SIZE: (f64, f64) = (860.0, 460.0);
const LEFT: f64 = 60.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 410.0;
/// The least and the greatest share.
const SHARES: (f64, f64) = (0.001, 2.0);
const MARKS: [f64; 5] = [0.001, 0.01, 0.1, 0.5, 1.0];
/// The least distance of two names, so that both can be read.
const LINE: f64 = 16.0;
const GREY: &str = "#848d97";
/// Of a brightness in the middle, and of hues that are told apart without red and green.
#[rustfmt::skip]
const COLOURS: [&str; 12] = [
    "#3b82d6", "#d9822b", "#2a9d8f", "#b565d8", "#c9a227", "#d65a7f",
    "#7f8fa6", "#8a8f3c", "#6a6ad9", "#a9744f", "#4fb0c6", "#5c9e4a",
];

/// The line of one side.
struct Line<'a> {
    name: &'a str,
    foreign: bool,
    colour: &'static str,
    /// A share for each size that has been measured, by the place of the size.
    points: Vec<(f64, f64)>,
}

/// The chart as SVG.
pub(crate) fn draw(figures: &Figures) -> String {
    let lines = lines(figures);
    let (width, height) = SIZE;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">
<title>Events a second as a share of the floor's, by events a response</title>
"#
    );
    axes(&mut svg);
    for line in &lines {
        curve(&mut svg, line);
    }
    names(&mut svg, &lines);
    svg + "</svg>\n"
}

fn lines(figures: &Figures) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let cells = SIZES.into_iter().filter_map(|size| figures.cell(Form::USUAL, size));
    for (side, _) in cells.flat_map(|cell| &cell.rows) {
        if *side == Side::FLOOR || lines.iter().any(|line| line.name == side.name()) {
            continue;
        }
        let colour = COLOURS[lines.len() % COLOURS.len()];
        let points = points(figures, side);
        if !points.is_empty() {
            lines.push(Line { name: side.name(), foreign: side.is_foreign(), colour, points });
        }
    }
    lines
}

fn points(figures: &Figures, side: &Side) -> Vec<(f64, f64)> {
    let sizes = SIZES.into_iter().zip([0.0, 1.0, 2.0, 3.0]);
    sizes
        .filter_map(|(size, place)| {
            let share = figures.cell(Form::USUAL, size)?.ratio(side, &Side::FLOOR, RATE)?;
            Some((across(place), up(share)))
        })
        .collect()
}

fn across(place: f64) -> f64 {
    LEFT + 30.0 + place * (RIGHT - LEFT - 60.0) / 3.0
}

fn up(share: f64) -> f64 {
    let (least, most) = SHARES;
    let part = (share.clamp(least, most) / least).ln() / (most / least).ln();
    BOTTOM - part * (BOTTOM - TOP)
}

fn axes(svg: &mut String) {
    let title = "Events/s as a share of the floor's, 300-byte events to a file";
    text(svg, (LEFT, TOP - 24.0), "start", GREY, title);
    for share in MARKS {
        let y = up(share);
        let width = if share >= 1.0 { 1.6 } else { 0.5 };
        push(
            svg,
            &format!(
                r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}" stroke="{GREY}" stroke-width="{width}"/>"#
            ),
        );
        text(svg, (LEFT - 8.0, y + 4.0), "end", GREY, &share.to_string());
    }
    for (size, place) in SIZES.into_iter().zip([0.0, 1.0, 2.0, 3.0]) {
        text(svg, (across(place), BOTTOM + 20.0), "middle", GREY, &size.to_string());
    }
    text(svg, (f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0), "middle", GREY, "events a response");
}

fn curve(svg: &mut String, line: &Line<'_>) {
    let points: Vec<String> = line.points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dashes = if line.foreign { r#" stroke-dasharray="5 4""# } else { "" };
    let colour = line.colour;
    push(
        svg,
        &format!(
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>"#,
            points.join(" ")
        ),
    );
    for (x, y) in &line.points {
        push(svg, &format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#));
    }
}

/// Writes each name at the end of its line, or as near to it as the others let it.
fn names(svg: &mut String, lines: &[Line<'_>]) {
    let mut ends: Vec<(f64, &Line<'_>)> =
        lines.iter().filter_map(|line| Some((line.points.last()?.1, line))).collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    // From the bottom up, so that no name falls out of the picture below.
    let mut below = SIZE.1;
    for (y, line) in ends.iter().rev() {
        let y = y.min(below - LINE);
        below = y;
        text(svg, (RIGHT + 10.0, y + 4.0), "start", line.colour, line.name);
    }
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, colour: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let (x, y) = at;
    push(
        svg,
        &format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{text}</text>"#),
    );
}

fn push(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("a string takes everything");
}
