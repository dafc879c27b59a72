//! Creates or changes an account for the host application.

use std::sync::{Arc, Mutex, PoisonError};

use domain::people::{MemberRole, UserRole};
use domain::plan::{AccountKind, AccountStatus};
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use store::accounts::{Account as Row, NewAccount, TierOverride};
use store::users::User;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::payments::customer;
use crate::people::identity::{self, Meeting, Moved};
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
    /// Whose account it is: `personal`, the default of a new one, if the id is that of a person, or
    /// `organization`, whose owner has an id of their own. Unchanged if left out.
    kind: Option<String>,
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
    kind: Option<AccountKind>,
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
        let kind = body.kind.as_deref().map(read_kind).transpose()?;
        Ok(Put {
            id,
            public_id: app.new_id("acc"),
            change_id: app.new_id("int"),
            owner: app.new_id("usr"),
            owner_role: users::first_role(app, email.as_deref().unwrap_or("")),
            name: body.name,
            email,
            kind,
            tier: body.tier,
            free_tier: catalog.free().name.clone(),
            author: Author::new(app, actor),
        })
    }

    /// The host application's id of the account.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The email address, if it names one.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// Saves the account, unless `is_dry`: then it only finds out what would become of it. Nothing of
    /// a refused account is written. Fails if the database can't be written.
    pub async fn run(self, app: &App, is_dry: bool) -> Result<Outcome> {
        let (rules, at) = (app.rules(), (app.now(), app.real_now()));
        let unwritten = Arc::new(Mutex::new(None));
        let kept = unwritten.clone();
        let done = app
            .write(0, move |tx| {
                // It may be run again, and then only the last run counts.
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = None;
                match self.save(tx, &rules, at)? {
                    Outcome::Saved(saved) if !is_dry => Ok(Outcome::Saved(saved)),
                    // A part of it may be written.
                    other => {
                        *kept = Some(other);
                        Err(store::Error::Abandoned(UNWRITTEN.to_owned()))
                    }
                }
            })
            .await;
        let unwritten = unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        unwritten.map_or(done, Ok)
    }

    /// Saves the account: the one with this id, or else the lone personal account of the same
    /// verified address, or else a new one.
    fn save(
        &self,
        tx: &mut store::Tx<'_>,
        rules: &store::ledger::Rules,
        (now, real_now): (Timestamp, Timestamp),
    ) -> store::Result<Outcome> {
        let (mut saved, owner) = if let Some(row) = store::accounts::named(tx, &self.id)? {
            (Saved::of(row), None)
        } else if self.id.starts_with(OWN_PREFIX) {
            return Ok(Outcome::Absent);
        } else {
            match identity::meet(tx, &self.id, self.email.as_deref(), self.kind)? {
                Meeting::Known(row) => (Saved::of(row), None),
                Meeting::Taken => return Ok(Outcome::Taken),
                Meeting::Adopt(row) => {
                    // By now it may have another id.
                    if !identity::adopt(tx, &row, &self.id, &self.author, now)? {
                        return Ok(Outcome::Taken);
                    }
                    let saved = Saved::of(row);
                    (
                        Saved {
                            adopted: true,
                            ..saved
                        },
                        None,
                    )
                }
                Meeting::Make(owner) => {
                    if let Some(owner) = &owner {
                        identity::lock(tx, owner)?;
                    }
                    let row = self.insert(tx, now)?;
                    let saved = Saved::of(row);
                    (
                        Saved {
                            is_new: true,
                            ..saved
                        },
                        owner,
                    )
                }
            }
        };
        // Erased data must not be written again: the account may have been closed since it was read.
        store::accounts::lock(tx, saved.row.id)?;
        saved.row = store::accounts::find(tx, saved.row.id)?.ok_or(store::Error::NotFound)?;
        if saved.row.status == AccountStatus::Closed {
            return Ok(Outcome::Absent);
        }
        if let Some(kind) = self.kind {
            identity::set_kind(tx, &saved.row, kind, (&self.author, now))?;
            saved.row.kind = kind;
        }
        match self.address(tx, rules, &saved, owner, now)? {
            Moved::Yes => {}
            Moved::Taken => return Ok(Outcome::Taken),
            Moved::Operator => return Ok(Outcome::Operator),
        }
        if !saved.is_new {
            self.rename(tx, &saved.row, now)?;
        }
        self.set_tier(tx, rules, &saved.row, (now, real_now))?;
        if saved.is_new {
            // Its free month starts now, not when someone first asks.
            store::ledger::settle(tx, rules, saved.row.id, now)?;
        }
        saved.row = store::accounts::find(tx, saved.row.id)?.ok_or(store::Error::NotFound)?;
        identity::name_owner(tx, &saved.row, saved.is_new, &self.author)?;
        Ok(Outcome::Saved(Box::new(saved)))
    }

    fn insert(&self, tx: &mut store::Tx<'_>, now: Timestamp) -> store::Result<Row> {
        store::accounts::put_external(
            tx,
            &NewAccount {
                public_id: &self.public_id,
                external_id: Some(&self.id),
                kind: self.kind.unwrap_or(AccountKind::Personal),
                name: &self.name,
                email: self.email.as_deref(),
                tier: &self.free_tier,
                // The host application vouches for the addresses of its accounts.
                email_verified_at: Some(now),
            },
            now,
        )
    }

    fn rename(&self, tx: &mut store::Tx<'_>, row: &Row, now: Timestamp) -> store::Result<()> {
        let email = self.email.as_deref().or(row.email.as_deref());
        store::accounts::rename(tx, row.id, &self.name, email, now)?;
        let is_same = row.name == self.name && email == row.email.as_deref();
        if !is_same && store::customers::current(tx, row.id)?.is_some() {
            let (id, name) = (&self.change_id, &self.name);
            customer::note_change(tx, row.id, id, name, email, now)?;
        }
        Ok(())
    }

    /// Makes the person with the address the owner of an account without one, or moves the address
    /// of the person whom the account stands for.
    fn address(
        &self,
        tx: &mut store::Tx<'_>,
        rules: &store::ledger::Rules,
        saved: &Saved,
        owner: Option<User>,
        now: Timestamp,
    ) -> store::Result<Moved> {
        let (row, is_new) = (&saved.row, saved.is_new);
        let owner = if let Some(owner) = owner {
            store::users::put_member(tx, owner.id, row.id, MemberRole::Owner, now)?;
            Some(owner)
        } else if let Some(email) = &self.email {
            let is_unowned = store::users::owners(tx, row.id)? == 0;
            if is_unowned && identity::owns_another(tx, email, row)? {
                return Ok(Moved::Taken);
            }
            users::own(tx, row.id, email, (&self.owner, self.owner_role), now)?
        } else {
            None
        };
        if let Some(owner) = owner {
            let act = self.author.act(Action::MemberOwn, &row.public_id);
            act.with("user", json!(owner.public_id)).append(tx)?;
        }
        if is_new {
            store::ledger::free_allowances::continue_months(tx, rules, row.id, now)?;
        }
        let Some(email) = &self.email else {
            return Ok(Moved::Yes);
        };
        match identity::addressee(tx, row)? {
            Some(user) => identity::move_address(tx, rules, &user, email, (&self.author, now)),
            None => Ok(Moved::Yes),
        }
    }

    fn set_tier(
        &self,
        tx: &mut store::Tx<'_>,
        rules: &store::ledger::Rules,
        row: &Row,
        (now, real_now): (Timestamp, Timestamp),
    ) -> store::Result<()> {
        let Some(tier) = &self.tier else {
            return Ok(());
        };
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
        crate::summary::show_plan(tx, rules, row.id, now, real_now).map(|_| ())
    }
}

