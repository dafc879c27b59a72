//! Finishes an earlier refund that is still in progress.

use super::steps::OperatorRefund;
use super::{KIND, under_way};
use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::chain::{self, Progress};
use crate::operators::refunds::preview::Preview;

/// Finishes an earlier refund with an unknown outcome before another one starts: what was asked for
/// is made once, whoever asks next.
pub(super) async fn finish_earlier(app: &App, look: &Preview) -> Result<()> {
    let (account, now) = (look.account.id, app.now());
    let earlier = app
        .read(move |tx| store::intents::under_way(tx, account, KIND))
        .await?;
    let Some(earlier) = earlier else {
        return Ok(());
    };
    let id = earlier.id.clone();
    let is_mine = app
        .write(account, move |tx| {
            store::intents::unfinished::claim(tx, &id, now)
        })
        .await?;
    if !is_mine || chain::run::<OperatorRefund>(app, &earlier).await? != Progress::Finished {
        return Err(under_way());
    }
    let detail = "An earlier refund was made. Check the payment again.";
    Err(Error::conflict("changed_meanwhile", detail))
}
