//! Converts Stripe's charges, with their refunds and dispute, to the domain's.

use domain::money::Currency;
use domain::projection::{Charge, Dispute, Refund};
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::intents::INTENT_KEY;
use crate::sync::at;

/// Maximum number of disputes that are read per charge.
const DISPUTES_MAX: usize = 10;

/// Maximum number of refunds that are read per charge.
const REFUNDS_MAX: usize = 1_000;

/// Converts a charge. Fetches its disputes, if it has or had any, and its refunds, if the charge
/// doesn't list them all.
pub async fn read(app: &App, object: &objects::Charge, is_disputed: bool) -> Result<Charge> {
    let refunds = match &object.refunds {
        Some(list) if !list.has_more => list.data.clone(),
        _ => {
            let filter = Form::new().push("charge", &object.id);
            app.stripe.list_refunds(&filter, REFUNDS_MAX).await?.data
        }
    };
    let disputes = if is_disputed {
        let filter = Form::new().push("charge", &object.id);
        app.stripe.list_disputes(&filter, DISPUTES_MAX).await?.data
    } else {
        Vec::new()
    };
    let currency = Currency::parse(&object.currency).unwrap_or(Currency::USD);
    Ok(Charge {
        id: object.id.clone(),
        payment_intent: object.payment_intent.id().map(str::to_owned),
        amount: object.amount,
        amount_refunded: object.amount_refunded,
        currency,
        receipt_url: object.receipt_url.clone(),
        failure: object.failure_message.clone(),
        is_paid: object.paid,
        refunds: refunds.iter().map(read_refund).collect(),
        disputes: disputes
            .iter()
            .map(|one| read_dispute(one, currency))
            .collect(),
        created_at: at(object.created),
    })
}

/// A dispute in a currency that we don't know counts in the charge's.
fn read_dispute(object: &objects::Dispute, fallback: Currency) -> Dispute {
    let evidence = object.evidence_details.as_ref();
    Dispute {
        id: object.id.clone(),
        status: object.status.as_str().to_owned(),
        amount: object.amount,
        currency: Currency::parse(&object.currency).unwrap_or(fallback),
        reason: object.reason.clone(),
        due_by: evidence.and_then(|evidence| evidence.due_by).map(at),
        created_at: at(object.created),
    }
}

fn read_refund(object: &objects::Refund) -> Refund {
    Refund {
        id: object.id.clone(),
        amount: object.amount,
        status: object
            .status
            .as_ref()
            .map_or("pending", |status| status.as_str())
            .to_owned(),
        is_ours: object.metadata.contains_key(INTENT_KEY),
        created_at: at(object.created),
    }
}
