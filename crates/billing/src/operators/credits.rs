//! Manual changes of credits: adjustments, promotions, voided grants, forgiven debt. Pages, API and
//! command line all use these functions. Each action is one commit with its reason, actor,
//! idempotency key and audit log entry.

use domain::ledger::{
    Command, Context, GrantKind, IdempotencyKey, Ledger, NewGrant, Outcome, Refusal, Request,
};
use domain::letters::Letter;
use domain::money::Credits;
use domain::time::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use store::accounts::Account as Row;

use crate::actors::Authority;
use crate::app::App;
use crate::error::{DEBT_EXCEEDED, Error, Result};
use crate::idempotency::Key;
use crate::letters;
use crate::operators::audit_log::{Action, Author};

/// Maximum length of a note.
const NOTE_CHARS_MAX: usize = 500;

/// Why a change is rolled back: its key was used for another request.
const KEY_REUSED: &str = "the key was used for another request";

/// Why a change is rolled back: it is above the actor's limit.
const OVER_LIMIT: &str = "the operator's limit";

/// Maximum number of a day's actions that are summed for a limit.
const ACTS_MAX: i64 = 10_000;

/// The reasons for a manual change of credits.
pub const REASONS: [&str; 5] = ["goodwill", "correction", "promotion", "migration", "other"];

/// Who makes a manual change of credits, and why.
#[derive(Clone, Debug)]
pub struct Justification {
    /// The public id of a user or a key, or `cli`.
    pub actor: String,
    /// The reason: one of [`REASONS`].
    pub reason: String,
    /// A note for colleagues.
    pub note: Option<String>,
    /// Credits that the actor may add or remove in 24 hours; none for no limit.
    pub credits_max: Option<Credits>,
    /// Whether the account's payers are notified.
    pub notifies: bool,
}

impl Justification {
    /// A change by the host application or by an operator; the customer is notified of the latter.
    pub fn of(authority: &Authority, reason: String, note: Option<String>) -> Justification {
        Justification {
            actor: authority.actor(),
            reason,
            note,
            credits_max: None,
            notifies: matches!(authority, Authority::Operator(_)),
        }
    }

    /// The note, or an empty string.
    fn note(&self) -> &str {
        self.note.as_deref().unwrap_or_default()
    }

    /// Whether a change of `credits` more stays within the actor's limit. Changes of the same actor
    /// take turns, so that two at once don't both fit.
    fn is_within(
        &self,
        tx: &mut store::Tx<'_>,
        credits: Credits,
        now: Timestamp,
    ) -> store::Result<bool> {
        let Some(max) = self.credits_max else {
            return Ok(true);
        };
        store::operator_requests::take_turn(tx, &self.actor, now)?;
        let mut sum = i128::from(credits.micros()).abs();
        for action in [Action::CreditsAdjust, Action::CreditsGrant] {
            let from = now.plus_days(-1);
            for act in store::audit_log::since(tx, &self.actor, action.word(), from, ACTS_MAX)? {
                let detail: serde_json::Value =
                    serde_json::from_str(&act.detail).unwrap_or_default();
                let text = detail["credits"].as_str().unwrap_or("0");
                let moved = Credits::parse(text).unwrap_or(Credits::ZERO);
                sum += i128::from(moved.micros()).abs();
            }
        }
        Ok(sum <= i128::from(max.micros()))
    }

    fn over_limit(&self) -> Error {
        let max = self.credits_max.unwrap_or(Credits::ZERO);
        let detail = format!(
            "Your role can add or take up to {max} credits in 24 hours, and this is more. Ask \
             finance."
        );
        Error::forbidden("credits_limit", detail)
    }

    fn check(&self) -> Result<()> {
        if !REASONS.contains(&self.reason.as_str()) {
            let detail = format!("reason must be one of {}.", REASONS.join(", "));
            return Err(Error::field("reason", detail));
        }
        let length = self.note.as_ref().map_or(0, |note| note.chars().count());
        if length > NOTE_CHARS_MAX {
            let detail = format!("note can have at most {NOTE_CHARS_MAX} characters.");
            return Err(Error::field("note", detail));
        }
        Ok(())
    }
}

