// Two hosts, each a network namespace, joined by a link that can be cut: a primary with synchronous replication
// under a flow of orders, and a standby. The link is cut and mended, the standby killed, strangers call, the
// primary is killed as a whole, the standby promoted, and the old primary comes back. Throughout: every order that
// was acknowledged to a client stands in the journal of whoever goes on.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { promisify } from 'node:util'
import { PATIENCE_MS, sleep, VenueClient } from '../../tools/venue_client.mjs'
import { WsClient } from '../../tools/ws_client.mjs'
import { Suite } from '../lib/suite.mjs'
import { bin, eventually, root } from '../lib/venue.mjs'

const execute = promisify(execFile)
const PROCESSES = 'core,tape,fix,web,admin,replicate'
const WEB = 18080, ADMIN = 18081, FIX = 19880, REPLICATION = 19890
const lonja = path.join(bin, 'lonja')
const TIMEOUT_MS = 1000 // replication.timeout_ms

class Host {
  // `address` is the one that clients use, `inner` the one on the link between the hosts.
  constructor (name, folder, address, inner, peer) {
    Object.assign(this, { name, folder: path.join(folder, name), address, inner, peer })
    this.state = path.join(this.folder, 'state')
    this.config = path.join(this.folder, 'lonja.conf')
    this.web = `http://${address}:${WEB}`
    fs.mkdirSync(path.join(this.folder, 'secrets'), { recursive: true })
    this.space = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  }

  isApart () { return fs.readlinkSync(`/proc/${this.space.pid}/ns/net`) !== fs.readlinkSync('/proc/self/ns/net') }
  inside (...words) { return ['nsenter', ['-t', String(this.space.pid), '-n', '--', ...words]] }
  run (...words) { return execute(...this.inside(...words)) }
  lonja (...words) { return this.run(lonja, ...words, '--config', this.config) }

  configure (services, secrets, keys) {
    const { PG_HOST, PG_PORT } = services
    fs.writeFileSync(this.config, `venue = { state_folder = "state"; };
fix   = { address = "0.0.0.0"; port = ${FIX}; };
web   = { address = "0.0.0.0"; port = ${WEB}; };
admin = { address = "0.0.0.0"; port = ${ADMIN}; };
journal = { segment_bytes = 4194304; };
postgres = { host = "${PG_HOST}"; port = ${PG_PORT}; database = "lonja"; secrets_folder = "${secrets}"; };
replication = { mode = 2; address = "${this.inner}"; port = ${REPLICATION}; peer_address = "${this.peer}"; peer_port = ${REPLICATION};
  timeout_ms = ${TIMEOUT_MS}; certificate = "${keys}/${this.name}.crt"; key = "${keys}/${this.name}.key"; authority = "${keys}/replication-ca.crt"; };
`)
  }

  start (...words) {
    const log = fs.openSync(path.join(this.folder, 'out.log'), 'a')
    const [command, args] = this.inside(lonja, ...words, '--config', this.config, '--quiet')
    this.child = spawn(command, args, { stdio: ['ignore', log, log] })
    this.child.exited = new Promise(resolve => this.child.on('exit', (code, signal) => resolve(this.child.ended = { code, signal })))
    fs.closeSync(log)
  }

  up () { this.start('up', '--only', PROCESSES) }
  follow () { this.start('standby', 'run') }
  stop (signal = 'SIGTERM') { if (!this.child.ended) this.child.kill(signal); return this.child.exited }

  status () {
    const status = JSON.parse(fs.readFileSync(path.join(this.state, 'status.json'), 'utf8'))
    if (status.supervisor_pid !== this.child.pid) throw new Error(`${this.name}: not the status of this life yet`)
    return status
  }

  // Until `ask(status)` is true.
  reaches (what, ask, ms = PATIENCE_MS) { return eventually(`${this.name}: ${what}`, () => { const status = this.status(); return ask(status) && status }, ms) }
  log (process) { try { return fs.readFileSync(path.join(this.state, 'log', `${process}.log`), 'utf8') } catch { return '' } }
  logs (process, words, ms) { return eventually(`${this.name}: ${process} says "${words}"`, () => this.log(process).includes(words), ms) }
  journal (...words) { return execute(path.join(bin, 'lonja-journal'), words, { maxBuffer: 1 << 28 }) }
}

