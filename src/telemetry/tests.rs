//! Real lines from real subscribers.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

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
    let chosen = |variable, configured| choose_filter(variable, configured).map(|filter| filter.to_string());
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
    for good in ["INFO, cometail=DEBUG,", "info,[session{connection=acme}]=debug", "cometail[session]"] {
        assert_eq!(check_filter(good), Ok(()));
    }
}

/// In a child process of itself, whose stderr is a pipe that nobody reads any more.
#[test]
fn a_closed_stderr_is_ignored() {
    const CHILD: &str = "COMETAIL_TEST_CLOSED_STDERR";
    if std::env::var_os(CHILD).is_some() {
        let mut go = String::new();
        io::stdin().read_line(&mut go).unwrap();
        start(&Config { filter: None, form: Form::Json }).unwrap();
        assert_eq!(start(&Config::default()), Err(TelemetryError::AlreadyStarted));
        (0..1000).for_each(|number| warn!(number, "nobody reads this"));
        return;
    }
    let name = "telemetry::tests::a_closed_stderr_is_ignored";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env_remove(VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{}: {stdout}", output.status);
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
