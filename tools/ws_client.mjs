// A web trader: logs in over REST, speaks the WebSocket protocol (docs/websocket.md), keeps what it hears.
import WebSocket from 'ws'
import { PATIENCE_MS } from './venue_client.mjs'

export class WsClient {
  static async connect (venue, user) {
    const client = new WsClient()
    client.token = user ? await venue.login(venue.web, user) : null
    client.socket = new WebSocket(venue.web.replace(/^http/, 'ws') + '/ws')
    client.socket.on('message', text => client.onMessage(JSON.parse(text.toString())))
    client.closed = new Promise(resolve => client.socket.on('close', (code, reason) => { client.onClose(code); resolve({ code, reason: String(reason) }) }))
    await new Promise((resolve, reject) => { client.socket.once('open', resolve); client.socket.on('error', reject) })
    if (user) await client.request({ op: 'login', token: client.token })
    return client
  }

  constructor () {
    this.messages = []
    this.waiters = []
    this.lastId = 0
  }

  onMessage (message) {
    message.at = process.hrtime.bigint()
    this.messages.push(message)
    this.waiters = this.waiters.filter(waiter => !waiter(message))
  }

  // Who waits learns that nothing will come.
  onClose (code) {
    this.isClosed = true
    for (const waiter of this.waiters.splice(0)) waiter(null, new Error(`WebSocket closed (${code})`))
  }

  waitFor (predicate, what = 'message', timeoutMs = PATIENCE_MS) {
    const found = this.messages.find(predicate)
    if (found) return Promise.resolve(found)
    if (this.isClosed) return Promise.reject(new Error(`WebSocket is closed: no ${what}`))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`WebSocket: no ${what} within ${timeoutMs} ms`)), timeoutMs)
      this.waiters.push((message, error) => {
        if (error) { clearTimeout(timer); reject(new Error(`${error.message} while waiting for ${what}`)); return true }
        if (!predicate(message)) return false
        clearTimeout(timer)
        resolve(message)
        return true
      })
    })
  }

  // Sends and waits for the answer with the same id, whatever it says.
  request (fields, timeoutMs = PATIENCE_MS) {
    const id = ++this.lastId
    const answer = this.waitFor(m => m.id === id, `answer to ${fields.op}`, timeoutMs)
    this.socket.send(JSON.stringify({ ...fields, id }))
    return answer
  }

  async close () { this.socket.close(); await Promise.race([this.closed, new Promise(resolve => setTimeout(resolve, 2000))]) }
}
