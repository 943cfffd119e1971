//! Why the REST API does not do what it is asked, in the words of Salesforce.

use http::StatusCode;
use serde_json::{Value, json};

use crate::emulator::soql::SyntaxError;

/// How much of a query is shown before and after the place of an error, in characters.
const SHOWN: usize = 60;

/// One refusal: status and the one member of the body's array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Refused {
    /// The HTTP status.
    pub(in crate::emulator) status: StatusCode,
    /// `errorCode`
    pub(in crate::emulator) code: &'static str,
    /// `message`
    pub(in crate::emulator) message: String,
    /// `fields`: the fields concerned; left out where it is `None`.
    pub(in crate::emulator) fields: Option<Vec<String>>,
}

impl Refused {
    /// A refusal with status 400.
    pub(in crate::emulator) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into(), fields: None }
    }

    /// The same because of these fields.
    pub(in crate::emulator) fn of<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.fields = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// The same with another status.
    pub(in crate::emulator) fn with(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// There is no such type or page.
    pub(in crate::emulator) fn not_found() -> Self {
        Self::new("NOT_FOUND", "The requested resource does not exist").with(StatusCode::NOT_FOUND)
    }

    /// The user may read these records at most.
    pub(in crate::emulator) fn no_access() -> Self {
        Self::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
            .of::<String>([])
            .with(StatusCode::FORBIDDEN)
    }

    /// A query that cannot be read or names what does not exist, with the place marked.
    pub(in crate::emulator) fn query(code: &'static str, query: &str, at: usize, message: &str) -> Self {
        let head = query.get(..at).unwrap_or(query);
        let row = head.matches('\n').count() + 1;
        let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let line = query.lines().nth(row - 1).unwrap_or_default();
        let skipped = (column - 1).saturating_sub(SHOWN);
        let shown: String = line.chars().skip(skipped).take(2 * SHOWN).collect();
        let caret = " ".repeat(column - 1 - skipped);
        let place = format!("\n{shown}\n{caret}^\nERROR at Row:{row}:Column:{column}\n{message}");
        Self::new(code, place)
    }

    /// A query that the grammar does not have.
    pub(in crate::emulator) fn malformed(query: &str, error: &SyntaxError) -> Self {
        Self::query("MALFORMED_QUERY", query, error.at, &error.message)
    }

    /// The body.
    pub(in crate::emulator) fn body(&self) -> String {
        let mut one = json!({"message": self.message, "errorCode": self.code});
        if let (Some(fields), Some(members)) = (&self.fields, one.as_object_mut()) {
            members.insert("fields".to_owned(), fields.as_slice().into());
        }
        Value::Array(vec![one]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_a_query_is_marked() {
        let refused = Refused::query("INVALID_FIELD", "SELECT Id, Nam FROM Account", 11, "No such column");
        let wanted = "\nSELECT Id, Nam FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column";
        assert_eq!(refused.message, wanted);
        let second = Refused::query("X", "SELECT Id\nFROM é, B", 15, "m").message;
        assert_eq!(second, "\nFROM é, B\n     ^\nERROR at Row:2:Column:6\nm");
        let long = format!("{}x", "a".repeat(300));
        assert!(Refused::query("X", &long, 300, "m").message.len() < 300);
    }

    #[test]
    fn the_body_has_fields_where_there_are_some() {
        let refused =
            Refused::new("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]").of(["Name"]);
        assert_eq!(
            refused.body(),
            r#"[{"errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"],"message":"Required fields are missing: [Name]"}]"#
        );
        assert!(!Refused::not_found().body().contains("fields"));
    }
}
