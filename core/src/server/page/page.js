// The owner's page: asks the node for its figures every two seconds, and shows them.
//
// Names, descriptions and reasons were written by others. Whatever is shown becomes a text node or an attribute of a
// fixed name; nothing here is ever parsed as HTML.

const PERIOD = 2000
const LONGEST_PAUSE = 30_000
const TIMEOUT = 15_000
const PAGE = 25
const MOST_ROWS = 100
const MOST_VALUES = 12
const SMALL_CROWD = 3
const TOKEN = 'sealock-admin-token'

const $ = id => document.getElementById(id)

// ---- Text ----

// Characters that are not seen, or that turn the direction of what follows, are shown by their numbers.
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

function shown (text, most = 2000) {
  const cut = Array.from(String(text))
  const whole = cut.length > most ? cut.slice(0, most).join('') + '…' : String(text)
  return whole.replace(UNSEEN, c => `\\u{${c.codePointAt(0).toString(16)}}`)
}

function short (text) {
  const [, prefix, rest] = /^(did:\w+:|0x)?(.*)$/s.exec(text)
  return rest.length > 16 ? `${prefix ?? ''}${rest.slice(0, 8)}…${rest.slice(-4)}` : text
}

const grouped = new Intl.NumberFormat('en')
const count = (n, one, many = one + 's') => `${grouped.format(n)} ${Number(n) === 1 ? one : many}`

// `units` of 10^-places as an exact decimal.
function decimal (units, places = 0) {
  const value = BigInt(units)
  const digits = (value < 0n ? -value : value).toString().padStart(places + 1, '0')
  const [whole, part] = [digits.slice(0, digits.length - places), digits.slice(digits.length - places)]
  const fraction = part.replace(/0+$/, '')
  return (value < 0n ? '−' : '') + grouped.format(BigInt(whole)) + (fraction && `.${fraction}`)
}

const epsilon = micros => `ε ${decimal(micros, 6)}`

const UNITS = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]]

function duration (seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  const first = UNITS.findIndex(([, size]) => whole >= size)
  if (first < 0) return '0 s'
  const [[name, size], next] = [UNITS[first], UNITS[first + 1]]
  const rest = next && Math.floor(whole % size / next[1])
  return `${Math.floor(whole / size)} ${name}` + (rest ? ` ${rest} ${next[0]}` : '')
}

const size = bytes => bytes >= 1 << 20 ? `${Math.round(bytes / (1 << 20))} MiB` : count(bytes, 'byte')

