//! The billing clock (real time plus all advances) and the services that follow it.
//!
//! Between advances it ticks with elapsed time rather than the system clock, so that a jump of the
//! system clock doesn't move a renewal. During an advance it stops at each due moment in turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

/// Microseconds since 1970.
pub(crate) type Micros = i64;

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;

/// The longest advance in microseconds: ten years.
pub(crate) const ADVANCE_MAX: Micros = 10 * 366 * 86_400 * MICROS_PER_SECOND;

/// A follower that has not polled for this long counts as disconnected; advances don't wait for it.
const FOLLOWER_GONE_AFTER: Duration = Duration::from_secs(5);

/// The largest number of followers. A new one replaces the one that polled longest ago.
const FOLLOWERS_MAX: usize = 32;

/// The longest time that a poll of the clock waits.
pub(crate) const POLL_WAIT_MAX: Duration = Duration::from_secs(30);

/// A source of real time in microseconds since 1970.
#[derive(Clone)]
pub struct RealTime(Arc<dyn Fn() -> Micros + Send + Sync>);

impl RealTime {
    /// Takes real time from `now`, in microseconds since 1970. A program that already has a clock
    /// passes it here, so that both agree.
    pub fn from_fn(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Takes real time from the system clock.
    #[must_use]
    #[expect(
        clippy::disallowed_types,
        reason = "the one place that reads the system clock"
    )]
    pub fn of_the_system() -> Self {
        Self::from_fn(|| {
            #[expect(
                clippy::disallowed_methods,
                reason = "the twin's default clock when the program passes none"
            )]
            let now = std::time::SystemTime::now();
            let since_1970 = now
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO);
            Micros::try_from(since_1970.as_micros()).unwrap_or(Micros::MAX)
        })
    }

    pub(crate) fn now(&self) -> Micros {
        (self.0)()
    }

    pub(crate) fn now_seconds(&self) -> i64 {
        self.now().div_euclid(MICROS_PER_SECOND)
    }
}

impl std::fmt::Debug for RealTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RealTime")
    }
}

/// The response of `GET /_twin/clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockView {
    /// The current time in seconds since 1970.
    pub now: i64,
    pub now_micros: Micros,
    /// Increases with each step, and each time that deliveries became idle during an advance.
    pub seq: u64,
    pub advancing: bool,
    /// The time to which an advance still moves the clock after it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advances_to: Option<i64>,
}

/// What a follower reports about itself when it polls.
#[derive(Debug, Clone, Default)]
pub(crate) struct FollowerReport {
    pub name: String,
    /// The last `seq` it saw, or `None` on its first call.
    pub seen: Option<u64>,
    /// Whether it has finished all work at that `seq`.
    pub idle: bool,
    /// When it next has work to do.
    pub due: Option<Micros>,
}

#[derive(Debug)]
struct Follower {
    seen: Option<u64>,
    idle: bool,
    due: Option<Micros>,
    polled_at: Instant,
    polls_held: usize,
}

impl Follower {
    fn is_present(&self, now: Instant) -> bool {
        self.polls_held > 0 || now.duration_since(self.polled_at) < FOLLOWER_GONE_AFTER
    }
}

#[derive(Debug)]
struct State {
    anchor: Instant,
    billing_at_anchor: Micros,
    frozen_at: Option<Micros>,
    seq: u64,
    advancing: bool,
    /// Where an advance ends that made too many steps for one call.
    goal: Option<Micros>,
    followers: BTreeMap<String, Follower>,
}

impl State {
    fn now(&self) -> Micros {
        self.frozen_at.unwrap_or_else(|| {
            let elapsed =
                Micros::try_from(self.anchor.elapsed().as_micros()).unwrap_or(Micros::MAX);
            self.billing_at_anchor.saturating_add(elapsed)
        })
    }

    fn goal(&self) -> Option<Micros> {
        self.goal.filter(|goal| *goal > self.now())
    }
}
#[derive(Debug)]
pub(crate) struct BillingClock {
    state: Mutex<State>,
    /// Counts every change that a waiting poll or advance may need to react to.
    changes: watch::Sender<u64>,
}

/// Why the clock can't be moved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Busy {
    /// Another advance runs.
    #[error("Another advance is running. Wait until it has ended.")]
    Advancing,
    /// The clock still advances to this later moment.
    #[error("The clock still advances to {}. Wait until it is there, or send a later moment.", rfc3339(*.0))]
    AdvancesTo(Micros),
}

