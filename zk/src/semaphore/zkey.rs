//! snarkjs' binary key files (`.zkey`, version 1), for Groth16 on BN254.
//!
//! A file is `"zkey" ‖ version(4) ‖ number of sections(4)`, then sections `kind(4) ‖ length(8) ‖ content`, in any
//! order, to its end. Integers are little-endian. Coordinates are in Montgomery form, and all zeros is the identity.
//! The kinds:
//!
//! | kind | content |
//! |---|---|
//! | 1 | the protocol: 1 for Groth16 |
//! | 2 | both moduli, number of variables, of public inputs, size of the domain, α₁ β₁ β₂ γ₂ δ₁ δ₂ |
//! | 3 | a point per public input and one for the constant |
//! | 4 | entries of the matrices A and B: `matrix(4) ‖ row(4) ‖ variable(4) ‖ value(32)` |
//! | 5, 6, 7 | the queries A, B₁, B₂: a point per variable |
//! | 8 | the query L: a point per private variable |
//! | 9 | the query H: a point per row of the domain |
//! | 10 | what the ceremony's participants contributed; skipped |
//!
//! The bytes are untrusted: a count is compared with its section's length before anything is allocated for it.

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{
    AffineRepr,
    short_weierstrass::{Affine, SWCurveConfig},
};
use ark_ff::{BigInt, Field, PrimeField, Zero};
use ark_relations::gr1cs::Matrix;
use ark_serialize::Valid;
use thiserror::Error;

/// Why a key file was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ZkeyError {
    /// The file does not start like a key file.
    #[error("not a .zkey file")]
    NotZkey,
    /// The file is larger than any key of the circuit.
    #[error("a key of Semaphore has at most {limit} bytes, got {got}")]
    Size {
        /// The largest size that is read.
        limit: usize,
        /// The size that came.
        got: usize,
    },
    /// A version of the format that this release does not know.
    #[error("this release reads version 1 of .zkey files, got version {got}")]
    Version {
        /// The version that came.
        got: u32,
    },
    /// The file ends early, or goes on after its last section.
    #[error("the .zkey file is cut off or has bytes behind its end; fetch it again")]
    End,
    /// A section is absent, or there twice.
    #[error("a .zkey file has each of the sections 1 to 10 once, section {kind} is not")]
    Section {
        /// The section.
        kind: u32,
    },
    /// A section whose length does not fit the counts in the header.
    #[error("section {kind} of the .zkey file has {expected} bytes by the header's counts, got {got}")]
    SectionLength {
        /// The section.
        kind: u32,
        /// The only length that is right.
        expected: u64,
        /// The length that came.
        got: u64,
    },
    /// Another proof system.
    #[error("the .zkey file is for another proof system than Groth16")]
    Protocol,
    /// Another curve.
    #[error("the .zkey file is for another curve than BN254")]
    Curve,
    /// A field element that is not below the modulus, or an entry outside its matrix.
    #[error("section {kind} of the .zkey file has a value out of range")]
    Value {
        /// The section.
        kind: u32,
    },
    /// A point that is off the curve, outside its subgroup or, where that is forbidden, the identity.
    #[error("section {kind} of the .zkey file has a point that is not a valid element of its group")]
    Point {
        /// The section.
        kind: u32,
    },
    /// A well-formed key of another circuit.
    #[error("the key has {variables} variables, {public} public inputs and a domain of {domain}: not Semaphore v4")]
    Circuit {
        /// Number of variables, with the constant one.
        variables: u32,
        /// Number of public inputs.
        public: u32,
        /// Size of the domain.
        domain: u32,
    },
    /// Bytes other than the pinned ones.
    #[error("the key has digest {got}, pinned is {expected}; fetch it again")]
    Digest {
        /// The pinned SHA-256 digest, in hexadecimal.
        expected: String,
        /// The digest of the bytes, in hexadecimal.
        got: String,
    },
}

type Result<T> = core::result::Result<T, ZkeyError>;

const SECTIONS: usize = 10;
const ENTRY: usize = 12 + 32;
const G1: usize = 64;
const G2: usize = 128;
const HEADER: u32 = 2;
const INPUTS: u32 = 3;
const MATRICES: u32 = 4;

