// Ocean Protocol's own client (https://github.com/oceanprotocol/ocean.js), unmodified, as the user of a compute node.
//
// open {url, addresses, secret, node, chainId?} -> {address}: as whom the client acts from then on
// endpoints -> the node's root document
// valid -> {valid}: whether ocean.js takes the node for a provider
// createAsset {ddo, files, encrypt?} -> {did}: publishes with `createAsset`, for nothing, by way of a dispenser
// wait {did, tx?} -> the DDO, once the indexer has it; null if it has not for three seconds
// validate {ddo} -> {valid, hash, proof}
// order {did, service, consumer?, fee?} -> {tx}: with `orderAsset`; `fee` is the provider's, asked of the node if not given
// orderMany {orders: [{datatoken, consumer, service, fee}]} -> {tx}: through the factory
// download {did, service, tx, file?} -> {data: base64, filename}
// downloadUrl {did, service, tx, file?} -> {url}: signed, to be used once
// environments -> [environment]
// initialize {did, service} -> {datatoken, nonce, providerFee}
// initializeCompute {datasets, algorithm, environment} -> {datasets, algorithm}
// start {environment, datasets, algorithm} -> [job]
// status {job?, agreement?} -> [job]
// stop {job} -> [job]
// resultUrl {job, index} -> {url}: signed, to be used once
// result {job, index, offset?} -> {text}
// nonce {of?} -> {nonce}
// describe {nft, data, hash} -> {tx}: as an encrypted description
// sign {nonce, command, address?} -> {consumerAddress, nonce, signature}: as ocean.js signs; `address` says it is another
// request {method?, path, body?} -> {status, text}: of the node, without ocean.js

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Aquarius, ConfigHelper, Datatoken, LoggerInstance, LogLevel, Nft, NftFactory, ProviderInstance, ZERO_ADDRESS, createAsset,
  downloadFile, orderAsset, signRequest
} from '@oceanprotocol/lib'
import { JsonRpcProvider, Wallet } from 'ethers'
import { serve } from '../peer.mjs'

const FREE = { consumeMarketFeeAddress: ZERO_ADDRESS, consumeMarketFeeToken: ZERO_ADDRESS, consumeMarketFeeAmount: '0' }
const POLL = 100 // milliseconds
const TRIES = 30

LoggerInstance.setLevel(LogLevel.None)

const folder = mkdtempSync(join(tmpdir(), 'sealock-node-client-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/// What `open` sets.
let provider, signer, me, network, config, node, aquarius, datatoken

async function open ({ url, addresses, secret, node: at, chainId = 8996 }) {
  provider?.destroy()
  // Where ocean.js reads Ocean's address.json.
  process.env.ADDRESS_FILE = join(folder, 'address.json')
  writeFileSync(process.env.ADDRESS_FILE, JSON.stringify(addresses))
  provider = new JsonRpcProvider(url, chainId, { staticNetwork: true, cacheTimeout: -1, polling: true, pollingInterval: 10 })
  signer = new Wallet(secret, provider)
  me = signer.address
  network = chainId
  node = at
  config = new ConfigHelper().getConfig(chainId)
  config.oceanNodeUri = node
  aquarius = new Aquarius(node)
  datatoken = new Datatoken(signer, chainId, config)
  return { address: me }
}

async function request ({ method = 'GET', path, body }) {
  const response = await fetch(node + path, { method, body, redirect: 'manual' })
  return { status: response.status, text: await response.text() }
}

async function resolve (did) {
  const ddo = await aquarius.waitForIndexer(did, undefined, undefined, POLL, TRIES)
  if (ddo === null) throw new Error('the indexer does not have it')
  return ddo
}

async function order ({ did, service, consumer = me, fee }) {
  const ddo = await resolve(did)
  const index = ddo.services.findIndex(({ id }) => id === service)
  const sent = await orderAsset(ddo, signer, config, datatoken, node, consumer, FREE, fee, '0', index, index)
  const receipt = await sent.wait()
  return { tx: receipt.hash }
}

async function orderMany ({ orders }) {
  const factory = new NftFactory(config.nftFactoryAddress, signer, network, config)
  for (const { datatoken: token } of orders) {
    const sent = await datatoken.approve(token, config.nftFactoryAddress, '1')
    await sent.wait()
  }
  const sent = await factory.startMultipleTokenOrder(orders.map(({ datatoken: tokenAddress, consumer, service, fee }) => ({
    tokenAddress, consumer, serviceIndex: service, _providerFee: fee, _consumeMarketFee: FREE
  })))
  const receipt = await sent.wait()
  return { tx: receipt.hash }
}

const downloadUrl = ({ did, service, tx, file = 0 }) =>
  ProviderInstance.getDownloadUrl(did, service, file, tx, node, signer)

async function download (args) {
  const { data, filename } = await downloadFile(await downloadUrl(args))
  return { data: Buffer.from(data).toString('base64'), filename }
}

async function result ({ job, index, offset = 0 }) {
  const chunks = []
  for await (const chunk of await ProviderInstance.getComputeResult(node, signer, job, index, offset)) chunks.push(chunk)
  return { text: Buffer.concat(chunks).toString() }
}

await serve({}, {
  open,
  endpoints: () => ProviderInstance.getEndpoints(node),
  valid: async () => ({ valid: await ProviderInstance.isValidProvider(node) }),
  createAsset: async ({ ddo, files, encrypt = true }) =>
    ({ did: await createAsset('An asset', 'AST', signer, files, 1, ddo, encrypt, node, ZERO_ADDRESS, aquarius) }),
  wait: ({ did, tx }) => aquarius.waitForIndexer(did, tx, undefined, POLL, TRIES),
  validate: async ({ ddo }) => await aquarius.validate(ddo, signer, node) ?? { valid: false },
  order,
  orderMany,
  download,
  downloadUrl: async args => ({ url: await downloadUrl(args) }),
  environments: () => ProviderInstance.getComputeEnvironments(node),
  initialize: ({ did, service, consumer = me }) => ProviderInstance.initialize(did, service, 0, consumer, node),
  initializeCompute: ({ datasets, algorithm, environment }) =>
    ProviderInstance.initializeCompute(datasets, algorithm, environment, ZERO_ADDRESS, 600, node, me, [], network),
  start: ({ environment, datasets, algorithm }) =>
    ProviderInstance.computeStart(node, signer, environment, datasets, algorithm, 600, ZERO_ADDRESS, [], network),
  status: ({ job, agreement }) => ProviderInstance.computeStatus(node, signer, job, agreement),
  stop: ({ job }) => ProviderInstance.computeStop(job, node, signer),
  resultUrl: async ({ job, index }) => ({ url: await ProviderInstance.getComputeResultUrl(node, signer, job, index) }),
  result,
  nonce: async ({ of = me }) => ({ nonce: await ProviderInstance.getNonce(node, of) }),
  sign: async ({ nonce, command, address = me }) => {
    const signature = await signRequest(signer, address + nonce + command)
    return { consumerAddress: address, nonce, signature }
  },
  describe: async ({ nft, data, hash }) => {
    const sent = await new Nft(signer, network, config).setMetadata(nft, me, 0, node, '', '0x02', data, hash)
    return { tx: (await sent.wait()).hash }
  },
  request
})
