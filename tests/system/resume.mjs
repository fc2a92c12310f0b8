// Sessions go on: members' desks and web traders over the death of the gateways, the core, both, and everything. What the desks check is
// in ../lib/fix_desk.mjs.
//
//   node tests/system/resume.mjs [--rounds N] [--seed N]     a campaign on a venue of its own; rounds also kill the supervisor
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { sleep } from '../../tools/venue_client.mjs'
import { FixDesk, random } from '../lib/fix_desk.mjs'
import { Suite } from '../lib/suite.mjs'
import { eventually, Venue } from '../lib/venue.mjs'

const WAYS = [['fix'], ['core'], ['fix', 'core'], ['core', 'tape', 'fix', 'web', 'record', 'admin']]
const IN_CHECK = WAYS.filter(names => names[0] !== 'core' || names.length > 1) // the core alone: tests/crash, and the campaign
const STEPS = 120

// Both desks say something; sometimes more, sometimes less at once.
async function speak (desks, next, steps) {
  for (let i = 0; i < steps; i++) {
    for (const desk of desks) if (desk.isOpen()) desk.step()
    if (next(4) === 0) await sleep(next(3))
  }
}

// Somebody trades with them while their gateway is dead.
async function tradeBy (web, stop) {
  for (let i = 0; !stop.over; i++) {
    const side = web.side
    if (!web.client.isClosed) web.client.socket.send(JSON.stringify({ op: 'place', id: `s${i}`, symbol: 'PORT', side, price: side === 'buy' ? '100.8' : '99.2', quantity: '0.2', tif: 'ioc', client_order_id: `${web.tag}${i}` }))
    await sleep(15)
  }
}

async function killAll (venue, names) {
  await Promise.all(names.map(name => venue.kill(name)))
}

// One death in mid-stream, at a moment that the seed chooses, and the resumption.
async function round (venue, desks, next, kill) {
  const stop = {}
  const webs = []
  for (const [user, side] of [['carla', 'buy'], ['diego', 'sell']]) webs.push(tradeBy({ client: await venue.trader(user), side, tag: `w${Date.now()}` }, stop))
  await speak(desks, next, 10 + next(STEPS))
  const death = kill()
  await speak(desks, next, 10 + next(STEPS / 2))
  await death
  stop.over = true
  await Promise.all(webs)
  await venue.ready()
  // A core that comes back leaves the sessions where they are; a gateway does not.
  for (const desk of desks) if (!desk.isOpen()) await desk.again()
  await speak(desks, next, 10)
  for (const desk of desks) await desk.quiet()
}

async function recordedAll (venue) {
  const { durable_sequence: durable } = await venue.administer('GET', '/venue')
  await eventually('the record has everything', async () =>
    Number((await venue.query('SELECT sequence FROM record.cursor'))[0].sequence) >= durable)
  return durable
}

async function verifyAll (venue, desks, from) {
  await recordedAll(venue)
  for (const desk of desks) {
    await desk.askAll()
    await desk.verify(from)
  }
}

async function openDesks (venue, seed) {
  const from = await recordedAll(venue)
  const desks = [new FixDesk(venue, 'atlantic', 'sell', random(seed), `a${seed}-`), new FixDesk(venue, 'balear', 'buy', random(seed + 1), `b${seed}-`)]
  for (const desk of desks) await desk.open()
  return { from, desks }
}

async function closeDesks (desks) {
  for (const desk of desks) {
    desk.massCancel([[530, 7]])
    await desk.quiet()
    await desk.client.logout()
  }
  await Promise.all(desks[0].venue.clients.splice(0).map(async client => { try { await client.close() } catch {} }))
}

const summary = desks => desks.map(d => `${d.login}: ${d.told.size} messages, ${d.heard.again} heard again, ${d.heard.possResend} PossResend`).join('; ')

export async function resume (suite, venue, seed = 20261128) {
  for (const names of IN_CHECK) {
    await suite.test(`kill -9 of ${names.join(', ')} in mid-stream: members' sessions go on, message by message`, async () => {
      const next = random(seed + names.length)
      const { from, desks } = await openDesks(venue, seed + names.length)
      await round(venue, desks, next, () => killAll(venue, names))
      await verifyAll(venue, desks, from)
      await closeDesks(desks)
      console.log(`# ${summary(desks)}`)
    })
  }
  await suite.test('after its restart the core takes cancels only, until every gateway is there', () => cancelOnly(venue))
  await suite.test('an order in doubt, sent again with PossResend, is one order', () => inDoubt(venue, 2))
}

