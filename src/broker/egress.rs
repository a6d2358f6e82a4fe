//! Egress rules: where connections to brokers may go. Users who may write a pool name the host, and the operator has
//! network access that they may not have: so an address is checked after its name was resolved and before anything is
//! sent to it. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

/// Domain of a cluster where none is given.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// Networks without brokers, unless an allowed network lies within one of these: the machine itself, its links,
/// multicast, and the metadata services of cloud providers.
const REFUSED: [(IpAddr, u8); 13] = [
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V4(Ipv4Addr::BROADCAST), 32),
    // Metadata of Alibaba Cloud, and of Azure (its "wire server"); AWS and Google Cloud by IPv6.
    (IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), 32),
    (IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), 32),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), 128),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Network: addresses that begin with the same bits, as `10.0.0.0/8`; a single one without a `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Number of bits: 0 to 32, or 0 to 128.
    prefix: u8,
}

/// Error: the text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a network such as 10.0.0.0/8 or fd00::/8, or one address")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| NoNetwork)?;
        match prefix <= bits {
            true => Ok(Self { address, prefix }),
            false => Err(NoNetwork),
        }
    }
}

impl Network {
    fn contains(self, other: IpAddr) -> bool {
        let differ = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => u128::from(own.to_bits() ^ other.to_bits()) << 96,
            (IpAddr::V6(own), IpAddr::V6(other)) => own.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.prefix)
    }

    /// Whether no address of this network lies outside `other`.
    fn is_within(self, other: Self) -> bool {
        self.prefix >= other.prefix && other.contains(self.address)
    }
}

/// Egress rules. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Egress(Arc<EgressRules>);

#[derive(Debug)]
struct EgressRules {
    allowed: Vec<Network>,
    api_server: Vec<String>,
    cluster_domain: String,
}

impl Egress {
    /// Rules that allow only the networks in `allowed`, if there are any, else every address except those in the
    /// refused networks. `api_server`: its hosts, names or addresses. Names of Services end with `cluster_domain`.
    pub fn new(allowed: Vec<Network>, api_server: Vec<String>, cluster_domain: &str) -> Self {
        Self(Arc::new(EgressRules {
            allowed,
            api_server,
            cluster_domain: cluster_domain.trim_matches('.').to_owned(),
        }))
    }

    /// Rules that allow any broker, and those of this machine.
    #[cfg(test)]
    pub fn loopback() -> Self {
        let allowed = ["0.0.0.0/0", "127.0.0.0/8"]
            .map(str::parse)
            .into_iter()
            .flatten()
            .collect();
        Self::new(allowed, Vec::new(), CLUSTER_DOMAIN)
    }

    /// Hosts of the API server: the addresses that they resolve to are refused, too.
    pub(super) fn api_server(&self) -> &[String] {
        &self.0.api_server
    }

    /// Whether a connection may go to `address`. An address in a refused network needs an allowed network that lies
    /// within it, not one that reaches beyond it, such as `0.0.0.0/0`.
    pub(super) fn allows(&self, address: IpAddr, api_server: &[IpAddr]) -> bool {
        // `::ffff:127.0.0.1` is 127.0.0.1.
        let address = address.to_canonical();
        let inner = embedded(address);
        let EgressRules { allowed, .. } = &*self.0;
        let one = |of: &IpAddr| match of.to_canonical() {
            address @ IpAddr::V4(_) => Network { address, prefix: 32 },
            address @ IpAddr::V6(_) => Network { address, prefix: 128 },
        };
        let mut refused = REFUSED
            .into_iter()
            .map(|(address, prefix)| Network { address, prefix })
            .chain(api_server.iter().map(one))
            .filter(|refused| refused.contains(address) || inner.is_some_and(|inner| refused.contains(inner)));
        let fitting = || allowed.iter().filter(|network| network.contains(address));
        (allowed.is_empty() || fitting().next().is_some())
            && refused.all(|refused| fitting().any(|network| network.is_within(refused)))
    }

    /// Name to look up for `host`: that of a Service is made absolute, so that the search list of the operator's pod
    /// does not find a namespace called `svc` first.
    pub(super) fn absolute<'a>(&self, host: &'a str) -> Cow<'a, str> {
        let domain = &self.0.cluster_domain;
        if host.ends_with(".svc") {
            return format!("{host}.{domain}.").into();
        }
        let is_service = host
            .strip_suffix(domain.as_str())
            .is_some_and(|rest| rest.ends_with(".svc."));
        match is_service {
            true => format!("{host}.").into(),
            false => host.into(),
        }
    }
}

/// IPv4 address that a gateway would make of an IPv6 one: NAT64 (RFC 6052), 6to4 (RFC 3056), and the old `::a.b.c.d`.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = address.to_bits();
    let last = Ipv4Addr::from_bits(bits as u32);
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(last.into()),
        [0, 0, 0, 0, 0, 0, _, _] if last.octets()[0] > 0 => Some(last.into()),
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32).into()),
        _ => None,
    }
}

/// Domain of the cluster as the kubelet has written it into a pod's `resolv.conf` (`search NAMESPACE.svc.DOMAIN
/// svc.DOMAIN …`), else `cluster.local`.
pub fn cluster_domain(resolv_conf: &str) -> String {
    let searched = resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("search"));
    let domains: Vec<_> = searched.flat_map(str::split_whitespace).collect();
    // A namespace may be called `svc`, and a node may have a domain that begins so: both entries have to be there.
    let of_namespace = |domain: &&str| {
        let domain = domain.split_once('.')?.1.strip_prefix("svc.")?;
        domains
            .contains(&format!("svc.{domain}").as_str())
            .then(|| domain.to_owned())
    };
    domains
        .iter()
        .find_map(of_namespace)
        .unwrap_or_else(|| CLUSTER_DOMAIN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(allowed: &[&str]) -> Egress {
        let allowed = allowed.iter().map(|text| text.parse().unwrap());
        Egress::new(allowed.collect(), Vec::new(), CLUSTER_DOMAIN)
    }

    fn allows(egress: &Egress, address: &str) -> bool {
        let api_server = ["10.96.0.1".parse().unwrap(), "fd10::1".parse().unwrap()];
        egress.allows(address.parse().unwrap(), &api_server)
    }

    const NO_BROKERS: [&str; 27] = [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "10.96.0.1",
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd10::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.96.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ];

    #[test]
    fn what_is_no_broker_is_refused_and_all_else_is_not() {
        for open in [egress(&[]), egress(&["0.0.0.0/0", "::/0"])] {
            for address in NO_BROKERS {
                assert!(!allows(&open, address), "{address}");
            }
            for address in [
                "1.0.0.1",
                "10.96.0.2",
                "100.100.100.201",
                "126.255.255.255",
                "128.0.0.1",
                "169.253.255.255",
                "169.255.0.0",
                "192.168.0.1",
                "240.0.0.1",
                "::2",
                "fd00:ec2::253",
                "fe7f::1",
                "fec0::1",
                "2001:db8::1",
                "::ffff:10.0.0.1",
                "64:ff9b::a00:1",
                "2002:a00:1::",
            ] {
                assert!(allows(&open, address), "{address}");
            }
        }
    }

    #[test]
    fn with_an_allow_list_nothing_else_is_allowed() {
        let some = egress(&["10.1.0.0/16", "192.168.7.9", "2001:db8::/32", "10.96.0.0/12"]);
        for address in [
            "10.1.255.255",
            "::ffff:10.1.0.1",
            "192.168.7.9",
            "2001:db8:ffff::1",
            "10.97.0.1",
        ] {
            assert!(allows(&some, address), "{address}");
        }
        for address in ["10.2.0.0", "192.168.7.8", "2001:db9::1", "1.1.1.1"] {
            assert!(!allows(&some, address), "{address}");
        }
        for address in NO_BROKERS {
            assert!(!allows(&some, address), "{address}");
        }
    }

    #[test]
    fn what_is_no_broker_has_to_be_named_by_itself() {
        for (named, address) in [
            ("127.0.0.0/8", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("169.254.20.0/24", "169.254.20.10"),
            ("10.96.0.1/32", "10.96.0.1"),
            ("::1", "::1"),
        ] {
            assert!(allows(&egress(&[named]), address), "{named} {address}");
        }
        for (named, address) in [
            ("126.0.0.0/7", "127.0.0.1"),
            ("169.254.20.0/24", "169.254.169.254"),
            ("10.96.0.0/31", "10.96.0.1"),
            ("::/127", "::1"),
        ] {
            assert!(!allows(&egress(&[named]), address), "{named} {address}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_a_length() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.1",
            "fd00::/8",
            "::1/128",
            "10.1.2.3/8",
        ] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "redis",
            "10.0.0.0/-1",
            "/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_service_is_absolute() {
        let egress = Egress::new(Vec::new(), Vec::new(), "k8s.test.");
        for (host, looked_up) in [
            ("redis.shop.svc", "redis.shop.svc.k8s.test."),
            ("redis-0.redis.shop.svc", "redis-0.redis.shop.svc.k8s.test."),
            ("redis.shop.svc.k8s.test", "redis.shop.svc.k8s.test."),
            ("redis.shop.svc.k8s.test.", "redis.shop.svc.k8s.test."),
            ("redis.shop.svc.cluster.local", "redis.shop.svc.cluster.local"),
            ("redis.shop", "redis.shop"),
            ("db.example.com", "db.example.com"),
            ("k8s.test", "k8s.test"),
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(egress.absolute(host), looked_up);
        }
    }

    #[test]
    fn a_pod_is_told_the_domain_of_its_cluster() {
        let of_a_pod = "nameserver 10.96.0.10\nsearch twp-system.svc.k8s.test svc.k8s.test k8s.test\noptions ndots:5\n";
        assert_eq!(cluster_domain(of_a_pod), "k8s.test");
        let of_one_in_svc = "search svc.svc.k8s.test svc.k8s.test k8s.test svc.example.com\n";
        assert_eq!(cluster_domain(of_one_in_svc), "k8s.test");
        assert_eq!(cluster_domain("search svc.example.com example.com\n"), "cluster.local");
        assert_eq!(
            cluster_domain("nameserver 10.0.0.2\nsearch example.com\n"),
            "cluster.local"
        );
        assert_eq!(cluster_domain(""), "cluster.local");
    }
}
