// A FIX 4.4 client for demo and tests that is not QuickFIX: jspurefix, with our own dictionary.
//
//   const fix = await FixClient.connect({ port, senderCompId, username, password })
//   fix.newOrder({ clOrdId, symbol, side, price, quantity })
//   const report = await fix.waitFor(m => m.type === '8' && m.body.ClOrdID === 'A1')
//   await fix.close()
//
// Every message that comes in is kept in fix.messages as { type, body, raw }, raw with '|' for SOH.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'

const require = createRequire(import.meta.url)
require('reflect-metadata')
const jspurefix = require('jspurefix')
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

const Side = { buy: '1', sell: '2' }
const quiet = { info () {}, warning () {}, debug () {}, error () {} }
const quietFactory = { logger: () => quiet, plain: () => quiet }

class Session extends jspurefix.AsciiSession {
  constructor (config, client) {
    super(config)
    this.client = client
  }

  onReady () { this.client.ready() }
  onStopped (error) { this.client.stopped(error) }
  onLogon () { return true }
  onDecoded (type, text) { this.client.seen(type, text) }
  onEncoded (type, text) { this.client.sent.push({ type, raw: text.replaceAll('\u0001', '|') }) }
  onApplicationMsg (type, view) { this.client.application(type, view.toObject()) }
}

class Launcher extends jspurefix.SessionLauncher {
  constructor (description, client) {
    super(description, null, quietFactory)
    this.client = client
  }

  makeFactory (config) {
    return { makeSession: () => (this.client.session = new Session(config, this.client)) }
  }
}

export class FixClient {
  // Resolves when logged on; rejects with the venue's words when refused.
  static async connect (options) {
    const client = new FixClient(options)
    const launcher = new Launcher(client.description(), client)
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no logon')), options.timeoutMs ?? PATIENCE_MS)
      client.ready = () => { clearTimeout(timer); client.up = true; resolve() }
      client.stopped = error => {
        clearTimeout(timer)
        client.up = false
        client.ended()
        reject(error ?? new Error(`session ended: ${client.messages.at(-1)?.raw ?? 'no message'}`))
      }
      launcher.run().catch(reject)
    })
    return client
  }

  constructor (options) {
    this.options = { host: '127.0.0.1', targetCompId: 'LONJA', heartbeat: 30, reset: false, ...options }
    this.messages = []
    this.sent = []
    this.waiters = []
    this.up = false
    this.closed = new Promise(resolve => { this.ended = resolve })
  }

  description () {
    const o = this.options
    return {
      application: {
        type: 'initiator', name: o.senderCompId, protocol: 'ascii', reconnectSeconds: 1,
        connectTimeoutSeconds: PATIENCE_MS / 1000, tcp: { host: o.host, port: o.port },
        dictionary: path.join(root, 'schema/fix/LONJA44.xml')
      },
      Username: o.username, Password: o.password, EncryptMethod: 0, ResetSeqNumFlag: o.reset,
      HeartBtInt: o.heartbeat, SenderCompId: o.senderCompId, TargetCompID: o.targetCompId,
      BeginString: 'FIX.4.4',
      ...(o.store ? { store: { type: 'file', directory: o.store } } : {}),
      ...(o.sequences ? { LastSentSeqNum: o.sequences.sent, LastReceivedSeqNum: o.sequences.received } : {})
    }
  }

  seen (type, text) { this.lastRaw = text.replaceAll('\u0001', '|'); this.lastType = type }

  application (type, body) {
    const message = { type, body, raw: this.lastRaw, at: process.hrtime.bigint() }
    this.messages.push(message)
    this.waiters = this.waiters.filter(waiter => !waiter(message))
  }

  // The first message, already here or to come, that satisfies the predicate.
  waitFor (predicate, what = 'message', timeoutMs = PATIENCE_MS) {
    const found = this.messages.find(predicate)
    if (found) return Promise.resolve(found)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`FIX: no ${what} within ${timeoutMs} ms`)), timeoutMs)
      this.waiters.push(message => {
        if (!predicate(message)) return false
        clearTimeout(timer)
        resolve(message)
        return true
      })
    })
  }

  send (type, body) { this.session.send(type, body) }

  newOrder ({ clOrdId, symbol, side, price, quantity, type = price === undefined ? '1' : '2', tif = '1', account, ...more }) {
    this.send('D', {
      ClOrdID: clOrdId, ...(account ? { Account: String(account) } : {}), Instrument: { Symbol: symbol },
      Side: Side[side] ?? side, TransactTime: new Date(), OrderQtyData: { OrderQty: quantity },
      OrdType: type, ...(price === undefined ? {} : { Price: price }), TimeInForce: tif, ...more
    })
  }

  cancel ({ clOrdId, origClOrdId, symbol, side }) {
    this.send('F', {
      ClOrdID: clOrdId, OrigClOrdID: origClOrdId, Instrument: { Symbol: symbol }, Side: Side[side] ?? side,
      TransactTime: new Date()
    })
  }

  // What is to hold now, the whole of it: FIX states an order again.
  replace ({ clOrdId, origClOrdId, symbol, side, price, quantity, type = '2', ...more }) {
    this.send('G', {
      ClOrdID: clOrdId, OrigClOrdID: origClOrdId, Instrument: { Symbol: symbol }, Side: Side[side] ?? side, TransactTime: new Date(),
      OrderQtyData: { OrderQty: quantity }, OrdType: type, ...(price === undefined ? {} : { Price: price }), ...more
    })
  }

  // Without a symbol: all. `member`: of every session of that firm.
  massCancel ({ clOrdId, symbol, side, account, member }) {
    this.send('q', {
      ClOrdID: clOrdId, MassCancelRequestType: symbol ? '1' : '7', ...(symbol ? { Instrument: { Symbol: symbol } } : {}),
      ...(side ? { Side: Side[side] } : {}), ...(account ? { Account: String(account) } : {}), TransactTime: new Date(),
      ...(member ? { NoTargetPartyIDs: [{ TargetPartyID: String(member), TargetPartyIDSource: 'D', TargetPartyRole: 1 }] } : {})
    })
  }

  orderStatus ({ clOrdId, symbol, side, id }) {
    this.send('H', { ClOrdID: clOrdId, Instrument: { Symbol: symbol }, Side: Side[side] ?? side, ...(id ? { OrdStatusReqID: id } : {}) })
  }

  massStatus ({ id, symbol, side, account }) {
    this.send('AF', {
      MassStatusReqID: id, MassStatusReqType: symbol ? 1 : 7, ...(symbol ? { Instrument: { Symbol: symbol } } : {}),
      ...(side ? { Side: Side[side] } : {}), ...(account ? { Account: String(account) } : {})
    })
  }

  // type: '0' once, '1' from now on, '2' no more.
  securityStatus ({ id, symbol, type = '0' }) {
    this.send('e', { SecurityStatusReqID: id, Instrument: { Symbol: symbol }, SubscriptionRequestType: type })
  }

  venueStatus ({ id, type = '0' }) { this.send('g', { TradSesReqID: id, SubscriptionRequestType: type }) }

  async close () {
    if (!this.up) return
    this.session.done()
    await Promise.race([this.closed, new Promise(resolve => setTimeout(resolve, 3000).unref())])
  }
}
