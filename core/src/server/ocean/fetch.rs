//! Files at URLs, for the downloads of plain Ocean assets: without a way to the node's own network.
//!
//! Who could have the node ask `http://169.254.169.254/` or `http://localhost:8545/` would reach what is behind its firewall
//! (server-side request forgery). So a name is resolved once, each of its addresses must be one of the public internet, and the
//! connection goes to those addresses: a name that answers otherwise the next time (DNS rebinding) changes nothing. Redirects
//! are not followed, no proxy is asked, and time and length are bounded.
//!
//! An operator who keeps files beside the node names their hosts in
//! [`OceanOptions::allow_hosts`](super::OceanOptions::allow_hosts); those may be anywhere.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_URL_BYTES: usize = 4096;

/// Why a file was not fetched. Its text is the node's own, and no client hears it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No URL that is fetched.
    #[error("not a URL that is fetched: {0}")]
    Url(&'static str),
    /// Everything else.
    #[error("the file could not be fetched: {0}")]
    Failed(String),
    /// The other side answers with no file.
    #[error("the file's server answers with status {0}")]
    Status(u16),
    /// It is longer than the limit.
    #[error("the file has {got} bytes, of at most {limit}")]
    TooLarge { got: u64, limit: u64 },
}

/// Limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    /// Until the head of the answer is there.
    pub(super) answer: Duration,
    /// For all of it.
    pub(super) whole: Duration,
    pub(super) bytes: u64,
}

/// A file that is being fetched.
pub(super) struct Fetched {
    pub(super) media: Option<String>,
    pub(super) len: Option<u64>,
    pub(super) body: Box<dyn Read + Send>,
}

/// See the module.
pub(super) struct Fetcher {
    agent: Agent,
    limits: Limits,
}

impl Fetcher {
    pub(super) fn new(allow_hosts: &[String], limits: Limits) -> Self {
        Self::over(Arc::new(Named(DefaultResolver::default())), allow_hosts, limits)
    }

    fn over(names: Arc<dyn Names>, allow_hosts: &[String], limits: Limits) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.answer))
            .timeout_global(Some(limits.whole))
            .max_response_header_size(MAX_HEADER_BYTES)
            // A connection is for one request, so that the addresses are looked at for each.
            .max_idle_connections(0)
            .user_agent(concat!("sealock/", env!("CARGO_PKG_VERSION")))
            .build();
        let allow = allow_hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Guard { names, allow });
        Self { agent, limits }
    }

    /// Begins to fetch a file. Reading it ends in an error where it is longer than the limit, or takes longer.
    pub(super) fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        check(url)?;
        let response = self.agent.get(url).call().map_err(|e| FetchError::Failed(e.to_string()))?;
        if response.status() != ureq::http::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let encoded = header("content-encoding").is_some();
        let (media, len) = (header("content-type"), header("content-length").filter(|_| !encoded));
        let len = len.and_then(|len| len.parse().ok());
        if let Some(got) = len.filter(|len| *len > self.limits.bytes) {
            return Err(FetchError::TooLarge { got, limit: self.limits.bytes });
        }
        let body = response.into_body().into_with_config().limit(self.limits.bytes).reader();
        Ok(Fetched { media, len, body: Box::new(body) })
    }
}

/// What can be wrong with a URL before anybody is asked.
fn check(url: &str) -> Result<(), FetchError> {
    if url.len() > MAX_URL_BYTES {
        return Err(FetchError::Url("it is too long"));
    }
    let uri: Uri = url.parse().map_err(|_| FetchError::Url("it is none"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(FetchError::Url("expected http:// or https://"));
    }
    let authority = uri.authority().ok_or(FetchError::Url("there is no host in it"))?;
    if authority.as_str().contains('@') {
        return Err(FetchError::Url("there is a name or a password in it"));
    }
    Ok(())
}

/// Who knows the addresses of names.
trait Names: std::fmt::Debug + Send + Sync + 'static {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error>;
}

#[derive(Debug)]
struct Named(DefaultResolver);

impl Names for Named {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout)
    }
}

/// Lets public addresses through, and refuses a name that has any other: who has both means to get at the other.
#[derive(Debug)]
struct Guard {
    names: Arc<dyn Names>,
    allow: Vec<String>,
}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.names.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let with_port = uri.port_u16().map(|port| format!("{host}:{port}"));
        let allowed = self.allow.iter().any(|name| *name == host || Some(name) == with_port.as_ref());
        let public = |address: &SocketAddr| is_public(address.ip());
        if !allowed && !addresses.iter().all(public) {
            tracing::warn!(host, "a file's host is not on the public internet, and not in allow_hosts");
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, ..)
    );
    // Addresses that clouds answer metadata and platform services at, outside of the ranges above.
    !special && address != Ipv4Addr::new(168, 63, 129, 16)
}

