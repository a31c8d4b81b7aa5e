// Times of snarkjs proving Semaphore's circuit, for the benchmarks.
//
// prove {key, members, depth, runs} -> {milliseconds}: of each run, of the whole of it; files are read before

import { readFileSync } from 'node:fs'
import { Group } from '@semaphore-protocol/group'
import { Identity } from '@semaphore-protocol/identity'
import { groth16 } from 'snarkjs'
import { serve } from '../../../core/tests/interop/peer.mjs'

function artifact (depth, kind) {
  const name = `./node_modules/@zk-kit/semaphore-artifacts/semaphore-${depth}.${kind}`
  return new Uint8Array(readFileSync(new URL(name, import.meta.url)))
}

await serve(null, {
  prove: async ({ key, members, depth, runs }) => {
    const identity = new Identity(key)
    const group = new Group(members.map(BigInt))
    const path = group.generateMerkleProof(group.indexOf(identity.commitment))
    const input = {
      secret: identity.secretScalar,
      merkleProofLength: path.siblings.length,
      merkleProofIndex: path.index,
      merkleProofSiblings: Array.from({ length: depth }, (_, i) => path.siblings[i] ?? 0n),
      scope: 2n,
      message: 1n
    }
    const [wasm, zkey] = ['wasm', 'zkey'].map(kind => artifact(depth, kind))
    const milliseconds = []
    for (let i = 0; i < runs; i++) {
      const start = performance.now()
      await groth16.fullProve(input, wasm, zkey)
      milliseconds.push(performance.now() - start)
    }
    return { milliseconds }
  }
})
