//! The grammar of a query, up to and after its conditions.

use std::ops::Range;

use super::lexer::{Kind, Token};
use super::{Finding, Reading};

/// How deep parentheses and functions may be nested.
pub(super) const DEPTH_MAX: usize = 50;

/// Functions over several records (guide: `AVG`, `MAX`, `MIN`, `SUM`, `COUNT`).
const AGGREGATES: [&str; 6] = ["AVG", "COUNT", "COUNT_DISTINCT", "MAX", "MIN", "SUM"];

/// What begins a clause after the object.
const CLAUSES: [&str; 10] =
    ["ALL", "FOR", "GROUP", "HAVING", "LIMIT", "OFFSET", "ORDER", "UPDATE", "USING", "WITH"];

const AGGREGATE: &str = "Aggregate queries are not supported";
const RELATIONSHIP: &str = "relationships are not supported";

/// A step of the grammar; an error ends the reading.
pub(super) type Step<T> = Result<T, Finding>;

/// A field, perhaps with what leads to it, and where it stands.
#[derive(Debug)]
struct Path<'q> {
    parts: Vec<&'q str>,
    span: Range<usize>,
}

/// Which part of the query is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Selected,
    Filtered,
}

/// Where a reading stands.
#[derive(Debug)]
pub(super) struct Parser<'t, 'q> {
    tokens: &'t [Token<'q>],
    at: usize,
    findings: Vec<Finding>,
    paths: Vec<(Part, Path<'q>)>,
    /// The object, and what else may stand before its fields.
    names: Vec<&'q str>,
    /// Where the list of fields stands, when it was read to its end.
    list: Option<Range<usize>>,
}

