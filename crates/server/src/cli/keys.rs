//! `keys rotate`: encrypts personal and secret data again, with the current key.

use std::collections::BTreeMap;

use billing::app::App;
use clap::Subcommand;
use serde_json::json;

use crate::cli::output::Output;

/// Values encrypted in one database transaction: few enough that other writes don't wait long.
const BATCH: i64 = 500;

/// The subcommands of `keys`.
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// Encrypts all sealed data with the first of `LBX_ENCRYPTION_KEYS`. Runs in small steps while
    /// the service keeps running; it can be stopped and started again at any time.
    Rotate,
}

/// Runs `keys rotate` and returns the exit code.
pub async fn run(app: &App, command: &Keys, out: &mut Output) -> anyhow::Result<u8> {
    let Keys::Rotate = command;
    anyhow::ensure!(
        app.settings.vault().map_err(anyhow::Error::msg)?.is_some(),
        "LBX_ENCRYPTION_KEYS is not set, so there is no key to encrypt with."
    );
    let mut sealed = BTreeMap::new();
    for place in store::vault::PLACES {
        sealed.insert(*place, one(app, place).await?);
    }
    let all: u64 = sealed.values().sum();
    out.answer(
        &json!({ "ok": true, "sealed": sealed }),
        format!(
            "Encrypted {all} values with the current key; the other keys are no longer needed."
        ),
    );
    Ok(0)
}

async fn one(app: &App, place: &'static str) -> anyhow::Result<u64> {
    let (mut sealed, mut after) = (0, None);
    loop {
        let from: Option<String> = after.take();
        let step = app
            .db
            .write(0, move |tx| {
                store::vault::reseal(tx, place, from.as_deref(), BATCH)
            })
            .await?;
        sealed += step.sealed;
        match step.next {
            Some(next) => after = Some(next),
            None => return Ok(sealed),
        }
    }
}
