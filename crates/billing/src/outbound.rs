//! Requests to addresses that an operator configured, such as the host application's JWKS: https
//! except on this machine, no redirects, bounded in time and size.

use std::time::Duration;

use reqwest::Url;

/// Maximum duration of a request.
const SECONDS_MAX: u64 = 5;

/// Maximum size of a response body.
const ANSWER_BYTES_MAX: usize = 128 << 10;

/// Why a request has no usable response.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The address isn't allowed.
    #[error("the address is not https, nor http on this machine")]
    Unsafe,
    /// There was no response, or not in time.
    #[error("no answer: {0}")]
    Failed(#[from] reqwest::Error),
    /// The response body is too large.
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// The response is malformed.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] http::Error),
}

/// Whether requests to an address can't be read in transit: https, or http on this machine.
pub fn is_safe(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// Sends a request and reads the response, up to the maximum size.
#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
pub async fn call(request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, CallError> {
    if !is_safe(&request.uri().to_string()) {
        return Err(CallError::Unsafe);
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(SECONDS_MAX))
        .user_agent(concat!("localboxs-billing/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let mut answer = client.execute(reqwest::Request::try_from(request)?).await?;
    let mut read = http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        read = read.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(read.body(body)?)
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn only_https_leaves_this_machine() {
        for good in [
            "https://id.example/keys",
            "http://127.0.0.1:9/x",
            "http://[::1]/x",
        ] {
            assert!(is_safe(good), "{good}");
        }
        for bad in [
            "http://id.example/keys",
            "http://127.0.0.1.example/",
            "http://localhost@evil.example/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
