//! The hosted Checkout page: what it shows and what the customer does there.

use serde_json::{Value, json};
use stripe::objects::{CheckoutMode, CheckoutStatus, PaymentIntentStatus};

use super::checkout_create::details_of;
use super::customers::is_email;
use super::errors::Answer;
use super::payments::{Paid, Verdict};
use super::status;
use super::time::DAY;
use super::value::{flag, get, int, opt, opt_int, owned, rounded_price, set, text};
use super::views::not_possible;
use super::{CheckoutView, Core, LineView, PayError, Payment};

fn line_view(item: &Value) -> LineView {
    LineView {
        description: owned(item, "description"),
        quantity: int(item, "quantity"),
        unit_amount: rounded_price(get(item, "price")),
        amount: int(item, "amount_subtotal"),
        interval: opt(item, "price.recurring.interval").map(str::to_owned),
        interval_count: opt_int(item, "price.recurring.interval_count").unwrap_or(1),
    }
}

/// Whether a session asks for no payment method: a payment of nothing, or a subscription that costs
/// nothing now with `payment_method_collection=if_required`.
/// <https://docs.stripe.com/payments/checkout/no-cost-orders>
fn is_free(session: &Value) -> bool {
    let is_asked = match status::mode(session) {
        CheckoutMode::Payment => false,
        CheckoutMode::Subscription => text(session, "payment_method_collection") != "if_required",
        _ => true,
    };
    !is_asked && int(session, "amount_total") == 0
}

impl Core {
    /// The session as its page shows it.
    pub fn checkout_view(&self, session_id: &str) -> Option<CheckoutView> {
        let row = self
            .store
            .get(session_id)
            .filter(|row| row["object"] == "checkout.session")?;
        let items = self.note(session_id, "items");
        let lines: Vec<LineView> = items
            .as_array()
            .into_iter()
            .flatten()
            .map(line_view)
            .collect();
        let title = lines
            .iter()
            .map(|line| line.description.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let trial_days = self
            .note(session_id, "trial")
            .as_i64()
            .map(|end| (end - int(row, "created") + DAY - 1) / DAY);
        let customer = self.store.get(text(row, "customer"));
        let email = opt(row, "customer_details.email").or_else(|| opt(customer?, "email"));
        Some(CheckoutView {
            id: session_id.to_owned(),
            mode: status::mode(row),
            status: status::session(row),
            payment_status: text(row, "payment_status").into(),
            title,
            lines,
            amount_subtotal: int(row, "amount_subtotal"),
            amount_discount: int(row, "total_details.amount_discount"),
            amount_tax: int(row, "total_details.amount_tax"),
            includes_tax: int(row, "amount_total")
                == int(row, "amount_subtotal") - int(row, "total_details.amount_discount"),
            amount_total: int(row, "amount_total"),
            currency: owned(row, "currency"),
            allows_promotion_codes: flag(row, "allow_promotion_codes"),
            trial_days,
            customer_email: email.map(str::to_owned),
            needs_payment: !is_free(row),
            awaits_authentication: self.waiting_intent(session_id).is_some(),
            success_url: opt(row, "success_url")
                .map(|url| url.replace("{CHECKOUT_SESSION_ID}", session_id)),
            cancel_url: opt(row, "cancel_url").map(str::to_owned),
            expires_at: int(row, "expires_at"),
        })
    }

    /// Pays a session and returns it. A declined card leaves the session open, with the failed
    /// charge.
    pub fn pay_checkout(
        &mut self,
        session_id: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        self.open_session(session_id)?;
        let paid = self.on_page(session_id, |core| {
            let method = core.method_of(&payment)?;
            core.pay_session(session_id, &method)
        })?;
        self.session_answer(session_id, paid)
    }

    /// Completes a session without a payment method, which is possible while nothing is due.
    pub fn finish_free_checkout(&mut self, session_id: &str, now: i64) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.open_session(session_id)?;
        if !is_free(&session) {
            return Err(not_possible("This session needs a payment method."));
        }
        self.on_page(session_id, |core| {
            core.check_session_discounts(session_id)?;
            if status::mode(&session) == CheckoutMode::Payment {
                core.pay_session(session_id, "")
            } else {
                core.finish_subscribing(session_id, "")
            }
        })?;
        self.shown(session_id)
    }

