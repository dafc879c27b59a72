//! What customers do.

use billing::accounts::closing;
use billing::accounts::preferences::{self, AutoChange, Change};
use billing::accounts::put::{self, PutAccount};
use billing::payments::checkout::{self, Purchase};
use billing::payments::plan::ending;
use billing::payments::plan::{self, Choice};
use billing::people::users;
use domain::catalog::Interval;
use domain::money::Credits;
use twin::core::{PayError, Payment};

use super::{Pay, person, said};
use crate::world::World;

/// The plans that are sold by themselves, cheapest first.
pub(crate) const PLANS: [&str; 2] = ["PRO", "PRO_PLUS"];

pub(super) async fn sign_in(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let (app, email) = (world.app.clone(), world.people[who].email.clone());
    let done = world
        .run(async move { users::sign_in(&app, &email).await })
        .await;
    let Some(Ok(user)) = done else {
        return said(world, "sign in", done);
    };
    settle_in(world, who, user).await;
    "signed in".to_owned()
}

/// The account of a user who came in becomes the person's.
pub(super) async fn settle_in(world: &mut World, who: usize, user: i64) {
    let app = world.app.clone();
    let places = app
        .read(move |tx| store::users::memberships(tx, user))
        .await;
    let account = places
        .ok()
        .and_then(|places| Some(places.first()?.account_id));
    if account.is_some()
        && !world.people[who].lives.is_empty()
        && world.people[who].account != account
    {
        world.mark("another life");
    }
    let person = &mut world.people[who];
    if person.account != account {
        person.is_closed = false;
        person.asked_to_close = false;
        person.is_suspended = false;
        person.suspensions.clear();
        person.key = None;
        person.holds.clear();
        person.lives.extend(account);
    }
    person.account = account;
}

pub(super) async fn put(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let email = world.people[who].email.clone();
    let done = puts(world, who, &email).await;
    said(world, "put", done)
}

/// The host application puts the person's account with this address.
pub(super) async fn puts(
    world: &mut World,
    who: usize,
    email: &str,
) -> Option<billing::error::Result<put::Saved>> {
    let body = serde_json::json!({"name": format!("Person {who}"), "email": email});
    let body: PutAccount = serde_json::from_value(body).expect("a body");
    let (app, id) = (world.app.clone(), format!("host-{who}"));
    world
        .run(async move { put::put(&app, "host", id, body).await })
        .await
}

/// A plan by a number, and how often it is paid: one of three pays by the year.
fn plan_of(number: u8) -> (&'static str, Interval) {
    let number = usize::from(number);
    let interval = match (number / PLANS.len()) % 3 {
        2 => Interval::Year,
        _ => Interval::Month,
    };
    (PLANS[number % PLANS.len()], interval)
}

pub(super) async fn buy_plan(world: &mut World, who: u8, plan: u8, pay: Pay) -> String {
    let (name, interval) = plan_of(plan);
    let purchase = Purchase::Plan(name.to_owned(), Some(interval));
    buy(world, who, purchase, pay).await
}

pub(super) async fn buy_pack(world: &mut World, who: u8, pack: u8, pay: Pay) -> String {
    let packs = world.app.catalog().packs;
    let pack = packs[usize::from(pack) % packs.len()].credits;
    buy(world, who, Purchase::Pack(pack), pay).await
}

async fn buy(world: &mut World, who: u8, purchase: Purchase, pay: Pay) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let started = world.run(async move { checkout::start(&app, &caller, &purchase, None).await });
    let url = match started.await {
        Some(Ok(url)) => url,
        other => return said(world, "checkout", other),
    };
    let session = url.rsplit('/').next().unwrap_or_default().to_owned();
    if !world.stripe.read(|core| core.object(&session).is_some()) {
        return format!("sent to {url}");
    }
    // A code that the page doesn't take changes nothing.
    if let Some(code) = world.people[who].code.take() {
        let _ = world
            .stripe
            .act(|core, now| core.apply_promotion_code(&session, &code, now));
    }
    let paid = pay_session(world, &session, pay);
    world.collect_mail();
    paid
}

fn pay_session(world: &mut World, session: &str, pay: Pay) -> String {
    let method = match pay {
        Pay::Leaves => return "left the page".to_owned(),
        Pay::Bank | Pay::BankFails => Payment::Delayed,
        other => Payment::Method(card(other).to_owned()),
    };
    let paid = world
        .stripe
        .act(|core, now| match core.pay_checkout(session, method, now) {
            Err(PayError::RequiresAuthentication) => core.authenticate_checkout(session, true, now),
            Ok(_) if matches!(pay, Pay::Bank | Pay::BankFails) => {
                core.settle_checkout(session, pay == Pay::Bank, now)
            }
            paid => paid,
        });
    match paid {
        Ok(_) => {
            world.asked.sessions.insert(session.to_owned());
            world.mark(format!("paid by {pay:?}"));
            format!("paid by {pay:?}: {session}")
        }
        Err(error) => format!("not paid: {error}"),
    }
}

