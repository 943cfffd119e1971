//! What is measured: the program that was built with the bench, or the one that `--program FILE` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Takes the value of `--program`; what is wrong with it otherwise.
pub(crate) fn choose(file: Option<&str>) -> Result<(), String> {
    let file = file.ok_or("--program: wanted a file")?;
    let path = fs::canonicalize(file).map_err(|error| format!("--program {file}: {error}"))?;
    if !path.is_file() {
        return Err(format!("--program {file}: not a file"));
    }
    CHOSEN.set(path).map_err(|_| "--program: wanted once".to_owned())
}

/// Where the program is.
pub(crate) fn path() -> &'static Path {
    CHOSEN.get_or_init(|| env!("CARGO_BIN_EXE_cometail").into())
}
