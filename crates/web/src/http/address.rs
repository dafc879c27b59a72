//! Where a request comes from: the peer, or what a trusted proxy says of it (case A16).

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use billing::network::{Network, counted_by};

use crate::site::Site;

/// Proxies that are looked through in one header.
const HOPS_MAX: usize = 20;

/// The address of whoever sent a request, as far as it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// What limits count by: an IPv4 address, or the /64 that one customer of IPv6 has.
    pub fn network(&self) -> String {
        self.0.map_or_else(|| "unknown".to_owned(), counted_by)
    }

    /// The client behind `peer`: the last address in `X-Forwarded-For` that no trusted proxy has.
    /// The header of a peer that is not trusted is ignored.
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
        // What the client itself wrote is further left and is not trusted.
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
