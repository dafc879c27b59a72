//! The id of a request, in the response, the log and error pages.

/// The id of a request: in the log, in `X-Request-Id` and in an error's body.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);