const two = n => String(n).padStart(2, '0')
const clock = date => [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')

function local (seconds) {
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) return `${seconds} s after 1970`
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(date)}`
}

function iso (seconds) {
  const date = new Date(Number(seconds) * 1000)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

// ---- Elements ----

function h (name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value)
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null && child !== '') element.append(child)
  }
  return element
}

const bdi = (text, most) => h('bdi', {}, shown(text, most))
const when = (seconds, text = local(seconds)) => h('time', { datetime: iso(seconds), title: local(seconds) }, text)
const badge = (text, kind = '') => h('span', { class: `badge ${kind}`.trim() }, text)
const pair = (term, ...said) => h('div', {}, h('dt', {}, term), said.map(part => h('dd', {}, part)))

// Shows the ends of an identifier, and copies the whole of it.
function identifier (what, text) {
  const inner = [h('span', { class: 'hidden' }, `Copy ${what} `), shown(short(text))]
  return h('button', { type: 'button', class: 'id', title: shown(text), 'data-copy': text }, inner)
}

// Values of others' making, each in a frame of its own, so that none can look like two.
function values (list, most = MOST_VALUES) {
  const rest = list.length - most
  const frames = list.slice(0, most).map(value => h('code', {}, bdi(value, 200)))
  return h('span', { class: 'values' }, frames, rest > 0 ? `and ${grouped.format(rest)} more` : '')
}

// Columns of much text.
const WIDE = new Set(['Domain', 'Reason'])

// A table that says by its roles that it is one, which some browsers forget where it is laid out as blocks.
function table (label, head, rows) {
  const heads = head.map(name => h('th', { scope: 'col', role: 'columnheader' }, name))
  return h('table', { role: 'table', 'aria-label': label },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads)),
    h('tbody', { role: 'rowgroup' }, rows.map(({ key, cells }) => h('tr', { role: 'row', 'data-key': key },
      cells.map((cell, i) => h('td', { role: 'cell', 'data-label': head[i], class: WIDE.has(head[i]) && 'wide' },
        h('div', {}, cell)))))))
}

// Makes what is there like what is to be, and leaves alone what is so already: focus, selection and what was opened
// stay.
function fill (parent, fresh) {
  const keyOf = node => node.dataset?.key
  const keys = new Set(fresh.map(keyOf))
  const kept = new Map()
  for (const node of [...parent.childNodes]) {
    const key = keyOf(node)
    if (key === undefined) continue
    if (keys.has(key)) kept.set(key, node)
    else node.remove()
  }
  let at = parent.firstChild
  for (const node of fresh) {
    const key = keyOf(node)
    const old = key === undefined ? at : kept.get(key)
    kept.delete(key)
    if (!old || old.nodeName !== node.nodeName || keyOf(old) !== key) {
      parent.insertBefore(node, at)
      continue
    }
    if (old === at) at = at.nextSibling
    else parent.insertBefore(old, at)
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== node.data) old.data = node.data
      continue
    }
    for (const { name } of [...old.attributes]) {
      if (name !== 'open' && !node.hasAttribute(name)) old.removeAttribute(name)
    }
    for (const { name, value } of node.attributes) {
      if (name !== 'open' && old.getAttribute(name) !== value) old.setAttribute(name, value)
    }
    fill(old, [...node.childNodes])
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}

const put = (id, ...children) => fill($(id), [...h('div', {}, ...children).childNodes])

function say (id, text) {
  if ($(id).textContent !== text) $(id).textContent = text
}

// ---- Overview ----

function showOverview (overview) {
  const { node } = overview
  const full = overview.queued + overview.running >= overview.max_queued
  const [words, kind] = overview.draining
    ? ['Draining: takes no more jobs', 'warn']
    : full ? ['Full: refuses more jobs', 'warn'] : ['Takes jobs', 'good']
  put('state', badge(words, kind))
  document.title = `${overview.running} running, ${overview.queued} waiting – Sealock node`
  put('facts',
    pair('Owner’s address', identifier('address', node.address)),
    pair('Chain', String(node.chain_id)),
    pair('Ledger', identifier('address', node.ledger),
      h('span', { class: 'muted' }, node.serves_ledger ? 'clients follow it here' : 'clients reach it by themselves')),
    pair('Computes on', node.devices.join(', ')),
    pair('Takes requests up to', size(node.max_request_bytes)),
    pair('Keeps results for', duration(node.result_retention_secs)),
    pair('Version', node.version))
}

function showFigures ({ overview, assets, receipts }) {
  const tight = assets?.filter(asset => asset.epsilon_limit_micros !== null).sort((a, b) => share(b) - share(a))[0]
  put('figures',
    pair('Running', grouped.format(overview.running), `of ${count(overview.workers, 'worker')}`),
    pair('Waiting', grouped.format(overview.queued), `of ${grouped.format(overview.max_queued)} at most`),
    pair('Completed', grouped.format(overview.completed), 'since the start'),
    pair('Failed', grouped.format(overview.failed), 'since the start'),
    receipts && pair('Receipts', grouped.format(receipts.total), 'in all'),
    tight && pair('Privacy budget', percent(share(tight)), ['spent, of ', bdi(tight.name, 40)]),
    pair('Up for', duration(overview.uptime_secs)))
}

const share = asset => Number(asset.epsilon_spent_micros) / Number(asset.epsilon_limit_micros)
// Rounded down, so that nothing but all of it is 100 %.
const percent = part => `${Math.floor(part * 100)} %`

// What an owner would not want to find out by reading everything.
function showNotices ({ overview, assets, jobs, receipts }) {
  const notices = []
  const note = (kind, key, ...text) => notices.push(h('li', { class: kind, 'data-key': key }, ...text))
  const failed = jobs?.jobs.filter(job => job.state === 'failed').length
  if (failed) {
    note('bad', 'failed', link('jobs', count(failed, 'job')), ' failed for the node’s own reasons: see its log.')
  }
  const broken = receipts?.receipts.filter(receipt => !receipt.verified).length
  if (broken) note('bad', 'receipts', link('receipts', count(broken, 'receipt')), ' of those below: not verified.')
  for (const asset of assets ?? []) {
    const name = link(asset.did, bdi(asset.name, 60))
    const { policy } = asset
    if (isSpent(asset)) note('warn', `spent ${asset.did}`, name, ': the privacy budget is spent; jobs are refused.')
    if (policy.expires !== null && policy.expires <= overview.node.now) {
      note('warn', `expired ${asset.did}`, name, `: expired on ${local(policy.expires)}.`)
    }
    if (policy.max_jobs !== null && asset.jobs_admitted >= policy.max_jobs) {
      note('warn', `jobs ${asset.did}`, name, `: all ${count(policy.max_jobs, 'job')} are taken.`)
    }
    if (asset.crowd > 0 && asset.crowd < SMALL_CROWD) {
      note('warn', `crowd ${asset.did}`, name, `: ${crowd(asset)}; who asks can be guessed.`)
    }
  }
  put('notices', notices)
}

const link = (id, ...text) => h('a', { href: `#${encodeURIComponent(id)}` }, ...text)

