//! Lists (newest first), cursors and searches.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
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
        let rows = self.store.all(kind).rev();
        let rows = rows.filter(|row| keep(row) && fits(&call.params, own, row));
        self.page_of(call, kind, rows.collect())
    }

    /// A page of rows that are already sorted.
    pub(super) fn page_of(&self, call: &Call, kind: &str, mut rows: Vec<&Value>) -> Answer {
        let limit = limit(&call.params)?;
        let (after, before) = (
            opt(&call.params, "starting_after"),
            opt(&call.params, "ending_before"),
        );
        if after.is_some() && before.is_some() {
            let message = "You cannot parameterize with both starting_after and ending_before.";
            return refuse_param("parameters_exclusive", "starting_after", message);
        }
        let find = |rows: &[&Value], id: &str, param: &str| {
            rows.iter()
                .position(|row| text(row, "id") == id)
                .map_or_else(
                    || match self.store.get(id) {
                        Some(_) => Ok(None),
                        None => Err(ApiError::missing(&noun(kind), id, param)),
                    },
                    |index| Ok(Some(index)),
                )
        };
        let mut has_more = false;
        if let Some(id) = before {
            let end = find(&rows, id, "ending_before")?.unwrap_or(0);
            let start = end.saturating_sub(limit);
            has_more = start > 0;
            rows = rows[start..end].to_vec();
        } else {
            if let Some(id) = after {
                let start =
                    find(&rows, id, "starting_after")?.map_or(rows.len(), |index| index + 1);
                rows.drain(..start);
            }
            if rows.len() > limit {
                has_more = true;
                rows.truncate(limit);
            }
        }
        let data: Vec<Value> = rows.into_iter().cloned().collect();
        Ok(json!({"object": "list", "data": data, "has_more": has_more, "url": call.path}))
    }

    /// Searches objects with a query such as `email:'a@b' AND metadata['k']:'v'`.
    pub(super) fn search(&self, call: &Call, kind: &str) -> Answer {
        let query = required(&call.params, "query")?;
        let terms = Terms::parse(query)?;
        let limit = limit(&call.params)?;
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
        .replace('.', " ")
}

fn limit(params: &Value) -> Answer<usize> {
    let limit = opt_int(params, "limit").unwrap_or(10);
    let problem = match limit {
        1..=100 => return Ok(usize::try_from(limit).unwrap_or(10)),
        ..1 => "This value must be greater than or equal to 1.",
        _ => "This value must be less than or equal to 100.",
    };
    refuse_param("parameter_invalid_integer", "limit", problem)
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
fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found.as_i64()) {
        (Value::Object(_), Some(time)) => in_range(wanted, time),
        (Value::Object(fields), None) => fields
            .iter()
            .all(|(name, wanted)| agrees(wanted, get(found, name))),
        _ => wanted == found,
    }
}

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
