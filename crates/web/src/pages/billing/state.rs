//! What the rows of an account say on its billing page.

use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use billing::payments::addons;
use billing::payments::plan::Pending;
use billing::summary::View;
use domain::catalog::Catalog;
use domain::money::{Credits, Currency, MinorUnits};
use domain::plan::Plan;
use domain::time::Timestamp;
use store::Tx;
use store::intents::Intent;
use store::invoices::Invoice;
use store::payment_methods::PaymentMethod as Card;
use store::subscriptions::Subscription;
use store::transactions::{Cursor, Transaction};
use views::billing::{BillingPage, CreditsPanel, History, NextCharge, PlanPanel};
use views::components::{
    Action, Badge, Banner, Fact, Meter, Pager, Prose, Receipt, TransactionRow,
};
use views::icons::Icon;
use views::layout::Nav;
use views::{format, offer, words};

use crate::frame::account_shell;
use crate::pages::billing::BILLING;
use crate::pages::standing::{
    CARD_WARNING_DAYS, CreditState, card_ends, card_name, credit_banner, credit_state, day, method,
    waiting_banner,
};
use crate::pages::usage_chart;

/// Payments on one page of the history.
const HISTORY_ROWS: usize = 20;

/// Days of the chart.
const CHART_DAYS: i64 = 30;

/// Pending payments that are looked at.
const PENDING_MAX: i64 = 5;

/// A payment that is not confirmed after so long waits for a bank, not for a notice.
const SLOW_AFTER_SECONDS: i64 = 120;

/// A page view asks Stripe again at most this often.
const RING_EVERY_SECONDS: i64 = 10;

/// What the page reads of an account, in one look.
pub struct Rows {
    live: Option<Subscription>,
    /// What it holds beside its plan.
    addons: Vec<String>,
    /// What waits on it.
    waiting: Option<Pending>,
    /// The newest subscription was a trial that was not the first.
    trial_was_refused: bool,
    latest: Option<Subscription>,
    unpaid: Option<Invoice>,
    card: Option<Card>,
    has_customer: bool,
    history: Vec<Transaction>,
    is_first_page: bool,
    has_more: bool,
    pending: Vec<Transaction>,
    failure: Option<String>,
    usage: Vec<store::ledger::DayUsage>,
    /// Credits spent in seven days.
    pub week: i64,
    /// A payment or a Checkout is under way: Stripe may know more than we do.
    pub is_waiting: bool,
}

/// Reads it.
pub async fn read(app: &App, account: i64, after: Option<String>) -> Result<Rows> {
    let (now, real_now) = (app.now(), app.real_now());
    let rows = app.read(move |tx| {
        let Some((cursor, is_first_page)) = cursor(tx, account, after.as_deref())? else {
            return Ok(None);
        };
        let limit = i64::try_from(HISTORY_ROWS).expect("small") + 1;
        let mut history = store::transactions::of_account(tx, account, cursor, limit)?;
        let has_more = history.len() > HISTORY_ROWS;
        history.truncate(HISTORY_ROWS);
        let subscriptions = store::subscriptions::of_account(tx, account)?;
        let live = subscriptions.iter().find(|row| row.live).cloned();
        let trials = store::trials::of_account(tx, account)?;
        let newest = subscriptions.first();
        let trial_was_refused = trials.iter().any(|trial| {
            trial.state != "granted"
                && newest.is_some_and(|row| row.subscription_id == trial.subscription_id)
        });
        // The newest invoice is the one whose payment counts now.
        let unpaid = store::invoices::unpaid(tx, account)?.pop();
        let pending = pending(tx, account)?;
        let is_waiting = is_waiting(tx, account, &pending, now, real_now)?;
        Ok(Some(Rows {
            failure: failure(tx, account, unpaid.as_ref())?,
            waiting: live.as_ref().and_then(Pending::of),
            addons: Vec::new(),
            trial_was_refused,
            live,
            latest: subscriptions.into_iter().next(),
            unpaid,
            card: store::payment_methods::of_account(tx, account)?,
            has_customer: store::customers::current(tx, account)?.is_some(),
            history,
            is_first_page,
            has_more,
            pending,
            usage: store::ledger::usage_by_day(tx, account, now.day() - CHART_DAYS + 1)?,
            week: store::ledger::used_between(tx, account, now.day() - 6, now.day() + 1)?.1,
            is_waiting,
        }))
    });
    let nothing = || Error::not_found("There is no such payment to go on from.");
    let mut rows = rows.await?.ok_or_else(nothing)?;
    let held = rows.live.as_ref().map(|live| addons::of(app, live));
    rows.addons = held.unwrap_or_default().iter().map(addon).collect();
    Ok(rows)
}

