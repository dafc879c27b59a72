//! Acting for an account that is not the caller's own.

use serde_json::json;
use store::accounts::Account;

use crate::actors::{SignedIn, Visitor, access};
use crate::app::App;
use crate::error::{Error, Result};
use crate::payments::checkout;
use crate::payments::checkout::Purchase;

/// Starts a Checkout for someone else's account, in the name of its owner: the customer pays on
/// the page, and what it brings belongs to the account. Answers the page's address.
pub async fn start_checkout(
    app: &App,
    account: Account,
    purchase: &Purchase,
    reason: &str,
    actor: &str,
    request_id: &str,
) -> Result<String> {
    app.billing_is_on_for(&account)?;
    if account.status != "active" {
        return Err(access::suspended());
    }
    let what = match purchase {
        Purchase::Plan(plan) => json!(plan),
        Purchase::Pack(credits) => json!(credits),
    };
    let detail = json!({ "bought": what, "reason": reason }).to_string();
    let (row, subject, now) = (account.id, account.public_id.clone(), app.real_now());
    let (actor, request_id) = (actor.to_owned(), request_id.to_owned());
    let buyer = owner(app, account).await?;
    app.write(row, move |tx| {
        let (act, request) = ("checkout.start", Some(request_id.as_str()));
        store::audit_log::append(tx, &actor, act, &subject, &detail, request, now).map(|_| ())
    })
    .await?;
    checkout::start(app, &buyer, purchase, None).await
}

/// The account's first owner, in whose name an operator buys: the customer at Stripe is theirs.
pub async fn owner(app: &App, account: Account) -> Result<SignedIn> {
    let id = account.id;
    let members = app
        .read(move |tx| store::users::members(tx, id))
        .await?
        .into_iter();
    let owner = members.into_iter().find(|member| member.role == "owner");
    let owner = owner.ok_or_else(|| {
        let detail = "This account has no owner to bill. Invite an owner first.";
        Error::conflict("no_owner", detail)
    })?;
    let user = Visitor {
        id: owner.user_id,
        public_id: owner.public_id,
        email: owner.email,
        name: owner.name,
        role: "user".to_owned(),
    };
    Ok(SignedIn {
        user,
        account,
        role: owner.role,
        places: Vec::new(),
    })
}
