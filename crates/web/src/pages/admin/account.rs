//! `/admin/accounts/{id}`: one account: the ledger against the balance, our records against
//! Stripe's, the timeline, and the form that adjusts credits.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use billing::actors::roles::Right;
use billing::actors::{Operator, Visitor};
use billing::app::App;
use billing::error::Result;
use billing::operators::unfinished::Unfinished;
use billing::payments::next_charge::{self, Next};
use billing::summary::{View, view_with};
use billing::sync::compare;
use billing::sync::compare::Comparison;
use domain::amounts;
use domain::ledger::{Entry, Hold, Lot};
use domain::money::Credits;
use domain::plan::AccountStatus;
use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;
use serde::Deserialize;
use store::Tx;
use store::accounts::Account;
use store::audit_log::Act;
use store::disputes::{Decision, Dispute};
use store::foreign::Foreign;
use store::subscriptions::Subscription;
use store::transactions::Transaction;
use views::admin::account::{AccountPage, AdjustForm, Panel};
use views::components::{Action, Badge, Banner, Fact, Kind, Prose};
use views::layout::Nav;
use views::{format, labels, offer};

use crate::frame;
use crate::http::callers::OnAccount;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::admin::offered::{offered, unfinished_banner};
use crate::pages::admin::{at_stripe, operator_shell};
use crate::rows::money::of_row;

mod tables;
mod timeline;

pub use tables::is_refundable;
use tables::tables;
use timeline::timeline;

/// Rows in each table of the page, and entries of the timeline.
const LINES: i64 = 10;

const MOMENTS: usize = 30;

/// Longest wait for Stripe; after that the page is shown without its data.
const STRIPE_MAX: Duration = Duration::from_secs(4);

/// Which form was submitted last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    done: String,
}

/// `GET /admin/accounts/{id}`.
pub async fn show(
    State(app): State<App>,
    OnAccount { operator, account }: OnAccount,
    Params(done): Params<Done>,
) -> HttpResult<Html<String>> {
    let mut page = page(&app, &operator, &account).await?;
    page.shell.flash = flash(&done.done);
    frame::html(&page)
}

pub(crate) fn limit(app: &App, operator: &Visitor) -> Option<String> {
    let max = operator.credits_max(app)?;
    let max = format::credits(max.micros());
    Some(format!(
        "Your role can add or take up to {max} credits in 24 hours."
    ))
}

fn flash(done: &str) -> Option<Banner> {
    let (title, text) = match done {
        "adjusted" => ("Credits were adjusted", "The journal has one more entry."),
        "recorded" => ("Payment recorded", "Its account was synced with Stripe."),
        "refunded" => ("Refund sent to Stripe", "Credits will update shortly."),
        "synced" => ("Synced with Stripe", "Differences were found and fixed."),
        "agreed" => ("In sync with Stripe", "Nothing needed to change."),
        "forgiven" => ("Debt forgiven", "It won't be taken from future credits."),
        "voided" => ("Grant ended", "Its remaining credits were removed."),
        "decided" => ("The decision is recorded", "The plan follows it."),
        "plan" => ("Plan override set", "The override is in effect now."),
        "suspended" => (
            "The account is suspended",
            "Its calls are refused, and it is charged nothing.",
        ),
        "finished" => ("Done at Stripe", "Nothing of the request is left."),
        "settled" => ("Request ended", "It won't be tried again."),
        "delayed" => {
            let text = "It is tried again automatically.";
            return Some(Banner::new(Kind::Warn, "It failed again", text));
        }
        "suspended-here" => {
            let text = "Its calls are refused. Stripe has not confirmed yet that nothing is charged; \
                        it is tried again automatically.";
            return Some(Banner::new(Kind::Warn, "The account is suspended", text));
        }
        "resumed-here" => {
            let text = "Its calls are answered. Stripe has not confirmed yet that its plan renews; it \
                        is tried again automatically.";
            return Some(Banner::new(Kind::Warn, "The account is active again", text));
        }
        "resumed" => (
            "The account is active again",
            "Its calls are answered, and its plan renews as before.",
        ),
        _ => return None,
    };
    Some(Banner::new(Kind::Ok, title, text))
}

/// What the page reads in one database transaction.
struct Rows {
    customer: Option<String>,
    /// The subscription that can be charged, and its next charge.
    live: Option<Subscription>,
    next: Next,
    sync: Option<store::sync::AccountSync>,
    transactions: Vec<Transaction>,
    disputes: Vec<Dispute>,
    foreign: Vec<Foreign>,
    grants: Vec<Lot>,
    holds: Vec<Hold>,
    events: Vec<store::events::Event>,
    entries: Vec<Entry>,
    acts: Vec<Act>,
    names: HashMap<String, String>,
    unfinished: Vec<Unfinished>,
}

