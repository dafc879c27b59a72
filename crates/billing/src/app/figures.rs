//! The figures of the business, kept for a minute.

use std::sync::{Arc, Mutex};

use domain::figures::Figures;
use domain::time::Timestamp;

/// The latest figures, kept for a minute.
#[derive(Debug, Default)]
pub struct Cache(pub(crate) Mutex<Option<(Timestamp, Arc<Figures>)>>);
