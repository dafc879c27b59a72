//! Searches with a query such as `email:'a@b' AND metadata['k']:'v'`.
//! <https://docs.stripe.com/search#search-query-language>

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::lists::limit;
use super::value::{opt, required};
use super::{Call, Core};

const CLAUSES_MAX: usize = 10;

/// The shortest text that is searched inside others.
const SUBSTRING_MIN: usize = 3;

/// What a field holds, which decides how it can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Compared exactly.
    Token,
    /// Compared exactly or for a part of it.
    Text,
    /// Compared as a number.
    Number,
}

/// The fields of each kind of object that can be searched, besides metadata.
/// <https://docs.stripe.com/search#supported-query-fields-for-each-resource>
const SEARCHED: &[(&str, &[(&str, Kind)])] = &[
    (
        "charge",
        &[
            ("amount", Kind::Number),
            ("billing_details.address.postal_code", Kind::Token),
            ("created", Kind::Number),
            ("currency", Kind::Token),
            ("customer", Kind::Token),
            ("disputed", Kind::Token),
            ("payment_method_details.card.brand", Kind::Token),
            ("payment_method_details.card.exp_month", Kind::Token),
            ("payment_method_details.card.exp_year", Kind::Token),
            ("payment_method_details.card.fingerprint", Kind::Token),
            ("payment_method_details.card.last4", Kind::Token),
            ("refunded", Kind::Token),
            ("status", Kind::Token),
        ],
    ),
    (
        "customer",
        &[
            ("created", Kind::Number),
            ("email", Kind::Text),
            ("name", Kind::Text),
            ("phone", Kind::Text),
        ],
    ),
    (
        "invoice",
        &[
            ("created", Kind::Number),
            ("currency", Kind::Token),
            ("customer", Kind::Token),
            ("last_finalization_error_code", Kind::Text),
            ("last_finalization_error_type", Kind::Text),
            ("number", Kind::Text),
            ("receipt_number", Kind::Text),
            ("status", Kind::Text),
            ("subscription", Kind::Text),
            ("total", Kind::Number),
        ],
    ),
    (
        "payment_intent",
        &[
            ("amount", Kind::Number),
            ("created", Kind::Number),
            ("currency", Kind::Token),
            ("customer", Kind::Token),
            ("status", Kind::Token),
        ],
    ),
    (
        "price",
        &[
            ("active", Kind::Token),
            ("currency", Kind::Token),
            ("lookup_key", Kind::Text),
            ("product", Kind::Token),
            ("type", Kind::Token),
        ],
    ),
    (
        "product",
        &[
            ("active", Kind::Token),
            ("description", Kind::Text),
            ("name", Kind::Text),
            ("shippable", Kind::Token),
            ("url", Kind::Text),
        ],
    ),
    (
        "subscription",
        &[
            ("canceled_at", Kind::Number),
            ("created", Kind::Number),
            ("status", Kind::Token),
        ],
    ),
];

/// The fields that an object has at another place than their name says: the kind, the field and its
/// path.
const MOVED: &[(&str, &str, &str)] = &[
    (
        "invoice",
        "last_finalization_error_code",
        "last_finalization_error.code",
    ),
    (
        "invoice",
        "last_finalization_error_type",
        "last_finalization_error.type",
    ),
    (
        "invoice",
        "subscription",
        "parent.subscription_details.subscription",
    ),
];

impl Core {
    /// Searches the objects of a kind.
    pub(super) fn search(&self, call: &Call, kind: &str) -> Answer {
        let query = required(&call.params, "query")?;
        let mut wanted = Query::parse(query)?;
        wanted.check(kind)?;
        wanted.resolve(kind);
        let limit = limit(&call.params);
        let skip = match opt(&call.params, "page") {
            Some(page) => page
                .parse::<usize>()
                .map_err(|_| ApiError::bad("", "page", format!("Invalid page: {page}")))?,
            None => 0,
        };
        let found: Vec<&Value> = self
            .store
            .all(kind)
            .rev()
            .filter(|row| wanted.hold(row))
            .skip(skip)
            .take(limit + 1)
            .collect();
        let has_more = found.len() > limit;
        let next = if has_more {
            json!((skip + limit).to_string())
        } else {
            Value::Null
        };
        let data: Vec<Value> = found.into_iter().take(limit).cloned().collect();
        Ok(
            json!({"object": "search_result", "data": data, "has_more": has_more,
                  "next_page": next, "url": call.path}),
        )
    }
}

