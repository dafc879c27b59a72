//! Lists (newest first), cursors and searches.

use std::ops::RangeBounds;

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::indexes::{self, Index};
use super::value::{get, list, opt, opt_int, required, text};
use super::{Call, Core};

impl Core {
    /// A page of the objects of a kind that match the filters of the call and for which `keep`
    /// returns true. The filters named in `own` are left to `keep`.
    pub(super) fn page(
        &self,
        call: &Call,
        kind: &str,
        own: &[&str],
        keep: impl Fn(&Value) -> bool,
    ) -> Answer {
        let by = index_for(kind, &call.params);
        self.page_by(call, kind, by, |row| {
            keep(row) && fits(&call.params, own, row) && self.is_listed(call, row)
        })
    }

    /// A page of the objects whose indexed field has a value, and that match the filters of the call
    /// and `keep`.
    pub(super) fn page_in(
        &self,
        call: &Call,
        kind: &str,
        (field, wanted): (&str, &str),
        keep: impl Fn(&Value) -> bool,
    ) -> Answer {
        let by = indexes::of(kind, field).map(|index| (index, wanted));
        self.page_by(call, kind, by, |row| {
            keep(row) && fits(&call.params, &[], row)
        })
    }

    /// A page of the objects whose indexed field has a value, for which `keep` returns true.
    fn page_by(
        &self,
        call: &Call,
        kind: &str,
        by: Option<(Index, &str)>,
        keep: impl Fn(&Value) -> bool,
    ) -> Answer {
        let limit = limit(&call.params);
        let cursor = self.cursor(call, kind)?;
        let rows: Vec<&Value> = match cursor {
            Cursor::Start => self.newest_in(kind, by, .., limit, keep),
            Cursor::After(number) => self.newest_in(kind, by, ..number, limit, keep),
            Cursor::Before(number) => {
                let newer = self.store.range(kind, by, number + 1..);
                let mut rows: Vec<&Value> = newer.filter(|row| keep(row)).take(limit + 1).collect();
                rows.reverse();
                rows
            }
        };
        Ok(page_of_rows(
            call,
            &rows,
            limit,
            matches!(cursor, Cursor::Before(_)),
        ))
    }

