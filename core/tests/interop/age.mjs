// Files of age-encryption (https://github.com/FiloSottile/typage), the TypeScript implementation of age.
//
// open {path, passphrase} -> {plain}: the content, in hex
// seal {path, passphrase, plain, work_factor}: writes a file

import { readFile, writeFile } from 'node:fs/promises'
import { Decrypter, Encrypter } from 'age-encryption'
import { serve } from './peer.mjs'

await serve(null, {
  open: async ({ path, passphrase }) => {
    const decrypter = new Decrypter()
    decrypter.addPassphrase(passphrase)
    return { plain: Buffer.from(await decrypter.decrypt(await readFile(path))).toString('hex') }
  },
  seal: async ({ path, passphrase, plain, work_factor: workFactor }) => {
    const encrypter = new Encrypter()
    encrypter.setScryptWorkFactor(workFactor)
    encrypter.setPassphrase(passphrase)
    await writeFile(path, await encrypter.encrypt(Buffer.from(plain, 'hex')))
  }
})
