// The servers that the venue uses fail, while orders flow by FIX and WebSocket: stopped, frozen (they take connections
// and never answer), and absent when the venue starts. Trading goes on, somebody says so in a log, and nothing is
// lost: when the server is back, record, Redis and chain catch up by themselves.
// (A disk that fails: core/process_test.c and core/crash_test.c. Faults at each single effect of settlement:
// settlement/settle_test.c.)
import assert from 'node:assert/strict'
import { sleep } from '../../tools/venue_client.mjs'
import { Flow } from '../lib/flow.mjs'
import { Suite } from '../lib/suite.mjs'
import { eventually, Venue } from '../lib/venue.mjs'

const OUTAGE_MS = 2000
const SAID = {
  postgres: { record: /database/, settle: /database cannot be used/ },
  redis: { ops: /redis (lost|cannot be reached)/ },
  anvil: { settle: /node/ }
}

async function outage (venue, flow, server, how) {
  const logs = Object.keys(SAID[server]).map(name => [name, venue.log(name).length])
  flow.start()
  await eventually('orders flow', () => flow.told().orders > 20)
  if (how === 'stopped') await venue.servers('stop', server)
  else await venue.signalServer(server, 'SIGSTOP')
  const before = flow.told()
  const incarnations = JSON.stringify(Object.values(venue.status().processes).map(p => p.incarnation))
  await sleep(OUTAGE_MS)
  const during = flow.told()
  if (how === 'stopped') await venue.servers('start')
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

async function absentAtStart (venue) {
  await venue.down()
  await venue.servers('stop')
  await venue.up()
  await eventually('the venue is open', () => { const s = venue.status(); return s.supervisor_pid === venue.child.pid && s.venue_state === 'open' }, 20000)
  await eventually('the trading gateway answers', async () => (await venue.call(venue.web, 'GET', '/health')).status === 200)
  assert.equal((await venue.call(venue.web, 'GET', '/health')).json.database, false)
  const refused = await venue.call(venue.web, 'POST', '/api/v1/login', { body: { user: 'carla', password: venue.secret('login-carla') } })
  assert.equal(refused.json.error?.name, 'DATABASE_DOWN')
  await assert.rejects(venue.rawFix('balear'), /the database cannot be reached/)
  await sleep(500)
  for (const [name, process] of Object.entries(venue.status().processes)) assert.deepEqual([name, process.state, process.restarts], [name, 'running', 0])
  await venue.servers('start')
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
  const venue = await Venue.start({ name: 'fault', settings: ['settle.tick_ms=1000', 'settle.poll_ms=50', 'settle.batch_max=100', 'settle.http_timeout_ms=2000'] })
  try {
    const flow = new Flow(venue, 60)
    for (const server of ['redis', 'anvil', 'postgres']) {
      for (const how of ['stopped', 'frozen']) {
        await suite.test(`${server} ${how}: trading goes on, nothing is lost`, () => outage(venue, flow, server, how))
      }
      if (server === 'redis') await suite.test('redis back: the last trade stands under its key', () => redisHasTheLastTrade(venue))
    }
    await suite.test('after all of it: every trade settled once, sums zero, ledger = Postgres = chain', () => venue.conservation())
    await Promise.all(flow.traders.map(trader => trader.client?.close()))
    await suite.test('Postgres, Redis and the node absent at start: the venue opens, logins say why not, and work later', () => absentAtStart(venue))
  } finally { await venue.stop() }
})
