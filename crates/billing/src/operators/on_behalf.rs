//! Actions for an account that isn't the operator's own.

use domain::people::{MemberRole, UserRole};
use serde_json::json;
use store::accounts::Account;

use crate::actors::{SignedIn, Visitor, access};
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::payments::checkout;
use crate::payments::checkout::Purchase;

/// Starts a Checkout for another account, on behalf of its owner: the customer pays on the page,
/// and the purchase belongs to the account. Returns the page's URL.
pub async fn start_checkout(
    app: &App,
    account: Account,
    purchase: &Purchase,
    reason: &str,
    actor: &str,
    request_id: &str,
) -> Result<String> {
    app.billing_is_on_for(&account)?;
    access::ask_active(account.status)?;
    let what = match purchase {
        Purchase::Plan(plan, Some(interval)) => json!(format!("{plan} by the {interval}")),
        Purchase::Plan(plan, None) => json!(plan),
        Purchase::Pack(credits) => json!(credits),
    };
    let author = Author::new(app, actor).with_request(Some(request_id));
    let (row, subject, reason) = (account.id, account.public_id.clone(), reason.to_owned());
    let buyer = owner(app, account).await?;
    app.write(row, move |tx| {
        let act = author.act(Action::CheckoutStart, &subject);
        act.with("bought", what.clone()).reason(&reason).append(tx)
    })
    .await?;
    checkout::start(app, &buyer, purchase, None).await
}

/// The account's first owner, on whose behalf an operator buys; the Stripe customer is theirs.
pub async fn owner(app: &App, account: Account) -> Result<SignedIn> {
    let id = account.id;
    let members = app
        .read(move |tx| store::users::members(tx, id))
        .await?
        .into_iter();
    let owner = members
        .into_iter()
        .find(|member| member.role == MemberRole::Owner);
    let owner = owner.ok_or_else(|| {
        let detail = "This account has no owner to bill. Invite an owner first.";
        Error::conflict("no_owner", detail)
    })?;
    let user = Visitor {
        id: owner.user_id,
        public_id: owner.public_id,
        email: owner.email,
        name: owner.name,
        role: UserRole::User,
    };
    Ok(SignedIn {
        user,
        account,
        role: owner.role,
        places: Vec::new(),
    })
}
