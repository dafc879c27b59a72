//! An account's settings: emails, thresholds, automatic top-up.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use billing::accounts::preferences;
use billing::accounts::preferences::{AutoChange, Change, Preferences};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::{Exact, read_credits};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::metered::AccountParam;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::rows::money::Money;

/// An account's settings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The kinds of emails that can be turned off (`receipts`, `plan`, `credits`, `topups` and
    /// `adjustments`), and whether each is sent. Sign-in links and emails about failed payments are
    /// always sent.
    notifications: BTreeMap<&'static str, bool>,
    /// The number of credits below which an email is sent, or null for never.
    credits_low_below: Option<Exact>,
    /// How credit packs are bought automatically.
    auto_topup: AutoTopup,
}

/// How credit packs are bought automatically.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoTopup {
    /// The state of automatic purchases: `off`, `on`, or `waiting` while the cardholder must
    /// confirm a payment with the bank.
    state: &'static str,
    /// Why automatic purchases are off or waiting. Null if they are on, or if a person turned them
    /// off.
    reason: Option<String>,
    /// The number of credits below which a pack is bought, or null if none is set.
    threshold: Option<Exact>,
    /// The pack to buy, by its number of credits; null if none is set.
    pack: Option<i64>,
    /// The maximum amount spent per calendar month (UTC), or null if none is set.
    monthly_max: Option<Money>,
    /// The amount spent in the current calendar month (UTC).
    spent_this_month: Money,
    /// Whether the account has a saved card to charge.
    has_card: bool,
}

impl Settings {
    fn of(chosen: Preferences) -> Settings {
        let auto = chosen.auto;
        Settings {
            notifications: chosen
                .notices
                .iter()
                .map(|(notice, is_on)| (notice.name, *is_on))
                .collect(),
            credits_low_below: chosen.low_below.map(Exact),
            auto_topup: AutoTopup {
                state: auto.state.word(),
                reason: auto.reason,
                threshold: auto.threshold.map(Exact),
                pack: auto.pack,
                monthly_max: auto.month_max.map(Money::from),
                spent_this_month: Money::from(auto.spent),
                has_card: auto.has_card,
            },
        }
    }
}

/// Returns an account's settings.
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    operation_id = "getSettings",
    tag = "account",
    params(AccountParam),
    responses((status = 200, body = Settings), (status = 401), (status = 404))
)]
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Json<Settings>> {
    let chosen = preferences::read(&app, caller.account.id).await?;
    Ok(Json(Settings::of(chosen)))
}

/// Settings to change. Fields that are left out are unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSettings {
    /// The kinds of emails to turn on or off, by name.
    #[serde(default)]
    notifications: BTreeMap<String, bool>,
    /// The number of credits below which an email is sent, or null for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<f64>)]
    credits_low_below: Option<Option<Box<RawValue>>>,
    /// How credit packs are bought automatically.
    auto_topup: Option<NewAutoTopup>,
}

/// Distinguishes a field that is null from one that is left out.
fn present<'de, D, T>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Turns automatic purchases of credit packs on or off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAutoTopup {
    /// Whether packs are bought automatically. If true, the other fields are required.
    enabled: bool,
    /// The number of credits below which a pack is bought.
    #[schema(value_type = Option<f64>)]
    threshold: Option<Box<RawValue>>,
    /// The pack to buy, by its number of credits.
    pack: Option<i64>,
    /// The maximum amount to spend per calendar month (UTC), as a decimal string such as `50.00` in
    /// the service's currency.
    monthly_max: Option<String>,
}

/// Updates an account's settings. Fields that are left out are unchanged.
#[utoipa::path(
    put,
    path = "/api/v1/settings",
    operation_id = "updateSettings",
    tag = "account",
    params(AccountParam),
    request_body = NewSettings,
    responses(
        (status = 200, body = Settings), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "The account has no saved card to charge")
    )
)]
pub async fn change(
    State(app): State<App>,
    caller: SignedIn,
    Body(body): Body<NewSettings>,
) -> HttpResult<Json<Settings>> {
    caller.may_pay()?;
    let change = Change {
        notices: body.notifications.into_iter().collect(),
        low_below: match body.credits_low_below {
            None => None,
            Some(None) => Some(None),
            Some(Some(raw)) => Some(Some(read_credits("creditsLowBelow", &raw)?)),
        },
        auto: body
            .auto_topup
            .map(|auto| read_auto(&app, auto))
            .transpose()?,
    };
    let (account, user) = (caller.account.id, caller.user.id);
    let actor = &caller.user.public_id;
    let chosen = preferences::change(&app, account, user, actor, change).await?;
    Ok(Json(Settings::of(chosen)))
}

fn read_auto(app: &App, auto: NewAutoTopup) -> Result<AutoChange> {
    if !auto.enabled {
        return Ok(AutoChange::Off);
    }
    let missing = |field: &str| Error::field(field, format!("{field} is needed to turn it on."));
    let threshold = auto.threshold.ok_or_else(|| missing("threshold"))?;
    let month_max = auto.monthly_max.ok_or_else(|| missing("monthlyMax"))?;
    Ok(AutoChange::On {
        threshold: read_credits("threshold", &threshold)?,
        pack: auto.pack.ok_or_else(|| missing("pack"))?,
        month_max_minor: preferences::read_money("monthlyMax", &month_max, &app.catalog())?,
    })
}
