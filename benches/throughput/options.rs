//! What the command line asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::events::{Form, Shape};
use crate::shared::program;
use crate::side::{Foreign, Side};

/// How the bench is called.
pub(crate) const USAGE: &str = "\
usage: throughput [OPTION...]
  --only SIDE             measure this side; repeatable
                          (floor, floor-after, tail, memory, cometail, webhook-1, webhook-100)
  --journal               measure cometail with and without a journal: --only memory --only cometail
  --client NAME=COMMAND   measure a public client too; URL CHANNEL FILE is appended to COMMAND; repeatable
  --clients DIR           measure the public clients that DIR/clients.txt lists, one NAME=COMMAND a line
  --shape SHAPE           how responses are sent: plain, chunked, gzip or pretty; repeatable
  --bytes N               the length of an event: 300 or 3000; repeatable
  --matrix                every shape and length
  --at N                  events a response: 1, 10, 100 or 1000; repeatable
  --rounds N              turns that count, 1 to 100 (default 5)
  --table text|md         how tables are printed
  --json FILE             write all figures to FILE
  --chart FILE            draw the chart in FILE, as SVG
  --program FILE          measure this cometail in the place of the one that was built
  --no-bars               end with 0 whatever bar was missed";

/// Events a response that are measured.
pub(crate) const SIZES: [u32; 4] = [1, 10, 100, 1_000];

/// How tables are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
}

/// What is measured, and where the figures go.
pub(crate) struct Options {
    /// Public clients last.
    pub(crate) sides: Vec<Side>,
    pub(crate) forms: Vec<Form>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) rounds: u32,
    pub(crate) style: Style,
    pub(crate) json: Option<PathBuf>,
    pub(crate) chart: Option<PathBuf>,
    pub(crate) bars: bool,
}

/// What has been read so far.
#[derive(Default)]
struct Wanted {
    own: Vec<Side>,
    clients: Vec<Side>,
    shapes: Vec<Shape>,
    bytes: Vec<u32>,
    matrix: bool,
    sizes: Vec<u32>,
    rounds: Option<u32>,
    markdown: bool,
    json: Option<PathBuf>,
    chart: Option<PathBuf>,
    no_bars: bool,
}

impl Options {
    /// Reads the arguments; what is wrong with them otherwise.
    pub(crate) fn read(arguments: &[&str]) -> Result<Self, String> {
        let mut wanted = Wanted::default();
        let mut arguments = arguments.iter().copied();
        while let Some(name) = arguments.next() {
            match name {
                // Cargo adds it to what the person typed.
                "--bench" => {}
                "--no-bars" => wanted.no_bars = true,
                "--matrix" => wanted.matrix = true,
                "--program" => program::choose(arguments.next())?,
                "--journal" => wanted.own.extend([Side::Memory, Side::Journal]),
                _ => wanted.value(name, arguments.next())?,
            }
        }
        Ok(wanted.options())
    }
}

impl Wanted {
    /// Reads an option that has a value.
    fn value(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let value = value.ok_or_else(|| format!("{name}: no such option, or its value is missing"))?;
        let read = match name {
            "--only" => own(value).map(|side| self.own.push(side)),
            "--client" => client(value).map(|side| self.clients.push(side)),
            "--clients" => clients(Path::new(value)).map(|all| self.clients.extend(all)),
            "--shape" => Shape::parse(value).map(|shape| self.shapes.push(shape)),
            "--bytes" => one_of(value, &Form::BYTES).map(|bytes| self.bytes.push(bytes)),
            "--at" => one_of(value, &SIZES).map(|size| self.sizes.push(size)),
            "--rounds" => {
                let rounds = value.parse().ok().filter(|rounds| (1..=100).contains(rounds));
                rounds.map(|rounds| self.rounds = Some(rounds))
            }
            "--table" => matches!(value, "text" | "md").then(|| self.markdown = value == "md"),
            "--json" => {
                self.json = Some(value.into());
                Some(())
            }
            "--chart" => {
                self.chart = Some(value.into());
                Some(())
            }
            _ => return Err(format!("{name}: no such option")),
        };
        read.ok_or_else(|| format!("{name} {value}: not a value for it"))
    }

    fn options(self) -> Options {
        let forms = self.forms();
        let own = if self.own.is_empty() { Side::OWN.to_vec() } else { self.own };
        Options {
            sides: own.into_iter().chain(self.clients).collect(),
            forms,
            sizes: if self.sizes.is_empty() { SIZES.to_vec() } else { self.sizes },
            rounds: self.rounds.unwrap_or(5),
            style: if self.markdown { Style::Markdown } else { Style::Text },
            json: self.json,
            chart: self.chart,
            bars: !self.no_bars,
        }
    }

    fn forms(&self) -> Vec<Form> {
        if self.matrix {
            return Form::all().collect();
        }
        let usual = Form::USUAL;
        let shapes = if self.shapes.is_empty() { vec![usual.shape] } else { self.shapes.clone() };
        let bytes = if self.bytes.is_empty() { vec![usual.bytes] } else { self.bytes.clone() };
        bytes.iter().flat_map(|&bytes| shapes.iter().map(move |&shape| Form { shape, bytes })).collect()
    }
}

fn own(name: &str) -> Option<Side> {
    Side::OWN.into_iter().find(|side| side.name() == name)
}

fn one_of(text: &str, known: &[u32]) -> Option<u32> {
    text.parse().ok().filter(|number| known.contains(number))
}

fn client(text: &str) -> Option<Side> {
    let (name, command) = text.split_once('=')?;
    let foreign = Foreign { name: name.to_owned(), command: command.to_owned() };
    (!name.is_empty() && own(name).is_none()).then(|| Side::Foreign(Rc::new(foreign)))
}

/// The clients listed in `dir`; `None` where one is not as it should be or the list cannot be read.
fn clients(dir: &Path) -> Option<Vec<Side>> {
    let list = fs::read_to_string(dir.join("clients.txt")).ok()?;
    list.lines().filter(|line| !line.trim().is_empty()).map(client).collect()
}
