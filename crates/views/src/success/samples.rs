//! Samples of `success`: empty, typical and worst.

use super::*;
use crate::components::Prose;
use crate::components::{Action, Fact};
use crate::format;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::NOW;
use crate::samples::day;

impl SuccessPage {
    /// Each possible outcome of a payment.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

#[expect(clippy::too_many_lines, reason = "a table of samples")]
pub fn all() -> Vec<(&'static str, SuccessPage)> {
    let shell = || samples::customer_in_test_mode(Nav::Billing);
    let next = || {
        vec![Fact::new(
            "Next charge",
            Prose::new("$19.00 on ").time(day(23)),
        )]
    };
    let reference = || {
        vec![Fact::new(
            "Reference",
            Prose::default().code("txn_01JD9QK6"),
        )]
    };
    let again = "/dashboard/billing/success?session_id=cs_test_1&try=2";
    let refresh = Some(Refresh {
        seconds: 3,
        href: again.to_owned(),
    });
    let mut pending = SuccessPage::pending(
        shell(),
        "5,000 credits",
        "$5.00",
        reference(),
        again,
        refresh,
    );
    pending.steps[0].when = Some(format::clock(NOW));
    let evil = SuccessPage::pending(
        samples::worst(Nav::Billing),
        EVIL,
        EVIL,
        vec![Fact::total(EVIL, EVIL)],
        "/\"><script>",
        Some(Refresh {
            seconds: 3,
            href: "/\"><script>".to_owned(),
        }),
    );
    let retry = Action::link("Try again", "/dashboard/billing/credits");
    vec![
        (
            "plan",
            SuccessPage::plan_active(shell(), "Pro", "$19.00 per month", next()),
        ),
        (
            "credits",
            SuccessPage::credits_added(shell(), "5,000 credits", "$5.00", "6,228", reference()),
        ),
        ("pending", pending),
        (
            "delayed",
            SuccessPage::delayed(shell(), "Pro Plus", "$49.00", reference()),
        ),
        (
            "failed",
            SuccessPage::failed(
                shell(),
                "5,000 credits, $5.00",
                "Your bank declined the payment.",
                retry,
            ),
        ),
        ("not-found", SuccessPage::not_found(shell())),
        (
            "not-paid",
            SuccessPage::not_paid(
                shell(),
                "5,000 credits",
                Action::external("Continue to Stripe", "https://checkout.stripe.example/1"),
            ),
        ),
        (
            "refunded",
            SuccessPage::refunded(shell(), "Pro", "$19.00", reference()),
        ),
        (
            "back",
            SuccessPage::back(shell(), vec![Fact::total("Credits", "1,228")]),
        ),
        ("worst", evil),
    ]
}
