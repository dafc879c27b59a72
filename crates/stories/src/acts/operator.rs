//! What operators do.

use billing::idempotency::Key;
use billing::operators::accounts;
use billing::operators::credits::{self, Justification};
use billing::operators::refunds::{self, NewRefund};
use domain::money::Credits;
use domain::projection::TransactionType;

use super::{person, said};
use crate::world::World;

fn justification() -> Justification {
    Justification {
        actor: "usr_operator".to_owned(),
        reason: "goodwill".to_owned(),
        note: Some("a story".to_owned()),
        credits_max: None,
        notifies: true,
    }
}

fn fresh_key(world: &mut World) -> Key {
    world.mark("operator's key");
    Key(format!("operator-{}", world.marks["operator's key"]))
}

pub(super) async fn adjust(world: &mut World, who: u8, credits: i32) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let (app, key) = (world.app.clone(), fresh_key(world));
    let amount = Credits::new(i64::from(credits));
    let done = world
        .run(async move { credits::adjust(&app, &account, key, amount, &justification()).await });
    let done = done.await;
    said(world, "adjust", done)
}

pub(super) async fn refund(world: &mut World, who: u8, payment: u8, percent: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let paid = world.transactions(account.id).await;
    let paid: Vec<_> = paid
        .into_iter()
        .filter(|row| row.status.is_paid() && row.kind != TransactionType::Refund)
        .filter(|row| row.stripe_payment_intent_id.is_some())
        .collect();
    if paid.is_empty() {
        return "no payment".to_owned();
    }
    let row = &paid[usize::from(payment) % paid.len()];
    let cents = row.amount_minor * i64::from(percent.clamp(1, 100)) / 100;
    let ask = NewRefund {
        payment: row.public_id.clone(),
        amount: (percent < 100).then(|| format!("{}.{:02}", cents / 100, cents % 100)),
        reason: "requested_by_customer".to_owned(),
        note: None,
        refunded: None,
        credit_note: false,
        actor: "usr_operator".to_owned(),
    };
    let (app, key) = (world.app.clone(), fresh_key(world));
    let done = world
        .run(async move { refunds::make(&app, &ask, &key.0).await })
        .await;
    said(world, "refund", done)
}

pub(super) async fn void(world: &mut World, who: u8, grant: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let lots = world.lots(account.id).await;
    if lots.is_empty() {
        return "no grant".to_owned();
    }
    let lot = lots[usize::from(grant) % lots.len()].id;
    let (app, key) = (world.app.clone(), fresh_key(world));
    let name = format!("grant_{lot}");
    let done =
        world.run(async move { credits::void(&app, &account, key, &name, &justification()).await });
    let done = done.await;
    said(world, "void", done)
}

pub(super) async fn forgive(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let (app, key) = (world.app.clone(), fresh_key(world));
    let done = world
        .run(async move { credits::forgive(&app, &account, key, None, &justification()).await });
    let done = done.await;
    said(world, "forgive", done)
}

pub(super) async fn suspend(world: &mut World, who: u8, on: bool) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world.run(async move {
        accounts::set_suspended(&app, &account, on, "a story", "usr_operator").await
    });
    let done = done.await;
    if matches!(done, Some(Ok(_))) {
        let now = world.now().seconds();
        let person = &mut world.people[who];
        if on && !person.is_suspended {
            person.suspensions.push((now, None));
        } else if !on && let Some(last) = person.suspensions.last_mut() {
            last.1.get_or_insert(now);
        }
        person.is_suspended = on;
    }
    said(world, "suspend", done)
}

pub(super) async fn sync(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let done = world.run(async move { accounts::sync(&app, &account, "usr_operator").await });
    let done = done.await;
    said(world, "sync", done)
}

pub(super) async fn promote(world: &mut World, who: u8, credits: u32) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let (app, key) = (world.app.clone(), fresh_key(world));
    let amount = Credits::new(i64::from(credits));
    let until = Some(world.now().plus_days(20));
    let done = world.run(async move {
        credits::promote(&app, &account, key, amount, until, &justification()).await
    });
    let done = done.await;
    said(world, "promote", done)
}

pub(super) async fn override_tier(world: &mut World, who: u8, days: u8) -> String {
    let who = person(world, who);
    let Some(account) = world.account(who).await else {
        return "no account".to_owned();
    };
    let app = world.app.clone();
    let until = world.now().plus_days(i64::from(days));
    let tier = (days > 0).then(|| ("PRO_PLUS".to_owned(), Some(until)));
    let done = world.run(async move {
        accounts::set_tier(&app, &account, tier, "a story", "usr_operator").await
    });
    let done = done.await;
    said(world, "override", done)
}
