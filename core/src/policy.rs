//! Policies: what an owner lets be asked. Everything that is not allowed is denied.
//!
//! A hidden filter cannot be inspected, so two kinds of rules work together. The rules on the program (columns,
//! aggregations, programs, number of jobs, expiry) are checked before anything is computed. `min_group_size` is applied to
//! the data cube, before the encrypted product, so that whatever a consumer encrypts, the answer is made of groups that
//! are large enough (see [`cube`](crate::cube)). A [privacy loss](Policy::epsilon) puts noise there instead, which protects
//! every row by itself (see [`privacy`](crate::privacy)).

mod federation;
mod noise;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::asset::{AssetError, Schema, Value};
use crate::codec::{CodecError, to_canonical};
use crate::cube::MAX_CUBE_SPAN;
use crate::error::{Classify, ErrorKind};
use crate::model::Inference;
use crate::privacy::{Epsilon, Rules};
use crate::program::{Aggregate, Aggregation, Plan, Program, ProgramError, Series};
use crate::time::Timestamp;
use crate::{Address, Digest};

pub use federation::Federation;

/// The rule that a program breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A column may not be filtered or grouped by.
    #[error("rule dimension_columns: {column:?} may not be filtered or grouped by")]
    Dimension {
        /// The column.
        column: String,
        /// The columns that may be.
        allowed: Vec<String>,
    },
    /// A column may not be aggregated.
    #[error("rule measure_columns: {column:?} may not be aggregated")]
    Measure {
        /// The column.
        column: String,
        /// The columns that may be.
        allowed: Vec<String>,
    },
    /// An aggregation is not allowed.
    #[error("rule allowed_aggregations: {asked:?} is not allowed")]
    Aggregation {
        /// What was asked.
        asked: Aggregation,
        /// What may be asked.
        allowed: Vec<Aggregation>,
    },
    /// The least or greatest bin whose noisy count is not zero is one of noise.
    #[error("rule epsilon: {asked} of noisy counts tells nothing")]
    NoisyExtreme {
        /// What was asked.
        asked: String,
    },
    /// The owner allows some programs by name, and this is none of them.
    #[error("rule allowed_programs: program {program} is not one of the {count} that the owner allows")]
    Program {
        /// Digest of the program.
        program: Digest,
        /// How many are allowed.
        count: usize,
    },
    /// The owner lets nobody decrypt the data.
    #[error("rule download: the data may not be decrypted by buyers")]
    Download,
    /// The owner lets nobody have vectors scored.
    #[error("rule inference: the asset scores no vectors")]
    Inference,
    /// The owner answers only together with others.
    #[error("rule federation: the asset answers together with those of {others} other owners, not alone")]
    FederatedOnly {
        /// How many others there are.
        others: usize,
    },
    /// The owner answers alone.
    #[error("rule federation: the asset answers alone, not in sums with others")]
    NotFederated,
    /// Not all members, or more.
    #[error("rule federation: {got} owners are asked together, it takes all {expected} members and nobody else")]
    FederationSize {
        /// Parties of the round.
        got: usize,
        /// Members.
        expected: usize,
    },
    /// An owner that this one does not answer together with.
    #[error("rule federation: {owner} is none of the owners that the asset answers together with")]
    FederationStranger {
        /// Whose asset was named.
        owner: Address,
    },
    /// More vectors than a job may have.
    #[error("rule inference: {got} vectors were asked of one job, at most {limit} are scored")]
    Vectors {
        /// How many were asked.
        got: u32,
        /// The limit.
        limit: u32,
    },
    /// The asset answers no more jobs.
    #[error("rule max_jobs: the asset has answered its {limit} jobs")]
    JobsExhausted {
        /// How many jobs the asset answers in all.
        limit: u64,
    },
    /// The asset's privacy budget does not suffice for another release.
    #[error("rule epsilon_per_asset: {asked} is asked for, {left} is left of {limit}")]
    BudgetExhausted {
        /// What one release spends.
        asked: Epsilon,
        /// What is left, as a decimal.
        left: String,
        /// What there was in all.
        limit: Epsilon,
    },
    /// An answer would be made of too many noisy numbers.
    #[error("rule epsilon: the answer would take noise for {numbers} numbers, at most {limit} are drawn at a time")]
    TooMuchNoise {
        /// Cells times series.
        numbers: u64,
        /// The limit.
        limit: u64,
    },
    /// The asset is no longer offered.
    #[error("rule expires: the asset expired at {expires}, it is {now} (unix seconds)")]
    Expired {
        /// When it expired.
        expires: Timestamp,
        /// The time of the request.
        now: Timestamp,
    },
    /// The policy does not fit the asset that it is meant for.
    #[error("the policy does not fit the asset: {0}")]
    Unfit(String),
    /// The schema refused a column.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// The program has no digest.
    #[error(transparent)]
    InvalidProgram(#[from] ProgramError),
    /// The policy has no encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Classify for PolicyError {
    fn kind(&self) -> ErrorKind {
        match self {
            PolicyError::Asset(e) => e.kind(),
            PolicyError::InvalidProgram(e) => e.kind(),
            PolicyError::Codec(e) => e.kind(),
            PolicyError::Unfit(_) => ErrorKind::InvalidArgument,
            PolicyError::BudgetExhausted { .. } => ErrorKind::BudgetExhausted,
            _ => ErrorKind::PolicyDenied,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            PolicyError::Dimension { allowed, .. } | PolicyError::Measure { allowed, .. } => {
                Some(format!("allowed: {}", allowed.join(", ")))
            }
            PolicyError::Aggregation { allowed, .. } => Some(format!("allowed: {allowed:?}")),
            PolicyError::NoisyExtreme { .. } => Some("ask for a histogram, or a quantile near the end".into()),
            PolicyError::Vectors { .. } => Some("ask in several jobs".into()),
            PolicyError::FederatedOnly { .. } => {
                Some("order the assets of all members, and ask them with Consumer::request_federated".into())
            }
            PolicyError::NotFederated => Some("ask it alone; or ask its owner to join a federation".into()),
            PolicyError::FederationSize { .. } | PolicyError::FederationStranger { .. } => {
                Some("the asset's policy names the members".into())
            }
            PolicyError::Program { .. } => Some("ask the owner to allow the program's digest".into()),
            PolicyError::BudgetExhausted { .. } => {
                Some("the asset answers no more jobs: its owner can publish another".into())
            }
            PolicyError::TooMuchNoise { .. } => Some("group by fewer columns, or hide fewer".into()),
            _ => None,
        }
    }
}

