//! The ledger's rules, by example and by property.

mod calls;
mod clawback;
mod grants;
mod holds;
mod keys;
mod limits;
mod lives;

use super::*;
use crate::money::MinorUnits;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn terms() -> Terms {
    Terms {
        period_start: now(),
        calls_limit: None,
        status: WalletStatus::Active,
    }
}

fn credits(whole: i64) -> Credits {
    Credits::new(whole)
}

fn run(ledger: &mut Ledger, command: Command) -> Result<Outcome, Refusal> {
    ledger.apply(&Request::internal(command), now())
}

fn keyed(command: Command, key: &str, hash: u8) -> Request {
    let key = IdempotencyKey {
        key: key.into(),
        request_hash: [hash; 32],
    };
    Request {
        command,
        key: Some(key),
        context: Context::default(),
    }
}

fn purchase(source: &str, amount: i64, paid_minor: i64) -> NewGrant {
    let paid = MinorUnits::new(paid_minor, crate::money::Currency::USD);
    NewGrant {
        paid: Some(paid),
        ..NewGrant::new(GrantKind::Purchase, source, credits(amount))
    }
}

fn ledger_with(amount: i64) -> Ledger {
    let mut ledger = Ledger::new(7, terms());
    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_1", amount, amount)),
    )
    .unwrap();
    ledger
}

fn authorize(ledger: &mut Ledger, hold: &str, amount: i64) -> Result<Outcome, Refusal> {
    let amount = credits(amount);
    run(
        ledger,
        Command::Authorize {
            hold: hold.into(),
            amount,
            least: None,
            ttl_seconds: 120,
        },
    )
}

fn capture(ledger: &mut Ledger, hold: &str, amount: i64) -> Result<Outcome, Refusal> {
    run(
        ledger,
        Command::Capture {
            hold: hold.into(),
            amount: Some(credits(amount)),
        },
    )
}

fn debit(ledger: &mut Ledger, amount: i64) -> Result<Outcome, Refusal> {
    run(
        ledger,
        Command::Debit {
            amount: credits(amount),
        },
    )
}

fn settlement(outcome: &Outcome) -> (i64, i64, i64) {
    match &outcome.entry.as_ref().unwrap().body {
        Body::Settlement {
            captured,
            released,
            uncollected,
            ..
        } => (captured.floor(), released.floor(), uncollected.floor()),
        other => panic!("not a settlement: {other:?}"),
    }
}