const isSpent = ({ policy, ...asset }) => asset.epsilon_limit_micros !== null &&
  Number(asset.epsilon_limit_micros) - Number(asset.epsilon_spent_micros) < Number(policy.privacy?.epsilon ?? 0)

const crowd = asset => asset.crowd === 0
  ? 'nobody has an order that is good now'
  : `a request hides among ${count(asset.crowd, 'account')}`

// ---- Assets ----

function showAssets (assets) {
  if (assets.length === 0) return put('cards', h('p', { class: 'empty' }, 'Nothing is published here.'))
  // Where there are few, nothing has to be opened to be seen.
  put('cards', assets.map(asset => card(asset, assets.length <= 2)))
}

function card (asset, open) {
  const { policy, columns } = asset
  const few = asset.crowd < SMALL_CROWD
  const jobs = policy.max_jobs === null ? 'no limit' : `of ${grouped.format(policy.max_jobs)} at most`
  return h('article', { class: 'card', id: asset.did, 'data-key': asset.did, tabindex: '-1' },
    h('div', { class: 'line' },
      h('h3', {}, bdi(asset.name, 300)), badge(asset.kind),
      identifier('DID', asset.did), h('span', { class: 'muted' }, 'NFT ', identifier('address', asset.nft))),
    h('dl', { class: 'facts' },
      pair('Price', price(asset.price), count(asset.uses_per_order, 'use') + ' per order'),
      pair('Orders', grouped.format(asset.orders)),
      pair('Crowd', few ? badge(`⚠ ${crowd(asset)}`, 'warn') : crowd(asset)),
      pair('Jobs admitted', grouped.format(asset.jobs_admitted), h('span', { class: 'muted' }, jobs))),
    budget(asset),
    h('div', { class: 'sheets' },
      h('details', { open }, h('summary', {}, 'Policy'), rules(policy)),
      h('details', { open },
        h('summary', {}, `Schema: ${count(columns.length, 'column')}, up to ${count(asset.max_rows, 'row')}`),
        table('Schema', ['Column', 'Type', 'Domain', 'Role'], columns.map(column)))))
}

function price (price) {
  switch (price?.type) {
    case 'fixed': return [`${decimal(price.units, 18)} of the token `, identifier('address', price.base_token)]
    case 'free': return `free, ${grouped.format(price.max_per_account)} per account at most`
    default: return 'not for sale'
  }
}

