//! An export of all data stored about one account: one JSON document with all its rows, read page
//! by page, so that memory use is bounded.

use std::fmt::Write;

use serde_json::json;
use store::accounts::Account;
use store::export::{TABLES, Table, Values};

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::Result;
use crate::export::table;
use crate::export::table::Format;
use crate::operators::audit_log::{Action, Author};
use crate::rate_limit;

/// The document's own description of what it includes and omits.
const ABOUT: &str = "Every row that we keep about this account, without secrets and sign-in \
                     links. Cards, invoices and the customer's name and address are at Stripe.";

/// Maximum number of exports per account and minute.
const EXPORTS_PER_MINUTE: u32 = 3;

/// Checks that an owner may export the account, and records the export in the audit log. The
/// document is then read with [`part`].
pub async fn begin(app: &App, caller: &SignedIn) -> Result<()> {
    caller.may_own()?;
    let account = &caller.account;
    let bucket = format!("export:{}", account.id);
    rate_limit::take(app, &bucket, EXPORTS_PER_MINUTE, account.id).await?;
    let author = Author::new(app, &caller.user.public_id);
    let subject = account.public_id.clone();
    app.write(account.id, move |tx| {
        author.act(Action::AccountExport, &subject).append(tx)
    })
    .await
}

/// The position in a document that is being written.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The index of the table; past the last table is the end.
    table: usize,
    /// The last row of it that was written.
    last: Option<Values>,
    is_begun: bool,
}

/// The next part of the document and the position after it; none at the end.
pub async fn part(app: &App, account: &Account, place: Place) -> Result<Option<(String, Place)>> {
    if !place.is_begun {
        return Ok(Some((
            head(app, account),
            Place {
                is_begun: true,
                ..place
            },
        )));
    }
    let tables: Vec<&'static Table> = tables().collect();
    let Some(table) = tables.get(place.table).copied() else {
        return Ok(None);
    };
    let rows = table::page(app, table, Some(account.id), place.last.clone()).await?;
    let mut text = String::new();
    if place.last.is_none() {
        let comma = if place.table > 0 { "," } else { "" };
        write!(text, "{comma}\n\"{}\":[", table.name).expect("a text takes all that is written");
    }
    for (number, line) in Format::JsonLines.rows(table, &rows).lines().enumerate() {
        let is_first = number == 0 && place.last.is_none();
        text.push_str(if is_first { "\n" } else { ",\n" });
        text.push_str(line);
    }
    let next = if let Some(last) = rows.into_iter().next_back() {
        Place {
            last: Some(last),
            ..place
        }
    } else {
        text.push(']');
        Place {
            table: place.table + 1,
            last: None,
            ..place
        }
    };
    if next.table == tables.len() {
        text.push_str("}}\n");
    }
    Ok(Some((text, next)))
}

/// The tables with rows that belong to accounts.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.is_of_accounts())
}

/// The file name of an account's document.
pub fn file_name(account: &Account) -> String {
    format!("{}.json", account.public_id)
}

/// The number of rows in a part of the document; each row is on its own line.
pub fn rows_in(part: &str) -> usize {
    let rows = part.lines().skip(1);
    rows.filter(|line| line.starts_with('{')).count()
}

fn head(app: &App, account: &Account) -> String {
    let head = json!({
        "account": account.public_id,
        "generatedAt": app.real_now().rfc3339(),
        "about": ABOUT,
    });
    let head = head.to_string();
    // The closing braces follow the last table.
    format!("{},\"tables\":{{", head.trim_end_matches('}'))
}
