// Peers that lie, stammer, flood or go silent, at both gateways. Each gets a clear answer or is cut; meanwhile two
// honest clients trade on, and nobody waits for the hostile one. (Records forged in the rings: core/process_test.c,
// a_command_ring_that_lies_is_shut_and_others_go_on, and core/sequencer_test.c.)
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { PATIENCE_MS, sleep } from '../../tools/venue_client.mjs'
import { encode } from '../lib/raw_fix.mjs'
import { eventually } from '../lib/venue.mjs'

// An order and its cancel, again and again, over both protocols; the longest wait for an answer is kept.
let pulses = 0

class Pulse {
  static async start (venue) {
    const pulse = new Pulse()
    pulse.fix = await venue.rawFix('atlantic')
    pulse.web = await venue.trader('diego')
    pulse.runs = Promise.allSettled([pulse.overFix(), pulse.overWeb()])
    return pulse
  }

  constructor () { Object.assign(this, { on: true, beats: 0, worstMs: 0, number: ++pulses }) }

  async beat (step) {
    const from = performance.now()
    await step()
    this.worstMs = Math.max(this.worstMs, performance.now() - from)
    this.beats++
    await sleep(20)
  }

  async overFix () {
    for (let i = 0; this.on; i++) {
      const [order, cancel] = [`p${this.number}-${i}`, `pc${this.number}-${i}`]
      await this.beat(async () => {
        const done = this.fix.waitNext(m => m.get(11) === cancel && m.get(150) === '4', 'cancel')
        this.fix.newOrder(order, 'PORT', 'buy', 1, 95)
        this.fix.cancel(cancel, order, 'PORT', 'buy')
        await done
      })
      this.fix.received.length = 0
    }
  }

  async overWeb () {
    for (let i = 0; this.on; i++) {
      await this.beat(async () => {
        const { order, error } = await this.web.request({ op: 'place', symbol: 'PORT', side: 'buy', price: '95', quantity: '1', client_order_id: `p${this.number}-${i}` })
        assert.ok(order, error?.text)
        assert.equal((await this.web.request({ op: 'cancel', order: order.order })).type, 'cancelled')
      })
    }
  }

  // Ends the honest traffic; throws if somebody waited.
  async stop () {
    await Promise.race([eventually('enough orders', () => this.beats >= 10), this.runs])
    this.on = false
    for (const { reason } of await this.runs) if (reason) throw reason
    await Promise.all([this.fix.logout(), this.web.close()])
    assert.ok(this.beats >= 10, `${this.beats} orders only`)
    assert.ok(this.worstMs < 1500, `an honest client waited ${Math.round(this.worstMs)} ms`)
  }
}

// Sends bytes as they are, and tells what came back and whether it was closed, within `ms` or once `enough` has come.
function bytes (port, text, { ms = PATIENCE_MS, enough } = {}) {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')))
    let answer = ''
    const end = closed => { clearTimeout(timer); socket.destroy(); resolve({ answer, closed }) }
    socket.on('data', data => { answer += data.toString('latin1'); if (enough?.test(answer)) end(false) })
    socket.on('close', () => end(true))
    socket.on('error', () => {})
    const timer = setTimeout(() => end(false), ms)
  })
}

const residentBytes = pid => Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024

