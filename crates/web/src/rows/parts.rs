//! The grants that a call was charged to.

use domain::ledger::Entry;
use domain::money::Credits;

/// One grant's share of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The grant's row id.
    pub lot: i64,
    /// The credits that the hold set aside from it.
    pub held: Credits,
    /// The credits charged to it.
    pub charged: Credits,
}

/// The credits held from and charged to each grant, in the order of consumption: `origin`
/// authorized the call, `end` settled it.
pub fn parts(origin: Option<&Entry>, end: Option<&Entry>) -> Vec<Part> {
    let pinned = origin.into_iter().flat_map(|entry| &entry.lines);
    let pinned = pinned.map(|line| Part {
        lot: line.lot,
        held: line.held,
        charged: Credits::ZERO,
    });
    let mut parts: Vec<Part> = pinned.collect();
    for line in end.into_iter().flat_map(|entry| &entry.lines) {
        match parts.iter_mut().find(|part| part.lot == line.lot) {
            Some(part) => part.charged = line.taken,
            None => parts.push(Part {
                lot: line.lot,
                held: Credits::ZERO,
                charged: line.taken,
            }),
        }
    }
    parts
}