/// A query: clauses that all hold, or of which any holds.
struct Query {
    any: bool,
    clauses: Vec<Clause>,
}

/// One condition on a field.
struct Clause {
    negated: bool,
    path: Vec<String>,
    operator: Operator,
    value: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const OPERATORS: [(&str, Operator); 6] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Contains),
    (":", Operator::Equals),
];

impl Operator {
    fn symbol(self) -> &'static str {
        let found = OPERATORS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(symbol, _)| symbol)
    }
}

/// The value of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Null,
    Quoted(String),
    /// A number or a truth value, which need no quotation marks.
    Plain(String),
}

impl Wanted {
    fn text(&self) -> &str {
        match self {
            Wanted::Null => "null",
            Wanted::Quoted(text) | Wanted::Plain(text) => text,
        }
    }
}

fn unreadable<T>(why: &str) -> Answer<T> {
    let message = format!(
        "We were unable to parse your search query: {why} Please refer to https://docs.stripe.com/search."
    );
    refuse_param("", "query", message)
}

impl Query {
    fn parse(text: &str) -> Answer<Query> {
        let mut rest = text.trim();
        let mut clauses = Vec::new();
        let mut words: Vec<&str> = Vec::new();
        while !rest.is_empty() {
            if !clauses.is_empty() {
                let word = ["AND", "OR"]
                    .into_iter()
                    .find(|word| starts_with_word(rest, word));
                rest = rest[word.map_or(0, str::len)..].trim_start();
                // Clauses with a space between them must all hold.
                words.push(word.unwrap_or("AND"));
            }
            let (clause, after) = Clause::parse(rest)?;
            clauses.push(clause);
            rest = after;
        }
        if clauses.is_empty() {
            return unreadable("it has no clauses.");
        }
        if clauses.len() > CLAUSES_MAX {
            return unreadable(&format!("it has more than {CLAUSES_MAX} clauses."));
        }
        let any = words.contains(&"OR");
        if any && words.contains(&"AND") {
            return unreadable("AND and OR can't be combined in one query.");
        }
        Ok(Query { any, clauses })
    }

    fn check(&self, kind: &str) -> Answer<()> {
        self.clauses.iter().try_for_each(|one| one.check(kind))
    }

    /// Replaces the names of fields by their paths in the objects of a kind.
    fn resolve(&mut self, kind: &str) {
        for clause in &mut self.clauses {
            let name = clause.path.join(".");
            let mut moved = MOVED.iter();
            if let Some((_, _, path)) = moved.find(|one| (one.0, one.1) == (kind, &*name)) {
                clause.path = path.split('.').map(str::to_owned).collect();
            }
        }
    }

    fn hold(&self, row: &Value) -> bool {
        let mut results = self.clauses.iter().map(|one| one.holds(row));
        if self.any {
            results.any(|one| one)
        } else {
            results.all(|one| one)
        }
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
        && text[word.len()..].starts_with(char::is_whitespace)
}

impl Clause {
    /// Reads a clause, and returns it with the rest of the query.
    fn parse(text: &str) -> Answer<(Clause, &str)> {
        let (negated, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (path, rest) = read_field(text)?;
        let rest = rest.trim_start();
        let found = OPERATORS
            .iter()
            .find_map(|(symbol, operator)| Some((*operator, rest.strip_prefix(symbol)?)));
        let Some((operator, rest)) = found else {
            let name = path.join(".");
            return unreadable(&format!("no operator follows the field `{name}`."));
        };
        let (value, rest) = read_value(rest.trim_start(), &path.join("."))?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return unreadable(&format!("`{rest}` directly follows a value."));
        }
        let clause = Clause {
            negated,
            path,
            operator,
            value,
        };
        Ok((clause, rest.trim_start()))
    }

