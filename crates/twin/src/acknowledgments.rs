//! Which endpoints have not acknowledged which events yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::{MICROS_PER_SECOND, Micros};

/// How long an event waits for acknowledgments: as long as Stripe's list of events keeps it.
const KEPT_FOR: Micros = 30 * 86_400 * MICROS_PER_SECOND;

/// An event and the endpoints that have not acknowledged it yet.
#[derive(Debug)]
struct Waiting {
    since: Micros,
    endpoints: BTreeSet<String>,
}

/// The events that some endpoint has not acknowledged yet.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgments {
    waiting: BTreeMap<String, Waiting>,
    by_age: BTreeSet<(Micros, String)>,
}

impl Acknowledgments {
    /// Expects the endpoint to acknowledge the event, and forgets the events that are too old.
    pub fn expect(&mut self, event: &str, endpoint: &str, now: Micros) {
        let waiting = self.waiting.entry(event.to_owned()).or_insert_with(|| {
            self.by_age.insert((now, event.to_owned()));
            Waiting {
                since: now,
                endpoints: BTreeSet::new(),
            }
        });
        waiting.endpoints.insert(endpoint.to_owned());
        while let Some((since, event)) = self.by_age.pop_first() {
            if since.saturating_add(KEPT_FOR) >= now {
                self.by_age.insert((since, event));
                break;
            }
            self.waiting.remove(&event);
        }
    }

    /// Records an acknowledgment and returns how many endpoints of the event are left, if the
    /// endpoint had not acknowledged it before.
    pub fn acknowledge(&mut self, event: &str, endpoint: &str) -> Option<u32> {
        let waiting = self.waiting.get_mut(event)?;
        if !waiting.endpoints.remove(endpoint) {
            return None;
        }
        let left = waiting.endpoints.len();
        if left == 0 {
            self.by_age.remove(&(waiting.since, event.to_owned()));
            self.waiting.remove(event);
        }
        u32::try_from(left).ok()
    }

    /// Expects nothing more from a deleted endpoint. Returns the events that it had not
    /// acknowledged, each with the number of endpoints that are left.
    pub fn forget_endpoint(&mut self, endpoint: &str) -> Vec<(String, u32)> {
        let events: Vec<String> = self.waiting.keys().cloned().collect();
        let left = events.into_iter().filter_map(|event| {
            let left = self.acknowledge(&event, endpoint)?;
            Some((event, left))
        });
        left.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Micros = 86_400 * MICROS_PER_SECOND;

    fn sizes(acknowledgments: &Acknowledgments) -> (usize, usize) {
        (acknowledgments.waiting.len(), acknowledgments.by_age.len())
    }

    #[test]
    fn an_event_that_a_dead_endpoint_never_acknowledges_is_forgotten_after_30_days() {
        let mut acknowledgments = Acknowledgments::default();

        for day in 0..1_000 {
            acknowledgments.expect(&format!("evt_{day}"), "we_dead", day * DAY);
        }

        assert_eq!(sizes(&acknowledgments), (31, 31));
        assert_eq!(acknowledgments.acknowledge("evt_968", "we_dead"), None);
        assert_eq!(acknowledgments.acknowledge("evt_969", "we_dead"), Some(0));
        assert_eq!(sizes(&acknowledgments), (30, 30));
    }

    #[test]
    fn nothing_is_expected_from_a_deleted_endpoint() {
        let mut acknowledgments = Acknowledgments::default();
        for event in ["evt_1", "evt_2"] {
            acknowledgments.expect(event, "we_1", 0);
        }
        acknowledgments.expect("evt_2", "we_2", 0);

        let left = acknowledgments.forget_endpoint("we_1");

        assert_eq!(left, [("evt_1".to_owned(), 0), ("evt_2".to_owned(), 1)]);
        assert_eq!(sizes(&acknowledgments), (1, 1));
    }
}
