// Each common type of order, placed once through the page by a trader (carla, on ATUN), with what becomes of it: a stop that
// triggers, an iceberg that shows its next slice, an amend in place, and an auction whose indicative price is seen.
import assert from 'node:assert/strict'
import { eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2

// Two FIX members make the market.
export async function commonTypes (suite, venue, page, [maker, taker]) {
  let serial = 0
  const phase = name => venue.administer('POST', `/instruments/${instrument}/phase`, { phase: name })
  const send = async (fix, side, quantity, price, extra) => {
    const id = `wp${++serial}`
    fix.newOrder(id, symbol, side, quantity, price, extra)
    await fix.waitFor(m => m.get(11) === id && m.get(35) === '8', `report of ${id}`)
    return id
  }
  const trade = async price => {
    await send(maker, 'sell', 1, price)
    await send(taker, 'buy', 1, price)
  }

  // The ticket is filled in as a trader would; fields that the type does not have do not exist.
  const fields = { stop: 'stop_price', trail: 'trail_offset', price: 'price', quantity: 'quantity', show: 'display_quantity', atLeast: 'minimum_quantity', until: 'expire_time' }
  const ticket = async ({ side, type, tif = 'day', chips = [], ...values }) => {
    await page.click(`.sides button.${side}`)
    await page.click(`.types button[data-type=${type}]`)
    await page.selectOption('select[name=tif]', tif)
    for (const chip of await page.locator('.chip').all()) {
      const wanted = chips.includes((await chip.innerText()).trim())
      if (((await chip.getAttribute('aria-pressed')) === 'true') !== wanted) await chip.click()
    }
    for (const [name, value] of Object.entries(values)) await page.fill(`input[name=${fields[name]}]`, value)
  }
  const submit = () => page.click('.entry button.submit')
  // Resolves with the order's row.
  const place = async order => {
    await ticket(order)
    await submit()
    const id = await page.waitForFunction(before => { const id = document.querySelector('.accepted b')?.textContent; return id && id !== before && id }, place.last).then(handle => handle.jsonValue())
      .catch(async error => { throw new Error(`${error.message}: ${await page.locator('.entry').innerText()}`) })
    place.last = id
    return page.locator(`tr[data-order="${id}"]`)
  }
  const shows = (row, words) => eventually(`the row shows ${words}`, async () => { const text = (await row.innerText()).replace(/\s+/g, ' '); if (!words.test(text)) throw new Error(text); return true })
  const cancel = async row => {
    await row.locator('button:has-text("Cancel")').click()
    await shows(row, /cancelled/)
  }
  const ladder = (side, words) => eventually(`the ladder shows ${words}`, async () => { const text = (await page.locator(`.${side}`).innerText()).replace(/\s+/g, ' '); if (!words.test(text)) throw new Error(text); return true })
  const hasField = name => page.locator(`.entry input[name=${fields[name]}]`).count()

  await suite.test('page: the ticket has the fields of the type, and says what will happen', async () => {
    await page.click(`header nav button:has-text("${symbol}")`)
    await page.click('[role=tab]:has-text("Orders")')
    await trade(25)
    for (const [side, price] of [['sell', 25.05], ['sell', 25.1], ['buy', 24.95], ['buy', 24.9]]) await send(maker, side, 5, price)
    await ladder('asks', /25\.05 5\.00/)
    for (const [type, has] of [['limit', 'price quantity'], ['market', 'quantity'], ['stop', 'stop quantity'], ['stop_limit', 'stop price quantity'], ['trailing_stop', 'trail stop quantity']]) {
      await page.click(`.types button[data-type=${type}]`)
      const there = []
      for (const name of Object.keys(fields)) if (await hasField(name)) there.push(name)
      assert.deepEqual(there.sort(), has.split(' ').sort(), type)
    }
    await ticket({ side: 'buy', type: 'stop', stop: '26' })
    assert.match(await page.locator('.says').innerText(), /When ATUN trades at 26.00 or above, it buys at market/)
    await page.locator('.phase.continuous').waitFor()
  })

  await suite.test('page: limit and market', async () => {
    const limit = await place({ side: 'buy', type: 'limit', price: '24.96', quantity: '2' })
    await shows(limit, /Limit 24\.96 0 of 2 open/)
    await ladder('bids', /^24\.96 2\.00/)
    const market = await place({ side: 'buy', type: 'market', quantity: '1' })
    await shows(market, /Market market 1 of 1 filled/)
    await cancel(limit)
  })

  await suite.test('page: statistics of the day', async () => {
    await page.waitForFunction(() => /High\s*25\.05/.test(document.querySelector('.terms').innerText.replace(/\n/g, ' ')))
    assert.match((await page.locator('.terms').innerText()).replace(/\s+/g, ' '), /Open 25\.00 High 25\.05 Low 25\.00 Last 25\.05 VWAP 25\.02 Volume 2\.00/)
  })

  await suite.test('page: a stop waits outside the book, triggers, trades', async () => {
    const stop = await place({ side: 'sell', type: 'stop', stop: '24.95', quantity: '2' })
    await shows(stop, /Stop 24\.95 market 0 of 2 pending stop/)
    assert.doesNotMatch(await page.locator('.asks').innerText(), /24\.95/)
    await send(taker, 'sell', 1, 24.95)
    await shows(stop, /Stop 24\.95 market 2 of 2 filled/)
  })

  await suite.test('page: a stop limit triggers and rests', async () => {
    const stopLimit = await place({ side: 'sell', type: 'stop_limit', stop: '24.95', price: '24.97', quantity: '1', tif: 'gtc' }) // the last trade is there already
    await shows(stopLimit, /Stop limit GTC 24\.95 24\.97 0 of 1 open/)
    await ladder('asks', /24\.97 1\.00/)
    const waits = await place({ side: 'buy', type: 'stop_limit', stop: '25.5', price: '25.6', quantity: '1', tif: 'gtc' })
    await shows(waits, /Stop limit GTC 25\.50 25\.60 0 of 1 pending stop/)
    await cancel(waits)
    await cancel(stopLimit)
  })

  await suite.test('page: a trailing stop follows the trades', async () => {
    const trailing = await place({ side: 'sell', type: 'trailing_stop', trail: '0.5', quantity: '1' })
    await shows(trailing, /Trailing 24\.45 ± 0\.5 market 0 of 1 pending stop/)
    await send(taker, 'buy', 1, 25.05)
    await shows(trailing, /Trailing 24\.55 ± 0\.5/)
    await cancel(trailing)
  })

  await suite.test('page: an iceberg shows a slice at a time', async () => {
    const iceberg = await place({ side: 'sell', type: 'limit', price: '25.01', quantity: '10', chips: ['Iceberg'], show: '2' })
    await shows(iceberg, /Limit iceberg 25\.01 0 of 10 show 2 open/)
    await ladder('asks', /25\.01 2\.00 ●1$/)
    await send(taker, 'buy', 3, 25.01)
    await shows(iceberg, /3 of 10 show 2 partly filled/)
    await ladder('asks', /25\.01 1\.00 ●1$/)
    await cancel(iceberg)
  })

  await suite.test('page: post only is refused where it would trade, and rests elsewhere', async () => {
    await ticket({ side: 'buy', type: 'limit', price: '25.05', quantity: '1', chips: ['Post only'] })
    await submit()
    await page.waitForSelector('.entry .reject:has-text("would trade at")')
    const passive = await place({ side: 'buy', type: 'limit', price: '24.9', quantity: '1', chips: ['Post only'] })
    await shows(passive, /Limit post only 24\.90 0 of 1 open/)
    await cancel(passive)
  })

  await suite.test('page: immediate or cancel, with a minimum; fill or kill', async () => {
    const ioc = await place({ side: 'buy', type: 'limit', price: '25.05', quantity: '20', tif: 'ioc', atLeast: '1' })
    await shows(ioc, /Limit IOC minimum 25\.05 3 of 20 cancelled nothing more to trade with/)
    const fok = await place({ side: 'buy', type: 'limit', price: '25.1', quantity: '20', tif: 'fok' })
    await shows(fok, /Limit FOK 25\.10 0 of 20 cancelled not fillable at once/)
  })

  await suite.test('page: good till a date', async () => {
    const dated = await place({ side: 'buy', type: 'limit', price: '24', quantity: '1', tif: 'gtd', until: '2099-12-31T12:00' })
    await shows(dated, /Limit GTD (Dec 31|31 Dec) 24\.00 0 of 1 open/i)
    await cancel(dated)
  })

  await suite.test('page: price and quantity are amended in place', async () => {
    const row = await place({ side: 'buy', type: 'limit', price: '24.5', quantity: '3' })
    await row.locator('button.amend').click()
    await row.locator('input[name=amend_price]').fill('24.6')
    await row.locator('input[name=amend_quantity]').fill('5')
    await row.locator('button.save').click()
    await shows(row, /Limit 24\.60 0 of 5 open/)
    await ladder('bids', /24\.60 5\.00/)
    await row.locator('button.amend').click()
    await row.locator('input[name=amend_price]').fill('24.605')
    await row.locator('input[name=amend_price]').press('Enter')
    await page.waitForSelector('.tabs .reject:has-text("multiple of the tick")')
    await row.locator('input[name=amend_price]').fill('22')
    await row.locator('button.save').click()
    await page.waitForSelector('dialog[open]:has-text("Far from the last price")')
    await page.click('dialog button:has-text("Go back")')
    await row.locator('button:has-text("Back")').click()
    await shows(row, /24\.60 0 of 5 open/)
    await cancel(row)
  })

  await suite.test('page: no trade with an own order, if it is so asked', async () => {
    const own = await place({ side: 'sell', type: 'limit', price: '25', quantity: '1' })
    const other = await place({ side: 'buy', type: 'limit', price: '25', quantity: '1', chips: ['No self-trade'] })
    await shows(other, /0 of 1 cancelled self-trade prevention/)
    await cancel(own)
  })

  await suite.test('page: an auction: orders at the open, the indicative price, the trade', async () => {
    await phase('opening_auction')
    await page.locator('.phase.opening_auction').waitFor()
    await page.waitForSelector('.auction:has-text("Nothing would trade yet")')
    const atOpen = await place({ side: 'buy', type: 'market', quantity: '2', tif: 'at_open' })
    await shows(atOpen, /Market at open market 0 of 2 open/)
    const limit = await place({ side: 'buy', type: 'limit', price: '25.05', quantity: '1' })
    await send(maker, 'sell', 4, 24.98)
    await eventually('the indicative price is seen', async () => /Indicative 24\.98 3\.00 would trade 1\.00 more to sell/.test((await page.locator('.auction').innerText()).replace(/\s+/g, ' ')))
    if (process.env.AUCTION_PICTURE) await page.screenshot({ path: process.env.AUCTION_PICTURE })
    await phase('continuous')
    await page.locator('.phase.continuous').waitFor()
    await shows(atOpen, /2 of 2 filled/)
    await shows(limit, /1 of 1 filled/)
    assert.equal(await page.locator('.auction').count(), 0)
    await page.waitForSelector('.tape td.auctioned:has-text("24.98")')
  })

  await suite.test('page: an order for the close waits for the closing auction', async () => {
    const atClose = await place({ side: 'buy', type: 'limit', price: '24.5', quantity: '1', tif: 'at_close' })
    await shows(atClose, /Limit at close 24\.50 0 of 1 pending close/)
    await phase('closing_auction')
    await shows(atClose, /Limit at close 24\.50 0 of 1 open/)
    await phase('closed')
    await shows(atClose, /cancelled left by the auction/)
    await page.waitForSelector('.banner:has-text("ATUN is closed")')
    await page.locator('.says.warn:has-text("No orders are taken")').waitFor()
    await phase('continuous')
    await page.locator('.phase.continuous').waitFor()
  })

  await suite.test('page: on a phone the ticket, the auction and the orders are in reach', async () => {
    const row = await place({ side: 'buy', type: 'limit', price: '24.5', quantity: '3' })
    await page.setViewportSize({ width: 390, height: 844 })
    await page.click('.places >> text=Trade')
    assert.ok((await page.locator('.entry button.submit').boundingBox()).y < 844 - 50)
    for (const type of ['stop_limit', 'trailing_stop']) await page.click(`.types button[data-type=${type}]`)
    await page.click('.places >> text=Mine')
    for (const part of ['.badge', 'button.amend', 'button:has-text("Cancel")']) {
      const box = await row.locator(part).boundingBox()
      assert.ok(box.x >= 0 && box.x + box.width <= 390, `${part} is in sight`)
    }
    await row.locator('button.amend').click()
    await row.locator('input[name=amend_quantity]').fill('2')
    await row.locator('button.save').click()
    await shows(row, /24\.50 0 of 2/)
    await cancel(row)
    await page.setViewportSize({ width: 1440, height: 900 })
  })

  await page.click('header nav button:has-text("PORT")')
}
