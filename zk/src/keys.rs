//! Keys and their bytes.
//!
//! The owner publishes a [`KeyBundle`]. A consumer decodes it and has it checked once, by
//! [`check_setup`](crate::check_setup()), which makes the [`ProvingKey`] that [`prove`](crate::prove()) takes. After that it
//! loads the key by the digest that it has noted ([`ProvingKey::from_pinned_bytes`]), which is a matter of milliseconds.
//!
//! # Formats
//!
//! A verifying key is `version(1) ‖ depth(1) ‖ α₁ ‖ β₂ ‖ γ₂ ‖ δ₂ ‖ 6 points of G₁`, points compressed: 418 bytes. A
//! key bundle is `version(1) ‖ depth(1) ‖` the same points `‖ β₁ ‖ δ₁ ‖ A ‖ B₁ ‖ B₂ ‖ H ‖ L ‖ [τ^i]₁ ‖ [τ^i]₂`, points
//! uncompressed, for speed; the depth fixes the length of each list. With a domain of n elements there are 2n − 1 powers in
//! G₁, as many as H is checked with, and n in G₂. A bundle has about 4.6 MB at depth 20. Version 1 was the proving key alone.

use std::sync::{Arc, OnceLock};

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_serialize::{CanonicalSerialize, Compress};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    DecodeError, MAX_DEPTH,
    circuit::{PUBLIC_INPUTS, Rows, domain_size, private_variables},
    wire::{Reader, write_point},
};

const KEY_BUNDLE: &str = "key bundle";
const VERIFYING_KEY: &str = "verifying key";
const KEY_BUNDLE_VERSION: u8 = 2;
const VERIFYING_KEY_VERSION: u8 = 1;

/// One point per public input, and one for the constant.
pub(crate) const INPUT_POINTS: usize = PUBLIC_INPUTS + 1;

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
        let compress = Compress::Yes;
        let key = ark_groth16::VerifyingKey {
            alpha_g1: reader.checked_point(compress)?,
            beta_g2: reader.checked_point(compress)?,
            gamma_g2: reader.checked_point(compress)?,
            delta_g2: reader.checked_point(compress)?,
            gamma_abc_g1: (0..INPUT_POINTS).map(|_| reader.checked_point(compress)).collect::<Result<_, _>>()?,
        };
        if key.gamma_g2 == key.delta_g2 {
            // The two parts of a proof would no longer be kept apart, and anybody could forge.
            return Err(DecodeError::Point { what: VERIFYING_KEY });
        }
        Ok(Self::from_points(depth, key))
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

/// The key that proofs are made with. Whoever has one has checked it or made it.
///
/// That is why it does not decode from bytes alone: [`check_setup`](crate::check_setup()) makes it from a [`KeyBundle`],
/// [`setup`](crate::setup()) together with one, and [`from_pinned_bytes`](Self::from_pinned_bytes) loads one again.
pub struct ProvingKey {
    depth: usize,
    pub(crate) inner: Arc<ark_groth16::ProvingKey<Bn254>>,
    verifying_key: VerifyingKey,
    digest: [u8; 32],
    rows: OnceLock<Rows>,
}

impl ProvingKey {
    /// The key of a bundle that is known to be right, with the circuit that it is right for.
    pub(crate) fn of_checked(bundle: &KeyBundle, rows: Rows) -> Self {
        Self { rows: rows.into(), ..Self::new(bundle.depth, bundle.key.clone(), bundle.digest()) }
    }

    pub(crate) fn new(depth: usize, inner: Arc<ark_groth16::ProvingKey<Bn254>>, digest: [u8; 32]) -> Self {
        let verifying_key = VerifyingKey::from_points(depth, inner.vk.clone());
        Self { depth, inner, verifying_key, digest, rows: OnceLock::new() }
    }

