//! Types of records and their fields.

use serde_json::Value;

/// A type of records.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Kind {
    /// The API name.
    pub(in crate::emulator) name: String,
    /// For people.
    pub(in crate::emulator) label: String,
    /// For people, of several.
    pub(in crate::emulator) plural: String,
    /// The first three characters of its ids.
    pub(in crate::emulator) prefix: String,
    /// The first API version that has it.
    pub(in crate::emulator) since: u8,
    /// Whether `PushTopic` queries may be of it.
    pub(in crate::emulator) streams: bool,
    /// Whether callers can only read its records.
    pub(in crate::emulator) fixed: bool,
    /// Whether its records are for those alone whom they belong to or are shared with.
    pub(in crate::emulator) private: bool,
    /// Its fields, the system's included, in the order of their making.
    pub(in crate::emulator) fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Field {
    /// The API name.
    pub(in crate::emulator) name: String,
    /// For people.
    pub(in crate::emulator) label: String,
    /// What it holds.
    pub(in crate::emulator) shape: Shape,
    /// Whether callers may set it.
    pub(in crate::emulator) settable: bool,
    /// Whether it always has a value that comes from the caller.
    pub(in crate::emulator) required: bool,
    /// What it holds where the caller says nothing.
    pub(in crate::emulator) default: Value,
    /// The first API version that has it.
    pub(in crate::emulator) since: u8,
    /// The last API version by which callers may set it.
    pub(in crate::emulator) until: u8,
    /// Whether it follows another field, whose change counts instead of its own.
    pub(in crate::emulator) follows: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Shape {
    /// The record's own id.
    Id,
    /// The id of a record of this type; of any type where the name is empty.
    Reference(String),
    /// Text of at most so many characters on one line.
    Text(usize),
    /// An address of mail, of at most so many characters.
    Email(usize),
    /// A telephone number, of at most so many characters.
    Phone(usize),
    /// The address of a page, of at most so many characters.
    Url(usize),
    /// Text on several lines, of at most so many characters, by which records cannot be filtered.
    TextArea(usize),
    /// One of these values; of others too where `restricted` is not set.
    Picklist {
        /// The values.
        values: Vec<String>,
        /// Whether no other value is taken.
        restricted: bool,
    },
    /// Yes or no, never nothing.
    Boolean,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// An amount of money.
    Currency,
    /// A part of a hundred.
    Percent,
    /// A day.
    Date,
    /// A moment.
    DateTime,
    /// A number that the server counts, in this format: `INV-{0000}`.
    AutoNumber(String),
    /// What the server computes; here it is always nothing.
    Formula(Box<Self>),
    /// Several fields of this prefix shown as one: `Billing` for `BillingStreet` and others.
    Address(String),
    /// A place on the map.
    Location,
}

/// The parts of an address.
pub(in crate::emulator) const ADDRESS: [&str; 5] = ["Street", "City", "State", "PostalCode", "Country"];

impl Shape {
    /// The name of the type in a describe.
    pub(in crate::emulator) fn name(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference(_) => "reference",
            Self::Text(_) | Self::AutoNumber(_) => "string",
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
            Self::Url(_) => "url",
            Self::TextArea(_) => "textarea",
            Self::Picklist { .. } => "picklist",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Formula(shape) => shape.name(),
            Self::Address(_) => "address",
            Self::Location => "location",
        }
    }

    /// The most characters; 0 where it holds no text.
    pub(in crate::emulator) fn len(&self) -> usize {
        match self {
            Self::Id | Self::Reference(_) => 18,
            Self::Text(len) | Self::Email(len) | Self::Phone(len) | Self::Url(len) | Self::TextArea(len) => {
                *len
            }
            Self::Picklist { .. } => 255,
            Self::AutoNumber(_) => 80,
            Self::Formula(shape) => shape.len(),
            _ => 0,
        }
    }

    /// Whether records can be filtered and ordered by it.
    pub(in crate::emulator) fn filters(&self) -> bool {
        !matches!(self, Self::TextArea(_) | Self::Address(_) | Self::Location)
    }

    /// Whether it shows other fields as one.
    pub(in crate::emulator) fn is_compound(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Location)
    }
}

