//! The types that every org has: the ones that the guide names, and what the streaming of them needs.

use super::kind::{ADDRESS, Field, Kind, Shape};

/// Every type that there is at the start.
pub(super) fn kinds() -> Vec<Kind> {
    let mut all = vec![
        account(),
        campaign(),
        case(),
        contact(),
        lead(),
        opportunity(),
        task(),
        invoice_statement(),
        user(),
        push_topic(),
        streaming_channel(),
    ];
    let pilot = |(name, prefix, since)| Kind { since, ..Kind::new(name, prefix, vec![text("Name", 255)]) };
    all.extend(PILOTS.map(pilot));
    all
}

/// What the guide calls a pilot: streamed too, with a name alone. Each with its prefix and the first API version that
/// has it ("Object Reference").
const PILOTS: [(&str, &str, u8); 6] = [
    ("ContractLineItem", "811", 18),
    ("Entitlement", "550", 18),
    ("LiveChatTranscript", "570", 24),
    ("Quote", "0Q0", 18),
    ("QuoteLineItem", "0QL", 18),
    ("ServiceContract", "810", 18),
];

fn text(name: &str, len: usize) -> Field {
    Field::new(name, Shape::Text(len))
}

fn flag(name: &str) -> Field {
    Field::new(name, Shape::Boolean)
}

fn pick(name: &str, values: &[&str]) -> Field {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Field::new(name, Shape::Picklist { values, restricted: false })
}

fn refer(name: &str, to: &str) -> Field {
    Field::new(name, Shape::Reference(to.to_owned()))
}

fn phone(name: &str) -> Field {
    Field::new(name, Shape::Phone(40))
}

fn description() -> Field {
    Field::new("Description", Shape::TextArea(32_000))
}

/// The parts of an address and the address.
fn address(prefix: &str) -> Vec<Field> {
    let part = |part: &&str| {
        let name = format!("{prefix}{part}");
        if *part == "Street" { Field::new(&name, Shape::TextArea(255)) } else { text(&name, 80) }
    };
    let mut fields: Vec<_> = ADDRESS.iter().map(part).collect();
    fields.push(Field::new(&format!("{prefix}Address"), Shape::Address(prefix.to_owned())));
    fields
}

fn account() -> Kind {
    let mut fields = vec![
        text("Name", 255).required(),
        text("AccountNumber", 40),
        pick("Type", &["Prospect", "Customer", "Partner"]),
        pick("Industry", &["Agriculture", "Banking", "Computer Services", "Education"]),
        Field::new("AnnualRevenue", Shape::Currency),
        Field::new("NumberOfEmployees", Shape::Int),
        phone("Phone"),
        phone("Fax"),
        Field::new("Website", Shape::Url(255)),
        text("Site", 80),
        refer("ParentId", "Account"),
        description(),
    ];
    fields.extend(address("Billing"));
    fields.extend(address("Shipping"));
    Kind::new("Account", "001", fields)
}

fn campaign() -> Kind {
    let fields = vec![
        text("Name", 80).required(),
        pick("Type", &["Conference", "Webinar", "Email"]),
        pick("Status", &["Planned", "In Progress", "Completed", "Aborted"]).or("Planned"),
        flag("IsActive"),
        Field::new("StartDate", Shape::Date),
        Field::new("EndDate", Shape::Date),
        Field::new("BudgetedCost", Shape::Currency),
        Field::new("ActualCost", Shape::Currency),
        Field::new("ExpectedResponse", Shape::Percent),
        Field::new("NumberSent", Shape::Double),
        description(),
    ];
    Kind::new("Campaign", "701", fields)
}

fn case() -> Kind {
    let fields = vec![
        Field::new("CaseNumber", Shape::AutoNumber("{00000000}".to_owned())),
        text("Subject", 255),
        pick("Status", &["New", "Working", "Escalated", "Closed"]).or("New"),
        pick("Priority", &["High", "Medium", "Low"]).or("Medium"),
        pick("Origin", &["Phone", "Email", "Web"]),
        pick("Type", &["Problem", "Feature Request", "Question"]),
        pick("Reason", &[]),
        flag("IsEscalated"),
        flag("IsClosed").read_only(),
        Field::new("ClosedDate", Shape::DateTime).read_only(),
        refer("AccountId", "Account"),
        refer("ContactId", "Contact"),
        description(),
    ];
    Kind::new("Case", "500", fields)
}

