//! The response format a caller accepts.

use axum::http::{HeaderMap, header};

/// The value of the `Accept` header, or an empty string.
pub fn accepted(headers: &HeaderMap) -> &str {
    let accept = headers.get(header::ACCEPT);
    accept.and_then(|accept| accept.to_str().ok()).unwrap_or("")
}

/// Whether the `Accept` header asks for CSV.
pub fn wants_csv(headers: &HeaderMap) -> bool {
    accepted(headers).contains("text/csv")
}
