//! `/dashboard/billing/success`: what became of a payment, from Stripe's own answer.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::accounts::Account;
use store::intents::Intent;
use store::transactions::Transaction;
use stripe::objects::{CheckoutPaymentStatus, CheckoutSession, CheckoutStatus};

use super::components::{Action, Banner, Fact, Kind, Prose};
use super::format::When;
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::serve::{account_shell, page, while_billing_is_on};
use super::{cancel, format, offer};
use crate::account::{View, view};
use crate::actors::{SignedIn, Visitor};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::carry::Carry;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::sync;

/// How long the page waits for the sync it started; the sync itself goes on.
const SYNC_WAIT: Duration = Duration::from_secs(8);
/// How often a pending page loads itself again, and after how many seconds.
const TRIES_MAX: u32 = 20;
const TRY_EVERY_SECONDS: u32 = 3;

/// What Stripe's page sends the browser back with.
#[derive(Debug, Deserialize)]
pub struct Asked {
    session_id: Option<String>,
    account: Option<String>,
    #[serde(rename = "try")]
    tries: Option<String>,
}

/// `GET /dashboard/billing/success`: looks up a Checkout of the caller's own, makes our rows agree
/// with Stripe, and shows what became of it (F18). The address alone gives nothing.
pub async fn show(
    State(app): State<App>,
    user: Visitor,
    carry: Carry,
    Params(asked): Params<Asked>,
) -> HttpResult<Response> {
    while_billing_is_on(&app)?;
    let found = find(&app, &user, &asked).await?;
    let Some((caller, intent)) = found else {
        let shell = super::serve::public_shell(&app, Some(&user), Nav::Billing);
        return page(StatusCode::NOT_FOUND, &SuccessPage::not_found(shell));
    };
    carry.set(&caller);
    let shown = match intent {
        Some(intent) => outcome(&app, &caller, &intent, &asked).await?,
        None => in_general(&app, &caller).await?,
    };
    page(StatusCode::OK, &shown)
}

/// The account that the page is about and the intent of the session, when it names one. None when
/// the session or the account is not this user's (case K14).
async fn find(
    app: &App,
    user: &Visitor,
    asked: &Asked,
) -> Result<Option<(SignedIn, Option<Intent>)>> {
    let (id, session, named) = (user.id, asked.session_id.clone(), asked.account.clone());
    let found = app
        .read(move |tx| {
            let intent = match &session {
                Some(session) => match store::intents::by_object(tx, session)? {
                    Some(intent) => Some(intent),
                    None => return Ok(None),
                },
                None => None,
            };
            let account = match (&intent, &named) {
                (Some(intent), _) => store::accounts::find(tx, intent.account_id)?,
                (None, Some(name)) => store::accounts::named(tx, name)?,
                (None, None) => first_account(tx, id)?,
            };
            let Some(account) = account else {
                return Ok(None);
            };
            let places = store::users::places(tx, id)?;
            Ok(Some((account, places, intent)))
        })
        .await?;
    Ok(found.and_then(|(account, places, intent)| {
        let caller = SignedIn::new(user.clone(), account, places)?;
        Some((caller, intent))
    }))
}

fn first_account(tx: &mut store::Tx<'_>, user: i64) -> store::Result<Option<Account>> {
    match store::users::memberships(tx, user)?.first() {
        Some(first) => store::accounts::find(tx, first.account_id),
        None => Ok(None),
    }
}

/// Starts a sync and waits for it a while. It is not cut off with the wait: a worker that stopped
/// half way would keep its lease from the others.
async fn sync_for_a_while(app: &App, account: i64) {
    let syncing = app.clone();
    let task = tokio::spawn(async move { sync::account(&syncing, account).await });
    match tokio::time::timeout(SYNC_WAIT, task).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(account, %error, "A success page could not sync"),
        Ok(Err(error)) => tracing::error!(account, %error, "A success page's sync broke off"),
        Err(_) => tracing::warn!(account, "A success page did not wait for its sync"),
    }
}

async fn recorded(app: &App, intent: &Intent) -> Result<Option<Transaction>> {
    let session = intent.stripe_object_id.clone().unwrap_or_default();
    let account = intent.account_id;
    let row = app
        .read(move |tx| store::transactions::about(tx, &session))
        .await?;
    Ok(row.filter(|row| row.account_id == account))
}

