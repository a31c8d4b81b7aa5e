//! Columns, encrypted a chunk at a time.
//!
//! A value may be stored in several forms, each for its own use:
//!
//! - [`Form::Digits`], to filter by: digit `d` at place `j` of a ring element is `X^(w·j + d)`, so that *any* predicate on it is
//!   one product with a public polynomial: `Σ_{u ∈ P} X^-u` leaves 1 at coefficient `w·j` where `d ∈ P`, else 0. Values of up to
//!   11 bits are one digit of their own width, wider ones digits of 8 bits.
//! - [`Form::Limbs`], to sum: three bits in each box of 128 equal coefficients, and one box that says whether the value is
//!   there. [`Form::Squares`]: the same of the value's square. [`Form::OneHot`]: one box for each category.
//! - [`Form::Indicators`] and [`Form::Values`], of packed data: see `packed`.
//!
//! A null is zero in every form: no predicate holds of it, and it adds nothing.

use std::ops::Range;

use tfhe::core_crypto::{
    commons::{generators::DeterministicSeeder, math::random::Seed},
    prelude::*,
};

use super::{
    key::TableKey,
    packed,
    params::{BOX, BOXES, DELTA, GLWE_SIZE, LIMB_BITS, N, POLY, SET, cut, native, widen},
};
use crate::{Error, linear::Entropy, wire};

/// Rows that are encrypted and added up together, where data is not packed.
pub const ROWS_PER_CHUNK: usize = 512;
/// Widest values of a single digit.
const MAX_DIGIT_BITS: u8 = 11;
/// Digits of wider values.
const DIGIT_BITS: u8 = 8;
/// Bytes before the words of a chunk: version, form, width, rows, seed.
const HEADER: usize = 1 + 1 + 1 + 4 + 16;
const VERSION: u8 = 1;
const WHAT: &str = "encrypted column";

/// How values are stored. A value may be stored in several forms, each for its own use; a null is zero in every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// For filters, and for minimum and maximum.
    Digits,
    /// For sums, counts and means.
    Limbs,
    /// For sums of squares: variances.
    Squares,
    /// For counts of each of few categories.
    OneHot,
    /// Packed, for filters.
    Indicators,
    /// Packed, for everything that is computed of values.
    Values,
}

impl Form {
    const ALL: [Self; 6] = [Self::Digits, Self::Limbs, Self::Squares, Self::OneHot, Self::Indicators, Self::Values];

    /// Widest values that it holds: 64 bits, 32 for squares and indicators, 6 for categories.
    pub const fn max_bits(self) -> u8 {
        match self {
            Self::Digits | Self::Limbs | Self::Values => 64,
            Self::Squares => 32,
            Self::OneHot => 6,
            Self::Indicators => packed::MAX_INDICATOR_BITS,
        }
    }

    /// Whether it is a form of packed data.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::Indicators | Self::Values)
    }

    /// Most rows of a chunk.
    pub const fn rows_per_chunk(self) -> usize {
        if self.is_packed() { packed::PACKED_ROWS_PER_CHUNK } else { ROWS_PER_CHUNK }
    }

    /// The width, if the form holds values of it.
    pub(crate) fn check(self, bits: u8) -> Result<u8, Error> {
        if bits == 0 || bits > self.max_bits() { Err(Error::ColumnBits { form: self, bits }) } else { Ok(bits) }
    }

    /// Bits that are stored of a value of `bits` bits.
    fn stored(self, bits: u8) -> u32 {
        if self == Self::Squares { 2 * u32::from(bits) } else { u32::from(bits) }
    }

    /// Boxes of the accumulators of one row.
    pub(crate) fn boxes(self, bits: u8) -> usize {
        match self {
            Self::OneHot => 1 << bits,
            _ => self.stored(bits).div_ceil(LIMB_BITS) as usize + 1,
        }
    }
}

/// Widths of a value's digits, lowest first.
pub(crate) fn digits(bits: u8) -> Vec<u8> {
    if bits <= MAX_DIGIT_BITS {
        return vec![bits];
    }
    (0..bits.div_ceil(DIGIT_BITS)).map(|i| DIGIT_BITS.min(bits - i * DIGIT_BITS)).collect()
}

