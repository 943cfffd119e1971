//! Types and records that a person makes: by the seed file, or by a call to `/_emulator/objects` or `records`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::kind::{Field, Kind, Shape};
use super::{Call, Records, sharing};
use crate::emulator::users::Org;
use crate::emulator::version::NEWEST;

/// The most types.
const KINDS_MAX: usize = 200;
/// The most fields of a type.
const FIELDS_MAX: usize = 500;
/// The longest text of a field, in characters.
const LEN_MAX: usize = 131_072;
/// The digits of prefixes.
const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A type as a person writes it; for one that there is, fields to add.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::emulator) struct ObjectSeed {
    /// For people.
    label: Option<String>,
    /// The format of the numbers that are its records' names; without it names are text.
    auto_number: Option<String>,
    /// Who sees its records; `public` without it.
    sharing: Option<Sharing>,
    /// By name; custom ones end with `__c`.
    fields: BTreeMap<String, FieldSeed>,
}

/// The sharing model of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sharing {
    /// Records are for everybody who may read the type.
    Public,
    /// They are for those whom they belong to or are shared with.
    Private,
}

/// Records as a person writes them, by the names of their types.
pub(in crate::emulator) type RecordSeeds = BTreeMap<String, Vec<Map<String, Value>>>;

/// A field as a person writes it: the name of its type alone, or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum FieldSeed {
    Name(String),
    Full(FullField),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullField {
    #[serde(rename = "type")]
    shape: String,
    length: Option<usize>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    restricted: bool,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    to: String,
    default: Option<Value>,
}

impl FieldSeed {
    fn build(&self, name: &str) -> Result<Field, String> {
        let full = match self {
            Self::Name(shape) => FullField::of(shape),
            Self::Full(full) => full.clone(),
        };
        let shape = full.shape().ok_or_else(|| {
            format!(
                "field {name:?}: type {:?} is unknown: string, email, phone, url, textarea, picklist, boolean, int, \
                 double, currency, percent, date, datetime, reference, location or formula is wanted",
                full.shape
            )
        })?;
        if !is_name(name) || shape.len() > LEN_MAX {
            return Err(format!(
                "field {name:?}: letters, digits and _ with __c at the end, and at most {LEN_MAX} characters are wanted"
            ));
        }
        let field = Field::new(name, shape);
        let default = full.default.as_ref().map(|value| super::value::checked(&field, value)).transpose();
        let default = default.map_err(|refused| format!("field {name:?}: default: {}", refused.message))?;
        let field = default.map_or(field.clone(), |default| field.or(default));
        Ok(if full.required { field.required() } else { field })
    }
}

impl FullField {
    fn of(shape: &str) -> Self {
        Self {
            shape: shape.to_owned(),
            length: None,
            values: Vec::new(),
            restricted: false,
            required: false,
            to: String::new(),
            default: None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        let len = |or| self.length.unwrap_or(or);
        Some(match self.shape.as_str() {
            "string" => Shape::Text(len(255)),
            "email" => Shape::Email(len(80)),
            "phone" => Shape::Phone(len(40)),
            "url" => Shape::Url(len(255)),
            "textarea" => Shape::TextArea(len(255)),
            "picklist" => Shape::Picklist { values: self.values.clone(), restricted: self.restricted },
            "boolean" => Shape::Boolean,
            "int" => Shape::Int,
            "double" => Shape::Double,
            "currency" => Shape::Currency,
            "percent" => Shape::Percent,
            "date" => Shape::Date,
            "datetime" => Shape::DateTime,
            "reference" => Shape::Reference(self.to.clone()),
            "location" => Shape::Location,
            "formula" => Shape::Formula(Box::new(Shape::Text(len(255)))),
            _ => return None,
        })
    }
}

/// Whether a custom type or field may have this name.
fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix("__c").unwrap_or_default();
    stem.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 80
        && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Records {
    /// Makes a type, or adds fields to one that there is. Says what is wrong, and then changes nothing.
    pub(in crate::emulator) fn define(&mut self, name: &str, seed: &ObjectSeed) -> Result<(), String> {
        let key = name.to_lowercase();
        let known = self.kinds.get(&key).cloned();
        if known.is_none() && (!is_name(name) || self.kinds.len() >= KINDS_MAX) {
            return Err(format!(
                "object {name:?}: letters, digits and _ with __c at the end, and at most {KINDS_MAX} objects are wanted"
            ));
        }
        let mut kind = known.unwrap_or_else(|| self.fresh(name, seed));
        for (name, field) in &seed.fields {
            let field = field.build(name)?;
            kind.fields.retain(|old| !old.name.eq_ignore_ascii_case(name));
            kind.fields.push(field);
        }
        if kind.fields.len() > FIELDS_MAX {
            return Err(format!("object {name:?}: at most {FIELDS_MAX} fields are wanted"));
        }
        kind.private = seed.sharing.map_or(kind.private, |sharing| sharing == Sharing::Private);
        if kind.private {
            self.add_shares(&kind)?;
        }
        self.kinds.insert(key, kind);
        Ok(())
    }

    /// Makes the share type of a type that is private, unless there is one.
    fn add_shares(&mut self, kind: &Kind) -> Result<(), String> {
        if kind.fixed || kind.field("OwnerId").is_none() {
            return Err(format!("object {:?}: its records have no owner, and so no sharing", kind.name));
        }
        let number = self.kinds.values().filter(|kind| kind.name.ends_with("Share")).count();
        let digit = DIGITS.get(number).copied().map(char::from);
        let digit = digit.ok_or_else(|| format!("at most {} private objects are wanted", DIGITS.len()))?;
        let share = sharing::share_type(kind, &format!("02{digit}"));
        self.kinds.entry(share.name.to_lowercase()).or_insert(share);
        Ok(())
    }

    /// Makes records as the first active user by name, without telling anybody; how many. Where one is wrong, those
    /// before it stay.
    pub(in crate::emulator) fn load(
        &mut self,
        org: &Org,
        records: &RecordSeeds,
        now: Timestamp,
    ) -> Result<usize, String> {
        let user = org.anybody().ok_or_else(|| "there is no active user".to_owned());
        let mut loaded = 0;
        for (kind, record) in records.iter().flat_map(|(kind, all)| all.iter().map(move |one| (kind, one))) {
            let call = Call { user: user.clone()?, version: NEWEST, now };
            let made = self.create(call, kind, record);
            made.map_err(|refused| format!("record of {kind}: {}: {}", refused.code, refused.message))?;
            loaded += 1;
        }
        Ok(loaded)
    }

    fn fresh(&self, name: &str, seed: &ObjectSeed) -> Kind {
        let field = match &seed.auto_number {
            Some(format) => Field::new("Name", Shape::AutoNumber(format.chars().take(40).collect())),
            None => Field::new("Name", Shape::Text(80)),
        };
        let custom = self.kinds.values().filter(|kind| kind.is_custom()).count();
        let digit = |number: usize| DIGITS.get(number % 62).copied().map_or('0', char::from);
        let prefix = format!("a{}{}", digit(custom / 62), digit(custom));
        let kind = Kind::new(name, &prefix, vec![field]);
        match &seed.label {
            Some(label) => Kind { label: label.clone(), plural: label.clone(), ..kind },
            None => kind,
        }
    }
}