function budget (asset) {
  const { privacy } = asset.policy
  const [spent, limit] = [asset.epsilon_spent_micros, asset.epsilon_limit_micros]
  if (!privacy && limit === null) {
    return h('p', { class: 'budget muted' }, 'Answers are exact: no noise is drawn, and no privacy budget is counted.')
  }
  if (limit === null) {
    const unlimited = privacy?.epsilon ? badge('⚠ without a limit', 'warn') : ''
    return h('div', { class: 'budget' }, h('p', {}, `Privacy: ${epsilon(spent)} spent `, unlimited))
  }
  const [left, each] = [Math.max(0, limit - spent), privacy?.epsilon]
  const room = each === undefined ? '' : `, enough for ${count(Math.floor(left / each), 'more job')}`
  return h('div', { class: 'budget' },
    h('p', {}, `Privacy budget: ${epsilon(spent)} spent of ${decimal(limit, 6)}, ${decimal(left, 6)} left${room}`),
    h('meter', {
      'aria-label': `Privacy budget spent of ${shown(asset.name, 100)}`,
      min: '0',
      max: String(limit),
      // Green, from three quarters on yellow, red where no job fits any more.
      low: String(Math.floor(limit * 0.75)),
      high: String(Math.max(Math.floor(limit * 0.75), limit - (each ?? 1))),
      optimum: '0',
      value: String(spent)
    }, percent(share(asset))))
}

function column ({ name, kind, role, nullable, bins, description }) {
  const roles = ['dimension', 'measure', 'entity'].filter(name => role[name])
  const [type, domain] = domainOf(kind)
  const places = kind.decimal?.scale ?? 0
  const edges = bins && [count(bins.length - 1, 'bin'), ' at ', values(bins.map(edge => decimal(edge, places)))]
  return {
    key: name,
    cells: [
      [h('strong', {}, bdi(name)), description && h('p', { class: 'muted' }, bdi(description))],
      [type, nullable ? h('p', { class: 'muted' }, 'may be missing') : ''],
      [domain, edges && h('p', {}, edges)],
      roles.length ? roles.map(role => [badge(role), ' ']).flat() : h('span', { class: 'muted' }, 'none')
    ]
  }
}

function domainOf (kind) {
  if (kind === 'boolean') return ['boolean', 'true or false']
  if (kind === 'text') return ['text', 'any']
  const [type, { values: names, min, max, scale = 0 }] = Object.entries(kind)[0]
  if (names) return [type, values(names)]
  const places = scale ? `, ${count(scale, 'decimal place')}` : ''
  return [type, `${decimal(min, scale)} to ${decimal(max, scale)}${places}`]
}

// A value of the policy as it was written.
function plain (value) {
  if (value === null || typeof value !== 'object') return String(value)
  const [[type, inner]] = Object.entries(value)
  return type === 'decimal' ? decimal(inner.mantissa, inner.scale) : type === 'integer' ? decimal(inner) : String(inner)
}

function rules (policy) {
  const {
    dimension_columns: dimensions, measure_columns: measures, allowed_aggregations: aggregations,
    allowed_programs: programs, min_group_size: group, entity, max_jobs: jobs, expires, purpose, download,
    privacy = {}, clamps = {}, inference, federation, ...others
  } = policy
  const none = h('span', { class: 'muted' }, 'none')
  const list = names => names.length ? values(names, 50) : none.cloneNode(true)
  const rows = []
  const rule = (term, ...said) => rows.push(h('dt', {}, term), h('dd', {}, ...said))
  if (inference === undefined) {
    rule('Filter and group by', list(dimensions))
    rule('Aggregate', list(measures))
    rule('Aggregations', list(aggregations))
    rule('Programs', programs === 'any' ? 'any within the other rules' : digests(programs.only))
    rule('Smallest group', group <= 1
      ? 'any: nothing is withheld'
      : entity ? [`${grouped.format(group)} different `, values([entity])] : count(group, 'row'))
  } else {
    rule('Inference', `up to ${count(inference, 'vector')} per job`)
  }
  for (const [name, [low, high]] of Object.entries(clamps)) {
    rule('Clamped', values([name]), ` counts as ${plain(low)} to ${plain(high)}`)
  }
  if (privacy.epsilon) rule('Noise', `drawn for every job, which spends ${epsilon(privacy.epsilon)}`)
  if (privacy.protected_cube) rule('Noise', `drawn once for the data, which spent ${epsilon(privacy.protected_cube)}`)
  if (privacy.delta) rule('δ per release', decimal(privacy.delta, 12))
  if (privacy.epsilon_per_order) rule('One order spends', `${epsilon(privacy.epsilon_per_order)} at most`)
  if (privacy.epsilon_per_asset) rule('All jobs spend', `${epsilon(privacy.epsilon_per_asset)} at most`)
  if (!privacy.epsilon && !privacy.protected_cube && inference === undefined) rule('Noise', 'none: answers are exact')
  rule('Jobs', jobs === null ? 'no limit' : `${grouped.format(jobs)} at most`)
  rule('Expires', expires === null ? 'never' : when(expires))
  rule('Purpose', purpose === null ? none.cloneNode(true) : bdi(purpose))
  rule('Download', download ? badge('⚠ buyers may decrypt all of it', 'warn') : 'denied')
  if (federation) {
    const members = Object.keys(federation.members)
    rule('Federation', `answers in sums of all ${members.length} members only: `,
      h('span', { class: 'values' }, members.map(member => identifier('address', member))))
  }
  // A rule that this page has not heard of is shown all the same.
  for (const [name, value] of Object.entries(others)) rule(shown(name), shown(JSON.stringify(value, exact)))
  return h('dl', { class: 'rules' }, rows)
}

