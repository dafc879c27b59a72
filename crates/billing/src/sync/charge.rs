//! Converts Stripe's charges, with their refunds and dispute, to the domain's.

use domain::money::Currency;
use domain::projection::{Charge, Refund};
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::sync::at;

/// Maximum number of disputes that are read per charge.
const DISPUTES_MAX: usize = 10;

/// Maximum number of refunds that are read per charge.
const REFUNDS_MAX: usize = 1_000;

/// Converts a charge. Fetches its dispute, if it has or had one, and its refunds, if the charge
/// doesn't list them all.
pub async fn read(app: &App, object: &objects::Charge, is_disputed: bool) -> Result<Charge> {
    let refunds = match &object.refunds {
        Some(list) if !list.has_more => list.data.clone(),
        _ => {
            let filter = Form::new().push("charge", &object.id);
            app.stripe.list_refunds(&filter, REFUNDS_MAX).await?.data
        }
    };
    let dispute = if is_disputed {
        let filter = Form::new().push("charge", &object.id);
        let disputes = app.stripe.list_disputes(&filter, DISPUTES_MAX).await?.data;
        disputes.into_iter().max_by_key(|dispute| dispute.created)
    } else {
        None
    };
    Ok(Charge {
        id: object.id.clone(),
        payment_intent: object.payment_intent.id().map(str::to_owned),
        amount: object.amount,
        amount_refunded: object.amount_refunded,
        currency: Currency::parse(&object.currency).unwrap_or(Currency::USD),
        receipt_url: object.receipt_url.clone(),
        failure: object.failure_message.clone(),
        is_paid: object.paid,
        refunds: refunds.iter().map(read_refund).collect(),
        dispute: dispute.map(|dispute| dispute.status.as_str().to_owned()),
        created_at: at(object.created),
    })
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
        created_at: at(object.created),
    }
}