    /// Refuses a field that can't be searched, or not in this way.
    fn check(&self, owner: &str) -> Answer<()> {
        let name = self.path.join(".");
        let fields = SEARCHED.iter().find(|(kind, _)| *kind == owner);
        let mut fields = fields.map_or(&[][..], |(_, fields)| fields).iter();
        let kind = match fields.find(|(field, _)| *field == name) {
            Some((_, kind)) => *kind,
            None if self.path[0] == "metadata" && self.path.len() == 2 => Kind::Token,
            None => {
                let message = format!(
                    "Field `{name}` is an unsupported search field for resource `{owner}s`. See http://stripe.com/docs/search#query-fields-for-{owner}s for a list of supported fields."
                );
                return Err(ApiError::invalid(message));
            }
        };
        let is_allowed = match self.operator {
            Operator::Equals => true,
            Operator::Contains => kind == Kind::Text,
            _ => kind == Kind::Number,
        };
        if !is_allowed {
            let symbol = self.operator.symbol();
            return unreadable(&format!(
                "the operator `{symbol}` isn't supported for the field `{name}`."
            ));
        }
        let is_number = self.value.text().parse::<i64>().is_ok();
        if kind == Kind::Number && self.value != Wanted::Null && !is_number {
            return unreadable(&format!("the field `{name}` is compared with a number."));
        }
        let is_short = self.value.text().chars().count() < SUBSTRING_MIN;
        if self.operator == Operator::Contains && (self.value == Wanted::Null || is_short) {
            return unreadable(&format!(
                "the operator `~` needs at least {SUBSTRING_MIN} characters."
            ));
        }
        Ok(())
    }

    fn holds(&self, row: &Value) -> bool {
        let mut found = row;
        for part in &self.path {
            found = &found[part.as_str()];
        }
        let shown = match found {
            Value::String(text) => text.clone(),
            Value::Null => return (self.value == Wanted::Null) != self.negated,
            other => other.to_string(),
        };
        let wanted = self.value.text();
        let numbers = || Some((shown.parse::<i64>().ok()?, wanted.parse::<i64>().ok()?));
        let compares = |holds: fn(i64, i64) -> bool| {
            numbers().is_some_and(|(found, wanted)| holds(found, wanted))
        };
        let holds = match self.operator {
            Operator::Equals => self.value != Wanted::Null && shown.eq_ignore_ascii_case(wanted),
            Operator::Contains => shown.to_lowercase().contains(&wanted.to_lowercase()),
            Operator::Less => compares(|found, wanted| found < wanted),
            Operator::LessOrEqual => compares(|found, wanted| found <= wanted),
            Operator::Greater => compares(|found, wanted| found > wanted),
            Operator::GreaterOrEqual => compares(|found, wanted| found >= wanted),
        };
        holds != self.negated
    }
}

/// Reads the name of a field, such as `email` or `metadata['key']`.
fn read_field(text: &str) -> Answer<(Vec<String>, &str)> {
    let is_name = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '.';
    let end = text.find(|one| !is_name(one)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        let start: String = text.chars().take(20).collect();
        return unreadable(&format!("`{start}` isn't the name of a field."));
    }
    let mut path: Vec<String> = name.split('.').map(str::to_owned).collect();
    let Some(inner) = rest.strip_prefix('[') else {
        return Ok((path, rest));
    };
    let read = read_quoted(inner).and_then(|(key, rest)| Some((key, rest.strip_prefix(']')?)));
    let Some((key, rest)) = read else {
        return unreadable("the key of metadata must be quoted and in brackets.");
    };
    path.push(key);
    Ok((path, rest))
}

/// Reads a value: quoted text, a number, a truth value or null.
fn read_value<'a>(text: &'a str, field: &str) -> Answer<(Wanted, &'a str)> {
    if text.starts_with(['\'', '"']) {
        return match read_quoted(text) {
            Some((value, rest)) => Ok((Wanted::Quoted(value), rest)),
            None => unreadable("a quotation mark isn't closed."),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        return unreadable(&format!("the field `{field}` has no value."));
    }
    if word.eq_ignore_ascii_case("null") {
        return Ok((Wanted::Null, rest));
    }
    let is_truth = ["true", "false"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one));
    if is_truth || word.parse::<i64>().is_ok() {
        return Ok((Wanted::Plain(word.to_owned()), rest));
    }
    unreadable(&format!("the value `{word}` must be in quotation marks."))
}

/// Reads text in quotation marks, inside of which a backslash escapes a quotation mark.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mark = text
        .chars()
        .next()
        .filter(|one| ['\'', '"'].contains(one))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            one if one == mark => return Some((value, &text[at + 1..])),
            one => value.push(one),
        }
    }
    None
}
