//! `/admin/transactions`: payments and refunds of all accounts.

use askama::Template;

use crate::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The list of transactions with its search and filters.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/transactions.html")]
pub struct TransactionsPage {
    pub shell: Shell,
    /// MRR, ARPU, churn, success rates; if empty, the strip is omitted.
    pub stats: Vec<Stat>,
    /// The built-in views, and those that the operator saved.
    pub tabs: Vec<Tab>,
    /// Saves the search as a view, or removes the view that is shown.
    pub view: ViewForm,
    pub filters: Filters,
    /// The rows, newest first.
    pub rows: Vec<AdminTransaction>,
    pub pager: Pager,
    /// The download link for the current list: label and address.
    pub csv: Option<(String, String)>,
}

page!(TransactionsPage);

/// The form that saves the search as a named view.
#[derive(Clone, Debug)]
pub struct ViewForm {
    /// The search as the query of a URL; empty hides the form.
    pub query: String,
    /// The action that deletes the current saved view.
    pub remove: Option<Action>,
}

/// The search form; each field is sent under its name.
#[derive(Clone, Debug)]
pub struct Filters {
    /// The `q` field: an email address, a name or a Stripe id.
    pub q: String,
    /// The `type` field.
    pub types: Vec<Choice>,
    /// The `status` field.
    pub statuses: Vec<Choice>,
    /// The `from` field, a date: "2026-11-01".
    pub from: String,
    pub to: String,
    /// The error in the input, if any.
    pub error: Option<String>,
}

impl Filters {
    /// The form with the current choice of each list selected.
    pub fn new(q: &str, kind: &str, status: &str, from: &str, to: &str) -> Self {
        let types = [
            ("", "Any type"),
            ("PAYMENT", "Any payment"),
            ("SUBSCRIPTION_PAYMENT", "Subscription"),
            ("SUBSCRIPTION_UPGRADE", "Upgrade"),
            ("SUBSCRIPTION_DOWNGRADE", "Downgrade"),
            ("SUBSCRIPTION_CANCEL", "Cancellation"),
            ("CREDIT_TOPUP", "Credit top-up"),
            ("REFUND", "Refund"),
        ];
        let statuses = [
            ("", "Any status"),
            ("PENDING", "Pending"),
            ("PAID", "Paid, including refunded"),
            ("COMPLETED", "Completed"),
            ("FAILED", "Failed"),
            ("REFUNDED", "Refunded"),
            ("CANCELLED", "Canceled"),
        ];
        Self {
            q: q.to_owned(),
            types: Choice::list(&types, kind),
            statuses: Choice::list(&statuses, status),
            from: from.to_owned(),
            to: to.to_owned(),
            error: None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct AdminTransaction {
    /// The time, to the second.
    pub when: When,
    /// Stripe's id, or our own if Stripe has none.
    pub id: String,
    pub account: String,
    pub account_href: String,
    pub email: String,
    /// For example "Credit top-up".
    pub kind: String,
    /// For example "5,000 credits".
    pub title: String,
    /// The amount, with its sign.
    pub amount: String,
    pub badge: Badge,
    /// The reason for the status: "`insufficient_funds`, retry 24 Nov".
    pub note: String,
    /// The link to the refund form, if the payment can be refunded.
    pub refund: Option<Action>,
}

/// The link to the form that refunds a payment.
pub fn refund_link(id: &str) -> Action {
    Action::link("Refund", format!("/admin/refunds/{id}"))
        .small()
        .spoken(id)
}
