// A flow of orders from two FIX members and two web traders that outlives every process of the venue, and what
// each of them was told. The venue's promise is judged by it: what was told is in the record, once.
//
//   const flow = new Flow(venue); flow.start(); …
//   await flow.check()                       // while orders flow: what was told since the last check
//   await flow.pause(); await flow.check()   // and at rest: nobody waits for anything that stands in the record
//   await flow.turn()                        // at rest: who bought sells from now on, so that a long flow never runs dry
//
// A check reads only what has come into the record since the one before it, so that ten thousand of them do not take longer
// each.
import { PATIENCE_MS, sleep } from '../../tools/venue_client.mjs'
import { generator } from './random.mjs'
import { eventually } from './venue.mjs'

class Trader {
  constructor (venue, login, account, side, everyMs, tag) {
    Object.assign(this, { venue, login, account, side, everyMs, tag, next: generator(account), serial: 0 })
    this.sent = new Set()         // client order ids
    this.unanswered = new Set()   // of them
    this.accepted = new Map()     // client order id -> order id
    this.refused = new Map()      // client order id -> code
    this.fills = new Map()        // trade id + side -> { order, price, quantity }
    this.recorded = new Map()     // client order id -> order id, as the record has it
    this.recordedFills = 0        // of these orders
    this.faults = []
    this.connections = 0
    this.takeFresh()
  }

  // What was told since this was last asked.
  takeFresh () {
    const fresh = this.fresh
    this.fresh = { accepted: new Map(), refused: new Map(), fills: new Map() }
    return fresh
  }

  start () {
    this.running = true
    this.done = this.loop()
  }

  async stop () { this.running = false; await this.done }

  async loop () {
    while (this.running) {
      try {
        if (!this.isConnected()) { await this.connect(); this.connections++ }
        this.order()
      } catch (error) { this.lastError = error; await sleep(100) }
      await sleep(this.everyMs)
    }
  }

  // Prices meet now and then (each trade costs a settlement); now and then everything is cancelled, so that nobody runs out of money. Nobody both buys and
  // sells: a trade with oneself cannot be settled on the chain.
  order () {
    if (this.serial % 50 === 49) { this.serial++; return this.cancelAll() }
    const id = `${this.tag}-${this.serial++}`
    this.sent.add(id)
    this.unanswered.add(id)
    const order = { id, side: this.side, price: ((this.side === 'buy' ? 99 : 100.5) + this.next(200) / 100).toFixed(2), quantity: (1 + this.next(200)) / 100 }
    this.place(order)
  }

  fill (trade, side, fill) {
    const known = this.fills.get(trade + side)
    if (known && JSON.stringify(known) !== JSON.stringify(fill)) this.faults.push(`trade ${trade} was told in two ways`)
    if (!known) this.fresh.fills.set(trade + side, fill)
    this.fills.set(trade + side, fill)
  }

  accept (id, order) {
    if (!this.sent.has(id)) return
    if (this.accepted.has(id) && this.accepted.get(id) !== order) this.faults.push(`${id} was accepted as ${this.accepted.get(id)} and as ${order}`)
    this.accepted.set(id, order)
    this.fresh.accepted.set(id, order)
    this.unanswered.delete(id)
  }

  refuse (id, code) {
    this.refused.set(id, code)
    this.fresh.refused.set(id, code)
    this.unanswered.delete(id)
  }
}

class FixTrader extends Trader {
  isConnected () { return this.client && this.client.loggedOn && !this.client.isClosed }

  async connect () {
    const onMessage = message => this.onMessage(message)
    if (!this.client) this.client = await this.venue.rawFix(this.login, { onMessage, keep: false })
    else this.client = await this.client.again({ onMessage })
    this.execIds ??= new Map()
  }

  // Three in four are plain limit orders, the others of every kind that waits, hides or ends by itself.
  place ({ id, side, price, quantity }) {
    const at = ms => new Date(ms).toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')
    const limit = [[40, 2], [44, price], [59, 1]]
    const slice = Math.floor(quantity * 50) / 100
    const kinds = [
      [[40, 4], [99, price], [44, price], [59, 1]], // stop limit
      [[40, 3], [99, price]], // stop
      [[40, 'P'], [18, 'a'], [211, '0.5']], // trailing stop
      slice > 0 ? [...limit, [111, slice]] : limit, // iceberg
      [[40, 2], [44, price], [59, 6], [126, at(Date.now() + 3000)]] // good till a moment
    ]
    const terms = kinds[this.next(4 * kinds.length)] ?? limit
    this.client.send('D', [[11, id], [55, 'PORT'], [54, side === 'buy' ? 1 : 2], [60, at(Date.now())], [38, quantity], ...terms])
  }

