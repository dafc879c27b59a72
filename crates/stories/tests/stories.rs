//! Stories as tests: the same story always ends the same way; what failed once never fails again;
//! and many random ones.

use std::path::Path;
use store::DatabaseUrl;
use store::testing;

use stories::acts::{Act, Pay};
use stories::batch;
use stories::linked::Fate;
use stories::report::LENGTH;
use stories::story::Story;
use stories::world::Place;

/// Performs these acts of one person and checks that all is as it must be.
#[track_caller]
fn told(acts: &[Act]) {
    let story = Story {
        seed: 1,
        people: 1,
        acts: [&[Act::SignIn { who: 0 }], acts].concat(),
    };
    let ended = story.perform();
    assert!(
        ended.broken.is_empty(),
        "{}\n{}",
        ended.trace.join("\n"),
        ended.broken.join("\n")
    );
}

const PRO: Act = Act::BuyPlan {
    who: 0,
    plan: 0,
    pay: Pay::Card,
};

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 8] {
        let (first, second) = (Story::of_seed(seed, LENGTH), Story::of_seed(seed, LENGTH));

        assert_eq!(first.perform().trace, second.perform().trace);
    }
}

#[test]
fn an_allowance_that_is_kept_past_its_period_is_in_the_books() {
    told(&[PRO, Act::ToTurn { who: 0, minutes: 5 }, Act::Rest]);
}

#[test]
fn a_plan_that_is_ended_at_the_turn_promises_no_refund_of_the_period_before() {
    told(&[
        PRO,
        Act::ToTurn { who: 0, minutes: 0 },
        Act::EndNow { who: 0 },
    ]);
}

#[test]
fn a_plan_whose_payment_is_disputed_ends_without_a_promise() {
    told(&[
        PRO,
        Act::Dispute { who: 0, charge: 0 },
        Act::EndNow { who: 0 },
    ]);
}

#[test]
fn a_payment_that_was_lost_in_a_dispute_is_promised_to_nobody() {
    told(&[
        Act::BuyPlan {
            who: 0,
            plan: 3,
            pay: Pay::RefundFails,
        },
        // It fails, so the dispute about the rest leaves a part that Stripe doesn't refund.
        Act::StripeRefund {
            who: 0,
            charge: 3,
            percent: 1,
        },
        Act::Dispute { who: 0, charge: 1 },
        Act::ToTurn {
            who: 0,
            minutes: -5,
        },
        Act::EndNow { who: 0 },
    ]);
}

#[test]
fn a_refund_that_stripe_refuses_once_under_its_key_is_made() {
    let fault = Act::Fault {
        fate: Fate::FailsSaved,
        after: 1,
        times: 2,
        changes_only: true,
    };
    told(&[
        PRO,
        fault,
        Act::EndNow { who: 0 },
        Act::Pass { seconds: 3_600 },
    ]);
}

#[test]
fn a_downgrade_is_undone_although_stripe_saved_an_error() {
    let larger = Act::BuyPlan {
        who: 0,
        plan: 1,
        pay: Pay::Card,
    };
    let fault = Act::Fault {
        fate: Fate::FailsSaved,
        after: 0,
        times: 1,
        changes_only: true,
    };
    told(&[
        larger,
        Act::Change { who: 0, plan: 0 },
        fault,
        Act::Undo { who: 0 },
    ]);
}

#[test]
fn a_closed_account_spends_nothing() {
    let credits = Act::Adjust {
        who: 0,
        credits: 2_000,
    };
    let call = Act::Debit {
        who: 0,
        credits: 900,
        again: false,
    };
    told(&[credits, Act::Close { who: 0 }, call]);
}

#[test]
fn an_override_of_the_tier_ends_on_its_date_although_nobody_looks() {
    let days = Act::Override { who: 0, days: 3 };
    told(&[days, Act::Pass { seconds: 2_678_400 }]);
}

#[test]
fn an_invoice_that_is_voided_after_its_plan_ended_changes_its_plans_row() {
    let failing = Act::BuyPlan {
        who: 0,
        plan: 0,
        pay: Pay::Confirmed,
    };
    told(&[
        failing,
        Act::ToTurn {
            who: 0,
            minutes: -5,
        },
        Act::Pass { seconds: 2_678_400 },
        Act::EndInvoice { who: 0, void: true },
    ]);
}

#[test]
fn a_plan_that_was_paid_outside_of_stripe_is_ended_without_a_promise() {
    let by_debit = Act::BuyPlan {
        who: 0,
        plan: 1,
        pay: Pay::BankFails,
    };
    told(&[
        by_debit,
        Act::PaidElsewhere { who: 0 },
        Act::EndNow { who: 0 },
        Act::Pass { seconds: 86_400 },
    ]);
}

#[test]
fn another_products_plan_is_left_alone() {
    told(&[
        PRO,
        Act::OtherPlan { who: 0 },
        Act::Cancel { who: 0 },
        Act::EndNow { who: 0 },
        Act::Close { who: 0 },
    ]);
}

#[test]
fn automatic_top_up_follows_spending_only() {
    let auto = Act::AutoOn {
        who: 0,
        threshold: 1_900,
        pack: 0,
        cap: 4,
    };
    let refund = Act::StripeRefund {
        who: 0,
        charge: 0,
        percent: 50,
    };
    told(&[PRO, auto, refund, Act::Pass { seconds: 3_600 }]);
}

#[test]
fn a_changed_address_is_told_nothing_again() {
    told(&[
        PRO,
        Act::FromHost { who: 0 },
        Act::Address { who: 0 },
        Act::Sync { who: 0 },
    ]);
}

#[test]
fn an_account_with_a_member_is_its_owners() {
    told(&[
        Act::Join { who: 0 },
        Act::FromHost { who: 0 },
        Act::Put { who: 0 },
    ]);
}

/// How many random stories are performed with debug assertions; `bin/test` performs 3,000 without.
const STORIES: u64 = 40;

#[test]
fn random_stories_end_well() {
    let summary = batch::perform(0..STORIES, LENGTH);

    let broken = summary.kinds.values();
    let broken: Vec<String> = broken
        .map(|kind| format!("seed {}: {} ({} times)", kind.seed, kind.line, kind.times))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// How many of them are performed on PostgreSQL, too.
const ON_POSTGRES: u64 = 8;

#[test]
fn random_stories_end_well_on_postgres() {
    for seed in 0..ON_POSTGRES {
        let database = testing::postgres();
        let DatabaseUrl::Postgres(address) = &database.url else {
            panic!("it is PostgreSQL");
        };

        let ended = Story::of_seed(seed, LENGTH).perform_on(Place::Postgres(address));

        let trace = ended.trace.join("\n");
        assert!(
            ended.broken.is_empty(),
            "seed {seed}: {:?}\n{trace}",
            ended.broken
        );
    }
}

#[test]
fn each_planted_fault_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let planted: toml::Table = include_str!("../planted.toml").parse().unwrap();
    let faults = planted["fault"].as_array().unwrap();

    for fault in faults {
        let text = |field: &str| fault[field].as_str().unwrap();
        let code = std::fs::read_to_string(root.join(text("file"))).unwrap();

        assert_eq!(code.matches(text("old")).count(), 1, "{}", text("name"));
    }
}
