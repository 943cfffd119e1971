//! From a query to its text, which parses to the same query.

use std::fmt::{self, Display, Formatter, Write as _};

use super::ast::{Comparison, Condition, Item, Order, Path, Query, Value, Wild};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SELECT {} FROM {}", List(&self.select), self.from)?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if !self.group.is_empty() {
            write!(f, " GROUP BY {}", List(&self.group))?;
        }
        if !self.order.is_empty() {
            write!(f, " ORDER BY {}", List(&self.order))?;
        }
        if let Some(limit) = self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " OFFSET {offset}")?;
        }
        f.write_str(if self.all_rows { " ALL ROWS" } else { "" })
    }
}

/// Things with commas between.
struct List<'l, T>(&'l [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        joined(f, self.0, ", ", |f, one| write!(f, "{one}"))
    }
}

fn joined<T>(
    f: &mut Formatter<'_>,
    all: &[T],
    between: &str,
    each: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        each(f, one)?;
    }
    Ok(())
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(path) => write!(f, "{path}"),
            Self::Function { name, of, alias } => {
                write!(f, "{name}(")?;
                of.iter().try_for_each(|path| write!(f, "{path}"))?;
                f.write_char(')')?;
                alias.iter().try_for_each(|alias| write!(f, " {alias}"))
            }
            Self::Subquery(query) => write!(f, "({query})"),
            Self::TypeOf { of, cases, otherwise } => {
                write!(f, "TYPEOF {of}")?;
                cases
                    .iter()
                    .try_for_each(|(kind, fields)| write!(f, " WHEN {kind} THEN {}", List(fields)))?;
                if !otherwise.is_empty() {
                    write!(f, " ELSE {}", List(otherwise))?;
                }
                f.write_str(" END")
            }
        }
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let descending = if self.descending { " DESC" } else { "" };
        let nulls = if self.nulls_last { " NULLS LAST" } else { "" };
        write!(f, "{}{descending}{nulls}", self.by)
    }
}

impl Condition {
    /// With parentheses where it is no single comparison.
    fn operand(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::And(_) | Self::Or(_)) { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match self {
            Self::And(all) => joined(f, all, " AND ", |f, one| one.operand(f)),
            Self::Or(all) => joined(f, all, " OR ", |f, one| one.operand(f)),
            Self::Not(one) => {
                f.write_str("NOT ")?;
                one.operand(f)
            }
            Self::Compare(field, comparison, value) => write!(f, "{field} {comparison} {value}"),
            Self::Like(field, pattern) => {
                write!(f, "{field} LIKE '")?;
                pattern.iter().try_for_each(|wild| wild.print(f))?;
                f.write_char('\'')
            }
            Self::In(field, negated, values) => write!(f, "{field} {}IN ({})", not(*negated), List(values)),
            Self::InQuery(field, negated, query) => write!(f, "{field} {}IN ({query})", not(*negated)),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => {
                f.write_char('\'')?;
                text.chars().try_for_each(|char| escape(f, char))?;
                f.write_char('\'')
            }
            Self::Date(date) => write!(f, "{date}"),
            Self::DateTime(time) => write!(f, "{time}"),
            Self::Relative(relative) => write!(f, "{relative}"),
        }
    }
}

impl Wild {
    fn print(self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_char('%'),
            Self::One => f.write_char('_'),
            Self::Char(char @ ('%' | '_')) => write!(f, "\\{char}"),
            Self::Char(char) => escape(f, char),
        }
    }
}

fn escape(f: &mut Formatter<'_>, char: char) -> fmt::Result {
    match char {
        '\'' => f.write_str("\\'"),
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\u{8}' => f.write_str("\\b"),
        '\u{c}' => f.write_str("\\f"),
        char => f.write_char(char),
    }
}
