//! An account's preferences: which emails are sent, when credits count as low, and automatic
//! top-up. Used by the API and the pages.

use domain::catalog::Catalog;
use domain::letters::{NOTICES, Notice};
use domain::money::{CREDITS_MAX, Credits, Currency, MinorUnits};
use domain::time::Timestamp;
use serde_json::json;
use store::Tx;
use store::auto_topup::{AutoTopup, AutoTopupState};
use store::ledger::watch;

use crate::actors::access;
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Act, Action, Author};

/// An account's current preferences.
#[derive(Clone, Debug)]
pub struct Preferences {
    /// Kinds of emails, and whether each is sent.
    pub notices: Vec<(Notice, bool)>,
    /// The number of credits below which an email is sent; `None` for never.
    pub low_below: Option<Credits>,
    /// The automatic top-up settings.
    pub auto: Auto,
}

/// The automatic top-up settings.
#[derive(Clone, Debug)]
pub struct Auto {
    /// `off`, `on` or `waiting`.
    pub state: AutoTopupState,
    /// Why it is off or waiting, unless a member turned it off.
    pub reason: Option<String>,
    /// Credits below which a pack is bought.
    pub threshold: Option<Credits>,
    /// The pack, by its credits.
    pub pack: Option<i64>,
    /// The most that may be spent in a month.
    pub month_max: Option<MinorUnits>,
    /// What was spent this month.
    pub spent: MinorUnits,
    /// Whether there is a saved card.
    pub has_card: bool,
}

/// A change of preferences; omitted fields stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Kinds of emails by name, and whether each is sent.
    pub notices: Vec<(String, bool)>,
    /// The low-credits threshold; `Some(None)` for never.
    pub low_below: Option<Option<Credits>>,
    /// The change of automatic top-up.
    pub auto: Option<AutoChange>,
}

/// A change of automatic top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoChange {
    /// Turns it off.
    Off,
    /// Buys a pack whenever credits fall below a threshold, up to a monthly cap.
    On {
        /// Credits below which a pack is bought.
        threshold: Credits,
        /// The pack, by its credits.
        pack: i64,
        /// The most that may be spent in a month, in minor units.
        month_max_minor: i64,
    },
}

/// The name of the setting for a kind of email.
fn setting(name: &str) -> String {
    format!("mail.{name}")
}

/// Whether a kind of email is sent to the account's members.
pub fn wants(tx: &mut Tx<'_>, account: i64, notice: &str) -> store::Result<bool> {
    let chosen = store::settings::of_account(tx, account, &setting(notice))?;
    Ok(chosen.as_deref() != Some("off"))
}

/// Reads an account's preferences.
pub async fn read(app: &App, account: i64) -> Result<Preferences> {
    let (now, currency) = (app.now(), app.catalog().currency);
    app.read(move |tx| look(tx, account, now, currency)).await
}

/// Reads an account's preferences within a database read.
pub fn look(
    tx: &mut Tx<'_>,
    account: i64,
    now: Timestamp,
    currency: Currency,
) -> store::Result<Preferences> {
    let mut notices = Vec::new();
    for notice in NOTICES {
        notices.push((notice, wants(tx, account, notice.name)?));
    }
    let (low_below, threshold) = watch::thresholds(tx, account)?;
    let row = store::auto_topup::of_account(tx, account)?;
    let spent = store::auto_topup::spent_since(tx, account, now.month_start())?;
    let has_card = store::payment_methods::of_account(tx, account)?.is_some();
    let money = |row: &AutoTopup| MinorUnits::new(row.month_max_minor, currency);
    Ok(Preferences {
        notices,
        low_below,
        auto: Auto {
            state: row.as_ref().map_or(AutoTopupState::Off, |row| row.state),
            reason: row.as_ref().and_then(|row| row.off_reason.clone()),
            threshold,
            pack: row.as_ref().map(|row| row.pack),
            month_max: row.as_ref().map(money),
            spent: MinorUnits::new(spent, currency),
            has_card,
        },
    })
}

