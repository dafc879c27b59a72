//! Every state of a plan, its payment, the dispute about it and its pause: the tables of
//! `docs/reference/sync.md` are read, and every combination of their words is projected and compared
//! with the first line that matches.

use super::*;
use crate::catalog::Catalog;
use crate::plan::{
    AccountFacts, PlanInvoice, PlanRules, allowance_due, claims as claims_of, plan_at,
};

const REFERENCE: &str = include_str!("../../../../../docs/reference/sync.md");

const SUBSCRIPTIONS: [&str; 9] = [
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "unpaid",
    "paused",
    "canceled",
    "some_new_status",
];

/// The invoice of the period, with what became of its last attempt.
const INVOICES: [&str; 9] = [
    "none",
    "draft",
    "open",
    "in progress",
    "confirm",
    "failed",
    "paid",
    "void",
    "uncollectible",
];

const CHARGES: [&str; 6] = [
    "none",
    "pending",
    "failed",
    "succeeded",
    "partly",
    "refunded",
];

const DISPUTES: [&str; 9] = [
    "none",
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
];

const PAUSES: [&str; 2] = ["no", "yes"];

/// One combination: subscription, invoice, charge, dispute, paused.
#[derive(Clone, Copy, Debug)]
struct State {
    subscription: &'static str,
    invoice: &'static str,
    charge: &'static str,
    dispute: &'static str,
    paused: &'static str,
}

impl State {
    /// Whether Stripe's objects can be in this state together: only a charge that succeeded is
    /// disputed, and an invoice has the charges of its payment.
    fn is_possible(&self) -> bool {
        let took_money = matches!(self.charge, "succeeded" | "partly" | "refunded");
        let fits = match self.invoice {
            "none" | "draft" | "open" => self.charge == "none",
            "in progress" => self.charge == "pending",
            "confirm" | "failed" | "uncollectible" => matches!(self.charge, "none" | "failed"),
            "paid" => self.charge == "none" || took_money,
            "void" => self.charge != "pending",
            other => panic!("{other}"),
        };
        fits && (took_money || self.dispute == "none")
    }

    fn all() -> Vec<State> {
        let mut all = Vec::new();
        for subscription in SUBSCRIPTIONS {
            for invoice in INVOICES {
                for charge in CHARGES {
                    for dispute in DISPUTES {
                        all.extend(PAUSES.map(|paused| State {
                            subscription,
                            invoice,
                            charge,
                            dispute,
                            paused,
                        }));
                    }
                }
            }
        }
        all.retain(State::is_possible);
        all
    }

    fn word(&self, column: &str) -> &'static str {
        match column {
            "Subscription" => self.subscription,
            "Invoice" => self.invoice,
            "Charge" => self.charge,
            "Dispute" => self.dispute,
            "Paused" => self.paused,
            other => panic!("{other} is no column of a state"),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let status = self.subscription;
        Snapshot {
            subscriptions: vec![Subscription {
                period_start: at("2026-11-20"),
                period_end: at("2026-12-20"),
                is_paused: self.paused == "yes",
                canceled_at: (status == "canceled").then(now),
                ended_at: (status == "canceled").then(now),
                ..subscription(status)
            }],
            invoices: self.invoice().into_iter().collect(),
            charges: self.charge().into_iter().collect(),
            ..Snapshot::default()
        }
    }

    fn invoice(&self) -> Option<Invoice> {
        let (status, attempts) = match self.invoice {
            "none" => return None,
            "draft" => ("draft", 0),
            // An attempt whose outcome is not known is not counted.
            "open" | "in progress" => ("open", 0),
            "confirm" | "failed" => ("open", 1),
            other => (other, 1),
        };
        Some(Invoice {
            attempt_count: attempts,
            needs_confirmation: self.invoice == "confirm",
            period: Some((at("2026-11-20"), at("2026-12-20"))),
            paid_at: (status == "paid").then(now),
            ..invoice("in_1", status, "subscription_cycle")
        })
    }

