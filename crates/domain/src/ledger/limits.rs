//! Spend limits: what an account, one of its keys or one of its members may spend in a window.
//!
//! A limit counts what was charged in its window and what pending holds set aside now. It is
//! judged with the hold or debit it bounds, so of two calls at once only those with room pass.

use super::{Ledger, Refusal};
use crate::money::Credits;
use crate::time::Timestamp;

/// Whose spending a limit bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// All of the account's.
    Account,
    /// What one API key spends.
    Key,
    /// What the keys that one member made spend.
    Member,
}

impl LimitScope {
    /// The word in JSON, SQL and pages.
    pub const fn word(self) -> &'static str {
        match self {
            LimitScope::Account => "account",
            LimitScope::Key => "key",
            LimitScope::Member => "member",
        }
    }

    /// The scope behind a word.
    pub fn from_word(word: &str) -> Option<LimitScope> {
        [LimitScope::Account, LimitScope::Key, LimitScope::Member]
            .into_iter()
            .find(|scope| scope.word() == word)
    }
}

/// How long a limit counts before it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitWindow {
    /// A day, UTC.
    Day,
    /// A calendar month, UTC.
    Month,
    /// It never begins anew: everything ever spent counts.
    Lifetime,
}

impl LimitWindow {
    /// All windows, the shortest first.
    pub const ALL: [LimitWindow; 3] = [LimitWindow::Day, LimitWindow::Month, LimitWindow::Lifetime];

    /// The word in JSON, SQL and pages.
    pub const fn word(self) -> &'static str {
        match self {
            LimitWindow::Day => "day",
            LimitWindow::Month => "month",
            LimitWindow::Lifetime => "lifetime",
        }
    }

    /// The window behind a word.
    pub fn from_word(word: &str) -> Option<LimitWindow> {
        LimitWindow::ALL
            .into_iter()
            .find(|window| window.word() == word)
    }

    /// When the window that holds `at` began.
    pub fn start(self, at: Timestamp) -> Timestamp {
        match self {
            LimitWindow::Day => Timestamp::default().plus_days(at.day()),
            LimitWindow::Month => at.month_start(),
            LimitWindow::Lifetime => Timestamp::default(),
        }
    }

    /// When the window that began at `start` ends; never for a lifetime.
    pub fn end(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            LimitWindow::Day => Some(start.plus_days(1)),
            LimitWindow::Month => Some(start.plus_months(1)),
            LimitWindow::Lifetime => None,
        }
    }
}

/// A bound on spending, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its number in the store.
    pub id: i64,
    /// Whose spending it bounds.
    pub scope: LimitScope,
    /// Number of the key or member; 0 for the account.
    pub subject: i64,
    /// How long it counts.
    pub window: LimitWindow,
    /// The most that may be charged and set aside in a window.
    pub cap: Credits,
    /// The window that `used` counts in.
    pub window_start: Timestamp,
    /// Charged in that window.
    pub used: Credits,
    /// Set aside by pending holds, whenever they were made.
    pub held: Credits,
}

impl Limit {
    /// A limit that has counted nothing yet.
    pub fn new(
        id: i64,
        scope: LimitScope,
        subject: i64,
        window: LimitWindow,
        cap: Credits,
    ) -> Limit {
        Limit {
            id,
            scope,
            subject,
            window,
            cap,
            window_start: Timestamp::default(),
            used: Credits::ZERO,
            held: Credits::ZERO,
        }
    }

    /// Begins the window that holds `now`, unless it is the one that counts already.
    pub fn roll(&mut self, now: Timestamp) {
        let start = self.window.start(now);
        if start > self.window_start {
            self.window_start = start;
            self.used = Credits::ZERO;
        }
    }

    /// What may still be spent under it at `now`; nothing when its cap was lowered below that.
    pub fn left(&self, now: Timestamp) -> Credits {
        let mut current = self.clone();
        current.roll(now);
        (current.cap - current.used - current.held).max(Credits::ZERO)
    }

    /// Its name in answers: `key_day`.
    pub fn name(&self) -> String {
        format!("{}_{}", self.scope.word(), self.window.word())
    }

    /// When its window ends and it counts anew; never for a lifetime.
    pub fn resets_at(&self) -> Option<Timestamp> {
        self.window.end(self.window_start)
    }

    fn bounds(&self, spender: Spender) -> bool {
        match self.scope {
            LimitScope::Account => true,
            LimitScope::Key => spender.key == Some(self.subject),
            LimitScope::Member => spender.member == Some(self.subject),
        }
    }
}

/// Who spends: a key, and the member who made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spender {
    /// The API key, by number.
    pub key: Option<i64>,
    /// The member, by number.
    pub member: Option<i64>,
}

impl Ledger {
    /// The first limit that a call of `needed` would break, as a refusal.
    pub fn limit_refusal(
        &self,
        spender: Spender,
        needed: Credits,
        now: Timestamp,
    ) -> Option<Refusal> {
        let broken = |limit: &&Limit| limit.bounds(spender) && needed > limit.left(now);
        let limit = self.limits.iter().find(broken)?;
        let mut limit = limit.clone();
        limit.roll(now);
        Some(Refusal::SpendLimit {
            limit: Box::new(limit),
            needed,
            available: self.available(now),
        })
    }

