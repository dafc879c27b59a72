//! Signatures of what the next commits fill in.

use serde_json::{Value, json};

use super::errors::Answer;
use super::*;

const LATER: &str = "not served yet";

fn later() -> PayError {
    PayError::NotPossible(LATER.to_owned())
}

#[expect(missing_docs, reason = "replaced within the hour")]
impl Core {
    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(at, ..)| *at)
    }
    pub fn tick(&mut self, now: i64) {
        self.now = now;
    }
    pub fn webhook_endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }
    pub fn checkout_view(&self, _session: &str) -> Option<CheckoutView> {
        None
    }
    pub fn pay_checkout(
        &mut self,
        _session: &str,
        _p: Payment,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn authenticate_checkout(
        &mut self,
        _s: &str,
        _ok: bool,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn settle_checkout(
        &mut self,
        _s: &str,
        _succeeded: bool,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn apply_promotion_code(
        &mut self,
        _s: &str,
        _code: &str,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn portal_view(&self, _portal_session: &str) -> Option<PortalView> {
        None
    }
    pub fn portal_cancel(
        &mut self,
        _portal: &str,
        _sub: &str,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn portal_resume(
        &mut self,
        _portal: &str,
        _sub: &str,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn portal_set_card(
        &mut self,
        _portal: &str,
        _payment: Payment,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn portal_switch_plan(
        &mut self,
        _portal: &str,
        _sub: &str,
        _price: &str,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn invoice_view(&self, _token_or_id: &str) -> Option<InvoiceView> {
        None
    }
    pub fn pay_invoice_page(
        &mut self,
        _token_or_id: &str,
        _p: Payment,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn authenticate_invoice(
        &mut self,
        _token_or_id: &str,
        _ok: bool,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn decline_next(&mut self, customer: Option<&str>, decline_code: &str) {
        self.declines
            .push((customer.map(str::to_owned), decline_code.to_owned()));
    }
    pub fn dispute(&mut self, _charge: &str, _reason: &str, _now: i64) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn close_dispute(
        &mut self,
        _dispute: &str,
        _won: bool,
        _now: i64,
    ) -> Result<Value, PayError> {
        Err(later())
    }
    pub fn trigger(&mut self, _event_type: &str, _now: i64) -> Result<Vec<Value>, PayError> {
        Err(later())
    }
    pub(super) fn attach(&mut self, _m: &str, _c: &str, param: &str) -> Answer<String> {
        Err(ApiError::bad("", param, LATER).boxed())
    }
    pub(super) fn usable_method(
        &mut self,
        _m: &str,
        _c: Option<&str>,
        param: &str,
    ) -> Answer<String> {
        Err(ApiError::bad("", param, LATER).boxed())
    }
    pub(super) fn end_all_of(&mut self, _customer: &str) {}
    pub(super) fn session_items(&self, _session: &str) -> Value {
        json!(null)
    }
    pub(super) fn invoice_intent(&self, _invoice: &str) -> Option<String> {
        None
    }
}
