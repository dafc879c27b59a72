//! The format a caller wants.

use axum::http::{HeaderMap, header};

/// What the caller accepts, as it was sent.
pub fn accepted(headers: &HeaderMap) -> &str {
    let accept = headers.get(header::ACCEPT);
    accept.and_then(|accept| accept.to_str().ok()).unwrap_or("")
}

/// Whether the caller asks for CSV.
pub fn wants_csv(headers: &HeaderMap) -> bool {
    accepted(headers).contains("text/csv")
}
