// A node that lies: JSON-RPC over HTTP in front of a real node, call by call. Methods that nobody has taken go through
// as they are. (What a line does to bytes is fault_proxy.mjs.)
//
//   const proxy = await RpcProxy.start(rpcUrl)                      // listens on proxy.url
//   proxy.take('eth_sendRawTransaction', async (params, ask) => {   // `ask(method?, params?)` asks the node itself
//     await ask(); await ask().catch(() => {})                      // twice
//     return '0x…'                                                  // the result; or throw new RpcError(code, message, data)
//   })
//   proxy.pass('eth_sendRawTransaction'); proxy.calls.eth_sendRawTransaction // how often it was asked
//
// What is thrown otherwise cuts the connection without an answer; `proxy.down = true` does so to every call. A
// handler that returns RAW(text) answers with exactly these bytes.
//
// `proxy.spoil = (response, text, question) => …` gets what would have been said to a request, whatever was asked, and says
// something else, or nothing, by the HTTP response.
import http from 'node:http'

export class RpcError extends Error {
  constructor (code, message, data) { super(message); Object.assign(this, { code, data }) }
}
class Raw { constructor (text) { this.text = text } }
export const RAW = text => new Raw(text)

export class RpcProxy {
  static async start (target) {
    const proxy = new RpcProxy(target)
    proxy.server = http.createServer((request, response) => proxy.serve(request, response))
    await new Promise((resolve, reject) => {
      proxy.server.once('error', reject)
      proxy.server.listen(0, '127.0.0.1', resolve)
    })
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`
    return proxy
  }

  constructor (target) { Object.assign(this, { target, handlers: new Map(), calls: {}, down: false, spoil: null, spoilt: 0 }) }

  take (method, handler) { this.handlers.set(method, handler) }
  pass (...methods) { if (methods.length === 0) { this.handlers.clear(); this.spoil = null } else for (const method of methods) this.handlers.delete(method) }

  async serve (request, response) {
    try {
      let body = ''
      for await (const chunk of request) body += chunk
      if (this.down) throw new Error('down')
      const question = JSON.parse(body)
      const { spoil } = this
      const answer = Array.isArray(question) ? await Promise.all(question.map(q => this.answer(q))) : await this.answer(question)
      const text = answer instanceof Raw ? answer.text : JSON.stringify(answer)
      response.setHeader('content-type', 'application/json')
      if (!spoil) { response.end(text); return }
      this.spoilt++
      await spoil(response, text, question)
    } catch { response.destroy() }
  }

  async answer ({ id, method, params = [] }) {
    this.calls[method] = (this.calls[method] ?? 0) + 1
    const handler = this.handlers.get(method)
    try {
      const result = handler ? await handler(params, (name = method, args = params) => this.ask(name, args)) : await this.ask(method, params)
      return result instanceof Raw ? result : { jsonrpc: '2.0', id, result }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      return { jsonrpc: '2.0', id, error: { code: error.code, message: error.message, data: error.data } }
    }
  }

  async ask (method, params) {
    const response = await fetch(this.target, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    })
    const { result, error } = await response.json()
    if (error) throw new RpcError(error.code, error.message, error.data)
    return result
  }

  close () {
    this.server.closeAllConnections()
    return new Promise(resolve => this.server.close(resolve))
  }
}
