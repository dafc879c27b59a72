//! The actions on an account that a role may perform.

use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::operators::unfinished::Unfinished;
use domain::plan::AccountStatus;
use store::accounts::Account;
use views::admin::parts;
use views::components::{Action, Banner};
use views::format;

pub(crate) fn home(account: &Account) -> String {
    format!("/admin/accounts/{}", account.public_id)
}

/// The actions that an account's page offers an operator, by role.
pub fn offered(operator: &Operator, account: &Account, has_debt: bool) -> Vec<Action> {
    let home = home(account);
    let offer = |right, action: Action| operator.may(right).then_some(action);
    let to = |label: &str, path: &str| Action::link(label, format!("{home}/{path}"));
    let is_active = account.status == AccountStatus::Active;
    let status = if is_active { "Suspend" } else { "Reactivate" };
    let all = [
        offer(
            Right::Replay,
            Action::post("Sync from Stripe", format!("{home}/sync")),
        ),
        offer(Right::Money, to("Forgive debt", "forgive")).filter(|_| has_debt),
        offer(Right::Manage, to("Override plan", "plan")),
        offer(Right::Manage, to(status, "status"))
            .filter(|_| account.status != AccountStatus::Closed),
    ];
    all.into_iter().flatten().collect()
}

/// A request to Stripe that needs attention, with the actions that the operator may take.
pub fn unfinished_banner(operator: &Operator, one: &Unfinished) -> Banner {
    let home = format!("/admin/accounts/{}", one.account);
    let error = one.error.as_str();
    let attempts = one.attempts.unsigned_abs();
    let since = format::moment(one.since.micros());
    let next = one.next_attempt_at.map(|at| format::moment(at.micros()));
    let mut banner = parts::unfinished((&one.what, error, attempts), since, next, (&home, &one.id));
    if !operator.may(Right::Money) {
        banner.actions.clear();
    }
    banner
}
