//! Finds missing and inconsistent settings.

use std::fmt;
use std::net::SocketAddr;

use domain::plan::AllowanceWhilePaused;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{
    AfterLostDispute, CancelNow, Durability, Encryption, Oidc, Settings, Unverified,
};
use crate::network::Network;
use crate::outbound;

/// Minimum length of a secret shared with the host application.
const SHARED_SECRET_BYTES_MIN: usize = 32;

/// Why the service can't start with a configuration, as a sentence without its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No secret to verify webhook signatures is configured. The database may hold one that `setup`
    /// stored.
    NoWebhookSecret,
    /// A fault that has its own text.
    Other(String),
}

impl Fault {
    /// Whether the fault applies regardless of what the database holds.
    pub fn is_certain(&self) -> bool {
        *self != Fault::NoWebhookSecret
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Fault::NoWebhookSecret => {
                "STRIPE_WEBHOOK_SECRET is missing: without it no event could be believed; `setup` \
                 makes one"
            }
            Fault::Other(text) => text,
        })
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Fault {
        Fault::Other(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Fault {
        Fault::Other(text.to_owned())
    }
}

/// Whether this can be one of Stripe's signing secrets, `whsec_...`.
fn is_signing_secret(secret: &SecretString) -> bool {
    let rest = secret.expose_secret().strip_prefix("whsec_");
    rest.is_some_and(|rest| !rest.is_empty())
}

impl Settings {
    /// The key and the signing secrets of Stripe.
    fn check_keys(&self, faults: &mut Vec<Fault>) {
        let key = self.stripe.secret_key.expose_secret();
        let known = ["sk_test_", "sk_live_", "rk_test_", "rk_live_"];
        if key.is_empty() {
            faults.push("STRIPE_SECRET_KEY is missing".into());
        } else if !known.iter().any(|prefix| key.starts_with(prefix)) {
            faults.push("STRIPE_SECRET_KEY does not begin with sk_test_, sk_live_ or rk_".into());
        }
        if self.billing.enabled && self.stripe.webhook_secrets().is_empty() {
            faults.push(Fault::NoWebhookSecret);
        }
        let secrets = self.stripe.webhook_secrets();
        if secrets.iter().any(|secret| !is_signing_secret(secret)) {
            faults.push(
                "STRIPE_WEBHOOK_SECRET is not a signing secret: Stripe's begin with whsec_".into(),
            );
        }
    }

    /// Everything that is missing or inconsistent for `serve`, as sentences; empty if the service
    /// may start.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_keys(&mut faults);
        let origin = &self.service.base_url;
        let is_https = origin.starts_with("https://");
        if !is_https && !origin.starts_with("http://") {
            faults.push("NEXTAUTH_URL is not an http or https address".into());
        } else if origin.splitn(4, '/').nth(3).is_some() {
            faults.push("NEXTAUTH_URL is an origin: it has no path".into());
        }
        if self.stripe.is_live() && !is_https {
            faults.push("a live Stripe key needs an https NEXTAUTH_URL".into());
        }
        if self.stripe.is_live() && self.stripe.api_base != Settings::STRIPE {
            faults.push("a live Stripe key never goes to another address than Stripe's".into());
        }
        if self.stripe.is_live() && !self.clock.follow.is_empty() {
            faults.push("with a live Stripe key the billing clock is real time".into());
        }
        if self.service.listen.parse::<SocketAddr>().is_err() {
            faults.push("service.listen is not an address and port".into());
        }
        if !(1..=3_650).contains(&self.billing.promo_days) {
            faults.push("billing.promo_days is between 1 and 3650".into());
        }
        if !(0..=30).contains(&self.billing.grace_days) {
            faults.push("billing.grace_days is between 0 and 30".into());
        }
        if CancelNow::from_word(&self.billing.cancel_now).is_none() {
            faults.push("billing.cancel_now is refund, keep or off".into());
        }
        if AllowanceWhilePaused::from_word(&self.billing.allowance_while_paused).is_none() {
            faults.push("billing.allowance_while_paused is none or full".into());
        }
        if AfterLostDispute::from_word(&self.billing.plan_after_lost_dispute).is_none() {
            faults.push("billing.plan_after_lost_dispute is ask or end".into());
        }
        if Durability::from_word(&self.database.durability).is_none() {
            faults.push("database.durability is full or relaxed".into());
        }
        if Encryption::from_word(&self.mail.encryption).is_none() {
            faults.push("mail.encryption is starttls, tls or none".into());
        }
        self.check_people(&mut faults);
        if !(0..=23).contains(&self.alerts.revenue_hour) {
            faults.push("alerts.revenue_hour is between 0 and 23".into());
        }
        if !(1..=30).contains(&self.webhooks.seconds_max) {
            faults.push("webhooks.seconds_max is between 1 and 30".into());
        }
        if let Err(fault) = self.vault() {
            faults.push(format!("LBX_ENCRYPTION_KEYS: {fault}").into());
        }
        if let Err(found) = self.catalog() {
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| format!("catalog: {fault}").into()),
            );
        }
        if let Err(error) = self.database_url() {
            faults.push(format!("DATABASE_URL: {error}").into());
        }
        faults
    }

    /// Checks the settings for sign-in and access.
    fn check_people(&self, faults: &mut Vec<Fault>) {
        for (name, secret) in [
            ("NEXTAUTH_SECRET", &self.session.secret),
            ("LBX_HAND_OVER_SECRET", &self.session.hand_over_secret),
        ] {
            let all = secret.expose_secret().split(',').map(str::trim);
            if all
                .filter(|one| !one.is_empty())
                .any(|one| one.len() < SHARED_SECRET_BYTES_MIN)
            {
                faults.push(format!(
                    "{name} is shorter than {SHARED_SECRET_BYTES_MIN} characters: whoever guesses \
                     it can sign in as anyone"
                ).into());
            }
        }
        if Unverified::from_word(&self.host.unverified).is_none() {
            faults.push("host.unverified is refuse or accept".into());
        }
        if self.host.identity_claim.is_empty() {
            faults
                .push("host.identity_claim names the claim with the user's id, such as sub".into());
        }
        let keys = &self.session.hand_over_jwks;
        if !keys.is_empty() && !outbound::is_safe(keys) {
            faults.push("LBX_HAND_OVER_JWKS is not an https address".into());
        }
        self.check_features(faults);
        for proxy in &self.service.trusted_proxies {
            if Network::parse(proxy).is_none() {
                faults.push(
                    format!("service.trusted_proxies: {proxy} is not an address or a network")
                        .into(),
                );
            }
        }
        if !(0..=100).contains(&self.billing.cohort_percent) {
            faults.push("billing.cohort_percent is between 0 and 100".into());
        }
        let publishable = &self.stripe.publishable_key;
        let wanted = if self.stripe.is_live() {
            "pk_live_"
        } else {
            "pk_test_"
        };
        let has_key = !self.stripe.secret_key.expose_secret().is_empty();
        if has_key && !publishable.is_empty() && !publishable.starts_with(wanted) {
            faults.push(
                format!("the publishable key does not begin with {wanted}, as the secret key asks")
                    .into(),
            );
        }
    }

    /// Checks the settings that require a build feature.
    fn check_features(&self, faults: &mut Vec<Fault>) {
        let Oidc {
            issuer, client_id, ..
        } = &self.oidc;
        if !issuer.is_empty() {
            if !outbound::is_safe(issuer) {
                faults.push("LBX_OIDC_ISSUER is not an https address".into());
            }
            if client_id.is_empty() {
                faults.push("LBX_OIDC_CLIENT_ID is missing".into());
            }
            if cfg!(not(feature = "oidc")) {
                faults.push(
                    "LBX_OIDC_ISSUER is set, but this program was built without the feature oidc"
                        .into(),
                );
            }
        }
        if !self.telemetry.otlp_endpoint.is_empty() && cfg!(not(feature = "otel")) {
            faults.push(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program was built without the \
                 feature otel"
                    .into(),
            );
        }
        if self.telemetry.sampled_per_mille > 1_000 {
            faults.push("telemetry.sampled_per_mille is between 0 and 1000".into());
        }
    }
}