/// What became of this Checkout. One that is settled already is not asked about again.
async fn outcome(
    app: &App,
    caller: &SignedIn,
    intent: &Intent,
    asked: &Asked,
) -> Result<SuccessPage> {
    let is_settled = |row: &Transaction| matches!(row.status.as_str(), "COMPLETED" | "REFUNDED");
    let mut row = recorded(app, intent).await?.filter(is_settled);
    if row.is_none() {
        sync_for_a_while(app, caller.account.id).await;
        row = recorded(app, intent).await?;
    }
    let lost = || Error::bug(format!("intent {} sold nothing", intent.id));
    let (brings, back) = cancel::bought(app, intent).ok_or_else(lost)?;
    let paid = cancel::price(intent).unwrap_or_default();
    let shell = account_shell(app, caller, Nav::Billing);
    let facts = row.as_ref().map(reference).into_iter().collect();
    let status = row.as_ref().map_or("PENDING", |row| row.status.as_str());
    let retry = Action::link("Try again", back);
    Ok(match status {
        "COMPLETED" => {
            let view = view(app, caller.account.id).await?;
            arrived(app, shell, intent, &view, &brings, &paid, facts)
        }
        "REFUNDED" => SuccessPage::refunded(shell, &brings, &paid, facts),
        "FAILED" => {
            let reason = row.and_then(|row| row.failure);
            let reason = reason.unwrap_or_else(|| "Your bank said no.".to_owned());
            SuccessPage::failed(shell, &format!("{brings}, {paid}"), &reason, retry)
        }
        "CANCELLED" => SuccessPage::not_paid(shell, &brings, retry),
        _ => {
            let session = intent.stripe_object_id.as_deref().unwrap_or_default();
            let session = app.stripe.retrieve_checkout_session(session).await;
            match session.ok().map(|session| how_far(&session)) {
                Some(HowFar::Open(url)) => {
                    let go_on = match url {
                        Some(url) => Action::external("Go on to Stripe", url),
                        None => retry,
                    };
                    SuccessPage::not_paid(shell, &brings, go_on)
                }
                Some(HowFar::AtTheBank) => SuccessPage::delayed(shell, &brings, &paid, facts),
                Some(HowFar::Paid) | None => {
                    let (check, refresh) = again(asked);
                    SuccessPage::pending(shell, &brings, &paid, facts, &check, refresh)
                }
            }
        }
    })
}

/// How far a Checkout is that our rows do not show as paid.
enum HowFar {
    /// Nobody has paid yet; with its page.
    Open(Option<String>),
    /// The buyer is through, the money is not here.
    AtTheBank,
    /// Paid: the rows follow.
    Paid,
}

fn how_far(session: &CheckoutSession) -> HowFar {
    match (&session.status, &session.payment_status) {
        (Some(CheckoutStatus::Open), _) => HowFar::Open(session.url.clone()),
        (Some(CheckoutStatus::Complete), CheckoutPaymentStatus::Unpaid) => HowFar::AtTheBank,
        _ => HowFar::Paid,
    }
}

fn reference(row: &Transaction) -> Fact {
    Fact::new("Reference", Prose::default().code(&row.public_id))
}

fn arrived(
    app: &App,
    shell: Shell,
    intent: &Intent,
    view: &View,
    brings: &str,
    paid: &str,
    mut facts: Vec<Fact>,
) -> SuccessPage {
    if intent.tier.is_none() {
        let balance = format::credits(view.available.micros());
        return SuccessPage::credits_added(shell, brings, paid, &balance, facts);
    }
    if let Some(limit) = view.plan.calls_limit {
        let text = format!("{} a month", format::count(limit.unsigned_abs()));
        facts.insert(0, Fact::new("Calls", text));
    }
    let catalog = app.catalog();
    let tier = intent.tier.as_deref().and_then(|tier| catalog.tier(tier));
    let monthly = tier.map_or_else(|| paid.to_owned(), offer::monthly);
    if view.plan.cancel_at.is_none() {
        let on = Prose::new(format!("{paid} on ")).time(format::day(view.plan.period_end.micros()));
        facts.insert(0, Fact::new("Next charge", on));
    }
    SuccessPage::plan_active(shell, brings, &monthly, facts)
}

/// The page's own address with the tries counted, and whether it loads itself again.
fn again(asked: &Asked) -> (String, Option<Refresh>) {
    let tries = asked.tries.as_deref().and_then(|tries| tries.parse().ok());
    let tries: u32 = tries.unwrap_or(0);
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(session) = &asked.session_id {
        query.append_pair("session_id", session);
    }
    if let Some(account) = &asked.account {
        query.append_pair("account", account);
    }
    let query = query.finish();
    let base = format!("{BILLING}/success?{query}");
    let refresh = (tries < TRIES_MAX).then(|| Refresh {
        seconds: TRY_EVERY_SECONDS,
        href: format!("{base}&try={}", tries + 1),
    });
    (base, refresh)
}

