// A member's desk that checks what it is told: it sends a seeded mixture of everything that a member may send (and
// some of what he may not), goes on over any number of connections, and keeps every message of the venue by its number. Its client
// is bare bytes (raw_fix.mjs), so that nothing but the venue's own session layer takes part.
//
//   const desk = new FixDesk(venue, 'atlantic', 'sell', random(7)); await desk.open()
//   desk.step(); …; await desk.again(); await desk.askAll(); await desk.verify(sequence)
//
// What it asks of what it hears (docs/fix.md): the same number is the same bytes, but for PossDupFlag, the sending times, length and
// checksum; only a resend tells anything twice; an ExecID has one number; a gap fill covers no report; what is answered is answered once.
import assert from 'node:assert/strict'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { eventually } from './venue.mjs'

const FIX = 1 // enum gateway_id
const LETTERS = { buy: 'B', sell: 'S' }
const ADMINISTRATIVE = new Set(['0', '1', '2', '3', '4', '5', 'A'])
const CHANGES = new Set([9, 10, 43, 52, 122]) // in a resend
const utc = () => new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')
export const essence = message => [...message].filter(([tag]) => !CHANGES.has(tag)).map(([tag, value]) => `${tag}=${value}`).join('|')

// A small generator of our own, so that a run can be repeated.
export function random (seed) {
  let state = seed >>> 0
  return n => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 2 ** 32 * n) }
}

export class FixDesk {
  constructor (venue, login, side, next, tag) {
    Object.assign(this, { venue, login, side, next, tag, serial: 0 })
    this.told = new Map()     // number -> { essence, sent, message }
    this.fills = []           // gap fills: { from, to }
    this.asked = new Map()    // id -> what is answered: 'D', 'F', 'G', 'q'; of those without a place: number -> 'j'
    this.placed = []          // ids of orders, for cancels and replaces
    this.faults = []
    this.heard = { original: 0, again: 0, possResend: 0 }
  }

  async open () {
    this.client = await this.venue.rawFix(this.login, { keep: false, onMessage: message => this.hear(message) })
    this.session = (await this.venue.query(`SELECT session_id FROM people.login WHERE login_name = '${this.login}'`))[0].session_id
  }

  isOpen () { return this.client.loggedOn && !this.client.isClosed }

  async again () {
    this.client = await eventually(`${this.login} logs on again`, () => this.client.again())
    this.venue.clients.push(this.client)
  }

  // ---- what it hears ----------------------------------------------------------------------------------------

  hear (message) {
    const number = Number(message.get(34))
    const isAgain = message.get(43) === 'Y'
    if (message.get(35) === '4') this.fills.push({ from: number, to: Number(message.get(36)) - 1 })
    if (this.collecting) this.collect(message, number)
    if (ADMINISTRATIVE.has(message.get(35))) return
    this.heard[isAgain ? 'again' : 'original']++
    const known = this.told.get(number)
    if (message.get(97) === 'Y' && !known) this.heard.possResend++
    if (!known) this.told.set(number, { essence: essence(message), sent: message.get(isAgain ? 122 : 52), message })
    else this.compare(known, message, isAgain)
  }

  compare (known, message, isAgain) {
    if (!isAgain) this.faults.push(`number ${message.get(34)} was used twice: ${message.raw}`)
    if (essence(message) !== known.essence) this.faults.push(`not the same:\n  ${known.message.raw}\n  ${message.raw}`)
    if (isAgain && message.get(122) !== known.sent) this.faults.push(`another OrigSendingTime than ${known.sent}: ${message.raw}`)
  }

  // ---- what it sends ----------------------------------------------------------------------------------------

  id () { return `${this.tag}${++this.serial}` }

  order (fields = {}) {
    const id = this.id()
    const price = ((this.side === 'buy' ? 99.2 : 99.5) + this.next(120) / 100).toFixed(2)
    const values = { 40: 2, 38: (1 + this.next(300)) / 100, 44: price, 59: 1, ...fields }
    const given = Object.entries(values).filter(([, value]) => value !== undefined)
    this.asked.set(id, 'D')
    this.client.send('D', [[11, id], [55, 'PORT'], [54, this.side === 'buy' ? 1 : 2], [60, utc()], ...given])
    this.placed.push(id)
    return id
  }

