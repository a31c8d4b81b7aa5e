// A client of Ocean Protocol: ocean.js (https://github.com/oceanprotocol/ocean.js) and ethers.
//
// Amounts are decimals of whole tokens ("1.5"), and those of a provider's fee whole numbers of the smallest unit, as
// ocean.js wants them. What sends a transaction answers {tx, gas, ms, block} beside what is named below; with `wait: false`
// it answers {tx} as soon as that is sent. What it spends it has approved before, unless `approve: false`.
//
// open {url, addresses, secret, chainId?} -> {address}: as whom the client acts from then on
// publish {template?, name?, symbol?, cap?, owner?, minter?, collector?, price?, token?, market?, dispenser?: {tokens, balance}}
//   -> {nft, datatoken, exchange?}: with a fixed rate if there is a `price`, in `token` or OCEAN, both minting as needed.
//   `market` {address, token, amount} is paid for each order
// datatoken {nft, template?, name?, symbol?, cap?, minter?} -> {datatoken}: one more
// mint {datatoken, to?, amount}
// transfer {token, to, amount}, approve {token, spender, amount}: of any ERC-20
// price {exchange, amount?, marketFee?} -> {base, ocean, market, consume}: what `amount` tokens cost, and the fees in that
// rate {exchange, rate}, activate {exchange, on}: by its owner
// buy {exchange, amount?, max?, marketAddress?, marketFee?}, dispense {datatoken, amount?, to?}
// signProviderFee {providerData: hex, token, amount, validUntil, secret} -> a fee, as in `order`
// order {datatoken, service?, consumer?, providerFee, consumeMarketFee?}
//   `providerFee` {providerFeeAddress, providerFeeToken, providerFeeAmount, v, r, s, validUntil, providerData}
// orderMany {orders: [as above]}: through the factory
// buyAndOrder {datatoken, exchange? or dispenser: true, max?, service?, consumer?, providerFee, consumeMarketFee?}: of
//   template 2
// reuse {datatoken, order, providerFee}: `order` is a transaction's hash
// setMetadata {nft, ddo, flags?: hex, encrypted?: hex, hash?, state?, url?, address?}: `hash` is that of `ddo` if not given
// readMetadata {nft} -> {event, flags, data, hash, state, url, by, tx, block} of the newest, or null
// setState {nft, state}
// setData {nft, key, value}, getData {nft, key} -> {value}: of texts, under the Keccak hash of the key
// setRawData {nft, key: hex, value: hex}, getRawData {nft, key: hex} -> {value: hex}
// transferNft {nft, to}, role {nft, address, role, on}: of `manager`, `deployer`, `metadata`, `store`
// minter {datatoken, address, on}, collector {datatoken, address}
// state {nft, address?} -> {owner, uri, state, url, decryptor, hasMetadata, datatokens, roles}: the roles of an address
// token {datatoken, address?} -> {nft, template, name, symbol, cap, collector, minter, exchanges, dispensers}
// balance {token?, of?} -> {ether, amount}: of OCEAN if there is no token
// escrow {action: deposit | withdraw, token?, amount}
// escrow {action: authorize, token?, payee, amount, seconds, locks}: once for each payee
// escrow {action: lock, token?, payer, job, amount, seconds}, {action: claim, token?, payer, job, amount, proof?: hex,
//   withdraw?}: by the payee; a job is a number in text, or hex
// escrow {action: cancel, token?, payer, payee, job}: of a lock that has expired, by anyone
// escrow {action: funds, token?, payer, payee} -> {available, locked, locks, authorizations}
// did {nft} -> {did}
// wait {tx} -> {tx, gas, block, status}
// logs {tx} -> [{emitter, event, args}]: in their order, as ocean.js's interfaces read them
// gasPrice -> {price}

