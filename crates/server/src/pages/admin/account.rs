//! `/admin/accounts/{id}`: one account, its ledger against its balance, ours against Stripe's,
//! what happened, and the adjustment of credits.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;
use domain::money::Credits;
use store::ledger::JournalRow;

use super::operator_shell;
use crate::account::{View, view};
use crate::app::App;
use crate::http::callers::Operator;
use crate::http::error::{Error, Result};
use crate::pages::components::{Action, Badge, Banner, Choice, Fact, Kind, Moment, Prose};
use crate::pages::layout::Nav;
use crate::pages::layout::Shell;
use crate::pages::{format, serve, words};

/// One account as support sees it.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/account.html")]
pub struct AccountPage {
    /// The frame.
    pub shell: Shell,
    /// Our id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Mail, organisation, since when.
    pub lead: Prose,
    /// What needs attention.
    pub banners: Vec<Banner>,
    /// "Pro", "$19.00 per month"
    pub plan: Panel,
    /// "1,228", "available, 12 held"
    pub credits: Panel,
    /// Ours against Stripe's, line by line.
    pub stripe: Panel,
    /// What happened, newest first.
    pub tries: Vec<Moment>,
    /// Everything, as a file.
    pub csv: Option<String>,
    /// The form that adjusts credits; none hides it.
    pub adjust: Option<AdjustForm>,
    /// Sync from Stripe, open at Stripe.
    pub actions: Vec<Action>,
}

/// One card on top of the page.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The state.
    pub badge: Badge,
    /// The big word or number; empty for none.
    pub figure: String,
    /// What stands beside it.
    pub note: String,
    /// The lines beneath.
    pub facts: Vec<Fact>,
}

/// Adds credits or takes them away, with a reason.
#[derive(Clone, Debug)]
pub struct AdjustForm {
    /// Names this attempt, so that a double click adjusts once.
    pub attempt: String,
    /// `credits`, as typed, signed.
    pub credits: String,
    /// What is wrong with it.
    pub credits_error: Option<String>,
    /// `reason`
    pub reasons: Vec<Choice>,
    /// `note`, as typed.
    pub note: String,
    /// What is wrong with it.
    pub note_error: Option<String>,
}

impl AdjustForm {
    /// The empty form.
    pub fn empty(attempt: impl Into<String>) -> Self {
        Self {
            attempt: attempt.into(),
            credits: String::new(),
            credits_error: None,
            reasons: Self::reasons(""),
            note: String::new(),
            note_error: None,
        }
    }

    /// The reasons, with the current one selected.
    pub fn reasons(current: &str) -> Vec<Choice> {
        let reasons = [
            ("goodwill", "Goodwill"),
            ("correction", "Correction"),
            ("promotion", "Promotion"),
            ("migration", "Migration"),
            ("other", "Other"),
        ];
        Choice::list(&reasons, current)
    }
}

impl AccountPage {
    fn panels(&self) -> [(&'static str, &'static str, &Panel); 3] {
        [
            ("h-plan", "Plan", &self.plan),
            ("h-credits", "Credits", &self.credits),
            ("h-stripe", "Compared with Stripe", &self.stripe),
        ]
    }

    fn mark(&self, kind: &Kind) -> String {
        kind.to_string().trim().to_owned()
    }

    /// A new account, a typical one with a refused adjustment, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::pages::format;
    use crate::pages::layout::Nav;
    use crate::pages::samples::{self, EVIL, LONG, day};

    pub fn all() -> Vec<(&'static str, AccountPage)> {
        let new = AccountPage {
            tries: Vec::new(),
            adjust: Some(AdjustForm::empty("att_1")),
            csv: None,
            ..typical()
        };
        let evil = Panel {
            badge: Badge::bad(EVIL),
            figure: format!("{LONG} {EVIL}"),
            note: EVIL.to_owned(),
            facts: vec![Fact::new(EVIL, EVIL); 6],
        };
        let worst = AccountPage {
            shell: samples::worst(Nav::AdminAccounts),
            id: "\"><script>".to_owned(),
            name: format!("{LONG} {EVIL}"),
            lead: EVIL.into(),
            banners: vec![Banner::new(Kind::Bad, EVIL, EVIL)],
            plan: evil.clone(),
            credits: evil.clone(),
            stripe: evil,
            tries: vec![moment(Kind::Bad, EVIL, EVIL); 40],
            ..typical()
        };
        vec![("new", new), ("typical", typical()), ("worst", worst)]
    }

