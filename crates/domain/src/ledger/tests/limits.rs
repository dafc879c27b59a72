//! The rules of spend limits, by example and by property.

use proptest::prelude::*;

use super::super::*;

const KEY: i64 = 5;
const MEMBER: i64 = 9;

fn start() -> Timestamp {
    crate::time::parse("2026-11-22T10:00:00Z").unwrap()
}

fn ledger(limits: Vec<Limit>) -> Ledger {
    let terms = Terms {
        period_start: start(),
        calls_limit: None,
        status: WalletStatus::Active,
    };
    let mut ledger = Ledger::new(7, terms);
    ledger.limits = limits;
    let grant = NewGrant::new(GrantKind::Purchase, "topup:pi_1", Credits::new(10_000));
    ledger
        .apply(&Request::internal(Command::Grant(grant)), start())
        .unwrap();
    ledger
}

fn limit(scope: LimitScope, subject: i64, window: LimitWindow, cap: i64) -> Limit {
    Limit::new(subject + 1, scope, subject, window, Credits::new(cap))
}

fn ask(
    ledger: &mut Ledger,
    command: Command,
    key: i64,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    if ledger.is_due(now) {
        ledger.settle(&[], now);
    }
    let context = Context {
        api_key: Some(key),
        user: (key == KEY).then_some(MEMBER),
        ..Context::default()
    };
    let request = Request {
        command,
        key: None,
        context,
    };
    ledger.apply(&request, now)
}

fn debit(ledger: &mut Ledger, amount: i64, key: i64, now: Timestamp) -> Result<Outcome, Refusal> {
    let amount = Credits::new(amount);
    ask(ledger, Command::Debit { amount }, key, now)
}

fn hold(ledger: &mut Ledger, id: &str, amount: i64, now: Timestamp) -> Result<Outcome, Refusal> {
    let command = Command::Authorize {
        hold: id.to_owned(),
        amount: Credits::new(amount),
        least: None,
        ttl_seconds: 600,
    };
    ask(ledger, command, KEY, now)
}

#[test]
fn a_call_over_a_limit_is_refused_by_its_name_and_changes_nothing() {
    let mut ledger = ledger(vec![limit(LimitScope::Key, KEY, LimitWindow::Day, 100)]);
    debit(&mut ledger, 60, KEY, start()).unwrap();
    let before = (ledger.wallet.clone(), ledger.limits.clone());

    let refusal = debit(&mut ledger, 41, KEY, start()).unwrap_err();

    let Refusal::SpendLimit {
        limit,
        needed,
        available,
    } = refusal
    else {
        panic!("another refusal");
    };
    assert_eq!(limit.name(), "key_day");
    assert_eq!((limit.used, needed), (Credits::new(60), Credits::new(41)));
    assert_eq!(available, Credits::new(9_940));
    assert_eq!((ledger.wallet.clone(), ledger.limits.clone()), before);
    debit(&mut ledger, 40, KEY, start()).unwrap();
    debit(&mut ledger, 500, 6, start()).expect("another key has no limit");
}

#[test]
fn a_hold_counts_at_once_and_what_it_gives_back_is_free_again() {
    let mut ledger = ledger(vec![limit(LimitScope::Account, 0, LimitWindow::Month, 100)]);
    hold(&mut ledger, "a", 80, start()).unwrap();

    let refusal = debit(&mut ledger, 21, KEY, start());
    let capture = Command::Capture {
        hold: "a".to_owned(),
        amount: Some(Credits::new(30)),
    };
    ask(&mut ledger, capture, 6, start()).unwrap();

    assert!(matches!(refusal, Err(Refusal::SpendLimit { .. })));
    assert_eq!(ledger.limits[0].used, Credits::new(30));
    assert_eq!(ledger.limits[0].held, Credits::ZERO);
    debit(&mut ledger, 70, KEY, start()).unwrap();
}

