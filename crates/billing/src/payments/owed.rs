//! Refunds that were promised and have not been made yet.

use domain::money::{Currency, MinorUnits};
use domain::time::Timestamp;
use store::Tx;
use store::intent_steps::{self, Step};

/// Maximum number of refunds that are listed; far more than one account is ever owed.
const REFUNDS_MAX: i64 = 50;

/// A refund that is owed to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedRefund {
    /// The amount that goes back.
    pub amount: MinorUnits,
    /// Stripe's id of the payment that is refunded.
    pub payment_intent: String,
    /// Whether an attempt to make it failed, so that it is late.
    pub is_delayed: bool,
    /// When it was promised.
    pub since: Timestamp,
}

/// The refunds that an account is owed, the oldest first.
pub fn refunds(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<OwedRefund>> {
    let mut owed = Vec::new();
    for step in intent_steps::owed_refunds(tx, account, REFUNDS_MAX)? {
        let Some(intent) = store::intents::find(tx, account, &step.intent_id)? else {
            continue;
        };
        if let Some(amount) = amount_of(tx, &step)? {
            owed.push(OwedRefund {
                amount,
                payment_intent: step.object_id.unwrap_or_default(),
                is_delayed: intent.needs_attention,
                since: intent.created_at,
            });
        }
    }
    Ok(owed)
}

/// The amount of a refund: that of its step, or what is left of the payment.
pub fn amount_of(tx: &mut Tx<'_>, step: &Step) -> store::Result<Option<MinorUnits>> {
    let currency = step.currency.as_deref().and_then(Currency::parse);
    if let (Some(amount), Some(currency)) = (step.amount_minor, currency) {
        return Ok(Some(MinorUnits::new(amount, currency)));
    }
    let payment = step.object_id.as_deref().unwrap_or_default();
    let row = store::transactions::about(tx, payment)?;
    let row = row.filter(|row| row.account_id == step.account_id && row.kind.is_payment());
    Ok(row.and_then(|row| {
        let left = row.amount_minor - row.refunded_minor;
        Some(MinorUnits::new(left, Currency::parse(&row.currency)?)).filter(|_| left > 0)
    }))
}
