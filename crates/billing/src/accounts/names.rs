//! Finds accounts by their public id or the host application's id.

use std::collections::HashMap;

use store::accounts::Account as Row;

use crate::app::App;
use crate::error::{Error, Result};

/// Finds the account with this public id or host application's id.
pub async fn named(app: &App, id: &str) -> Result<Row> {
    let id = id.to_owned();
    let found = app.read(move |tx| store::accounts::named(tx, &id)).await?;
    found.ok_or_else(no_account)
}

fn no_account() -> Error {
    Error::not_found("There is no such account.")
}

/// The internal id of the account that a search names; none if it names none.
pub fn searched(tx: &mut store::Tx<'_>, name: Option<&str>) -> store::Result<Result<Option<i64>>> {
    let Some(name) = name else {
        return Ok(Ok(None));
    };
    let found = store::accounts::named(tx, name)?;
    Ok(found.map(|account| Some(account.id)).ok_or_else(no_account))
}

/// The public ids of some accounts, by internal id.
pub fn names(
    tx: &mut store::Tx<'_>,
    accounts: impl Iterator<Item = i64>,
) -> store::Result<HashMap<i64, String>> {
    let mut names = HashMap::new();
    for id in accounts {
        if !names.contains_key(&id)
            && let Some(account) = store::accounts::find(tx, id)?
        {
            names.insert(id, account.public_id);
        }
    }
    Ok(names)
}