import {
  ConfigHelper, Datatoken, Dispenser, EscrowContract, FixedRateExchange, Nft, NftFactory, ZERO_ADDRESS, allowanceWei,
  amountToUnits, generateDid, getEventFromTx, getFairGasPrice, getHash, signHash, unitsToAmount
} from '@oceanprotocol/lib'
import {
  Contract, Interface, JsonRpcProvider, MaxUint256, Wallet, formatEther, getAddress, hexlify,
  solidityPackedKeccak256, toUtf8Bytes
} from 'ethers'
import { serve } from '../peer.mjs'

const FREE = { consumeMarketFeeAddress: ZERO_ADDRESS, consumeMarketFeeToken: ZERO_ADDRESS, consumeMarketFeeAmount: '0' }
const ERC20 = new Interface([
  'function approve(address spender, uint256 amount)',
  'function transfer(address to, uint256 amount)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
  'event Approval(address indexed owner, address indexed spender, uint256 value)'
])
const NFT = new Interface([
  'event DataChanged(bytes32 indexed key, bytes value)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'function getTokensList() view returns (address[])'
])

/// What `open` sets.
let provider, signer, me, contracts, network, interfaces, nft, datatoken, factory, exchange, dispenser, escrow

async function open ({ url, addresses, secret, chainId = 8996 }) {
  provider?.destroy()
  provider = new JsonRpcProvider(url, chainId, { staticNetwork: true, cacheTimeout: -1, polling: true, pollingInterval: 10 })
  signer = new Wallet(secret, provider)
  me = signer.address
  network = chainId
  contracts = Object.values(addresses).find(chain => chain.chainId === chainId)
  const config = new ConfigHelper().getConfig(chainId)
  config.oceanTokenAddress = contracts.Ocean
  config.fixedRateExchangeAddress = contracts.FixedPrice
  config.dispenserAddress = contracts.Dispenser
  nft = new Nft(signer, chainId, config)
  datatoken = new Datatoken(signer, chainId, config)
  factory = new NftFactory(contracts.ERC721Factory, signer, chainId, config)
  exchange = new FixedRateExchange(contracts.FixedPrice, signer, chainId, config)
  dispenser = new Dispenser(contracts.Dispenser, signer, chainId, config)
  escrow = new EscrowContract(contracts.Escrow, signer, chainId, config)
  const known = [factory, nft, datatoken, exchange, dispenser, escrow].map(({ abi }) => new Interface(JSON.stringify(abi)))
  interfaces = [...known, ERC20, NFT]
  return { address: me }
}

// ---- Transactions

/// Sends what ocean.js has made. Its own way of sending answers null where that fails.
async function send (making, { wait = true } = {}, read = () => ({})) {
  const from = performance.now()
  const sent = await sendMade(making).catch(error => {
    throw new Error(error.shortMessage ?? error.message) // without the call's data
  })
  if (!wait) return { tx: sent.hash }
  const receipt = await sent.wait()
  const ms = Math.round(performance.now() - from)
  return { ...outcome(receipt), ms, ...read(receipt) }
}

async function sendMade (making) {
  const made = await making
  if (made === null) throw new Error('ocean.js makes no transaction of this')
  return signer.sendTransaction(made)
}

function outcome (receipt) {
  return { tx: receipt.hash, gas: Number(receipt.gasUsed), block: receipt.blockNumber, status: receipt.status }
}

function addressIn (receipt, event) {
  return getEventFromTx(receipt, event).args.newTokenAddress
}

/// Lets a contract take so many units of each of these: `[token, units]`.
async function allow (spender, amounts, { approve = true, wait = true }) {
  if (!approve) return
  const totals = new Map()
  for (const [token, units] of amounts) {
    if (token !== ZERO_ADDRESS) totals.set(token, (totals.get(token) ?? 0n) + BigInt(units))
  }
  for (const [token, units] of totals) {
    if (BigInt(await allowanceWei(signer, token, me, spender)) >= units) continue
    if (!wait) throw new Error('approve first, to send without waiting')
    await send({ to: token, data: ERC20.encodeFunctionData('approve', [spender, units]) })
  }
}

