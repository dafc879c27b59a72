//! The moments at which objects must be checked, in order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The moments at which objects must be checked, each once. Two checks at one moment run in the
/// order in which they were added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, u64, String)>", into = "Vec<(i64, u64, String)>")]
pub struct Timeline {
    checks: BTreeMap<(i64, u64), String>,
    known: BTreeSet<(i64, String)>,
    last: u64,
}

impl Timeline {
    /// Adds a check of an object, unless it is already planned for that moment.
    pub fn add(&mut self, at: i64, id: &str) {
        if self.known.insert((at, id.to_owned())) {
            self.last += 1;
            self.checks.insert((at, self.last), id.to_owned());
        }
    }

    /// The number of the last check, for [`Timeline::forget_since`].
    pub fn mark(&self) -> u64 {
        self.last
    }

    /// Removes the checks that were added since a mark.
    pub fn forget_since(&mut self, mark: u64) {
        if self.last == mark {
            return;
        }
        let known = &mut self.known;
        self.checks.retain(|(at, number), id| {
            let stays = *number <= mark;
            if !stays {
                known.remove(&(*at, id.clone()));
            }
            stays
        });
        self.last = mark;
    }

    /// The moment of the next check.
    pub fn next(&self) -> Option<i64> {
        self.checks.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next check if it is due by `until`: its moment and the id of the object.
    pub fn take(&mut self, until: i64) -> Option<(i64, String)> {
        let check = self.checks.first_entry()?;
        let (at, _) = *check.key();
        if at > until {
            return None;
        }
        let id = check.remove();
        self.known.remove(&(at, id.clone()));
        Some((at, id))
    }
}

impl From<Vec<(i64, u64, String)>> for Timeline {
    fn from(mut checks: Vec<(i64, u64, String)>) -> Timeline {
        checks.sort();
        let mut timeline = Timeline::default();
        for (at, _, id) in checks {
            timeline.add(at, &id);
        }
        timeline
    }
}

impl From<Timeline> for Vec<(i64, u64, String)> {
    fn from(timeline: Timeline) -> Self {
        let checks = timeline.checks.into_iter();
        checks.map(|((at, number), id)| (at, number, id)).collect()
    }
}