impl Field {
    /// A field that callers may set and need not.
    pub(in crate::emulator) fn new(name: &str, shape: Shape) -> Self {
        let default = if shape == Shape::Boolean { Value::Bool(false) } else { Value::Null };
        let settable =
            !matches!(shape, Shape::AutoNumber(_) | Shape::Formula(_) | Shape::Address(_) | Shape::Id);
        Self {
            name: name.to_owned(),
            label: label(name),
            shape,
            settable,
            required: false,
            default,
            since: 0,
            until: u8::MAX,
            follows: false,
        }
    }

    /// The same, which has to have a value.
    pub(in crate::emulator) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, which the server alone sets.
    pub(in crate::emulator) fn read_only(mut self) -> Self {
        self.settable = false;
        self
    }

    /// The same with another default.
    pub(in crate::emulator) fn or(mut self, default: impl Into<Value>) -> Self {
        self.default = default.into();
        self
    }

    /// The same, from this API version on.
    pub(in crate::emulator) fn since(mut self, version: u8) -> Self {
        self.since = version;
        self
    }

    /// The same, which later API versions than this one only read.
    pub(in crate::emulator) fn until(mut self, version: u8) -> Self {
        self.until = version;
        self
    }

    /// The same, following another field.
    pub(in crate::emulator) fn following(mut self) -> Self {
        self.follows = true;
        self.read_only()
    }

    /// Whether it may hold nothing.
    pub(in crate::emulator) fn is_nillable(&self) -> bool {
        !self.required && self.shape != Shape::Boolean && self.shape != Shape::Id && self.default.is_null()
    }
}

impl Kind {
    /// A type with the fields that every type has, and these.
    pub(in crate::emulator) fn new(name: &str, prefix: &str, fields: Vec<Field>) -> Self {
        let label = label(name);
        let plural = match label.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{label}s"),
        };
        let mut all = vec![Field::new("Id", Shape::Id)];
        all.extend(fields);
        all.extend(system_fields());
        Self {
            name: name.to_owned(),
            label,
            plural,
            prefix: prefix.to_owned(),
            since: 0,
            streams: true,
            fixed: false,
            private: false,
            fields: all,
        }
    }

    /// Whether a person made it.
    pub(in crate::emulator) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// The field of this name; case does not matter.
    pub(in crate::emulator) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// What the server keeps for every record.
fn system_fields() -> [Field; 7] {
    let user = || Shape::Reference("User".to_owned());
    [
        Field::new("OwnerId", user()),
        Field::new("IsDeleted", Shape::Boolean).read_only(),
        Field::new("CreatedDate", Shape::DateTime).read_only(),
        Field::new("CreatedById", user()).read_only(),
        Field::new("LastModifiedDate", Shape::DateTime).read_only(),
        Field::new("LastModifiedById", user()).read_only(),
        Field::new("SystemModstamp", Shape::DateTime).read_only(),
    ]
}

/// What a person reads for an API name: `Invoice_Statement__c` is an Invoice Statement, `IsClosed` Is Closed.
fn label(name: &str) -> String {
    let stem = name.strip_suffix("__c").unwrap_or(name);
    let mut label = String::new();
    let mut before = ' ';
    for char in stem.chars() {
        if char.is_ascii_uppercase() && before.is_ascii_lowercase() {
            label.push(' ');
        }
        label.push(if char == '_' { ' ' } else { char });
        before = char;
    }
    label.strip_suffix(" Id").map_or(label.clone(), |stem| format!("{stem} ID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_made_of_names() {
        assert_eq!(label("Invoice_Statement__c"), "Invoice Statement");
        assert_eq!(label("AccountId"), "Account ID");
        assert_eq!(label("NotifyForOperationCreate"), "Notify For Operation Create");
        assert_eq!(Kind::new("Opportunity", "006", Vec::new()).plural, "Opportunities");
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let kind = Kind::new("A__c", "a00", vec![Field::new("Name", Shape::Text(80)).required()]);
        assert_eq!(kind.field("name").unwrap().name, "Name");
        assert!(!kind.field("NAME").unwrap().is_nillable() && !kind.field("id").unwrap().settable);
        assert!(kind.is_custom() && kind.field("ownerid").is_some() && kind.field("x").is_none());
    }
}
