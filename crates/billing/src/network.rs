//! IP networks, such as those of trusted proxies.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Prefix length, in bits, of the IPv6 network that a provider gives one customer.
const CUSTOMER_BITS: u8 = 64;

/// Bits before the IPv4 address in an IPv4-mapped IPv6 address.
const MAPPED_BITS: u8 = 96;

/// A trusted proxy: one address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Parses `10.1.2.3`, `10.0.0.0/8` or the IPv6 equivalents.
    pub fn parse(text: &str) -> Option<Network> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Network(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().ok()?;
        let IpAddr::V4(address) = network.addr().to_canonical() else {
            return Some(Network(network));
        };
        // An IPv4-mapped prefix length may or may not include the 96-bit prefix.
        let width = network.prefix_len();
        let width = width.checked_sub(MAPPED_BITS).unwrap_or(width);
        Ipv4Net::new(address, width)
            .ok()
            .map(|four| Network(four.into()))
    }

    /// Whether the network contains the address. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The rate-limit key of an address: the address itself, or the /64 network of an IPv6 address.
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
        for bad in [
            "",
            "x",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.1/x",
            "::ffff:10.0.0.0/64",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }

    #[test]
    fn an_ipv4_mapped_network_is_one_of_ipv4() {
        for mapped in [
            "::ffff:10.0.0.0/8",
            "::ffff:10.0.0.0/104",
            "::ffff:a00:0/104",
        ] {
            assert_eq!(
                Network::parse(mapped),
                Network::parse("10.0.0.0/8"),
                "{mapped}"
            );
        }
        let one = Network::parse("::ffff:10.0.0.1").unwrap();
        assert_eq!(Network::parse("::ffff:10.0.0.1/128"), Some(one));
        assert!(one.contains("10.0.0.1".parse().unwrap()));
        assert!(!one.contains("10.0.0.2".parse().unwrap()));
    }
}
