//! Noise from OpenDP.

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::error::Fallible;
use opendp::measurements::{MakeNoise, ZExpFamily};
use opendp::measures::{MaxDivergence, ZeroConcentratedDivergence};
use opendp::metrics::{L1Distance, L2Distance};
use rayon::prelude::*;

use super::{PrivacyError, Scale};

/// Numbers that one task draws for.
const CHUNK: usize = 1 << 12;

type Cells = VectorDomain<AtomDomain<IBig>>;

impl From<Scale> for RBig {
    fn from(scale: Scale) -> Self {
        RBig::from_parts(IBig::from(scale.numer), UBig::from(scale.denom))
    }
}

/// Adds noise to each value, and holds the results within `-limit..=limit`.
pub(super) fn add(values: &mut [i64], scale: Scale, limit: i64) -> Result<(), PrivacyError> {
    values.par_chunks_mut(CHUNK).try_for_each(|chunk| {
        let exact: Vec<IBig> = chunk.iter().map(|value| IBig::from(*value)).collect();
        let noisy = draw(&exact, scale).map_err(|e| PrivacyError::Sampler(e.to_string()))?;
        for (value, noisy) in chunk.iter_mut().zip(noisy) {
            let far = if noisy < IBig::ZERO { -limit } else { limit };
            *value = i64::try_from(&noisy).map_or(far, |noisy| noisy.clamp(-limit, limit));
        }
        Ok(())
    })
}

fn draw(exact: &Vec<IBig>, scale: Scale) -> Fallible<Vec<IBig>> {
    let cells = Cells::new(AtomDomain::default());
    if scale.gaussian {
        let space = (cells, L2Distance::<RBig>::default());
        let gaussian = ZExpFamily::<2> { scale: scale.into() };
        MakeNoise::<_, _, ZeroConcentratedDivergence>::make_noise(gaussian, space)?.invoke(exact)
    } else {
        let space = (cells, L1Distance::<RBig>::default());
        let laplace = ZExpFamily::<1> { scale: scale.into() };
        MakeNoise::<_, _, MaxDivergence>::make_noise(laplace, space)?.invoke(exact)
    }
}

#[cfg(test)]
mod tests {
    use opendp::combinators::make_zCDP_to_approxDP;

    use super::super::{Loss, Mechanism};
    use super::*;

    fn loss(epsilon: &str, delta: Option<&str>) -> Loss {
        Loss { epsilon: epsilon.parse().unwrap(), delta: delta.map(|delta| delta.parse().unwrap()) }
    }

    /// The library keeps its own account of what a measurement loses.
    #[test]
    fn opendp_agrees_that_each_series_loses_its_share() {
        for (epsilon, series, sensitivity) in [("0.1", 1, 1), ("1", 3, 50), ("0.000001", 7, 1 << 40), ("1000", 2, 1)] {
            let scale = Mechanism::new(loss(epsilon, None), series).scale(sensitivity);
            let space = (Cells::new(AtomDomain::default()), L1Distance::<RBig>::default());
            let laplace = ZExpFamily::<1> { scale: scale.into() };
            let measurement = MakeNoise::<_, _, MaxDivergence>::make_noise(laplace, space).unwrap();
            let share = epsilon.parse::<f64>().unwrap() / series as f64;
            let lost = measurement.map(&RBig::from(sensitivity)).unwrap();
            assert!((share * 0.999_999_999..=share * 1.000_000_001).contains(&lost), "{lost} of {share}");
        }
    }

    #[test]
    fn opendp_agrees_that_all_series_together_lose_epsilon_but_for_delta() {
        for (epsilon, delta, series, sensitivity) in
            [("1", "0.000001", 1usize, 1), ("0.1", "1e-9", 3, 50), ("10", "0.01", 5, 7), ("300", "1e-12", 2, 1)]
        {
            let scale = Mechanism::new(loss(epsilon, Some(delta)), series).scale(sensitivity);
            // One series that changes by √n times as much loses what n of them lose together.
            let together = RBig::try_from(sensitivity as f64 * (series as f64).sqrt()).unwrap();
            let most: f64 = delta.parse().unwrap();
            let lost = |scale: Scale| {
                let space = (Cells::new(AtomDomain::default()), L2Distance::<RBig>::default());
                let gaussian = ZExpFamily::<2> { scale: scale.into() };
                let measurement = MakeNoise::<_, _, ZeroConcentratedDivergence>::make_noise(gaussian, space).unwrap();
                let profile = make_zCDP_to_approxDP(measurement).unwrap().map(&together).unwrap();
                profile.delta(epsilon.parse().unwrap()).unwrap()
            };
            assert!(lost(scale) <= most, "{} of {most} at ε {epsilon}", lost(scale));
            let less = lost(Scale { numer: scale.numer / 3 * 2, ..scale });
            assert!(less > most, "two thirds of the noise would do at ε {epsilon}: {less} of {most}");
        }
    }

    #[test]
    fn values_are_held_within_the_limit_and_no_noise_is_none() {
        let scale = Scale { numer: 1 << 60, denom: 1, gaussian: false };
        let mut values = vec![0i64; 10_000];
        add(&mut values, scale, 7).unwrap();
        assert!(values.iter().all(|v| v.abs() <= 7) && values.iter().filter(|v| v.abs() == 7).count() > 9_900);
        let mut values = [3, -4, 9];
        add(&mut values, Scale { numer: 0, denom: 5, gaussian: false }, 7).unwrap();
        assert_eq!(values, [3, -4, 7]);
    }
}
