//! `admin`: what operators do by hand.

use billing::app::App;
use billing::idempotency::Key;
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use billing::operators::credits;
use billing::operators::credits::{ByHand, REASONS};
use clap::Subcommand;
use serde_json::json;

use crate::cli::access;
use crate::cli::output::Output;

/// See the module.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// Makes a user, or changes a user's role.
    User {
        /// The mail address.
        email: String,
        /// user, viewer, support, finance or admin.
        #[arg(long, value_parser = ROLES)]
        role: Option<String>,
    },
    /// Prints headers that authenticate a user, who is made when new.
    Session {
        /// The mail address.
        email: String,
        /// user, viewer, support, finance or admin.
        #[arg(long, value_parser = ROLES)]
        role: Option<String>,
        /// With an API key too: of the user's account, or of the host application.
        #[arg(long, num_args = 0..=1, default_missing_value = "meter",
              value_parser = ["meter", "server"])]
        with_key: Option<String>,
    },
    /// Prints an address that signs in, once.
    LoginLink {
        /// The mail address.
        email: String,
    },
    /// Corrections of credits.
    #[command(subcommand)]
    Credits(Credits),
    /// Gives money of a payment back.
    Refund(RefundArgs),
    /// Events from Stripe.
    #[command(subcommand)]
    Events(Events),
    /// Every table of business rows as files, or what is kept of one account.
    Export(crate::cli::export::ExportArgs),
    /// Links customers that exist at Stripe to our accounts, as `sync --adopt` does. Says first what
    /// it would do.
    Adopt(AdoptArgs),
    /// Makes the accounts of an application's people; a second run makes none twice.
    Seed(crate::cli::seed::SeedArgs),
}

const ROLES: [&str; 5] = ["user", "viewer", "support", "finance", "admin"];

/// Runs one.
pub async fn run(app: &App, command: Admin, out: &mut Output) -> anyhow::Result<u8> {
    match command {
        Admin::User { email, role } => user(app, &email, role.as_deref(), out).await?,
        Admin::Session {
            email,
            role,
            with_key,
        } => session(app, &email, role.as_deref(), with_key.as_deref(), out).await?,
        Admin::LoginLink { email } => {
            let url = access::login_link(app, &email, app.settings.session.link_minutes).await?;
            out.answer(&json!({ "url": url }), &url);
        }
        Admin::Credits(Credits::Void {
            account,
            grant,
            why,
        }) => void(app, &account, &grant, &why, out).await?,
        Admin::Credits(Credits::Forgive {
            account,
            credits,
            why,
        }) => forgive(app, &account, credits.as_deref(), &why, out).await?,
        Admin::Credits(Credits::Adjust {
            account,
            credits,
            why,
        }) => adjust(app, &account, &credits, &why, out).await?,
        Admin::Refund(args) => refund(app, &args, out).await?,
        Admin::Events(Events::Replay {
            id,
            failed,
            dry_run,
        }) => match (id, failed) {
            (Some(id), false) if dry_run => look(app, &id, out).await?,
            (Some(id), false) => replay(app, &id, out).await?,
            (None, true) => replay_failed(app, dry_run, out).await?,
            _ => anyhow::bail!("Name one event, or --failed for all that wait for a person."),
        },
        Admin::Export(args) => crate::cli::export::run(app, &args, out).await?,
        Admin::Adopt(AdoptArgs {
            account,
            customer,
            apply,
        }) => {
            let (account, customer) = (account.as_deref(), customer.as_deref());
            return crate::cli::adopt::run(app, account, customer, apply, out).await;
        }
        Admin::Seed(args) => crate::cli::seed::run(app, &args, out).await?,
    }
    Ok(0)
}

async fn user(app: &App, email: &str, role: Option<&str>, out: &mut Output) -> anyhow::Result<()> {
    let (id, account) = access::user(app, email, role).await?;
    let (user, account) = app
        .read(move |tx| {
            Ok((
                store::users::find(tx, id)?,
                store::accounts::find(tx, account)?,
            ))
        })
        .await?;
    let (user, account) = user.zip(account).expect("both were just made or found");
    let value = json!({
        "user": user.public_id, "email": user.email, "role": user.role,
        "account": account.public_id,
    });
    let text = format!("{} {} {}", user.public_id, user.role, account.public_id);
    out.answer(&value, text);
    Ok(())
}

