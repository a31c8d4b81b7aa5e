// An Ethereum of its own (anvil of https://github.com/foundry-rs/foundry) with the contracts of Ocean Protocol v4
// (https://github.com/oceanprotocol/contracts), which ends with this process, however that ends. It mines each transaction at
// once, and its clock is that of the system: blocks of one second have the same timestamp.
//
// ready line: {url, chainId, addresses, ocean, accounts: [{address, secret}], fees}. `addresses` is Ocean's address.json;
//   account 0 deployed the contracts and owns OCEAN, and the last account collects the fees of the Ocean community.
//
// Fees are in parts of 1e18, as whole numbers in text: `swapOcean`, `swapOther`, `consume`, `provider`.
//
// fees {swapOcean?, swapOther?, consume?, provider?} -> fees: sets those that are given
// fund {to, ether?, ocean?}: so much more of each, as a decimal of whole tokens
// mine {blocks} -> {number}: blocks with what is pending
// advance {seconds} -> {timestamp}: the clock goes that much ahead, and a block is mined
// now -> {number, timestamp}: of the newest block
// automine {on}: whether transactions are mined at once, or with `mine`
// snapshot -> {id}
// revert {id}: to a snapshot, which can be used once; the clock is as far ahead as it was
// reorg {depth, transactions?: [[signed transaction, block]]} -> {number, dropped: [hash]}: mines the newest `depth` blocks
//   anew, with only those transactions, each in the block of that index from 0
// rpc {method, params?} -> {result}

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { HDNodeWallet, Interface, ZeroAddress, getCreateAddress, parseEther, toBeHex } from 'ethers'
import { serve } from '../peer.mjs'

const CHAIN_ID = 8996 // the one that ocean.js calls "development"
const MNEMONIC = 'test test test test test test test test test test test junk'
const ACCOUNTS = 10
const GAS_LIMIT = 30_000_000 // of a block, which is anvil's own
const require = createRequire(import.meta.url)

/// Where anvil listens. A killed process runs no code, so the shell between kills anvil when its input ends.
const url = await new Promise((resolve, reject) => {
  const child = spawn('sh', ['-c', '"$0" "$@" & exec > /dev/null; cat; kill -9 $!; wait',
    require.resolve('@foundry-rs/anvil-linux-amd64/bin/anvil'),
    '--host', '127.0.0.1', '--port', '0', '--chain-id', `${CHAIN_ID}`, '--mnemonic', MNEMONIC, '--accounts', `${ACCOUNTS}`,
    '--no-mining'], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.on('error', reject)
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => {
    const heard = line.match(/Listening on (\S+)/)
    if (heard) resolve(`http://${heard[1]}`)
  })
  lines.on('close', () => {
    reject(new Error('anvil did not start'))
    console.error('anvil ended')
  })
})

async function post (body) {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return answer.json()
}

function result ({ result, error }) {
  if (error) throw new Error(`${error.message} (${error.code})`)
  return result
}

async function rpc (method, ...params) {
  return result(await post({ jsonrpc: '2.0', id: 1, method, params }))
}

/// The results of several calls in one request: `[method, ...params]` each.
async function batch (calls) {
  const answers = await post(calls.map(([method, ...params], id) => ({ jsonrpc: '2.0', id, method, params })))
  return answers.sort((a, b) => a.id - b.id).map(result)
}

