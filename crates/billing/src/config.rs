//! The only module that reads configuration files and the environment.
//!
//! Three layers, each overriding the one before: `billing.default.toml`, which is built in and
//! names every setting; the operator's file; environment variables. All faults are reported at
//! once.

mod check;
mod host;
mod sections;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalog::Catalog;
use secrecy::ExposeSecret;
use serde::Deserialize;

pub use crate::config::check::Fault;
pub use crate::config::host::{Host, Unverified};
pub use crate::config::sections::{
    AfterLostDispute, Alerts, Billing, CancelNow, ClockSource, Database, Durability, Encryption,
    Limits, Mail, Oidc, Operators, Service, Session, Stripe, Telemetry, Webhooks,
};

const DEFAULTS: &str = include_str!("../../../billing.default.toml");

const CATALOG: &str = include_str!("../../../catalog.toml");

/// A setting's section and name, and the variables that override it, highest precedence first.
const VARIABLES: &[(&str, &str, &[&str])] = &[
    ("service", "listen", &["LISTEN"]),
    (
        "service",
        "base_url",
        &["NEXTAUTH_URL", "NEXT_PUBLIC_BASE_URL"],
    ),
    ("service", "noop", &["LBX_NOOP"]),
    ("database", "url", &["DATABASE_URL"]),
    ("database", "data", &["LBX_DATA"]),
    ("database", "encryption_keys", &["LBX_ENCRYPTION_KEYS"]),
    ("stripe", "secret_key", &["STRIPE_SECRET_KEY"]),
    (
        "stripe",
        "publishable_key",
        &[
            "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",
            "STRIPE_PUBLISHABLE_KEY",
        ],
    ),
    ("stripe", "webhook_secret", &["STRIPE_WEBHOOK_SECRET"]),
    ("stripe", "api_base", &["STRIPE_API_BASE"]),
    ("stripe", "price_id_free", &["STRIPE_PRICE_ID_FREE"]),
    ("stripe", "price_id_pro", &["STRIPE_PRICE_ID_PRO"]),
    ("stripe", "price_id_pro_plus", &["STRIPE_PRICE_ID_PRO_PLUS"]),
    (
        "stripe",
        "price_id_enterprise",
        &["STRIPE_PRICE_ID_ENTERPRISE"],
    ),
    (
        "stripe",
        "price_id_pro_yearly",
        &["STRIPE_PRICE_ID_PRO_YEARLY"],
    ),
    (
        "stripe",
        "price_id_pro_plus_yearly",
        &["STRIPE_PRICE_ID_PRO_PLUS_YEARLY"],
    ),
    (
        "stripe",
        "price_id_enterprise_yearly",
        &["STRIPE_PRICE_ID_ENTERPRISE_YEARLY"],
    ),
    (
        "stripe",
        "price_id_credits_500",
        &["STRIPE_PRICE_ID_CREDITS_500"],
    ),
    (
        "stripe",
        "price_id_credits_1000",
        &["STRIPE_PRICE_ID_CREDITS_1000"],
    ),
    (
        "stripe",
        "price_id_credits_5000",
        &["STRIPE_PRICE_ID_CREDITS_5000"],
    ),
    (
        "stripe",
        "price_id_credits_10000",
        &["STRIPE_PRICE_ID_CREDITS_10000"],
    ),
    ("billing", "enabled", &["STRIPE_BILLING_ENABLED"]),
    (
        "billing",
        "cohort_percent",
        &["STRIPE_BILLING_COHORT_PERCENT"],
    ),
    ("billing", "cohort", &["STRIPE_BILLING_COHORT"]),
    ("billing", "catalog", &["LBX_CATALOG"]),
    ("session", "secret", &["NEXTAUTH_SECRET", "AUTH_SECRET"]),
    ("session", "hand_over_secret", &["LBX_HAND_OVER_SECRET"]),
    ("session", "hand_over_jwks", &["LBX_HAND_OVER_JWKS"]),
    ("session", "admins", &["LBX_ADMINS"]),
    ("host", "identity_claim", &["HOST_IDENTITY_CLAIM"]),
    ("host", "cookie_name", &["HOST_COOKIE_NAME"]),
    ("host", "unverified", &["HOST_UNVERIFIED"]),
    ("oidc", "issuer", &["LBX_OIDC_ISSUER"]),
    ("oidc", "client_id", &["LBX_OIDC_CLIENT_ID"]),
    ("oidc", "client_secret", &["LBX_OIDC_CLIENT_SECRET"]),
    (
        "telemetry",
        "otlp_endpoint",
        &["OTEL_EXPORTER_OTLP_ENDPOINT"],
    ),
    ("telemetry", "service_name", &["OTEL_SERVICE_NAME"]),
    ("mail", "host", &["SMTP_HOST"]),
    ("mail", "port", &["SMTP_PORT"]),
    ("mail", "user", &["SMTP_USER"]),
    ("mail", "password", &["SMTP_PASSWORD", "SMTP_PASS"]),
    ("mail", "from", &["SMTP_FROM"]),
    (
        "webhooks",
        "allow_loopback",
        &["LBX_WEBHOOKS_ALLOW_LOOPBACK"],
    ),
    ("clock", "follow", &["LBX_CLOCK"]),
];

