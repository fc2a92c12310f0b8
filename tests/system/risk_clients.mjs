// Every limit and control as those meet it who trade: over FIX, WebSocket and REST the same code, words, limit and hint;
// confirmations by reference, rights, buyers' fees, limit states, kill switches, throttles. On ATUN; members' limits of
// atlantic (account 1001, member 101, FIX) and diego (1004, 103, web). All is taken back at the end.
import assert from 'node:assert/strict'
import { demo } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2
const run = Date.now().toString(36)
let serial = 0
const nextId = () => `rc${run}-${++serial}`

// One verb each, whatever the protocol: { ok, id, order, code, text, limit, value, … }; text is "NAME: text (hint)".
class OverFix {
  name = 'FIX'; account = 1001; member = 101; session = 1
  constructor (client) { this.client = client }

  async answer (id) {
    const m = await this.client.waitFor(m => '89j'.includes(m.get(35)) && (m.get(11) === id || m.get(379) === id), `answer to ${id}`)
    const ok = m.get(35) === '8' && m.get(150) !== '8'
    return { ok, id, order: m.get(37), code: Number(m.get(5004) ?? 0), text: m.get(58), reason: m.get(103) ?? m.get(102), ref: m.get(5003) && Number(m.get(5003)), sequence: Number(m.get(5005)), raw: m.raw }
  }

  confirms ({ fatFinger, nav, ref }) { return [...(fatFinger ? [[5001, 'Y']] : []), ...(nav ? [[5002, 'Y']] : []), ...(ref ? [[5003, ref]] : [])] }

  place ({ side = 'buy', quantity = 1, price = 24, tif = 1, account, ...more } = {}) {
    const id = nextId()
    this.client.newOrder(id, symbol, side, quantity, price, [[59, tif], ...(account ? [[1, account]] : []), ...this.confirms(more)])
    return this.answer(id)
  }

  amend ({ id, side = 'buy', quantity = 1, price = 24, ...more }) {
    const own = nextId()
    this.client.send('G', [[11, own], [41, id], [55, symbol], [54, side === 'buy' ? 1 : 2], [60, '20261120-10:00:00'], [38, quantity], [40, 2], [44, price], ...this.confirms(more)])
    return this.answer(own)
  }

  cancel ({ id, side = 'buy' }) { const own = nextId(); this.client.cancel(own, id, symbol, side); return this.answer(own) }

  async status ({ id, side = 'buy' }) {
    const status = nextId()
    this.client.send('H', [[11, id], [55, symbol], [54, side === 'buy' ? 1 : 2], [790, status]])
    const m = await this.client.waitFor(m => m.get(790) === status, 'a status')
    return { ok: m.get(39) !== '8', code: Number(m.get(5004) ?? 0), raw: m.raw }
  }

  async ended ({ order }) { // why
    const m = await this.client.waitFor(m => m.get(37) === order && m.get(150) === '4', 'its end')
    return m.get(58)
  }
}

const said = (error, rest) => ({ ok: false, code: error.code, name: error.name, text: `${error.name}: ${error.text} (${error.hint})`, limit: error.limit, value: error.value, raw: JSON.stringify(error), ...rest })
const body = ({ side = 'buy', quantity = 1, price = 24, tif = 1, account, fatFinger, nav, ref }) => ({
  symbol, side, quantity: String(quantity), price: String(price), tif: tif === 3 ? 'ioc' : 'gtc', client_order_id: nextId(), ...(account ? { account } : {}),
  ...(fatFinger ? { confirm_fat_finger: true } : {}), ...(nav ? { confirm_nav_deviation: true } : {}), ...(ref ? { confirm_ref: ref } : {})
})

class OverWeb {
  name = 'WebSocket'; account = 1004; member = 103; session = 4
  constructor (client) { this.client = client }

  async ask (fields) {
    const { at, ...m } = await this.client.request(fields)
    if (m.type === 'error') return said(m.error, { sequence: m.sequence, ref: m.sequence })
    return { ok: true, id: m.order?.client_order_id, order: m.order?.order, sequence: m.sequence, raw: JSON.stringify(m) }
  }

  place (order = {}) { return this.ask({ op: 'place', ...body(order) }) }

