//! Previews a refund before it is made.

use domain::ledger::{Command, Ledger, Request};
use domain::money::{Credits, Currency, MinorUnits};
use domain::plan::{PlanInvoice, claims};
use domain::projection::TransactionType;
use domain::time::Timestamp;
use std::sync::Arc;
use store::Tx;
use store::accounts::Account;
use store::ledger::Rules;
use store::transactions::Transaction;
use stripe::{Form, objects};

use super::{CHARGES_MAX, DISPUTES_MAX, find, no_payment};
use crate::app::App;
use crate::error::{Error, Result};
use crate::summary::{View, view_of};

/// The effects of a refund.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The payment to refund.
    pub payment: Transaction,
    /// The account that paid.
    pub account: Account,
    /// The amount that was paid.
    pub paid: MinorUnits,
    /// The amount that was refunded before.
    pub refunded: MinorUnits,
    /// The amount that would be refunded now.
    pub money_back: MinorUnits,
    /// Credits that would be clawed back.
    pub credits_taken: Credits,
    /// Credits that could be spent afterwards.
    pub available_after: Credits,
    /// Debt afterwards, for credits of the payment that were already spent.
    pub debt_after: Credits,
    /// A remark for the operator.
    pub note: Option<&'static str>,
}

impl Preview {
    /// The amount that can still be refunded.
    pub fn left(&self) -> MinorUnits {
        MinorUnits::new(self.paid.amount - self.refunded.amount, self.paid.currency)
    }
}

/// A payment before its refund, with our rows and its charge at Stripe.
pub struct Before {
    payment: Transaction,
    account: Account,
    charge: objects::Charge,
    ledger: Ledger,
    /// For a plan's payment: the invoices and allowances of its periods.
    plan: (Vec<PlanInvoice>, Vec<(String, Credits)>),
    rules: Arc<Rules>,
    now: Timestamp,
}

/// Reads a payment and its account, then asks Stripe for the charge. Changes nothing. The credits
/// are those of the moment before the call to Stripe.
pub async fn before(app: &App, name: &str) -> Result<Before> {
    let (name, rules) = (name.to_owned(), app.rules());
    let find = move |tx: &mut Tx<'_>| {
        let found = find(tx, &name)?;
        Ok(found.map(|found| (found.1.id, found)))
    };
    let read = move |tx: &mut Tx<'_>, _: &View, found: (Transaction, Account)| {
        let none_reversed = clawback(&found.0, (0, 1));
        let mut ledger = store::ledger::loaded_for(tx, found.1.id, &[none_reversed])?;
        let plan = match &found.0.stripe_invoice_id {
            Some(invoice) => store::ledger::brought_by(tx, &rules, &mut ledger, invoice)?,
            None => Default::default(),
        };
        Ok((found, (ledger, plan)))
    };
    let found = view_of(app, find, read).await?;
    let (view, ((payment, account), (ledger, plan))) = found.ok_or_else(no_payment)?;
    Ok(Before {
        charge: charge(app, &payment).await?,
        payment,
        account,
        ledger,
        plan,
        rules: app.rules(),
        now: view.at,
    })
}

impl Before {
    /// The effects of refunding `amount`, or everything that is left if it is none.
    pub fn preview(&self, amount: Option<&str>) -> Result<Preview> {
        let charge = &self.charge;
        let currency = Currency::parse(&charge.currency).unwrap_or(Currency::USD);
        let left = charge.amount_captured - charge.amount_refunded;
        let amount = amount_of(amount, left, currency)?;
        let effect = self.effect(charge.amount_refunded + amount);
        Ok(Preview {
            paid: MinorUnits::new(charge.amount_captured, currency),
            refunded: MinorUnits::new(charge.amount_refunded, currency),
            money_back: MinorUnits::new(amount, currency),
            credits_taken: effect.taken,
            available_after: effect.available,
            debt_after: effect.debt,
            note: effect.note,
            payment: self.payment.clone(),
            account: self.account.clone(),
        })
    }

    /// The ledger's state after `reversed` minor units of the charge were refunded: the command
    /// that a sync would run, applied to a copy.
    fn effect(&self, reversed: i64) -> Effect {
        let (mut ledger, now, whole) = (self.ledger.clone(), self.now, self.charge.amount);
        let before = ledger.wallet.posted;
        let is_granted = ledger.lot_by_source(&source_key(&self.payment)).is_some();
        let is_topup = self.payment.kind == TransactionType::CreditTopup;
        let note = if is_granted {
            let clawback = clawback(&self.payment, (reversed, whole));
            let refused = ledger.apply(&clawback, now).is_err();
            refused.then_some("The ledger refuses to take the credits. Check the account first.")
        } else if is_topup {
            Some("The credits of this payment haven't been granted yet. Sync the account first.")
        } else {
            for command in self.plan_reversal(reversed) {
                let taken = ledger.apply(&Request::internal(command), now);
                debug_assert!(taken.is_ok(), "a grant that exists can be reversed");
            }
            Some("The plan continues. Cancel it separately if it should end.")
        };
        Effect {
            taken: before - ledger.wallet.posted,
            available: ledger.available(now),
            debt: ledger.wallet.debt,
            note,
        }
    }
}

impl Before {
    /// The commands that a sync would run for the plan's allowances.
    fn plan_reversal(&self, reversed: i64) -> Vec<Command> {
        let (mut invoices, allowances) = self.plan.clone();
        let paid = self.payment.stripe_invoice_id.as_deref();
        for invoice in invoices
            .iter_mut()
            .filter(|one| Some(one.id.as_str()) == paid)
        {
            invoice.reversed = reversed;
            invoice.charged = self.charge.amount;
        }
        let claims = claims(&allowances, &invoices, &self.rules.catalog).into_iter();
        let whole = |key: &str| {
            let found = allowances.iter().find(|(known, _)| known == key);
            found.map_or(0, |(_, amount)| amount.micros())
        };
        claims
            .map(|claim| Command::Clawback {
                whole: whole(&claim.source_key),
                source_key: claim.source_key,
                reversed: claim.reversed.micros(),
            })
            .collect()
    }
}

/// Previews a refund of `amount`. Changes nothing.
pub async fn preview(app: &App, name: &str, amount: Option<&str>) -> Result<Preview> {
    before(app, name).await?.preview(amount)
}

/// The source key of the grant that a payment bought.
fn source_key(payment: &Transaction) -> String {
    let intent = payment.stripe_payment_intent_id.as_deref();
    format!("topup:{}", intent.unwrap_or_default())
}

fn clawback(payment: &Transaction, (reversed, whole): (i64, i64)) -> Request {
    Request::internal(Command::Clawback {
        source_key: source_key(payment),
        reversed,
        whole,
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

/// The charge that paid, as it is at Stripe now, if it can be refunded (case M2).
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
