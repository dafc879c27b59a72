//! How far a Checkout is, by Stripe's own answer.

use stripe::objects::{CheckoutPaymentStatus, CheckoutSession, CheckoutStatus};

use crate::app::App;

/// How far a Checkout is that our rows do not show as paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not paid yet; with the address of its page.
    Open(Option<String>),
    /// The customer completed it and the money has not arrived.
    AtTheBank,
    /// Paid: the rows follow.
    Paid,
}

/// Asks Stripe how far a Checkout is; none when Stripe cannot be asked or does not know it.
pub async fn progress(app: &App, session: &str) -> Option<Progress> {
    let session = app.stripe.retrieve_checkout_session(session).await;
    session.ok().map(of_session)
}

fn of_session(session: CheckoutSession) -> Progress {
    match (session.status, session.payment_status) {
        (Some(CheckoutStatus::Open), _) => Progress::Open(session.url),
        (Some(CheckoutStatus::Complete), CheckoutPaymentStatus::Unpaid) => Progress::AtTheBank,
        _ => Progress::Paid,
    }
}
