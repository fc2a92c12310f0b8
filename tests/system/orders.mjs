// What a client may say about orders, over both protocols: the same code, the same words, the same hint.
import assert from 'node:assert/strict'

let serial = 0
const nextId = () => `o${++serial}`

// Both protocols behind the same five verbs; an answer is { ok, id, code, text, status, leaves, sequence }.
class OverFix {
  constructor (client) { this.client = client; this.name = 'FIX' }

  async answer (clOrdId) {
    const m = await this.client.waitNext(m => '89j3'.includes(m.get(35)) && (m.get(11) === clOrdId || m.get(379) === clOrdId || m.get(35) === '3'), `answer to ${clOrdId}`)
    const code = Number(m.get(5004) ?? 0)
    return { ok: m.get(35) === '8' && m.get(150) !== '8', id: m.get(41) ?? clOrdId, order: m.get(37), code, text: m.get(58), leaves: m.get(151), status: m.get(39), sequence: m.get(5005), ref: m.get(5003), raw: m.raw }
  }

  place ({ symbol = 'PORT', side = 'buy', price, quantity, tif, type, id = nextId(), confirmFatFinger, confirmNav }) {
    const answer = this.answer(id)
    this.client.newOrder(id, symbol, side, quantity, type === 'market' ? undefined : price, [
      ...(type === 'market' && price !== undefined ? [[44, price]] : []),
      ...(tif === 'ioc' ? [[59, 3]] : []), ...(confirmFatFinger ? [[5001, 'Y']] : []), ...(confirmNav ? [[5002, 'Y']] : [])])
    return answer
  }

  cancel ({ id, symbol = 'PORT', side = 'buy' }) {
    const own = nextId()
    const answer = this.answer(own)
    this.client.cancel(own, id, symbol, side)
    return answer
  }

  amend ({ id, symbol = 'PORT', side = 'buy', quantity, price }) {
    const own = nextId()
    const answer = this.answer(own)
    this.client.amend(own, id, symbol, side, quantity, price)
    return answer.then(a => ({ ...a, id: own }))
  }
}

class OverWeb {
  constructor (client) { this.client = client; this.name = 'WebSocket' }

  async ask (fields) {
    const { at, ...m } = await this.client.request(fields)
    const raw = JSON.stringify(m)
    if (m.type !== 'error') return { ok: true, id: m.order?.client_order_id, order: m.order?.order, code: 0, status: m.order?.status, leaves: m.order?.leaves, sequence: m.sequence, message: m, raw }
    return { ok: false, code: m.error.code, name: m.error.name, text: m.error.text, hint: m.error.hint, limit: m.error.limit, value: m.error.value, sequence: m.sequence, message: m, raw }
  }

  place ({ symbol = 'PORT', side = 'buy', price, quantity, tif, type, id = nextId(), confirmFatFinger, confirmNav }) {
    return this.ask({ op: 'place', symbol, side, quantity: String(quantity), client_order_id: id, ...(price === undefined ? {} : { price: String(price) }),
      ...(type ? { order_type: type } : {}), ...(tif ? { tif } : {}), ...(confirmFatFinger ? { confirm_fat_finger: true } : {}), ...(confirmNav ? { confirm_nav_deviation: true } : {}) })
      .then(a => ({ ...a, id }))
  }

  cancel ({ id }) { return this.ask({ op: 'cancel', client_order_id: id }) }
  amend ({ id, quantity }) { return this.ask({ op: 'amend', client_order_id: id, quantity: String(quantity) }).then(a => ({ ...a, id })) }
}

// Code, order, limit and value as both must say them. Last price is 100.5, NAV 100.
const REFUSED = [
  ['side is neither', 20, { side: 9, quantity: 1, price: 100 }, { only: 'FIX' }],
  ['quantity zero', 21, { quantity: 0, price: 100 }, { value: '0' }],
  ['quantity negative', 21, { quantity: -1, price: 100 }, { value: '-1' }],
  ['price zero', 24, { quantity: 1, price: 0 }, { value: '0' }],
  ['price off tick', 26, { quantity: 1, price: 100.005 }, { limit: '0.01', value: '100.005' }],
  ['market order with a price', 25, { quantity: 1, price: 100, type: 'market' }, { value: '100' }],
  ['market order without liquidity', 52, { quantity: 1, type: 'market' }, {}],
  ['fat finger, not confirmable', 31, { quantity: 1, price: 40 }, { limit: '5000' }],
  ['fat finger, to be confirmed', 32, { quantity: 1, price: 88 }, { limit: '1000' }],
  ['NAV, to be confirmed', 33, { quantity: 1, price: 75, confirmFatFinger: true }, { limit: '2000' }],
  ['investment limit', 48, { quantity: 600, price: 100 }, { limit: '50000', value: '60000' }],
  ['unknown symbol', 80, { symbol: 'NOPE', quantity: 1, price: 100 }, {}],
  ['too many decimals', 81, { quantity: '0.001', price: 100 }, { sameWords: false }],
  ['a number that does not fit', 81, { quantity: '99999999999999999999', price: 100 }, { sameWords: false }],
  ['no number at all', 81, { quantity: 1, price: '1e3' }, { sameWords: false, only: 'WebSocket' }],
  ['client id too long', 54, { quantity: 1, price: 100, id: 'x'.repeat(37) }, { limit: '36', value: '37', only: 'WebSocket' }] // FIX: hostile.mjs
]

