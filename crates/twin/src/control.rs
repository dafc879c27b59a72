//! The control interface under `/_twin` for tests and the command line. It requires no API key.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::chaos::Chaos;
use crate::clock::{
    ADVANCE_MAX, FollowerReport, MICROS_PER_SECOND, Micros, parse_duration, parse_moment,
};
use crate::core::{
    PayError, Payment, Permissions, TaxView, is_decline_code, is_dispute_reason, permission_groups,
};
use crate::stopping::stopped;

/// The number of log rows that are returned when the caller sends no `limit`.
const ROWS_DEFAULT: usize = 200;

/// The largest `limit` that a caller may send.
const ROWS_MAX: usize = 2_000;

/// The longest real time for which an endpoint keeps its old secret.
const OLD_SECRET_MAX: Micros = 86_400 * MICROS_PER_SECOND;

/// A refusal, returned as JSON with a message.
#[derive(Debug)]
pub(crate) struct Refused(StatusCode, String);

impl Refused {
    fn bad(sentence: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.into())
    }
}

impl From<String> for Refused {
    fn from(sentence: String) -> Self {
        Self::bad(sentence)
    }
}

impl From<PayError> for Refused {
    fn from(error: PayError) -> Self {
        let status = match error {
            PayError::NotFound => StatusCode::NOT_FOUND,
            PayError::NotPossible(_) => StatusCode::BAD_REQUEST,
            PayError::Card { .. } | PayError::RequiresAuthentication => {
                StatusCode::PAYMENT_REQUIRED
            }
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "message": self.1 } });
        (self.0, Json(body)).into_response()
    }
}

type Answer = Result<Json<Value>, Refused>;

/// Reads the body as a JSON object with these fields, whatever its content type. An empty body counts
/// as `{}`.
fn object(body: &Bytes, fields: &[&str]) -> Result<Value, Refused> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refused::bad(format!("The body is not valid JSON: {error}.")))?;
    let Some(all) = value.as_object() else {
        return Err(Refused::bad("The body must be a JSON object."));
    };
    match all.keys().find(|name| !fields.contains(&name.as_str())) {
        None => Ok(value),
        Some(name) => Err(Refused::bad(format!(
            "Unknown field {name}. The fields are {}.",
            fields.join(", ")
        ))),
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<Option<&'a str>, Refused> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) if !text.is_empty() => Ok(Some(text)),
        _ => Err(Refused::bad(format!("{name} must be a non-empty string."))),
    }
}

fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refused> {
    text(body, name)?.ok_or_else(|| Refused::bad(format!("{name} is required.")))
}

/// `POST /_twin/checkout/sessions/{id}/pay`
pub(crate) async fn pay(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let body = object(&body, &["payment_method"])?;
    let payment = match text(&body, "payment_method")?.unwrap_or("card") {
        "none" => {
            let paid = app.change(|core, now| core.finish_free_checkout(&id, now));
            return Ok(Json(paid?));
        }
        "card" => Payment::Method("pm_card_visa".to_owned()),
        "delayed" => Payment::Delayed,
        method => Payment::Method(method.to_owned()),
    };
    let paid = app.change(|core, now| core.pay_checkout(&id, payment, now));
    Ok(Json(paid?))
}

/// `POST /_twin/checkout/sessions/{id}/settle`
pub(crate) async fn settle(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> Answer {
    let body = object(&body, &["outcome"])?;
    let succeeded = match text(&body, "outcome")?.unwrap_or("succeeded") {
        "succeeded" => true,
        "failed" => false,
        _ => return Err(Refused::bad("outcome must be succeeded or failed.")),
    };
    let settled = app.change(|core, now| core.settle_checkout(&id, succeeded, now));
    Ok(Json(settled?))
}

/// `GET /_twin/webhooks`
pub(crate) async fn webhooks(State(app): State<App>) -> Json<Value> {
    Json(json!({ "enabled": app.twin.deliveries.is_on() }))
}

/// `POST /_twin/webhooks`
pub(crate) async fn set_webhooks(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["enabled"])?;
    let enabled = body["enabled"]
        .as_bool()
        .ok_or_else(|| Refused::bad("enabled must be true or false."))?;
    app.twin.deliveries.switch(enabled);
    Ok(Json(json!({ "enabled": enabled })))
}

