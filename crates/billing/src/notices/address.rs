//! The addresses that outgoing webhooks may be sent to: public ones only, so that an endpoint can't
//! target this service's internal network (ASVS 1.3.6). Checked when an endpoint is created, and
//! again after DNS resolution for each delivery.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Maximum length of an endpoint's URL.
pub const URL_CHARS_MAX: usize = 500;

/// Maximum duration of a DNS lookup.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// Validates an endpoint's URL. The error says what is wrong with it.
pub fn read(text: &str, allow_loopback: bool) -> Result<Url, String> {
    if text.len() > URL_CHARS_MAX {
        return Err(format!("url can have at most {URL_CHARS_MAX} characters."));
    }
    let url = Url::parse(text).map_err(|_| "url must be a full address: https://...".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url can't contain a user or password.".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let is_local = is_loopback_name(host);
    if is_local && !allow_loopback {
        return Err("url points to this machine. Webhooks need a public address.".to_owned());
    }
    if url.scheme() != "https" && !(is_local && url.scheme() == "http") {
        return Err("url must start with https://.".to_owned());
    }
    if literal(host).is_some_and(|address| !may_reach(address, allow_loopback)) {
        return Err("url points to a private address. Webhooks need a public address.".to_owned());
    }
    Ok(url)
}

fn is_loopback_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal(host).is_some_and(|address| canonical(address).is_loopback())
}

/// The host as an IP address, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Whether outgoing webhooks may be sent to this address.
pub fn may_reach(address: IpAddr, allow_loopback: bool) -> bool {
    let address = canonical(address);
    (allow_loopback && address.is_loopback()) || is_public(address)
}

/// Unwraps an IPv4 address that is embedded in an IPv6 address.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let [one, two] = high.to_be_bytes();
        let [three, four] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b, c, d, e, f) {
        // IPv4-mapped addresses and the deprecated IPv4-compatible ones, except :: and ::1.
        (0, 0, 0, 0, 0, 0xffff) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        // NAT64 and 6to4 addresses embed an IPv4 address.
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x2002, ..) => v4(b, c),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocol = a == 192 && b == 0 && c == 0;
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || is_shared
        || is_protocol
        || is_benchmark
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let is_documentation = first == 0x2001 && address.segments()[1] == 0xdb8;
    // Global unicast is 2000::/3; everything else is local, multicast or unassigned.
    first & 0xe000 == 0x2000 && !is_documentation
}

/// A DNS resolver that returns only public addresses. A name with any other address is refused
/// entirely: that is a mistake or an attack.
#[derive(Clone, Copy, Debug)]
struct PublicOnly {
    allow_loopback: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let looked_up = tokio::net::lookup_host((name.as_str(), 0));
            let found = tokio::time::timeout(LOOK_UP_MAX, looked_up).await??;
            let found: Vec<SocketAddr> = found.collect();
            if found.iter().any(|at| !may_reach(at.ip(), allow_loopback)) {
                return Err("the name leads to an address that is not public".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The HTTP client for outgoing webhooks: no proxy, no redirects, public addresses only, a timeout.
#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
pub fn client(allow_loopback: bool, seconds_max: u64) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(PublicOnly { allow_loopback }))
        .timeout(Duration::from_secs(seconds_max))
        .user_agent(concat!("localboxs-billing/", env!("CARGO_PKG_VERSION")))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_beside_this_service_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "localhost",
            "api.localhost",
            "localhost.",
            "10.0.0.1",
            "172.16.5.5",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
        ] {
            assert!(
                read(&format!("https://{host}/hook"), false).is_err(),
                "{host}"
            );
        }
    }

    #[test]
    fn public_addresses_over_https_are_taken() {
        for host in ["hooks.example.com", "93.184.216.34", "[2606:4700::1111]"] {
            assert!(
                read(&format!("https://{host}/hook"), false).is_ok(),
                "{host}"
            );
        }
    }

    #[test]
    fn the_setting_opens_this_machine_and_nothing_else() {
        assert!(read("http://127.0.0.1:9/hook", true).is_ok());
        assert!(read("http://localhost:9/hook", true).is_ok());
        assert!(read("http://10.0.0.1/hook", true).is_err());
        assert!(read("https://169.254.169.254/", true).is_err());
        assert!(read("http://hooks.example.com/", true).is_err());
    }

    #[test]
    fn plain_http_other_schemes_and_passwords_are_refused() {
        for url in [
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "file:///etc/passwd",
            "https://user:secret@hooks.example.com/",
            "hooks.example.com",
            "",
        ] {
            assert!(read(url, false).is_err(), "{url}");
        }
    }
}
