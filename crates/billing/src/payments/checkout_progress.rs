//! How far a Checkout session has come, according to Stripe.

use stripe::objects::{CheckoutPaymentStatus, CheckoutSession, CheckoutStatus};

use crate::app::App;

/// The progress of a Checkout session that our rows don't show as paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not paid yet; holds the URL of its page.
    Open(Option<String>),
    /// The customer completed it but the money hasn't arrived.
    AtTheBank,
    /// Paid; our rows will follow.
    Paid,
}

/// Asks Stripe for the progress of a session; none if Stripe can't be reached or doesn't know it.
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