export async function hostile (suite, venue) {
  const guarded = (name, body) => suite.test(name, async () => {
    const pulse = await Pulse.start(venue)
    try { await body() } finally { await pulse.stop() }
  })

  await guarded('FIX before logon: garbage, another protocol, a length that lies, too much: closed, and said in the log', async () => {
    const logon = encode([[35, 'A'], [34, 1], [49, 'BALEAR'], [52, '20260101-00:00:00'], [56, 'LONJA'], [98, 0], [108, 30]])
    const attacks = ['\0\u0001\u0002', 'GET / HTTP/1.1\r\n\r\n', '8=FIX.4.4\u00019=99999999\u0001', '8=FIX.4.4\u00019=-5\u000135=A\u0001', 'x'.repeat(20000),
      logon.replace('10=', '10=9'), encode([[35, 'D'], [34, 1], [49, 'BALEAR'], [56, 'LONJA']])]
    const answers = await Promise.all(attacks.map(text => bytes(venue.ports.fix, text)))
    answers.forEach(({ closed }, i) => assert.ok(closed, `still open after ${JSON.stringify(attacks[i].slice(0, 40))}`))
    assert.match(venue.log('fix'), /connection closed peer=\S+ reason=/)
  })

  await guarded('FIX: half a logon and then silence is cut after fix.logon_timeout_ms; half a message later is waited for', async () => {
    const half = await bytes(venue.ports.fix, '8=FIX.4.4\u00019=100\u000135=A\u000149=BAL')
    assert.ok(half.closed)
    const fix = await venue.rawFix('balear')
    const text = fix.frame('D', [[11, 'half'], [55, 'PORT'], [54, 1], [60, '20260101-00:00:00'], [38, 1], [40, 2], [44, 95]])
    fix.socket.write(text.slice(0, 70))
    await sleep(700)
    fix.socket.write(text.slice(70))
    const report = await fix.waitFor(m => m.get(11) === 'half', 'report of the slow order')
    assert.equal(report.get(150), '0')
    fix.cancel('half-c', 'half', 'PORT', 'buy')
    await fix.waitFor(m => m.get(11) === 'half-c', 'cancel')
    await fix.logout()
  })

  await guarded('FIX after logon: unknown message, unknown tag, missing tag, wrong type, long id are refused by name; the session goes on', async () => {
    const fix = await venue.rawFix('balear')
    const good = id => [[11, id], [55, 'PORT'], [54, 1], [60, '20260101-00:00:00'], [38, 1], [40, 2], [44, 95]]
    const cases = [
      ['ZZ', [[58, 'x']], m => '3j'.includes(m.get(35))],
      ['D', [...good('h1'), [9999, 1]], m => m.get(35) === '3' && m.get(371) === '9999'],
      ['D', good('h2').filter(([tag]) => tag !== 54), m => m.get(35) === '3' && m.get(371) === '54'],
      ['D', good('h3').map(([tag, value]) => [tag, tag === 38 ? 'abc' : value]), m => (m.get(35) === '3' && m.get(371) === '38') || m.get(5004) === '81'],
      ['D', good('h'.repeat(37)), m => m.get(35) === '3' && m.get(371) === '11'],
      ['D', good('h4').map(([tag, value]) => [tag, tag === 44 ? '9223372036854775808' : value]), m => m.get(5004) === '81']
    ]
    for (const [type, fields, fits] of cases) {
      const number = String(fix.outSeq)
      const answer = fix.waitNext(m => m.get(45) === number || m.get(11)?.startsWith('h'), `refusal of ${type} ${JSON.stringify(fields[0])}`)
      fix.send(type, fields)
      const message = await answer
      assert.ok(fits(message), message.raw)
      assert.ok(message.get(58), 'says why')
    }
    fix.send('1', [[112, 'still-here']])
    await fix.waitFor(m => m.get(35) === '0' && m.get(112) === 'still-here', 'heartbeat')
    // A wrong checksum is a message that never was; the next one shows the gap, and it is asked for again.
    fix.socket.write(fix.frame('D', good('garbled')).replace(/10=(\d+)/, (all, sum) => `10=${String((Number(sum) + 1) % 256).padStart(3, '0')}`))
    fix.newOrder('after', 'PORT', 'buy', 1, 95)
    await fix.waitFor(m => m.get(35) === '2', 'resend request')
    assert.equal((await fix.waitFor(m => m.get(11) === 'garbled', 'the garbled one, resent')).get(150), '0')
    assert.equal((await fix.waitFor(m => m.get(11) === 'after', 'the one after it')).get(150), '0')
    fix.cancel('hc1', 'garbled', 'PORT', 'buy')
    fix.cancel('hc2', 'after', 'PORT', 'buy')
    await fix.waitFor(m => m.get(11) === 'hc2', 'cancel')
    // Too long: cut. The session can come back.
    fix.send('1', [[112, 'y'.repeat(9000)]])
    assert.equal(await Promise.race([fix.closed.then(() => 'cut'), sleep(PATIENCE_MS)]), 'cut')
    const again = await eventually('it may come back', () => fix.again())
    await again.logout()
  })

  await guarded('FIX: a member that never reads is cut at fix.output_bytes_max and costs no memory', async () => {
    const deaf = await venue.rawFix('balear')
    const pid = await venue.livePid('fix')
    const before = residentBytes(pid)
    deaf.socket.pause()
    const echo = 'e'.repeat(4000)
    for (let i = 0; i < 6000 && !deaf.socket.destroyed; i++) {
      if (!deaf.send('1', [[112, echo]])) await Promise.race([deaf.drained(), deaf.closed, sleep(50)])
    }
    await eventually('the log says that it was cut', () => venue.log('fix').match(/connection closed peer=\S+ reason=.*(read|unsent|slow|output)/))
    assert.ok(residentBytes(pid) - before < 32 << 20, `${(residentBytes(pid) - before) >> 20} MiB more`)
    deaf.socket.destroy()
    const again = await eventually('it may come back', () => venue.rawFix('balear'))
    await again.logout()
  })

  await guarded('WebSocket: malformed JSON is refused, a long message and a broken frame are cut, half a frame hurts nobody', async () => {
    const carla = await venue.trader('carla')
    const texts = ['', '{', '[]', 'null', '{"op":"place"', '{"op":7}', '{"op":"place","op":"place"}', '{"op":"place","price":1e999}', '\u0000', '['.repeat(2000)]
    for (const text of texts) {
      carla.messages.length = 0
      carla.socket.send(text)
      const { error } = await carla.waitFor(m => m.type === 'error', `refusal of ${text.slice(0, 20)}`)
      assert.ok(['MALFORMED', 'BAD_NUMBER', 'MISSING_FIELD'].includes(error.name), `${text.slice(0, 30)}: ${error.name}`)
    }
    assert.equal((await carla.request({ op: 'ping' })).type, 'pong')
    const long = await venue.trader()
    long.socket.send('x'.repeat(5000))
    assert.equal((await long.closed).code, 1009)
    const upgrade = 'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n'
    const half = await bytes(venue.ports.web, upgrade + '\u0081\u00fe', { enough: /^HTTP.*\r\n\r\n/s })
    assert.match(half.answer, /^HTTP\/1.1 101 /)
    assert.ok((await bytes(venue.ports.web, upgrade + '\u0083\u0085\0\0\0\0abcde')).closed, 'a reserved opcode is cut')
    await bytes(venue.ports.web, 'GET /heal', { ms: 800 })
    assert.equal((await carla.request({ op: 'ping' })).type, 'pong')
    await carla.close()
  })

  await guarded('WebSocket: a client that never reads is cut and costs no memory', async () => {
    const deaf = await venue.trader('carla')
    const pid = await venue.livePid('web')
    const before = residentBytes(pid)
    const cut = async () => (await venue.call(venue.web, 'GET', '/api/v1/status')).json.slow_consumers_cut
    const cutBefore = await cut()
    deaf.socket._socket.pause()
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 1000; j++) deaf.socket.send('{"op":"instruments"}')
      await sleep(50)
    }
    await eventually('it is cut', async () => (await cut()) > cutBefore)
    assert.ok(residentBytes(pid) - before < 32 << 20, `${(residentBytes(pid) - before) >> 20} MiB more`)
    deaf.socket.terminate()
  })
}
