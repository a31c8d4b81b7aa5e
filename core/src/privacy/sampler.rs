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
