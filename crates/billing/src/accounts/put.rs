//! Creates or changes an account for the host application.

use domain::people::UserRole;
use domain::plan::{AccountKind, AccountStatus};
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use store::accounts::{Account as Row, NewAccount, TierOverride};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::payments::customer;
use crate::people::users;
use crate::text::is_line;

/// The prefix of our own account ids.
const OWN_PREFIX: &str = "acc_";

/// Maximum length of an account's id and name.
const NAME_CHARS_MAX: usize = 200;

/// An account, as the host application describes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutAccount {
    /// The name of the account, up to 200 characters.
    name: String,
    /// The email address that the account's emails are sent to; unchanged if left out. If the
    /// account has no owner, whoever signs in with this address owns it: send only addresses that
    /// you have verified.
    email: Option<String>,
    /// A tier that overrides the subscription's. Null removes the override; it is unchanged if left
    /// out.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    tier: Option<Option<String>>,
}

/// Distinguishes null from an absent field.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A validated request.
#[derive(Debug)]
pub struct Put {
    id: String,
    public_id: String,
    /// The id for the intent that sends the change to Stripe, if one is needed.
    change_id: String,
    owner: String,
    owner_role: UserRole,
    name: String,
    email: Option<String>,
    tier: Option<Option<String>>,
    free_tier: String,
    author: Author,
}

impl Put {
    /// Validates what `actor` sends for the account with the host application's id `id`.
    pub fn read(app: &App, actor: &str, id: String, body: PutAccount) -> Result<Put> {
        let catalog = app.catalog();
        for (field, text) in [("id", &id), ("name", &body.name)] {
            if text.is_empty() || !is_line(text, NAME_CHARS_MAX) {
                let detail = format!("{field} must have 1 to {NAME_CHARS_MAX} characters.");
                return Err(Error::field(field, detail));
            }
        }
        if let Some(Some(tier)) = &body.tier
            && catalog.tier(tier).is_none()
        {
            let detail = format!("There is no tier named {tier:?}.");
            return Err(Error::field("tier", detail));
        }
        let email = body.email.as_deref().map(users::read_email).transpose()?;
        Ok(Put {
            id,
            public_id: app.new_id("acc"),
            change_id: app.new_id("int"),
            owner: app.new_id("usr"),
            owner_role: users::first_role(app, email.as_deref().unwrap_or("")),
            name: body.name,
            email,
            tier: body.tier,
            free_tier: catalog.free().name.clone(),
            author: Author::new(app, actor),
        })
    }

    /// Whether it would create an account.
    pub fn is_new(&self, tx: &mut store::Tx<'_>) -> store::Result<bool> {
        let known = store::accounts::named(tx, &self.id)?;
        Ok(known.is_none() && !self.id.starts_with(OWN_PREFIX))
    }

    /// Saves the account and returns whether it is new. `None` if the id has our own format but
    /// doesn't exist, or if the account is closed: erased data must not be written again.
    pub fn save(
        &self,
        tx: &mut store::Tx<'_>,
        rules: &store::ledger::Rules,
        (now, real_now): (Timestamp, Timestamp),
    ) -> store::Result<Option<(bool, Row)>> {
        let known = store::accounts::named(tx, &self.id)?;
        let is_new = known.is_none();
        let row = match known {
            Some(row) if row.status == AccountStatus::Closed => return Ok(None),
            Some(row) => {
                let email = self.email.as_deref().or(row.email.as_deref());
                store::accounts::rename(tx, row.id, &self.name, email, now)?;
                let is_same = row.name == self.name && email == row.email.as_deref();
                if !is_same && store::customers::current(tx, row.id)?.is_some() {
                    let (id, name) = (&self.change_id, &self.name);
                    customer::note_change(tx, row.id, id, name, email, now)?;
                }
                row
            }
            None if self.id.starts_with(OWN_PREFIX) => return Ok(None),
            None => store::accounts::put_external(
                tx,
                &NewAccount {
                    public_id: &self.public_id,
                    external_id: Some(&self.id),
                    kind: AccountKind::Organisation,
                    name: &self.name,
                    email: self.email.as_deref(),
                    tier: &self.free_tier,
                    // The host application vouches for the addresses of its accounts.
                    email_verified_at: Some(now),
                },
                now,
            )?,
        };
        if let Some(email) = &self.email {
            let owner = users::own(tx, row.id, email, (&self.owner, self.owner_role), now)?;
            if let Some(owner) = owner {
                let act = self.author.act(Action::MemberOwn, &row.public_id);
                act.with("user", json!(owner.public_id)).append(tx)?;
            }
        }
        if let Some(tier) = &self.tier {
            let set = tier.as_deref().map(|tier| TierOverride {
                tier,
                reason: "host",
                actor: self.author.actor(),
                until: None,
            });
            if row.tier_override.as_deref() != tier.as_deref() {
                store::accounts::set_tier_override(tx, row.id, set.as_ref(), now)?;
                self.author
                    .act(Action::AccountTierOverride, &row.public_id)
                    .with("tier", json!(tier))
                    .reason("host")
                    .append(tx)?;
            }
            // The plan may have changed.
            store::ledger::settle(tx, rules, row.id, now)?;
            crate::summary::show_plan(tx, rules, row.id, now, real_now)?;
        }
        Ok(Some((is_new, row)))
    }
}

/// Creates or changes the account with the host application's id `id`. Returns whether it is new,
/// and the account. The change is sent to Stripe in the background.
pub async fn put(app: &App, actor: &str, id: String, body: PutAccount) -> Result<(bool, Row)> {
    let put = Put::read(app, actor, id, body)?;
    let (rules, at) = (app.rules(), (app.now(), app.real_now()));
    let (is_new, row) = app
        .write(0, move |tx| {
            let Some((is_new, row)) = put.save(tx, &rules, at)? else {
                return Ok(None);
            };
            Ok(store::accounts::find(tx, row.id)?.map(|row| (is_new, row)))
        })
        .await?
        .ok_or_else(|| Error::not_found("There is no such account."))?;
    let (app, account) = (app.clone(), row.id);
    tokio::spawn(async move { customer::send_change(&app, account).await });
    Ok((is_new, row))
}
