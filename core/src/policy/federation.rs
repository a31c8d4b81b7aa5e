//! The rule that an asset answers only in sums with others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sealock_fhe::linear::MAX_PARTIES;
use serde::{Deserialize, Serialize};

use super::{Policy, PolicyError};
use crate::Address;
use crate::federation::{MIN_PARTIES, Member, Round};

/// With whom an asset answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// Addresses and keys, as text.
    members: BTreeMap<String, String>,
}

impl Federation {
    /// The members, the asset's owner among them, by address.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        self.members.iter().filter_map(|(owner, key)| format!("{owner}/{key}").parse().ok())
    }

    /// How many there are.
    pub fn parties(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn member(&self, owner: Address) -> Option<Member> {
        self.members().find(|member| member.owner == owner)
    }

    /// The members, in the order of a round of all of them.
    ///
    /// # Errors
    /// [`PolicyError::FederationSize`], [`PolicyError::FederationStranger`].
    pub(crate) fn in_order_of(&self, round: &Round) -> Result<Vec<Member>, PolicyError> {
        let (got, expected) = (round.parties().len(), self.members.len());
        if got != expected {
            return Err(PolicyError::FederationSize { got, expected });
        }
        let stranger = |owner| PolicyError::FederationStranger { owner };
        round.parties().iter().map(|party| self.member(party.owner()).ok_or_else(|| stranger(party.owner()))).collect()
    }
}

impl Policy {
    /// Answers **only in sums** with assets of all the other `members`, this owner among them. The consumer then opens the total
    /// and no party's part of it: see [`federation`](crate::federation). Each owner tells its
    /// [`Owner::member`](crate::owner::Owner::member), and all publish under the same members.
    ///
    /// It is always all of them: two sums that differ by one party would tell that party's part. For the same reason each member
    /// should publish **one** asset under a rule: of two, whoever knows one learns the others' parts.
    ///
    /// Every other rule holds for this owner's part as if it were an answer of its own. Members are trusted not to help the
    /// consumer: those who do give away the total of the others, so it takes **two honest ones** to hide either.
    #[must_use]
    pub fn federation(mut self, members: impl IntoIterator<Item = Member>) -> Self {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for member in members {
            let key = hex::encode(member.key);
            match all.entry(member.owner.to_string()) {
                Entry::Vacant(entry) => drop(entry.insert(key)),
                // Two in one place are none, which publication refuses: somebody else was meant.
                Entry::Occupied(mut entry) => entry.get_mut().push_str(&key),
            }
        }
        self.federation = Some(Federation { members: all });
        self
    }

    /// With whom the asset answers, if it does not alone.
    pub fn federated(&self) -> Option<&Federation> {
        self.federation.as_ref()
    }

    /// Checks that the asset answers so: alone without a round, and in this round.
    ///
    /// # Errors
    /// [`PolicyError::FederatedOnly`], [`PolicyError::NotFederated`], [`PolicyError::FederationSize`],
    /// [`PolicyError::FederationStranger`].
    pub fn check_round(&self, round: Option<&Round>) -> Result<(), PolicyError> {
        match (&self.federation, round) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(PolicyError::NotFederated),
            (Some(rule), None) => Err(PolicyError::FederatedOnly { others: rule.members.len().saturating_sub(1) }),
            (Some(rule), Some(round)) => rule.in_order_of(round).map(drop),
        }
    }

    pub(super) fn check_members(&self) -> Result<(), PolicyError> {
        let Some(Federation { members }) = &self.federation else { return Ok(()) };
        let unfit = |why: String| Err(PolicyError::Unfit(why));
        if self.download {
            return unfit(
                "it allows downloads, which give the data to any buyer alone: leave them or the federation out".into(),
            );
        }
        for (owner, key) in members {
            if key.len() > 64 {
                return unfit(format!("its federation names {owner} twice: name each member once"));
            }
            match format!("{owner}/{key}").parse::<Member>() {
                // Whoever writes it otherwise has another policy with the same members.
                Ok(m) if (m.owner.to_string(), hex::encode(m.key)) == (owner.clone(), key.clone()) => {}
                Ok(_) => return unfit(format!("its federation writes {owner:?} otherwise than with its checksum")),
                Err(e) => return unfit(format!("its federation: {e}")),
            }
        }
        let count = members.len();
        if !(MIN_PARTIES..=MAX_PARTIES).contains(&count) {
            return unfit(format!(
                "its federation has {count} of the {MIN_PARTIES} to {MAX_PARTIES} members that it can have"
            ));
        }
        Ok(())
    }

    /// Checks that an owner is a member where a federation is named, under its own key if that is known.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`].
    pub(crate) fn check_member(&self, owner: Address, key: Option<[u8; 32]>) -> Result<(), PolicyError> {
        let Some(rule) = &self.federation else { return Ok(()) };
        match rule.member(owner) {
            Some(member) if key.is_none_or(|key| key == member.key) => Ok(()),
            Some(_) => {
                let why = format!(
                    "its federation names {owner} under a key that is not its own: take what its Owner.member tells"
                );
                Err(PolicyError::Unfit(why))
            }
            None => {
                let why = format!("its federation does not name its owner {owner}: add what its Owner.member tells");
                Err(PolicyError::Unfit(why))
            }
        }
    }
}
