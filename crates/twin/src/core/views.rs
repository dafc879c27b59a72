//! The data that the hosted pages receive and the actions they send: plain values, not Stripe's JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stripe::objects::{
    CheckoutMode, CheckoutPaymentStatus, CheckoutStatus, InvoiceStatus, SubscriptionStatus,
};

/// A payment that a customer makes on a hosted page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// A card that was typed in.
    Card {
        /// The digits of the card number. Spaces are ignored.
        number: String,
        /// The expiration month, from 1 to 12.
        exp_month: u32,
        /// The expiration year with four digits.
        exp_year: u32,
        /// The security code as it was entered.
        cvc: String,
    },
    /// A test payment method such as `pm_card_visa` or `tok_visa`, or the id of a payment method.
    Method(String),
    /// A bank debit: the session completes unpaid and is settled later.
    Delayed,
}

/// The reason why a hosted page could not carry out an action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// The session, invoice or customer doesn't exist.
    #[error("This object doesn't exist.")]
    NotFound,
    /// The object is already paid, expired or void, or its configuration forbids the action.
    #[error("{0}")]
    NotPossible(String),
    /// The bank declined the card. The page stays open and shows the message.
    #[error("{message}")]
    Card {
        /// Stripe's error code, such as `card_declined`.
        code: String,
        /// Stripe's `decline_code`, or an empty string.
        decline_code: String,
        /// The message for the customer.
        message: String,
    },
    /// The bank requires the customer to authenticate (3D Secure). `authenticate_checkout` or
    /// `authenticate_invoice` continues the payment.
    #[error("This payment requires the customer to authenticate.")]
    RequiresAuthentication,
}

pub(super) fn not_possible(reason: &str) -> PayError {
    PayError::NotPossible(reason.to_owned())
}

/// A webhook endpoint with everything that a delivery needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The id, `we_...`.
    pub id: String,
    /// The URL to which events are posted.
    pub url: String,
    /// The signing secrets, newest first.
    pub secrets: Vec<String>,
    /// Patterns of event types. `*` matches every type.
    pub enabled_events: Vec<String>,
    /// The API version that the endpoint was created with.
    pub api_version: Option<String>,
}

impl Endpoint {
    /// Whether the endpoint is subscribed to events of that type.
    pub fn wants(&self, event_type: &str) -> bool {
        self.enabled_events
            .iter()
            .any(|pattern| super::events::fits(pattern, event_type))
    }
}

/// One line of a Checkout session or an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    /// The text of the line.
    pub description: String,
    /// The quantity of the price.
    pub quantity: i64,
    /// The price of one unit in minor units.
    pub unit_amount: i64,
    /// The amount of the whole line in minor units.
    pub amount: i64,
    /// The billing interval of a recurring price, such as `month`.
    pub interval: Option<String>,
    /// The number of intervals between two charges.
    pub interval_count: i64,
}

/// A Checkout session as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutView {
    /// The id, `cs_test_...`.
    pub id: String,
    /// What the session is for.
    pub mode: CheckoutMode,
    /// The state of the session.
    pub status: CheckoutStatus,
    /// The state of the payment.
    pub payment_status: CheckoutPaymentStatus,
    /// The names of everything that is sold.
    pub title: String,
    /// The line items in the order of the session.
    pub lines: Vec<LineView>,
    /// The sum before discounts in minor units.
    pub amount_subtotal: i64,
    /// The sum of all discounts in minor units.
    pub amount_discount: i64,
    /// The tax in minor units, on top of the lines or inside them.
    pub amount_tax: i64,
    /// Whether the lines include the tax.
    pub includes_tax: bool,
    /// The amount that is due now in minor units.
    pub amount_total: i64,
    /// The currency in lowercase, such as `usd`.
    pub currency: String,
    /// Whether the customer may enter a promotion code.
    pub allows_promotion_codes: bool,
    /// The length of the trial in days, if the subscription starts with one.
    pub trial_days: Option<i64>,
    /// The customer's email address, if it is known.
    pub customer_email: Option<String>,
    /// Whether the customer has to enter a payment method.
    pub needs_payment: bool,
    /// Whether a payment waits for the customer to authenticate.
    pub awaits_authentication: bool,
    /// The URL to go to after the payment, with its placeholder filled in.
    pub success_url: Option<String>,
    /// The URL to go to when the customer cancels.
    pub cancel_url: Option<String>,
    /// The time at which the session expires, in seconds since 1970.
    pub expires_at: i64,
}