/// Adjusts an account's credits, once per key.
pub async fn adjust(
    app: &App,
    account: &Row,
    key: Key,
    credits: Credits,
    by_hand: &Justification,
) -> Result<Outcome> {
    by_hand.check()?;
    if credits == Credits::ZERO {
        return Err(Error::field("credits", "An adjustment can't be zero."));
    }
    let source_key = format!("adjust:{}:{}", account.id, key.0);
    let key = key.of(&[
        "adjust",
        &credits.to_string(),
        &by_hand.reason,
        by_hand.note(),
    ]);
    let command = Command::Adjust {
        amount: credits,
        source_key,
    };
    act(app, account, Action::CreditsAdjust, command, key, by_hand).await
}

/// The state after an adjustment.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Credits that can be spent.
    pub available: Credits,
    /// Credits that are owed.
    pub debt: Credits,
}

/// Applies an adjustment to a loaded copy of the ledger and returns the resulting state.
pub fn left(mut ledger: Ledger, credits: Credits, now: Timestamp) -> Result<Left, Refusal> {
    let request = Request::internal(Command::Adjust {
        amount: credits,
        source_key: "adjust:look".to_owned(),
    });
    ledger.apply(&request, now)?;
    Ok(Left {
        available: ledger.available(now),
        debt: ledger.wallet.debt,
    })
}

/// Previews an adjustment of an account's credits. Changes nothing.
pub async fn look(app: &App, account: &Row, credits: Credits) -> Result<Left> {
    let (id, now) = (account.id, app.now());
    let ledger = app.read(move |tx| store::ledger::loaded(tx, id)).await?;
    left(ledger, credits, now)
        .map_err(|refusal| Error::refused(&refusal, &app.links_of(&account.public_id)))
}

/// Grants promotional credits, once per key. Without an expiry they expire after
/// `billing.promo_days`.
pub async fn promote(
    app: &App,
    account: &Row,
    key: Key,
    credits: Credits,
    expires_at: Option<Timestamp>,
    by_hand: &Justification,
) -> Result<Outcome> {
    by_hand.check()?;
    let source_key = format!("promo:{}:{}", account.id, key.0);
    let said = expires_at.map(Timestamp::rfc3339).unwrap_or_default();
    let key = key.of(&["grant", &credits.to_string(), &said, by_hand.note()]);
    let mut new = NewGrant::new(GrantKind::Promo, source_key, credits);
    new.expires_at =
        expires_at.or_else(|| Some(app.now().plus_days(app.settings.billing.promo_days)));
    let command = Command::Grant(new);
    act(app, account, Action::CreditsGrant, command, key, by_hand).await
}

/// Voids the grant with the public id `grant`, once: credits not set aside by holds are removed.
pub async fn void(
    app: &App,
    account: &Row,
    key: Key,
    grant: &str,
    by_hand: &Justification,
) -> Result<Outcome> {
    by_hand.check()?;
    let lot = grant
        .strip_prefix("grant_")
        .and_then(|lot| lot.parse().ok());
    let absent = || Error::not_found("This account has no such grant.");
    let (id, lot): (i64, i64) = (account.id, lot.ok_or_else(absent)?);
    let source = app
        .read(move |tx| store::ledger::grant_source(tx, id, lot))
        .await?;
    let source_key = source.ok_or_else(absent)?;
    let key = key.of(&["void", grant, &by_hand.reason, by_hand.note()]);
    let command = Command::Void { source_key };
    let outcome = act(app, account, Action::GrantVoid, command, key, by_hand).await?;
    if outcome.entry.is_none() {
        let detail = "This grant was already voided.";
        return Err(Error::conflict("already_voided", detail));
    }
    Ok(outcome)
}

/// Forgives debt, all of it if no amount is given; once per key.
pub async fn forgive(
    app: &App,
    account: &Row,
    key: Key,
    credits: Option<Credits>,
    by_hand: &Justification,
) -> Result<Outcome> {
    by_hand.check()?;
    let said = credits.map_or_else(|| "all".to_owned(), |credits| credits.to_string());
    let amount = match credits {
        Some(credits) => credits,
        None => crate::summary::view(app, account.id).await?.debt,
    };
    let key = key.of(&["forgive", &said, &by_hand.reason, by_hand.note()]);
    let command = Command::Forgive { amount };
    act(app, account, Action::DebtForgive, command, key, by_hand)
        .await
        .map_err(|error| match error.0.code {
            DEBT_EXCEEDED => error.with("field", json!("credits")),
            _ => error,
        })
}

