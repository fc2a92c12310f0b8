// A FIX 4.4 client of bare bytes: what replay and hostile-input tests need, because it says exactly what it
// is told to say, fast. By itself it answers test requests and resend requests (orders again, the rest by gap
// fill), and asks once for what it has missed.
//
//   const fix = await RawFix.connect({ port, sender, user, password, onMessage })
//   fix.send('D', [[11, 'A1'], [55, 'PORT'], …])      // header, length and checksum are added
//   fix.write('8=FIX.4.4|9=…')                          // anything at all, '|' stands for SOH
//
// A received message is a Map of tag -> text (the last of repeated tags). fix.again() is a new connection of the
// same session, with its numbers, also after either side was killed.
import net from 'node:net'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'

const SOH = '\u0001'
const timestamp = () => new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')

export function encode (fields) {
  const body = fields.map(([tag, value]) => `${tag}=${value}${SOH}`).join('')
  const head = `8=FIX.4.4${SOH}9=${Buffer.byteLength(body)}${SOH}`
  let sum = 0
  for (const byte of Buffer.from(head + body)) sum = (sum + byte) & 255
  return `${head}${body}10=${String(sum).padStart(3, '0')}${SOH}`
}

export function decode (text) {
  const message = new Map()
  for (const field of text.split(SOH)) {
    const at = field.indexOf('=')
    if (at > 0) message.set(Number(field.slice(0, at)), field.slice(at + 1))
  }
  return message
}

export class RawFix {
  static async connect (options) {
    const fix = new RawFix(options)
    await fix.open()
    if (options.logon !== false) await fix.logon()
    return fix
  }

  constructor (options) {
    this.options = { host: '127.0.0.1', target: 'LONJA', heartbeat: 30, outSeq: 1, reset: false, onMessage () {}, ...options }
    this.outSeq = this.options.outSeq
    this.inSeq = 0         // last number received without a hole before it
    this.sent = new Map()  // number -> [type, fields], of what is not administrative
    this.received = []     // raw texts, SOH as '|'
    this.keep = options.keep ?? true
    this.pending = Buffer.alloc(0)
    this.waiters = []
    this.closed = new Promise(resolve => { this.onClosed = resolve })
  }

  async again (options = {}) {
    this.socket.destroy()
    const next = new RawFix({ ...this.options, reset: false, ...options })
    Object.assign(next, { outSeq: this.outSeq, inSeq: this.inSeq, sent: this.sent })
    await next.open()
    await next.logon()
    return next
  }

  open () {
    return new Promise((resolve, reject) => {
      this.socket = net.connect(this.options.port, this.options.host, resolve)
      this.socket.setNoDelay(true)
      this.socket.once('error', reject)
      this.socket.on('data', chunk => this.onData(chunk))
      this.socket.on('close', () => { this.isClosed = true; this.onClosed(); this.waiters.forEach(w => w(null)) })
    })
  }

  async logon () {
    const o = this.options
    const reset = o.reset ? [[141, 'Y']] : []
    this.send('A', [[98, 0], [108, o.heartbeat], ...reset, [553, o.user], [554, o.password]])
    const answer = await this.waitFor(m => ['A', '5', '3'].includes(m.get(35)), 'logon')
    this.loggedOn = true
    if (answer.get(35) !== 'A') throw new Error(`logon refused: ${answer.get(58)}`)
  }

  // Complete messages out of the byte stream: 8=…|9=N| then N bytes then 10=ccc|.
  onData (chunk) {
    this.pending = this.pending.length ? Buffer.concat([this.pending, chunk]) : chunk
    let at = 0
    for (;;) {
      const head = this.pending.subarray(at, at + 40).toString('latin1')
      const match = /^8=FIX\.4\.4\u00019=(\d+)\u0001/.exec(head)
      if (!match) break
      const end = at + match[0].length + Number(match[1]) + 7
      if (end > this.pending.length) break
      this.onText(this.pending.toString('latin1', at, end))
      at = end
    }
    this.pending = this.pending.subarray(at)
  }

