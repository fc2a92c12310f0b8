// What administrators and operators do about risk: limits, controls, jurisdictions, fees, kill switches, two persons,
// transfers, chain facts, corrections, rights; each once by REST and by its word, with its bad inputs, and what Postgres,
// Redis and the metrics page say of it. On ATUN, between carla (1003) and diego (1004); all is taken back at the end.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { bin, demo, eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2
const stranger = '0x00000000000000000000000000000000000057A6' // a wallet that no token knows

export async function risk (suite, venue) {
  const carla = await venue.trader('carla')
  const diego = await venue.trader('diego')
  const run = String(Date.now())
  let serial = 0
  const unique = name => `${name} ${run} ${++serial}`

  // Status and answer of a call, as one of two operators.
  const tokens = {}
  const ask = async (method, route, body, who = 'admin') => {
    tokens[who] ??= await venue.login(venue.admin, who, `login-${who}`)
    return venue.call(venue.admin, method, `/api/v1/admin/${route}`, { token: tokens[who], body })
  }
  const done = async (method, route, body, who) => {
    const { status, json } = await ask(method, route, body, who)
    assert.equal(status, 200, `${method} ${route}: ${JSON.stringify(json)}`)
    return json
  }
  const post = (route, body, who) => done('POST', route, body ?? {}, who)
  const get = route => done('GET', route)
  const refused = async (name, route, body, who) => {
    const { status, json } = await ask('POST', route, body ?? {}, who)
    assert.ok(status >= 400, `POST ${route} was taken: ${JSON.stringify(json)}`)
    assert.equal(json.error.name, name, JSON.stringify(json.error))
    return json.error
  }
  // The command line: lines of JSON; rejects with `code`.
  const cli = (...words) => venue.words(...words)
  const cliRefused = (name, ...words) => assert.rejects(cli(...words), error => error.code === 1 && error.stdout.includes(`"${name}"`))
  const cliBad = (text, ...words) => assert.rejects(cli(...words), error => error.code === 2 && error.stderr.includes(text))

  // The database has what is durable now.
  const recorded = async () => {
    const { durable_sequence: durable } = await get('venue')
    await eventually('the record is there', async () => Number((await venue.query('SELECT sequence FROM record.cursor'))[0].sequence) >= durable)
  }
  const row = async sql => { await recorded(); return (await venue.query(sql))[0] }
  const metric = async name => {
    const text = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    return Number(new RegExp(`^lonja_${name.replace(/[{}"]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1])
  }
  const heard = await venue.listen()
  const told = (what, fits) => eventually(`Redis tells of ${what}`, () => heard.find(m => m.channel === 'risk' && fits(m)))
  const place = (client, side, quantity, price, more = {}) => client.request({ op: 'place', symbol, side, quantity, price, client_order_id: `risk${run}-${++serial}`, ...more })
  const placed = async (...order) => {
    const answer = await place(...order)
    assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    return answer.order.order
  }
  const balance = async (account, asset) => (await get(`balances?account=${account}`)).balances.find(b => b.symbol === asset)

  fs.writeFileSync(path.join(venue.folder, 'secrets/login-second'), 'the-other-operator', { mode: 0o600 })
  await post('logins', { kind: 'admin', login_name: 'second', password: 'the-other-operator', role: 'administrator' })
  await post(`instruments/${instrument}/reference-price`, { price: '25' })
  await post(`instruments/${instrument}/phase`, { phase: 'continuous' })
  await Promise.all([carla.request({ op: 'cancel_all' }), diego.request({ op: 'cancel_all' })])

  // ---- kill switches ----------------------------------------------------------------------------------------

  await suite.test('risk: the kill switch of an account cancels and refuses, and is taken back', async () => {
    const order = await placed(diego, 'buy', '1', '24')
    const other = await placed(carla, 'buy', '1', '23')
    const killed = await post('accounts/1004/kill', { reason: 'runaway' })
    assert.deepEqual([killed.scope, killed.id, killed.killed], ['account', 1004, true])
    const ended = await row(`SELECT o.status, h.reason_word FROM public.orders o JOIN public.order_status_history h ON h.order_id = o.id WHERE o.id = ${order} AND h.to_status = 'cancelled'`)
    assert.deepEqual(ended, { status: 'cancelled', reason_word: 'killed' })
    assert.equal((await place(diego, 'buy', '1', '24')).error.name, 'KILLED')
    assert.equal((await row(`SELECT status FROM public.orders WHERE id = ${other}`)).status, 'open')
    const seen = (await get('kills')).find(k => k.scope === 'account' && k.id === 1004)
    assert.deepEqual([seen.killed, seen.operator], [true, 'admin'])
    await told('it', m => m.event === 'kill_changed' && m.scope === 'account' && m.id === 1004 && m.killed)
    assert.ok(await metric('kills_total') >= 1)
    assert.equal((await post('accounts/1004/unkill')).killed, false)
    await diego.request({ op: 'cancel', order: await placed(diego, 'buy', '1', '24') })
    await carla.request({ op: 'cancel', order: other })
    const [audited] = await venue.query("SELECT decision_details->>'reason' AS reason FROM public.audit_logs WHERE action_type LIKE '%/accounts/1004/kill' ORDER BY id DESC LIMIT 1")
    assert.equal(audited.reason, 'runaway')
  })

  await suite.test('risk: the kill switch by its word: member, session, venue; bad input', async () => {
    const [member] = await cli('kill', 'member', '103', 'their', 'desk', 'called')
    assert.deepEqual([member.scope, member.id, member.killed], ['member', 103, true])
    assert.equal((await place(carla, 'buy', '1', '24')).error.name, 'KILLED')
    assert.equal((await cli('unkill', 'member', '103'))[0].killed, false)
    assert.equal((await cli('kill', 'session', '4'))[0].scope, 'session')
    await cli('unkill', 'session', '4')
    assert.equal((await cli('kill', 'venue'))[0].scope, 'venue')
    assert.equal((await place(carla, 'buy', '1', '24')).error.name, 'KILLED')
    assert.equal((await cli('unkill', 'venue'))[0].killed, false)
    assert.ok((await cli('kills')).some(k => k.scope === 'venue' && !k.killed))
    await refused('UNKNOWN_ACCOUNT', 'accounts/999/kill')
    await refused('UNKNOWN_ACCOUNT', 'accounts/3/kill') // the venue's own
    await refused('UNKNOWN_MEMBER', 'members/99999999999/kill')
    await refused('UNKNOWN_FIELD', 'venue/kill', { why: 'x' })
    await refused('NOT_FOUND', 'accounts/0/kill')
    await cliRefused('UNKNOWN_SESSION', 'kill', 'session', '999')
    await cliBad('account, member, session or venue', 'kill', '1004')
    await cliBad('is not a number', 'unkill', 'account', 'diego')
  })

  // ---- limits -----------------------------------------------------------------------------------------------

  await suite.test('risk: limits of an account are set whole, shown, recorded, and refuse what is above', async () => {
    const answer = await post('accounts/1004/limits', { order_value_max: '100.5', open_orders_max: 2, duplicate_ms: 50 })
    assert.deepEqual([answer.scope, answer.id], ['account', 1004])
    await recorded()
    const shown = await get('accounts/1004/limits')
    assert.deepEqual([shown.order_value_max, shown.daily_value_max, shown.open_orders_max, shown.duplicate_ms, shown.strict_confirm], ['100.5', '0', 2, 50, false])
    assert.equal(shown.sequence, answer.sequence)
    const above = await place(diego, 'buy', '5', '24')
    assert.deepEqual([above.error.name, above.error.limit, above.error.value], ['ORDER_VALUE_MAX', '100.5', '120'])
    await post('accounts/1004/limits', { order_value_max: '0' })
    assert.equal((await row('SELECT order_value_max, open_orders_max FROM record.limits WHERE scope = 2 AND id = 1004')).open_orders_max, '0')
    await diego.request({ op: 'cancel', order: await placed(diego, 'buy', '5', '24') })
  })

  await suite.test('risk: limits by their word change what they name; bad input', async () => {
    await cli('limits', 'member', '103', 'messages_max=100000', 'messages_ms=1000', 'strict_confirm=true')
    await cli('limits', 'member', '103', 'daily_value_max=1000000000.25') // at once: what was just set is not lost
    const [member] = await cli('limits', 'member', '103')
    assert.deepEqual([member.messages_max, member.messages_ms, member.strict_confirm, member.daily_value_max], [100000, 1000, true, '1000000000.25'])
    await cli('limits', 'member', '103', 'messages_max=0', 'messages_ms=0', 'strict_confirm=false', 'daily_value_max=0')
    await refused('MISSING_FIELD', 'accounts/1004/limits', {})
    await refused('BAD_NUMBER', 'accounts/1004/limits', { order_value_max: '0.0000001' })
    await refused('MALFORMED', 'accounts/1004/limits', { open_orders_max: -1 })
    await refused('MALFORMED', 'accounts/1004/limits', { open_orders_max: 4294967296 })
    await refused('UNKNOWN_FIELD', 'accounts/1004/limits', { order_max: 1 })
    assert.equal((await refused('LIMITS', 'accounts/1004/limits', { messages_max: 5, messages_ms: 5 })).field, 'messages_max')
    assert.equal((await refused('LIMITS', 'members/103/limits', { messages_max: 5 })).field, 'messages_ms')
    assert.equal((await refused('LIMITS', 'sessions/4/limits', { order_value_max: '1' })).field, 'order_value_max')
    await refused('UNKNOWN_ACCOUNT', 'accounts/999/limits', { open_orders_max: 1 })
    assert.equal((await ask('GET', 'members/999/limits')).json.error.name, 'UNKNOWN_MEMBER')
    await cliBad('member, account or session', 'limits', 'firm', '103')
    await cliBad('is not NAME=VALUE', 'limits', 'member', '103', 'messages_max')
    await cliRefused('UNKNOWN_FIELD', 'limits', 'member', '103', 'colour=red')
  })

  // ---- controls, jurisdictions, fees ------------------------------------------------------------------------

  await suite.test('risk: controls of an instrument, by REST and by their word; bad input', async () => {
    const before = await get(`instruments/${instrument}/controls`)
    await post(`instruments/${instrument}/controls`, { nav_stale_ms: 60000, nav_stale_action: 'refuse', investor_types: ['professional', 'institutional'], position_max: 1000000000 })
    await recorded()
    const shown = await get(`instruments/${instrument}/controls`)
    assert.deepEqual([shown.nav_stale_action, shown.investor_types, shown.position_max, shown.dynamic_bps], ['refuse', ['professional', 'institutional'], 1000000000, 0])
    await cli('controls', '2', 'dynamic_bps=2500', 'investor_types=')
    const [changed] = await cli('controls', '2')
    assert.deepEqual([changed.dynamic_bps, changed.investor_types, changed.nav_stale_ms], [2500, [], 60000])
    const there = await row('SELECT dynamic_bps, investor_types FROM record.instrument_controls WHERE instrument_id = 2')
    assert.deepEqual(there, { dynamic_bps: '2500', investor_types: '0' })
    delete before.sequence
    await post(`instruments/${instrument}/controls`, before)
    assert.equal((await refused('CONTROLS', `instruments/${instrument}/controls`, { concentration_bps: 100 })).field, 'concentration_bps')
    await refused('MALFORMED', `instruments/${instrument}/controls`, { nav_stale_action: 'shout' })
    await refused('MALFORMED', `instruments/${instrument}/controls`, { investor_types: ['widow'] })
    await refused('MALFORMED', `instruments/${instrument}/controls`, { position_max: '5' })
    await refused('UNKNOWN_INSTRUMENT', 'instruments/99/controls', {})
    await cliRefused('MALFORMED', 'controls', '2', 'nav_stale_action=shout')
    await cliBad('is not a number', 'controls', symbol)
  })

  await suite.test('risk: jurisdictions refuse buyers from elsewhere', async () => {
    const before = await get(`instruments/${instrument}/jurisdictions`)
    await post(`instruments/${instrument}/jurisdictions`, { mode: 'only', codes: [56, 620] })
    assert.equal((await place(diego, 'buy', '1', '24')).error.name, 'JURISDICTION')
    assert.equal((await row('SELECT codes::text FROM record.jurisdictions WHERE instrument_id = 2')).codes, '{56,620}')
    await cli('jurisdictions', '2', 'except', '840')
    await recorded()
    assert.deepEqual((await cli('jurisdictions', '2'))[0].codes, [840])
    await diego.request({ op: 'cancel', order: await placed(diego, 'buy', '1', '24') })
    assert.equal((await refused('CONTROLS', `instruments/${instrument}/jurisdictions`, { mode: 'only', codes: [620, 56] })).field, 'codes')
    await refused('MALFORMED', `instruments/${instrument}/jurisdictions`, { mode: 'only', codes: [1000] })
    await refused('MALFORMED', `instruments/${instrument}/jurisdictions`, { mode: 'some' })
    await refused('MISSING_FIELD', `instruments/${instrument}/jurisdictions`, { codes: [724] })
    await refused('MALFORMED', `instruments/${instrument}/jurisdictions`, { mode: 'only', codes: Array.from({ length: 33 }, (_, i) => i + 1) })
    await cliBad('any, only or except', 'jurisdictions', '2', 'none')
    await post(`instruments/${instrument}/jurisdictions`, { mode: before.mode, codes: before.codes })
  })

  await suite.test('risk: fees of maker and taker, inside the buyer\'s hold; bad input', async () => {
    await post('fees', { account: 1004, instrument, buy_taker_bps: 100 })
    await cli('fees', 'account', '1003', 'sell_maker_bps=50')
    await recorded()
    assert.deepEqual((await cli('fees')).map(f => [f.account, f.instrument, f.buy_taker_bps, f.sell_maker_bps]), [[1003, 0, 0, 50], [1004, 2, 100, 0]])
    const offer = await placed(carla, 'sell', '4', '25')
    const bid = await placed(diego, 'buy', '4', '25')
    const trade = await row(`SELECT trim_scale(buyer_fee)::text AS buyer, trim_scale(seller_fee)::text AS seller FROM public.trades WHERE buy_order_id = ${bid} AND sell_order_id = ${offer}`)
    assert.deepEqual(trade, { buyer: '1', seller: '0.5' }) // 1 % and 0.5 % of 100
    await post('fees', { account: 1004, instrument, remove: true })
    await cli('fees', 'account', '1003', 'remove')
    await recorded()
    assert.deepEqual(await get('fees'), [])
    assert.equal((await refused('FEES', 'fees', { sell_maker_bps: 1 })).field, 'instrument')
    assert.equal((await refused('FEES', 'fees', { account: 1003, buy_maker_bps: 10001 })).field, 'buy_maker_bps')
    await refused('FEES', 'fees', { account: 1003, remove: true })
    await refused('UNKNOWN_ACCOUNT', 'fees', { account: 999, sell_maker_bps: 1 })
    await refused('MALFORMED', 'fees', { account: 1003, sell_maker_bps: 65536 })
    await cliBad('is not NAME=VALUE', 'fees', 'account', '1003', 'free')
  })

  // ---- ledger -------------------------------------------------------------------------------------------------

  await suite.test('risk: a transfer moves once under its reference, and back by its word', async () => {
    const before = [await balance(1001, 'USD'), await balance(1002, 'USD')]
    const transfer = { reference: unique('transfer'), account: 1001, to: 1002, asset: 'USD', amount: '12.5', note: 'loan' }
    const { sequence } = await post('transfers', transfer)
    assert.deepEqual(await post('transfers', transfer), { sequence, repeated: true })
    await refused('REFERENCE_CONFLICT', 'transfers', { ...transfer, to: 1003 })
    assert.equal(Number((await balance(1002, 'USD')).available), Number(before[1].available) + 12.5)
    await cli('transfer', unique('back'), '1002', '1001', 'USD', '12.5', 'loan', 'paid', 'back')
    assert.deepEqual([await balance(1001, 'USD'), await balance(1002, 'USD')], before)
    assert.deepEqual(await row(`SELECT kind, counter_account_id, state FROM people.ledger_request WHERE reference = '${transfer.reference}'`), { kind: 'transfer', counter_account_id: '1002', state: 'done' })
    assert.equal((await row(`SELECT count(*) FROM public.wallet_transactions WHERE sequence = ${sequence} AND type = 'transfer'`)).count, '2')
    await refused('MISSING_FIELD', 'transfers', { reference: unique('t'), account: 1001, asset: 'USD', amount: '1' })
    await refused('MALFORMED', 'credits', { reference: unique('t'), account: 1001, asset: 'USD', amount: '1', to: 1002 })
    await refused('UNKNOWN_ACCOUNT', 'transfers', { reference: unique('t'), account: 1001, to: 1001, asset: 'USD', amount: '1' })
    await refused('UNKNOWN_ACCOUNT', 'transfers', { reference: unique('t'), account: 1001, to: 999, asset: 'USD', amount: '1' })
    await refused('UNKNOWN_ACCOUNT', 'deposits', { reference: unique('t'), account: 999, asset: 'USD', amount: '1' })
    assert.equal((await refused('UNKNOWN_ASSET', 'deposits', { reference: unique('t'), account: 1001, asset: 'EUR', amount: '1' })).text, 'asset EUR is not known')
    await refused('OVERFLOW', 'deposits', { reference: unique('t'), account: 1001, asset: 'USD', amount: '9223372036854' })
    await refused('INSUFFICIENT_BALANCE', 'transfers', { reference: unique('t'), account: 1001, to: 1002, asset: 'USD', amount: '99999999' })
    await cliBad('is not a number', 'transfer', unique('t'), '1001', 'diego', 'USD', '1')
  })

  await suite.test('risk: what leaves on the chain and is not there is a deficit, until it is made good', async () => {
    const before = await balance(1004, symbol)
    const offer = await placed(diego, 'sell', '2', '27')
    const all = Number(before.available)
    const out = await post('chain-out', { reference: unique('out'), account: 1004, asset: symbol, amount: String(all + 3) })
    assert.equal(out.events.find(e => e.event === 'deficit_changed').deficit, 500) // the 2 of the order are still held
    await eventually('the order that held it is cancelled', async () => (await row(`SELECT status FROM public.orders WHERE id = ${offer}`)).status === 'cancelled')
    assert.deepEqual([(await balance(1004, symbol)).available, (await balance(1004, symbol)).deficit], ['0', '3'])
    assert.equal((await place(diego, 'sell', '1', '27')).error.name, 'DEFICIT')
    assert.equal((await row(`SELECT trim_scale(deficit)::text AS deficit FROM public.wallets WHERE user_id = 1004 AND symbol = '${symbol}'`)).deficit, '3')
    assert.deepEqual((await cli('deficits')).map(d => [d.account, d.symbol, d.deficit]), [[1004, symbol, '3']])
    await told('the deficit', m => m.event === 'deficit_changed' && m.account === 1004 && m.deficit === '3')
    await eventually('the metric', async () => await metric('deficits') === 1)
    await refused('QUANTITY_MAX', 'covers', { reference: unique('cover'), account: 1004, asset: symbol, amount: '4' })
      .catch(error => { if (!/INSUFFICIENT_BALANCE/.test(error.message)) throw error })
    await cli('chain-in', unique('in'), '1004', symbol, String(all + 3), 'came', 'back')
    assert.deepEqual(await balance(1004, symbol), before)
    await recorded()
    assert.deepEqual(await get('deficits'), [])
    await venue.sumsAreZero()
  })

  // ---- corrections ------------------------------------------------------------------------------------------

  // A trade whose settlement fails: the buyer's wallet is one that the token does not know.
  const failedTrade = async quantity => {
    const wallet = demo.accounts.find(a => a.account === 1004).wallet
    await post('accounts', { account: 1004, wallet_address: stranger })
    const offer = await placed(carla, 'sell', quantity, '25')
    const bid = await placed(diego, 'buy', quantity, '25')
    const [trade] = await eventually('its settlement fails and is booked', async () => {
      const rows = await venue.query(`SELECT t.id FROM public.trades t JOIN settle.result r ON r.trade_id = t.id WHERE t.sell_order_id = ${offer} AND t.buy_order_id = ${bid} AND t.settlement_status = 'failed' AND r.state = 'booked'`)
      return rows.length === 1 && rows
    })
    await post('accounts', { account: 1004, wallet_address: wallet })
    return trade.id
  }

  await suite.test('risk: a trade whose settlement failed is busted, and never settled again', async () => {
    const before = [await balance(1003, symbol), await balance(1003, 'USD'), await balance(1004, symbol), await balance(1004, 'USD')]
    const trade = await failedTrade('4')
    const reference = unique('bust')
    const busted = await post(`trades/${trade}/bust`, { reference, note: 'wrong instrument' })
    assert.deepEqual([busted.trade, busted.status], [Number(trade), 'busted'])
    assert.deepEqual(await post(`trades/${trade}/bust`, { reference, note: 'wrong instrument' }), { sequence: busted.sequence, repeated: true })
    assert.deepEqual([await balance(1003, symbol), await balance(1003, 'USD'), await balance(1004, symbol), await balance(1004, 'USD')], before)
    const seen = await row(`SELECT status, settlement_status, quantity::text, trim_scale(traded_quantity)::text AS traded FROM public.trades WHERE id = ${trade}`)
    assert.deepEqual(seen, { status: 'busted', settlement_status: 'failed', quantity: '0.00', traded: '4' })
    await told('the bust', m => m.event === 'trade_corrected' && String(m.trade_id) === trade && m.status === 'busted')
    assert.ok(await metric('trades_busted_total') >= 1)
    await refused('CORRECTION', `trades/${trade}/retry-settlement`, { reason: 'again' })
    await refused('CORRECTION', `trades/${trade}/bust`, { reference: unique('bust') })
    const [correction] = await cli('corrections', '1')
    assert.deepEqual([String(correction.trade_id), correction.status, correction.quantity_change], [trade, 'busted', '-4'])
    await venue.sumsAreZero()
  })

  await suite.test('risk: a corrected trade is settled with what remains; bad input', async () => {
    const trade = await failedTrade('6')
    await refused('MISSING_FIELD', `trades/${trade}/correct`, { quantity: '2' })
    await refused('BAD_NUMBER', `trades/${trade}/correct`, { reference: unique('c'), quantity: '0' })
    await refused('BAD_NUMBER', `trades/${trade}/correct`, { reference: unique('c'), quantity: '1.001' })
    await refused('BAD_NUMBER', `trades/${trade}/correct`, { reference: unique('c'), price: '-1' })
    assert.equal((await refused('CORRECTION', `trades/${trade}/correct`, { reference: unique('c'), quantity: '7' })).field, 'quantity')
    await refused('NOT_FOUND', 'trades/12345/bust', { reference: unique('c') })
    await refused('UNKNOWN_FIELD', `trades/${trade}/bust`, { reference: unique('c'), quantity: '1' })
    await cliBad('is not a number', 'bust', 'T1', 'r')
    const [corrected] = await cli('correct', trade, unique('correct'), 'quantity=2.5', 'price=24', 'note=typing error')
    assert.equal(corrected.status, 'corrected')
    const seen = await row(`SELECT status, trim_scale(quantity)::text AS quantity, trim_scale(price)::text AS price, trim_scale(total)::text AS total, trim_scale(traded_total)::text AS traded FROM public.trades WHERE id = ${trade}`)
    assert.deepEqual(seen, { status: 'corrected', quantity: '2.5', price: '24', total: '60', traded: '150' })
    await post(`trades/${trade}/retry-settlement`, { reason: 'wallet is right now' })
    await eventually('what remains is settled', async () => (await venue.query(`SELECT 1 AS one FROM public.trades WHERE id = ${trade} AND settlement_status = 'settled' AND quantity = 2.5`)).length === 1)
    await refused('CORRECTION', `trades/${trade}/bust`, { reference: unique('late') }) // it is settled
  })

  // ---- two persons ------------------------------------------------------------------------------------------

  await suite.test('risk: with two persons on, what takes a safeguard away needs another operator', async () => {
    assert.equal((await cli('two-persons', 'on'))[0].two_persons, true)
    const [rules] = await (recorded().then(() => cli('two-persons')))
    assert.deepEqual([rules.two_persons, rules.operator], [true, 'admin'])
    await post('accounts/1004/kill') // stopping needs nobody
    const error = await refused('NEEDS_APPROVAL', 'accounts/1004/unkill', { reason: 'all well' })
    assert.deepEqual(error.propose, { call: 'accounts/1004/unkill', body: { reason: 'all well' } })
    const { proposal } = await post('proposals', { ...error.propose, note: 'they have mended it' })
    await refused('TWO_PERSONS', `proposals/${proposal}/approve`)
    assert.equal((await place(diego, 'buy', '1', '24')).error.name, 'KILLED')
    await recorded()
    const open = (await get('proposals')).find(p => p.id === proposal)
    assert.deepEqual([open.state, open.call, open.note, open.proposer, open.approver], ['open', 'accounts/1004/unkill', 'they have mended it', 'admin', null])
    await told('the proposal', m => m.event === 'proposal_changed' && m.proposal === proposal && m.state === 'open')
    await eventually('the metric', async () => await metric('proposals_waiting') >= 1)
    const approved = await post(`proposals/${proposal}/approve`, {}, 'second')
    assert.deepEqual([approved.state, approved.events[0].event, approved.events[0].killed], ['approved', 'kill_changed', 0])
    await recorded()
    assert.deepEqual(await post(`proposals/${proposal}/approve`, {}, 'second'), { sequence: approved.sequence, proposal, state: 'approved', repeated: true })
    await refused('PROPOSAL', `proposals/${proposal}/approve`) // somebody else's approval comes late
    await refused('PROPOSAL', `proposals/${proposal}/withdraw`, {}, 'second')
    await diego.request({ op: 'cancel', order: await placed(diego, 'buy', '1', '24') })
  })

  await suite.test('risk: a proposed credit is booked once, by its approval; its reference waits meanwhile', async () => {
    const before = await balance(1001, 'USD')
    const credit = { reference: unique('credit'), account: 1001, asset: 'USD', amount: '25', note: 'wrong fee' }
    const state = async reference => (await venue.query(`SELECT state, coalesce(sequence, 0) AS sequence FROM people.ledger_request WHERE reference = '${reference}'`))[0]
    await refused('NEEDS_APPROVAL', 'credits', credit)
    assert.equal((await state(credit.reference)).state, 'rejected')
    const { proposal } = await post('proposals', { call: 'credits', body: credit })
    assert.equal((await state(credit.reference)).state, 'proposed')
    assert.deepEqual(await post('proposals', { call: 'credits', body: credit }), { proposal, repeated: true })
    await refused('NEEDS_APPROVAL', 'credits', credit)
    await refused('REFERENCE_CONFLICT', 'proposals', { call: 'credits', body: { ...credit, amount: '26' } })
    await cli('deposit', unique('between'), '1001', 'USD', '1') // nothing overtakes it
    await cli('withdrawal', unique('between'), '1001', 'USD', '1')
    assert.deepEqual(await balance(1001, 'USD'), before)
    const approved = await post(`proposals/${proposal}/approve`, {}, 'second')
    assert.deepEqual([approved.state, approved.events[0].amount], ['approved', 25000000])
    assert.deepEqual(await state(credit.reference), { state: 'done', sequence: String(approved.sequence) })
    assert.deepEqual(await post('credits', credit), { sequence: approved.sequence, repeated: true })
    assert.equal(Number((await balance(1001, 'USD')).available), Number(before.available) + 25)

    // Back, by words; the first try is withdrawn and its reference used again.
    const reference = unique('debit')
    const [first] = await cli('propose', 'debit', reference, '1001', 'USD', '25', 'taken', 'back')
    assert.equal((await cli('withdraw', String(first.proposal)))[0].state, 'withdrawn')
    assert.equal((await state(reference)).state, 'withdrawn')
    const [second] = await cli('propose', 'debit', reference, '1001', 'USD', '25', 'taken', 'back')
    assert.notEqual(second.proposal, first.proposal)
    await post(`proposals/${second.proposal}/approve`, {}, 'second')
    assert.deepEqual(await balance(1001, 'USD'), before)
    assert.equal((await state(reference)).state, 'done')
  })

  await suite.test('risk: a proposal that fails says why, and leaves its request rejected', async () => {
    const reference = unique('debit')
    const { proposal } = await post('proposals', { call: 'debits', body: { reference, account: 1004, asset: 'USD', amount: '99999999' } })
    const error = await refused('INSUFFICIENT_BALANCE', `proposals/${proposal}/approve`, {}, 'second')
    assert.ok(error.text)
    const request = await row(`SELECT q.state, q.reject_code, p.state AS proposal FROM people.ledger_request q JOIN record.proposal p USING (proposal_id) WHERE reference = '${reference}'`)
    assert.deepEqual(request, { state: 'rejected', reject_code: '50', proposal: 'failed' })
  })

  await suite.test('risk: an approval whose answer was lost is known from the record', async () => {
    const credit = { reference: unique('lost'), account: 1001, asset: 'USD', amount: '5' }
    const { proposal } = await post('proposals', { call: 'credits', body: credit })
    await recorded()
    const request = fetch(`${venue.admin}/api/v1/admin/proposals/${proposal}/approve`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens.second}` } }).catch(() => {})
    await venue.kill('admin')
    await request
    delete tokens.admin
    delete tokens.second
    await eventually('administration answers', async () => (await ask('GET', 'venue')).status === 200)
    await post(`proposals/${proposal}/approve`, {}, 'second') // done before the kill, or now
    await eventually('its request is done', async () => {
      await ask('POST', 'credits', credit)
      return (await venue.query(`SELECT state FROM people.ledger_request WHERE reference = '${credit.reference}'`))[0].state === 'done'
    })
    const { count } = await row("SELECT count(*) FROM record.ledger_entry WHERE cause = 'credit' AND account_id = 1001 AND available = 5000000")
    assert.equal(count, '1')
    const { proposal: back } = await post('proposals', { call: 'debits', body: { ...credit, reference: unique('back') } })
    await post(`proposals/${back}/approve`, {}, 'second')
  })

  await suite.test('risk: a bust that is proposed keeps its trade still until it is decided', async () => {
    const trade = await failedTrade('3')
    const { proposal } = await post('proposals', { call: `trades/${trade}/bust`, body: { reference: unique('bust'), note: 'n' } })
    await refused('CORRECTION', `trades/${trade}/retry-settlement`, { reason: 'x' })
    await refused('CORRECTION', `trades/${trade}/correct`, { reference: unique('c'), quantity: '1' })
    await post(`proposals/${proposal}/withdraw`)
    const [again] = await cli('propose', 'bust', trade, unique('bust'))
    await post(`proposals/${again.proposal}/approve`, {}, 'second')
    assert.equal((await row(`SELECT status FROM public.trades WHERE id = ${trade}`)).status, 'busted')
  })

  await suite.test('risk: what cannot be proposed, and who may not approve', async () => {
    await refused('MALFORMED', 'proposals', { call: 'members', body: { name: 'x' } })
    await refused('MALFORMED', 'proposals', { call: 'credits', body: [] })
    await refused('MISSING_FIELD', 'proposals', { body: {} })
    await refused('MISSING_FIELD', 'proposals', { call: 'credits', body: { reference: unique('x') } })
    await refused('UNKNOWN_FIELD', 'proposals', { call: 'venue/unkill', body: { x: 1 } })
    await refused('PROPOSAL', 'proposals/1/approve')
    await cliRefused('PROPOSAL', 'approve', '999999999')
    await cliBad('nothing to propose', 'propose', 'proposals')
    await post('logins', { kind: 'admin', login_name: 'night', password: 'the-night-operator', role: 'operator' })
    fs.writeFileSync(path.join(venue.folder, 'secrets/login-night'), 'the-night-operator', { mode: 0o600 })
    await refused('FORBIDDEN', 'proposals', { call: 'credits', body: {} }, 'night')
    const { proposal } = await post('proposals', { call: 'credits', body: { reference: unique('night'), account: 1001, asset: 'USD', amount: '1' } })
    await refused('FORBIDDEN', `proposals/${proposal}/approve`, {}, 'night')
    await post(`proposals/${proposal}/withdraw`, {}, 'night')
  })

  await suite.test('risk: raising limits needs two persons, lowering them does not; two persons end by two', async () => {
    await post('accounts/1004/limits', { order_value_max: '100' }) // nothing was set: none is a raise
    await post('accounts/1004/limits', { order_value_max: '90' })
    await refused('NEEDS_APPROVAL', 'accounts/1004/limits', { order_value_max: '95' })
    const { proposal } = await post('proposals', { call: 'accounts/1004/limits', body: { order_value_max: '0', open_orders_max: 0 } })
    await post(`proposals/${proposal}/approve`, {}, 'second')
    await recorded()
    assert.equal((await get('accounts/1004/limits')).order_value_max, '0')
  })

  await suite.test('risk: two persons are taken off by two persons', async () => {
    await cliRefused('NEEDS_APPROVAL', 'two-persons', 'off')
    const [off] = await cli('propose', 'two-persons', 'off')
    await post(`proposals/${off.proposal}/approve`, {}, 'second')
    await recorded()
    assert.equal((await get('venue/rules')).two_persons, false)
    await refused('MISSING_FIELD', 'venue/rules')
  })

  // ---- rights -------------------------------------------------------------------------------------------------

  await suite.test('risk: a session may see an account and not trade for it', async () => {
    const before = (await get('sessions')).find(s => s.session_id === 4)
    const set = accounts => post('sessions', { session: 4, member: before.member_id, gateway: 'web', accounts })
    await set([{ account: 1004, rights: ['see', 'cancel'] }])
    assert.equal((await place(diego, 'buy', '1', '24')).error.name, 'ACCOUNT_RIGHT')
    await recorded()
    assert.deepEqual((await get('sessions')).find(s => s.session_id === 4).account_rights, [{ account: 1004, rights: ['cancel', 'see'] }])
    assert.equal((await row('SELECT rights FROM record.session_account WHERE session_id = 4 AND account_id = 1004')).rights, '6')
    await refused('MALFORMED', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [{ account: 1004, rights: [] }] })
    await refused('MALFORMED', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [{ account: 1004, rights: ['own'] }] })
    await refused('MALFORMED', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [1 << 24] })
    await refused('UNKNOWN_FIELD', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [{ account: 1004, may: [] }] })
    await refused('ACCOUNT_NOT_OF_SESSION', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [1001] }) // another member's
    await refused('UNKNOWN_ACCOUNT', 'sessions', { session: 4, member: 103, gateway: 'web', accounts: [999] })
    await refused('UNKNOWN_MEMBER', 'sessions', { session: 4, member: 999, gateway: 'web', accounts: [1004] })
    await set(before.accounts)
    await diego.request({ op: 'cancel', order: await placed(diego, 'buy', '1', '24') })
  })

  await suite.test('risk: who sends is seen at once; a second operator is made by a word; bad words are answered with their own help', async () => {
    const order = await placed(diego, 'buy', '1', '24')
    await diego.request({ op: 'cancel', order })
    const seen = await eventually('his session is among the busy', async () => (await cli('busy')).find(s => s.session === 4))
    assert.deepEqual([seen.gateway, seen.member, seen.accounts, seen.killed], ['web', 103, [1004], false])
    await eventually('the metric', async () => await metric('session_commands_total{session="4"}') >= 2)
    await cliBad('is no number of seconds', 'busy', 'now')
    const child = execFile(path.join(bin, 'lonja'), ['admin', '--config', path.join(venue.folder, 'lonja.conf'), 'login', 'third', 'auditor'])
    child.stdin.end('the-third-operator\n')
    assert.equal(await new Promise(resolve => child.on('exit', resolve)), 0)
    assert.ok((await get('logins')).some(l => l.login_name === 'third' && l.role === 'auditor'))
    await assert.rejects(cli('kill', 'member', '9999'), error => error.stderr.includes('UNKNOWN_MEMBER: member 9999 is not known'))
    await assert.rejects(cli('halt'), error => error.stderr.includes('halt N | resume N') && !error.stderr.includes('jurisdictions'))
    assert.equal((await refused('UNKNOWN_FIELD', 'accounts/1004/limits', { order_max: 1 })).hint.slice(0, 28), 'known here: order_value_max,')
    assert.equal((await refused('MALFORMED', `instruments/${instrument}/controls`, { nav_stale_action: 'shout' })).hint, 'one of: ignore, confirm, refuse')
  })

  await suite.test('risk: every word is in the help, and what was done is audited', async () => {
    const { stdout: help } = await promisify(execFile)(path.join(bin, 'lonja'), ['admin', '--help'])
    for (const word of ['busy', 'login', 'limits', 'controls', 'jurisdictions', 'fees', 'kill', 'unkill', 'kills', 'two-persons', 'propose', 'proposals', 'approve', 'withdraw', 'transfer', 'chain-in', 'chain-out', 'cover', 'bust', 'correct', 'deficits', 'corrections'])
      assert.match(help, new RegExp(`^  (.*\\| )?${word}\\b`, 'm'), word)
    const [{ count }] = await venue.query("SELECT count(DISTINCT action_type) FROM public.audit_logs WHERE action_type ~ '(limits|controls|jurisdictions|fees|kill|rules|proposals|approve|withdraw|transfers|chain-in|chain-out|correct|bust)$'")
    assert.ok(Number(count) >= 14, count)
  })

  await Promise.all([carla.close(), diego.close()])
}