async function sendToken (method, to, args) {
  const units = await amountToUnits(signer, args.token, args.amount)
  return send({ to: args.token, data: ERC20.encodeFunctionData(method, [to, units]) }, args)
}

/// What is paid for an order beside the datatoken.
function feesOf ({ providerFee, consumeMarketFee = FREE }) {
  return [
    [providerFee.providerFeeToken, providerFee.providerFeeAmount],
    [consumeMarketFee.consumeMarketFeeToken, consumeMarketFee.consumeMarketFeeAmount]
  ]
}

async function marketFeeOf (token) {
  const fee = await datatoken.getPublishingMarketFee(token)
  return [fee.publishMarketFeeToken, fee.publishMarketFeeAmount]
}

function orderOf ({ consumer = me, service = 0, providerFee, consumeMarketFee = FREE }) {
  return { consumer, serviceIndex: service, _providerFee: providerFee, _consumeMarketFee: consumeMarketFee }
}

// ---- Publishing

function nftOf ({ name = 'Data', symbol = 'DATA', owner = me }) {
  return { name, symbol, templateIndex: 1, tokenURI: '', transferable: true, owner }
}

function datatokenOf ({ template = 1, name = 'Access', symbol = 'ACCESS', cap, minter = me, collector = ZERO_ADDRESS, market }) {
  return {
    templateIndex: template,
    name,
    symbol,
    minter,
    paymentCollector: collector,
    mpFeeAddress: market?.address ?? ZERO_ADDRESS,
    feeToken: market?.token ?? ZERO_ADDRESS,
    feeAmount: market?.amount ?? '0',
    cap: cap ?? formatEther(MaxUint256)
  }
}

function published (receipt) {
  const rate = getEventFromTx(receipt, 'NewFixedRate')
  const found = { nft: addressIn(receipt, 'NFTCreated'), datatoken: addressIn(receipt, 'TokenCreated') }
  return rate ? { ...found, exchange: rate.args.exchangeId } : found
}

async function publish (args) {
  const { price, token = contracts.Ocean, dispenser: rule, owner = me } = args
  const parts = [nftOf(args), datatokenOf(args)]
  if (price !== undefined) {
    const rate = {
      fixedRateAddress: contracts.FixedPrice,
      baseTokenAddress: token,
      owner,
      marketFeeCollector: owner,
      baseTokenDecimals: 18,
      datatokenDecimals: 18,
      fixedRate: price,
      marketFee: '0',
      withMint: true,
      allowedConsumer: ZERO_ADDRESS
    }
    return send(factory.createNftWithDatatokenWithFixedRateTx(...parts, rate), args, published)
  }
  if (rule !== undefined) {
    const rules = {
      dispenserAddress: contracts.Dispenser,
      maxTokens: rule.tokens,
      maxBalance: rule.balance,
      withMint: true,
      allowedSwapper: ZERO_ADDRESS
    }
    return send(factory.createNftWithDatatokenWithDispenserTx(...parts, rules), args, published)
  }
  return send(factory.createNftWithDatatokenTx(...parts), args, published)
}

// ---- Buying and ordering

async function priceOf ({ exchange: id, amount = '1', marketFee = '0' }) {
  const cost = await exchange.calcBaseInGivenDatatokensOut(id, amount, marketFee)
  return {
    base: cost.baseTokenAmount,
    ocean: cost.oceanFeeAmount,
    market: cost.marketFeeAmount,
    consume: cost.consumeMarketFeeAmount
  }
}

async function buy (args) {
  const { exchange: id, amount = '1', marketAddress = ZERO_ADDRESS, marketFee = '0' } = args
  const { baseToken, btDecimals } = await exchange.getExchange(id)
  const max = args.max ?? (await priceOf(args)).base
  const units = await amountToUnits(signer, baseToken, max, Number(btDecimals))
  await allow(contracts.FixedPrice, [[baseToken, units]], args)
  return send(exchange.buyDatatokensTx(id, amount, max, marketAddress, marketFee), args)
}

