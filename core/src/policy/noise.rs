//! The privacy rules of a policy, and what follows from them.

use super::{Policy, PolicyError};
use crate::asset::{AssetError, Kind, OrderTerms, Schema, Value};
use crate::privacy::{Delta, Epsilon, MAX_NOISY_NUMBERS, Mechanism, Noise, Scale};
use crate::program::{Plan, Series};

impl Policy {
    /// Answers each job with noise that is drawn for it, so that it spends this much privacy: see
    /// [`privacy`](crate::privacy). The unit is a row.
    #[must_use]
    pub fn epsilon(mut self, per_job: Epsilon) -> Self {
        self.privacy.epsilon = Some(per_job);
        self
    }

    /// Publishes only under terms that let one order spend at most this much: its uses, times the loss of each. Nothing is
    /// counted per order while the asset is served, since nobody can tell which order a job comes from.
    #[must_use]
    pub fn epsilon_per_order(mut self, most: Epsilon) -> Self {
        self.privacy.epsilon_per_order = Some(most);
        self
    }

    /// Spends at most this much privacy over all jobs of the asset, and over all the data that it is
    /// [updated](crate::owner::Owner::update) with.
    #[must_use]
    pub fn epsilon_per_asset(mut self, most: Epsilon) -> Self {
        self.privacy.epsilon_per_asset = Some(most);
        self
    }

    /// Lets each release pass its loss with this probability, for which less noise suffices where many numbers are asked for
    /// at a time.
    #[must_use]
    pub fn delta(mut self, per_release: Delta) -> Self {
        self.privacy.delta = Some(per_release);
        self
    }

    /// Answers all jobs from one noisy cube, whose noise is drawn when the data is published and spends this much once.
    /// However many jobs there are, nothing more is spent.
    #[must_use]
    pub fn protected_cube(mut self, once: Epsilon) -> Self {
        self.privacy.protected_cube = Some(once);
        self
    }

    /// Counts a value of `column` outside `low..=high` as the nearer of the two in every sum and mean. Noise is as large as
    /// the largest value may be.
    #[must_use]
    pub fn clamp(mut self, column: impl Into<String>, low: impl Into<Value>, high: impl Into<Value>) -> Self {
        self.clamps.insert(column.into(), (low.into(), high.into()));
        self
    }

    /// The range that a measure is clamped to, as it was said.
    pub(crate) fn clamped(&self, column: &str) -> Option<&(Value, Value)> {
        self.clamps.get(column)
    }

    /// What noise is drawn, if any.
    pub fn noise(&self) -> Option<Noise> {
        self.privacy.noise()
    }

    /// The privacy loss that the asset is limited to, if any.
    pub fn privacy_limit(&self) -> Option<Epsilon> {
        self.privacy.epsilon_per_asset
    }

