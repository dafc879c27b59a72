//! `keys rotate`: seals what is personal or secret with the key in use.

use std::collections::BTreeMap;

use billing::app::App;
use clap::Subcommand;
use serde_json::json;

use crate::cli::output::Output;

/// Values sealed in one commit: few enough that nobody waits for them.
const BATCH: i64 = 500;

/// See the module.
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// Seals everything with the first of LBX_ENCRYPTION_KEYS, in small steps beside the running
    /// service. May be stopped and started again at any time.
    Rotate,
}

/// Runs the command.
pub async fn run(app: &App, command: &Keys, out: &mut Output) -> anyhow::Result<u8> {
    let Keys::Rotate = command;
    anyhow::ensure!(
        app.settings.vault().map_err(anyhow::Error::msg)?.is_some(),
        "LBX_ENCRYPTION_KEYS is not set: there is no key to seal with."
    );
    let mut sealed = BTreeMap::new();
    for place in store::vault::PLACES {
        sealed.insert(*place, one(app, place).await?);
    }
    let all: u64 = sealed.values().sum();
    out.answer(
        &json!({ "ok": true, "sealed": sealed }),
        format!("{all} values were sealed with the key in use; no other key is needed any more."),
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
