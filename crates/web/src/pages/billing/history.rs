//! Payments as the pages list them.

use billing::payments::owed::OwedRefund;
use domain::catalog::Catalog;
use domain::money::MinorUnits;
use domain::projection::{TransactionStatus, TransactionType};
use store::transactions::Transaction;
use views::billing::History;
use views::components::{Badge, Pager, Receipt, TransactionRow};
use views::{format, labels, offer};

use crate::pages::billing::BILLING;
use crate::pages::billing::paid::amount;
use crate::pages::billing::rows::Rows;
use crate::pages::standing::day;

pub(super) fn history(catalog: &Catalog, rows: &Rows) -> History {
    let owed = rows.owed.iter().filter(|_| rows.is_first_page).map(owed);
    let made = rows.history.iter().map(|row| payment(catalog, row));
    let list: Vec<TransactionRow> = owed.chain(made).collect();
    let last = rows.history.last().filter(|_| rows.has_more);
    let count = u64::try_from(list.len()).unwrap_or(u64::MAX);
    History {
        pager: Pager {
            summary: format::counted(count, "payment", "payments"),
            newest: (!rows.is_first_page).then(|| BILLING.to_owned()),
            older: last.map(|row| format!("{BILLING}?after={}", row.public_id)),
        },
        csv: (!list.is_empty()).then(|| format!("{BILLING}/history.csv")),
        rows: list,
    }
}

/// A refund that was promised and has not been made.
fn owed(refund: &OwedRefund) -> TransactionRow {
    let badge = if refund.is_delayed {
        Badge::warn("Delayed")
    } else {
        Badge::plain("On its way")
    };
    let back = MinorUnits::new(-refund.amount.amount, refund.amount.currency);
    TransactionRow {
        when: day(refund.since),
        title: "Refund".to_owned(),
        kind: labels::transaction_kind("REFUND").to_owned(),
        amount: offer::money(back),
        badge,
        receipt: Receipt::None("After the refund".to_owned()),
    }
}

fn payment(catalog: &Catalog, row: &Transaction) -> TransactionRow {
    let sign = if row.kind == TransactionType::Refund {
        -1
    } else {
        1
    };
    let receipt = match (&row.receipt_url, row.status) {
        (Some(url), TransactionStatus::Completed | TransactionStatus::Refunded) => {
            Receipt::Link(url.clone())
        }
        (_, TransactionStatus::Pending) => Receipt::None("After payment".to_owned()),
        _ => Receipt::None("None".to_owned()),
    };
    TransactionRow {
        when: day(row.occurred_at),
        title: transaction_title(catalog, row),
        kind: labels::transaction_kind(row.kind.word()).to_owned(),
        amount: amount(row.amount_minor.saturating_mul(sign), &row.currency),
        badge: transaction_badge(row),
        receipt,
    }
}

/// The transaction's description, with the plan's display name.
pub fn transaction_title(catalog: &Catalog, row: &Transaction) -> String {
    let description = row.description.as_deref().unwrap_or_default();
    let description = labels::with_days(description);
    match &row.subscription_tier {
        Some(tier) => labels::with_plan(&description, &offer::title(catalog, tier)),
        None => description,
    }
}

/// The status as a badge; a partly refunded payment is marked as such.
pub fn transaction_badge(row: &Transaction) -> Badge {
    match (row.kind, row.status) {
        (TransactionType::Refund, TransactionStatus::Completed) => Badge::plain("Refunded"),
        (TransactionType::SubscriptionCancel, TransactionStatus::Completed) => {
            Badge::plain("Ended")
        }
        (_, status) if row.disputed && status.is_paid() => Badge::warn("Disputed"),
        (_, TransactionStatus::Completed) if row.refunded_minor > 0 => {
            Badge::plain("Partly refunded")
        }
        (_, status) => labels::transaction_badge(status.word()),
    }
}
