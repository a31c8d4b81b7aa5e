//! Why an asset is not what it should be.

use std::fmt;

use crate::{
    codec::CodecError,
    error::{Classify, ErrorKind},
};

/// Where in a table something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The column's name, if it lies in one.
    pub column: Option<String>,
    /// The row, counted from 0, if it lies in one.
    pub row: Option<u64>,
}

impl Place {
    pub(crate) fn column(name: &str) -> Self {
        Self { column: Some(name.into()), row: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.column, self.row) {
            (Some(column), Some(row)) => write!(f, "column {column:?}, row {row}"),
            (Some(column), None) => write!(f, "column {column:?}"),
            (None, Some(row)) => write!(f, "row {row}"),
            (None, None) => f.write_str("table"),
        }
    }
}

/// Why a schema, a table, terms or a description is refused.
///
/// The messages quote names and single values of the owner's data: they are for the owner, never for a remote party.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetError {
    /// A schema or column declaration contradicts itself or passes a limit.
    #[error("invalid schema: {place}: {why}")]
    InvalidSchema {
        /// The column.
        place: Place,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: String,
    },
    /// There is no column of that name.
    #[error("there is no column {name:?}{}", Close(.close))]
    UnknownColumn {
        /// What was asked for.
        name: String,
        /// Names that are spelled alike, the closest first.
        close: Vec<String>,
    },
    /// Rows that a table does not have.
    #[error("rows {} to {}: expected a range within the table's {rows} rows", got.start, got.end)]
    NoSuchRows {
        /// What was asked for.
        got: std::ops::Range<u64>,
        /// How many rows there are.
        rows: u64,
    },
    /// A table does not have the shape that its schema declares.
    #[error("{place}: expected {expected}, got {got}")]
    SchemaMismatch {
        /// Where.
        place: Place,
        /// What the schema declares.
        expected: String,
        /// What came.
        got: String,
        /// What to do.
        hint: String,
    },
    /// A value lies outside the domain that its column declares.
    #[error("{place}: expected {expected}, got {got}")]
    OutOfDomain {
        /// Where.
        place: Place,
        /// The column's domain.
        expected: String,
        /// What came.
        got: String,
        /// What to do.
        hint: String,
    },
    /// An Arrow type that no column kind can hold.
    #[error("{place}: no column kind holds Arrow's {got}")]
    UnsupportedType {
        /// The column.
        place: Place,
        /// The Arrow type.
        got: String,
        /// What to do.
        hint: String,
    },
    /// Bytes that are no file of the expected format.
    #[error("not a readable {format} file: {why}")]
    Unreadable {
        /// Parquet or CSV.
        format: &'static str,
        /// What the reader found.
        why: String,
    },
    /// The operating system refused a read or a write.
    #[error("{what}: {source}")]
    Io {
        /// What was read or written.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A price, limit or validity that makes no sense.
    #[error("invalid terms: {field}: expected {expected}, got {got}")]
    InvalidTerms {
        /// The field.
        field: &'static str,
        /// What the field takes.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A part of an offer that its description has no room for.
    #[error("invalid offer: {field}: {why}")]
    InvalidOffer {
        /// The field, as a path into the DDO.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// A description that is no valid DDO of a Sealock asset.
    #[error("invalid description: {field}: {why}")]
    InvalidDescription {
        /// The field, as a path into the DDO.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// A description in a version of Ocean's DDO that this build does not know.
    #[error("the DDO has version {got:?}, this build reads {known}")]
    UnsupportedDdo {
        /// The version found, cut to 16 characters.
        got: String,
        /// The versions that this build reads.
        known: String,
    },
    /// A text that is no `did:op:` identifier, or one that names another asset.
    #[error("invalid DID: expected {expected}, got {got:?}")]
    InvalidDid {
        /// What was expected.
        expected: String,
        /// What came, cut to 80 characters.
        got: String,
    },
    /// Canonical encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Writes ": did you mean …?".
struct Close<'a>(&'a [String]);

impl fmt::Display for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            write!(f, "{}{name:?}", if i == 0 { ": did you mean " } else { " or " })?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "?" })
    }
}

impl AssetError {
    pub(crate) fn schema(column: &str, why: impl Into<String>, hint: impl Into<String>) -> Self {
        AssetError::InvalidSchema { place: Place::column(column), why: why.into(), hint: hint.into() }
    }
    pub(crate) fn description(field: impl Into<String>, why: impl Into<String>) -> Self {
        AssetError::InvalidDescription { field: field.into(), why: why.into() }
    }

    /// The same error, found in this row of a table.
    pub(crate) fn in_row(mut self, row: usize) -> Self {
        if let AssetError::SchemaMismatch { place, .. } | AssetError::OutOfDomain { place, .. } = &mut self {
            place.row = Some(row as u64);
        }
        self
    }
}

impl Classify for AssetError {
    fn kind(&self) -> ErrorKind {
        match self {
            AssetError::InvalidSchema { .. }
            | AssetError::InvalidTerms { .. }
            | AssetError::InvalidOffer { .. }
            | AssetError::NoSuchRows { .. } => ErrorKind::InvalidArgument,
            AssetError::UnknownColumn { .. } => ErrorKind::UnknownColumn,
            AssetError::SchemaMismatch { .. } => ErrorKind::SchemaMismatch,
            AssetError::OutOfDomain { .. } => ErrorKind::OutOfDomain,
            AssetError::UnsupportedType { .. } => ErrorKind::UnsupportedType,
            AssetError::Unreadable { .. } | AssetError::InvalidDescription { .. } | AssetError::InvalidDid { .. } => {
                ErrorKind::Malformed
            }
            AssetError::UnsupportedDdo { .. } => ErrorKind::UnsupportedVersion,
            AssetError::Io { .. } => ErrorKind::Io,
            AssetError::Codec(e) => e.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            AssetError::InvalidSchema { hint, .. }
            | AssetError::SchemaMismatch { hint, .. }
            | AssetError::OutOfDomain { hint, .. }
            | AssetError::UnsupportedType { hint, .. } => Some(hint.clone()),
            AssetError::UnknownColumn { close, .. } => Some(
                if close.is_empty() { "look the columns up in the asset's schema" } else { "check the spelling" }
                    .into(),
            ),
            AssetError::UnsupportedDdo { .. } => {
                Some("use a newer version of Sealock, or ask the publisher for a document in one of these".into())
            }
            AssetError::Codec(e) => e.hint(),
            _ => None,
        }
    }
}

impl AssetError {
    /// The same about a literal of a consumer's, who cannot change the schema. `hide` leaves the literal out.
    pub(crate) fn of_literal(self, hide: bool) -> Self {
        let shown = |got: String| if hide { "a secret literal".into() } else { got };
        let hint = || "compare with what the column holds: the asset's schema has its domain".to_string();
        match self {
            AssetError::OutOfDomain { place, expected, got, .. } => {
                AssetError::OutOfDomain { place, expected, got: shown(got), hint: hint() }
            }
            AssetError::SchemaMismatch { place, expected, got, .. } => {
                AssetError::SchemaMismatch { place, expected, got: shown(got), hint: hint() }
            }
            other => other,
        }
    }

    /// The same about an offer of the caller's, whose description cannot be made.
    pub(crate) fn of_offer(self) -> Self {
        match self {
            AssetError::InvalidDescription { field, why } => AssetError::InvalidOffer { field, why },
            other => other,
        }
    }
}

/// At most 64 characters of what came, for a message.
pub(crate) fn quote(text: &str) -> String {
    let cut: String = text.chars().take(64).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}
