//! HTTP to a node, with a limit and a time for everything that comes back.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::RemoteError;
use super::error::{HTTP, TLS};
use crate::error::ErrorKind;
use crate::protocol::{API, Problem};

type Result<T> = std::result::Result<T, RemoteError>;

/// The longest problem or other small answer, in bytes.
const MAX_SMALL: u64 = 1 << 20;
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_IDLE: Duration = Duration::from_secs(10);
/// What is repeated of a node's own words.
const MAX_MESSAGE: usize = 500;
/// The most patience that a node is granted.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How to talk to a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// How long one exchange of messages may take. Progress and long results have as long as they go on.
    pub timeout: Duration,
    /// For how long a job is asked for again while the node cannot be reached or is busy: a node that restarts in the meantime
    /// has lost nothing.
    pub patience: Duration,
    /// A file of certificates (PEM) that are trusted in place of those of the web: that of a node which has made its own.
    pub certificates: Option<PathBuf>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), patience: Duration::from_secs(120), certificates: None }
    }
}

/// A node's address, and the connections to it.
pub(crate) struct Http {
    agent: Agent,
    base: String,
    who: String,
}

impl Http {
    pub(crate) fn new(url: &str, options: &RemoteOptions) -> Result<Self> {
        let trimmed = url.trim().trim_end_matches('/');
        let shown = || url.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
        let invalid = |why| RemoteError::InvalidUrl { got: shown(), why };
        let uri: Uri = trimmed.parse().map_err(|_| invalid("expected a URL such as http://127.0.0.1:8030"))?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or_else(|| invalid("expected http:// or https://"))?;
        let authority = uri.authority().ok_or_else(|| invalid("there is no host in it"))?;
        if authority.as_str().contains('@') {
            let got = "(with a name and password)".into();
            return Err(RemoteError::InvalidUrl { got, why: "a node takes no name and password" });
        }
        if uri.query().is_some() {
            return Err(invalid("a node's address has no query"));
        }
        let host = uri.host().unwrap_or_default();
        if scheme == "http" && !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            tracing::warn!(host, "plain HTTP: whoever is on the way sees when jobs are sent, and how large they are");
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &options.certificates {
            let pem = std::fs::read(path).map_err(|_| invalid("the file of certificates cannot be read"))?;
            let own = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let own: Vec<Certificate<'static>> = own.collect();
            if own.is_empty() {
                return Err(invalid("the file of certificates has none, as PEM"));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&own));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(options.timeout.min(Duration::from_secs(10))))
            .timeout_send_body(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            // A body may take as long as it goes on.
            .timeout_per_read(Some(options.timeout))
            .max_idle_age(MAX_IDLE)
            .max_idle_connections_per_host(64)
            .max_response_header_size(MAX_HEADER_BYTES)
            .tls_config(tls.build())
            .user_agent(concat!("sealock/", env!("CARGO_PKG_VERSION")));
        let who = format!("{scheme}://{authority}");
        Ok(Self { agent: config.build().new_agent(), base: trimmed.to_owned(), who })
    }

    /// Scheme, host and port.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Asks for what is at a path from [`API`] on. Answers that are no success are errors.
    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Result<Response<Body>> {
        let url = match &ask.path {
            Path::Api(path) => format!("{}{API}{path}", self.base),
            Path::Root(path) => format!("{}{path}", self.base),
        };
        let lost = |e: ureq::Error| match e {
            // The head of the answer is none: a TLS server's alert, for instance.
            ureq::Error::Protocol(_) => {
                RemoteError::OtherProtocol { who: self.who.clone(), what: ask.what, protocol: HTTP }
            }
            other => self.lost(ask.what, &other),
        };
        let mut response = match ask.body {
            None => {
                let mut request = match ask.method {
                    "DELETE" => self.agent.delete(&url),
                    _ => self.agent.get(&url),
                };
                for (name, value) in &ask.headers {
                    request = request.header(*name, value);
                }
                request.call().map_err(lost)?
            }
            Some((media, body)) => {
                let mut request = self.agent.post(&url).header("Content-Type", media);
                for (name, value) in &ask.headers {
                    request = request.header(*name, value);
                }
                request.send(body).map_err(lost)?
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(ask.what, &mut response))
    }

    /// A whole answer of at most `limit` bytes.
    pub(crate) fn bytes(&self, ask: &Ask<'_>, limit: u64) -> Result<Vec<u8>> {
        let mut response = self.ask(ask)?;
        let read = response.body_mut().with_config().limit(limit).read_to_vec();
        read.map_err(|e| self.lost(ask.what, &e))
    }

    /// A small answer in JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T> {
        self.json_within(ask, MAX_SMALL)
    }

