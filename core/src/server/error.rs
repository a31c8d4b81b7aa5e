//! Why a server does not start, and what it answers when something is wrong.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::{Classify, Error, ErrorKind};
use crate::protocol::{PROBLEM_JSON, Problem};

/// Why a server does not start or ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("TLS with {certificate} and its key: {why}")]
    Tls {
        /// The file of the certificate.
        certificate: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An option that cannot be.
    #[error("the option {option}: {why}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Threads could not be made, or a listener failed.
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

impl Classify for ServerError {
    fn kind(&self) -> ErrorKind {
        match self {
            ServerError::Listen { .. } | ServerError::Io(_) => ErrorKind::Io,
            ServerError::Tls { .. } | ServerError::Option { .. } => ErrorKind::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ServerError::Listen { .. } => "another program may listen there; port 0 takes any that is free".into(),
            ServerError::Tls { .. } => "both are PEM files: the certificate chain, and its private key".into(),
            ServerError::Option { .. } | ServerError::Io(_) => return None,
        })
    }
}

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    problem: Box<Problem>,
    retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, kind: ErrorKind, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind_uri: format!("urn:sealock:error:{}", kind.name()),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            code: kind.code(),
            hint: None,
        };
        Self { status, problem: Box::new(problem), retry_after: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorKind::NotFound, format!("there is no such {what}"))
    }

    pub(crate) fn busy(seconds: u64, why: &str) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Busy, why);
        Self { retry_after: Some(seconds.max(1)), ..failure }.hint("send the same again later: nothing was spent")
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.problem.code == ErrorKind::Busy.code()
    }

    /// Whether it is for what was asked, and not for the node's own reasons.
    pub(crate) fn is_rejection(&self) -> bool {
        self.status.is_client_error()
    }

    pub(crate) fn too_large(what: &str, limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::TooLarge, format!("{what}: at most {limit} bytes are read"))
    }
}

/// What went wrong, as somebody far away may know it: the reason of a refusal is the owner's, and so is what failed inside.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use ErrorKind as K;
        let kind = error.kind();
        let status = match kind {
            K::Rejected => StatusCode::FORBIDDEN,
            // A block that the node has lost is nobody else's business.
            K::NotFound | K::UnknownToken if !matches!(error, Error::Store(_) | Error::KeyStore(_)) => {
                StatusCode::NOT_FOUND
            }
            K::KeyDestroyed => StatusCode::GONE,
            K::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            K::InvalidArgument | K::Malformed | K::UnsupportedVersion => StatusCode::BAD_REQUEST,
            K::NotAuthorized => StatusCode::FORBIDDEN,
            K::Unreachable | K::Timeout | K::Locked | K::Busy => {
                tracing::warn!(%error, "a request waits for something that is not there");
                return Self::busy(5, "the node waits for something that it needs");
            }
            _ => {
                tracing::error!(%error, kind = kind.name(), "a request failed");
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, K::Internal, "the node failed, and spent nothing");
            }
        };
        let failure = Self::new(status, kind, error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
