//! The actions on an account that a role may perform.

use billing::actors::Operator;
use domain::plan::AccountStatus;
use store::accounts::Account;
use views::components::Action;

pub(crate) fn home(account: &Account) -> String {
    format!("/admin/accounts/{}", account.public_id)
}

/// The actions that an account's page offers an operator, by role.
pub fn offered(operator: &Operator, account: &Account, has_debt: bool) -> Vec<Action> {
    use billing::actors::roles::Right;
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
