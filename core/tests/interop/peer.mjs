// What every peer script shares: it says once that it is ready, then answers commands, one line of JSON each, until its
// input ends.

import { once } from 'node:events'
import { createInterface } from 'node:readline'

// Only answers may go to the standard output.
const answer = process.stdout.write.bind(process.stdout)
console.log = console.info = console.debug = console.error
process.stdout.write = process.stderr.write.bind(process.stderr)

async function say (value) {
  if (!answer(JSON.stringify(value) + '\n')) await once(process.stdout, 'drain')
}

/// Serves `commands`, an object of functions from a command's arguments to an answer, by the command's `do`.
export async function serve (ready, commands) {
  await say({ ready })
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { do: name, ...args } = JSON.parse(line)
      if (!Object.hasOwn(commands, name)) throw new Error(`no command ${name}`)
      await say({ ok: await commands[name](args) ?? null })
    } catch (error) {
      await say({ error: describe(error) })
    }
  }
  process.exit(0)
}

function describe (error) {
  const inner = (error.errors ?? []).map(describe)
  return [`${error.name}: ${error.message}`, ...inner].join('; ')
}
