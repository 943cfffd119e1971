//! A configuration file as it was read, from which a [`Config`] can be made again: the files that it names may have
//! changed since, though it has not.

use std::fmt;
use std::path::{Path, PathBuf};

use super::load::{Environment, Place, parse_within, read_text};
use super::{Config, Problems, Warnings};
use crate::secret::Secret;

/// The text of a configuration file. It may hold secrets (the values of headers), so it is never printed.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    text: Secret<String>,
}

impl Source {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        Ok(Self { path: path.to_owned(), text: Secret::new(read_text(path)?) })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, with the secrets and certificates that are in the files now; and what is allowed and probably
    /// not meant.
    pub fn resolve(&self, environment: Environment<'_>) -> Result<(Config, Warnings), Problems> {
        let file = self.path.display().to_string();
        parse_within(&file, self.text.expose(), environment, Place::AsWritten)
    }

    /// The same for a daemon that runs already: what lies in the state directory stays in that of the daemon, whatever
    /// the text says. [`Config::state_dir`] is as the text says.
    pub fn resolve_within(
        &self,
        environment: Environment<'_>,
        state_dir: Option<&Path>,
    ) -> Result<(Config, Warnings), Problems> {
        let file = self.path.display().to_string();
        parse_within(&file, self.text.expose(), environment, Place::Running(state_dir))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}
