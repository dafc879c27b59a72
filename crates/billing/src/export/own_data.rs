//! One account's own data, for whoever asks what is kept of them: one JSON document with every row
//! of theirs, read page by page, so that memory holds one page however much there is.

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

/// What is in the document and what is not, said in it.
const ABOUT: &str = "Every row that is kept of this account. What opens doors (secrets, links) is \
                     left out. Cards, invoices and the customer's name and address are at Stripe.";

/// Documents per account and minute.
const EXPORTS_PER_MINUTE: u32 = 3;

/// Allows an owner an export of the account, and records it in the audit log. The document is then
/// read with [`part`].
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

/// The position up to which a document is written.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Which table; past the last is the end.
    table: usize,
    /// The last row that was written of it.
    last: Option<Values>,
    is_begun: bool,
}

/// The next part of the document and where it goes on; none at its end.
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

/// The tables that hold rows of accounts.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.is_of_accounts())
}

/// The name of an account's document.
pub fn file_name(account: &Account) -> String {
    format!("{}.json", account.public_id)
}

/// How many rows a part of the document brings: each stands on a line of its own.
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
    // The last brace comes with the last table.
    format!("{},\"tables\":{{", head.trim_end_matches('}'))
}
