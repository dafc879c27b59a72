//! `sync --adopt` and `admin adopt`: links existing Stripe customers to accounts, so that their
//! earlier purchases count here too. Shows what it would do unless `--apply` is given.

use billing::app::App;
use billing::binding;
use billing::operators::adopt::{Found, link, named_customer, search};
use billing::sync;
use serde_json::{Value, json};

use crate::cli::access;
use crate::cli::output::{Output, counted};

/// Options of `admin adopt`, and of `sync --adopt`.
#[derive(Clone, Debug, clap::Args)]
pub struct AdoptArgs {
    /// Links only this account's customers. The account is named by its id, the host application's
    /// id for it, its Stripe customer or a user's email address.
    pub account: Option<String>,
    /// With an account: links this customer, whatever its metadata and address.
    #[arg(long, requires = "account")]
    pub customer: Option<String>,
    /// Links the customers. Without it, the links are only shown.
    #[arg(long)]
    pub apply: bool,
}

/// Links customers, or shows which would be linked.
pub async fn run(app: &App, args: &AdoptArgs, out: &mut Output) -> anyhow::Result<u8> {
    binding::check(app).await?;
    let account = match &args.account {
        Some(name) => Some(access::account(app, name).await?),
        None => None,
    };
    let mut found = match (&account, args.customer.as_deref()) {
        (Some(account), Some(customer)) => named_customer(app, account, customer).await?,
        _ => search(app).await?,
    };
    if let Some(account) = &account {
        found.matches.retain(|one| one.account == account.id);
    }
    if args.apply {
        for one in &found.matches {
            link(app, one).await?;
        }
        for one in &found.matches {
            sync::whole_account(app, one.account).await?;
        }
    }
    report(&found, args.apply, out);
    Ok(0)
}

fn report(found: &Found, applied: bool, out: &mut Output) {
    let verb = if applied { "linked" } else { "would link" };
    let mut text = String::new();
    for one in &found.matches {
        let (customer, name, by) = (&one.customer, &one.name, one.by);
        text.push_str(&format!("{verb} {customer} to {name}, by {by}\n"));
    }
    for (customer, why) in &found.unclear {
        text.push_str(&format!("not linked: {customer}: {why}\n"));
    }
    let (count, unknown) = (found.matches.len(), found.unknown);
    text.push_str(&format!(
        "{verb} {}; {unknown} without an account here.",
        counted(count, "customer")
    ));
    if !applied && count > 0 {
        text.push_str(" To link: sync --adopt --apply");
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
