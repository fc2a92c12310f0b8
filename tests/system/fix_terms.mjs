// Every order type, time in force, term, self-trade mode, amend, mass cancel and status, placed once over FIX by a
// client that is not QuickFIX. On ATUN, which is left as it was: continuous, without orders of ours.
import assert from 'node:assert/strict'
import { eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2
let serial = 0
const nextId = () => `ft${++serial}`

// A member that remembers what it has read: every expectation looks behind the one before it.
class Member {
  constructor (client) { this.client = client; this.read = 0 }

  // The next message with these values ('Text' by its beginning); the others are passed over.
  async expect (type, values, what = JSON.stringify(values)) {
    const fits = m => m.type === type && Object.entries(values).every(([name, value]) =>
      name === 'Text' ? m.body.Text?.startsWith(value) : valueOf(m.body, name) === value)
    const { messages } = this.client
    const found = await this.client.waitFor(m => messages.indexOf(m) >= this.read && fits(m), `${type} ${what}`)
      .catch(error => { throw new Error(`${error.message}; heard ${messages.slice(this.read).map(m => m.raw).join('\n')}`) })
    this.read = messages.indexOf(found) + 1
    return found.body
  }

  report (values) { return this.expect('8', values) }

  place (side, quantity, price, more = {}) {
    const clOrdId = nextId()
    this.client.newOrder({ clOrdId, symbol, side, price, quantity, tif: '0', ...more })
    return clOrdId
  }

  // An order that is taken; resolves with its id.
  async rest (side, quantity, price, more) {
    const ClOrdID = this.place(side, quantity, price, more)
    await this.report({ ClOrdID, ExecType: '0' })
    return ClOrdID
  }

  replace (origClOrdId, side, quantity, price, more = {}) {
    const clOrdId = nextId()
    this.client.replace({ clOrdId, origClOrdId, symbol, side, price, quantity, ...more })
    return clOrdId
  }

  async cancel (origClOrdId, side) {
    const clOrdId = nextId()
    this.client.cancel({ clOrdId, origClOrdId, symbol, side })
    return this.report({ ClOrdID: clOrdId, OrigClOrdID: origClOrdId, ExecType: '4' })
  }
}

const valueOf = (body, name) => {
  const value = name === 'OrderQty' ? body.OrderQtyData?.OrderQty : name === 'Symbol' ? body.Instrument?.Symbol : body[name]
  return value instanceof Date ? value.toISOString() : value
}

export async function fixTerms (suite, venue) {
  const fixes = [await venue.fix('atlantic', { reset: true }), await venue.fix('balear', { reset: true })]
  const [a, b] = fixes.map(client => new Member(client))
  const phase = name => venue.administer('POST', `/instruments/${instrument}/phase`, { phase: name })

  // Both trade at that price: it is the last one.
  const trade = async price => {
    const sell = await a.rest('sell', 1, price)
    const buy = b.place('buy', 1, price)
    await a.report({ ClOrdID: sell, ExecType: 'F', LastPx: price, LastLiquidityInd: 1 })
    await b.report({ ClOrdID: buy, ExecType: 'F', LastPx: price, LastLiquidityInd: 2 })
  }

  await suite.test('FIX: market and limit orders; last price', async () => {
    await trade(25)
    const offer = await a.rest('sell', 2, 25.1)
    const market = b.place('buy', 1, undefined, { type: '1' })
    await b.report({ ClOrdID: market, ExecType: 'F', LastPx: 25.1, OrdStatus: '2' })
    await a.cancel(offer, 'sell')
    await trade(25)
  })

  await suite.test('FIX: a stop waits, is triggered, trades as a market order; a stop limit rests', async () => {
    const stop = a.place('sell', 1, undefined, { type: '3', StopPx: 24.9 })
    await a.report({ ClOrdID: stop, ExecType: '0', OrdStatus: '0', OrdType: '3', StopPx: 24.9, WorkingIndicator: false, LeavesQty: 1 })
    const stopLimit = a.place('sell', 1, 24.8, { type: '4', StopPx: 24.9 })
    await a.report({ ClOrdID: stopLimit, ExecType: '0', StopPx: 24.9, Price: 24.8, WorkingIndicator: false })
    const moved = a.replace(stopLimit, 'sell', 1, 24.85, { type: '4', StopPx: 24.9 })
    await a.report({ ClOrdID: moved, OrigClOrdID: stopLimit, ExecType: '5', Price: 24.85, StopPx: 24.9, PriorityIndicator: 1 })
    await b.rest('buy', 2, 24.9)
    a.place('sell', 1, 24.9)
    await a.report({ ClOrdID: stop, ExecType: 'L', OrdStatus: '0', WorkingIndicator: true })
    await a.report({ ClOrdID: stop, ExecType: 'F', LastPx: 24.9, OrdStatus: '2' })
    await a.report({ ClOrdID: moved, ExecType: 'L', WorkingIndicator: true })
    await a.cancel(moved, 'sell')
    await trade(25)
  })

  await suite.test('FIX: a trailing stop follows the market', async () => {
    const trailing = a.place('sell', 1, undefined, { type: 'P', ExecInst: 'a', PegOffsetValue: 0.5, PegOffsetType: 0 })
    await a.report({ ClOrdID: trailing, ExecType: '0', OrdType: 'P', ExecInst: 'a', PegOffsetValue: 0.5, StopPx: 24.5, WorkingIndicator: false })
    await trade(25.2)
    a.client.orderStatus({ clOrdId: trailing, symbol, side: 'sell', id: 'trail' })
    await a.report({ OrdStatusReqID: 'trail', ExecType: 'I', StopPx: 24.7, WorkingIndicator: false })
    await b.rest('buy', 2, 24.7)
    a.place('sell', 1, 24.7)
    await a.report({ ClOrdID: trailing, ExecType: 'L', StopPx: 24.7 })
    await a.report({ ClOrdID: trailing, ExecType: 'F', LastPx: 24.7, OrdStatus: '2' })
    await trade(25)
  })

  await suite.test('FIX: immediate or cancel, fill or kill, minimum quantity', async () => {
    const offer = await a.rest('sell', 2, 25)
    const killed = b.place('buy', 3, 25, { tif: '4' })
    await b.report({ ClOrdID: killed, ExecType: '4', CumQty: 0, Text: 'fill or kill' })
    const tooFew = b.place('buy', 5, 25, { tif: '3', MinQty: 3 })
    await b.report({ ClOrdID: tooFew, ExecType: '0', MinQty: 3, TimeInForce: '3' })
    await b.report({ ClOrdID: tooFew, ExecType: '4', CumQty: 0, Text: 'its minimum' })
    const enough = b.place('buy', 3, 25, { tif: '3', MinQty: 1 })
    await b.report({ ClOrdID: enough, ExecType: 'F', LastQty: 2 })
    await b.report({ ClOrdID: enough, ExecType: '4', CumQty: 2, LeavesQty: 0 })
    await a.report({ ClOrdID: offer, ExecType: 'F', OrdStatus: '2' })
  })

  await suite.test('FIX: day, good till cancelled, good till a moment or a date', async () => {
    const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000)
    const dated = a.place('buy', 1, 24, { tif: '6', ExpireTime: soon })
    await a.report({ ClOrdID: dated, ExecType: '0', TimeInForce: '6', ExpireTime: soon.toISOString() })
    const lasting = await a.rest('buy', 1, 24, { tif: '6', ExpireDate: new Date('2099-12-31T00:00:00Z') })
    const day = await a.rest('buy', 1, 24, { tif: '0' })
    const forGood = await a.rest('buy', 1, 24, { tif: '1' })
    await a.report({ ClOrdID: dated, ExecType: 'C', OrdStatus: 'C', LeavesQty: 0 })
    await phase('closed')
    await a.report({ ClOrdID: day, ExecType: 'C', OrdStatus: 'C' })
    await a.cancel(lasting, 'buy') // they outlive the day, and cancels pass in every phase
    await a.cancel(forGood, 'buy')
    await phase('continuous')
  })

  await suite.test('FIX: an iceberg shows a slice and reports the whole', async () => {
    const iceberg = await a.rest('sell', 10, 25, { MaxFloor: 2 })
    await b.rest('buy', 3, 25)
    await a.report({ ClOrdID: iceberg, ExecType: 'F', LastQty: 2, LeavesQty: 8, MaxFloor: 2 })
    await a.report({ ClOrdID: iceberg, ExecType: 'F', LastQty: 1, LeavesQty: 7 })
    const smaller = a.replace(iceberg, 'sell', 10, 25, { MaxFloor: 1 })
    await a.report({ ClOrdID: smaller, ExecType: '5', MaxFloor: 1, LeavesQty: 7, PriorityIndicator: 0 })
    await a.cancel(smaller, 'sell')
  })

  await suite.test('FIX: post-only is refused where it would trade', async () => {
    const offer = await a.rest('sell', 1, 25, { ExecInst: '6' })
    const crossing = b.place('buy', 1, 25, { ExecInst: '6' })
    await b.report({ ClOrdID: crossing, ExecType: '8', RejectCode: 57 })
    await a.cancel(offer, 'sell')
  })

  await suite.test('FIX: self-trade prevention: newest, oldest, both, decrement, by id', async () => {
    const one = await a.rest('sell', 1, 25)
    const newest = a.place('buy', 1, 25, { SelfMatchPreventionInstruction: 1 })
    await a.report({ ClOrdID: newest, ExecType: '4', Text: 'self-trade prevention' })
    const oldest = a.place('buy', 1, 25, { SelfMatchPreventionInstruction: 2 })
    await a.report({ ClOrdID: one, ExecType: '4', Text: 'self-trade prevention' })
    const both = a.place('sell', 1, 25, { SelfMatchPreventionInstruction: 3 })
    await a.report({ ClOrdID: oldest, ExecType: '4' })
    await a.report({ ClOrdID: both, ExecType: '4' })
    const large = await a.rest('sell', 3, 25, { SelfMatchPreventionID: '7' })
    const small = a.place('buy', 1, 25, { SelfMatchPreventionInstruction: 4, SelfMatchPreventionID: '7' })
    await a.report({ ClOrdID: large, ExecType: 'D', ExecRestatementReason: 5, OrderQty: 2, LeavesQty: 2, SelfMatchPreventionID: '7' })
    await a.report({ ClOrdID: small, ExecType: '4', SelfMatchPreventionInstruction: 4 })
    const other = a.place('buy', 2, 25, { SelfMatchPreventionInstruction: 1, SelfMatchPreventionID: '8' })
    await a.report({ ClOrdID: other, ExecType: 'F' }) // another id: they trade
  })

  await suite.test('FIX: replace: down, up, another price, into a trade, to what is filled; refused', async () => {
    const bid = await b.rest('buy', 2, 24.5)
    const first = await a.rest('sell', 5, 25)
    const down = a.replace(first, 'sell', 4, 25)
    await a.report({ ClOrdID: down, OrigClOrdID: first, ExecType: '5', OrderQty: 4, LeavesQty: 4, PriorityIndicator: 0 })
    const up = a.replace(down, 'sell', 6, 25)
    await a.report({ ClOrdID: up, ExecType: '5', OrderQty: 6, LeavesQty: 6, PriorityIndicator: 1 })
    const offTick = a.replace(up, 'sell', 6, 25.005)
    await a.expect('9', { ClOrdID: offTick, OrigClOrdID: up, CxlRejResponseTo: '2', RejectCode: 26, OrdStatus: '0' })
    const trades = a.replace(up, 'sell', 6, 24.5)
    await a.report({ ClOrdID: trades, ExecType: '5', Price: 24.5, LeavesQty: 6, PriorityIndicator: 1 })
    await a.report({ ClOrdID: trades, ExecType: 'F', LastPx: 24.5, LastQty: 2, LeavesQty: 4 })
    await b.report({ ClOrdID: bid, ExecType: 'F', OrdStatus: '2' })
    const filled = a.replace(trades, 'sell', 2, 24.5)
    await a.report({ ClOrdID: filled, OrigClOrdID: trades, ExecType: '4', OrdStatus: '4', CumQty: 2, LeavesQty: 0 })
    const late = a.replace(filled, 'sell', 9, 24.5)
    await a.expect('9', { ClOrdID: late, CxlRejReason: 1, RejectCode: 16 })
    await trade(25)
  })

  await suite.test('FIX: status of one order, of all, of a security, a side, of none', async () => {
    const client = a.client
    client.massStatus({ id: 'none' })
    await a.report({ MassStatusReqID: 'none', ExecType: 'I', OrdStatus: '8', TotNumReports: 0, LastRptRequested: true })
    const bid = await a.rest('buy', 5, 24, { tif: '1' })
    const stop = await a.rest('sell', 1, undefined, { type: '3', StopPx: 24 })
    client.orderStatus({ clOrdId: bid, symbol, side: 'buy', id: 'one' })
    await a.report({ OrdStatusReqID: 'one', ClOrdID: bid, ExecType: 'I', ExecID: '0', OrdStatus: '0', LeavesQty: 5, TimeInForce: '1' })
    client.massStatus({ id: 'all' })
    await a.report({ MassStatusReqID: 'all', ClOrdID: bid, ExecType: 'I', TotNumReports: 2, LastRptRequested: false })
    await a.report({ MassStatusReqID: 'all', ClOrdID: stop, TotNumReports: 2, LastRptRequested: true, StopPx: 24, WorkingIndicator: false })
    client.massStatus({ id: 'sells', symbol, side: 'sell', account: 1001 })
    await a.report({ MassStatusReqID: 'sells', ClOrdID: stop, TotNumReports: 1, LastRptRequested: true })
    await a.cancel(bid, 'buy')
    client.orderStatus({ clOrdId: bid, symbol, side: 'buy', id: 'done' })
    await a.report({ OrdStatusReqID: 'done', ExecType: 'I', OrdStatus: '4', LeavesQty: 0 })
    client.massStatus({ id: 'not mine', account: 1002 })
    await a.report({ MassStatusReqID: 'not mine', OrdStatus: '8', RejectCode: 13 })
    await a.cancel(stop, 'sell')
  })

  await suite.test('FIX: mass cancel of a security, a side, an account, everything; of the firm only with the right', async () => {
    const ask = async (fields, expected) => {
      const clOrdId = nextId()
      a.client.massCancel({ clOrdId, ...fields })
      return a.expect('r', { ClOrdID: clOrdId, ...expected })
    }
    const [buy, sell] = [await a.rest('buy', 1, 24), await a.rest('sell', 1, 26)]
    await ask({ symbol: 'PORT' }, { MassCancelResponse: '1', TotalAffectedOrders: 0 })
    await ask({ symbol, side: 'buy' }, { MassCancelResponse: '1', TotalAffectedOrders: 1 })
    assert.ok(a.client.messages.some(m => m.body.ClOrdID === buy && m.body.ExecType === '4' && m.body.Text === 'mass cancel'))
    await ask({ account: 1001 }, { MassCancelResponse: '7', TotalAffectedOrders: 1 })
    assert.ok(a.client.messages.some(m => m.body.ClOrdID === sell && m.body.ExecType === '4'))
    await a.rest('buy', 1, 24)
    await ask({ member: 101 }, { MassCancelResponse: '0', RejectCode: 92 })
    await venue.administer('POST', '/sessions', { session: 1, member: 101, gateway: 'fix', accounts: [1001], member_scope: true })
    await ask({ member: 101 }, { MassCancelResponse: '7', TotalAffectedOrders: 1 })
    await ask({ member: 102 }, { MassCancelResponse: '0', RejectCode: 92 })
    await ask({}, { MassCancelResponse: '7', TotalAffectedOrders: 0 })
  })

  await suite.test('FIX: auctions: at-open and at-close orders, market orders, security status, indicative price', async () => {
    b.client.securityStatus({ id: 'watch', symbol, type: '1' })
    await b.expect('f', { SecurityStatusReqID: 'watch', UnsolicitedIndicator: false, SecurityTradingStatus: 17, TradingSessionSubID: '3', LastPx: 25 })
    await phase('pre_open')
    await b.expect('f', { UnsolicitedIndicator: true, SecurityTradingStatus: 21, TradingSessionSubID: '1' })
    await phase('opening_auction')
    await b.expect('f', { SecurityTradingStatus: 22, TradingSessionSubID: '2' })
    const atOpen = await a.rest('sell', 3, 25, { tif: '2' })
    const market = await b.rest('buy', 2, undefined, { type: '1', tif: '2' })
    const atClose = b.place('buy', 1, 25, { tif: '7' })
    await b.report({ ClOrdID: atClose, ExecType: '0', TimeInForce: '7', WorkingIndicator: false })
    const refused = b.place('buy', 1, 25, { tif: '3' })
    await b.report({ ClOrdID: refused, ExecType: '8', RejectCode: 42 })
    await b.expect('f', { SecurityTradingStatus: 22, HighPx: 25, LowPx: 25, BuyVolume: 2, SellVolume: 3 })
    await phase('continuous')
    await a.report({ ClOrdID: atOpen, ExecType: 'F', LastPx: 25, LastQty: 2, LastLiquidityInd: 4, MatchType: '7' })
    await a.report({ ClOrdID: atOpen, ExecType: '4', Text: 'what the auction left' })
    await b.report({ ClOrdID: market, ExecType: 'F', LastPx: 25, LastLiquidityInd: 4, OrdStatus: '2' })
    await b.expect('f', { SecurityTradingStatus: 17, TradingSessionSubID: '3', HighPx: undefined })
    b.client.securityStatus({ id: 'watch', symbol, type: '2' })
    await phase('closing_auction')
    await b.report({ ClOrdID: atClose, ExecType: 'L', WorkingIndicator: true, Text: 'the closing auction' })
    await phase('closed')
    await b.report({ ClOrdID: atClose, ExecType: '4', OrdStatus: '4', Text: 'what the auction left' })
    for (const [name, status, sub] of [['halted', 2, '7'], ['volatility_auction', 5, '6'], ['closing_auction', 5, '4'], ['closed', 18, '5'], ['continuous', 17, '3']]) {
      await phase(name)
      await eventually(`${name} over FIX`, async () => { // administration may have heard of it a moment earlier
        const id = nextId()
        b.client.securityStatus({ id, symbol })
        const told = await b.expect('f', { SecurityStatusReqID: id })
        assert.deepEqual([told.SecurityTradingStatus, told.TradingSessionSubID], [status, sub])
        return true
      })
    }
    b.client.securityStatus({ id: 'fish', symbol: 'FISH' })
    await b.expect('f', { SecurityStatusReqID: 'fish', SecurityTradingStatus: 20 })
    b.client.venueStatus({ id: 'open?' })
    await b.expect('h', { TradSesReqID: 'open?', TradingSessionID: 'LONJA', TradSesStatus: 2 })
  })

  await suite.test('FIX: what does not go together is refused with the code that says why', async () => {
    const cases = [
      [58, { StopPx: 26 }], [66, { PegOffsetValue: 1 }], [59, { MaxFloor: 5 }], [59, { MaxFloor: 0 }], [64, { MinQty: 1 }], [65, { ExpireTime: new Date('2099-01-01T00:00:00Z') }],
      [39, { SelfMatchPreventionInstruction: 9 }], [68, { tif: '3', type: '4', StopPx: 25 }], [67, { tif: '3', ExecInst: '6' }], [42, { tif: '2' }],
      [2, { ExecInst: 'G' }], [22, { type: '5' }], [23, { tif: '5' }]
    ]
    for (const [code, more] of cases) {
      const ClOrdID = a.place('buy', 5, 24, more)
      await a.report({ ClOrdID, ExecType: '8', OrdStatus: '8', RejectCode: code })
    }
  })

  await suite.test('FIX: nothing is left of it', async () => {
    for (const member of [a, b]) {
      const clOrdId = nextId()
      member.client.massCancel({ clOrdId })
      await member.expect('r', { ClOrdID: clOrdId, MassCancelResponse: '7' })
    }
  })
  await Promise.all(fixes.map(client => client.close()))
  await suite.test('FIX: 3,000 orders: all of them told, more than may wait unsent, and all cancelled by one request', () => many(venue, 3000))
}

async function many (venue, count) {
  const heard = { 0: 0, 4: 0, I: 0 } // by ExecType
  let last, answer
  const fix = await venue.rawFix('atlantic', {
    keep: false,
    onMessage (m) {
      if (m.get(35) === '8') { heard[m.get(150)]++; last = m }
      if (m.get(35) === 'r') answer = m
    }
  })
  for (let i = 0; i < count; i++) {
    fix.newOrder(`ftm${i}`, symbol, 'buy', '0.01', '24', [[59, 1]])
    if (i % 500 === 499) await eventually('the orders are taken', () => heard[0] === i + 1)
  }
  fix.send('AF', [[584, 'many'], [585, 7]])
  await eventually('every order is told', () => heard.I === count)
  assert.deepEqual([584, 911, 912].map(tag => last.get(tag)), ['many', String(count), 'Y'])
  fix.send('q', [[11, 'ftmq'], [530, 7], [60, '20261120-10:00:00']])
  await eventually('the mass cancel is done', () => answer)
  assert.deepEqual([answer.get(533), heard[4]], [String(count), count])
  await fix.logout()
}