/// Without a session: how the account stands, after asking Stripe.
async fn in_general(app: &App, caller: &SignedIn) -> Result<SuccessPage> {
    let account = caller.account.id;
    let customer = app
        .read(move |tx| store::customers::current(tx, account))
        .await?;
    if customer.is_some() {
        sync_for_a_while(app, account).await;
    }
    let view = view(app, account).await?;
    let facts = vec![
        Fact::new("Plan", offer::title(&app.catalog(), &view.plan.tier)),
        Fact::total("Credits", format::credits(view.available.micros())),
    ];
    let shell = account_shell(app, caller, Nav::Billing);
    Ok(SuccessPage::back(shell, facts))
}

/// The page after Checkout.
#[derive(Clone, Debug, Template)]
#[template(path = "success.html")]
pub struct SuccessPage {
    /// The frame.
    pub shell: Shell,
    /// The heading: "Thank you, your payment went through".
    pub title: String,
    /// What was paid, in a sentence.
    pub lead: String,
    /// The heading of the card: "5,000 credits added".
    pub state: String,
    /// The way from payment to credits.
    pub steps: Vec<Step>,
    /// Balance, plan, reference.
    pub facts: Vec<Fact>,
    /// More to know.
    pub banner: Option<Banner>,
    /// Where to go.
    pub actions: Vec<Action>,
    /// Set while the answer is open: the page asks again.
    pub refresh: Option<Refresh>,
}

/// The page loads itself again.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// In so many seconds.
    pub seconds: u32,
    /// At this address, which counts the tries so that they end.
    pub href: String,
}

/// One step on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// How far it is.
    pub progress: Progress,
    /// What happens.
    pub title: String,
    /// More about it.
    pub detail: Option<String>,
    /// When it happened.
    pub when: Option<When>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Over and well.
    Done,
    /// Under way.
    Busy,
    /// Not begun.
    Waiting,
    /// Over and not well.
    Failed,
}

impl Step {
    /// A step without detail or time.
    pub fn new(progress: Progress, title: impl Into<String>) -> Self {
        Self {
            progress,
            title: title.into(),
            detail: None,
            when: None,
        }
    }

    /// Adds a line beneath.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds when it happened.
    pub fn at(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }
}

const BILLING: &str = "/dashboard/billing";

