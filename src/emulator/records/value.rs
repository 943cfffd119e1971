//! What a caller gives for a field, checked and brought into the form in which records keep it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::kind::{Field, Shape};
use super::refused::Refused;
use crate::emulator::ids;
use crate::emulator::soql::Datum;

/// How a moment is written, always with `+0000`.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.3f+0000";

/// How the records of this server write a moment.
pub(super) fn moment(at: Timestamp) -> Value {
    Value::from(at.strftime(MOMENT).to_string())
}

/// The value that `given` becomes in `field`; empty text becomes nothing.
pub(super) fn checked(field: &Field, given: &Value) -> Result<Value, Refused> {
    let value = match given {
        Value::Null if field.shape == Shape::Boolean => return Ok(field.default.clone()),
        Value::Null => Value::Null,
        Value::Array(_) | Value::Object(_) => return Err(unreadable(field, given)),
        given => typed(field, given)?,
    };
    // What a restricted list says at the start, it cannot be made to say no more.
    let restricted = matches!(field.shape, Shape::Picklist { restricted: true, .. });
    if restricted && value.is_null() && !field.default.is_null() {
        return Err(unlisted(field, "null"));
    }
    Ok(value)
}

fn typed(field: &Field, given: &Value) -> Result<Value, Refused> {
    let text = given.as_str().map(str::trim);
    let number = given.as_f64().or_else(|| text?.parse().ok()).filter(|number| number.is_finite());
    let value = match &field.shape {
        Shape::Boolean => given.as_bool().or_else(|| text?.parse().ok()).map(Value::from),
        Shape::Int => number.and_then(whole).map(Value::from),
        Shape::Double | Shape::Currency | Shape::Percent => {
            let kept = if given.is_number() { Some(given.clone()) } else { number.map(Value::from) };
            number.and(kept)
        }
        Shape::Date => text.and_then(date).map(|date| date.to_string().into()),
        Shape::DateTime => text.and_then(moment_of).map(moment),
        Shape::Id | Shape::Reference(_) => return reference(field, text.unwrap_or_default()),
        _ => return written(field, given),
    };
    value.ok_or_else(|| unreadable(field, given))
}

/// Numbers without a fraction, of 32 bits as the API has them.
fn whole(number: f64) -> Option<i32> {
    (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok())?
}

fn date(text: &str) -> Option<Date> {
    text.get(..10).filter(|_| text.len() == 10 || text.as_bytes().get(10) == Some(&b'T'))?.parse().ok()
}

/// A moment: with `Z`, `+01:00` or `+0100`; a day alone is its midnight.
fn moment_of(text: &str) -> Option<Timestamp> {
    if let Some(day) = date(text).filter(|_| text.len() == 10) {
        return day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    let short = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text);
    text.parse().ok().or_else(|| short.ok()?.to_timestamp().ok())
}

fn reference(field: &Field, text: &str) -> Result<Value, Refused> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let malformed = || {
        Refused::new("MALFORMED_ID", format!("{}: id value of incorrect type: {text}", field.label))
            .of([&*field.name])
    };
    ids::canonical(text).map(Value::from).ok_or_else(malformed)
}

fn written(field: &Field, given: &Value) -> Result<Value, Refused> {
    let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
    if text.is_empty() {
        return Ok(Value::Null);
    }
    if let Shape::Picklist { values, restricted: true } = &field.shape {
        let known = values.iter().find(|value| value.eq_ignore_ascii_case(&text));
        return known.map(|value| value.as_str().into()).ok_or_else(|| unlisted(field, &text));
    }
    if matches!(field.shape, Shape::Email(_)) && !is_address(&text) {
        let message = format!("{}: invalid email address: {text}", field.label);
        return Err(Refused::new("INVALID_EMAIL_ADDRESS", message).of([&*field.name]));
    }
    let max = field.shape.len();
    if text.chars().count() > max {
        let shown: String = text.chars().take(255).collect();
        let message = format!("{}: data value too large: {shown} (max length={max})", field.label);
        return Err(Refused::new("STRING_TOO_LONG", message).of([&*field.name]));
    }
    Ok(text.into())
}

fn unlisted(field: &Field, text: &str) -> Refused {
    let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
    Refused::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).of([&*field.name])
}

/// Whether mail could have this address: something on both sides of one `@`, and no space.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
    parts.is_some_and(|(_, host)| !host.contains('@')) && !text.contains(char::is_whitespace)
}

