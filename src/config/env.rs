//! The configuration from environment variables: one connection and one sink, both named `main`.
//!
//! Constraints
//! - The variables are written down as the text of a configuration file, so that every check and every default is that
//!   of the file. Problems name the variable, and never show a secret.
//! - A variable whose name begins like ours and is none of ours is a problem, unless a container engine made it up.
//! - A variable that is empty counts as one that is not set.
//!
//! Format: [`ROWS`]; a secret `NAME` can be in a file that `NAME_FILE` names. `docs/container.md` is the table for people.
//!
//! Operations: [`find`] the configuration, [`from_environment`] alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use super::load::parse_with;
use super::problem::{Problem, Problems, Warnings};
use super::reader::nearest;
use super::{Config, Source};

/// What the names of all variables begin with.
const OURS: &str = "COMETAIL_";
const URL: &str = "COMETAIL_URL";
const TOKEN: &str = "COMETAIL_TOKEN";
const LOGIN: &str = "COMETAIL_LOGIN";
const CHANNELS: &str = "COMETAIL_CHANNELS";
const SINK: &str = "COMETAIL_SINK";

/// The kinds of login that variables can describe, besides a token.
const KINDS: [&str; 5] = ["jwt", "client_credentials", "refresh", "password", "soap"];

/// Variables that other commands read.
const OTHERS: [&str; 1] = ["COMETAIL_HEROKU_TOKEN"];

/// What the value of a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A string of the file.
    Text,
    /// `true` or `false`.
    Flag,
    /// Strings with commas between them.
    List,
    /// A secret, or with `_FILE` behind the name the path of its file.
    Secret,
    /// The kind of the login.
    Kind,
    /// Where events go.
    Sink,
}

/// A variable, its key in the file and its form. `{login}` stands for the kind of the login, `{sink}` for that of the sink.
type Row = (&'static str, &'static str, Form);

/// Every variable.
const ROWS: [Row; 32] = [
    (URL, "connection.main.url", Form::Text),
    ("COMETAIL_API_VERSION", "connection.main.api_version", Form::Text),
    (CHANNELS, "connection.main.channels", Form::List),
    ("COMETAIL_REPLAY", "connection.main.replay", Form::Text),
    ("COMETAIL_ON_STOP", "connection.main.on_stop", Form::Text),
    ("COMETAIL_CA_FILE", "connection.main.ca_file", Form::Text),
    (TOKEN, "connection.main.login.token", Form::Secret),
    (LOGIN, "connection.main.login.{login}", Form::Kind),
    ("COMETAIL_LOGIN_HOST", "connection.main.login.{login}.host", Form::Text),
    ("COMETAIL_LOGIN_SANDBOX", "connection.main.login.{login}.sandbox", Form::Flag),
    ("COMETAIL_LOGIN_CLIENT_ID", "connection.main.login.{login}.client_id", Form::Text),
    ("COMETAIL_LOGIN_CLIENT_SECRET", "connection.main.login.{login}.client_secret", Form::Secret),
    ("COMETAIL_LOGIN_REFRESH_TOKEN", "connection.main.login.{login}.refresh_token", Form::Secret),
    ("COMETAIL_LOGIN_USERNAME", "connection.main.login.{login}.username", Form::Text),
    ("COMETAIL_LOGIN_PASSWORD", "connection.main.login.{login}.password", Form::Secret),
    ("COMETAIL_LOGIN_SECURITY_TOKEN", "connection.main.login.{login}.security_token", Form::Secret),
    ("COMETAIL_LOGIN_ISSUER", "connection.main.login.{login}.issuer", Form::Text),
    ("COMETAIL_LOGIN_SUBJECT", "connection.main.login.{login}.subject", Form::Text),
    ("COMETAIL_LOGIN_KEY", "connection.main.login.{login}.key", Form::Secret),
    ("COMETAIL_LOGIN_AUDIENCE", "connection.main.login.{login}.audience", Form::Text),
    (SINK, "sink.main.{sink}", Form::Sink),
    ("COMETAIL_SINK_FORMAT", "sink.main.{sink}.format", Form::Text),
    ("COMETAIL_SINK_SECRET", "sink.main.{sink}.secret", Form::Secret),
    ("COMETAIL_STATE_DIR", "state.dir", Form::Text),
    ("COMETAIL_PERSIST", "state.persist", Form::Flag),
    ("COMETAIL_GRACE", "daemon.grace", Form::Text),
    ("COMETAIL_READY_AFTER", "daemon.ready_after", Form::Text),
    ("COMETAIL_ADMIN_LISTEN", "admin.listen", Form::Text),
    ("COMETAIL_ADMIN_TOKEN", "admin.token", Form::Secret),
    ("COMETAIL_ADMIN_HOSTS", "admin.hosts", Form::List),
    ("COMETAIL_LOG", "log.filter", Form::Text),
    ("COMETAIL_LOG_FORMAT", "log.format", Form::Text),
];