// The client order id of each order in a host's journal, by order id (the sequence of its command).
async function ordersOf (host) {
  const orders = new Map()
  const dump = spawn(path.join(bin, 'lonja-journal'), ['dump', host.state], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of readline.createInterface({ input: dump.stdout })) {
    if (!line.includes('order_new')) continue
    const command = JSON.parse(line)
    orders.set(String(command.sequence ?? command.header?.sequence), line)
  }
  return orders
}

// A web trader who places an order every few milliseconds, wherever the venue is, and keeps what it was told.
class Trader {
  constructor (hosts, login, side, secrets) {
    Object.assign(this, { hosts, login, side, secrets, host: hosts[0], serial: 0, accepted: new Map(), refused: 0 })
  }

  venue () {
    const { host, secrets } = this
    const venue = { web: host.web, secret: name => fs.readFileSync(path.join(secrets, name), 'utf8').trim() }
    return Object.assign(venue, { call: VenueClient.prototype.call, login: VenueClient.prototype.login })
  }

  start () { this.running = true; this.done = this.loop() }
  async stop () { this.running = false; await this.done; await this.client?.close() }
  moveTo (host) { this.host = host; this.client?.socket.terminate() }

  async loop () {
    while (this.running) {
      try {
        if (!this.client || this.client.isClosed) await this.connect()
        const id = `${this.login}-${this.serial++}`
        const price = ((this.side === 'buy' ? 99 : 99.7) + (this.serial * 37 % 100) / 100).toFixed(2)
        this.client.socket.send(JSON.stringify({ op: 'place', id, symbol: 'PORT', side: this.side, price, quantity: '0.01', client_order_id: id }))
      } catch (error) { this.lastError = error; await sleep(50) }
      await sleep(8)
    }
  }

  async connect () {
    this.client = await Promise.race([WsClient.connect(this.venue(), this.login), sleep(PATIENCE_MS).then(() => { throw new Error('no connection') })])
    this.client.onMessage = message => {
      if (message.type === 'placed') this.accepted.set(message.id, String(message.order.order))
      else if (message.type === 'error') { this.refused++; this.lastRefusal = message }
    }
  }

  // Resolves when `more` orders more are acknowledged.
  progress (more, ms = PATIENCE_MS) {
    const goal = this.accepted.size + more
    return eventually(`${this.login}: ${more} more orders are acknowledged (${this.accepted.size}; refused ${JSON.stringify(this.lastRefusal)}; ${this.lastError})`, () => this.accepted.size >= goal, ms)
  }
}

async function connectSpaces (a, b) {
  const ip = (...words) => execute('ip', words)
  for (const [host, device, address] of [[a, 'to-a', '10.9.1.1/24'], [b, 'to-b', '10.9.2.1/24']]) {
    await ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'out', 'netns', String(host.space.pid))
    await ip('addr', 'add', address, 'dev', device)
    await ip('link', 'set', device, 'up')
  }
  await a.run('ip', 'link', 'add', 'between', 'type', 'veth', 'peer', 'name', 'between', 'netns', String(b.space.pid))
  for (const host of [a, b]) {
    await host.run('ip', 'addr', 'add', `${host.address}/24`, 'dev', 'out')
    await host.run('ip', 'addr', 'add', `${host.inner}/24`, 'dev', 'between')
    for (const device of ['lo', 'out', 'between']) await host.run('ip', 'link', 'set', device, 'up')
  }
}

// One instrument, and two web traders who can trade it with each other: less than ./run enters.
async function enterTraders (host, secrets) {
  const administration = Object.assign(Object.create(VenueClient.prototype), {
    admin: `http://${host.address}:${ADMIN}`, secret: name => fs.readFileSync(path.join(secrets, name), 'utf8').trim()
  })
  const post = (route, body) => eventually(`POST ${route}`, () => administration.administer('POST', route, body))
  const trading = { status: 'secondary', trading_mode: 'full_orderbook' }
  await post('/assets', { asset: 1, symbol: 'USD', kind: 'cash', scale: 6 })
  await post('/assets', { asset: 2, symbol: 'PORT', kind: 'token', name: 'Port', scale: 2, decimals: 18, ...trading })
  await post('/instruments', { instrument: 1, symbol: 'PORT', token_asset: 2, cash_asset: 1, tick: 10000, lot: 1, fee_bps: 10, ...trading })
  await post('/members', { member: 103, name: 'Traders' })
  for (const [account, login, asset] of [[1003, 'carla', 'USD'], [1004, 'diego', 'PORT']]) {
    const password = crypto.randomBytes(12).toString('hex')
    fs.writeFileSync(path.join(secrets, `login-${login}`), password)
    await post('/accounts', { account, member: 103, name: login, nationality: 'ES', jurisdiction: 724, kyc_status: 'approved', kyc_level: 3,
      accreditation_status: 'institutional', wallet_address: `0x${String(account).padStart(40, '0')}`, is_activated: true })
    await post('/sessions', { session: account, member: 103, gateway: 'web', accounts: [account], cancel_on_disconnect: false })
    await post('/logins', { kind: 'web', login_name: login, session: account, password })
    await post('/deposits', { reference: login, account, asset, amount: '100000' })
  }
  await post('/instruments/1/reference-price', { price: '100.00' })
  await post('/instruments/1/nav', { nav: '100.00' })
  await post('/instruments/1/phase', { phase: 'continuous' })
}

