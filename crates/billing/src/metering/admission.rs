//! Checks whether an account could spend credits now, without spending any.

use domain::ledger::{Refusal, Spender};
use domain::money::Credits;
use store::Tx;
use store::accounts::Account;

use crate::app::App;
use crate::error::{Error, Result};
use crate::summary::{View, view_with};

/// An account, and the reason that a call would be refused.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The account.
    pub account: Account,
    /// Its plan, credits and usage.
    pub view: View,
    /// Why the call would be refused; none if it would be admitted.
    pub refusal: Option<Refusal>,
}

impl Admission {
    /// The refusal as an error for the caller.
    pub fn error(&self, app: &App) -> Option<Error> {
        let links = || app.links_of(&self.account.public_id);
        self.refusal
            .as_ref()
            .map(|refusal| Error::refused(refusal, &links()))
    }
}

/// Checks whether a call of `cost` would be admitted now, by the ledger's own rule. Expiries and
/// allowances that are due are applied first, so the result is what the next call would meet.
pub async fn look(app: &App, account: i64, cost: Credits, spender: Spender) -> Result<Admission> {
    let read = move |tx: &mut Tx<'_>, view: &View| {
        let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
        let ledger = store::ledger::loaded(tx, account)?;
        Ok((
            row,
            ledger.admission(spender, view.at).refusal(cost, view.at),
        ))
    };
    let (view, (account, refusal)) = view_with(app, account, read).await?;
    Ok(Admission {
        account,
        view,
        refusal,
    })
}
