// Market surveillance over the live venue: abuse by the demo accounts gives rows, messages and answers, each once, also
// when lonja-surveil is killed in the middle of a pattern and when Postgres is away meanwhile. On ATUN.
import assert from 'node:assert/strict'
import { eventually } from '../lib/venue.mjs'

const symbol = 'ATUN'
const instrument = 2

export async function surveillance (suite, venue) {
  const carla = await venue.trader('carla') // account 1003, diego 1004: both of member 103
  const diego = await venue.trader('diego')
  let serial = 0
  const place = async (client, side, quantity, price) => {
    const answer = await client.request({ op: 'place', symbol, side, quantity, price, client_order_id: `sv${++serial}` })
    assert.equal(answer.type, 'placed', JSON.stringify(answer.error))
    return answer
  }
  const alerts = query => venue.administer('GET', `/alerts?instrument=${instrument}&${query}`)
  // Carla offers 2, bids 900 below, diego takes the offer: a trade within member 103, and half a spoof.
  const halfSpoof = async () => {
    await place(carla, 'sell', '2', '25')
    const bid = await place(carla, 'buy', '900', '24.9')
    const trade = await place(diego, 'buy', '2', '25')
    return { bid: Number(bid.order.order), trade: trade.sequence }
  }
  const cancel = async order => {
    const answer = await carla.request({ op: 'cancel', order: String(order) })
    assert.notEqual(answer.type, 'error', JSON.stringify(answer.error))
    return answer.sequence
  }
  const rowsOf = ({ bid, trade, cancelled }) => venue.query(`SELECT detector, sequence, member, account, coalesce(side, '-') AS side, quantity, array_to_string(evidence, ' ') AS evidence
    FROM surveil.alerts WHERE sequence IN (${trade}, ${cancelled}) ORDER BY id`)
  const seenInPostgres = async told => {
    const rows = await eventually('both alerts are in Postgres', async () => {
      const found = await rowsOf(told)
      return found.length >= 2 && found
    })
    assert.deepEqual(rows.map(row => [row.detector, row.sequence, row.member, row.account, row.side, row.quantity]),
      [['wash_member', String(told.trade), '103', '1004', '-', '2'], ['spoofing', String(told.cancelled), '103', '1003', 'buy', '900']])
    assert.equal(rows[1].evidence, `${told.bid} ${told.trade} ${told.cancelled}`)
  }
  const heardOnRedis = (heard, told) => eventually('Redis tells of both', () => {
    const mine = heard.filter(m => m.channel === 'alerts' && [told.trade, told.cancelled].includes(m.seq))
    return mine.length >= 2 && mine
  })
  await carla.request({ op: 'cancel_all' })
  await diego.request({ op: 'cancel_all' })
  await venue.administer('POST', `/instruments/${instrument}/reference-price`, { price: '25' })

  await suite.test('surveillance: a wash trade and a spoof are rows, messages and answers', async () => {
    const heard = await venue.listen()
    const told = await halfSpoof()
    told.cancelled = await cancel(told.bid)
    await seenInPostgres(told)
    const [wash, spoof] = await heardOnRedis(heard, told)
    assert.deepEqual([wash.detector, wash.account, wash.counter_account, wash.price, wash.quantity], ['wash_member', 1004, 1003, '25', '2'])
    assert.deepEqual([spoof.detector, spoof.symbol, spoof.side, spoof.value, spoof.threshold, spoof.v, spoof.event], ['spoofing', symbol, 'buy', 45000, 300, 1, 'alert'])
    assert.deepEqual(spoof.evidence, [told.bid, told.trade, told.cancelled])
    const [first] = await alerts('detector=spoofing&account=1003')
    assert.deepEqual([first.id, first.sequence, first.status, first.price, first.evidence], [spoof.id, told.cancelled, 'open', '24.9', spoof.evidence])
    assert.equal((await alerts('detector=spoofing&member=102')).length, 0)
    assert.equal((await alerts(`since=${new Date(Date.now() + 60000).toISOString().slice(0, 19)}Z`)).length, 0)
    assert.ok((await alerts('since=2020-01-01&limit=1')).length === 1)
    const text = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    assert.match(text, /^lonja_surveil_lag_commands \d+$/m)
    await eventually('the metric', async () => /^lonja_alerts_total\{detector="spoofing"\} [1-9]/m.test(await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()))
    assert.equal(venue.status().processes.surveil.state, 'running')
  })

  await suite.test('surveillance: killed in the middle of a pattern, it sees the whole of it, once', async () => {
    const heard = await venue.listen()
    const told = await halfSpoof()
    await eventually('the wash trade is written', async () => (await venue.query(`SELECT 1 AS one FROM surveil.alert WHERE sequence = ${told.trade}`)).length === 1)
    process.kill(await venue.livePid('surveil'), 'SIGKILL')
    told.cancelled = await cancel(told.bid)
    await seenInPostgres(told)
    const mine = await heardOnRedis(heard, told)
    assert.equal(mine.length, 2)
    await eventually('it runs again', () => venue.livePid('surveil'))
  })

  await suite.test('surveillance: what happens while Postgres is away is written and told when it is back', async () => {
    const heard = await venue.listen()
    await venue.servers('stop', 'postgres')
    let told
    try {
      told = await halfSpoof()
      told.cancelled = await cancel(told.bid)
      process.kill(await venue.livePid('surveil'), 'SIGKILL')
      assert.equal(heard.filter(m => m.channel === 'alerts').length, 0)
    } finally { await venue.servers('start') }
    await seenInPostgres(told)
    assert.equal((await heardOnRedis(heard, told)).length, 2)
    const twice = await venue.query('SELECT detector, sequence FROM surveil.alert GROUP BY 1, 2, event_index, member_id, account_id HAVING count(*) > 1')
    assert.deepEqual(twice, [])
  })

  await suite.test('surveillance: an alert is closed once, with a note, and that is audited', async () => {
    const [alert] = await eventually('the database can be asked again', () => alerts('detector=spoofing&status=open'))
    const refused = await venue.call(venue.admin, 'POST', `/api/v1/admin/alerts/${alert.id}/close`, { token: venue.adminToken, body: {} })
    assert.equal(refused.status, 400)
    await venue.administer('POST', `/alerts/${alert.id}/close`, { note: 'a test of ours' })
    const [closed] = await alerts('status=closed')
    assert.deepEqual([closed.id, closed.note, closed.closed_by], [alert.id, 'a test of ours', 'admin'])
    const again = await venue.call(venue.admin, 'POST', `/api/v1/admin/alerts/${alert.id}/close`, { token: venue.adminToken, body: { note: 'x' } })
    assert.equal(again.status, 404)
    const [entry] = await venue.query(`SELECT outcome, details->>'note' AS note FROM people.audit_log WHERE action LIKE '%/alerts/${alert.id}/close' AND outcome = 'done'`)
    assert.deepEqual(entry, { outcome: 'done', note: 'a test of ours' })
    assert.equal((await venue.words('alerts', 'detector', 'spoofing', 'status', 'closed'))[0].id, alert.id)
  })
  await Promise.all([carla.close(), diego.close()])
}
