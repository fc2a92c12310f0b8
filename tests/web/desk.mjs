// The operators' page in the browser: a trade goes to finality under their eyes, waits while the chain is away, fails with
// its reason in words, and is tried again.
import assert from 'node:assert/strict'
import { demo, eventually } from '../lib/venue.mjs'

const STRANGER = '0x00000000000000000000000000000000000000A1' // a wallet that the token does not know

export async function desk (suite, venue, browser) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  page.setDefaultTimeout(15000)
  const complaints = []
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('request', request => { if (!request.url().startsWith(venue.admin)) complaints.push(`asks elsewhere: ${request.url()}`) })
  const members = await Promise.all(['carla', 'diego'].map(name => venue.trader(name)))
  let serial = 0
  // ATUN from carla to diego; answers with the trade's id.
  const trade = async quantity => {
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
      await page.waitForSelector('tr[data-lane=ATUN] .badge.halted', { timeout: 40000 })
      await page.waitForSelector('.status.warn:has-text("ATUN")')
      assert.match(await page.locator('tr[data-lane=ATUN]').innerText(), /no node of the chain answers/)
      await row(id, '.steps .now')
      assert.match(await page.locator(`tr[data-trade="${id}"] .steps .now`).innerText(), /pending|processing/)
    } finally { await venue.signalServer('anvil', 'SIGCONT') }
    await show('Settled')
    await row(id, '.steps .settled')
    assert.match(await words(id), /pending processing sent mined settled 0x[0-9a-f]{8}…[0-9a-f]{6}/)
    await page.waitForSelector('.status.good', { timeout: 30000 })
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
    await page.click(`tr[data-trade="${id}"] form button:has-text("Retry")`)
    await show('Settled')
    await row(id, '.steps .settled')
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
