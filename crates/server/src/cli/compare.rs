//! What `audit --stripe` and `repair` share: accounts compared with Stripe, with nothing changed.

use billing::app::App;
use serde::Serialize;
use serde_json::{Value, json};

/// How long a difference is given to be a sync under way.
const SECOND_LOOK: std::time::Duration = std::time::Duration::from_secs(2);

/// An account that differs.
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonRow {
    /// Its number.
    #[serde(skip)]
    pub id: i64,
    /// Its id.
    pub account: String,
    /// What a sync would change.
    pub lines: Vec<String>,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Accounts that differ.
    pub accounts: Vec<ComparisonRow>,
    /// Accounts that an operator gave a tier: they differ on purpose.
    pub intended: Vec<Value>,
    /// Accounts that could not be compared, and why.
    pub failed: Vec<(String, String)>,
}

impl Compared {
    /// How many accounts differ.
    pub fn differing(&self) -> usize {
        self.accounts.len()
    }

    /// A line for each difference.
    pub fn text(&self, title: &str) -> String {
        let mut text = String::new();
        for line in &self.accounts {
            for what in &line.lines {
                text.push_str(&format!("{} {title}: {what}\n", line.account));
            }
        }
        for one in &self.intended {
            let (account, tier) = (&one["account"], &one["tier"]);
            let reason = one["reason"].as_str().unwrap_or("no reason");
            let name = account.as_str().unwrap_or_default();
            let tier = tier.as_str().unwrap_or_default();
            text.push_str(&format!("{name} has {tier} on purpose: {reason}\n"));
        }
        text
    }
}

/// Compares these accounts.
pub async fn accounts(app: &App, accounts: &[i64]) -> anyhow::Result<Compared> {
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
            Ok(lines) => compared.accounts.push(ComparisonRow {
                id,
                account: account.public_id,
                lines,
            }),
            Err(error) => compared.failed.push((account.public_id, error.to_string())),
        }
    }
    Ok(compared)
}

/// A difference that is gone a moment later was a sync under way.
async fn differences(app: &App, id: i64) -> billing::error::Result<Vec<String>> {
    if billing::sync::differences::account(app, id)
        .await?
        .is_empty()
    {
        return Ok(Vec::new());
    }
    tokio::time::sleep(SECOND_LOOK).await;
    billing::sync::differences::account(app, id).await
}
