//! Compares accounts with Stripe without changing anything, for `audit --stripe` and `repair`.

use billing::app::App;
use billing::binding;
use billing::operators::payments;
use billing::operators::payments::{Decision, OpenPayment};
use billing::sync::lost;
use billing::sync::lost::Lost;
use serde::Serialize;
use serde_json::{Value, json};

/// How long to wait before a difference is checked again: a sync may be in progress.
const RECHECK_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

/// An account that differs from Stripe.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Row id of the account.
    #[serde(skip)]
    pub id: i64,
    /// Public id of the account.
    pub account: String,
    /// What a sync would change, one line per change.
    pub lines: Vec<String>,
}

/// The outcome of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Accounts that differ from Stripe.
    pub accounts: Vec<Difference>,
    /// Accounts whose plan an operator overrides, which are meant to differ.
    pub intended: Vec<Value>,
    /// Customers at Stripe that this database made and has no row for.
    pub lost: Vec<Lost>,
    /// Payments of these accounts that nothing explains.
    pub open: Vec<OpenPayment>,
    /// Accounts that could not be compared, and why.
    pub failed: Vec<(String, String)>,
}

impl Compared {
    /// How many differences there are: accounts that differ, and customers without a row.
    pub fn differing(&self) -> usize {
        self.accounts.len() + self.lost.len()
    }

    /// The open payments with a proposal.
    pub fn proposed(&self) -> impl Iterator<Item = (&OpenPayment, Decision)> {
        let open = self.open.iter();
        open.filter_map(|open| Some((open, Decision::Pack(open.proposed?))))
    }

    /// The open payments as JSON, with what is proposed for each.
    pub fn open_json(&self) -> Vec<Value> {
        let payments = self.open.iter().map(|open| {
            json!({
                "account": open.account.public_id, "payment": open.payment,
                "transaction": open.row.public_id, "amount": open.paid().decimal_text(),
                "currency": open.row.currency,
                "proposed": open.proposed.map(|sold| Decision::Pack(sold).text()),
            })
        });
        payments.collect()
    }

    /// The differences as text, one line each.
    pub fn text(&self, title: &str) -> String {
        let mut text = String::new();
        for line in &self.accounts {
            for what in &line.lines {
                text.push_str(&format!("{} {title}: {what}\n", line.account));
            }
        }
        for one in &self.lost {
            text.push_str(&format!("{title}: {}\n", one.text()));
        }
        for open in &self.open {
            text.push_str(&open_text(open));
        }
        for one in &self.intended {
            let (account, tier) = (&one["account"], &one["tier"]);
            let reason = one["reason"].as_str().unwrap_or("no reason");
            let name = account.as_str().unwrap_or_default();
            let tier = tier.as_str().unwrap_or_default();
            text.push_str(&format!(
                "{name} has {tier} by an operator's override: {reason}\n"
            ));
        }
        text
    }
}

/// One line about a payment that nothing explains, with what can be done.
fn open_text(open: &OpenPayment) -> String {
    let (account, payment) = (&open.account.public_id, &open.payment);
    let (amount, currency) = (open.paid().decimal_text(), open.row.currency.to_uppercase());
    let start = format!("{account} payment {payment} of {amount} {currency}");
    match &open.proposed {
        Some(sold) => format!(
            "{start} {}, as Stripe's line items say: repair --apply, or admin payment {payment} \
             --proposed --apply\n",
            Decision::Pack(*sold).text()
        ),
        None => format!(
            "{start} needs a decision: admin payment {payment} --pack CREDITS, --other-product or \
             --accept; or admin refund {payment}\n"
        ),
    }
}

/// Compares all accounts with Stripe, and Stripe's customers with our rows.
pub async fn everything(app: &App, all: &[i64]) -> anyhow::Result<Compared> {
    let mut compared = accounts(app, all).await?;
    compared.lost = lost::search(app, None).await?;
    Ok(compared)
}

/// Compares these accounts with Stripe.
pub async fn accounts(app: &App, accounts: &[i64]) -> anyhow::Result<Compared> {
    binding::check(app).await?;
    let mut compared = Compared::default();
    for id in accounts.iter().copied() {
        let found = app.read(move |tx| store::accounts::find(tx, id)).await?;
        let Some(account) = found else { continue };
        if let Some(tier) = &account.tier_override {
            compared.intended.push(json!({
                "account": account.public_id, "tier": tier,
                "reason": account.tier_override_reason,
                "until": account.tier_override_until.map(domain::time::Timestamp::rfc3339),
            }));
        }
        match differences(app, id).await {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => compared.accounts.push(Difference {
                id,
                account: account.public_id.clone(),
                lines,
            }),
            Err(error) => compared
                .failed
                .push((account.public_id.clone(), error.to_string())),
        }
        match payments::open(app, id).await {
            Ok(open) => compared.open.extend(open),
            Err(error) => compared.failed.push((account.public_id, error.to_string())),
        }
    }
    Ok(compared)
}

/// The differences of an account. They are checked twice: those that disappear after a moment were
/// a sync in progress.
async fn differences(app: &App, id: i64) -> billing::error::Result<Vec<String>> {
    if billing::sync::differences::account(app, id)
        .await?
        .is_empty()
    {
        return Ok(Vec::new());
    }
    tokio::time::sleep(RECHECK_AFTER).await;
    billing::sync::differences::account(app, id).await
}
