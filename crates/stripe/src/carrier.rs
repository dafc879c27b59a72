//! How a call travels: over HTTP, or to a twin that is linked into the same program.

use reqwest::header::HeaderMap;
use reqwest::{Request, StatusCode};
use std::fmt::Debug;
use std::pin::Pin;

/// A reply, or the reason why there is none.
pub type Carried<'a> = Pin<Box<dyn Future<Output = Result<Reply, Lost>> + Send + 'a>>;

/// Carries one attempt of a call. Deadlines, retries and the limit of concurrent calls are the
/// client's.
pub trait Carrier: Debug + Send + Sync {
    /// Sends the request and reads the whole reply.
    fn carry(&self, request: Request) -> Carried<'_>;
}

/// A complete reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body, up to the configured size.
    pub body: Vec<u8>,
}

/// Why there is no complete reply.
#[derive(Debug)]
pub enum Lost {
    /// The connection could not be made, or it ended.
    Unreachable {
        /// The cause, without the URL.
        reason: String,
        /// Whether the request may have reached Stripe.
        may_have_arrived: bool,
    },
    /// The body exceeds the configured size.
    TooLong {
        /// The status of the answer.
        status: StatusCode,
        /// The headers of the answer.
        headers: HeaderMap,
        /// The configured size, in bytes.
        bytes_max: usize,
    },
}
