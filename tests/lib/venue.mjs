// A private venue for a test: ./run in a folder and with ports of its own, and what a test asks of it.
//
//   const venue = await Venue.start({ name: 'system', settings: ['settle.tick_ms=500'] })
//   await venue.kill('core')                     // SIGKILL, returns when its successor runs
//   const rows = await venue.query('SELECT …')   // [{column: text}]
//   await venue.conservation()                   // throws unless sums are zero and ledger = Postgres = chain
//   await venue.stop()
//
// What a client of a venue needs is tools/venue_client.mjs; here is what a test does to one. Everything is
// asynchronous, so that the clients of a test stay alive while it waits. LONJA_BIN names the executables
// (default build/release/bin); KEEP=1 leaves the folder behind.
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PATIENCE_MS, sleep, until, VenueClient } from '../../tools/venue_client.mjs'
import { WsClient } from '../../tools/ws_client.mjs'
import { FaultProxy } from './fault_proxy.mjs'
import { FixClient } from './fix_client.mjs'
import { RawFix } from './raw_fix.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
export const bin = process.env.LONJA_BIN ?? path.join(root, 'build/release/bin')
export const demo = JSON.parse(fs.readFileSync(path.join(root, 'tools/demo.json'), 'utf8'))
const execute = promisify(execFile)

// How a process ends that nobody has asked: tests kill by SIGKILL, the supervisor by SIGTERM.
const UNASKED = /^exit status [1-9]|^killed by signal (?!9 |15 )/
const lastWords = text => text.trimEnd().split('\n').slice(-12).join('\n')

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const ZERO = '0x' + '0'.repeat(40)
const START_MS = 300000 // ./run begins a thousand small programs, which a busy machine runs one after the other
const SERVICE_PORTS = 10 // Postgres' port less that of ./run --port-base; Redis and the chain are the next ones
const PORT_OFFSETS = [0, 1, 2, 3, 4, 10, 11, 12] // of ./run --port-base

const isFree = port => new Promise(resolve => {
  const server = net.createServer().once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
})

async function freePorts () {
  for (let base = 20000 + (process.pid % 500) * 20; base < 32000; base += 20) {
    const free = await Promise.all(PORT_OFFSETS.map(offset => isFree(base + offset)))
    if (free.every(Boolean)) return base
  }
  throw new Error('no free ports between 20000 and 32000')
}

// Waits without giving up at an exception: what is asked may be down.
export const eventually = (what, ask, timeoutMs = PATIENCE_MS, everyMs = 25) => {
  let last
  return until(what, timeoutMs, () => Promise.resolve().then(ask).catch(error => { last = error; return false }), everyMs)
    .catch(error => { throw new Error(last ? `${error.message}: ${last.message}` : error.message) })
}

// A child of ours whose output goes to a file, up to the words that say that it is ready.
async function launch (folder, command, args, words) {
  const file = path.join(folder, 'run.log')
  const log = fs.openSync(file, 'a')
  const from = fs.fstatSync(log).size
  const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, LONJA_BIN: bin } })
  fs.closeSync(log)
  const end = () => child.kill('SIGTERM') // ./run stops its servers by itself
  process.once('exit', end)
  child.exited = new Promise(resolve => child.on('exit', (code, signal) => { process.off('exit', end); resolve(child.ended = { code, signal }) }))
  const printed = () => fs.readFileSync(file).subarray(from).toString()
  await until(`"${words}"`, START_MS, () => printed().includes(words) || child.ended)
  if (!printed().includes(words)) throw new Error(`${command} ended: ${printed().slice(-1500)}`)
  return child
}

// A proxy in front of each server, by its name in tools/services, and the settings by which the venue takes them. What the
// test itself asks goes past them.
async function startProxies (base, seed) {
  const proxies = {}
  for (const [i, name] of ['postgres', 'redis', 'anvil'].entries()) proxies[name] = await FaultProxy.start({ port: base + SERVICE_PORTS + i, seed: seed + i })
  const { postgres, redis, anvil } = proxies
  return [proxies, ['postgres.host="127.0.0.1"', `postgres.port=${postgres.port}`, `redis.port=${redis.port}`, `settle.rpc_url="http://127.0.0.1:${anvil.port}"`]]
}

