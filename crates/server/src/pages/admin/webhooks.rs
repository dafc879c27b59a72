//! `/admin/webhooks`: where notices go, and what became of them.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::outbox::{self, Message};
use store::webhook_endpoints::{self, WebhookEndpoint};

use super::{ROWS, operator_shell, page_of};
use crate::actors::{Operator, Visitor};
use crate::api::lists::PageParams;
use crate::api::webhook_endpoints::{self as endpoints, BY_HAND, Wanted};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{HttpResult, status_of};
use crate::pages::components::{Action, Badge, Pager};
use crate::pages::format::When;
use crate::pages::icons::Icon;
use crate::pages::layout::{Nav, Shell};
use crate::pages::serve::Fields;
use crate::pages::{format, serve};

/// The list of endpoints with the form for a new one.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhooks.html")]
pub struct WebhooksPage {
    /// The frame.
    pub shell: Shell,
    /// The secret of the endpoint that was just made, shown this once.
    pub secret: Option<String>,
    /// Whether the reader may make one.
    pub may_act: bool,
    /// The address, as typed.
    pub url: String,
    /// What is wrong with it.
    pub url_error: Option<String>,
    /// The oldest first.
    pub rows: Vec<EndpointRow>,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct EndpointRow {
    /// Its page.
    pub href: String,
    /// Where it is.
    pub url: String,
    /// What it wants.
    pub events: String,
    /// When it was made.
    pub created: When,
    /// Whether notices go there.
    pub badge: Badge,
}

/// One endpoint with its deliveries.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/webhook.html")]
pub struct EndpointPage {
    /// The frame.
    pub shell: Shell,
    /// A new secret, shown this once.
    pub secret: Option<String>,
    /// The endpoint.
    pub row: EndpointRow,
    /// What can be done with it.
    pub actions: Vec<Action>,
    /// Newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One notice on its way.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// What it tells of.
    pub kind: String,
    /// Its number.
    pub id: String,
    /// When the fact happened.
    pub created: When,
    /// How often it was tried.
    pub tries: String,
    /// What came back.
    pub answer: String,
    /// Whether it arrived.
    pub badge: Badge,
    /// Sends it again.
    pub resend: Option<Action>,
}

const EVERYTHING: &str = "Everything";

impl WebhooksPage {
    /// None, some, a form that was refused, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::pages::samples::{self, EVIL, LONG};

        let typical = WebhooksPage {
            shell: samples::admin(Nav::AdminWebhooks),
            secret: None,
            may_act: true,
            url: String::new(),
            url_error: None,
            rows: vec![sample_row("https://app.example/hooks")],
        };
        let made = WebhooksPage {
            secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            ..typical.clone()
        };
        let refused = WebhooksPage {
            url: "http://10.0.0.1/".to_owned(),
            url_error: Some("url begins with https://.".to_owned()),
            ..typical.clone()
        };
        let empty = WebhooksPage {
            rows: Vec::new(),
            may_act: false,
            ..typical.clone()
        };
        let worst = WebhooksPage {
            shell: samples::worst(Nav::AdminWebhooks),
            url: EVIL.to_owned(),
            rows: vec![sample_row(&format!("{LONG}{EVIL}")); 20],
            ..typical.clone()
        };
        vec![
            ("empty", empty),
            ("typical", typical),
            ("made", made),
            ("refused", refused),
            ("worst", worst),
        ]
    }
}

fn sample_row(url: &str) -> EndpointRow {
    EndpointRow {
        href: "/admin/webhooks/we_1".to_owned(),
        url: url.to_owned(),
        events: EVERYTHING.to_owned(),
        created: format::day(crate::pages::samples::NOW),
        badge: Badge::ok("Enabled"),
    }
}

impl EndpointPage {
    /// None sent yet, some, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::pages::samples::{self, EVIL, LONG, NOW};

