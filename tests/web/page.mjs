// The trading page in Chromium: a trader logs in, sees the ladder, trades, confirms, cancels, and sees his trade settled.
// With PICTURE=FILE a screenshot of the page at work is written (docs/page.png).
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { PATIENCE_MS, sleep } from '../../tools/venue_client.mjs'
import { Suite } from '../lib/suite.mjs'
import { demo, eventually, Venue } from '../lib/venue.mjs'
import { desk } from './desk.mjs'
import { commonTypes } from './types.mjs'

const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const picture = process.env.PICTURE

// Somebody to trade with: a ladder around 100 by FIX, and trades of others so that the page has a history.
async function makeMarket (venue) {
  const fix = await venue.rawFix('balear')
  const other = await venue.rawFix('atlantic')
  for (let i = 0; i < 24; i++) {
    const price = (100 + Math.sin(i / 3) * 0.4).toFixed(2)
    fix.newOrder(`h${i}`, 'PORT', 'sell', 1 + i % 5, price)
    other.newOrder(`h${i}`, 'PORT', 'buy', 1 + i % 5, price)
    await other.waitFor(m => m.get(11) === `h${i}` && m.get(150) === 'F', 'fill')
    if (picture) await sleep(600) // a chart of several seconds
  }
  for (let i = 1; i <= 11; i++) {
    fix.newOrder(`a${i}`, 'PORT', 'sell', 3 + (i * 7) % 13 + i / 4, (100 + i * 0.05).toFixed(2))
    fix.newOrder(`b${i}`, 'PORT', 'buy', 4 + (i * 5) % 11 + i / 4, (100 - i * 0.05).toFixed(2))
  }
  await fix.waitFor(m => m.get(11) === 'b11', 'report')
  return [fix, other]
}

const text = locator => locator.innerText()

