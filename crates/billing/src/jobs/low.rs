//! Notifies an account's members and the host application once when credits run low or out. The
//! commit that crosses a threshold records the crossing; this job sends the notifications.

use domain::ledger::Ledger;
use domain::letters::Letter;
use store::ledger::watch;
use store::ledger::watch::Crossing;

use crate::app::App;
use crate::error::Result;
use crate::letters;

/// Maximum number of crossings per round.
const CROSSINGS_MAX: i64 = 200;

/// Sends notifications for every crossing that has had none yet.
pub async fn once(app: &App) -> Result<()> {
    let mut after = 0;
    loop {
        let crossings = app
            .read(move |tx| watch::crossings(tx, after, CROSSINGS_MAX))
            .await?;
        let Some(last) = crossings.last() else {
            return Ok(());
        };
        after = last.account_id;
        let _busy = app.busy();
        for crossing in crossings {
            notify(app, crossing).await?;
        }
        app.email_due.notify_one();
        app.webhook_due.notify_one();
    }
}

async fn notify(app: &App, crossing: Crossing) -> Result<()> {
    let (now, real_now) = (app.now(), app.real_now());
    let account = crossing.account_id;
    app.write(account, move |tx| {
        let ledger = store::ledger::loaded(tx, account)?;
        if !watch::mark_notified(tx, account, crossing.seq)? {
            return Ok(());
        }
        let letter = letter(&crossing, &ledger, now);
        let step = if crossing.is_gone { "gone" } else { "low" };
        let key = format!("credits-{step}:{account}:{}", crossing.seq);
        letters::notify_payers(tx, account, &key, &letter, real_now)?;
        crate::notices::credits_fell(tx, &crossing, ledger.available(now), real_now)?;
        Ok(())
    })
    .await
}

fn letter(crossing: &Crossing, ledger: &Ledger, now: domain::time::Timestamp) -> Letter {
    match crossing.low_below {
        Some(threshold) if !crossing.is_gone => Letter::CreditsLow {
            available: ledger.available(now).micros(),
            threshold,
        },
        _ => Letter::CreditsGone {},
    }
}
