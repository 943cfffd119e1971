//! Records as lines on standard output.

/// How records are written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Ends after this many events.
    pub limit: Option<u64>,
    /// Indented over several lines, for people.
    pub pretty: bool,
    /// With colours.
    pub color: bool,
}