    /// The newest objects in a range, one more than the limit.
    fn newest_in<'a>(
        &'a self,
        kind: &str,
        by: Option<(Index, &str)>,
        numbers: impl RangeBounds<u64>,
        limit: usize,
        keep: impl Fn(&Value) -> bool,
    ) -> Vec<&'a Value> {
        let rows = self.store.range(kind, by, numbers).rev();
        rows.filter(|row| keep(row)).take(limit + 1).collect()
    }

    fn cursor(&self, call: &Call, kind: &str) -> Answer<Cursor> {
        let number = |id: &str, param: &str| {
            let known = self.store.get(id).filter(|row| row["object"] == kind);
            known
                .and_then(|_| self.store.number(id))
                .ok_or_else(|| ApiError::missing(&noun(kind), id, param))
        };
        Ok(match cursors(&call.params)? {
            (Some(id), _) => Cursor::After(number(id, "starting_after")?),
            (_, Some(id)) => Cursor::Before(number(id, "ending_before")?),
            _ => Cursor::Start,
        })
    }

    /// Whether an object is in a list. One that is bound to a test clock is only listed for its
    /// clock or its customer.
    fn is_listed(&self, call: &Call, row: &Value) -> bool {
        let hides = matches!(text(row, "object"), "customer" | "subscription");
        let names = |name: &str| opt(&call.params, name).is_some();
        !hides
            || row["test_clock"].is_null()
            || !call.ids.is_empty()
            || names("test_clock")
            || names("customer")
    }

    /// A page of rows that are already sorted.
    pub(super) fn page_of(&self, call: &Call, kind: &str, mut rows: Vec<&Value>) -> Answer {
        let limit = limit(&call.params);
        let (after, before) = cursors(&call.params)?;
        let find = |id: &str, param: &str| {
            let found = rows.iter().position(|row| text(row, "id") == id);
            found.ok_or_else(|| ApiError::missing(&noun(kind), id, param))
        };
        if let Some(id) = before {
            rows.truncate(find(id, "ending_before")?);
            rows.drain(..rows.len().saturating_sub(limit + 1));
        } else if let Some(id) = after {
            rows.drain(..=find(id, "starting_after")?);
        }
        Ok(page_of_rows(call, &rows, limit, before.is_some()))
    }

    /// Searches objects with a query such as `email:'a@b' AND metadata['k']:'v'`.
    pub(super) fn search(&self, call: &Call, kind: &str) -> Answer {
        let query = required(&call.params, "query")?;
        let terms = Terms::parse(query)?;
        terms.refuse_unsupported(kind)?;
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
            .filter(|row| terms.hold(row))
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

/// The name of a kind in Stripe's messages.
pub(super) fn noun(kind: &str) -> String {
    kind.replace("checkout.session", "checkout session")
        .replace("invoiceitem", "invoice item")
        .replace("tax_rate", "tax rate")
        .replace("customer_balance_transaction", "balance transaction")
        .replace("test_helpers.test_clock", "test clock")
        .replace('.', " ")
}

/// The size of a page. Stripe takes a number outside of its bounds as the nearest allowed one.
fn limit(params: &Value) -> usize {
    let limit = opt_int(params, "limit").unwrap_or(10).clamp(1, 100);
    usize::try_from(limit).unwrap_or(10)
}

/// Where a page begins, in the order of creation.
#[derive(Clone, Copy)]
enum Cursor {
    Start,
    After(u64),
    Before(u64),
}

/// The cursors `starting_after` and `ending_before`, of which a call sends at most one.
fn cursors(params: &Value) -> Answer<(Option<&str>, Option<&str>)> {
    let (after, before) = (opt(params, "starting_after"), opt(params, "ending_before"));
    if after.is_some() && before.is_some() {
        let message = "You cannot parameterize with both starting_after and ending_before.";
        return refuse_param("parameters_exclusive", "starting_after", message);
    }
    Ok((after, before))
}

/// A page of rows, newest first, of which there is one too many if there are more.
fn page_of_rows(call: &Call, rows: &[&Value], limit: usize, is_backward: bool) -> Value {
    let has_more = rows.len() > limit;
    let surplus = if is_backward {
        rows.len().saturating_sub(limit)
    } else {
        0
    };
    let rows = rows.iter().skip(surplus).take(limit);
    let data: Vec<Value> = rows.map(|row| (*row).clone()).collect();
    json!({"object": "list", "data": data, "has_more": has_more, "url": call.path})
}

/// The index that finds the objects for one of the filters of a list.
fn index_for<'a>(kind: &str, params: &'a Value) -> Option<(Index, &'a str)> {
    let filters = params.as_object().into_iter().flatten();
    filters
        .filter_map(|(name, wanted)| Some((indexes::of(kind, name)?, wanted.as_str()?)))
        .find(|(_, wanted)| !wanted.is_empty() && !wanted.ends_with('*'))
}

fn in_range(wanted: &Value, time: i64) -> bool {
    let bound = |name: &str| opt_int(wanted, name);
    bound("gt").is_none_or(|at| time > at)
        && bound("gte").is_none_or(|at| time >= at)
        && bound("lt").is_none_or(|at| time < at)
        && bound("lte").is_none_or(|at| time <= at)
}

/// Whether a row matches the filters of a list. A filter without a field of its name has no effect.
fn fits(params: &Value, own: &[&str], row: &Value) -> bool {
    const PAGING: [&str; 3] = ["limit", "starting_after", "ending_before"];
    let mut filters = params.as_object().into_iter().flatten();
    filters.all(|(name, wanted)| {
        let name = name.as_str();
        if PAGING.contains(&name) || own.contains(&name) {
            return true;
        }
        match wanted {
            // A plural filter such as `lookup_keys` matches the field `lookup_key`.
            Value::Array(any) => any.contains(&row[name.trim_end_matches('s')]),
            _ => row.get(name).is_none_or(|found| agrees(wanted, found)),
        }
    })
}

/// Whether a value equals the wanted one, is a time in the wanted range, or has the wanted fields.
pub(super) fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found.as_i64()) {
        (Value::Object(_), Some(time)) => in_range(wanted, time),
        (Value::Object(fields), None) => fields
            .iter()
            .all(|(name, wanted)| agrees(wanted, get(found, name))),
        _ => wanted == found,
    }
}

