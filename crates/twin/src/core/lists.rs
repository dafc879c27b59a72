//! Lists (newest first), cursors and searches.

use std::ops::RangeBounds;

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::indexes::{self, Index};
use super::value::{get, list, opt, opt_int, text};
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
}

/// The name of a kind in Stripe's messages.
pub(super) fn noun(kind: &str) -> String {
    kind.replace("checkout.session", "checkout session")
        .replace("invoiceitem", "invoice item")
        .replace("webhook_endpoint", "webhook endpoint")
        .replace("tax_rate", "tax rate")
        .replace("customer_balance_transaction", "balance transaction")
        .replace("test_helpers.test_clock", "test clock")
        .replace('.', " ")
}

/// The size of a page. Stripe takes a number outside of its bounds as the nearest allowed one.
pub(super) fn limit(params: &Value) -> usize {
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

/// The objects of a list that is stored inside another object.
pub(super) fn inner<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    list(object, &format!("{path}.data"))
}