async fn session(
    app: &App,
    email: &str,
    role: Option<&str>,
    with_key: Option<&str>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (user, account) = access::user(app, email, role).await?;
    let cookie = access::session_cookie(app, user).await?;
    let mut headers = json!({ "Cookie": cookie });
    let mut text = format!("Cookie: {cookie}");
    if let Some(scope) = with_key {
        let account = (scope == "meter").then_some(account);
        let key = access::api_key(app, account, "command line").await?;
        let value = format!("Bearer {key}");
        text.push_str(&format!("\nAuthorization: {value}"));
        headers["Authorization"] = value.into();
    }
    out.answer(&json!({ "headers": headers }), text);
    Ok(())
}

/// Corrections of credits.
#[derive(Clone, Debug, Subcommand)]
pub enum Credits {
    /// Adds or takes credits by hand.
    #[command(allow_negative_numbers = true)]
    Adjust {
        /// The account's id, the host application's id, its Stripe customer or a user's address.
        account: String,
        /// How many; with a minus sign to take.
        credits: String,
        /// Why, and under which name.
        #[command(flatten)]
        why: Why,
    },
    /// Ends a grant: what no hold has pinned of it is taken.
    Void {
        /// The account's id, the host application's id, its Stripe customer or a user's address.
        account: String,
        /// grant_...
        grant: String,
        /// Why, and under which name.
        #[command(flatten)]
        why: Why,
    },
    /// Lets debt go that a reversed payment left.
    Forgive {
        /// The account's id, the host application's id, its Stripe customer or a user's address.
        account: String,
        /// How much; all of it without.
        credits: Option<String>,
        /// Why, and under which name.
        #[command(flatten)]
        why: Why,
    },
}

/// Why somebody acts, and the name of the act.
#[derive(Clone, Debug, clap::Args)]
pub struct Why {
    /// Why, as a code.
    #[arg(long, value_parser = REASONS)]
    reason: String,
    /// Why, in words.
    #[arg(long)]
    note: String,
    /// Name of this act: the same one is done once.
    #[arg(long)]
    key: Option<String>,
    /// Only says what it would come to.
    #[arg(long)]
    dry_run: bool,
}

impl Why {
    fn by_hand(&self) -> anyhow::Result<ByHand> {
        anyhow::ensure!(
            !self.note.trim().is_empty(),
            "--note says why in 1 to 500 characters."
        );
        Ok(ByHand {
            actor: "cli".to_owned(),
            reason: self.reason.clone(),
            note: Some(self.note.clone()),
            credits_max: None,
            tells: true,
        })
    }

    fn key(&self, app: &App) -> anyhow::Result<Key> {
        let key = self.key.clone().unwrap_or_else(|| app.new_id("act"));
        Ok(Key::read(&key)?)
    }
}

async fn void(
    app: &App,
    account: &str,
    grant: &str,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let account = named(app, account).await?;
    let (by_hand, key) = (why.by_hand()?, why.key(app)?);
    if why.dry_run {
        let lot = grant.strip_prefix("grant_").unwrap_or(grant).to_owned();
        let view = billing::summary::view(app, account.id).await?;
        let lot = view.lots.iter().find(|one| one.id.to_string() == lot);
        let unheld = lot.map_or(ledger_credits(0), |lot| lot.unheld());
        let value = json!({ "account": account.public_id, "grant": grant, "voided": false });
        out.answer(&value, format!("Would take {unheld} credits of {grant}."));
        return Ok(());
    }
    let outcome = credits::void(app, &account, key, grant, &by_hand).await?;
    let taken = outcome.entry.as_ref().map(|entry| -entry.posted_delta);
    let taken = taken.unwrap_or(ledger_credits(0));
    let value = json!({
        "account": account.public_id, "grant": grant, "voided": !outcome.replayed,
        "credits": taken.to_string(), "available": outcome.available.to_string(),
    });
    let text = format!(
        "{taken} credits of {grant} were taken; {} are available.",
        outcome.available
    );
    out.answer(&value, text);
    Ok(())
}

async fn forgive(
    app: &App,
    account: &str,
    credits: Option<&str>,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let account = named(app, account).await?;
    let (by_hand, key) = (why.by_hand()?, why.key(app)?);
    let amount = credits.map(domain::money::Credits::parse).transpose()?;
    if why.dry_run {
        let debt = billing::summary::view(app, account.id).await?.debt;
        let amount = amount.unwrap_or(debt);
        let value = json!({ "account": account.public_id, "forgiven": false });
        let text = format!("Would let {amount} credits go of a debt of {debt}.");
        out.answer(&value, text);
        return Ok(());
    }
    let outcome = credits::forgive(app, &account, key, amount, &by_hand).await?;
    let gone = outcome.entry.as_ref().map(|entry| -entry.debt_delta);
    let gone = gone.unwrap_or(ledger_credits(0));
    let value = json!({
        "account": account.public_id, "forgiven": !outcome.replayed,
        "credits": gone.to_string(), "available": outcome.available.to_string(),
    });
    let text = format!(
        "{gone} credits of debt were let go; {} are available.",
        outcome.available
    );
    out.answer(&value, text);
    Ok(())
}

