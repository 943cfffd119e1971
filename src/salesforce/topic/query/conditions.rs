//! The conditions of a query.

use super::Finding;
use super::lexer::Kind;
use super::parser::{DEPTH_MAX, Parser, Part, Step};

/// Operators before one value.
const COMPARISONS: [&str; 8] = ["=", "!=", "<>", "<", "<=", ">", ">=", "LIKE"];

impl Parser<'_, '_> {
    /// Conditions joined by AND or by OR.
    pub(super) fn conditions(&mut self, depth: usize) -> Step<()> {
        self.condition(depth)?;
        let mut joint = None;
        while self.is("AND") || self.is("OR") {
            let text = self.peek().text;
            if !joint.get_or_insert(text).eq_ignore_ascii_case(text) {
                let hint = Some("AND beside OR needs parentheses");
                self.note(Finding { hint, ..self.unexpected() });
                joint = Some(text);
            }
            self.step();
            self.condition(depth)?;
        }
        Ok(())
    }

    fn condition(&mut self, depth: usize) -> Step<()> {
        if depth >= DEPTH_MAX {
            return Err(self.unexpected());
        }
        let start = self.place();
        if self.take("NOT") {
            self.condition(depth + 1)?;
            self.refuse(start, "'NOT' is not supported", Some("!= and NOT IN are fine"));
            return Ok(());
        }
        if self.take("(") {
            self.conditions(depth + 1)?;
            return self.expect(")");
        }
        self.field(Part::Filtered, depth)?;
        self.comparison()
    }

    /// What follows the field.
    fn comparison(&mut self) -> Step<()> {
        if COMPARISONS.iter().any(|operator| self.take(operator)) {
            return self.value();
        }
        if self.take("NOT") {
            self.expect("IN")?;
            return self.members();
        }
        let several = ["IN", "INCLUDES", "EXCLUDES"].iter().any(|operator| self.take(operator));
        if several { self.members() } else { Err(self.unexpected()) }
    }

    /// Values in parentheses, or a query for them.
    fn members(&mut self) -> Step<()> {
        if self.is("(") && self.is_after(|token| token.is("SELECT")) {
            let span = self.skip_parentheses()?;
            self.refuse(span, "semi/anti join sub-selects are not supported", None);
            return Ok(());
        }
        self.expect("(")?;
        self.list(Self::value)?;
        self.expect(")")
    }

    /// A string, a number, a date, or a word such as TRUE, NULL and `LAST_N_DAYS:3`.
    fn value(&mut self) -> Step<()> {
        let kind = self.peek().kind;
        if !matches!(kind, Kind::Text | Kind::Number | Kind::Word) {
            return Err(self.unexpected());
        }
        self.step();
        if kind == Kind::Word {
            // A count of days, or the fraction of an amount of money.
            if self.take(":") && self.peek().kind != Kind::Number {
                return Err(self.unexpected());
            }
            if self.peek().kind == Kind::Number {
                self.step();
            }
        }
        Ok(())
    }
}