export async function orders (suite, venue) {
  const fix = await venue.rawFix('atlantic')
  const both = [new OverFix(fix), new OverWeb(await venue.trader('diego'))]

  for (const [what, code, order, { limit, value, sameWords = true, only }] of REFUSED) {
    await suite.test(`refused over both protocols with the same words: ${what}`, async () => {
      const answers = {}
      for (const door of both.filter(d => !only || d.name === only)) {
        const answer = answers[door.name] = await door.place(order)
        assert.equal(answer.ok, false, answer.raw)
        assert.equal(answer.code, code, answer.raw)
        assert.ok(answer.text)
      }
      if (only) return
      if (sameWords) assert.equal(answers.FIX.text, `${answers.WebSocket.name}: ${answers.WebSocket.text} (${answers.WebSocket.hint})`)
      if (limit) assert.equal(answers.WebSocket.limit, limit)
      if (value) assert.equal(answers.WebSocket.value, value)
    })
  }

  for (const door of both) {
    await suite.test(`${door.name}: limit order rests, is amended up and down, cancelled; then it is not open any more`, async () => {
      const placed = await door.place({ price: 95.01, quantity: 3 })
      assert.ok(placed.ok, placed.raw)
      assert.equal(placed.leaves, '3')
      const up = await door.amend({ id: placed.id, quantity: 4, price: 95.01 })
      assert.ok(up.ok, up.raw)
      assert.equal(up.leaves, '4')
      const amended = await door.amend({ id: up.id, quantity: 2, price: 95.01 })
      assert.ok(amended.ok, amended.raw)
      assert.equal(amended.leaves, '2')
      const cancelled = await door.cancel({ id: amended.id })
      assert.ok(cancelled.ok, cancelled.raw)
      assert.equal(door.name === 'FIX' ? cancelled.leaves : cancelled.status, door.name === 'FIX' ? '0' : 'cancelled')
      for (const late of [await door.cancel({ id: amended.id }), await door.amend({ id: amended.id, quantity: 1, price: 95.01 })]) {
        assert.equal(late.code, 16, late.raw)
        assert.match(late.text, /is not open/)
      }
    })

    await suite.test(`${door.name}: a client order id is used once a day`, async () => {
      const id = nextId()
      assert.ok((await door.place({ id, price: 95.02, quantity: 1 })).ok)
      assert.equal((await door.place({ id, price: 95.03, quantity: 1 })).code, 53)
      assert.ok((await door.cancel({ id })).ok)
      assert.equal((await door.place({ id, price: 95.02, quantity: 1 })).code, 53)
    })

    await suite.test(`${door.name}: fat finger and NAV are confirmed by the flags of E6, in that order`, async () => {
      const first = await door.place({ price: 75, quantity: 1 })
      assert.equal(first.code, 32)
      assert.ok(Number(first.sequence) > 0, 'the reject has a sequence, the confirm_ref')
      const second = await door.place({ price: 75, quantity: 1, confirmFatFinger: true })
      assert.equal(second.code, 33)
      const placed = await door.place({ price: 75, quantity: 1, confirmFatFinger: true, confirmNav: true })
      assert.ok(placed.ok, placed.raw)
      assert.equal((await door.place({ price: 40, quantity: 1, confirmFatFinger: true, confirmNav: true })).code, 31)
      assert.ok((await door.cancel({ id: placed.id })).ok)
    })

    const other = both.find(d => d !== door)
    await suite.test(`${door.name}: IOC takes what is there and leaves nothing; market stays within the collar`, async () => {
      const rest = await other.place({ side: 'sell', price: 100.5, quantity: 2 })
      assert.ok(rest.ok, rest.raw)
      const ioc = await door.place({ price: 100.5, quantity: 5, tif: 'ioc' })
      assert.ok(ioc.ok, ioc.raw)
      if (door.name === 'FIX') {
        const last = await fix.waitFor(m => m.get(37) === ioc.order && m.get(150) === '4', 'cancel of the rest')
        assert.deepEqual([last.get(14), last.get(151)], ['2', '0'])
      } else {
        const status = ioc.status === 'cancelled' ? ioc.message : await door.client.waitFor(m => m.type === 'order' && m.order.order === ioc.order && m.order.status === 'cancelled', 'cancel of the rest')
        assert.equal(status.order.filled, '2')
      }
      const near = await other.place({ side: 'sell', price: 101, quantity: 1 })
      const far = await other.place({ side: 'sell', price: 109, quantity: 1 }) // beyond 5 % of 100.5
      assert.ok(near.ok && far.ok, near.raw + far.raw)
      const market = await door.place({ type: 'market', quantity: 2 })
      assert.ok(market.ok, market.raw)
      const untouched = await other.cancel({ id: far.id, side: 'sell' })
      assert.ok(untouched.ok, `the offer outside the collar still stands: ${untouched.raw}`)
    })
  }

  await suite.test('halted instrument and tripped breaker refuse over both protocols, and let go again', async () => {
    const cases = [['phase', { phase: 'halted' }, { phase: 'continuous' }, 42], ['breaker', { tripped: true }, { tripped: false }, 30]]
    for (const [what, shut, reopen, code] of cases) {
      await venue.administer('POST', `/instruments/1/${what}`, shut)
      for (const door of both) assert.equal((await door.place({ price: 100, quantity: 1 })).code, code, `${what} over ${door.name}`)
      await venue.administer('POST', `/instruments/1/${what}`, reopen)
      for (const door of both) {
        const placed = await door.place({ price: 95, quantity: 1 })
        assert.ok(placed.ok, placed.raw)
        assert.ok((await door.cancel({ id: placed.id })).ok)
      }
    }
  })

  await suite.test('rejects are in the record, with limit and value', async () => {
    const rows = await venue.query("SELECT code, name, limit_value, value FROM public.order_rejects WHERE user_id = 1004 AND name = 'INVESTMENT_LIMIT'")
    assert.deepEqual(rows, [{ code: '48', name: 'INVESTMENT_LIMIT', limit_value: '50000000000', value: '60000000000' }])
  })

  await Promise.all([fix.logout(), both[1].client.close()])
}