/// The exclusive right to move the clock. Dropping it lets the clock tick again.
#[derive(Debug)]
pub(crate) struct Advance<'a>(&'a BillingClock);

impl BillingClock {
    pub fn starting_at(now: Micros, goal: Option<Micros>) -> Self {
        Self {
            state: Mutex::new(State {
                anchor: Instant::now(),
                billing_at_anchor: now,
                frozen_at: None,
                seq: 1,
                advancing: false,
                goal,
                followers: BTreeMap::new(),
            }),
            changes: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Micros {
        self.state().now()
    }

    pub fn now_seconds(&self) -> i64 {
        self.now().div_euclid(MICROS_PER_SECOND)
    }

    pub fn view(&self) -> ClockView {
        let state = self.state();
        let now_micros = state.now();
        ClockView {
            now: now_micros.div_euclid(MICROS_PER_SECOND),
            now_micros,
            seq: state.seq,
            advancing: state.advancing,
            advances_to: state.goal().map(|goal| goal.div_euclid(MICROS_PER_SECOND)),
        }
    }

    /// Remembers where the clock still has to advance to.
    pub fn aim_at(&self, target: Micros) {
        let mut state = self.state();
        state.goal = state.goal.max(Some(target));
    }

    /// Where the clock still has to advance to, if it isn't there yet.
    pub fn goal(&self) -> Option<Micros> {
        self.state().goal()
    }

    /// Wakes every poll and advance that waits for a change of the clock.
    pub fn notify(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Stops the clock so that it can be moved to `target`, unless it is [`Busy`].
    pub fn begin_advance(&self, target: Micros) -> Result<Advance<'_>, Busy> {
        let mut state = self.state();
        if let Some(goal) = state.goal().filter(|goal| *goal > target) {
            return Err(Busy::AdvancesTo(goal));
        }
        if state.advancing {
            return Err(Busy::Advancing);
        }
        state.frozen_at = Some(state.now());
        state.advancing = true;
        state.seq += 1;
        drop(state);
        self.notify();
        Ok(Advance(self))
    }

    /// Records the follower's report and waits until the clock's `seq` differs from the one it saw,
    /// but no longer than `wait`. Returns immediately for a new follower.
    pub async fn poll(&self, report: FollowerReport, wait: Duration) -> ClockView {
        let mut changes = self.subscribe();
        let name = report.name.clone();
        let seen = report.seen;
        let was_known = self.record(report);
        self.notify();
        if !was_known || seen != Some(self.view().seq) {
            return self.view();
        }
        let held = HeldPoll::new(self, name);
        let deadline = tokio::time::Instant::now() + wait.min(POLL_WAIT_MAX);
        while seen == Some(self.view().seq) {
            let Ok(Ok(())) = tokio::time::timeout_at(deadline, changes.changed()).await else {
                break;
            };
        }
        drop(held);
        self.view()
    }

    /// Records the report and returns whether the follower was already known.
    fn record(&self, report: FollowerReport) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let polls_held = state
            .followers
            .get(&report.name)
            .map(|known| known.polls_held);
        let was_known = state.followers.contains_key(&report.name);
        if !was_known && state.followers.len() >= FOLLOWERS_MAX {
            let oldest = state
                .followers
                .iter()
                .min_by_key(|(_, known)| known.polled_at);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                state.followers.remove(&name);
            }
        }
        state.followers.insert(
            report.name,
            Follower {
                seen: report.seen,
                idle: report.idle,
                due: report.due,
                polled_at: now,
                polls_held: polls_held.unwrap_or(0),
            },
        );
        was_known
    }

    /// Whether every connected follower has finished all work of the current step.
    pub fn followers_are_idle(&self) -> bool {
        let state = self.state();
        let now = Instant::now();
        state
            .followers
            .values()
            .filter(|follower| follower.is_present(now))
            .all(|follower| follower.idle && follower.seen == Some(state.seq))
    }

    /// The next moment after the current one at which a follower has work to do.
    pub fn next_due_of_followers(&self) -> Option<Micros> {
        let state = self.state();
        let (now, instant) = (state.now(), Instant::now());
        state
            .followers
            .values()
            .filter(|follower| follower.is_present(instant))
            .filter_map(|follower| follower.due)
            .filter(|due| *due > now)
            .min()
    }
}