    fn charge(&self) -> Option<Charge> {
        let refunded = match self.charge {
            "none" => return None,
            "partly" => 950,
            "refunded" => 1_900,
            _ => 0,
        };
        let is_paid = !matches!(self.charge, "pending" | "failed");
        let refund = Refund {
            id: "re_1".into(),
            amount: refunded,
            status: "succeeded".into(),
            is_ours: false,
            created_at: now(),
        };
        Some(Charge {
            is_paid,
            failure: (self.charge == "failed").then(|| "Your card was declined.".into()),
            refunds: (refunded > 0).then_some(refund).into_iter().collect(),
            disputes: match self.dispute {
                "none" => Vec::new(),
                status => vec![dispute(status, 1_900)],
            },
            ..charge("pi_in_1", 1_900, refunded)
        })
    }
}

/// A table of the reference, by its heading.
fn table(heading: &str) -> (Vec<&'static str>, Vec<Vec<&'static str>>) {
    let (_, section) = REFERENCE
        .split_once(&format!("\n### {heading}\n"))
        .unwrap_or_else(|| panic!("the reference has no section {heading}"));
    let cells = |line: &'static str| -> Vec<&'static str> {
        let line = line.trim().trim_matches('|');
        line.split('|').map(str::trim).collect()
    };
    let mut lines = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(cells);
    let head = lines.next().expect("the table has a head");
    (head, lines.skip(1).collect())
}

fn matches(cell: &str, word: &str) -> bool {
    cell == "any" || cell.split(", ").any(|one| one.trim_matches('`') == word)
}

/// Walks a table: the columns before `first` are the state, the rest is what it gives.
fn walk(heading: &str, first: &str, given: impl Fn(&State) -> Vec<String>) {
    let (head, rows) = table(heading);
    let split = head.iter().position(|name| *name == first).unwrap();
    let mut used = vec![false; rows.len()];
    let mut wrong = Vec::new();
    for state in State::all() {
        let is_row = |row: &Vec<&str>| {
            let mut cells = row.iter().zip(&head).take(split);
            cells.all(|(cell, column)| matches(cell, state.word(column)))
        };
        let found = rows.iter().position(is_row);
        let Some(found) = found else {
            wrong.push(format!("no line is about {state:?}: {:?}", given(&state)));
            continue;
        };
        used[found] = true;
        let given = given(&state);
        if rows[found][split..] != given {
            wrong.push(format!("{state:?}: {given:?}, not {:?}", rows[found]));
        }
    }
    for (row, used) in rows.iter().zip(used) {
        if !used {
            wrong.push(format!("no state leads to {row:?}"));
        }
    }
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "{} faults:\n{}",
        wrong.len(),
        shown.join("\n")
    );
}

fn catalog() -> Catalog {
    Catalog::parse(include_str!("../../../../../catalog.toml")).unwrap()
}

/// What the plan depends on, as the store keeps it.
fn facts(wanted: &Desired) -> AccountFacts {
    let invoices = wanted.invoices.iter().map(|one| PlanInvoice {
        id: one.fetched.id.clone(),
        subscription: "sub_1".into(),
        tier: one.tier.clone(),
        status: one.fetched.status(),
        billing_reason: one.fetched.billing_reason.clone(),
        is_proration: one.fetched.is_proration,
        amount_due: one.fetched.amount_due,
        is_tried: one.fetched.attempt_count > 0,
        period: one.fetched.period,
        charged: one.charged,
        reversed: one.reversed,
        is_disputed: one.is_disputed,
    });
    AccountFacts {
        account: 1,
        anchor_at: at("2026-10-31"),
        is_verified: true,
        status: crate::plan::AccountStatus::Active,
        free_claim: None,
        tier_override: None,
        subscriptions: wanted
            .subscriptions
            .iter()
            .map(|one| one.facts.clone())
            .collect(),
        invoices: invoices.collect(),
    }
}