/// `GET /_twin/chaos`
pub(crate) async fn chaos(State(app): State<App>) -> Json<Value> {
    Json(view_of(&app.twin.deliveries.chaos()))
}

/// `POST /_twin/chaos`
pub(crate) async fn set_chaos(State(app): State<App>, body: Bytes) -> Answer {
    let chaos = Chaos::read(&object(&body, &["drop", "duplicate", "reorder", "delay"])?)?;
    let view = view_of(&chaos);
    app.twin.deliveries.set_chaos(chaos);
    Ok(Json(view))
}

fn view_of(chaos: &Chaos) -> Value {
    json!({
        "drop": f64::from(chaos.drop_per_million) / 1_000_000.0,
        "duplicate": chaos.copies,
        "reorder": chaos.reorder,
        "delaySeconds": chaos.delay / 1_000_000,
    })
}

/// `GET /_twin/faults`
pub(crate) async fn faults(State(app): State<App>) -> Json<Value> {
    Json(json!(app.twin.faults.view()))
}

/// `POST /_twin/faults`
pub(crate) async fn set_faults(State(app): State<App>, body: Bytes) -> Answer {
    app.twin.faults.set(&object(
        &body,
        &["mode", "status", "when", "count", "seconds", "key"],
    )?)?;
    Ok(Json(json!(app.twin.faults.view())))
}

/// `GET /_twin/rate-limits`
pub(crate) async fn rate_limits(State(app): State<App>) -> Json<Value> {
    Json(json!(app.twin.rate_limits.view()))
}

/// `POST /_twin/rate-limits`
pub(crate) async fn set_rate_limits(State(app): State<App>, body: Bytes) -> Answer {
    app.twin
        .rate_limits
        .set(&object(&body, &["enabled", "perSecond", "perEndpoint"])?)?;
    Ok(Json(json!(app.twin.rate_limits.view())))
}

/// `POST /_twin/portal-configuration`: takes the default portal configuration away, or saves it, as a
/// click in the Dashboard does.
pub(crate) async fn set_portal_configuration(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["enabled"])?;
    let enabled = body["enabled"]
        .as_bool()
        .ok_or_else(|| Refused::bad("enabled must be true or false."))?;
    app.change(|core, _| {
        if enabled {
            core.save_portal_defaults();
        } else {
            core.remove_portal_defaults();
        }
    });
    Ok(Json(json!({ "enabled": enabled })))
}

/// `POST /_twin/keys`: creates a restricted key with `{"permissions": {"customer": "write"}}`.
pub(crate) async fn add_key(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["permissions"])?;
    let permissions: Permissions = serde_json::from_value(body["permissions"].clone())
        .map_err(|_| Refused::bad("permissions must map names to read or write."))?;
    for name in permissions.keys() {
        if !permission_groups().any(|known| known == name) {
            return Err(Refused::bad(format!(
                "There is no permission named {name}."
            )));
        }
    }
    let key = app.change(|core, _| core.add_restricted_key(permissions));
    Ok(Json(json!({ "key": key })))
}

/// `GET /_twin/tax`: the table from which automatic tax is computed.
pub(crate) async fn taxes(State(app): State<App>) -> Json<Value> {
    list(app.read(|core| core.taxes().iter().map(tax_view).collect()))
}

