//! Baby Jubjub in the coordinates of EIP-2494 and circomlib.
//!
//! arkworks has the same curve with a = 1. The map (x, y) → (√168700 · x, y) leads there from circomlib's
//! 168700 · x² + y² = 1 + 168696 · x² · y². Either root serves, as long as there and back use the same one.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ec::CurveGroup;
use ark_ed_on_bn254::{EdwardsAffine, Fr as Multiplier};
use ark_ff::{Field, MontFp};

/// A point in circomlib's coordinates.
pub(crate) type Point = [Fr; 2];

/// The coefficient of x².
pub(crate) const A: Fr = MontFp!("168700");

/// The coefficient of x² · y².
pub(crate) const D: Fr = MontFp!("168696");

/// The generator of the subgroup whose order is prime.
pub(crate) const BASE8: Point = [
    MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
    MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
];

/// √168700 and its inverse.
static SCALE: LazyLock<(Fr, Fr)> = LazyLock::new(|| {
    let root = A.sqrt().expect("168700 is a square: the curve is complete");
    (root, root.inverse().expect("not zero"))
});

/// The multiple of [`BASE8`].
pub(crate) fn multiple_of_base(multiplier: Multiplier) -> Point {
    let [x, y] = BASE8;
    let point = (EdwardsAffine::new_unchecked(x * SCALE.0, y) * multiplier).into_affine();
    [point.x * SCALE.1, point.y]
}

#[cfg(test)]
mod tests {
    use ark_ff::{One, Zero};

    use super::*;

    #[test]
    fn the_base_is_on_the_curve_and_of_prime_order() {
        let [x, y] = BASE8;
        assert_eq!(A * x * x + y * y, Fr::one() + D * x * x * y * y);
        let point = EdwardsAffine::new_unchecked(x * SCALE.0, y);
        assert!(point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve());
        assert_eq!(multiple_of_base(Multiplier::one()), BASE8);
        assert_eq!(multiple_of_base(Multiplier::zero()), [Fr::zero(), Fr::one()]);
    }
}