async function everyAcknowledgedOrderIsIn (host, traders) {
  const told = traders.flatMap(trader => [...trader.accepted]) // up to now: they may go on meanwhile
  const orders = await ordersOf(host)
  const missing = told.filter(([id, order]) => !orders.get(order)?.includes(`"${id}"`))
  assert.deepEqual(missing, [], `of ${told.length} acknowledged orders some are not in the journal of ${host.name}`)
}

async function sameDigests (a, b) {
  const [one, other] = await Promise.all([a, b].map(async host => (await host.journal('replay', host.state)).stdout))
  assert.equal(one, other)
}

Suite.oneStory(async suite => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lonja-standby-'))
  fs.chmodSync(folder, 0o755)
  const services = path.join(root, 'tools/services')
  const serving = execute(services, ['start', folder])
  const a = new Host('a', folder, '10.9.1.2', '10.9.3.1', '10.9.3.2')
  const b = new Host('b', folder, '10.9.2.2', '10.9.3.2', '10.9.3.1')
  const secrets = path.join(folder, 'secrets'), keys = path.join(folder, 'keys')
  let traders = []
  try {
    await eventually('the hosts are there', () => a.isApart() && b.isApart())
    await connectSpaces(a, b)
    await execute(path.join(root, 'tools/replication-keys'), [keys, 'a', 'b'])
    await execute(path.join(root, 'tools/replication-keys'), [path.join(folder, 'foreign'), 'a'])
    await serving
    const env = Object.fromEntries(fs.readFileSync(path.join(folder, 'services.env'), 'utf8').trim().split('\n').map(line => line.replaceAll("'", '').split('=')))
    for (const host of [a, b]) host.configure(env, secrets, keys)
    traders = [new Trader([a, b], 'carla', 'buy', secrets), new Trader([a, b], 'diego', 'sell', secrets)]

    await suite.test('without a standby nothing becomes durable for anybody, and the status says why', async () => {
      a.up()
      const status = await a.reaches('the core runs', s => s.core_state === 'running' && s.replication.journal_seq > 0)
      assert.equal(status.durable_seq, 0)
      assert.equal(status.replication.mode, 'sync')
      assert.equal(status.replication.state, 'alone')
    })
    await suite.test('a standby follows from nothing, and the venue answers', async () => {
      b.follow()
      await a.reaches('followed', s => s.replication.state === 'followed' && s.durable_seq > 0)
      await a.reaches('open', s => s.venue_state === 'open')
      await enterTraders(a, secrets)
      traders.forEach(trader => trader.start())
      await Promise.all(traders.map(trader => trader.progress(50)))
      const status = await b.reaches('following', s => s.role === 'standby' && s.core_state === 'following')
      assert.equal(status.replication.state, 'following')
    })
    await suite.test('strangers are cut off: another authority, no TLS, no certificate', async () => {
      const foreign = (await a.run('bash', '-c', `openssl s_client -connect ${a.inner}:${REPLICATION} -cert ${folder}/foreign/a.crt -key ${folder}/foreign/a.key \
        -CAfile ${keys}/replication-ca.crt </dev/null 2>&1; openssl s_client -connect ${a.inner}:${REPLICATION} </dev/null 2>&1; true`)).stdout
      assert.match(foreign, /alert|error/i)
      await a.run('bash', '-c', `exec 3<>/dev/tcp/${a.inner}/${REPLICATION}; echo 'GET / HTTP/1.1' >&3; timeout 60 cat <&3 || [ $? = 1 ]`)
      await a.logs('replicate', 'a connection is cut')
      await Promise.all(traders.map(trader => trader.progress(20)))
    })
    await suite.test('the link is cut: nobody is answered; mended: everybody is', async () => {
      await a.run('ip', 'link', 'set', 'between', 'down')
      await a.reaches('alone', s => s.replication.state === 'alone' && s.durable_seq < s.replication.journal_seq)
      await eventually('nobody is answered', async () => { // once the last answers from before have arrived
        const before = traders.map(trader => trader.accepted.size)
        await sleep(300)
        return traders.every((trader, i) => trader.accepted.size === before[i])
      })
      await a.reaches('only what is in both journals was answered', s => s.durable_seq < s.replication.journal_seq &&
        traders.every(trader => [...trader.accepted.values()].every(order => Number(order) <= s.durable_seq)))
      await a.run('ip', 'link', 'set', 'between', 'up')
      await Promise.all(traders.map(trader => trader.progress(20)))
    })
    await suite.test('an operator lets the venue go on without its standby, and takes it back', async () => {
      await b.stop()
      await a.lonja('standby', 'degrade', '--reason', 'the standby is being mended')
      await Promise.all(traders.map(trader => trader.progress(20)))
      await a.reaches('degraded', s => s.replication.state === 'degraded' && s.durable_seq > s.replication.replicated_seq)
      await a.lonja('standby', 'restore')
      await a.logs('replicate', 'restored by an operator')
      b.follow()
      await a.reaches('followed', s => s.replication.state === 'followed')
      await Promise.all(traders.map(trader => trader.progress(20)))
    })
    await suite.test('the standby is killed and goes on where it was', async () => {
      const { pid, incarnation } = (await b.reaches('it runs', s => s.processes.standby.state === 'running')).processes.standby
      process.kill(pid, 'SIGKILL')
      await b.reaches('it runs again', s => s.processes.standby.incarnation > incarnation && s.core_state === 'following')
      await Promise.all(traders.map(trader => trader.progress(20)))
    })
    await suite.test('the primary is killed; the standby is promoted and has every acknowledged order', async () => {
      await a.stop('SIGKILL')
      const { stdout } = await b.lonja('standby', 'promote', '--reason', 'the first host is dead')
      assert.match(stdout, /the next epoch is 1000001/)
      assert.deepEqual(await b.child.exited, { code: 0, signal: null })
      await everyAcknowledgedOrderIsIn(b, traders)
    })
    await suite.test('the venue goes on there, the clients with it', async () => {
      b.up()
      await b.lonja('standby', 'degrade', '--reason', 'the only host')
      const status = await b.reaches('open', s => s.venue_state === 'open')
      assert.equal(status.epoch, 1000001)
      traders.forEach(trader => trader.moveTo(b))
      await Promise.all(traders.map(trader => trader.progress(20)))
    })
    await suite.test('the old primary comes back and is fenced', async () => {
      a.up()
      const status = await a.reaches('its core has failed for good', s => s.core_state === 'failed' && s.processes.core.state === 'failed')
      assert.match(status.processes.core.last_end, /5/)
      assert.match(fs.readFileSync(path.join(a.state, 'replication/fence'), 'utf8'), /epoch 1000001 promoted elsewhere/)
      await a.stop()
    })
    await suite.test('as a standby it follows the new one, its own tail cut where it was told', async () => {
      a.follow()
      const how = await eventually('it follows or is refused', () => /following sequence=|last_in_common=(\d+)/.exec(a.log('standby')))
      if (how[1]) {
        await a.stop()
        await a.journal('cut', a.state, String(Number(how[1]) + 1), '--reason', 'never answered')
        a.follow()
      }
      await b.reaches('followed', s => s.replication.standbys === 1)
      await b.lonja('standby', 'restore')
      await Promise.all(traders.map(trader => trader.progress(20)))
      await everyAcknowledgedOrderIsIn(b, traders)
    })
    await suite.test('at the end both journals give the same digest, and every acknowledged order is in both', async () => {
      await Promise.all(traders.map(trader => trader.stop()))
      assert.deepEqual(await b.stop(), { code: 0, signal: null })
      assert.deepEqual(await a.stop(), { code: 0, signal: null })
      await sameDigests(a, b)
      await everyAcknowledgedOrderIsIn(a, traders)
      await everyAcknowledgedOrderIsIn(b, traders)
    })
  } finally {
    await Promise.allSettled(traders.map(trader => trader.stop()))
    for (const host of [a, b]) if (host.child && !host.child.ended) await Promise.race([host.stop(), sleep(PATIENCE_MS)])
    await execute(services, ['stop', folder])
    for (const host of [a, b]) host.space.kill('SIGKILL')
    if (process.env.KEEP) console.log(`kept ${folder}`)
    else fs.rmSync(folder, { recursive: true, force: true })
  }
})
