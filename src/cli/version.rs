//! What `--version` prints.

use crate::status::COMMIT;

/// `-V`: the version and, where it is known, the commit.
pub(super) fn short() -> String {
    let version = env!("CARGO_PKG_VERSION");
    COMMIT.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

/// `--version`: and how it was built.
pub(super) fn long() -> String {
    let features: Vec<_> = FEATURES.iter().filter_map(|(name, is_on)| is_on.then_some(*name)).collect();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    let (commit, profile) =
        (COMMIT.unwrap_or("not known"), if cfg!(debug_assertions) { "debug" } else { "release" });
    let (arch, system) = (std::env::consts::ARCH, std::env::consts::OS);
    format!(
        "{}\ncommit: {commit}\nfeatures: {features}\nbuild: {profile}, {arch} {system}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Those of `Cargo.toml`.
const FEATURES: [(&str, bool); 2] =
    [("fuzzing", cfg!(feature = "fuzzing")), ("interop", cfg!(feature = "interop"))];