    pub(crate) fn json_within<T: serde::de::DeserializeOwned>(&self, ask: &Ask<'_>, limit: u64) -> Result<T> {
        let bytes = self.bytes(ask, limit)?;
        serde_json::from_slice(&bytes).map_err(|e| self.strange(ask.what, e.to_string()))
    }

    /// Reads on from where `into` ends until the answer's end.
    pub(crate) fn read_on(&self, response: &mut Response<Body>, into: &mut Vec<u8>, limit: u64) -> std::io::Result<()> {
        let left = limit.saturating_sub(into.len() as u64);
        let mut reader = response.body_mut().with_config().limit(left.saturating_add(1)).reader();
        reader.read_to_end(into).map(drop)
    }

    pub(crate) fn strange(&self, what: &'static str, why: String) -> RemoteError {
        RemoteError::Unreachable { who: self.who.clone(), what, why: format!("it is no node of Sealock's: {why}") }
    }

    fn refused(&self, what: &'static str, response: &mut Response<Body>) -> RemoteError {
        let (who, status) = (self.who.clone(), response.status());
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        if matches!(status.as_u16(), 429 | 503) {
            let seconds = header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(1);
            let retry_after = Duration::from_secs(seconds).min(MAX_RETRY_AFTER);
            return RemoteError::Busy { who, retry_after };
        }
        let read = response.body_mut().with_config().limit(MAX_SMALL).read_to_vec();
        let problem: Option<Problem> = read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match problem {
            Some(Problem { code, detail, hint, .. }) => {
                let kind = ErrorKind::ALL.iter().copied().find(|kind| kind.code() == code);
                let short = |text: String| -> String {
                    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
                };
                let (detail, hint) = (short(detail), hint.map(short));
                RemoteError::Refused { who, kind: kind.unwrap_or(ErrorKind::Internal), detail, hint }
            }
            None => RemoteError::Unreachable { who, what, why: format!("it answers with status {status}") },
        }
    }

    pub(crate) fn lost(&self, what: &'static str, error: &ureq::Error) -> RemoteError {
        let who = self.who.clone();
        match error {
            ureq::Error::Timeout(_) => RemoteError::Timeout { who, what },
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => RemoteError::Timeout { who, what },
            ureq::Error::BodyExceedsLimit(limit) => {
                RemoteError::FalseAnswer { who, why: format!("its answer is longer than {limit} bytes") }
            }
            // The first bytes were none of TLS: those of plain HTTP, for instance.
            ureq::Error::Io(e) if e.to_string().contains("InvalidContentType") => {
                RemoteError::OtherProtocol { who, what, protocol: TLS }
            }
            ureq::Error::Io(e) => RemoteError::Unreachable { who, what, why: e.to_string() },
            other => RemoteError::Unreachable { who, what, why: other.to_string() },
        }
    }
}

/// Where something is.
pub(crate) enum Path {
    /// From [`API`] on.
    Api(String),
    /// From the node's root on.
    Root(String),
}

/// One question.
pub(crate) struct Ask<'a> {
    what: &'static str,
    method: &'static str,
    path: Path,
    body: Option<(&'static str, &'a [u8])>,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Ask<'a> {
    /// `what` follows "asked".
    pub(crate) fn get(what: &'static str, path: impl Into<String>) -> Self {
        Self { what, method: "GET", path: Path::Api(path.into()), body: None, headers: Vec::new() }
    }

    pub(crate) fn root(what: &'static str, path: impl Into<String>) -> Self {
        Self { what, method: "GET", path: Path::Root(path.into()), body: None, headers: Vec::new() }
    }

    pub(crate) fn delete(what: &'static str, path: impl Into<String>) -> Self {
        Self { method: "DELETE", ..Self::get(what, path) }
    }

    pub(crate) fn post(what: &'static str, path: impl Into<String>, media: &'static str, body: &'a [u8]) -> Self {
        Self { method: "POST", body: Some((media, body)), ..Self::get(what, path) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
