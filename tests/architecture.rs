//! The house rules that no compiler knows: which room may import which, how long a file may be, and that a
//! room says at its door what it is for.
//!
//! The arrows are read from the table in `src/lib.rs`, so that it cannot be out of date.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/imports.rs"]
mod imports;

/// The longest file, in lines.
const MAX_LINES: usize = 400;
/// The shortest door text of a room that is a folder, in lines that hold text.
const MIN_DOOR_LINES: usize = 3;

#[test]
fn every_import_follows_an_arrow() {
    let rules = Rules::parse(&read(&source().join("lib.rs")));
    assert!(rules.rooms.len() >= 12, "the table of src/lib.rs is not read whole: {:?}", rules.rooms.keys());
    let wrong: Vec<_> = sources()
        .iter()
        .filter(|file| !matches!(file.relative.as_str(), "lib.rs" | "main.rs"))
        .flat_map(|file| rules.violations(&file.relative, &file.text))
        .collect();
    assert!(wrong.is_empty(), "imports without an arrow:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_names_every_room_and_no_other() {
    let lib = read(&source().join("lib.rs"));
    let listed: BTreeSet<_> = Rules::parse(&lib).rooms.into_keys().collect();
    let declared: BTreeSet<_> = lib
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, declared, "the table of src/lib.rs (left) and its modules (right)");
}

#[test]
fn no_file_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let long: Vec<_> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| rust_files(&root.join(folder)))
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "files over {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn every_room_has_its_door_text() {
    let bare: Vec<_> = sources()
        .iter()
        .filter(|file| door_lines(&file.text) < door_lines_wanted(&file.relative))
        .map(|file| file.relative.clone())
        .collect();
    assert!(bare.is_empty(), "module docs are missing or too short: {bare:?}");
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code: String = ["src", "tests"]
        .iter()
        .flat_map(|folder| rust_files(&root.join(folder)))
        .map(|path| read(&path))
        .collect();
    let promises = read(&root.join("docs/promises.md"));
    let rows = promises.lines().filter(|line| line.starts_with('|'));
    let named: Vec<_> = rows.flat_map(|row| quoted(row.rsplit('|').nth(1).unwrap_or_default())).collect();
    assert!(!named.is_empty(), "docs/promises.md names no test");
    let missing: Vec<_> = named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "docs/promises.md names tests that do not exist: {missing:?}");
}

/// The checker against texts that break the rules.
mod checker {
    use super::{Rules, door_lines, door_lines_wanted};

    const TABLE: &str = "\
//! | room | what it holds | may import |
//! |---|---|---|
//! | [`event`] | events | nothing of ours |
//! | [`bayeux`] | the protocol | `event` |
//! | [`http`] | exchanges | `bayeux::border` |
//! | [`config`] | the file | the `Config` of each room, `event` |
//! | [`daemon`] | everything | all above but `http` |
//!
//! Not a row: | `event` |
";

    fn violations(file: &str, code: &str) -> Vec<String> {
        Rules::parse(TABLE).violations(file, code)
    }

    #[test]
    fn an_arrow_of_the_table_is_allowed() {
        assert!(violations("bayeux/session.rs", "use crate::event::{Channel, Event};").is_empty());
        assert!(violations("http/mod.rs", "use crate::bayeux::border::{Fault, Reply};").is_empty());
        assert!(violations("http/mod.rs", "use crate::bayeux::{border::Fault};").is_empty());
        assert!(violations("http/mod.rs", "use crate::bayeux::border;").is_empty());
        assert!(violations("http/a.rs", "use crate::http::b;\nuse super::c;").is_empty());
        assert!(violations("daemon/mod.rs", "use crate::{bayeux::Session, config};").is_empty());
    }

    #[test]
    fn any_other_is_not() {
        assert_eq!(
            violations("event.rs", "\nuse crate::bayeux::Session;"),
            ["src/event.rs:2: event may not import bayeux::Session"]
        );
        assert_eq!(violations("bayeux/wire.rs", "use crate::http::get;").len(), 1);
        assert_eq!(violations("daemon/mod.rs", "use crate::http::get;").len(), 1);
        assert_eq!(violations("bayeux/mod.rs", "use crate::nowhere;").len(), 1);
        assert_eq!(violations("bayeux/mod.rs", "use crate::daemon::*;").len(), 1);
    }

    #[test]
    fn a_part_of_a_room_opens_no_more_than_that_part() {
        assert_eq!(violations("http/mod.rs", "use crate::bayeux::Session;").len(), 1);
        assert_eq!(violations("http/mod.rs", "use crate::bayeux;").len(), 1);
        assert_eq!(violations("http/mod.rs", "use crate::bayeux::borderline;").len(), 1);
        assert_eq!(violations("http/mod.rs", "use crate::bayeux::{border::Fault, Session};").len(), 1);
    }

    #[test]
    fn config_reads_plain_types_of_every_room_above_it_and_below_none() {
        assert!(violations("config/resolve.rs", "let a = crate::http::Config::default();").is_empty());
        assert_eq!(violations("config/resolve.rs", "use crate::daemon::run;").len(), 1);
    }

    #[test]
    fn nested_and_broken_groups_are_seen_whole() {
        let code = "use crate::{\n    bayeux::{self, border},\n    event::Event,\n    http::{get, put},\n};";
        assert_eq!(
            violations("bayeux/mod.rs", code),
            [
                "src/bayeux/mod.rs:1: bayeux may not import http::get",
                "src/bayeux/mod.rs:1: bayeux may not import http::put"
            ]
        );
    }

