// kill -9 of every process by seed while orders flow (campaign.mjs). Then the journal replayed by other compilers and
// from a snapshot gives the digests that core and tape printed, and a command that the engine cannot replay: the core
// stops for good, the rest stays, and a cut mends it.
// (A disk that drops, tears and flips what was not synced: core/crash_test.c.)
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { Suite } from '../lib/suite.mjs'
import { sleep } from '../../tools/venue_client.mjs'
import { bin, eventually, root, Venue } from '../lib/venue.mjs'
import { campaign } from './campaign.mjs'

const execute = promisify(execFile)
const build = (preset, ...targets) => execute(path.join(root, 'tools/setup'), ['--build', preset, ...targets])
const journalOf = preset => path.join(root, 'build', preset, 'bin/lonja-journal')

// What core and tape said about themselves: {sequence, events_digest, state_digest}, one per line of a kind.
function printed (venue, process, words) {
  return venue.log(process).split('\n').filter(line => line.includes(` ${words} sequence=`))
    .map(line => Object.fromEntries([...line.matchAll(/(\w+)=(\S+)/g)].map(m => [m[1], m[2]])))
}

// At most `count` of them, evenly.
const someOf = (all, count) => all.filter((_, i) => Math.floor(i * count / all.length) !== Math.floor((i - 1) * count / all.length))

async function sameDigests (venue, said, options, tool) {
  const now = await venue.replay(options, tool)
  assert.deepEqual([now.sequence, now.events, now.events_digest, now.state_digest], [said.sequence, said.events, said.events_digest, said.state_digest])
}

async function digests (suite, venue) {
  const recovered = someOf(printed(venue, 'core', 'recovered').filter(line => line.sequence !== '0'), 12)
  const stopped = printed(venue, 'core', 'stopped').at(-1)
  const tools = { 'the release': path.join(bin, 'lonja-journal'), 'gcc -O0': journalOf('gcc-o0'), 'clang -O3': journalOf('clang-o3') }
  for (const [name, tool] of Object.entries(tools)) {
    await suite.test(`replay by ${name} gives the digests that the core printed: at its end, and at ${recovered.length} of its recoveries`, async () => {
      assert.ok(recovered.length >= 2, 'the core was killed and recovered')
      await sameDigests(venue, stopped, [], tool)
      for (const said of recovered) await sameDigests(venue, said, ['--until', said.sequence], tool)
    })
  }
  await suite.test('replay from the tape\'s snapshot gives the same digests', async () => {
    const from = (await venue.replay(['--from-snapshot'])).from
    assert.ok(Number(from) > 0, 'there is a snapshot')
    for (const tool of Object.values(tools)) await sameDigests(venue, stopped, ['--from-snapshot'], tool)
    const tape = printed(venue, 'tape', 'stopped').at(-1) // stops before the core, which may have written since
    await sameDigests(venue, tape, ['--until', tape.sequence])
  })
}

async function poison (suite, venue) {
  await suite.test('a poison command: the core says which, ends with 3 and is not started again; cut, the venue goes on', async () => {
    const { stdout } = await execute(path.join(root, 'build/gcc-o0/test/plant_poison'), [venue.state])
    const sequence = stdout.trim()
    await venue.servers('start')
    venue.spared.add('core')
    await venue.up()
    const core = await eventually('the core has failed', () => {
      const status = venue.status()
      return status.supervisor_pid === venue.child.pid && status.processes.core.state === 'failed' && status.processes.core
    })
    assert.match(core.last_end, /3/)
    assert.match(venue.log('core'), new RegExp(`poison command.*sequence=${sequence}`))
    await sleep(1500)
    const later = venue.status()
    assert.deepEqual([later.core_state, later.processes.core.restarts, later.processes.core.state], ['failed', 0, 'failed'])
    assert.equal(later.processes.admin.state, 'running')
    assert.equal((await venue.down()).code, 1)
    await execute(path.join(bin, 'lonja-journal'), ['cut', venue.state, sequence, '--reason', 'planted by a test'])
    venue.spared.delete('core')
    await venue.run()
    await venue.ready()
    await venue.conservation()
  })
}

function wantedCampaign () {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' }, seed: { type: 'string' } }, allowPositionals: true })
  return { kills: Number(values.kills), seed: values.seed === undefined ? randomInt(1000000) : Number(values.seed) }
}

Suite.oneStory(async suite => {
  const wanted = wantedCampaign()
  const tools = build('gcc-o0', 'lonja-journal', 'plant_poison').then(() => build('clang-o3', 'lonja-journal'))
  // Small segments: each life of the core begins one.
  const venue = await Venue.start({ name: 'crash', settings: ['tape.snapshot_every=300', 'journal.segment_bytes=1048576', 'settle.tick_ms=1000', 'settle.poll_ms=50', 'settle.batch_max=100', 'web.rate_per_second=1000'] })
  suite.watch(() => venue.died())
  try {
    await venue.leaveRun()
    await venue.ready()
    await campaign(suite, venue, wanted)
    assert.equal((await venue.down()).code, 0, 'a clean stop')
    await tools
    await digests(suite, venue)
    await poison(suite, venue)
  } finally { await venue.stop() }
})