/// The test payment method for a way to pay.
pub(super) fn card(pay: Pay) -> &'static str {
    match pay {
        Pay::Declined => "pm_card_chargeDeclined",
        Pay::Confirmed => "pm_card_authenticationRequired",
        Pay::FailsLater => "pm_card_chargeCustomerFail",
        Pay::RefundFails => "pm_card_refundFail",
        _ => "pm_card_visa",
    }
}

pub(super) async fn change(world: &mut World, who: u8, plan: u8) -> String {
    let who = person(world, who);
    let (plan, interval) = plan_of(plan);
    let interval = Some(interval);
    let choice = Choice { plan, interval };
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let (app, asking) = (world.app.clone(), caller.clone());
    let quoted = world.run(async move { plan::quote(&app, &asking, choice).await });
    let quote = match quoted.await {
        Some(Ok(quote)) => quote,
        other => return said(world, "quote", other),
    };
    let subscription = quote.held.subscription_id.clone();
    let app = world.app.clone();
    let name_of_quote = plan::Quote::read(&quote.name());
    let changed =
        world.run(async move { plan::change(&app, &caller, choice, name_of_quote).await });
    let changed = changed.await;
    // Whatever the answer was, the customer has confirmed the price.
    world
        .stripe
        .act(|core, _| {
            let latest = core
                .object(&subscription)
                .map(|one| one["latest_invoice"].clone());
            latest.and_then(|id| id.as_str().map(str::to_owned))
        })
        .map(|invoice| world.asked.invoices.insert(invoice));
    // A change to a smaller plan is charged later, by a schedule.
    if let Some(price) =
        interval.and_then(|interval| world.app.prices().sold(plan, interval).cloned())
    {
        world.asked.prices.insert((who, price));
    }
    said(world, "change", changed)
}

pub(super) async fn undo(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { plan::undo(&app, &caller).await })
        .await;
    said(world, "undo", done)
}

pub(super) async fn cancel(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { plan::cancel(&app, &caller, None).await })
        .await;
    said(world, "cancel", done)
}

pub(super) async fn resume(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { plan::resume(&app, &caller).await })
        .await;
    said(world, "resume", done)
}

pub(super) async fn end_now(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let (app, asking) = (world.app.clone(), caller.clone());
    let quoted = world.run(async move { ending::quote(&app, &asking).await });
    let quote = match quoted.await {
        Some(Ok(quote)) => (quote.date, quote.refund.amount),
        other => return said(world, "quote of an end", other),
    };
    let subscription = world.live_subscription(who).await;
    let app = world.app.clone();
    let done = world
        .run(async move { ending::end(&app, &caller, quote, None).await })
        .await;
    if !matches!(done, Some(Ok(Some(_))))
        && let Some(subscription) = subscription
    {
        let person = &mut world.people[who];
        let promise = (subscription, quote.1, person.spends);
        person.promised.push(promise);
    }
    said(world, "end now", done)
}

pub(super) async fn auto_on(
    world: &mut World,
    who: u8,
    (threshold, pack, cap): (u16, u8, u8),
) -> String {
    let packs = world.app.catalog().packs;
    let pack = &packs[usize::from(pack) % packs.len()];
    let on = AutoChange::On {
        threshold: Credits::new(i64::from(threshold)),
        pack: pack.credits,
        month_max_minor: pack.price.amount * i64::from(cap % 5 + 1),
    };
    set_auto(world, who, on).await
}

pub(super) async fn auto_off(world: &mut World, who: u8) -> String {
    set_auto(world, who, AutoChange::Off).await
}

async fn set_auto(world: &mut World, who: u8, auto: AutoChange) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let change = Change {
        auto: Some(auto),
        ..Change::default()
    };
    let done = world.run(async move {
        let (account, user) = (caller.account.id, caller.user.id);
        preferences::change(&app, account, user, &caller.user.public_id, change).await
    });
    let done = done.await;
    said(world, "automatic top-up", done)
}

pub(super) async fn close(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = world.signed_in(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world
        .run(async move { closing::close(&app, &caller).await })
        .await;
    // A process that ended, or a call that failed, may have begun it.
    let has_begun = match &done {
        None | Some(Ok(())) => true,
        Some(Err(error)) => error.0.code == "closing",
    };
    if has_begun {
        world.people[who].asked_to_close = true;
    }
    if matches!(done, Some(Ok(()))) {
        world.people[who].is_closed = true;
    }
    said(world, "close", done)
}
