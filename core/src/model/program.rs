//! The inference program: how many vectors a model is applied to. What is in them is in the encrypted query.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::program::ProgramError;

const VERSION: u64 = 1;
const MAX_BYTES: usize = 64;

/// Applies the asset's model to so many vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inference {
    vectors: u32,
}

/// Its form as bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    infer: Of,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    vectors: u32,
}

impl Inference {
    /// The program for so many vectors.
    ///
    /// # Errors
    /// [`ProgramError::Shape`] for none.
    pub fn of(vectors: u32) -> Result<Self, ProgramError> {
        match vectors {
            0 => Err(ProgramError::Shape("an inference is of at least one vector".into())),
            vectors => Ok(Self { vectors }),
        }
    }

    /// How many vectors.
    pub const fn vectors(&self) -> u32 {
        self.vectors
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// None that two numbers give rise to.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProgramError> {
        Ok(to_canonical("program", &Form { version: VERSION, infer: Of { vectors: self.vectors } })?)
    }

    /// Reads canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ProgramError::Codec`] for anything else; [`ProgramError::Shape`] for no vector.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        let Form { version, infer } = from_canonical("program", bytes, MAX_BYTES)?;
        if version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: "program", got: version, known: VERSION }.into());
        }
        Self::of(infer.vectors)
    }

    /// The digest that proofs and receipts name it by.
    ///
    /// # Errors
    /// As [`Inference::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ProgramError> {
        Ok(Digest::of("sealock/v1/program", &[&self.to_bytes()?]))
    }
}

impl fmt::Display for Inference {
    /// For people: `infer 3 vectors`. It has no parser.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "infer {} vector{}", self.vectors, if self.vectors == 1 { "" } else { "s" })
    }
}