/// The ring elements of a chunk that hold one digit of each row, `2,048 / 2^width` of them each.
pub(crate) fn range(bits: u8, rows: usize, digit: usize) -> Range<usize> {
    let count = |width: &u8| rows.div_ceil(N >> width);
    let widths = digits(bits);
    let start = widths[..digit].iter().map(count).sum();
    start..start + count(&widths[digit])
}

/// Which of those ring elements holds a row's digit of this width, and the coefficient that stands for its zero.
pub(crate) fn place(width: u8, row: usize) -> (usize, usize) {
    let per = N >> width;
    (row / per, (row % per) << width)
}

/// One chunk of one column in one form: what the owner stores and an executor computes on.
///
/// Invariant: as many bodies as form, width and rows say.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedChunk {
    form: Form,
    bits: u8,
    rows: usize,
    seed: u128,
    /// In 32 bits; none of packed data.
    bodies: Vec<u32>,
    /// Residues, as they are stored; none of what is not packed.
    packed: Vec<u8>,
}

impl std::fmt::Debug for EncryptedChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedChunk({:?}, {} bits, {} rows)", self.form, self.bits, self.rows)
    }
}

impl EncryptedChunk {
    /// How the values are stored.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Width of the values.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// How many values there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn elements(form: Form, bits: u8, rows: usize) -> usize {
        match form {
            Form::Indicators | Form::Values => packed::elements(form, bits),
            Form::Digits => range(bits, rows, digits(bits).len() - 1).end,
            _ => rows * form.boxes(bits).div_ceil(BOXES),
        }
    }

    /// Bytes of the encoding of a chunk.
    pub fn encoded_len(form: Form, bits: u8, rows: usize) -> usize {
        let of_element = if form.is_packed() { packed::ELEMENT_BYTES } else { 4 * N };
        HEADER + of_element * Self::elements(form, bits, rows)
    }

    fn check(form: Form, bits: u8, rows: usize) -> Result<(), Error> {
        form.check(bits)?;
        if rows == 0 || rows > form.rows_per_chunk() {
            return Err(Error::ChunkRows { got: rows });
        }
        Ok(())
    }

    /// Version, form, width, rows (4 bytes), seed (16), bodies (4 each; 7 of packed data), all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::encoded_len(self.form, self.bits, self.rows));
        let form = Form::ALL.iter().position(|form| *form == self.form).expect("a form is among all");
        out.extend_from_slice(&[VERSION, form as u8, self.bits]);
        out.extend_from_slice(&(self.rows as u32).to_le_bytes());
        out.extend_from_slice(&self.seed.to_le_bytes());
        self.bodies.iter().for_each(|body| out.extend_from_slice(&body.to_le_bytes()));
        out.extend_from_slice(&self.packed);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`]; [`Error::ColumnBits`], [`Error::ChunkRows`], [`Error::Residue`] for what no
    /// chunk is.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = wire::Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let form = *Form::ALL.get(usize::from(reader.u8())).ok_or(Error::Form)?;
        let (bits, rows) = (reader.u8(), reader.u32() as usize);
        Self::check(form, bits, rows)?;
        wire::exact(WHAT, Self::encoded_len(form, bits, rows), bytes)?;
        let seed = u128::from_le_bytes(reader.array());
        let mut chunk = Self { form, bits, rows, seed, bodies: Vec::new(), packed: Vec::new() };
        if form.is_packed() {
            let stored = reader.take(packed::ELEMENT_BYTES * Self::elements(form, bits, rows));
            packed::check_words(WHAT, stored)?;
            chunk.packed = stored.to_vec();
        } else {
            chunk.bodies = (0..N * Self::elements(form, bits, rows)).map(|_| reader.u32()).collect();
        }
        Ok(chunk)
    }

    /// The stored halves of packed ciphertexts, and the seed of the others.
    pub(crate) fn packed(&self) -> (&[u8], u128) {
        (&self.packed, self.seed)
    }

    /// The ring elements, with their masks.
    pub(crate) fn expand(&self) -> GlweCiphertextListOwned<u64> {
        let bodies: Vec<u64> = self.bodies.iter().copied().map(widen).collect();
        let count = GlweCiphertextCount(bodies.len() / N);
        let seeded = SeededGlweCiphertextList::from_container(
            bodies.as_slice(),
            GLWE_SIZE,
            POLY,
            Seed(self.seed).into(),
            native(),
        );
        let mut list = GlweCiphertextList::new(0, GLWE_SIZE, POLY, count, native());
        decompress_seeded_glwe_ciphertext_list::<_, _, _, DefaultRandomGenerator>(&mut list, &seeded);
        list
    }
}

impl TableKey {
    /// Encrypts up to [`Form::rows_per_chunk`] values of `bits` bits; `None` is a null.
    ///
    /// # Errors
    /// [`Error::ColumnBits`], [`Error::ChunkRows`]; [`Error::Value`] if one is too wide, of which nothing is said but the
    /// row; [`Error::Entropy`].
    pub fn encrypt(&self, form: Form, bits: u8, values: &[Option<u64>]) -> Result<EncryptedChunk, Error> {
        EncryptedChunk::check(form, bits, values.len())?;
        if let Some(row) = values.iter().position(|v| v.is_some_and(|v| bits < 64 && v >> bits != 0)) {
            return Err(Error::Value { row, bits });
        }
        let entropy = Entropy::from_os()?;
        if form.is_packed() {
            let [mask, noise] = ["table/packed/mask", "table/packed/noise"].map(|label| entropy.seed(label, 0).0);
            let packed = packed::encrypt(&self.packed_secret(), form, bits, values, mask, noise);
            return Ok(EncryptedChunk { form, bits, rows: values.len(), seed: mask, bodies: Vec::new(), packed });
        }
        let plain = plaintext(form, bits, values);
        let seed = entropy.seed("table/column/mask", 0);
        let mut list =
            SeededGlweCiphertextList::from_container(vec![0u64; plain.len()], GLWE_SIZE, POLY, seed.into(), native());
        let mut noise = DeterministicSeeder::<DefaultRandomGenerator>::new(entropy.seed("table/column/noise", 0));
        let plain = PlaintextList::from_container(plain);
        encrypt_seeded_glwe_ciphertext_list(&self.ring(), &mut list, &plain, SET.glwe_noise_distribution, &mut noise);
        // Rounding is public: it looks at nothing but the ciphertext.
        let bodies = list.as_ref().iter().copied().map(cut).collect();
        Ok(EncryptedChunk { form, bits, rows: values.len(), seed: seed.0, bodies, packed: Vec::new() })
    }
}

/// The polynomials that are encrypted.
fn plaintext(form: Form, bits: u8, values: &[Option<u64>]) -> Vec<u64> {
    let rows = values.len();
    let mut plain = vec![0u64; N * EncryptedChunk::elements(form, bits, rows)];
    let per_row = N * form.boxes(bits).div_ceil(BOXES);
    for (row, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        if form == Form::Digits {
            let mut rest = value;
            for (digit, width) in digits(bits).into_iter().enumerate() {
                let (element, offset) = place(width, row);
                let element = range(bits, rows, digit).start + element;
                plain[element * N + offset + (rest & ((1 << width) - 1)) as usize] = DELTA;
                rest >>= width;
            }
            continue;
        }
        // Half of the scale: masking subtracts the value's own turned form.
        let mut fill = |index: usize, limb: u64| {
            plain[row * per_row + index * BOX..][..BOX].fill(limb * (DELTA / 2));
        };
        if form == Form::OneHot {
            fill(value as usize, 1);
            continue;
        }
        let stored = if form == Form::Squares { u128::from(value) * u128::from(value) } else { u128::from(value) };
        fill(0, 1);
        for index in 1..form.boxes(bits) {
            fill(index, (stored >> (LIMB_BITS * (index as u32 - 1))) as u64 & ((1 << LIMB_BITS) - 1));
        }
    }
    plain
}