async function order (args) {
  const { datatoken: token, providerFee, consumeMarketFee = FREE } = args
  await allow(token, [...feesOf(args), await marketFeeOf(token)], args)
  const { consumer, serviceIndex } = orderOf(args)
  return send(datatoken.startOrderTx(token, consumer, serviceIndex, providerFee, consumeMarketFee), args)
}

async function orderMany (args) {
  const { orders } = args
  const each = await Promise.all(orders.map(async one => [...feesOf(one), await marketFeeOf(one.datatoken), [one.datatoken, 10n ** 18n]]))
  await allow(contracts.ERC721Factory, each.flat(), args)
  const all = orders.map(one => ({ tokenAddress: one.datatoken, ...orderOf(one) }))
  return send(factory.startMultipleTokenOrderTx(all), args)
}

async function buyAndOrder (args) {
  const { datatoken: token, exchange: id } = args
  const fees = [...feesOf(args), await marketFeeOf(token)]
  if (id === undefined) {
    await allow(token, fees, args)
    return send(datatoken.buyFromDispenserAndOrderTx(token, orderOf(args), contracts.Dispenser), args)
  }
  const { baseToken, btDecimals } = await exchange.getExchange(id)
  const max = args.max ?? (await priceOf(args)).base
  const units = await amountToUnits(signer, baseToken, max, Number(btDecimals))
  await allow(token, [...fees, [baseToken, units]], args)
  const rate = {
    exchangeContract: contracts.FixedPrice,
    exchangeId: id,
    maxBaseTokenAmount: max,
    baseTokenAddress: baseToken,
    baseTokenDecimals: Number(btDecimals),
    swapMarketFee: '0',
    marketFeeAddress: ZERO_ADDRESS
  }
  return send(datatoken.buyFromFreAndOrderTx(token, orderOf(args), rate), args)
}

async function reuse (args) {
  const { datatoken: token, order, providerFee } = args
  await allow(token, feesOf(args), args)
  return send(datatoken.reuseOrderTx(token, order, providerFee), args)
}

/// As a provider of Ocean signs: packed, hashed, and with Ethereum's prefix.
async function signProviderFee ({ providerData, token = ZERO_ADDRESS, amount = '0', validUntil = 0, secret }) {
  const wallet = new Wallet(secret)
  const message = solidityPackedKeccak256(
    ['bytes', 'address', 'address', 'uint256', 'uint256'],
    [providerData, wallet.address, token, amount, validUntil]
  )
  // ocean.js asks a node's signer for the old name of the same signature.
  const { v, r, s } = await signHash({ _legacySignMessage: bytes => wallet.signMessage(bytes) }, message)
  return {
    providerFeeAddress: wallet.address,
    providerFeeToken: token,
    providerFeeAmount: String(amount),
    v: Number(v),
    r,
    s,
    validUntil: String(validUntil),
    providerData
  }
}

// ---- The NFT

const nftAt = address => new Contract(address, new Interface(JSON.stringify(nft.abi)), provider)

function setMetadata (args) {
  const { nft: address, ddo, flags = '0x00', encrypted, state = 0, url = '', address: decryptor = '' } = args
  const hash = args.hash ?? `0x${getHash(ddo)}`
  const data = encrypted ?? hexlify(toUtf8Bytes(ddo))
  return send(nft.setMetadataTx(address, me, state, url, decryptor, flags, data, hash), args)
}

async function readMetadata ({ nft: address }) {
  const contract = nftAt(address)
  const found = await Promise.all(['MetadataCreated', 'MetadataUpdated'].map(name => contract.queryFilter(name, 0)))
  const last = found.flat().sort((a, b) => a.blockNumber - b.blockNumber || a.index - b.index).at(-1)
  if (last === undefined) return null
  const [by, state, url, flags, data, hash] = last.args
  return { event: last.eventName, flags, data, hash, state: Number(state), url, by, tx: last.transactionHash, block: last.blockNumber }
}

