//! Which addresses may be reached from here (R31): public ones, and what the configuration allows by name or network.
//!
//! Used twice for each request: on the address as written ([`checked_url`]) and on every address that its host resolves to
//! ([`Allow::check`]). It opens no connection and resolves nothing. Unknown kinds of addresses are refused: of IPv6 only
//! what is given out for the public Internet (2000::/3) passes.
//!
//! The services that hand out credentials of this very machine are refused even where the network around them is allowed:
//! they must be named one by one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use url::{Host, Url};

/// Why an address may not be reached, in words for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsafe(pub String);

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    address: IpAddr,
    bits: u8,
}

/// Hosts and networks that may be reached although they are not public.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    hosts: Vec<String>,
    nets: Vec<Net>,
}

/// Text that names neither a host nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a host name nor a network, such as \"internal.acme.example\", \"10.0.0.0/8\" or \"127.0.0.1\""
)]
pub struct InvalidAllow(String);

/// Services that give out credentials or settings of the machine that asks: EC2, ECS and EKS on IPv4 and IPv6.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// IPv4 that is not of the public Internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890 and later).
const NOT_PUBLIC_V4: [(Ipv4Addr, u8, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "the unspecified network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier's inner network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine itself (loopback)"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "the local link"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a network for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "a network for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "an AS112 network"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a network for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "a network for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "a network for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

/// Parts of 2000::/3 that are not public hosts all the same.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8, &str); 3] = [
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "a network for protocols (Teredo and others)",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "a network for documentation",
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "a network for documentation",
    ),
];

/// Ports of other protocols, which an HTTP request could be made to speak (the "bad ports" of the Fetch standard that lie
/// above 1023). Below 1024 there are 80 and 443.
const OTHER_PROTOCOLS: [u16; 17] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
];
const MORE_OTHER_PROTOCOLS: [u16; 2] = [6697, 10080];

impl Net {
    const fn one(address: IpAddr) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }

    const fn is_one(&self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let bits = u32::from(self.bits);
                bits == 0 || (own.to_bits() ^ other.to_bits()) >> (32 - bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let bits = u32::from(self.bits);
                bits == 0 || (own.to_bits() ^ other.to_bits()) >> (128 - bits) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = InvalidAllow;

    fn from_str(text: &str) -> Result<Self, InvalidAllow> {
        let invalid = || InvalidAllow(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let whole = Self::one(address);
        let Some(bits) = bits else { return Ok(whole) };
        let bits: u8 = bits.parse().map_err(|_| invalid())?;
        (bits <= whole.bits)
            .then_some(Self { address, bits })
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Allow {
    /// Each entry is a host name, an address, or a network in CIDR form.
    ///
    /// # Errors
    /// The first entry that is neither.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, InvalidAllow> {
        let mut allow = Self::default();
        for entry in entries {
            let entry = entry.as_ref();
            if let Ok(net) = entry.parse() {
                allow.nets.push(net);
                continue;
            }
            match Host::parse(entry) {
                Ok(Host::Domain(name)) if is_host_name(&name) => {
                    allow.hosts.push(name.trim_end_matches('.').to_owned())
                }
                _ => return Err(InvalidAllow(entry.to_owned())),
            }
        }
        Ok(allow)
    }

    /// Whether a connection to this address may be opened for that host.
    ///
    /// # Errors
    /// What the address is, in words.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Unsafe> {
        let inner = embedded(address);
        let all: Vec<IpAddr> = std::iter::once(address).chain(inner.map(IpAddr::V4)).collect();
        let metadata = all.iter().any(|address| METADATA.contains(address));
        let by_net = self
            .nets
            .iter()
            .any(|net| (!metadata || net.is_one()) && all.iter().any(|address| net.contains(*address)));
        let by_name = !metadata && self.hosts.iter().any(|known| known == host.trim_end_matches('.'));
        if by_net || by_name {
            return Ok(());
        }
        let is = if metadata {
            Some("the metadata service of this machine, which gives out its credentials")
        } else {
            match (address, inner) {
                (IpAddr::V4(address), _) | (IpAddr::V6(_), Some(address)) => not_public_v4(address),
                (IpAddr::V6(address), None) => not_public_v6(address),
            }
        };
        match is {
            None => Ok(()),
            Some(is) => Err(Unsafe(format!("{} is {is}", named(host, address)))),
        }
    }
}

/// `chat.acme.example (10.0.0.7)`, or the address alone where it is what was written.
fn named(host: &str, address: IpAddr) -> String {
    let literal = host.trim_matches(['[', ']']);
    if literal.parse() == Ok(address) {
        address.to_string()
    } else {
        format!("{host} ({address})")
    }
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.trim_end_matches('.').split('.').all(label)
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    NOT_PUBLIC_V4
        .iter()
        .find(|(net, bits, _)| {
            let net = Net {
                address: IpAddr::V4(*net),
                bits: *bits,
            };
            net.contains(IpAddr::V4(address))
        })
        .map(|(_, _, is)| *is)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, ..] = address.segments();
    if address.is_loopback() {
        return Some("this machine itself (loopback)");
    }
    if address.is_unspecified() {
        return Some("the unspecified address");
    }
    if first & 0xffc0 == 0xfe80 {
        return Some("the local link");
    }
    if first & 0xfe00 == 0xfc00 {
        return Some("a private network");
    }
    if first & 0xff00 == 0xff00 {
        return Some("multicast");
    }
    if first & 0xe000 != 0x2000 {
        return Some("no address of the public Internet");
    }
    NOT_PUBLIC_V6
        .iter()
        .find(|(net, bits, _)| {
            let net = Net {
                address: IpAddr::V6(*net),
                bits: *bits,
            };
            net.contains(IpAddr::V6(address))
        })
        .map(|(_, _, is)| *is)
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, 6to4, NAT64.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let last = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // ::ffff:0:0/96 (RFC 4291), ::ffff:0:0:0/96 (RFC 2765), 64:ff9b::/96 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(last(high, low)),
        // ::/96, compatible (RFC 4291); :: and ::1 are what they are.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => Some(last(high, low)),
        // 2002::/16, 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(last(high, low)),
        _ => None,
    }
}

