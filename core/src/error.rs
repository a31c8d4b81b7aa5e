//! One table of error kinds for Rust, C and Python.
//!
//! Every module has its own error type with its own words; each of them names the [`ErrorKind`] it belongs to and, where
//! there is something to do about it, a hint. [`Error`] joins them. The numbers are the C ABI's error codes and the names
//! its constants and the Python exception classes: a number is never reused. 0 is success.

use std::fmt;

/// Result of the exchange's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What went wrong, as a stable number and name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $name = $code,)+ }

        impl ErrorKind {
            /// Every kind, in the order of the codes.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)+];

            /// The stable number, as in the C ABI.
            pub const fn code(self) -> u32 { self as u32 }

            /// The stable name, as in the Python exception classes.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)+ }
            }
        }
    };
}

error_kinds! {
    /// A bug of Sealock's own, caught before it did harm. Please report it.
    Internal = 1,

    /// An argument is outside what the function takes.
    InvalidArgument = 100,
    /// More bytes than the limit of this type allows.
    TooLarge = 101,
    /// Bytes that do not decode, are not canonical, or carry something after their end.
    Malformed = 102,
    /// A version or suite that this build does not know.
    UnsupportedVersion = 103,
    /// The operating system refused a read or a write.
    Io = 104,
    /// The caller cancelled the operation.
    Cancelled = 105,
    /// A database of Sealock's own is damaged or was written by something else.
    CorruptState = 106,
    /// A signature does not belong to the expected account.
    BadSignature = 107,

    /// A table does not have the shape that its schema declares.
    SchemaMismatch = 200,
    /// A value lies outside the domain that its column declares.
    OutOfDomain = 201,
    /// There is no column of that name.
    UnknownColumn = 202,
    /// A column's Arrow type has no counterpart in a Sealock schema.
    UnsupportedType = 203,

    /// The key does not open this object.
    WrongKey = 300,
    /// A ciphertext was changed, reordered or spliced.
    Tampered = 301,
    /// A ciphertext ends too early.
    Truncated = 302,
    /// A manifest is inconsistent.
    InvalidManifest = 303,
    /// The key was destroyed: what it sealed is deleted.
    KeyDestroyed = 304,

    /// There is no such block, object or record.
    NotFound = 400,
    /// A block's bytes are not what its CID says.
    CidMismatch = 401,
    /// The store is in use by another process.
    Locked = 402,
    /// Nobody answered in time.
    Timeout = 403,
    /// A peer or daemon cannot be reached, or does not speak the protocol.
    Unreachable = 404,
    /// A node has too much to do, and took nothing.
    Busy = 405,

    /// The account holds less than the transfer needs.
    InsufficientBalance = 500,
    /// The account may not do this to that token.
    NotAuthorized = 501,
    /// Minting would pass the token's cap.
    CapExceeded = 502,
    /// A transaction's nonce is not the account's next one.
    NonceMismatch = 503,
    /// There is no such token on the ledger.
    UnknownToken = 504,
    /// The token is not for sale in this way.
    NotForSale = 505,
    /// The price moved above what the buyer accepts.
    PriceExceeded = 506,
    /// A dispenser gives no more to this account.
    DispenserLimit = 507,
    /// The order is not one of this asset's.
    OrderMismatch = 508,
    /// The order has expired.
    OrderExpired = 509,
    /// The order was taken back by its seller.
    OrderRevoked = 510,

    /// A remote request was rejected. It says no more to a remote party.
    Rejected = 600,
    /// The credential is not in the group.
    NotAMember = 601,
    /// The use was spent before.
    NullifierSpent = 602,
    /// All uses of the order are spent.
    UseLimitReached = 603,
    /// The access proof does not verify.
    InvalidProof = 604,
    /// The group root is not one that the owner accepts.
    UnknownRoot = 605,
    /// The request's deadline has passed, or lies too far ahead.
    DeadlinePassed = 606,
    /// An access key is not what the circuit says: proofs under it could tell orders apart.
    UnsafeKey = 607,

    /// A program does not fit the asset's schema.
    InvalidProgram = 700,
    /// A program is valid, but nothing here can run it.
    UnsupportedProgram = 701,

    /// The asset's policy does not allow this.
    PolicyDenied = 800,
    /// The asset's privacy budget does not suffice for another answer.
    BudgetExhausted = 801,

    /// An encrypted computation's parameters or inputs do not fit.
    Encryption = 900,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a module's error tells beside its message.
pub trait Classify: std::error::Error {
    /// The kind, and with it the code.
    fn kind(&self) -> ErrorKind;
    /// What to do about it, where there is something to do.
    fn hint(&self) -> Option<String> {
        None
    }
}

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $name:ident($source:ty),)+) => {
        /// Any error of the exchange.
        ///
        /// `Debug` shows the message and the hint, so that `main` can return it.
        #[derive(thiserror::Error)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[doc = $doc])+ $(#[cfg($cfg)])? #[error(transparent)] $name(Box<$source>),)+
        }

        $($(#[cfg($cfg)])? impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Error::$name(Box::new(error))
            }
        })+

        impl Error {
            fn inner(&self) -> &dyn Classify {
                match self { $($(#[cfg($cfg)])? Error::$name(e) => &**e,)+ }
            }
        }
    };
}

errors! {
    /// Canonical encoding.
    Codec(crate::codec::CodecError),
    /// Accounts and signatures.
    Account(crate::account::AccountError),
    /// Schemas, tables and descriptions.
    Asset(crate::asset::AssetError),
    /// Encryption at rest.
    Envelope(crate::envelope::EnvelopeError),
    /// Key stores.
    KeyStore(crate::keystore::KeyStoreError),
    /// Block stores.
    Store(crate::store::StoreError),
    /// Tokens and orders.
    Ledger(crate::ledger::LedgerError),
    /// Programs.
    Program(crate::program::ProgramError),
    /// Queries as SQL.
    Sql(crate::program::SqlError),
    /// Models and their inputs.
    Model(crate::model::ModelError),
    /// Policies.
    Policy(crate::policy::PolicyError),
    /// Owners that answer together.
    Federation(crate::federation::FederationError),
    /// Privacy losses.
    Privacy(crate::privacy::PrivacyError),
    /// Data cubes.
    Cube(crate::cube::CubeError),
    /// The consumer's steps.
    Order(crate::order::OrderError),
    /// Access proofs.
    Zk(crate::zk::ZkError),
    /// The consumer's memory.
    Wallet(crate::wallet::WalletError),
    /// A refused request.
    Rejected(crate::access::Rejected),
    /// The node's memory.
    Journal(crate::journal::JournalError),
    /// Receipts.
    Receipt(crate::receipt::ReceiptError),
    /// Sealed results.
    Release(crate::release::ReleaseError),
    /// Encrypted computation.
    Encryption(sealock_fhe::Error),
    /// Sealed data.
    Sealed(crate::sealed::SealedError),
    /// A node's own failures.
    Node(crate::node::NodeError),
    /// An owner's changes to an asset.
    Owner(crate::owner::OwnerError),
    /// The node's server.
    #[cfg(feature = "server")]
    Server(crate::server::ServerError),
    /// Nodes of others.
    Remote(crate::remote::RemoteError),
    /// Exchanges.
    Exchange(crate::exchange::ExchangeError),
    /// A long operation that its caller stopped.
    Cancelled(crate::progress::Cancelled),
}

impl Classify for sealock_fhe::Error {
    fn kind(&self) -> ErrorKind {
        match self {
            sealock_fhe::Error::NoDevice { .. } => ErrorKind::InvalidArgument,
            _ => ErrorKind::Encryption,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind())?;
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.inner().kind()
    }
    /// The stable number of the kind.
    pub fn code(&self) -> u32 {
        self.kind().code()
    }
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        self.inner().hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(ErrorKind::ALL.windows(2).all(|w| w[0].code() < w[1].code()));
    }
}
