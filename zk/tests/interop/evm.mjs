// An Ethereum of its own: solc (https://github.com/ethereum/solc-js) and anvil (https://github.com/foundry-rs/foundry).
//
// deploy {source, name} -> {address, bytes}: compiles a contract without imports; its size
// semaphore {} -> {address}: SemaphoreVerifier of @semaphore-protocol/contracts
// call {to, data} -> {output, gas} or an error if it reverts; the gas without that of a transaction and its data

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { JsonRpcProvider, getBytes } from 'ethers'
import solc from 'solc'
import { serve } from '../../../core/tests/interop/peer.mjs'

const path = name => fileURLToPath(new URL(`./node_modules/${name}`, import.meta.url))

// It ends with this process, however that ends: its shell then reads to the end of the pipe.
const anvil = spawn('sh', ['-c', '"$0" --host 127.0.0.1 --port 0 & cat > /dev/null; kill $!',
  path('@foundry-rs/anvil-linux-amd64/bin/anvil')], { stdio: ['pipe', 'pipe', 'inherit'] })
const url = await new Promise((resolve, reject) => {
  anvil.on('exit', code => reject(new Error(`anvil ended with ${code}`)))
  createInterface({ input: anvil.stdout }).on('line', line => {
    const address = /^Listening on (.*)$/.exec(line)
    if (address !== null) resolve(`http://${address[1]}`)
  })
})
const provider = new JsonRpcProvider(url, 31337, { staticNetwork: true, cacheTimeout: -1 })
const signer = await provider.getSigner(0)

function compile (sources, file, name) {
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      optimizer: { enabled: true },
      outputSelection: { [file]: { [name]: ['evm.bytecode.object', 'evm.deployedBytecode.object'] } }
    }
  }
  const find = name => ({ contents: readFileSync(path(name), 'utf8') })
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }))
  const problems = (output.errors ?? []).filter(({ severity }) => severity !== 'info')
  if (problems.length > 0) throw new Error(problems.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return output.contracts[file][name].evm
}

async function create (evm) {
  const receipt = await (await signer.sendTransaction({ data: '0x' + evm.bytecode.object })).wait()
  return { address: receipt.contractAddress, bytes: evm.deployedBytecode.object.length / 2 }
}

// What a transaction with this data costs before the first instruction (EIP-2028, EIP-2930).
const intrinsic = data => 21000 + getBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0)

await serve(null, {
  deploy: ({ source, name }) => create(compile({ 'contract.sol': { content: source } }, 'contract.sol', name)),
  semaphore: () => {
    const file = '@semaphore-protocol/contracts/base/SemaphoreVerifier.sol'
    return create(compile({ [file]: { content: readFileSync(path(file), 'utf8') } }, file, 'SemaphoreVerifier'))
  },
  call: async ({ to, data }) => {
    const call = { from: signer.address, to, data }
    const output = await provider.call(call)
    const receipt = await (await signer.sendTransaction({ to, data, gasLimit: 5000000 })).wait()
    return { output, gas: Number(receipt.gasUsed) - intrinsic(data) }
  }
})
