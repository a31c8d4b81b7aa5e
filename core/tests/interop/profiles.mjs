// How a file is cut and stacked, by the names that Sealock has for it. `kubo-v0` is what `ipfs add` has always written:
// leaves wrapped in protobuf, CIDs of version 0.

import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

export const shape = (chunkSize, maxChildrenPerNode) => ({
  chunker: fixedSize({ chunkSize }),
  layout: balanced({ maxChildrenPerNode }),
  wrapWithDirectory: false
})

const kubo = shape(256 << 10, 174)

const PROFILES = {
  // The importer's own name and numbers (IPIP-499).
  'unixfs-v1-2025': { profile: 'unixfs-v1-2025', wrapWithDirectory: false },
  'kubo-legacy': { ...kubo, cidVersion: 1, rawLeaves: true },
  'kubo-v0': { ...kubo, cidVersion: 0, rawLeaves: false }
}

export function options (profile) {
  if (!Object.hasOwn(PROFILES, profile)) throw new Error(`no profile ${profile}`)
  return PROFILES[profile]
}
