//! Acting for an account that is not the caller's own.

use crate::actors::access::MemberRole;
use crate::actors::roles::UserRole;
use store::accounts::Account;

use crate::actors::{SignedIn, Visitor};
use crate::app::App;
use crate::error::{Error, Result};

/// The account's first owner, in whose name an operator buys: the customer at Stripe is theirs.
pub async fn owner(app: &App, account: Account) -> Result<SignedIn> {
    let id = account.id;
    let members = app
        .read(move |tx| store::users::members(tx, id))
        .await?
        .into_iter();
    let owner = members
        .into_iter()
        .find(|member| MemberRole::Owner.is_met_by(&member.role));
    let owner = owner.ok_or_else(|| {
        let detail = "Nobody owns this account yet, so nobody could be billed: invite an owner.";
        Error::conflict("no_owner", detail)
    })?;
    let user = Visitor {
        id: owner.user_id,
        public_id: owner.public_id,
        email: owner.email,
        name: owner.name,
        role: UserRole::User.word().to_owned(),
    };
    Ok(SignedIn {
        user,
        account,
        role: owner.role,
        places: Vec::new(),
    })
}