/// Runs a manual command with its note and audit log entry in one commit. A replay or a refusal
/// writes neither.
async fn act(
    app: &App,
    account: &Row,
    action: Action,
    command: Command,
    key: IdempotencyKey,
    by_hand: &Justification,
) -> Result<Outcome> {
    by_hand.check()?;
    let note = by_hand.note.clone().filter(|note| !note.is_empty());
    let note = note.map(|note| Note::new(app, note));
    let request = Request {
        command,
        key: Some(key.clone()),
        context: Context {
            actor: Some(by_hand.actor.clone()),
            reason: Some(by_hand.reason.clone()),
            note_digest: note.as_ref().map(|note| note.digest),
            ..Context::default()
        },
    };
    let (rules, now, by_hand) = (app.rules(), app.now(), by_hand.clone());
    let (id, subject) = (account.id, account.public_id.clone());
    let (kept, author) = (by_hand.clone(), Author::new(app, &by_hand.actor));
    let hash = hex::encode(key.request_hash);
    let asked = (key.key.clone(), format!("{action}:{subject}:{hash}"));
    let decision = app
        .db
        .write(id, move |tx| {
            let requests = std::slice::from_ref(&request);
            let decision = store::ledger::execute(tx, &rules, id, requests, now)?
                .pop()
                .expect("one request has one decision");
            let Ok(outcome) = &decision else {
                return Ok(decision);
            };
            if let Some(entry) = outcome.entry.as_ref().filter(|_| !outcome.replayed) {
                let named = (&*by_hand.actor, &*asked.0);
                if !store::operator_requests::claim(tx, named, &asked.1, now)? {
                    return Err(store::Error::Abandoned(KEY_REUSED.to_owned()));
                }
                // Checked only here, where it is known not to be a replay, which must always
                // succeed.
                if !by_hand.is_within(tx, credits_of(&request.command), author.at())? {
                    return Err(store::Error::Abandoned(OVER_LIMIT.to_owned()));
                }
                if let Some(note) = &note {
                    store::settings::put_of_account(tx, id, &note.name, &note.text, now)?;
                }
                let mut act = author.act(action, &subject).reason(&by_hand.reason);
                act = act
                    .with("credits", json!(entry.posted_delta.to_string()))
                    .with("entry", json!(entry.seq));
                if entry.debt_delta != Credits::ZERO {
                    act = act.with("debt", json!(entry.debt_delta.to_string()));
                }
                act.append(tx)?;
                if by_hand.notifies && entry.posted_delta != Credits::ZERO {
                    let letter = Letter::Adjusted {
                        credits: entry.posted_delta.micros(),
                        reason: by_hand.reason.clone(),
                    };
                    let mail_key = format!("adjusted:{subject}:{}", entry.seq);
                    letters::notify_payers(tx, id, &mail_key, &letter, author.at())?;
                }
            }
            Ok(decision)
        })
        .await;
    let decision = decision.map_err(|error| match error {
        store::Error::Abandoned(why) if why == KEY_REUSED => {
            Error::refused(&Refusal::KeyReused, &app.links_of(&account.public_id))
        }
        store::Error::Abandoned(why) if why == OVER_LIMIT => kept.over_limit(),
        other => other.into(),
    })?;
    app.email_due.notify_one();
    decision.map_err(|refusal| Error::refused(&refusal, &app.links_of(&account.public_id)))
}

/// The credits that a manual command moves.
fn credits_of(command: &Command) -> Credits {
    match command {
        Command::Adjust { amount, .. } => *amount,
        Command::Grant(new) => new.amount,
        _ => Credits::ZERO,
    }
}

/// A free-text note on a journal entry. The journal stores only its salted digest, so that the text
/// can be erased with the account's settings.
#[derive(Clone, Debug)]
struct Note {
    digest: [u8; 32],
    name: String,
    text: String,
}

impl Note {
    fn new(app: &App, note: String) -> Note {
        let text = json!({ "salt": format!("{:032x}", app.rng.bits()), "note": note });
        let text = text.to_string();
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        Note {
            digest,
            name: format!("note:{}", hex::encode(digest)),
            text,
        }
    }
}