    /// The range that values of a measure are clamped to, in stored units: the schema's, narrowed by
    /// [`clamp`](Self::clamp).
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`].
    pub fn bounds(&self, schema: &Schema, column: &str) -> Result<(i64, i64), AssetError> {
        let (min, max, scale) = match schema.column(column)?.kind {
            Kind::Integer { min, max } => (min, max, 0),
            Kind::Decimal { scale, min, max } => (min, max, scale),
            Kind::Boolean | Kind::Category { .. } | Kind::Text => (0, 1, 0),
        };
        let stored = |value: &Value| value.number().and_then(|number| number.exact(scale));
        let clamp = self.clamps.get(column).and_then(|(low, high)| Some((stored(low)?, stored(high)?)));
        Ok(clamp.map_or((min, max), |(low, high)| (low.max(min), high.min(max))))
    }

    /// The series that noise is drawn for where `asked` are asked for: these, and the count that `min_group_size` looks at.
    pub(crate) fn noisy_series(&self, asked: &[(Series, usize)]) -> Vec<(Series, usize)> {
        let count = (Series::Count, 1);
        let extra = (self.min_group_size > 1 && !asked.contains(&count)).then_some(count);
        asked.iter().cloned().chain(extra).collect()
    }

    /// Every series that the policy lets be asked for.
    pub(crate) fn all_series(&self, schema: &Schema) -> Result<Vec<Series>, AssetError> {
        let mut all = vec![Series::Count];
        for column in &self.measure_columns {
            all.extend(self.sums(column));
            if schema.column(column)?.nullable {
                all.push(Series::Valid(column.clone()));
            }
        }
        Ok(all)
    }

    /// The scale of the noise of `series` in a release of `drawn`, where any is drawn.
    pub(crate) fn scale(&self, schema: &Schema, series: &Series, drawn: usize) -> Result<Option<Scale>, AssetError> {
        let Some(noise) = self.noise() else { return Ok(None) };
        let largest = |column: &str| -> Result<u64, AssetError> {
            let (low, high) = self.bounds(schema, column)?;
            Ok(low.unsigned_abs().max(high.unsigned_abs()))
        };
        let sensitivity = match series {
            // A row is in one bin.
            Series::Count | Series::Valid(_) | Series::Bins(_) => 1,
            Series::Sum(column) => largest(column)?,
            Series::SumOfSquares(column) => largest(column)?.saturating_pow(2),
        };
        Ok(Some(Mechanism::new(noise.loss(), drawn).scale(sensitivity)))
    }

    /// The cells that the policy's columns span.
    pub(crate) fn cells(&self, schema: &Schema) -> Result<u64, AssetError> {
        let mut cells = 1u64;
        for column in &self.dimension_columns {
            cells = cells.saturating_mul(schema.column(column)?.cells()?);
        }
        Ok(cells)
    }

    pub(super) fn check_privacy(&self, schema: &Schema, cells: u64) -> Result<(), PolicyError> {
        for (column, (low, high)) in &self.clamps {
            let scale = match schema.column(column)?.kind {
                Kind::Integer { .. } => 0,
                Kind::Decimal { scale, .. } => scale,
                _ => return Err(PolicyError::Unfit(format!("{column:?} is no number: it cannot be clamped"))),
            };
            let stored = |value: &Value| {
                let stored = value.number().and_then(|number| number.exact(scale));
                let why = || format!("clamp of {column:?}: {value} is no number of at most {scale} decimal places");
                stored.ok_or_else(|| PolicyError::Unfit(why()))
            };
            let (min, max) = (stored(low)?, stored(high)?);
            let (least, most) = self.bounds(schema, column)?;
            if min > max || least > most {
                let why = format!("clamp of {column:?}: {low} to {high} is empty, or outside what the schema declares");
                return Err(PolicyError::Unfit(why));
            }
        }
        if let Some(why) = self.privacy.contradiction() {
            return Err(PolicyError::Unfit(why));
        }
        if self.noise().is_some()
            && let Some(entity) = &self.entity
        {
            // The cells' exact numbers of entities would leak, and a row is what noise hides.
            let why = format!("noise hides rows, not the entities of {entity:?}: leave out entity, or the noise");
            return Err(PolicyError::Unfit(why));
        }
        if let Some(Noise::Cube(_)) = self.noise() {
            let (numbers, limit) = (cells.saturating_mul(self.all_series(schema)?.len() as u64), MAX_NOISY_NUMBERS);
            if numbers > limit {
                return Err(PolicyError::TooMuchNoise { numbers, limit });
            }
        }
        Ok(())
    }

    /// Checks that an order cannot spend more privacy than the policy lets it: its uses in all epochs of its life, times the
    /// loss of each.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`], with both numbers.
    pub fn check_order(&self, terms: &OrderTerms) -> Result<(), PolicyError> {
        let (Some(most), Some(Noise::PerJob(loss))) = (self.privacy.epsilon_per_order, self.noise()) else {
            return Ok(());
        };
        // A life that begins within an epoch touches one more.
        let epochs = terms.epoch_secs.map_or(1, |secs| terms.validity_secs.div_ceil(secs.max(1)).saturating_add(1));
        let uses = terms.limit.saturating_mul(epochs);
        if uses.saturating_mul(loss.epsilon.micros()) > most.micros() {
            return Err(PolicyError::Unfit(format!(
                "an order has {uses} uses of ε {} each, more than epsilon_per_order, which is {most}: give it fewer",
                loss.epsilon
            )));
        }
        Ok(())
    }

    /// The budget after another release of the asset, in millionths of ε.
    ///
    /// # Errors
    /// [`PolicyError::BudgetExhausted`] if it does not suffice.
    pub fn check_budget(&self, spent_micros: u64, asked: Epsilon) -> Result<u64, PolicyError> {
        let after = spent_micros.saturating_add(asked.micros());
        match self.privacy.epsilon_per_asset {
            Some(limit) if after > limit.micros() => {
                let left = limit.micros().saturating_sub(spent_micros);
                let left = Epsilon::from_micros(left).map_or("0".into(), |left| left.to_string());
                Err(PolicyError::BudgetExhausted { asked, left, limit })
            }
            _ => Ok(after),
        }
    }

    /// Checks that no job asks for more noise than is drawn at a time.
    pub(super) fn check_noise(&self, plan: &Plan) -> Result<(), PolicyError> {
        if let Some(Noise::PerJob(_)) = self.noise() {
            let drawn: u64 = self.noisy_series(plan.series()).iter().map(|(_, numbers)| *numbers as u64).sum();
            let (numbers, limit) = (plan.cells() as u64 * plan.groups() as u64 * drawn, MAX_NOISY_NUMBERS);
            if numbers > limit {
                return Err(PolicyError::TooMuchNoise { numbers, limit });
            }
        }
        Ok(())
    }
}
