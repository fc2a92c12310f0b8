// FIX numbers and resend, across the death of the gateway.
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

  await suite.test('kill -9 of the FIX gateway in mid-stream: every order is answered once, what was sent is resent as it was', async () => {
    let fix = await venue.rawFix('atlantic')
    const before = fix
    const orders = 400
    const send = i => fix.newOrder(`k${i}`, 'PORT', 'buy', 1, 95 + (i % 100) / 100)
    for (let i = 0; i < orders / 2; i++) send(i)
    await eventually('some reports', () => reports(fix).length > 30)
    const death = venue.kill('fix')
    for (let i = orders / 2; i < orders; i++) send(i)
    await death
    fix = await eventually('the gateway takes the session again', () => before.again(), 20000)
    // What the venue had not made durable comes to it again by its own resend request.
    const answered = () => new Set([...reports(before), ...reports(fix)].map(m => m.get(11)))
    await eventually(`all ${orders} orders are answered`, () => answered().size === orders, 20000)
    const first = new Map()
    for (const m of [...reports(before), ...reports(fix)]) {
      const known = first.get(m.get(17)) ?? first.set(m.get(17), m).get(m.get(17))
      if (known !== m) assert.ok(m.get(43) === 'Y' || m.get(97) === 'Y', `told twice without a mark: ${m.raw}`)
    }
    const rows = await eventually('the record has them', async () => {
      const found = await venue.query("SELECT client_order_id, id FROM public.orders WHERE user_id = 1001 AND client_order_id ~ '^k[0-9]+$'")
      return found.length >= orders && found
    })
    assert.equal(rows.length, orders)
    assert.equal(new Set(rows.map(r => r.client_order_id)).size, orders)
    for (const m of first.values()) if (m.get(150) === '0') assert.equal(rows.find(r => r.client_order_id === m.get(11)).id, m.get(37))

    const originals = new Map(reports(before).map(m => [m.get(34), m]))
    const from = fix.received.length
    fix.send('2', [[7, 1], [16, Math.max(...[...originals.keys()].map(Number))]])
    const resent = () => fix.received.slice(from).filter(m => m.get(35) === '8' && m.get(43) === 'Y' && originals.has(m.get(34)))
    await eventually(`${originals.size} reports of before come again`, () => resent().length >= originals.size)
    for (const m of resent()) assert.equal(body(m), body(originals.get(m.get(34))))
    fix.send('q', [[11, 'k-all'], [530, 7], [60, utc()]])
    await fix.waitFor(m => m.get(35) === 'r', 'mass cancel report')
    await fix.logout()
    await venue.conservation()
  })
}

const utc = () => new Date().toISOString().replaceAll('-', '').replace('T', '-').replace('Z', '')