export class Venue extends VenueClient {
  // proxied: a seed for venue.proxies, one FaultProxy in front of each server.
  static async start ({ name, settings = [], proxied }) {
    // Short: the path of a UNIX socket below it has 107 bytes at most.
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), `lonja-${name}-`))
    fs.chmodSync(folder, 0o755) // Postgres' user enters it
    const base = await freePorts()
    const [proxies, more] = proxied === undefined ? [{}, []] : await startProxies(base, proxied)
    const child = await launch(folder, path.join(root, 'run'), ['--var', folder, '--port-base', String(base),
      ...[...settings, ...more].flatMap(s => ['--set', s])], 'the venue is up')
    return new Venue(folder, child, proxies)
  }

  constructor (folder, child, proxies) {
    super(folder)
    this.child = child
    this.proxies = proxies
    this.state = path.join(folder, 'state')
    this.clients = [] // closed by stop()
    this.spared = new Set() // names of processes that may end by themselves just now
    this.ends = new Map()   // name -> how often it has ended, as far as died() has seen
  }

  // ---- life ---------------------------------------------------------------------------------------------

  // ./run again on the same folder: the same venue goes on.
  async run () { this.child = await launch(this.folder, path.join(root, 'run'), ['--var', this.folder], 'the venue is up') }

  // The processes alone, as in production: whatever servers there are, or are not.
  async up () { this.child = await launch(this.folder, path.join(bin, 'lonja'), ['up', '--config', path.join(this.folder, 'lonja.conf')], 'core: started') }

  // What was begun by run() or up().
  async down (signal = 'SIGTERM') {
    if (!this.child.ended) this.child.kill(signal)
    this.child.isMeantToEnd = true
    const ended = await Promise.race([this.child.exited, sleep(PATIENCE_MS)])
    if (!ended) throw new Error(`the venue does not stop within ${PATIENCE_MS / 1000} s`)
    return ended
  }

  servers (command, server) { return execute(path.join(root, 'tools/services'), [command, this.folder, ...(server ? [server] : [])]) }

  async stop () {
    await Promise.allSettled(this.clients.map(client => client.close()))
    await this.down().catch(error => { console.log(`# ${error.message}`); this.child.kill('SIGKILL') })
    await this.servers('stop')
    await Promise.all(Object.values(this.proxies).map(proxy => proxy.close()))
    if (process.env.KEEP) console.log(`kept ${this.folder}`)
    else fs.rmSync(this.folder, { recursive: true, force: true })
  }

  // ---- processes ------------------------------------------------------------------------------------------

  // status.json is a second old at most and may still name a process that is gone.
  livePid (name) {
    return eventually(`${name} has a process`, () => {
      const { pid, state } = this.status().processes[name]
      return state === 'running' && pid > 0 && process.kill(pid, 0) && pid
    })
  }

  // Kills a process and waits for the supervisor to have started its successor.
  async kill (name, signal = 'SIGKILL') {
    const pid = await this.livePid(name)
    const before = this.status().processes[name].incarnation
    process.kill(pid, signal)
    await eventually(`${name} is started again`, () => {
      const now = this.status().processes[name]
      return now.incarnation > before && now.state === 'running'
    })
  }

  // The processes that live now, as the kernel has them: name -> pid. The supervisor is among them.
  living () {
    const supervisor = this.status().supervisor_pid
    const living = new Map([['supervisor', supervisor]])
    const children = fs.readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ').filter(Boolean)
    for (const pid of children) {
      const name = nameOf(pid)
      if (name?.startsWith('lonja-')) living.set(name.slice('lonja-'.length), Number(pid))
    }
    return living
  }

  // Kills these processes at once and returns which they were, for successors().
  killTogether (names) {
    const living = this.living()
    if (names.includes('supervisor')) this.child.isMeantToEnd = true
    const killed = new Map(names.filter(name => living.has(name)).map(name => [name, living.get(name)]))
    for (const pid of killed.values()) signalIfThere(pid, 'SIGKILL') // with the supervisor the others die by themselves
    return killed
  }

  // Whoever has ended by himself since this was last asked: an error with the end of its log, for Suite.watch. The supervisor starts
  // it again, so that nobody would notice; not the venue itself.
  died () {
    if (this.child.ended && !this.child.isMeantToEnd) {
      const { code, signal } = this.child.ended
      return Object.assign(new Error(`the venue has ended by itself, ${signal ?? `exit status ${code}`}\n${lastWords(fs.readFileSync(path.join(this.folder, 'run.log'), 'utf8'))}`), { fatal: true })
    }
    let status
    try { status = this.status() } catch { return } // the first one is not written yet
    for (const [name, { state, restarts, last_end: how }] of Object.entries(status.processes)) {
      const key = `${status.supervisor_pid} ${name}`
      const ends = restarts + (how && state !== 'running' ? 1 : 0)
      if (ends <= (this.ends.get(key) ?? 0)) continue
      this.ends.set(key, ends)
      if (UNASKED.test(how) && !this.spared.has(name)) return new Error(`${name} has ended by itself, ${how}; at the end of its log\n${lastWords(this.log(name))}`)
    }
  }

  // Memory that each process holds, in MiB.
  memory () {
    return new Map([...this.living()].map(([name, pid]) => {
      const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8')
      return [name, Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(text)[1]) / 1024)]
    }))
  }

  // A figure of the metrics page.
  async metric (name) {
    const text = await (await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`)).text()
    const match = new RegExp(`^lonja_${name} (\\S+)$`, 'm').exec(text)
    return match ? Number(match[1]) : undefined
  }

  // Waits until each of these (name -> pid) has a successor.
  successors (killed, ms = PATIENCE_MS) {
    return eventually(`${[...killed.keys()].join(', ')} started again`, () => {
      const living = this.living()
      return [...killed].every(([name, pid]) => living.has(name) && living.get(name) !== pid)
    }, ms, 5)
  }

  // From ./run to the processes alone: ./run is killed and leaves venue and servers behind, the supervisor likewise.
  async leaveRun () {
    const supervisor = this.status().supervisor_pid
    this.child.isMeantToEnd = true
    this.child.kill('SIGKILL')
    await this.child.exited
    process.kill(supervisor, 'SIGKILL')
    await this.up()
  }

  // Open for orders from every gateway.
  async ready () {
    await eventually('the venue is open', async () => {
      const status = this.status()
      const health = await this.call(this.web, 'GET', '/health')
      return status.core_state === 'running' && status.venue_state === 'open' && health.status === 200 && health.json.venue_state === 'open'
    })
    await eventually('the FIX gateway listens', () => this.canConnect(this.ports.fix))
  }

  canConnect (port) {
    return new Promise(resolve => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
      socket.on('error', () => resolve(false))
    })
  }

  // A server and all of its children: SIGSTOP, SIGCONT. The first one comes first, so that while it is stopped it can
  // make no child that is missed; a child may end at any moment (a backend whose client has left).
  async signalServer (server, signal) {
    const first = this.servicePid(server)
    process.kill(first, signal)
    const { stdout } = await execute('ps', ['-e', '-o', 'pid=,ppid='])
    const rows = stdout.trim().split('\n').map(line => line.trim().split(/\s+/).map(Number))
    const pids = [first]
    for (let i = 0; i < pids.length; i++) pids.push(...rows.filter(([, parent]) => parent === pids[i]).map(([pid]) => pid))
    for (const pid of pids.slice(1)) signalIfThere(pid, signal)
  }

  log (name) { return fs.readFileSync(path.join(this.state, 'log', `${name}.log`), 'utf8') }

  // ---- Postgres, chain, REST ------------------------------------------------------------------------------

  // Rows as objects of text; does not block the test's clients.
  async query (text, role = 'postgres') {
    const env = { ...process.env, PGPASSWORD: this.secret(`pg-${role}`), PGCONNECT_TIMEOUT: String(PATIENCE_MS / 1000) }
    const { stdout } = await execute('psql', ['-X', '-q', '-A', '-F', '\t', '--pset=footer=off', '-v', 'ON_ERROR_STOP=1', '-h', this.services.PG_HOST,
      '-p', this.services.PG_PORT, '-U', role, '-d', this.services.PG_DATABASE, '-c', text], { env, maxBuffer: 1 << 26 })
    const [head, ...lines] = stdout.split('\n').filter(line => line !== '').map(line => line.split('\t'))
    return lines.map(values => Object.fromEntries(head.map((column, i) => [column, values[i]])))
  }

  async rpc (method, ...params) {
    const response = await fetch(this.services.RPC_URL, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
    const { result, error } = await response.json()
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  // ---- clients ---------------------------------------------------------------------------------------------

  async fix (login, options = {}) {
    const client = await FixClient.connect({ port: this.ports.fix, senderCompId: compIdOf(login), username: login, password: this.secret(`login-${login}`), ...options })
    this.clients.push(client)
    return client
  }

  async rawFix (login, options = {}) {
    const client = await RawFix.connect({ port: this.ports.fix, sender: compIdOf(login), user: login, password: this.secret(`login-${login}`), reset: true, ...options })
    this.clients.push(client)
    return client
  }

  async trader (user) {
    const client = await WsClient.connect(this, user)
    this.clients.push(client)
    return client
  }

  // What is published on Redis from now on: an array that grows.
  async listen () {
    const heard = []
    this.clients.push(await this.subscribe(message => heard.push(message)))
    return heard
  }

  // `lonja admin WORDS…`: its answers, one a line; rejects with `code` where it is refused.
  async words (...words) {
    const { stdout } = await execute(path.join(bin, 'lonja'), ['admin', '--config', path.join(this.folder, 'lonja.conf'), ...words])
    return stdout.trim().split('\n').filter(Boolean).map(line => JSON.parse(line))
  }

  // ---- the truth -------------------------------------------------------------------------------------------

  async replay (options = [], tool = path.join(bin, 'lonja-journal')) {
    const { stdout } = await execute(tool, ['replay', this.state, ...options], { maxBuffer: 1 << 24 })
    return Object.fromEntries([...stdout.matchAll(/(\w+)=(\S+)/g)].map(m => [m[1], m[2]]))
  }

  // The recorder has everything that is durable; no trade waits for its settlement. A backlog may take its time, as long as
  // there is progress.
  async settled (stillMs = 60000) {
    let last
    for (let since = Date.now(); ; await sleep(200)) {
      const open = await this.open().catch(error => ({ error: error.message }))
      if (open.lag <= 0 && open.trades === '0' && open.results === '0') return
      const now = JSON.stringify(open)
      if (now !== last) { last = now; since = Date.now() }
      // A node that mines when a transaction comes may leave the last one in its pool; every real chain has a next block.
      if (Date.now() - since > stillMs / 4) await this.rpc('evm_mine').catch(() => {})
      if (Date.now() - since > stillMs) throw new Error(`the record is up to date and every trade is settled: nothing moves for ${stillMs / 1000} s: ${now}`)
    }
  }

  async open () {
    const { durable_sequence: durable } = await this.administer('GET', '/venue')
    const [row] = await this.query(`SELECT (SELECT sequence FROM record.cursor) AS cursor,
      (SELECT count(*) FROM settle.trade WHERE settlement_status <> 'settled' AND corrected_quantity IS DISTINCT FROM 0) AS trades,
      (SELECT count(*) FROM settle.result WHERE state = 'open') AS results`)
    return { lag: durable - Number(row.cursor), trades: row.trades, results: row.results }
  }

  async balanceOnChain (symbol, wallet) {
    const data = '0x70a08231' + wallet.slice(2).toLowerCase().padStart(64, '0')
    return BigInt(await this.rpc('eth_call', { to: this.deployment.instruments[symbol].token, data }, 'latest'))
  }

  async transfers (symbol) {
    const logs = await this.rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: this.deployment.instruments[symbol].token, topics: [TRANSFER] })
    const address = topic => '0x' + topic.slice(26)
    return logs.map(log => ({ hash: log.transactionHash, from: address(log.topics[1]), to: address(log.topics[2]), value: BigInt(log.data) }))
      .filter(transfer => transfer.from !== ZERO) // a mint
  }

  // Nothing made out of nothing, nothing doubled: sums, ledger = Postgres = chain, one transfer per settled trade.
  async conservation () {
    await this.settled()
    await this.sumsAreZero()
    await this.ledgerIsInPostgres()
    for (const asset of demo.assets.filter(a => a.kind === 'token')) await this.chainAgrees(asset)
  }

  // All entries, or those behind a sequence up to which they were looked at before; then without adding them all up.
  async sumsAreZero (behind = 0) {
    const wrong = [
      ...await this.query('SELECT asset_id, sum(available + held) AS sum FROM record.balance GROUP BY 1 HAVING sum(available + held) <> 0'),
      ...await this.query(`SELECT sequence, event_index, asset_id FROM record.ledger_entry WHERE sequence > ${behind} GROUP BY 1, 2, 3 HAVING sum(available + held) <> 0 LIMIT 5`)
    ]
    if (behind === 0) wrong.push(
      ...await this.query(`SELECT account_id, asset_id FROM (SELECT account_id, asset_id, sum(available) AS a, sum(held) AS h, sum(unsettled) AS u,
        sum(blocked) AS k, sum(deficit) AS d FROM record.ledger_entry GROUP BY 1, 2) e FULL JOIN record.balance b USING (account_id, asset_id)
        WHERE (a, h, u, k, d) IS DISTINCT FROM (b.available::numeric, b.held::numeric, b.unsettled::numeric, b.blocked::numeric, b.deficit::numeric)`),
      ...await this.query('SELECT asset_id, sum(deficit) AS deficits FROM record.balance GROUP BY 1 HAVING sum(deficit) <> coalesce(-sum(available) FILTER (WHERE account_id = 4), 0)')
    )
    if (wrong.length > 0) throw new Error(`the ledger does not add up: ${JSON.stringify(wrong)}`)
  }

  async ledgerIsInPostgres () {
    for (const { account } of demo.accounts) {
      const ledger = (await this.administer('GET', `/balances?account=${account}`)).balances
      const rows = await this.query(`SELECT a.symbol, b.available, b.held, b.unsettled, a.scale FROM record.balance b JOIN record.asset a USING (asset_id) WHERE account_id = ${account}`)
      for (const { symbol, ...balance } of ledger) {
        const row = rows.find(r => r.symbol === symbol)
        for (const column of ['available', 'held', 'unsettled']) {
          const minor = BigInt(row ? row[column] : 0)
          if (units(balance[column], Number(row?.scale ?? 0)) !== minor) throw new Error(`${account} ${symbol} ${column}: ledger ${balance[column]}, Postgres ${minor}`)
        }
      }
    }
  }

  async chainAgrees ({ asset, symbol, scale, decimals }) {
    const factor = 10n ** BigInt(decimals - scale)
    for (const { account, wallet } of demo.accounts) {
      const row = (await this.query(`SELECT available + held AS total, unsettled FROM record.balance WHERE account_id = ${account} AND asset_id = ${asset}`))[0]
      const chain = await this.balanceOnChain(symbol, wallet)
      if (BigInt(row?.total ?? 0) * factor !== chain) throw new Error(`${account} ${symbol}: ledger ${row?.total}, chain ${chain}`)
      if (row && row.unsettled !== '0') throw new Error(`${account} ${symbol}: ${row.unsettled} still unsettled`)
    }
    const trades = await this.query(`SELECT t.tx_hash, coalesce(t.corrected_quantity, r.quantity) AS quantity, b.wallet_address AS buyer, s.wallet_address AS seller FROM settle.trade t
      JOIN record.trade r USING (trade_id) JOIN people.account b ON b.account_id = r.buyer_account JOIN people.account s ON s.account_id = r.seller_account
      WHERE r.token_asset = ${asset} AND t.settlement_type = 'on_chain' AND r.buyer_account <> r.seller_account`)
    const leg = (hash, from, to, value) => [hash, from, to, value].join(' ').toLowerCase()
    const planned = trades.map(t => leg(t.tx_hash, t.seller, t.buyer, BigInt(t.quantity) * factor)).sort()
    const done = (await this.transfers(symbol)).map(t => leg(t.hash, t.from, t.to, t.value)).sort()
    if (planned.join() !== done.join()) throw new Error(`${symbol}: ${planned.length} settled trades, ${done.length} transfers, and they differ`)
  }
}

// Of and to a process that may be gone.
function signalIfThere (pid, signal) {
  try { process.kill(pid, signal) } catch (error) { if (error.code !== 'ESRCH') throw error }
}

function nameOf (pid) {
  try { return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() } catch { return undefined }
}

const compIdOf = login => demo.sessions.find(s => s.login === login).comp_id

// "12.5" with scale 2 is 1250n.
export function units (text, scale) {
  const [whole, fraction = ''] = String(text).split('.')
  return BigInt(whole + fraction.padEnd(scale, '0'))
}
