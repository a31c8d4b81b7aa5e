// @semaphore-protocol/* (https://github.com/semaphore-protocol/semaphore), with the keys of its ceremony.
//
// identity {key} -> {secret, public, commitment, exported}: the key as text, or {hex} for bytes
// group {members} -> {root, depth}                path {members, at, removed?} -> {root, leaf, index, siblings}
// prove {key, members, message, scope, depth} -> {proof}
// verify {proof} -> {accepted}
// witness {depth, secret, length, index, siblings, message, scope} -> {values}: what circom's calculator makes of it

import { fileURLToPath } from 'node:url'
import { Group } from '@semaphore-protocol/group'
import { Identity } from '@semaphore-protocol/identity'
import { generateProof, verifyProof } from '@semaphore-protocol/proof'
import { wtns } from 'snarkjs'
import { serve } from '../../../core/tests/interop/peer.mjs'

const artifact = (depth, kind) =>
  fileURLToPath(new URL(`./node_modules/@zk-kit/semaphore-artifacts/semaphore-${depth}.${kind}`, import.meta.url))
const identity = key => new Identity(typeof key === 'string' ? key : Buffer.from(key.hex, 'hex'))
const group = members => new Group(members.map(BigInt))

await serve(null, {
  identity: ({ key }) => {
    const made = identity(key)
    return {
      secret: String(made.secretScalar),
      public: made.publicKey.map(String),
      commitment: String(made.commitment),
      exported: made.export()
    }
  },
  group: ({ members }) => {
    const made = group(members)
    return { root: String(made.root), depth: made.depth }
  },
  path: ({ members, at, removed = [] }) => {
    const made = group(members)
    for (const place of removed) made.removeMember(place)
    const { root, leaf, index, siblings } = made.generateMerkleProof(at)
    return { root: String(root), leaf: String(leaf), index, siblings: siblings.map(String) }
  },
  prove: async ({ key, members, message, scope, depth }) => {
    const artifacts = { wasm: artifact(depth, 'wasm'), zkey: artifact(depth, 'zkey') }
    return { proof: await generateProof(identity(key), group(members), message, scope, depth, artifacts) }
  },
  verify: async ({ proof }) => ({ accepted: await verifyProof(proof) }),
  witness: async ({ depth, secret, length, index, siblings, message, scope }) => {
    const inputs = {
      secret, merkleProofLength: length, merkleProofIndex: index, merkleProofSiblings: siblings, message, scope
    }
    const file = { type: 'mem' }
    await wtns.calculate(inputs, artifact(depth, 'wasm'), file)
    return { values: (await wtns.exportJson(file)).map(String) }
  }
})
