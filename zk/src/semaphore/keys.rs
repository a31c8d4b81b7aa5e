//! Keys of the ceremony.

use core::fmt;

use ark_bn254::{Bn254, Fr};
use ark_relations::gr1cs::Matrix;
use sha2::{Digest, Sha256};

use super::{
    json::{JsonError, parse, verifying_key},
    witness::{PUBLIC_INPUTS, variables},
    zkey::{Counts, Zkey, ZkeyError},
};

/// The deepest circuit of the ceremony.
pub const MAX_DEPTH: usize = 32;

/// The largest key file of the ceremony has 5.9 MB.
const MAX_ZKEY_BYTES: usize = 16 << 20;

/// The key that proofs are verified with: one for each depth.
#[derive(Clone)]
pub struct VerifyingKey {
    depth: usize,
    pub(crate) inner: ark_groth16::PreparedVerifyingKey<Bn254>,
}

impl VerifyingKey {
    /// Reads a key of snarkjs, such as `semaphore-<depth>.json` of `@zk-kit/semaphore-artifacts`. Whoever has made it
    /// can forge proofs: take it from the ceremony.
    ///
    /// # Errors
    ///
    /// [`JsonError`] for another shape, depth, curve or number of public inputs, for coordinates that are not
    /// canonical, and for a point that is not in its subgroup, is the identity, or makes γ and δ equal.
    pub fn from_snarkjs(depth: usize, json: &str) -> Result<Self, JsonError> {
        if !(1..=MAX_DEPTH).contains(&depth) {
            return Err(JsonError::Depth { got: depth });
        }
        let points = verifying_key(&parse("verifying key", json)?, PUBLIC_INPUTS as usize)?;
        Ok(Self { depth, inner: points.into() })
    }

    /// The depth of the circuit: groups have up to 2^depth members.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.depth == other.depth && self.inner.vk == other.inner.vk
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "semaphore::VerifyingKey(depth {})", self.depth)
    }
}

/// The key that proofs are made with.
pub struct ProvingKey {
    pub(super) key: ark_groth16::ProvingKey<Bn254>,
    pub(super) matrices: Vec<Matrix<Fr>>,
    verifying_key: VerifyingKey,
}

impl ProvingKey {
    /// Reads a key file of snarkjs for Semaphore's circuit of some depth, and checks that every point is in its
    /// subgroup. Takes about a second at depth 20.
    ///
    /// That the file is the ceremony's is for the caller to know: compare [`verifying_key`](Self::verifying_key) with
    /// one that is authentic, or pin the file's digest and use [`from_pinned_zkey`](Self::from_pinned_zkey).
    ///
    /// # Errors
    ///
    /// [`ZkeyError`].
    pub fn from_zkey(bytes: &[u8]) -> Result<Self, ZkeyError> {
        Self::read(bytes, true)
    }

    /// Reads a key file whose SHA-256 digest is pinned, without checking the points of its queries: bytes with the
    /// right digest are the ones that the pin was taken from. Milliseconds.
    ///
    /// # Errors
    ///
    /// [`ZkeyError::Digest`] for other bytes, otherwise as [`from_zkey`](Self::from_zkey).
    pub fn from_pinned_zkey(bytes: &[u8], digest: &[u8; 32]) -> Result<Self, ZkeyError> {
        Self::check_size(bytes)?;
        let got: [u8; 32] = Sha256::digest(bytes).into();
        if got != *digest {
            return Err(ZkeyError::Digest { expected: hex::encode(digest), got: hex::encode(got) });
        }
        Self::read(bytes, false)
    }

    fn check_size(bytes: &[u8]) -> Result<(), ZkeyError> {
        if bytes.len() > MAX_ZKEY_BYTES {
            return Err(ZkeyError::Size { limit: MAX_ZKEY_BYTES, got: bytes.len() });
        }
        Ok(())
    }

    fn read(bytes: &[u8], check: bool) -> Result<Self, ZkeyError> {
        Self::check_size(bytes)?;
        let Zkey { key, matrices } = Zkey::parse(bytes, |counts| depth_of(counts).is_some(), check)?;
        let depth = depth_of(Counts {
            variables: key.a_query.len() as u32,
            public: PUBLIC_INPUTS,
            domain: key.h_query.len() as u32,
        });
        let depth = depth.expect("the counts were accepted") as usize;
        let verifying_key = VerifyingKey { depth, inner: key.vk.clone().into() };
        Ok(Self { key, matrices, verifying_key })
    }

    /// The depth of the circuit: groups have up to 2^depth members.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.verifying_key.depth
    }

    /// The verifying key that belongs to this key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "semaphore::ProvingKey(depth {})", self.depth())
    }
}

/// The depth of Semaphore's circuit with these counts. Each variable but the inputs takes a constraint, nearly.
fn depth_of(counts: Counts) -> Option<u32> {
    let depth = (1..=MAX_DEPTH as u32).find(|depth| variables(*depth) == counts.variables)?;
    let fits = counts.public == PUBLIC_INPUTS && counts.domain == counts.variables.next_power_of_two();
    fits.then_some(depth)
}