/// Which programs an asset answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowedPrograms {
    /// Any program within the other rules.
    Any,
    /// Programs with these digests, within the other rules.
    Only(BTreeSet<Digest>),
}

/// What an owner lets be asked. [`Policy::deny_all`] allows nothing; each method allows something more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    dimension_columns: BTreeSet<String>,
    measure_columns: BTreeSet<String>,
    allowed_aggregations: BTreeSet<Aggregation>,
    allowed_programs: AllowedPrograms,
    min_group_size: u32,
    /// Left out where rows are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    max_jobs: Option<u64>,
    expires: Option<Timestamp>,
    purpose: Option<String>,
    /// Left out where it is denied, so that policies from before there was such a rule keep their digests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    download: bool,
    /// Left out where they say nothing, for the same reason, and so are the bounds.
    #[serde(default, skip_serializing_if = "Rules::is_none")]
    privacy: Rules,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    clamps: BTreeMap<String, (Value, Value)>,
    /// How many vectors a job may have scored; left out where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inference: Option<u32>,
    /// Left out where the asset answers alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    federation: Option<Federation>,
}

impl Policy {
    /// The group size that [`Policy::deny_all`] starts from.
    pub const DEFAULT_MIN_GROUP_SIZE: u32 = 10;

    /// Allows nothing.
    pub fn deny_all() -> Self {
        Self {
            dimension_columns: BTreeSet::new(),
            measure_columns: BTreeSet::new(),
            allowed_aggregations: BTreeSet::new(),
            allowed_programs: AllowedPrograms::Only(BTreeSet::new()),
            min_group_size: Self::DEFAULT_MIN_GROUP_SIZE,
            entity: None,
            max_jobs: None,
            expires: None,
            purpose: None,
            download: false,
            privacy: Rules::default(),
            clamps: BTreeMap::new(),
            inference: None,
            federation: None,
        }
    }

