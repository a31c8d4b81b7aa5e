// Helia on loopback, TCP and QUIC, in memory. No bootstrap, no discovery, no HTTP gateways: it reaches whom it is told to dial.
//
// add {path, profile?} -> {cid}            get {cid} -> {size, sha256}        block {cid} -> {size}
// pin {cid} -> {blocks}: the whole graph   has {cid} -> {has}                 connect {addr} -> null
// id -> {id, addrs}, as in the ready line  peers -> {peers}
// flood {addr, streams} -> {refused}: that many messages of bitswap's largest size, none of which it ends
// lie {how} -> null: from now on it says that it has every block, and sends 'garbage', or nothing, to 'stall'

import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { quic } from '@chainsafe/libp2p-quic'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { serve } from './peer.mjs'
import { options } from './profiles.mjs'

let lie

const LARGEST = 4 << 20
const LENGTH = Uint8Array.of(0x80, 0x80, 0x80, 0x02) // of the largest message, as a varint

/// Writes a message but its last byte.
async function unfinished (connection) {
  const stream = await connection.newStream('/ipfs/bitswap/1.2.0')
  stream.send(LENGTH)
  const chunk = new Uint8Array(64 << 10)
  for (let left = LARGEST - 1; left > 0; left -= chunk.length) {
    if (!stream.send(chunk.subarray(0, Math.min(left, chunk.length)))) await stream.onDrain()
  }
}

class Blocks extends MemoryBlockstore {
  has (cid, options) {
    return lie === undefined ? super.has(cid, options) : true
  }

  async * get (cid, options) {
    if (lie === 'stall') await new Promise(() => {})
    if (lie === 'garbage') yield randomBytes(1000)
    else yield * super.get(cid, options)
  }
}

const helia = withBitswap(withLibp2pLight(createHeliaLight({ blockstore: new Blocks() }), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1'] },
  transports: [tcp(), quic()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
}))
await helia.start()
const files = unixfs(helia)

const id = () => ({
  id: helia.libp2p.peerId.toString(),
  addrs: helia.libp2p.getMultiaddrs().map(String)
})

await serve(id(), {
  id,
  peers: () => ({ peers: helia.libp2p.getPeers().map(String) }),
  connect: async ({ addr }) => { await helia.libp2p.dial(multiaddr(addr)) },
  add: async ({ path, profile = 'unixfs-v1-2025' }) => {
    const cid = await files.addByteStream(createReadStream(path), options(profile))
    return { cid: cid.toString() }
  },
  get: async ({ cid }) => {
    const hash = createHash('sha256')
    let size = 0
    for await (const bytes of files.cat(CID.parse(cid))) {
      hash.update(bytes)
      size += bytes.length
    }
    return { size, sha256: hash.digest('hex') }
  },
  block: async ({ cid }) => {
    let size = 0
    for await (const bytes of helia.blockstore.get(CID.parse(cid))) size += bytes.length
    return { size }
  },
  pin: async ({ cid }) => {
    let blocks = 0
    for await (const _ of helia.pins.add(CID.parse(cid))) blocks++
    return { blocks }
  },
  flood: async ({ addr, streams }) => {
    const connection = await helia.libp2p.dial(multiaddr(addr))
    const sent = await Promise.allSettled(Array.from({ length: streams }, () => unfinished(connection)))
    return { refused: sent.filter(({ status }) => status === 'rejected').length }
  },
  lie: ({ how }) => { lie = how },
  has: async ({ cid }) => ({ has: await helia.blockstore.has(CID.parse(cid)) })
})