/// What a key file says.
pub(crate) struct Zkey {
    pub(crate) key: ark_groth16::ProvingKey<Bn254>,
    /// A and B, with a row for each of the domain.
    pub(crate) matrices: Vec<Matrix<Fr>>,
}

/// The numbers in a key file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) variables: u32,
    pub(crate) public: u32,
    pub(crate) domain: u32,
}

impl Zkey {
    /// Reads a file whose counts satisfy `accept`. With `check`, every point is checked; without, only those that the
    /// verifying key has.
    pub(crate) fn parse(bytes: &[u8], accept: impl Fn(Counts) -> bool, check: bool) -> Result<Self> {
        let sections = Sections::split(bytes)?;
        let mut protocol = sections.reader(1);
        if protocol.end(4).is_err() || protocol.integer()? != 1 {
            return Err(ZkeyError::Protocol);
        }
        let mut header = sections.reader(HEADER);
        if header.modulus()? != Fq::MODULUS || header.modulus()? != Fr::MODULUS {
            return Err(ZkeyError::Curve);
        }
        header.end(12 + 3 * G1 + 3 * G2)?;
        let counts = Counts { variables: header.integer()?, public: header.integer()?, domain: header.integer()? };
        let Counts { variables, public, domain } = counts;
        if public >= variables || !domain.is_power_of_two() || !accept(counts) {
            return Err(ZkeyError::Circuit { variables, public, domain });
        }

        let (alpha_g1, beta_g1): (G1Affine, _) = (header.generator()?, header.generator()?);
        let (beta_g2, gamma_g2): (G2Affine, G2Affine) = (header.generator()?, header.generator()?);
        let (delta_g1, delta_g2) = (header.generator()?, header.generator()?);
        if gamma_g2 == delta_g2 {
            // The two parts of a proof would no longer be kept apart, and anybody could forge.
            return Err(ZkeyError::Point { kind: HEADER });
        }
        let gamma_abc_g1 = sections.points(INPUTS, public + 1, true)?;
        let key = ark_groth16::ProvingKey {
            vk: ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 },
            beta_g1,
            delta_g1,
            a_query: sections.points(5, variables, check)?,
            b_g1_query: sections.points(6, variables, check)?,
            b_g2_query: sections.points(7, variables, check)?,
            l_query: sections.points(8, variables - public - 1, check)?,
            h_query: sections.points(9, domain, check)?,
        };
        Ok(Self { key, matrices: sections.matrices(counts)? })
    }
}

/// The content of each section.
struct Sections<'a>([&'a [u8]; SECTIONS]);

impl<'a> Sections<'a> {
    fn split(bytes: &'a [u8]) -> Result<Self> {
        if !bytes.starts_with(b"zkey") {
            return Err(ZkeyError::NotZkey);
        }
        let mut reader = Reader { kind: 0, rest: &bytes[4..] };
        let version = reader.integer()?;
        if version != 1 {
            return Err(ZkeyError::Version { got: version });
        }
        let mut found = [None; SECTIONS];
        for _ in 0..reader.integer()? {
            let kind = reader.integer()?;
            let length = usize::try_from(u64::from_le_bytes(*reader.array()?)).map_err(|_| ZkeyError::End)?;
            let content = reader.take(length)?;
            let place = (kind as usize).checked_sub(1).and_then(|i| found.get_mut(i));
            match place {
                Some(place @ None) => *place = Some(content),
                _ => return Err(ZkeyError::Section { kind }),
            }
        }
        if !reader.rest.is_empty() {
            return Err(ZkeyError::End);
        }
        let mut all = [[].as_slice(); SECTIONS];
        for (kind, (content, found)) in (1..).zip(all.iter_mut().zip(found)) {
            *content = found.ok_or(ZkeyError::Section { kind })?;
        }
        Ok(Self(all))
    }

