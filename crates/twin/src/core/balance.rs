//! The account, its balance and its balance transactions.

use serde_json::{Value, json};

use super::errors::Answer;
use super::time::DAY;
use super::value::{int, text};
use super::{Call, Core};

/// `GET /v1/balance`
pub(super) fn balance(core: &mut Core, _call: &Call) -> Answer {
    let sum = |ripe: bool| {
        let now = core.now;
        let total: i64 = core
            .store
            .all("balance_transaction")
            .filter(|row| {
                (int(row, "available_on") <= now) == ripe && text(row, "currency") == "usd"
            })
            .map(|row| int(row, "net"))
            .sum();
        json!([{"amount": total, "currency": "usd", "source_types": {"card": total}}])
    };
    Ok(
        json!({"object": "balance", "available": sum(true), "livemode": false, "pending": sum(false)}),
    )
}

/// `GET /v1/account`
pub(super) fn account(core: &mut Core, _call: &Call) -> Answer {
    let none = json!([]);
    let requirements = json!({"alternatives": none, "current_deadline": null, "currently_due": none,
        "disabled_reason": null, "errors": none, "eventually_due": none, "past_due": none,
        "pending_verification": none});
    let url = format!("/v1/accounts/{}/external_accounts", core.account);
    Ok(json!({
        "id": core.account, "object": "account", "business_profile": null, "business_type": null,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true, "controller": {"type": "account"}, "country": "US",
        "default_currency": "usd", "details_submitted": true, "email": "owner@example.com",
        "external_accounts": {"object": "list", "data": none, "has_more": false, "url": url},
        "future_requirements": requirements.clone(), "metadata": {}, "payouts_enabled": true,
        "requirements": requirements,
        "settings": settings(), "tos_acceptance": {"date": null, "ip": null, "user_agent": null},
        "type": "standard",
    }))
}

fn settings() -> Value {
    json!({
        "branding": {"icon": null, "logo": null, "primary_color": null, "secondary_color": null},
        "card_payments": {"decline_on": {"avs_failure": true, "cvc_failure": true},
            "statement_descriptor_prefix": null, "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null},
        "dashboard": {"display_name": "Local twin", "timezone": "Etc/UTC"},
        "payments": {"statement_descriptor": null, "statement_descriptor_kana": null,
            "statement_descriptor_kanji": null, "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null},
    })
}

impl Core {
    /// Creates a balance transaction. A charge pays Stripe's card fee of 2.9% plus 30 minor units.
    pub(super) fn balance_entry(
        &mut self,
        kind: &str,
        source: &str,
        amount: i64,
        currency: &str,
    ) -> String {
        let id = self.rng.id("txn");
        let fee = if kind == "charge" {
            (amount * 29 + 500) / 1000 + 30
        } else {
            0
        };
        let fees = if fee == 0 {
            json!([])
        } else {
            json!([{"amount": fee, "application": null, "currency": currency,
                    "description": "Stripe processing fees", "type": "stripe_fee"}])
        };
        let entry = json!({
            "id": id, "object": "balance_transaction", "amount": amount,
            "available_on": self.account_time() + 2 * DAY, "balance_type": "payments",
            "created": self.account_time(),
            "currency": currency, "description": null, "exchange_rate": null, "fee": fee,
            "fee_details": fees, "net": amount - fee, "reporting_category": kind,
            "source": source, "status": "pending", "type": kind,
        });
        self.store.put(&id, entry);
        id
    }
}