/// The account's row, by any of its names.
async fn named(app: &App, name: &str) -> anyhow::Result<store::accounts::Account> {
    Ok(access::account(app, name).await?)
}

fn ledger_credits(micros: i64) -> domain::money::Credits {
    domain::money::Credits::from_micros(micros)
}

async fn adjust(
    app: &App,
    account: &str,
    credits: &str,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let account = named(app, account).await?;
    let amount = domain::money::Credits::parse(credits)?;
    let (by_hand, key) = (why.by_hand()?, why.key(app)?);
    let name = key.0.clone();
    // The allowance that is due comes first; what comes after it is not dated before it.
    billing::summary::view(app, account.id).await?;
    let (done, available) = if why.dry_run {
        (true, credits::look(app, &account, amount).await?.0)
    } else {
        let outcome = credits::adjust(app, &account, key, amount, &by_hand).await?;
        let is_new = outcome.entry.is_some() && !outcome.replayed;
        (is_new, outcome.available)
    };
    let value = json!({
        "account": account.public_id, "credits": credits, "key": name,
        "adjusted": done && !why.dry_run,
        "available": serde_json::from_str::<serde_json::Value>(&available.to_string())?,
    });
    let text = match (done, why.dry_run) {
        (true, false) => format!("Adjusted by {credits}; {available} credits are available."),
        (true, true) => {
            format!("Would adjust by {credits}; {available} credits would be available.")
        }
        (false, _) => {
            format!("The adjustment {name} was made before; {available} credits are available.")
        }
    };
    out.answer(&value, text);
    Ok(())
}

