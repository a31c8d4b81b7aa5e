// The CIDs that ipfs-unixfs-importer gives, without storing anything.
//
// cid {path, profile} -> {cid}: of a file, or of what comes through a pipe
// cid {path, chunk, links} -> {cid}: cut and stacked in any other way
// zeros {size, profile} -> {cid}: of so many zeros. Leaves that are equal are hashed once, so that size costs little.

import { createReadStream } from 'node:fs'
import { importer } from 'ipfs-unixfs-importer'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { serve } from './peer.mjs'
import { options, shape } from './profiles.mjs'

const nowhere = { put: async cid => cid, get: () => { throw new Error('nothing is kept') }, has: async () => false }

async function cidOf (content, settings) {
  let root
  for await (const entry of importer([{ content }], nowhere, settings)) root = entry
  return { cid: root.cid.toString() }
}

function * zeros (size) {
  const block = new Uint8Array(256 << 10)
  for (; size > block.length; size -= block.length) yield block
  yield block.subarray(0, size)
}

/// Names raw leaves of zeros, each length once.
async function * leafOfZeros (file) {
  const named = new Map()
  for await (const block of file.content) {
    const { length } = block
    if (!named.has(length)) named.set(length, CID.createV1(raw.code, await sha256.digest(block)))
    yield async () => ({ cid: named.get(length), size: BigInt(length), block })
  }
}

await serve(null, {
  cid: ({ path, profile, chunk, links }) => {
    const settings = profile === undefined ? { ...shape(chunk, links), cidVersion: 1, rawLeaves: true } : options(profile)
    return cidOf(createReadStream(path, { highWaterMark: 1 << 20 }), settings)
  },
  zeros: ({ size, profile }) => cidOf(zeros(size), { ...options(profile), bufferImporter: leafOfZeros })
})
