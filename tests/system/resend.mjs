// A ResendRequest in quiet times; across the death of processes: resume.mjs.
import assert from 'node:assert/strict'
import { eventually } from '../lib/venue.mjs'

// A message without what a resend may change: length, time of sending, the marks of a resend, checksum.
const body = message => [...message].filter(([tag]) => ![9, 52, 43, 122, 10].includes(tag)).map(([tag, value]) => `${tag}=${value}`).join('|')

const reports = client => client.received.filter(m => m.get(35) === '8')

export async function resend (suite, venue) {
  await suite.test('ResendRequest: the same messages again with PossDup', async () => {
    const fix = await venue.rawFix('balear')
    for (let i = 0; i < 20; i++) fix.newOrder(`r${i}`, 'PORT', 'buy', 1, 95 + i / 100)
    await eventually('twenty reports', () => reports(fix).length === 20)
    const originals = reports(fix).slice()
    fix.send('2', [[7, 1], [16, 0]])
    await eventually('twenty of them again', () => reports(fix).length === 40)
    const again = reports(fix).slice(20)
    assert.ok(again.every(m => m.get(43) === 'Y' && m.get(122)))
    assert.deepEqual(again.map(body), originals.map(body))
    assert.deepEqual(again.map(m => m.get(122)), originals.map(m => m.get(52)))
    fix.send('q', [[11, 'r-all'], [530, 7], [60, utc()]])
    await fix.waitFor(m => m.get(35) === 'r', 'mass cancel report')
    await fix.logout()
  })
}

const utc = () => new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')
