//! HTTP: one POST per command, with a limit and a time for everything that comes back.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

use super::super::{Block, Result, StoreError};
use super::KuboOptions;

/// The longest answer that is a list: a million pins.
const MAX_LIST_BYTES: u64 = 128 << 20;
/// The longest answer that is one object, or an error.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
const MAX_HEADER_BYTES: usize = 16 << 10;
/// What is repeated of a daemon's own words.
const MAX_MESSAGE: usize = 300;
/// js-ipfs closes a connection that was idle for 5 s.
const MAX_IDLE: Duration = Duration::from_secs(3);
/// By how much longer than the daemon the client waits, so that the daemon can say why.
const GRACE: Duration = Duration::from_secs(5);

/// What a daemon's `API.Authorizations` asks for. It is sent with every request: over plain HTTP, everybody on the way
/// reads it.
#[derive(Clone)]
pub struct Auth(Zeroizing<String>);

impl Auth {
    /// `bearer:<token>`.
    pub fn bearer(token: &str) -> Self {
        Self(Zeroizing::new(format!("Bearer {token}")))
    }

    /// `basic:<user>:<password>` (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(data_encoding::BASE64.encode(pair.as_bytes()));
        Self(Zeroizing::new(format!("Basic {}", *encoded)))
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth(_)")
    }
}

