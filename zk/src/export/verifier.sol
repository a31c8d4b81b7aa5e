// SPDX-License-Identifier: Apache-2.0 OR MIT
// Written by sealock-zk.
pragma solidity >=0.8.20 <0.9.0;

/// @title Verifier of Sealock's access proofs: Groth16 on BN254, groups of up to 2^{{depth}} orders.
/// @notice A true answer says that the statement is true. The caller checks that root, message, scope and time are the
/// right ones, and that the nullifier is new.
contract {{name}} {
    /// @notice SHA-256 of the verifying key.
    bytes32 public constant KEY_DIGEST = 0x{{digest}};

    // Of an element of the quadratic extension, 1 is the imaginary part and 0 the real one (EIP-197). The points of the
    // second group are negated here, so that those of the proof go to the precompile as they came: it refuses every
    // encoding but the one.
    // {{constants}}
    // Four pairings cost 181,000 (EIP-1108). A precompile that refuses its input takes all the gas it was given.
    uint256 private constant PAIRING_GAS = 400000;

    /// @notice Verifies a proof of a statement: root, nullifier, message, scope, time.
    /// @return accepted Whether it is one. It does not revert.
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[5] calldata input
    ) external view returns (bool accepted) {
        // A root of zero means an empty group.
        if (input[0] == 0) return false;
        // No public input has a second name: a nullifier plus the order would be a second use.
        for (uint256 i = 0; i < 5; ++i) {
            if (input[i] >= ORDER) return false;
        }
        // The identity is no part of an honest proof.
        if ((a[0] | a[1]) == 0 || (c[0] | c[1]) == 0) return false;
        if ((b[0][0] | b[0][1] | b[1][0] | b[1][1]) == 0) return false;

        assembly ("memory-safe") {
            // Adds to the point at `sum` a multiple of another. Both are points and the factor is below the order, so
            // that the precompiles fail only for want of gas.
            function plusMultiple(sum, x, y, factor) -> done {
                let term := add(sum, 0x40)
                mstore(term, x)
                mstore(add(term, 0x20), y)
                mstore(add(term, 0x40), factor)
                done := staticcall(gas(), 7, term, 0x60, term, 0x40)
                done := and(done, staticcall(gas(), 6, sum, 0x80, sum, 0x40))
            }

            let sum := mload(0x40)
            mstore(sum, INPUT0_X)
            mstore(add(sum, 0x20), INPUT0_Y)
            accepted := 1
            accepted := and(accepted, plusMultiple(sum, INPUT1_X, INPUT1_Y, calldataload(input)))
            accepted := and(accepted, plusMultiple(sum, INPUT2_X, INPUT2_Y, calldataload(add(input, 0x20))))
            accepted := and(accepted, plusMultiple(sum, INPUT3_X, INPUT3_Y, calldataload(add(input, 0x40))))
            accepted := and(accepted, plusMultiple(sum, INPUT4_X, INPUT4_Y, calldataload(add(input, 0x60))))
            accepted := and(accepted, plusMultiple(sum, INPUT5_X, INPUT5_Y, calldataload(add(input, 0x80))))

            // e(A, B) e(alpha, -beta) e(sum, -gamma) e(C, -delta) = 1
            let pairs := add(sum, 0x40)
            calldatacopy(pairs, a, 0x40)
            calldatacopy(add(pairs, 0x40), b, 0x80)
            mstore(add(pairs, 0xc0), ALPHA_X)
            mstore(add(pairs, 0xe0), ALPHA_Y)
            mstore(add(pairs, 0x100), MINUS_BETA_X1)
            mstore(add(pairs, 0x120), MINUS_BETA_X0)
            mstore(add(pairs, 0x140), MINUS_BETA_Y1)
            mstore(add(pairs, 0x160), MINUS_BETA_Y0)
            mstore(add(pairs, 0x180), mload(sum))
            mstore(add(pairs, 0x1a0), mload(add(sum, 0x20)))
            mstore(add(pairs, 0x1c0), MINUS_GAMMA_X1)
            mstore(add(pairs, 0x1e0), MINUS_GAMMA_X0)
            mstore(add(pairs, 0x200), MINUS_GAMMA_Y1)
            mstore(add(pairs, 0x220), MINUS_GAMMA_Y0)
            calldatacopy(add(pairs, 0x240), c, 0x40)
            mstore(add(pairs, 0x280), MINUS_DELTA_X1)
            mstore(add(pairs, 0x2a0), MINUS_DELTA_X0)
            mstore(add(pairs, 0x2c0), MINUS_DELTA_Y1)
            mstore(add(pairs, 0x2e0), MINUS_DELTA_Y0)
            accepted := and(accepted, staticcall(PAIRING_GAS, 8, pairs, 0x300, pairs, 0x20))
            accepted := and(accepted, mload(pairs))
        }
    }
}
