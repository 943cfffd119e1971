//! The grammar and its meaning: by example, and by properties against a slow and simple reading of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;

use super::ast::{Comparison, Condition, Item, Order, Path, Query, Value, Wild};
use super::date::Relative;
use super::eval::{Datum, Row, matches};
use super::parse;

struct Record(BTreeMap<String, Datum>);

impl Row for Record {
    fn get(&self, field: &str) -> Datum {
        self.0.get(&field.to_lowercase()).cloned().unwrap_or(Datum::Null)
    }
}

fn now() -> Timestamp {
    "2024-05-15T12:00:00Z".parse().unwrap()
}

fn record() -> Record {
    Record(BTreeMap::from([
        ("id".to_owned(), Datum::Id("a00D0000008oLi8IAE".to_owned())),
        ("name".to_owned(), Datum::Text("It's 100% Müller_X".to_owned())),
        ("amount".to_owned(), Datum::Number(1000.5)),
        ("open".to_owned(), Datum::Bool(true)),
        ("close".to_owned(), Datum::Date(date(2024, 5, 14))),
        ("made".to_owned(), Datum::DateTime("2024-05-15T10:00:00Z".parse().unwrap())),
    ]))
}

fn filter(condition: &str) -> Condition {
    let query = parse(&format!("SELECT Id FROM X WHERE {condition}"));
    query.unwrap_or_else(|error| panic!("{condition}: {error:?}")).filter.unwrap()
}

#[test]
fn conditions_mean_what_they_should() {
    for (condition, wanted) in [
        ("Name = 'it\\'s 100% mÜLLER_x'", true),
        ("Name LIKE '%100\\%%'", true),
        ("Name LIKE 'It_s%\\_X'", true),
        ("Name LIKE '%100\\%'", false),
        ("Name LIKE ''", false),
        ("Name > 'is' AND Name < 'iu'", true),
        ("Name IN ('a', 'IT\\'S 100% MÜLLER_X')", true),
        ("Name NOT IN ('a', 'b')", true),
        ("Missing NOT IN ('a')", true),
        ("Missing IN ('a')", false),
        ("Missing = null AND Missing != 'a' AND Missing = ''", true),
        ("Missing < 5 OR Missing >= 5", false),
        ("Name != NULL", true),
        ("NOT Name = 'a'", true),
        ("Amount >= 1000.5 AND Amount <= 1.0005e3 AND Amount > -1", true),
        ("Amount IN (1, 2)", false),
        ("Open = TRUE AND (Open != true OR Open <> false)", true),
        ("Id = 'a00D0000008oLi8' AND Id = 'a00D0000008oLi8IAE'", true),
        ("Id = 'A00D0000008oLi8IAE'", false),
        ("Close = 2024-05-14 AND Close < 2024-05-15", true),
        ("Close = YESTERDAY AND Close < TODAY AND Close = LAST_N_DAYS:1 AND Close != TOMORROW", true),
        ("Close >= THIS_MONTH AND Close <= THIS_WEEK AND Close > LAST_WEEK", true),
        ("Made = TODAY AND Made >= 2024-05-15T12:00:00+02:00 AND Made < 2024-05-15T10:00:01Z", true),
        ("Missing = TODAY", false),
    ] {
        assert_eq!(matches(&filter(condition), &record(), now()), wanted, "{condition}");
    }
}

