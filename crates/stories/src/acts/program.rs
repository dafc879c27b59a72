//! What programs with a key do.

use billing::actors::KeyCaller;
use billing::error::Error;
use billing::idempotency::Key;
use billing::keys;
use billing::metering::holds::{self, CaptureAmount, HoldName};
use billing::metering::{MeteredCall, debits};
use domain::ledger::{Body, Outcome};
use domain::units::Quantity;
use serde_json::value::RawValue;

use super::{person, said};
use crate::world::World;

/// The caller with the person's key, which is made when it is first needed.
async fn caller(world: &mut World, who: usize) -> Option<KeyCaller> {
    if let Some(key) = &world.people[who].key {
        return Some(key.clone());
    }
    let account = world.people[who].account?;
    let app = world.app.clone();
    let made = world.run(async move { keys::make(&app, Some(account), "program", "story").await });
    let (key, _) = made.await?.ok()?;
    let caller = KeyCaller {
        key: key.id,
        public_id: key.public_id,
        account: Some(account),
        member: None,
    };
    world.people[who].key = Some(caller.clone());
    Some(caller)
}

/// Notes what a call spent, or wanted to; a closed or suspended account spends nothing.
fn spent(world: &mut World, who: usize, act: &str, done: Option<&Result<Outcome, Error>>) {
    let outcome = match done {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) if error.0.code == "insufficient_credits" => {
            world.people[who].has_spent = true;
            world.people[who].spends += 1;
            return;
        }
        _ => return,
    };
    let person = &mut world.people[who];
    person.has_spent = true;
    person.spends += 1;
    let stopped = if person.is_closed {
        "closed"
    } else if person.is_suspended {
        "suspended"
    } else {
        return;
    };
    if !outcome.replayed {
        let line = format!("person {who}: a {stopped} account is admitted to a {act}");
        world.broken.push(line);
    }
}

fn raw(credits: u32) -> Box<RawValue> {
    RawValue::from_string(credits.to_string()).expect("a number is JSON")
}

/// A call of this many credits; some amounts stand for a free operation or one with several meters.
fn call(credits: u32) -> MeteredCall {
    let (operation, units) = match credits {
        7 => ("models", None),
        99 => ("completion", Some("input_tokens:99,output_tokens:0.5")),
        _ => {
            return MeteredCall {
                credits: Some(raw(credits.max(1))),
                ..MeteredCall::default()
            };
        }
    };
    MeteredCall {
        operation: Some(operation.to_owned()),
        units: units.map(|text| Quantity::parse(text).expect("units of meters")),
        ..MeteredCall::default()
    }
}

/// The call that a hold is for; some are for as much as there is.
fn call_of_hold(credits: u32) -> MeteredCall {
    if credits != 400 {
        return call(credits);
    }
    MeteredCall {
        operation: Some("completion".to_owned()),
        credits: Some(raw(credits)),
        max: true,
        ..MeteredCall::default()
    }
}

pub(super) async fn debit(world: &mut World, who: u8, credits: u32, again: bool) -> String {
    let who = person(world, who);
    let Some(caller) = caller(world, who).await else {
        return "no account".to_owned();
    };
    let count = world.marks.get("debit done").copied().unwrap_or_default();
    let key = Key(format!(
        "debit-{who}-{}",
        count - u64::from(again && count > 0)
    ));
    if credits == 7 {
        world.mark("free operation");
    }
    let app = world.app.clone();
    let done = world.run(async move { debits::debit(&app, &caller, key, &call(credits)).await });
    let done = done.await;
    spent(world, who, "debit", done.as_ref());
    said(world, "debit", done)
}

pub(super) async fn hold(world: &mut World, who: u8, credits: u32) -> String {
    let who = person(world, who);
    let Some(caller) = caller(world, who).await else {
        return "no account".to_owned();
    };
    let count = world.marks.get("hold done").copied().unwrap_or_default();
    let key = Key(format!("hold-{who}-{count}"));
    let app = world.app.clone();
    let done = world.run(async move {
        holds::authorize(&app, &caller, key, &call_of_hold(credits), None).await
    });
    let done = done.await;
    spent(world, who, "hold", done.as_ref());
    if let Some(Ok(outcome)) = &done
        && let Some(Body::Hold { hold, .. }) = outcome.entry.as_ref().map(|entry| &entry.body)
    {
        world.people[who].holds.push(hold.clone());
    }
    said(world, "hold", done)
}

pub(super) async fn capture(world: &mut World, who: u8, credits: u32) -> String {
    let who = person(world, who);
    let Some(caller) = caller(world, who).await else {
        return "no account".to_owned();
    };
    let Some(hold) = world.people[who].holds.pop() else {
        return "no hold".to_owned();
    };
    if credits == 6_000 {
        world.mark("absurd capture");
    }
    let app = world.app.clone();
    let done = world.run(async move {
        let name = HoldName {
            id: &hold,
            account: None,
        };
        // Some captures are absurd: they are refused, and the hold expires.
        let credits = if credits == 6_000 {
            RawValue::from_string("1e12".to_owned()).expect("a number is JSON")
        } else {
            raw(credits)
        };
        let amount = CaptureAmount {
            credits: Some(&credits),
            units: None,
        };
        holds::capture(&app, &caller, None, name, amount).await
    });
    let done = done.await;
    // To capture nothing is to release.
    if credits > 0 {
        spent(world, who, "capture", done.as_ref());
    }
    said(world, "capture", done)
}

pub(super) async fn release(world: &mut World, who: u8) -> String {
    let who = person(world, who);
    let Some(caller) = caller(world, who).await else {
        return "no account".to_owned();
    };
    let Some(hold) = world.people[who].holds.pop() else {
        return "no hold".to_owned();
    };
    let app = world.app.clone();
    let done = world.run(async move {
        let name = HoldName {
            id: &hold,
            account: None,
        };
        holds::release(&app, &caller, None, name).await
    });
    let done = done.await;
    said(world, "release", done)
}