/// The fields of each kind that can be searched, besides metadata.
const SEARCHED: &[(&str, &[&str])] = &[
    (
        "charge",
        &[
            "amount",
            "billing_details.address.postal_code",
            "created",
            "currency",
            "customer",
            "disputed",
            "payment_method_details.card.brand",
            "payment_method_details.card.exp_month",
            "payment_method_details.card.exp_year",
            "payment_method_details.card.fingerprint",
            "payment_method_details.card.last4",
            "refunded",
            "status",
        ],
    ),
    ("customer", &["created", "email", "name", "phone"]),
    (
        "invoice",
        &[
            "created",
            "currency",
            "customer",
            "last_finalization_error_code",
            "last_finalization_error_type",
            "number",
            "receipt_number",
            "status",
            "subscription",
            "total",
        ],
    ),
    (
        "payment_intent",
        &["amount", "created", "currency", "customer", "status"],
    ),
    (
        "price",
        &["active", "currency", "lookup_key", "product", "type"],
    ),
    (
        "product",
        &["active", "description", "name", "shippable", "url"],
    ),
    ("subscription", &["canceled_at", "created", "status"]),
];

struct Terms {
    any: bool,
    terms: Vec<Term>,
}

struct Term {
    negated: bool,
    path: Vec<String>,
    operator: char,
    value: String,
}

impl Terms {
    fn parse(query: &str) -> Answer<Terms> {
        let wrong = || {
            let message = "We were unable to parse your search query. Please refer to https://docs.stripe.com/search.";
            ApiError::bad("", "query", message)
        };
        let any = query.contains(" OR ");
        if any && query.contains(" AND ") {
            return Err(wrong());
        }
        let parts: Vec<&str> = query.split(if any { " OR " } else { " AND " }).collect();
        let terms: Option<Vec<Term>> = parts.into_iter().map(Term::parse).collect();
        Ok(Terms {
            any,
            terms: terms.ok_or_else(wrong)?,
        })
    }

    /// Refuses fields that cannot be searched. <https://docs.stripe.com/search#query-fields-for-customers>
    fn refuse_unsupported(&self, kind: &str) -> Answer<()> {
        let fields = SEARCHED.iter().find(|(owner, _)| *owner == kind);
        let fields = fields.map_or(&[][..], |(_, fields)| fields);
        for term in &self.terms {
            let name = term.path.join(".");
            if term.path[0] != "metadata" && !fields.contains(&name.as_str()) {
                let message = format!(
                    "Field `{name}` is an unsupported search field for resource `{kind}s`. See http://stripe.com/docs/search#query-fields-for-{kind}s for a list of supported fields."
                );
                return Err(ApiError::invalid(message));
            }
        }
        Ok(())
    }

    fn hold(&self, row: &Value) -> bool {
        let mut results = self.terms.iter().map(|term| term.holds(row));
        if self.any {
            results.any(|one| one)
        } else {
            results.all(|one| one)
        }
    }
}

impl Term {
    fn parse(text: &str) -> Option<Term> {
        let text = text.trim();
        let (negated, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (field, rest) = if let Some(rest) = text.strip_prefix("metadata[") {
            let close = rest.find(']')?;
            let key = rest[..close].trim_matches(['\'', '"']);
            (
                vec!["metadata".to_owned(), key.to_owned()],
                &rest[close + 1..],
            )
        } else {
            let at = text.find([':', '~', '<', '>'])?;
            (
                text[..at].split('.').map(str::to_owned).collect(),
                &text[at..],
            )
        };
        let operator = rest.chars().next()?;
        let value = rest[operator.len_utf8()..]
            .trim()
            .trim_matches(['\'', '"'])
            .to_owned();
        [':', '~', '<', '>'].contains(&operator).then_some(Term {
            negated,
            path: field,
            operator,
            value,
        })
    }

    fn holds(&self, row: &Value) -> bool {
        let mut found = row;
        for part in &self.path {
            found = &found[part.as_str()];
        }
        let shown = match found {
            Value::String(text) => text.clone(),
            Value::Null => "null".to_owned(),
            other => other.to_string(),
        };
        let number = |text: &str| text.trim_start_matches('=').parse::<i64>().ok();
        let holds = match self.operator {
            ':' => shown.eq_ignore_ascii_case(&self.value),
            '~' => shown.to_lowercase().contains(&self.value.to_lowercase()),
            sign => match (number(&shown), number(&self.value)) {
                (Some(left), Some(right)) if self.value.starts_with('=') && left == right => true,
                (Some(left), Some(right)) if sign == '>' => left > right,
                (Some(left), Some(right)) => left < right,
                _ => false,
            },
        };
        holds != self.negated
    }
}

/// The objects of a list that is stored inside another object.
pub(super) fn inner<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    list(object, &format!("{path}.data"))
}