/// "Extra seats, 3, $15.00 per month"
fn addon(held: &addons::Held) -> String {
    let count = (held.quantity != 1).then(|| format!(", {}", held.quantity));
    let price = held
        .amount
        .map(|amount| format!(", {} per month", offer::money(amount)));
    let (count, price) = (count.unwrap_or_default(), price.unwrap_or_default());
    format!("{}{count}{price}", held.title)
}

/// Where the page of the history begins; none when the payment it names is not this account's.
fn cursor(
    tx: &mut Tx<'_>,
    account: i64,
    after: Option<&str>,
) -> store::Result<Option<(Cursor, bool)>> {
    let Some(after) = after else {
        return Ok(Some((Cursor::START, true)));
    };
    let last = store::transactions::find(tx, account, after)?;
    Ok(last.map(|last| (last.cursor(), false)))
}

fn pending(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<Transaction>> {
    let filter = store::transactions::Filter {
        account_id: Some(account),
        status: Some("PENDING"),
        ..store::transactions::Filter::default()
    };
    store::transactions::list(tx, &filter, Cursor::START, PENDING_MAX)
}

/// Why the last try to collect an invoice failed.
fn failure(
    tx: &mut Tx<'_>,
    account: i64,
    invoice: Option<&Invoice>,
) -> store::Result<Option<String>> {
    let Some(invoice) = invoice else {
        return Ok(None);
    };
    let key = format!("invoice:{}", invoice.invoice_id);
    let row = store::transactions::by_natural_key(tx, account, &key)?;
    Ok(row.and_then(|row| row.failure))
}

/// Whether Stripe should be asked again, now and not a moment ago.
fn is_waiting(
    tx: &mut Tx<'_>,
    account: i64,
    pending: &[Transaction],
    now: Timestamp,
    real_now: Timestamp,
) -> store::Result<bool> {
    let mut is_waiting = !pending.is_empty();
    for kind in ["checkout_subscription", "checkout_topup"] {
        if let Some(intent) = store::intents::usable(tx, account, kind, now)? {
            is_waiting |= is_open(tx, &intent)?;
        }
    }
    let synced = store::sync::of_account(tx, account)?.and_then(|sync| sync.last_synced_at);
    let is_fresh = synced.is_some_and(|at| real_now < at.plus_seconds(RING_EVERY_SECONDS));
    Ok(is_waiting && !is_fresh)
}

/// Whether nothing has become of the Checkout of this intent yet.
pub fn is_open(tx: &mut Tx<'_>, intent: &Intent) -> store::Result<bool> {
    let Some(session) = &intent.stripe_object_id else {
        return Ok(false);
    };
    let row = store::transactions::about(tx, session)?;
    Ok(row.is_none_or(|row| row.status == "PENDING"))
}

/// The page.
pub fn page(app: &App, caller: &SignedIn, view: &View, rows: &Rows) -> BillingPage {
    let catalog = app.catalog();
    let now = app.now();
    let usage = usage_chart::chart(
        "use",
        "Credits used per day",
        &rows.usage,
        now.day() - CHART_DAYS + 1,
        now.day(),
    );
    let mut banners = plan_banners(&catalog, view, rows, now);
    banners.extend(card_banner(view, rows, now));
    banners.extend(pending_banners(rows, now));
    banners.extend(limit_banner(&catalog, view));
    banners.extend(credit_banner(view, rows.week));
    let manage = rows
        .has_customer
        .then(|| words::portal("Manage subscription").icon(Icon::External));
    BillingPage {
        shell: account_shell(app, caller, Nav::Billing),
        lead: format!("Plan, credits and payments for {}", caller.account.name),
        banners,
        plan: plan_panel(&catalog, view, rows, now),
        credits: credits_panel(&catalog, view, rows),
        next: next_charge(&catalog, view, rows, now),
        usage,
        history: history(&catalog, rows),
        manage,
    }
}

fn amount(minor: i64, currency: &str) -> String {
    let currency = Currency::parse(currency).unwrap_or(Currency::USD);
    offer::money(MinorUnits::new(minor, currency))
}

/// "$19.00 per month": what is really paid, which may be an older price than the one sold today.
fn price(catalog: &Catalog, plan: &Plan, live: Option<&Subscription>) -> String {
    let paid = live.and_then(|row| Some((row.amount_minor?, row.currency.as_deref()?)));
    let interval = live.and_then(|row| row.billing_interval.as_deref());
    match (paid, catalog.tier(&plan.tier)) {
        (Some((minor, currency)), _) => {
            let per = interval.unwrap_or("month");
            format!("{} per {per}", amount(minor, currency))
        }
        (None, Some(tier)) => offer::monthly(tier),
        (None, None) => String::new(),
    }
}

/// The name of the plan that is paid for, whether or not it gives access now.
fn paid_title(catalog: &Catalog, plan: &Plan, row: Option<&Subscription>) -> String {
    let tier = row.and_then(|row| row.tier.as_deref());
    offer::title(catalog, tier.unwrap_or(&plan.tier))
}

fn plan_panel(catalog: &Catalog, view: &View, rows: &Rows, now: Timestamp) -> PlanPanel {
    let plan = &view.plan;
    let title = offer::title(catalog, &plan.tier);
    let badge = match plan.cancel_at {
        Some(end) if plan.status == "ACTIVE" => {
            let text = format::day_short(end.micros());
            Badge::warn(format!("Ends {text}"))
        }
        _ => words::subscription_badge(plan.status),
    };
    let mut actions = vec![Action::link("Upgrade", "/dashboard/billing/upgrade").primary()];
    if rows.live.is_some() && plan.cancel_at.is_none() {
        let cancel = format!("{}?act=cancel", words::PLAN);
        actions.push(Action::link("Cancel plan", cancel).quiet());
    }
    PlanPanel {
        name: title,
        price: price(
            catalog,
            plan,
            rows.live.as_ref().filter(|_| is_on_plan(plan)),
        ),
        badge,
        text: plan_text(catalog, view, rows, now),
        addons: rows.addons.clone(),
        actions,
    }
}

/// The plan that starts with the next period, by name, and when.
fn scheduled(catalog: &Catalog, rows: &Rows) -> Option<(String, Timestamp)> {
    let waiting = rows.waiting.as_ref().filter(|one| !one.is_unpaid())?;
    Some((offer::title(catalog, &waiting.tier), waiting.at()?))
}

/// Whether the subscription gives what it is paid for.
fn is_on_plan(plan: &Plan) -> bool {
    matches!(plan.status, "ACTIVE" | "TRIALING" | "PAST_DUE")
}

fn plan_text(catalog: &Catalog, view: &View, rows: &Rows, now: Timestamp) -> Prose {
    let plan = &view.plan;
    let title = offer::title(catalog, &plan.tier);
    let here = || match catalog.tier(&plan.access_tier) {
        Some(tier) => Prose::new(offer::in_short(tier)),
        None => Prose::default(),
    };
    if let Some((next, at)) = scheduled(catalog, rows) {
        return Prose::new(format!("{title} until "))
            .time(day(at))
            .text(format!(", then {next}."));
    }
    match (plan.status, plan.cancel_at, plan.grace_until) {
        ("ACTIVE" | "TRIALING", Some(end), _) => Prose::new(format!("{title} until "))
            .time(day(end))
            .text(", then Free."),
        ("ACTIVE", None, _) => Prose::new("Renews on ")
            .time(day(plan.period_end))
            .text(format!(
                ". You can cancel any time and keep {title} until then."
            )),
        ("TRIALING", None, _) => Prose::new("The trial ends on ")
            .time(day(plan.trial_end.unwrap_or(plan.period_end)))
            .text("; you can cancel before."),
        ("PAST_DUE", _, Some(until)) if now < until => {
            Prose::new(format!("{title} keeps working until "))
                .time(day(until))
                .text(".")
        }
        ("PAST_DUE" | "UNPAID", ..) => {
            Prose::new("You are on Free until the open invoice is paid.")
        }
        ("PAUSED", ..) => Prose::new("You are on Free until the plan goes on."),
        ("INCOMPLETE", ..) => {
            let paid = paid_title(catalog, plan, rows.latest.as_ref());
            Prose::new(format!(
                "{paid} starts when its first payment is confirmed."
            ))
        }
        _ => here(),
    }
}

fn credits_panel(catalog: &Catalog, view: &View, rows: &Rows) -> CreditsPanel {
    let plan = &view.plan;
    let used = view.calls_this_period.unsigned_abs();
    let meter = plan.calls_limit.map(|limit| {
        let limit = limit.unsigned_abs();
        let text = format!("{} of {}", format::count(used), format::count(limit));
        Meter::new("Calls this period", text, used, limit)
    });
    let mut notes = Vec::new();
    if view.held.is_positive() {
        let held = format::credits(view.held.micros());
        notes.push(format!("{held} more are held for calls in progress."));
    }
    notes.extend(expiry(view));
    let worth = offer::worth(catalog, view.available.micros());
    CreditsPanel {
        available: format::credits(view.available.micros()),
        worth: worth.map_or_else(String::new, |worth| format!("worth {worth}")),
        badge: match credit_state(view, rows.week) {
            CreditState::Fine => None,
            CreditState::Low => Some(Badge::warn("Low")),
            CreditState::Empty => Some(Badge::bad("Empty")),
            CreditState::Debt => Some(Badge::bad("Debt")),
        },
        meter,
        note: notes.join(" "),
        actions: vec![
            Action::link("Add credits", "/dashboard/billing/credits"),
            Action::link("Usage", "/dashboard/usage").quiet(),
        ],
    }
}

/// "1,000 of them expire on 22 Dec 2026.": what ends on the next day on which something does.
fn expiry(view: &View) -> Option<String> {
    let ending = view
        .lots
        .iter()
        .filter(|lot| lot.remaining().is_positive())
        .filter_map(|lot| Some((lot.expires_at?, lot.remaining())));
    let soonest = ending.clone().map(|(at, _)| at).min()?;
    let left: Credits = ending
        .filter(|(at, _)| at.day() == soonest.day())
        .map(|(_, left)| left)
        .sum();
    let on = day(soonest).text;
    Some(if left < view.posted {
        format!("{} of them expire on {on}.", format::credits(left.micros()))
    } else {
        format!("They expire on {on}.")
    })
}

fn limit_banner(catalog: &Catalog, view: &View) -> Option<Banner> {
    let limit = view.plan.calls_limit?;
    (view.calls_this_period >= limit).then(|| {
        let title = offer::title(catalog, &view.plan.access_tier);
        let limit = format::count(limit.unsigned_abs());
        words::plan_limit_reached(&limit, &title, day(view.plan.period_end))
    })
}

/// News about the plan, the worst first.
fn plan_banners(catalog: &Catalog, view: &View, rows: &Rows, now: Timestamp) -> Vec<Banner> {
    let plan = &view.plan;
    let title = paid_title(catalog, plan, rows.live.as_ref().or(rows.latest.as_ref()));
    let unpaid = rows.unpaid.as_ref();
    let due = unpaid.map(|invoice| amount(invoice.amount_due, &invoice.currency));
    let due = due.unwrap_or_else(|| "the open invoice".to_owned());
    let pay = unpaid.and_then(|invoice| invoice.hosted_url.clone());
    if let Some(waiting) = rows.waiting.as_ref().filter(|one| !one.is_unpaid())
        && plan.cancel_at.is_none()
    {
        return waiting_banner(catalog, rows.live.as_slice(), waiting);
    }
    let banner = match (plan.status, plan.cancel_at, plan.grace_until) {
        ("PAST_DUE", _, Some(until)) if now < until => {
            let retry = unpaid.and_then(|invoice| invoice.next_payment_attempt);
            let reason = rows
                .failure
                .as_deref()
                .map(|text| text.trim_end_matches('.'));
            words::past_due(&title, &due, reason, day(until), retry.map(day), pay)
        }
        ("PAST_DUE" | "UNPAID", ..) => words::unpaid(&title, &due, pay),
        ("PAUSED", ..) => words::paused(&title, None),
        ("ACTIVE" | "TRIALING", ..) if waits_for_payment(rows) => {
            let pay = pay.unwrap_or_else(|| BILLING.to_owned());
            match &rows.failure {
                Some(said) => words::change_declined(&due, Some(said), &pay),
                None => words::confirm_with_bank(&due, &pay),
            }
        }
        ("TRIALING" | "ACTIVE", Some(end), _) => words::cancel_scheduled(&title, day(end)),
        ("TRIALING", None, _) => trial(catalog, view, rows, &title, now),
        ("CANCELED", ..) if rows.trial_was_refused => words::trial_refused(&title),
        ("CANCELED", ..) => match rows.latest.as_ref().and_then(|row| row.ended_at) {
            // A plan that ended long ago is no news.
            Some(ended) if now < ended.plus_days(CHART_DAYS) => {
                words::ended(&title, day(ended), "")
            }
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![banner]
}

/// Whether a change of the plan waits for its payment.
fn waits_for_payment(rows: &Rows) -> bool {
    let invoice = rows.unpaid.as_ref();
    let reason = invoice.and_then(|invoice| invoice.billing_reason.as_deref());
    reason == Some("subscription_update")
}

/// The card is said to expire only where a plan is charged to it.
fn card_banner(view: &View, rows: &Rows, now: Timestamp) -> Option<Banner> {
    let card = rows.card.as_ref()?;
    rows.live
        .as_ref()
        .filter(|_| view.plan.cancel_at.is_none())?;
    let ends = card_ends(card)?;
    (ends.plus_days(-CARD_WARNING_DAYS) <= now)
        .then(|| words::card_expiring(&card_name(card), ends <= now))
}

fn trial(catalog: &Catalog, view: &View, rows: &Rows, title: &str, now: Timestamp) -> Banner {
    let ends = view.plan.trial_end.unwrap_or(view.plan.period_end);
    let Some(card) = &rows.card else {
        return words::trial_without_card(title, day(ends));
    };
    let days = format::days_between(now.micros(), ends.micros()).max(0);
    let left = format::counted(days.unsigned_abs(), "day", "days");
    let price = price(catalog, &view.plan, rows.live.as_ref());
    words::trial(title, day(ends), &left, &price, &card_name(card))
}

/// Payments that were made and are not confirmed. An open Checkout is none of them: nothing was
/// paid there yet.
fn pending_banners(rows: &Rows, now: Timestamp) -> Vec<Banner> {
    let paid = rows.pending.iter().filter(|row| {
        row.natural_key.starts_with("topup:") && row.stripe_payment_intent_id.is_some()
    });
    let banner = |row: &Transaction| {
        let price = amount(row.amount_minor, &row.currency);
        let what = row.description.as_deref().unwrap_or("Your credits");
        let brings = format!("{what} are added");
        if now < row.occurred_at.plus_seconds(SLOW_AFTER_SECONDS) {
            words::payment_pending(&price, &brings, BILLING)
        } else {
            words::bank_payment_on_its_way(&price, &brings)
        }
    };
    paid.map(banner).collect()
}

fn next_charge(catalog: &Catalog, view: &View, rows: &Rows, now: Timestamp) -> NextCharge {
    let plan = &view.plan;
    let method = rows.card.as_ref().map(|card| method(card, now));
    let nothing = |why: &str| NextCharge {
        when: None,
        lines: Vec::new(),
        none: why.to_owned(),
        method: method.clone(),
    };
    let live = rows.live.as_ref();
    let paid = live.and_then(|row| Some((row.amount_minor?, row.currency.as_deref()?)));
    if let Some((title, at)) = scheduled(catalog, rows)
        && plan.cancel_at.is_none()
    {
        let tier = rows
            .waiting
            .as_ref()
            .and_then(|one| catalog.tier(&one.tier));
        let price = tier.and_then(|tier| tier.price).map(offer::money);
        let price = price.unwrap_or_else(|| "as agreed".to_owned());
        return NextCharge {
            when: Some(day(at)),
            lines: vec![
                Fact::new(format!("{title}, from then on"), price.clone()),
                Fact::total("Total before tax", price),
            ],
            none: String::new(),
            method,
        };
    }
    match (plan.status, plan.cancel_at, paid) {
        (_, Some(_), _) => nothing("Nothing will be charged: the plan ends."),
        ("ACTIVE" | "TRIALING", None, Some((minor, currency))) => {
            let price = amount(minor, currency);
            let title = paid_title(catalog, plan, live);
            let when = plan.trial_end.unwrap_or(plan.period_end);
            NextCharge {
                when: Some(day(when)),
                lines: vec![
                    Fact::new(format!("{title}, monthly"), price.clone()),
                    Fact::total("Total before tax", price),
                ],
                none: String::new(),
                method: method.clone(),
            }
        }
        ("PAST_DUE" | "UNPAID", ..) => nothing("The open invoice comes first."),
        ("PAUSED", ..) => nothing("Nothing while the plan is paused."),
        _ => nothing("Nothing: Free costs nothing."),
    }
}

fn history(catalog: &Catalog, rows: &Rows) -> History {
    let list: Vec<TransactionRow> = rows
        .history
        .iter()
        .map(|row| payment(catalog, row))
        .collect();
    let last = rows.history.last().filter(|_| rows.has_more);
    let count = u64::try_from(list.len()).unwrap_or(u64::MAX);
    History {
        pager: Pager {
            summary: format::counted(count, "payment", "payments"),
            newest: (!rows.is_first_page).then(|| BILLING.to_owned()),
            older: last.map(|row| format!("{BILLING}?after={}", row.public_id)),
        },
        csv: (!list.is_empty()).then(|| format!("{BILLING}/history.csv")),
        rows: list,
    }
}

fn payment(catalog: &Catalog, row: &Transaction) -> TransactionRow {
    let sign = if row.kind == "REFUND" { -1 } else { 1 };
    let receipt = match (&row.receipt_url, row.status.as_str()) {
        (Some(url), "COMPLETED" | "REFUNDED") => Receipt::Link(url.clone()),
        (_, "PENDING") => Receipt::None("After payment".to_owned()),
        _ => Receipt::None("None".to_owned()),
    };
    TransactionRow {
        when: day(row.occurred_at),
        title: transaction_title(catalog, row),
        kind: words::transaction_kind(&row.kind).to_owned(),
        amount: amount(row.amount_minor.saturating_mul(sign), &row.currency),
        badge: transaction_badge(row),
        receipt,
    }
}

/// What it was for, its plan by name.
pub fn transaction_title(catalog: &Catalog, row: &Transaction) -> String {
    let description = row.description.as_deref().unwrap_or_default();
    let description = words::with_days(description);
    match &row.subscription_tier {
        Some(tier) => words::with_plan(&description, &offer::title(catalog, tier)),
        None => description,
    }
}

/// The status in a word; a payment of which a part went back says so.
pub fn transaction_badge(row: &Transaction) -> Badge {
    match (row.kind.as_str(), row.status.as_str()) {
        ("REFUND", "COMPLETED") => Badge::plain("Refunded"),
        ("SUBSCRIPTION_CANCEL", "COMPLETED") => Badge::plain("Ended"),
        (_, "COMPLETED") if row.refunded_minor > 0 => Badge::plain("Partly refunded"),
        (_, status) => words::transaction_badge(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(exp_year: i64, exp_month: i64) -> (String, bool) {
        let card = Card {
            account_id: 1,
            brand: "visa".to_owned(),
            last4: "4242".to_owned(),
            exp_month,
            exp_year,
            synced_at: Timestamp::from_micros(0),
        };
        let now = domain::time::parse("2026-11-22").expect("a day");
        let method = method(&card, now);
        (method.expires, method.expiring)
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month_and_warned_of_thirty_days_before() {
        assert_eq!(shown(2027, 1), ("Expires 01/2027".to_owned(), false));
        assert_eq!(shown(2026, 12), ("Expires 12/2026".to_owned(), false));
        assert_eq!(shown(2026, 11), ("Expires soon, 11/2026".to_owned(), true));
        assert_eq!(shown(2026, 10), ("Expired 10/2026".to_owned(), true));
    }
}
