// What scripts need to speak with a venue that ./run made: its addresses, secrets and interfaces, found from
// its folder. Used by demo, replay and the system tests.
import fs from 'node:fs'
import path from 'node:path'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import readline from 'node:readline'

// How long to wait for what takes milliseconds on a machine that does nothing else: none is so busy.
export const PATIENCE_MS = 60000

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Calls until it answers something true; throws with `what` after the time is over.
export async function until (what, timeoutMs, ask, everyMs = 20) {
  const end = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
    await sleep(everyMs)
  }
}

const rowsOf = text => text.split('\n').filter(line => line !== '').map(line => line.split('\t'))

export class VenueClient {
  constructor (folder) {
    this.folder = folder
    this.configuration = fs.readFileSync(path.join(folder, 'lonja.conf'), 'utf8')
    this.services = Object.fromEntries(fs.readFileSync(path.join(folder, 'services.env'), 'utf8').trim().split('\n')
      .map(line => line.split('=')).map(([name, value]) => [name, value.replaceAll("'", '')]))
    this.deployment = JSON.parse(fs.readFileSync(path.join(folder, 'chain/deployment.json'), 'utf8'))
    this.ports = { web: this.port('web', 'port', 8080), admin: this.port('admin', 'port', 8081), fix: this.port('fix', 'port', 9880), metrics: this.port('ops', 'metrics_port', 9464) }
    this.web = `http://127.0.0.1:${this.ports.web}`
    this.admin = `http://127.0.0.1:${this.ports.admin}`
  }

  port (group, key, otherwise) {
    const match = new RegExp(`^${group}\\s.*[{ ]${key} = (\\d+);`, 'm').exec(this.configuration)
    return match ? Number(match[1]) : otherwise
  }

  secret (name) { return fs.readFileSync(path.join(this.folder, 'secrets', name), 'utf8').trim() }
  status () { return JSON.parse(fs.readFileSync(path.join(this.folder, 'state/status.json'), 'utf8')) }
  pid (process) { return this.status().processes[process]?.pid }
  servicePid (service) { return Number(fs.readFileSync(path.join(this.folder, service, 'pid'), 'utf8')) }

  // ---- REST ---------------------------------------------------------------------------------------------

  async call (base, method, route, { token, body } = {}) {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) }
    const answer = await fetch(base + route, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    const json = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text
    return { status: answer.status, json }
  }

  async login (base, user, secret = `login-${user}`) {
    const { status, json } = await this.call(base, 'POST', '/api/v1/login', { body: { user, password: this.secret(secret) } })
    if (status !== 200) throw new Error(`login ${user}: ${status} ${JSON.stringify(json)}`)
    return json.token
  }

  // As administrator; throws unless the venue says yes.
  async administer (method, route, body) {
    this.adminToken ??= await this.login(this.admin, 'admin')
    let { status, json } = await this.call(this.admin, method, `/api/v1/admin${route}`, { token: this.adminToken, body })
    if (status === 401) { // it was restarted and knows our login no more
      this.adminToken = await this.login(this.admin, 'admin')
      ;({ status, json } = await this.call(this.admin, method, `/api/v1/admin${route}`, { token: this.adminToken, body }))
    }
    if (status !== 200) throw new Error(`${method} ${route}: ${status} ${JSON.stringify(json)}`)
    return json
  }

  async instrument (symbol) {
    const { json } = await this.call(this.web, 'GET', '/api/v1/instruments')
    return json.instruments.find(i => i.symbol === symbol)
  }

  // ---- Postgres, Redis ------------------------------------------------------------------------------------

  psql (query, role) {
    const words = ['-h', this.services.PG_HOST, '-p', this.services.PG_PORT, '-U', role, '-d', this.services.PG_DATABASE, '-AtF', '\t', '-v', 'ON_ERROR_STOP=1', '-c', query]
    const env = { ...process.env, PGPASSWORD: this.secret(`pg-${role}`), PGCONNECT_TIMEOUT: String(PATIENCE_MS / 1000) }
    return ['psql', words, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }]
  }

  // Rows as arrays of text; sqlLater does not hold this process up.
  sql (query, role = 'lonja_owner') { return rowsOf(execFileSync(...this.psql(query, role))) }
  async sqlLater (query, role = 'lonja_owner') { return rowsOf((await promisify(execFile)(...this.psql(query, role))).stdout) }

  redis (...command) { return execFileSync('redis-cli', ['-p', this.services.REDIS_PORT, ...command], { encoding: 'utf8', timeout: PATIENCE_MS }).trim() }

  // Every message of the venue on Redis, as { channel, at, ...json }; resolves when the subscription stands.
  async subscribe (onMessage) {
    const child = spawn('redis-cli', ['-p', this.services.REDIS_PORT, 'psubscribe', 'lonja:v1:*'], { stdio: ['ignore', 'pipe', 'ignore'] })
    const ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Redis does not answer a subscription')), PATIENCE_MS)
      const pending = []
      readline.createInterface({ input: child.stdout }).on('line', line => {
        pending.push(line)
        if (pending[0] === 'psubscribe' && pending.length === 3) { clearTimeout(timer); pending.length = 0; resolve() }
        if (pending[0] === 'pmessage' && pending.length === 4) {
          onMessage({ channel: pending[2].replace('lonja:v1:', ''), at: process.hrtime.bigint(), ...JSON.parse(pending[3]) })
          pending.length = 0
        }
      })
    })
    try { await ready } catch (error) { child.kill(); throw error }
    return { close: () => child.kill() }
  }
}
