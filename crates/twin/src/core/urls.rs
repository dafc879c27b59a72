//! The URLs in parameters.

use serde_json::Value;

use super::errors::{Answer, refuse_param};
use super::value::opt;

/// Refuses a URL in the parameters that a browser or a webhook could not reach.
pub(super) fn check_url(sent: &Value, name: &str) -> Answer<()> {
    let path = name.replace('[', ".").replace(']', "");
    match opt(sent, &path) {
        Some(url) if !is_url(url) => refuse_param("url_invalid", name, "Not a valid URL"),
        _ => Ok(()),
    }
}

/// Whether a text is an absolute URL of the web with a host.
pub(super) fn is_url(text: &str) -> bool {
    let rest = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest.filter(|_| !text.contains(char::is_whitespace)) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let place = authority.rsplit('@').next().unwrap_or("");
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (place, "80"),
    };
    let is_ip6 = host.starts_with('[') && host.ends_with(']');
    let is_name = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && (part.bytes().all(is_plain) || !part.is_ascii())
    };
    let is_host = is_ip6 || host.trim_end_matches('.').split('.').all(is_name);
    is_host && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn a_url_has_a_scheme_of_the_web_and_a_host() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:12111/hook?x={CHECKOUT_SESSION_ID}",
            "http://localhost:3000/",
            "https://[::1]:80/a",
            "https://user:word@a.example/",
        ] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///path",
            "https://a b.example",
            "https://a..example",
            "https://a.example:port/",
            "https://a.example:99999/",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