    #[test]
    fn a_path_in_the_middle_of_code_counts() {
        assert_eq!(violations("event.rs", "fn f() { crate::http::get(); }").len(), 1);
        assert_eq!(violations("event.rs", "fn f() -> $crate::http::Reply {}").len(), 1);
        assert_eq!(violations("event.rs", "fn f() { cometail::http::get(); }").len(), 1);
    }

    #[test]
    fn super_climbs_to_the_crate_from_the_right_depth_only() {
        assert_eq!(violations("event.rs", "use super::http::get;").len(), 1);
        assert_eq!(violations("bayeux/mod.rs", "use super::http;").len(), 1);
        assert_eq!(violations("bayeux/wire.rs", "use super::super::{http, event};").len(), 1);
        assert!(violations("bayeux/wire.rs", "use super::http;").is_empty());
        assert!(violations("bayeux/sim/mod.rs", "use super::wire;").is_empty());
        assert_eq!(violations("bayeux/sim/mod.rs", "use super::super::http;").len(), 1);
        assert!(violations("event.rs", "mod tests { use super::*; } pub(super) fn f() {}").is_empty());
        assert_eq!(violations("event.rs", "mod tests { fn f() {} use super::super::http; }").len(), 1);
        assert_eq!(violations("bayeux/sim/net.rs", "use super::super::super::http;").len(), 1);
    }

    #[test]
    fn comments_and_strings_are_no_imports() {
        assert!(
            violations("event.rs", "//! See [`crate::http`].\n/* crate::http */ // crate::http").is_empty()
        );
        assert!(violations("event.rs", "const A: &str = \"crate::http \\\" crate::http\";").is_empty());
        assert!(violations("event.rs", "const A: &str = r#\"a \" crate::http\"#;").is_empty());
        assert_eq!(
            violations("event.rs", "const A: char = '\"'; use crate::http; const B: char = '\"';").len(),
            1
        );
    }

    #[test]
    fn door_text_is_counted() {
        assert_eq!(door_lines("//! One.\n//!\n//! Two.\n\nuse std::fs;\n//! no"), 2);
        assert_eq!(door_lines("use std::fs;"), 0);
        assert_eq!(door_lines_wanted("bayeux/mod.rs"), 3);
        assert_eq!(door_lines_wanted("bayeux/wire.rs"), 1);
        assert_eq!(door_lines_wanted("bayeux/sim/mod.rs"), 1);
        assert_eq!(door_lines_wanted("event.rs"), 1);
        assert_eq!(door_lines_wanted("bayeux/tests.rs"), 0);
        assert_eq!(door_lines_wanted("bayeux/decode_tests.rs"), 0);
        assert_eq!(door_lines_wanted("bayeux/session_tests/bench.rs"), 0);
    }
}

/// What each room may import: paths that start at a room's name.
struct Rules {
    rooms: BTreeMap<String, Vec<String>>,
}

impl Rules {
    /// Reads the table in the module docs of `src/lib.rs`. A row's third cell lists rooms or parts of them in
    /// back quotes, or says `all above` (`but` some); `each room` stands for all above too.
    fn parse(lib: &str) -> Self {
        let mut rooms = BTreeMap::new();
        let mut above: Vec<String> = Vec::new();
        for line in lib.lines().filter_map(|line| line.trim().strip_prefix("//! |")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [room, _, allowed, ..] = cells.as_slice() else { continue };
            let Some(room) = quoted(room).pop() else { continue };
            let allowed = match allowed.split_once("all above") {
                Some((_, but)) => above.iter().filter(|name| !quoted(but).contains(name)).cloned().collect(),
                None if allowed.contains("each room") => above.clone(),
                None => quoted(allowed),
            };
            above.push(room.clone());
            rooms.insert(room, allowed);
        }
        Self { rooms }
    }

    /// The imports in `text`, the file `relative` to `src`, that no arrow allows.
    fn violations(&self, relative: &str, text: &str) -> Vec<String> {
        let room = relative.split('/').next().unwrap_or(relative).trim_end_matches(".rs");
        let Some(allowed) = self.rooms.get(room) else {
            return vec![format!("src/{relative}: the table of src/lib.rs has no room {room}")];
        };
        let is_allowed = |path: &str| {
            allowed.iter().map(String::as_str).chain([room]).any(|open| {
                path.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            })
        };
        imports::crate_paths(relative, text)
            .into_iter()
            .filter(|(_, path)| !is_allowed(path))
            .map(|(line, path)| format!("src/{relative}:{line}: {room} may not import {path}"))
            .collect()
    }
}

/// The words between back quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The lines of text in the module docs.
fn door_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| line.starts_with("//!") || line.starts_with("#!["))
        .filter_map(|line| line.strip_prefix("//!"))
        .filter(|line| !line.trim().is_empty())
        .count()
}

/// How many such lines the file `relative` to `src` must have; tests say in their names what they are for.
fn door_lines_wanted(relative: &str) -> usize {
    let is_test = |part: &str| part == "tests" || part.ends_with("_tests");
    if relative.trim_end_matches(".rs").split('/').any(is_test) {
        0
    } else if relative.ends_with("/mod.rs") && relative.matches('/').count() == 1 {
        MIN_DOOR_LINES
    } else {
        1
    }
}

struct Source {
    /// Its path within `src`, with `/` between the parts.
    relative: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = source();
    let files: Vec<_> = rust_files(&root)
        .into_iter()
        .map(|path| {
            let relative =
                path.strip_prefix(&root).expect("it lies in src").to_string_lossy().replace('\\', "/");
            Source { relative, text: read(&path) }
        })
        .collect();
    assert!(files.len() > 10, "src is read whole");
    files
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every `.rs` file in `folder` and the folders in it; none where there is no such folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() && !path.ends_with("node_modules") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
