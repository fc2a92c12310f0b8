// A proxy in front of a server that does to its clients what networks and servers do on bad days. It knows nothing of the
// protocol: bytes are held back, cut, doubled or replaced where they come from.
//
//   const proxy = await FaultProxy.start({ port: 5432, seed: 1 })   // listens on proxy.port
//   await proxy.set('cut', { bytes: 400 })                          // from now on, on old connections and new ones
//   await proxy.set('pass')
//
// The faults. Those that cut do so on each connection anew, after a number of bytes of answers between 1 and `bytes`
// that follows from the seed, so that every retry gets to another point.
//
//   pass                      nothing
//   refuse                    all connections are reset, and no new one is taken: a server that is gone
//   delay     { ms }          every byte comes that much later, in both directions
//   throttle  { bytes }       answers come at this many bytes a second
//   cut       { bytes }       the connection is closed in the middle of an answer
//   reset     { bytes }       the same, but reset
//   half_open                 connections are taken, nothing is read further or answered: a frozen server, a dead link
//   deaf                      questions arrive, answers are lost: a COMMIT is done, and nobody says so
//   garbage                   each answer is replaced by as many bytes by chance
//   double                    each piece of an answer comes twice
//   truncate                  of each piece of an answer the second half is missing, and it goes on behind it
import net from 'node:net'
import { generator } from './random.mjs'

export const FAULTS = {
  refuse: {}, delay: { ms: 150 }, throttle: { bytes: 4096 }, cut: { bytes: 600 }, reset: { bytes: 600 }, half_open: {}, deaf: {},
  garbage: {}, double: {}, truncate: {}
}

export class FaultProxy {
  static async start ({ port, host = '127.0.0.1', seed = 1 }) {
    const proxy = new FaultProxy(host, port, seed)
    await proxy.listen()
    return proxy
  }

  constructor (host, port, seed) {
    Object.assign(this, { host, target: port, next: generator(seed), port: 0, kind: 'pass', options: {}, links: new Set(), taken: 0, harmed: 0 })
  }

  listen () {
    return new Promise((resolve, reject) => {
      this.server = net.createServer({ allowHalfOpen: false }, socket => this.take(socket))
      this.server.once('error', reject)
      this.server.listen(this.port, this.host, () => { this.port = this.server.address().port; resolve() })
    })
  }

  async set (kind, options = FAULTS[kind] ?? {}) {
    if (kind !== 'pass' && !FAULTS[kind]) throw new Error(`${kind} is no fault`)
    const wasRefusing = this.kind === 'refuse'
    Object.assign(this, { kind, options, harmed: 0 })
    for (const link of this.links) this.arm(link)
    if (kind === 'refuse') return this.refuse()
    if (wasRefusing) await this.listen()
    // A stream that was harmed cannot be mended: its client has to begin anew, as with a server that comes back.
    if (kind === 'pass') for (const link of this.links) if (link.isHarmed) this.drop(link, true)
  }

  refuse () {
    for (const link of this.links) { this.harm(link); this.drop(link, true) }
    return new Promise(resolve => this.server.close(resolve))
  }

  close () {
    for (const link of this.links) this.drop(link, true)
    return new Promise(resolve => this.server.close(resolve))
  }

  // ---- connections ---------------------------------------------------------------------------------------

  take (client) {
    this.taken++
    const link = { client, server: net.connect(this.target, this.host), isHarmed: false }
    this.links.add(link)
    this.arm(link)
    for (const [from, to, isAnswer] of [[client, link.server, false], [link.server, client, true]]) {
      from.setNoDelay(true)
      from.on('data', chunk => this.pass(link, from, to, chunk, isAnswer))
      from.on('error', () => this.drop(link, true))
      from.on('close', () => this.drop(link, false))
    }
  }

  arm (link) {
    link.left = 'bytes' in this.options ? 1 + this.next(this.options.bytes) : Infinity
  }

  drop (link, hard) {
    if (!this.links.delete(link)) return
    for (const socket of [link.client, link.server]) hard ? socket.resetAndDestroy() : socket.destroySoon()
  }

  harm (link) { link.isHarmed = true; this.harmed++ }

  write (link, from, to, chunk) {
    if (chunk.length === 0 || to.destroyed || to.write(chunk)) return
    from.pause()
    to.once('drain', () => from.resume())
  }

  // ---- faults ----------------------------------------------------------------------------------------------

  pass (link, from, to, chunk, isAnswer) {
    const fault = this[`on_${this.kind}`]
    if (fault) fault.call(this, link, from, to, chunk, isAnswer)
    else this.write(link, from, to, chunk)
  }

  // Pieces come in order: the timers of one length fire in the order in which they were set.
  on_delay (link, from, to, chunk) {
    this.harmed++
    setTimeout(() => this.write(link, from, to, chunk), this.options.ms)
  }

  on_throttle (link, from, to, chunk, isAnswer) {
    if (!isAnswer) return this.write(link, from, to, chunk)
    this.harmed++
    const piece = chunk.subarray(0, 256)
    this.write(link, from, to, piece)
    if (chunk.length === piece.length) return
    from.pause()
    setTimeout(() => { this.pass(link, from, to, chunk.subarray(piece.length), isAnswer); from.resume() }, 256000 / this.options.bytes)
  }

  end (link, from, to, chunk, isAnswer, hard) {
    if (!isAnswer) return this.write(link, from, to, chunk)
    const part = chunk.subarray(0, link.left)
    this.write(link, from, to, part)
    link.left -= part.length
    if (link.left > 0) return
    this.harm(link)
    this.drop(link, hard)
  }

  on_cut (link, from, to, chunk, isAnswer) { this.end(link, from, to, chunk, isAnswer, false) }
  on_reset (link, from, to, chunk, isAnswer) { this.end(link, from, to, chunk, isAnswer, true) }

  on_half_open (link) { this.harm(link) }

  on_deaf (link, from, to, chunk, isAnswer) {
    if (isAnswer) this.harm(link)
    else this.write(link, from, to, chunk)
  }

  on_garbage (link, from, to, chunk, isAnswer) {
    if (!isAnswer) return this.write(link, from, to, chunk)
    this.harm(link)
    this.write(link, from, to, Buffer.from(chunk.map(() => this.next(256))))
  }

  on_double (link, from, to, chunk, isAnswer) {
    this.write(link, from, to, chunk)
    if (!isAnswer) return
    this.harm(link)
    this.write(link, from, to, chunk)
  }

  on_truncate (link, from, to, chunk, isAnswer) {
    if (!isAnswer) return this.write(link, from, to, chunk)
    this.harm(link)
    this.write(link, from, to, chunk.subarray(0, chunk.length >> 1))
  }
}
