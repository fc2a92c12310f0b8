// The operators' page in the browser: a trade goes to finality under their eyes, waits while the chain is away, fails with
// its reason in words, and is tried again; it is held and released, marked and given up by two persons; an incident is closed by
// two; on a telephone, too.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { demo, eventually } from '../lib/venue.mjs'

const STRANGER = '0x00000000000000000000000000000000000000A1' // a wallet that the token does not know

export async function desk (suite, venue, browser) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  page.setDefaultTimeout(PATIENCE_MS)
  const complaints = []
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('request', request => { if (!request.url().startsWith(venue.admin)) complaints.push(`asks elsewhere: ${request.url()}`) })
  const members = await Promise.all(['carla', 'diego'].map(name => venue.trader(name)))
  let serial = 0
  // ATUN from carla to diego; answers with the trade's id. Held: the account of diego is, beforehand.
  const trade = async (quantity, held) => {
    if (held) await venue.administer('POST', '/settlement/holds', { account: 1004, reason: 'a look' })
    const orders = []
    for (const [i, side] of ['sell', 'buy'].entries()) {
      const answer = await members[i].request({ op: 'place', symbol: 'ATUN', side, quantity, price: '25', client_order_id: `page${++serial}` })
      assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      orders.push(answer.order.order)
    }
    const [{ id }] = await eventually('the trade is recorded', async () => {
      const rows = await venue.query(`SELECT id FROM public.trades WHERE sell_order_id = ${orders[0]} AND buy_order_id = ${orders[1]}`)
      return rows.length === 1 && rows
    })
    return id
  }
  const row = (id, more = '') => page.waitForSelector(`tr[data-trade="${id}"] ${more}`)
  const words = async id => (await page.locator(`tr[data-trade="${id}"]`).innerText()).replace(/\s+/g, ' ')
  const show = name => page.click(`.filters button:text-is("${name}")`)

  await suite.test('desk: an operator logs in; a wrong password is refused in words', async () => {
    await page.goto(venue.admin)
    await page.fill('input[name=user]', 'admin')
    await page.fill('input[name=password]', 'wrong')
    await page.click('button.submit')
    await page.waitForSelector('.reject')
    await page.fill('input[name=password]', venue.secret('login-admin'))
    await page.click('button.submit')
    await page.waitForSelector('.status.good:has-text("all lanes run")')
    await page.waitForSelector('tr[data-lane=ATUN] .badge.running')
  })

  await suite.test('desk: a trade waits while the chain is away, its lane says why; then it is settled, with its hash', async () => {
    await venue.signalServer('anvil', 'SIGSTOP')
    let id
    try {
      id = await trade('3')
      await page.waitForSelector('tr[data-lane=ATUN] .badge.halted')
      await page.waitForSelector('.status.warn:has-text("ATUN")')
      assert.match(await page.locator('tr[data-lane=ATUN]').innerText(), /waits for a node of the chain[^]*bring the node back/)
      await row(id, '.steps .now')
      assert.match(await page.locator(`tr[data-trade="${id}"] .steps .now`).innerText(), /pending|processing/)
      await row(id, '.why:has-text("waits for a node of the chain")')
    } finally { await venue.signalServer('anvil', 'SIGCONT') }
    await show('Settled')
    await row(id, '.steps .settled')
    assert.match(await words(id), /pending processing sent mined settled 0x[0-9a-f]{8}…[0-9a-f]{6}/)
    await page.waitForSelector('.status.good')
  })

  await suite.test('desk: a failed trade tells its reason in words, and is tried again', async () => {
    const { wallet } = demo.accounts.find(a => a.account === 1004)
    await venue.administer('POST', '/accounts', { account: 1004, wallet_address: STRANGER })
    const id = await trade('4')
    await show('Failed')
    await row(id, '.steps .failed')
    assert.match(await words(id), /the buyer's wallet has no verified identity/)
    await venue.administer('POST', '/accounts', { account: 1004, wallet_address: wallet })
    await page.click(`tr[data-trade="${id}"] button:has-text("Retry")`)
    await page.fill(`tr[data-trade="${id}"] input[name=reason]`, 'the wallet is right now')
    await page.click(`tr[data-trade="${id}"] form .sure`)
    await show('Settled')
    await row(id, '.steps .settled')
  })

  // Another person, in a browser of his own.
  const enter = async (name, password, viewport = { width: 1440, height: 900 }) => {
    const other = await (await browser.newContext({ viewport })).newPage()
    other.setDefaultTimeout(15000)
    other.on('pageerror', error => complaints.push(error.message))
    await other.goto(venue.admin)
    await other.fill('input[name=user]', name)
    await other.fill('input[name=password]', password)
    await other.click('button.submit')
    await other.waitForSelector('.status')
    return other
  }
  const login = async (name, role) => {
    fs.writeFileSync(path.join(venue.folder, `secrets/login-${name}`), `password-of-${name}`, { mode: 0o600 })
    await venue.administer('POST', '/logins', { kind: 'admin', login_name: name, password: `password-of-${name}`, role })
  }
  // Opens the form of a button, enters, and says yes.
  const act = async (on, where, word, entered) => {
    await on.click(`${where} button:text-is("${word}")`)
    for (const [name, value] of Object.entries(entered)) {
      if (['outcome', 'scope'].includes(name)) await on.selectOption(`${where} form [name=${name}]`, value)
      else await on.fill(`${where} form [name=${name}]`, value)
    }
    await on.click(`${where} form .sure`)
    await on.waitForSelector(`${where} form`, { state: 'detached' })
  }

  await suite.test('desk: a token is held with a reason, its trade waits and says so; released, it is settled, its gas is shown', async () => {
    await page.click('tr[data-lane=ATUN] button:text-is("Hold")')
    assert.match(await page.locator('tr[data-lane=ATUN] form').innerText(), /Nothing of ATUN is settled from now on/)
    await page.click('tr[data-lane=ATUN] form .sure') // without a reason nothing is sent
    await page.click('tr[data-lane=ATUN] form button:text-is("Leave")')
    assert.deepEqual(await venue.query('SELECT hold_id FROM settle.hold WHERE released_at IS NULL'), [])
    await act(page, 'tr[data-lane=ATUN]', 'Hold', { reason: 'a rumour' })
    await page.waitForSelector('tr[data-lane=ATUN] .badge.held')
    const id = await trade('2')
    await show('On their way')
    await row(id, '.why:has-text("held by an operator")')
    assert.match(await page.locator('[data-hold]').innerText(), /token ATUN[^]*a rumour[^]*admin/)
    await act(page, '[data-hold]', 'Release', { reason: 'it is none' })
    await page.waitForSelector('tr[data-lane=ATUN] .badge.running')
    await show('Settled')
    await row(id, '.steps .settled')
    await page.click(`tr[data-trade="${id}"] .link`)
    const [{ gas }] = await venue.query(`SELECT a.gas_used AS gas FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${id} AND a.state = 'confirmed'`)
    await page.waitForSelector(`.below [data-attempt="1"] td:text-is("${gas}")`)
    assert.match(await page.locator('.below').innerText(), /pending[^]*processing[^]*settled/)
    await page.click(`tr[data-trade="${id}"] .link`)
    await page.waitForSelector('.below', { state: 'detached' })
  })

  let night
  await suite.test('desk: a mark takes two persons; what its transaction lacks stands beside it; withdrawn, approved, tried again', async () => {
    await login('night', 'administrator')
    night = await enter('night', 'password-of-night')
    const id = await trade('2', 'held')
    await show('On their way')
    await row(id, '.why:has-text("held by an operator")')
    await act(page, `tr[data-trade="${id}"]`, 'Mark', { outcome: 'settled_on_chain', tx_hash: `0x${'ab'.repeat(32)}`, reason: 'somebody said so' })
    await page.waitForSelector('[data-mark]:has-text("another person approves")')
    assert.equal(await page.locator('[data-mark] button:text-is("Approve")').count(), 0)
    await act(night, '[data-mark]', 'Approve', {})
    await page.waitForSelector('[data-mark] .problem:has-text("the transaction is in no block")')
    assert.match(await page.locator('[data-mark]').innerText(), /proposed by admin, approved by night/)
    await act(night, '[data-mark]', 'Withdraw', { reason: 'nobody had' })
    await page.waitForSelector('[data-mark]', { state: 'detached' })
    await act(page, `tr[data-trade="${id}"]`, 'Mark', { outcome: 'failed', reason: 'for a try' })
    await act(night, '[data-mark]', 'Approve', {})
    await show('Failed')
    await row(id, '.why:has-text("marked by two persons: for a try (admin, night)")')
    await act(page, '[data-hold]', 'Release', { reason: 'enough' })
    await act(page, `tr[data-trade="${id}"]`, 'Retry', { reason: 'it was a try' })
    await show('Settled')
    await row(id, '.steps .settled')
  })

  await suite.test('desk: a trade that does not move is given up by two persons; it waits, held, and goes again once released', async () => {
    await venue.rpc('evm_setAutomine', false) // its transaction stays in the pool
    let id, given
    try {
      id = await trade('2')
      await show('On their way')
      await row(id, '.steps .now:text-is("sent")')
      given = `tr[data-trade="${id}"]`
      await page.click(`${given} button:text-is("Give up")`)
      assert.match(await page.locator(`${given} form`).innerText(), /Another person has to approve it[^]*if it is mined before that, it counts/)
      await page.click(`${given} form button:text-is("Leave")`)
      assert.deepEqual(await venue.query('SELECT abandonment_id FROM settle.abandonment'), [])
      await act(page, given, 'Give up', { reason: 'nobody mines it' })
      await page.waitForSelector('[data-abandonment]:has-text("proposed by admin")')
      assert.match(await page.locator('[data-abandonment]').innerText(), new RegExp(`${id}[^]*nobody mines it[^]*another person approves`))
      assert.equal(await page.locator('[data-abandonment] button:text-is("Approve")').count(), 0)
      await act(night, '[data-abandonment]', 'Approve', {})
      await page.waitForSelector('[data-abandonment]:has-text("its nonce is being given up")')
      assert.equal(await page.locator('[data-abandonment] button').count(), 0) // not to be taken back
    } finally { await venue.rpc('evm_setAutomine', true) }
    await eventually('the empty transaction has taken its nonce', async () => {
      await venue.rpc('evm_mine')
      return await page.locator('[data-abandonment]').count() === 0
    })
    await row(id, '.why:has-text("held by an operator")')
    await page.click(`${given} .link`)
    await page.waitForSelector('.below:has-text("two persons gave its transaction up")')
    await page.click(`${given} .link`)
    assert.match(await page.locator(`[data-hold]:has-text("trade ${id}")`).innerText(), /abandoned: nobody mines it \(admin, night\)/)
    const [tried] = await venue.query(`SELECT total_attempts FROM settle.trade WHERE trade_id = ${id}`)
    await act(page, `[data-hold]:has-text("trade ${id}")`, 'Release', { reason: 'somebody mines again' })
    await show('Settled')
    await row(id, '.steps .settled')
    assert.equal(Number(tried.total_attempts), 0)
  })

  await suite.test('desk: a custody proof is recorded by one, verified by another, and takes the place of the one before', async () => {
    const mine = '[data-proof]:has-text("vault 12")'
    await page.waitForSelector('[data-proof]:has-text("demo vault ATUN"):has-text("valid, verified by verifier")')
    await act(page, '.begin', 'Custody proof…', { token: 'ATUN', quantity: '900000.5', custodian_reference: 'vault 12', proof_hash: `0x${'7'.repeat(64)}`, expires_at: '2099-06-30' })
    await page.waitForSelector(`${mine}:has-text("recorded by admin")`)
    assert.match(await page.locator(mine).innerText(), /ATUN[^]*900.000\.5 tokens until 2099-06-30[^]*0x77777777…[^]*another person verifies/)
    assert.equal(await page.locator(`${mine} button:text-is("Verify")`).count(), 0)
    await act(night, mine, 'Verify', {})
    await page.waitForSelector(`${mine}:has-text("valid, verified by night")`)
    await page.waitForSelector('[data-proof]:has-text("demo vault ATUN")', { state: 'detached' })
    await act(page, mine, 'Revoke', { reason: 'it was a test' })
    await page.waitForSelector(mine, { state: 'detached' })
  })

  await suite.test('desk: an incident halts its lane, with what to do; two persons close it', async () => {
    await venue.query("INSERT INTO settle.incident (kind, request_id, token_asset) SELECT 'moved_twice', max(request_id), (SELECT asset_id FROM people.asset WHERE symbol = 'ATUN') FROM chain.chain_request")
    await page.waitForSelector('tr[data-lane=ATUN] .badge.halted')
    assert.match(await page.locator('tr[data-lane=ATUN]').innerText(), /an incident: nothing of the token goes on: moved_twice[^]*mark what is so, close it/)
    await act(page, '[data-incident]', 'Close', { reason: 'it was a test' })
    await page.waitForSelector('[data-incident]:has-text("to be closed, says admin: it was a test")')
    assert.equal(await page.locator('[data-incident] button:text-is("Approve")').count(), 0)
    await act(night, '[data-incident]', 'Approve', {})
    await page.waitForSelector('tr[data-lane=ATUN] .badge.running')
    await page.waitForSelector('[data-incident]', { state: 'detached' })
    await night.context().close()
  })

  await suite.test('desk: on a telephone nothing is cut off, and the venue is held and released; an auditor sees all and may nothing', async () => {
    const phone = await enter('night', 'password-of-night', { width: 390, height: 844 })
    await phone.waitForSelector('tr[data-lane=ATUN] .badge.running')
    const fits = async what => assert.deepEqual(await phone.evaluate(() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1).map(e => `${e.tagName}.${e.className}`).slice(0, 3)), [], what)
    await fits('the page')
    await phone.click('.begin button:text-is("Hold…")')
    await phone.selectOption('.begin form [name=scope]', 'venue')
    await phone.fill('.begin form [name=reason]', 'from bed')
    await fits('its form')
    if (process.env.PICTURE) await phone.screenshot({ path: process.env.PICTURE.replace(/(\.\w+)?$/, '-phone.png'), fullPage: true })
    await phone.click('.begin form .sure')
    await phone.waitForSelector('tr[data-lane=ATUN] .badge.held')
    await login('eye', 'auditor')
    const eye = await enter('eye', 'password-of-eye')
    await eye.waitForSelector('[data-hold]:has-text("from bed")')
    assert.deepEqual(await eye.locator('.desk button').allInnerTexts().then(words => words.filter(w => /Hold|Release|Mark|Retry|Approve|Withdraw|Close/.test(w))), [])
    await eye.context().close()
    await act(phone, '[data-hold]', 'Release', { reason: 'awake now' })
    await phone.waitForSelector('tr[data-lane=ATUN] .badge.running')
    await phone.context().close()
  })

  await suite.test('desk: filters by token and account; nothing else is asked of anybody, and nothing was wrong', async () => {
    await show('All')
    await page.selectOption('select', { label: 'ATUN' })
    await page.waitForFunction(() => { const rows = [...document.querySelectorAll('tr[data-trade]')]; return rows.length > 0 && rows.every(r => r.innerText.includes('ATUN')) })
    await page.fill('input[aria-label=Account]', '999999')
    await page.waitForSelector('.empty:has-text("No such trades")')
    assert.deepEqual(complaints.filter(c => !/401/.test(c)), [])
    await page.close()
  })
}