    /// Allows filtering and grouping by these columns. Together they span the asset's base cube, so that every further one
    /// makes its cells smaller and [`min_group_size`](Self::min_group_size) withhold more.
    #[must_use]
    pub fn dimensions<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.dimension_columns.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Allows aggregating these columns.
    #[must_use]
    pub fn measures<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.measure_columns.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Allows these aggregations. What leaves for each of them, its variant says; [`Aggregation::Histogram`] is about the
    /// policy's dimensions, the others are about its measures.
    #[must_use]
    pub fn aggregations(mut self, allowed: impl IntoIterator<Item = Aggregation>) -> Self {
        self.allowed_aggregations.extend(allowed);
        self
    }

    /// Allows any program within the other rules.
    #[must_use]
    pub fn any_program(mut self) -> Self {
        self.allowed_programs = AllowedPrograms::Any;
        self
    }

    /// Allows programs with these digests, within the other rules.
    #[must_use]
    pub fn programs(mut self, digests: impl IntoIterator<Item = Digest>) -> Self {
        match &mut self.allowed_programs {
            AllowedPrograms::Only(known) => known.extend(digests),
            AllowedPrograms::Any => self.allowed_programs = AllowedPrograms::Only(digests.into_iter().collect()),
        }
        self
    }

    /// Suppresses every cell of the base cube, that is every combination of all the policy's dimensions, with fewer rows
    /// than this. 1 suppresses nothing. It counts rows, a person who has several as often, unless [`Self::entity`] says whom
    /// they are about.
    ///
    /// Where noise is drawn, exact counts would leak: cells whose *noisy* count is below this are suppressed then, those of
    /// what the job asks about under [`epsilon`](Self::epsilon). A count is drawn for that, on which part of the loss is
    /// spent, unless this is 1.
    #[must_use]
    pub fn min_group_size(mut self, rows: u32) -> Self {
        self.min_group_size = rows;
        self
    }

    /// Lets [`min_group_size`](Self::min_group_size) count the distinct values of this column, which has the role of an
    /// entity in the schema, and not rows: a person with a hundred visits is one. `count` still answers rows.
    ///
    /// It says nothing about how much of a sum one entity makes up: where one of many has nearly all of it, the sum tells
    /// theirs. Declare narrow ranges for measures.
    #[must_use]
    pub fn entity(mut self, column: impl Into<String>) -> Self {
        self.entity = Some(column.into());
        self
    }

    /// Lets buyers decrypt the data. Whoever does has all of it, for good: no other rule but
    /// [`max_jobs`](Self::max_jobs) and [`expires`](Self::expires) means anything to them.
    #[must_use]
    pub fn allow_download(mut self) -> Self {
        self.download = true;
        self
    }

    /// Lets a model score encrypted vectors, at most so many in one job.
    ///
    /// One more vector than the model has features tells whoever has the scores **every coefficient**. What all buyers
    /// together may ask is this times [`max_jobs`](Self::max_jobs): see [`model`](crate::model).
    #[must_use]
    pub fn allow_inference(mut self, max_vectors: u32) -> Self {
        self.inference = Some(max_vectors);
        self
    }

    /// Answers at most this many jobs, over all orders. A download is one.
    #[must_use]
    pub fn max_jobs(mut self, jobs: u64) -> Self {
        self.max_jobs = Some(jobs);
        self
    }

    /// Answers no job from this time on, in unix seconds.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// States what the answers may be used for. Buyers agree to it; nothing can enforce it.
    #[must_use]
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// Whether buyers may decrypt the data.
    pub fn allows_download(&self) -> bool {
        self.download
    }

    /// Whether any query at all could be answered.
    pub fn allows_queries(&self) -> bool {
        !self.allowed_aggregations.is_empty() && self.allowed_programs != AllowedPrograms::Only(BTreeSet::new())
    }

    /// How many vectors a job may have scored, if any.
    pub fn max_vectors(&self) -> Option<u32> {
        self.inference
    }