  about (type, original, fields = []) {
    const id = this.id()
    this.asked.set(id, type)
    this.client.send(type, [[11, id], [41, original], [55, 'PORT'], [54, this.side === 'buy' ? 1 : 2], [60, utc()], ...fields])
    return id
  }

  massCancel (fields) {
    const id = this.id()
    this.asked.set(id, 'q')
    this.client.send('q', [[11, id], [60, utc()], ...fields])
  }

  // Some order of before, in whatever state.
  some () { return this.placed[Math.max(0, this.placed.length - 1 - this.next(12))] ?? 'none' }

  step () {
    const kind = this.next(100)
    const buyOrSell = this.side === 'buy' ? 1 : 2
    if (kind < 40) this.order()
    else if (kind < 46) this.order({ 59: 3 })
    else if (kind < 50) this.order({ 111: '0.50', 38: '3' })
    else if (kind < 54) this.order({ 40: 4, 99: this.side === 'buy' ? '100.9' : '98.9' })
    else if (kind < 66) this.about('F', this.some())
    else if (kind < 76) this.replace()
    else if (kind < 79) this.massCancel(this.next(2) ? [[530, 7]] : [[530, 1], [55, 'PORT'], [54, buyOrSell]])
    else if (kind < 82) this.client.send('H', [[11, this.some()], [55, 'PORT'], [54, buyOrSell], [790, this.id()]])
    else if (kind < 84) this.client.send('AF', [[584, this.id()], [585, 7]])
    else if (kind < 88) this.order({ 44: '99.005' }) // off tick: the engine refuses it
    else if (kind < 91) this.order({ 38: '1.00001' }) // the gateway does
    else if (kind < 94) this.about('F', 'nothing')
    else if (kind < 97) this.incomplete()
    else this.client.send('D', [[11, this.id()], [55, 'PORT'], [54, 1], [60, utc()], [38, 1], [40, 2], [44, 99], [9999, 'x']])
  }

  replace () {
    const original = this.some()
    const price = ((this.side === 'buy' ? 99.2 : 99.5) + this.next(120) / 100).toFixed(2)
    this.placed.push(this.about('G', original, [[38, (50 + this.next(300)) / 100], [40, 2], [44, price], [59, 1]]))
  }

  // Without a quantity: 35=j.
  incomplete () {
    this.asked.set(this.client.outSeq, 'j')
    this.client.send('D', [[11, this.id()], [55, 'PORT'], [54, 1], [60, utc()], [40, 2], [44, 99]])
  }

  // ---- what it has ------------------------------------------------------------------------------------------

  reports () { return [...this.told.values()].map(entry => entry.message) }

  answered () {
    const ids = new Set(), numbers = new Set()
    for (const m of this.reports()) {
      if (m.get(35) === 'j') numbers.add(Number(m.get(45)))
      else if (m.get(150) !== 'I') ids.add(m.get(11)) // a status has its order's id
    }
    return key => ids.has(key) || numbers.has(key)
  }

  unanswered () {
    const has = this.answered()
    return [...this.asked.keys()].filter(key => !has(key))
  }

  quiet (ms = PATIENCE_MS) {
    return eventually(`${this.login} has every answer`, () => {
      const open = this.unanswered()
      const words = open.slice(0, 5).map(key => `${this.asked.get(key)} ${key}`)
      if (open.length > 0) throw new Error(`no answer to ${words.join(', ')} (${open.length} of ${this.asked.size}); heard up to ${this.client.inSeq}, sent up to ${this.client.outSeq - 1}`)
      return true
    }, ms)
  }

  // ---- resends ----------------------------------------------------------------------------------------------

  collect (message, number) {
    const { from, to, seen } = this.collecting
    if (message.get(35) === '4') for (let n = Math.max(from, number); n <= Math.min(to, Number(message.get(36)) - 1); n++) seen.add(n)
    else if (message.get(43) === 'Y' && number >= from && number <= to) seen.add(number)
  }

