//! The seven events of the acceptance story in all their orders. An event only marks an account for
//! sync: whichever comes first, and however often, the fetched state decides.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{at, charge, invoice, subscription, topup};
use super::*;
use crate::ledger::{Ledger, Request, Terms, WalletStatus};
use crate::money::Credits;
use crate::plan::SubscriptionStatus;

const EVENTS: [&str; 7] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.trial_will_end",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "customer.subscription.updated",
    "customer.subscription.deleted",
];

/// The stored state of an account.
#[derive(Clone, Debug, PartialEq)]
struct State {
    rows: BTreeMap<String, Transaction>,
    subscriptions: BTreeMap<String, (SubscriptionFacts, Option<PendingChange>)>,
    invoices: BTreeMap<String, DesiredInvoice>,
    mails: BTreeSet<String>,
    balance: Credits,
    entries: i64,
}

struct Account {
    state: State,
    ledger: Ledger,
    tiers: HashMap<String, String>,
}

impl Account {
    fn new() -> Account {
        let terms = Terms {
            period_start: Timestamp::default(),
            calls_limit: None,
            status: WalletStatus::Active,
        };
        Account {
            state: State {
                rows: BTreeMap::new(),
                subscriptions: BTreeMap::new(),
                invoices: BTreeMap::new(),
                mails: BTreeSet::new(),
                balance: Credits::ZERO,
                entries: 0,
            },
            ledger: Ledger::new(1, terms),
            tiers: HashMap::new(),
        }
    }

    /// Syncs the account: fetches Stripe as it is now and applies it as the store does.
    fn sync(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let price = |price: &str, tier: &str| (price.to_owned(), tier.to_owned());
        let tier_of_price =
            HashMap::from([price("price_pro", "PRO"), price("price_plus", "PRO_PLUS")]);
        let rank_of_tier = HashMap::from([("PRO".to_owned(), 1), ("PRO_PLUS".to_owned(), 2)]);
        let addon_prices = HashSet::from(["price_seats".to_owned()]);
        let undone = HashSet::from(["sub_undone".to_owned()]);
        let open_disputes = HashSet::from(["dp_1".to_owned()]);
        let known = Known {
            tier_of_price: &tier_of_price,
            terms_of_price: &HashMap::new(),
            tier_held: &self.tiers,
            rank_of_tier: &rank_of_tier,
            grace_days: 7,
            gives_unpaid_credits: false,
            addon_prices: &addon_prices,
            undone: &undone,
            suspended_at: None,
            open_disputes: &open_disputes,
            pending: &HashSet::new(),
        };
        let wanted = project(snapshot, &known, now);
        for command in wanted.commands {
            self.ledger
                .apply(&Request::internal(command), now)
                .expect("the ledger takes what a sync asks");
        }
        let state = &mut self.state;
        for row in wanted.transactions {
            state.rows.insert(row.natural_key.clone(), row);
        }
        for one in wanted.subscriptions {
            self.tiers.extend(
                one.facts
                    .tier
                    .clone()
                    .map(|tier| (one.facts.id.clone(), tier)),
            );
            state
                .subscriptions
                .insert(one.facts.id.clone(), (one.facts, one.pending));
        }
        for one in wanted.invoices {
            state.invoices.insert(one.fetched.id.clone(), one);
        }
        state
            .mails
            .extend(wanted.mails.into_iter().map(|mail| mail.key));
        state.balance = self.ledger.wallet.posted;
        state.entries = self.ledger.wallet.seq;
    }
}

/// Stripe's state after each step of the story, with its time: a trial, its approaching end, a
/// renewal that fails and is then paid, an upgrade, a pack, the end.
fn story() -> Vec<(Snapshot, Timestamp)> {
    let mut snapshot = Snapshot::default();
    let mut steps = Vec::new();
    let mut step = |snapshot: &Snapshot, day: &str| steps.push((snapshot.clone(), at(day)));
    snapshot.sessions.push(Session {
        mode: "subscription".into(),
        id: "cs_plan".into(),
        payment_intent: None,
        subscription_id: Some("sub_1".into()),
        invoice_id: Some("in_trial".into()),
        ..topup("no_payment_required", "complete")
    });
    snapshot.subscriptions.push(Subscription {
        trial_end: Some(at("2026-11-25")),
        ..subscription("trialing")
    });
    snapshot.invoices.push(Invoice {
        amount_due: 0,
        amount_paid: 0,
        payment_intent: None,
        ..invoice("in_trial", "paid", "subscription_create")
    });
    step(&snapshot, "2026-11-15");
    step(&snapshot, "2026-11-22");
    snapshot.subscriptions[0].status = SubscriptionStatus::PastDue;
    snapshot
        .invoices
        .push(invoice("in_1", "open", "subscription_cycle"));
    snapshot.charges.push(Charge {
        id: "ch_failed".into(),
        is_paid: false,
        failure: Some("Your card has insufficient funds.".into()),
        ..charge("pi_in_1", 1_900, 0)
    });
    step(&snapshot, "2026-11-25");
    snapshot.subscriptions[0].status = SubscriptionStatus::Active;
    snapshot.invoices[1] = Invoice {
        attempt_count: 2,
        paid_at: Some(at("2026-11-26")),
        ..invoice("in_1", "paid", "subscription_cycle")
    };
    snapshot.charges.push(charge("pi_in_1", 1_900, 0));
    step(&snapshot, "2026-11-26");
    snapshot.subscriptions[0].price_id = Some("price_plus".into());
    snapshot.invoices.push(Invoice {
        price_id: Some("price_plus".into()),
        ..invoice("in_up", "paid", "subscription_update")
    });
    step(&snapshot, "2026-11-27");
    snapshot.sessions.push(topup("paid", "complete"));
    snapshot.charges.push(charge("pi_1", 500, 0));
    step(&snapshot, "2026-11-28");
    snapshot.subscriptions[0].status = SubscriptionStatus::Canceled;
    snapshot.subscriptions[0].ended_at = Some(at("2026-11-29"));
    step(&snapshot, "2026-11-29");
    steps
}