  cancelAll () {
    const at = new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')
    this.client.send('q', [[11, `${this.tag}-all-${this.serial}`], [530, 7], [60, at]])
  }

  onMessage (m) {
    if (m.get(35) === '3') this.faults.push(`Reject: ${m.raw}`)
    if (m.get(35) !== '8') return
    const exec = m.get(17)
    if (this.execIds?.has(exec) && m.get(43) !== 'Y' && m.get(97) !== 'Y') this.faults.push(`told twice without a mark: ${m.raw}`)
    this.execIds?.set(exec, true)
    if (m.get(150) === '0') this.accept(m.get(11), m.get(37))
    if (m.get(150) === '8') this.refuse(m.get(11), Number(m.get(5004)))
    if (m.get(150) === 'F' && this.sent.has(m.get(11))) {
      const [sequence, index, side] = exec.split('-')
      this.fill(String(BigInt(sequence) << 20n | BigInt(index)), side === 'B' ? 'buy' : 'sell', { order: m.get(37), price: Number(m.get(31)), quantity: Number(m.get(32)) })
    }
  }

  // Answered: nothing sent is without an answer.
  isQuiet () { return this.isConnected() && this.unanswered.size === 0 }
}

class WebTrader extends Trader {
  isConnected () { return this.client && !this.client.isClosed }

  async connect () {
    this.client = await this.venue.trader(this.login)
    this.client.messages = []
    const keep = this.client.onMessage.bind(this.client)
    this.client.onMessage = message => { this.onMessage(message); keep(message); this.client.messages.length = 0 }
  }

  place ({ id, side, price, quantity }) {
    this.client.socket.send(JSON.stringify({ op: 'place', id, symbol: 'PORT', side, price, quantity: String(quantity), client_order_id: id }))
  }

  cancelAll () { this.client.socket.send(JSON.stringify({ op: 'cancel_all', id: 'all' })) }

  onMessage (m) {
    if (m.type === 'placed') this.accept(m.id, m.order.order)
    else if (m.type === 'error' && this.sent.has(m.id)) this.refuse(m.id, m.error.code)
    else if (m.type === 'fill') this.fill(m.fill.trade, m.fill.side, { order: m.fill.order, price: Number(m.fill.price), quantity: Number(m.fill.quantity) })
  }

  // An answer may be lost with the connection; the history tells.
  isQuiet () { return this.isConnected() }
}

export class Flow {
  // tag: of the client order ids, so that several flows of a day differ.
  constructor (venue, everyMs = 50, tag = 'flow') {
    this.venue = venue
    this.orders = new Map() // order id -> trader, as the record has them
    this.trades = new Map() // trade id -> row, likewise
    this.lastOrder = this.lastTrade = 0n // up to which the record has been read
    this.sequence = 0
    this.traders = [
      new FixTrader(venue, 'atlantic', 1001, 'buy', everyMs, tag), new FixTrader(venue, 'balear', 1002, 'sell', everyMs, tag),
      new WebTrader(venue, 'carla', 1003, 'buy', everyMs, tag), new WebTrader(venue, 'diego', 1004, 'sell', everyMs, tag)
    ]
  }

  start () { this.traders.forEach(trader => trader.start()) }

  // Nothing more is sent, and what was sent is answered.
  async pause () {
    await eventually('every trader is connected', () => {
      const late = this.traders.filter(t => !t.isConnected())
      if (late.length > 0) throw new Error(late.map(t => `${t.login}: ${t.lastError?.message}`).join(', '))
      return true
    })
    await Promise.all(this.traders.map(trader => trader.stop()))
    await eventually('every order by FIX is answered', () => this.traders.every(t => t.isQuiet()))
  }

  get isPaused () { return this.traders.every(trader => !trader.running) }

  told () { return this.traders.reduce((sum, t) => ({ orders: sum.orders + t.accepted.size, fills: sum.fills + t.fills.size }), { orders: 0, fills: 0 }) }