// The web gateway stands still, so that the core has to wait for it.
async function cancelOnly (venue) {
  const fix = await venue.rawFix('atlantic')
  const told = (id, what) => fix.waitFor(m => m.get(35) === '8' && m.get(11) === id, what)
  const web = await venue.livePid('web')
  fix.newOrder('only-1', 'PORT', 'buy', 1, 95)
  assert.equal((await told('only-1', 'the order')).get(150), '0')
  process.kill(web, 'SIGSTOP')
  try {
    await venue.kill('core')
    await eventually('the core runs, for cancels only', () => {
      const { core_state: core, venue_state: state } = venue.status()
      return core === 'running' && state === 'cancel_only'
    })
    fix.newOrder('only-2', 'PORT', 'buy', 1, 95)
    const refused = await told('only-2', 'the refusal')
    assert.deepEqual([refused.get(39), refused.get(5004)], ['8', '10'], refused.raw)
    fix.cancel('only-3', 'only-1', 'PORT', 'buy')
    assert.equal((await told('only-3', 'the cancel')).get(150), '4')
  } finally { process.kill(web, 'SIGCONT') }
  await venue.ready()
  fix.newOrder('only-4', 'PORT', 'buy', 1, 95)
  assert.equal((await told('only-4', 'the order')).get(150), '0')
  fix.cancel('only-5', 'only-4', 'PORT', 'buy')
  await told('only-5', 'the cancel')
  await fix.logout()
}

// The gateway dies `delay` ms after the order was sent. The desk forgets the number, and sends the order again under a new one.
async function inDoubt (venue, delay) {
  const first = await venue.rawFix('atlantic')
  const id = `doubt-${Date.now()}`
  const fields = [[11, id], [55, 'PORT'], [54, 1], [60, utc()], [38, 1], [40, 2], [44, 95]]
  first.send('D', fields)
  await sleep(delay)
  await venue.kill('fix')
  first.sent.clear() // what is asked for is gap-filled
  const fix = await eventually('the gateway takes the session again', () => first.again())
  fix.send('D', fields, [[97, 'Y']])
  const answer = await fix.waitNext(m => m.get(35) === '8' && m.get(11) === id && m.get(43) !== 'Y' && m.get(97) !== 'Y', 'the answer')
  assert.ok(['0', 'I'].includes(answer.get(150)), answer.raw)
  fix.send('q', [[11, `${id}-all`], [530, 7], [60, utc()]])
  await fix.waitFor(m => m.get(35) === 'r', 'mass cancel report')
  await recordedAll(venue)
  const rows = await venue.query(`SELECT order_id FROM record.orders WHERE session_id = 1 AND client_id = '${id}'`)
  assert.deepEqual(rows.map(row => row.order_id), [answer.get(37)])
  await fix.logout()
  return answer.get(150)
}

const utc = () => new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')

// ---- a campaign ---------------------------------------------------------------------------------------------

// The supervisor dies, and with it the rings and every process: a machine that was switched off, but for its disk.
async function killVenue (venue) {
  const { supervisor_pid: pid } = venue.status()
  venue.child.isMeantToEnd = true
  process.kill(pid, 'SIGKILL')
  await venue.child.exited // the first time that is ./run, which takes its servers down
  await venue.servers('start')
  await venue.up()
}

async function campaign (rounds, seed) {
  const venue = await Venue.start({ name: 'resume', settings: ['settle.poll_ms=60000', 'web.rate_per_second=20000'] })
  const sum = { told: 0, again: 0, possResend: 0 }
  await Suite.main(async suite => {
    try {
      for (let i = 0; i < rounds; i++) {
        const way = (seed + i) % (WAYS.length + 1)
        const name = WAYS[way]?.join(', ') ?? 'the supervisor and all'
        const good = await suite.test(`seed ${seed + i}: kill -9 of ${name}`, async () => {
          const next = random(seed + i)
          const { from, desks } = await openDesks(venue, seed + i)
          await round(venue, desks, next, () => WAYS[way] ? killAll(venue, WAYS[way]) : killVenue(venue))
          await verifyAll(venue, desks, from)
          await closeDesks(desks)
          for (const d of desks) { sum.told += d.told.size; sum.again += d.heard.again; sum.possResend += d.heard.possResend }
        })
        if (!good) break
      }
      const doubts = { 0: 0, I: 0 }
      await suite.test('orders in doubt', async () => {
        for (let i = 0; i < rounds / 5; i++) doubts[await inDoubt(venue, i % 12)]++
      }, 600000)
      console.log(`# orders in doubt: ${doubts.I} were known, ${doubts[0]} were new`)
      console.log(`# ${sum.told} messages told, ${sum.again} compared with what a resend said, ${sum.possResend} told with PossResend`)
    } finally { await venue.stop() }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => { const at = process.argv.indexOf(name); return at > 0 ? Number(process.argv[at + 1]) : otherwise }
  await campaign(option('--rounds', 10), option('--seed', 1))
}
