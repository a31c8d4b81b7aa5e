//! Sums over the matrices of several parties: each blinds its answer, and only the sum of all opens.
//!
//! Every party `i` answers the **same** encrypted query, under a [`Shape::summed`], over its own matrix `M_i`. The result
//! bodies of its answer, rounded to `r` bits as ever, leave with pads added that it shares with each other party:
//!
//! ```text
//! share_i = body_i + Σ_{j>i} pad_ij − Σ_{j<i} pad_ij   (mod 2^r)        pad_ij = SHAKE256(domain ‖ secret_ij ‖ context ‖
//!                                                                                        digest of the query ‖ sample)
//! ```
//!
//! Added up, the pads cancel, and the sum decrypts to `Σ_i <q, M_i>`. These are the pairwise masks of secure aggregation
//! (Bonawitz et al., CCS 2017, <https://eprint.iacr.org/2017/281>, section 4.0.1, without its recovery of parties that drop
//! out: the sum opens with all shares or not at all). The secrets come from a key agreement of the parties, which is the
//! caller's.
//!
//! # What is learned
//!
//! * **From some shares, not all:** with at least one pad to a party whose share is missing and who does not help, bodies
//!   are uniform (SHAKE256 keyed by its prefix, as a pseudo-random function). The masks of all parties are there to see,
//!   all under the one key mask `a` and each with a secret `u` of its own: RLWE samples, as many times the advantage against
//!   one as there are. Nothing.
//! * **From all shares of one context:** masks, and the sum of the bodies. That is a function of answers that could each have
//!   been released by itself, so all that [`linear`](super) says of hostile queries holds for it. For an honest query each
//!   party's flooding hides its own noise, so that the phase of a result is within n·2^-40 of one that depends on
//!   `Σ_i <q, M_i>`, limb by limb, alone.
//! * **From sums in several contexts:** several sums. Over different parties, or of numbers that mean something else at
//!   one party than at another, they can be solved for parts: which sums there are is for the caller to fix.
//! * **Other parties that help the consumer** know their pads. What they leave is the sum over the others: it takes two
//!   that do not help to hide either. Hints on one party's `u` read no more of it than in an answer of its own; a unit test
//!   computes both.
//! * **A query for one party alone** (a zero vector to all others would open the sum to one party's answer) is prevented
//!   by the query's digest in the pads: unless all parties answer the same bytes, nothing cancels. A vector that selects
//!   cells which only one party fills is inherent in sums.
//! * **A second answer to the same query in the same context** has the same pads, so that the difference of the two is
//!   that of the two matrices: the caller must answer each context once. A test does both attacks.

use shake::{
    Shake256,
    digest::{ExtendableOutput, Update, XofReader},
};
use zeroize::Zeroizing;

use super::{
    answer::{Sample, SealedAnswer},
    entropy::{Context, Entropy},
    evaluate::evaluate_any,
    query::EncryptedQuery,
    shape::{Matrix, Shape},
};
use crate::{Error, wire::Reader};

const VERSION: u8 = 1;
const WHAT: &str = "share of an answer";
const HEADER: usize = 1 + 1 + 1;

/// What one party blinds its answers with: its place among the parties, and a secret with each other.
pub struct Blinding {
    place: usize,
    /// The place of each other party, and the secret shared with it.
    secrets: Vec<(usize, Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blinding(party {} of {})", self.place, self.parties())
    }
}

impl Blinding {
    /// Takes the secrets that are shared with the other parties, in the order of their places, that of this party left
    /// out: 32 uniformly random bytes each, which both derive and nobody else knows.
    ///
    /// # Errors
    /// [`Error::Parties`] unless there are 2 to 64 parties; [`Error::Shares`] if `place` is none of theirs.
    pub fn new(place: usize, secrets: impl IntoIterator<Item = Zeroizing<[u8; 32]>>) -> Result<Self, Error> {
        let others = (0..).filter(|&other| other != place);
        let secrets: Vec<_> = others.zip(secrets).collect();
        let parties = secrets.len() + 1;
        if !(2..=super::MAX_PARTIES).contains(&parties) {
            return Err(Error::Parties { got: parties });
        }
        if place >= parties {
            let why = format!("{place} is no place among them, counted from 0");
            return Err(Error::Shares { expected: parties, why });
        }
        Ok(Self { place, secrets })
    }

    /// Parties of the sum, this one included.
    pub fn parties(&self) -> usize {
        self.secrets.len() + 1
    }

    /// Adds the pads to the bodies of each sample.
    pub(crate) fn blind(&self, samples: &mut [Sample], bits: u32, context: &Context, query: &[u8; 32]) {
        for (index, sample) in samples.iter_mut().enumerate() {
            for (other, secret) in &self.secrets {
                let mut pad = pad(secret, context, query, index as u64);
                for body in &mut sample.bodies {
                    let mut word = [0; 8];
                    pad.read(&mut word);
                    let word = u64::from_le_bytes(word);
                    let sum = if *other > self.place { body.wrapping_add(word) } else { body.wrapping_sub(word) };
                    *body = sum & low(bits);
                }
            }
        }
    }
}

