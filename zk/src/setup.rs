//! Keys: a pair per depth, made by the owner of the asset.
//!
//! # Trust
//!
//! Groth16 needs secret randomness (τ, α, β, γ, δ) that must be forgotten: whoever keeps it can prove anything. There is
//! no ceremony here, because the verifier is the owner himself and cheats only himself. [`setup()`] draws the randomness
//! and drops it; our copies of α to δ are wiped, those of the proof library, τ and what is made from them are not. Take keys
//! from no third party.
//!
//! What the consumer risks under a key that the owner built dishonestly is its anonymity, not its secret: such a key
//! could make proofs fail for some orders and not for others. A [`ProvingKey`] is therefore to be read as **unchecked**:
//! both ways of decoding one say that its points are well formed or that its bytes are the pinned ones, and neither says
//! that the owner made it honestly. Checking that takes the powers of τ beside the key, and its place is between
//! decoding a key and the first [`prove`](crate::prove()) under it.
//!
//! # Formats
//!
//! A verifying key is `version(1) ‖ depth(1) ‖ α₁ ‖ β₂ ‖ γ₂ ‖ δ₂ ‖ 6 points of G₁`, points compressed: 418 bytes. A
//! proving key is `version(1) ‖ depth(1) ‖` the same points `‖ β₁ ‖ δ₁ ‖ A ‖ B₁ ‖ B₂ ‖ H ‖ L`, points uncompressed, for
//! speed; the depth fixes the length of each list. It has about 2.5 MB at depth 20.

use std::sync::OnceLock;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::PrimeGroup;
use ark_ff::{UniformRand, Zero};
use ark_groth16::Groth16;
use ark_serialize::{CanonicalSerialize, Compress, Valid};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    DecodeError, MAX_DEPTH,
    circuit::{AccessCircuit, PUBLIC_INPUTS, Rows, domain_size, private_variables},
    rng::{CryptoRng, RngCore},
    wire::{Reader, write_point},
};

const PROVING_KEY: &str = "proving key";
const VERIFYING_KEY: &str = "verifying key";
const PROVING_KEY_VERSION: u8 = 1;
const VERIFYING_KEY_VERSION: u8 = 1;

/// One point per public input, and one for the constant.
const INPUT_POINTS: usize = PUBLIC_INPUTS + 1;

/// Why no keys were made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A depth that no circuit has.
    #[error("a circuit has depth 1 to {MAX_DEPTH}, got {got}")]
    Depth {
        /// The depth asked for.
        got: usize,
    },
}

/// Makes the keys for groups of up to 2^`depth` orders. For the owner of the asset: see the [module](self) for why that
/// is the right party. Takes a second or two.
///
/// # Errors
///
/// [`SetupError::Depth`] unless `depth` is from 1 to [`MAX_DEPTH`].
pub fn setup(depth: usize, rng: &mut (impl RngCore + CryptoRng)) -> Result<(ProvingKey, VerifyingKey), SetupError> {
    if !(1..=MAX_DEPTH).contains(&depth) {
        return Err(SetupError::Depth { got: depth });
    }
    let mut nonzero = || loop {
        let scalar = Zeroizing::new(Fr::rand(rng));
        if !scalar.is_zero() {
            break scalar;
        }
    };
    let [alpha, beta, gamma, delta] = [nonzero(), nonzero(), nonzero(), nonzero()];
    let inner = Groth16::<Bn254>::generate_parameters_with_qap(
        AccessCircuit { depth, assignment: None },
        *alpha,
        *beta,
        *gamma,
        *delta,
        G1Projective::generator(),
        G2Projective::generator(),
        rng,
    )
    .expect("the circuit synthesises without values, and its domain exists at every depth allowed");
    let verifying_key = VerifyingKey::from_points(depth, inner.vk.clone());
    Ok((ProvingKey::new(depth, inner, verifying_key.clone()), verifying_key))
}

/// The key that proofs are verified with.
#[derive(Clone)]
pub struct VerifyingKey {
    depth: usize,
    pub(crate) inner: ark_groth16::PreparedVerifyingKey<Bn254>,
}

impl VerifyingKey {
    /// Length of the encoding in bytes.
    pub const LEN: usize = 2 + 32 + 3 * 64 + INPUT_POINTS * 32;

    fn from_points(depth: usize, points: ark_groth16::VerifyingKey<Bn254>) -> Self {
        Self { depth, inner: points.into() }
    }

