//! A payment or a refund.

use billing::exact::Exact;
use billing::export::csv::{Cell, Csv};
use domain::money::{Currency, MinorUnits};
use serde::Serialize;
use store::transactions::Transaction as Row;
use utoipa::ToSchema;

use crate::lists::Shown;

/// One record of money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// `txn_...`
    id: String,
    /// Whose it is, in operators' lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// `CREDIT_TOPUP`, `SUBSCRIPTION_PAYMENT`, `REFUND` and the like.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `PENDING`, `COMPLETED`, `FAILED`, `REFUNDED` or `CANCELLED`.
    status: &'static str,
    /// Decimal text, such as `19.00`.
    amount: String,
    /// In lower case.
    currency: String,
    /// What of it was paid back.
    refunded: String,
    /// `subscription` or `credit_topup`.
    product_type: String,
    /// The tier that was paid for.
    tier: Option<String>,
    /// The credits that were paid for.
    credits: Option<Exact>,
    /// For people.
    description: Option<String>,
    /// Why it failed.
    failure: Option<String>,
    /// Where its receipt is.
    receipt_url: Option<String>,
    /// `pi_...`
    stripe_payment_intent_id: Option<String>,
    /// `in_...`
    stripe_invoice_id: Option<String>,
    /// When it happened, by Stripe.
    occurred_at: String,
}

impl Transaction {
    /// A row as it is shown; `account` only to operators.
    pub fn of(row: Row, account: Option<String>) -> Transaction {
        let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
        let money = |minor| MinorUnits::new(minor, currency).decimal_text();
        Transaction {
            id: row.public_id,
            account,
            kind: row.kind.word(),
            status: row.status.word(),
            amount: money(row.amount_minor),
            currency: row.currency,
            refunded: money(row.refunded_minor),
            product_type: row.product_type,
            tier: row.subscription_tier,
            credits: row.credits_purchased_micros.map(Exact::micros),
            description: row.description,
            failure: row.failure,
            receipt_url: row.receipt_url,
            stripe_payment_intent_id: row.stripe_payment_intent_id,
            stripe_invoice_id: row.stripe_invoice_id,
            occurred_at: row.occurred_at.rfc3339(),
        }
    }
}

impl Shown for Transaction {
    const NAME: &'static str = "transactions";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "account",
        "occurred_at",
        "type",
        "status",
        "amount",
        "currency",
        "refunded",
        "tier",
        "credits",
        "description",
        "payment_intent",
        "invoice",
    ];

    fn write(&self, csv: &mut Csv) {
        let credits = self.credits.map(|credits| credits.0.to_string());
        csv.row(&[
            Cell::Text(&self.id),
            Cell::maybe(self.account.as_ref()),
            Cell::Plain(&self.occurred_at),
            Cell::Text(self.kind),
            Cell::Text(self.status),
            Cell::Plain(&self.amount),
            Cell::Plain(&self.currency),
            Cell::Plain(&self.refunded),
            Cell::maybe(self.tier.as_ref()),
            Cell::Plain(credits.as_deref().unwrap_or("")),
            Cell::maybe(self.description.as_ref()),
            Cell::maybe(self.stripe_payment_intent_id.as_ref()),
            Cell::maybe(self.stripe_invoice_id.as_ref()),
        ]);
    }
}