    /// Loads the key out of the bytes of a bundle that was checked before, without checking it again. Milliseconds, where
    /// [`check_setup`](crate::check_setup()) takes about a second. The powers of τ are not read: proving needs none.
    ///
    /// `digest` is the [`digest`](Self::digest) of a key that **the caller itself** got from
    /// [`check_setup`](crate::check_setup()) or [`setup`](crate::setup()), and kept where nobody else writes. The digest in an
    /// asset's description, or any that comes with the bytes, is the owner's word and says nothing against him.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Digest`] for other bytes, otherwise as [`KeyBundle::from_bytes`].
    pub fn from_pinned_bytes(bytes: &[u8], digest: &[u8; 32]) -> Result<Self, DecodeError> {
        let (depth, mut reader) = open(KEY_BUNDLE, KEY_BUNDLE_VERSION, bytes, KeyBundle::encoded_len)?;
        let got: [u8; 32] = Sha256::digest(bytes).into();
        if got != *digest {
            return Err(DecodeError::Digest { expected: hex::encode(digest), got: hex::encode(got) });
        }
        Ok(Self::new(depth, read_proving_key(&mut reader, depth)?.into(), got))
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

    /// [`KeyBundle::digest`] of the bundle that the key is from: what to note for
    /// [`from_pinned_bytes`](Self::from_pinned_bytes).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
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

/// What the owner publishes: a proving key, and the powers of τ that show how it was made. **Unchecked**: nothing can be
/// proved with it before [`check_setup`](crate::check_setup()) has made a [`ProvingKey`] of it.
///
/// Each list has the length that the depth asks for, and each point is on its curve.
pub struct KeyBundle {
    depth: usize,
    pub(crate) key: Arc<ark_groth16::ProvingKey<Bn254>>,
    /// [τ^i]₁ for i < 2n − 1.
    pub(crate) powers_g1: Vec<G1Affine>,
    /// [τ^i]₂ for i < n.
    pub(crate) powers_g2: Vec<G2Affine>,
    digest: OnceLock<[u8; 32]>,
}

impl KeyBundle {
    pub(crate) fn new(
        depth: usize,
        key: ark_groth16::ProvingKey<Bn254>,
        powers_g1: Vec<G1Affine>,
        powers_g2: Vec<G2Affine>,
    ) -> Self {
        Self { depth, key: key.into(), powers_g1, powers_g2, digest: OnceLock::new() }
    }

    /// The depth of the circuit: groups have up to 2^depth orders.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes): what an asset's description names the bundle by.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.to_bytes()).into())
    }

    /// Length of the encoding in bytes for a depth from 1 to [`MAX_DEPTH`].
    #[must_use]
    pub fn encoded_len(depth: usize) -> usize {
        let lists = Lists::of_depth(depth);
        let g1 = 1 + INPUT_POINTS + 2 + 2 * lists.variables + lists.h + lists.private + lists.powers_g1;
        let g2 = 3 + lists.variables + lists.powers_g2;
        2 + 64 * g1 + 128 * g2
    }

    /// Encodes the bundle: see the [module](self).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let key = &self.key;
        let mut out = Vec::with_capacity(Self::encoded_len(self.depth));
        out.extend([KEY_BUNDLE_VERSION, depth_byte(self.depth)]);
        write_verifying_key(&mut out, &key.vk, Compress::No);
        write_points(&mut out, &[key.beta_g1, key.delta_g1]);
        write_points(&mut out, &key.a_query);
        write_points(&mut out, &key.b_g1_query);
        write_points(&mut out, &key.b_g2_query);
        write_points(&mut out, &key.h_query);
        write_points(&mut out, &key.l_query);
        write_points(&mut out, &self.powers_g1);
        write_points(&mut out, &self.powers_g2);
        out
    }

    /// Decodes a bundle, checks that every point is on its curve, and nothing else: the rest takes randomness and is for
    /// [`check_setup`](crate::check_setup()).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another version, depth or length, and for bytes that are no point.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (depth, mut reader) = open(KEY_BUNDLE, KEY_BUNDLE_VERSION, bytes, Self::encoded_len)?;
        let lists = Lists::of_depth(depth);
        let key = read_proving_key(&mut reader, depth)?;
        let powers_g1 = reader.unchecked_points(lists.powers_g1)?;
        let bundle = Self::new(depth, key, powers_g1, reader.unchecked_points(lists.powers_g2)?);
        for (element, points) in bundle.elements_g1() {
            on_curve(element, points)?;
        }
        for (element, points) in bundle.elements_g2() {
            on_curve(element, points)?;
        }
        // The library reads the sign that it writes beside an uncompressed point, and does not compare it.
        if bundle.to_bytes() != bytes {
            return Err(DecodeError::Point { what: KEY_BUNDLE });
        }
        Ok(bundle)
    }

    /// Everything that is in G₁.
    pub(crate) fn elements_g1(&self) -> [(Element, &[G1Affine]); 9] {
        let (key, one) = (&self.key, core::slice::from_ref);
        [
            (Element::AlphaG1, one(&key.vk.alpha_g1)),
            (Element::BetaG1, one(&key.beta_g1)),
            (Element::DeltaG1, one(&key.delta_g1)),
            (Element::GammaAbcG1, &key.vk.gamma_abc_g1),
            (Element::AQuery, &key.a_query),
            (Element::BG1Query, &key.b_g1_query),
            (Element::HQuery, &key.h_query),
            (Element::LQuery, &key.l_query),
            (Element::PowersG1, &self.powers_g1),
        ]
    }

    /// Everything that is in G₂.
    pub(crate) fn elements_g2(&self) -> [(Element, &[G2Affine]); 5] {
        let (key, one) = (&self.key, core::slice::from_ref);
        [
            (Element::BetaG2, one(&key.vk.beta_g2)),
            (Element::GammaG2, one(&key.vk.gamma_g2)),
            (Element::DeltaG2, one(&key.vk.delta_g2)),
            (Element::BG2Query, &key.b_g2_query),
            (Element::PowersG2, &self.powers_g2),
        ]
    }
}

