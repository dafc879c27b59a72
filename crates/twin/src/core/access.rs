//! API keys: secret keys, which may do everything, and restricted keys with their permissions.
//! <https://docs.stripe.com/keys/restricted-api-keys>

use std::collections::BTreeMap;

use super::errors::{Answer, ApiError};
use super::{ApiRequest, Core};

/// What a restricted key may do with a group of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Only `GET` requests.
    Read,
    /// All requests.
    Write,
}

/// The permissions of a restricted key by the name of their group, such as `customer`.
pub type Permissions = BTreeMap<String, Permission>;

/// The group of permissions that an endpoint belongs to, by the beginning of its path. The groups
/// have the names in Stripe's own message, such as `rak_customer_write`.
const GROUPS: &[(&str, &str)] = &[
    ("account", "account"),
    ("balance/history", "balance_transaction_source"),
    ("balance_transactions", "balance_transaction_source"),
    ("balance", "balance"),
    ("billing_portal", "customer_portal"),
    ("charges", "charge"),
    ("checkout/sessions", "checkout_session"),
    ("coupons", "coupon"),
    ("credit_notes", "credit_note"),
    ("customers", "customer"),
    ("disputes", "dispute"),
    ("events", "event"),
    ("invoice_payments", "invoice"),
    ("invoiceitems", "invoice"),
    ("invoices", "invoice"),
    ("payment_intents", "payment_intent"),
    ("payment_methods", "payment_method"),
    ("payment_pages", "checkout_session"),
    ("prices", "plan"),
    ("products", "product"),
    ("promotion_codes", "promotion_code"),
    ("radar", "radar"),
    ("refunds", "charge"),
    ("setup_intents", "setup_intent"),
    ("stripecli", "stripecli_session"),
    ("subscription_items", "subscription"),
    ("subscription_schedules", "subscription"),
    ("subscriptions", "subscription"),
    ("tax_ids", "customer"),
    ("tax_rates", "tax_rate"),
    ("test_helpers", "test_clock"),
    ("webhook_endpoints", "webhook"),
];

/// The groups of permissions that a restricted key can have.
pub fn permission_groups() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(_, group)| *group)
}

impl Core {
    /// Creates a restricted key and returns it.
    pub fn add_restricted_key(&mut self, permissions: Permissions) -> String {
        let key = format!("rk_test_{}", self.rng.text(24));
        self.restricted_keys.insert(key.clone(), permissions);
        key
    }

    /// Checks the key and the account of a request.
    pub(super) fn check_access(&self, request: &ApiRequest) -> Answer<()> {
        let key = request.api_key.as_deref().unwrap_or("");
        if key.is_empty() {
            let message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.";
            return Err(ApiError::unauthorized(message));
        }
        let permissions = self.restricted_keys.get(key);
        if permissions.is_none() && !key.starts_with("sk_test_") {
            let message = if key.contains("_live_") {
                "This is a local twin of Stripe, which refuses live keys. Never send a live key to it."
                    .to_owned()
            } else {
                format!("Invalid API Key provided: {}", masked(key))
            };
            return Err(ApiError::unauthorized(message));
        }
        self.check_account(request, key)?;
        match permissions {
            Some(permissions) => self.check_permission(request, key, permissions),
            None => Ok(()),
        }
    }

    /// Refuses the `Stripe-Account` of another account: the twin has one account and none that is
    /// connected to it.
    fn check_account(&self, request: &ApiRequest, key: &str) -> Answer<()> {
        match request.account.as_deref() {
            Some(account) if account != self.account => {
                let message = format!(
                    "The provided key '{}' does not have access to account '{account}' (or that account does not exist). Application access may have been revoked.",
                    masked(key)
                );
                let error = ApiError::bad("account_invalid", "", message);
                Err(error.with_status(403))
            }
            _ => Ok(()),
        }
    }

    fn check_permission(
        &self,
        request: &ApiRequest,
        key: &str,
        permissions: &Permissions,
    ) -> Answer<()> {
        let path = request.path.trim_start_matches("/v1/");
        let group = GROUPS.iter().find(|(start, _)| path.starts_with(start));
        let Some((_, group)) = group else {
            return Ok(());
        };
        let is_read = request.method.eq_ignore_ascii_case("GET");
        let has = permissions.get(*group).copied();
        if has == Some(Permission::Write) || (is_read && has.is_some()) {
            return Ok(());
        }
        let needed = if is_read { "read" } else { "write" };
        let message = format!(
            "The provided key '{}' does not have the required permissions for this endpoint on account '{}'. Having the 'rak_{group}_{needed}' permission would allow this request to continue.",
            masked(key),
            self.account
        );
        Err(ApiError::invalid(message).with_status(403))
    }
}

/// A key as Stripe's messages show it: the beginning and the last four characters.
fn masked(key: &str) -> String {
    let count = key.chars().count();
    let start: String = key.chars().take(8).collect();
    let end: String = key.chars().skip(count.saturating_sub(4).max(8)).collect();
    let hidden = "*".repeat(count.saturating_sub(start.len() + end.len()).clamp(3, 40));
    format!("{start}{hidden}{end}")
}