const digests = list => list.length === 0
  ? 'none'
  : [`${count(list.length, 'program')} by digest: `, h('span', { class: 'values' },
      list.slice(0, 50).map(digest => identifier('digest', digest)))]

// ---- Jobs, refusals, receipts ----

const STATES = { queued: 'waiting', running: 'running', failed: 'failed', cancelled: 'given up' }
const KINDS = { running: 'good', failed: 'bad', cancelled: 'warn' }

const named = (names, did) => names.has(did) ? bdi(names.get(did), 60) : identifier('DID', did)

function showJobs (jobs, names, now) {
  if (jobs.length === 0) return put('job-table', h('p', { class: 'empty' }, 'Nothing waits, and nothing runs.'))
  const rows = jobs.slice(0, MOST_ROWS).map(job => ({
    key: job.job,
    cells: [
      badge(STATES[job.state] ?? shown(job.state), KINDS[job.state]),
      job.stage === null ? '–' : shown(job.stage),
      named(names, job.asset),
      identifier('job', job.job),
      when(job.since, `${duration(now - job.since)} ago`),
      job.attempts > 1 ? badge(grouped.format(job.attempts), 'warn') : grouped.format(job.attempts)
    ]
  }))
  const rest = jobs.length - rows.length
  put('job-table', table('Jobs', ['State', 'Stage', 'Asset', 'Job', 'Since', 'Attempts'], rows),
    rest > 0 ? h('p', { class: 'muted' }, `and ${count(rest, 'more job')}`) : '')
}

// `PolicyDenied` as words.
const words = kind => shown(kind).replace(/(?<=[a-z])[A-Z]/g, c => ` ${c.toLowerCase()}`)

function showRefusals (refusals, names) {
  if (refusals.length === 0) return put('refusal-table', h('p', { class: 'empty' }, 'Nothing was refused.'))
  const rows = refusals.slice(0, MOST_ROWS).map(({ at, asset, kind, reason }) => ({
    cells: [when(at), named(names, asset), words(kind), bdi(reason, 500)]
  }))
  const rest = refusals.length - rows.length
  put('refusal-table', table('Refusals', ['When', 'Asset', 'Kind', 'Reason'], rows),
    rest > 0 ? h('p', { class: 'muted' }, `and ${count(rest, 'earlier one')}`) : '')
}

function showReceipts ({ total, receipts }, names) {
  $('paging').hidden = total <= PAGE
  if (receipts.length === 0) return put('receipt-table', h('p', { class: 'empty' }, 'No job was completed yet.'))
  const rows = receipts.map(receipt => ({
    key: String(receipt.number),
    cells: [
      grouped.format(receipt.number),
      when(receipt.released_at),
      identifier('job', receipt.job),
      named(names, receipt.asset),
      identifier('digest', receipt.program),
      shown(receipt.device),
      receipt.epsilon_micros === null ? '–' : decimal(receipt.epsilon_micros, 6),
      receipt.verified ? badge('✓ verified', 'good') : badge('✗ not verified', 'bad'),
      h('a', {
        href: `api/receipts/${encodeURIComponent(receipt.number)}`,
        download: `receipt-${receipt.number}.cbor`,
        'data-receipt': receipt.number
      }, 'Download', h('span', { class: 'hidden' }, ` receipt ${receipt.number}`))
    ]
  }))
  const head = ['Number', 'When', 'Job', 'Asset', 'Program', 'Device', 'ε spent', 'Verified', 'Receipt']
  put('receipt-table', table('Receipts', head, rows))
  const newest = receipts[0].number >= total - 1
  const oldest = receipts.at(-1).number === 0
  for (const [id, off] of [['latest', newest], ['newer', newest], ['older', oldest]]) {
    $(id).setAttribute('aria-disabled', off)
  }
  const numbers = `${grouped.format(receipts.at(-1).number)} to ${grouped.format(receipts[0].number)}`
  say('range', `Numbers ${numbers} of ${count(total, 'receipt')}`)
}