impl SuccessPage {
    /// The plan is active. `facts` tell the plan, its limit and the next charge.
    pub fn plan_active(shell: Shell, plan: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{plan} is active")),
        ];
        Self {
            state: format!("{plan} is active"),
            actions: vec![
                Action::link("Go to billing", BILLING).primary(),
                Action::link("API keys", "/dashboard/keys").quiet(),
            ],
            ..Self::paid(shell, format!("{plan}, {paid}"), steps, facts)
        }
    }

    /// The credits are in the balance.
    pub fn credits_added(
        shell: Shell,
        credits: &str,
        paid: &str,
        balance: &str,
        facts: Vec<Fact>,
    ) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{credits} added")),
        ];
        let mut all = vec![Fact::total("Balance now", format!("{balance} credits"))];
        all.extend(facts);
        Self {
            state: format!("{credits} added"),
            actions: vec![
                Action::link("Go to billing", BILLING).primary(),
                Action::link("Buy more", "/dashboard/billing/credits").quiet(),
            ],
            ..Self::paid(shell, format!("{credits}, {paid}"), steps, all)
        }
    }

    /// Paid, and not yet confirmed. `brings` is "5,000 credits" or "Pro".
    pub fn pending(
        shell: Shell,
        brings: &str,
        paid: &str,
        facts: Vec<Fact>,
        check: &str,
        refresh: Option<Refresh>,
    ) -> Self {
        let wait = "Usually under 5 seconds. You can leave this page, nothing is lost.";
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Busy, "Waiting for Stripe's confirmation").detail(wait),
            Step::new(Progress::Waiting, format!("{brings} added to your account")),
        ];
        let late = Banner::new(
            Kind::Info,
            "Taking longer than a minute?",
            "We ask Stripe directly, even when its notice is late. You need not stay or pay again.",
        );
        Self {
            state: format!("Adding {brings}"),
            banner: Some(late),
            actions: vec![
                Action::link("Back to billing", BILLING),
                Action::link("Check now", check).quiet(),
            ],
            refresh,
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    /// A bank transfer or another slow method: days, not seconds.
    pub fn delayed(shell: Shell, brings: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Busy, format!("Your bank is sending {paid}"))
                .detail("This can take up to 5 days. We mail you when it arrives."),
            Step::new(Progress::Waiting, format!("{brings} added to your account")),
        ];
        Self {
            title: "Your payment is on its way".to_owned(),
            state: "Waiting for your bank".to_owned(),
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    /// The payment failed after Checkout.
    pub fn failed(shell: Shell, what: &str, reason: &str, retry: Action) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Failed, "Payment not received").detail(reason),
        ];
        Self {
            title: "Your payment did not go through".to_owned(),
            state: "Nothing was charged".to_owned(),
            actions: vec![
                retry.primary(),
                Action::link("Back to billing", BILLING).quiet(),
            ],
            ..Self::paid(shell, what.to_owned(), steps, Vec::new())
        }
    }

    /// No such checkout on this account.
    pub fn not_found(shell: Shell) -> Self {
        let banner = Banner::new(
            Kind::Info,
            "Paid just now?",
            "Then it shows under payment history within a minute. You need not pay again.",
        );
        Self {
            title: "We could not find this checkout".to_owned(),
            state: "No checkout of yours has this address".to_owned(),
            banner: Some(banner),
            ..Self::paid(
                shell,
                "The link may be incomplete, or belong to another account.".to_owned(),
                Vec::new(),
                Vec::new(),
            )
        }
    }

    /// The payment went back.
    pub fn refunded(shell: Shell, brings: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{paid} refunded")),
        ];
        Self {
            title: "This payment was refunded".to_owned(),
            state: "Your money is on its way back".to_owned(),
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    /// The page was opened without paying, or the Checkout ended unpaid.
    pub fn not_paid(shell: Shell, brings: &str, go_on: Action) -> Self {
        Self {
            title: "This checkout is not paid".to_owned(),
            state: "Nothing was charged".to_owned(),
            actions: vec![
                go_on.primary(),
                Action::link("Back to billing", BILLING).quiet(),
            ],
            ..Self::paid(
                shell,
                format!("{brings}: your plan and your credits are as before."),
                Vec::new(),
                Vec::new(),
            )
        }
    }

    /// Back from Stripe without a word about what was bought.
    pub fn back(shell: Shell, facts: Vec<Fact>) -> Self {
        Self {
            title: "Welcome back".to_owned(),
            state: "Your account now".to_owned(),
            ..Self::paid(
                shell,
                "What you paid for at Stripe is in here as soon as Stripe confirms it.".to_owned(),
                Vec::new(),
                facts,
            )
        }
    }

    fn paid(shell: Shell, lead: String, steps: Vec<Step>, facts: Vec<Fact>) -> Self {
        Self {
            shell,
            title: "Thank you, your payment went through".to_owned(),
            lead,
            state: String::new(),
            steps,
            facts,
            banner: None,
            actions: vec![Action::link("Back to billing", BILLING).primary()],
            refresh: None,
        }
    }

    /// Each thing that can become of a payment.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::super::layout::Nav;
    use super::super::samples::{self, EVIL, NOW, day};
    use super::super::{components::Prose, format};
    use super::*;

    pub fn all() -> Vec<(&'static str, SuccessPage)> {
        let shell = || samples::customer_in_test_mode(Nav::Billing);
        let next = || {
            vec![Fact::new(
                "Next charge",
                Prose::new("$19.00 on ").time(day(23)),
            )]
        };
        let reference = || {
            vec![Fact::new(
                "Reference",
                Prose::default().code("txn_01JD9QK6"),
            )]
        };
        let again = "/dashboard/billing/success?session_id=cs_test_1&try=2";
        let refresh = Some(Refresh {
            seconds: 3,
            href: again.to_owned(),
        });
        let mut pending = SuccessPage::pending(
            shell(),
            "5,000 credits",
            "$5.00",
            reference(),
            again,
            refresh,
        );
        pending.steps[0].when = Some(format::clock(NOW));
        let evil = SuccessPage::pending(
            samples::worst(Nav::Billing),
            EVIL,
            EVIL,
            vec![Fact::total(EVIL, EVIL)],
            "/\"><script>",
            Some(Refresh {
                seconds: 3,
                href: "/\"><script>".to_owned(),
            }),
        );
        let retry = Action::link("Try again", "/dashboard/billing/credits");
        vec![
            (
                "plan",
                SuccessPage::plan_active(shell(), "Pro", "$19.00 per month", next()),
            ),
            (
                "credits",
                SuccessPage::credits_added(shell(), "5,000 credits", "$5.00", "6,228", reference()),
            ),
            ("pending", pending),
            (
                "delayed",
                SuccessPage::delayed(shell(), "Pro Plus", "$49.00", reference()),
            ),
            (
                "failed",
                SuccessPage::failed(shell(), "5,000 credits, $5.00", "Your bank said no.", retry),
            ),
            ("not-found", SuccessPage::not_found(shell())),
            (
                "not-paid",
                SuccessPage::not_paid(
                    shell(),
                    "5,000 credits",
                    Action::external("Go on to Stripe", "https://checkout.stripe.example/1"),
                ),
            ),
            (
                "refunded",
                SuccessPage::refunded(shell(), "Pro", "$19.00", reference()),
            ),
            (
                "back",
                SuccessPage::back(shell(), vec![Fact::total("Credits", "1,228")]),
            ),
            ("worst", evil),
        ]
    }
}
