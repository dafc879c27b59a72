//! What the hosted pages are told and what they may answer: plain data, no JSON of Stripe's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How somebody pays on a hosted page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// A card typed in by hand.
    Card {
        /// The digits; blanks are ignored.
        number: String,
        /// 1 to 12.
        exp_month: u32,
        /// Four digits.
        exp_year: u32,
        /// The security code.
        cvc: String,
    },
    /// `pm_card_visa`, `tok_visa`, or the id of a payment method.
    Method(String),
    /// A bank debit: the session completes unpaid and is settled later.
    Delayed,
}

/// Why a hosted page could not take the payment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// There is no such session, invoice or customer.
    #[error("No such object")]
    NotFound,
    /// It is paid, expired or void already, or the action is not allowed.
    #[error("{0}")]
    NotPossible(String),
    /// The bank said no. The page stays open and shows the message.
    #[error("{message}")]
    Card {
        /// Stripe's `code`.
        code: String,
        /// Stripe's `decline_code`, perhaps empty.
        decline_code: String,
        /// The sentence for the customer.
        message: String,
    },
    /// The bank wants the customer to confirm (3-D Secure); `authenticate_...` goes on.
    #[error("This payment needs the customer's confirmation")]
    RequiresAuthentication,
}

/// A webhook endpoint as the delivery needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `we_...`
    pub id: String,
    /// Where to post.
    pub url: String,
    /// The signing secrets, newest first.
    pub secrets: Vec<String>,
    /// Patterns of event types; `*` is all.
    pub enabled_events: Vec<String>,
    /// The version it was made with.
    pub api_version: Option<String>,
}

impl Endpoint {
    /// Whether the endpoint wants events of that type.
    pub fn wants(&self, event_type: &str) -> bool {
        self.enabled_events
            .iter()
            .any(|pattern| super::events::fits(pattern, event_type))
    }
}

/// One line of a Checkout session or an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineView {
    /// What it is.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// Price of one, in minor units.
    pub unit_amount: i64,
    /// The whole line, in minor units.
    pub amount: i64,
    /// `month`, `year`, ... for a recurring price.
    pub interval: Option<String>,
    /// Every how many intervals.
    pub interval_count: i64,
}

/// A Checkout session as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckoutView {
    /// `cs_test_...`
    pub id: String,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// What is sold, in a few words.
    pub title: String,
    /// The lines.
    pub lines: Vec<LineView>,
    /// Before discounts.
    pub amount_subtotal: i64,
    /// Taken off.
    pub amount_discount: i64,
    /// Due now.
    pub amount_total: i64,
    /// Three small letters.
    pub currency: String,
    /// Whether a promotion code may be entered.
    pub allows_promotion_codes: bool,
    /// Days of trial, when the subscription starts with one.
    pub trial_days: Option<i64>,
    /// The customer's mail address, if known.
    pub customer_email: Option<String>,
    /// A bank waits for the customer's confirmation.
    pub awaits_authentication: bool,
    /// Where to go after paying, placeholder filled in.
    pub success_url: Option<String>,
    /// Where to go when the customer turns back.
    pub cancel_url: Option<String>,
    /// Unix seconds.
    pub expires_at: i64,
}

/// A saved card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardView {
    /// `pm_...`
    pub id: String,
    /// `visa`, ...
    pub brand: String,
    /// Four digits.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: i64,
    /// Four digits.
    pub exp_year: i64,
}

/// A price one can switch to in the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanView {
    /// `price_...`
    pub price: String,
    /// The product's name.
    pub name: String,
    /// In minor units.
    pub unit_amount: i64,
    /// Three small letters.
    pub currency: String,
    /// `month`, ...
    pub interval: String,
    /// Whether the subscription is on it now.
    pub current: bool,
}

/// A subscription as the portal shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionView {
    /// `sub_...`
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// The product's name.
    pub name: String,
    /// What a period costs, in minor units.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// `month`, ...
    pub interval: String,
    /// When the period ends.
    pub current_period_end: i64,
    /// When it ends for good, if it was cancelled.
    pub cancel_at: Option<i64>,
    /// End of the trial, while in one.
    pub trial_end: Option<i64>,
    /// Name of the plan that a schedule switches to at the period's end.
    pub scheduled_change: Option<String>,
    /// Where it can be switched to.
    pub plans: Vec<PlanView>,
}

/// An invoice as pages show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceView {
    /// `in_...`
    pub id: String,
    /// The token in the hosted address.
    pub token: String,
    /// `ABCD1234-0001`
    pub number: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: String,
    /// Unix seconds.
    pub created: i64,
    /// The lines.
    pub lines: Vec<LineView>,
    /// In minor units.
    pub total: i64,
    /// What is asked for.
    pub amount_due: i64,
    /// What is still open.
    pub amount_remaining: i64,
    /// Three small letters.
    pub currency: String,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The customer's mail address.
    pub customer_email: Option<String>,
    /// The sentence of the last failed payment.
    pub last_error: Option<String>,
    /// A bank waits for the customer's confirmation.
    pub awaits_authentication: bool,
    /// The page's address.
    pub hosted_invoice_url: Option<String>,
    /// The document's address.
    pub invoice_pdf: Option<String>,
}

/// What a portal's configuration allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of Stripe's configuration"
)]
pub struct PortalAllows {
    /// Cancelling.
    pub cancel: bool,
    /// Cancelling takes effect at once instead of at the period's end.
    pub cancel_immediately: bool,
    /// Switching plans.
    pub switch_plan: bool,
    /// Changing the card.
    pub update_card: bool,
    /// Seeing invoices.
    pub invoices: bool,
}

/// The billing portal as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortalView {
    /// `bps_...`
    pub id: String,
    /// `cus_...`
    pub customer: String,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The customer's mail address.
    pub customer_email: Option<String>,
    /// Live ones, newest first.
    pub subscriptions: Vec<SubscriptionView>,
    /// The default card.
    pub card: Option<CardView>,
    /// Newest first.
    pub invoices: Vec<InvoiceView>,
    /// What may be done.
    pub allows: PortalAllows,
    /// The way back.
    pub return_url: Option<String>,
    /// The flow the session was made for (`subscription_cancel`, `payment_method_update`, ...).
    pub flow: Option<String>,
}

/// What a subscription does after the last retry of a failed payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DunningEnd {
    /// It is cancelled.
    Cancel,
    /// It becomes `unpaid`; later invoices stay drafts.
    MarkUnpaid,
    /// It stays `past_due`.
    LeavePastDue,
}

/// A request to the API, already taken off the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// `/v1/customers`
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// The form.
    pub body: String,
    /// From `Authorization`, bearer or basic.
    pub api_key: Option<String>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// `Stripe-Version`
    pub stripe_version: Option<String>,
    /// `Content-Type`
    pub content_type: Option<String>,
}

/// The answer to an [`ApiRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Request-Id` and its like; the server adds the content type.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Value,
}
