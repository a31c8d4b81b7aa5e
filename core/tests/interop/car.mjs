// The command line of ipfs-car, one run per command. Its output is what it printed.
//
// pack {path, car} -> {output}: the root        unpack {car, path, root?} -> {output}
// blocks {car} -> {cids}: verified, in order    roots {car} -> {cids}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { serve } from './peer.mjs'

const BIN = fileURLToPath(new URL('./node_modules/ipfs-car/bin.js', import.meta.url))

async function run (...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [BIN, ...args], { maxBuffer: 64 << 20 })
  return stdout.trim()
}

const lines = text => text === '' ? [] : text.split('\n')

await serve(null, {
  pack: async ({ path, car }) => ({ output: await run('pack', '--no-wrap', '--hidden', path, '--output', car) }),
  unpack: async ({ car, path, root }) => ({
    output: await run('unpack', car, '--output', path, ...(root === undefined ? [] : ['--root', root]))
  }),
  blocks: async ({ car }) => ({ cids: lines(await run('blocks', car)) }),
  roots: async ({ car }) => ({ cids: lines(await run('roots', car)) })
})