  // Asks for a range (0: up to now) and waits until each of its numbers has come, as a message or in a gap fill.
  async ask (from, to) {
    const last = to || this.client.inSeq
    this.collecting = { from, to: last, seen: new Set() }
    this.client.send('2', [[7, from], [16, to]])
    await eventually(`${this.login}: the resend of ${from}..${last}`, () => {
      if (!this.isOpen()) throw new Error('the connection is gone')
      return this.collecting.seen.size === last - from + 1
    })
    this.collecting = undefined
  }

  async askAll () {
    const last = this.client.inSeq
    await this.ask(1, 0)
    const first = 1 + this.next(last)
    await this.ask(first, first + this.next(last - first + 1))
  }

  // ---- the judgement ----------------------------------------------------------------------------------------

  // Against the record, which is made from the same events by other code: from `sequence` on.
  async verify (sequence) {
    assert.deepEqual(this.faults, [])
    this.verifyGaps()
    const numbers = this.verifyOnce()
    const wanted = await this.recorded(sequence)
    const missing = [...wanted].filter(key => !numbers.has(key))
    assert.deepEqual(missing, [], `${this.login}: never told`)
    const invented = [...numbers.keys()].filter(key => !wanted.has(key) && !/^(R|q |j |no )/.test(key))
    assert.deepEqual(invented, [], `${this.login}: told, and not in the record`)
    assert.deepEqual(this.unanswered(), [])
  }

  verifyGaps () {
    for (const { from, to } of this.fills) {
      for (let number = from; number <= to; number++) {
        const covered = this.told.get(number)
        assert.ok(!covered, `a gap fill ${from}..${to} covers ${covered?.message.raw}`)
      }
    }
  }

  // What each message says, as a word; each is told under one number.
  verifyOnce () {
    const numbers = new Map()
    for (const [number, { message }] of this.told) {
      const key = keyOf(message)
      if (key === null) continue
      assert.ok(!numbers.has(key), `${key} is told as ${numbers.get(key)} and as ${number}: ${message.raw}`)
      numbers.set(key, number)
    }
    return numbers
  }

  async recorded (sequence) {
    const keys = new Set()
    const events = await this.venue.query(`SELECT e.sequence, e.event_index, e.event, o.side FROM record.order_event e
      JOIN record.orders o USING (order_id) WHERE o.session_id = ${this.session} AND o.gateway = ${FIX} AND e.sequence > ${sequence} AND e.event <> 'order_refreshed'`)
    for (const row of events) keys.add(`${row.sequence}-${row.event_index}${row.event === 'trade' ? `-${LETTERS[row.side]}` : ''}`)
    const corrections = await this.venue.query(`SELECT c.sequence, c.event_index, o.side FROM record.trade_correction c JOIN record.trade t USING (trade_id)
      JOIN record.orders o ON o.order_id IN (t.buyer_order, t.seller_order) WHERE o.session_id = ${this.session} AND o.gateway = ${FIX} AND c.sequence > ${sequence}`)
    for (const row of corrections) keys.add(`${row.sequence}-${row.event_index}-${LETTERS[row.side]}`)
    const rejects = await this.venue.query(`SELECT sequence, event_index, command FROM record.reject WHERE session_id = ${this.session} AND gateway = ${FIX} AND sequence > ${sequence}`)
    for (const row of rejects) {
      if (/^order_new/.test(row.command)) keys.add(`${row.sequence}-${row.event_index}`)
      else if (/^order_(cancel|amend)$/.test(row.command)) keys.add(`no ${row.sequence}`)
    }
    return keys
  }
}

// null: it may come any number of times (a status).
function keyOf (message) {
  switch (message.get(35)) {
    case '8': return message.get(17) === '0' ? null : message.get(17)
    case '9': return message.get(5005) ? `no ${message.get(5005)}` : `no R ${message.get(11)}`
    case 'r': return `q ${message.get(11)}`
    case 'j': return `j ${message.get(45)}`
    default: return message.get(35)
  }
}
