//! Whether an account could spend credits now, without spending any.

use domain::ledger::{Refusal, Spender};
use domain::money::Credits;
use store::Tx;
use store::accounts::Account;

use crate::app::App;
use crate::error::{Error, Result};
use crate::summary::{View, view_with};

/// An account, and what would refuse a call to it.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The account.
    pub account: Account,
    /// How it stands.
    pub view: View,
    /// Why the call would be refused; none when it would be admitted.
    pub refusal: Option<Refusal>,
}

impl Admission {
    /// The refusal as the caller is told of it.
    pub fn error(&self, app: &App) -> Option<Error> {
        let links = || app.links_of(&self.account.public_id);
        self.refusal
            .as_ref()
            .map(|refusal| Error::refused(refusal, &links()))
    }
}

/// Whether a call of `cost` would be admitted now, by the rule with which the ledger admits calls.
/// Time passes first, so that this judges what the next call would meet.
pub async fn look(app: &App, account: i64, cost: Credits, spender: Spender) -> Result<Admission> {
    let now = app.now();
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
        let ledger = store::ledger::loaded(tx, account)?;
        Ok((row, ledger.admission(spender, now).refusal(cost, now)))
    };
    let (view, (account, refusal)) = view_with(app, account, read).await?;
    Ok(Admission {
        account,
        view,
        refusal,
    })
}