/// `POST /_twin/tax`: sets the tax of a country or of a state in it, such as
/// `{"country": "US", "state": "NY", "percentage": "8.875"}`. A percentage of null removes it.
pub(crate) async fn set_tax(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["country", "state", "percentage", "inclusive"])?;
    let (country, state) = (required(&body, "country")?, text(&body, "state")?);
    let inclusive = body["inclusive"].as_bool().unwrap_or(false);
    let percentage = match &body["percentage"] {
        Value::Null => {
            app.change(|core, _| core.clear_tax(country, state));
            return Ok(Json(
                json!({ "country": country, "state": state, "percentage": null }),
            ));
        }
        Value::Number(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let set = app.change(|core, _| core.set_tax(country, state, &percentage, inclusive));
    Ok(Json(tax_view(&set?)))
}

fn tax_view(tax: &TaxView) -> Value {
    json!({ "country": tax.country, "state": tax.state, "percentage": tax.percentage,
            "inclusive": tax.inclusive })
}

/// `POST /_twin/webhook-endpoints/{id}/roll`: gives the endpoint a new secret, as a click in the
/// Dashboard does. The old one also signs until `expires_in` has passed.
pub(crate) async fn roll_secret(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let body = object(&body, &["expires_in"])?;
    let keeps = match text(&body, "expires_in")? {
        None => 0,
        Some(duration) => parse_duration(duration)
            .filter(|duration| *duration <= OLD_SECRET_MAX)
            .ok_or_else(|| {
                Refused::bad("expires_in must be a number followed by s, m, h or d, at most 24h.")
            })?,
    };
    let until = app.twin.real_time.now_seconds() + keeps / MICROS_PER_SECOND;
    let secret = app
        .change(|core, _| core.roll_webhook_secret(&id, until))
        .ok_or_else(|| {
            Refused(
                StatusCode::NOT_FOUND,
                "There is no such endpoint.".to_owned(),
            )
        })?;
    Ok(Json(json!({ "secret": secret })))
}

/// The query of a poll by a follower of the clock.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Poll {
    seen: Option<u64>,
    idle: Option<String>,
    due: Option<String>,
    wait_ms: Option<u64>,
    follower: Option<String>,
}

/// `GET /_twin/clock`: the current time. With `seen`, it waits for the clock to move.
pub(crate) async fn clock(State(mut app): State<App>, Query(query): Query<Poll>) -> Answer {
    let is_follower = query.follower.is_some() || query.seen.is_some() || query.idle.is_some();
    if !is_follower {
        return Ok(Json(json!(app.twin.clock.view())));
    }
    let due = match query.due.as_deref() {
        None | Some("") => None,
        Some(due) => Some(
            parse_moment(due)
                .ok_or_else(|| Refused::bad("due must be RFC 3339 or seconds since 1970."))?,
        ),
    };
    let report = FollowerReport {
        name: query
            .follower
            .unwrap_or_default()
            .chars()
            .take(100)
            .collect(),
        seen: query.seen,
        idle: query
            .idle
            .is_some_and(|idle| matches!(idle.as_str(), "1" | "true")),
        due,
    };
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(1_000));
    let view = tokio::select! {
        view = app.twin.clock.poll(report, wait) => view,
        () = stopped(&mut app.stop) => app.twin.clock.view(),
    };
    Ok(Json(json!(view)))
}

/// `POST /_twin/clock`: responds when all work due by the target time is done.
pub(crate) async fn advance(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["advance", "to"])?;
    let now = app.twin.clock.now();
    let target = match (&body["advance"], &body["to"]) {
        (Value::String(duration), Value::Null) => parse_duration(duration)
            .filter(|duration| *duration <= ADVANCE_MAX)
            .map(|duration| now.saturating_add(duration))
            .ok_or_else(|| {
                Refused::bad(
                    "advance must be a number followed by s, m, h or d, and at most 10 years.",
                )
            })?,
        (Value::Null, to @ (Value::String(_) | Value::Number(_))) => {
            let text = to
                .as_str()
                .map_or_else(|| to.to_string(), ToOwned::to_owned);
            parse_moment(&text)
                .filter(|to| *to <= now.saturating_add(ADVANCE_MAX))
                .ok_or_else(|| {
                    Refused::bad(
                        "to must be RFC 3339 or seconds since 1970, and at most 10 years ahead.",
                    )
                })?
        }
        _ => {
            return Err(Refused::bad(
                "Send either advance, for example \"30d\", or to, a moment.",
            ));
        }
    };
    if target < now {
        return Err(Refused::bad("The clock cannot move backward."));
    }
    // It runs in its own task, so that a client that disconnects doesn't stop the clock halfway.
    let twin = app.twin.clone();
    let advanced = tokio::spawn(async move { twin.advance_to(target).await }).await;
    match advanced {
        Ok(Ok(advanced)) => Ok(Json(json!(advanced))),
        Ok(Err(busy)) => Err(Refused(StatusCode::CONFLICT, busy.to_string())),
        Err(_) => Err(Refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The advance failed; see the log.".to_owned(),
        )),
    }
}