/// All settings as read; [`Settings::check`] reports whether they are consistent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The listen address and the service's name.
    pub service: Service,
    /// How the database is opened.
    pub database: Database,
    /// The connection to Stripe.
    pub stripe: Stripe,
    /// What is sold and under which rules.
    pub billing: Billing,
    /// How users sign in, and how long sessions last.
    pub session: Session,
    /// The host application's sessions.
    pub host: Host,
    /// Sign-in with an OpenID provider.
    pub oidc: Oidc,
    /// Where traces are sent.
    pub telemetry: Telemetry,
    /// How emails are sent.
    pub mail: Mail,
    /// Where outgoing webhooks may be sent.
    pub webhooks: Webhooks,
    /// The thresholds at which operators are alerted.
    pub alerts: Alerts,
    /// The source of the billing clock.
    pub clock: ClockSource,
    /// Rate limits for callers.
    pub limits: Limits,
    /// What operators may do.
    pub operators: Operators,
}

/// Looks up an environment variable; a parameter so that tests can supply their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the process environment; an empty variable counts as not set.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// The default address of Stripe's API.
    pub const STRIPE: &str = "https://api.stripe.com";

    /// Reads the three layers. Returns all faults, each as a sentence.
    pub fn load(file: Option<&Path>, environment: Environment) -> Result<Settings, Vec<String>> {
        match Settings::read(file, environment) {
            (Some(settings), faults) if faults.is_empty() => Ok(settings),
            (_, faults) => Err(faults),
        }
    }

    /// Reads the three layers like [`load`](Settings::load), and returns the settings together with
    /// all faults: a value that can't be read leaves its default, so that the others can be checked.
    pub fn read(file: Option<&Path>, environment: Environment) -> (Option<Settings>, Vec<String>) {
        let mut table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are TOML");
        let mut faults = Vec::new();
        if let Some(path) = file {
            match read_table(path) {
                Ok(theirs) => overlay(&mut table, theirs, &mut faults),
                Err(fault) => faults.push(fault),
            }
        }
        for (section, name, variables) in VARIABLES {
            let set: Vec<(&str, String)> = variables
                .iter()
                .filter_map(|variable| Some((*variable, environment(variable)?)))
                .collect();
            if let [(first, one), (second, other), ..] = set.as_slice()
                && one != other
            {
                faults.push(format!("{first} and {second} are both set, and differ"));
            }
            if let Some((variable, text)) = set.into_iter().next() {
                set_text(&mut table, section, name, variable, &text, &mut faults);
            }
        }
        match table.try_into::<Settings>() {
            Ok(mut settings) => {
                let trimmed = settings.service.base_url.trim_end_matches('/').to_owned();
                settings.service.base_url = trimmed;
                (Some(settings), faults)
            }
            Err(error) => {
                faults.push(error.message().to_owned());
                (None, faults)
            }
        }
    }

    /// The text of the catalog.
    pub fn catalog_text(&self) -> Result<String, String> {
        if self.billing.catalog.is_empty() {
            return Ok(CATALOG.to_owned());
        }
        let path = &self.billing.catalog;
        std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
    }

    /// Parses the catalog, or returns its faults.
    pub fn catalog(&self) -> Result<Catalog, Vec<String>> {
        Catalog::parse(&self.catalog_text().map_err(|fault| vec![fault])?)
    }

    /// The database: `DATABASE_URL`, or else the embedded database in the data folder.
    pub fn database_url(&self) -> store::Result<store::DatabaseUrl> {
        let url = self.database.url.expose_secret();
        if url.is_empty() {
            Ok(store::DatabaseUrl::Sqlite(
                self.database.data.join("billing.db"),
            ))
        } else {
            store::DatabaseUrl::parse(url)
        }
    }

    /// The keys that encrypt personal data; none if none is configured.
    pub fn vault(&self) -> Result<Option<store::Vault>, String> {
        let text = self.database.encryption_keys.expose_secret();
        let mut keys = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let pair = part.split_once(':');
            let (name, secret) = pair.ok_or("a key is written as name:base64")?;
            let secret = STANDARD.decode(secret);
            keys.push((
                name.to_owned(),
                secret.map_err(|_| format!("the key {name} is not base64"))?,
            ));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        store::Vault::new(&keys).map(Some)
    }

    /// The options for opening the database.
    pub fn database_options(&self) -> store::Options {
        store::Options {
            readers: self.database.readers,
            writers: self.database.writers,
            queue_max: self.database.queue_max,
            // `App::open` has already failed if the keys are invalid.
            vault: self.vault().ok().flatten(),
            durability: match self.database.durability() {
                Durability::Relaxed => store::Durability::Relaxed,
                Durability::Full => store::Durability::Full,
            },
            ..store::Options::default()
        }
    }

    /// Whether cookies may be marked Secure.
    pub fn is_https(&self) -> bool {
        self.service.base_url.starts_with("https://")
    }
}

