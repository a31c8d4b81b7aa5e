//! The rule that an asset answers only in sums with others.

use std::collections::BTreeMap;

use sealock_fhe::linear::MAX_PARTIES;
use serde::{Deserialize, Serialize};

use super::{Policy, PolicyError};
use crate::Address;
use crate::federation::{MIN_PARTIES, Member, Round};

/// With whom an asset answers, and how many it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// Addresses and keys, as text.
    members: BTreeMap<String, String>,
    min_parties: u32,
}

impl Federation {
    /// The members, the asset's owner among them, by address.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        self.members.iter().filter_map(|(owner, key)| format!("{owner}/{key}").parse().ok())
    }

    /// Fewest parties of a sum.
    pub fn min_parties(&self) -> u32 {
        self.min_parties
    }

    pub(crate) fn member(&self, owner: Address) -> Option<Member> {
        self.members().find(|member| member.owner == owner)
    }

    /// The members that are the parties of a round, in its order.
    ///
    /// # Errors
    /// [`PolicyError::FederationTooSmall`], [`PolicyError::FederationStranger`].
    pub(crate) fn parties(&self, round: &Round) -> Result<Vec<Member>, PolicyError> {
        let (got, limit) = (round.parties().len(), self.min_parties);
        if (got as u64) < u64::from(limit) {
            return Err(PolicyError::FederationTooSmall { got, limit });
        }
        let stranger = |owner| PolicyError::FederationStranger { owner };
        round.parties().iter().map(|party| self.member(party.owner()).ok_or_else(|| stranger(party.owner()))).collect()
    }
}

impl Policy {
    /// Answers **only in sums** with assets of other owners: at least so many parties, this owner among them, all of them
    /// `members`. The consumer then opens the total and no party's part of it: see [`federation`](crate::federation).
    ///
    /// Every other rule holds for this owner's part as if it were an answer of its own. Members are trusted not to help the
    /// consumer, and to name the same members: one who does gives away the total of the others, so it takes **two honest
    /// ones** to hide either. Each tells its [`Owner::member`](crate::owner::Owner::member).
    #[must_use]
    pub fn federation(mut self, members: impl IntoIterator<Item = Member>, min_parties: u32) -> Self {
        let members = members.into_iter().map(|member| (member.owner.to_string(), hex::encode(member.key))).collect();
        self.federation = Some(Federation { members, min_parties });
        self
    }

    /// With whom the asset answers, if it does not alone.
    pub fn federated(&self) -> Option<&Federation> {
        self.federation.as_ref()
    }

    /// Checks that the asset answers so: alone without a round, and in this round.
    ///
    /// # Errors
    /// [`PolicyError::FederatedOnly`], [`PolicyError::NotFederated`], [`PolicyError::FederationTooSmall`],
    /// [`PolicyError::FederationStranger`].
    pub fn check_round(&self, round: Option<&Round>) -> Result<(), PolicyError> {
        match (&self.federation, round) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(PolicyError::NotFederated),
            (Some(rule), None) => Err(PolicyError::FederatedOnly { others: rule.min_parties.saturating_sub(1) }),
            (Some(rule), Some(round)) => rule.parties(round).map(drop),
        }
    }

    pub(super) fn check_members(&self) -> Result<(), PolicyError> {
        let Some(Federation { members, min_parties }) = &self.federation else { return Ok(()) };
        let unfit = |why: String| Err(PolicyError::Unfit(why));
        for (owner, key) in members {
            let read = format!("{owner}/{key}").parse::<Member>();
            // Whoever writes it otherwise has another policy with the same members.
            let canonical =
                read.is_ok_and(|m| (m.owner.to_string(), hex::encode(m.key)) == (owner.clone(), key.clone()));
            if !canonical {
                return unfit(format!("its federation has a member that is none: {owner:?}, {key:?}"));
            }
        }
        let (count, least) = (members.len(), *min_parties as usize);
        if !(MIN_PARTIES..=MAX_PARTIES).contains(&count) {
            return unfit(format!("its federation has {count} members, {MIN_PARTIES} to {MAX_PARTIES} are supported"));
        }
        if !(MIN_PARTIES..=count).contains(&least) {
            return unfit(format!(
                "its federation takes {least} parties of {count}: it must be {MIN_PARTIES} to {count}"
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
            Some(_) => Err(PolicyError::Unfit(format!("its federation names {owner} under a key that is not its own"))),
            None => Err(PolicyError::Unfit(format!("its federation does not name its owner {owner}"))),
        }
    }
}
