#!/usr/bin/env node
// Frozen custody on a live venue of its own: what is tradable is frozen in its wallet, at credit, after purchase and for as long as it
// is in the ledger; what others freeze is not spent; what leaves in spite of it is booked. LONJA_BIN names the executables.
import assert from 'node:assert/strict'
import { Suite } from '../lib/suite.mjs'
import { TokenVenue, UNIT, wallet, word } from '../lib/token_venue.mjs'
import { demo, eventually, Venue } from '../lib/venue.mjs'

const PORT = 2
const ISSUER = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266' // an agent of the token that is not the venue

class CustodyVenue extends TokenVenue {
  async status (hash) { return (await eventually('it is mined', () => this.venue.rpc('eth_getTransactionReceipt', hash))).status }
  mint (account, amount) { return this.call(ISSUER, '0x40c10f19', wallet(account), amount) }
  burn (account, amount) { return this.call(ISSUER, '0x9dc29fac', wallet(account), amount) }
  freeze (account, amount) { return this.call(ISSUER, '0x125c4a33', wallet(account), amount) }
  unfreeze (account, amount) { return this.call(ISSUER, '0x1fe56f7d', wallet(account), amount) }

  // Likewise, before what waits in the node's pool.
  first (from, selector, ...words) {
    return this.venue.rpc('eth_sendTransaction', { from, to: this.token, data: selector + words.map(word).join(''), gas: '0x7a120', maxFeePerGas: '0x174876e800', maxPriorityFeePerGas: '0xba43b7400' })
  }

  async read (selector, account) {
    return BigInt(await this.venue.rpc('eth_call', { to: this.token, data: selector + word(wallet(account)) }, 'latest')) / UNIT
  }

  balance (account) { return this.read('0x70a08231', account) }
  frozen (account) { return this.read('0x158b1a57', account) }

  async ledger (account) {
    const { available, held, unsettled } = await this.balanceOf(account)
    return { total: BigInt(Math.round((Number(available) + Number(held)) * 100)), unsettled: BigInt(Math.round(Number(unsettled) * 100)) }
  }

  async row (account) { return (await this.venue.administer('GET', '/custody')).find(r => r.account === account && r.symbol === 'PORT') }

  // Mines until something holds.
  until (what, ask) { return eventually(what, async () => { await this.mine(); return ask() }, undefined, 60) }

  // Everything that waits has come to its end. What nobody has noticed yet does not wait.
  async quiet () {
    await this.until('nothing waits', async () => (await this.one(`SELECT
      (SELECT count(*) FROM chain.custody_need WHERE state IN ('open', 'frozen')) + (SELECT count(*) FROM chain.custody_request WHERE open)
      + (SELECT count(*) FROM chain.ledger_posting WHERE state = 'open') + (SELECT count(*) FROM settle.result WHERE state = 'open')
      + (SELECT count(*) FROM settle.trade WHERE settlement_status IN ('pending', 'processing')) AS n`)).n === '0')
  }

  // What is tradable of an account is what is frozen in its wallet, as soon as what has come to it on the chain is noticed.
  isFrozen (account, others = 0n) {
    return this.until(`account ${account} is frozen`, async () => {
      const { total } = await this.ledger(account)
      assert.deepEqual([await this.balance(account), await this.frozen(account)], [total, total + others])
      return true
    })
  }

  agrees () { return super.agrees(undefined, 200) }

  instrument (changes) {
    return this.venue.administer('POST', '/instruments', { instrument: 1, symbol: 'PORT', token_asset: PORT, cash_asset: 1, tick: 10000, lot: 1, fee_bps: 10, trading_mode: 'full_orderbook', ...changes })
  }

  // The refusal that a call is to have.
  async refused (route, body) {
    const token = await this.venue.login(this.venue.admin, 'admin')
    const { status, json } = await this.venue.call(this.venue.admin, 'POST', `/api/v1/admin${route}`, { token: token.token ?? token, body })
    assert.ok(status >= 400, JSON.stringify(json))
    return json.error
  }
}

