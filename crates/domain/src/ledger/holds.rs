//! Holds: authorize, capture, release, expire.

use super::entry::{Body, Entry, EntryKind, Line};
use super::journal::Draft;
use super::{
    Hold, HoldState, LATE_CAPTURE_SECONDS, Ledger, LotId, OPEN_HOLDS_MAX, Refusal, Request,
    Spender, WalletStatus, capture_max,
};
use crate::money::Credits;
use crate::time::Timestamp;

impl Ledger {
    /// Sets `amount` aside. The balance does not move; only what is available to spend does.
    pub(super) fn authorize(
        &mut self,
        request: &Request,
        hold: &str,
        amount: Credits,
        ttl_seconds: i64,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        assert!(ttl_seconds > 0, "a hold lives for a while");
        if self.wallet.open_holds >= OPEN_HOLDS_MAX {
            return Err(Refusal::TooManyHolds {
                max: OPEN_HOLDS_MAX,
            });
        }
        let pins = self.admit(request, amount, now)?;
        let pin = |(lot, part): (LotId, Credits)| Line {
            lot,
            taken: Credits::ZERO,
            held: part,
        };
        let draft = Draft {
            kind: EntryKind::Hold,
            lines: pins.into_iter().map(pin).collect(),
            debt_delta: Credits::ZERO,
            body: Body::Hold {
                hold: hold.to_owned(),
                amount,
                expires_at: now.plus_seconds(ttl_seconds),
                period_start: self.terms.period_start,
            },
        };
        Ok(self.post(draft, Some(request), now))
    }

    /// How much a hold sets aside: `amount`, or as much as there is if `least` suffices.
    pub(super) fn amount_to_hold(
        &self,
        request: &Request,
        amount: Credits,
        least: Option<Credits>,
        now: Timestamp,
    ) -> Credits {
        let Some(least) = least else { return amount };
        let room = self.left_beyond(request.context.spender(), Credits::ZERO, Credits::ZERO, now);
        let there = self.available(now).min(amount);
        room.map_or(there, |room| there.min(room)).max(least)
    }

    /// Charges a hold: from its pins first, in order, then from what is available; the shortfall is
    /// recorded as uncollected. Usage never makes a balance negative.
    pub(super) fn capture(
        &mut self,
        request: &Request,
        id: &str,
        amount: Option<Credits>,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let hold = self.holds.get(id).ok_or(Refusal::HoldNotFound)?.clone();
        let wanted = amount.unwrap_or(hold.amount);
        assert!(wanted >= Credits::ZERO, "a capture charges nothing or more");
        let late = match hold.state {
            HoldState::Pending => false,
            HoldState::Expired if now < hold.expires_at.plus_seconds(LATE_CAPTURE_SECONDS) => true,
            state => return Err(Refusal::HoldSettled { state }),
        };
        // The bound of what the catalog computes; the caller's own number has a smaller one.
        let max = capture_max(hold.amount, true);
        if wanted > max {
            return Err(Refusal::CaptureTooLarge { max });
        }
        if wanted == Credits::ZERO && hold.amount.is_positive() {
            return self.release(request, id, now);
        }
        // A call that was admitted before a suspension can be captured after it, at the latest late.
        let status = self.terms.status;
        if status != WalletStatus::Active {
            return Err(Refusal::NotActive { status });
        }
        let pins: &[(LotId, Credits)] = if late { &[] } else { &hold.pins };
        let mut lines = settle_pins(pins, wanted);
        let from_pins: Credits = lines.iter().map(|line| line.taken).sum();
        let pinned: Credits = pins.iter().map(|(_, part)| *part).sum();
        let allowed = self.left_beyond(hold.spender, pinned, from_pins, now);
        let beyond = (wanted - from_pins).min(self.available(now));
        let beyond = allowed.map_or(beyond, |allowed| beyond.min(allowed));
        let (drawn, _) = self.draw(beyond, now);
        for (lot, part) in drawn {
            add_taken(&mut lines, lot, part);
        }
        let captured = from_pins + beyond;
        let draft = Draft {
            kind: EntryKind::Capture,
            lines,
            debt_delta: Credits::ZERO,
            body: Body::Settlement {
                hold: id.to_owned(),
                captured,
                released: pinned - from_pins,
                uncollected: wanted - captured,
                late,
            },
        };
        let request = spent_by(request, &hold);
        Ok(self.post(draft, Some(&request), now))
    }