/// Events from Stripe.
#[derive(Clone, Debug, Subcommand)]
pub enum Events {
    /// Takes a stored event up again, or all that wait for a person.
    Replay {
        /// evt_...
        id: Option<String>,
        /// All that were given up, 500 at most.
        #[arg(long, conflicts_with = "id")]
        failed: bool,
        /// Only says what it would do.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Whom to link.
#[derive(Clone, Debug, clap::Args)]
pub struct AdoptArgs {
    /// Only this account: its id, the host application's id, its Stripe customer or a user's
    /// address.
    account: Option<String>,
    /// With an account: this customer, whoever it was.
    #[arg(long, requires = "account")]
    customer: Option<String>,
    /// Does it. Without, it only says what would be done.
    #[arg(long)]
    apply: bool,
}

/// What goes back, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct RefundArgs {
    /// The payment: txn_..., or any of Stripe's ids of it.
    payment: String,
    /// How much, such as 5.00; all that is left without.
    #[arg(long)]
    amount: Option<String>,
    /// Why, in Stripe's words.
    #[arg(long, default_value = "requested_by_customer", value_parser = billing::payments::refund::REASONS)]
    reason: String,
    /// Why, in words.
    #[arg(long)]
    note: Option<String>,
    /// Make it as a credit note of the payment's invoice.
    #[arg(long)]
    credit_note: bool,
    /// Name of this refund: the same one is made once.
    #[arg(long)]
    key: Option<String>,
    /// Only says what it would come to.
    #[arg(long)]
    dry_run: bool,
}

async fn refund(app: &App, args: &RefundArgs, out: &mut Output) -> anyhow::Result<()> {
    let look = billing::payments::refund::preview(app, &args.payment, args.amount.as_deref());
    if args.dry_run {
        let look = look.await?;
        let number = |credits: domain::money::Credits| {
            serde_json::from_str::<serde_json::Value>(&credits.to_string())
        };
        let value = json!({
            "payment": look.payment.public_id, "account": look.account.public_id,
            "amount": look.money_back.decimal_text(), "currency": look.paid.currency.code(),
            "paid": look.paid.decimal_text(), "refunded": look.refunded.decimal_text(),
            "creditsTaken": number(look.credits_taken)?, "debtAfter": number(look.debt_after)?,
            "availableAfter": number(look.available_after)?, "note": look.note, "made": false,
        });
        let text = format!(
            "Would give back {} {} of {}; takes {} credits, leaves {} available and a debt of {}.{}",
            look.money_back.decimal_text(),
            look.paid.currency,
            look.paid.decimal_text(),
            look.credits_taken,
            look.available_after,
            look.debt_after,
            look.note.map(|note| format!(" {note}")).unwrap_or_default()
        );
        out.answer(&value, text);
        return Ok(());
    }
    let key = args.key.clone().unwrap_or_else(|| app.new_id("rfk"));
    let ask = billing::payments::refund::Ask {
        payment: args.payment.clone(),
        amount: args.amount.clone(),
        reason: args.reason.clone(),
        note: args.note.clone(),
        refunded_before: None,
        credit_note: args.credit_note,
        actor: "cli".to_owned(),
    };
    let made = billing::payments::refund::make(app, &ask, &key).await?;
    let amount = made.money_back.decimal_text();
    let value = json!({
        "refund": made.refund, "status": made.status, "payment": made.payment.public_id,
        "account": made.account.public_id, "amount": amount,
        "currency": made.money_back.currency.code(), "key": key, "made": !made.replayed,
    });
    let done = if made.replayed {
        "was made before"
    } else {
        "is"
    };
    let text = format!(
        "{} {done} {}: {amount} {}.",
        made.refund, made.status, made.money_back.currency
    );
    out.answer(&value, text);
    Ok(())
}

async fn look(app: &App, id: &str, out: &mut Output) -> anyhow::Result<()> {
    let wanted = id.to_owned();
    let event = app.read(move |tx| store::events::find(tx, &wanted)).await?;
    let event = event.ok_or_else(|| anyhow::anyhow!("There is no event {id}."))?;
    let lines = match event.account_id {
        None => Vec::new(),
        Some(account) => billing::sync::compare::account(app, account).await?.lines,
    };
    let changes: Vec<String> = lines
        .iter()
        .filter(|line| !line.agrees())
        .map(|line| format!("{}: {} to {}", line.name, line.ours, line.theirs))
        .collect();
    let text = match (event.account_id, changes.is_empty()) {
        (None, _) => format!("{id} names no account of ours; it would be looked for again."),
        (Some(_), true) => format!("{id}: nothing would change."),
        (Some(_), false) => changes.join("\n"),
    };
    let matched = event.account_id.is_some();
    out.answer(
        &json!({ "event": id, "matched": matched, "wouldChange": changes }),
        text,
    );
    Ok(())
}

async fn replay_failed(app: &App, dry_run: bool, out: &mut Output) -> anyhow::Result<()> {
    let ids: Vec<String> = if dry_run {
        let events = app.read(billing::operators::events::failed).await?;
        events.into_iter().map(|event| event.event_id).collect()
    } else {
        billing::operators::events::replay_failed(app, "cli").await?
    };
    let text = match (ids.len(), dry_run) {
        (0, _) => "No event waits for a person.".to_owned(),
        (count, true) => format!("{count} would be taken up again:\n{}", ids.join("\n")),
        (count, false) => format!("{count} were taken up again:\n{}", ids.join("\n")),
    };
    out.answer(&json!({ "events": ids, "replayed": !dry_run }), text);
    Ok(())
}

async fn replay(app: &App, id: &str, out: &mut Output) -> anyhow::Result<()> {
    let (wanted, author) = (id.to_owned(), Author::new(app, COMMAND_LINE));
    let event = app
        .db
        .write(0, move |tx| {
            let Some(event) = store::events::find(tx, &wanted)? else {
                return Ok(None);
            };
            let event = store::events::requeue(tx, event.n, author.at())?;
            author.act(Action::EventReplay, &wanted).append(tx)?;
            Ok(event)
        })
        .await?;
    let event = event.ok_or_else(|| anyhow::anyhow!("There is no event {id}."))?;
    if event.account_id.is_none() {
        billing::sync::unmatched::match_events(app).await?;
    }
    let wanted = id.to_owned();
    let event = app.read(move |tx| store::events::find(tx, &wanted)).await?;
    let account = event.and_then(|event| event.account_id);
    let changes = match account {
        Some(account) => billing::sync::account(app, account).await?.changes,
        None => Vec::new(),
    };
    let text = match (account, changes.is_empty()) {
        (None, _) => format!("{id} names no account of ours; it is tried again later."),
        (Some(_), true) => format!("{id} was taken up again; nothing had to change."),
        (Some(_), false) => changes.join("\n"),
    };
    let value = json!({ "event": id, "matched": account.is_some(), "changes": changes });
    out.answer(&value, text);
    Ok(())
}
