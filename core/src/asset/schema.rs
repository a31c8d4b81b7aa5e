//! The declaration of a table.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    Column, Kind,
    error::{AssetError, Place},
};
use crate::{
    Digest,
    codec::{CodecError, from_canonical, to_canonical},
};

/// The version of the encoding.
const VERSION: u64 = 1;
/// Most columns of a schema.
const MAX_COLUMNS: usize = 1024;
/// Most bytes of names, categories, descriptions and bin edges together.
const MAX_CONTENT: usize = 16 << 20;

/// The columns of a table: what they hold and what they may be used for.
///
/// Invariants, checked once by [`Schema::new`] and again when decoded: 1 to 1024 columns with distinct names, every
/// declaration consistent, and an encoding of at most [`Schema::MAX_BYTES`].
///
/// A schema is **public**: ranges, categories and bins are published with the asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    columns: Vec<Column>,
}

impl Schema {
    /// Longest canonical encoding, in bytes.
    pub const MAX_BYTES: usize = 32 << 20;

    /// Checks the columns and joins them.
    ///
    /// # Errors
    /// [`AssetError::InvalidSchema`], naming the column.
    pub fn new(columns: Vec<Column>) -> Result<Self, AssetError> {
        let fail = |why: String, hint: &str| {
            Err(AssetError::InvalidSchema { place: Place::default(), why, hint: hint.into() })
        };
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return fail(format!("expected 1 to {MAX_COLUMNS} columns, got {}", columns.len()), "choose the columns");
        }
        let content: usize = columns.iter().map(content).sum();
        if content > MAX_CONTENT {
            return fail(
                format!("names, categories and bins take {content} bytes, at most {MAX_CONTENT} are accepted"),
                "merge rare categories, or leave columns out",
            );
        }
        let mut names = HashSet::with_capacity(columns.len());
        for column in &columns {
            column.validate()?;
            if !names.insert(column.name.as_str()) {
                return Err(AssetError::schema(&column.name, "the name is used twice", "rename one of the columns"));
            }
        }
        Ok(Self { columns })
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`], with names that are spelled alike.
    pub fn column(&self, name: &str) -> Result<&Column, AssetError> {
        self.position(name).map(|index| &self.columns[index])
    }

    /// Where the column of that name stands.
    pub(crate) fn position(&self, name: &str) -> Result<usize, AssetError> {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .ok_or_else(|| AssetError::UnknownColumn { name: name.chars().take(64).collect(), close: self.close(name) })
    }

    /// Names of columns that are spelled alike, the closest first, at most three.
    pub(super) fn close(&self, name: &str) -> Vec<String> {
        let wanted = name.trim().chars().take(64).collect::<String>().to_lowercase();
        let mut close: Vec<_> = (self.columns.iter())
            .map(|column| (strsim::normalized_damerau_levenshtein(&wanted, &column.name.to_lowercase()), &column.name))
            .filter(|(likeness, _)| *likeness >= 0.6)
            .collect();
        close.sort_by(|a, b| b.0.total_cmp(&a.0));
        close.into_iter().take(3).map(|(_, name)| name.clone()).collect()
    }

    /// The schema with the column of the same name replaced.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`] if there is none, [`AssetError::InvalidSchema`] if the new one is invalid.
    pub fn with_column(mut self, column: Column) -> Result<Self, AssetError> {
        let index = self.position(&column.name)?;
        self.columns[index] = column;
        Self::new(self.columns)
    }

    /// The schema without that column.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`] if there is none, [`AssetError::InvalidSchema`] if it was the last one.
    pub fn without_column(mut self, name: &str) -> Result<Self, AssetError> {
        let index = self.position(name)?;
        self.columns.remove(index);
        Self::new(self.columns)
    }

    /// The canonical DAG-CBOR encoding, with its version.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_canonical("schema", self).expect("a schema holds no floats, and its keys are texts")
    }

    /// Reads the canonical encoding and checks every column again.
    ///
    /// # Errors
    /// [`AssetError::Codec`] for more than [`Schema::MAX_BYTES`], another version, bytes that are not canonical, or an
    /// invalid schema.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AssetError> {
        from_canonical("schema", bytes, Self::MAX_BYTES).map_err(|error| {
            // An encoding of another version need not have the same fields: say what is really wrong with it.
            #[derive(Deserialize)]
            struct Version {
                version: u64,
            }
            let small = bytes.len() <= Self::MAX_BYTES;
            match serde_ipld_dagcbor::from_slice::<Version>(if small { bytes } else { &[] }) {
                Ok(Version { version }) if version != VERSION => {
                    CodecError::UnsupportedVersion { what: "schema", got: version, known: VERSION }.into()
                }
                _ => error.into(),
            }
        })
    }

    /// What names the schema in manifests, policies and receipts.
    pub fn digest(&self) -> Digest {
        Digest::of("sealock/v1/schema", &[&self.to_bytes()])
    }
}

/// Bytes that the encoding of a column takes beyond a fixed part.
fn content(column: &Column) -> usize {
    let kind = match &column.kind {
        Kind::Category { values } => values.iter().map(|value| value.len() + 5).sum(),
        _ => 0,
    };
    let bins = column.bins.as_ref().map_or(0, |edges| edges.len() * 9);
    kind + bins + column.name.len() + column.description.as_ref().map_or(0, String::len)
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'a> {
            version: u64,
            columns: &'a [Column],
        }
        Form { version: VERSION, columns: &self.columns }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            version: u64,
            columns: Vec<Column>,
        }
        let form = Form::deserialize(deserializer)?;
        if form.version != VERSION {
            let unknown = CodecError::UnsupportedVersion { what: "schema", got: form.version, known: VERSION };
            return Err(D::Error::custom(unknown));
        }
        Self::new(form.columns).map_err(D::Error::custom)
    }
}

impl std::fmt::Display for Schema {
    /// One line per column: name, domain, use, meaning.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for column in &self.columns {
            write!(f, "{}: {}", column.name, column.domain())?;
            if let (Some(edges), true) = (&column.bins, column.role.dimension) {
                write!(f, " in {} bins", edges.len() - 1)?;
            }
            let uses = [
                (column.role.dimension, "dimension"),
                (column.role.measure, "measure"),
                (column.role.entity, "entity"),
                (column.nullable, "nullable"),
            ];
            for (_, word) in uses.iter().filter(|(set, _)| *set) {
                write!(f, ", {word}")?;
            }
            if let Some(text) = &column.description {
                write!(f, " ({})", text.replace(char::is_control, " "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
