//! `/admin/events/{id}`: one webhook event, its tries, its payload and its replay.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use store::accounts::Account;
use store::events::Event;

use super::operator_shell;
use crate::actors::Operator;
use crate::actors::roles::Right;
use crate::app::App;
use crate::error::Error;
use crate::http::error::HttpResult;
use crate::http::middleware::RequestId;
use crate::pages::components::Prose;
use crate::pages::components::{Action, Badge, Banner, Fact, Json, Kind, Moment};
use crate::pages::confirm::ConfirmPage;
use crate::pages::icons::Icon;
use crate::pages::layout::Nav;
use crate::pages::layout::Shell;
use crate::pages::{format, serve, words};
use crate::sync::compare;

/// Longest that Stripe is waited for; the page is shown without it then.
const STRIPE_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// One event.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/event.html")]
pub struct EventPage {
    /// The frame.
    pub shell: Shell,
    /// Stripe's id of it.
    pub id: String,
    /// `checkout.session.completed`
    pub kind: String,
    /// Its state.
    pub badge: Badge,
    /// What became of it, in words; the worst cases say what to do.
    pub outcome: Option<Banner>,
    /// Object, account, signature, API version, effect.
    pub facts: Vec<Fact>,
    /// The tries, newest first.
    pub tries: Vec<Moment>,
    /// The payload; none once it was dropped.
    pub payload: Option<Json>,
    /// Said about the payload: what is hidden, or when it was dropped.
    pub payload_note: String,
    /// Replays it: a post to `/admin/events/{id}/replay`, or a link to the page that asks first.
    pub replay: Option<Action>,
    /// The event at Stripe.
    pub at_stripe: Option<String>,
}

impl EventPage {
    /// Leads to the page that says what a replay would change, and asks.
    pub fn replay_link(id: &str) -> Action {
        Action::link("Replay", format!("/admin/events/{id}/replay"))
            .small()
            .primary()
            .icon(Icon::Replay)
    }

    fn open_at_stripe(&self, href: &str) -> Action {
        Action::external("Open in Stripe", href).small()
    }

    fn mark(&self, kind: &Kind) -> String {
        kind.to_string().trim().to_owned()
    }

    /// Processed, failed, without its payload, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::pages::components::Prose;
    use crate::pages::format;
    use crate::pages::layout::Nav;
    use crate::pages::samples::{self, EVIL, NOW};

    const PAYLOAD: &str = r#"{"id":"evt_1QNcAaJ4","object":"event","api_version":"2026-08-26.dahlia","created":1795352553,"type":"checkout.session.completed","livemode":false,"data":{"object":{"id":"cs_test_c9Hd","object":"checkout.session","mode":"payment","payment_status":"paid","amount_total":1000,"currency":"usd","customer":"cus_RGk2","metadata":{"type":"topup","credits":"10000"},"customer_details":{"email":"[hidden]"}}}}"#;

    pub fn all() -> Vec<(&'static str, EventPage)> {
        let processed = EventPage {
            badge: Badge::ok("Processed"),
            outcome: Some(Banner::new(
                Kind::Ok,
                "10,000 credits were added",
                "Once, at the first try.",
            )),
            tries: vec![moment(Kind::Ok, "Received, signature verified, stored")],
            payload: None,
            payload_note: "The payload was dropped 7 days after processing.".to_owned(),
            ..failed()
        };
        let long = format!(
            r#"{{"name":{},"list":[{}]}}"#,
            serde_json::json!(EVIL),
            "1,".repeat(9_000) + "1"
        );
        let worst = EventPage {
            shell: samples::worst(Nav::AdminEvents),
            id: "\"><script>".to_owned(),
            kind: EVIL.to_owned(),
            outcome: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
            facts: vec![Fact::new(EVIL, EVIL); 10],
            tries: vec![moment(Kind::Warn, EVIL); 20],
            payload: Some(Json::new(&long)),
            at_stripe: Some("https://x.example/\"><script>".to_owned()),
            ..failed()
        };
        let odd = EventPage {
            payload: Some(Json::new(EVIL)),
            replay: None,
            ..failed()
        };
        vec![
            ("failed", failed()),
            ("processed", processed),
            ("odd", odd),
            ("worst", worst),
        ]
    }

