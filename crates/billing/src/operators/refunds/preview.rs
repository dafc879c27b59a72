//! What a refund would do, before it is made.

use domain::ledger::{Command, Request};
use domain::money::{Credits, Currency, MinorUnits, share_of};
use domain::projection::TransactionType;
use store::accounts::Account;
use store::transactions::Transaction;
use stripe::{Form, objects};

use super::{CHARGES_MAX, DISPUTES_MAX, payment};
use crate::app::App;
use crate::error::{Error, Result};

/// What a refund would come to.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The payment to refund.
    pub payment: Transaction,
    /// The account that paid.
    pub account: Account,
    /// The amount that was paid.
    pub paid: MinorUnits,
    /// What of it went back before.
    pub refunded: MinorUnits,
    /// What would go back now.
    pub money_back: MinorUnits,
    /// Credits that would be taken.
    pub credits_taken: Credits,
    /// Credits that may be spent afterwards.
    pub available_after: Credits,
    /// Debt afterwards: credits of the payment that were spent before.
    pub debt_after: Credits,
    /// Something the operator should know.
    pub note: Option<&'static str>,
}

impl Preview {
    /// What can go back at most.
    pub fn left(&self) -> MinorUnits {
        MinorUnits::new(self.paid.amount - self.refunded.amount, self.paid.currency)
    }
}

/// Looks at what a refund of `amount` would come to. Changes nothing.
pub async fn preview(app: &App, name: &str, amount: Option<&str>) -> Result<Preview> {
    let (payment, account) = payment(app, name).await?;
    let charge = charge(app, &payment).await?;
    let currency = Currency::parse(&charge.currency).unwrap_or(Currency::USD);
    let left = charge.amount_captured - charge.amount_refunded;
    let amount = amount_of(amount, left, currency)?;
    let after = charge.amount_refunded + amount;
    let effect = effect(app, &payment, &charge, after).await?;
    Ok(Preview {
        paid: MinorUnits::new(charge.amount_captured, currency),
        refunded: MinorUnits::new(charge.amount_refunded, currency),
        money_back: MinorUnits::new(amount, currency),
        credits_taken: effect.taken,
        available_after: effect.available,
        debt_after: effect.debt,
        note: effect.note,
        payment,
        account,
    })
}

fn amount_of(text: Option<&str>, left: i64, currency: Currency) -> Result<i64> {
    let left_text = MinorUnits::new(left, currency).decimal_text();
    if left <= 0 {
        let detail = "This payment was already refunded in full.";
        return Err(Error::conflict("already_refunded", detail));
    }
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(left);
    };
    let amount = MinorUnits::parse(text, currency).map(|money| money.amount);
    let amount = amount.filter(|amount| (1..=left).contains(amount));
    let detail = format!("{text} can't be refunded. Enter an amount up to {left_text}.");
    amount.ok_or_else(|| Error::field("amount", detail))
}

/// The charge that paid, as it is at Stripe now, if money of it may go back (case M2).
async fn charge(app: &App, payment: &Transaction) -> Result<objects::Charge> {
    let is_payment = payment.kind.is_payment();
    let is_paid = payment.status.is_paid();
    let Some(intent) = payment
        .stripe_payment_intent_id
        .as_deref()
        .filter(|_| is_payment && is_paid)
    else {
        let detail = "Nothing was paid here, so there is nothing to refund.";
        return Err(Error::conflict("nothing_paid", detail));
    };
    let filter = Form::new().push("payment_intent", intent);
    let charges = app.stripe.list_charges(&filter, CHARGES_MAX).await?.data;
    let charge = charges.into_iter().find(|charge| charge.paid);
    let charge = charge
        .ok_or_else(|| Error::conflict("nothing_paid", "Stripe has no paid charge for it."))?;
    if charge.disputed {
        let filter = Form::new().push("charge", &charge.id);
        let disputes = app.stripe.list_disputes(&filter, DISPUTES_MAX).await?.data;
        if disputes.iter().any(|dispute| dispute.status.claims_money()) {
            let detail = "The payment is disputed. The bank decides and may take the money \
                          itself. Respond to the dispute at Stripe.";
            return Err(Error::conflict("disputed", detail));
        }
    }
    Ok(charge)
}

struct Effect {
    taken: Credits,
    available: Credits,
    debt: Credits,
    note: Option<&'static str>,
}

/// What the ledger would do when `reversed` of the charge went back: the same command that a sync
/// gives it, tried on a copy.
async fn effect(
    app: &App,
    payment: &Transaction,
    charge: &objects::Charge,
    reversed: i64,
) -> Result<Effect> {
    crate::summary::view(app, payment.account_id).await?;
    let account = payment.account_id;
    let is_topup = payment.kind == TransactionType::CreditTopup;
    let intent = payment.stripe_payment_intent_id.clone();
    let source_key = format!("topup:{}", intent.unwrap_or_default());
    let (now, whole) = (app.now(), charge.amount);
    app.read(move |tx| {
        let clawback = |reversed_minor| {
            Request::internal(Command::Clawback {
                source_key: source_key.clone(),
                reversed_minor,
            })
        };
        let mut ledger = store::ledger::loaded_for(tx, account, &[clawback(0)])?;
        let before = ledger.wallet.posted;
        let paid = ledger.lot_by_source(&source_key).map(|lot| lot.paid);
        let mut note = None;
        if let Some(paid) = paid {
            let paid = paid.map_or(0, |paid| paid.amount);
            let minor = share_of(paid, reversed.clamp(0, whole), whole.max(1));
            if ledger.apply(&clawback(minor), now).is_err() {
                note = Some("The ledger refuses to take the credits. Check the account first.");
            }
        } else if is_topup {
            note = Some(
                "The credits of this payment haven't been granted yet. Sync the account first.",
            );
        } else {
            note = Some("The plan continues. Cancel it separately if it should end.");
        }
        Ok(Effect {
            taken: before - ledger.wallet.posted,
            available: ledger.available(now),
            debt: ledger.wallet.debt,
            note,
        })
    })
    .await
}