  // Every trader gets answers: each of them has `orders` more accepted than now.
  async flows (orders = 1, ms = PATIENCE_MS) {
    const before = this.traders.map(t => t.accepted.size)
    await eventually('every trader has orders accepted', () => {
      const late = this.traders.filter((t, i) => t.accepted.size < before[i] + orders)
      if (late.length > 0) throw new Error(late.map(t => `${t.login}: ${t.isConnected() ? 'connected, not answered' : t.lastError?.message}`).join(', '))
      return true
    }, ms)
  }

  async turn () {
    await this.venue.administer('POST', '/mass-cancel', { all: true })
    for (const trader of this.traders) trader.side = trader.side === 'buy' ? 'sell' : 'buy'
  }

  // Each thing that a trader was told stands in the record, and only once; what he was refused does not.
  async check () {
    const paused = this.isPaused
    const told = this.traders.map(trader => trader.takeFresh())
    const { durable_sequence: durable } = await eventually('administration answers', () => this.venue.administer('GET', '/venue'))
    await eventually('the record is up to date', async () => Number((await this.venue.query('SELECT sequence FROM record.cursor'))[0].sequence) >= durable)
    await this.read(BigInt(durable))
    this.traders.forEach((trader, i) => this.checkTrader(trader, told[i], paused))
    await this.venue.sumsAreZero(this.sequence)
    this.sequence = durable
    return { orders: this.traders.reduce((sum, t) => sum + t.recorded.size, 0), trades: this.trades.size }
  }

  // What the record has got since it was last read, up to a sequence, so that no trade comes before its orders.
  async read (upTo) {
    const orders = await this.venue.query(`SELECT id, user_id, client_order_id FROM public.orders WHERE user_id > 1000 AND id > ${this.lastOrder} AND id <= ${upTo} ORDER BY id`)
    const trades = await this.venue.query(`SELECT id, buyer_id, seller_id, buy_order_id, sell_order_id, price, quantity FROM public.trades WHERE id > ${this.lastTrade} AND sequence <= ${upTo} ORDER BY id`)
    for (const order of orders) {
      this.lastOrder = BigInt(order.id)
      const trader = this.traders.find(t => t.account === Number(order.user_id) && order.client_order_id.startsWith(`${t.tag}-`))
      if (!trader) continue
      if (trader.recorded.has(order.client_order_id)) trader.faults.push(`${order.client_order_id} was accepted twice`)
      trader.recorded.set(order.client_order_id, order.id)
      this.orders.set(order.id, trader)
    }
    for (const trade of trades) {
      this.lastTrade = BigInt(trade.id)
      if (this.trades.has(trade.id)) throw new Error(`trade ${trade.id} stands twice in the record`)
      this.trades.set(trade.id, trade)
      for (const order of [trade.buy_order_id, trade.sell_order_id]) if (this.orders.has(order)) this.orders.get(order).recordedFills++
    }
  }

  checkTrader (trader, told, paused) {
    const faults = [...trader.faults]
    for (const [id, order] of told.accepted) if (trader.recorded.get(id) !== order) faults.push(`${id} was acknowledged as order ${order}, the record has ${trader.recorded.get(id)}`)
    for (const [id, code] of told.refused) if (trader.recorded.has(id) && !trader.accepted.has(id) && code !== 53) faults.push(`${id} was refused (${code}), the record has it as order ${trader.recorded.get(id)}`)
    for (const [key, fill] of told.fills) {
      const side = key.endsWith('buy') ? 'buy' : 'sell'
      const row = this.trades.get(key.slice(0, -side.length))
      if (!row || Number(side === 'buy' ? row.buyer_id : row.seller_id) !== trader.account || row[`${side}_order_id`] !== fill.order || Number(row.price) !== fill.price || Number(row.quantity) !== fill.quantity) {
        faults.push(`trade ${key} was told as ${JSON.stringify(fill)}, the record has ${JSON.stringify(row)}`)
      }
    }
    // A FIX member hears of every fill, sooner or later; a web trader reads the history.
    if (paused && trader instanceof FixTrader && trader.recordedFills !== trader.fills.size) faults.push(`${trader.recordedFills} fills in the record, ${trader.fills.size} told`)
    if (faults.length > 0) throw new Error(`${trader.login}: ${faults.length} faults: ${faults.slice(0, 5).join('; ')}`)
  }
}
