// Settlement instructions whose token has a contract, between carla (1003) and diego (1004), on a live venue with its chain: the cash is
// held, the chain moves the token, and only then all of it moves in the ledger. `chain` is a TokenVenue of token PORT.
import assert from 'node:assert/strict'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { wallet } from '../lib/token_venue.mjs'
import { eventually } from '../lib/venue.mjs'

const ISSUER = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266' // an agent of the token that is not the venue
const SET_ADDRESS_FROZEN = '0xc69c09cf'

// The venue signs nothing of an instruction within two seconds of its cut-off: settle.xvp_margin_ms=2000.
export async function xvpChain (suite, venue, chain) {
  const tokens = { carla: await venue.login(venue.web, 'carla'), diego: await venue.login(venue.web, 'diego') }
  const post = (route, body) => venue.administer('POST', route, body ?? {})
  const read = xvp => venue.administer('GET', `/xvp/${xvp}`)
  const act = (who, xvp, action) => venue.call(venue.web, 'POST', `/api/v1/xvp/${xvp}/${action}`, { token: tokens[who], body: {} })
  const acted = async (...asked) => {
    const { status, json } = await act(...asked)
    assert.equal(status, 200, JSON.stringify(json))
    return json
  }
  const in_ = seconds => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, '')
  const balance = async (account, symbol) => {
    const found = (await venue.administer('GET', `/balances?account=${account}`)).balances.find(b => b.symbol === symbol)
    return [Math.round(Number(found?.available ?? 0) * 100), Math.round(Number(found?.held ?? 0) * 100)]
  }
  const onChain = async account => BigInt(await venue.rpc('eth_call', { to: chain.token, data: '0x70a08231' + wallet(account).slice(2).padStart(64, '0') }, 'latest'))
  // Four of carla's PORT for diego's money; both have approved.
  const settling = async (reference, seconds) => {
    const { xvp } = await post('/xvp', {
      reference: `${reference} ${Date.now()}`, name: 'a block on the chain', cutoff: in_(seconds),
      legs: [{ from: 1003, to: 1004, asset: 'PORT', amount: '4' }, { from: 1004, to: 1003, asset: 'USD', amount: '390.5' }]
    })
    await acted('carla', xvp, 'approve')
    assert.equal((await acted('diego', xvp, 'approve')).state, 'settling')
    return xvp
  }
  const becomes = (xvp, state) => eventually(`the instruction is ${state}`, async () => {
    await chain.mine()
    const seen = await read(xvp)
    return seen.state === state && seen
  }, PATIENCE_MS, 200)
  const started = async () => ({ port: [await balance(1003, 'PORT'), await balance(1004, 'PORT')], usd: await balance(1004, 'USD'), wallets: [await onChain(1003), await onChain(1004)] })
  const exchanged = async before => {
    const [carla, diego] = before.port
    assert.deepEqual([await balance(1003, 'PORT'), await balance(1004, 'PORT')], [[carla[0] - 400, carla[1]], [diego[0] + 400, diego[1]]])
    assert.deepEqual(await balance(1004, 'USD'), [before.usd[0] - 39050, before.usd[1]])
    const four = 4n * 10n ** 18n
    assert.deepEqual([await onChain(1003), await onChain(1004)], [before.wallets[0] - four, before.wallets[1] + four])
  }

  await suite.test('instructions on the chain: held, moved on the chain, executed; ledger and chain agree all the way', async () => {
    const before = await started()
    const { hold } = await post('/settlement/holds', { account: 1004, reason: 'to look at it on its way' })
    const xvp = await settling('way', 600)
    const seen = await read(xvp)
    assert.deepEqual([seen.open, seen.settlement, seen.chain_token, seen.chain_status ?? 'pending', seen.tx_hash], [true, 'chain', 'PORT', 'pending', null])
    assert.equal((await balance(1004, 'USD'))[1] - before.usd[1], 39050)
    for (const [who, action] of [['carla', 'revoke'], ['diego', 'cancel'], ['carla', 'execute']]) {
      const { status, json } = await act(who, xvp, action)
      assert.deepEqual([status, json.error?.name], [409, 'XVP_SETTLING'])
    }
    await eventually('it waits, and says why', async () => (await read(xvp)).chain_reason === 'held', PATIENCE_MS, 200)
    await chain.agrees()
    await post(`/settlement/holds/${hold}/release`, { reason: 'seen' })
    const sent = await eventually('its transaction is sent', async () => { const now = await read(xvp); return now.tx_hash !== null && now }, PATIENCE_MS, 100)
    process.kill(await venue.livePid('settle'), 'SIGKILL') // what is sent is sent
    const executed = await becomes(xvp, 'executed')
    assert.deepEqual([executed.tx_hash, executed.chain_status, executed.settlement], [sent.tx_hash, 'settled', 'chain'])
    assert.deepEqual(executed.steps.map(s => s.step), ['created', 'approved', 'approved', 'settling', 'executed'])
    await exchanged(before)
    const [{ n }] = await venue.query(`SELECT count(*) AS n FROM settle.attempt a JOIN chain.request_leg l USING (request_id) JOIN settle.trade w USING (trade_id)
      WHERE w.xvp_id = ${xvp} AND a.state = 'confirmed' AND EXISTS (SELECT FROM chain.transfer_check c WHERE c.request_id = a.request_id)`)
    assert.equal(n, '1')
    await chain.agrees()
    assert.deepEqual(await venue.query('SELECT account_id FROM record.balance WHERE account_id = 5 AND (available, held) <> (0, 0)'), [])
    const own = (await venue.call(venue.web, 'GET', '/api/v1/xvp', { token: tokens.diego })).json.instructions.find(i => i.xvp === String(xvp))
    assert.deepEqual([own.state, own.settlement, own.tx_hash], ['executed', 'chain', sent.tx_hash])
    const text = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    assert.match(text, /^lonja_xvp_total\{step="settling"\} 1$/m)
  })

  await suite.test('instructions on the chain: what compliance refuses comes back with the reason, and is executed when it is gone', async () => {
    const before = await started()
    await chain.call(ISSUER, SET_ADDRESS_FROZEN, wallet(1004), 1)
    const xvp = await settling('frozen', 600)
    const back = await becomes(xvp, 'approved')
    assert.deepEqual([back.chain_status, back.chain_reason, back.tx_hash], ['failed', 'frozen_receiver', null])
    assert.equal(back.steps.at(-1).step, 'returned')
    assert.equal((await balance(1004, 'USD'))[1] - before.usd[1], 39050) // what was approved stands
    await chain.call(ISSUER, SET_ADDRESS_FROZEN, wallet(1004), 0)
    assert.equal((await acted('carla', xvp, 'execute')).state, 'settling')
    const executed = await becomes(xvp, 'executed')
    assert.deepEqual(executed.steps.slice(-4).map(s => s.step), ['settling', 'returned', 'settling', 'executed'])
    await exchanged(before)
    await chain.agrees()
    const rows = await venue.query(`SELECT settlement_status AS status, (SELECT count(*) FROM settle.result r WHERE r.trade_id = w.trade_id AND r.state = 'booked') AS results
      FROM settle.trade w WHERE xvp_id = ${xvp} ORDER BY trade_id`)
    assert.deepEqual(rows, [{ status: 'failed', results: '1' }, { status: 'settled', results: '1' }])
  })

  await suite.test('instructions on the chain: nothing is signed at the cut-off; it comes back and ends', async () => {
    const before = await started()
    const { hold } = await post('/settlement/holds', { account: 1003, reason: 'until it is too late' })
    const xvp = await settling('late', 5)
    const ended = await becomes(xvp, 'expired')
    assert.deepEqual([ended.chain_status, ended.chain_reason, ended.steps.slice(-3).map(s => s.step)], ['failed', 'cut_off_passed', ['settling', 'returned', 'expired']])
    assert.deepEqual(await started(), before)
    assert.deepEqual(await venue.query(`SELECT request_id FROM chain.request_leg JOIN settle.trade USING (trade_id) WHERE xvp_id = ${xvp}`), [])
    await post(`/settlement/holds/${hold}/release`, { reason: 'it is too late' })
    await chain.agrees()
  })

  await suite.test('instructions on the chain: two such tokens, or one that goes elsewhere too, are refused', async () => {
    const refused = async (legs, more = {}) => {
      const { status, json } = await venue.call(venue.admin, 'POST', '/api/v1/admin/xvp', { token: await venue.login(venue.admin, 'admin'), body: { reference: `no ${Date.now()}`, name: 'no', cutoff: in_(60), legs, ...more } })
      return [status, json.error?.name]
    }
    const port = { from: 1003, to: 1004, asset: 'PORT', amount: '1' }
    assert.deepEqual(await refused([port, { from: 1004, to: 1003, asset: 'ATUN', amount: '1' }]), [409, 'XVP_ON_CHAIN'])
    const elsewhere = { kind: 'external', ledger: 'Ethereum', asset: 'ETH', amount: '1', from: '0xD1e60', to: '0xCa51a', claimed: 'last', deadline: in_(7200) }
    assert.deepEqual(await refused([port, elsewhere], { hashlock: '0x' + '12'.repeat(32) }), [409, 'XVP_ON_CHAIN'])
    const custody = word => venue.query(`SET session_replication_role = replica; UPDATE people.token SET custody = '${word}'
      WHERE asset_id = (SELECT asset_id FROM people.asset WHERE symbol = 'ATUN')`) // by no way that there is: only for what is asked here
    await custody('frozen')
    assert.deepEqual(await refused([{ from: 1003, to: 1004, asset: 'ATUN', amount: '1' }]), [409, 'XVP_ON_CHAIN'])
    await custody('watched')
  })

  await suite.test('instructions on the chain: when settlement\'s rows are lost, the chain and the record give them back', async () => {
    const kept = async () => [
      await venue.query('SELECT trade_id, xvp_id, move, settlement_status, tx_hash FROM settle.trade WHERE xvp_id IS NOT NULL ORDER BY 1'),
      await venue.query(`SELECT l.request_id, l.trade_id, lower(l.from_address), lower(l.to_address), l.amount, l.log_index FROM chain.request_leg l
        JOIN settle.trade w USING (trade_id) WHERE w.xvp_id IS NOT NULL AND l.state = 'done' ORDER BY 2`),
      await venue.query(`SELECT trade_id, outcome, ref_number, r.state FROM settle.result r JOIN settle.trade w USING (trade_id) WHERE w.xvp_id IS NOT NULL ORDER BY 3`)]
    const before = await kept()
    assert.deepEqual(before.map(rows => rows.length), [4, 2, 4])
    const signers = (await venue.query('SELECT signer_address AS signer FROM settle.signer')).flatMap(({ signer }) => ['--signer', signer])
    await chain.lose()
    await venue.kill('settle')
    let rebuilt
    await eventually('it is rebuilt', async () => {
      rebuilt = await chain.lonja('settle', 'rebuild', '--from', '0', ...signers)
      if (rebuilt.status !== 0) throw new Error(rebuilt.stdout + rebuilt.stderr)
      return true
    }, PATIENCE_MS, 500)
    assert.deepEqual(await kept(), before, rebuilt.stdout)
    await chain.agrees()
  })
}