    /// Returns a pending hold's credits to its grants.
    pub(super) fn release(
        &mut self,
        request: &Request,
        id: &str,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let hold = self.holds.get(id).ok_or(Refusal::HoldNotFound)?;
        if hold.state != HoldState::Pending {
            return Err(Refusal::HoldSettled { state: hold.state });
        }
        let draft = give_back(EntryKind::Release, hold);
        Ok(self.post(draft, Some(request), now))
    }

    /// Expires every pending hold whose time has run out, soonest first. A closed account's holds
    /// are released: their calls can no longer be charged.
    pub(super) fn expire_holds(&mut self, now: Timestamp) {
        let is_closed = self.terms.status == WalletStatus::Closed;
        let mut due: Vec<&Hold> = self
            .holds
            .values()
            .filter(|hold| hold.state == HoldState::Pending)
            .filter(|hold| is_closed || hold.expires_at <= now)
            .collect();
        due.sort_by_key(|hold| (hold.expires_at, hold.id.clone()));
        let ended = |hold: &Hold| {
            if hold.expires_at <= now {
                EntryKind::HoldExpired
            } else {
                EntryKind::Release
            }
        };
        let drafts: Vec<Draft> = due
            .into_iter()
            .map(|hold| give_back(ended(hold), hold))
            .collect();
        for draft in drafts {
            self.post(draft, None, now);
        }
    }

    /// Checks that a call of `amount` may be made now, and selects the grants that would pay for
    /// it.
    pub(super) fn admit(
        &self,
        request: &Request,
        amount: Credits,
        now: Timestamp,
    ) -> Result<Vec<(LotId, Credits)>, Refusal> {
        assert!(amount >= Credits::ZERO, "a call costs nothing or more");
        let admission = self.admission(request.context.spender(), now);
        if let Some(refusal) = admission.refusal(amount, now) {
            return Err(refusal);
        }
        let (drawn, reached) = self.draw(amount, now);
        assert_eq!(reached, amount, "what is available can be drawn");
        Ok(drawn)
    }
}

/// The request with the hold's spender: a call counts toward the key that was admitted, whichever
/// key settles it. For a hold without a spender, the request's own spender is kept.
fn spent_by(request: &Request, hold: &Hold) -> Request {
    let mut request = request.clone();
    if hold.spender != Spender::default() {
        request.context.api_key = hold.spender.key;
        request.context.user = hold.spender.member;
    }
    request
}

/// Lines that unpin everything and take `wanted` from the pins in order, up to what they hold.
fn settle_pins(pins: &[(LotId, Credits)], wanted: Credits) -> Vec<Line> {
    let mut left = wanted;
    pins.iter()
        .map(|(lot, part)| {
            let taken = left.min(*part);
            left = left - taken;
            Line {
                lot: *lot,
                taken,
                held: -*part,
            }
        })
        .collect()
}

fn add_taken(lines: &mut Vec<Line>, lot: LotId, part: Credits) {
    match lines.iter_mut().find(|line| line.lot == lot) {
        Some(line) => line.taken = line.taken + part,
        None => lines.push(Line {
            lot,
            taken: part,
            held: Credits::ZERO,
        }),
    }
}

fn give_back(kind: EntryKind, hold: &Hold) -> Draft {
    Draft {
        kind,
        lines: settle_pins(&hold.pins, Credits::ZERO),
        debt_delta: Credits::ZERO,
        body: Body::Settlement {
            hold: hold.id.clone(),
            captured: Credits::ZERO,
            released: hold.amount,
            uncollected: Credits::ZERO,
            late: false,
        },
    }
}