#[test]
fn a_window_starts_over_and_a_lifetime_never_does() {
    let day = limit(LimitScope::Account, 0, LimitWindow::Day, 100);
    let lifetime = limit(LimitScope::Member, MEMBER, LimitWindow::Lifetime, 150);
    let mut ledger = ledger(vec![day, lifetime]);
    debit(&mut ledger, 100, KEY, start()).unwrap();
    let midnight = crate::time::parse("2026-11-23T00:00:00Z").unwrap();
    let just_before = Timestamp::from_micros(midnight.micros() - 1);

    assert!(debit(&mut ledger, 1, KEY, just_before).is_err());
    debit(&mut ledger, 50, KEY, midnight).unwrap();
    let refusal = debit(&mut ledger, 1, KEY, midnight).unwrap_err();

    assert!(
        matches!(refusal, Refusal::SpendLimit { limit, .. } if limit.name() == "member_lifetime")
    );
    assert_eq!(LimitWindow::Day.end(midnight), Some(midnight.plus_days(1)));
}

#[test]
fn a_capture_above_its_hold_stops_at_the_limit_and_counts_for_the_key_that_was_admitted() {
    let mut ledger = ledger(vec![limit(LimitScope::Key, KEY, LimitWindow::Day, 100)]);
    hold(&mut ledger, "a", 50, start()).unwrap();
    let capture = Command::Capture {
        hold: "a".to_owned(),
        amount: Some(Credits::new(130)),
    };

    let outcome = ask(&mut ledger, capture, 6, start()).unwrap();

    let entry = outcome.entry.unwrap();
    assert_eq!(entry.charged(), Credits::new(100));
    assert_eq!(entry.context.api_key, Some(KEY));
    assert_eq!(ledger.limits[0].used, Credits::new(100));
}

#[test]
fn a_limit_that_was_lowered_below_what_is_used_lets_nothing_through() {
    let mut ledger = ledger(vec![limit(LimitScope::Account, 0, LimitWindow::Day, 100)]);
    debit(&mut ledger, 90, KEY, start()).unwrap();
    ledger.limits[0].cap = Credits::new(10);

    assert_eq!(ledger.limits[0].left(start()), Credits::ZERO);
    assert!(debit(&mut ledger, 1, KEY, start()).is_err());
    assert_eq!(
        ledger.limits[0].left(start().plus_days(1)),
        Credits::new(10)
    );
}

proptest! {
    /// No sequence of calls spends more than a limit allows, and its count matches what is rebuilt
    /// from the journal.
    #[test]
    fn a_limit_is_never_broken_and_is_rebuilt_from_the_journal(
        steps in proptest::collection::vec((0..5u8, 0..4u8, 1..90i64, 0..40_000i64), 1..80)
    ) {
        let limits = vec![
            limit(LimitScope::Account, 0, LimitWindow::Day, 200),
            limit(LimitScope::Key, KEY, LimitWindow::Lifetime, 300),
            limit(LimitScope::Member, MEMBER, LimitWindow::Month, 250),
        ];
        let mut live = ledger(limits.clone());
        let mut now = start();
        for (index, (kind, which, amount, seconds)) in steps.iter().enumerate() {
            let key = if amount % 3 == 0 { 6 } else { KEY };
            let newest = |ledger: &Ledger| {
                let prefix = format!("{which}-");
                let names = ledger.holds.keys().filter(|id| id.starts_with(&prefix));
                names.max().cloned().unwrap_or_default()
            };
            let command = match kind {
                0 => Command::Debit { amount: Credits::new(*amount) },
                1 => Command::Authorize {
                    hold: format!("{which}-{index:03}"),
                    amount: Credits::new(*amount),
                    least: None,
                    ttl_seconds: 3_600,
                },
                2 => Command::Capture {
                    hold: newest(&live),
                    amount: Some(Credits::new(amount * 2)),
                },
                3 => Command::Release { hold: newest(&live) },
                _ => {
                    now = now.plus_seconds(*seconds);
                    continue;
                }
            };
            let _ = ask(&mut live, command, key, now);
            for limit in &live.limits {
                prop_assert!(limit.used + limit.held <= limit.cap, "{limit:?}");
                prop_assert!(limit.held >= Credits::ZERO);
            }
        }

        let mut rebuilt = Ledger::new(7, live.terms);
        rebuilt.limits = limits;
        for entry in live.take_changes().entries {
            rebuilt.replay(&entry);
            rebuilt.wallet.hash = entry.hash;
        }
        for limit in live.limits.iter_mut().chain(&mut rebuilt.limits) {
            limit.roll(now);
        }
        prop_assert_eq!(rebuilt.limits, live.limits);
    }
}
