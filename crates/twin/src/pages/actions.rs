//! The forms of the control page.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::card::CardForm;
use super::{message, refused, see_other};
use crate::app::App;
use crate::chaos::Chaos;
use crate::clock::{ADVANCE_MAX, parse_duration};
use crate::core::is_decline_code;

/// Where every form of the page leads.
const PAGE: &str = "/_twin";

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
        Ok(Ok(_)) => see_other(PAGE),
        Ok(Err(busy)) => unchanged(&busy.to_string()),
        Err(_) => unchanged("The advance failed. The log has the details."),
    }
}

/// `POST /_twin/board/webhooks`
pub(crate) async fn webhooks(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    app.twin.deliveries.switch(form.value("enabled") == "true");
    see_other(PAGE)
}

/// `POST /_twin/board/faults`
pub(crate) async fn faults(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let number = |name: &str| form.value(name).parse::<u64>().ok();
    let when = form.value("when");
    let fault = json!({
        "mode": form.value("mode"),
        "status": number("status"),
        "when": if when.is_empty() { Value::Null } else { when.into() },
        "seconds": number("seconds"),
        "count": number("count"),
    });
    done(app.twin.faults.set(&fault))
}

/// `POST /_twin/board/chaos`
pub(crate) async fn chaos(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let percent = form.value("drop").parse::<f64>().unwrap_or(0.0);
    let delay = form.value("delay");
    let mut wanted = json!({
        "drop": percent / 100.0,
        "duplicate": form.value("duplicate").parse::<u64>().unwrap_or(1),
        "reorder": form.value("reorder") == "true",
    });
    if !delay.is_empty() {
        wanted["delay"] = delay.into();
    }
    match Chaos::read(&wanted) {
        Ok(chaos) => {
            app.twin.deliveries.set_chaos(chaos);
            see_other(PAGE)
        }
        Err(reason) => unchanged(&reason),
    }
}

/// `POST /_twin/board/decline`
pub(crate) async fn decline(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let code = match form.value("code") {
        "" => "generic_decline",
        code => code,
    };
    if !is_decline_code(code) {
        return unchanged("There is no such decline code.");
    }
    app.change(|core, _| core.decline_next(None, code));
    see_other(PAGE)
}

/// `POST /_twin/board/dispute`
pub(crate) async fn dispute(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let charge = form.value("charge");
    match app.change(|core, now| core.dispute(charge, "fraudulent", now)) {
        Ok(_) => see_other(PAGE),
        Err(error) => refused(&error, PAGE),
    }
}

/// `POST /_twin/board/dispute/close`
pub(crate) async fn close_dispute(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let (dispute, won) = (form.value("dispute"), form.value("outcome") == "won");
    match app.change(|core, now| core.close_dispute(dispute, won, now)) {
        Ok(_) => see_other(PAGE),
        Err(error) => refused(&error, PAGE),
    }
}

/// `POST /_twin/board/tax`: a tax without a percentage is removed.
pub(crate) async fn tax(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let country = form.value("country").trim().to_uppercase();
    let state = form.value("state").trim().to_uppercase();
    let state = Some(state.as_str()).filter(|state| !state.is_empty());
    let percentage = form.value("percentage").trim();
    if percentage.is_empty() {
        app.change(|core, _| core.clear_tax(&country, state));
        return see_other(PAGE);
    }
    let inclusive = form.value("inclusive") == "true";
    match app.change(|core, _| core.set_tax(&country, state, percentage, inclusive)) {
        Ok(_) => see_other(PAGE),
        Err(error) => refused(&error, PAGE),
    }
}

/// `POST /_twin/board/settle`
pub(crate) async fn settle(State(app): State<App>, body: Bytes) -> Response {
    let form = CardForm::read(&body, false);
    let (session, succeeded) = (form.value("session"), form.value("outcome") == "succeeded");
    match app.change(|core, now| core.settle_checkout(session, succeeded, now)) {
        Ok(_) => see_other(PAGE),
        Err(error) => refused(&error, PAGE),
    }
}

fn done(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => see_other(PAGE),
        Err(reason) => unchanged(&reason),
    }
}

/// The page for a form that could not be applied.
fn unchanged(reason: &str) -> Response {
    let back = Some((PAGE, "Back"));
    message(StatusCode::BAD_REQUEST, "Nothing changed", reason, back)
}