  amend ({ id, quantity = 1, price = 24, ...more }) {
    const { symbol, side, tif, client_order_id, ...fields } = body({ quantity, price, ...more })
    return this.ask({ op: 'amend', client_order_id: id, ...fields })
  }

  cancel ({ order }) { return this.ask({ op: 'cancel', order }) }
  status ({ order }) { return this.ask({ op: 'order_status', order }) }

  async ended ({ order }) {
    const m = await this.client.waitFor(m => m.type === 'order' && m.order.order === order && m.order.status === 'cancelled', 'its end')
    return m.order.reason
  }
}

class OverRest extends OverWeb {
  name = 'REST'
  constructor (venue, token) { super(null); this.venue = venue; this.token = token }

  async place (order = {}) {
    const { status, json } = await this.venue.call(this.venue.web, 'POST', '/api/v1/orders', { token: this.token, body: body(order) })
    return json.error ? said(json.error, { status, sequence: json.sequence, ref: json.sequence }) : { ok: true, order: json.order.order, raw: JSON.stringify(json) }
  }
}

export async function riskClients (suite, venue) {
  const post = (route, body = {}) => venue.administer('POST', `/${route}`, body)
  const fix = new OverFix(await venue.rawFix('atlantic'))
  const web = new OverWeb(await venue.trader('diego'))
  const rest = new OverRest(venue, web.client.token)
  const seller = await venue.trader('carla')
  const doors = [fix, web]

  const taken = async (door, order) => {
    const answer = await door.place(order)
    assert.ok(answer.ok, `${door.name}: ${answer.raw}`)
    return answer
  }
  const refused = (answer, name, code) => assert.deepEqual([answer.ok, answer.code, answer.text?.startsWith(`${name}: `)], [false, code, true], answer.raw)
  const limits = (door, scope, fields) => post(`${scope}s/${door[scope]}/limits`, fields)
  const off = { order_value_max: '0' } // all of them
  const controls = fields => post(`instruments/${instrument}/controls`, fields)
  const usual = await venue.administer('GET', `/instruments/${instrument}/controls`)
  delete usual.sequence
  const withControls = body => body().finally(() => controls(usual))

  // The same order by each way in, after `set` of the two who send it: the same code, words, limit, hint; numbers of their own.
  const everywhere = async (name, code, order, { reason, limit, status = 422, set, unset = async () => {} }) => {
    for (const door of doors) await set?.(door)
    const answers = [await fix.place(order), await web.place(order), await rest.place(order)]
    for (const door of doors) await unset(door)
    const words = answers.map(answer => { refused(answer, name, code); return answer.text.replace(/\d+(\.\d+)?/g, '#') })
    assert.deepEqual([words[1], words[2]], [words[0], words[0]])
    assert.deepEqual([answers[0].reason, answers[2].status], [String(reason), status], answers[0].raw)
    for (const { text, raw } of answers) if (limit) assert.ok(text.includes(limit), raw)
    if (limit) assert.deepEqual([answers[1].limit, answers[2].limit], [limit, limit])
    return answers
  }
  const everyWay = (what, ...rest) => suite.test(`risk by every way in: ${what}`, () => everywhere(...rest))
  const limited = (scope, fields) => ({ set: door => limits(door, scope, fields), unset: door => limits(door, scope, off).catch(() => limits(door, scope, { messages_max: 0 })) })

  await post(`instruments/${instrument}/reference-price`, { price: '25' })
  await post(`instruments/${instrument}/nav`, { nav: '25' })
  await post(`instruments/${instrument}/phase`, { phase: 'continuous' })
  await venue.administer('POST', '/mass-cancel', { instrument })
  { // the last price is 25, whatever it was
    await seller.request({ op: 'place', symbol, side: 'sell', quantity: '1', price: '25', client_order_id: nextId(), confirm_fat_finger: true })
    await taken(web, { price: 25, fatFinger: true })
  }

  // ---- refusals -----------------------------------------------------------------------------------------------

  await everyWay('order value of the account', 'ORDER_VALUE_MAX', 99, { quantity: 5 }, { reason: 3, limit: '100.5', ...limited('account', { order_value_max: '100.5' }) })
  await everyWay('order value of the member', 'ORDER_VALUE_MAX', 99, { quantity: 5 }, { reason: 3, limit: '100', ...limited('member', { order_value_max: '100' }) })
  await everyWay('daily value', 'DAILY_VALUE_MAX', 100, { quantity: 5 }, { reason: 3, limit: '1', ...limited('account', { daily_value_max: '1' }) })
  await everyWay('jurisdiction', 'JURISDICTION', 106, {}, {
    reason: 99, status: 403, set: () => post(`instruments/${instrument}/jurisdictions`, { mode: 'only', codes: [56] }), unset: () => post(`instruments/${instrument}/jurisdictions`, { mode: 'any', codes: [] })
  })
  await everyWay('position', 'POSITION_MAX', 104, {}, { reason: 3, limit: '0.01', set: () => controls({ ...usual, position_max: 1 }), unset: () => controls(usual) })
  await everyWay('concentration', 'CONCENTRATION', 105, {}, { reason: 3, limit: '1', set: () => controls({ ...usual, supply: 100, concentration_bps: 1 }), unset: () => controls(usual) })
  await everyWay('investor type', 'INVESTOR_TYPE', 107, {}, { reason: 99, status: 403, set: () => controls({ ...usual, investor_types: ['retail'] }), unset: () => controls(usual) })
  await suite.test('risk by every way in: what is missing is told in cash to a buyer, in tokens to a seller', async () => {
    const [told] = await everywhere('INSUFFICIENT_BALANCE', 50, { side: 'sell', quantity: 4000000, price: 26 }, { reason: 3, limit: '4000000' })
    const { balances } = await venue.administer('GET', `/balances?account=${fix.account}`)
    assert.ok(told.text.includes(`needs 4000000, available ${balances.find(b => b.symbol === symbol).available} `), told.text)
    const poor = await web.place({ quantity: 20000, price: 25.01 }) // unless a limit of the person is met first
    if (poor.code === 50) assert.equal(poor.limit, '500200')
    else refused(poor, 'INVESTMENT_LIMIT', 48)
  })
  await everyWay('account of somebody else', 'ACCOUNT_NOT_OF_SESSION', 13, { account: 1002 }, { reason: 15, status: 403 })
  await everyWay('account that there is not', 'ACCOUNT_NOT_OF_SESSION', 13, { account: 999 }, { reason: 15, status: 403 })
  await everyWay('price times quantity is too large', 'OVERFLOW', 51, { quantity: '92233720368547758' }, { reason: 99 })
  for (const scope of ['account', 'member', 'session'])
    await everyWay(`kill switch of the ${scope}`, 'KILLED', 97, {}, { reason: 2, status: 423, set: door => post(`${scope}s/${door[scope]}/kill`), unset: door => post(`${scope}s/${door[scope]}/unkill`) })
  await everyWay('kill switch of the venue', 'KILLED', 97, {}, { reason: 2, status: 423, set: () => post('venue/kill'), unset: () => post('venue/unkill') })
  await everyWay('an account may be seen only', 'ACCOUNT_RIGHT', 98, {}, { reason: 15, status: 403, set: door => rights(door, ['see']), unset: door => rights(door) })

  await suite.test('risk by every way in: open orders, duplicates, executions, what lowered limits leave', async () => {
    const open = []
    for (const door of doors) open.push(await taken(door, { quantity: 5 }))
    await everywhere('OPEN_ORDERS_MAX', 101, {}, { reason: 3, limit: '1', ...limited('account', { open_orders_max: 1 }) })
    // Lowered under what is open: it stays; no order may grow, less and nothing are always allowed.
    for (const [i, door] of doors.entries()) {
      await limits(door, 'account', { order_value_max: '50' })
      refused(await door.amend({ ...open[i], quantity: 6 }), 'ORDER_VALUE_MAX', 99)
      const less = await door.amend({ ...open[i], quantity: 2 })
      assert.ok(less.ok, less.raw)
      assert.ok((await door.cancel(less)).ok)
    }
    for (const door of doors) {
      await limits(door, 'account', { duplicate_ms: 60000 })
      const first = await taken(door, { price: 25 })
      const again = await door.place({ price: 25 })
      refused(again, 'DUPLICATE_ORDER', 102)
      assert.ok(again.text.includes(`like order ${first.order} of `) && again.text.includes('within 60000 ms'), again.text)
      await limits(door, 'account', { executions_max: 1, executions_ms: 60000 })
      assert.equal((await seller.request({ op: 'place', symbol, side: 'sell', quantity: '1', price: '25', tif: 'ioc', client_order_id: nextId() })).type, 'placed')
    }
    await everywhere('EXECUTIONS_MAX', 103, {}, { reason: 3, status: 423, limit: '1', unset: door => limits(door, 'account', off) })
    for (const door of doors) assert.ok((await door.cancel(await taken(door))).ok)
  })

  await suite.test('risk by every way in: investment over thirteen periods', async () => {
    for (const door of doors) await limits(door, 'member', { cumulative_investment: true })
    const open = [await taken(fix, { quantity: 1500 }), await taken(web, { quantity: 1500 })]
    const [, told] = await everywhere('INVESTMENT_LIMIT', 48, { quantity: 1500, price: 23.9 }, { reason: 3, limit: '50000', unset: door => limits(door, 'member', off) })
    assert.ok(Number(told.value) >= 1500 * (24 + 23.9), told.raw)
    for (const [i, door] of doors.entries()) assert.ok((await door.cancel(open[i])).ok)
  })

  await suite.test('risk by every way in: what is owed is not sold', async () => {
    const amounts = {}
    for (const { account } of doors) {
      const { balances } = await venue.administer('GET', `/balances?account=${account}`)
      amounts[account] = String(Number(balances.find(b => b.symbol === symbol).available) + 3)
      await post('chain-out', { reference: nextId(), account, asset: symbol, amount: amounts[account] })
    }
    const back = ({ account }) => post('chain-in', { reference: nextId(), account, asset: symbol, amount: amounts[account] })
    const told = await everywhere('DEFICIT', 108, { side: 'sell', price: 26 }, { reason: 3, status: 423, unset: back })
    for (const { text } of told) assert.ok(text.includes('lacks 3 of asset'), text)
  })

  await suite.test('risk by every way in: throttled messages; cancels pass', async () => {
    const open = [await taken(fix), await taken(web)]
    await everywhere('THROTTLED', 6, {}, { reason: 99, status: 429, limit: '1', set: async door => { await limits(door, 'session', { messages_max: 1, messages_ms: 3600000 }); await door.status(open[doors.indexOf(door)]) } })
    for (const [i, door] of doors.entries()) {
      refused(await door.amend({ ...open[i], quantity: 2 }), 'THROTTLED', 6)
      assert.equal((await door.status(open[i])).code, 6)
      assert.ok((await door.cancel(open[i])).ok)
      await limits(door, 'session', { messages_max: 0 })
    }
  })

  // ---- confirmations ------------------------------------------------------------------------------------------

  await suite.test('risk by every way in: a stale NAV is refused, or confirmed', () => withControls(async () => {
    await controls({ ...usual, nav_stale_ms: 1, nav_stale_action: 'refuse' })
    await everywhere('NAV_STALE', 95, { nav: true }, { reason: 99, status: 409, limit: '1' })
    await controls({ ...usual, nav_stale_ms: 1, nav_stale_action: 'confirm' })
    const asked = await everywhere('NAV_STALE', 95, {}, { reason: 99, status: 409, limit: '1' })
    assert.equal(asked[0].ref, asked[0].sequence, 'FIX names the refusal that may be confirmed')
    for (const door of doors) assert.ok((await door.cancel(await taken(door, { nav: true }))).ok)
  }))

  for (const door of doors) {
    await suite.test(`${door.name}: strict confirmation wants the refusal's reference, of orders and of amends`, async () => {
      const confirmRef = (answer, reason) => { refused(answer, 'CONFIRM_REF', 96); assert.ok(answer.text.includes(`reason ${reason} `), answer.text) }
      await limits(door, 'member', { strict_confirm: true })
      const asked = await door.place({ price: 21 })
      refused(asked, 'FAT_FINGER_CONFIRM', 32)
      const ref = asked.ref
      confirmRef(await door.place({ price: 21, fatFinger: true }), 1)              // none
      confirmRef(await door.place({ price: 21, fatFinger: true, ref: 1 }), 1)      // of another thing
      confirmRef(await door.place({ price: 21, side: 'sell', fatFinger: true, ref }), 3)
      confirmRef(await door.place({ price: 21.5, fatFinger: true, ref }), 4)       // worse
      confirmRef(await door.place({ price: 21, fatFinger: true, nav: true, ref }), 5)
      const other = doors.find(d => d !== door)
      await limits(other, 'member', { strict_confirm: true })
      confirmRef(await other.place({ price: 21, fatFinger: true, ref }), 3)        // of another's account
      await limits(other, 'member', off)
      const placed = await taken(door, { price: 21, fatFinger: true, ref })
      const amend = await door.amend({ ...placed, price: 20.5 })
      refused(amend, 'FAT_FINGER_CONFIRM', 32)
      assert.ok(amend.ref, amend.raw)
      confirmRef(await door.amend({ ...placed, price: 20.5, fatFinger: true }), 1)
      const amended = await door.amend({ ...placed, price: 20.5, fatFinger: true, ref: amend.ref })
      assert.ok(amended.ok, amended.raw)
      assert.ok((await door.cancel({ ...placed, id: amended.id })).ok)
      await limits(door, 'member', off)
    })
  }

  // ---- kill switch, rights ------------------------------------------------------------------------------------

  await suite.test('risk by every way in: a kill ends what is open, and says so; cancels stay possible', async () => {
    const open = [await taken(fix), await taken(web)]
    for (const door of doors) await post(`members/${door.member}/kill`, { reason: 'test' })
    assert.deepEqual([await fix.ended(open[0]), await web.ended(open[1])], ['stopped by the kill switch', 'killed'])
    for (const [i, door] of doors.entries()) refused(await door.cancel(open[i]), 'UNKNOWN_ORDER', 16)
    for (const door of doors) await post(`members/${door.member}/unkill`)
  })

  for (const door of doors) {
    await suite.test(`${door.name}: who may see only neither trades nor cancels; who may cancel only does not see`, async () => {
      const open = await taken(door)
      await rights(door, ['see'])
      refused(await door.place(), 'ACCOUNT_RIGHT', 98)
      refused(await door.amend({ ...open, quantity: 2 }), 'ACCOUNT_RIGHT', 98)
      refused(await door.cancel(open), 'ACCOUNT_RIGHT', 98)
      assert.ok((await door.status(open)).ok)
      await rights(door, ['cancel'])
      assert.equal((await door.status(open)).code, 98)
      const cancelled = await door.cancel(open)
      assert.ok(cancelled.ok, cancelled.raw)
      await rights(door)
    })
  }

  // ---- fees, bands --------------------------------------------------------------------------------------------

  await suite.test('risk by every way in: both sides pay their fees, and the buyer\'s is held', async () => {
    const fees = [{ account: 1001, sell_maker_bps: 50, buy_taker_bps: 200 }, { account: 1004, buy_maker_bps: 100, sell_taker_bps: 25 }]
    for (const fee of fees) await post('fees', fee)
    const fill = order => web.client.waitFor(m => m.type === 'fill' && m.fill.order === order, 'its fill').then(m => m.fill)
    const report = order => fix.client.waitFor(m => m.get(37) === order && m.get(150) === 'F', 'its fill')
    const feeOf = m => [136, 137, 138, 139].map(tag => m.get(tag))

    const from = web.client.messages.length
    const bid = await taken(web, { quantity: 4, price: 25 }) // held: 100 and its fee
    const held = await web.client.waitFor(m => web.client.messages.indexOf(m) >= from && m.type === 'balances' && m.balances.some(b => b.asset === 'USD'), 'balances')
    assert.equal(held.balances.find(b => b.asset === 'USD').held, '101')
    const sale = await taken(fix, { side: 'sell', quantity: 4, price: 25 }) // taker: its rate is 0
    assert.equal((await fill(bid.order)).fee, '1')
    assert.equal((await report(sale.order)).get(136), undefined)

    const offer = await taken(fix, { side: 'sell', quantity: 4, price: 25 })
    const buy = await taken(web, { quantity: 4, price: 25 }) // taker: 0
    assert.deepEqual(feeOf(await report(offer.order)), ['1', '0.5', 'USD', '4'])
    assert.equal((await fill(buy.order)).fee, '0')

    const ask = await taken(web, { side: 'sell', quantity: 4, price: 25 })
    const lift = await taken(fix, { quantity: 4, price: 25 })
    assert.deepEqual(feeOf(await report(lift.order)), ['1', '2', 'USD', '4']) // a buyer's
    assert.equal((await fill(ask.order)).fee, '0')
    for (const { account } of fees) await post('fees', { account, remove: true })
  })

  await suite.test('risk by every way in: a band holds an order and begins a limit state, told to all', () => withControls(async () => {
    const id = nextId()
    const news = (word, fits) => fix.client.waitFor(m => m.get(35) === 'f' && m.get(324) === id && fits(m), word)
    const state = async (word, fits) => {
      const from = web.client.messages.length
      return () => web.client.waitFor(m => web.client.messages.indexOf(m) >= from && m.type === 'instrument' && m.instrument.symbol === symbol && fits(m.instrument), word)
    }
    await controls({ ...usual, dynamic_bps: 100, limit_state_ms: 60000 })
    fix.client.send('e', [[324, id], [55, symbol], [263, 1]])
    await news('an answer', m => m.get(325) === 'N' && m.get(58) === undefined)
    const entered = await state('a limit state', i => i.limit_state_end !== null)
    const asks = [await taken(web, { side: 'sell', price: 25.1 }), await taken(web, { side: 'sell', price: 26 })]
    const sweep = await taken(fix, { quantity: 2, price: 26 })
    assert.equal(await fix.ended(sweep), 'the next price is beyond the price band')
    assert.equal((await news('a limit state', m => m.get(58) === 'limit state: a price band was met')).get(326), '17')
    const { instrument: told } = await entered()
    assert.deepEqual([told.phase, told.dynamic_bps], ['continuous', 100])
    assert.ok(Date.parse(told.limit_state_end) > Date.now() - 5000)
    const left = await state('its end', i => i.limit_state_end === null)
    await taken(web, { side: 'sell', price: 25 })
    const from = fix.client.received.length
    await taken(fix, { price: 25 }) // trades inside the bands
    await left()
    await news('its end', m => fix.client.received.indexOf(m) >= from && m.get(58) === undefined)
    const swept = await taken(web, { side: 'buy', quantity: 2, price: 26 }) // trades with itself up to there
    assert.equal(await web.ended(swept), 'band')
    fix.client.send('e', [[324, id], [55, symbol], [263, 2]])
    await post(`instruments/${instrument}/phase`, { phase: 'halted' }) // ends the limit state
    await web.cancel(asks[1])
    await post(`instruments/${instrument}/phase`, { phase: 'continuous' })
  }))

  await suite.test('risk by every way in: an instrument with open orders is not delisted; a delisted one takes none', async () => {
    const open = await taken(web)
    await assert.rejects(delist(), /INSTRUMENT_BUSY/)
    await web.cancel(open)
    await delist()
    await everywhere('TOKEN_STATUS', 40, {}, { reason: 2, status: 409 })
    await delist('secondary')
    assert.ok((await web.cancel(await taken(web))).ok)
  })

  await suite.test('risk by every way in: nothing is left of it; sums are zero, ledger = Postgres = chain', async () => {
    await post('mass-cancel', { instrument })
    await venue.conservation()
  })
  await Promise.all([fix.client.logout(), web.client.close(), seller.close()])

  // ---- helpers that need the venue ------------------------------------------------------------------------------

  // A session's rights for its account; all without them. The gateways hear of it a moment after administration.
  async function rights (door, words) {
    const gateway = door === fix ? 'fix' : 'web'
    const [{ cancel_on_disconnect, member_scope }] = (await venue.administer('GET', '/sessions')).filter(s => s.session_id === door.session)
    await post('sessions', { session: door.session, member: door.member, gateway, cancel_on_disconnect, member_scope, accounts: [words ? { account: door.account, rights: words } : door.account] })
  }

  // Its terms are those of tools/demo.json but for the status.
  function delist (status = 'delisted') {
    const { asset, cash, rules, bands, reference_price, ...terms } = demo.instruments.find(i => i.instrument === instrument)
    return post('instruments', { ...terms, token_asset: asset, cash_asset: cash, status, trading_mode: 'full_orderbook' })
  }
}
