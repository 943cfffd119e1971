//! Records as lines in files.

/// Where records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The path of each record.
    pub path: Template,
}

/// A path with `{connection}`, `{channel}` and strftime conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// Why a text is no path template: what was found and what is wanted, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(pub String);

impl Template {
    /// Checks a template as a person wrote it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self(text.to_owned()))
    }
}
