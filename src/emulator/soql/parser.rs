//! From words to a query: recursive descent, one function for each rule of the grammar.

use super::ast::{Comparison, Condition, Item, Order, Path, Query, Value, Wild};
use super::date::{Relative, is_counted};
use super::lexer::{Token, TokenKind, tokens};
use super::literal::{Piece, number, unescape};
use super::{DEPTH_MAX, QUERY_MAX, SyntaxError};

/// Words that are no names where a name may stand.
const RESERVED: [&str; 10] = ["SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "LIMIT", "ORDER"];

/// Reads a query.
pub(in crate::emulator) fn parse(text: &str) -> Result<Query, SyntaxError> {
    if text.len() > QUERY_MAX {
        return Err(SyntaxError { message: "SOQL statement is too long".to_owned(), at: 0 });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let query = parser.query()?;
    parser.take_sign(";");
    if parser.peek().kind == TokenKind::End { Ok(query) } else { Err(parser.unexpected()) }
}

struct Parser<'q> {
    tokens: Vec<Token<'q>>,
    next: usize,
    depth: usize,
}

impl<'q> Parser<'q> {
    fn peek(&self) -> Token<'q> {
        self.peek_at(0)
    }

    /// The word `ahead` of the next one; the end repeats without end.
    fn peek_at(&self, ahead: usize) -> Token<'q> {
        let found = self.tokens.get(self.next + ahead).or(self.tokens.last());
        found.cloned().unwrap_or(Token { kind: TokenKind::End, text: "<EOF>", at: 0 })
    }

    fn take(&mut self) -> Token<'q> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn unexpected(&self) -> SyntaxError {
        let token = self.peek();
        SyntaxError { message: format!("unexpected token: '{}'", token.text), at: token.at }
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.next += usize::from(found);
        found
    }

    fn take_words(&mut self, first: &str, second: &str) -> Result<bool, SyntaxError> {
        if !self.take_word(first) {
            return Ok(false);
        }
        self.want_word(second)?;
        Ok(true)
    }

    fn want_word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_sign(&self, ahead: usize, sign: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == TokenKind::Sign && token.text == sign
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(0, sign);
        self.next += usize::from(found);
        found
    }

    fn want_sign(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// One or more of something, with commas between.
    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut all = vec![one(self)?];
        while self.take_sign(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// Does something one level deeper.
    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            let at = self.peek().at;
            return Err(SyntaxError { message: "the query is nested too deeply".to_owned(), at });
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    fn query(&mut self) -> Result<Query, SyntaxError> {
        self.want_word("SELECT")?;
        let select = self.list(Self::item)?;
        self.want_word("FROM")?;
        let from = self.path()?;
        let filter = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let group = if self.take_words("GROUP", "BY")? { self.list(Self::path)? } else { Vec::new() };
        let order = if self.take_words("ORDER", "BY")? { self.list(Self::order)? } else { Vec::new() };
        let limit = if self.take_word("LIMIT") { Some(self.count()?) } else { None };
        let offset = if self.take_word("OFFSET") { Some(self.count()?) } else { None };
        let all_rows = self.take_words("ALL", "ROWS")?;
        Ok(Query { select, from, filter, group, order, limit, offset, all_rows })
    }

    fn count<T: std::str::FromStr>(&mut self) -> Result<T, SyntaxError> {
        let token = self.peek();
        let number = (token.kind == TokenKind::Number).then(|| token.text.parse().ok()).flatten();
        self.next += 1;
        number.ok_or_else(|| {
            self.next -= 1;
            self.unexpected()
        })
    }

    fn item(&mut self) -> Result<Item, SyntaxError> {
        if self.take_sign("(") {
            let query = self.deeper(Self::query)?;
            self.want_sign(")")?;
            return Ok(Item::Subquery(Box::new(query)));
        }
        if self.is_word(0, "TYPEOF") && self.peek_at(1).kind == TokenKind::Word && !self.is_word(1, "FROM") {
            return self.type_of();
        }
        let path = self.path()?;
        if !self.take_sign("(") {
            return Ok(Item::Field(path));
        }
        let of = if self.is_sign(0, ")") { None } else { Some(self.path()?) };
        self.want_sign(")")?;
        let aliased = self.peek().kind == TokenKind::Word && !self.is_word(0, "FROM");
        let alias = if aliased { Some(self.name()?.text.to_owned()) } else { None };
        Ok(Item::Function { name: path.name, of, alias })
    }

    fn type_of(&mut self) -> Result<Item, SyntaxError> {
        self.want_word("TYPEOF")?;
        let of = self.path()?;
        let mut cases = Vec::new();
        while self.take_word("WHEN") {
            let name = self.name()?.text.to_owned();
            self.want_word("THEN")?;
            cases.push((name, self.list(Self::path)?));
        }
        let otherwise = if self.take_word("ELSE") { self.list(Self::path)? } else { Vec::new() };
        if cases.is_empty() {
            return Err(self.unexpected());
        }
        self.want_word("END")?;
        Ok(Item::TypeOf { of, cases, otherwise })
    }

    fn name(&mut self) -> Result<Token<'q>, SyntaxError> {
        let token = self.peek();
        let reserved = RESERVED.iter().any(|word| word.eq_ignore_ascii_case(token.text));
        if token.kind != TokenKind::Word || reserved {
            return Err(self.unexpected());
        }
        Ok(self.take())
    }

    fn path(&mut self) -> Result<Path, SyntaxError> {
        let first = self.name()?;
        let mut path = Path { name: first.text.to_owned(), at: first.at };
        while self.take_sign(".") {
            path.name.push('.');
            path.name.push_str(self.name()?.text);
        }
        Ok(path)
    }

    fn order(&mut self) -> Result<Order, SyntaxError> {
        let by = self.path()?;
        let descending = self.take_word("DESC");
        if !descending {
            self.take_word("ASC");
        }
        let nulls = self.take_word("NULLS");
        let nulls_last = nulls && self.take_word("LAST");
        if nulls && !nulls_last {
            self.want_word("FIRST")?;
        }
        Ok(Order { by, descending, nulls_last })
    }

    /// Operands with `AND` between, or with `OR`, but not with both.
    fn condition(&mut self) -> Result<Condition, SyntaxError> {
        let first = self.operand()?;
        for (word, join) in [("AND", Condition::And as fn(Vec<_>) -> _), ("OR", Condition::Or)] {
            if self.is_word(0, word) {
                let mut all = vec![first];
                while self.take_word(word) {
                    all.push(self.operand()?);
                }
                let other = self.is_word(0, "AND") || self.is_word(0, "OR");
                return if other { Err(self.unexpected()) } else { Ok(join(all)) };
            }
        }
        Ok(first)
    }

    fn operand(&mut self) -> Result<Condition, SyntaxError> {
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.deeper(Self::operand)?)));
        }
        if self.take_sign("(") {
            let inner = self.deeper(Self::condition)?;
            self.want_sign(")")?;
            return Ok(inner);
        }
        let field = self.path()?;
        if self.take_word("LIKE") {
            return Ok(Condition::Like(field, self.pattern()?));
        }
        let negated = self.is_word(0, "NOT") && self.is_word(1, "IN");
        self.next += usize::from(negated);
        if self.take_word("IN") {
            return self.among(field, negated);
        }
        let comparison = self.comparison()?;
        Ok(Condition::Compare(field, comparison, self.value()?))
    }

    fn among(&mut self, field: Path, negated: bool) -> Result<Condition, SyntaxError> {
        self.want_sign("(")?;
        let found = if self.is_word(0, "SELECT") {
            Condition::InQuery(field, negated, Box::new(self.deeper(Self::query)?))
        } else {
            Condition::In(field, negated, self.list(Self::value)?)
        };
        self.want_sign(")")?;
        Ok(found)
    }

    fn comparison(&mut self) -> Result<Comparison, SyntaxError> {
        let token = self.peek();
        let comparison = match (token.kind, token.text) {
            (TokenKind::Sign, "=") => Comparison::Equal,
            (TokenKind::Sign, "!=" | "<>") => Comparison::Unequal,
            (TokenKind::Sign, "<") => Comparison::Less,
            (TokenKind::Sign, "<=") => Comparison::AtMost,
            (TokenKind::Sign, ">") => Comparison::Greater,
            (TokenKind::Sign, ">=") => Comparison::AtLeast,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(comparison)
    }

    fn value(&mut self) -> Result<Value, SyntaxError> {
        let token = self.peek();
        let value = match token.kind {
            TokenKind::Text => {
                let wild = unescape(&token)?;
                Some(Value::Text(wild.into_iter().map(Piece::literal).collect()))
            }
            TokenKind::Number => number(token.text),
            TokenKind::Word => return self.literal(),
            TokenKind::Sign | TokenKind::End => None,
        };
        let value = value.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(value)
    }

    /// A value that is a word.
    fn literal(&mut self) -> Result<Value, SyntaxError> {
        let word = self.peek().text;
        if let Some(counted) = is_counted(word) {
            let before = self.next;
            self.next += 1;
            let n = if counted {
                self.want_sign(":")?;
                Some(self.count()?)
            } else {
                None
            };
            return Relative::new(word, n).map(Value::Relative).ok_or_else(|| {
                self.next = before;
                self.unexpected()
            });
        }
        let value = match word.to_ascii_lowercase().as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(value)
    }

    fn pattern(&mut self) -> Result<Vec<Wild>, SyntaxError> {
        let token = self.peek();
        if token.kind != TokenKind::Text {
            return Err(self.unexpected());
        }
        self.next += 1;
        Ok(unescape(&token)?.into_iter().map(Piece::wild).collect())
    }
}
