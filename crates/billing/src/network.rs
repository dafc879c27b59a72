//! Networks of addresses, such as those of trusted proxies.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

/// Bits of an IPv6 address that one customer of a provider has.
const CUSTOMER_BITS: u8 = 64;

/// A trusted proxy: one address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Reads `10.1.2.3`, `10.0.0.0/8` or the same of IPv6.
    pub fn parse(text: &str) -> Option<Network> {
        let text = text.trim();
        let address = text.parse::<IpAddr>().ok();
        let address = address.map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|| text.parse().ok()).map(Network)
    }

    /// Whether the network contains the address. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// What limits count an address by: itself, or the /64 of an IPv6 address.
pub fn counted_by(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => match Ipv6Net::new(six, CUSTOMER_BITS) {
            Ok(network) => network.trunc().to_string(),
            Err(_) => six.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_with_or_without_its_width() {
        for bad in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.1/x"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }
}
