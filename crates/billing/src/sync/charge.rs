//! A charge of Stripe's with its refunds and dispute, in our words.

use domain::money::Currency;
use domain::projection::{Charge, Refund};
use stripe::{Form, objects};

use crate::app::App;
use crate::error::Result;
use crate::sync::at;

/// Disputes of one charge that are looked at.
const DISPUTES_MAX: usize = 10;

/// Refunds of one charge that are looked at.
const REFUNDS_MAX: usize = 1_000;

/// Reads a charge; its dispute, where it has or had one, and the rest of a long list of refunds are
/// fetched.
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