/// Journal entries searched for the timeline; it omits calls.
const ENTRIES_MAX: i64 = 200;

impl Rows {
    fn read(
        tx: &mut store::Tx<'_>,
        account: i64,
        subject: &str,
        view: &View,
    ) -> store::Result<Rows> {
        let live = store::subscriptions::live(tx, account)?.into_iter().next();
        let filter = store::events::Filter {
            account_id: Some(account),
            ..Default::default()
        };
        let head = store::ledger::wallet(tx, account)?.map_or(0, |wallet| wallet.seq);
        let start = (head - ENTRIES_MAX).max(0);
        let latest = Timestamp::from_micros(i64::MAX);
        let acts = store::audit_log::list(tx, Some(subject), None, None, None, LINES * 2)?;
        Ok(Rows {
            customer: store::customers::current(tx, account)?,
            next: next_charge::of(tx, &view.plan, live.as_ref(), view.at)?,
            live,
            sync: store::sync::of_account(tx, account)?,
            transactions: store::transactions::of_account(
                tx,
                account,
                store::transactions::Cursor::START,
                LINES * 2,
            )?,
            disputes: store::disputes::of_account(tx, account, LINES)?,
            foreign: store::foreign::of_account(tx, account, LINES)?,
            grants: store::ledger::grants(tx, account, i64::MAX, LINES)?,
            holds: store::ledger::holds(tx, account, latest, LINES)?,
            events: store::events::list(tx, &filter, None, LINES)?,
            entries: store::ledger::journal_after(tx, account, start, ENTRIES_MAX)?,
            names: crate::pages::admin::log::names(tx, acts.iter().map(|act| act.actor.as_str()))?,
            acts,
            unfinished: billing::operators::unfinished::of_account(tx, account)?,
        })
    }
}

pub(crate) async fn page(app: &App, operator: &Operator, account: &Account) -> Result<AccountPage> {
    let (number, subject) = (account.id, account.public_id.clone());
    let read = move |tx: &mut Tx<'_>, view: &View| {
        Ok((
            Rows::read(tx, number, &subject, view)?,
            compare::ours(tx, number)?,
        ))
    };
    let (view, (rows, ours)) = view_with(app, number, read).await?;
    let compared = tokio::time::timeout(STRIPE_MAX, compare::with_stripe(app, ours)).await;
    let compared = match (&rows.customer, compared) {
        (None, _) => None,
        (_, Ok(Ok(comparison))) => Some(Some(comparison)),
        (_, Ok(Err(_)) | Err(_)) => Some(None),
    };
    let home = format!("/admin/accounts/{}", account.public_id);
    let lead = Prose::new(
        account
            .email
            .clone()
            .unwrap_or_else(|| "no email address".to_owned()),
    )
    .text(format!(", {}, since ", labels::account_kind(account.kind)))
    .time(format::day(account.created_at.micros()));
    let mut actions = offered(operator, account, view.debt.is_positive());
    let customer = rows.customer.as_deref();
    let customer = customer.and_then(|id| at_stripe(app, &format!("customers/{id}")));
    actions.extend(customer.map(|href| Action::external("Open in Stripe", href)));
    actions.push(Action::link("Journal", format!("{home}/journal")));
    let may_adjust = operator.may(Right::Adjust);
    let csv = format!("{home}/journal.csv");
    Ok(AccountPage {
        shell: operator_shell(app, &operator.0, Nav::AdminAccounts),
        id: account.public_id.clone(),
        name: account.name.clone(),
        lead,
        banners: banners(operator, account, &view, &rows, compared.as_ref()),
        plan: plan(app, account, &view, &rows),
        credits: credits(&view, &rows),
        stripe: stripe(&rows, compared.as_ref()),
        timeline: timeline(app, &rows),
        csv: operator.may(Right::Export).then_some(csv),
        adjust: may_adjust.then(|| AdjustForm {
            limit: limit(app, &operator.0),
            ..AdjustForm::empty(app.new_id("att"))
        }),
        actions,
        tables: tables(app, operator, &home, &rows),
    })
}

