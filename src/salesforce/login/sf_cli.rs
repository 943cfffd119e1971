//! The org that the Salesforce CLI is logged in to: its token, asked of the program.
//!
//! Constraints: the program runs for a limited time and says a limited amount, and with it end the programs that it
//! started; nothing secret is in its arguments; of what it prints only the name and the message of an error are shown.
//!
//! Format: the JSON of `sf org display --json`. From version 2.136 on the token there is a placeholder, and
//! `sf org auth show-access-token --no-prompt --json` gives it.
//!
//! Operations: [`login`].

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use url::Url;

use super::source;
use super::trouble::{Trouble, Veil};
use super::{Grant, instance};
use crate::secret::Secret;

/// The most that the program may say, in bytes.
const SAID_MAX: u64 = 1 << 20;

/// What the program prints; no field is always there.
#[derive(Deserialize)]
struct Said {
    name: Option<String>,
    message: Option<String>,
    result: Option<Shown>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    access_token: Option<String>,
    instance_url: Option<String>,
    username: Option<String>,
}

/// A login.
pub(super) async fn login(
    program: &Path,
    org: &str,
    timeout: Duration,
    configured: &[&Url],
) -> Result<Grant, Trouble> {
    if org.is_empty() || org.starts_with('-') || org.chars().any(char::is_control) {
        return Err(Trouble::refused("the org of the Salesforce CLI is no alias and no user name").unsent());
    }
    let shown = ask(program, &["org", "display", "--target-org", org, "--json"], timeout).await?;
    let instance = instance(shown.instance_url.as_deref(), configured)?;
    let token = match token_of(shown.access_token) {
        Some(token) => token,
        None => shown_token(program, org, timeout).await?,
    };
    let (instance, username) = (Some(instance), shown.username);
    Ok(Grant { token, instance, identity: None, username, issued_at: None })
}

fn instance(url: Option<&str>, configured: &[&Url]) -> Result<Url, Trouble> {
    let url = url.and_then(|url| Url::parse(url).ok());
    let url = url.ok_or_else(|| Trouble::odd("the Salesforce CLI tells no usable instanceUrl"))?;
    instance::allowed(&url, configured).map_err(|reason| {
        Trouble::refused(format!("the instanceUrl of the Salesforce CLI is not followed: {reason}"))
    })
}

/// A token, if it is one: a placeholder has spaces in it.
fn token_of(text: Option<String>) -> Option<Secret<String>> {
    let text = Secret::new(text?);
    source::token(text.expose().as_bytes()).ok()
}

async fn shown_token(program: &Path, org: &str, timeout: Duration) -> Result<Secret<String>, Trouble> {
    let arguments = ["org", "auth", "show-access-token", "--target-org", org, "--no-prompt", "--json"];
    let shown = ask(program, &arguments, timeout).await?;
    token_of(shown.access_token).ok_or_else(|| Trouble::odd("the Salesforce CLI shows no access token"))
}

/// Runs the program once.
async fn ask(program: &Path, arguments: &[&str], timeout: Duration) -> Result<Shown, Trouble> {
    let run = tokio::time::timeout(timeout, run(program, arguments)).await;
    let stdout = run.map_err(|_| {
        Trouble::passing(format!("{} took longer than {} s", shown(program), timeout.as_secs()), None)
    })??;
    let odd = |what: &str| Trouble::odd(format!("{} {}: {what}", shown(program), arguments.join(" ")));
    // The reader's own text could quote a token.
    let said: Said =
        serde_json::from_slice(stdout.expose()).map_err(|_| odd("it printed no JSON of its own"))?;
    if let Some(result) = said.result {
        return Ok(result);
    }
    let veil = Veil::default();
    let (name, message) = (said.name.unwrap_or_default(), said.message.unwrap_or_default());
    Err(odd(&format!("{}: {}", veil.quote(&name), veil.quote(&message))))
}

async fn run(program: &Path, arguments: &[&str]) -> Result<Secret<Vec<u8>>, Trouble> {
    let mut group = Group(start(program, arguments)?);
    let odd = |what: String| Trouble::odd(format!("{}: {what}", shown(program)));
    let stdout = group.0.stdout.take().ok_or_else(|| odd(String::from("it has no output")))?;
    let bytes = read(stdout).await.map_err(odd)?;
    group.0.wait().await.map_err(|error| odd(error.to_string()))?;
    Ok(bytes)
}

async fn read(stdout: impl AsyncRead + Unpin) -> Result<Secret<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    let read = stdout.take(SAID_MAX + 1).read_to_end(&mut bytes).await;
    let bytes = Secret::new(bytes);
    read.map_err(|error| error.to_string())?;
    if u64::try_from(bytes.expose().len()).is_ok_and(|length| length <= SAID_MAX) {
        return Ok(bytes);
    }
    Err(format!("it printed more than {SAID_MAX} bytes"))
}

fn start(program: &Path, arguments: &[&str]) -> Result<Child, Trouble> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Colours would stand within its JSON, and our own token is not for it.
    command.env("NO_COLOR", "1").env("FORCE_COLOR", "0").env_remove("COMETAIL_TOKEN").kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command.spawn().map_err(|error| {
        let hint = "is it installed, and in the PATH of this process?";
        Trouble::odd(format!("{} cannot be started: {error}; {hint}", shown(program))).unsent()
    })
}

fn shown(program: &Path) -> String {
    program.file_name().unwrap_or(OsStr::new("the program")).display().to_string()
}

/// A running program; when it is given up, so are the programs that it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.0.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
            // One that has ended on its own is not there any more.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
#[path = "sf_cli_tests.rs"]
mod tests;
