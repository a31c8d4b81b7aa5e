// The CIDs that ipfs-unixfs-importer gives, without storing anything.
//
// cid {path, profile} -> {cid}                   of a file, or of what comes through a pipe

import { createReadStream } from 'node:fs'
import { importer } from 'ipfs-unixfs-importer'
import { serve } from './peer.mjs'
import { options } from './profiles.mjs'

const nowhere = { put: async cid => cid, get: () => { throw new Error('nothing is kept') }, has: async () => false }

async function cidOf (content, settings) {
  let root
  for await (const entry of importer([{ content }], nowhere, settings)) root = entry
  return { cid: root.cid.toString() }
}

await serve(null, {
  cid: ({ path, profile }) => cidOf(createReadStream(path, { highWaterMark: 1 << 20 }), options(profile))
})