impl Advance<'_> {
    /// Sets the clock to `moment`. It never moves backward.
    pub fn step_to(&self, moment: Micros) {
        let mut state = self.0.state();
        let now = state.now();
        state.frozen_at = Some(now.max(moment));
        state.seq += 1;
        drop(state);
        self.0.notify();
    }

    /// Asks the followers to check for work again at the same moment.
    pub fn ask_again(&self) {
        self.0.state().seq += 1;
        self.0.notify();
    }
}

impl Drop for Advance<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.billing_at_anchor = state.now();
        state.anchor = Instant::now();
        state.frozen_at = None;
        state.advancing = false;
        state.seq += 1;
        drop(state);
        self.0.notify();
    }
}

/// Counts a follower's poll as waiting until this is dropped, even if the follower disconnects.
struct HeldPoll<'a> {
    clock: &'a BillingClock,
    name: String,
}

impl<'a> HeldPoll<'a> {
    fn new(clock: &'a BillingClock, name: String) -> Self {
        if let Some(follower) = clock.state().followers.get_mut(&name) {
            follower.polls_held += 1;
        }
        Self { clock, name }
    }
}

impl Drop for HeldPoll<'_> {
    fn drop(&mut self) {
        if let Some(follower) = self.clock.state().followers.get_mut(&self.name) {
            follower.polls_held = follower.polls_held.saturating_sub(1);
            follower.polled_at = Instant::now();
        }
    }
}

/// Reads a duration (a whole number followed by `s`, `m`, `h` or `d`) and returns microseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Micros> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number
        .parse::<i64>()
        .ok()?
        .checked_mul(seconds)?
        .checked_mul(MICROS_PER_SECOND)
}

/// Reads a moment: RFC 3339, or seconds since 1970 with a fraction down to the microsecond.
pub(crate) fn parse_moment(text: &str) -> Option<Micros> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add(micros)
}

/// Formats the moment as RFC 3339 to the second.
pub(crate) fn rfc3339(micros: Micros) -> String {
    jiff::Timestamp::from_second(micros.div_euclid(MICROS_PER_SECOND))
        .map_or_else(|_| micros.to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit_and_nothing_else() {
        assert_eq!(parse_duration("90s"), Some(90 * MICROS_PER_SECOND));
        assert_eq!(parse_duration("30d"), Some(30 * 86_400 * MICROS_PER_SECOND));
        for wrong in [
            "",
            "d",
            "30",
            "-1d",
            "+1d",
            "1.5h",
            "1w",
            "99999999999999999d",
            "é",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_rfc_3339_or_seconds() {
        assert_eq!(
            parse_moment("1970-01-01T00:00:01Z"),
            Some(MICROS_PER_SECOND)
        );
        assert_eq!(parse_moment("12"), Some(12 * MICROS_PER_SECOND));
        assert_eq!(parse_moment("12.5"), Some(12_500_000));
        for wrong in ["", "soon", "1.x", "12.-5"] {
            assert_eq!(parse_moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_clock_stands_still_during_an_advance_and_never_moves_backward() {
        let clock = BillingClock::starting_at(1_000 * MICROS_PER_SECOND, None);

        let advance = clock.begin_advance(Micros::MAX).unwrap();
        let frozen = clock.now();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(clock.now(), frozen);
        assert_eq!(
            clock.begin_advance(Micros::MAX).err(),
            Some(Busy::Advancing)
        );
        advance.step_to(2_000 * MICROS_PER_SECOND);
        advance.step_to(1_500 * MICROS_PER_SECOND);
        drop(advance);

        assert_eq!(clock.now_seconds(), 2_000);
    }

    #[tokio::test]
    async fn a_follower_is_idle_only_for_the_step_it_has_seen() {
        let clock = BillingClock::starting_at(0, None);
        let report = |seen, idle| FollowerReport {
            name: "service".to_owned(),
            seen,
            idle,
            due: None,
        };

        let first = clock
            .poll(report(None, false), Duration::from_secs(9))
            .await;
        assert!(!clock.followers_are_idle());
        let wait = Duration::from_millis(1);
        clock.poll(report(Some(first.seq), true), wait).await;
        assert!(clock.followers_are_idle());
        let advance = clock.begin_advance(Micros::MAX).unwrap();

        assert!(!clock.followers_are_idle());
        drop(advance);
    }
}
