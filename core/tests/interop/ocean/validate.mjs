// Ocean's own validator of asset descriptions, ddo.js (https://github.com/oceanprotocol/ddo.js).
//
// validate {ddo} -> {valid, errors: {field: [message]}}: a description of version 4.1 to 4.7 or 5.0
// did {nft, chainId, version?} -> {did}: as ocean.js names it, or ddo.js for a `version`

import { DDOManager, validateDDO } from '@oceanprotocol/ddo-js'
import { generateDid } from '@oceanprotocol/lib'
import { serve } from '../peer.mjs'

await serve(null, {
  validate: async ({ ddo }) => {
    const [valid, { fullReport, ...errors }] = await validateDDO(ddo)
    return { valid, errors }
  },
  did: ({ nft, chainId, version }) => {
    if (version === undefined) return { did: generateDid(nft, chainId) }
    const id = version.startsWith('5') ? 'did:ope:' : 'did:op:'
    return { did: DDOManager.getDDOClass({ version, id }).makeDid(nft, `${chainId}`) }
  }
})
