#!/usr/bin/env node
// lonja-index and lonja reconcile on a live venue of its own: what holders do with their own keys is in the ledger once, what
// the venue does is not booked again; killed, cut off and reorganised in between. LONJA_BIN names the executables.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { FaultProxy } from '../lib/fault_proxy.mjs'
import { Suite } from '../lib/suite.mjs'
import { escrowKeyTest, stablecoinTests } from '../lib/stablecoin.mjs'
import { TokenVenue, UNIT } from '../lib/token_venue.mjs'
import { bin, eventually, Venue } from '../lib/venue.mjs'
import { xvpChain } from './xvp_chain.mjs'

class IndexVenue extends TokenVenue {
  async ledger (account) {
    const { available, held } = await this.balanceOf(account)
    return Math.round((Number(available) + Number(held)) * 100)
  }
}

Suite.oneStory(async suite => {
  const proxy = await FaultProxy.start({ port: 0 })
  const venue = await Venue.start({
    name: 'index',
    settings: ['settle.tick_ms=500', 'settle.poll_ms=50', 'settle.confirmations=3', 'settle.xvp_margin_ms=2000', 'index.poll_ms=200', 'index.reconcile_ms=400', 'index.halt_bps=100',
      `index.ws_url="ws://127.0.0.1:${proxy.port}"`]
  })
  proxy.target = Number(new URL(venue.services.RPC_URL).port)
  suite.watch(() => venue.died())
  const chain = new IndexVenue(venue)
  try {
    await venue.ready()
    await suite.test('index: a transfer by the holder\'s own key is in the ledger once, when it is deep enough', async () => {
      const before = [await chain.ledger(1001), await chain.ledger(1002)]
      await chain.transfer(1001, 1002, 500n * UNIT)
      await eventually('it is seen', async () => (await chain.one("SELECT count(*) AS n FROM chain.event_log WHERE state = 'seen'")).n !== '0')
      assert.deepEqual([await chain.ledger(1001), await chain.ledger(1002)], before, 'not before it is confirmed')
      await chain.mine(2)
      await eventually('it is booked', async () => await chain.ledger(1001) === before[0] - 500 && await chain.ledger(1002) === before[1] + 500)
      assert.equal((await chain.one("SELECT count(*) AS n FROM chain.ledger_posting WHERE state = 'booked'")).n, '2')
      await chain.agrees()
    })

    await suite.test('index: our own settlement is recognised and not booked again', async () => {
      const [carla, diego] = [await venue.trader('carla'), await venue.trader('diego')]
      const before = (await chain.one('SELECT count(*) AS n FROM chain.ledger_posting')).n
      for (const [client, side] of [[carla, 'sell'], [diego, 'buy']]) {
        const answer = await client.request({ op: 'place', symbol: 'PORT', side, quantity: '3', price: '100', client_order_id: `ix-${side}` })
        assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      }
      await eventually('it is settled', async () => { await chain.mine(); return (await chain.one("SELECT count(*) AS n FROM settle.trade WHERE settlement_status = 'settled'")).n === '1' }, PATIENCE_MS, 200)
      await eventually('its transfer is classified', async () => (await chain.one("SELECT count(*) AS n FROM chain.transfer WHERE class = 'settlement'")).n === '1')
      assert.equal((await chain.one('SELECT count(*) AS n FROM chain.ledger_posting')).n, before)
      await chain.agrees()
    })

    // Three units there and two back, held until both are there: one moves, for both of them.
    await suite.test('index: the Transfer of a net is planned, and is its trades', async () => {
      const [carla, diego] = [await venue.trader('carla'), await venue.trader('diego')]
      const before = (await chain.one('SELECT count(*) AS n FROM chain.ledger_posting')).n
      const token = "(SELECT asset_id FROM people.asset WHERE symbol = 'PORT')"
      await venue.query(`INSERT INTO settle.netting (token_asset) SELECT ${token}`)
      await venue.query(`INSERT INTO settle.hold (token_asset, held_by, reason) SELECT ${token}, 'test', 'until both are there'`)
      for (const [client, side, quantity] of [[carla, 'sell', '3'], [diego, 'buy', '3'], [diego, 'sell', '2'], [carla, 'buy', '2']]) {
        const answer = await client.request({ op: 'place', symbol: 'PORT', side, quantity, price: '100', client_order_id: `ix-net-${side}-${quantity}` })
        assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      }
      await eventually('both are recorded', async () => (await chain.one("SELECT count(*) AS n FROM settle.trade WHERE settlement_status = 'pending'")).n === '2')
      await chain.agrees()
      await venue.query("UPDATE settle.hold SET released_by = 'test', released_at = now()")
      await eventually('they are netted', async () => { await chain.mine(); return (await chain.one("SELECT count(*) AS n FROM settle.trade WHERE settlement_type = 'netted'")).n === '2' }, PATIENCE_MS, 200)
      await eventually('its transfer is classified', async () => (await chain.one("SELECT count(*) AS n FROM chain.transfer WHERE class = 'settlement'")).n === '2')
      assert.deepEqual(await venue.query("SELECT count(*) AS n FROM chain.transfer t JOIN chain.net USING (request_id, amount) WHERE class = 'settlement'"), [{ n: '1' }])
      assert.equal((await chain.one('SELECT count(*) AS n FROM chain.ledger_posting')).n, before)
      const found = await chain.agrees()
      assert.deepEqual(found.nets, [])
      await venue.query('UPDATE chain.net SET amount = amount + 1')
      assert.deepEqual(await chain.reconcile().then(r => [r.status, r.nets.length]), [1, 1])
      await venue.query('UPDATE chain.net SET amount = amount - 1')
      await venue.query('DELETE FROM settle.netting')
    })

    await suite.test('index: what a holder moved himself is in the ledger, so no trade is marked settled by it; the way out is what the mark says', async () => {
      const [carla, diego] = [await venue.trader('carla'), await venue.trader('diego')]
      const post = (route, body) => venue.administer('POST', route, body)
      await post('/logins', { kind: 'admin', login_name: 'second', password: 'password-of-second', role: 'administrator' })
      const { json: { token } } = await venue.call(venue.admin, 'POST', '/api/v1/login', { body: { user: 'second', password: 'password-of-second' } })
      const approve = async mark => assert.equal((await venue.call(venue.admin, 'POST', `/api/v1/admin/settlement/marks/${mark}/approve`, { token, body: {} })).status, 200)
      const before = [await chain.ledger(1003), await chain.ledger(1004)]
      const { hold } = await post('/settlement/holds', { account: 1004, reason: 'they settle it themselves' })
      for (const [client, side] of [[carla, 'sell'], [diego, 'buy']]) {
        const answer = await client.request({ op: 'place', symbol: 'PORT', side, quantity: '2', price: '100', client_order_id: `im-${side}` })
        assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      }
      const { trade } = await eventually('the trade is held', async () => (await venue.administer('GET', '/settlement/trades?status=pending')).find(t => t.reason === 'held'))
      const hash = await chain.transfer(1003, 1004, 200n * UNIT)
      const { mark } = await post(`/trades/${trade}/mark`, { outcome: 'settled_on_chain', tx_hash: hash, reason: 'carla has sent it' })
      await approve(mark)
      const problem = word => eventually(word, async () => (await venue.administer('GET', '/settlement/marks')).find(m => m.mark === mark).problem === word, PATIENCE_MS, 100)
      await problem('transaction_not_final')
      await chain.mine(3)
      await problem('transfer_is_in_the_ledger')
      assert.deepEqual([await chain.ledger(1003), await chain.ledger(1004)], [before[0] - 400, before[1] + 400], 'moved twice in the ledger')
      await post(`/settlement/marks/${mark}/withdraw`, { reason: 'it is in the ledger' })
      await post('/transfers', { reference: `back ${trade}`, account: 1004, to: 1003, asset: 'PORT', amount: '2', note: hash })
      const { mark: off } = await post(`/trades/${trade}/mark`, { outcome: 'settled_off_chain', reason: `by ${hash}` })
      await approve(off)
      await eventually('it is settled', async () => (await chain.one(`SELECT settlement_type AS type FROM settle.trade WHERE trade_id = ${trade}`)).type === 'off_chain')
      await post(`/settlement/holds/${hold}/release`, { reason: 'done' })
      assert.deepEqual([await chain.ledger(1003), await chain.ledger(1004)], [before[0] - 200, before[1] + 200])
      await chain.agrees()
    })

    await suite.test('index: parts of units are dust, and become units together', async () => {
      const before = [await chain.ledger(1001), await chain.ledger(1002)]
      for (let i = 0; i < 3; i++) await chain.transfer(1001, 1002, UNIT / 2n)
      await chain.mine(3)
      await eventually('the ledger has what is whole', async () => await chain.ledger(1001) === before[0] - 2 && await chain.ledger(1002) === before[1] + 1)
      const found = await chain.agrees()
      assert.deepEqual(found.wallets.filter(w => w.symbol === 'PORT' && w.dust !== '0').map(w => [w.account, w.dust]), [[1001, String(UNIT / 2n)], [1002, String(UNIT / 2n)]])
      await chain.transfer(1001, 1002, UNIT / 2n)
    })

    await suite.test('index: killed in mid-stream again and again, it books each transfer once', async () => {
      await chain.mine(3)
      await chain.agrees()
      const before = [await chain.ledger(1001), await chain.ledger(1003)]
      for (let i = 0; i < 24; i++) {
        await chain.transfer(1001, 1003, UNIT)
        if (i % 6 === 3) process.kill(await venue.livePid('index'), 'SIGKILL')
      }
      await chain.mine(3)
      await eventually('all are booked', async () => await chain.ledger(1003) === before[1] + 24)
      assert.equal(await chain.ledger(1001), before[0] - 24)
      await chain.agrees()
      const twice = await venue.query('SELECT event_id, side FROM chain.ledger_posting WHERE NOT reversal GROUP BY 1, 2 HAVING count(*) > 1')
      assert.deepEqual(twice, [])
    })

    await suite.test('index: a reorganisation orphans what was seen, and takes back what was booked', async () => {
      const before = [await chain.ledger(1001), await chain.ledger(1002)]
      const snapshot = await venue.rpc('evm_snapshot')
      await chain.transfer(1001, 1002, 700n * UNIT)
      await chain.mine(3)
      await eventually('it is booked', async () => await chain.ledger(1002) === before[1] + 700)
      await chain.transfer(1001, 1002, 11n * UNIT) // seen only
      await eventually('the second is seen', async () => (await chain.one("SELECT count(*) AS n FROM chain.event_log WHERE state = 'seen' AND event_name = 'Transfer'")).n === '1')
      await venue.rpc('evm_revert', snapshot)
      await venue.rpc('evm_increaseTime', 77) // other blocks, not the same again
      await chain.mine(8)
      await eventually('both are orphaned', async () => (await chain.one("SELECT count(*) AS n FROM chain.event_log WHERE state = 'orphaned' AND event_name = 'Transfer'")).n === '2')
      await eventually('the ledger is as before', async () => await chain.ledger(1001) === before[0] && await chain.ledger(1002) === before[1])
      const row = await chain.one('SELECT confirmed_events, postings FROM chain.reorganisation ORDER BY reorganisation_id DESC LIMIT 1')
      assert.deepEqual([row.confirmed_events, row.postings], ['1', '2'])
      await chain.agrees()
    })

    const coin = await stablecoinTests(suite, chain)
    await xvpChain(suite, venue, chain)

    await suite.test('index: the WebSocket is cut: it polls, and subscribes again', async () => {
      const before = await chain.ledger(1003)
      await proxy.set('refuse')
      await eventually('it knows', async () => (await chain.one('SELECT subscribed FROM chain.index_chain')).subscribed === 'f')
      await chain.transfer(1001, 1003, UNIT)
      await chain.mine(3)
      await eventually('it is booked without', async () => await chain.ledger(1003) === before + 1)
      await proxy.set('pass')
      await eventually('it subscribes again', async () => (await chain.one('SELECT subscribed FROM chain.index_chain')).subscribed === 't')
    })

    await suite.test('index: lonja index verify proves what is stored, and finds what was changed', async () => {
      const verify = () => new Promise(resolve => execFile(path.join(bin, 'lonja'), ['index', 'verify', '0', '30', '--config', path.join(venue.folder, 'lonja.conf')],
        (error, stdout) => resolve({ status: error ? error.code : 0, stdout })))
      const good = await verify()
      assert.equal(good.status, 0, good.stdout)
      await venue.query("UPDATE chain.index_range SET digest = '0x' || repeat('0', 64) WHERE from_block = 0")
      const bad = await verify()
      assert.equal(bad.status, 1)
      assert.match(bad.stdout, /the chain is another than was read/)
      const [event] = await venue.administer('GET', '/events?limit=1')
      assert.deepEqual([event.event_name, event.state, event.chain_id], ['Transfer', 'confirmed', 31337])
      await assert.rejects(venue.query("UPDATE chain.event_log SET event_name = 'x'"), /only its state changes/)
    })

    await suite.test('reconcile: a break is found, named, told, and halts the token; it closes when it is made good', async () => {
      await chain.agrees()
      const heard = await venue.listen()
      await venue.administer('POST', '/credits', { reference: 'ix-wrong', account: 1003, asset: 'PORT', amount: '2000' })
      const found = await eventually('it differs', async () => { const f = await chain.reconcile(); return f.breaks > 0 && f })
      assert.equal(found.status, 1)
      assert.deepEqual(found.wallets.filter(w => w.cause !== 'equal').map(w => [w.account, w.symbol, w.cause, w.difference]), [[1003, 'PORT', 'unknown', String(-200000n * UNIT)]])
      await eventually('the breaker has tripped', async () => (await chain.one('SELECT breaker_tripped AS t FROM record.instrument_state WHERE instrument_id = 1')).t === 't')
      await eventually('it is told on Redis', () => heard.find(m => m.channel === 'reconciliation' && m.event === 'break' && m.account === 1003))
      assert.equal((await venue.administer('GET', '/breaks?limit=1'))[0].account_id, 1003)
      await eventually('it is on the metrics page', async () => await venue.metric('reconciliation_breaks_open') === 1)
      await venue.administer('POST', '/debits', { reference: 'ix-right', account: 1003, asset: 'PORT', amount: '2000' })
      await eventually('it is closed', async () => (await chain.one('SELECT count(*) AS n FROM chain.reconciliation_break WHERE closed_at IS NULL')).n === '0')
      await chain.agrees()
    })
    await escrowKeyTest(suite, coin)
    await suite.test('index: at the end sums are zero', () => venue.sumsAreZero())
  } finally {
    await venue.stop()
    await proxy.close()
  }
})