/// Applies a change. An invalid value changes nothing.
pub async fn change(
    app: &App,
    account: i64,
    user: i64,
    actor: &str,
    change: Change,
) -> Result<Preferences> {
    check(app, account, &change).await?;
    let (rules, now) = (app.rules(), app.now());
    let author = Author::new(app, actor);
    app.write(account, move |tx| {
        for (name, is_on) in &change.notices {
            let word = if *is_on { "on" } else { "off" };
            store::settings::put_of_account(tx, account, &setting(name), word, now)?;
        }
        let (mut low, mut topup) = watch::thresholds(tx, account)?;
        if let Some(chosen) = change.low_below {
            low = chosen;
        }
        match &change.auto {
            None => {}
            Some(AutoChange::Off) => {
                topup = None;
                if let Some(row) = store::auto_topup::of_account(tx, account)? {
                    let off = AutoTopup {
                        state: AutoTopupState::Off,
                        off_reason: None,
                        declines: 0,
                        updated_at: now,
                        ..row
                    };
                    store::auto_topup::put(tx, &off)?;
                }
            }
            Some(AutoChange::On {
                threshold,
                pack,
                month_max_minor,
            }) => {
                topup = Some(*threshold);
                let row = AutoTopup {
                    account_id: account,
                    state: AutoTopupState::On,
                    pack: *pack,
                    month_max_minor: *month_max_minor,
                    user_id: Some(user),
                    declines: 0,
                    next_attempt_at: next_attempt(tx, account, now)?,
                    off_reason: None,
                    updated_at: now,
                };
                store::auto_topup::put(tx, &row)?;
            }
        }
        watch::set_thresholds(tx, &rules, account, low, topup, now)?;
        let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
        let act = author.act(Action::SettingsChange, &row.public_id);
        described(act, &change).append(tx)
    })
    .await?;
    read(app, account).await
}

/// Saving the form again must not skip the pause after a purchase, but may skip the pause after a
/// declined card, since the card may have been replaced.
fn next_attempt(
    tx: &mut Tx<'_>,
    account: i64,
    now: domain::time::Timestamp,
) -> store::Result<domain::time::Timestamp> {
    let row = store::auto_topup::of_account(tx, account)?;
    Ok(match row {
        Some(row) if row.declines == 0 && row.state == AutoTopupState::On => row.next_attempt_at,
        _ => now,
    })
}

fn described<'a>(act: Act<'a>, change: &Change) -> Act<'a> {
    let auto = change.auto.as_ref().map(|auto| match auto {
        AutoChange::Off => json!("off"),
        AutoChange::On {
            threshold,
            pack,
            month_max_minor,
        } => json!({
            "threshold": threshold.to_string(), "pack": pack, "monthMaxMinor": month_max_minor,
        }),
    });
    let low = change.low_below.map(|low| low.map(|low| low.to_string()));
    act.with("notices", json!(change.notices))
        .with("lowBelow", json!(low))
        .with("auto", json!(auto))
}