/// Reads the configuration where nobody says which: the file, where it is there, else the variables, where they name a
/// URL.
pub fn find(
    file: &Path,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Option<Source>, Config, Warnings), Problems> {
    let variables: Variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let named = variables.contains_key(URL.as_ref() as &std::ffi::OsStr);
    match (file.try_exists(), named) {
        (Ok(false), true) => from_variables(&variables).map(|(config, warnings)| (None, config, warnings)),
        (Ok(false), false) => {
            let hint = format!("name one with -c FILE, or set {URL} and {CHANNELS}");
            let file = file.display().to_string();
            Err(Problems::new(vec![problem(&file, "no such file", "a configuration", Some(hint))], 0))
        }
        (_, named) => {
            let source = Source::read(file)?;
            let (config, mut warnings) = source.resolve(&|name| std::env::var_os(name))?;
            if named {
                let wanted = format!("it alone, without {}", file.display());
                warnings.0.push(problem(URL, "a URL beside a file, which wins", &wanted, None));
            }
            Ok((Some(source), config, warnings))
        }
    }
}

/// Reads a configuration from environment variables alone.
pub fn from_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, Warnings), Problems> {
    from_variables(&variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

type Variables = BTreeMap<OsString, OsString>;

fn from_variables(variables: &Variables) -> Result<(Config, Warnings), Problems> {
    let mut draft =
        Draft { variables, login: None, sink: "stdout", text: String::new(), problems: Vec::new() };
    draft.write();
    let Draft { text, mut problems, login, sink, .. } = draft;
    let names = Names { login, sink };
    match parse_with("", &text, &|name| variables.get(name.as_ref() as &std::ffi::OsStr).cloned()) {
        Ok((config, warnings)) if problems.is_empty() => Ok((config, names.warnings(warnings))),
        Ok(_) => Err(Problems::new(problems, 0)),
        Err(report) => {
            let more: Vec<_> = report.as_slice().iter().map(|one| names.translate(one)).collect();
            // Nothing that follows from a mistake which is told already.
            let told: Vec<_> = problems.iter().map(|one| one.file.clone()).collect();
            problems.extend(more.into_iter().filter(|one| !told.contains(&one.file)));
            let more = report.count().saturating_sub(report.as_slice().len());
            Err(Problems::new(problems, more))
        }
    }
}

/// The text of a configuration file while it is written.
struct Draft<'v> {
    variables: &'v Variables,
    login: Option<&'static str>,
    sink: &'static str,
    text: String,
    problems: Vec<Problem>,
}

impl Draft<'_> {
    fn write(&mut self) {
        self.refuse_unknown();
        self.choose_login();
        self.write_sink();
        if !self.is_set(CHANNELS) {
            self.report(CHANNELS, "nothing", LIST, None);
        }
        for row in &ROWS {
            self.write_row(row);
        }
    }

    fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name.as_ref() as &std::ffi::OsStr)
    }

    /// A value that is text.
    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name.as_ref() as &std::ffi::OsStr)?;
        let text = value.to_str().map(str::to_owned);
        if text.is_none() {
            self.report(name, "bytes that are not UTF-8", "text", None);
        }
        text
    }

    fn report(&mut self, name: &str, found: &str, wanted: &str, hint: Option<String>) {
        self.problems.push(problem(name, found, wanted, hint));
    }

    fn refuse_unknown(&mut self) {
        let names = self.variables.keys().map(|name| name.to_string_lossy().into_owned());
        let unknown = |name: &String| {
            name.starts_with(OURS) && !OTHERS.contains(&name.as_str()) && row_of(name).is_none()
        };
        let unknown: Vec<_> = names.filter(|name| unknown(name) && !is_link(name)).collect();
        for name in unknown {
            let near = nearest(&name, ROWS.iter().map(|(name, ..)| *name));
            let hint = near.map(|near| format!("did you mean {near}?"));
            let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            self.report(&name, "an unknown variable", "a known one", hint);
        }
    }

    /// Which login the variables describe.
    fn choose_login(&mut self) {
        let wanted = KINDS.join(", ");
        let part = ROWS.iter().find(|(name, key, form)| {
            key.contains("{login}.")
                && (self.is_set(name) || *form == Form::Secret && self.is_set(&in_file(name)))
        });
        let has_token = self.is_set(TOKEN) || self.is_set(&in_file(TOKEN));
        match self.value(LOGIN) {
            Some(kind) => {
                self.login = KINDS.into_iter().find(|known| *known == kind);
                if self.login.is_none() {
                    let hint = nearest(&kind, KINDS.into_iter()).map(|near| format!("did you mean {near}?"));
                    self.report(LOGIN, "an unknown login", &wanted, hint);
                } else if has_token {
                    self.report(TOKEN, "a token beside a login", "one of them", None);
                }
            }
            None if part.is_some() && !self.is_set(LOGIN) => {
                let hint = part.map(|(name, ..)| format!("{name} is part of a login"));
                self.report(LOGIN, "nothing", &wanted, hint);
            }
            None => {}
        }
    }

    /// `stdout`, `file:PATH`, or the URL of a webhook.
    fn write_sink(&mut self) {
        let value = self.value(SINK).unwrap_or_else(|| String::from("stdout"));
        if value == "stdout" {
            self.text.push_str("sink.main.stdout.pretty = false\n");
        } else if let Some(path) = value.strip_prefix("file:") {
            self.sink = "file";
            self.line("sink.main.file.path", &quoted(path));
        } else if value.starts_with("http://") || value.starts_with("https://") {
            self.sink = "webhook";
            self.line("sink.main.webhook.url", &quoted(&value));
        } else {
            // A URL may have a secret in it.
            self.report(SINK, "something else", "stdout, file:PATH or the URL of a webhook", None);
            self.text.push_str("sink.main.stdout.pretty = false\n");
        }
    }

    fn write_row(&mut self, (name, key, form): &Row) {
        let Some(key) = filled(key, self.login, self.sink) else { return };
        match form {
            Form::Text => {
                if let Some(value) = self.value(name) {
                    self.line(&key, &quoted(&value));
                }
            }
            Form::List => {
                if let Some(value) = self.value(name) {
                    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                    let items: Vec<_> = items.map(quoted).collect();
                    self.line(&key, &format!("[{}]", items.join(", ")));
                }
            }
            Form::Flag => self.write_flag(name, &key),
            // One that is beside a login is a mistake that is told already.
            Form::Secret if self.login.is_some() && *name == TOKEN => {}
            Form::Secret => self.write_secret(name, &key),
            Form::Kind | Form::Sink => {}
        }
    }

    fn write_flag(&mut self, name: &str, key: &str) {
        match self.value(name).as_deref() {
            Some(value @ ("true" | "false")) => self.line(key, value),
            Some(_) => self.report(name, "something else", "true or false", None),
            None => {}
        }
    }

    fn write_secret(&mut self, name: &str, key: &str) {
        let file = in_file(name);
        match (self.is_set(name), self.is_set(&file)) {
            (true, true) => self.report(name, &format!("a secret beside {file}"), "one of them", None),
            (true, false) => self.line(&format!("{key}.env"), &quoted(name)),
            (false, true) => {
                if let Some(path) = self.value(&file) {
                    self.line(&format!("{key}.file"), &quoted(&path));
                }
            }
            (false, false) => {}
        }
    }

    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "{key} = {value}");
    }
}

