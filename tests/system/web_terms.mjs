// Every order type, time in force, term, self-trade mode, amend, mass cancel and status, placed once over WebSocket and
// REST, and what the market data channels tell of it. On ATUN, which is left as it was: continuous, without orders of ours.
import assert from 'node:assert/strict'
import { Book } from '../../gateway/web/pages/book.js'
import { eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2
let serial = 0

// A trader that remembers what it has read: every expectation looks behind the one before it.
class Trader {
  constructor (client) { this.client = client; this.read = client.messages.length }

  async expect (type, fits = () => true, what = '') {
    const { messages } = this.client
    const found = await this.client.waitFor(m => messages.indexOf(m) >= this.read && m.type === type && fits(m), `${type} ${what}`)
      .catch(error => { throw new Error(`${error.message}; heard ${JSON.stringify(messages.slice(this.read), (key, value) => key === 'at' ? undefined : value)}`) })
    this.read = messages.indexOf(found) + 1
    return found
  }

  ask (op, fields) { return this.client.request({ op, ...fields }) }

  place (side, quantity, price, more = {}) {
    return this.ask('place', { symbol, side, quantity, ...(price ? { price } : {}), client_order_id: `wt${++serial}`, ...more })
  }

  // An order that is taken.
  async rest (...order) {
    const answer = await this.place(...order)
    assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    return answer.order
  }

  async refused (name, ...order) {
    const answer = await this.place(...order)
    assert.equal(answer.error?.name, name, answer.error?.text ?? answer.type)
    return answer.error
  }

  order (order, event) { return this.expect('order', m => m.order.order === order.order && m.event === event, `${event} ${order.order}`) }
  fill (order) { return this.expect('fill', m => m.fill.order === order.order, order.order).then(m => m.fill) }

  async cancel (order) {
    const answer = await this.ask('cancel', { order: order.order })
    assert.equal(answer.type, 'cancelled', answer.error?.text)
    return answer.order
  }
}

// A book kept order by order (docs/websocket.md, book_orders).
class BookOrders {
  constructor () { this.levels = new Map(); this.where = new Map(); this.broken = 0 }

  apply (message) {
    if (message.snapshot) { this.levels.clear(); this.where.clear() } else if (message.prev_seq !== this.seq) this.broken++
    this.seq = message.seq
    for (const [id, side, price, quantity, toBack] of message.orders) this.row(id, side + price, quantity, toBack)
  }

  row (id, key, quantity, toBack) {
    const before = this.where.get(id)
    if (before && !toBack && quantity !== '0') { this.levels.get(before).find(o => o[0] === id)[1] = quantity; return }
    if (before) this.levels.set(before, this.levels.get(before).filter(o => o[0] !== id))
    this.where.delete(id)
    if (quantity === '0') return
    if (!this.levels.has(key)) this.levels.set(key, [])
    this.levels.get(key).push([id, quantity])
    this.where.set(id, key)
  }

  // As a snapshot of REST tells it.
  static of (rows) {
    const book = new BookOrders()
    book.apply({ snapshot: true, seq: 0, orders: rows })
    return book
  }

  toText () { return [...this.levels].filter(([, orders]) => orders.length > 0).map(([key, orders]) => `${key}: ${orders.join(' ')}`).sort().join('\n') }
}

export async function webTerms (suite, venue) {
  const carla = new Trader(await venue.trader('carla'))
  const diego = new Trader(await venue.trader('diego'))
  const watcher = await venue.trader()
  const phase = name => venue.administer('POST', `/instruments/${instrument}/phase`, { phase: name })
  const rest = (method, route, body) => venue.call(venue.web, method, `/api/v1${route}`, { token: carla.client.token, body })
  const book = new Book()
  const orders = new BookOrders()
  let broken = 0
  const keep = watcher.onMessage.bind(watcher)
  watcher.onMessage = message => {
    if (message.type === 'book' && !book.apply(message)) broken++
    if (message.type === 'book_orders') orders.apply(message)
    keep(message)
  }
  await phase('continuous')
  const latest = type => watcher.messages.findLast(m => m.type === type)

  // Both trade at that price: it is the last one.
  const trade = async price => {
    const offer = await carla.rest('sell', '1', price)
    const bid = await diego.rest('buy', '1', price)
    await carla.fill(offer)
    await diego.fill(bid)
  }

  await suite.test('web: every channel begins with a snapshot', async () => {
    for (const channel of ['book', 'best', 'book_orders', 'trades', 'auction', 'statistics']) {
      assert.equal((await watcher.request({ op: 'subscribe', channel, symbol })).type, 'subscribed')
      const snapshot = await watcher.waitFor(m => m.type === channel && m.snapshot, channel)
      const { json } = await rest('GET', `/instruments/${symbol}/${channel}`)
      if (channel !== 'trades') assert.deepEqual(Object.keys(json).filter(k => k !== 'sequence'), Object.keys(snapshot).filter(k => !['type', 'snapshot', 'at'].includes(k)))
    }
    assert.equal((await watcher.request({ op: 'subscribe', channel: 'depth', symbol })).error.field, 'channel')
  })

  await suite.test('web: market order; the best prices, the statistics, a trade with its kind', async () => {
    await trade('25')
    const offer = await carla.rest('sell', '2', '25.1')
    await eventually('the best offer is told', () => latest('best').ask?.join() === '25.1,2,1' && latest('best').bid === null)
    const market = await diego.rest('buy', '1', undefined, { order_type: 'market' })
    assert.equal(market.price, undefined)
    assert.equal((await diego.fill(market)).price, '25.1')
    await eventually('less is offered', () => latest('best').ask?.join() === '25.1,1,1')
    const { statistics } = await eventually('statistics', () => latest('statistics').statistics.high === '25.1' && latest('statistics'))
    assert.ok(Number(statistics.volume) >= 2 && Number(statistics.low) <= 25 && statistics.close === '25.1' && statistics.trades >= 2)
    assert.equal(latest('trades').trades.at(-1).kind, 'continuous')
    await carla.cancel(offer)
    await trade('25')
  })

  await suite.test('web: a stop waits, is triggered, trades as a market order; a stop limit rests', async () => {
    const stop = await carla.rest('sell', '1', undefined, { order_type: 'stop_loss', stop_price: '24.9' })
    assert.deepEqual([stop.order_type, stop.status, stop.stop_price, stop.price], ['stop', 'pending_stop', '24.9', undefined])
    const stopLimit = await carla.rest('sell', '1', '24.8', { order_type: 'stop_limit', stop_price: '24.9' })
    assert.equal(stopLimit.status, 'pending_stop')
    const moved = await carla.ask('amend', { order: stopLimit.order, price: '24.85' })
    assert.deepEqual([moved.type, moved.order.price, moved.order.stop_price, moved.priority_kept], ['amended', '24.85', '24.9', false])
    assert.equal(book.levels('asks', 1).length, 0, 'stops are not in the book')
    await diego.rest('buy', '2', '24.9')
    await carla.rest('sell', '1', '24.9')
    const triggered = await carla.order(stop, 'triggered')
    assert.deepEqual([triggered.trigger_price, triggered.stop_price, triggered.order.status], ['24.9', '24.9', 'open'])
    assert.equal((await carla.fill(stop)).price, '24.9')
    assert.equal((await carla.order(stopLimit, 'triggered')).order.status, 'open')
    await eventually('it rests', () => book.levels('asks', 1)[0]?.price === '24.85')
    await carla.cancel(stopLimit)
    await trade('25')
  })

  await suite.test('web: a trailing stop follows the market', async () => {
    const trailing = await carla.rest('sell', '1', undefined, { order_type: 'trailing_stop', trail_offset: '0.5' })
    assert.deepEqual([trailing.trail_offset, trailing.stop_price, trailing.status], ['0.5', '24.5', 'pending_stop'])
    await trade('25.2')
    const { order } = await carla.ask('order_status', { order: trailing.order })
    assert.deepEqual([order.stop_price, order.status], ['24.7', 'pending_stop'])
    await diego.rest('buy', '2', '24.7')
    await carla.rest('sell', '1', '24.7')
    assert.equal((await carla.order(trailing, 'triggered')).stop_price, '24.7')
    assert.equal((await carla.fill(trailing)).price, '24.7')
    await trade('25')
  })

  await suite.test('web: immediate or cancel, fill or kill, minimum quantity', async () => {
    const offer = await carla.rest('sell', '2', '25')
    const killed = await diego.rest('buy', '3', '25', { tif: 'fok' })
    assert.deepEqual([(await diego.order(killed, 'cancelled')).order.reason], ['fok'])
    const tooFew = await diego.rest('buy', '5', '25', { tif: 'ioc', minimum_quantity: '3' })
    assert.equal(tooFew.minimum_quantity, '3')
    assert.equal((await diego.order(tooFew, 'cancelled')).order.reason, 'minimum_quantity')
    const enough = await diego.rest('buy', '3', '25', { tif: 'ioc', minimum_quantity: '1' })
    assert.equal((await diego.fill(enough)).quantity, '2')
    const { order } = await diego.order(enough, 'cancelled')
    assert.deepEqual([order.filled, order.status, order.reason], ['2', 'cancelled', 'ioc'])
    await carla.fill(offer)
  })

  await suite.test('web: day, good till cancelled, good till a moment', async () => {
    const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000).toISOString()
    const dated = await carla.rest('buy', '1', '24', { tif: 'gtd', expire_time: soon })
    assert.equal(dated.expire_time, soon.replace('.000', ''))
    const day = await carla.rest('buy', '1', '24')
    const forGood = await carla.rest('buy', '1', '24', { tif: 'gtc' })
    const { order } = await carla.order(dated, 'cancelled')
    assert.deepEqual([order.status, order.reason, order.leaves], ['cancelled', 'expired', '0'])
    await phase('closed')
    assert.equal((await carla.order(day, 'cancelled')).order.reason, 'expired')
    assert.equal((await carla.refused('PHASE', 'buy', '1', '24')).check, 'E7 phase')
    await carla.cancel(forGood)
    await phase('continuous')
  })

  await suite.test('web: an iceberg shows a slice; a used one goes to the back; only its owner knows', async () => {
    const iceberg = await carla.rest('sell', '10', '25', { display_quantity: '2' })
    assert.deepEqual([iceberg.display_quantity, iceberg.displayed, iceberg.leaves], ['2', '2', '10'])
    const behind = await carla.rest('sell', '1', '25')
    await eventually('two show', () => book.levels('asks', 1)[0]?.quantity === '3')
    await diego.rest('buy', '2', '25')
    const refreshed = await carla.order(iceberg, 'refreshed')
    assert.deepEqual([refreshed.order.displayed, refreshed.order.leaves], ['2', '8'])
    await eventually('the next slice shows, behind the other', () => orders.toText() === `sell25: ${behind.order},1 ${iceberg.order},2`)
    assert.ok(!watcher.messages.some(m => m.type === 'order'))
    const smaller = await carla.ask('amend', { order: iceberg.order, display_quantity: '1' })
    assert.deepEqual([smaller.order.display_quantity, smaller.order.displayed, smaller.priority_kept], ['1', '1', true])
    await carla.cancel(behind)
    await carla.cancel(iceberg)
  })

  await suite.test('web: post-only is refused where it would trade', async () => {
    const offer = await carla.rest('sell', '1', '25', { post_only: true })
    assert.equal(offer.post_only, true)
    const error = await diego.refused('POST_ONLY_CROSSES', 'buy', '1', '25', { post_only: true })
    assert.deepEqual([error.limit, error.value], ['25', '25'])
    await carla.cancel(offer)
  })

  await suite.test('web: self-trade prevention: newest, oldest, both, decrement, by id', async () => {
    const stp = self_trade_prevention => ({ self_trade_prevention })
    const one = await carla.rest('sell', '1', '25')
    const newest = await carla.rest('buy', '1', '25', stp('cancel_newest'))
    assert.equal(newest.self_trade_prevention, 'cancel_newest')
    assert.equal((await carla.order(newest, 'cancelled')).order.reason, 'self_trade')
    const oldest = await diego.rest('buy', '1', '25', stp('cancel_oldest')) // of the same member
    assert.equal((await carla.order(one, 'cancelled')).order.reason, 'self_trade')
    const both = await carla.rest('sell', '1', '25', stp('cancel_both'))
    await carla.order(both, 'cancelled')
    await diego.order(oldest, 'cancelled')
    const large = await carla.rest('sell', '3', '25', { self_match_id: 7 })
    const small = await diego.rest('buy', '1', '25', { self_match_id: 7, ...stp('decrement') })
    const reduced = await carla.order(large, 'reduced')
    assert.deepEqual([reduced.order.quantity, reduced.order.leaves, reduced.order.filled, reduced.order.self_match_id], ['2', '2', '0', 7])
    await diego.order(small, 'cancelled')
    const other = await diego.rest('buy', '2', '25', { self_match_id: 8, ...stp('cancel_newest') })
    await diego.fill(other) // another id: they trade
  })

  await suite.test('web: amend: down, up, another price, into a trade, to what is filled; refused', async () => {
    const bid = await diego.rest('buy', '2', '24.5')
    const first = await carla.rest('sell', '5', '25')
    const second = await carla.rest('sell', '1', '25')
    const amend = fields => carla.ask('amend', { order: first.order, ...fields })
    const down = await amend({ quantity: '4' })
    assert.deepEqual([down.type, down.priority_kept, down.order.leaves], ['amended', true, '4'])
    await eventually('it keeps its place', () => orders.levels.get('sell25')?.join(' ') === `${first.order},4 ${second.order},1`)
    const up = await amend({ quantity: '6', new_client_order_id: 'wt-renamed' })
    assert.deepEqual([up.priority_kept, up.order.client_order_id, up.order.quantity], [false, 'wt-renamed', '6'])
    await eventually('it goes to the back', () => orders.levels.get('sell25')?.join(' ') === `${second.order},1 ${first.order},6`)
    assert.equal((await amend({ price: '25.005' })).error.name, 'OFF_TICK')
    assert.equal((await amend({ stop_price: '24' })).error.name, 'AMEND_FIELD')
    assert.equal((await amend({})).error.name, 'MISSING_FIELD')
    assert.equal((await amend({ price: '30' })).error.name, 'FAT_FINGER_CONFIRM')
    assert.equal((await amend({ price: '30', confirm_fat_finger: true, confirm_nav_deviation: true })).order.price, '30')
    const trades = await rest('PATCH', `/orders/${first.order}`, { price: '24.5' })
    assert.deepEqual([trades.status, trades.json.order.leaves, trades.json.trades.map(t => `${t.price} ${t.quantity} ${t.liquidity}`).join()], [200, '4', '24.5 2 taker'])
    await diego.fill(bid)
    const filled = await amend({ quantity: '2' })
    assert.deepEqual([filled.type, filled.order.status, filled.order.reason, filled.order.filled], ['amended', 'cancelled', 'amended', '2'])
    assert.equal((await amend({ quantity: '9' })).error.name, 'UNKNOWN_ORDER')
    await carla.cancel(second)
    await trade('25')
  })

  await suite.test('web: status of one order, of all, of a side; by WebSocket and REST', async () => {
    assert.deepEqual(await carla.ask('mass_status').then(m => [m.type, m.count, m.orders]), ['mass_status', 0, []])
    const bid = await carla.rest('buy', '5', '24', { tif: 'gtc' })
    const stop = await carla.rest('sell', '1', undefined, { order_type: 'stop', stop_price: '24' })
    assert.deepEqual((await carla.ask('order_status', { client_order_id: bid.client_order_id })).order, bid)
    assert.deepEqual((await rest('GET', `/orders/${stop.order}`)).json.order, stop)
    assert.deepEqual((await carla.ask('mass_status')).orders, [bid, stop])
    const sells = await rest('GET', `/orders/status?symbol=${symbol}&side=sell`)
    assert.deepEqual([sells.json.count, sells.json.orders], [1, [stop]])
    assert.equal((await rest('GET', '/orders/status?symbol=PORT')).json.count, 0)
    assert.equal((await carla.ask('mass_status', { account: 1004 })).error.name, 'ACCOUNT_NOT_OF_SESSION')
    assert.equal((await diego.ask('order_status', { order: bid.order })).error.name, 'NOT_OWNER')
    await carla.cancel(bid)
    assert.equal((await carla.ask('order_status', { order: bid.order })).error.name, 'UNKNOWN_ORDER')
    await carla.cancel(stop)
  })

  await suite.test('web: mass cancel of a side, a symbol, everything; of the member only with the right', async () => {
    await carla.rest('buy', '1', '24')
    const sell = await carla.rest('sell', '1', '26')
    assert.equal((await carla.ask('cancel_all', { symbol: 'PORT' })).count, 0)
    assert.equal((await carla.ask('cancel_all', { symbol, side: 'buy' })).count, 1)
    assert.equal((await rest('DELETE', `/orders?symbol=${symbol}&side=buy`)).json.count, 0)
    assert.equal((await rest('DELETE', `/orders?symbol=${symbol}&account=1003`)).json.count, 1)
    assert.equal((await carla.order(sell, 'cancelled')).order.reason, 'mass_cancel')
    const kept = await carla.rest('buy', '1', '24')
    for (const filter of ['symbl=ATUN', `symbol=${'A'.repeat(600)}`, 'symbol=NOPE', 'symbol', 'symbol=ATUN&symbol=PORT', 'side=both', 'account=x', 'price=1']) {
      const { status } = await rest('DELETE', `/orders?${filter}`)
      assert.ok(status === 400 || status === 404, `${filter}: ${status}`)
    }
    await carla.cancel(kept)
    const other = await diego.rest('buy', '1', '24')
    assert.equal((await carla.ask('cancel_all', { scope: 'member' })).error.name, 'MASS_SCOPE')
    assert.equal((await rest('DELETE', '/orders?scope=member')).status, 403)
    await venue.administer('POST', '/sessions', { session: 3, member: 103, gateway: 'web', accounts: [1003], member_scope: true })
    assert.equal((await carla.ask('cancel_all', { scope: 'member' })).count, 1)
    await diego.order(other, 'cancelled')
  })

  await suite.test('web: auctions: phases, at-open and at-close orders, indicative and final price', async () => {
    await phase('pre_open')
    await watcher.waitFor(m => m.type === 'instrument' && m.instrument.symbol === symbol && m.instrument.phase === 'pre_open', 'phase')
    await phase('opening_auction')
    const atOpen = await carla.rest('sell', '3', '25', { tif: 'at_open' })
    const market = await diego.rest('buy', '2', undefined, { order_type: 'market', tif: 'at_open' })
    const atClose = await diego.rest('buy', '1', '25', { tif: 'at_close' })
    assert.equal(atClose.status, 'pending_close')
    await diego.refused('PHASE', 'buy', '1', '25', { tif: 'ioc' })
    const { auction } = await eventually('the indicative price is told', () => latest('auction').auction?.quantity === '2' && latest('auction'))
    assert.deepEqual([auction.phase, auction.final, auction.price, auction.surplus, auction.surplus_side], ['opening_auction', false, '25', '1', 'sell'])
    assert.equal((await rest('GET', `/instruments/${symbol}/auction`)).json.auction.price, '25')
    await phase('continuous')
    const fill = await carla.fill(atOpen)
    assert.deepEqual([fill.price, fill.quantity, fill.kind], ['25', '2', 'auction'])
    assert.equal((await carla.order(atOpen, 'cancelled')).order.reason, 'auction')
    await diego.fill(market)
    await eventually('the final price is told', () => latest('auction').auction?.final === true && latest('auction').auction.price === '25')
    await eventually('the trade is of an auction', () => latest('trades').trades.at(-1).kind === 'auction')
    const kept = await eventually('Postgres has it', async () => { const { json } = await rest('GET', `/instruments/${symbol}/trades?limit=1`); return json.trades[0]?.trade === fill.trade && json.trades[0] })
    assert.equal(kept.kind, 'auction')
    await phase('closing_auction')
    const entered = await diego.order(atClose, 'triggered')
    assert.deepEqual([entered.order.status, entered.trigger_price], ['open', undefined])
    await phase('closed')
    assert.equal((await diego.order(atClose, 'cancelled')).order.reason, 'auction')
    await phase('continuous')
    assert.equal((await rest('GET', `/instruments/${symbol}`)).json.instrument.phase, 'continuous')
  })

  await suite.test('web: what does not go together is refused with the code that says why', async () => {
    const cases = [
      ['STOP_PRICE', { stop_price: '26' }], ['TRAIL_OFFSET', { trail_offset: '1' }], ['DISPLAY_QUANTITY', { display_quantity: '5' }], ['MINIMUM_QUANTITY', { minimum_quantity: '1' }],
      ['EXPIRE_TIME', { expire_time: '2099-01-01T00:00:00Z' }], ['EXPIRE_TIME', { tif: 'gtd', expire_time: '2020-01-01T00:00:00Z' }], ['TIF_COMBINATION', { tif: 'ioc', order_type: 'stop_limit', stop_price: '25' }],
      ['POST_ONLY_COMBINATION', { tif: 'ioc', post_only: true }], ['PHASE', { tif: 'at_open' }], ['MISSING_FIELD', { tif: 'gtd' }], ['MISSING_FIELD', { order_type: 'stop' }], ['MISSING_FIELD', { order_type: 'trailing_stop' }],
      ['MALFORMED', { self_trade_prevention: 'yes' }], ['MALFORMED', { tif: 'forever' }], ['MALFORMED', { expire_time: 'tomorrow', tif: 'gtd' }]
    ]
    for (const [name, more] of cases) {
      const error = await carla.refused(name, 'buy', '5', '24', more)
      assert.ok(error.text && error.hint, JSON.stringify(error))
      const { status, json } = await rest('POST', '/orders', { symbol, side: 'buy', quantity: '5', price: '24', client_order_id: `wt${++serial}`, ...more })
      assert.deepEqual([json.error.name, status >= 400 && status < 500], [name, true])
    }
  })

  await suite.test('web: an order by REST tells its end and its trades', async () => {
    await diego.rest('buy', '1', '25')
    const { json } = await rest('POST', '/orders', { symbol, side: 'sell', order_type: 'limit', quantity: '3', price: '25', tif: 'ioc', minimum_quantity: '1', client_order_id: 'wt-rest' })
    assert.deepEqual([json.order.status, json.order.reason, json.order.filled, json.order.minimum_quantity, json.trades.length, json.trades[0].kind], ['cancelled', 'ioc', '1', '1', 1, 'continuous'])
  })

  await suite.test('web: who was too slow for changes of the phase hears of the last one', async () => {
    const deaf = await venue.trader()
    for (let i = 0; i < 150; i++) await carla.place('buy', '1', '24', { tif: 'gtc' })
    const conflated = async () => (await rest('GET', '/status')).json.updates_conflated
    const before = await conflated()
    deaf.socket._socket.pause()
    await eventually('a change is conflated', async () => {
      for (let i = 0; i < 4; i++) deaf.socket.send(JSON.stringify({ op: 'subscribe', channel: 'book_orders', symbol })) // 30 KB: the socket fills up, the venue's queue does not
      await phase('pre_open')
      await phase('closing_auction')
      return await conflated() > before
    })
    await phase('continuous')
    deaf.socket._socket.resume()
    await eventually('it has heard', () => deaf.messages.findLast(m => m.type === 'instrument')?.instrument.phase === 'continuous')
    assert.equal(deaf.isClosed, undefined)
    assert.ok((await carla.ask('cancel_all')).count >= 150)
    await deaf.close()
  })

  await suite.test('web: the kept books are the venue’s, without a gap; nothing is left', async () => {
    const { json } = await rest('GET', `/instruments/${symbol}/book_orders`)
    await eventually('order by order', () => orders.toText() === BookOrders.of(json.orders).toText())
    assert.deepEqual([broken, orders.broken], [0, 0])
    for (const trader of [carla, diego]) assert.equal((await trader.ask('cancel_all')).type, 'cancelled_all')
    await eventually('the book is empty', () => book.levels('bids', 1).length + book.levels('asks', 1).length === 0)
  })
  await Promise.all([carla.client.close(), diego.client.close(), watcher.close()])
}
