//! `admin refund`: refunds a payment, in full or in part.

use billing::app::App;
use billing::operators::refunds::{NewRefund, Preview, REASONS, make, preview};
use domain::money::Credits;
use serde_json::{Value, json};

use crate::cli::output::Output;

/// Which payment to refund, how much of it, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct RefundArgs {
    /// The payment: its id (txn_...) or any of its Stripe ids.
    payment: String,
    /// Amount, for example 5.00 (default: everything not yet refunded).
    #[arg(long)]
    amount: Option<String>,
    /// Reason, as Stripe names it.
    #[arg(long, default_value = "requested_by_customer", value_parser = REASONS)]
    reason: String,
    /// Note for the audit log.
    #[arg(long)]
    note: Option<String>,
    /// Issues a credit note for the payment's invoice.
    #[arg(long)]
    credit_note: bool,
    /// Idempotency key: a refund with the same key is made only once.
    #[arg(long)]
    key: Option<String>,
    /// Shows what would be refunded without doing it.
    #[arg(long)]
    dry_run: bool,
}

/// Makes the refund, or with `--dry-run` previews it.
pub async fn run(app: &App, args: &RefundArgs, out: &mut Output) -> anyhow::Result<()> {
    if args.dry_run {
        let preview = preview(app, &args.payment, args.amount.as_deref()).await?;
        return show_preview(preview, out);
    }
    let key = args.key.clone().unwrap_or_else(|| app.new_id("rfk"));
    let ask = NewRefund {
        payment: args.payment.clone(),
        amount: args.amount.clone(),
        reason: args.reason.clone(),
        note: args.note.clone(),
        refunded: None,
        credit_note: args.credit_note,
        actor: "cli".to_owned(),
    };
    let made = make(app, &ask, &key).await?;
    let amount = made.money_back.decimal_text();
    let value = json!({
        "refund": made.refund, "status": made.status, "payment": made.payment.public_id,
        "account": made.account.public_id, "amount": amount,
        "currency": made.money_back.currency.code(), "key": key, "made": !made.replayed,
    });
    let verb = if made.replayed {
        "was already made and is"
    } else {
        "is"
    };
    let text = format!(
        "Refund {} {verb} {}: {amount} {}.",
        made.refund, made.status, made.money_back.currency
    );
    out.answer(&value, text);
    Ok(())
}

fn show_preview(preview: Preview, out: &mut Output) -> anyhow::Result<()> {
    let value = json!({
        "payment": preview.payment.public_id, "account": preview.account.public_id,
        "amount": preview.money_back.decimal_text(), "currency": preview.paid.currency.code(),
        "paid": preview.paid.decimal_text(), "refunded": preview.refunded.decimal_text(),
        "creditsTaken": number(preview.credits_taken)?, "debtAfter": number(preview.debt_after)?,
        "availableAfter": number(preview.available_after)?, "note": preview.note, "made": false,
    });
    let text = format!(
        "Would refund {} {} of {}. Removes {} credits; {} would be available, with a debt of {}.{}",
        preview.money_back.decimal_text(),
        preview.paid.currency,
        preview.paid.decimal_text(),
        preview.credits_taken,
        preview.available_after,
        preview.debt_after,
        preview
            .note
            .map(|note| format!(" {note}"))
            .unwrap_or_default()
    );
    out.answer(&value, text);
    Ok(())
}

/// The exact decimal text of `credits` as a JSON number, without going through a float.
fn number(credits: Credits) -> serde_json::Result<Value> {
    serde_json::from_str(&credits.to_string())
}