    /// Continues a payment after the customer has authenticated or failed to.
    pub fn authenticate_checkout(
        &mut self,
        session_id: &str,
        ok: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.open_session(session_id)?;
        let Some(intent) = self.waiting_intent(session_id) else {
            return Err(not_possible(
                "This session doesn't wait for authentication.",
            ));
        };
        let method = owned(self.row(&intent), "payment_method");
        let paid = self.on_page(session_id, |core| {
            if status::mode(&session) == CheckoutMode::Setup {
                core.authenticate_setup(&intent, ok)?;
                core.complete_setup_session(session_id, &method);
                return Ok(Paid::Now);
            }
            if status::mode(&session) == CheckoutMode::Payment || !ok {
                let paid = core.authenticate_intent(&intent, ok)?;
                core.after_session_payment(session_id, &method, paid);
                return Ok(paid);
            }
            core.set_note(&method, "confirmed", true);
            match core.verdict_after_confirmation(&method) {
                Verdict::Approves => {
                    core.cancel_intent(&intent, "abandoned".into());
                    core.finish_subscribing(session_id, &method)
                }
                verdict => core.charge_intent(&intent, &method, verdict),
            }
        })?;
        self.session_answer(session_id, paid)
    }

    /// Settles a delayed payment.
    pub fn settle_checkout(
        &mut self,
        session_id: &str,
        succeeded: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.shown(session_id)?;
        let intent = opt(&session, "payment_intent")
            .map(str::to_owned)
            .or_else(|| self.invoice_intent(text(&session, "invoice")));
        let waits = intent
            .as_ref()
            .and_then(|id| self.store.get(id))
            .is_some_and(|row| status::payment(row) == PaymentIntentStatus::Processing);
        let Some(intent) = intent.filter(|_| waits) else {
            return Err(not_possible(
                "This session has no delayed payment in progress.",
            ));
        };
        self.settle_intent(&intent, succeeded);
        self.shown(session_id)
    }

    /// Applies a promotion code that the customer entered.
    pub fn apply_promotion_code(
        &mut self,
        session_id: &str,
        code: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.open_session(session_id)?;
        let found = self
            .active_code(code.trim(), text(&session, "customer"))
            .filter(|_| flag(&session, "allow_promotion_codes"));
        let Some(found) = found else {
            return Err(not_possible("This code is invalid."));
        };
        let chosen =
            json!([{"coupon": get(&found, "promotion.coupon"), "promotion_code": found["id"]}]);
        self.on_page(session_id, |core| {
            core.set_note(session_id, "discounts", chosen);
            core.check_session_discounts(session_id)
        })?;
        self.total_session(session_id);
        self.shown(session_id)
    }

    /// Sets the email address that the customer entered, if the session has none yet.
    pub fn set_checkout_email(&mut self, session_id: &str, email: &str) {
        let is_open = self.store.get(session_id).is_some_and(|row| {
            status::session(row) == CheckoutStatus::Open
                && row["customer"].is_null()
                && row["customer_email"].is_null()
        });
        if is_open && is_email(email) {
            let details = details_of(&json!({ "email": email }));
            self.modify(session_id, |row| set(row, "customer_details", details));
        }
    }

    fn open_session(&self, id: &str) -> Result<Value, PayError> {
        let row = self
            .store
            .get(id)
            .filter(|row| row["object"] == "checkout.session");
        let row = row.cloned().ok_or(PayError::NotFound)?;
        let is_orphan = self.row(text(&row, "customer"))["deleted"] == true;
        match status::session(&row) {
            CheckoutStatus::Open if is_orphan => {
                Err(not_possible("The customer of this session was deleted."))
            }
            CheckoutStatus::Open => Ok(row),
            CheckoutStatus::Complete => Err(not_possible("This session is already paid.")),
            _ => Err(not_possible("This session has expired.")),
        }
    }

    fn waiting_intent(&self, session_id: &str) -> Option<String> {
        let row = self
            .store
            .get(session_id)
            .filter(|row| status::session(row) == CheckoutStatus::Open)?;
        let attempt = self.note(session_id, "attempt");
        let id = opt(row, "payment_intent")
            .or_else(|| opt(row, "setup_intent"))
            .or_else(|| attempt.as_str())?
            .to_owned();
        let waits = status::awaits_authentication(self.row(&id));
        waits.then_some(id)
    }

    /// Runs a page's action on an object, by its test clock if it has one, and rolls it back if it is
    /// refused, as for API requests.
    pub(super) fn on_page<T>(
        &mut self,
        object: &str,
        work: impl FnOnce(&mut Core) -> Answer<T>,
    ) -> Result<T, PayError> {
        let clock = self.clock_of(object);
        let result = self
            .check_clock(clock.as_deref())
            .and_then(|()| self.at_clock(clock.as_deref(), |core| core.undoable(work)));
        result.map_err(|error| match error.kind {
            "card_error" => PayError::Card {
                code: error.code.unwrap_or_default(),
                decline_code: error.decline_code.unwrap_or_default(),
                message: error.message,
            },
            _ => PayError::NotPossible(error.message),
        })
    }

    fn session_answer(&self, id: &str, paid: Paid) -> Result<Value, PayError> {
        if paid == Paid::RequiresAction {
            return Err(PayError::RequiresAuthentication);
        }
        self.shown(id)
    }
}
