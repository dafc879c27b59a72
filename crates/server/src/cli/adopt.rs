//! `sync --adopt`: links customers that exist at Stripe to our accounts, so that what they bought
//! before we came is theirs here too. Says first what it would do.

use billing::app::App;
use billing::operators::adopt::{Found, by_hand, link, search};
use billing::sync;
use serde_json::{Value, json};

use crate::cli::access;
use crate::cli::output::Output;

/// Links, or says what would be linked.
pub async fn run(
    app: &App,
    account: Option<&str>,
    customer: Option<&str>,
    apply: bool,
    out: &mut Output,
) -> anyhow::Result<u8> {
    let account = match account {
        Some(name) => Some(access::account(app, name).await?),
        None => None,
    };
    let mut found = match (&account, customer) {
        (Some(account), Some(customer)) => by_hand(app, account, customer).await?,
        _ => search(app).await?,
    };
    if let Some(account) = &account {
        found.matches.retain(|one| one.account == account.id);
    }
    if apply {
        for one in &found.matches {
            link(app, one).await?;
        }
        for one in &found.matches {
            sync::whole_account(app, one.account).await?;
        }
    }
    tell(&found, apply, out);
    Ok(0)
}

fn tell(found: &Found, applied: bool, out: &mut Output) {
    let verb = if applied { "linked" } else { "would link" };
    let mut text = String::new();
    for one in &found.matches {
        let (customer, name, by) = (&one.customer, &one.name, one.by);
        text.push_str(&format!("{verb} {customer} to {name}, by {by}\n"));
    }
    for (customer, why) in &found.unclear {
        text.push_str(&format!("left {customer} alone: {why}\n"));
    }
    let (count, unknown) = (found.matches.len(), found.unknown);
    text.push_str(&format!(
        "{count} customers {verb}, {unknown} of nobody here."
    ));
    if !applied && count > 0 {
        text.push_str(" Do it with: sync --adopt --apply");
    }
    let matches = found.matches.iter();
    let matches =
        matches.map(|one| json!({ "customer": one.customer, "account": one.name, "by": one.by }));
    let unclear = found.unclear.iter();
    let unclear = unclear.map(|(customer, why)| json!({ "customer": customer, "why": why }));
    let value: Value = json!({
        "applied": applied,
        "linked": matches.collect::<Vec<_>>(),
        "unclear": unclear.collect::<Vec<_>>(),
        "unknown": unknown,
    });
    out.answer(&value, text);
}