/// A command, its parameters, and how long it may take.
pub(super) struct Ask {
    command: &'static str,
    query: Vec<(&'static str, String)>,
    timeout: Duration,
    /// Boundary and body of a form with one file.
    form: Option<(String, Vec<u8>)>,
}

impl Ask {
    pub(super) fn new(command: &'static str) -> Self {
        Self { command, query: Vec::new(), timeout: Duration::ZERO, form: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: &dyn Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits longer than the daemon, which has the same time.
    pub(super) fn patient(mut self) -> Self {
        self.timeout += GRACE;
        self
    }

    /// Sends a block along, as a form (RFC 7578). Its own CID divides the form: nobody finds bytes that contain their hash.
    pub(super) fn data(mut self, block: &Block) -> Self {
        let boundary = block.cid().to_string();
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"block\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        self.form = Some((boundary, [head.as_bytes(), block.bytes(), tail.as_bytes()].concat()));
        self
    }
}

/// Why there is no answer.
pub(super) enum Refusal {
    /// The daemon says so.
    Said(String),
    /// It does not let us in.
    NotAllowed(StatusCode),
    /// It did not answer in time.
    Late(&'static str, Duration),
    /// It sent more than it may.
    TooLong { got: u64 },
    /// Nobody is there, or not a daemon.
    Lost(String),
}

impl Refusal {
    /// Whether the daemon's words contain one of these.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        matches!(self, Refusal::Said(message) if words.iter().any(|word| message.to_lowercase().contains(word)))
    }

    pub(super) const fn is_timeout(&self) -> bool {
        matches!(self, Refusal::Late(..))
    }

    /// `what` was asked for, in words that follow "asked".
    pub(super) fn into_error(self, client: &Client, what: &str) -> StoreError {
        let who = client.who.clone();
        match self {
            Refusal::Said(message) => {
                StoreError::Io { what: format!("{who}, asked {what}"), source: io::Error::other(message) }
            }
            Refusal::NotAllowed(status) => {
                StoreError::Unreachable { who, why: format!("it asks for authorization ({status})") }
            }
            Refusal::Late(command, waited) => StoreError::NoAnswer { who, command, waited },
            Refusal::TooLong { got } => {
                StoreError::Unreachable { who, why: format!("its answer is longer than {got} bytes") }
            }
            Refusal::Lost(why) => StoreError::Unreachable { who, why },
        }
    }
}

pub(super) struct Client {
    agent: Agent,
    /// Scheme, host and port.
    who: String,
    auth: Option<Auth>,
}

impl Client {
    pub(super) fn new(address: &str, options: &KuboOptions) -> Result<Self> {
        let who = base_url(address)?;
        if options.auth.is_some() && who.starts_with("http:") && !is_loopback(&who) {
            tracing::warn!(daemon = %who, "the daemon's secret travels unencrypted: use https");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Of the environment: a proxy is no place for an administrator's interface.
            .proxy(None)
            .timeout_connect(Some(options.connect_timeout))
            .max_idle_age(MAX_IDLE)
            .max_response_header_size(MAX_HEADER_BYTES)
            .user_agent(concat!("sealock/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().new_agent(), who, auth: options.auth.clone() })
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// An answer that does not fit the question.
    pub(super) fn garbled(&self, command: &str, expected: &str) -> StoreError {
        let why = format!("it does not speak Kubo's RPC: expected {expected} from {command}, it sent something else");
        StoreError::Unreachable { who: self.who.clone(), why }
    }

    /// One object, or an error.
    pub(super) fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        self.answer(ask).map_err(|refusal| refusal.into_error(self, &format!("for {}", ask.command)))
    }

    /// One object.
    pub(super) fn answer<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, Refusal> {
        let bytes = self.bytes(ask, MAX_ANSWER_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|e| not_json(ask, &e))
    }

    /// One object per line, each handed to `take`: of short ones a list may have more than fit in memory.
    pub(super) fn lines<T: DeserializeOwned>(&self, ask: &Ask, mut take: impl FnMut(T)) -> Result<(), Refusal> {
        let bytes = self.bytes(ask, MAX_LIST_BYTES)?;
        let mut lines = serde_json::Deserializer::from_slice(&bytes).into_iter::<T>();
        lines.try_for_each(|line| line.map(&mut take)).map_err(|e| not_json(ask, &e))
    }

    fn send(&self, ask: &Ask) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.post(format!("{}/api/v0/{}", self.who, ask.command));
        for (name, value) in &ask.query {
            request = request.query(name, value);
        }
        if let Some(auth) = &self.auth {
            request = request.header("Authorization", auth.0.as_str());
        }
        let Some((boundary, body)) = &ask.form else {
            return request.config().timeout_global(Some(ask.timeout)).build().send_empty();
        };
        // From a reader, as Kubo's own client sends it: js-ipfs refuses a form that announces more than 1 MiB.
        let request = request.header("Content-Type", format!("multipart/form-data; boundary={boundary}"));
        request.config().timeout_global(Some(ask.timeout)).build().send(SendBody::from_reader(&mut &body[..]))
    }

    /// The body of the answer, of at most `limit` bytes.
    pub(super) fn bytes(&self, ask: &Ask, limit: u64) -> Result<Vec<u8>, Refusal> {
        let lost = |e| lost(e, ask);
        // A daemon may close an idle connection just when it is used again. Every command can be repeated.
        let mut response = match self.send(ask) {
            Err(ureq::Error::Io(e)) if e.kind() != io::ErrorKind::ConnectionRefused => self.send(ask),
            sent => sent,
        }
        .map_err(lost)?;
        let status = response.status();
        if status.is_success() {
            return response.body_mut().with_config().limit(limit).read_to_vec().map_err(lost);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Refusal::NotAllowed(status));
        }
        #[derive(Deserialize)]
        struct Fault {
            #[serde(rename = "Message")]
            message: String,
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().map_err(lost)?;
        match serde_json::from_slice(&body) {
            Ok(Fault { message }) => Err(Refusal::Said(shorten(&message))),
            Err(_) => Err(Refusal::Lost(format!("it does not speak Kubo's RPC: {} answers {status}", ask.command))),
        }
    }
}

fn not_json(ask: &Ask, error: &serde_json::Error) -> Refusal {
    Refusal::Lost(format!("it does not speak Kubo's RPC: {} answers {}", ask.command, shorten(&error.to_string())))
}

fn lost(error: ureq::Error, ask: &Ask) -> Refusal {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Refusal::Lost("nobody answers there".into())
        }
        ureq::Error::Timeout(_) => Refusal::Late(ask.command, ask.timeout),
        ureq::Error::BodyExceedsLimit(got) => Refusal::TooLong { got },
        error => Refusal::Lost(shorten(&error.to_string())),
    }
}

fn shorten(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn is_loopback(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Scheme, host, port and path of an RPC's address, without a slash at the end.
fn base_url(address: &str) -> Result<String> {
    let bad = |why: &str| StoreError::InvalidAddress {
        got: shorten(address),
        why: format!("{why}; expected http://127.0.0.1:5001 or /ip4/127.0.0.1/tcp/5001"),
    };
    let url = match address.strip_prefix('/') {
        Some(multiaddr) => from_multiaddr(multiaddr).ok_or_else(|| bad("not the multiaddr of a TCP port"))?,
        None => address.to_owned(),
    };
    let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad("not a URL of http or https"));
    };
    if authority.as_str().contains('@') {
        // Not repeated in the message: it holds a secret.
        let why = "it holds a password: give it as KuboOptions::auth".into();
        return Err(StoreError::InvalidAddress { got: format!("{scheme}://…@…"), why });
    }
    if uri.query().is_some() {
        return Err(bad("it has a query"));
    }
    let path = uri.path().trim_end_matches('/').trim_end_matches("/api/v0");
    Ok(format!("{scheme}://{authority}{path}"))
}

/// `ip4/127.0.0.1/tcp/5001`, also with `ip6`, `dns`, `dns4`, `dns6`, and `http` or `https` at the end.
fn from_multiaddr(multiaddr: &str) -> Option<String> {
    let mut parts = multiaddr.trim_end_matches('/').split('/');
    let host = match (parts.next()?, parts.next()?) {
        ("ip4", ip) => ip.parse::<std::net::Ipv4Addr>().ok()?.to_string(),
        ("ip6", ip) => format!("[{}]", ip.parse::<std::net::Ipv6Addr>().ok()?),
        ("dns" | "dns4" | "dns6", name) => name.to_owned(),
        _ => return None,
    };
    let ("tcp", port) = (parts.next()?, parts.next()?.parse::<u16>().ok()?) else { return None };
    let scheme = match (parts.next(), parts.next()) {
        (None | Some("http"), None) => "http",
        (Some("https"), None) | (Some("tls"), Some("http")) => "https",
        _ => return None,
    };
    if parts.next().is_some() { None } else { Some(format!("{scheme}://{host}:{port}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_address_is_a_url_or_a_multiaddr() {
        for (address, url) in [
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
            ("http://127.0.0.1:5001/", "http://127.0.0.1:5001"),
            ("http://127.0.0.1:5001/api/v0/", "http://127.0.0.1:5001"),
            ("https://ipfs.example/some/path", "https://ipfs.example/some/path"),
            ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001"),
            ("/ip4/127.0.0.1/tcp/5001/http", "http://127.0.0.1:5001"),
            ("/ip6/::1/tcp/5001", "http://[::1]:5001"),
            ("/dns4/ipfs.example/tcp/443/https", "https://ipfs.example:443"),
            ("/dns/ipfs.example/tcp/443/tls/http", "https://ipfs.example:443"),
        ] {
            assert_eq!(base_url(address).unwrap(), url, "{address}");
        }
    }

    #[test]
    fn what_is_no_address_of_an_rpc_is_refused_and_a_password_in_it_not_repeated() {
        for address in [
            "",
            "127.0.0.1:5001",
            "ftp://127.0.0.1",
            "http://",
            "http://h/?x=1",
            "/ip4/127.0.0.1",
            "/ip4/1.2.3/tcp/1",
            "/ip4/127.0.0.1/udp/5001",
            "/ip4/127.0.0.1/tcp/70000",
            "/ip4/127.0.0.1/tcp/5001/ws",
            "/dns/a b/tcp/1",
        ] {
            assert!(matches!(base_url(address), Err(StoreError::InvalidAddress { .. })), "{address}");
        }
        let told = base_url("http://me:hunter2@127.0.0.1:5001").unwrap_err().to_string();
        assert!(!told.contains("hunter2") && told.contains("auth"), "{told}");
        assert_eq!(format!("{:?}", Auth::bearer("hunter2")), "Auth(_)");
    }

    #[test]
    fn secrets_are_sent_as_rfc_7617_and_6750_say() {
        assert_eq!(Auth::basic("Aladdin", "open sesame").0.as_str(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(Auth::bearer("t").0.as_str(), "Bearer t");
    }
}