// ---- The node ----

class Locked extends Error {}

let token = stored()

// Where storage is turned off, the token lasts as long as the page.
function stored () {
  try {
    return sessionStorage.getItem(TOKEN)
  } catch {
    return null
  }
}

function keep (value) {
  token = value
  try {
    if (value === null) sessionStorage.removeItem(TOKEN)
    else sessionStorage.setItem(TOKEN, value)
  } catch {}
  $('forget').hidden = value === null
}

function headers () {
  const all = new Headers()
  try {
    if (token !== null) all.set('authorization', `Bearer ${token}`)
  } catch {
    // It has characters that no header carries.
    throw new Locked()
  }
  return all
}

async function get (path) {
  const response = await fetch(path, { headers: headers(), signal: AbortSignal.timeout(TIMEOUT) })
  if (response.status === 401) throw new Locked()
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}))
    const error = new Error(problem.detail ?? `it answered ${response.status} to ${path}`)
    error.answered = true
    throw error
  }
  return response
}

// Whole numbers beyond 2^53 stay exact, where the browser tells how they were written.
const whole = (key, value, context) => typeof value === 'number' && !Number.isSafeInteger(value) &&
  /^-?\d+$/.test(context?.source ?? '') ? BigInt(context.source) : value
const exact = (key, value) => typeof value === 'bigint' ? value.toString() : value

async function json (path) {
  return JSON.parse(await (await get(path)).text(), whole)
}

// Which receipts are shown: those up to the number `top`, or the latest. The node counts from the latest, which moves.
const shelf = { top: null, total: 0, asked: 0 }

async function receipts () {
  const turn = ++shelf.asked
  const from = () => shelf.top === null ? 0 : Math.max(0, shelf.total - 1 - shelf.top)
  const ask = () => json(`api/receipts?from=${from()}&limit=${PAGE}`)
  let page = await ask()
  if (shelf.top !== null && page.total !== shelf.total) {
    shelf.total = page.total
    page = await ask()
  }
  // Somebody has turned the page meanwhile.
  if (turn !== shelf.asked) return seen.receipts
  shelf.total = page.total
  return page
}

const seen = {}
let since = null

function show () {
  const { overview, assets, jobs, receipts } = seen
  if (!overview) return
  const names = new Map((assets ?? []).map(asset => [asset.did, asset.name]))
  showOverview(overview)
  showFigures(seen)
  if (assets) showAssets(assets)
  if (jobs) {
    showJobs(jobs.jobs, names, overview.node.now)
    showRefusals(jobs.refusals, names)
  }
  if (receipts) showReceipts(receipts, names)
  showNotices(seen)
  ask(false)
}

const PARTS = {
  overview: () => json('api/overview'),
  assets: () => json('api/assets'),
  jobs: () => json('api/jobs'),
  receipts
}

// Asks for everything. Says whether all of it came.
async function refresh () {
  const names = Object.keys(PARTS)
  const asked = token
  const answers = await Promise.allSettled(names.map(name => PARTS[name]()))
  // What was asked under a token that was forgotten meanwhile is forgotten as well.
  if (asked !== token) return true
  answers.forEach(({ value }, i) => { if (value) seen[names[i]] = value })
  const errors = answers.filter(answer => answer.status === 'rejected').map(answer => answer.reason)
  if (errors.some(error => error instanceof Locked)) {
    ask(true)
    return true
  }
  if (errors.length < names.length) show()
  if (errors.length === 0) {
    since = new Date()
    say('updated', `as of ${clock(since)}`)
    $('banner').hidden = true
    say('trouble', '')
    return true
  }
  const answered = errors.find(error => error.answered)
  const what = answered ? `The node is in trouble: ${shown(answered.message, 300)}` : 'The node cannot be reached'
  const old = since ? ` What is shown is from ${clock(since)}.` : ''
  $('banner').hidden = false
  say('trouble', `${what.replace(/\.?$/, '.')}${old}`)
  if (!answered) put('state', badge('Out of reach', 'bad'))
  return false
}