    fn typical() -> AccountPage {
        AccountPage {
            shell: samples::admin(Nav::AdminAccounts),
            id: "acc_1".to_owned(),
            name: "Maya Kim".to_owned(),
            lead: Prose::new("maya@acme.example, Acme Robotics, since ").time(day(-81)),
            banners: Vec::new(),
            plan: Panel {
                badge: Badge::ok("Active"),
                figure: "Pro".to_owned(),
                note: "$19.00 per month".to_owned(),
                facts: vec![
                    Fact::new("Renews", Prose::default().time(day(23))),
                    Fact::new("Customer", Prose::default().code("cus_RGk2")),
                    Fact::new("Subscription", Prose::default().code("sub_1QK2")),
                ],
            },
            credits: Panel {
                badge: Badge::warn("Low"),
                figure: "1,228".to_owned(),
                note: "available, 12 held".to_owned(),
                facts: vec![
                    Fact::new("Ledger sum", "1,240, matches"),
                    Fact::new("Calls this period", "7,988"),
                    Fact::new("Bought in all", "21,000"),
                ],
            },
            stripe: Panel {
                badge: Badge::ok("In step"),
                figure: String::new(),
                note: String::new(),
                facts: vec![
                    Fact::new("Plan", "Pro = Pro"),
                    Fact::new("Status", "active = active"),
                    Fact::new("Period end", "15 Dec = 15 Dec"),
                    Fact::new(
                        "Checked",
                        Prose::default().time(format::moment(samples::NOW)),
                    ),
                ],
            },
            tries: vec![
                moment(Kind::Warn, "Credits below 1,500, mail sent", ""),
                moment(
                    Kind::Ok,
                    "Payment of $19.00 completed, Pro renewed",
                    "in_1QLv3k",
                ),
                moment(
                    Kind::Plain,
                    "Refund of $1.00 by olga: \"bought by mistake\"",
                    "re_3QHq1",
                ),
                moment(Kind::Bad, "Payment failed: insufficient_funds", "in_1QBz7d"),
            ],
            csv: Some("/admin/accounts/acc_1/journal.csv".to_owned()),
            adjust: Some(AdjustForm {
                credits: "-2000".to_owned(),
                credits_error: Some(
                    "That would leave \u{2212}772. The lowest you can enter is \u{2212}1,228."
                        .to_owned(),
                ),
                note: "Ticket 4821: failed batch on 21 Nov".to_owned(),
                ..AdjustForm::empty("att_2")
            }),
            actions: vec![
                Action::post("Sync from Stripe", "/admin/accounts/acc_1/sync"),
                Action::external(
                    "Open in Stripe",
                    "https://dashboard.stripe.com/test/customers/cus_RGk2",
                ),
            ],
        }
    }

    fn moment(kind: Kind, title: &str, detail: &str) -> Moment {
        Moment {
            kind,
            title: title.to_owned(),
            detail: (!detail.is_empty()).then(|| detail.to_owned()),
            when: day(-7),
        }
    }
}

/// Journal lines on the page.
const LINES: i64 = 30;

/// `GET /admin/accounts/{id}`.
pub async fn show(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let account = app.read(move |tx| store::accounts::named(tx, &id)).await?;
    let account = account.ok_or_else(|| Error::not_found("There is no such account."))?;
    let view = view(&app, account.id).await?;
    let number = account.id;
    let (journal, customer, sync) = app
        .read(move |tx| {
            let journal = store::ledger::calls(tx, number, i64::MAX, LINES)?;
            let customer = store::customers::current(tx, number)?;
            Ok((journal, customer, store::sync::of_account(tx, number)?))
        })
        .await?;
    let title = app
        .catalog()
        .tier(&view.plan.tier)
        .map(|tier| tier.title.clone());
    let lead = Prose::new(account.email.clone().unwrap_or_default())
        .text(", since ")
        .time(format::day(account.created_at.micros()));
    let synced = sync.as_ref().and_then(|sync| sync.last_synced_at);
    serve::html(&AccountPage {
        shell: operator_shell(&app, &operator, Nav::AdminAccounts),
        id: account.public_id.clone(),
        name: account.name.clone(),
        lead,
        banners: Vec::new(),
        plan: Panel {
            badge: words::subscription_badge(view.plan.status),
            figure: title.unwrap_or_else(|| view.plan.tier.clone()),
            note: format!("access as {}", view.plan.access_tier),
            facts: plan_facts(&view),
        },
        credits: credits(&view),
        stripe: Panel {
            badge: match sync.as_ref().and_then(|sync| sync.parked_at) {
                Some(_) => Badge::bad("Parked"),
                None if synced.is_some() => Badge::ok("In step"),
                None => Badge::plain("Nothing there"),
            },
            figure: String::new(),
            note: String::new(),
            facts: vec![
                Fact::new(
                    "Customer",
                    Prose::new("").code(customer.unwrap_or_else(|| "none".into())),
                ),
                Fact::new(
                    "Last synced",
                    synced.map_or_else(
                        || Prose::new("never"),
                        |at| Prose::new("").time(format::moment(at.micros())),
                    ),
                ),
            ],
        },
        tries: journal.iter().map(line).collect(),
        csv: None,
        adjust: None,
        actions: Vec::new(),
    })
}

fn plan_facts(view: &View) -> Vec<Fact> {
    let time = |at: domain::time::Timestamp| Prose::new("").time(format::day(at.micros()));
    let mut facts = vec![
        Fact::new("Period ends", time(view.plan.period_end)),
        Fact::new(
            "Calls this period",
            format::count(view.calls_this_period.unsigned_abs()),
        ),
    ];
    facts.extend(view.plan.cancel_at.map(|at| Fact::new("Ends", time(at))));
    facts.extend(
        view.plan
            .grace_until
            .map(|at| Fact::new("Grace until", time(at))),
    );
    facts
}

fn credits(view: &View) -> Panel {
    let show = |credits: Credits| format::credits(credits.micros());
    let has_debt = view.debt.is_positive();
    Panel {
        badge: if has_debt {
            Badge::bad("Debt")
        } else {
            Badge::ok("Balanced")
        },
        figure: show(view.available),
        note: "available".to_owned(),
        facts: vec![
            Fact::new("Balance", show(view.posted - view.debt)),
            Fact::new("Held", show(view.held)),
            Fact::new("Debt", show(view.debt)),
            Fact::new("Used this month", show(view.used_this_month)),
        ],
    }
}

fn line(row: &JournalRow) -> Moment {
    let moved = format::credits_change(row.posted_delta);
    let about = row.operation.clone().or_else(|| row.hold_id.clone());
    Moment {
        kind: match row.kind.as_str() {
            "claw" | "adjust" | "void" => Kind::Warn,
            "grant" | "reinstate" => Kind::Ok,
            _ => Kind::Info,
        },
        title: format!("{} {moved}", row.kind),
        detail: about,
        when: format::second(row.at.micros()),
    }
}
