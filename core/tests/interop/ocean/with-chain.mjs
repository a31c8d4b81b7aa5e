// Runs a command beside a chain with Ocean's contracts (chain.mjs), and ends both together:
//   node with-chain.mjs COMMAND ARGUMENT...
// The command finds in its environment: SEALOCK_OCEAN_URL; SEALOCK_OCEAN_ADDRESSES, a file; SEALOCK_OCEAN_KEYS, the secret
// keys of eight accounts with money for gas, in hex and separated by commas.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'sealock-ocean-'))
const chain = spawn(process.execPath, [fileURLToPath(new URL('chain.mjs', import.meta.url)), join(folder, 'peer')],
  { stdio: ['pipe', 'pipe', 'inherit'] })

function end (code) {
  chain.kill()
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}

chain.on('exit', code => { console.error(`the chain ended (${code})`); end(1) })
createInterface({ input: chain.stdout }).once('line', line => {
  const { ready: { url, addresses, accounts } } = JSON.parse(line)
  const file = join(folder, 'address.json')
  writeFileSync(file, JSON.stringify(addresses))
  const keys = accounts.slice(1, 9).map(account => account.secret.replace(/^0x/, ''))
  const [command, ...args] = process.argv.slice(2)
  const child = spawn(command, args, {
    stdio: 'inherit',
    env: {
      ...process.env, SEALOCK_OCEAN_URL: url, SEALOCK_OCEAN_ADDRESSES: file, SEALOCK_OCEAN_KEYS: keys.join(',')
    }
  })
  child.on('error', error => { console.error(`${command}: ${error.message}`); end(127) })
  child.on('exit', code => { chain.removeAllListeners('exit'); end(code ?? 1) })
})
