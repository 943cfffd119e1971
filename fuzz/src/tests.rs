//! The same checks by another engine: every seed as it stands, and seeds that proptest has changed.

use std::path::Path;
use std::{fmt, fs};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{CHECKS, Check};

/// Changed inputs for each check; `PROPTEST_CASES` asks for another number.
const CASES: u32 = 4000;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder().join("seeds").join(name)).expect("each check has a folder of seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable seed")).collect()
}

/// The words of `wire.dict`.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder().join("wire.dict")).expect("the dictionary is there");
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()).collect()
}

/// An input, printed as `printf` takes it.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// One change to an input.
#[derive(Clone, Debug)]
enum Edit {
    Replace(u8),
    Insert(Vec<u8>),
    Word(Index),
    Remove(usize),
    Repeat(usize),
    Cut,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<u8>().prop_map(Edit::Replace),
        vec(any::<u8>(), 1..8).prop_map(Edit::Insert),
        any::<Index>().prop_map(Edit::Word),
        (1..64_usize).prop_map(Edit::Remove),
        (1..64_usize).prop_map(Edit::Repeat),
        Just(Edit::Cut),
    ]
}

fn apply(input: &mut Vec<u8>, at: Index, edit: Edit, words: &[Vec<u8>]) {
    let at = at.index(input.len() + 1);
    let end = |length: usize| (at + length).min(input.len());
    match edit {
        Edit::Replace(byte) => input.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
        Edit::Insert(bytes) => drop(input.splice(at..at, bytes)),
        Edit::Word(word) => drop(input.splice(at..at, word.get(words).iter().copied())),
        Edit::Remove(length) => drop(input.drain(at..end(length))),
        Edit::Repeat(length) => input.extend_from_within(at..end(length)),
        Edit::Cut => input.truncate(at),
    }
}

fn run((name, check): Check) {
    let (seeds, words) = (seeds(name), words());
    assert!(!seeds.is_empty() && !words.is_empty());
    for seed in &seeds {
        check(seed);
    }
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let config = ProptestConfig {
        failure_persistence: None,
        cases,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    };
    let changed = (any::<Index>(), vec((any::<Index>(), edit()), 0..8)).prop_map(|(seed, edits)| {
        let mut input = seed.get(&seeds).clone();
        for (at, edit) in edits {
            apply(&mut input, at, edit, &words);
        }
        input
    });
    let inputs = prop_oneof![4 => changed, 1 => vec(any::<u8>(), 0..256)].prop_map(Input);
    proptest!(config, |(input in inputs)| check(&input.0));
    eprintln!("{name}: {} seeds and {cases} changed inputs hold", seeds.len());
}

#[test]
fn every_check_has_its_target() {
    let targets = fs::read_dir(folder().join("fuzz_targets")).expect("the targets are there");
    let names = targets.map(|file| file.expect("a readable folder").path());
    let mut names: Vec<_> = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    let mut checks = CHECKS.map(|(name, _)| name);
    checks.sort_unstable();
    assert_eq!(names, checks);
}

macro_rules! holds {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            run((stringify!($name), crate::$name::check));
        })*
    };
}

holds!(decode, refusal, advice, cookies, created, session, soql);
