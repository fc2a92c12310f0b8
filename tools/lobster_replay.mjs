// Streams a LOBSTER message file through the venue's FIX gateway, as several members, and compares what
// the venue does with what the exchange recorded.
//
//   type 1 (new)          -> limit order of a maker
//   type 2 (partial)      -> amend down
//   type 3 (delete)       -> cancel
//   type 4 (execution)    -> immediate-or-cancel order of the taker against it, which should hit that very order
//   others, and rows about orders that are not in the file (entered before it begins): skipped and counted
//
// The recording itself deviates from price-time priority now and then (hidden orders, orders from before
// the file begins). With correction (default) each deviation is put right after it is met: the order hit by
// mistake gets its quantity back as a new order, the recorded one is reduced. Without, errors accumulate.
import fs from 'node:fs'
import readline from 'node:readline'

const BLOCK = 2000
const SIDES = { 1: 'buy', '-1': 'sell' }
const opposite = side => (side === 'buy' ? 'sell' : 'buy')
const price = tenthousandths => (tenthousandths / 10000).toFixed(4).replace(/\.?0+$/, '')

class Piece { // one order of ours that stands for (a part of) a recorded order
  constructor (row, clOrdId, maker, quantity) {
    Object.assign(this, { id: row.id, side: row.side, price: row.price, clOrdId, maker, quantity, leaves: quantity })
  }
}

export class Replay {
  constructor ({ file, makers, taker, symbol, correct = true, speed = 0, window = 400, progress = () => {} }) {
    Object.assign(this, { file, makers, taker, symbol, correct, speed, window, progress })
    this.pieces = new Map()  // recorded id -> [Piece]
    this.byClOrdId = new Map()
    this.fills = new Map()   // sequence of the taker's command -> [{ piece, quantity }]
    this.inFlight = new Map(makers.map(maker => [maker, 0]))
    this.prefix = Date.now().toString(36) // client ids are unique per day: a second replay needs others
    this.serial = 0
    this.counts = { rows: 0, sent: 0, accepted: 0, rejected: 0, amended: 0, cancelled: 0, executions: 0, hit: 0, unexpected: 0, late: 0, corrections: 0 }
    this.skipped = {}
    this.differences = []
    this.rejects = []
    for (const maker of makers) maker.options.onMessage = message => this.onMaker(maker, message)
    taker.options.onMessage = message => this.onTaker(message)
  }

  // ---- answers ----------------------------------------------------------------------------------------

  answered (maker) {
    this.inFlight.set(maker, this.inFlight.get(maker) - 1)
    if (this.wake) { this.wake(); this.wake = null }
  }

  onMaker (maker, message) {
    if (message.get(35) === '9') { this.counts.late++; return this.answered(maker) } // filled by a deviation before
    if (message.get(35) !== '8') return
    const piece = this.byClOrdId.get(message.get(41) ?? message.get(11)) ?? this.byClOrdId.get(message.get(11))
    switch (message.get(150)) {
      case '0': this.counts.accepted++; return this.answered(maker)
      case '8': this.counts.rejected++; this.rejects.push(message.raw); if (piece) piece.leaves = 0; return this.answered(maker)
      case '5': this.counts.amended++; return this.answered(maker)
      case '4': this.counts.cancelled++; if (piece) piece.leaves = 0; return this.answered(maker)
      case 'F': return this.onMakerFill(piece, message)
    }
  }

  onMakerFill (piece, message) {
    const sequence = message.get(17).split('-')[0]
    const quantity = Number(message.get(32))
    piece.leaves -= quantity
    if (!this.settle) { this.counts.unexpected++; return } // a new order met one that the recording no longer had
    const fills = this.fills.get(sequence) ?? this.fills.set(sequence, []).get(sequence)
    fills.push({ piece, quantity })
    this.settle?.()
  }

  onTaker (message) {
    if (message.get(35) !== '8') return
    const type = message.get(150)
    if (type === '8') this.rejects.push(message.raw)
    if (this.execution && message.get(11) === this.execution.clOrdId) {
      this.execution.sequence = message.get(17).split('-')[0]
      if (type === 'F') this.execution.filled += Number(message.get(32))
      if (['2', '4', '8', 'C'].includes(message.get(39))) this.execution.done = true
      this.settle?.()
    }
  }

  // ---- sending ----------------------------------------------------------------------------------------

  // Two sessions have no order between them, the recording has: a maker may speak once the others' messages
  // are answered. Makers change every BLOCK rows, so that this is seldom waited for.
  async turn (maker) {
    const mayNot = () => [...this.inFlight].some(([other, n]) => other === maker ? n >= this.window : n > 0)
    while (mayNot()) await new Promise(resolve => { this.wake = resolve })
    this.inFlight.set(maker, this.inFlight.get(maker) + 1)
  }

  async idle () {
    while ([...this.inFlight.values()].some(n => n > 0)) await new Promise(resolve => { this.wake = resolve })
  }

