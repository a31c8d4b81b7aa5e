// ipfs-core behind ipfs-http-server: a daemon that speaks Kubo's RPC (/api/v0) on an ephemeral port of loopback. Offline:
// it listens for no peers and dials none.
//
// usage: rpc_daemon.mjs FOLDER      ready line: {url, id}

import { create } from 'ipfs-core'
import { HttpApi } from 'ipfs-http-server'
import { serve } from './peer.mjs'

const [repo] = process.argv.slice(2)
const ipfs = await create({
  repo,
  silent: true,
  offline: true,
  config: {
    Addresses: { Swarm: [], API: '/ip4/127.0.0.1/tcp/0', Gateway: '', Delegates: [] },
    Bootstrap: [],
    Discovery: { MDNS: { Enabled: false }, webRTCStar: { Enabled: false } }
  }
})
const api = new HttpApi(ipfs)
await api.start()
const { address, port } = api._apiServers[0].info
const { id } = await ipfs.id()

await serve({ url: `http://${address}:${port}`, id: id.toString() }, {})