async fn check(app: &App, account: i64, change: &Change) -> Result<()> {
    for (name, _) in &change.notices {
        if !NOTICES.iter().any(|notice| notice.name == name) {
            let known: Vec<&str> = NOTICES.iter().map(|notice| notice.name).collect();
            let detail = format!(
                "{name} is not an email you can switch. These are: {}.",
                known.join(", ")
            );
            return Err(Error::field("notifications", detail));
        }
    }
    if let Some(Some(low)) = change.low_below {
        check_credits("creditsLowBelow", low)?;
    }
    if let Some(AutoChange::On {
        threshold,
        pack,
        month_max_minor,
    }) = &change.auto
    {
        check_credits("threshold", *threshold)?;
        check_pack(&app.catalog(), *pack, *month_max_minor)?;
        let (found, may_buy, buyer) = app
            .read(move |tx| {
                let may_buy = store::auto_topup::may_buy(tx, account)?;
                let found = store::payment_methods::of_account(tx, account)?;
                Ok((found, may_buy, access::ask_buyer(tx, account)?))
            })
            .await?;
        buyer?;
        if !may_buy {
            let detail = "A payment of this account is disputed, or it owes credits. Settle that \
                          first, then turn automatic top-up on.";
            let error = Error::conflict("auto_topup_blocked", detail);
            return Err(error.with("field", json!("autoTopup")));
        }
        if found.is_none() {
            let detail = "You have no saved card. Add one on the billing page under Manage \
                          payment, then turn automatic top-up on.";
            return Err(Error::conflict("no_saved_card", detail).with("field", json!("autoTopup")));
        }
    }
    Ok(())
}

fn check_credits(field: &str, credits: Credits) -> Result<()> {
    if credits.is_positive() && credits <= CREDITS_MAX {
        return Ok(());
    }
    let detail = format!("{field} must be above 0 credits and at most {CREDITS_MAX}.");
    Err(Error::field(field, detail))
}

fn check_pack(catalog: &Catalog, credits: i64, month_max_minor: i64) -> Result<()> {
    let Some(pack) = catalog.pack(credits) else {
        let known: Vec<String> = catalog
            .packs
            .iter()
            .map(|pack| pack.credits.to_string())
            .collect();
        let detail = format!("Choose one of the packs: {} credits.", known.join(", "));
        return Err(Error::field("pack", detail));
    };
    if month_max_minor < pack.price.amount {
        let detail = format!(
            "The monthly cap must be at least the price of the pack, {} {}.",
            pack.price.decimal_text(),
            pack.price.currency
        );
        return Err(Error::field("monthlyMax", detail));
    }
    Ok(())
}

/// Parses an amount such as `50` or `50.00` in the deployment's currency, into minor units.
pub fn read_money(field: &str, text: &str, catalog: &Catalog) -> Result<i64> {
    let currency = catalog.currency;
    let minor = MinorUnits::parse(text.trim(), currency);
    minor.map(|minor| minor.amount).ok_or_else(|| {
        let currency = match currency {
            Currency::USD => "US dollars".to_owned(),
            other => other.code().to_ascii_uppercase(),
        };
        let detail = format!("Enter a monthly cap in {currency}, for example 50.00.");
        Error::field(field, detail)
    })
}

#[cfg(test)]
mod tests {
    use domain::plan::AccountKind;
    use store::Db;
    use store::accounts::NewAccount;

    use super::*;
    use crate::config::Settings;

    #[tokio::test]
    async fn a_change_is_in_the_audit_log_under_the_public_id_of_its_account() {
        let settings = Settings::load(None, &|_| None).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let db = Db::open_in_memory_inline().unwrap();
        let app = App::with_db(settings, db).await.unwrap();
        let now = app.now();
        let account = app.write(0, move |tx| {
            let new = NewAccount {
                public_id: "acc_a",
                external_id: None,
                kind: AccountKind::Personal,
                name: "A",
                email: None,
                tier: "FREE",
                email_verified_at: None,
            };
            store::accounts::insert(tx, &new, now)
        });
        let account = account.await.unwrap().id;
        let off = Change {
            notices: vec![(NOTICES[0].name.to_owned(), false)],
            ..Change::default()
        };

        change(&app, account, 0, "usr_a", off).await.unwrap();

        let acts = app.read(|tx| store::audit_log::list(tx, None, Some("usr_a"), None, None, 10));
        let acts = acts.await.unwrap();
        let acts: Vec<_> = acts
            .iter()
            .map(|act| (&*act.action, &*act.subject))
            .collect();
        assert_eq!(acts, [(Action::SettingsChange.word(), "acc_a")]);
    }
}