let timer
let working = false
let failures = 0

// One look after another, none while nobody sees them, and ever fewer while the node does not answer.
async function look () {
  clearTimeout(timer)
  if (working || document.hidden || !$('ask').hidden) return
  working = true
  try {
    failures = await refresh() ? 0 : failures + 1
  } catch (error) {
    // Figures that this page does not understand.
    failures += 1
    $('banner').hidden = false
    say('trouble', `This page cannot show what the node says: ${shown(error.message, 300)}.`)
    console.error(error)
  } finally {
    working = false
  }
  const pause = Math.min(PERIOD * 2 ** failures, LONGEST_PAUSE)
  say('next', `The next try is in ${pause / 1000} s at most.`)
  timer = setTimeout(look, pause)
}

// Asks for the token, or shows the node.
function ask (locked) {
  const before = !$('ask').hidden
  $('node').hidden = locked
  document.querySelector('nav').hidden = locked
  $('ask').hidden = !locked
  if (!locked) say('wrong', '')
  if (!locked || before) return
  for (const id of ['state', 'updated']) $(id).replaceChildren()
  $('banner').hidden = true
  document.title = 'Sealock node'
  say('wrong', token === null ? '' : 'The node does not know this token.')
  keep(null)
  $('token').focus()
}

$('ask').addEventListener('submit', event => {
  event.preventDefault()
  keep($('token').value.trim())
  $('token').value = ''
  $('ask').hidden = true
  look()
})
$('forget').addEventListener('click', () => {
  keep(null)
  // Nothing of the node stays in a tab that somebody may leave open.
  for (const name of Object.keys(seen)) delete seen[name]
  for (const id of ['notices', 'figures', 'facts', 'cards', 'job-table', 'refusal-table', 'receipt-table']) put(id)
  ask(true)
})
$('retry').addEventListener('click', look)
document.addEventListener('visibilitychange', look)
window.addEventListener('online', look)

for (const [id, turn] of [
  ['latest', () => null],
  ['newer', () => shelf.top === null || shelf.top + PAGE >= shelf.total - 1 ? null : shelf.top + PAGE],
  ['older', () => Math.max(0, (shelf.top ?? shelf.total - 1) - PAGE)]
]) {
  $(id).addEventListener('click', async () => {
    if ($(id).getAttribute('aria-disabled') === 'true') return
    shelf.top = turn()
    try {
      seen.receipts = await receipts()
      show()
    } catch {
      look()
    }
  })
}

let quiet
function tell (text) {
  clearTimeout(quiet)
  $('said').textContent = text
  quiet = setTimeout(() => { $('said').textContent = '' }, 4000)
}

async function copy (text) {
  try {
    await navigator.clipboard.writeText(text)
    tell(`Copied ${shown(text, 200)}`)
  } catch {
    // Without HTTPS, a browser gives the clipboard to this machine's pages alone.
    tell(shown(text, 200))
  }
}

// A link cannot show the token.
async function download (number) {
  try {
    const bytes = await (await get(`api/receipts/${encodeURIComponent(number)}`)).blob()
    const href = URL.createObjectURL(bytes)
    h('a', { href, download: `receipt-${number}.cbor` }).click()
    setTimeout(() => URL.revokeObjectURL(href), 10_000)
  } catch {
    tell(`Receipt ${number} could not be downloaded`)
  }
}

document.addEventListener('click', event => {
  const { copy: text } = event.target.closest('[data-copy]')?.dataset ?? {}
  if (text !== undefined) copy(text)
  const { receipt } = event.target.closest('[data-receipt]')?.dataset ?? {}
  if (receipt !== undefined && token !== null) {
    event.preventDefault()
    download(receipt)
  }
})

say('zone', `Times are of the zone ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`)
$('forget').hidden = token === null
look()