/// A saved card, without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardView {
    /// The id of the payment method, `pm_...`.
    pub id: String,
    /// The brand in lowercase, such as `visa`.
    pub brand: String,
    /// The last four digits of the number.
    pub last4: String,
    /// The expiration month, from 1 to 12.
    pub exp_month: i64,
    /// The expiration year with four digits.
    pub exp_year: i64,
}

/// A price that the customer can switch to in the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanView {
    /// The id of the price, `price_...`.
    pub price: String,
    /// The name of the product.
    pub name: String,
    /// The price of one unit in minor units.
    pub unit_amount: i64,
    /// The currency in lowercase, such as `usd`.
    pub currency: String,
    /// The billing interval, such as `month`.
    pub interval: String,
    /// Whether the subscription has this price now.
    pub current: bool,
}

/// A subscription as the portal shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The id, `sub_...`.
    pub id: String,
    /// The state of the subscription.
    pub status: SubscriptionStatus,
    /// The name of the product.
    pub name: String,
    /// The amount of one period in minor units.
    pub amount: i64,
    /// The currency in lowercase, such as `usd`.
    pub currency: String,
    /// The billing interval, such as `month`.
    pub interval: String,
    /// The end of the current period, in seconds since 1970.
    pub current_period_end: i64,
    /// The time at which a canceled subscription ends, in seconds since 1970.
    pub cancel_at: Option<i64>,
    /// The end of the trial, while the subscription is in one.
    pub trial_end: Option<i64>,
    /// The name of the plan that a schedule switches to at the end of the period.
    pub scheduled_change: Option<String>,
    /// The prices that the customer may switch to.
    pub plans: Vec<PlanView>,
}

/// An invoice as the pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceView {
    /// The id, `in_...`.
    pub id: String,
    /// The token in the URL of the hosted page.
    pub token: String,
    /// The invoice number, such as `ABCD1234-0001`. A draft has none.
    pub number: Option<String>,
    /// The state of the invoice.
    pub status: InvoiceStatus,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The lines of the invoice.
    pub lines: Vec<LineView>,
    /// The discounts in minor units.
    pub discount: i64,
    /// The tax on top of the lines in minor units.
    pub tax: i64,
    /// The tax inside the lines in minor units.
    pub included_tax: i64,
    /// The total in minor units.
    pub total: i64,
    /// The amount that the customer has to pay, in minor units.
    pub amount_due: i64,
    /// The part of the amount due that isn't paid yet, in minor units.
    pub amount_remaining: i64,
    /// The currency in lowercase, such as `usd`.
    pub currency: String,
    /// The customer's name, if it is known.
    pub customer_name: Option<String>,
    /// The customer's email address.
    pub customer_email: Option<String>,
    /// The message of the last failed payment, while the invoice is open.
    pub last_error: Option<String>,
    /// Whether a payment waits for the customer to authenticate.
    pub awaits_authentication: bool,
    /// The URL of the hosted page.
    pub hosted_invoice_url: Option<String>,
    /// The URL of the PDF.
    pub invoice_pdf: Option<String>,
}

/// A tax that automatic tax charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxView {
    /// The country's code, such as `US`.
    pub country: String,
    /// The state's code, such as `CA`, if the tax is that of a state.
    pub state: Option<String>,
    /// The percentage as a decimal, such as `8.875`.
    pub percentage: String,
    /// Whether prices without a tax behavior include the tax.
    pub inclusive: bool,
}

/// The features that a portal configuration enables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of Stripe's configuration"
)]
pub struct PortalAllows {
    /// Whether the customer may cancel a subscription.
    pub cancel: bool,
    /// Whether a cancellation takes effect immediately instead of at the end of the period.
    pub cancel_immediately: bool,
    /// Whether the customer may switch to another plan.
    pub switch_plan: bool,
    /// Whether the customer may change the card.
    pub update_card: bool,
    /// Whether the portal lists the customer's invoices.
    pub invoices: bool,
}

