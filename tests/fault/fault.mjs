// The servers that the venue uses fail, while orders flow by FIX and WebSocket: they are slow, cut off, deaf, talk nonsense
// (proxied.mjs), are stopped, frozen (they take connections and never answer), and absent when the venue starts; every CPU
// is busy; and the journal's disk runs full. Trading goes on, somebody says so in a log, and nothing is lost: when the server is back,
// record, Redis and chain catch up by themselves. Options: --all, every fault one by one; --seed S, of the order of faults and of where
// they cut.
// (A disk that fails at each single call: disk_fault_test.c. Faults at each single effect of settlement: settlement/settle_test.c.)
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { sleep } from '../../tools/venue_client.mjs'
import { Flow } from '../lib/flow.mjs'
import { Suite } from '../lib/suite.mjs'
import { generator } from '../lib/random.mjs'
import { eventually, Venue } from '../lib/venue.mjs'
import { bothBusy } from './busy.mjs'
import { everyFault, SERVERS, someFaults } from './proxied.mjs'

const OUTAGE_MS = 2000
const SAID = {
  postgres: { record: /database/, settle: /database cannot be used/ },
  redis: { ops: /redis (lost|cannot be reached)/ },
  anvil: { settle: /node/ }
}

// A server that is stopped takes no connection: its proxy must not either.
async function stop (venue, servers) {
  await venue.servers('stop', servers.length === 1 ? servers[0] : undefined)
  for (const server of servers) await venue.proxies[server].set('refuse')
}

async function start (venue, servers) {
  await venue.servers('start')
  for (const server of servers) await venue.proxies[server].set('pass')
}

async function outage (venue, flow, server, how) {
  const logs = Object.keys(SAID[server]).map(name => [name, venue.log(name).length])
  flow.start()
  await flow.flows(5)
  if (how === 'stopped') await stop(venue, [server])
  else await venue.signalServer(server, 'SIGSTOP')
  const incarnations = JSON.stringify(Object.values(venue.status().processes).map(p => p.incarnation))
  const fills = flow.told().fills
  await Promise.all([flow.flows(10), eventually('trades go on', () => flow.told().fills > fills + 3), sleep(OUTAGE_MS)])
  if (how === 'stopped') {
    for (const [name, from] of logs) await eventually(`${name} says that ${server} is missing`, () => SAID[server][name].test(venue.log(name).slice(from)))
  }
  if (how === 'stopped') await start(venue, [server])
  else await venue.signalServer(server, 'SIGCONT')
  await flow.pause()
  await flow.check()
  assert.equal(JSON.stringify(Object.values(venue.status().processes).map(p => p.incarnation)), incarnations, 'no process was restarted')
}

async function redisHasTheLastTrade (venue) {
  const [{ id }] = await venue.query('SELECT id FROM public.trades WHERE instrument_id = 1 ORDER BY id DESC LIMIT 1')
  await eventually('Redis has the last trade again', () => {
    const text = venue.redis('get', 'lonja:v1:last:trades:PORT')
    if (String(JSON.parse(text).trade_id) !== id) throw new Error(`${text}, expected ${id}`)
    return true
  })
}

// Nobody waits for a server that never answers when the venue is to stop.
async function stopsAmongTheSilent (venue, flow) {
  flow.start()
  await flow.flows(5)
  for (const server of SERVERS) await venue.proxies[server].set('half_open')
  await flow.flows(5)
  const ended = await venue.down()
  assert.equal(ended.code, 0, `everybody ended by himself:\n${venue.log('supervisor').split('\n').slice(-14).join('\n')}`)
  await Promise.all(flow.traders.map(async trader => { await trader.stop(); await trader.client?.close() }))
}

async function absentAtStart (venue) {
  await stop(venue, SERVERS)
  await venue.up()
  await eventually('the venue is open', () => { const s = venue.status(); return s.supervisor_pid === venue.child.pid && s.venue_state === 'open' })
  await eventually('the trading gateway answers', async () => (await venue.call(venue.web, 'GET', '/health')).status === 200)
  assert.equal((await venue.call(venue.web, 'GET', '/health')).json.database, false)
  const refused = await venue.call(venue.web, 'POST', '/api/v1/login', { body: { user: 'carla', password: venue.secret('login-carla') } })
  assert.equal(refused.json.error?.name, 'DATABASE_DOWN')
  await assert.rejects(venue.rawFix('balear'), /the database cannot be reached/)
  await eventually('everybody runs', () => Object.values(venue.status().processes).every(process => process.state === 'running'))
  for (const [name, process] of Object.entries(venue.status().processes)) assert.deepEqual([name, process.restarts], [name, 0])
  await start(venue, SERVERS)
  await eventually('a login works', async () => (await venue.call(venue.web, 'GET', '/health')).json.database === true)
  const flow = new Flow(venue, 100, 'absent')
  flow.start()
  await eventually('orders and trades flow', () => flow.told().orders > 40 && flow.told().fills > 10)
  await flow.pause()
  await flow.check()
  await venue.conservation()
  await redisHasTheLastTrade(venue)
}

const NOT_ATTACHED = 4
const ENOSPC = 28