impl<'t, 'q> Parser<'t, 'q> {
    /// `tokens` end with their end.
    pub(super) const fn new(tokens: &'t [Token<'q>]) -> Self {
        Self { tokens, at: 0, findings: Vec::new(), paths: Vec::new(), names: Vec::new(), list: None }
    }

    /// Reads to the end, or to a break in the grammar.
    pub(super) fn read(mut self) -> Reading {
        if let Err(broken) = self.query() {
            self.findings.push(broken);
        }
        self.judge_paths();
        self.findings.sort_by_key(|finding| finding.span.start);
        let fields = |part| {
            let of_part = self.paths.iter().filter(move |(of, _)| *of == part);
            of_part.map(|(_, path)| self.inner(path).join(".")).collect()
        };
        let (selected, filtered) = (fields(Part::Selected), fields(Part::Filtered));
        let object = self.names.first().copied().unwrap_or_default().to_owned();
        Reading { findings: self.findings, object, selected, filtered }
    }

    fn query(&mut self) -> Step<()> {
        self.expect("SELECT")?;
        let start = self.place().start;
        self.list(Self::item)?;
        self.list = Some(start..self.last_end());
        self.expect("FROM")?;
        self.objects()?;
        self.clauses()
    }

    fn item(&mut self) -> Step<()> {
        if self.is("(") {
            return self.children();
        }
        if self.is("TYPEOF") && self.is_after(|token| token.kind == Kind::Word && !token.is("FROM")) {
            return self.typeof_clause();
        }
        self.field(Part::Selected, 0)?;
        if self.peek().kind == Kind::Word && !self.is("FROM") {
            let hint = Some("is a comma missing before it?");
            let words = "only aggregate expressions use field aliasing".to_owned();
            let finding = Finding::malformed(self.place(), words);
            self.findings.push(Finding { hint, ..finding });
            self.step();
        }
        Ok(())
    }

    /// A query for the children of each record.
    fn children(&mut self) -> Step<()> {
        if !self.is_after(|token| token.is("SELECT")) {
            return Err(self.unexpected());
        }
        let span = self.skip_parentheses()?;
        self.refuse(span, RELATIONSHIP, None);
        Ok(())
    }

    fn typeof_clause(&mut self) -> Step<()> {
        let start = self.place().start;
        while !self.take("END") {
            if self.is("FROM") {
                return Err(self.unexpected());
            }
            self.skip()?;
        }
        self.refuse(start..self.last_end(), "'TYPEOF' clause is not allowed", None);
        Ok(())
    }

    /// A field, or a function of one.
    pub(super) fn field(&mut self, part: Part, depth: usize) -> Step<()> {
        let name = self.word()?;
        if self.is("(") {
            return self.function(&name, part, depth);
        }
        let (mut parts, mut span) = (vec![name.text], name.span);
        while self.take(".") {
            let next = self.word()?;
            parts.push(next.text);
            span.end = next.span.end;
        }
        self.paths.push((part, Path { parts, span }));
        Ok(())
    }

    fn function(&mut self, name: &Token<'q>, part: Part, depth: usize) -> Step<()> {
        if depth >= DEPTH_MAX {
            return Err(self.unexpected());
        }
        if AGGREGATES.iter().any(|aggregate| name.is(aggregate)) {
            let arguments = self.skip_parentheses()?;
            self.refuse(name.span.start..arguments.end, AGGREGATE, None);
            if self.peek().kind == Kind::Word && !self.is("FROM") && part == Part::Selected {
                self.step();
            }
            return Ok(());
        }
        self.step();
        if !self.is(")") {
            self.list(|this| match this.peek().kind {
                Kind::Word => this.field(part, depth + 1),
                Kind::Number | Kind::Text => {
                    this.step();
                    Ok(())
                }
                Kind::Sign | Kind::End => Err(this.unexpected()),
            })?;
        }
        self.expect(")")
    }

    fn objects(&mut self) -> Step<()> {
        let first = self.word()?;
        self.names.push(first.text);
        self.alias();
        let start = self.place().start;
        let mut more = false;
        while self.take(",") {
            more = true;
            self.word()?;
            while self.take(".") {
                self.word()?;
            }
            self.alias();
        }
        if more {
            let words = "a PushTopic's query has one entity".to_owned();
            self.findings.push(Finding::malformed(start..self.last_end(), words));
        }
        Ok(())
    }

    /// Another name for the object before.
    fn alias(&mut self) {
        self.take("AS");
        let token = self.peek();
        let clause = token.is("WHERE") || CLAUSES.iter().any(|clause| token.is(clause));
        if token.kind == Kind::Word && !clause {
            self.names.push(token.text);
            self.step();
        }
    }

    fn clauses(&mut self) -> Step<()> {
        if self.is("USING") {
            self.skip_clause()?;
        }
        if self.take("WHERE") {
            self.conditions(0)?;
        }
        while CLAUSES.iter().any(|clause| self.is(clause)) {
            let words = match self.peek().text.to_ascii_uppercase().as_str() {
                "GROUP" | "HAVING" => AGGREGATE,
                "ORDER" => "'ORDER BY' clause is not allowed",
                "LIMIT" => "'LIMIT' is not allowed",
                "OFFSET" => "'OFFSET' clause is not allowed",
                _ => "",
            };
            let span = self.skip_clause()?;
            if !words.is_empty() {
                self.refuse(span, words, None);
            }
        }
        self.take(";");
        if self.peek().kind == Kind::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Passes over a clause up to the next.
    fn skip_clause(&mut self) -> Step<Range<usize>> {
        let start = self.place().start;
        self.step();
        let ends = |token: &Token<'_>| {
            let clause = token.is("WHERE") || CLAUSES.iter().any(|clause| token.is(clause));
            clause || token.is(";") || token.kind == Kind::End
        };
        while !ends(self.peek()) {
            self.skip()?;
        }
        Ok(start..self.last_end())
    }

    /// What only the whole query tells: whether the Id is selected, and which fields are another object's.
    fn judge_paths(&mut self) {
        let is_id = |parts: &[&str]| matches!(parts, [one] if one.eq_ignore_ascii_case("Id"));
        let relations = self.paths.iter().filter(|(_, path)| match self.inner(path) {
            [_, .., last] => !last.eq_ignore_ascii_case("Id"),
            _ => false,
        });
        let relations: Vec<_> = relations.map(|(_, path)| path.span.clone()).collect();
        let selected = self.paths.iter().filter(|(part, _)| *part == Part::Selected);
        let with_id = selected.into_iter().any(|(_, path)| is_id(self.inner(path)));
        if let (Some(list), false) = (self.list.clone(), with_id) {
            self.refuse(list, "Id is required in the SELECT list", Some("SELECT Id, ..."));
        }
        if !self.names.is_empty() {
            let hint = Some("the id of the other record is fine, such as AccountId");
            for span in relations {
                self.refuse(span, RELATIONSHIP, hint);
            }
        }
    }

    /// A path without the name of the object before it.
    fn inner<'p>(&self, path: &'p Path<'q>) -> &'p [&'q str] {
        match path.parts.as_slice() {
            [first, rest @ ..] if !rest.is_empty() && self.is_object(first) => rest,
            all => all,
        }
    }

    fn is_object(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// One or more, with commas between them.
    pub(super) fn list(&mut self, mut one: impl FnMut(&mut Self) -> Step<()>) -> Step<()> {
        one(self)?;
        while self.take(",") {
            one(self)?;
        }
        Ok(())
    }

    /// Notes what an org refuses, and goes on.
    pub(super) fn refuse(&mut self, span: Range<usize>, words: &str, hint: Option<&'static str>) {
        self.findings.push(Finding::field(span, words, hint));
    }

    /// Notes a mistake of the grammar, and goes on.
    pub(super) fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn peek(&self) -> &'t Token<'q> {
        static END: Token<'static> = Token { kind: Kind::End, text: "<EOF>", span: 0..0 };
        self.tokens.get(self.at).or_else(|| self.tokens.last()).unwrap_or(&END)
    }

    /// Where the next token stands.
    pub(super) fn place(&self) -> Range<usize> {
        self.peek().span.clone()
    }

    /// Where the last token ends.
    pub(super) fn last_end(&self) -> usize {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(0, |token| token.span.end)
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.peek().is(text)
    }

    /// Whether the token after the next one is such.
    pub(super) fn is_after(&self, such: impl Fn(&Token<'q>) -> bool) -> bool {
        self.tokens.get(self.at + 1).is_some_and(such)
    }

    /// Passes over a token; the end stays.
    pub(super) fn step(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len().saturating_sub(1));
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.is(text);
        if found {
            self.step();
        }
        found
    }

    pub(super) fn expect(&mut self, text: &str) -> Step<()> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A name.
    fn word(&mut self) -> Step<Token<'q>> {
        let token = self.peek().clone();
        if token.kind != Kind::Word || token.is("FROM") {
            return Err(self.unexpected());
        }
        self.step();
        Ok(token)
    }

    /// Passes over a token, or over all that stands in parentheses.
    fn skip(&mut self) -> Step<()> {
        match self.peek() {
            token if token.is("(") => self.skip_parentheses().map(drop),
            token if token.kind == Kind::End || token.is(")") => Err(self.unexpected()),
            _ => {
                self.step();
                Ok(())
            }
        }
    }

    /// Passes over parentheses and all that stands in them.
    pub(super) fn skip_parentheses(&mut self) -> Step<Range<usize>> {
        let start = self.place().start;
        let mut open = 0_usize;
        loop {
            match self.peek() {
                token if token.is("(") => open += 1,
                token if token.is(")") => open = open.saturating_sub(1),
                token if token.kind == Kind::End => return Err(self.unexpected()),
                _ => {}
            }
            self.step();
            if open == 0 {
                return Ok(start..self.last_end());
            }
        }
    }

    pub(super) fn unexpected(&self) -> Finding {
        let token = self.peek();
        Finding::malformed(token.span.clone(), format!("unexpected token: '{}'", token.text))
    }
}

impl Token<'_> {
    /// Whether it is this keyword, in either case, or this sign.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text.eq_ignore_ascii_case(text)
    }
}
