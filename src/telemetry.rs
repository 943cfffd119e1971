//! Logs on stderr.

/// What is logged and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// A filter such as `info` or `cometail=debug`; `COMETAIL_LOG` wins over it.
    pub filter: Option<String>,
    /// The form of a line.
    pub form: Form,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
