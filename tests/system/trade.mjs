// The venue's main job: an order by FIX meets one by WebSocket, and everybody hears of it, down to the chain.
import assert from 'node:assert/strict'
import { demo, eventually, units } from '../lib/venue.mjs'

// As printed in the requirements (F3).
const F3 = `SELECT t.*, k.contract_address, b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet FROM trades t
  JOIN tokens k ON k.id = t.token_id JOIN users b ON b.id = t.buyer_id JOIN users s ON s.id = t.seller_id
  WHERE t.settlement_status = 'pending' AND t.settlement_attempts < 5 ORDER BY t.created_at ASC LIMIT 10 FOR UPDATE OF t SKIP LOCKED`

const wallet = account => demo.accounts.find(a => a.account === account).wallet

export async function trade (suite, venue) {
  await suite.test('an order by FIX meets one by WebSocket: both hear of it, then Postgres, Redis and the chain', async () => {
    const heard = await venue.listen()
    const seller = await venue.fix('balear', { reset: true })
    const carla = await venue.trader('carla')
    const before = { seller: await venue.balanceOnChain('PORT', wallet(1002)), buyer: await venue.balanceOnChain('PORT', wallet(1003)) }

    seller.newOrder({ clOrdId: 'first-sell', symbol: 'PORT', side: 'sell', price: 100.5, quantity: 7.25 })
    const resting = await seller.waitFor(m => m.type === '8' && m.body.ExecType === '0')
    assert.equal(resting.body.OrdStatus, '0')
    const placed = await carla.request({ op: 'place', symbol: 'PORT', side: 'buy', price: '101', quantity: '2.25', client_order_id: 'first-buy' })
    assert.equal(placed.type, 'placed', placed.error?.text)

    const { fill } = await carla.waitFor(m => m.type === 'fill' && m.fill.order === placed.order.order, 'fill')
    assert.deepEqual([fill.price, fill.quantity, fill.leaves, fill.liquidity, fill.side], ['100.5', '2.25', '0', 'taker', 'buy'])
    const report = (await seller.waitFor(m => m.type === '8' && m.body.ExecType === 'F', 'fill')).body
    assert.deepEqual([report.LastPx, report.LastQty, report.LeavesQty, report.CumQty, report.OrdStatus], [100.5, 2.25, 5, 2.25, '1'])
    assert.equal(report.ClOrdID, 'first-sell')

    const row = await eventually('Postgres has the trade', async () => (await venue.query(`SELECT * FROM public.trades WHERE id = ${fill.trade}`))[0])
    assert.deepEqual([row.buyer_id, row.seller_id, row.taker_side, Number(row.price), Number(row.quantity), Number(row.total)], ['1003', '1002', 'buy', 100.5, 2.25, 226.125])
    const told = await eventually('Redis tells of it', () => heard.find(m => m.channel === 'trades' && String(m.trade_id) === fill.trade))
    assert.deepEqual([told.symbol, told.price, told.quantity, told.maker_account, told.taker_account], ['PORT', '100.5', '2.25', 1002, 1003])

    const settled = await carla.waitFor(m => m.type === 'settlement' && m.trade.trade === fill.trade && m.trade.settlement === 'settled', 'settlement')
    const transfer = (await venue.transfers('PORT')).find(t => t.hash === settled.trade.tx_hash)
    assert.deepEqual([transfer.from, transfer.to, transfer.value], [wallet(1002).toLowerCase(), wallet(1003).toLowerCase(), units('2.25', 18)])
    assert.equal(await venue.balanceOnChain('PORT', wallet(1002)), before.seller - units('2.25', 18))
    assert.equal(await venue.balanceOnChain('PORT', wallet(1003)), before.buyer + units('2.25', 18))
    await eventually('Redis tells of the settlement', () => heard.find(m => m.channel === 'settlement' && String(m.trade_id) === fill.trade && m.tx_hash === settled.trade.tx_hash && m.status === 'settled'))
    seller.cancel({ clOrdId: 'first-cancel', origClOrdId: 'first-sell', symbol: 'PORT', side: 'sell' })
    assert.equal((await seller.waitFor(m => m.body.ExecType === '4', 'cancel')).body.LeavesQty, 0)
    await venue.conservation()
    await Promise.all([seller.close(), carla.close()])
  })

  await suite.test('the query of F3 runs as printed, and finds what waits for its settlement', async () => {
    const [seller, buyer] = await Promise.all([venue.trader('carla'), venue.trader('diego')])
    const settle = await venue.livePid('settle')
    process.kill(settle, 'SIGSTOP')
    try {
      await seller.request({ op: 'place', symbol: 'ATUN', side: 'sell', price: '25', quantity: '1', client_order_id: 'f3-sell' })
      const { order } = await buyer.request({ op: 'place', symbol: 'ATUN', side: 'buy', price: '25', quantity: '1', client_order_id: 'f3-buy' })
      const { fill } = await buyer.waitFor(m => m.type === 'fill' && m.fill.order === order.order, 'fill')
      await eventually('the recorder has it', async () => (await venue.query(`SELECT 1 AS one FROM settle.trade WHERE trade_id = ${fill.trade}`))[0])
      const rows = await venue.query(`SET search_path = public; ${F3}`, 'lonja_settle')
      assert.deepEqual(rows.map(r => [r.id, r.contract_address.toLowerCase(), r.buyer_wallet, r.seller_wallet]),
        [[fill.trade, venue.deployment.instruments.ATUN.token.toLowerCase(), wallet(1004), wallet(1003)]])
    } finally { process.kill(settle, 'SIGCONT') }
    await Promise.all([seller.close(), buyer.close()])
    await venue.conservation()
  })

  await suite.test('history: min_seq waits for the recorder, and says both numbers when it cannot', async () => {
    const [seller, buyer] = await Promise.all([venue.trader('carla'), venue.trader('diego')])
    await seller.request({ op: 'place', symbol: 'PORT', side: 'sell', price: '100.5', quantity: '1', client_order_id: 'history-sell' })
    const taken = await venue.call(venue.web, 'POST', '/api/v1/orders', { token: buyer.token, body: { symbol: 'PORT', side: 'buy', price: '100.5', quantity: '1', client_order_id: 'history-buy' } })
    assert.equal(taken.status, 200)
    assert.equal(taken.json.trades.length, 1)
    const history = await venue.call(venue.web, 'GET', `/api/v1/trades?min_seq=${taken.json.sequence}`, { token: buyer.token })
    assert.equal(history.status, 200)
    assert.equal(history.json.trades[0].trade, taken.json.trades[0].trade)
    const record = await venue.livePid('record')
    process.kill(record, 'SIGSTOP')
    try {
      const { sequence } = await seller.request({ op: 'place', symbol: 'PORT', side: 'sell', price: '101', quantity: '1', client_order_id: 'history-late' })
      const behind = await venue.call(venue.web, 'GET', `/api/v1/trades?min_seq=${sequence}`, { token: buyer.token })
      assert.equal(behind.status, 503)
      assert.equal(behind.json.error.name, 'RECORD_BEHIND')
      assert.equal(behind.json.error.limit, String(sequence))
      assert.ok(Number(behind.json.error.value) < sequence)
    } finally { process.kill(record, 'SIGCONT') }
    await seller.request({ op: 'cancel_all' })
    await Promise.all([seller.close(), buyer.close()])
    await venue.conservation()
  })
}