    /// The depth of the circuit: groups have up to 2^depth orders.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Encodes the key: see the [module](self).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERIFYING_KEY_VERSION, depth_byte(self.depth)];
        write_verifying_key(&mut out, &self.inner.vk, Compress::Yes);
        out
    }

    /// Decodes a key and checks every point. The owner decodes its own key; a key from elsewhere proves nothing.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another version, depth or length, and for a point that is not in its subgroup, is the
    /// identity, or makes γ and δ equal.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (depth, mut reader) = open(VERIFYING_KEY, VERIFYING_KEY_VERSION, bytes, |_| Self::LEN)?;
        let points = read_verifying_key(&mut reader, VERIFYING_KEY, Compress::Yes)?;
        Ok(Self::from_points(depth, points))
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.depth == other.depth && self.inner.vk == other.inner.vk
    }
}

impl Eq for VerifyingKey {}

impl core::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "VerifyingKey(depth {}, {})", self.depth, hex::encode(self.digest()))
    }
}

/// The key that proofs are made with. Unchecked: see the [module](self).
pub struct ProvingKey {
    depth: usize,
    pub(crate) inner: ark_groth16::ProvingKey<Bn254>,
    verifying_key: VerifyingKey,
    digest: OnceLock<[u8; 32]>,
    rows: OnceLock<Rows>,
}

impl ProvingKey {
    fn new(depth: usize, inner: ark_groth16::ProvingKey<Bn254>, verifying_key: VerifyingKey) -> Self {
        Self { depth, inner, verifying_key, digest: OnceLock::new(), rows: OnceLock::new() }
    }

    /// The depth of the circuit: groups have up to 2^depth orders.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The verifying key that belongs to this key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes): what an asset's description pins the key by.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.to_bytes()).into())
    }

    /// Length of the encoding in bytes for a depth from 1 to [`MAX_DEPTH`].
    #[must_use]
    pub fn encoded_len(depth: usize) -> usize {
        let lists = Lists::of_depth(depth);
        let g1 = 1 + INPUT_POINTS + 2 + 2 * lists.variables + lists.h + lists.private;
        let g2 = 3 + lists.variables;
        2 + 64 * g1 + 128 * g2
    }

    /// Encodes the key: see the [module](self).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let key = &self.inner;
        let mut out = Vec::with_capacity(Self::encoded_len(self.depth));
        out.extend([PROVING_KEY_VERSION, depth_byte(self.depth)]);
        write_verifying_key(&mut out, &key.vk, Compress::No);
        for point in [&key.beta_g1, &key.delta_g1] {
            write_point(&mut out, point, Compress::No);
        }
        write_points(&mut out, &key.a_query);
        write_points(&mut out, &key.b_g1_query);
        write_points(&mut out, &key.b_g2_query);
        write_points(&mut out, &key.h_query);
        write_points(&mut out, &key.l_query);
        out
    }

    /// Decodes a key whose SHA-256 digest is pinned, without checking its points: bytes with the right digest are the
    /// ones that the pin was taken from. Milliseconds; [`from_bytes`](Self::from_bytes) takes hundreds of them.
    ///
    /// Take the digest from where it is authentic: a key of your own, or one that you have decoded with full checks
    /// before. A digest that came with the bytes pins nothing.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Digest`] for other bytes, otherwise as [`from_bytes`](Self::from_bytes).
    pub fn from_pinned_bytes(bytes: &[u8], digest: &[u8; 32]) -> Result<Self, DecodeError> {
        let (depth, reader) = open(PROVING_KEY, PROVING_KEY_VERSION, bytes, Self::encoded_len)?;
        let got: [u8; 32] = Sha256::digest(bytes).into();
        if got != *digest {
            return Err(DecodeError::Digest { expected: hex::encode(digest), got: hex::encode(got) });
        }
        let key = Self::read(depth, reader)?;
        Ok(Self { digest: got.into(), ..key })
    }

    /// Decodes a key and checks that every point is in its subgroup.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another version, depth or length, and for a point that is not in its subgroup or is the
    /// identity where an honest setup never puts it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (depth, reader) = open(PROVING_KEY, PROVING_KEY_VERSION, bytes, Self::encoded_len)?;
        let key = Self::read(depth, reader)?;
        let lists = &key.inner;
        let g1 = [&lists.a_query, &lists.b_g1_query, &lists.h_query, &lists.l_query];
        G1Affine::batch_check(g1.into_iter().flatten())
            .and_then(|()| G2Affine::batch_check(lists.b_g2_query.iter()))
            .map_err(|_| DecodeError::Point { what: PROVING_KEY })?;
        Ok(key)
    }

    fn read(depth: usize, mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let lists = Lists::of_depth(depth);
        let vk = read_verifying_key(&mut reader, PROVING_KEY, Compress::No)?;
        let verifying_key = VerifyingKey::from_points(depth, vk.clone());
        let inner = ark_groth16::ProvingKey {
            vk,
            beta_g1: reader.checked_point(Compress::No)?,
            delta_g1: reader.checked_point(Compress::No)?,
            a_query: reader.unchecked_points(lists.variables)?,
            b_g1_query: reader.unchecked_points(lists.variables)?,
            b_g2_query: reader.unchecked_points(lists.variables)?,
            h_query: reader.unchecked_points(lists.h)?,
            l_query: reader.unchecked_points(lists.private)?,
        };
        Ok(Self::new(depth, inner, verifying_key))
    }

    /// A key from points as they are.
    #[cfg(test)]
    pub(crate) fn from_parts_unchecked(depth: usize, inner: ark_groth16::ProvingKey<Bn254>) -> Self {
        let verifying_key = VerifyingKey::from_points(depth, inner.vk.clone());
        Self::new(depth, inner, verifying_key)
    }

    /// The circuit that this key is for. Made once per key.
    pub(crate) fn rows(&self) -> &Rows {
        self.rows.get_or_init(|| Rows::of_depth(self.depth))
    }
}