#[test]
fn queries_that_the_grammar_has_are_read() {
    for query in [
        "SELECT Id, AVG(AnnualRevenue) a, COUNT() FROM Account",
        "select id, industry, count(name) from account",
        "SELECT Id, (SELECT Id FROM Contacts WHERE Name = 'a') FROM Account",
        "SELECT TYPEOF Owner WHEN User THEN LastName, Id ELSE Name END FROM Case",
        "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE Title = 'CEO')",
        "SELECT Id FROM A WHERE x = 1 GROUP BY y, z ORDER BY a, b DESC NULLS LAST, c ASC NULLS FIRST LIMIT 1 OFFSET 2 ALL ROWS",
        "SELECT Id, Contact.Account.Name FROM Contact;",
        "SELECT Type FROM Typeof WHERE NOT (NOT a = 1)",
    ] {
        let parsed = parse(query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        assert_eq!(parse(&parsed.to_string()).unwrap(), parsed, "{query}");
    }
}

#[test]
fn what_is_no_query_is_told_with_the_word_and_its_place() {
    for (query, message, at) in [
        ("", "unexpected token: '<EOF>'", 0),
        ("SELECT", "unexpected token: '<EOF>'", 6),
        ("SELECT FROM X", "unexpected token: 'FROM'", 7),
        ("SELECT Id X", "unexpected token: 'X'", 10),
        ("SELECT Id FROM X WHERE", "unexpected token: '<EOF>'", 22),
        ("SELECT Id FROM X WHERE a", "unexpected token: '<EOF>'", 24),
        ("SELECT Id FROM X WHERE a = b", "unexpected token: 'b'", 27),
        ("SELECT Id FROM X WHERE a = 1 AND b = 2 OR c = 3", "unexpected token: 'OR'", 39),
        ("SELECT Id FROM X WHERE a IN ()", "unexpected token: ')'", 29),
        ("SELECT Id FROM X WHERE a = 2011-02-30", "unexpected token: '2011-02-30'", 27),
        ("SELECT Id FROM X WHERE a = 1e999", "unexpected token: '1e999'", 27),
        ("SELECT Id FROM X WHERE a LIKE 5", "unexpected token: '5'", 30),
        ("SELECT Id FROM X LIMIT -1", "unexpected token: '-1'", 23),
        ("SELECT Id FROM X WHERE a = LAST_N_DAYS", "unexpected token: '<EOF>'", 38),
        ("SELECT Id FROM X WHERE a = LAST_N_DAYS:x", "unexpected token: 'x'", 39),
        ("SELECT Id FROM X;;", "unexpected token: ';'", 17),
    ] {
        let error = parse(query).unwrap_err();
        assert_eq!((error.message.as_str(), error.at), (message, at), "{query}");
    }
    let escape = parse("SELECT Id FROM X WHERE a = 'b\\d'").unwrap_err();
    assert!(escape.message.contains("Illegal character sequence '\\d'"), "{escape:?}");
    assert!(parse("SELECT Id FROM X WHERE a = '\\u00e9'").is_ok());
    assert!(parse("SELECT Id FROM X WHERE a = '\\u00g9'").is_err());
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |n| format!("SELECT Id FROM X WHERE {}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(50)).is_ok());
    assert!(parse(&nested(51)).unwrap_err().message.contains("deeply"));
    assert!(parse(&nested(9_000)).is_err());
    assert!(parse(&format!("SELECT Id FROM X WHERE {}a = 1", "NOT ".repeat(4000))).is_err());
    assert!(parse(&"x".repeat(20_001)).unwrap_err().message.contains("too long"));
}

fn path() -> impl Strategy<Value = Path> {
    let names = prop_oneof![
        4 => prop::sample::select(vec!["Id", "Name", "Amount", "Open", "Close", "Made", "Missing"]).prop_map(str::to_owned),
        1 => "[A-Z][a-z0-9]{0,3}(__c)?\\.[A-Z][a-z]{1,3}",
    ];
    let free =
        |name: &String| !["Or", "Not", "In", "And"].iter().any(|word| name.split('.').any(|n| n == *word));
    names.prop_filter("no keyword", free).prop_map(|name| Path { name, at: 0 })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-cA-C%_'\\\\]{0,4}", "\\PC{0,6}", Just("It's 100% Müller_X".to_owned())]
}

fn value() -> impl Strategy<Value = Value> {
    let relative = prop_oneof![
        prop::sample::select(vec!["TODAY", "LAST_WEEK", "THIS_QUARTER", "NEXT_YEAR"])
            .prop_map(|name| Relative::new(name, None)),
        (prop::sample::select(vec!["LAST_N_DAYS", "N_MONTHS_AGO", "NEXT_N_FISCAL_YEARS"]), any::<u16>())
            .prop_map(|(name, n)| Relative::new(name, Some(n))),
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Number),
        (-2000..2000_i32).prop_map(|number| Value::Number(f64::from(number) / 2.0)),
        text().prop_map(Value::Text),
        (1000..9999_i16, 1..=12_i8, 1..=28_i8).prop_map(|(y, m, d)| Value::Date(date(y, m, d))),
        (-30_000_000_000..200_000_000_000_i64, 0..1_000_000_000_i32)
            .prop_map(|(seconds, nanos)| Value::DateTime(Timestamp::new(seconds, nanos).unwrap())),
        relative.prop_map(|relative| Value::Relative(relative.unwrap())),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{AtLeast, AtMost, Equal, Greater, Less, Unequal};
    prop::sample::select(vec![Equal, Unequal, Less, AtMost, Greater, AtLeast])
}

fn wild() -> impl Strategy<Value = Wild> {
    prop_oneof![
        Just(Wild::Any),
        Just(Wild::One),
        any::<char>().prop_map(Wild::Char),
        "[a-c%_]".prop_map(|text| Wild::Char(text.chars().next().unwrap()))
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (path(), comparison(), value()).prop_map(|(field, how, value)| Condition::Compare(field, how, value)),
        (path(), prop::collection::vec(wild(), 0..5)).prop_map(|(field, all)| Condition::Like(field, all)),
        (path(), any::<bool>(), prop::collection::vec(value(), 1..4))
            .prop_map(|(field, negated, values)| Condition::In(field, negated, values)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(Condition::And),
            several.prop_map(Condition::Or),
            inner.prop_map(|one| Condition::Not(Box::new(one))),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let item =
        prop_oneof![
            path().prop_map(Item::Field),
            (prop::option::of(path()), prop::option::of("[a-z]{2}x"))
                .prop_map(|(of, alias)| Item::Function { name: "MAX".to_owned(), of, alias }),
        ];
    let order = (path(), any::<bool>(), any::<bool>()).prop_map(|(by, descending, nulls_last)| Order {
        by,
        descending,
        nulls_last,
    });
    let tail = (
        prop::collection::vec(path(), 0..2),
        prop::collection::vec(order, 0..3),
        prop::option::of(any::<u32>()),
        prop::option::of(any::<u32>()),
        any::<bool>(),
    );
    let head = (prop::collection::vec(item, 1..4), path(), prop::option::of(condition()));
    (head, tail).prop_map(|((select, from, filter), (group, order, limit, offset, all_rows))| Query {
        select,
        from,
        filter,
        group,
        order,
        limit,
        offset,
        all_rows,
    })
}

/// A pattern against text by trying every split, and comparisons by their definitions.
mod naive {
    use super::{Comparison, Condition, Datum, Record, Row as _, Timestamp, Value, Wild, now};

    pub(super) fn like(text: &[char], pattern: &[Wild]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Wild::Any, rest)), _) => (0..=text.len()).any(|n| like(&text[n..], rest)),
            (Some((Wild::One, rest)), Some((_, more))) => like(more, rest),
            (Some((Wild::Char(wanted), rest)), Some((c, more))) => {
                c.to_lowercase().to_string() == wanted.to_lowercase().to_string() && like(more, rest)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn less(datum: &Datum, value: &Value) -> bool {
        match (datum, value) {
            (Datum::Bool(a), Value::Bool(b)) => !a & b,
            (Datum::Number(a), Value::Number(b)) => a < b,
            (Datum::Text(a), Value::Text(b)) => a.to_lowercase() < b.to_lowercase(),
            (Datum::Id(a), Value::Text(b)) => a[..15] < *b.chars().take(15).collect::<String>(),
            (Datum::Date(a), Value::Date(b)) => a < b,
            (Datum::DateTime(a), Value::DateTime(b)) => a < b,
            (Datum::Date(a), Value::Relative(b)) => *a < b.days(today()).0,
            (Datum::DateTime(a), Value::Relative(b)) => *a < midnight(b.days(today()).0),
            _ => false,
        }
    }

    fn equal(datum: &Datum, value: &Value) -> bool {
        match (datum, value) {
            (Datum::Null, value) => *value == Value::Null || *value == Value::Text(String::new()),
            (Datum::Bool(a), Value::Bool(b)) => a == b,
            (Datum::Number(a), Value::Number(b)) => a.to_string() == b.to_string(),
            (Datum::Text(a), Value::Text(b)) => a.to_lowercase() == b.to_lowercase(),
            (Datum::Id(a), Value::Text(b)) => a[..15] == *b.chars().take(15).collect::<String>(),
            (Datum::Date(a), Value::Date(b)) => a == b,
            (Datum::DateTime(a), Value::DateTime(b)) => a == b,
            (Datum::Date(a), Value::Relative(b)) => (b.days(today()).0..b.days(today()).1).contains(a),
            (Datum::DateTime(a), Value::Relative(b)) => {
                (midnight(b.days(today()).0)..midnight(b.days(today()).1)).contains(a)
            }
            _ => false,
        }
    }

    fn comparable(datum: &Datum, value: &Value) -> bool {
        matches!(
            (datum, value),
            (Datum::Bool(_), Value::Bool(_))
                | (Datum::Number(_), Value::Number(_))
                | (Datum::Text(_) | Datum::Id(_), Value::Text(_))
                | (Datum::Date(_), Value::Date(_) | Value::Relative(_))
                | (Datum::DateTime(_), Value::DateTime(_) | Value::Relative(_))
        )
    }

    fn today() -> jiff::civil::Date {
        now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    fn midnight(day: jiff::civil::Date) -> Timestamp {
        day.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    pub(super) fn holds(condition: &Condition, record: &Record) -> bool {
        match condition {
            Condition::And(all) => !all.iter().any(|one| !holds(one, record)),
            Condition::Or(all) => !all.iter().all(|one| !holds(one, record)),
            Condition::Not(one) => !holds(one, record),
            Condition::Like(field, pattern) => match record.get(&field.name) {
                Datum::Text(text) => like(&text.chars().collect::<Vec<_>>(), pattern),
                _ => false,
            },
            Condition::In(field, negated, values) => {
                let found = values.iter().any(|value| equal(&record.get(&field.name), value));
                if *negated { !found } else { found }
            }
            Condition::InQuery(..) => false,
            Condition::Compare(field, how, value) => {
                let datum = record.get(&field.name);
                let (equal, less) = (equal(&datum, value), less(&datum, value));
                let greater = comparable(&datum, value) && !equal && !less;
                match how {
                    Comparison::Equal => equal,
                    Comparison::Unequal => !equal,
                    Comparison::Less => less,
                    Comparison::AtMost => less || equal,
                    Comparison::Greater => greater,
                    Comparison::AtLeast => greater || equal,
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same_query(query in query()) {
        let text = query.to_string();
        prop_assume!(text.len() < super::QUERY_MAX);
        prop_assert_eq!(parse(&text).map_err(|error| format!("{text}: {error:?}")), Ok(query));
    }

    #[test]
    fn a_filter_agrees_with_the_naive_one(condition in condition()) {
        prop_assert_eq!(matches(&condition, &record(), now()), naive::holds(&condition, &record()), "{}", condition);
    }

    #[test]
    fn patterns_agree_with_the_naive_ones(text in "[ab]{0,8}", pattern in prop::collection::vec(
        prop_oneof![Just(Wild::Any), Just(Wild::One), Just(Wild::Char('a')), Just(Wild::Char('B'))], 0..6)) {
        let condition = Condition::Like(Path { name: "t".to_owned(), at: 0 }, pattern.clone());
        let row = Record(BTreeMap::from([("t".to_owned(), Datum::Text(text.clone()))]));
        let chars: Vec<_> = text.chars().collect();
        prop_assert_eq!(matches(&condition, &row, now()), naive::like(&chars, &pattern));
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(text in "[ -~é]{0,60}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }
}
