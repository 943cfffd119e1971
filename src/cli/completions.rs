//! `cometail completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use super::Arguments;
use super::org::printed;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail completions bash > ~/.local/share/bash-completion/completions/cometail
  cometail completions zsh > /usr/local/share/zsh/site-functions/_cometail
  cometail completions fish > ~/.config/fish/completions/cometail.fish")]
pub(super) struct Completions {
    /// Whose
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
}

impl From<Kind> for Shell {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bash => Self::Bash,
            Kind::Zsh => Self::Zsh,
            Kind::Fish => Self::Fish,
        }
    }
}

pub(super) fn main(completions: &Completions) -> u8 {
    use std::io::Write as _;
    let mut text = Vec::new();
    generate(Shell::from(completions.shell), &mut Arguments::command(), "cometail", &mut text);
    let mut out = std::io::stdout().lock();
    printed(out.write_all(&text).and_then(|()| out.flush())).err().unwrap_or_default()
}