fn contact() -> Kind {
    let mut fields = person();
    fields.extend([
        refer("AccountId", "Account"),
        text("Department", 80),
        Field::new("Birthdate", Shape::Date),
        pick("LeadSource", &["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        description(),
    ]);
    fields.extend(address("Mailing"));
    fields.extend(address("Other"));
    Kind::new("Contact", "003", fields)
}

fn person() -> Vec<Field> {
    vec![
        text("LastName", 80).required(),
        text("FirstName", 40),
        pick("Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."]),
        text("Name", 121).read_only(),
        text("Title", 128),
        Field::new("Email", Shape::Email(80)),
        phone("Phone"),
        phone("MobilePhone"),
        phone("Fax"),
    ]
}

fn lead() -> Kind {
    let mut fields = person();
    fields.extend([
        text("Company", 255).required(),
        pick("Status", &["Open", "Contacted", "Qualified", "Unqualified"]).or("Open"),
        pick("Industry", &["Agriculture", "Banking", "Computer Services", "Education"]),
        pick("Rating", &["Hot", "Warm", "Cold"]),
        pick("LeadSource", &["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        Field::new("AnnualRevenue", Shape::Currency),
        Field::new("NumberOfEmployees", Shape::Int),
        Field::new("Website", Shape::Url(255)),
        flag("IsConverted").read_only(),
        description(),
    ]);
    fields.extend(address(""));
    Kind::new("Lead", "00Q", fields)
}

fn opportunity() -> Kind {
    let stages = ["Prospecting", "Qualification", "Negotiation/Review", "Closed Won", "Closed Lost"];
    let fields = vec![
        text("Name", 120).required(),
        pick("StageName", &stages).required(),
        Field::new("CloseDate", Shape::Date).required(),
        Field::new("Amount", Shape::Currency),
        Field::new("Probability", Shape::Percent),
        pick("Type", &["New Business", "Existing Business"]),
        text("NextStep", 255),
        pick("LeadSource", &["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        flag("IsClosed").read_only(),
        flag("IsWon").read_only(),
        refer("AccountId", "Account"),
        refer("CampaignId", "Campaign"),
        description(),
    ];
    Kind::new("Opportunity", "006", fields)
}

fn task() -> Kind {
    let fields = vec![
        text("Subject", 255),
        pick("Status", &["Not Started", "In Progress", "Completed", "Deferred"]).or("Not Started"),
        pick("Priority", &["High", "Normal", "Low"]).or("Normal"),
        Field::new("ActivityDate", Shape::Date),
        refer("WhoId", ""),
        refer("WhatId", ""),
        Field::new("WhoCount", Shape::Int).following(),
        Field::new("WhatCount", Shape::Int).following(),
        flag("IsClosed").following(),
        flag("IsReminderSet"),
        Field::new("ReminderDateTime", Shape::DateTime),
        description(),
    ];
    Kind::new("Task", "00T", fields)
}

/// The custom object of the guide's quick start.
fn invoice_statement() -> Kind {
    let statuses = ["Open", "Closed", "Negotiating", "Pending"];
    let fields = vec![
        Field::new("Name", Shape::AutoNumber("INV-{0000}".to_owned())),
        pick("Status__c", &statuses).or("Open"),
        Field::new("Description__c", Shape::TextArea(255)),
    ];
    Kind::new("Invoice_Statement__c", "a00", fields)
}

fn user() -> Kind {
    let fields = vec![
        text("Username", 80).required(),
        text("LastName", 80).required(),
        text("FirstName", 40),
        text("Name", 121).read_only(),
        Field::new("Email", Shape::Email(128)),
        flag("IsActive"),
    ];
    Kind { streams: false, fixed: true, ..Kind::new("User", "005", fields) }
}

/// Guide, chapter 11.
fn push_topic() -> Kind {
    let restricted = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Field::new(name, Shape::Picklist { values, restricted: true })
    };
    let fields = vec![
        text("Name", 25).required(),
        text("Query", 1300).required(),
        Field::new("ApiVersion", Shape::Double).required(),
        text("Description", 400),
        flag("IsActive").or(true),
        restricted("NotifyForFields", &["All", "Referenced", "Select", "Where"]).or("Referenced"),
        restricted("NotifyForOperations", &["All", "Create", "Extended", "Update"]).or("All").until(28),
        flag("NotifyForOperationCreate").or(true).since(29),
        flag("NotifyForOperationUpdate").or(true).since(29),
        flag("NotifyForOperationDelete").or(true).since(29),
        flag("NotifyForOperationUndelete").or(true).since(29),
    ];
    let mut kind = Kind { since: 21, streams: false, ..Kind::new("PushTopic", "0IF", fields) };
    kind.fields.retain(|field| field.name != "OwnerId");
    kind
}

/// Guide, chapter 12.
fn streaming_channel() -> Kind {
    let fields = vec![
        text("Name", 80).required(),
        text("Description", 255),
        flag("IsDynamic").read_only(),
        Field::new("LastReferencedDate", Shape::DateTime).read_only(),
        Field::new("LastViewedDate", Shape::DateTime).read_only(),
    ];
    Kind { since: 29, streams: false, ..Kind::new("StreamingChannel", "0M6", fields) }
}
