// The settlement desk: what operators see of trades on their way to finality, and what they may do about them, by REST, by
// word, on Redis and on the metrics page.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { bin, eventually } from '../lib/venue.mjs'

const execute = promisify(execFile)
const symbol = 'ATUN'

export async function desk (suite, venue) {
  const carla = await venue.trader('carla')
  const diego = await venue.trader('diego')
  const get = what => venue.administer('GET', `/settlement${what}`)
  let serial = 0
  const cli = async (...words) => {
    const { stdout } = await execute(path.join(bin, 'lonja'), ['admin', '--url', venue.admin, '--password-file', path.join(venue.folder, 'secrets/login-admin'), ...words])
    return stdout.trim().split('\n').filter(Boolean).map(line => JSON.parse(line))
  }
  // The error of a refusal; fails if there is none.
  const refused = async (name, method, what, body) => {
    const answer = await venue.administer(method, what, body).then(() => assert.fail(`${what} was taken`), error => error)
    assert.match(String(answer.message), new RegExp(name), what)
  }
  // A trade between two; answers with its id once the record has it.
  const trade = async quantity => {
    const place = async (client, side) => {
      const answer = await client.request({ op: 'place', symbol, side, quantity, price: '25', client_order_id: `desk${++serial}` })
      assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      return answer.order.order
    }
    const offer = await place(carla, 'sell')
    const bid = await place(diego, 'buy')
    const [{ id }] = await eventually('the trade is recorded', async () => {
      const rows = await venue.query(`SELECT id FROM public.trades WHERE sell_order_id = ${offer} AND buy_order_id = ${bid}`)
      return rows.length === 1 && rows
    })
    return Number(id)
  }
  const step = async id => (await get(`/trades?trade=${id}`))[0]
  const stepIs = (id, name) => eventually(`trade ${id} is ${name}`, async () => { const seen = await step(id); return seen?.step === name && seen })

  await suite.test('desk: a trade goes to finality; REST, the word, Redis and the metrics page say the same', async () => {
    const id = await trade('2')
    const seen = await stepIs(id, 'settled')
    assert.deepEqual([seen.symbol, seen.quantity, seen.seller, seen.buyer, seen.type], [symbol, '2', 1003, 1004, 'on_chain'])
    assert.match(seen.tx_hash, /^0x[0-9a-f]{64}$/)
    const status = await get('')
    assert.ok(status.trades.settled >= 1 && status.attempts_signed >= 1 && status.gas.gas_used > 0, JSON.stringify(status))
    await eventually('every lane runs', async () => { // a worker that is late is called silent
      const { tokens, workers } = await get('')
      assert.deepEqual(tokens.filter(t => t.state !== 'running'), [])
      assert.deepEqual([workers[0].trouble, workers[0].endpoints[0].state], [null, 'up'])
      return true
    })
    assert.ok(status.signers[0].next_nonce > 0)
    assert.deepEqual((await cli('settlement'))[0].tokens.map(t => t.symbol), status.tokens.map(t => t.symbol))
    assert.deepEqual((await cli('settling', 'trade', String(id), 'status', 'settled')).map(t => t.trade), [id])
    const told = await eventually('Redis has it', () => {
      const message = JSON.parse(venue.redis('GET', 'lonja:v1:last:settlement:status'))
      return message.trades.settled >= status.trades.settled && message.tokens.every(t => t.state === 'running') && message
    })
    assert.equal(told.event, 'settlement_status')
    assert.deepEqual(told.tokens.map(t => t.symbol), status.tokens.map(t => t.symbol))
    await eventually('the lane on the metrics page', async () => await venue.metric(`settlement_lane_state{symbol="${symbol}",state="running"}`) === 1)
    assert.ok(await venue.metric('settlement_gas_used_total') >= status.gas.gas_used)
    assert.equal(await venue.metric('settlement_worker_up{chain_id="31337"}'), 1)
  })

  await suite.test('desk: filters, and bad input', async () => {
    assert.deepEqual(await get('/trades?status=settled&limit=1').then(rows => rows.map(t => t.status)), ['settled'])
    assert.deepEqual(await get('/trades?account=999999'), [])
    for (const [name, filter] of [['MALFORMED', 'status=done'], ['BAD_NUMBER', 'limit=0'], ['BAD_NUMBER', 'limit=1001'], ['BAD_NUMBER', 'token=x'],
      ['BAD_NUMBER', 'trade=-1'], ['BAD_NUMBER', 'account=99999999999'], ['BAD_NUMBER', `trade=${'9'.repeat(40)}`]]) await refused(name, 'GET', `/settlement/trades?${filter}`)
  })
}