  async enter (row, quantity) {
    const maker = this.makers[Math.floor(this.counts.rows / BLOCK) % this.makers.length]
    await this.turn(maker)
    const piece = new Piece(row, `${this.prefix}-${row.id}-${++this.serial}`, maker, quantity)
    this.byClOrdId.set(piece.clOrdId, piece)
    const pieces = this.pieces.get(row.id) ?? this.pieces.set(row.id, []).get(row.id)
    pieces.push(piece)
    this.counts.sent++
    maker.newOrder(piece.clOrdId, this.symbol, row.side, quantity, price(row.price), [[59, 1]])
  }

  async reduce (piece, quantity) {
    await this.turn(piece.maker)
    const id = `${this.prefix}-${piece.id}-${++this.serial}`
    this.byClOrdId.set(id, piece)
    if (quantity >= piece.leaves) {
      piece.maker.cancel(id, piece.clOrdId, this.symbol, piece.side)
      piece.leaves = 0
    } else {
      piece.quantity -= quantity
      piece.leaves -= quantity
      piece.maker.amend(id, piece.clOrdId, this.symbol, piece.side, piece.quantity, price(piece.price))
      piece.clOrdId = id
    }
  }

  async reduceRecorded (row, quantity) {
    for (const piece of this.pieces.get(row.id)) {
      const part = Math.min(quantity, piece.leaves)
      if (part > 0) await this.reduce(piece, part)
      quantity -= part
    }
  }

  async execute (row) {
    this.counts.executions++
    const recorded = this.pieces.get(row.id)[0]
    const before = this.pieces.get(row.id).reduce((sum, piece) => sum + piece.leaves, 0)
    await this.idle()
    this.execution = { clOrdId: `${this.prefix}-T${++this.serial}`, filled: 0, done: false }
    const settled = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`row ${row.number}: no end of the taker's order`)), 30000)
      this.settle = () => {
        const { done, filled, sequence } = this.execution
        const fills = this.fills.get(sequence) ?? []
        if (done && fills.reduce((sum, f) => sum + f.quantity, 0) === filled) { clearTimeout(timer); resolve(fills) }
      }
    })
    this.taker.newOrder(this.execution.clOrdId, this.symbol, opposite(recorded.side), row.quantity, price(recorded.price), [[59, 3]])
    const fills = await settled
    this.settle = null
    this.fills.clear()
    await this.judge(row, fills, before)
  }

  async judge (row, fills, before) {
    const right = fills.filter(f => f.piece.id === row.id).reduce((sum, f) => sum + f.quantity, 0)
    const wrong = fills.filter(f => f.piece.id !== row.id)
    if (right === row.quantity && wrong.length === 0) { this.counts.hit++; return }
    const reason = wrong.length > 0
      ? wrong.some(f => f.piece.price !== row.price) ? 'an order at a better price stood before it' : 'an order with time priority stood before it'
      : before < row.quantity ? 'less of it was left than the recording executed' : 'nothing to trade at its price'
    this.differences.push({ row: row.number, id: row.id, quantity: row.quantity, price: price(row.price), hit: fills.map(f => `${f.piece.id}:${f.quantity}`).join(' '), reason })
    if (!this.correct) return
    for (const fill of wrong) { this.counts.corrections++; await this.enter(fill.piece, fill.quantity) }
    if (right < row.quantity) await this.reduceRecorded(row, row.quantity - right)
  }

  // ---- rows -------------------------------------------------------------------------------------------

  skip (type) { this.skipped[type] = (this.skipped[type] ?? 0) + 1 }

  async row (row) {
    const known = this.pieces.has(row.id)
    if (row.type === 1) return this.enter(row, row.quantity)
    if (!known || ![2, 3, 4].includes(row.type)) return this.skip(row.type)
    if (row.type === 4) return this.execute(row)
    return this.reduceRecorded(row, row.type === 3 ? Infinity : row.quantity)
  }

  async pace (seconds) {
    if (this.speed <= 0) return
    this.first ??= { recorded: seconds, at: Date.now() }
    const due = this.first.at + (seconds - this.first.recorded) * 1000 / this.speed
    const wait = due - Date.now()
    if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait))
  }

  async run (rowsMax = Infinity) {
    const lines = readline.createInterface({ input: fs.createReadStream(this.file) })
    for await (const line of lines) {
      if (this.counts.rows >= rowsMax) break
      const [seconds, type, id, quantity, at, direction] = line.split(',').map(Number)
      if (!Number.isFinite(direction)) throw new Error(`${this.file}: row ${this.counts.rows + 1} is not a LOBSTER message`)
      this.counts.rows++
      await this.pace(seconds)
      await this.row({ number: this.counts.rows, type, id, quantity, price: at, side: SIDES[direction] })
      if (this.counts.rows % 1000 === 0) this.progress(this)
    }
    await this.idle()
    return this
  }
}
