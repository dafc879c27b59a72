//! The cache of the business metrics.

use std::sync::{Arc, Mutex};

use domain::figures::Figures;
use domain::time::Timestamp;

/// The latest business metrics, kept for a minute.
#[derive(Debug, Default)]
pub struct Cache(pub(crate) Mutex<Option<(Timestamp, Arc<Figures>)>>);
