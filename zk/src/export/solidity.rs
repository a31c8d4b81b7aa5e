//! A contract that verifies access proofs of one key.
//!
//! `verifyProof(uint256[2] a, uint256[2][2] b, uint256[2] c, uint256[5] input) returns (bool)` is a view without state.
//! It accepts what [`verify`](crate::verify()) accepts: inputs below the order of the field and nothing congruent to
//! them, a root that is not zero, and points of their groups in their one encoding, none the identity. Whether root,
//! message, scope and time are the right ones and the nullifier is new is for its caller to check.
//!
//! The key is the contract's: whoever has made it can forge proofs. A contract that guards what its deployer does not
//! own needs a key that its users trust, and an owner-made one is not that.

use core::fmt::{Display, Write as _};

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ff::PrimeField;
use thiserror::Error;

use crate::VerifyingKey;

/// Not the name of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a contract's name is a letter, then up to 63 letters and digits of ASCII, got {got:?}")]
pub struct NameError {
    /// The name asked for.
    pub got: String,
}

const TEMPLATE: &str = include_str!("verifier.sol");

impl VerifyingKey {
    /// The source of a contract with this name. Needs a compiler of version 0.8.20 or later.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn to_solidity(&self, name: &str) -> Result<String, NameError> {
        let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !letter_first || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NameError { got: name.to_owned() });
        }
        let key = &self.inner.vk;
        let mut constants = String::new();
        constant(&mut constants, "ORDER", &Fr::MODULUS);
        g1(&mut constants, "ALPHA", &key.alpha_g1);
        g2(&mut constants, "MINUS_BETA", &-key.beta_g2);
        g2(&mut constants, "MINUS_GAMMA", &-key.gamma_g2);
        g2(&mut constants, "MINUS_DELTA", &-key.delta_g2);
        for (i, point) in key.gamma_abc_g1.iter().enumerate() {
            g1(&mut constants, &format!("INPUT{i}"), point);
        }
        Ok(TEMPLATE
            .replace("{{name}}", name)
            .replace("{{depth}}", &self.depth().to_string())
            .replace("{{digest}}", &hex::encode(self.digest()))
            .replace("    // {{constants}}\n", &constants))
    }
}

fn constant(out: &mut String, name: &str, value: &impl Display) {
    writeln!(out, "    uint256 private constant {name} = {value};").expect("writing to a String does not fail");
}

fn g1(out: &mut String, name: &str, point: &G1Affine) {
    constant(out, &format!("{name}_X"), &point.x);
    constant(out, &format!("{name}_Y"), &point.y);
}

fn g2(out: &mut String, name: &str, point: &G2Affine) {
    constant(out, &format!("{name}_X1"), &point.x.c1);
    constant(out, &format!("{name}_X0"), &point.x.c0);
    constant(out, &format!("{name}_Y1"), &point.y.c1);
    constant(out, &format!("{name}_Y0"), &point.y.c0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rng::{SeedableRng, StdRng},
        setup,
    };

    #[test]
    fn only_names_of_contracts_enter_the_source() {
        let key = setup(1, &mut StdRng::seed_from_u64(1)).unwrap().verifying_key;
        let source = key.to_solidity("AccessVerifier").unwrap();
        assert!(source.contains("contract AccessVerifier {") && !source.contains("{{"));
        for name in ["", "1st", "a b", "a{}", "a_b", "é", &"a".repeat(65)] {
            assert_eq!(key.to_solidity(name), Err(NameError { got: name.to_owned() }));
        }
    }
}
