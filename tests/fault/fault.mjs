// The servers that the venue uses fail, while orders flow by FIX and WebSocket: they are slow, cut off, deaf, talk nonsense
// (proxied.mjs), are stopped, frozen (they take connections and never answer), and absent when the venue starts; and every CPU
// is busy. Trading goes on, somebody says so in a log, and nothing is lost: when the server is back, record, Redis and chain catch up by
// themselves. Options: --all, every fault one by one; --seed S, of the order of faults and of where they cut.
// (A disk that fails: core/process_test.c and core/crash_test.c. Faults at each single effect of settlement:
// settlement/settle_test.c.)
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
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
  const before = flow.told()
  const incarnations = JSON.stringify(Object.values(venue.status().processes).map(p => p.incarnation))
  await sleep(OUTAGE_MS)
  const during = flow.told()
  if (how === 'stopped') await start(venue, [server])
  else await venue.signalServer(server, 'SIGCONT')
  assert.ok(during.orders - before.orders > 40 && during.fills - before.fills > 3, `meanwhile ${during.orders - before.orders} orders, ${during.fills - before.fills} fills`)
  await flow.pause()
  await flow.check()
  assert.equal(JSON.stringify(Object.values(venue.status().processes).map(p => p.incarnation)), incarnations, 'no process was restarted')
  if (how === 'stopped') for (const [name, from] of logs) assert.match(venue.log(name).slice(from), SAID[server][name])
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
  await eventually('the venue is open', () => { const s = venue.status(); return s.supervisor_pid === venue.child.pid && s.venue_state === 'open' }, 20000)
  await eventually('the trading gateway answers', async () => (await venue.call(venue.web, 'GET', '/health')).status === 200)
  assert.equal((await venue.call(venue.web, 'GET', '/health')).json.database, false)
  const refused = await venue.call(venue.web, 'POST', '/api/v1/login', { body: { user: 'carla', password: venue.secret('login-carla') } })
  assert.equal(refused.json.error?.name, 'DATABASE_DOWN')
  await assert.rejects(venue.rawFix('balear'), /the database cannot be reached/)
  await sleep(500)
  for (const [name, process] of Object.entries(venue.status().processes)) assert.deepEqual([name, process.state, process.restarts], [name, 'running', 0])
  await start(venue, SERVERS)
  await eventually('a login works', async () => (await venue.call(venue.web, 'GET', '/health')).json.database === true)
  const flow = new Flow(venue, 60, 'absent')
  flow.start()
  await eventually('orders and trades flow', () => flow.told().orders > 40 && flow.told().fills > 10, 20000)
  await flow.pause()
  await flow.check()
  await venue.conservation()
  await redisHasTheLastTrade(venue)
}

Suite.main(async suite => {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, seed: { type: 'string' } }, allowPositionals: true })
  const seed = values.seed === undefined ? randomInt(1000000) : Number(values.seed)
  console.log(`# seed ${seed}`)
  const venue = await Venue.start({ name: 'fault', proxied: seed, settings: ['settle.tick_ms=1000', 'settle.poll_ms=50', 'settle.batch_max=100', 'settle.http_timeout_ms=2000'] })
  try {
    const flow = new Flow(venue, 100)
    flow.start()
    await flow.flows(5)
    if (values.all) await everyFault(suite, venue, flow)
    else await someFaults(suite, venue, flow, 4, generator(seed))
    await flow.pause()
    await bothBusy(suite, venue, flow)
    for (const server of ['redis', 'anvil', 'postgres']) {
      for (const how of ['stopped', 'frozen']) {
        await suite.test(`${server} ${how}: trading goes on, nothing is lost`, () => outage(venue, flow, server, how))
      }
      if (server === 'redis') await suite.test('redis back: the last trade stands under its key', () => redisHasTheLastTrade(venue))
    }
    await suite.test('after all of it: every trade settled once, sums zero, ledger = Postgres = chain', () => venue.conservation(), 900000)
    await suite.test('the venue stops in order although none of its servers answers', () => stopsAmongTheSilent(venue, flow))
    await suite.test('Postgres, Redis and the node absent at start: the venue opens, logins say why not, and work later', () => absentAtStart(venue))
  } finally { await venue.stop() }
})
