//! The client's address: the peer's, or the one that a trusted proxy reports (case A16).

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use billing::network::{Network, counted_by};

use crate::site::Site;

/// Maximum number of addresses of `X-Forwarded-For` that are checked.
const HOPS_MAX: usize = 20;

/// The IP address of the client, if it can be determined from trusted sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// What rate limits count by: an IPv4 address, or the /64 network that an IPv6 customer gets.
    pub fn network(&self) -> String {
        self.0.map_or_else(|| "unknown".to_owned(), counted_by)
    }

    /// The client behind `peer`: the last address in `X-Forwarded-For` that isn't a trusted proxy.
    /// The header is ignored if the peer isn't trusted.
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> ClientAddress {
        let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.contains(address));
        let Some(mut client) = peer.map(|peer| peer.to_canonical()) else {
            return ClientAddress(None);
        };
        let said = headers.get_all("x-forwarded-for").into_iter();
        let said: Vec<&str> = said
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in said.iter().rev().take(HOPS_MAX) {
            if !is_trusted(client) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        ClientAddress(Some(client))
    }
}

impl FromRequestParts<Site> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|peer| peer.0.ip());
        let trusted = site.app.settings.service.proxies();
        Ok(ClientAddress::of(peer, &parts.headers, &trusted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &str, trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let trusted: Vec<Network> = trusted.iter().map(|n| Network::parse(n).unwrap()).collect();
        ClientAddress::of(peer.parse().ok(), &headers, &trusted).network()
    }

    #[test]
    fn case_a16_only_a_trusted_proxy_says_where_a_request_comes_from() {
        assert_eq!(client("9.9.9.9", "1.2.3.4", &[]), "9.9.9.9");
        assert_eq!(client("9.9.9.9", "1.2.3.4", &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(client("10.1.1.1", "1.2.3.4", &["10.0.0.0/8"]), "1.2.3.4");
        // Addresses further left may be written by the client itself and aren't trusted.
        let two = &["10.0.0.0/8", "192.168.0.7"];
        assert_eq!(
            client("10.1.1.1", "6.6.6.6, 1.2.3.4, 192.168.0.7", two),
            "1.2.3.4"
        );
        assert_eq!(client("10.1.1.1", "garbage", two), "10.1.1.1");
        assert_eq!(client("::ffff:10.1.1.1", "1.2.3.4", two), "1.2.3.4");
        let mapped = &["::ffff:10.0.0.0/104"];
        assert_eq!(client("10.1.1.1", "1.2.3.4", mapped), "1.2.3.4");
        assert_eq!(client("2001:db8:1:2:3::4", "", &[]), "2001:db8:1:2::/64");
    }
}