const LIST: &str = "channels with commas between them, such as /topic/Name";

/// The variables' names for the keys of the file.
struct Names {
    login: Option<&'static str>,
    sink: &'static str,
}

impl Names {
    fn warnings(&self, Warnings(all): Warnings) -> Warnings {
        Warnings(all.iter().map(|one| self.translate(one)).collect())
    }

    /// A problem of the file as one of a variable.
    fn translate(&self, one: &Problem) -> Problem {
        let name = self.variable(&one.key).unwrap_or_else(|| one.key.clone());
        let hint = one.hint.as_ref().map(|hint| {
            hint.replace("state.persist = false", "COMETAIL_PERSIST=false")
                .replace("persist = false", "COMETAIL_PERSIST=false")
        });
        if one.found == "an unknown key" {
            let wanted = if name.starts_with(SINK) { SINK } else { LOGIN };
            return problem(&name, "what is of no use here", &format!("another {wanted} with it"), None);
        }
        let wanted = match one.wanted.as_str() {
            "a table with file or env" => {
                format!("the secret, or in {} the path of its file", in_file(&name))
            }
            "the name of an environment variable that is set" => String::from("the secret"),
            wanted if wanted.starts_with("an array of channels") => LIST.to_owned(),
            wanted => wanted.to_owned(),
        };
        problem(&name, &one.found, &wanted, hint)
    }