/// `POST /_twin/trigger`
pub(crate) async fn trigger(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["type"])?;
    let kind = required(&body, "type")?;
    let triggered = app.change(|core, now| core.trigger(kind, now))?;
    Ok(Json(json!({ "type": kind, "events": triggered })))
}

/// `POST /_twin/decline-next`
pub(crate) async fn decline_next(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["customer", "code"])?;
    let (customer, code) = (text(&body, "customer")?, text(&body, "code")?);
    let code = code.unwrap_or("generic_decline");
    if !is_decline_code(code) {
        return Err(Refused::bad(format!("There is no decline code {code}.")));
    }
    app.change(|core, _| core.decline_next(customer, code));
    Ok(Json(json!({ "customer": customer, "code": code })))
}

/// `POST /_twin/dispute`
pub(crate) async fn dispute(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["charge", "reason"])?;
    let charge = required(&body, "charge")?;
    let reason = text(&body, "reason")?.unwrap_or("fraudulent");
    if !is_dispute_reason(reason) {
        return Err(Refused::bad(format!(
            "There is no dispute reason {reason}."
        )));
    }
    let disputed = app.change(|core, now| core.dispute(charge, reason, now));
    Ok(Json(disputed?))
}

/// `POST /_twin/dispute/close`
pub(crate) async fn close_dispute(State(app): State<App>, body: Bytes) -> Answer {
    let body = object(&body, &["dispute", "outcome"])?;
    let id = required(&body, "dispute")?;
    let won = match required(&body, "outcome")? {
        "won" => true,
        "lost" => false,
        _ => return Err(Refused::bad("outcome must be won or lost.")),
    };
    let closed = app.change(|core, now| core.close_dispute(id, won, now));
    Ok(Json(closed?))
}

/// The number of log rows that the caller requests.
#[derive(Debug, Deserialize)]
pub(crate) struct Limit {
    limit: Option<usize>,
}

impl Limit {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX)
    }
}

fn list(rows: Value) -> Json<Value> {
    Json(json!({ "data": rows }))
}

/// `GET /_twin/requests`, newest first
pub(crate) async fn requests(State(app): State<App>, Query(limit): Query<Limit>) -> Json<Value> {
    list(json!(app.twin.requests.newest_first(limit.rows())))
}

/// `GET /_twin/deliveries`, newest first
pub(crate) async fn deliveries(State(app): State<App>, Query(limit): Query<Limit>) -> Json<Value> {
    list(json!(app.twin.deliveries.newest_first(limit.rows())))
}

/// `GET /_twin/events`, newest first
pub(crate) async fn events(State(app): State<App>, Query(limit): Query<Limit>) -> Json<Value> {
    list(json!(app.twin.newest_events(limit.rows())))
}

/// `GET /_twin/smtp`: the address of the SMTP sink.
pub(crate) async fn smtp(State(app): State<App>) -> Json<Value> {
    Json(json!({ "address": app.twin.smtp_address }))
}

/// `GET /_twin/mails`, newest first
pub(crate) async fn emails(State(app): State<App>, Query(limit): Query<Limit>) -> Json<Value> {
    let mailbox = app.twin.mailbox();
    let emails: Vec<_> = mailbox.newest_first().take(limit.rows()).collect();
    list(json!(emails))
}

/// `DELETE /_twin/mails`
pub(crate) async fn clear_emails(State(app): State<App>) -> StatusCode {
    app.twin.mailbox().clear();
    StatusCode::NO_CONTENT
}