    /// What a capture may take above its hold: the limits bound that too. The hold's own part is
    /// counted as set aside still, so `from_pins` of `pinned` makes room.
    pub(super) fn left_beyond(
        &self,
        spender: Spender,
        pinned: Credits,
        from_pins: Credits,
        now: Timestamp,
    ) -> Option<Credits> {
        let room = |limit: &Limit| {
            let mut limit = limit.clone();
            limit.roll(now);
            let after = limit.cap - limit.used - from_pins - (limit.held - pinned);
            after.max(Credits::ZERO)
        };
        self.limits
            .iter()
            .filter(|limit| limit.bounds(spender))
            .map(room)
            .min()
    }

    /// Counts what a new hold sets aside.
    pub(super) fn limits_hold(&mut self, spender: Spender, amount: Credits, at: Timestamp) {
        self.count(spender, amount, Credits::ZERO, at);
    }

    /// Counts what a debit charges.
    pub(super) fn limits_debit(&mut self, spender: Spender, amount: Credits, at: Timestamp) {
        self.count(spender, Credits::ZERO, amount, at);
    }

    /// Counts what a settlement charges, and that it sets `pinned` aside no more.
    pub(super) fn limits_settle(
        &mut self,
        spender: Spender,
        pinned: Credits,
        charged: Credits,
        at: Timestamp,
    ) {
        self.count(spender, -pinned, charged, at);
    }

