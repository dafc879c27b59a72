//! Grants: their order, their expiry and rollover.

use super::*;

#[test]
fn free_and_expiring_credits_are_spent_before_bought_ones() {
    let mut ledger = ledger_with(100);
    let expires_at = Some(now().plus_days(30));
    let allowance = NewGrant {
        expires_at,
        ..NewGrant::new(GrantKind::Allowance, "a:1", credits(10))
    };
    let promo = NewGrant::new(GrantKind::Promo, "p:1", credits(10));
    run(&mut ledger, Command::Grant(promo)).unwrap();
    run(&mut ledger, Command::Grant(allowance)).unwrap();

    debit(&mut ledger, 15).unwrap();

    let used = |source: &str| ledger.lot_by_source(source).unwrap().used.floor();
    assert_eq!((used("a:1"), used("p:1"), used("topup:pi_1")), (10, 5, 0));
}

#[test]
fn one_grant_per_source_key() {
    let mut ledger = ledger_with(100);

    let again = run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_1", 100, 100)),
    )
    .unwrap();

    assert_eq!(again.entry, None);
    assert_eq!(ledger.wallet.posted, credits(100));
}

#[test]
fn credits_end_at_their_moment_even_when_a_hold_had_pinned_them() {
    let mut ledger = Ledger::new(1, terms());
    let expires_at = Some(now().plus_seconds(60));
    let lot = NewGrant {
        expires_at,
        ..NewGrant::new(GrantKind::Promo, "p", credits(10))
    };
    run(&mut ledger, Command::Grant(lot)).unwrap();
    authorize(&mut ledger, "a", 4).unwrap();
    let later = now().plus_seconds(60);
    ledger.settle(&[], later);
    assert_eq!(ledger.lots[&1].expired, credits(6));

    ledger
        .apply(
            &Request::internal(Command::Release { hold: "a".into() }),
            later,
        )
        .unwrap();

    assert_eq!(ledger.lots[&1].expired, credits(10));
    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

#[test]
fn an_unspent_allowance_is_carried_over_up_to_the_cap_and_ends_with_its_months() {
    let rule = crate::catalog::Rollover {
        cap: credits(150),
        months: 2,
    };
    let end = now().plus_days(30);
    let allowance = |period: i64, start: Timestamp| NewGrant {
        effective_at: Some(start),
        expires_at: Some(start.plus_days(30)),
        ..NewGrant::new(
            GrantKind::Allowance,
            format!("allowance:7:PRO:{period}"),
            credits(100),
        )
    };
    let mut ledger = Ledger::new(7, terms());
    ledger.settle(&[allowance(1, now())], now());
    debit(&mut ledger, 20).unwrap();

    let carried = ledger.rollover_due(Some(rule), end);
    ledger.settle(&[carried.clone(), vec![allowance(2, end)]].concat(), end);

    assert_eq!(carried.len(), 1);
    assert_eq!(carried[0].amount, credits(80));
    assert_eq!(ledger.available(end), credits(180));
    let kinds: Vec<GrantKind> = live_kinds(&ledger, end);
    assert_eq!(kinds, [GrantKind::Rollover, GrantKind::Allowance]);

    let later = end.plus_days(30);
    let carried = ledger.rollover_due(Some(rule), later);
    assert_eq!(
        carried[0].amount,
        credits(70),
        "the cap counts what was carried before"
    );
    ledger.settle(&carried, later);
    assert_eq!(ledger.available(later), credits(150));
    assert!(
        ledger.rollover_due(None, later).is_empty(),
        "off by default"
    );
}

fn live_kinds(ledger: &Ledger, now: Timestamp) -> Vec<GrantKind> {
    let mut lots: Vec<&Lot> = ledger
        .lots
        .values()
        .filter(|lot| lot.is_spendable(now) && lot.remaining().is_positive())
        .collect();
    lots.sort_by_key(|lot| lot.order());
    lots.into_iter().map(|lot| lot.kind).collect()
}
