//! `/dashboard/billing/success`: the page after Checkout.

use askama::Template;

use crate::components::{Action, Banner, Fact, Kind};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "success.html")]
pub struct SuccessPage {
    pub shell: Shell,
    /// The heading: "Thank you, your payment went through".
    pub title: String,
    pub lead: String,
    /// The heading of the card: "5,000 credits added".
    pub state: String,
    pub steps: Vec<Step>,
    pub facts: Vec<Fact>,
    pub banner: Option<Banner>,
    pub actions: Vec<Action>,
    /// Set while the result is pending: the page reloads itself.
    pub refresh: Option<Refresh>,
}

page!(SuccessPage);

#[derive(Clone, Debug)]
pub struct Refresh {
    pub seconds: u32,
    /// The address to load, which counts the attempts so that they are limited.
    pub href: String,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub progress: Progress,
    pub title: String,
    pub detail: Option<String>,
    pub when: Option<When>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    Busy,
    Waiting,
    Failed,
}

impl Step {
    pub fn new(progress: Progress, title: impl Into<String>) -> Self {
        Self {
            progress,
            title: title.into(),
            detail: None,
            when: None,
        }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn at(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }
}

pub const BILLING: &str = "/dashboard/billing";

impl SuccessPage {
    /// The plan is active. `facts` are the plan, its limit and the next charge.
    pub fn plan_active(shell: Shell, plan: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{plan} is active")),
        ];
        Self {
            state: format!("{plan} is active"),
            actions: vec![
                Action::link("Go to billing", BILLING).primary(),
                Action::link("API keys", "/dashboard/keys").quiet(),
            ],
            ..Self::paid(shell, format!("{plan}, {paid}"), steps, facts)
        }
    }

    pub fn credits_added(
        shell: Shell,
        credits: &str,
        paid: &str,
        balance: &str,
        facts: Vec<Fact>,
    ) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{credits} added")),
        ];
        let mut all = vec![Fact::total("Balance now", format!("{balance} credits"))];
        all.extend(facts);
        Self {
            state: format!("{credits} added"),
            actions: vec![
                Action::link("Go to billing", BILLING).primary(),
                Action::link("Buy more", "/dashboard/billing/credits").quiet(),
            ],
            ..Self::paid(shell, format!("{credits}, {paid}"), steps, all)
        }
    }

    /// The customer paid, and the payment isn't confirmed yet. `brings` is "5,000 credits" or
    /// "Pro".
    pub fn pending(
        shell: Shell,
        brings: &str,
        paid: &str,
        facts: Vec<Fact>,
        check: &str,
        refresh: Option<Refresh>,
    ) -> Self {
        let wait = "Usually under 5 seconds. You can leave this page.";
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Busy, "Waiting for Stripe's confirmation").detail(wait),
            Step::new(Progress::Waiting, format!("{brings} added to your account")),
        ];
        let late = Banner::new(
            Kind::Info,
            "Taking longer than a minute?",
            "We keep checking with Stripe. You can close this page; don't pay again.",
        );
        Self {
            title: "We're confirming your payment".to_owned(),
            state: format!("Adding {brings}"),
            banner: Some(late),
            actions: vec![
                Action::link("Back to billing", BILLING),
                Action::link("Check now", check).quiet(),
            ],
            refresh,
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    /// A bank transfer or another delayed method, which takes days instead of seconds.
    pub fn delayed(shell: Shell, brings: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Busy, format!("Your bank is sending {paid}"))
                .detail("This can take up to 5 days. We'll email you when it arrives."),
            Step::new(Progress::Waiting, format!("{brings} added to your account")),
        ];
        Self {
            title: "Your payment is on its way".to_owned(),
            state: "Waiting for your bank".to_owned(),
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    pub fn failed(shell: Shell, what: &str, reason: &str, retry: Action) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Checkout finished"),
            Step::new(Progress::Failed, "Payment not received").detail(reason),
        ];
        Self {
            title: "Your payment did not go through".to_owned(),
            state: "Nothing was charged".to_owned(),
            actions: vec![
                retry.primary(),
                Action::link("Back to billing", BILLING).quiet(),
            ],
            ..Self::paid(shell, what.to_owned(), steps, Vec::new())
        }
    }

    /// The account has no such Checkout.
    pub fn not_found(shell: Shell) -> Self {
        let banner = Banner::new(
            Kind::Info,
            "Paid just now?",
            "It appears in your payment history within a minute. Don't pay again.",
        );
        Self {
            title: "We could not find this checkout".to_owned(),
            state: "No checkout of your account has this address".to_owned(),
            banner: Some(banner),
            ..Self::paid(
                shell,
                "The link may be incomplete, or belong to another account.".to_owned(),
                Vec::new(),
                Vec::new(),
            )
        }
    }

    pub fn refunded(shell: Shell, brings: &str, paid: &str, facts: Vec<Fact>) -> Self {
        let steps = vec![
            Step::new(Progress::Done, "Payment received by Stripe"),
            Step::new(Progress::Done, format!("{paid} refunded")),
        ];
        Self {
            title: "This payment was refunded".to_owned(),
            state: "Your money is on its way back".to_owned(),
            ..Self::paid(shell, format!("{brings}, {paid}"), steps, facts)
        }
    }

    /// The page was opened without paying, or the Checkout ended without a payment.
    pub fn not_paid(shell: Shell, brings: &str, go_on: Action) -> Self {
        Self {
            title: "This checkout is not paid".to_owned(),
            state: "Nothing was charged".to_owned(),
            actions: vec![
                go_on.primary(),
                Action::link("Back to billing", BILLING).quiet(),
            ],
            ..Self::paid(
                shell,
                format!("{brings}: your plan and credits haven't changed."),
                Vec::new(),
                Vec::new(),
            )
        }
    }

    /// The customer came back from Stripe, without information about a purchase.
    pub fn back(shell: Shell, facts: Vec<Fact>) -> Self {
        Self {
            title: "Welcome back".to_owned(),
            state: "Your account now".to_owned(),
            ..Self::paid(
                shell,
                "Your purchase appears here as soon as Stripe confirms it.".to_owned(),
                Vec::new(),
                facts,
            )
        }
    }

    fn paid(shell: Shell, lead: String, steps: Vec<Step>, facts: Vec<Fact>) -> Self {
        Self {
            shell,
            title: "Thank you, your payment went through".to_owned(),
            lead,
            state: String::new(),
            steps,
            facts,
            banner: None,
            actions: vec![Action::link("Back to billing", BILLING).primary()],
            refresh: None,
        }
    }
}
