// The settlement desk: what operators see of trades on their way to finality, and what they may do about them, by REST, by
// word, on Redis and on the metrics page.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { missing } from '../lib/alerts.mjs'
import { bin, demo, eventually } from '../lib/venue.mjs'

const execute = promisify(execFile)
const symbol = 'ATUN'
const stranger = '0x00000000000000000000000000000000000057a7' // a wallet that no token knows

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
  // A trade of theirs; answers with its id once the record has it.
  const sell = async (seller, buyer, quantity) => {
    const ids = []
    for (const [client, side] of [[seller, 'sell'], [buyer, 'buy']]) {
      const answer = await client.request({ op: 'place', symbol, side, quantity, price: '25', client_order_id: `desk${++serial}` })
      assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
      ids.push(answer.order.order)
    }
    const [{ id }] = await eventually('the trade is recorded', async () => {
      const rows = await venue.query(`SELECT id FROM public.trades WHERE sell_order_id = ${ids[0]} AND buy_order_id = ${ids[1]}`)
      return rows.length === 1 && rows
    })
    return Number(id)
  }
  const trade = quantity => sell(carla, diego, quantity)
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
    const { evidence, attempts } = await get(`/trades/${id}`)
    assert.ok(evidence.length >= 1 && attempts.length === 1, JSON.stringify(evidence))
    const before = evidence.find(c => c.stage === 'before_signing')
    assert.deepEqual([before.request, before.verdict, before.paused, before.can_transfer, before.from_verified, before.to_verified],
      [attempts[0].request, 'allowed', false, true, true, true])
    assert.ok(before.block < attempts[0].block && /^0x[0-9a-f]{64}$/.test(before.block_hash) && BigInt(before.balance) >= BigInt(before.amount))
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

  await suite.test('desk: what hinders settlement stands in lonja status, too, and is gone when it is over', async () => {
    const status = () => execute(path.join(bin, 'lonja'), ['status', '--config', path.join(venue.folder, 'lonja.conf')])
      .then(({ stdout }) => ({ code: 0, stdout }), ({ code, stdout }) => ({ code, stdout }))
    const says = (code, words) => eventually(`lonja status ends with ${code}, says ${words}`, async () => {
      const said = await status()
      return said.code === code && words.test(said.stdout)
    })
    const frozen = async (pid, code, words) => {
      process.kill(pid, 'SIGSTOP')
      try { await says(code, words) } finally { process.kill(pid, 'SIGCONT') }
      await says(0, /^settle +running/m)
    }
    await says(0, /^settle +running/m)
    await frozen(await venue.livePid('sign'), 1, /^settle: signer_unavailable, .*signer/m)
    await frozen(Number(fs.readFileSync(path.join(venue.folder, 'anvil/pid'), 'utf8')), 1, /^settle: node_unavailable, [^]*^index: chain_not_read, /m)
  })

  await suite.test('desk: every metric that an alert rule names is exported', async () => {
    const page = async () => (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    await eventually('all of them', async () => {
      assert.deepEqual(missing(await page()), [])
      return true
    })
    await stepIs(await trade('2'), 'settled') // something was spent
    const [fuel] = await venue.query('SELECT signer, balance_wei, spent_wei, days FROM settle.signer_fuel')
    const left = BigInt(await venue.rpc('eth_getBalance', fuel.signer, 'latest')) // the worker asks once a minute
    assert.ok(BigInt(fuel.balance_wei) >= left && BigInt(fuel.balance_wei) <= left + BigInt(fuel.spent_wei), JSON.stringify([fuel, String(left)]))
    const days = await eventually('the account in days', async () => venue.metric(`settlement_signer_gas_days{chain_id="31337",signer="${fuel.signer}"}`))
    assert.ok(Math.abs(days - Number(fuel.balance_wei) / Number(fuel.spent_wei)) / days < 0.2, `${days}`) // all of it was spent today
    assert.equal(await venue.metric(`settlement_proof_valid{symbol="${symbol}"}`), 1)
  })

  await suite.test('desk: filters, and bad input', async () => {
    assert.deepEqual(await get('/trades?status=settled&limit=1').then(rows => rows.map(t => t.status)), ['settled'])
    assert.deepEqual(await get('/trades?account=999999'), [])
    for (const [name, filter] of [['MALFORMED', 'status=done'], ['BAD_NUMBER', 'limit=0'], ['BAD_NUMBER', 'limit=1001'], ['BAD_NUMBER', 'token=x'],
      ['BAD_NUMBER', 'trade=-1'], ['BAD_NUMBER', 'account=99999999999'], ['BAD_NUMBER', `trade=${'9'.repeat(40)}`]]) await refused(name, 'GET', `/settlement/trades?${filter}`)
  })

  // ---- by hand: `admin` and `night` are administrators, `watch` is an operator, `eye` an auditor
  const tokens = {}
  const ask = async (who, method, route, body) => {
    tokens[who] ??= await venue.login(venue.admin, who)
    return venue.call(venue.admin, method, `/api/v1/admin${route}`, { token: tokens[who], body })
  }
  const post = async (who, route, body = {}) => {
    const { status, json } = await ask(who, 'POST', route, body)
    assert.equal(status, 200, `${route} ${JSON.stringify(json)}`)
    return json
  }
  const refuses = async (who, name, route, body = {}) => {
    const { status, json } = await ask(who, 'POST', route, body)
    assert.ok(status >= 400 && status < 500, `${route} was taken: ${JSON.stringify(json)}`)
    assert.equal(json.error.name, name, JSON.stringify(json.error))
    return json.error
  }
  const list = async (what, id) => (await get(`/${what}`)).find(row => row[what.slice(0, -1)] === id)
  const as = (who, ...words) => cli('--user', who, '--password-file', path.join(venue.folder, `secrets/login-${who}`), ...words)
  const lane = async () => (await get('')).tokens.find(t => t.symbol === symbol)
  const people = async () => {
    for (const [name, role] of [['night', 'administrator'], ['watch', 'operator'], ['eye', 'auditor']]) {
      fs.writeFileSync(path.join(venue.folder, `secrets/login-${name}`), `password-of-${name}`, { mode: 0o600 })
      await venue.administer('POST', '/logins', { kind: 'admin', login_name: name, password: `password-of-${name}`, role })
    }
  }
  // Until he has a wallet that the token knows, no trade of diego's can be settled.
  const walletOf = address => venue.administer('POST', '/accounts', { account: 1004, wallet_address: address })
  await suite.test('desk: an account, a token, the venue, a trade are held and released; who may, and bad input', async () => {
    await people()
    const { hold, ...rest } = await post('watch', '/settlement/holds', { account: 1004, reason: 'a call from his bank' })
    assert.deepEqual(rest, { state: 'held' })
    const id = await trade('2')
    const seen = await eventually('it is held', async () => { const t = await step(id); return t?.reason === 'held' && t })
    assert.deepEqual([seen.step, /held by an operator/.test(seen.reason_text), /lonja admin holds/.test(seen.todo)], ['pending', true, true])
    assert.equal((await lane()).state, 'running')
    assert.deepEqual(await post('night', '/settlement/holds', { account: 1004, reason: 'again' }), { hold, state: 'held', repeated: true, held_by: 'watch' })
    const row = await list('holds', hold)
    assert.deepEqual([row.scope, row.account, row.held_by, row.reason, row.open], ['account', 1004, 'watch', 'a call from his bank', true])
    assert.deepEqual((await get(`/trades/${id}`)).holds.map(h => h.hold), [hold])
    // A trade and the token, too; by word.
    const [two] = await as('night', 'hold', 'trade', String(id), 'so', 'that', 'two', 'hold', 'it')
    const [three] = await as('night', 'hold', 'token', symbol, 'a rumour')
    const held = await lane()
    assert.deepEqual([held.state, held.reason, held.reason_text], ['held', 'a rumour', 'a rumour'])
    assert.equal((await get('')).holds, 3)
    assert.deepEqual(await as('night', 'holds', '1').then(rows => rows.map(h => [h.scope, h.symbol, h.reason])), [['token', symbol, 'a rumour']])
    assert.deepEqual(await post('watch', `/settlement/holds/${hold}/release`, { reason: 'his bank says yes' }), { hold, state: 'released' })
    assert.deepEqual(await post('watch', `/settlement/holds/${hold}/release`, { reason: 'once more' }), { hold, state: 'released', repeated: true })
    await refuses('night', 'HOLD', `/settlement/holds/${hold}/release`, { reason: 'I, too' })
    await as('night', 'release', String(two.hold), 'one', 'is', 'enough')
    assert.equal((await step(id)).step, 'pending')
    const [venues] = await as('night', 'hold', 'venue', 'everything stops')
    await as('night', 'release', String(three.hold), 'no rumour')
    await new Promise(resolve => setTimeout(resolve, 1500))
    assert.equal((await step(id)).step, 'pending')
    await as('night', 'release', String(venues.hold), 'goes on')
    await stepIs(id, 'settled')
    for (const [name, body] of [['REASON_LENGTH', { venue: true, reason: ' ' }], ['REASON_LENGTH', { venue: true, reason: 'x'.repeat(501) }], ['MISSING_FIELD', { venue: true }],
      ['MALFORMED', { reason: 'which?' }], ['MALFORMED', { venue: false, reason: 'x' }], ['MALFORMED', { venue: true, token: symbol, reason: 'x' }], ['MALFORMED', { token: {}, reason: 'x' }],
      ['UNKNOWN_ASSET', { token: 'NONE', reason: 'x' }], ['UNKNOWN_ASSET', { token: 'USD', reason: 'x' }], ['UNKNOWN_ASSET', { token: 99999, reason: 'x' }],
      ['UNKNOWN_ACCOUNT', { account: 999999, reason: 'x' }], ['MALFORMED', { account: '1004', reason: 'x' }], ['NOT_FOUND', { trade: 1, reason: 'x' }], ['NOT_FOUND', { trade: id, reason: 'settled' }],
      ['UNKNOWN_FIELD', { venue: true, reason: 'x', who: 'me' }]]) await refuses('watch', name, '/settlement/holds', body)
    assert.deepEqual((await refuses('watch', 'REASON_LENGTH', '/settlement/holds', { venue: true, reason: 'x'.repeat(501) })).limit, '500')
    await refuses('eye', 'FORBIDDEN', '/settlement/holds', { venue: true, reason: 'x' })
    await refuses('watch', 'HOLD', '/settlement/holds/999999999/release', { reason: 'x' })
    assert.equal((await get('')).holds, 0)
    const [audit] = await venue.query(`SELECT actor, outcome, details->>'account' AS account FROM people.audit_log WHERE action LIKE '%settlement/holds' AND details->>'reason' = 'a call from his bank'`)
    assert.deepEqual(audit, { actor: 'watch', outcome: 'done', account: '1004' })
  })

  await suite.test('desk: a mark is proposed by one and approved by another; the chain is asked, and the mark says what is missing', async () => {
    const { wallet } = demo.accounts.find(a => a.account === 1004)
    const first = await stepIs(await sell(carla, diego, '3'), 'settled')
    await walletOf(stranger)
    const back = await sell(diego, carla, '3')
    await stepIs(back, 'failed')
    const id = await sell(carla, diego, '3')
    const failed = await stepIs(id, 'failed')
    assert.deepEqual([failed.reason, /register it/.test(failed.todo)], ['not_registered_receiver', true])
    const { evidence: [why], attempts: none } = await get(`/trades/${id}`)
    assert.deepEqual([why.verdict, why.code, why.to_verified, none], ['refused', 'not_registered_receiver', false, []])
    await walletOf(wallet)
    const body = { outcome: 'settled_on_chain', tx_hash: first.tx_hash.toUpperCase().replace('0X', '0x'), reason: 'I saw it' }
    for (const [name, wrong] of [['MALFORMED', { ...body, tx_hash: '0x12' }], ['MALFORMED', { ...body, tx_hash: `0x${'g'.repeat(64)}` }], ['MISSING_FIELD', { ...body, tx_hash: undefined }],
      ['MALFORMED', { ...body, outcome: 'settled_off_chain' }], ['MALFORMED', { ...body, outcome: 'done' }], ['REASON_LENGTH', { ...body, reason: '' }], ['UNKNOWN_FIELD', { ...body, by: 'me' }],
      ['MARK_TRADE', { outcome: 'failed', reason: 'it has' }]]) await refuses('admin', name, `/trades/${id}/mark`, wrong)
    await refuses('admin', 'MARK_TRADE', `/trades/${first.trade}/mark`, { outcome: 'failed', reason: 'x' })
    await refuses('admin', 'NOT_FOUND', '/trades/1/mark', { outcome: 'failed', reason: 'x' })
    await refuses('watch', 'FORBIDDEN', `/trades/${id}/mark`, body)
    const { mark, state } = await post('admin', `/trades/${id}/mark`, body)
    assert.equal(state, 'proposed')
    assert.deepEqual(await post('admin', `/trades/${id}/mark`, { ...body, reason: 'as I said' }), { mark, state: 'proposed', repeated: true })
    await refuses('admin', 'MARK_OPEN', `/trades/${id}/mark`, { outcome: 'settled_off_chain', reason: 'or so' })
    await refuses('night', 'MARK_OPEN', `/trades/${id}/mark`, body)
    assert.match((await refuses('admin', 'CORRECTION', `/trades/${id}/bust`, { reference: `desk ${id}` })).text, /a mark of the trade/)
    await refuses('admin', 'TWO_PERSONS', `/settlement/marks/${mark}/approve`)
    await refuses('watch', 'FORBIDDEN', `/settlement/marks/${mark}/approve`)
    await refuses('night', 'MARK', '/settlement/marks/999999999/approve')
    assert.equal((await list('marks', mark)).state, 'proposed')
    assert.deepEqual(await as('night', 'marks', 'approve', String(mark)), [{ mark, state: 'approved' }])
    assert.deepEqual(await post('night', `/settlement/marks/${mark}/approve`), { mark, state: 'approved', repeated: true })
    await refuses('admin', 'MARK', `/settlement/marks/${mark}/approve`)
    const waits = await eventually('the worker has looked', async () => { const m = await list('marks', mark); return m.problem !== null && m })
    assert.deepEqual([waits.state, waits.problem, waits.open, waits.proposed_by, waits.approved_by], ['approved', 'transfer_is_of_another_trade', true, 'admin', 'night'])
    assert.match(waits.todo, /withdraw the mark/)
    assert.equal((await step(id)).step, 'failed')
    await refuses('admin', 'REASON_LENGTH', `/settlement/marks/${mark}/withdraw`, { reason: '\t' })
    assert.deepEqual(await as('watch', 'marks', 'withdraw', String(mark), 'it', 'was', 'the', 'other', 'trade'), [{ mark, state: 'withdrawn' }])
    await refuses('admin', 'MARK', `/settlement/marks/${mark}/withdraw`, { reason: 'x' })
    await refuses('night', 'MARK', `/settlement/marks/${mark}/approve`)
    // Both ways off the chain, so that nothing is owed in the end.
    for (const trade of [id, back]) {
      const [mine] = await cli('mark', String(trade), 'settled-off-chain', 'both', 'have', 'signed')
      assert.equal((await get('')).marks_open, 1)
      await as('night', 'marks', 'approve', String(mine.mark))
      const seen = await stepIs(trade, 'settled')
      assert.deepEqual([seen.type, seen.reason], ['off_chain', 'manual: both have signed (admin, night)'])
      const done = await eventually('it is answered', async () => { const m = await list('marks', mine.mark); return m.state === 'done' && m })
      assert.deepEqual([done.answer, done.problem, done.open], ['done', null, false])
    }
    const all = (await cli('settlement', String(id)))[0]
    assert.deepEqual([all.trade.status, all.marks.map(m => m.state), all.history.map(h => h.to_status)], ['settled', ['withdrawn', 'done'], ['pending', 'processing', 'failed', 'pending', 'settled']])
    const told = (await get(`/trades/${first.trade}`)).attempts[0]
    assert.deepEqual([told.state, told.tx_hash, told.legs, BigInt(told.fee_wei) === BigInt(told.gas_used) * BigInt(told.gas_price_wei)], ['confirmed', first.tx_hash, 1, true])
    assert.equal((await ask('eye', 'GET', '/settlement/trades/1')).status, 404)
  })

  await suite.test('desk: a request that does not move is given up by one and another', async () => {
    const { trade: settled } = await stepIs(await sell(carla, diego, '1'), 'settled')
    // A request of another chain than the worker's stays where it is.
    const [{ request_id }] = await venue.query(`INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address) VALUES ('desk', 'burn', 424242, '${stranger}') RETURNING request_id`)
    const request = Number(request_id)
    const all = '/settlement/abandonments'
    for (const [name, wrong] of [['MALFORMED', { reason: 'which?' }], ['MALFORMED', { request, trade: settled, reason: 'both' }], ['MALFORMED', { request: 'x', reason: 'x' }],
      ['REASON_LENGTH', { request, reason: ' ' }], ['UNKNOWN_FIELD', { request, reason: 'x', by: 'me' }], ['NOT_FOUND', { trade: 1, reason: 'x' }], ['NOT_FOUND', { request: 999999999, reason: 'x' }],
      ['ABANDONMENT_REQUEST', { trade: settled, reason: 'too late' }]]) await refuses('admin', name, all, wrong)
    await refuses('watch', 'FORBIDDEN', all, { request, reason: 'x' })
    const { abandonment, state } = await post('admin', all, { request, reason: 'it hangs' })
    assert.equal(state, 'proposed')
    assert.deepEqual(await post('admin', all, { request, reason: 'as I said' }), { abandonment, state: 'proposed', repeated: true })
    await refuses('night', 'ABANDONMENT_OPEN', all, { request, reason: 'I, too' })
    await refuses('admin', 'TWO_PERSONS', `${all}/${abandonment}/approve`)
    await refuses('watch', 'FORBIDDEN', `${all}/${abandonment}/approve`)
    assert.deepEqual(await as('watch', 'abandonments', 'withdraw', String(abandonment), 'it', 'moves', 'again'), [{ abandonment, state: 'withdrawn' }])
    await refuses('night', 'ABANDONMENT', `${all}/${abandonment}/approve`)
    const [second] = await cli('abandon', 'request', String(request), 'now', 'it', 'hangs')
    assert.deepEqual(await as('night', 'abandonments', 'approve', String(second.abandonment)), [{ abandonment: second.abandonment, state: 'approved' }])
    assert.deepEqual(await post('night', `${all}/${second.abandonment}/approve`), { abandonment: second.abandonment, state: 'approved', repeated: true })
    await refuses('admin', 'ABANDONMENT', `${all}/${second.abandonment}/withdraw`, { reason: 'too late' })
    const done = await eventually('it is answered', async () => { const a = await list('abandonments', second.abandonment); return a.state === 'done' && a })
    assert.deepEqual([done.request, done.reason, done.proposed_by, done.approved_by, done.open], [request, 'now it hangs', 'admin', 'night', false])
    assert.deepEqual(await venue.query(`SELECT state, reason FROM chain.chain_request WHERE request_id = ${request}`), [{ state: 'rejected', reason: 'abandoned: now it hangs (admin, night)' }])
  })

  await suite.test('desk: a custody proof is recorded by one, verified by another, revoked by one', async () => {
    const all = '/settlement/proofs'
    const hash = `0x${'Ab'.repeat(32)}`
    const good = { token: symbol, custodian_reference: 'vault 9', proof_hash: hash, quantity: '250000.5', expires_at: '2099-01-01' }
    const standing = async () => (await get('/proofs/tokens')).find(t => t.symbol === symbol)
    const of = id => list('proofs', id)
    for (const [name, wrong] of [['MISSING_FIELD', { ...good, token: undefined }], ['UNKNOWN_ASSET', { ...good, token: 'FISH' }], ['MALFORMED', { ...good, token: [2] }],
      ['MISSING_FIELD', { ...good, proof_hash: undefined }], ['MALFORMED', { ...good, proof_hash: hash.slice(0, 65) }], ['MALFORMED', { ...good, custodian_reference: ' ' }],
      ['MALFORMED', { ...good, custodian_reference: 'x'.repeat(201) }], ['MISSING_FIELD', { ...good, quantity: undefined }], ['MALFORMED', { ...good, quantity: 5 }],
      ...['0', '0.0', '-1', '1e5', '', '.5', '1.', '1'.repeat(41), `1.${'1'.repeat(37)}`].map(quantity => ['BAD_NUMBER', { ...good, quantity }]),
      ...['2020-01-01', '2099-02-31', 'soon', '2099-01-01T00:00:00+02:00', '2099-01-01 '].map(expires_at => ['MALFORMED', { ...good, expires_at }]),
      ['MALFORMED', { ...good, reason: 'none is needed' }], ['MALFORMED', { ...good, waive: true, reason: 'x' }], ['REASON_LENGTH', { token: symbol, custodian_reference: 'x', waive: true, reason: ' ' }],
      ['MISSING_FIELD', { token: symbol, custodian_reference: 'x', waive: true }], ['UNKNOWN_FIELD', { ...good, verified_by: 'me' }]]) await refuses('admin', name, all, wrong)
    await refuses('watch', 'FORBIDDEN', all, good)
    const before = await standing()
    assert.equal(before.state, 'valid') // the demo's
    const { proof, state } = await post('admin', all, good)
    assert.equal(state, 'recorded')
    assert.deepEqual(await post('admin', all, good), { proof, state: 'recorded', repeated: true })
    await refuses('admin', 'TWO_PERSONS', `${all}/${proof}/verify`)
    await refuses('watch', 'FORBIDDEN', `${all}/${proof}/verify`)
    await refuses('night', 'PROOF', `${all}/999999/verify`)
    assert.deepEqual((await standing()).proof, before.proof)
    assert.deepEqual(await as('night', 'proofs', 'verify', String(proof)), [{ proof, state: 'valid' }])
    assert.deepEqual(await post('night', `${all}/${proof}/verify`), { proof, state: 'valid', repeated: true })
    const { expires_at: until, ...now } = await standing()
    assert.deepEqual([now, until.slice(0, 10)], [{ token: now.token, symbol, state: 'valid', proof, waiver: false, covered: '250000.5', waiting: 0 }, '2099-01-01'])
    const row = await of(proof)
    assert.deepEqual([row.state, row.proof_hash, row.quantity, row.recorded_by, row.verified_by, row.open], ['valid', hash.toLowerCase(), '250000.5', 'admin', 'night', false])
    assert.equal((await of(before.proof)).state, 'superseded')
    assert.deepEqual(await as('watch', 'proofs', 'revoke', String(proof), 'the', 'vault', 'was', 'moved'), [{ proof, state: 'revoked' }])
    await refuses('watch', 'REASON_LENGTH', `${all}/${proof}/revoke`, { reason: '' })
    await refuses('night', 'PROOF', `${all}/${proof}/revoke`, { reason: 'me, too' })
    await refuses('night', 'PROOF', `${all}/${proof}/verify`)
    assert.deepEqual([(await standing()).state, (await of(proof)).revoke_reason], ['revoked', 'the vault was moved'])
    const file = path.join(venue.folder, 'statement.txt')
    fs.writeFileSync(file, 'abc')
    const [mine] = await cli('proofs', 'record', symbol, '1000000000', 'vault 10', file)
    assert.equal((await of(mine.proof)).proof_hash, '0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    const [waiver] = await cli('proofs', 'waive', symbol, 'board 12', 'none', 'is', 'needed')
    await as('night', 'proofs', 'verify', String(waiver.proof))
    assert.deepEqual([(await standing()).waiver, (await standing()).covered, (await of(waiver.proof)).reason], [true, null, 'none is needed'])
    assert.deepEqual((await cli('proofs', '1')).map(p => [p.proof, p.state]), [[mine.proof, 'recorded']])
    await as('night', 'proofs', 'verify', String(mine.proof))
    assert.deepEqual([(await standing()).proof, (await of(waiver.proof)).state], [mine.proof, 'superseded'])
  })

  await suite.test('desk: an incident halts its token until two persons close it', async () => {
    const [{ incident_id: id }] = await venue.query(`INSERT INTO settle.incident (kind, request_id, token_asset) SELECT 'moved_twice', max(request_id), (SELECT asset_id FROM people.asset
      WHERE symbol = '${symbol}') FROM chain.chain_request RETURNING incident_id`)
    const incident = Number(id)
    const halted = await lane()
    assert.deepEqual([halted.state, halted.reason, /lonja admin incidents/.test(halted.todo)], ['halted', 'incident: moved_twice', true])
    const held = await sell(carla, diego, '2')
    await eventually('the trade waits', async () => (await step(held))?.reason === 'held')
    const route = `/settlement/incidents/${incident}`
    await refuses('night', 'INCIDENT', `${route}/approve`)
    await refuses('watch', 'FORBIDDEN', `${route}/close`, { reason: 'x' })
    assert.deepEqual(await cli('incidents', 'close', id, 'it', 'was', 'a', 'test'), [{ incident, state: 'closing' }])
    assert.deepEqual(await post('admin', `${route}/close`, { reason: 'again' }), { incident, state: 'closing', repeated: true })
    await refuses('night', 'INCIDENT', `${route}/close`, { reason: 'me first' })
    await refuses('admin', 'TWO_PERSONS', `${route}/approve`)
    assert.deepEqual(await post('watch', `${route}/withdraw`), { incident, state: 'open' })
    assert.equal((await lane()).state, 'halted')
    await post('admin', `${route}/close`, { reason: 'it was a test' })
    const row = await list('incidents', incident)
    assert.deepEqual([row.state, row.close_reason, row.close_proposed_by, row.closed_by], ['closing', 'it was a test', 'admin', null])
    assert.deepEqual(await as('night', 'incidents', 'approve', id), [{ incident, state: 'closed' }])
    assert.deepEqual(await post('night', `${route}/approve`), { incident, state: 'closed', repeated: true })
    await refuses('admin', 'INCIDENT', `${route}/approve`)
    await refuses('admin', 'INCIDENT', `${route}/close`, { reason: 'x' })
    await refuses('admin', 'INCIDENT', `${route}/withdraw`)
    assert.equal((await lane()).state, 'running')
    await stepIs(held, 'settled')
    assert.equal((await get('')).incidents_open, 0)
  })

  await suite.test('desk: every figure of REST, Redis and the metrics page is what tables and chain say by themselves', async () => {
    const allBooked = () => eventually('all is booked', async () => (await get('')).results_waiting === 0)
    await allBooked() // or the next worker counts a result that was there before it is asked what the time is
    await venue.kill('settle') // its counters begin at zero
    const [{ since }] = await venue.query('SELECT now() AS since')
    for (const quantity of ['2', '3', '2']) await stepIs(await trade(quantity), 'settled')
    const { hold } = await post('watch', '/settlement/holds', { account: 1004, reason: 'to have something that waits' })
    const held = await trade('2')
    await eventually('it waits', async () => (await step(held))?.reason === 'held')
    const one = async text => (await venue.query(text))[0]
    const numbers = row => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, Number(v)]))
    const by = async (column, table, words, more = '') => {
      const rows = await venue.query(`SELECT ${column} AS word, count(*) FROM ${table} t ${more} GROUP BY 1`)
      return Object.fromEntries(words.map(word => [word, Number(rows.find(r => r.word === word)?.count ?? 0)]))
    }
    await allBooked()
    const age = async () => Number((await one(`SELECT extract(epoch FROM now() - created_at) AS s FROM settle.trade WHERE trade_id = ${held}`)).s)
    // What is asked takes its time: the age that is told lies between those before and after it, within two seconds.
    const aged = async (told, since) => { const now = await age(); assert.ok(told >= since - 2 && told <= now + 2, `${told}, between ${since} and ${now}`) }
    const asked = await age()
    const status = await get('')
    await aged(status.oldest_pending_s, asked)
    // From the tables, past the views that REST reads.
    const trades = await by('settlement_status', 'settle.trade', ['pending', 'processing', 'settled', 'failed'], 'WHERE corrected_quantity IS DISTINCT FROM 0')
    assert.deepEqual(status.trades, trades)
    assert.equal(trades.pending, 1)
    const signed = numbers(await one('SELECT count(*) FROM settle.attempt WHERE raw IS NOT NULL')).count
    assert.deepEqual([status.attempts_signed, status.attempts_open], [signed, await by('state', 'settle.attempt', ['prepared', 'signed', 'sent', 'mined'])])
    assert.deepEqual(status.attempts_ended, await by('state', 'settle.attempt', ['confirmed', 'reverted', 'replaced', 'dropped']))
    assert.deepEqual([status.holds, status.marks_open, status.incidents_open, status.retries_waiting], [1, 0, 0, 0])
    assert.equal(status.oldest_processing_s, null)
    const waits = status.tokens.map(t => [t.symbol, t.state, t.pending, t.processing])
    assert.deepEqual(waits, waits.map(([name]) => [name, 'running', name === symbol ? 1 : 0, 0]))
    const before = await age()
    await aged((await lane()).oldest_s, before)
    // From the chain: what each of our transactions has used and paid.
    let gas = 0n
    let fee = 0n
    let mined = 0
    for (const { tx_hash: hash } of await venue.query('SELECT tx_hash FROM settle.attempt WHERE raw IS NOT NULL')) {
      const receipt = await venue.rpc('eth_getTransactionReceipt', hash)
      if (!receipt) continue
      mined++
      gas += BigInt(receipt.gasUsed)
      fee += BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice)
    }
    assert.deepEqual([status.gas.transactions, BigInt(status.gas.gas_used), BigInt(status.gas.fee_wei), BigInt(status.gas.fee_wei_last_day)], [mined, gas, fee, fee])
    const [signer] = status.signers
    assert.deepEqual([status.signers.length, signer.open_nonces, signer.next_nonce], [1, 0, Number(await venue.rpc('eth_getTransactionCount', signer.signer, 'latest'))])
    // What the worker counted since it began, against the rows that came since.
    const rows = numbers(await one(`SELECT (SELECT count(*) FROM settle.attempt WHERE signed_at > '${since}') AS signed, (SELECT count(*) FROM settle.trade WHERE settled_at > '${since}') AS confirmed,
      (SELECT count(*) FROM settle.result WHERE answered_at > '${since}') AS results, (SELECT count(*) FROM settle.attempt WHERE state = 'reverted' AND signed_at > '${since}') AS reverted`))
    assert.deepEqual([rows.signed, rows.confirmed, rows.results], [3, 3, 3])
    const worker = await eventually('the worker has written it down', async () => {
      const [w] = (await get('')).workers
      return w.counters.confirmed === rows.confirmed && w.counters.results_sent === rows.results && w
    })
    assert.deepEqual([worker.counters.signed_attempts, worker.counters.claimed, worker.counters.reverted, worker.counters.results_refused, worker.trouble, worker.silent], [rows.signed, rows.confirmed, rows.reverted, 0, null, false])
    assert.ok(worker.pool.calls > 0 && worker.endpoints[0].calls >= worker.pool.calls && worker.endpoints[0].transport === 0, JSON.stringify(worker))
    assert.equal(worker.head_block, Number(await venue.rpc('eth_blockNumber')))
    // The metrics page and Redis say the same, within their five seconds.
    const metrics = async () => {
      const expected = { 'trades{status="pending"}': 1, 'trades{status="settled"}': trades.settled, attempts_total: signed, 'attempts_open{state="sent"}': 0,
        'attempts_ended{state="confirmed"}': status.attempts_ended.confirmed, holds: 1, marks_open: 0, incidents_open: 0, transactions_total: mined, gas_used_total: Number(gas),
        'lane_state{symbol="ATUN",state="running"}': 1, 'lane_pending{symbol="ATUN"}': 1, [`signer_next_nonce{chain_id="31337",signer="${signer.signer}"}`]: signer.next_nonce,
        [`signer_open_nonces{chain_id="31337",signer="${signer.signer}"}`]: 0, 'signer_up{chain_id="31337"}': 1, 'worker_up{chain_id="31337"}': 1,
        'worker_signed_attempts_total{chain_id="31337"}': rows.signed, 'worker_confirmed_total{chain_id="31337"}': rows.confirmed, 'pool_failures_total{chain_id="31337"}': worker.pool.failures,
        [`endpoint_up{endpoint="${worker.endpoints[0].name}"}`]: 1, [`endpoint_transport_total{endpoint="${worker.endpoints[0].name}"}`]: 0 }
      const seen = Object.fromEntries(await Promise.all(Object.keys(expected).map(async name => [name, await venue.metric(`settlement_${name.replace(/[{}.?+]/g, '\\$&')}`)])))
      assert.deepEqual(seen, expected)
      assert.ok(Math.abs(await venue.metric('settlement_fees_ether_total') - Number(fee) / 1e18) < 1e-12)
      assert.ok(await venue.metric('settlement_oldest_pending_seconds') >= asked - 6)
      const told = JSON.parse(venue.redis('GET', 'lonja:v1:last:settlement:status'))
      assert.deepEqual([told.trades.pending, told.attempts_signed, told.gas.fee_wei, told.holds, told.workers[0].counters.confirmed, told.signers[0].next_nonce],
        [1, signed, String(fee), 1, rows.confirmed, signer.next_nonce])
      return true
    }
    await eventually('the page and Redis have it', metrics, undefined, 500)
    await post('watch', `/settlement/holds/${hold}/release`, { reason: 'seen' })
    await stepIs(held, 'settled')
  })
}
