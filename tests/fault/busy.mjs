// Both CPUs busy: on each a hog of ordinary priority that never sleeps. Everything gets slower and nothing else: nobody is
// taken for dead (core.heartbeat_timeout_ms, the supervisor's restarts), nothing is lost or doubled.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import os from 'node:os'
import { sleep } from '../../tools/venue_client.mjs'

const BUSY_MS = 4000

async function withHogs (body) {
  const hogs = os.cpus().map(() => spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }))
  const kill = () => hogs.forEach(hog => hog.kill('SIGKILL'))
  process.once('exit', kill)
  try { await body() } finally { kill(); process.off('exit', kill) }
}

export function bothBusy (suite, venue, flow) {
  return suite.test('every CPU busy: nobody is taken for dead, nothing is lost', async () => {
    const living = venue.living()
    const missed = await venue.metric('core_heartbeats_missed')
    assert.equal(typeof missed, 'number')
    flow.start()
    await withHogs(() => Promise.all([flow.flows(10), sleep(BUSY_MS)]))
    await flow.pause()
    await flow.check()
    assert.deepEqual([...venue.living()].sort(), [...living].sort(), 'no process was started again')
    assert.equal(await venue.metric('core_heartbeats_missed'), missed, 'no gateway was taken for dead')
  })
}
