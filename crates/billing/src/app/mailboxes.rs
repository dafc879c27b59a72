//! The free allowance of an address: once a month, also when its account was erased and made again
//! (G9). An address is remembered as a keyed hash, until the month has ended.

use std::sync::Arc;

use domain::ids::Rng;
use domain::mailbox::MailboxRules;
use domain::time::Clock;
use store::Db;
use store::ledger::free_allowances::Mailboxes;

use crate::app::App;
use crate::config::Settings;
use crate::error::Result;
use crate::secrets::new_secret;

/// Name of the setting that holds the secret of the hashes. It is sealed, and a restored copy keeps
/// it.
const SECRET: &str = "free_allowance.secret";

/// Name of the setting that says that the allowances from before the hashes were recorded.
const CARRIED_OVER: &str = "free_allowance.carried_over";

/// Accounts in one database transaction.
const PER_COMMIT: i64 = 500;

/// Which addresses are one mailbox, with the secret of this database; the first process makes it.
pub async fn mailboxes(
    settings: &Settings,
    db: &Db,
    (clock, rng): (&Arc<dyn Clock>, &Arc<dyn Rng>),
) -> anyhow::Result<Mailboxes> {
    let (secret, now) = (new_secret(&**rng), clock.now());
    let stored = db.read(|tx| store::settings::get(tx, SECRET)).await?;
    let secret = match stored {
        Some(stored) => stored,
        None => {
            db.write(0, move |tx| {
                store::settings::put_once(tx, SECRET, &secret, now)
            })
            .await?
        }
    };
    let rules = MailboxRules {
        ignores_tags: settings.billing.mailbox_ignores_tags,
        ignores_dots_at: settings.billing.mailbox_ignores_dots_at.clone(),
    };
    Ok(Mailboxes::new(&secret, rules))
}

/// Records the free allowances that were granted before addresses were remembered; once.
pub async fn carry_over(app: &App) -> Result<()> {
    let done = app.read(|tx| store::settings::get(tx, CARRIED_OVER));
    if done.await?.is_some() {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let (rules, now) = (app.rules(), app.now());
        let last = app
            .write(0, move |tx| {
                let all = store::ledger::free_allowances::accounts_with_allowance(
                    tx, after, now, PER_COMMIT,
                )?;
                for account in &all {
                    store::ledger::free_allowances::keep(tx, &rules, *account, now)?;
                }
                Ok(all.last().copied())
            })
            .await?;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    let now = app.real_now();
    app.write(0, move |tx| {
        store::settings::put(tx, CARRIED_OVER, "yes", now).map(|_| ())
    })
    .await
}
