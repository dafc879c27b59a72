//! The control page at `/_twin`: the clock, webhooks, faults and recent activity.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;
use stripe::objects::{CheckoutPaymentStatus, CheckoutStatus};

use super::format::{iso, moment, money, plain};
use super::page;
use crate::app::App;
use crate::chaos::Chaos;
use crate::clock::MICROS_PER_SECOND;
use crate::core::{API_VERSION, Core, TaxView};
use crate::delivery_log::{Entry, Outcome};

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

struct PaymentRow {
    charge: String,
    amount: String,
    status: String,
    badge: &'static str,
    at: String,
    at_iso: String,
    /// Whether a dispute of the payment can be opened.
    may_dispute: bool,
    /// The open dispute of the payment, or an empty string.
    dispute: String,
}

struct TaxRow {
    country: String,
    state: String,
    percentage: String,
    kind: &'static str,
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
    /// The address of the shop, or an empty string if it is unknown.
    shop_url: String,
    fault: String,
    chaos: String,
    taxes: Vec<TaxRow>,
    payments: Vec<PaymentRow>,
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
        shop_url: app.read(shop_url),
        chaos: chaos_text(&twin.deliveries.chaos()),
        taxes: app.read(|core| core.taxes().iter().map(tax_row).collect()),
        payments: payments_of(&app),
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

fn chaos_text(chaos: &Chaos) -> String {
    if *chaos == Chaos::default() {
        return "Every delivery is sent once, in order.".to_owned();
    }
    let lost = f64::from(chaos.drop_per_million) / 10_000.0;
    let order = if chaos.reorder {
        "shuffled"
    } else {
        "in order"
    };
    format!(
        "{lost}% of the deliveries are lost; each is sent {} times, {order}, after up to {} s.",
        chaos.copies,
        chaos.delay / MICROS_PER_SECOND
    )
}

fn tax_row(tax: &TaxView) -> TaxRow {
    TaxRow {
        country: tax.country.clone(),
        state: tax.state.clone().unwrap_or_default(),
        percentage: format!("{}%", tax.percentage),
        kind: if tax.inclusive {
            "inclusive"
        } else {
            "exclusive"
        },
    }
}

/// The origin of the shop, which the newest Checkout session or webhook endpoint names.
fn shop_url(core: &Core) -> String {
    let session = core.newest("checkout.session", 1).pop();
    let endpoint = core.newest("webhook_endpoint", 1).pop();
    let url = session
        .and_then(|session| session["success_url"].as_str())
        .or_else(|| endpoint.and_then(|endpoint| endpoint["url"].as_str()));
    let Some((scheme, rest)) = url.and_then(|url| url.split_once("://")) else {
        return String::new();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/")
}

fn payments_of(app: &App) -> Vec<PaymentRow> {
    app.read(|core| {
        let charges = core.newest("charge", ROWS_MAX);
        let rows = charges.into_iter();
        rows.map(|charge| payment_row(core, charge)).collect()
    })
}

fn payment_row(core: &Core, charge: &Value) -> PaymentRow {
    let text = |name: &str| charge[name].as_str().unwrap_or_default().to_owned();
    let open = core.newest("dispute", ROWS_MAX).into_iter().find(|one| {
        let status = one["status"].as_str().unwrap_or_default();
        one["charge"] == charge["id"] && status.ends_with("needs_response")
    });
    let created = charge["created"].as_i64().unwrap_or_default();
    let is_disputed = charge["disputed"] == true;
    let paid = charge["paid"] == true && charge["captured"] == true;
    let (badge, status) = match (is_disputed, paid) {
        (true, _) => ("warn", "disputed".to_owned()),
        (_, true) => ("ok", "paid".to_owned()),
        (_, false) => ("bad", plain(&text("status"))),
    };
    PaymentRow {
        charge: text("id"),
        amount: money(
            charge["amount"].as_i64().unwrap_or_default(),
            &text("currency"),
        ),
        status,
        badge,
        at: moment(created),
        at_iso: iso(created),
        may_dispute: paid && !is_disputed && charge["refunded"] != true,
        dispute: open.map_or_else(String::new, |one| {
            one["id"].as_str().unwrap_or_default().to_owned()
        }),
    }
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