    /// The column whose distinct values are counted; `None` where rows are.
    pub fn entity_column(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    /// The columns that the base cube is made of, in the order of `schema`.
    pub(crate) fn fold_columns<'s>(&self, schema: &'s Schema) -> Vec<&'s str> {
        let named = |name: &String| {
            self.dimension_columns.contains(name)
                || self.measure_columns.contains(name)
                || self.entity.as_ref() == Some(name)
        };
        schema.columns().iter().filter(|c| named(&c.name)).map(|c| c.name.as_str()).collect()
    }

    /// Rows, or entities, below which a cell of the base cube is suppressed.
    pub fn group_size(&self) -> u32 {
        self.min_group_size
    }

    /// When the asset expires, in unix seconds.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The columns that span the base cube, in the order of `schema`.
    pub fn cube_columns(&self, schema: &Schema) -> Vec<String> {
        schema.columns().iter().filter(|c| self.dimension_columns.contains(&c.name)).map(|c| c.name.clone()).collect()
    }

    /// The columns that may be aggregated.
    pub fn measure_columns(&self) -> impl Iterator<Item = &str> {
        self.measure_columns.iter().map(String::as_str)
    }

    /// Whether an aggregation is allowed.
    pub fn allows(&self, aggregation: Aggregation) -> bool {
        self.allowed_aggregations.contains(&aggregation)
    }

    /// The sums of a measure that the cube holds.
    pub(crate) fn sums(&self, column: &str) -> Vec<Series> {
        let squares = self.allows(Aggregation::Variance).then(|| Series::SumOfSquares(column.into()));
        std::iter::once(Series::Sum(column.into())).chain(squares).collect()
    }

    /// The rules as JSON, for the asset's description.
    ///
    /// # Errors
    /// [`PolicyError::Codec`] if it has no form.
    pub fn to_json(&self) -> Result<serde_json::Value, PolicyError> {
        let malformed = |e: serde_json::Error| CodecError::Malformed { what: "policy", why: e.to_string() };
        Ok(serde_json::to_value(self).map_err(malformed)?)
    }

    /// The digest that proofs and receipts name the policy by.
    ///
    /// # Errors
    /// [`PolicyError::Codec`] if it has no canonical form.
    pub fn digest(&self) -> Result<Digest, PolicyError> {
        Ok(Digest::of("sealock/v1/policy", &[&to_canonical("policy", self)?]))
    }

    /// Checks that the policy fits an asset: its columns exist in their roles, the base cube is not too large, and there is
    /// something that it allows.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`] or [`PolicyError::Asset`], naming the column.
    pub fn check_fits(&self, schema: &Schema) -> Result<(), PolicyError> {
        let unfit = |why: &str| Err(PolicyError::Unfit(why.into()));
        if self.inference.is_some() {
            return unfit("it allows inference, which a table has no model for");
        }
        if self.min_group_size == 0 {
            return unfit("min_group_size is 0; 1 suppresses nothing");
        }
        let nothing = AllowedPrograms::Only(BTreeSet::new());
        let for_download_alone =
            self.download && self.allowed_aggregations.is_empty() && self.allowed_programs == nothing;
        if self.allowed_aggregations.is_empty() && !for_download_alone {
            return unfit(
                "it allows no aggregation, so that nothing could ever be answered: allow some of count, sum, mean, variance, \
                 histogram",
            );
        }
        if self.allowed_programs == nothing && !for_download_alone {
            return unfit("it allows no program: allow any, or some by their digests");
        }
        if self.max_jobs == Some(0) {
            return unfit("max_jobs is 0, so that nothing could ever be answered");
        }
        for column in &self.dimension_columns {
            if !schema.column(column)?.role.dimension {
                let why = format!("{column:?} is not a dimension in the schema: declare it as one");
                return Err(PolicyError::Unfit(why));
            }
        }
        for column in &self.measure_columns {
            if !schema.column(column)?.role.measure {
                let why = format!("{column:?} is not a measure in the schema: declare it as one");
                return Err(PolicyError::Unfit(why));
            }
        }
        if let Some(column) = &self.entity
            && !schema.column(column)?.role.entity
        {
            return Err(PolicyError::Unfit(format!("{column:?} is not an entity in the schema: declare it as one")));
        }
        self.check_members()?;
        let cells = self.cells(schema)?;
        if cells > MAX_CUBE_SPAN {
            return Err(PolicyError::Unfit(format!(
                "its dimension columns span {cells} cells, at most {MAX_CUBE_SPAN} are supported: bin them more coarsely"
            )));
        }
        self.check_privacy(schema, cells)
    }

    /// As [`Policy::check_fits`], for a model: it has neither dimensions nor measures, and its program is inference.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`].
    pub fn check_fits_model(&self) -> Result<(), PolicyError> {
        let unfit = |why: &str| Err(PolicyError::Unfit(why.into()));
        let queries = !self.dimension_columns.is_empty()
            || !self.measure_columns.is_empty()
            || !self.allowed_aggregations.is_empty()
            || self.allowed_programs != AllowedPrograms::Only(BTreeSet::new());
        if queries {
            return unfit("it allows queries, which a model does not answer: allow inference alone");
        }
        if self.federation.is_some() {
            return unfit("it names a federation, which scores of a model are not added up in: leave it out");
        }
        if !self.privacy.is_none() || !self.clamps.is_empty() {
            return unfit("it asks for noise, which scores of a model do not get: leave the privacy loss out");
        }
        match (self.inference, self.download) {
            (Some(0), _) => unfit("it allows inference of 0 vectors, so that nothing could ever be answered"),
            (None, false) => unfit("it allows nothing that a model can do: allow inference"),
            _ if self.max_jobs == Some(0) => unfit("max_jobs is 0, so that nothing could ever be answered"),
            _ => Ok(()),
        }
    }

    /// Checks that a model may score so many vectors.
    ///
    /// # Errors
    /// [`PolicyError::Inference`], [`PolicyError::Vectors`] or [`PolicyError::Expired`].
    pub fn check_inference(&self, program: &Inference, now: Timestamp) -> Result<(), PolicyError> {
        let limit = self.inference.ok_or(PolicyError::Inference)?;
        let got = program.vectors();
        if got > limit {
            return Err(PolicyError::Vectors { got, limit });
        }
        self.check_time(now)
    }

    /// Checks a program against every rule that needs no state. The strictest rule wins: all must allow it.
    ///
    /// # Errors
    /// The first rule that denies it.
    pub fn check(&self, program: &Program, plan: &Plan, now: Timestamp) -> Result<(), PolicyError> {
        self.check_time(now)?;
        if let AllowedPrograms::Only(allowed) = &self.allowed_programs {
            let digest = program.digest()?;
            if !allowed.contains(&digest) {
                return Err(PolicyError::Program { program: digest, count: allowed.len() });
            }
        }
        for column in plan.dimensions() {
            if !self.dimension_columns.contains(column) {
                let allowed = self.dimension_columns.iter().cloned().collect();
                return Err(PolicyError::Dimension { column: column.into(), allowed });
            }
        }
        for aggregate in plan.aggregates() {
            if !self.allowed_aggregations.contains(&aggregate.aggregation()) {
                return Err(PolicyError::Aggregation {
                    asked: aggregate.aggregation(),
                    allowed: self.allowed_aggregations.iter().copied().collect(),
                });
            }
            if self.noise().is_some() && matches!(aggregate, Aggregate::Min(_) | Aggregate::Max(_)) {
                return Err(PolicyError::NoisyExtreme { asked: aggregate.to_string() });
            }
            if let Some(column) = aggregate.measure()
                && !self.measure_columns.contains(column)
            {
                let allowed = self.measure_columns.iter().cloned().collect();
                return Err(PolicyError::Measure { column: column.into(), allowed });
            }
        }
        self.check_noise(plan)
    }

    /// Checks that buyers may decrypt the data.
    ///
    /// # Errors
    /// [`PolicyError::Download`] or [`PolicyError::Expired`].
    pub fn check_download(&self, now: Timestamp) -> Result<(), PolicyError> {
        if !self.download {
            return Err(PolicyError::Download);
        }
        self.check_time(now)
    }

    /// Checks that the asset has not expired.
    ///
    /// # Errors
    /// [`PolicyError::Expired`].
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), PolicyError> {
        match self.expires {
            Some(expires) if now >= expires => Err(PolicyError::Expired { expires, now }),
            _ => Ok(()),
        }
    }

    /// Checks the number of jobs that the asset has answered.
    ///
    /// # Errors
    /// [`PolicyError::JobsExhausted`] if there is none left.
    pub fn check_jobs(&self, answered: u64) -> Result<(), PolicyError> {
        match self.max_jobs {
            Some(limit) if answered >= limit => Err(PolicyError::JobsExhausted { limit }),
            _ => Ok(()),
        }
    }
}