    fn reader(&self, kind: u32) -> Reader<'a> {
        Reader { kind, rest: self.0[kind as usize - 1] }
    }

    /// A section of `count` points.
    fn points<C>(&self, kind: u32, count: u32, check: bool) -> Result<Vec<Affine<C>>>
    where
        C: SWCurveConfig<BaseField: Coordinate>,
    {
        let mut reader = self.reader(kind);
        reader.end(count as usize * 2 * C::BaseField::LEN)?;
        let points = (0..count).map(|_| reader.point()).collect::<Result<Vec<_>>>()?;
        let valid = !check || Affine::batch_check(points.iter()).is_ok();
        valid.then_some(points).ok_or(ZkeyError::Point { kind })
    }

    fn matrices(&self, counts: Counts) -> Result<Vec<Matrix<Fr>>> {
        let mut reader = self.reader(MATRICES);
        let entries = reader.integer()? as usize;
        reader.end(entries.checked_mul(ENTRY).ok_or(ZkeyError::End)?)?;
        let mut matrices = vec![vec![Vec::new(); counts.domain as usize]; 2];
        // snarkjs multiplies these with integers and wants Montgomery form: they carry that factor twice.
        let factor = Fr::new_unchecked(BigInt::one());
        for _ in 0..entries {
            let [matrix, row, variable] = [reader.integer()?, reader.integer()?, reader.integer()?];
            if matrix > 1 || row >= counts.domain || variable >= counts.variables {
                return Err(ZkeyError::Value { kind: MATRICES });
            }
            let value: Fr = reader.element(Fr::new_unchecked)?;
            matrices[matrix as usize][row as usize].push((value * factor, variable as usize));
        }
        Ok(matrices)
    }
}

struct Reader<'a> {
    kind: u32,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(ZkeyError::End)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(ZkeyError::End)?;
        self.rest = rest;
        Ok(head)
    }

    fn integer(&mut self) -> Result<u32> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Says that `expected` bytes are left.
    fn end(&self, expected: usize) -> Result<()> {
        let (expected, got) = (expected as u64, self.rest.len() as u64);
        if expected != got {
            return Err(ZkeyError::SectionLength { kind: self.kind, expected, got });
        }
        Ok(())
    }

    fn limbs(&mut self) -> Result<BigInt<4>> {
        let mut limbs = [0; 4];
        for limb in &mut limbs {
            *limb = u64::from_le_bytes(*self.array()?);
        }
        Ok(BigInt(limbs))
    }

    fn modulus(&mut self) -> Result<BigInt<4>> {
        if self.integer()? != 32 {
            return Err(ZkeyError::Curve);
        }
        self.limbs()
    }

    /// A field element in Montgomery form, which `new_unchecked` takes.
    fn element<F: PrimeField<BigInt = BigInt<4>>>(&mut self, new_unchecked: impl Fn(BigInt<4>) -> F) -> Result<F> {
        let limbs = self.limbs()?;
        if limbs >= F::MODULUS {
            return Err(ZkeyError::Value { kind: self.kind });
        }
        Ok(new_unchecked(limbs))
    }

    /// A point, without asking whether it is on the curve.
    fn point<C: SWCurveConfig<BaseField: Coordinate>>(&mut self) -> Result<Affine<C>> {
        let (x, y) = (C::BaseField::read(self)?, C::BaseField::read(self)?);
        Ok(if x.is_zero() && y.is_zero() { Affine::identity() } else { Affine::new_unchecked(x, y) })
    }

    /// A point that is in its subgroup and not the identity.
    fn generator<C: SWCurveConfig<BaseField: Coordinate>>(&mut self) -> Result<Affine<C>> {
        let point: Affine<C> = self.point()?;
        if point.is_zero() || point.check().is_err() {
            return Err(ZkeyError::Point { kind: self.kind });
        }
        Ok(point)
    }
}

/// A coordinate in Montgomery form.
trait Coordinate: Field {
    const LEN: usize;

    fn read(reader: &mut Reader<'_>) -> Result<Self>;
}

impl Coordinate for Fq {
    const LEN: usize = 32;

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.element(Self::new_unchecked)
    }
}

impl Coordinate for Fq2 {
    const LEN: usize = 64;

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self::new(Fq::read(reader)?, Fq::read(reader)?))
    }
}