/// The billing portal as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalView {
    /// The id of the session, `bps_...`.
    pub id: String,
    /// The id of the customer, `cus_...`.
    pub customer: String,
    /// The customer's name, if it is known.
    pub customer_name: Option<String>,
    /// The customer's email address.
    pub customer_email: Option<String>,
    /// The subscriptions that have not ended, newest first.
    pub subscriptions: Vec<SubscriptionView>,
    /// The card that pays by default, if there is one.
    pub card: Option<CardView>,
    /// The finalized invoices, newest first.
    pub invoices: Vec<InvoiceView>,
    /// The features that the customer may use.
    pub allows: PortalAllows,
    /// The URL to return to.
    pub return_url: Option<String>,
    /// The task that the session leads to, if it was created for one.
    pub flow: Option<FlowView>,
}

/// What a portal session with a flow leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalTask {
    /// Saving another card.
    UpdateCard,
    /// Canceling a subscription.
    Cancel,
    /// Undoing a cancellation, to which no flow leads.
    Resume,
    /// Choosing another plan.
    SwitchPlan,
    /// Confirming a change of the plan.
    ConfirmChange,
}

/// What follows the task of a portal session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterFlow {
    /// The whole portal.
    Homepage,
    /// A page that confirms it, with a message of the merchant's.
    Confirmation(Option<String>),
    /// A redirect to this URL.
    Redirect(String),
}

/// The task of a portal session that was created with a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowView {
    /// What the customer is asked to do.
    pub task: PortalTask,
    /// The id of the subscription that it is about.
    pub subscription: Option<String>,
    /// The change to confirm, if that is the task.
    pub change: Option<PlanChangeView>,
    /// Whether the customer has done it.
    pub is_done: bool,
    /// What follows it.
    pub after: AfterFlow,
}

impl FlowView {
    /// Whether the customer may do a task. Once the flow is done, that depends on what follows it.
    pub fn allows(&self, task: PortalTask, subscription: Option<&str>) -> bool {
        if self.is_done {
            return self.after == AfterFlow::Homepage && task != PortalTask::ConfirmChange;
        }
        let is_same = subscription.is_none() || self.subscription.as_deref() == subscription;
        self.task == task && is_same
    }
}

/// A change of a plan that a customer confirms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanChangeView {
    /// The name of the product that the subscription has now.
    pub old_name: String,
    /// The name of the new product.
    pub name: String,
    /// The amount of one period in minor units.
    pub amount: i64,
    /// The currency in lowercase, such as `usd`.
    pub currency: String,
    /// The billing interval, such as `month`.
    pub interval: String,
    /// The number of intervals between two charges.
    pub interval_count: i64,
    /// The new quantity.
    pub quantity: i64,
    /// The promotion code or the coupon that the change brings.
    pub discount: Option<String>,
    /// The time at which the change takes effect, in seconds since 1970, if not immediately.
    pub starts_at: Option<i64>,
}

/// What happens to a subscription after the last retry of a failed payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DunningEnd {
    /// The subscription is canceled.
    Cancel,
    /// The subscription becomes `unpaid`, and its later invoices stay drafts.
    MarkUnpaid,
    /// The subscription stays `past_due`.
    LeavePastDue,
}

/// A parsed HTTP request to the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiRequest {
    /// The method: `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path, such as `/v1/customers`.
    pub path: String,
    /// The query string without its question mark.
    pub query: String,
    /// The body, form-encoded with Stripe's nested keys.
    pub body: String,
    /// The API key from the `Authorization` header (bearer or basic).
    pub api_key: Option<String>,
    /// The value of the `Idempotency-Key` header, if it was sent.
    pub idempotency_key: Option<String>,
    /// The value of the `Stripe-Version` header, if it was sent.
    pub stripe_version: Option<String>,
    /// The value of the `Stripe-Account` header, if it was sent.
    pub account: Option<String>,
    /// The value of the `Content-Type` header, if it was sent.
    pub content_type: Option<String>,
}

/// The answer to an [`ApiRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct ApiAnswer {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Headers such as `Request-Id`. The HTTP server adds the content type.
    pub headers: Vec<(String, String)>,
    /// The object, the list or the error as JSON.
    pub body: Value,
}
