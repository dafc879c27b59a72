//! `/admin/events/{id}`: one webhook event, its attempts, its payload and its replay.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::error::Error;
use billing::sync::compare;
use billing::sync::compare::Ours;
use store::accounts::Account;
use store::events::{Event, EventState};
use views::admin::event::EventPage;
use views::components::{Banner, Fact, Json, Kind, Prose, TimelineEntry};
use views::confirm::ConfirmPage;
use views::layout::Nav;
use views::{format, labels};

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::request_id::RequestId;
use crate::pages::admin::{at_stripe, operator_shell};

/// Longest wait for Stripe; after that the page is shown without its data.
const STRIPE_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// `GET /admin/events/{id}`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> HttpResult<Html<String>> {
    let found = app
        .read(move |tx| {
            let Some(event) = store::events::find(tx, &id)? else {
                return Ok(None);
            };
            let payload = store::events::payload(tx, event.n)?;
            let account = match event.account_id {
                Some(account) => store::accounts::find(tx, account)?,
                None => None,
            };
            Ok(Some((event, payload, account)))
        })
        .await?;
    let (event, payload, account) =
        found.ok_or_else(|| Error::not_found("There is no such event."))?;
    let payload = payload.map(|bytes| Json::new(&String::from_utf8_lossy(&bytes)));
    frame::html(&EventPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminEvents),
        id: event.event_id.clone(),
        kind: event.kind.clone(),
        badge: labels::event_badge(event.state.word()),
        outcome: outcome(&event),
        facts: facts(&event, account.as_ref()),
        timeline: tries(&event),
        payload_note: match payload {
            Some(_) => "As Stripe sent it. We don't apply the payload: we fetch the account's \
                        current state instead."
                .to_owned(),
            None => "The payload was deleted after its retention period.".to_owned(),
        },
        payload,
        replay: operator
            .may(Right::Replay)
            .then(|| EventPage::replay_link(&event.event_id)),
        at_stripe: at_stripe(&app, &format!("events/{}", event.event_id)),
    })
}

/// `GET /admin/events/{id}/replay`: previews what a replay would change, and asks to confirm.
pub async fn ask(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> HttpResult<Html<String>> {
    let found = app
        .read(move |tx| {
            let Some(event) = store::events::find(tx, &id)? else {
                return Ok(None);
            };
            let ours = event.account_id.map(|account| compare::ours(tx, account));
            Ok(Some((event, ours.transpose()?)))
        })
        .await?;
    let (event, ours) = found.ok_or_else(|| Error::not_found("There is no such event."))?;
    let shell = operator_shell(&app, &operator, Nav::AdminEvents);
    let facts = would_change(&app, ours).await;
    frame::html(&ConfirmPage::replay_event(
        shell,
        &event.event_id,
        &event.kind,
        facts,
    ))
}

/// The differences between our rows and Stripe's now, which a replay would fix.
async fn would_change(app: &App, ours: Option<Ours>) -> Vec<Fact> {
    let Some(ours) = ours else {
        return vec![Fact::new("Account", "unknown so far; we'll look again")];
    };
    match tokio::time::timeout(STRIPE_MAX, compare::with_stripe(app, ours)).await {
        Ok(Ok(comparison)) if comparison.agrees() => {
            vec![Fact::new(
                "Would change",
                "nothing: everything already agrees",
            )]
        }
        Ok(Ok(comparison)) => comparison
            .lines
            .iter()
            .filter(|line| !line.agrees())
            .map(|line| Fact::new(&line.name, format!("{} to {}", line.ours, line.theirs)))
            .collect(),
        Ok(Err(_)) | Err(_) => vec![Fact::new(
            "Stripe",
            "did not answer, so the changes are unknown",
        )],
    }
}

/// `POST /admin/events/{id}/replay`: syncs the event's account again. Safe at any time.
pub async fn replay(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    let actor = &operator.0.public_id;
    let (event, _) =
        billing::operators::events::replay(&app, &id, actor, Some(&request_id)).await?;
    Ok(Redirect::to(&format!("/admin/events/{}", event.event_id)))
}

fn outcome(event: &Event) -> Option<Banner> {
    let said = event.outcome.clone().or_else(|| event.last_error.clone())?;
    let (kind, title) = match event.state {
        EventState::Done => (Kind::Ok, "Processed"),
        EventState::Ignored => (Kind::Info, "Not handled"),
        EventState::Parked => (Kind::Bad, "Needs manual review"),
        _ => (Kind::Warn, "Will be retried"),
    };
    Some(Banner::new(kind, title, said))
}

fn facts(event: &Event, account: Option<&Account>) -> Vec<Fact> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let whose = match account {
        Some(account) => Prose::new("").link(
            account.name.clone(),
            format!("/admin/accounts/{}", account.public_id),
        ),
        None => Prose::new("not known yet"),
    };
    vec![
        Fact::new("Object", Prose::new("").code(text(&event.object_id))),
        Fact::new("Account", whose),
        Fact::new("Customer", Prose::new("").code(text(&event.customer_id))),
        Fact::new("API version", text(&event.api_version)),
        Fact::new(
            "Made",
            Prose::new("").time(format::moment(event.created_at.micros())),
        ),
        Fact::new(
            "Received",
            Prose::new("").time(format::moment(event.received_at.micros())),
        ),
        Fact::new("Attempts", format::count(event.attempts.unsigned_abs())),
    ]
}

fn tries(event: &Event) -> Vec<TimelineEntry> {
    let received = TimelineEntry {
        kind: Kind::Info,
        title: "Received and stored".to_owned(),
        detail: None,
        when: format::second(event.received_at.micros()),
    };
    let processed = event.processed_at.map(|at| TimelineEntry {
        kind: Kind::Ok,
        title: "Processed".to_owned(),
        detail: event.outcome.clone(),
        when: format::second(at.micros()),
    });
    processed.into_iter().chain([received]).collect()
}
