//! Deliveries, good and bad.