// The journal on a small disk of its own, as it stands; returns false where this system lets nobody mount one.
function moveJournalToSmallDisk (venue) {
  const journal = path.join(venue.state, 'journal')
  const aside = path.join(venue.folder, 'journal-aside')
  fs.renameSync(journal, aside)
  fs.mkdirSync(journal)
  let mounted = true
  try { execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', journal], { stdio: 'ignore' }) } catch { mounted = false }
  for (const name of fs.readdirSync(aside)) fs.copyFileSync(path.join(aside, name), path.join(journal, name))
  return mounted
}

function moveJournalBack (venue) {
  const journal = path.join(venue.state, 'journal')
  const aside = path.join(venue.folder, 'journal-aside')
  for (const name of fs.readdirSync(journal)) if (name !== 'filler') fs.copyFileSync(path.join(journal, name), path.join(aside, name))
  execFileSync('umount', [journal])
  fs.rmdirSync(journal)
  fs.renameSync(aside, journal)
}

function fill (file) {
  const descriptor = fs.openSync(file, 'w')
  const zeroes = Buffer.alloc(65536)
  try { while (fs.writeSync(descriptor, zeroes) > 0); } catch (error) { assert.equal(error.code, 'ENOSPC') }
  fs.closeSync(descriptor)
}

// A full disk: the core says so and ends, nothing is answered any more but refusals, at once; nobody starts it again; with room again a
// start of the venue has everything that was answered.
async function fullDisk (venue, flow) {
  await venue.down()
  await venue.servers('start')
  const mounted = moveJournalToSmallDisk(venue)
  const filler = path.join(venue.state, 'journal', 'filler')
  await venue.up()
  if (!mounted) { console.log('skip a full disk: this system allows no mount'); return }
  await venue.ready()
  const refused = () => flow.traders.filter(trader => [...trader.refused.values()].includes(NOT_ATTACHED)).length
  flow.start()
  const { orders } = flow.told()
  await eventually('orders flow', () => flow.told().orders > orders + 20)
  venue.spared.add('core')
  fill(filler)
  await eventually('somebody warns', () => venue.status().low_space)
  await eventually('the core has ended', () => venue.status().processes.core.state === 'failed')
  const { processes: { core }, core_state: state, journal_error: error } = venue.status()
  assert.deepEqual([core.last_end, state, error], ['exit status 4', 'failed', ENOSPC])
  assert.match(venue.log('core'), /core error .*No space left on device/)
  await eventually('each trader is refused at once', () => refused() === flow.traders.length)
  const page = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
  assert.match(page, /^lonja_journal_error 28$/m)
  assert.match(page, /^lonja_core_state 3$/m)
  assert.equal(venue.status().processes.core.restarts, core.restarts, 'it is not started again')
  await Promise.all(flow.traders.map(trader => trader.stop()))
  await venue.down()
  moveJournalBack(venue)
  venue.spared.delete('core')
  await venue.up()
  await venue.ready()
  flow.start()
  await eventually('orders flow again', () => flow.told().orders > orders + 40)
  await flow.pause()
  await flow.check()
}

// Each of them is a story, and leaves everything well. Behind one that has failed a fresh venue begins.
const PARTS = [
  async function proxied (suite, { venue, flow, seed, all }) {
    flow.start()
    await flow.flows(5)
    if (all) await everyFault(suite, venue, flow)
    else await someFaults(suite, venue, flow, 4, generator(seed))
    await flow.pause()
  },
  function busy (suite, { venue, flow }) { return bothBusy(suite, venue, flow) },
  ...['redis', 'anvil', 'postgres'].map(server => async function outages (suite, { venue, flow }) {
    for (const how of ['stopped', 'frozen']) {
      await suite.test(`${server} ${how}: trading goes on, nothing is lost`, () => outage(venue, flow, server, how))
    }
    if (server === 'redis') await suite.test('redis back: the last trade stands under its key', () => redisHasTheLastTrade(venue))
  }),
  async function ends (suite, { venue, flow }) {
    await suite.test('the disk of the journal full: the venue stops and says so, orders are refused, a start has all that was answered', () => fullDisk(venue, flow))
    await suite.test('after all of it: every trade settled once, sums zero, ledger = Postgres = chain', () => venue.conservation(), 900000)
    await suite.test('the venue stops in order although none of its servers answers', () => stopsAmongTheSilent(venue, flow))
    await suite.test('Postgres, Redis and the node absent at start: the venue opens, logins say why not, and work later', () => absentAtStart(venue))
  }
]

async function begin (seed) {
  const venue = await Venue.start({ name: 'fault', proxied: seed, settings: ['settle.tick_ms=1000', 'settle.poll_ms=50', 'settle.batch_max=100', 'settle.http_timeout_ms=2000', 'journal.segment_bytes=1048576'] })
  return { venue, flow: new Flow(venue, 100) }
}

async function end ({ venue, flow }) {
  flow.traders.forEach(trader => { trader.running = false }) // whoever is connecting just now does not keep us
  for (const server of SERVERS) await venue.signalServer(server, 'SIGCONT').catch(() => {}) // it may be stopped
  await venue.stop()
}

Suite.main(async suite => {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, seed: { type: 'string' } }, allowPositionals: true })
  const seed = values.seed === undefined ? randomInt(1000000) : Number(values.seed)
  console.log(`# seed ${seed}`)
  let world = await begin(seed)
  suite.watch(() => world.venue.died())
  try {
    for (const part of PARTS) {
      if (await suite.story(() => part(suite, { ...world, seed, all: values.all }))) continue
      console.log(`# behind ${part.name} a fresh venue begins`)
      await end(world)
      world = await begin(seed)
      suite.again()
    }
  } finally { await end(world) }
})
