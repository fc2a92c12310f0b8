// The servers behind fault proxies (../lib/fault_proxy.mjs): every fault in front of each of them, while orders flow. Trading
// goes on, nobody dies of it, memory stays, and afterwards record, settlement and Redis catch up.
import assert from 'node:assert/strict'
import { sleep } from '../../tools/venue_client.mjs'
import { FAULTS } from '../lib/fault_proxy.mjs'
import { eventually } from '../lib/venue.mjs'

export const SERVERS = ['postgres', 'redis', 'anvil']
const OUTAGE_MS = 1500
const GROWN_MIB_MAX = 48

// Who must say so in its log, when the server cannot be used at all.
const SAID = {
  postgres: { record: /database cannot be used/, settle: /database/, surveil: /database cannot be used/, index: /database cannot be used/ },
  redis: { ops: /redis (lost|cannot be reached)/ },
  anvil: { settle: /the node does not answer/, index: /the chain is not read/ }
}
const METRIC = { postgres: 'postgres_up', redis: 'redis_up' }
const GONE = ['refuse', 'half_open', 'deaf', 'garbage'] // nothing at all gets through

async function heal (venue) { for (const server of SERVERS) await venue.proxies[server].set('pass') }

// During it everybody is answered; what was done is told by said() after it.
async function during (venue, flow, faults, look) {
  for (const [server, kind] of Object.entries(faults)) await venue.proxies[server].set(kind)
  try {
    await Promise.all([flow.flows(5), sleep(OUTAGE_MS)])
    await look()
  } finally { await heal(venue) }
}

function nobodyDied (venue, before) {
  assert.deepEqual([...venue.living()].sort(), [...before].sort(), 'no process was started again')
}

function nobodyGrew (venue, before) {
  for (const [name, mib] of venue.memory()) assert.ok(mib - before.get(name) < GROWN_MIB_MAX, `${name}: ${before.get(name)} MiB before, ${mib} after`)
}

// Answers doubled by a proxy are taken for the answers to the next statement: who finds that out may end, once, and begins
// again at what the database really has. (TCP never does this; a pooler with a fault might.)
const mayEnd = faults => faults.postgres === 'double'

async function under (venue, flow, faults, look = () => {}) {
  const living = venue.living()
  const memory = venue.memory()
  if (mayEnd(faults)) for (const name of living.keys()) venue.spared.add(name)
  await during(venue, flow, faults, look)
  await flow.flows()
  await flow.check()
  if (!mayEnd(faults)) nobodyDied(venue, living)
  venue.spared.clear()
  assert.equal(venue.living().size, living.size, 'everybody lives')
  nobodyGrew(venue, memory)
}

// Each word of the operators' books is there: in the logs, and on the metrics page where there is a figure.
async function toldOf (venue, server, from) {
  for (const [name, words] of Object.entries(SAID[server])) {
    await eventually(`${name} says that ${server} is missing`, () => words.test(venue.log(name).slice(from[name])))
  }
  if (METRIC[server]) await eventually(`lonja_${METRIC[server]} is 0`, async () => await venue.metric(METRIC[server]) === 0)
  if (server === 'postgres') await eventually('the trading gateway says so', async () => (await venue.call(venue.web, 'GET', '/health')).json.database === false)
}

const words = faults => Object.entries(faults).map(([server, kind]) => `${server} ${kind}`).join(', ')

// All three at once, by chance: each run of ./check meets others.
export async function someFaults (suite, venue, flow, rounds, next) {
  const left = Object.fromEntries(SERVERS.map(server => [server, Object.keys(FAULTS)]))
  for (let i = 0; i < rounds; i++) {
    const faults = Object.fromEntries(SERVERS.map(server => [server, left[server].splice(next(left[server].length), 1)[0]]))
    await suite.test(`${words(faults)}: trading goes on, nothing is lost`, () => under(venue, flow, faults))
  }
}

// One by one; those that let nothing through last until everybody has said so.
export async function everyFault (suite, venue, flow) {
  for (const server of SERVERS) {
    for (const kind of Object.keys(FAULTS)) {
      const from = Object.fromEntries(Object.keys(SAID[server]).map(name => [name, venue.log(name).length]))
      const look = GONE.includes(kind) ? () => toldOf(venue, server, from) : undefined
      await suite.test(`${server} ${kind}: trading goes on, nothing is lost${look ? ', everybody says so' : ''}`, () => under(venue, flow, { [server]: kind }, look))
    }
  }
}
