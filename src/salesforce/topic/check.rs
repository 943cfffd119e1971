//! What an org would refuse of a topic, before it is asked.

use std::fmt;
use std::ops::Range;

use super::super::api::ApiVersion;
use super::mark::tidy;
use super::query::{self, Reading};
use super::record::{Change, NotifyForFields, Operation, Stored};
use super::{DESCRIPTION_MAX, EACH_OPERATION, NAME_MAX, QUERY_MAX, SINCE};

/// Longer queries, in bytes, are not read.
const READ_MAX: usize = 20_000;

/// The objects of the guide's "Supported `PushTopic` Queries", those of its pilot included.
const OBJECTS: [&str; 13] = [
    "Account",
    "Campaign",
    "Case",
    "Contact",
    "ContractLineItem",
    "Entitlement",
    "Lead",
    "LiveChatTranscript",
    "Opportunity",
    "Quote",
    "QuoteLineItem",
    "ServiceContract",
    "Task",
];

/// Fields of a task whose changes are told by another, which has to be selected (guide: the note on Task).
const OF_TASK: [(&str, &str); 3] = [("IsClosed", "Status"), ("WhoCount", "WhoId"), ("WhatCount", "WhatId")];

/// Something of a topic that an org refuses, or that is hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field of the record.
    pub field: &'static str,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Where in the query, in bytes.
    pub mark: Option<Range<usize>>,
    /// Whether an org refuses it; else it is taken and does not do what is probably meant.
    pub refused: bool,
}

impl Problem {
    fn refused(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into(), hint: None, mark: None, refused: true }
    }

    fn odd(field: &'static str, text: impl Into<String>) -> Self {
        Self { refused: false, ..Self::refused(field, text) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.text)?;
        self.hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// All that is wrong with a new topic, or with a change of one that is `present`, at this version of the API.
pub fn check(change: &Change, present: Option<&Stored>, api: ApiVersion) -> Vec<Problem> {
    let mut problems = Vec::new();
    if api < SINCE {
        problems.push(Problem::refused(
            "PushTopic",
            format!("there are none before API {SINCE}, and this is {api}"),
        ));
    }
    match (&change.name, present) {
        (Some(name), _) => problems.extend(name_problem(name)),
        (None, None) => problems.push(Problem::refused("Name", "is required")),
        (None, Some(_)) => {}
    }
    check_query(change, present, &mut problems);
    check_length(
        change.description.as_deref().unwrap_or_default(),
        "Description",
        DESCRIPTION_MAX,
        &mut problems,
    );
    check_operations(change, api, &mut problems);
    problems
}

fn name_problem(name: &str) -> Option<Problem> {
    let length = name.chars().count();
    let text = if name.is_empty() {
        "is required".to_owned()
    } else if length > NAME_MAX {
        format!("has {length} characters; at most {NAME_MAX} are allowed")
    } else if name.contains(|c: char| c.is_control() || "/?*".contains(c)) || name.trim() != name {
        "is the end of a channel's name, /topic/NAME: no '/', '?' or '*', no white space around it".to_owned()
    } else {
        return None;
    };
    Some(Problem::refused("Name", text))
}

fn check_length(text: &str, field: &'static str, max: usize, problems: &mut Vec<Problem>) {
    let length = text.chars().count();
    if length > max {
        let text = format!("has {length} characters; at most {max} are allowed");
        problems.push(Problem::refused(field, text));
    }
}

fn check_query(change: &Change, present: Option<&Stored>, problems: &mut Vec<Problem>) {
    let wanted = change.query.as_deref().map(str::trim);
    let text = match (wanted, present) {
        (Some(""), _) | (None, None) => return problems.push(Problem::refused("Query", "is required")),
        (Some(text), _) => text,
        (None, Some(stored)) => stored.query(),
    };
    if text.len() > READ_MAX {
        return check_length(wanted.unwrap_or_default(), "Query", QUERY_MAX, problems);
    }
    let reading = query::read(text);
    if wanted.is_some() {
        check_length(text, "Query", QUERY_MAX, problems);
        problems.extend(reading.findings.iter().map(|finding| Problem {
            hint: finding.hint,
            mark: Some(finding.span.clone()),
            ..Problem::refused("Query", tidy(&format!("{}, {}", finding.code, finding.message)))
        }));
        check_object(&reading, problems);
    }
    // A query that could not be read to its end says too little of its fields.
    if reading.findings.is_empty() && (wanted.is_some() || change.notify_for_fields.is_some()) {
        problems.extend(fields_problem(&reading, notifying_fields(change, present)));
    }
}

fn notifying_fields(change: &Change, present: Option<&Stored>) -> NotifyForFields {
    let stored = present.and_then(|stored| stored.notify_for_fields().parse().ok());
    change.notify_for_fields.or(stored).unwrap_or_default()
}

/// What each value of `NotifyForFields` needs of the query (guide: "Notifications").
fn fields_problem(reading: &Reading, fields: NotifyForFields) -> Option<Problem> {
    let other = |list: &[String]| list.iter().any(|field| !field.eq_ignore_ascii_case("Id"));
    let (selected, filtered) = (other(&reading.selected), other(&reading.filtered));
    let (lacks, clause) = match fields {
        NotifyForFields::All => (false, ""),
        NotifyForFields::Referenced => (!selected && !filtered, "SELECT or WHERE"),
        NotifyForFields::Select => (!selected, "SELECT"),
        NotifyForFields::Where => (!filtered, "WHERE"),
    };
    let text = format!("{fields} needs a query with a field besides Id in {clause}");
    let hint = Some("or All, which tells of a change of any field");
    lacks.then(|| Problem { hint, ..Problem::refused("NotifyForFields", text) })
}

/// What the guide says of objects; later versions know more of them.
fn check_object(reading: &Reading, problems: &mut Vec<Problem>) {
    let object = reading.object.as_str();
    let known = OBJECTS.iter().any(|name| name.eq_ignore_ascii_case(object));
    if !object.is_empty() && !object.contains("__") && !known {
        let text = format!("{object} is no object that the guide names for PushTopics; the org decides");
        problems.push(Problem::odd("Query", text));
    }
    if !object.eq_ignore_ascii_case("Task") {
        return;
    }
    let has = |list: &[String], name: &str| list.iter().any(|field| field.eq_ignore_ascii_case(name));
    for (field, needed) in OF_TASK {
        let named = has(&reading.selected, field) || has(&reading.filtered, field);
        if named && !has(&reading.selected, needed) {
            let text = format!("changes of {field} are told only where {needed} is selected too");
            problems.push(Problem::odd("Query", text));
        }
    }
}

fn check_operations(change: &Change, api: ApiVersion, problems: &mut Vec<Problem>) {
    let Some(operations) = &change.operations else { return };
    if operations.0.is_empty() {
        problems.push(Problem::odd("NotifyForOperations", "no operation notifies"));
    }
    for operation in [Operation::Delete, Operation::Undelete] {
        if api < EACH_OPERATION && operations.has(operation) {
            let text = format!("needs API {EACH_OPERATION} or later, and this is {api}");
            problems.push(Problem::refused(operation.field(), text));
        }
    }
}