/// Global unicast, but for what stands for other addresses (IPv4 among them) or for nobody's.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let special = matches!(
        segments,
        // Teredo, ORCHID, benchmarks and the other protocol assignments; documentation; 6to4; documentation again.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..]
    );
    segments[0] & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    const LIMITS: Limits = Limits {
        connect: Duration::from_secs(2),
        answer: Duration::from_secs(2),
        whole: Duration::from_secs(5),
        bytes: 1000,
    };

    /// A server that gives each of its visitors the same answer, and its port.
    fn server(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let _ = stream.write_all(answer);
            }
        });
        port
    }

    const SECRET: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";

    fn read(fetcher: &Fetcher, url: &str) -> Result<String, String> {
        let mut fetched = fetcher.get(url).map_err(|e| e.to_string())?;
        let mut text = String::new();
        fetched.body.read_to_string(&mut text).map_err(|e| e.to_string())?;
        Ok(text)
    }

    /// Resolves every name to what it is told.
    #[derive(Debug)]
    struct Lying(Vec<IpAddr>);

    impl Names for Lying {
        fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut all = DefaultResolver::default().empty();
            self.0.iter().for_each(|ip| all.push(SocketAddr::new(*ip, uri.port_u16().unwrap_or(80))));
            Ok(all)
        }
    }

    #[test]
    fn the_nodes_own_network_is_out_of_reach_in_every_spelling() {
        let port = server(SECRET);
        let url = |host: &str| format!("http://{host}:{port}/");
        let plain = Agent::new_with_defaults();
        let guarded = Fetcher::new(&[], LIMITS);
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "0x7f.1", "2130706433", "0.0.0.0"] {
            // The attack works where nothing is looked at, in the spellings that the system knows.
            let reached = plain.get(url(host)).call().map(|mut r| r.body_mut().read_to_string().unwrap_or_default());
            if ["127.0.0.1", "localhost"].contains(&host) {
                assert_eq!(reached.as_deref().ok(), Some("secret"), "{host}");
            }
            assert!(read(&guarded, &url(host)).is_err(), "{host}");
        }
        // Whom the operator names is reached.
        let named = Fetcher::new(&["LocalHost".into()], LIMITS);
        assert_eq!(read(&named, &url("localhost")).unwrap(), "secret");
        assert!(read(&named, &url("127.0.0.1")).is_err());
        let with_port = Fetcher::new(&[format!("127.0.0.1:{port}")], LIMITS);
        assert_eq!(read(&with_port, &url("127.0.0.1")).unwrap(), "secret");
        let other_port = Fetcher::new(&[format!("127.0.0.1:{}", port ^ 1)], LIMITS);
        assert!(read(&other_port, &url("127.0.0.1")).is_err());
    }

    #[test]
    fn a_public_name_of_a_private_address_is_refused() {
        let port = server(SECRET);
        let url = format!("http://files.example.org:{port}/");
        let (loopback, public) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([93, 184, 216, 34]));
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let lying =
            |addresses: &[IpAddr], allow: &[String]| Fetcher::over(Arc::new(Lying(addresses.to_vec())), allow, LIMITS);
        // The attack: without the guard, the name leads to this machine.
        assert_eq!(read(&lying(&[loopback], &["files.example.org".into()]), &url).unwrap(), "secret");
        for addresses in [&[loopback][..], &[public, loopback], &[mapped]] {
            assert!(read(&lying(addresses, &[]), &url).is_err(), "{addresses:?}");
        }
    }

    #[test]
    fn redirects_are_not_followed() {
        let target = server(SECRET);
        let head = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{target}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let port = server(head.leak().as_bytes());
        let url = format!("http://localhost:{port}/");
        // The attack works where redirects are followed.
        let followed = Agent::new_with_defaults().get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        assert_eq!(followed, "secret");
        let fetcher = Fetcher::new(&["localhost".into()], LIMITS);
        assert!(matches!(fetcher.get(&url), Err(FetchError::Status(302))));
    }

    #[test]
    fn length_and_scheme_are_bounded() {
        let fetcher = Fetcher::new(&["127.0.0.1".into()], LIMITS);
        let long = server(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\nconnection: close\r\n\r\n");
        assert!(matches!(fetcher.get(&format!("http://127.0.0.1:{long}/")), Err(FetchError::TooLarge { .. })));
        let body = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".as_slice(), &[b'x'; 2000]].concat();
        let endless = server(body.leak());
        assert!(read(&fetcher, &format!("http://127.0.0.1:{endless}/")).is_err());
        for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://a:b@127.0.0.1/", "/x", ""]
        {
            assert!(matches!(fetcher.get(url), Err(FetchError::Url(_))), "{url}");
        }
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        for public in ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let others = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for other in others {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
