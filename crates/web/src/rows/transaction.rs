//! A payment or a refund.

use billing::exact::Exact;
use billing::export::csv::{Cell, Column};
use serde::Serialize;
use store::transactions::Transaction as Row;
use utoipa::ToSchema;

use crate::lists::Shown;
use crate::rows::money::of_row;

/// A record of money: a payment, a refund or a change of subscription.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The id of the transaction: `txn_...`.
    id: String,
    /// The id of the account (`acc_...`). Present only when an operator lists the transactions of
    /// all accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// `SUBSCRIPTION_PAYMENT`, `SUBSCRIPTION_UPGRADE`, `SUBSCRIPTION_DOWNGRADE`,
    /// `SUBSCRIPTION_CANCEL`, `CREDIT_TOPUP` or `REFUND`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `PENDING`, `COMPLETED`, `FAILED`, `REFUNDED` or `CANCELLED`.
    status: &'static str,
    /// The amount as a decimal string in the currency's main unit, such as `19.00`.
    amount: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
    /// The amount refunded so far, in the same form as `amount`. What a lost dispute took counts.
    refunded: String,
    /// Whether a dispute about the payment is open.
    disputed: bool,
    /// What was sold: `subscription` or `credit_topup`.
    product_type: String,
    /// The tier that was paid for, or null for a credit pack.
    tier: Option<String>,
    /// The number of credits bought, or null for a subscription.
    credits: Option<Exact>,
    /// A description to display, or null if there is none.
    description: Option<String>,
    /// Why the payment failed, or null if it didn't fail.
    failure: Option<String>,
    /// The URL of the receipt at Stripe, or null if there is none.
    receipt_url: Option<String>,
    /// Stripe's id of the payment (`pi_...`), or null if there is none.
    stripe_payment_intent_id: Option<String>,
    /// Stripe's id of the invoice (`in_...`), or null if there is none.
    stripe_invoice_id: Option<String>,
    /// The time at which the transaction happened, on Stripe's clock (RFC 3339, UTC).
    occurred_at: String,
}

impl Transaction {
    /// A row as it is shown; `account` only to operators.
    pub fn of(row: Row, account: Option<String>) -> Transaction {
        let money = |minor| of_row(minor, &row.currency).decimal_text();
        Transaction {
            id: row.public_id,
            account,
            kind: row.kind.word(),
            status: row.status.word(),
            amount: money(row.amount_minor),
            refunded: money(row.refunded_minor),
            disputed: row.disputed,
            currency: row.currency,
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
    const COLUMNS: &'static [Column<Transaction>] = &[
        ("id", |row| Cell::text(&row.id)),
        ("account", |row| Cell::maybe(row.account.as_ref())),
        ("occurred_at", |row| Cell::plain(&row.occurred_at)),
        ("type", |row| Cell::text(row.kind)),
        ("status", |row| Cell::text(row.status)),
        ("amount", |row| Cell::plain(&row.amount)),
        ("currency", |row| Cell::plain(&row.currency)),
        ("refunded", |row| Cell::plain(&row.refunded)),
        ("tier", |row| Cell::maybe(row.tier.as_ref())),
        ("credits", |row| {
            row.credits
                .map_or(Cell::plain(""), |credits| Cell::number(credits.0))
        }),
        ("description", |row| Cell::maybe(row.description.as_ref())),
        ("payment_intent", |row| {
            Cell::maybe(row.stripe_payment_intent_id.as_ref())
        }),
        ("invoice", |row| Cell::maybe(row.stripe_invoice_id.as_ref())),
    ];
}
