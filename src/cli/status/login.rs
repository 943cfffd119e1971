//! The login and the limits of a connection, as `cometail status` shows them.

use std::io;

use serde::Deserialize;

use super::{Trouble, ago};

#[derive(Deserialize)]
pub(super) struct Login {
    what: String,
    user: Option<String>,
    token_since: Option<u64>,
    logins: u64,
    clock_skew_s: Option<i64>,
    pub(super) error: Option<Trouble>,
    next_attempt: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Limit {
    name: String,
    max: u64,
    left: u64,
    percent: u64,
}

impl Login {
    /// One line: which login, whose token, since when; and another when there is none.
    pub(super) fn print(&self, out: &mut impl io::Write, now: u64) -> io::Result<()> {
        write!(out, "  {}", self.what.escape_debug())?;
        if let Some(user) = self.user.as_ref().filter(|user| !self.what.contains(*user)) {
            write!(out, " of {}", user.escape_debug())?;
        }
        if let Some(since) = self.token_since {
            write!(out, ", token of {} ago", ago(now.saturating_sub(since)))?;
        }
        if self.logins > 0 {
            write!(out, ", {} logins", self.logins)?;
        }
        if let Some(skew) = self.clock_skew_s {
            write!(out, ", its clock is {skew} s ahead")?;
        }
        writeln!(out)?;
        let Some(error) = &self.error else { return Ok(()) };
        write!(out, "    no good token: {}", error.text.escape_debug())?;
        match self.next_attempt {
            Some(at) if at > now => writeln!(out, "; next login in {}", ago(at - now)),
            _ => writeln!(out),
        }
    }
}

impl Limit {
    /// One line.
    pub(super) fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let Self { name, max, left, percent } = self;
        writeln!(out, "  limit {}: {percent} % of {max} used, {left} left", name.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_told_with_its_trouble_and_no_control_character() {
        let print = |text: &str| {
            let mut out = Vec::new();
            serde_json::from_str::<Login>(text).unwrap().print(&mut out, 100_000).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            print(
                r#"{"what":"jwt login of a@b at h","user":"a@b","token_since":40000,"logins":2,"clock_skew_s":-600}"#
            ),
            "  jwt login of a@b at h, token of 60 s ago, 2 logins, its clock is -600 s ahead\n"
        );
        assert_eq!(
            print(
                r#"{"what":"refresh login at h","user":"a\u001b@b","logins":0,"error":{"at":1,"text":"no"},"next_attempt":103000}"#
            ),
            "  refresh login at h of a\\u{1b}@b\n    no good token: no; next login in 3 s\n"
        );
    }
}