fn banners(
    operator: &Operator,
    account: &Account,
    view: &View,
    rows: &Rows,
    compared: Option<&Option<Comparison>>,
) -> Vec<Banner> {
    let unfinished = rows.unfinished.iter();
    let mut banners: Vec<Banner> = unfinished
        .map(|one| unfinished_banner(operator, one))
        .collect();
    if account.status != AccountStatus::Active {
        let title = format!("This account is {}", account.status);
        banners.push(Banner::new(Kind::Warn, title, "Its calls are refused."));
    }
    if view.debt.is_positive() {
        let title = format!("{} credits are owed", format::credits(view.debt.micros()));
        let text = "A payment was refunded or disputed after its credits were spent. Calls are \
                    refused until new credits settle the debt or an operator forgives it.";
        banners.push(Banner::new(Kind::Bad, title, text));
    }
    banners.extend(
        rows.disputes
            .iter()
            .filter_map(|one| disputed(account, one)),
    );
    if let Some(failed) = rows
        .transactions
        .iter()
        .find(|row| row.status == TransactionStatus::Failed && row.kind != TransactionType::Refund)
    {
        let why = failed.failure.as_deref().unwrap_or("no reason was given");
        let why = why.trim_end_matches('.');
        let text = Prose::new(format!(
            "Stripe said: {why}. Attempts so far: {}. Last on ",
            failed.attempts
        ))
        .time(format::day(failed.occurred_at.micros()))
        .text(". The customer can pay on the hosted invoice page.");
        banners.push(Banner::new(Kind::Warn, "A payment failed", text));
    }
    if let Some(sync) = rows.sync.as_ref().filter(|sync| sync.parked_at.is_some()) {
        let why = sync.last_error.clone().unwrap_or_default();
        let title = "Its sync failed and needs manual review";
        banners.push(Banner::new(Kind::Bad, title, why));
    }
    if let Some(Some(comparison)) = compared {
        for finding in &comparison.findings {
            banners.push(Banner::new(
                Kind::Warn,
                "Something at Stripe needs attention",
                finding.as_str(),
            ));
        }
    }
    banners
}

/// An open dispute, with Stripe's deadline; or a lost one whose plan still has to be decided about.
fn disputed(account: &Account, dispute: &Dispute) -> Option<Banner> {
    let amount = amounts::amount(of_row(dispute.amount_minor, &dispute.currency));
    if dispute.is_open() {
        let title = format!("A payment of {amount} is disputed");
        let mut text = Prose::new("Its credits are set aside until the bank decides.");
        if let Some(due) = dispute.due_by {
            text = text
                .text(" Stripe needs your response by ")
                .time(format::day(due.micros()))
                .text(".");
        }
        return Some(Banner::new(Kind::Bad, title, text));
    }
    if dispute.decision() != Some(Decision::Asked) {
        return None;
    }
    let title = format!("A payment of {amount} for a plan was lost in a dispute");
    let text = "Its credits were taken back. The plan continues until you decide.";
    let id = (&account.public_id, &dispute.dispute_id);
    let href = format!("/admin/accounts/{}/dispute?dispute={}", id.0, id.1);
    Some(Banner::new(Kind::Bad, title, text).with(Action::link("Decide", href).primary()))
}

fn plan(app: &App, account: &Account, view: &View, rows: &Rows) -> Panel {
    let catalog = app.catalog();
    let mut facts = plan_facts(view, rows);
    if let Some(tier) = &account.tier_override {
        let why = account.tier_override_reason.clone().unwrap_or_default();
        let mut text = Prose::new(format!("{}, {why}", offer::title(&catalog, tier)));
        if let Some(until) = account.tier_override_until {
            text = text.text(", until ").time(format::day(until.micros()));
        }
        facts.push(Fact::new("Override", text));
    }
    let code = |id: Option<&String>| match id {
        Some(id) => Prose::default().code(id),
        None => "none".into(),
    };
    facts.push(Fact::new("Customer", code(rows.customer.as_ref())));
    facts.push(Fact::new(
        "Subscription",
        code(account.stripe_subscription_id.as_ref()),
    ));
    Panel {
        badge: labels::subscription_badge(view.plan.status.word()),
        figure: offer::title(&catalog, &view.plan.tier),
        note: format!(
            "access as {}",
            offer::title(&catalog, &view.plan.access_tier)
        ),
        facts,
    }
}