Suite.oneStory(async suite => {
  const venue = await Venue.start({ name: 'web', settings: ['settle.tick_ms=1000', 'settle.poll_ms=50', 'settle.batch_max=100', 'settle.http_timeout_ms=3000', 'settle.rpc_timeout_ms=3000'] })
  suite.watch(() => venue.died())
  let browser
  try {
    const members = await makeMarket(venue)
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, chromiumSandbox: false, args: FLAGS })
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1 })
    page.setDefaultTimeout(PATIENCE_MS)
    const complaints = []
    page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => { if (!request.url().startsWith(venue.web)) complaints.push(`asks elsewhere: ${request.url()}`) })

    const order = async (side, price, quantity) => {
      await page.click('.types button[data-type=limit]')
      await page.click(`.sides button.${side}`)
      await page.fill('input[name=price]', price)
      await page.fill('input[name=quantity]', quantity)
      await page.click('.entry button.submit')
    }
    const tab = name => page.click(`[role=tab]:has-text("${name}")`)

    await suite.test('the page opens and shows the ladder, live, before anybody logs in', async () => {
      await page.goto(venue.web)
      await page.waitForSelector('.status.good')
      await page.waitForFunction(() => document.querySelectorAll('.asks .level').length >= 11 && document.querySelectorAll('.bids .level').length >= 11)
      assert.match(await text(page.locator('.asks .level').last()), /100\.05/)
      assert.match(await text(page.locator('.bids .level').first()), /99\.95/)
      assert.ok(await page.locator('.tape tr').count() >= 20, 'trades of before')
    })

    await suite.test('a wrong password is refused in words; the right one logs in', async () => {
      await page.fill('input[name=user]', 'carla')
      await page.fill('input[name=password]', 'wrong')
      await page.click('.entry button.submit')
      await page.waitForSelector('.reject')
      assert.match(await text(page.locator('.reject')), /user name or password is wrong/i)
      await page.fill('input[name=password]', venue.secret('login-carla'))
      await page.click('.entry button.submit')
      await page.waitForSelector('.who')
      assert.match(await text(page.locator('.who')), /1003/)
    })

    await suite.test('an order that trades: the ladder changes, the trade stands under Trades', async () => {
      await order('buy', '100.05', '2.5')
      await page.waitForSelector('.accepted')
      await tab('Trades')
      await page.waitForSelector('.tabs tbody tr')
      assert.match(await text(page.locator('.tabs tbody tr').first()), /PORT\s+buy\s+100\.05\s+2\.50/)
      const rows = await eventually('Postgres has it', async () => { const r = await venue.query('SELECT price, quantity FROM public.trades WHERE buyer_id = 1003'); return r.length > 0 && r })
      assert.deepEqual(rows.map(r => [Number(r.price), Number(r.quantity)]), [[100.05, 2.5]])
    })

    await suite.test('its settlement arrives on the page, with the transaction hash', async () => {
      await page.waitForSelector('.tabs .badge.settled')
      const hash = (await page.locator('.tabs button.hash').first().getAttribute('title')).split('\n')[0]
      const [row] = await venue.query('SELECT tx_hash FROM public.trades WHERE buyer_id = 1003')
      assert.equal(hash, row.tx_hash)
      assert.ok((await venue.transfers('PORT')).some(t => t.hash === hash))
    })

    await suite.test('a trade that does not settle is corrected, then busted: the page says so, in its place in the list and by a notice', async () => {
      const { wallet } = demo.accounts.find(a => a.account === 1003)
      await venue.administer('POST', '/accounts', { account: 1003, wallet_address: '0x00000000000000000000000000000000000057a8' })
      await order('buy', '100.05', '1.5')
      const id = await eventually('it fails and that is booked', async () => {
        const [row] = await venue.query(`SELECT t.id FROM public.trades t JOIN settle.result r ON r.trade_id = t.id WHERE t.buyer_id = 1003 AND t.settlement_status = 'failed' AND r.state = 'booked'`)
        return row.id
      }, 60000)
      await venue.administer('POST', '/accounts', { account: 1003, wallet_address: wallet })
      await tab('Trades')
      const line = page.locator('.tabs tbody tr').first()
      await venue.administer('POST', `/trades/${id}/correct`, { reference: 'page-correct', quantity: '1.25', price: '99' })
      await line.locator('.badge.corrected').waitFor()
      assert.match(await text(line), /PORT\s+buy\s+99\.00\s+1\.25/)
      assert.match(await text(page.locator('.banner')), new RegExp(`Your purchase of PORT \\(trade ${id}\\) was corrected: 1\\.25 of it remain`))
      await page.reload() // the list comes from the record then
      await page.waitForSelector('.who')
      await tab('Trades')
      await line.locator('.badge.corrected').waitFor()
      assert.match(await text(line), /PORT\s+buy\s+99\.00\s+1\.25/)
      await venue.administer('POST', `/trades/${id}/bust`, { reference: 'page-bust' })
      await line.locator('.badge.busted:has-text("busted")').waitFor()
      assert.match(await text(page.locator('.banner')), /was busted: it does not count any more/)
    })

    await suite.test('what becomes of a settlement instruction is said by a notice', async () => {
      await venue.administer('POST', '/assets', { kind: 'token', scale: 2, symbol: 'PAGEBOND', name: 'a bond that is on no chain' })
      const legs = [{ from: 1004, to: 1003, asset: 'PAGEBOND', amount: '1' }, { from: 1003, to: 1004, asset: 'USD', amount: '9' }]
      const { xvp } = await venue.administer('POST', '/xvp', { reference: 'page-xvp', name: 'a block', cutoff: new Date(Date.now() + 600000).toISOString().replace(/\.\d+/, ''), legs })
      await page.locator(`.banner:has-text("Settlement instruction ${xvp}: created (0 of 2 legs approved)")`).waitFor()
      await venue.administer('POST', `/xvp/${xvp}/cancel`)
      await page.locator(`.banner:has-text("Settlement instruction ${xvp}: cancelled")`).waitFor()
    })

    await suite.test('an order far from the last price asks first: going back leaves nothing, agreeing places it', async () => {
      await order('buy', '88', '1')
      await page.waitForSelector('dialog[open]')
      assert.match(await text(page.locator('dialog')), /Far from the last price/)
      await page.click('dialog button:has-text("Go back")')
      await page.waitForSelector('.reject')
      await order('buy', '88', '1')
      await page.click('dialog button:has-text("Place it anyway")')
      await page.waitForSelector('.accepted')
      await order('buy', '99.97', '4')
      await page.waitForSelector('.bids .level:first-child:has-text("99.97")')
    })

    await suite.test('own orders: both stand there, one is cancelled and leaves the ladder', async () => {
      await tab('Orders')
      await page.waitForFunction(() => [...document.querySelectorAll('.tabs .badge.open')].length === 2)
      if (picture) await drawPicture(page, venue, order, tab)
      await page.click('.tabs tr:has-text("99.97") button:has-text("Cancel")')
      await page.waitForSelector('.tabs tr.done:has-text("99.97") .badge.cancelled')
      await eventually('it has left the ladder', async () => !/99\.97/.test(await text(page.locator('.bids'))))
      await page.click('.tabs tr:has-text("88.00") button:has-text("Cancel")')
      await page.waitForFunction(() => document.querySelectorAll('.tabs .badge.open').length === 0)
    })

    await commonTypes(suite, venue, page, members)

    await suite.test('the gateway is killed: the page says so, comes back by itself, and knows the trader and his trades', async () => {
      await venue.kill('web')
      await page.waitForSelector('.status.good')
      await page.waitForFunction(() => document.querySelectorAll('.asks .level').length >= 10)
      if (await page.locator('.who').count() === 0) {
        await page.fill('input[name=user]', 'carla')
        await page.fill('input[name=password]', venue.secret('login-carla'))
        await page.click('.entry button.submit')
        await page.waitForSelector('.who')
      }
      await tab('Trades')
      await page.waitForSelector('.tabs .badge.settled')
    })

    await suite.test('the browser had nothing to complain about, and asked nobody else', () => {
      const expected = /401|ERR_CONNECTION_REFUSED|WebSocket connection|ERR_CONNECTION_RESET/
      assert.deepEqual(complaints.filter(c => !expected.test(c)), [])
    })
    await desk(suite, venue, browser)
    await suite.test('at the end: sums are zero, ledger = Postgres = chain', () => venue.conservation())
  } finally {
    await browser?.close()
    await venue.stop()
  }
})

// A page at work: some own trades in all states, two open orders.
async function drawPicture (page, venue, order, tab) {
  await order('buy', '100.05', '1.25')
  await page.waitForSelector('.accepted')
  await tab('Trades')
  await page.waitForFunction(() => document.querySelectorAll('.tabs .badge.settled').length >= 2, null)
  await order('buy', '100.1', '3')
  await page.waitForFunction(() => document.querySelectorAll('.tabs tbody tr').length >= 3)
  await page.fill('input[name=price]', '100.15')
  await page.fill('input[name=quantity]', '5')
  await page.screenshot({ path: picture })
  await tab('Orders')
}