impl core::fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ProvingKey(depth {}, {})", self.depth, hex::encode(self.digest()))
    }
}

/// Lengths of a proving key's lists.
struct Lists {
    variables: usize,
    private: usize,
    h: usize,
}

impl Lists {
    fn of_depth(depth: usize) -> Self {
        let private = private_variables(depth);
        Self { variables: INPUT_POINTS + private, private, h: domain_size(depth) - 1 }
    }
}

fn depth_byte(depth: usize) -> u8 {
    u8::try_from(depth).expect("a depth is at most 24")
}

/// Checks version, depth and length, and leaves the reader behind the depth.
fn open<'a>(
    what: &'static str,
    version: u8,
    bytes: &'a [u8],
    length: impl Fn(usize) -> usize,
) -> Result<(usize, Reader<'a>), DecodeError> {
    let depth = usize::from(*bytes.get(1).unwrap_or(&1));
    let exists = (1..=MAX_DEPTH).contains(&depth);
    // A depth that does not exist has no length to compare; the version decides whether it is a depth at all.
    let expected = if exists { length(depth) } else { bytes.len() };
    let mut reader = Reader::open(what, version, expected, bytes)?;
    let [_depth] = reader.bytes();
    if !exists {
        return Err(DecodeError::Depth { got: depth });
    }
    Ok((depth, reader))
}

fn write_points<P: CanonicalSerialize>(out: &mut Vec<u8>, points: &[P]) {
    for point in points {
        write_point(out, point, Compress::No);
    }
}

fn write_verifying_key(out: &mut Vec<u8>, key: &ark_groth16::VerifyingKey<Bn254>, compress: Compress) {
    write_point(out, &key.alpha_g1, compress);
    for point in [&key.beta_g2, &key.gamma_g2, &key.delta_g2] {
        write_point(out, point, compress);
    }
    for point in &key.gamma_abc_g1 {
        write_point(out, point, compress);
    }
}

fn read_verifying_key(
    reader: &mut Reader<'_>,
    what: &'static str,
    compress: Compress,
) -> Result<ark_groth16::VerifyingKey<Bn254>, DecodeError> {
    let key = ark_groth16::VerifyingKey {
        alpha_g1: reader.checked_point(compress)?,
        beta_g2: reader.checked_point(compress)?,
        gamma_g2: reader.checked_point(compress)?,
        delta_g2: reader.checked_point(compress)?,
        gamma_abc_g1: (0..INPUT_POINTS).map(|_| reader.checked_point(compress)).collect::<Result<_, _>>()?,
    };
    if key.gamma_g2 == key.delta_g2 {
        // The two parts of a proof would no longer be kept apart, and anybody could forge.
        return Err(DecodeError::Point { what });
    }
    Ok(key)
}