    fn count(&mut self, spender: Spender, held: Credits, used: Credits, at: Timestamp) {
        for limit in &mut self.limits {
            if limit.bounds(spender) {
                limit.roll(at);
                limit.held = limit.held + held;
                limit.used = limit.used + used;
                self.changes.limits.insert(limit.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::*;
    use super::*;

    const KEY: i64 = 5;
    const MEMBER: i64 = 9;

    fn start() -> Timestamp {
        crate::time::parse("2026-11-22T10:00:00Z").unwrap()
    }

    fn ledger(limits: Vec<Limit>) -> Ledger {
        let terms = Terms {
            period_start: start(),
            calls_limit: None,
            status: WalletStatus::Active,
        };
        let mut ledger = Ledger::new(7, terms);
        ledger.limits = limits;
        let grant = NewGrant::new(GrantKind::Purchase, "topup:pi_1", Credits::new(10_000));
        ledger
            .apply(&Request::internal(Command::Grant(grant)), start())
            .unwrap();
        ledger
    }

    fn limit(scope: LimitScope, subject: i64, window: LimitWindow, cap: i64) -> Limit {
        Limit::new(subject + 1, scope, subject, window, Credits::new(cap))
    }

    fn ask(
        ledger: &mut Ledger,
        command: Command,
        key: i64,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        if ledger.is_due(now) {
            ledger.settle(&[], now);
        }
        let context = Context {
            api_key: Some(key),
            user: (key == KEY).then_some(MEMBER),
            ..Context::default()
        };
        let request = Request {
            command,
            key: None,
            context,
        };
        ledger.apply(&request, now)
    }

    fn debit(
        ledger: &mut Ledger,
        amount: i64,
        key: i64,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let amount = Credits::new(amount);
        ask(ledger, Command::Debit { amount }, key, now)
    }

    fn hold(
        ledger: &mut Ledger,
        id: &str,
        amount: i64,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let command = Command::Authorize {
            hold: id.to_owned(),
            amount: Credits::new(amount),
            ttl_seconds: 600,
        };
        ask(ledger, command, KEY, now)
    }

    #[test]
    fn a_call_over_a_limit_is_refused_by_its_name_and_changes_nothing() {
        let mut ledger = ledger(vec![limit(LimitScope::Key, KEY, LimitWindow::Day, 100)]);
        debit(&mut ledger, 60, KEY, start()).unwrap();
        let before = (ledger.wallet.clone(), ledger.limits.clone());

        let refusal = debit(&mut ledger, 41, KEY, start()).unwrap_err();

        let Refusal::SpendLimit {
            limit,
            needed,
            available,
        } = refusal
        else {
            panic!("another refusal");
        };
        assert_eq!(limit.name(), "key_day");
        assert_eq!((limit.used, needed), (Credits::new(60), Credits::new(41)));
        assert_eq!(available, Credits::new(9_940));
        assert_eq!((ledger.wallet.clone(), ledger.limits.clone()), before);
        debit(&mut ledger, 40, KEY, start()).unwrap();
        debit(&mut ledger, 500, 6, start()).expect("another key has no limit");
    }

    #[test]
    fn a_hold_counts_at_once_and_what_it_gives_back_is_free_again() {
        let mut ledger = ledger(vec![limit(LimitScope::Account, 0, LimitWindow::Month, 100)]);
        hold(&mut ledger, "a", 80, start()).unwrap();

        let refusal = debit(&mut ledger, 21, KEY, start());
        let capture = Command::Capture {
            hold: "a".to_owned(),
            amount: Some(Credits::new(30)),
        };
        ask(&mut ledger, capture, 6, start()).unwrap();

        assert!(matches!(refusal, Err(Refusal::SpendLimit { .. })));
        assert_eq!(ledger.limits[0].used, Credits::new(30));
        assert_eq!(ledger.limits[0].held, Credits::ZERO);
        debit(&mut ledger, 70, KEY, start()).unwrap();
    }

    #[test]
    fn a_window_begins_anew_and_a_lifetime_never_does() {
        let day = limit(LimitScope::Account, 0, LimitWindow::Day, 100);
        let lifetime = limit(LimitScope::Member, MEMBER, LimitWindow::Lifetime, 150);
        let mut ledger = ledger(vec![day, lifetime]);
        debit(&mut ledger, 100, KEY, start()).unwrap();
        let midnight = crate::time::parse("2026-11-23T00:00:00Z").unwrap();
        let just_before = Timestamp::from_micros(midnight.micros() - 1);

        assert!(debit(&mut ledger, 1, KEY, just_before).is_err());
        debit(&mut ledger, 50, KEY, midnight).unwrap();
        let refusal = debit(&mut ledger, 1, KEY, midnight).unwrap_err();

        assert!(
            matches!(refusal, Refusal::SpendLimit { limit, .. } if limit.name() == "member_lifetime")
        );
        assert_eq!(LimitWindow::Day.end(midnight), Some(midnight.plus_days(1)));
    }

    #[test]
    fn a_capture_above_its_hold_stops_at_the_limit_and_counts_for_the_key_that_was_admitted() {
        let mut ledger = ledger(vec![limit(LimitScope::Key, KEY, LimitWindow::Day, 100)]);
        hold(&mut ledger, "a", 50, start()).unwrap();
        let capture = Command::Capture {
            hold: "a".to_owned(),
            amount: Some(Credits::new(130)),
        };

        let outcome = ask(&mut ledger, capture, 6, start()).unwrap();

        let entry = outcome.entry.unwrap();
        assert_eq!(entry.charged(), Credits::new(100));
        assert_eq!(entry.context.api_key, Some(KEY));
        assert_eq!(ledger.limits[0].used, Credits::new(100));
    }

    #[test]
    fn a_limit_that_was_lowered_below_what_is_used_lets_nothing_through() {
        let mut ledger = ledger(vec![limit(LimitScope::Account, 0, LimitWindow::Day, 100)]);
        debit(&mut ledger, 90, KEY, start()).unwrap();
        ledger.limits[0].cap = Credits::new(10);

        assert_eq!(ledger.limits[0].left(start()), Credits::ZERO);
        assert!(debit(&mut ledger, 1, KEY, start()).is_err());
        assert_eq!(
            ledger.limits[0].left(start().plus_days(1)),
            Credits::new(10)
        );
    }

    proptest! {
        /// No sequence of calls spends more than a limit allows, and its count is what the journal
        /// gives again.
        #[test]
        fn a_limit_is_never_broken_and_is_rebuilt_from_the_journal(
            steps in proptest::collection::vec((0..5u8, 0..4u8, 1..90i64, 0..40_000i64), 1..80)
        ) {
            let limits = vec![
                limit(LimitScope::Account, 0, LimitWindow::Day, 200),
                limit(LimitScope::Key, KEY, LimitWindow::Lifetime, 300),
                limit(LimitScope::Member, MEMBER, LimitWindow::Month, 250),
            ];
            let mut live = ledger(limits.clone());
            let mut now = start();
            for (index, (kind, which, amount, seconds)) in steps.iter().enumerate() {
                let key = if amount % 3 == 0 { 6 } else { KEY };
                let newest = |ledger: &Ledger| {
                    let prefix = format!("{which}-");
                    let names = ledger.holds.keys().filter(|id| id.starts_with(&prefix));
                    names.max().cloned().unwrap_or_default()
                };
                let command = match kind {
                    0 => Command::Debit { amount: Credits::new(*amount) },
                    1 => Command::Authorize {
                        hold: format!("{which}-{index:03}"),
                        amount: Credits::new(*amount),
                        ttl_seconds: 3_600,
                    },
                    2 => Command::Capture {
                        hold: newest(&live),
                        amount: Some(Credits::new(amount * 2)),
                    },
                    3 => Command::Release { hold: newest(&live) },
                    _ => {
                        now = now.plus_seconds(*seconds);
                        continue;
                    }
                };
                let _ = ask(&mut live, command, key, now);
                for limit in &live.limits {
                    prop_assert!(limit.used + limit.held <= limit.cap, "{limit:?}");
                    prop_assert!(limit.held >= Credits::ZERO);
                }
            }

            let mut rebuilt = Ledger::new(7, live.terms);
            rebuilt.limits = limits;
            for entry in live.take_changes().entries {
                rebuilt.replay(&entry);
                rebuilt.wallet.hash = entry.hash;
            }
            for limit in live.limits.iter_mut().chain(&mut rebuilt.limits) {
                limit.roll(now);
            }
            prop_assert_eq!(rebuilt.limits, live.limits);
        }
    }
}