/// The stream of a pad, 8 bytes for each body of a sample.
fn pad(secret: &[u8; 32], context: &Context, query: &[u8; 32], sample: u64) -> impl XofReader + use<> {
    let mut hasher = Shake256::default();
    hasher.update(b"sealock/v1/linear/share-pad");
    hasher.update(secret);
    hasher.update(context.id());
    hasher.update(query);
    hasher.update(&sample.to_le_bytes());
    hasher.finalize_xof()
}

/// The low `bits` bits, fewer than 64.
fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Computes and releases one party's share of a sum: as [`evaluate`](super::evaluate()), blinded.
///
/// All parties must be given the same query, and the same `context`, which names the parties, their data and the request
/// and is answered **once** by each: see the module's documentation for what a second answer tells.
///
/// # Errors
/// [`Error::Parties`] if the matrix was not checked against a [`Shape::summed`] of as many parties; as
/// [`evaluate`](super::evaluate()).
pub fn evaluate_share(
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
    blinding: &Blinding,
) -> Result<AnswerShare, Error> {
    evaluate_share_with_entropy(query, context, matrix, blinding, Entropy::from_os()?)
}

/// As [`evaluate_share`], from the caller's randomness, which must be secret and never used before.
///
/// # Errors
/// As [`evaluate_share`].
pub fn evaluate_share_with_entropy(
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
    blinding: &Blinding,
    entropy: Entropy,
) -> Result<AnswerShare, Error> {
    let shape = matrix.shape();
    if blinding.parties() != shape.parties() {
        return Err(Error::Parties { got: shape.parties() });
    }
    let mut answer = evaluate_any(query, context, matrix, &entropy)?;
    let bits = shape.budget().answer_bits();
    blinding.blind(answer.samples_mut(), bits, context, &query.digest());
    Ok(AnswerShare { place: blinding.place, answer })
}

/// One party's blinded answer. All of a sum together make a [`SealedAnswer`]; one, or some, say nothing to anybody.
///
/// ```text
/// version 1 ‖ parties u8 ‖ place u8 ‖ as a sealed answer
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AnswerShare {
    place: usize,
    answer: SealedAnswer,
}

impl std::fmt::Debug for AnswerShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnswerShare({} of {}, {:?})", self.place, self.shape().parties(), self.answer)
    }
}

impl AnswerShare {
    /// What the sum is computed over.
    pub fn shape(&self) -> &Shape {
        self.answer.shape()
    }

    /// The place of the party among those of the sum, counted from 0.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Adds up the shares of all parties, in any order.
    ///
    /// # Errors
    /// [`Error::Shares`] unless there is one of each party; [`Error::Shape`] if they are of different shapes. Shares of
    /// different queries or contexts add up to noise, which nothing here can tell from an answer.
    pub fn sum(shares: impl IntoIterator<Item = Self>) -> Result<SealedAnswer, Error> {
        let mut shares = shares.into_iter();
        let first = shares.next().ok_or(Error::Parties { got: 0 })?;
        let expected = first.shape().parties();
        let mut seen = vec![false; expected];
        seen[first.place] = true;
        let mut sum = first.answer;
        let mask = low(sum.shape().budget().answer_bits());
        for share in shares {
            if share.shape() != sum.shape() {
                return Err(Error::Shape { what: "share" });
            }
            if std::mem::replace(&mut seen[share.place], true) {
                return Err(Error::Shares { expected, why: format!("that of place {} came twice", share.place) });
            }
            for (total, part) in sum.samples_mut().iter_mut().zip(share.answer.samples()) {
                for (total, part) in [(&mut total.mask, &part.mask), (&mut total.bodies, &part.bodies)] {
                    total.iter_mut().zip(part).for_each(|(total, part)| *total = total.wrapping_add(*part) & mask);
                }
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(place) => Err(Error::Shares { expected, why: format!("that of place {place} is missing") }),
            None => Ok(sum),
        }
    }

    /// Length of [`Self::to_bytes`] for the shape of a sum, in bytes.
    pub fn encoded_len(shape: &Shape) -> usize {
        HEADER + SealedAnswer::encoded_len(shape)
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = [VERSION, self.shape().parties() as u8, self.place as u8];
        [&header[..], &self.answer.to_bytes()].concat()
    }

    /// Reads the wire form. Lengths are checked before anything is allocated.
    ///
    /// # Errors
    /// [`Error::Parties`], [`Error::Shares`] for a place that is none; as [`SealedAnswer::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let [parties, place] = [reader.u8(), reader.u8()].map(usize::from);
        if !(2..=super::MAX_PARTIES).contains(&parties) {
            return Err(Error::Parties { got: parties });
        }
        if place >= parties {
            let why = format!("{place} is no place among them, counted from 0");
            return Err(Error::Shares { expected: parties, why });
        }
        Ok(Self { place, answer: SealedAnswer::read(&bytes[HEADER..], parties)? })
    }

    #[cfg(test)]
    pub(crate) fn answer(&self) -> &SealedAnswer {
        &self.answer
    }
}
