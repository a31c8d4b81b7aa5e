// Looks at the owner's page of a node in Chromium, as an owner would and as somebody would who publishes hostile names:
//   node page.mjs URL FOLDER [TOKEN]
// FOLDER gets pictures of it. What the page says, section by section, goes to the standard output as JSON; what is
// wrong with it ends the script with an error. The node has an asset and a receipt at least.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import axe from 'axe-core'
import puppeteer from 'puppeteer-core'

const [url, folder, token] = process.argv.slice(2)
const origin = new URL(url).origin
const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>\u202egnp.exe'
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const hint = '`make test` installs it, or point CHROMIUM at one'
assert.ok(existsSync(executablePath), `no browser at ${executablePath}: ${hint}`)

const args = ['--disable-dev-shm-usage', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])]
const browser = await puppeteer.launch({ executablePath, args })
const context = browser.defaultBrowserContext()
const page = await context.newPage()

// ---- What the browser sees of it ----

// Complaints of the browser, all of which count but those that a step expects.
const complaints = []
let expected = /^$/
const complain = text => { if (!expected.test(text)) complaints.push(text) }
page.on('console', message => {
  if (!['log', 'info', 'debug'].includes(message.type())) complain(message.text())
})
page.on('pageerror', error => complain(String(error)))
page.on('dialog', dialog => { complain(`a dialog: ${dialog.message()}`); dialog.dismiss() })

// Answers to put in the place of the node's, by path; and what was asked.
const instead = new Map()
const asked = []
await page.setRequestInterception(true)
page.on('request', request => {
  const { origin: where, pathname, protocol, search } = new URL(request.url())
  if (where !== origin && protocol !== 'blob:') complaints.push(`it asks somebody else: ${request.url()}`)
  if (pathname.startsWith('/api/')) asked.push(request)
  const answer = instead.get(pathname)
  if (answer === undefined) return request.continue()
  const { status = 200, body } = answer(new URLSearchParams(search))
  const bytes = typeof body === 'string' ? body : JSON.stringify(body)
  request.respond({ status, contentType: 'application/json', body: bytes })
})

async function until (what, check, ms = 20_000) {
  const end = Date.now() + ms
  for (;;) {
    const found = await check()
    if (found) return found
    assert.ok(Date.now() < end, `never: ${what}. ${complaints.join('; ')}\n${await text('body')}`)
    await sleep(50)
  }
}

const text = selector => page.$eval(selector, element => element.innerText)
const isShown = selector => page.evaluate(found => document.querySelector(found)?.checkVisibility() ?? false, selector)
const has = (selector, words) => async () => (await text(selector)).includes(words)
const polls = () => asked.filter(request => request.url().endsWith('/api/overview')).length
const refreshed = async () => { const before = polls(); await until('a look', () => polls() > before + 1) }
const api = async path => {
  const response = await fetch(`${url}api/${path}`, { headers: token ? { authorization: `Bearer ${token}` } : {} })
  assert.equal(response.status, 200, path)
  return response
}