async function stateOf ({ nft: address, address: whose = me }) {
  const contract = new Contract(address, NFT, provider)
  const [owner, uri, metadata, permissions, datatokens] = await Promise.all([
    nft.getNftOwner(address), nft.getTokenURI(address, 1), nft.getMetadata(address), nft.getNftPermissions(address, whose),
    contract.getTokensList()
  ])
  const [url, decryptor, state, hasMetadata] = metadata
  const { manager, deployERC20, updateMetadata, store } = permissions
  const roles = { manager, deployer: deployERC20, metadata: updateMetadata, store }
  return { owner, uri, state: Number(state), url, decryptor, hasMetadata, datatokens: [...datatokens], roles }
}

function role (args) {
  const { nft: token, address, role, on } = args
  const kinds = { manager: 'Manager', deployer: 'DatatokenDeployer', metadata: 'MetadataUpdater', store: 'StoreUpdater' }
  if (!Object.hasOwn(kinds, role)) throw new Error(`no role ${role}`)
  return send(nft[`${on ? 'add' : 'remove'}${kinds[role]}Tx`](token, me, address), args)
}

async function tokenOf ({ datatoken: token, address = me }) {
  const [parent, template, name, symbol, cap, collector, { minter }, exchanges, dispensers] = await Promise.all([
    'getNFTAddress', 'getId', 'getName', 'getSymbol', 'getCap', 'getPaymentCollector', 'getPermissions', 'getFixedRates',
    'getDispensers'
  ].map(method => datatoken[method](token, address)))
  const rates = exchanges.map(([contract, id]) => ({ contract, id }))
  return { nft: parent, template: Number(template), name, symbol, cap, collector, minter, exchanges: rates, dispensers: [...dispensers] }
}

// ---- Escrow

/// ocean.js has the payer's part; the payee's is in Ocean's node, which calls the contract.
const ESCROW = {
  deposit: args => escrow.depositTx(args.token, args.amount),
  withdraw: args => escrow.withdrawTx([args.token], [args.amount]),
  authorize: async ({ token, payee, amount, seconds, locks }) => {
    // ocean.js multiplies these two by the token's unit as well.
    const [duration, count] = await Promise.all([seconds, locks].map(value => unitsToAmount(signer, token, `${value}`)))
    return escrow.authorizeTx(token, payee, amount, duration, count)
  },
  lock: async ({ token, payer, job, amount, seconds }) =>
    escrow.contract.createLock.populateTransaction(job, token, payer, await amountToUnits(signer, token, amount), seconds),
  claim: async ({ token, payer, job, amount, proof = '0x', withdraw = false }) => {
    const method = escrow.contract[withdraw ? 'claimLockAndWithdraw' : 'claimLock']
    return method.populateTransaction(job, token, payer, await amountToUnits(signer, token, amount), proof)
  },
  cancel: ({ token, payer, payee, job }) => escrow.cancelExpiredLocksTx([job], [token], [payer], [payee])
}

async function escrowed (args) {
  const { action, token = contracts.Ocean } = args
  if (action === 'funds') return fundsOf({ ...args, token })
  if (!Object.hasOwn(ESCROW, action)) throw new Error(`no action ${action}`)
  if (action === 'deposit') await allow(contracts.Escrow, [[token, await amountToUnits(signer, token, args.amount)]], args)
  return send(ESCROW[action]({ ...args, token }), args)
}

async function fundsOf ({ token, payer = me, payee = ZERO_ADDRESS }) {
  const decimal = units => unitsToAmount(signer, token, `${units}`)
  const same = (a, b) => getAddress(a) === getAddress(b)
  const funds = await escrow.getUserFunds(payer, token)
  // The contract's filter joins its conditions with "or".
  const locks = (await escrow.getLocks(token, payer, payee)).filter(lock => same(lock.payer, payer) && same(lock.token, token))
  const authorizations = await escrow.getAuthorizations(token, payer, payee)
  return {
    available: await decimal(funds.available),
    locked: await decimal(funds.locked),
    locks: await Promise.all(locks.map(async lock => (
      { job: `${lock.jobId}`, amount: await decimal(lock.amount), expiry: Number(lock.expiry) }))),
    authorizations: await Promise.all(authorizations.map(async auth => (
      { payee: auth.payee, amount: await decimal(auth.maxLockedAmount), locked: await decimal(auth.currentLockedAmount),
        seconds: Number(auth.maxLockSeconds), locks: Number(auth.maxLockCounts), current: Number(auth.currentLocks) })))
  }
}

