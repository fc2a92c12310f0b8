// kill -9 at random moments, repeated, while orders flow by FIX and WebSocket. The order of kills follows from the seed;
// the moments are the machine's. After each kill everybody gets answers again, and what was told is in the record, once;
// every TURN kills the flow rests: then record, ledger and chain are compared as a whole.
import { sleep } from '../../tools/venue_client.mjs'
import { Flow } from '../lib/flow.mjs'
import { generator } from '../lib/random.mjs'

export const PROCESSES = ['core', 'tape', 'fix', 'web', 'record', 'settle', 'sign', 'ops', 'admin', 'surveil', 'index']
const TURN = 40 // the least of the sellers has tokens for some sixty

function shuffle (cards, next) {
  for (let i = cards.length - 1; i > 0; i--) {
    const j = next(i + 1)
    ;[cards[i], cards[j]] = [cards[j], cards[i]]
  }
  return cards
}

// One deck: each process alone, two pairs, two that are killed once more as soon as they are back (in the middle of their
// recovery), the supervisor, everything.
function deck (next) {
  const two = () => shuffle([...PROCESSES], next).slice(0, 2)
  const cards = PROCESSES.map(name => ({ names: [name] }))
  cards.push({ names: two() }, { names: two() }, { names: ['core'], again: next(60) }, { names: [PROCESSES[next(PROCESSES.length)]], again: next(200) },
    { names: ['supervisor'] }, { names: shuffle(['supervisor', ...PROCESSES], next), all: true })
  return shuffle(cards, next)
}

// `kills` kills: { names, again?: ms after the birth of the successor, all?, afterMs }.
export function planOf (kills, seed) {
  const next = generator(seed)
  const plan = []
  while (plan.length < kills) plan.push(...deck(next))
  return plan.slice(0, kills).map(kill => ({ ...kill, afterMs: next(250) }))
}

export const wordsOf = ({ names, again, all }) => all ? 'everything at once' : names.join(' and ') + (again === undefined ? '' : `, and its successor ${again} ms later`)

async function strike (venue, kill) {
  let killed = venue.killTogether(kill.names)
  if (kill.names.includes('supervisor')) {
    await venue.child.exited
    return venue.up()
  }
  await venue.successors(killed)
  if (kill.again !== undefined) {
    await sleep(kill.again)
    killed = venue.killTogether(kill.names)
    await venue.successors(killed)
  }
}

async function survive (venue, flow, kill) {
  await sleep(kill.afterMs)
  await strike(venue, kill)
  await flow.flows()
  await flow.check()
}

// At rest: nobody waits for what the record has, and all of it agrees. Then the other way round.
async function rest (venue, flow) {
  await flow.pause()
  await flow.check()
  await venue.conservation()
  await flow.turn()
}

// Returns the flow, at rest. Ends with the first kill that lost something.
export async function campaign (suite, venue, { kills, seed }) {
  const flow = new Flow(venue)
  const plan = planOf(kills, seed)
  flow.start()
  await flow.flows(5)
  for (const [i, kill] of plan.entries()) {
    const well = await suite.test(`kill ${i + 1} of seed ${seed}: ${wordsOf(kill)}: nothing told is lost, nothing doubled, sums zero`, () => survive(venue, flow, kill))
    if (!well) throw new Error(`the campaign ends here: --kills ${i + 1} --seed ${seed} kills in the same order`)
    if ((i + 1) % TURN === 0 || i + 1 === plan.length) {
      await suite.test(`after ${i + 1} kills: every trade settled once, sums zero, ledger = Postgres = chain`, () => rest(venue, flow), 900000)
      flow.start()
    }
  }
  await flow.pause()
  return flow
}