impl core::fmt::Debug for KeyBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyBundle(depth {}, {})", self.depth, hex::encode(self.digest()))
    }
}

/// A part of a key bundle, by its name in the proof library. For the letters see [`check`](crate::check).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element {
    /// \[α\]₁.
    AlphaG1,
    /// \[β\]₁.
    BetaG1,
    /// \[β\]₂.
    BetaG2,
    /// \[γ\]₂.
    GammaG2,
    /// \[δ\]₁.
    DeltaG1,
    /// \[δ\]₂.
    DeltaG2,
    /// \[(βu + αv + w)/γ\]₁ of the constant and the public inputs.
    GammaAbcG1,
    /// \[u\]₁ of every variable.
    AQuery,
    /// \[v\]₁ of every variable.
    BG1Query,
    /// \[v\]₂ of every variable.
    BG2Query,
    /// \[τ^i · Z(τ)/δ\]₁.
    HQuery,
    /// \[(βu + αv + w)/δ\]₁ of the private variables.
    LQuery,
    /// \[τ^i\]₁.
    PowersG1,
    /// \[τ^i\]₂.
    PowersG2,
}

impl core::fmt::Display for Element {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::AlphaG1 => "alpha_g1",
            Self::BetaG1 => "beta_g1",
            Self::BetaG2 => "beta_g2",
            Self::GammaG2 => "gamma_g2",
            Self::DeltaG1 => "delta_g1",
            Self::DeltaG2 => "delta_g2",
            Self::GammaAbcG1 => "gamma_abc_g1",
            Self::AQuery => "a_query",
            Self::BG1Query => "b_g1_query",
            Self::BG2Query => "b_g2_query",
            Self::HQuery => "h_query",
            Self::LQuery => "l_query",
            Self::PowersG1 => "powers_g1",
            Self::PowersG2 => "powers_g2",
        })
    }
}

/// Lengths of a bundle's lists.
pub(crate) struct Lists {
    pub(crate) variables: usize,
    pub(crate) private: usize,
    pub(crate) h: usize,
    pub(crate) powers_g1: usize,
    pub(crate) powers_g2: usize,
}

impl Lists {
    pub(crate) fn of_depth(depth: usize) -> Self {
        let (private, n) = (private_variables(depth), domain_size(depth));
        Self { variables: INPUT_POINTS + private, private, h: n - 1, powers_g1: 2 * n - 1, powers_g2: n }
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

/// Reads what a bundle has before the powers, without asking whether the points are on their curves.
fn read_proving_key(reader: &mut Reader<'_>, depth: usize) -> Result<ark_groth16::ProvingKey<Bn254>, DecodeError> {
    let lists = Lists::of_depth(depth);
    let vk = ark_groth16::VerifyingKey {
        alpha_g1: reader.unchecked_point(Compress::No)?,
        beta_g2: reader.unchecked_point(Compress::No)?,
        gamma_g2: reader.unchecked_point(Compress::No)?,
        delta_g2: reader.unchecked_point(Compress::No)?,
        gamma_abc_g1: reader.unchecked_points(INPUT_POINTS)?,
    };
    Ok(ark_groth16::ProvingKey {
        vk,
        beta_g1: reader.unchecked_point(Compress::No)?,
        delta_g1: reader.unchecked_point(Compress::No)?,
        a_query: reader.unchecked_points(lists.variables)?,
        b_g1_query: reader.unchecked_points(lists.variables)?,
        b_g2_query: reader.unchecked_points(lists.variables)?,
        h_query: reader.unchecked_points(lists.h)?,
        l_query: reader.unchecked_points(lists.private)?,
    })
}

fn on_curve<P: SWCurveConfig>(element: Element, points: &[Affine<P>]) -> Result<(), DecodeError> {
    match points.par_iter().position_first(|point| !point.is_on_curve()) {
        Some(index) => Err(DecodeError::OffCurve { element, index }),
        None => Ok(()),
    }
}
