//! The format a caller wants.

use axum::http::{HeaderMap, header};

/// Whether the caller asks for CSV.
pub fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"))
}