Suite.oneStory(async suite => {
  const venue = await Venue.start({
    name: 'custody',
    settings: ['settle.tick_ms=300', 'settle.poll_ms=50', 'settle.confirmations=3', 'index.poll_ms=100', 'index.reconcile_ms=60000']
  })
  suite.watch(() => venue.died())
  const chain = new CustodyVenue(venue)
  let carla, diego, orders = 0
  const place = async (client, side, quantity, price = '100') =>
    client.request({ op: 'place', symbol: 'PORT', side, quantity: String(quantity), price, client_order_id: `cu-${++orders}` })
  const trade = async (seller, buyer, quantity) => {
    for (const [client, side] of [[seller, 'sell'], [buyer, 'buy']]) {
      const answer = await place(client, side, quantity)
      assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    }
    return eventually('it is recorded', async () => {
      const row = await chain.one('SELECT max(trade_id) AS id FROM settle.trade')
      return row.id !== chain.last && (chain.last = row.id)
    })
  }
  const settlement = id => chain.one(`SELECT settlement_status AS status, coalesce(reason, '') AS reason FROM settle.trade WHERE trade_id = ${id}`)
  try {
    await venue.ready()
    await suite.test('custody: what a token in frozen custody must not have is refused, with a stable code', async () => {
      const wanted = { custody: 'frozen' }
      assert.equal((await chain.refused(`/assets/${PORT}/custody`, wanted)).name, 'CUSTODY')
      await chain.instrument({ status: 'secondary', sell_unsettled: false })
      const traded = await chain.refused(`/assets/${PORT}/custody`, wanted)
      assert.deepEqual([traded.name, /pause it first/.test(traded.text)], ['CUSTODY', true], traded.text)
      assert.equal((await chain.refused('/assets/99/custody', wanted)).name, 'UNKNOWN_ASSET')
      assert.equal((await chain.refused(`/assets/${PORT}/custody`, { custody: 'locked' })).name, 'MALFORMED')
    })

    await suite.test('custody: a token that comes into it is frozen in all wallets, in one transaction', async () => {
      await chain.instrument({ status: 'paused', sell_unsettled: false })
      await venue.administer('POST', `/assets/${PORT}/custody`, { custody: 'frozen' })
      await chain.until('all is frozen', async () => (await chain.row(1004))?.frozen === '1000') // it is mined as long as it is not even planned
      await chain.quiet()
      for (const { account } of demo.accounts) await chain.isFrozen(account)
      assert.equal((await chain.one("SELECT count(*) AS n FROM chain.chain_request WHERE operation = 'freeze_partial' AND state = 'confirmed'")).n, '1')
      const error = await chain.refused('/instruments', { instrument: 1, symbol: 'PORT', token_asset: PORT, cash_asset: 1, tick: 10000, lot: 1, sell_unsettled: true })
      assert.equal(error.name, 'CUSTODY')
      await chain.instrument({ status: 'secondary' })
      await chain.agrees()
    })
    carla = await venue.trader('carla')
    diego = await venue.trader('diego')

    await suite.test('custody: a holder cannot move on the chain what he can sell here', async () => {
      assert.equal(await chain.status(await chain.transfer(1003, 1004, 10n * UNIT)), '0x0')
    })

    await suite.test('custody: frozen units are sold; what was bought can be sold when it is frozen, not before', async () => {
      const id = await trade(carla, diego, 5)
      await chain.until('it is settled, and waits', async () => (await settlement(id)).reason === 'awaits_freeze')
      assert.equal((await settlement(id)).status, 'settled')
      assert.deepEqual([await chain.balance(1003), await chain.frozen(1003)], [99500n, 99500n], 'the transfer took what was frozen')
      const early = await place(diego, 'sell', 1005, '110')
      assert.equal(early.error?.name, 'INSUFFICIENT_BALANCE')
      assert.equal((await chain.ledger(1004)).unsettled, 500n)
      await chain.until('the result is told', async () => (await chain.ledger(1004)).unsettled === 0n)
      await chain.isFrozen(1004)
      assert.deepEqual(await settlement(id), { status: 'settled', reason: '' })
      const history = await venue.query(`SELECT to_status, coalesce(reason, '') AS reason FROM settle.trade_settlement_history WHERE trade_id = ${id} ORDER BY history_id DESC LIMIT 2`)
      assert.deepEqual(history, [{ to_status: 'settled', reason: '' }, { to_status: 'settled', reason: 'awaits_freeze' }])
      const late = await place(diego, 'sell', 1005, '110')
      assert.equal(late.type, 'placed', JSON.stringify(late.error))
      await diego.request({ op: 'cancel', order: late.order.order })
      await chain.quiet()
      await chain.agrees()
    })

    await suite.test('custody: the worker is killed between transfer and freeze; a freeze whose block is lost goes again', async () => {
      await venue.rpc('evm_setAutomine', false)
      const id = await trade(carla, diego, 3)
      await eventually('it is sent', async () => (await chain.one("SELECT count(*) AS n FROM settle.attempt WHERE state = 'sent'")).n === '1')
      await chain.mine(3)
      await eventually('it is settled, and waits', async () => (await settlement(id)).reason === 'awaits_freeze')
      await venue.kill('settle')
      const sent = () => chain.one("SELECT a.state, a.tx_hash AS hash FROM settle.attempt a JOIN chain.custody_request c USING (request_id) WHERE c.open AND a.tx_hash IS NOT NULL")
      const first = await eventually('the freeze is sent', async () => { const row = await sent(); return row?.state === 'sent' && row })
      const snapshot = await venue.rpc('evm_snapshot')
      await chain.mine()
      await eventually('it is mined', async () => (await sent())?.state === 'mined')
      await venue.rpc('evm_revert', snapshot)
      await venue.rpc('evm_increaseTime', 77)
      await chain.until('the result is told', async () => (await settlement(id)).reason === '')
      assert.equal((await chain.one(`SELECT state FROM settle.attempt WHERE tx_hash = '${first.hash}'`)).state, 'confirmed', 'the same bytes')
      await venue.rpc('evm_setAutomine', true)
      await chain.quiet()
      await chain.isFrozen(1004)
      await chain.agrees()
    })

    await suite.test('custody: who buys and sells at once has all of it frozen in the end', async () => {
      for (let i = 0; i < 6; i++) await (i % 2 ? trade(carla, diego, 2 + i) : trade(diego, carla, 1 + i))
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: what comes from outside is credited when it is frozen', async () => {
      const before = await chain.ledger(1004)
      await venue.rpc('evm_setAutomine', false)
      await chain.mint(1004, 700n * UNIT)
      await chain.until('a freeze is under way', async () => (await chain.row(1004)).under_way === 'freeze_partial')
      assert.deepEqual(await chain.ledger(1004), before)
      assert.equal((await chain.row(1004)).waiting, '7')
      await chain.until('it is credited', async () => (await chain.ledger(1004)).total === before.total + 700n)
      await venue.rpc('evm_setAutomine', true)
      await chain.quiet()
      await chain.isFrozen(1004)
      await chain.agrees()
    })

    await suite.test('custody: a withdrawal leaves the ledger first, then the holder can move it; a deposit is booked when it is frozen', async () => {
      const before = [await chain.ledger(1003), await chain.ledger(1004)]
      await venue.administer('POST', '/withdrawals', { reference: 'cu-out', account: 1004, asset: 'PORT', amount: '9' })
      assert.equal((await chain.ledger(1004)).total, before[1].total - 900n)
      await chain.until('it is free', async () => await chain.balance(1004) - await chain.frozen(1004) === 900n)
      await chain.quiet()
      await chain.agrees()
      const deposit = { reference: 'cu-back', account: 1004, asset: 'PORT', amount: '2' }
      const asked = await venue.administer('POST', '/deposits', deposit)
      assert.deepEqual([asked.state, asked.repeated], ['open', false])
      await chain.until('it is back', async () => (await chain.ledger(1004)).total === before[1].total - 700n)
      assert.deepEqual([(await venue.administer('POST', '/deposits', deposit)).repeated, (await chain.refused('/deposits', { ...deposit, amount: '3' })).name], [true, 'REFERENCE_CONFLICT'])
      assert.equal(await chain.status(await chain.transfer(1004, 1003, 700n * UNIT)), '0x1')
      await chain.until('the other has it', async () => (await chain.ledger(1003)).total === before[0].total + 700n)
      await chain.quiet()
      assert.equal((await chain.ledger(1004)).total, before[1].total - 700n, 'booked once')
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
      await venue.administer('POST', '/deposits', { reference: 'cu-nothing', account: 1004, asset: 'PORT', amount: '1' })
      const refused = await chain.until('what is not there is refused', async () => (await venue.administer('GET', '/custody/needs?limit=1')).find(n => n.reference === 'cu-nothing' && n.state === 'refused'))
      assert.match(refused.reason, /Amount exceeds available balance/)
      assert.equal((await chain.refused('/chain-in', { reference: 'cu-in', account: 1004, asset: 'PORT', amount: '1' })).name, 'CUSTODY')
    })

    await suite.test('custody: what another agent has frozen is not spent; lifted, it is the venue\'s again', async () => {
      const { total } = await chain.ledger(1004)
      await venue.rpc('evm_setAutomine', false)
      const others = total - 20000n // 200 are left
      await chain.unfreeze(1004, others * UNIT)
      await chain.freeze(1004, others * UNIT)
      await venue.rpc('evm_setAutomine', true)
      await chain.until('it is seen', async () => (await chain.row(1004)).others === String(Number(others) / 100))
      const id = await trade(diego, carla, 250)
      await chain.until('it has failed', async () => (await settlement(id)).status === 'failed')
      assert.equal((await settlement(id)).reason, 'frozen_by_others')
      const check = await chain.one('SELECT code, frozen_tokens, venue_frozen FROM chain.transfer_check ORDER BY check_id DESC LIMIT 1')
      assert.deepEqual(check, { code: 'frozen_by_others', frozen_tokens: String(total * UNIT), venue_frozen: String(20000n * UNIT) })
      const small = await trade(diego, carla, 1)
      await chain.until('what is the venue\'s is sold', async () => (await settlement(small)).status === 'settled')
      await chain.unfreeze(1004, others * UNIT)
      await chain.until('it is frozen again', async () => (await chain.row(1004)).others === '0' && await chain.frozen(1004) === await chain.balance(1004))
      await venue.administer('POST', `/trades/${id}/retry-settlement`, { reason: 'lifted' })
      await chain.until('it is settled', async () => (await settlement(id)).status === 'settled')
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: what leaves in spite of it is booked, and lacks as in watched custody', async () => {
      const { total } = await chain.ledger(1003)
      await venue.query("INSERT INTO settle.hold (token_asset, held_by, reason) VALUES (2, 'test', 'to sell what is then burned')")
      await trade(carla, diego, 5)
      await chain.burn(1003, await chain.balance(1003) * UNIT)
      await chain.until('the deficit is there', async () => (await venue.administer('GET', '/deficits')).find(d => d.account === 1003)?.deficit === '5')
      assert.deepEqual([(await chain.ledger(1003)).total, await chain.frozen(1003)], [0n, 0n], String(total))
      await eventually('nothing is claimed any more', async () => { const row = await chain.row(1003); return row.frozen === '0' && row.tradable === '0' })
      await chain.mint(1003, 500n * UNIT)
      await chain.until('it is made good', async () => (await venue.administer('GET', '/deficits')).length === 0)
      await venue.query("UPDATE settle.hold SET released_by = 'test', released_at = now() WHERE released_at IS NULL")
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: a buyer who is quicker than the freeze takes what he bought; it is booked once', async () => {
      const before = [await chain.ledger(1003), await chain.ledger(1004)]
      await venue.rpc('evm_setAutomine', false)
      const id = await trade(diego, carla, 4)
      await eventually('it is sent', async () => (await chain.one("SELECT count(*) AS n FROM settle.attempt WHERE state = 'sent'")).n === '1')
      await chain.mine()
      const out = await chain.first(wallet(1003), '0xa9059cbb', wallet(1004), 400n * UNIT)
      await chain.until('the result is told', async () => (await settlement(id)).status === 'settled' && (await chain.one(`SELECT state FROM settle.result WHERE trade_id = ${id}`)).state === 'booked')
      assert.equal(await chain.status(out), '0x1')
      await venue.rpc('evm_setAutomine', true)
      await chain.until('there and back', async () => { assert.deepEqual([await chain.ledger(1003), await chain.ledger(1004)], before); return true })
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: a transfer that is mined anew where there are free units takes those', async () => {
      await venue.rpc('evm_setAutomine', false)
      const id = await trade(diego, carla, 6)
      await eventually('it is sent', async () => (await chain.one("SELECT count(*) AS n FROM settle.attempt WHERE state = 'sent'")).n === '1')
      const snapshot = await venue.rpc('evm_snapshot')
      await chain.until('the result is told', async () => (await chain.one(`SELECT state FROM settle.result WHERE trade_id = ${id}`))?.state === 'booked')
      const unfrozen = async () => (await chain.one(`SELECT coalesce(l.unfrozen, 0)::text AS units FROM chain.request_leg l WHERE l.trade_id = ${id} AND l.state = 'done'`)).units
      assert.equal(await unfrozen(), String(600n * UNIT))
      await venue.rpc('evm_revert', snapshot)
      await venue.rpc('anvil_dropAllTransactions')
      await venue.rpc('evm_increaseTime', 55)
      await chain.first(ISSUER, '0x40c10f19', wallet(1004), 600n * UNIT) // a mint
      await chain.until('it is mined anew', async () => await unfrozen() === '0')
      await venue.rpc('evm_setAutomine', true)
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: what a transfer that was under way took of another agent\'s freeze is the agent\'s no more', async () => {
      await venue.rpc('evm_setAutomine', false)
      const { total } = await chain.ledger(1004)
      const id = await trade(diego, carla, 5)
      await eventually('it is sent', async () => (await chain.one("SELECT count(*) AS n FROM settle.attempt WHERE state = 'sent'")).n === '1')
      for (const selector of ['0x1fe56f7d', '0x125c4a33']) await chain.first(ISSUER, selector, wallet(1004), total * UNIT) // unfrozen, and frozen
      await chain.until('it is settled', async () => (await settlement(id)).status === 'settled')
      assert.equal(await chain.frozen(1004), total - 500n)
      await chain.until('it is seen', async () => { const row = await chain.row(1004); return row.others === String(Number(total - 500n) / 100) && row.frozen === '0' })
      await chain.unfreeze(1004, (total - 500n) * UNIT)
      await venue.rpc('evm_setAutomine', true)
      await chain.until('it is frozen again', async () => (await chain.row(1004)).others === '0' && await chain.frozen(1004) === total - 500n)
      await chain.quiet()
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: nets beside it, those of zero, too', async () => {
      const count = async where => Number((await chain.one(`SELECT count(*) AS n FROM settle.trade t WHERE ${where}`)).n)
      const before = [await chain.ledger(1003), await chain.ledger(1004)]
      await venue.query(`INSERT INTO settle.netting (token_asset) VALUES (${PORT})`)
      for (const back of [4, 7]) {
        await venue.query(`INSERT INTO settle.hold (token_asset, held_by, reason) VALUES (${PORT}, 'test', 'until all are there')`)
        const ids = [await trade(carla, diego, 1), await trade(carla, diego, 3), await trade(diego, carla, back)]
        await venue.query("UPDATE settle.hold SET released_by = 'test', released_at = now() WHERE released_at IS NULL")
        await chain.until('they are told', async () => (await chain.one(`SELECT count(*) AS n FROM settle.result WHERE state = 'booked' AND trade_id IN (${ids.join()})`)).n === '3')
        assert.equal(await count(`trade_id IN (${ids.join()}) AND settlement_type = 'netted' AND net_id = ${ids[0]} AND (tx_hash IS NULL) = ${back === 4} AND coalesce(reason, '') = '${back === 4 ? 'net_zero' : ''}'`), 3)
        await chain.quiet()
        for (const account of [1003, 1004]) await chain.isFrozen(account)
      }
      assert.deepEqual([(await chain.ledger(1003)).total, (await chain.ledger(1004)).total], [before[0].total + 300n, before[1].total - 300n])
      assert.deepEqual((await chain.agrees()).nets, [])
      await venue.query('DELETE FROM settle.netting')
    })

    await suite.test('custody: marks of two persons beside it', async () => {
      const post = (route, body) => venue.administer('POST', route, body)
      await post('/logins', { kind: 'admin', login_name: 'second', password: 'password-of-second', role: 'administrator' })
      const { json: { token } } = await venue.call(venue.admin, 'POST', '/api/v1/login', { body: { user: 'second', password: 'password-of-second' } })
      const marked = async (id, body) => {
        const { mark } = await post(`/trades/${id}/mark`, body)
        assert.equal((await venue.call(venue.admin, 'POST', `/api/v1/admin/settlement/marks/${mark}/approve`, { token, body: {} })).status, 200)
        return mark
      }
      const before = [await chain.ledger(1003), await chain.ledger(1004)]
      const { hold } = await post('/settlement/holds', { account: 1004, reason: 'the custodian settles it' })
      const id = await trade(carla, diego, 2)
      // By another agent: it takes what the venue has frozen, and is in the ledger as what was done outside.
      const hash = await chain.call(ISSUER, '0x9fc1d0e7', wallet(1003), wallet(1004), 200n * UNIT)
      assert.equal(await chain.status(hash), '0x1')
      const mark = await marked(id, { outcome: 'settled_on_chain', tx_hash: hash, reason: 'the custodian has moved it' })
      await chain.until('it is in the ledger', async () => (await venue.administer('GET', '/settlement/marks')).find(m => m.mark === mark).problem === 'transfer_is_in_the_ledger')
      await chain.until('it is booked', async () => (await chain.ledger(1004)).total === before[1].total + 400n)
      await post(`/settlement/marks/${mark}/withdraw`, { reason: 'it is in the ledger' })
      await post('/transfers', { reference: `back ${id}`, account: 1004, to: 1003, asset: 'PORT', amount: '2', note: hash })
      const off = await marked(id, { outcome: 'settled_off_chain', reason: `by ${hash}` })
      await eventually('it is done', async () => (await venue.administer('GET', '/settlement/marks')).find(m => m.mark === off).state === 'done')
      await post(`/settlement/holds/${hold}/release`, { reason: 'done' })
      await chain.quiet()
      assert.match((await settlement(id)).reason, /^manual: by 0x/)
      assert.deepEqual([(await chain.ledger(1003)).total, (await chain.ledger(1004)).total], [before[0].total - 200n, before[1].total + 200n])
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: its rows are lost, and come back from the chain and the record', async () => {
      // Three units are withdrawn and in the wallet still; one purchase is frozen, and not told.
      await venue.administer('POST', '/withdrawals', { reference: 'cu-kept', account: 1004, asset: 'PORT', amount: '3' })
      await chain.quiet()
      await venue.rpc('evm_setAutomine', false)
      const id = await trade(diego, carla, 2)
      const freeze = () => chain.one("SELECT a.state FROM settle.attempt a JOIN chain.custody_request c USING (request_id) WHERE c.open AND a.tx_hash IS NOT NULL")
      // Not a block more than the transfer needs: the freeze is to be on its way, and told to nobody, when the worker stops.
      await chain.until('the freeze is owed', async () => (await settlement(id)).reason === 'awaits_freeze')
      await eventually('the freeze is sent', async () => ['sent', 'mined'].includes((await freeze())?.state))
      process.kill(await venue.livePid('settle'), 'SIGSTOP')
      await venue.rpc('evm_setAutomine', true)
      await chain.mine(4)
      assert.equal(await chain.frozen(1003), await chain.balance(1003), 'its freeze is final')
      const signers = (await venue.query('SELECT signer_address AS signer FROM settle.signer')).flatMap(({ signer }) => ['--signer', signer])
      const untold = await chain.one(`SELECT state FROM settle.result WHERE trade_id = ${id}`)
      assert.equal(untold.state, 'open')
      await chain.lose('custody_request', 'custody_wallet', 'custody_entry', 'custody_need', 'custody_taken', 'freeze_event')
      await venue.kill('settle')
      assert.match((await chain.lonja('settle', 'rebuild', '--from', '0', ...signers)).stdout, /4 wallets in custody/)
      await chain.quiet()
      assert.equal((await settlement(id)).status, 'settled')
      const { released, others, frozen } = await chain.row(1004)
      assert.deepEqual([released, others, frozen], ['3', '0', String(Number(await chain.frozen(1004)) / 100)])
      assert.equal(await chain.balance(1004) - await chain.frozen(1004), 300n)
      await chain.isFrozen(1003)
      await chain.agrees()
      assert.equal((await chain.lonja('settle', 'rebuild', '--from', '0', '--verify')).status, 0)
      // What was withdrawn is the holder's to move, and is not booked as leaving; what is frozen is sold, what is bought is frozen.
      const before = (await chain.ledger(1004)).total
      assert.equal(await chain.status(await chain.transfer(1004, 1003, 300n * UNIT)), '0x1')
      for (const [seller, buyer] of [[diego, carla], [carla, diego]]) await trade(seller, buyer, 1)
      await chain.quiet()
      assert.equal((await chain.ledger(1004)).total, before)
      for (const account of [1003, 1004]) await chain.isFrozen(account)
      await chain.agrees()
    })

    await suite.test('custody: watched again, all of it is free', async () => {
      await chain.instrument({ status: 'paused', sell_unsettled: false })
      await venue.administer('POST', `/assets/${PORT}/custody`, { custody: 'watched' })
      await chain.until('nothing is frozen', async () => (await Promise.all(demo.accounts.map(({ account }) => chain.frozen(account)))).every(units => units === 0n))
      await chain.quiet()
      await chain.agrees()
    })
    await suite.test('custody: at the end sums are zero', () => venue.sumsAreZero())
  } finally { await venue.stop() }
})