// Accessibility by axe's rules, contrast among them: WCAG 2.2 AA, and its best practices.
async function audit (how) {
  const { violations } = await page.evaluate(async source => {
    if (!globalThis.axe) (0, eval)(source)
    return globalThis.axe.run(document, { resultTypes: ['violations'] })
  }, axe.source)
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(node => node.html).slice(0, 3)}`)
  assert.deepEqual(found, [], `accessibility, ${how}`)
}

async function fits (width) {
  await page.setViewport({ width, height: 900 })
  const [all, seen] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    return [scrollWidth, clientWidth]
  })
  assert.ok(all <= seen, `at ${width} pixels the page is ${all} wide`)
}

const scheme = value => page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }])
const picture = name => page.screenshot({ path: join(folder, name), fullPage: true })

// ---- The page ----

async function opens () {
  await page.setViewport({ width: 1280, height: 900 })
  await scheme('light')
  const response = await page.goto(url)
  const policy = response.headers()['content-security-policy']
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(part), policy)
  }
}

async function asksForTheToken () {
  expected = /401/
  await until('the form', () => isShown('#token'))
  assert.ok(!await isShown('#node'))
  assert.ok(!(await text('body')).includes('did:op:'), 'nothing is told without the token')
  await audit('the form')
  await fits(400)
  await page.setViewport({ width: 1280, height: 900 })
  // The field has the focus already.
  for (const wrong of ['not the token, is it?', 'wröng ☃ token that no header carries']) {
    await page.keyboard.type(wrong)
    await page.keyboard.press('Enter')
    await until('a wrong token is said to be one', has('#wrong', 'does not know this token'))
    await until('the form is back', () => isShown('#token'))
  }
  await page.keyboard.type(token)
  await page.keyboard.press('Enter')
  await until('the node', () => isShown('#cards article'))
  assert.equal(await text('#wrong'), '')
  expected = /^$/
  await page.reload()
  await until('the node again, in the same tab', () => isShown('#cards article'))
  assert.equal(await page.evaluate(() => localStorage.length), 0)
  assert.ok(asked.every(request => !request.url().includes(token)))
}

async function forgetsTheToken () {
  expected = /401/
  await page.click('#forget')
  await until('the form', () => isShown('#token'))
  await sleep(3000)
  const html = await page.content()
  assert.ok(!html.includes('did:op:') && !html.includes(token), 'something of the node stays in the tab')
  assert.equal(await page.evaluate(() => sessionStorage.length), 0)
  await page.keyboard.type(token)
  await page.keyboard.press('Enter')
  await until('the node', () => isShown('#cards article'))
  expected = /^$/
}

async function showsWhatTheNodeSays () {
  await until('assets', () => isShown('#cards article'))
  await until('receipts', () => isShown('#receipt-table tbody tr'))
  const [overview, assets] = await Promise.all(['overview', 'assets'].map(async path => (await api(path)).json()))
  const [facts, cards] = [await text('#facts'), await page.$$('#cards article')]
  const { address: owner, chain_id: chain } = overview.node
  assert.ok(facts.includes(owner.slice(0, 10)) && facts.includes(String(chain)), facts)
  assert.ok((await text('#figures')).includes(`of ${overview.workers} worker`))
  assert.equal(cards.length, assets.length)
  for (const [i, asset] of assets.entries()) {
    const card = cards[i]
    await card.$$eval('details', all => all.forEach(details => { details.open = true }))
    const said = await card.evaluate(element => element.innerText)
    const whole = await card.$eval('[data-copy^="did:op:"]', ({ title, dataset }) => [title, dataset.copy])
    assert.deepEqual(whole, [asset.did, asset.did])
    for (const column of asset.columns) assert.ok(said.includes(column.name), `${column.name} in ${said}`)
    for (const name of asset.policy.allowed_aggregations) assert.ok(said.includes(name), `${name} in ${said}`)
    for (const name of asset.policy.dimension_columns) assert.ok(said.includes(name), `${name} in ${said}`)
    assert.equal(said.includes('⚠ a request hides among'), asset.crowd > 0 && asset.crowd < 3, said)
    const meter = await card.$('meter')
    assert.equal(meter !== null, asset.epsilon_limit_micros !== null)
    const at = meter && await meter.evaluate(({ value, max }) => [value, max])
    if (at) assert.deepEqual(at, [asset.epsilon_spent_micros, asset.epsilon_limit_micros])
  }
}

// Nothing that others wrote has become an element or an attribute that does something.
async function isInert () {
  const found = await page.evaluate(() => {
    const bad = 'img, iframe, object, embed, svg, style, base, meta[http-equiv], script:not([src="page.js"]), [style]'
    const names = [...document.querySelectorAll('*')].flatMap(element => element.getAttributeNames())
    const handlers = names.filter(name => name.startsWith('on'))
    return [...[...document.querySelectorAll(bad)].map(e => e.outerHTML), ...handlers]
  })
  assert.deepEqual(found, [])
}

async function looksWell () {
  await picture('light.png')
  await audit('light')
  await scheme('dark')
  await picture('dark.png')
  await audit('dark')
  await fits(400)
  await picture('narrow.png')
  await audit('narrow')
  await fits(320)
  await scheme('light')
  await page.setViewport({ width: 1280, height: 900 })
}

async function isReachedByKeyboard () {
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input, summary')]
    globalThis.wanted = all.filter(element => element.checkVisibility())
    document.activeElement.blur()
    return globalThis.wanted.length
  })
  const reached = new Set()
  for (let i = 0; i < wanted + 5; i++) {
    await page.keyboard.press('Tab')
    const [number, outline, html] = await page.evaluate(() => {
      const element = document.activeElement
      return [globalThis.wanted.indexOf(element), getComputedStyle(element).outlineStyle, element.outerHTML]
    })
    if (number < 0) continue
    reached.add(number)
    assert.notEqual(outline, 'none', `it does not show that it has the focus: ${html}`)
  }
  // What went away meanwhile, as the oldest receipt of a page does, is not missed.
  const missed = await page.evaluate(reached => globalThis.wanted
    .filter((element, number) => element.isConnected && !reached.includes(number))
    .map(element => element.outerHTML), [...reached])
  assert.deepEqual(missed, [], 'what a mouse reaches, a keyboard does as well')
}

// What somebody holds or has opened stays as the figures change.
async function keepsItsPlace () {
  await context.overridePermissions(origin, ['clipboard-read', 'clipboard-write', 'clipboard-sanitized-write'])
  const summary = await page.$('#cards summary')
  await summary.evaluate(element => { element.parentElement.open = false })
  await summary.focus()
  await page.keyboard.press('Enter')
  assert.ok(await summary.evaluate(element => element.parentElement.open))
  await page.keyboard.press('Space')
  const button = await page.$('#cards [data-copy]')
  await button.focus()
  await refreshed()
  assert.ok(await button.evaluate(element => document.activeElement === element), 'the focus is lost')
  assert.ok(!await summary.evaluate(element => element.parentElement.open), 'what was closed opens')
  await page.keyboard.press('Enter')
  const did = await button.evaluate(element => element.dataset.copy)
  await until('it says what was copied', has('#said', did))
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), did)
  await summary.evaluate(element => { element.parentElement.open = true })
}

async function downloadsReceipts () {
  const session = await browser.target().createCDPSession()
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder })
  const link = await page.$('[data-receipt]')
  const number = await link.evaluate(element => element.dataset.receipt)
  await link.focus()
  await page.keyboard.press('Enter')
  const file = join(folder, `receipt-${number}.cbor`)
  await until('the receipt', () => existsSync(file))
  const bytes = Buffer.from(await (await api(`receipts/${number}`)).arrayBuffer())
  assert.deepEqual(readFileSync(file), bytes)
}

async function restsWhileNobodyLooks () {
  const hide = hidden => page.evaluate(hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)
  await hide(true)
  await sleep(500)
  const before = polls()
  await sleep(4500)
  assert.equal(polls(), before, 'it asks while it is hidden')
  await hide(false)
  await until('it looks at once', () => polls() > before, 1000)
}

async function saysThatTheNodeIsGone () {
  expected = /ERR_INTERNET_DISCONNECTED/
  await page.setOfflineMode(true)
  await until('the banner', has('#banner', 'The node cannot be reached. What is shown is from'))
  assert.ok((await text('#state')).includes('Out of reach'))
  assert.ok(await isShown('#cards article'), 'what was known stays')
  await audit('the banner')
  const before = polls()
  await sleep(9000)
  const tries = polls() - before
  assert.ok(tries >= 1 && tries <= 3, `${tries} tries in nine seconds: fewer and fewer, but not none`)
  await page.setOfflineMode(false)
  await page.click('#retry').catch(() => {})
  await until('it is back', async () => !await isShown('#banner'))
  assert.ok(!(await text('#state')).includes('Out of reach'))
  expected = /^$/
}

// ---- Answers that a test cannot easily bring about ----

async function showsWhatIsWrong () {
  const paths = ['overview', 'assets', 'receipts?limit=1']
  const answers = await Promise.all(paths.map(async path => (await api(path)).json()))
  const [overview, assets, { receipts: [receipt] }] = answers
  const did = n => `did:op:${String(n).padStart(64, '0')}`
  const hex = n => String(n).padStart(64, '0')
  const now = overview.node.now
  // Integers beyond 2^53, which JSON has and JavaScript's numbers have not.
  const big = {
    name: HOSTILE,
    kind: { integer: { min: '-9223372036854775808', max: '9223372036854775807' } },
    role: { dimension: false, measure: true },
    nullable: true,
    description: HOSTILE
  }
  const names = Array.from({ length: 40 }, (_, i) => `${HOSTILE}${i}`)
  const bad = {
    ...assets[0],
    did: did(1),
    name: HOSTILE,
    columns: [big, { ...big, name: 'c', kind: { category: { values: names } } }],
    policy: {
      ...assets[0].policy,
      dimension_columns: [HOSTILE],
      allowed_programs: { only: [hex(5)] },
      entity: HOSTILE,
      purpose: HOSTILE,
      download: true,
      expires: now - 60,
      privacy: { epsilon: 300_000, epsilon_per_asset: 1_000_000 },
      federation: { members: { [`0x${'0'.repeat(40)}`]: 'key', [`0x${'1'.repeat(40)}`]: 'key' } },
      a_rule_of_tomorrow: HOSTILE
    },
    price: { type: 'fixed', base_token: `0x${'2'.repeat(40)}`, units: '1500000000000000001' },
    crowd: 2,
    epsilon_spent_micros: 900_000,
    epsilon_limit_micros: 1_000_000
  }
  const body = JSON.stringify([bad, { ...bad, did: did(2), name: 'x'.repeat(5000) }, { ...bad, did: did(3) }])
    .replaceAll(/"(-?9223372036854775\d+)"/g, '$1')
  const job = (n, state, stage, attempts) => ({ job: hex(n), asset: did(1), state, stage, since: now - n, attempts })
  const first = [
    job(3, 'running', 'compute', 1), job(4, 'queued', null, 3), job(5, 'failed', null, 0), job(6, 'cancelled', null, 0)
  ]
  const jobs = [...first, ...Array.from({ length: 500 }, (_, n) => job(n + 10, 'queued', null, 0))]
  const refusal = { at: now, asset: HOSTILE, kind: 'PolicyDenied', reason: HOSTILE.repeat(50) }
  let total = 1234
  const shelf = from => Array.from({ length: 25 }, (_, i) => total - 1 - from - i).filter(n => n >= 0)
    .map(number => ({ ...receipt, number, asset: did(2), verified: number !== 1230, device: HOSTILE }))
  instead.set('/api/overview', () => ({ body: { ...overview, queued: 997, running: 3, max_queued: 1000 } }))
  instead.set('/api/assets', () => ({ body }))
  instead.set('/api/jobs', () => ({ body: { jobs, refusals: [refusal] } }))
  instead.set('/api/receipts', query => ({ body: { total, receipts: shelf(Number(query.get('from'))) } }))
  await until('the asset', has('#cards', '<img src=x onerror="alert(1)"><script>alert(2)</script>\\u{202e}gnp.exe'))
  // Of many assets only the figures are shown, and what somebody opens stays open.
  await page.$$eval('#cards details', all => all.forEach(details => details.querySelector('summary').click()))
  await refreshed()
  const cards = await text('#cards')
  for (const words of ['1.500000000000000001 of the token', '−9,223,372,036,854,775,808 to 9,223,372,036,854,775,807',
    'and 28 more', '⚠ a request hides among 2 accounts', 'ε 0.9 spent of 1, 0.1 left, enough for 0 more jobs',
    '⚠ buyers may decrypt all of it', 'answers in sums of all 2 members only', 'a_rule_of_tomorrow', 'by digest']) {
    assert.ok(cards.includes(words), `${words} in ${cards}`)
  }
  await until('what is wrong', has('#notices', 'not verified'))
  const notices = await text('#notices')
  for (const words of ['1 job failed', '1 receipt of those', 'the privacy budget is spent', 'expired on', 'hides among 2']) {
    assert.ok(notices.includes(words), `${words} in ${notices}`)
  }
  assert.ok((await text('#state')).includes('Full'))
  const rows = await page.$$eval('#job-table tbody tr', all => all.slice(0, 4).map(row => row.innerText.split(/\s+/)))
  for (const [row, words] of [['running', 'compute'], ['waiting'], ['failed'], ['given', 'up']].entries()) {
    for (const word of words) assert.ok(rows[row].includes(word), `${word} in ${rows[row]}`)
  }
  assert.ok((await text('#job-table')).includes('and 404 more jobs'))
  assert.ok((await text('#refusal-table')).includes('Policy denied'))
  assert.ok((await text('#receipt-table')).includes('✗ not verified'))
  await isInert()
  await audit('what is wrong')
  await fits(400)
  await page.setViewport({ width: 1280, height: 900 })

  const range = words => until(words, has('#range', words))
  await range('1,209 to 1,233 of 1,234')
  await page.focus('#older')
  await page.keyboard.press('Enter')
  await range('1,184 to 1,208')
  // A page that somebody reads does not move as jobs are completed.
  total = 1240
  await range('1,184 to 1,208 of 1,240')
  await page.keyboard.press('Enter')
  await range('1,159 to 1,183')
  await page.click('#newer')
  await range('1,184 to 1,208')
  await page.click('#latest')
  await range('1,215 to 1,239')

  expected = /500/
  instead.set('/api/assets', () => ({ status: 500, body: { detail: HOSTILE } }))
  await until('trouble', has('#banner', 'The node is in trouble: <img'))
  expected = /500|understand|reading/
  instead.set('/api/assets', () => ({ body: [{ name: 1 }] }))
  await until('nonsense', has('#banner', 'cannot show what the node says'))
  instead.clear()
  await until('sense', async () => !await isShown('#banner'))
  expected = /^$/
}

try {
  await opens()
  if (token) await asksForTheToken()
  await showsWhatTheNodeSays()
  await isInert()
  await looksWell()
  const sections = ['overview', 'assets', 'jobs', 'refusals', 'receipts']
  const said = Object.fromEntries(await Promise.all(sections.map(async id => [id, await text(`#${id}`)])))
  await isReachedByKeyboard()
  await downloadsReceipts()
  if (token) {
    await forgetsTheToken()
  } else {
    await keepsItsPlace()
    await restsWhileNobodyLooks()
    await saysThatTheNodeIsGone()
    await showsWhatIsWrong()
  }
  assert.deepEqual(complaints, [], 'the browser complains')
  console.log(JSON.stringify(said))
} finally {
  await browser.close()
}
