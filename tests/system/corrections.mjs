// Trades whose settlement failed are corrected and busted while members and traders listen: over FIX (bare bytes, see ../lib/fix_desk.mjs)
// with the gateway killed in between, and over WebSocket, live and again. What the desks were told must be what the record says of each
// order. On ATUN: atlantic (1001) and carla (1003) sell to balear (1002), whose wallet the token does not know for a while.
import assert from 'node:assert/strict'
import { FixDesk, random } from '../lib/fix_desk.mjs'
import { demo, eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const stranger = '0x00000000000000000000000000000000000057a7' // a wallet that no token knows

export async function corrections (suite, venue) {
  await suite.test('corrections: both sides of a bust and a correction are told over FIX, once, across kills of the gateway; sums are the record\'s', () => told(venue))
}

const post = (venue, route, body = {}) => venue.administer('POST', `/${route}`, body)
const setWallet = (venue, wallet) => post(venue, 'accounts', { account: 1002, wallet_address: wallet })

async function told (venue) {
  const run = `cor${Date.now()}`
  const carla = await listener(venue)
  const from = Number((await venue.query('SELECT sequence FROM record.cursor'))[0].sequence)
  const seller = new FixDesk(venue, 'atlantic', 'sell', random(1), 'ca'), buyer = new FixDesk(venue, 'balear', 'buy', random(2), 'cb')
  for (const desk of [seller, buyer]) await desk.open()
  await setWallet(venue, stranger)
  const [first, second, third] = await failedTrades(venue, run, seller, buyer, carla)
  await setWallet(venue, demo.accounts.find(a => a.account === 1002).wallet)

  await post(venue, `trades/${first}/correct`, { reference: `${run}-1`, quantity: '2.5', price: '24', note: 'typing error' })
  const [sold, bought] = await Promise.all([seller, buyer].map(desk => heard(desk, 'G')))
  assert.deepEqual([sold.get(38), sold.get(14), sold.get(151), sold.get(39), sold.get(6), sold.get(32), sold.get(31)], ['8.5', '5.5', '3', '1', '24.54545455', '2.5', '24'], sold.raw)
  assert.deepEqual([bought.get(38), bought.get(14), bought.get(151), bought.get(39), bought.get(6)], ['4', '2.5', '0', '4', '24'], bought.raw)
  assert.deepEqual([sold.get(19), bought.get(19)], [seller, buyer].map(desk => fillOf(desk, first).get(17)))

  const death = venue.kill('fix')
  await post(venue, `trades/${second}/bust`, { reference: `${run}-2`, note: 'wrong instrument' })
  await death
  await venue.ready()
  for (const desk of [seller, buyer]) await desk.again()
  for (const desk of [seller, buyer]) assert.deepEqual([(await heard(desk, 'H')).get(32), desk.faults], ['0', []])
  await post(venue, `trades/${third}/correct`, { reference: `${run}-3`, price: '24.2' })
  await heard(buyer, 'G', 2)
  await carlaIsTold(venue, carla, third)

  for (const desk of [seller, buyer]) await desk.askAll()
  await venue.kill('fix')
  await venue.ready()
  for (const desk of [seller, buyer]) { await desk.again(); await desk.askAll() } // the same bytes from the process after
  for (const trade of [first, third]) await post(venue, `trades/${trade}/retry-settlement`, { reason: 'the wallet is right now' })
  seller.client.cancel(`${run}-c`, `${run}-a`, symbol, 'sell')
  await eventually('what is open is cancelled', () => seller.reports().some(m => m.get(150) === '4'))
  await venue.settled()
  for (const desk of [seller, buyer]) {
    await figuresAgree(venue, desk)
    await desk.verify(from)
    await desk.client.logout()
  }
}

// Four and three are bought of one order, two of carla; each fails by itself.
async function failedTrades (venue, run, seller, buyer, carla) {
  const filled = (desk, id) => eventually(`${id} is filled`, () => desk.reports().find(m => m.get(11) === id && m.get(150) === 'F'))
  const open = id => eventually(`${id} is there`, () => [...seller.reports(), ...buyer.reports()].some(m => m.get(11) === id && m.get(150) === '0'))
  seller.client.newOrder(`${run}-a`, symbol, 'sell', 10, 25)
  await open(`${run}-a`)
  for (const [id, quantity] of [['b1', 4], ['b2', 3]]) {
    buyer.client.newOrder(`${run}-${id}`, symbol, 'buy', quantity, 25)
    await filled(buyer, `${run}-${id}`)
  }
  buyer.client.newOrder(`${run}-b3`, symbol, 'buy', 2, '24.5')
  await open(`${run}-b3`)
  assert.equal((await carla.client.request({ op: 'place', symbol, side: 'sell', quantity: '2', price: '24.5', client_order_id: `${run}-w` })).type, 'placed')
  const ids = []
  for (const id of ['b1', 'b2', 'b3']) ids.push(tradeOf(await filled(buyer, `${run}-${id}`)))
  await eventually('their settlement fails and is booked', async () => (await venue.query(`SELECT trade_id FROM settle.trade t JOIN settle.result r USING (trade_id)
    WHERE t.trade_id IN (${ids.join()}) AND t.settlement_status = 'failed' AND r.state = 'booked'`)).length === 3, 60000)
  return ids
}

// A fill's ExecID is sequence-index-side.
const tradeOf = message => { const [sequence, index] = message.get(17).split('-'); return (BigInt(sequence) << 20n | BigInt(index)).toString() }
const fillOf = (desk, trade) => desk.reports().find(m => m.get(150) === 'F' && tradeOf(m) === trade)
const heard = (desk, kind, count = 1) => eventually(`${desk.login} hears ${kind}`, () => desk.reports().filter(m => m.get(150) === kind)[count - 1])

// What the record has of the trades of each order, against the last report of it and against what the desk sums up itself.
async function figuresAgree (venue, desk) {
  const executions = new Map(), last = new Map()
  for (const m of desk.reports().filter(m => m.get(35) === '8' && m.get(37) !== 'NONE')) {
    last.set(m.get(37), m)
    const name = { F: 17, G: 19, H: 19 }[m.get(150)]
    if (name) executions.set(m.get(name), { order: m.get(37), quantity: Number(m.get(32)), price: Number(m.get(31)) })
  }
  const column = desk.side === 'buy' ? 'buy_order_id' : 'sell_order_id'
  const rows = await venue.query(`SELECT ${column} AS id, sum(quantity)::float8 AS quantity, sum(total) FILTER (WHERE status <> 'busted')::float8 AS total FROM public.trades WHERE ${column} IN (${[...last.keys()].join()}) GROUP BY 1`)
  assert.ok(rows.length > 0)
  for (const { id, quantity, total } of rows) {
    const of = [...executions.values()].filter(e => e.order === id)
    assert.equal(Number(last.get(id).get(14)), Number(quantity), last.get(id).raw)
    assert.equal(of.reduce((sum, e) => sum + e.quantity, 0), Number(quantity), `the desk's sum of ${id}`)
    const average = Number(quantity) === 0 ? 0 : Number(total) / Number(quantity)
    assert.ok(Math.abs(Number(last.get(id).get(6)) - average) < 1e-8, `${last.get(id).raw}: ${average}`)
    assert.ok(Math.abs(of.reduce((sum, e) => sum + e.quantity * e.price, 0) - Number(total)) < 1e-8, `the desk's total of ${id}`)
  }
}

// ---- over WebSocket ---------------------------------------------------------------------------------------

const isCorrection = text => text.includes('"type":"trade_corrected"')

async function listener (venue, place) {
  const client = await venue.trader()
  const texts = []
  client.socket.on('message', text => texts.push(String(text)))
  const login = await client.request({ op: 'login', token: await venue.login(venue.web, 'carla'), ...place })
  assert.equal(login.type, 'login')
  if (place) await client.waitFor(m => m.type === 'replayed', 'what was missed')
  else place = { from_seq: (await client.waitFor(m => m.type === 'orders')).sequence }
  return { client, texts, place }
}

// Live, and in the same bytes by the place of before, also after the gateway's death.
async function carlaIsTold (venue, carla, trade) {
  await eventually('carla is told', () => carla.texts.some(isCorrection))
  const text = carla.texts.find(isCorrection)
  const { correction, sequence } = JSON.parse(text)
  const { time, ...rest } = correction
  assert.deepEqual(rest, { trade, account: 1003, symbol, side: 'sell', status: 'corrected', quantity: '2', quantity_change: '0', total_change: '-0.6', fee_change: correction.fee_change })
  for (const end of [async () => {}, () => venue.kill('web')]) {
    await end()
    await venue.ready()
    const again = await listener(venue, carla.place)
    assert.deepEqual(again.texts.filter(isCorrection), [text])
    await again.client.close()
  }
  const token = await venue.login(venue.web, 'carla')
  const { json } = await venue.call(venue.web, 'GET', `/api/v1/trades?min_seq=${sequence}`, { token })
  const listed = json.trades.find(t => t.trade === trade)
  assert.deepEqual([listed.status, listed.price, listed.quantity, listed.corrected_sequence], ['corrected', '24.2', '2', sequence])
}