  onText (text) {
    const message = decode(text)
    message.at = process.hrtime.bigint()
    message.raw = text.replaceAll(SOH, '|')
    if (this.keep) this.received.push(message)
    this.count(message)
    if (message.get(35) === '1') this.send('0', [[112, message.get(112)]])
    if (message.get(35) === '2') this.resend(Number(message.get(7)), Number(message.get(16)) || this.outSeq - 1)
    this.options.onMessage(message)
    this.waiters = this.waiters.filter(waiter => !waiter(message))
  }

  // Numbers: what comes in order is counted; a hole is asked for.
  count (message) {
    const number = Number(message.get(34))
    const isReset = message.get(35) === '4'
    if (isReset || number === this.inSeq + 1) {
      if (isReset && number > this.inSeq + 1 && message.get(123) === 'Y') return
      this.inSeq = isReset ? Number(message.get(36)) - 1 : number
    } else if (number > this.inSeq + 1 && this.askedFrom !== this.inSeq + 1) {
      this.askedFrom = this.inSeq + 1
      this.send('2', [[7, this.askedFrom], [16, 0]])
    }
  }

  resend (from, to) {
    for (let number = from; number <= to; number++) {
      const message = this.sent.get(number)
      let next = number + 1
      while (!message && next <= to && !this.sent.has(next)) next++
      this.socket.write(message ? this.encode(number, ...message, [[43, 'Y'], [122, timestamp()]])
        : this.encode(number, '4', [[123, 'Y'], [36, next]], [[43, 'Y'], [122, timestamp()]]))
      number = next - 1
    }
  }

  waitFor (predicate, what = 'message', timeoutMs = PATIENCE_MS) {
    const found = this.received.find(predicate)
    if (found) return Promise.resolve(found)
    return this.waitNext(predicate, what, timeoutMs)
  }

  // Only messages that come from now on.
  waitNext (predicate, what = 'message', timeoutMs = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`FIX ${this.options.sender}: no ${what} within ${timeoutMs} ms`)), timeoutMs)
      this.waiters.push(message => {
        if (message === null) { clearTimeout(timer); reject(new Error(`FIX ${this.options.sender}: closed while waiting for ${what}`)); return true }
        if (!predicate(message)) return false
        clearTimeout(timer)
        resolve(message)
        return true
      })
    })
  }

  encode (number, type, fields, header = []) {
    return encode([[35, type], [34, number], [49, this.options.sender], [52, timestamp()], [56, this.options.target], ...header, ...fields])
  }

  frame (type, fields, header) {
    if (!'A01245'.includes(type)) this.sent.set(this.outSeq, [type, fields])
    return this.encode(this.outSeq++, type, fields, header)
  }

  // Returns false if the socket's buffer is full: await drained().
  send (type, fields, header) { return this.socket.write(this.frame(type, fields, header)) }
  write (text) { return this.socket.write(text.replaceAll('|', SOH)) }
  drained () { return new Promise(resolve => this.socket.once('drain', resolve)) }

  newOrder (id, symbol, side, quantity, price, extra = []) {
    const type = price === undefined ? [[40, 1]] : [[40, 2], [44, price]]
    return this.send('D', [[11, id], [55, symbol], [54, side === 'buy' ? 1 : side === 'sell' ? 2 : side], [60, timestamp()], [38, quantity], ...type, ...extra])
  }

  cancel (id, original, symbol, side) {
    return this.send('F', [[11, id], [41, original], [55, symbol], [54, side === 'buy' ? 1 : 2], [60, timestamp()]])
  }

  amend (id, original, symbol, side, quantity, price) {
    return this.send('G', [[11, id], [41, original], [55, symbol], [54, side === 'buy' ? 1 : 2], [60, timestamp()], [38, quantity], [40, 2], [44, price]])
  }

  close () { return this.logout() }

  async logout () {
    if (this.isClosed) return
    this.send('5', [])
    await Promise.race([this.closed, new Promise(resolve => setTimeout(resolve, 2000))])
    this.socket.destroy()
  }
}
