// What operators do to the market, and what Postgres, Redis and the metrics page say of it afterwards: schedules, rules,
// tick tables, calls, mass cancels. On ATUN, which is left as it was: continuous, without orders of ours.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { bin, eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2
const rules = { volatility_bps: 3000, volatility_auction_ms: 30000, indicative_ms: 1000 } // of tools/demo.json

export async function operators (suite, venue) {
  const carla = await venue.trader('carla')
  const diego = await venue.trader('diego')
  const post = (what, body) => venue.administer('POST', `/instruments/${instrument}/${what}`, body)
  const phase = name => post('phase', { phase: name })
  const now = () => venue.administer('GET', `/instruments/${instrument}`)
  const metric = async name => {
    const text = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    return Number(new RegExp(`^lonja_${name} (.*)$`, 'm').exec(text)?.[1])
  }
  let serial = 0
  await post('reference-price', { price: '25' }) // auctions have moved it: a trade far from it would begin another
  await phase('continuous')
  const place = async (client, side, quantity, price, more = {}) => {
    const answer = await client.request({ op: 'place', symbol, side, quantity, ...(price ? { price } : {}), client_order_id: `op${++serial}`, ...more })
    assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    return answer.order.order
  }
  const row = async (order, columns) => (await eventually(`order ${order} is recorded`, async () => {
    const rows = await venue.query(`SELECT ${columns} FROM public.orders WHERE id = ${order}`)
    return rows.length === 1 && rows
  }))[0]
  const rowWhen = (order, columns, fits) => eventually(`order ${order}`, async () => {
    const found = await row(order, columns)
    return fits(found) && found
  })

  await suite.test('operators: every tool teaches itself, where there is no configuration, too', async () => {
    for (const words of ['settle', 'settle rebuild', 'settle netting', 'record', 'record rebuild', 'index', 'index verify', 'reconcile', 'explain order', 'asset', 'journal', 'tape', 'sign', 'sign audit', 'key']) {
      const { stdout } = await promisify(execFile)(path.join(bin, 'lonja'), [...words.split(' '), '--help'], { cwd: '/' })
      assert.match(stdout, new RegExp(`^Usage: lonja[ -]${words.split(' ')[0]}`), words)
    }
  })

  await suite.test('operators: the terms of an order are in Postgres', async () => {
    const expires = new Date(Date.now() + 3600000).toISOString()
    const order = await place(carla, 'sell', '10', '27', { display_quantity: '2', tif: 'gtd', expire_time: expires, self_trade_prevention: 'cancel_oldest' })
    const seen = await row(order, "status, time_in_force, display_quantity::text, self_trade_prevention, expires_at > now() + interval '59 minutes' AS dated")
    assert.deepEqual(seen, { status: 'open', time_in_force: 'gtd', display_quantity: '2.00', self_trade_prevention: 'cancel_oldest', dated: 't' })
    const book = (await now()).best_offer
    assert.equal(book.quantity, '2') // what shows
    await carla.request({ op: 'cancel', order })
  })

  await suite.test('operators: a stop is pending_stop, open, filled, in E4\'s words', async () => {
    await place(diego, 'sell', '1', '25') // so that the last price is below the stop
    await place(carla, 'buy', '1', '25')
    const offer = await place(diego, 'sell', '3', '25.5')
    const stop = await place(carla, 'buy', '1', null, { order_type: 'stop', stop_price: '25.5' })
    await rowWhen(stop, 'status, waits_for, stop_price::text', seen => seen.status === 'pending_stop' && seen.waits_for === 'trigger' && seen.stop_price === '25.500000')
    const triggered = await metric('stops_triggered_total')
    await place(carla, 'buy', '1', '25.5') // trades at the trigger
    const seen = await rowWhen(stop, "status, order_type, coalesce(waits_for, '-') AS waits_for, trigger_price::text", found => found.status === 'filled')
    assert.deepEqual(seen, { status: 'filled', order_type: 'stop_loss', waits_for: '-', trigger_price: '25.500000' })
    const history = await venue.query(`SELECT to_status FROM public.order_status_history WHERE order_id = ${stop} ORDER BY sequence, event_index`)
    assert.deepEqual(history.map(entry => entry.to_status), ['pending_stop', 'open', 'filled'])
    await eventually('the metric', async () => await metric('stops_triggered_total') === triggered + 1)
    await diego.request({ op: 'cancel', order: offer })
  })

  await suite.test('operators: a dated order ends, expired, which the documents\' view calls cancelled', async () => {
    const order = await place(carla, 'sell', '1', '27', { tif: 'gtd', expire_time: new Date(Date.now() + 2500).toISOString() })
    const seen = await rowWhen(order, 'status, expired', found => found.status !== 'open')
    assert.deepEqual(seen, { status: 'cancelled', expired: 't' })
    const [ended] = await venue.query(`SELECT reason_word FROM public.order_status_history WHERE order_id = ${order} AND to_status = 'cancelled'`)
    assert.equal(ended.reason_word, 'expired')
  })

  await suite.test('operators: a halt ends by an auction, which is told and recorded', async () => {
    await post('rules', { ...rules, volatility_auction_ms: 3000, indicative_ms: 200 })
    assert.equal((await carla.request({ op: 'subscribe', channel: 'auction', symbol })).type, 'subscribed')
    carla.messages.length = 0
    await phase('halted')
    assert.equal((await now()).phase, 'halted')
    await phase('volatility_auction')
    const bid = await place(diego, 'buy', '2', '25.2')
    const offer = await place(carla, 'sell', '3', '24.8')
    await carla.waitFor(m => m.type === 'auction' && m.auction?.quantity === '2' && m.auction.final === false, 'indicative price')
    await eventually('continuous trading', async () => (await now()).phase === 'continuous')
    const { auction, statistics, last_price: last } = await now()
    assert.deepEqual([auction.final, auction.phase, auction.quantity, auction.surplus, auction.surplus_side], [true, 'volatility_auction', '2', '1', 'sell'])
    assert.equal(auction.price, last)
    assert.equal((await rowWhen(bid, 'status', seen => seen.status === 'filled')).status, 'filled')
    const [told] = await eventually('the result in Postgres', async () => {
      const rows = await venue.query('SELECT phase, trim_scale(price)::text AS price, trim_scale(quantity)::text AS quantity FROM public.auctions WHERE instrument_id = 2 ORDER BY id DESC LIMIT 1')
      return rows.length === 1 && rows
    })
    assert.deepEqual(told, { phase: 'volatility_auction', price: last, quantity: '2' })
    const [kind] = await venue.query(`SELECT kind FROM public.trades WHERE buy_order_id = ${bid}`)
    assert.equal(kind.kind, 'auction')
    const [day] = await venue.query('SELECT trades::text, trim_scale(volume)::text AS volume, trim_scale(turnover)::text AS turnover, trim_scale(vwap)::text AS vwap, trim_scale(open)::text AS open, trim_scale(close)::text AS close FROM public.instrument_statistics WHERE instrument_id = 2')
    assert.deepEqual(day, { trades: String(statistics.trades), volume: statistics.volume, turnover: statistics.turnover, vwap: statistics.vwap, open: statistics.open, close: statistics.close })
    // The same by the operators' REST: decimals are text, exact.
    const [row] = (await venue.administer('GET', '/statistics')).filter(seen => seen.instrument_id === 2)
    for (const name of ['open', 'high', 'low', 'close', 'volume', 'turnover', 'vwap']) assert.equal(row[name], statistics[name], name)
    const [call] = await venue.administer('GET', '/auctions?limit=1')
    assert.deepEqual([call.price, call.quantity, call.surplus], [last, '2', '1'])
    const [fill] = await venue.administer('GET', '/trades?limit=1')
    const [fee] = await venue.query(`SELECT trim_scale(fee)::text AS fee FROM public.trades WHERE id = ${fill.id}`)
    assert.deepEqual([fill.quantity, fill.fee], ['2', fee.fee])
    assert.equal((await carla.request({ op: 'cancel', order: offer })).type, 'cancelled')
    await carla.request({ op: 'unsubscribe', channel: 'auction', symbol })
    await post('rules', rules)
  })

  await suite.test('operators: the command line says in words what the instrument has come to', async () => {
    const cli = async (...words) => {
      const answers = await venue.words(...words)
      assert.equal(answers.length, 1)
      return answers[0]
    }
    assert.equal((await cli('halt', '2')).phase, 'halted')
    const called = await cli('auction', '2')
    assert.equal(called.phase, 'volatility_auction')
    assert.ok(called.phase_ends)
    const offer = await place(carla, 'sell', '1', '25')
    await place(diego, 'buy', '1', '25')
    const resumed = await cli('resume', '2')
    assert.deepEqual([resumed.symbol, resumed.phase, resumed.trades, resumed.last_price], [symbol, 'continuous', 1, '25'])
    assert.equal((await rowWhen(offer, 'status', seen => seen.status !== 'open')).status, 'filled')
    assert.equal((await cli('trip', '2')).breaker_tripped, true)
    assert.equal((await cli('reset', '2')).breaker_tripped, false)
    await assert.rejects(cli('halt', symbol), error => error.code === 2 && /is not a number/.test(error.stderr))
  })

  await suite.test('operators: the schedule changes the phase by itself', async () => {
    const close = await place(carla, 'sell', '1', '25', { tif: 'at_close' })
    await rowWhen(close, 'waits_for', seen => seen.waits_for === 'close')
    const begin = Date.now() + 2000
    const at = ms => new Date(begin + ms).toISOString().slice(11, 23)
    if (at(1400) < at(0)) return // entries ascend within a day
    carla.messages.length = 0
    await post('schedule', { weekdays: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], entries: [{ at: at(0), phase: 'closing_auction' }, { at: at(700), phase: 'closed' }, { at: at(1400), phase: 'continuous' }] })
    assert.equal((await now()).schedule.entries.length, 3)
    const phases = () => carla.messages.filter(m => m.type === 'instrument' && m.instrument.symbol === symbol).map(m => m.instrument.phase).filter((name, i, all) => name !== all[i - 1])
    await eventually('the day goes by', () => phases().includes('closed') && phases().at(-1) === 'continuous')
    assert.deepEqual(phases().slice(-3), ['closing_auction', 'closed', 'continuous'])
    await rowWhen(close, 'status', found => found.status === 'cancelled')
    const { statistics } = await now()
    assert.equal(statistics.trades, 0) // a new day has begun
    await eventually('nothing is overdue', async () => await metric('deadline_overdue_seconds') < 1)
    await post('schedule', { entries: [] })
    assert.deepEqual((await now()).schedule, { weekdays: [], entries: [], next: null })
  })

  await suite.test('operators: a tick table by price, refused while orders are open', async () => {
    const bands = [{ from: '0', tick: '0.01' }, { from: '26', tick: '0.5' }]
    const order = await place(carla, 'sell', '1', '27.01')
    await assert.rejects(post('tick-table', { bands }), /INSTRUMENT_BUSY/)
    await carla.request({ op: 'cancel', order })
    await post('tick-table', { bands })
    assert.deepEqual((await now()).tick_table, bands)
    const refused = await carla.request({ op: 'place', symbol, side: 'sell', quantity: '1', price: '27.01', client_order_id: 'op-tick' })
    assert.equal(refused.error.name, 'OFF_TICK')
    await assert.rejects(post('tick-table', { bands: [{ from: '0', tick: '0.015' }] }), /TICK_TABLE/)
    await post('tick-table', { bands: [] })
  })

  await suite.test('operators: a mass cancel by member, account, side; never by an empty body', async () => {
    const orders = [await place(carla, 'sell', '1', '27'), await place(carla, 'buy', '1', '23'), await place(diego, 'sell', '1', '27')]
    await assert.rejects(venue.administer('POST', '/mass-cancel', {}), /MISSING_FIELD/)
    assert.equal((await venue.administer('POST', '/mass-cancel', { account: 1003, side: 'buy', instrument })).cancelled, 1)
    assert.equal((await venue.administer('POST', '/mass-cancel', { member: 103 })).cancelled, 2)
    for (const order of orders) await rowWhen(order, 'status', seen => seen.status === 'cancelled')
    const [{ count }] = await venue.query("SELECT count(*) FROM public.audit_logs WHERE action_type LIKE '%/mass-cancel' AND outcome = 'done' AND created_at > now() - interval '1 minute'")
    assert.ok(Number(count) >= 2)
  })

  await suite.test('operators: a session with the member\'s scope may cancel for its member, others may not', async () => {
    const before = (await venue.administer('GET', '/sessions')).find(session => session.session_id === 4)
    const session = scope => venue.administer('POST', '/sessions', { session: 4, member: before.member_id, gateway: 'web', accounts: before.accounts, member_scope: scope })
    const order = await place(carla, 'sell', '1', '27')
    assert.equal((await diego.request({ op: 'cancel_all', scope: 'member' })).error?.name, 'MASS_SCOPE')
    await session(true)
    assert.equal((await diego.request({ op: 'cancel_all', scope: 'member' })).error, undefined)
    await rowWhen(order, 'status', seen => seen.status === 'cancelled')
    await session(false)
  })
}