fn read_table(path: &Path) -> Result<toml::Table, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    text.parse()
        .map_err(|error: toml::de::Error| format!("{shown}: {}", error.message()))
}

/// Merges the operator's file into the defaults; an unknown setting is a fault.
fn overlay(base: &mut toml::Table, theirs: toml::Table, faults: &mut Vec<String>) {
    for (section, value) in theirs {
        let Some(toml::Value::Table(known)) = base.get_mut(&section) else {
            faults.push(format!("there is no section [{section}]"));
            continue;
        };
        let toml::Value::Table(values) = value else {
            faults.push(format!("[{section}] is a section"));
            continue;
        };
        for (name, value) in values {
            if known.contains_key(&name) {
                known.insert(name, value);
            } else {
                faults.push(format!("there is no setting {section}.{name}"));
            }
        }
    }
}

/// Sets a value from a variable's text, parsed as the type of its default.
fn set_text(
    table: &mut toml::Table,
    section: &str,
    name: &str,
    variable: &str,
    text: &str,
    faults: &mut Vec<String>,
) {
    let known = table
        .get_mut(section)
        .and_then(toml::Value::as_table_mut)
        .and_then(|section| section.get_mut(name))
        .expect("every variable names a setting that has a default");
    let read = match known {
        toml::Value::Boolean(_) => match text {
            "true" | "1" | "yes" => Some(toml::Value::Boolean(true)),
            "false" | "0" | "no" => Some(toml::Value::Boolean(false)),
            _ => None,
        },
        toml::Value::Integer(_) => text.parse().ok().map(toml::Value::Integer),
        toml::Value::Array(_) => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let parts = parts.map(|part| toml::Value::String(part.to_owned()));
            Some(toml::Value::Array(parts.collect()))
        }
        _ => Some(toml::Value::String(text.to_owned())),
    };
    match read {
        Some(value) => *known = value,
        None => faults.push(format!("{variable} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_defaults_name_every_setting() {
        assert!(Settings::load(None, &none).is_ok());
    }

    #[test]
    fn everything_missing_or_malformed_is_listed_at_once() {
        let environment = |name: &str| match name {
            "NEXTAUTH_URL" => Some("ftp://x".to_owned()),
            "DATABASE_URL" => Some("mysql://x".to_owned()),
            _ => None,
        };
        let settings = Settings::load(None, &environment).unwrap();

        let faults: Vec<String> = settings.check().iter().map(Fault::to_string).collect();
        let faults = faults.join("\n");

        for part in [
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "NEXTAUTH_URL",
            "DATABASE_URL",
        ] {
            assert!(faults.contains(part), "{part} in {faults}");
        }
    }

    #[test]
    fn two_origins_that_differ_are_refused() {
        let environment = |name: &str| match name {
            "NEXTAUTH_URL" => Some("https://a.example".to_owned()),
            "NEXT_PUBLIC_BASE_URL" => Some("https://b.example".to_owned()),
            _ => None,
        };

        assert_eq!(Settings::load(None, &environment).unwrap_err().len(), 1);
    }

    #[test]
    fn case_a17_a_live_key_goes_to_stripe_over_https_only() {
        let environment = |name: &str| match name {
            "STRIPE_SECRET_KEY" => Some("sk_live_x".to_owned()),
            "STRIPE_WEBHOOK_SECRET" => Some("whsec_x".to_owned()),
            "STRIPE_API_BASE" => Some("http://127.0.0.1:12111".to_owned()),
            _ => None,
        };

        assert_eq!(Settings::load(None, &environment).unwrap().check().len(), 2);
    }

    #[test]
    fn secrets_are_not_shown() {
        let environment =
            |name: &str| (name == "STRIPE_SECRET_KEY").then(|| "sk_test_hidden".to_owned());
        let settings = Settings::load(None, &environment).unwrap();

        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