/// An address as it was written, once it may be asked for.
///
/// # Errors
/// What it must not have: another scheme, a user name, a port of another protocol, a literal address that may not be
/// reached (decimal, octal and hexadecimal forms are read as the address that they mean).
pub fn checked_url(text: &str, allow: &Allow) -> Result<Url, Unsafe> {
    let url = Url::parse(text).map_err(|error| Unsafe(format!("{text:?} is no address: {error}")))?;
    checked(url, allow)
}

/// As [`checked_url`], for where a redirect leads.
///
/// # Errors
/// Likewise.
pub fn checked(url: Url, allow: &Allow) -> Result<Url, Unsafe> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Unsafe(format!(
            "{}: is not asked for: only http and https are",
            url.scheme()
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Unsafe(
            "the address holds a user name or password: send it in a header that names a secret".to_owned(),
        ));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    if !port_may_be(port) {
        return Err(Unsafe(format!(
            "port {port} belongs to another protocol: use 80, 443 or one from 1024 on"
        )));
    }
    match url.host() {
        Some(Host::Ipv4(address)) => allow.check(&address.to_string(), IpAddr::V4(address))?,
        Some(Host::Ipv6(address)) => allow.check(&address.to_string(), IpAddr::V6(address))?,
        Some(Host::Domain(name)) if is_host_name(name) => {}
        _ => return Err(Unsafe("the address names no host".to_owned())),
    }
    Ok(url)
}

