//! Grants: adding credits, and voiding grants.

use super::entry::{Body, Entry, EntryKind, Line};
use super::journal::Draft;
use super::{Ledger, Lot, NewGrant, Refusal, Request, WalletStatus};
use crate::money::{CREDITS_MAX, Credits};
use crate::time::Timestamp;

impl Ledger {
    /// Finds the grant with this source key.
    pub fn lot_by_source(&self, source_key: &str) -> Option<&Lot> {
        self.lots.values().find(|lot| lot.source_key == source_key)
    }

    /// Adds credits. A source key that already exists changes nothing and produces no entry.
    pub(super) fn grant(
        &mut self,
        request: &Request,
        new: &NewGrant,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        if self.lot_by_source(&new.source_key).is_some() {
            return Ok(None);
        }
        // A payment that was on its way when the account was closed keeps its grant, so that its
        // refund takes the credits back; they can't be spent.
        let status = self.terms.status;
        if status == WalletStatus::Closed && !new.kind.is_bought() {
            return Err(Refusal::NotActive { status });
        }
        if !new.amount.is_positive() || new.amount > self.room() {
            return Err(Refusal::TooLarge);
        }
        self.put(request, new, now).map(Some)
    }

    /// How many credits may be added before the account holds all that it can.
    pub fn room(&self) -> Credits {
        CREDITS_MAX
            .saturating_sub(self.wallet.posted)
            .max(Credits::ZERO)
    }

    /// Adds credits whatever the account holds: those that come back to it are not refused.
    pub(super) fn put(
        &mut self,
        request: &Request,
        new: &NewGrant,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let parent = match &new.parent {
            None => None,
            Some(key) => Some(self.lot_by_source(key).ok_or(Refusal::GrantNotFound)?.id),
        };
        let draft = Draft {
            kind: EntryKind::Grant,
            lines: Vec::new(),
            debt_delta: Credits::ZERO,
            body: Body::Grant {
                kind: new.kind,
                source_key: new.source_key.clone(),
                parent,
                amount: new.amount,
                priority: new.kind.default_priority(),
                effective_at: new.effective_at.unwrap_or(now),
                expires_at: new.expires_at,
                paid: new.paid,
            },
        };
        Ok(self.post(draft, Some(request), now))
    }

    /// Ends a grant: its remaining credits that no hold has pinned are removed now, the others once
    /// they are released.
    pub(super) fn void(
        &mut self,
        request: &Request,
        source_key: &str,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        let lot = self
            .lot_by_source(source_key)
            .ok_or(Refusal::GrantNotFound)?;
        if lot.voided {
            return Ok(None);
        }
        let line = Line {
            lot: lot.id,
            taken: lot.unheld(),
            held: Credits::ZERO,
        };
        let draft = Draft {
            kind: EntryKind::Void,
            lines: vec![line],
            debt_delta: Credits::ZERO,
            body: Body::Lot {
                lot: lot.id,
                reversed: Credits::ZERO,
            },
        };
        Ok(Some(self.post(draft, Some(request), now)))
    }
}

/// A grant's public id, made from its number within its account.
pub fn id_of(lot: i64) -> String {
    format!("grant_{lot}")
}