fn listed(mut words: Vec<String>) -> String {
    words.sort();
    if words.is_empty() {
        return "none".into();
    }
    words.join(", ")
}

/// The emails by the first part of their keys, among those of `about`.
fn mails(wanted: &Desired, about: &[&str]) -> String {
    let keys = wanted.mails.iter().map(|mail| &mail.key);
    let words = keys.map(|key| key.split(':').next().unwrap().to_owned());
    listed(
        words
            .filter(|word| about.contains(&word.as_str()))
            .collect(),
    )
}

#[test]
fn every_status_of_a_subscription_gives_the_access_of_its_line() {
    walk("Access", "Shown", |state| {
        let wanted = run(&state.snapshot());
        let plan = plan_at(&facts(&wanted), &catalog(), PlanRules::default(), now());
        let tier = if plan.access_tier == "FREE" {
            "FREE"
        } else {
            "the tier"
        };
        vec![
            plan.status.word().into(),
            tier.into(),
            mails(&wanted, &["plan-ended", "plan-ending", "trial-ends"]),
        ]
    });
}

#[test]
fn every_state_of_a_payment_gives_the_rows_emails_and_alerts_of_its_line() {
    walk("Payment of a period", "Row", |state| {
        let wanted = run(&state.snapshot());
        let of = |is: &dyn Fn(&&Transaction) -> bool| {
            let rows = wanted.transactions.iter().filter(|row| !row.is_nothing());
            let rows = rows.filter(is);
            listed(rows.map(|row| row.status.word().to_owned()).collect())
        };
        let open = wanted.disputes.iter().filter(|one| one.fetched.is_open());
        let mut alerts: Vec<String> = open.map(|_| "dispute".into()).collect();
        let is_decision = |row: &&Transaction| row.natural_key.starts_with("payment:");
        if wanted
            .transactions
            .iter()
            .any(|row| is_decision(&row) && row.status == TransactionStatus::Completed)
        {
            alerts.push("payment".into());
        }
        vec![
            of(&|row| row.natural_key.starts_with("invoice:")),
            of(&|row| row.kind == TransactionType::Refund || is_decision(row)),
            mails(
                &wanted,
                &[
                    "receipt",
                    "recovered",
                    "payment-failed",
                    "payment-ended",
                    "confirm",
                    "refunded",
                    "dispute-opened",
                    "dispute-won",
                    "dispute-lost",
                ],
            ),
            listed(alerts),
        ]
    });
}

#[test]
fn every_state_gives_the_allowance_of_its_line() {
    walk("Allowance of a month", "Allowance", |state| {
        let wanted = run(&state.snapshot());
        let facts = facts(&wanted);
        let catalog = catalog();
        let plan = plan_at(&facts, &catalog, PlanRules::default(), now());
        let Some(due) = allowance_due(&facts, &plan, &[], now()) else {
            return vec!["none".into()];
        };
        let granted = [(due.source_key.clone(), due.amount)];
        let claims = claims_of(&granted, &facts.invoices, &catalog);
        let reversed = claims.first().map_or(Credits::ZERO, |claim| claim.reversed);
        let left = (due.amount - reversed).floor();
        let mut words = match (plan.access_tier.as_str(), left) {
            ("FREE", 100) => "FREE's".to_owned(),
            ("PRO", 1_000) => "all".to_owned(),
            ("PRO", 500) => "half".to_owned(),
            other => format!("{other:?}"),
        };
        if claims.first().is_some_and(|claim| claim.is_frozen) {
            words.push_str(", frozen");
        }
        vec![words]
    });
}

#[test]
fn the_reference_says_how_many_states_there_are() {
    let count = State::all().len();
    let said = format!("{count} states");
    assert!(REFERENCE.contains(&said), "the reference should say {said}");
}