fn unreadable(field: &Field, given: &Value) -> Refused {
    let found = match given {
        Value::Null => "VALUE_NULL",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Number(_) => "VALUE_NUMBER_FLOAT",
        Value::String(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    let shown: String = given.to_string().chars().take(80).collect();
    let message = format!(
        "Cannot deserialize instance of {} from {found} value {shown} or request may be missing a required field",
        field.shape.name()
    );
    Refused::new("JSON_PARSER_ERROR", message)
}

/// What a query sees in a field.
pub(super) fn datum(shape: &Shape, value: &Value) -> Datum {
    let text = value.as_str();
    let seen = match shape {
        Shape::Boolean => value.as_bool().map(Datum::Bool),
        Shape::Int | Shape::Double | Shape::Currency | Shape::Percent => value.as_f64().map(Datum::Number),
        Shape::Id | Shape::Reference(_) => text.map(|id| Datum::Id(id.to_owned())),
        Shape::Date => text.and_then(date).map(Datum::Date),
        Shape::DateTime => text.and_then(moment_of).map(Datum::DateTime),
        Shape::Formula(inner) => Some(datum(inner, value)),
        _ => text.map(|text| Datum::Text(text.to_owned())),
    };
    seen.unwrap_or(Datum::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(shape: Shape, given: &Value) -> Result<Value, &'static str> {
        checked(&Field::new("F", shape), given).map_err(|refused| refused.code)
    }

    #[test]
    fn values_take_the_form_of_their_field() {
        let list = |restricted| Shape::Picklist { values: vec!["Open".to_owned()], restricted };
        for (shape, given, wanted) in [
            (Shape::Text(3), json!("abc"), Ok(json!("abc"))),
            (Shape::Text(3), json!("äöü"), Ok(json!("äöü"))),
            (Shape::Text(3), json!("abcd"), Err("STRING_TOO_LONG")),
            (Shape::Text(3), json!(""), Ok(Value::Null)),
            (Shape::Text(3), json!(12), Ok(json!("12"))),
            (Shape::Text(3), json!([]), Err("JSON_PARSER_ERROR")),
            (Shape::Boolean, json!(true), Ok(json!(true))),
            (Shape::Boolean, json!("false"), Ok(json!(false))),
            (Shape::Boolean, Value::Null, Ok(json!(false))),
            (Shape::Boolean, json!("x"), Err("JSON_PARSER_ERROR")),
            (Shape::Int, json!(3.0), Ok(json!(3))),
            (Shape::Int, json!(3.5), Err("JSON_PARSER_ERROR")),
            (Shape::Int, json!(2_147_483_647), Ok(json!(2_147_483_647))),
            (Shape::Int, json!(2_147_483_648_u32), Err("JSON_PARSER_ERROR")),
            (Shape::Email(80), json!("a@b"), Ok(json!("a@b"))),
            (Shape::Email(80), json!("a@"), Err("INVALID_EMAIL_ADDRESS")),
            (Shape::Email(80), json!("a@b@c"), Err("INVALID_EMAIL_ADDRESS")),
            (Shape::Email(80), json!("a b@c"), Err("INVALID_EMAIL_ADDRESS")),
            (Shape::Email(3), json!("a@bc"), Err("STRING_TOO_LONG")),
            (Shape::Double, json!(35.0), Ok(json!(35.0))),
            (Shape::Double, json!("35.5"), Ok(json!(35.5))),
            (Shape::Currency, json!("NaN"), Err("JSON_PARSER_ERROR")),
            (Shape::Date, json!("2011-06-14"), Ok(json!("2011-06-14"))),
            (Shape::Date, json!("2011-06-31"), Err("JSON_PARSER_ERROR")),
            (Shape::DateTime, json!("2011-06-14T10:00:00Z"), Ok(json!("2011-06-14T10:00:00.000+0000"))),
            (
                Shape::DateTime,
                json!("2011-06-14T10:00:00.250+0200"),
                Ok(json!("2011-06-14T08:00:00.250+0000")),
            ),
            (Shape::DateTime, json!("2011-06-14T10:00:00+02:00"), Ok(json!("2011-06-14T08:00:00.000+0000"))),
            (Shape::Reference(String::new()), json!("005D0000001QXi1"), Ok(json!("005D0000001QXi1IAG"))),
            (Shape::Reference(String::new()), json!("005"), Err("MALFORMED_ID")),
            (list(true), json!("open"), Ok(json!("Open"))),
            (list(true), json!("shut"), Err("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")),
            (list(false), json!("shut"), Ok(json!("shut"))),
        ] {
            assert_eq!(kept(shape.clone(), &given), wanted, "{shape:?} {given}");
        }
    }

    #[test]
    fn queries_see_what_records_keep() {
        let kept = checked(&Field::new("F", Shape::DateTime), &json!("2011-06-14T10:00:00Z")).unwrap();
        assert_eq!(datum(&Shape::DateTime, &kept), Datum::DateTime("2011-06-14T10:00:00Z".parse().unwrap()));
        assert_eq!(datum(&Shape::Int, &json!(3)), Datum::Number(3.0));
        assert_eq!(datum(&Shape::Text(3), &Value::Null), Datum::Null);
    }
}