fn port_may_be(port: u16) -> bool {
    matches!(port, 80 | 443)
        || (port >= 1024 && !OTHER_PROTOCOLS.contains(&port) && !MORE_OTHER_PROTOCOLS.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn allow(entries: &[&str]) -> Allow {
        Allow::parse(entries).unwrap()
    }

    fn refused(host: &str, address: &str, entries: &[&str]) -> Option<String> {
        let address = address.parse().unwrap();
        allow(entries).check(host, address).err().map(|error| error.0)
    }

    #[rstest]
    // Just outside, first, last and just outside again, of each range.
    #[case("126.255.255.255", false)]
    #[case("127.0.0.0", true)]
    #[case("127.0.0.1", true)]
    #[case("127.255.255.255", true)]
    #[case("128.0.0.0", false)]
    #[case("0.0.0.0", true)]
    #[case("0.255.255.255", true)]
    #[case("1.0.0.0", false)]
    #[case("9.255.255.255", false)]
    #[case("10.0.0.0", true)]
    #[case("10.255.255.255", true)]
    #[case("11.0.0.0", false)]
    #[case("100.63.255.255", false)]
    #[case("100.64.0.0", true)]
    #[case("100.127.255.255", true)]
    #[case("100.128.0.0", false)]
    #[case("169.253.255.255", false)]
    #[case("169.254.0.0", true)]
    #[case("169.254.169.254", true)]
    #[case("169.254.170.2", true)]
    #[case("169.254.255.255", true)]
    #[case("169.255.0.0", false)]
    #[case("172.15.255.255", false)]
    #[case("172.16.0.0", true)]
    #[case("172.31.255.255", true)]
    #[case("172.32.0.0", false)]
    #[case("192.0.0.0", true)]
    #[case("192.0.1.0", false)]
    #[case("192.0.2.1", true)]
    #[case("192.88.99.1", true)]
    #[case("192.167.255.255", false)]
    #[case("192.168.0.0", true)]
    #[case("192.168.255.255", true)]
    #[case("192.169.0.0", false)]
    #[case("198.17.255.255", false)]
    #[case("198.18.0.0", true)]
    #[case("198.19.255.255", true)]
    #[case("198.20.0.0", false)]
    #[case("198.51.100.1", true)]
    #[case("203.0.113.1", true)]
    #[case("223.255.255.255", false)]
    #[case("224.0.0.1", true)]
    #[case("239.255.255.255", true)]
    #[case("240.0.0.1", true)]
    #[case("255.255.255.255", true)]
    #[case("8.8.8.8", false)]
    #[case("::", true)]
    #[case("::1", true)]
    #[case("fe80::1", true)]
    #[case("febf::1", true)]
    #[case("fec0::1", true)]
    #[case("fc00::1", true)]
    #[case("fdff::1", true)]
    #[case("fd00:ec2::254", true)]
    #[case("ff02::1", true)]
    #[case("100::1", true)]
    #[case("2001::1", true)]
    #[case("2001:1ff:ffff::1", true)]
    #[case("2001:200::1", false)]
    #[case("2001:db8::1", true)]
    #[case("2001:db9::1", false)]
    #[case("3fff::1", true)]
    #[case("2606:4700::1111", false)]
    #[case("4000::1", true)]
    // IPv4 in IPv6.
    #[case("::ffff:127.0.0.1", true)]
    #[case("::ffff:10.0.0.1", true)]
    #[case("::ffff:169.254.169.254", true)]
    #[case("::ffff:8.8.8.8", false)]
    #[case("::ffff:0:127.0.0.1", true)]
    #[case("::127.0.0.1", true)]
    #[case("64:ff9b::127.0.0.1", true)]
    #[case("64:ff9b::169.254.169.254", true)]
    #[case("64:ff9b::8.8.8.8", false)]
    #[case("64:ff9b:1::8.8.8.8", true)]
    #[case("2002:7f00:1::", true)]
    #[case("2002:a9fe:a9fe::", true)]
    #[case("2002:808:808::1", false)]
    fn r31_only_addresses_of_the_public_internet_may_be_reached(#[case] address: &str, #[case] is_refused: bool) {
        let said = refused("host.acme.example", address, &[]);
        assert_eq!(said.is_some(), is_refused, "{said:?}");
    }

    #[rstest]
    #[case("127.0.0.1", &["127.0.0.1"], false)]
    #[case("127.0.0.2", &["127.0.0.1"], true)]
    #[case("::ffff:127.0.0.1", &["127.0.0.1"], false)]
    #[case("::1", &["127.0.0.1"], true)]
    #[case("10.255.255.255", &["10.0.0.0/8"], false)]
    #[case("11.0.0.0", &["10.0.0.0/8"], false)]
    #[case("10.1.255.255", &["10.1.0.0/16"], false)]
    #[case("10.2.0.0", &["10.1.0.0/16"], true)]
    #[case("fd12:3456::1", &["fd12:3456::/32"], false)]
    #[case("fd12:3457::1", &["fd12:3456::/32"], true)]
    #[case("10.0.0.7", &["host.acme.example"], false)]
    #[case("10.0.0.7", &["acme.example"], true)]
    #[case("192.168.1.1", &["0.0.0.0/0"], false)]
    fn r31_what_the_configuration_allows_may_be_reached(
        #[case] address: &str,
        #[case] entries: &[&str],
        #[case] is_refused: bool,
    ) {
        let said = refused("host.acme.example", address, entries);
        assert_eq!(said.is_some(), is_refused, "{said:?}");
    }

    #[rstest]
    #[case("169.254.169.254", &["169.254.0.0/16"], true)]
    #[case("169.254.169.254", &["0.0.0.0/0"], true)]
    #[case("169.254.169.254", &["host.acme.example"], true)]
    #[case("::ffff:169.254.169.254", &["169.254.0.0/16", "::/0"], true)]
    #[case("fd00:ec2::254", &["fd00::/8"], true)]
    #[case("169.254.170.2", &["169.254.0.0/16"], true)]
    #[case("169.254.1.1", &["169.254.0.0/16"], false)]
    #[case("169.254.169.254", &["169.254.169.254"], false)]
    fn r31_the_metadata_service_is_never_allowed_in_passing(
        #[case] address: &str,
        #[case] entries: &[&str],
        #[case] is_refused: bool,
    ) {
        let said = refused("host.acme.example", address, entries);
        assert_eq!(said.is_some(), is_refused, "{said:?}");
    }

    #[rstest]
    #[case("https://chat.acme.example/health", None)]
    #[case("http://chat.acme.example:8080", None)]
    #[case("https://8.8.8.8", None)]
    #[case("https://[2606:4700::1111]:8443/", None)]
    #[case("http://127.0.0.1:8080", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://2130706433", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://0x7f.1", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://0177.0.0.01", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://127.1", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://%3127.0.0.1", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://①②⑦.0.0.1", Some("127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://[::ffff:7f00:1]", Some("::ffff:127.0.0.1 is this machine itself (loopback)"))]
    #[case("http://[::]", Some(":: is the unspecified address"))]
    #[case("http://0", Some("0.0.0.0 is the unspecified network"))]
    #[case(
        "http://169.254.169.254/latest/meta-data",
        Some("169.254.169.254 is the metadata service of this machine, which gives out its credentials")
    )]
    #[case("ftp://acme.example", Some("ftp: is not asked for: only http and https are"))]
    #[case("file:///etc/passwd", Some("file: is not asked for: only http and https are"))]
    #[case("gopher://acme.example", Some("gopher: is not asked for: only http and https are"))]
    #[case(
        "https://ada@acme.example",
        Some("the address holds a user name or password: send it in a header that names a secret")
    )]
    #[case(
        "https://:canary@acme.example",
        Some("the address holds a user name or password: send it in a header that names a secret")
    )]
    #[case(
        "https://acme.example:22",
        Some("port 22 belongs to another protocol: use 80, 443 or one from 1024 on")
    )]
    #[case(
        "https://acme.example:1023",
        Some("port 1023 belongs to another protocol: use 80, 443 or one from 1024 on")
    )]
    #[case("https://acme.example:1024", None)]
    #[case(
        "https://acme.example:6667",
        Some("port 6667 belongs to another protocol: use 80, 443 or one from 1024 on")
    )]
    #[case("nowhere", Some("\"nowhere\" is no address: relative URL without a base"))]
    #[case("http://", Some("\"http://\" is no address: empty host"))]
    fn r31_an_address_is_read_as_what_it_means(#[case] text: &str, #[case] said: Option<&str>) {
        let checked = checked_url(text, &Allow::default());
        assert_eq!(checked.err().map(|error| error.0).as_deref(), said);
    }

    #[rstest]
    #[case("10.0.0.0/33")]
    #[case("10.0.0/8")]
    #[case("10.0.0.0/")]
    #[case("*.acme.example")]
    #[case("https://acme.example")]
    #[case("acme.example:80")]
    #[case("")]
    fn an_entry_that_is_neither_host_nor_network_is_refused(#[case] entry: &str) {
        let error = Allow::parse(&[entry]).unwrap_err().to_string();
        assert!(error.contains("10.0.0.0/8"), "{error}");
    }
}