/// A saved account.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Whether it is new.
    pub is_new: bool,
    /// Whether it existed without the host application's id, and was found by its address.
    pub adopted: bool,
    /// The account.
    pub row: Row,
}

impl Saved {
    fn of(row: Row) -> Saved {
        Saved {
            is_new: false,
            adopted: false,
            row,
        }
    }
}

/// What became of a request of the host application.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was saved.
    Saved(Box<Saved>),
    /// The id has our own format and doesn't exist, or the account is closed.
    Absent,
    /// The address belongs to another account.
    Taken,
    /// The address would be an operator's new one.
    Operator,
}

impl Outcome {
    /// The saved account, or the refusal.
    pub fn saved(self) -> Result<Saved> {
        match self {
            Outcome::Saved(saved) => Ok(*saved),
            Outcome::Absent => Err(Error::not_found("There is no such account.")),
            Outcome::Taken => Err(Error::conflict(
                "email_taken",
                "Another account owns this email address. Send this account without it or with \
                 another one; or first give the other account a new address, or close it.",
            )
            .with("field", json!("email"))),
            Outcome::Operator => Err(Error::conflict(
                "operator_address",
                "This account's owner is an operator, whose address only an administrator changes. \
                 Leave out email.",
            )
            .with("field", json!("email"))),
        }
    }
}

/// Why nothing of a request is written that is refused or only tried.
const UNWRITTEN: &str = "nothing is saved";

/// Parses whose account it is; an organization may be spelled as answers spell it.
fn read_kind(text: &str) -> Result<AccountKind> {
    match text {
        "personal" => Ok(AccountKind::Personal),
        "organization" | "organisation" => Ok(AccountKind::Organisation),
        _ => {
            let detail = "kind is personal, if the id is a person's, or organization.";
            Err(Error::field("kind", detail))
        }
    }
}

/// Creates or changes the account with the host application's id `id`. The change is sent to Stripe
/// in the background.
pub async fn put(app: &App, actor: &str, id: String, body: PutAccount) -> Result<Saved> {
    let put = Put::read(app, actor, id, body)?;
    let saved = put.run(app, false).await?.saved()?;
    let (app, account) = (app.clone(), saved.row.id);
    tokio::spawn(async move { customer::send_change(&app, account).await });
    Ok(saved)
}
