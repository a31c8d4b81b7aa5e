// Runs a command beside a chain with Ocean's contracts (chain.mjs), and ends both together:
//   node with-chain.mjs COMMAND ARGUMENT...
// The command finds in its environment: SEALOCK_OCEAN_URL; SEALOCK_OCEAN_ADDRESSES, a file; SEALOCK_OCEAN_KEYS, the secret
// keys of eight accounts with money for gas and 1,000 OCEAN each, in hex and separated by commas.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'sealock-ocean-'))
const chain = spawn(process.execPath, [fileURLToPath(new URL('chain.mjs', import.meta.url)), join(folder, 'peer')],
  { stdio: ['pipe', 'pipe', 'inherit'] })

let child
function end (code) {
  chain.removeAllListeners('exit')
  chain.kill()
  child?.kill()
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(130))
chain.on('exit', code => { console.error(`the chain ended (${code})`); end(1) })
const lines = createInterface({ input: chain.stdout })[Symbol.asyncIterator]()
const say = async command => {
  if (command) chain.stdin.write(JSON.stringify(command) + '\n')
  return JSON.parse((await lines.next()).value)
}
{
  const { ready: { url, addresses, accounts } } = await say()
  for (const { address } of accounts.slice(1, 9)) await say({ do: 'fund', to: address, ocean: '1000' })
  const file = join(folder, 'address.json')
  writeFileSync(file, JSON.stringify(addresses))
  const keys = accounts.slice(1, 9).map(account => account.secret.replace(/^0x/, ''))
  const [command, ...args] = process.argv.slice(2)
  child = spawn(command, args, {
    stdio: 'inherit',
    env: {
      ...process.env, SEALOCK_OCEAN_URL: url, SEALOCK_OCEAN_ADDRESSES: file, SEALOCK_OCEAN_KEYS: keys.join(',')
    }
  })
  child.on('error', error => { console.error(`${command}: ${error.message}`); end(127) })
  child.on('exit', code => end(code ?? 1))
}