const accounts = Array.from({ length: ACCOUNTS }, (_, i) => {
  const { address, privateKey } = HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${i}`)
  return { address, secret: privateKey }
})
const [deployer] = accounts
const collector = accounts.at(-1)

// ---- The contracts

const artifacts = Object.fromEntries([
  'utils/mock/MockERC20.sol/MockERC20',
  'pools/FactoryRouter.sol/FactoryRouter',
  'pools/fixedRate/FixedRateExchange.sol/FixedRateExchange',
  'pools/dispenser/Dispenser.sol/Dispenser',
  'templates/ERC20Template.sol/ERC20Template',
  'templates/ERC20TemplateEnterprise.sol/ERC20TemplateEnterprise',
  'templates/ERC721Template.sol/ERC721Template',
  'ERC721Factory.sol/ERC721Factory',
  'escrow/Escrow.sol/Escrow',
  'accesslists/AccessList.sol/AccessList',
  'accesslists/AccessListFactory.sol/AccessListFactory'
].map(path => {
  const { abi, bytecode } = require(`@oceanprotocol/contracts/artifacts/contracts/${path}.json`)
  return [path.split('/').at(-1), { abi: new Interface(abi), bytecode }]
}))

/// What is to be sent by the deployer, in order. Addresses follow from nonces, so that nothing waits for anything.
const queue = []

function enqueue (fields, gas) {
  const nonce = queue.length
  queue.push({ from: deployer.address, nonce: toBeHex(nonce), gas: toBeHex(gas), ...fields })
  return nonce
}

function deploy (name, ...args) {
  const { abi, bytecode } = artifacts[name]
  const data = bytecode + abi.encodeDeploy(args).slice(2)
  const nonce = enqueue({ data }, 1_000_000 + data.length * 125) // 200 for each byte that is kept, and 16 for its way there
  return getCreateAddress({ from: deployer.address, nonce })
}

function call (name, to, method, ...args) {
  enqueue({ to, data: artifacts[name].abi.encodeFunctionData(method, args) }, 500_000)
}

const ocean = deploy('MockERC20', deployer.address, 'Ocean', 'OCEAN')
// There are no pools since v4.1; the router wants some address of a template.
const router = deploy('FactoryRouter', deployer.address, ocean, '0x000000000000000000000000000000000000dEaD', collector.address, [])
const fixedRate = deploy('FixedRateExchange', router)
const dispenser = deploy('Dispenser', router)
const datatoken = deploy('ERC20Template')
const enterprise = deploy('ERC20TemplateEnterprise')
const nft = deploy('ERC721Template')
const factory = deploy('ERC721Factory', nft, datatoken, router)
const escrow = deploy('Escrow', router, ZeroAddress) // fees go to the router's collector
const accessListFactory = deploy('AccessListFactory', deploy('AccessList'))
call('ERC721Factory', factory, 'addTokenTemplate', enterprise)
call('FactoryRouter', router, 'addFactory', factory)
call('FactoryRouter', router, 'addFixedRateContract', fixedRate)
call('FactoryRouter', router, 'addDispenserContract', dispenser)

// All in one block, which must be large: anvil drops those that have no room.
await rpc('evm_setBlockGasLimit', toBeHex(10 * GAS_LIMIT))
const hashes = await batch(queue.map(transaction => ['eth_sendTransaction', transaction]))
await rpc('evm_mine')
await rpc('evm_setBlockGasLimit', toBeHex(GAS_LIMIT))
for (const [i, receipt] of (await batch(hashes.map(hash => ['eth_getTransactionReceipt', hash]))).entries()) {
  if (receipt?.status !== '0x1') throw new Error(`transaction ${i} of the deployment failed`)
}
await rpc('evm_setAutomine', true)

const addresses = {
  development: {
    chainId: CHAIN_ID,
    startBlock: 0,
    Ocean: ocean,
    Router: router,
    FixedPrice: fixedRate,
    Dispenser: dispenser,
    ERC721Factory: factory,
    ERC20Template: { 1: datatoken, 2: enterprise },
    ERC721Template: { 1: nft },
    Escrow: escrow,
    AccessListFactory: accessListFactory,
    OPFCommunityFeeCollector: collector.address
  }
}

// ---- The commands

/// Sends from the deployer's account. While blocks are mined by hand, it waits for nothing.
async function send (fields) {
  const hash = await rpc('eth_sendTransaction', { from: deployer.address, ...fields })
  if (!automines) return
  let receipt = null
  while (receipt === null) receipt = await rpc('eth_getTransactionReceipt', hash)
  if (receipt.status !== '0x1') throw new Error(`${hash} failed`)
}

const { abi: routerAbi } = artifacts.FactoryRouter
const FEES = { swapOcean: 'swapOceanFee', swapOther: 'swapNonOceanFee', consume: 'consumeFee', provider: 'providerFee' }

async function fees () {
  const read = Object.values(FEES).map(name => ['eth_call', { to: router, data: routerAbi.encodeFunctionData(name) }, 'latest'])
  const values = await batch(read)
  return Object.fromEntries(Object.keys(FEES).map((name, i) => [name, BigInt(values[i]).toString()]))
}

async function now () {
  const { number, timestamp } = await rpc('eth_getBlockByNumber', 'latest', false)
  return { number: Number(number), timestamp: Number(timestamp) }
}

const seconds = () => Math.floor(Date.now() / 1000)
let automines = true
/// How many seconds the clock is ahead of the system's.
let ahead = 0
const snapshots = new Map()

/// Anvil goes on from the block that it went back to; its clock should not.
async function setClock () {
  await rpc('evm_setTime', toBeHex(seconds() + ahead))
}

await serve({ url, chainId: CHAIN_ID, addresses, ocean, accounts, fees: await fees() }, {
  fees: async changes => {
    const all = { ...await fees(), ...changes }
    const args = Object.keys(FEES).map(name => all[name])
    await send({ to: router, data: routerAbi.encodeFunctionData('updateOPCFee', args) })
    return fees()
  },
  fund: async ({ to, ether = '0', ocean: tokens = '0' }) => {
    const [value, amount] = [parseEther(ether), parseEther(tokens)]
    if (value) await send({ to, value: toBeHex(value) })
    if (amount) await send({ to: ocean, data: artifacts.MockERC20.abi.encodeFunctionData('transfer', [to, amount]) })
  },
  mine: async ({ blocks }) => {
    for (let i = 0; i < blocks; i++) await rpc('evm_mine')
    const { number } = await now()
    return { number }
  },
  advance: async ({ seconds }) => {
    await rpc('evm_increaseTime', seconds)
    ahead += seconds
    await rpc('evm_mine')
    const { timestamp } = await now()
    return { timestamp }
  },
  now,
  automine: async ({ on }) => {
    await rpc('evm_setAutomine', on)
    automines = on
  },
  snapshot: async () => {
    const id = await rpc('evm_snapshot')
    snapshots.set(id, ahead)
    return { id }
  },
  revert: async ({ id }) => {
    if (!await rpc('evm_revert', id)) throw new Error(`no snapshot ${id}`)
    ahead = snapshots.get(id)
    await setClock()
  },
  reorg: async ({ depth, transactions = [] }) => {
    const { number } = await now()
    const heights = Array.from({ length: depth }, (_, i) => toBeHex(number - i))
    const before = await batch(heights.map(height => ['eth_getBlockByNumber', height, false]))
    await rpc('anvil_reorg', depth, transactions)
    const after = await batch(heights.map(height => ['eth_getBlockByNumber', height, false]))
    const kept = new Set(after.flatMap(block => block.transactions))
    await setClock()
    return { number, dropped: before.flatMap(block => block.transactions).filter(hash => !kept.has(hash)) }
  },
  rpc: async ({ method, params = [] }) => ({ result: await rpc(method, ...params) })
})