        let delivery = |kind: &str, answer: &str, badge: Badge| DeliveryRow {
            kind: kind.to_owned(),
            id: "17".to_owned(),
            created: format::second(NOW),
            tries: "1".to_owned(),
            answer: answer.to_owned(),
            badge,
            resend: Some(resend_action("we_1", 17)),
        };
        let typical = EndpointPage {
            shell: samples::admin(Nav::AdminWebhooks),
            secret: None,
            row: sample_row("https://app.example/hooks"),
            actions: actions("we_1", true),
            deliveries: vec![
                delivery("plan.changed", "200", Badge::ok("Arrived")),
                delivery(
                    "payment.failed",
                    "the endpoint answered 500",
                    Badge::bad("Failed"),
                ),
            ],
            pager: Pager::default(),
        };
        let empty = EndpointPage {
            deliveries: Vec::new(),
            actions: actions("we_1", false),
            ..typical.clone()
        };
        let worst = EndpointPage {
            shell: samples::worst(Nav::AdminWebhooks),
            row: sample_row(&format!("{LONG}{EVIL}")),
            deliveries: vec![delivery(EVIL, EVIL, Badge::bad(EVIL)); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}

/// `GET /admin/webhooks`.
pub async fn show(State(app): State<App>, operator: Operator) -> HttpResult<Html<String>> {
    let page = list(&app, &operator).await?;
    serve::html(&page)
}

async fn list(app: &App, operator: &Operator) -> Result<WebhooksPage> {
    let rows = app.read(webhook_endpoints::all).await?;
    Ok(WebhooksPage {
        shell: operator_shell(app, &operator.0, Nav::AdminWebhooks),
        secret: None,
        may_act: operator.may_act().is_ok(),
        url: String::new(),
        url_error: None,
        rows: rows.iter().map(shown).collect(),
    })
}

fn shown(row: &WebhookEndpoint) -> EndpointRow {
    let badge = match (row.state.as_str(), row.failing_since) {
        ("enabled", None) => Badge::ok("Enabled"),
        ("enabled", Some(_)) => Badge::warn("Failing"),
        _ if row.disabled_reason.as_deref() == Some(BY_HAND) => Badge::plain("Disabled"),
        _ => Badge::bad("Disabled: it failed"),
    };
    EndpointRow {
        href: format!("/admin/webhooks/{}", row.public_id),
        url: row.url.clone(),
        events: match row.events.as_str() {
            "" => EVERYTHING.to_owned(),
            some => some.replace(' ', ", "),
        },
        created: format::day(row.created_at.micros()),
        badge,
    }
}

/// A new endpoint, as typed.
#[derive(Clone, Debug, Deserialize)]
pub struct NewEndpoint {
    url: String,
}

/// `POST /admin/webhooks`.
pub async fn create(
    State(app): State<App>,
    operator: Operator,
    Fields(typed): Fields<NewEndpoint>,
) -> HttpResult<Response> {
    operator.may_act()?;
    let made = match Wanted::read(&app, &typed.url, "", &[]) {
        Ok(wanted) => endpoints::make(&app, wanted, &operator.0.public_id).await,
        Err(fault) => Err(fault),
    };
    let mut page = list(&app, &operator).await?;
    match made {
        Ok((_, secret)) => {
            page.secret = Some(secret);
            serve::page(StatusCode::CREATED, &page)
        }
        Err(fault) => {
            page.url = typed.url;
            page.url_error = Some(fault.0.detail.clone());
            serve::page(status_of(fault.0.kind), &page)
        }
    }
}

/// `GET /admin/webhooks/{id}`.
pub async fn endpoint(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
    Query(page): Query<PageParams>,
) -> HttpResult<Html<String>> {
    let page = one(&app, &operator, &id, page.after::<1>()?.map(|[id]| id)).await?;
    serve::html(&page)
}

async fn one(
    app: &App,
    operator: &Operator,
    id: &str,
    before: Option<i64>,
) -> Result<EndpointPage> {
    let row = endpoints::found(app, id).await?;
    let (wanted, limit) = (id.to_owned(), i64::try_from(ROWS + 1).unwrap_or(i64::MAX));
    let mut rows = app
        .read(move |tx| outbox::to_endpoint(tx, &wanted, None, before, limit))
        .await?;
    let here = format!("/admin/webhooks/{id}");
    let pager = page_of(&mut rows, &here, before.is_none(), |row| vec![row.id]);
    let may_act = operator.may_act().is_ok();
    let actions = if may_act {
        actions(id, row.state == "enabled")
    } else {
        Vec::new()
    };
    Ok(EndpointPage {
        shell: operator_shell(app, &operator.0, Nav::AdminWebhooks),
        secret: None,
        row: shown(&row),
        actions,
        deliveries: rows.iter().map(|row| delivery(row, id, may_act)).collect(),
        pager,
    })
}

fn actions(id: &str, is_enabled: bool) -> Vec<Action> {
    let to = |act: &str| format!("/admin/webhooks/{id}/{act}");
    let state = if is_enabled {
        Action::post("Disable", to("disable"))
    } else {
        Action::post("Enable", to("enable"))
    };
    vec![
        Action::post("Send a test", to("test")),
        Action::post("New secret", to("rotate")),
        state,
        Action::post("Delete", to("delete")),
    ]
}

fn resend_action(endpoint: &str, delivery: i64) -> Action {
    let action = format!("/admin/webhooks/{endpoint}/resend");
    let mut action = Action::post("Send again", action).small();
    action.spoken = Some(format!("number {delivery}"));
    action.field("delivery", delivery.to_string())
}

fn delivery(row: &Message, endpoint: &str, may_act: bool) -> DeliveryRow {
    let body: Option<serde_json::Value> = serde_json::from_str(&row.payload).ok();
    let kind = body.and_then(|body| body["type"].as_str().map(str::to_owned));
    let status = row.last_status.map(|status| status.to_string());
    let is_kept = !row.payload.is_empty();
    DeliveryRow {
        kind: kind.unwrap_or_else(|| "no longer kept".to_owned()),
        id: row.id.to_string(),
        created: format::second(row.created_at.micros()),
        tries: format::count(row.attempts.unsigned_abs()),
        answer: row.last_error.clone().or(status).unwrap_or_default(),
        badge: match row.state.as_str() {
            "sent" => Badge::ok("Arrived"),
            "queued" => Badge::info("On its way"),
            _ => Badge::bad("Failed"),
        },
        resend: (may_act && is_kept && row.state != "queued")
            .then(|| resend_action(endpoint, row.id)),
    }
}

/// What an act on an endpoint needs beside its name.
#[derive(Clone, Debug, Deserialize)]
pub struct ActFields {
    delivery: Option<i64>,
}

/// `POST /admin/webhooks/{id}/{act}`.
pub async fn act(
    State(app): State<App>,
    operator: Operator,
    Path((id, act)): Path<(String, String)>,
    Fields(fields): Fields<ActFields>,
) -> HttpResult<Response> {
    operator.may_act()?;
    let actor = &operator.0.public_id;
    let back = format!("/admin/webhooks/{id}");
    match (act.as_str(), fields.delivery) {
        ("rotate", _) => {
            let (_, secret) = endpoints::new_secret(&app, &id, actor).await?;
            let mut page = one(&app, &operator, &id, None).await?;
            page.secret = Some(secret);
            return serve::html(&page).map(IntoResponse::into_response);
        }
        ("delete", _) => {
            endpoints::remove(&app, &id, actor).await?;
            return Ok(Redirect::to("/admin/webhooks").into_response());
        }
        ("test", _) => endpoints::send_test(&app, &id).await?,
        ("enable", _) => switch(&app, &id, true, &operator.0).await?,
        ("disable", _) => switch(&app, &id, false, &operator.0).await?,
        ("resend", Some(delivery)) => {
            endpoints::send_again(&app, &id, delivery, actor).await?;
        }
        _ => return Err(Error::not_found("There is nothing at this address.").into()),
    }
    Ok(Redirect::to(&back).into_response())
}

async fn switch(app: &App, id: &str, on: bool, operator: &Visitor) -> Result<()> {
    endpoints::found(app, id).await?;
    let (id, actor, now) = (id.to_owned(), operator.public_id.clone(), app.real_now());
    app.write(0, move |tx| {
        if on {
            webhook_endpoints::enable(tx, &id, now)?;
        } else {
            webhook_endpoints::disable(tx, &id, BY_HAND, now)?;
        }
        let action = "webhook_endpoint.update";
        store::audit_log::append(tx, &actor, action, &id, "{}", None, now)?;
        Ok(())
    })
    .await
}
