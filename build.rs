//! Tells the binary which commit it is made of.
//!
//! Constraints: a build without git, or from sources that no git checkout holds, must succeed. A build for development
//! is not told, because each commit would compile the library and every test anew.
//!
//! Format: `COMETAIL_COMMIT`, an abbreviated commit, with `-dirty` where one of its sources is not as committed.
//! Where this sets nothing, `src/status.rs` reads the variable of that name in the environment of the build.

#![allow(clippy::print_stdout, reason = "cargo reads it there")]

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is made of.
const SOURCES: [&str; 5] = ["build.rs", "src", "config", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    if env::var_os("PROFILE").is_some_and(|profile| profile == "release") && is_checkout(&root) {
        tell(&root);
    }
}

/// Whether git has this directory as the top of a checkout: an unpacked archive may lie in the checkout of something
/// else.
fn is_checkout(root: &Path) -> bool {
    let top = git(root, ["rev-parse", "--show-toplevel"]).and_then(|top| Path::new(&top).canonicalize().ok());
    top.is_some() && top == root.canonicalize().ok()
}

fn tell(root: &Path) {
    // The log of HEAD grows with each commit and each checkout.
    let of_git = ["HEAD", "logs/HEAD"].map(|file| git(root, ["rev-parse", "--git-path", file]));
    for file in SOURCES.into_iter().map(str::to_owned).chain(of_git.into_iter().flatten()) {
        // cargo takes a file that is not there for one that has changed.
        if root.join(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    let changed = git(root, ["status", "--porcelain", "--"].into_iter().chain(SOURCES));
    let mark = if changed.is_some() { "-dirty" } else { "" };
    if let Some(commit) = git(root, ["rev-parse", "--short=10", "HEAD"]) {
        println!("cargo::rustc-env=COMETAIL_COMMIT={commit}{mark}");
    }
}

/// The first line that git prints; none where it fails, is not there or has nothing to say.
fn git(root: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<String> {
    let mut command = Command::new("git");
    command.args(["--no-optional-locks"]).current_dir(root).args(arguments);
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}
