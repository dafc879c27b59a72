//! Finishes an earlier refund that is still in progress.

use super::steps::OperatorRefund;
use store::intents::unfinished::NEVER;

use super::{KIND, under_way, unfinished_earlier};
use crate::app::App;
use crate::error::{Error, Kind, Result};
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
    if !is_mine {
        let is_waiting = earlier.is_troubled() || earlier.next_attempt_at == NEVER;
        return Err(if is_waiting {
            unfinished_earlier()
        } else {
            under_way()
        });
    }
    match chain::run::<OperatorRefund>(app, &earlier).await {
        Ok(Progress::Finished) => {}
        Err(error) if error.0.kind != Kind::Unavailable => return Err(error),
        Ok(Progress::Owed | Progress::Over) | Err(_) => return Err(unfinished_earlier()),
    }
    let detail = "An earlier refund was made. Check the payment again.";
    Err(Error::conflict("changed_meanwhile", detail))
}
