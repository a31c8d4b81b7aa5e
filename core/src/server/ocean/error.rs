//! What Ocean's clients hear when something is wrong: a status, and JSON text.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::{Error, ErrorKind};

/// Why a request is answered with no success.
///
/// The texts are those of Ocean's nodes where a client may look at them. None tells whether an order, a job or an account
/// exists that is not the caller's.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    why: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::malformed(format!("Missing required parameter: \"{parameter}\""))
    }

    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, why)
    }

    pub(super) fn forbidden(why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, why)
    }

    pub(super) fn not_found(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, why)
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The node is busy: try again later")
    }

    pub(super) fn failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }
}

/// The reason of a refusal is the owner's, and so is what failed inside.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        use ErrorKind as K;
        match error.kind() {
            K::Rejected => Self::forbidden("rejected"),
            K::KeyDestroyed => Self::new(StatusCode::GONE, "The data is gone"),
            K::Unreachable | K::Timeout | K::Locked | K::Busy => {
                tracing::warn!(%error, "a request of Ocean's waits for something that is not there");
                Self::busy()
            }
            _ => {
                tracing::error!(%error, kind = error.kind().name(), "a request of Ocean's failed");
                Self::failed()
            }
        }
    }
}

/// `?` on the ledger's, the book's and other errors.
macro_rules! by_way_of_error {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        })+
    };
}

by_way_of_error!(
    crate::ledger::LedgerError,
    crate::envelope::EnvelopeError,
    crate::store::StoreError,
    crate::account::AccountError,
    crate::codec::CodecError,
    crate::journal::JournalError,
);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let busy = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = (self.status, Json(self.why)).into_response();
        if busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
