//! Calls of verifier contracts, by the ABI of Solidity.
//!
//! The functions are those of snarkjs' contracts, `verifyProof(uint256[2], uint256[2][2], uint256[2], uint256[n])`, and
//! of Semaphore's verifier, which takes the depth too. Of an element of the quadratic extension, the imaginary part
//! comes first (EIP-197).

use ark_bn254::{Bn254, Fq, Fr};
use ark_ff::{BigInteger, PrimeField};

use crate::{Proof, Statement};

/// `verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[5])`.
pub const ACCESS_SELECTOR: [u8; 4] = [0x34, 0xba, 0xea, 0xb9];

impl Proof {
    /// The call of [`verifyProof`](super::solidity) that verifies this proof of `statement`: selector, A, B, C, and the
    /// five public inputs, of 32 bytes each.
    #[must_use]
    pub fn to_evm_calldata(&self, statement: &Statement) -> Vec<u8> {
        calldata(ACCESS_SELECTOR, &self.0, &statement.public_inputs())
    }
}

#[cfg(feature = "semaphore")]
impl crate::semaphore::Proof {
    /// The call of `SemaphoreVerifier.verifyProof` that verifies this proof.
    #[must_use]
    pub fn to_evm_calldata(&self) -> Vec<u8> {
        // verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[4],uint256)
        let [root, nullifier, message, scope] = self.public_inputs();
        let inputs = [root, nullifier, message, scope, Fr::from(self.depth as u64)];
        calldata([0xa2, 0x3f, 0x01, 0x99], &self.points, &inputs)
    }
}

/// A, B and C.
pub(crate) fn coordinates(proof: &ark_groth16::Proof<Bn254>) -> [Fq; 8] {
    let ark_groth16::Proof { a, b, c } = proof;
    [a.x, a.y, b.x.c1, b.x.c0, b.y.c1, b.y.c0, c.x, c.y]
}

fn calldata(selector: [u8; 4], proof: &ark_groth16::Proof<Bn254>, words: &[Fr]) -> Vec<u8> {
    let mut out = selector.to_vec();
    for coordinate in coordinates(proof) {
        out.extend(coordinate.into_bigint().to_bytes_be());
    }
    for word in words {
        out.extend(word.into_bigint().to_bytes_be());
    }
    out
}
