//! Whether a query asks for what its type has, with values that its fields can hold.

use super::kind::{Field, Kind, Shape};
use super::refused::Refused;
use crate::emulator::soql::{Condition, Path, Query, Value};
use crate::emulator::users::User;

/// A query's text and the type that it is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'c> {
    /// As it was written.
    pub(super) text: &'c str,
    /// Its type.
    pub(super) kind: &'c Kind,
    /// The API version that it is for.
    pub(super) version: u8,
    /// Who asks, and sees no more than that user may; without one every field is seen.
    pub(super) user: Option<&'c User>,
}

impl<'c> Check<'c> {
    /// The field that `path` names.
    pub(super) fn field(&self, path: &Path) -> Result<&'c Field, Refused> {
        if let Some((relationship, _)) = path.name.split_once('.') {
            return Err(self.refuse(
                path,
                &format!(
                    "Didn't understand relationship '{relationship}' in field path. If you are attempting to use \
                     a custom relationship, be sure to append the '__r' after the custom relationship name. \
                     Please reference your WSDL or the describe call for the appropriate names."
                ),
            ));
        }
        let found = self.kind.field(&path.name);
        let seen = |field: &Field| self.user.is_none_or(|user| user.sees(&self.kind.name, &field.name));
        let found = found.filter(|field| field.since <= self.version && seen(field));
        found.ok_or_else(|| {
            self.refuse(
                path,
                &format!(
                    "No such column '{}' on entity '{}'. If you are attempting to use a custom field, be sure to \
                     append the '__c' after the custom field name. Please reference your WSDL or the describe \
                     call for the appropriate names.",
                    path.name, self.kind.name
                ),
            )
        })
    }

    fn refuse(&self, path: &Path, message: &str) -> Refused {
        Refused::query("INVALID_FIELD", self.text, path.at, message)
    }

    /// Checks what records are filtered and ordered by.
    pub(super) fn clauses(&self, query: &Query) -> Result<(), Refused> {
        query.filter.iter().try_for_each(|filter| self.condition(filter))?;
        query.order.iter().try_for_each(|order| {
            let field = self.field(&order.by)?;
            let message = format!("field '{}' can not be sorted in a query call", field.name);
            if field.shape.filters() { Ok(()) } else { Err(self.refuse(&order.by, &message)) }
        })
    }

    fn condition(&self, condition: &Condition) -> Result<(), Refused> {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().try_for_each(|one| self.condition(one)),
            Condition::Not(one) => self.condition(one),
            Condition::Compare(path, _, value) => self.value(path, self.filtered(path)?, value),
            Condition::In(path, _, values) => {
                let field = self.filtered(path)?;
                values.iter().try_for_each(|value| self.value(path, field, value))
            }
            Condition::Like(path, _) => {
                let field = self.filtered(path)?;
                let message = format!("invalid operator on {} field", field.shape.name());
                if is_text(&field.shape) {
                    Ok(())
                } else {
                    Err(Refused::query("INVALID_QUERY_FILTER_OPERATOR", self.text, path.at, &message))
                }
            }
            Condition::InQuery(path, ..) => {
                Err(self.refuse(path, "semi/anti join sub-selects are not supported"))
            }
        }
    }

    fn filtered(&self, path: &Path) -> Result<&'c Field, Refused> {
        let field = self.field(path)?;
        let message = format!("field '{}' can not be filtered in a query call", field.name);
        if field.shape.filters() { Ok(field) } else { Err(self.refuse(path, &message)) }
    }

    fn value(&self, path: &Path, field: &Field, value: &Value) -> Result<(), Refused> {
        let shape = match &field.shape {
            Shape::Formula(inner) => inner,
            shape => shape,
        };
        let good = match value {
            Value::Null => true,
            Value::Bool(_) => *shape == Shape::Boolean,
            Value::Number(_) => {
                matches!(shape, Shape::Int | Shape::Double | Shape::Currency | Shape::Percent)
            }
            Value::Text(_) => is_text(shape) || is_id(shape),
            Value::Date(_) => *shape == Shape::Date,
            Value::DateTime(_) => *shape == Shape::DateTime,
            Value::Relative(_) => matches!(shape, Shape::Date | Shape::DateTime),
        };
        match value {
            Value::Text(text) if good && is_id(shape) && !is_written_id(text) => {
                let message = format!("invalid ID field: {text}");
                Err(Refused::query("INVALID_QUERY_FILTER_OPERATOR", self.text, path.at, &message))
            }
            _ if good => Ok(()),
            _ => {
                let quotes = if is_text(shape) || is_id(shape) { "should" } else { "should not" };
                let message = format!(
                    "value of filter criterion for field '{}' must be of type {} and {quotes} be enclosed in quotes",
                    field.name,
                    shape.name()
                );
                Err(self.refuse(path, &message))
            }
        }
    }
}

fn is_id(shape: &Shape) -> bool {
    matches!(shape, Shape::Id | Shape::Reference(_))
}

/// Whether a text may be an id; nothing, too.
fn is_written_id(text: &str) -> bool {
    matches!(text.len(), 0 | 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_text(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Text(_)
            | Shape::Email(_)
            | Shape::Phone(_)
            | Shape::Url(_)
            | Shape::Picklist { .. }
            | Shape::AutoNumber(_)
    )
}
