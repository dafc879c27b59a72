//! What belongs to another product at the same Stripe account: subscriptions and payments of our
//! customers that sell nothing of ours, and customers that only share an address. They are shown to
//! operators; nothing else reads them, so they block, grant and count nothing.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "object_id, account_id, kind, status, amount_minor, currency, price_id, is_decided,
         created_at, seen_at"
    };
}

words! {
    /// What belongs to another product.
    pub enum ForeignKind {
        /// A subscription of our customer to another product's price.
        Subscription = "subscription",
        /// A payment of our customer for another product.
        Payment = "payment",
        /// A customer that was created elsewhere, has the account's address and a plan of ours.
        Customer = "customer",
    }
}
word_column!(ForeignKind);

record! {
    /// An object at Stripe that belongs to another product.
    pub struct Foreign {
        /// Stripe's id of the subscription, the payment intent or the customer.
        pub object_id: String,
        /// The account whose customer has it, or whose address the customer has.
        pub account_id: i64,
        /// What it is.
        pub kind: ForeignKind,
        /// Stripe's status; for a customer, the subscription to a plan of ours.
        pub status: String,
        /// The amount of a period or of the payment, in minor units.
        pub amount_minor: Option<i64>,
        /// The currency, as an ISO code in lower case.
        pub currency: Option<String>,
        /// Stripe's id of the price. Once the catalog knows it, the object is ours.
        pub price_id: Option<String>,
        /// Whether an operator decided that it belongs to another product.
        pub is_decided: bool,
        /// The time at which it was created at Stripe.
        pub created_at: Timestamp,
        /// The time at which a sync last saw it.
        pub seen_at: Timestamp,
    }
}

/// Records the object as another product's. An operator's decision is kept.
pub fn put(tx: &mut Tx<'_>, row: &Foreign) -> Result<u64> {
    tx.execute(
        sql!(
            "insert into foreign_object (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 on conflict (object_id) do update
                set status = excluded.status,
                    amount_minor = excluded.amount_minor,
                    currency = excluded.currency,
                    price_id = excluded.price_id,
                    is_decided = case when excluded.is_decided = 1
                                      then 1
                                      else foreign_object.is_decided end,
                    seen_at = excluded.seen_at
              where foreign_object.account_id = excluded.account_id"
        ),
        args![
            &row.object_id,
            row.account_id,
            row.kind,
            &row.status,
            row.amount_minor,
            &row.currency,
            &row.price_id,
            row.is_decided,
            row.created_at,
            row.seen_at,
        ],
    )
}

/// Lists what the account's customers have of other products, the newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Foreign>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from foreign_object
              where account_id = $1
              order by created_at desc, object_id
              limit $2"
        ),
        args![account, limit],
    )
}

/// Forgets that the object is another product's: it turned out to be ours.
pub fn remove(tx: &mut Tx<'_>, account: i64, object_id: &str) -> Result<u64> {
    tx.execute(
        "delete from foreign_object where account_id = $1 and object_id = $2",
        args![account, object_id],
    )
}

/// Accounts with an object that was set aside because of its price, with the price.
pub fn prices(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(i64, String)>> {
    tx.query(
        "select distinct account_id, price_id
           from foreign_object
          where price_id is not null and is_decided = 0
          order by account_id, price_id
          limit $1",
        args![limit],
    )
}

/// Removes what earlier versions recorded of another product's subscription as if it were ours: the
/// subscription, its invoices and their payments. Returns whether there was anything.
pub fn take_out_subscription(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<bool> {
    let mut removed = 0;
    for statement in [
        "delete from transactions
          where account_id = $1
            and natural_key in (select 'dispute:' || dispute_id
                                  from dispute
                                 where account_id = $1 and subscription_id = $2)",
        "delete from dispute where account_id = $1 and subscription_id = $2",
        "delete from transactions
          where account_id = $1
            and stripe_invoice_id in (select invoice_id
                                        from invoice
                                       where account_id = $1 and subscription_id = $2)",
        "delete from credit_note
          where account_id = $1
            and invoice_id in (select invoice_id
                                 from invoice
                                where account_id = $1 and subscription_id = $2)",
        "delete from invoice where account_id = $1 and subscription_id = $2",
        "delete from subscription where account_id = $1 and subscription_id = $2",
    ] {
        removed += tx.execute(statement, args![account, subscription_id])?;
    }
    removed += tx.execute(
        "delete from transactions where account_id = $1 and natural_key = $2",
        args![account, &format!("cancel:{subscription_id}")],
    )?;
    Ok(removed > 0)
}