// ---- Reading

function parse (log) {
  for (const known of interfaces) {
    try {
      const parsed = known.parseLog(log)
      if (parsed !== null) return parsed
    } catch {} // an event of the same name with other indexed fields
  }
  return null
}

async function logs ({ tx }) {
  const receipt = await provider.getTransactionReceipt(tx)
  return receipt.logs.map(log => {
    const parsed = parse(log)
    if (parsed === null) return { emitter: log.address, topics: [...log.topics], data: log.data }
    const text = value => typeof value === 'bigint' ? value.toString() : value
    const args = parsed.fragment.inputs.map(({ name }, i) => [name, text(parsed.args[i])])
    return { emitter: log.address, event: parsed.name, args: Object.fromEntries(args) }
  })
}

async function balance ({ token = contracts.Ocean, of = me }) {
  return { ether: formatEther(await provider.getBalance(of)), amount: await datatoken.balance(token, of) }
}

async function waitFor ({ tx }) {
  const receipt = await provider.waitForTransaction(tx, 1, 60_000)
  return outcome(receipt)
}

await serve(null, {
  open,
  publish,
  datatoken: args => {
    const made = datatokenOf(args)
    const { minter, paymentCollector, mpFeeAddress, feeToken, feeAmount, cap, name, symbol, templateIndex } = made
    const making = nft.createDatatokenTx(args.nft, me, minter, paymentCollector, mpFeeAddress, feeToken, feeAmount, cap,
      name, symbol, templateIndex)
    return send(making, args, receipt => ({ datatoken: addressIn(receipt, 'TokenCreated') }))
  },
  mint: args => send(datatoken.mintTx(args.datatoken, me, args.amount, args.to ?? me), args),
  transfer: args => sendToken('transfer', args.to, args),
  approve: args => sendToken('approve', args.spender, args),
  price: priceOf,
  rate: args => send(exchange.setRateTx(args.exchange, args.rate), args),
  activate: args => send(args.on ? exchange.activateTx(args.exchange) : exchange.deactivateTx(args.exchange), args),
  buy,
  dispense: args => send(dispenser.dispenseTx(args.datatoken, args.amount ?? '1', args.to ?? me), args),
  signProviderFee,
  order,
  orderMany,
  buyAndOrder,
  reuse,
  setMetadata,
  readMetadata,
  setState: args => send(nft.setMetadataStateTx(args.nft, me, args.state), args),
  setData: args => send(nft.setDataTx(args.nft, me, hexlify(toUtf8Bytes(args.key)), args.value), args),
  getData: async args => ({ value: await nft.getData(args.nft, hexlify(toUtf8Bytes(args.key))) }),
  setRawData: args => send(nftAt(args.nft).setNewData.populateTransaction(args.key, args.value), args),
  getRawData: async args => ({ value: await nftAt(args.nft).getData(args.key) }),
  transferNft: args => send(nft.transferNftTx(args.nft, me, args.to), args),
  role,
  minter: args => {
    const method = args.on ? 'addMinterTx' : 'removeMinterTx'
    return send(datatoken[method](args.datatoken, me, args.address), args)
  },
  collector: args => send(datatoken.setPaymentCollectorTx(args.datatoken, me, args.address), args),
  state: stateOf,
  token: tokenOf,
  balance,
  escrow: escrowed,
  did: ({ nft: address }) => ({ did: generateDid(address, network) }),
  wait: waitFor,
  logs,
  gasPrice: async () => ({ price: await getFairGasPrice(signer, 1) })
})
