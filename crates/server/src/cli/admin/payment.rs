//! `admin payment`: decides what a payment was for that brought neither credits nor a plan.

use billing::app::App;
use billing::operators::audit_log::COMMAND_LINE;
use billing::operators::payments;
use billing::operators::payments::{Decision, OpenPayment};
use serde_json::json;

use crate::cli::output::Output;

/// Which payment, and what it was for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The payment: its id (txn_...) or its Stripe payment intent.
    payment: String,
    /// Grants what the payment's line items at Stripe say.
    #[arg(long, group = "decision")]
    proposed: bool,
    /// Grants the pack of so many credits.
    #[arg(long, group = "decision")]
    pack: Option<i64>,
    /// The payment belongs to another product: it is no longer counted.
    #[arg(long, group = "decision")]
    other_product: bool,
    /// The payment is ours and needs no credits.
    #[arg(long, group = "decision")]
    accept: bool,
    /// Carries the decision out. Without it, it is only shown.
    #[arg(long)]
    apply: bool,
}

/// Carries out the decision, or shows what it would do.
pub async fn run(app: &App, args: &Args, out: &mut Output) -> anyhow::Result<()> {
    let open = payments::find(app, &args.payment).await?;
    let decision = decision(app, args, &open)?;
    if args.apply {
        payments::decide(app, &open, &decision, COMMAND_LINE).await?;
    }
    let (payment, account) = (&open.payment, &open.account.public_id);
    let (amount, currency) = (open.paid().decimal_text(), open.row.currency.to_uppercase());
    let said = decision.text();
    let value = json!({
        "payment": payment, "account": account, "amount": amount, "currency": open.row.currency,
        "does": said, "applied": args.apply,
    });
    let end = if args.apply {
        "Done."
    } else {
        "To do it: --apply"
    };
    let text = format!("{account} payment {payment} of {amount} {currency} {said}. {end}");
    out.answer(&value, text);
    Ok(())
}

fn decision(app: &App, args: &Args, open: &OpenPayment) -> anyhow::Result<Decision> {
    if let Some(credits) = args.pack {
        return Ok(Decision::Pack(payments::pack(app, credits)?));
    }
    if args.other_product {
        return Ok(Decision::OtherProduct);
    }
    if args.accept {
        return Ok(Decision::Accept);
    }
    match open.proposed {
        Some(sold) => Ok(Decision::Pack(sold)),
        None => anyhow::bail!(
            "Stripe's objects don't say what this payment bought; choose --pack CREDITS, \
             --other-product or --accept, or refund it."
        ),
    }
}
