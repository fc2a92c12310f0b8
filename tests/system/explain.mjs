// `lonja explain` and `lonja state` over the folder of the venue that runs: what they say of orders, refusals, balances
// and the books is what its clients were told. On ATUN, which is left without orders of ours.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { bin, demo } from '../lib/venue.mjs'

const execute = promisify(execFile)
const symbol = 'ATUN'
const instrument = 2

export async function explain (suite, venue) {
  const carla = await venue.trader('carla')
  const diego = await venue.trader('diego')
  const config = ['--config', path.join(venue.folder, 'lonja.conf')]
  const text = async (...words) => (await execute(path.join(bin, 'lonja'), [...words, ...config])).stdout
  const json = async (...words) => JSON.parse(await text(...words, '--json'))
  // Exit status and what was said of a question without an answer.
  const failure = (...words) => text(...words).then(() => assert.fail('it was answered'), error => ({ status: error.code, said: error.stderr }))
  let serial = 0
  const request = (client, side, quantity, price, more = {}) =>
    client.request({ op: 'place', symbol, side, quantity, price, client_order_id: `ex${++serial}`, ...more })
  const place = async (...order) => {
    const answer = await request(...order)
    assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    return answer.order.order
  }
  await venue.administer('POST', `/instruments/${instrument}/reference-price`, { price: '25' })
  await venue.administer('POST', `/instruments/${instrument}/phase`, { phase: 'continuous' })

  await suite.test('explain: an order that rests behind another says so, at once', async () => {
    const first = await place(diego, 'buy', '2', '24')
    const second = await place(carla, 'buy', '3', '24')
    const answer = await json('explain', 'order', String(second))
    assert.equal(answer.state, 'open')
    assert.equal(answer.entry.phase, 'continuous')
    assert.deepEqual(answer.entry.ahead.level, { orders: 1, quantity: '2' })
    assert.deepEqual(answer.ahead_now, { better_orders: 0, better_quantity: '0', level_orders: 1, level_quantity: '2' })
    const third = await place(carla, 'sell', '3', '24')
    const filled = await json('explain', 'order', String(first))
    assert.equal(filled.state, 'filled')
    assert.match(filled.life.at(-1).text, new RegExp(`bought 2 at 24 from order ${third} of account \\d+ \\(it was there before: maker`))
    assert.match(await text('explain', 'order', String(second)), /partially_filled: 1 of 3 filled, 2 open, average price 24/)
    await carla.request({ op: 'cancel', order: second })
    const ended = await json('explain', 'order', String(second))
    assert.equal(ended.state, 'cancelled')
    assert.match(ended.why[0], /^2 were cancelled by order_cancel of session \d+ \(web\)/)
  })

  await suite.test('explain: a refusal has the words of its answer, and what it looked at', async () => {
    const refused = await request(carla, 'buy', '1', '10')
    assert.equal(refused.type, 'error')
    const answer = await json('explain', 'reject', String(refused.sequence))
    assert.equal(answer.refusal.code, refused.error.code)
    assert.equal(answer.refusal.text, refused.error.text)
    assert.equal(answer.refusal.hint, refused.error.hint)
    assert.equal(answer.market.symbol, symbol)
    assert.ok(answer.looked_at.some(record => record.record === 'instrument' && record.symbol === symbol))
  })

  await suite.test('explain: a balance adds up and is what the venue says', async () => {
    await venue.settled()
    const account = demo.sessions.find(({ login }) => login === 'carla').accounts[0]
    const row = (await venue.query(`SELECT available, held, unsettled, blocked FROM record.balance WHERE account_id = ${account} AND asset_id = 1`))[0]
    const answer = await json('explain', 'balance', String(account), '1', '--limit', '3')
    assert.equal(answer.adds_up, true)
    assert.equal(answer.postings.length, 3)
    const units = decimal => { const [whole, rest = ''] = decimal.split('.'); return whole + rest.padEnd(6, '0') }
    for (const part of ['available', 'held', 'unsettled', 'blocked']) assert.equal(BigInt(units(answer.balance[part])), BigInt(row[part]), part)
    const later = await json('explain', 'balance', String(account), answer.symbol, '--from', String(answer.postings[0].sequence))
    assert.equal(later.adds_up, true)
  })

  await suite.test('explain: the state at a sequence is that of a replay, and every asset sums to zero', async () => {
    const now = await json('state', '--check', '--orders')
    assert.equal(now.venue, 'open')
    assert.equal(now.checked, true)
    assert.ok(now.sums.length > 1 && now.sums.every(({ sum }) => sum === '0'), JSON.stringify(now.sums))
    const at = now.sequence - 7
    const then = await json('state', '--at', String(at))
    const replayed = await venue.replay(['--until', String(at)])
    assert.equal(then.state_digest, replayed.state_digest)
    const byTime = await json('state', '--at', then.time)
    assert.equal(byTime.sequence, at)
  })

  await suite.test('explain: what is not there is said with a status', async () => {
    const { durable_seq: durable } = venue.status()
    const beyond = await failure('explain', 'order', String(durable + 1000000))
    assert.equal(beyond.status, 1)
    assert.match(beyond.said, /there is no sequence \d+ yet/)
    assert.equal((await failure('explain', 'reject', 'x')).status, 2)
    assert.equal((await failure('state', '--at', 'noon')).status, 2)
    assert.equal((await failure('explain', 'balance', '1003', 'NOPE')).status, 1)
  })
}