/// All orders of the numbers below `count` (Heap's algorithm).
fn orders(count: usize) -> Vec<Vec<usize>> {
    fn walk(count: usize, order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if count <= 1 {
            all.push(order.clone());
            return;
        }
        for index in 0..count {
            walk(count - 1, order, all);
            let other = if count.is_multiple_of(2) { index } else { 0 };
            order.swap(other, count - 1);
        }
    }
    let mut all = Vec::new();
    walk(count, &mut (0..count).collect(), &mut all);
    all
}

fn ended_well(state: &State) {
    let statuses = |kind| {
        let rows = state.rows.values().filter(move |row| row.kind == kind);
        rows.map(|row| row.status).collect::<Vec<_>>()
    };
    let completed = TransactionStatus::Completed;
    assert_eq!(
        statuses(TransactionType::SubscriptionPayment),
        [completed, completed]
    );
    assert_eq!(statuses(TransactionType::SubscriptionUpgrade), [completed]);
    assert_eq!(statuses(TransactionType::SubscriptionCancel), [completed]);
    assert_eq!(statuses(TransactionType::CreditTopup), [completed]);
    assert_eq!(state.balance, Credits::new(5_000));
}

#[test]
fn all_5040_orders_of_the_seven_events_after_the_story_end_in_the_same_state_and_emails() {
    let (snapshot, now) = story().pop().unwrap();
    let mut expected = Account::new();
    expected.sync(&snapshot, now);
    ended_well(&expected.state);
    let all = orders(EVENTS.len());
    assert_eq!(all.len(), 5_040);
    assert_eq!(
        all.iter().collect::<BTreeSet<_>>().len(),
        5_040,
        "each once"
    );

    for order in all {
        let mut account = Account::new();
        for event in &order {
            account.sync(&snapshot, now);
            assert_eq!(
                account.state, expected.state,
                "{} of {order:?}",
                EVENTS[*event]
            );
        }
    }
}

#[test]
fn events_that_arrive_during_the_story_lead_to_the_same_state_whichever_are_lost() {
    let story = story();
    let last = story.len() - 1;
    let mut expected = Account::new();
    expected.sync(&story[last].0, story[last].1);
    let silent = |state: &State| State {
        mails: BTreeSet::new(),
        ..state.clone()
    };

    for heard in 0..1_u32 << last {
        let mut account = Account::new();
        for (index, (snapshot, now)) in story.iter().enumerate() {
            // Twice, as when a delivery is repeated. A final sweep syncs in any case.
            if index == last || heard & (1 << index) != 0 {
                account.sync(snapshot, *now);
                account.sync(snapshot, *now);
            }
        }
        ended_well(&account.state);
        // No email reports a state that was never observed; everything else is the same.
        assert_eq!(silent(&account.state), silent(&expected.state), "{heard:b}");
        assert!(
            account.state.mails.is_superset(&expected.state.mails),
            "{heard:b}"
        );
    }
}

#[test]
fn a_story_that_is_synced_step_by_step_sends_each_email_once() {
    let mut account = Account::new();
    for (snapshot, now) in story() {
        account.sync(&snapshot, now);
    }

    let mails: Vec<&str> = account.state.mails.iter().map(String::as_str).collect();
    let trial = format!("trial-ends:sub_1:{}", at("2026-11-25").seconds());
    assert_eq!(
        mails,
        [
            "payment-failed:in_1",
            "plan-ended:sub_1",
            "receipt:cs_1",
            "receipt:in_1",
            "receipt:in_up",
            "recovered:in_1",
            &trial,
        ]
    );
}