fn plan_facts(view: &View, rows: &Rows) -> Vec<Fact> {
    let time = |at: Timestamp| Prose::new("").time(format::day(at.micros()));
    let mut facts = vec![
        Fact::new("Period ends", time(view.plan.period_end)),
        Fact::new(
            "Calls this period",
            format::count(view.calls_this_period.unsigned_abs()),
        ),
    ];
    if let Some(price) = rows.live.as_ref().and_then(price_of) {
        facts.push(Fact::new("Price", price));
    }
    if let Next::Charge(charge) = &rows.next {
        let amount = offer::money(charge.amount);
        let text = Prose::new(format!("{amount} on ")).time(format::day(charge.at.micros()));
        facts.push(Fact::new("Next charge", text));
    }
    if view.plan.is_paused {
        let behavior = rows
            .live
            .as_ref()
            .and_then(|row| row.pause_behavior.as_deref());
        let behavior = behavior.map(|word| format!(": {}", word.replace('_', " ")));
        let text = format!("Paused at Stripe{}", behavior.unwrap_or_default());
        facts.push(Fact::new("Collection", text));
    }
    facts.extend(view.plan.cancel_at.map(|at| Fact::new("Ends", time(at))));
    facts.extend(
        view.plan
            .grace_until
            .map(|at| Fact::new("Grace until", time(at))),
    );
    facts
}

/// For example "3 × $19.00 per month".
fn price_of(row: &Subscription) -> Option<String> {
    let price = of_row(row.amount_minor?, row.currency.as_deref()?);
    let interval = row.billing_interval.as_deref().unwrap_or("month");
    let times = (row.quantity != 1).then(|| format!("{} \u{d7} ", row.quantity));
    let times = times.unwrap_or_default();
    Some(format!("{times}{} per {interval}", offer::money(price)))
}

fn credits(view: &View, rows: &Rows) -> Panel {
    let show = |credits: Credits| format::credits(credits.micros());
    let sum: Credits = view.lots.iter().map(domain::ledger::Lot::remaining).sum();
    let agrees = sum == view.posted;
    let bought: i64 = rows
        .transactions
        .iter()
        .filter(|row| row.status.is_paid())
        .filter_map(|row| {
            row.credits_purchased_micros
                .filter(|_| row.kind == TransactionType::CreditTopup)
        })
        .sum();
    Panel {
        badge: if !agrees {
            Badge::bad("Differs")
        } else if view.debt.is_positive() {
            Badge::bad("Debt")
        } else {
            Badge::ok("Balanced")
        },
        figure: show(view.available),
        note: format!("available, {} held", show(view.held)),
        facts: vec![
            Fact::new(
                "Sum of grants",
                format!(
                    "{}, {}",
                    show(sum),
                    if agrees { "matches" } else { "differs" }
                ),
            ),
            Fact::new("Balance", show(view.posted - view.debt)),
            Fact::new("Debt", show(view.debt)),
            Fact::new("Used this month", show(view.used_this_month)),
            Fact::new("Last purchase", format::credits(bought)),
        ],
    }
}

/// Our records beside Stripe's. `None`: no customer at Stripe; `Some(None)`: Stripe didn't answer.
fn stripe(rows: &Rows, compared: Option<&Option<Comparison>>) -> Panel {
    let synced = rows.sync.as_ref().and_then(|sync| sync.last_synced_at);
    let (badge, mut facts) = match compared {
        None => (Badge::plain("None"), Vec::new()),
        Some(None) => {
            let text = "Stripe didn't answer in time. Shown is what we know.";
            (
                Badge::warn("Not reachable"),
                vec![Fact::new("Stripe", text)],
            )
        }
        Some(Some(comparison)) => {
            let badge = if comparison.agrees() {
                Badge::ok("In sync")
            } else {
                Badge::bad("Differs")
            };
            let line = |line: &compare::ComparisonRow| {
                let sign = if line.agrees() { "=" } else { "\u{2260}" };
                let both = format!("{} {sign} {}", line.ours, line.theirs);
                // A value on which both agree is shown once.
                Fact::new(
                    &line.name,
                    if line.agrees() {
                        format!("{sign} {}", line.ours)
                    } else {
                        both
                    },
                )
            };
            let mut facts: Vec<Fact> = comparison.lines.iter().map(line).collect();
            if let Some(since) = comparison.since {
                let since = Prose::default().time(format::day(since.micros()));
                facts.push(Fact::new("Payments compared since", since));
            }
            (badge, facts)
        }
    };
    facts.push(Fact::new(
        "Last synced",
        synced.map_or_else(
            || Prose::new("never"),
            |at| Prose::new("").time(format::moment(at.micros())),
        ),
    ));
    Panel {
        badge,
        figure: String::new(),
        note: String::new(),
        facts,
    }
}
