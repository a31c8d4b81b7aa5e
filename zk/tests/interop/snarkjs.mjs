// snarkjs (https://github.com/iden3/snarkjs), as a verifier.
//
// verify {key, public, proof} -> {accepted}: all three as snarkjs has them

import { groth16 } from 'snarkjs'
import { serve } from '../../../core/tests/interop/peer.mjs'

await serve(null, {
  verify: async ({ key, public: inputs, proof }) => ({ accepted: await groth16.verify(key, inputs, proof) })
})
