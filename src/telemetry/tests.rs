//! Real lines from real subscribers.

use std::io::{self, BufRead as _, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tracing::{debug, info, info_span, warn};

use super::*;

/// A writer whose bytes can be read afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn human_lines(color: bool, work: impl FnOnce()) -> String {
    let shared = Shared::default();
    let writer = shared.clone();
    let layer = human(move || writer.clone(), color);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    let bytes = shared.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn json_lines(filter: &str, work: impl FnOnce()) -> Vec<serde_json::Value> {
    let shared = Shared::default();
    let writer = shared.clone();
    let registry = tracing_subscriber::registry().with(parse_filter(filter).unwrap());
    tracing::subscriber::with_default(registry.with(json(move || writer.clone())), work);
    let bytes = shared.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_human_line_has_time_level_message_and_fields() {
    let line = human_lines(false, || {
        let span = info_span!("session", connection = "acme");
        let _entered = span.enter();
        warn!(channel = "/topic/A", code = 403, "refused");
    });
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(
        rest.trim_start(),
        "WARN session: refused channel=\"/topic/A\" code=403 connection=\"acme\"\n"
    );
}

#[test]
fn nothing_from_outside_breaks_a_human_line_or_drives_the_terminal() {
    let evil = "a\r\n2026 INFO forged \u{1b}[2J\u{7}\t\u{9b}1m\u{202e}\u{2028}é";
    let escaped = "a\\r\\n2026 INFO forged \\u{1b}[2J\\u{7}\\t\\u{9b}1m\\u{202e}\\u{2028}é";
    let error = io::Error::other(evil);
    let lines = human_lines(false, || {
        let _entered = info_span!("s", name = %evil).entered();
        info!(text = evil, display = %evil, error = &error as &dyn std::error::Error, "{evil}");
    });
    assert_eq!(lines.matches('\n').count(), 1, "{lines:?}");
    assert!(!lines.trim_end_matches('\n').chars().any(char::is_control), "{lines:?}");
    assert!(!lines.contains(['\u{202e}', '\u{2028}']), "{lines:?}");
    assert_eq!(lines.matches(escaped).count(), 5, "{lines}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    assert!(human_lines(true, || info!("x")).contains("\u{1b}["));
    assert!(!human_lines(false, || info!("x")).contains('\u{1b}'));
    assert!(is_human(Form::Auto, true) && !is_human(Form::Auto, false));
    assert!(is_human(Form::Human, false) && !is_human(Form::Json, true));
}

#[test]
fn a_json_line_is_flat() {
    let lines = json_lines("info", || info!(connection = "acme", text = "a\n\u{1b}b", "polled"));
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert_eq!((&line["message"], &line["connection"]), (&"polled".into(), &"acme".into()));
    assert_eq!((&line["level"], &line["text"]), (&"INFO".into(), &"a\n\u{1b}b".into()));
    assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
}

#[test]
fn libraries_are_quiet_unless_they_are_named() {
    let work = || {
        info!(target: "hyper::proto", "library");
        warn!(target: "rustls", "library warns");
        debug!(target: "cometail::bayeux", "ours");
    };
    let messages = |filter| {
        let lines = json_lines(filter, work);
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(messages("info"), ["library warns"]);
    assert_eq!(messages("debug"), ["library warns", "ours"]);
    assert_eq!(messages("debug,hyper=info"), ["library", "library warns", "ours"]);
    assert_eq!(messages("off"), [""; 0]);
    assert_eq!(messages("error,cometail=debug"), ["ours"]);
    assert_eq!(messages("cometail=debug"), ["ours"]);
    assert_eq!(messages("warn,cometail::bayeux=trace"), ["library warns", "ours"]);
}

#[test]
fn the_variable_wins_and_a_bad_filter_is_shown() {
    let chosen = |variable, configured| {
        parse_filter(choose_filter(variable, configured)).map(|filter| filter.to_string())
    };
    assert!(chosen(None, None).unwrap().ends_with("info"));
    assert!(chosen(Some(" "), Some("warn")).unwrap().ends_with("warn"));
    assert!(chosen(Some("error"), Some("trace")).unwrap().ends_with("error"));
    assert_eq!(
        chosen(Some("cometail=dbug"), None).unwrap_err().to_string(),
        "the log filter \"cometail=dbug\" cannot be understood: error parsing level filter: expected one of \
         \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5; \
         valid are \"info\" or \"warn,cometail=debug\""
    );
    assert_eq!(
        check_filter("inffo").unwrap_err().to_string(),
        "the log filter \"inffo\" cannot be understood: \"inffo\" is neither a level (off, error, warn, info, \
         debug or trace) nor TARGET=LEVEL; valid are \"info\" or \"warn,cometail=debug\""
    );
    assert!(check_filter("").is_err());
    assert_eq!(check_filter("INFO, cometail=DEBUG,"), Ok(()));
    // What asks for spans would never match: there are none.
    for bad in ["info,[session{connection=acme}]=debug", "cometail[session]", "cometail[session]=debug"] {
        assert!(check_filter(bad).is_err(), "{bad}");
    }
}

/// Runs the test `name` in a child process in which the variable `CHILD` is set, to write its logs there.
const CHILD: &str = "COMETAIL_TEST_CHILD";

fn is_child() -> bool {
    let is_child = std::env::var_os(CHILD).is_some();
    if is_child {
        io::stdin().read_line(&mut String::new()).unwrap();
    }
    is_child
}

fn child(name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("telemetry::tests::{name}"), "--nocapture"])
        .env(CHILD, "1")
        .env_remove(VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn go(child: &mut Child) {
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
}

fn assert_passed(child: Child) {
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{}: {stdout}", output.status);
}

#[test]
fn a_closed_stderr_is_ignored() {
    if is_child() {
        let _logs = start(&Config { filter: None, form: Form::Json }).unwrap();
        assert!(matches!(start(&Config::default()), Err(TelemetryError::AlreadyStarted)));
        (0..1000).for_each(|number| warn!(number, "nobody reads this"));
        return;
    }
    let mut child = child("a_closed_stderr_is_ignored");
    drop(child.stderr.take());
    go(&mut child);
    assert_passed(child);
}

#[test]
fn a_stderr_that_nobody_reads_holds_nothing_up_and_loses_lines_with_a_word() {
    const LINES: u64 = 100_000;
    if is_child() {
        let _logs = start(&Config { filter: None, form: Form::Json }).unwrap();
        (0..LINES).for_each(|number| warn!(number, "read late"));
        drop(writeln!(io::stdout(), "all logged"));
        // Until the reader is there.
        io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let mut child = child("a_stderr_that_nobody_reads_holds_nothing_up_and_loses_lines_with_a_word");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(stdout.any(|line| line.unwrap().contains("all logged")), "it stands still");
    let (mut stderr, read) = (child.stderr.take().unwrap(), Shared::default());
    let mut copy = read.clone();
    let reader = std::thread::spawn(move || io::copy(&mut stderr, &mut copy).unwrap());
    let word = b"these log lines are lost";
    let deadline = Instant::now() + Duration::from_secs(30);
    while memchr::memmem::find(&read.0.lock().unwrap(), word).is_none() {
        assert!(Instant::now() < deadline, "no word of the lost lines");
        std::thread::sleep(Duration::from_millis(5));
    }
    stdin.write_all(b"end\n").unwrap();
    assert!(stdout.any(|line| line.unwrap().contains("1 passed")));
    assert!(child.wait().unwrap().success());
    reader.join().unwrap();
    let (mut kept, mut lost) = (0, 0);
    let bytes = read.0.lock().unwrap();
    for line in std::str::from_utf8(&bytes).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("no line is cut");
        match line["lines"].as_u64() {
            Some(lines) => lost += lines,
            None => kept += 1,
        }
    }
    assert_eq!(kept + lost, LINES);
    assert!(kept > 5_000 && lost > 5_000, "{kept} kept, {lost} lost");
}

proptest! {
    #[test]
    fn no_filter_panics(text in "\\PC*", near in "[a-z=,\\[\\]{}\" ]{0,30}") {
        let _ = (check_filter(&text), check_filter(&near));
    }

    #[test]
    fn every_text_is_one_line(text in any::<String>()) {
        let lines = human_lines(false, || info!(field = %text, "{text}"));
        prop_assert_eq!(lines.chars().filter(|c| c.is_control()).collect::<String>(), "\n");
    }
}
