//! The control page at `/_twin`: the clock, webhooks, faults and recent activity.

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use stripe::objects::{CheckoutPaymentStatus, CheckoutStatus};

use super::card::CardForm;
use super::format::{iso, moment, money, plain};
use super::{message, page, refused, see_other};
use crate::app::App;
use crate::clock::{ADVANCE_MAX, parse_duration};
use crate::core::API_VERSION;
use crate::deliveries::{Entry, Outcome};

/// The number of rows in each list on the page.
const ROWS_MAX: usize = 25;

struct EventRow {
    id: String,
    kind: String,
    object: String,
    at: String,
    at_iso: String,
}

struct DeliveryRow {
    kind: String,
    url: String,
    badge: &'static str,
    outcome: &'static str,
    tries: String,
    answer: String,
}

struct SessionRow {
    id: String,
    url: String,
    mode: String,
    status: String,
    badge: &'static str,
    amount: String,
    may_settle: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage {
    now: String,
    now_iso: String,
    ahead: String,
    is_advancing: bool,
    webhooks_are_on: bool,
    fault: String,
    email_count: String,
    version_note: String,
    sessions: Vec<SessionRow>,
    events: Vec<EventRow>,
    deliveries: Vec<DeliveryRow>,
}

/// `GET /`
pub(crate) async fn home() -> impl IntoResponse {
    Redirect::to("/_twin")
}

/// `GET /_twin`
pub(crate) async fn show(State(app): State<App>) -> Response {
    let twin = &app.twin;
    let clock = twin.clock.view();
    let ahead = clock.now.saturating_sub(twin.real_time.now_seconds());
    let emails = twin.mailbox().len();
    let board = BoardPage {
        now: moment(clock.now),
        now_iso: iso(clock.now),
        ahead: ahead_of_real_time(ahead),
        is_advancing: clock.advancing,
        webhooks_are_on: twin.deliveries.is_on(),
        fault: match twin.faults.active() {
            None => "No fault is set.".to_owned(),
            Some((fault, 1)) => format!("Fault for the next call: {}.", plain(fault.name())),
            Some((fault, count)) => {
                format!("Fault for the next {count} calls: {}.", plain(fault.name()))
            }
        },
        email_count: match emails {
            1 => "1 email".to_owned(),
            count => format!("{count} emails"),
        },
        version_note: format!(
            "Objects follow version {API_VERSION} of Stripe's API, whatever version a request names."
        ),
        sessions: sessions_of(&app),
        events: twin.newest_events(ROWS_MAX).iter().map(event_row).collect(),
        deliveries: twin
            .deliveries
            .newest_first(ROWS_MAX)
            .iter()
            .map(delivery_row)
            .collect(),
    };
    page(StatusCode::OK, &board)
}

fn ahead_of_real_time(seconds: i64) -> String {
    if seconds.abs() < 60 {
        return "The clock shows real time.".to_owned();
    }
    let (days, hours) = (seconds.abs() / 86_400, seconds.abs() % 86_400 / 3_600);
    let minutes = seconds.abs() % 3_600 / 60;
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    format!("The clock is {days} d {hours} h {minutes} min {side} real time.")
}

fn sessions_of(app: &App) -> Vec<SessionRow> {
    app.read(|core| {
        let sessions = core.newest("checkout.session", ROWS_MAX);
        sessions.into_iter().map(session_row).collect()
    })
}

fn session_row(session: &Value) -> SessionRow {
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    let status = CheckoutStatus::from(text("status").as_str());
    let payment = CheckoutPaymentStatus::from(text("payment_status").as_str());
    let is_unpaid = payment == CheckoutPaymentStatus::Unpaid;
    let amount = session["amount_total"].as_i64();
    SessionRow {
        url: format!("/c/pay/{}", text("id")),
        id: text("id"),
        mode: text("mode"),
        badge: match status {
            CheckoutStatus::Complete => "ok",
            CheckoutStatus::Open => "info",
            CheckoutStatus::Expired | CheckoutStatus::Other(_) => "warn",
        },
        may_settle: status == CheckoutStatus::Complete && is_unpaid,
        status: format!("{}, {}", plain(status.as_str()), plain(payment.as_str())),
        amount: amount.map_or_else(String::new, |amount| money(amount, &text("currency"))),
    }
}

fn event_row(event: &Value) -> EventRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let created = event["created"].as_i64().unwrap_or_default();
    EventRow {
        id: text(&event["id"]),
        kind: text(&event["type"]),
        object: text(&event["data"]["object"]["id"]),
        at: moment(created),
        at_iso: iso(created),
    }
}

fn delivery_row(entry: &Entry) -> DeliveryRow {
    let last = entry.tries.last();
    let answer = last.map_or_else(String::new, |last| match (last.status, &last.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.clone(),
        (None, None) => String::new(),
    });
    let (badge, outcome) = match entry.outcome {
        Outcome::Delivered => ("ok", "delivered"),
        Outcome::Waiting => ("info", "waiting"),
        Outcome::Failed => ("bad", "failed"),
        Outcome::Dropped => ("warn", "dropped"),
    };
    DeliveryRow {
        kind: entry.event_type.clone(),
        url: entry.url.clone(),
        badge,
        outcome,
        tries: entry.tries.len().to_string(),
        answer,
    }
}

/// `POST /_twin/board/clock`
pub(crate) async fn advance(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let duration = parse_duration(form.value("advance"));
    let Some(duration) = duration.filter(|duration| *duration <= ADVANCE_MAX) else {
        return unchanged(
            "Enter a number followed by s, m, h or d, for example 30d, and at most 10 years.",
        );
    };
    let target = app.twin.clock.now().saturating_add(duration);
    let twin = app.twin.clone();
    let advanced = tokio::spawn(async move { twin.advance_to(target).await }).await;
    match advanced {
        Ok(Some(_)) => see_other("/_twin"),
        Ok(None) => unchanged("Another advance is running. Wait until it has ended."),
        Err(_) => unchanged("The advance failed. The log has the details."),
    }
}

/// `POST /_twin/board/webhooks`
pub(crate) async fn webhooks(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    app.twin.deliveries.switch(form.value("enabled") == "true");
    see_other("/_twin")
}

/// `POST /_twin/board/faults`
pub(crate) async fn faults(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let number = |name: &str| form.value(name).parse::<u64>().ok();
    let fault = json!({
        "mode": form.value("mode"),
        "status": number("status"),
        "seconds": number("seconds"),
        "count": number("count"),
    });
    match app.twin.faults.set(&fault) {
        Ok(()) => see_other("/_twin"),
        Err(reason) => unchanged(&reason),
    }
}

/// `POST /_twin/board/settle`
pub(crate) async fn settle(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let (session, succeeded) = (form.value("session"), form.value("outcome") == "succeeded");
    let settled = app.change(|core, now| core.settle_checkout(session, succeeded, now));
    match settled {
        Ok(_) => see_other("/_twin"),
        Err(error) => refused(&error, "/_twin"),
    }
}

/// The page for a form that could not be applied.
fn unchanged(reason: &str) -> Response {
    let back = Some(("/_twin", "Back"));
    message(StatusCode::BAD_REQUEST, "Nothing changed", reason, back)
}