    /// The variable that a key stands for, or the nearest one around it.
    fn variable(&self, key: &str) -> Option<String> {
        let below = |(name, known, form): &Row| {
            let known = filled(known, self.login, self.sink)?;
            let rest = key.strip_prefix(&known)?;
            let is_file = *form == Form::Secret && rest == ".file";
            let below = rest.is_empty() || rest.starts_with(['.', '[']);
            below.then(|| (known.len(), if is_file { in_file(name) } else { (*name).to_owned() }))
        };
        let nearest = ROWS.iter().filter_map(below).max_by_key(|(length, _)| *length);
        let whole = || (key == "state").then(|| String::from("COMETAIL_STATE_DIR"));
        nearest.map(|(_, name)| name).or_else(whole)
    }
}

/// A key with the kinds of the login and the sink; none where it is of a login and there is none.
fn filled(key: &str, login: Option<&str>, sink: &str) -> Option<String> {
    let key = key.replace("{sink}", sink);
    if key.contains("{login}") { Some(key.replace("{login}", login?)) } else { Some(key) }
}

/// The row of a variable, also of one that names a secret's file.
fn row_of(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|(known, _, form)| *known == name || *form == Form::Secret && in_file(known) == name)
}

fn in_file(name: &str) -> String {
    format!("{name}_FILE")
}

/// Whether a variable is one of those that Kubernetes and Docker set for every service, and one is called like us.
fn is_link(name: &str) -> bool {
    let name = name.strip_prefix(OURS).unwrap_or_default();
    let ends = |end: &str| name == end || name.ends_with(&format!("_{end}"));
    let numbered =
        name.split("PORT_").nth(1).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    ends("SERVICE_HOST") || ends("PORT") || name.contains("SERVICE_PORT") || numbered
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A problem of a variable, which has no line.
fn problem(name: &str, found: &str, wanted: &str, hint: Option<String>) -> Problem {
    let (file, found, wanted) = (name.to_owned(), found.to_owned(), wanted.to_owned());
    Problem { file, line: 0, column: 0, key: String::new(), found, wanted, hint }
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