    fn failed() -> EventPage {
        EventPage {
            shell: samples::admin(Nav::AdminEvents),
            id: "evt_1QNcAaJ4".to_owned(),
            kind: "checkout.session.completed".to_owned(),
            badge: Badge::bad("Failed"),
            outcome: Some(Banner::new(
                Kind::Bad,
                "Paid, but credits were not added",
                "The account was not known when the event came. A replay now will add 10,000 credits.",
            )),
            facts: vec![
                Fact::new("Object", Prose::default().code("cs_test_c9Hd")),
                Fact::new(
                    "Account",
                    Prose::default().link("Acme Robotics", "/admin/accounts/acc_1"),
                ),
                Fact::new("Signature", "Verified, secret 1 of 2, 1 s old"),
                Fact::new("API version", "2026-08-26.dahlia"),
                Fact::new("Effect so far", "None. Nothing was half applied."),
            ],
            tries: vec![
                Moment {
                    detail: Some("Parked for a person".to_owned()),
                    ..moment(Kind::Bad, "Try 8 failed: account_not_found")
                },
                moment(Kind::Bad, "Tries 1 to 7 failed: account_not_found"),
                moment(Kind::Ok, "Received, signature verified, stored"),
            ],
            payload: Some(Json::new(PAYLOAD)),
            payload_note: "Personal data is hidden.".to_owned(),
            replay: Some(EventPage::replay_link("evt_1QNcAaJ4")),
            at_stripe: Some("https://dashboard.stripe.com/test/events/evt_1QNcAaJ4".to_owned()),
        }
    }

    fn moment(kind: Kind, title: &str) -> Moment {
        Moment {
            kind,
            title: title.to_owned(),
            detail: None,
            when: format::clock(NOW),
        }
    }
}

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
    serve::html(&EventPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminEvents),
        id: event.event_id.clone(),
        kind: event.kind.clone(),
        badge: words::event_badge(&event.state),
        outcome: outcome(&event),
        facts: facts(&event, account.as_ref()),
        tries: tries(&event),
        payload_note: match payload {
            Some(_) => "As Stripe sent it. What it says was not applied: the account was fetched."
                .to_owned(),
            None => "The payload was dropped after its time.".to_owned(),
        },
        payload,
        replay: operator
            .may(Right::Replay)
            .then(|| EventPage::replay_link(&event.event_id)),
        at_stripe: at_stripe(&app, &event.event_id),
    })
}

fn at_stripe(app: &App, event: &str) -> Option<String> {
    if app.twin_url.is_some() {
        return None;
    }
    let mode = if app.settings.stripe.is_live() {
        ""
    } else {
        "/test"
    };
    Some(format!("https://dashboard.stripe.com{mode}/events/{event}"))
}

/// `GET /admin/events/{id}/replay`: says what a replay would change, and asks.
pub async fn ask(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> HttpResult<Html<String>> {
    let event = app.read(move |tx| store::events::find(tx, &id)).await?;
    let event = event.ok_or_else(|| Error::not_found("There is no such event."))?;
    let shell = operator_shell(&app, &operator, Nav::AdminEvents);
    let facts = would_change(&app, event.account_id).await;
    serve::html(&ConfirmPage::replay_event(
        shell,
        &event.event_id,
        &event.kind,
        facts,
    ))
}

/// What differs between our rows and Stripe's now: what a replay would bring in line.
pub async fn would_change(app: &App, account: Option<i64>) -> Vec<Fact> {
    let Some(account) = account else {
        return vec![Fact::new(
            "Account",
            "not known yet; it is looked for again",
        )];
    };
    match tokio::time::timeout(STRIPE_MAX, compare::account(app, account)).await {
        Ok(Ok(comparison)) if comparison.agrees() => {
            vec![Fact::new(
                "Would change",
                "nothing: everything agrees already",
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
            "did not answer; what changes is not known",
        )],
    }
}

/// `POST /admin/events/{id}/replay`: syncs the event's account afresh. Safe at any time.
pub async fn replay(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    let actor = &operator.0.public_id;
    let (event, _) = crate::api::admin::replay(&app, &id, actor, Some(&request_id)).await?;
    Ok(Redirect::to(&format!("/admin/events/{}", event.event_id)))
}

fn outcome(event: &Event) -> Option<Banner> {
    let said = event.outcome.clone().or_else(|| event.last_error.clone())?;
    let (kind, title) = match event.state.as_str() {
        "done" => (Kind::Ok, "Processed"),
        "ignored" => (Kind::Info, "Not ours to handle"),
        "parked" => (Kind::Bad, "It waits for a person"),
        _ => (Kind::Warn, "It will be tried again"),
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
        Fact::new("Tries", format::count(event.attempts.unsigned_abs())),
    ]
}

fn tries(event: &Event) -> Vec<Moment> {
    let received = Moment {
        kind: Kind::Info,
        title: "Received and written down".to_owned(),
        detail: None,
        when: format::second(event.received_at.micros()),
    };
    let processed = event.processed_at.map(|at| Moment {
        kind: Kind::Ok,
        title: "Processed".to_owned(),
        detail: event.outcome.clone(),
        when: format::second(at.micros()),
    });
    processed.into_iter().chain([received]).collect()
}
