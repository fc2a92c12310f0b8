// Settlement instructions between carla (1003) and diego (1004): a token that has no contract against dollars, by REST and
// by words, with bad inputs, a crash of the core between the approvals, and what Postgres, Redis and the metrics page say.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import path from 'node:path'
import { bin, eventually } from '../lib/venue.mjs'

export async function xvp (suite, venue) {
  const run = String(Date.now())
  let serial = 0
  const unique = name => `${name} ${run} ${++serial}`
  const admin = await venue.login(venue.admin, 'admin')
  const tokens = { carla: await venue.login(venue.web, 'carla'), diego: await venue.login(venue.web, 'diego') }
  const ask = async (method, route, body) => venue.call(venue.admin, method, `/api/v1/admin/${route}`, { token: admin, body })
  const done = async (method, route, body) => {
    const { status, json } = await ask(method, route, body)
    assert.equal(status, 200, `${method} ${route}: ${JSON.stringify(json)}`)
    return json
  }
  const post = (route, body) => done('POST', route, body ?? {})
  const refused = async (name, route, body) => {
    const { status, json } = await ask('POST', route, body ?? {})
    assert.ok(status >= 400, `POST ${route} was taken: ${JSON.stringify(json)}`)
    assert.equal(json.error.name, name, JSON.stringify(json.error))
    return json.error
  }
  const cli = (...words) => venue.words(...words)
  // What a party does; its status and answer.
  const act = async (who, id, action, body = {}) => venue.call(venue.web, 'POST', `/api/v1/xvp/${id}/${action}`, { token: tokens[who], body })
  const acted = async (...asked) => {
    const { status, json } = await act(...asked)
    assert.equal(status, 200, JSON.stringify(json))
    return json
  }
  const actRefused = async (name, ...asked) => {
    const { json } = await act(...asked)
    assert.equal(json.error?.name, name, JSON.stringify(json))
    return json.error
  }
  const own = async (who, sequence) => (await venue.call(venue.web, 'GET', `/api/v1/xvp?min_seq=${sequence}`, { token: tokens[who] })).json.instructions
  const balance = async (account, asset) => {
    const found = (await done('GET', `balances?account=${account}`)).balances.find(b => b.symbol === asset)
    return [Number(found?.available ?? 0), Number(found?.held ?? 0)]
  }
  const in_ = seconds => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, '')
  const bond = `XB${run.slice(-6)}`
  const legs = (tokens, cash) => [{ from: 1003, to: 1004, asset: bond, amount: tokens }, { from: 1004, to: 1003, asset: 'USD', amount: cash }]
  const instruction = (more = {}) => ({ reference: unique('otc'), name: 'a block for Diego', cutoff: in_(600), legs: legs('5', '48.75'), ...more })
  const heard = await venue.listen()
  // What a party hears of instructions over WebSocket, live, or from a place on.
  const listener = async (who, from_seq) => {
    const client = await venue.trader()
    const texts = []
    client.socket.on('message', text => { if (String(text).includes('"type":"settlement_instruction"')) texts.push(String(text)) })
    await client.request({ op: 'login', token: tokens[who], ...(from_seq && { from_seq }) })
    await client.waitFor(m => m.type === (from_seq ? 'replayed' : 'orders'), 'the state')
    return { client, texts, steps: () => texts.map(text => JSON.parse(text)).map(m => [m.event, m.instruction.state, m.instruction.legs_approved, m.instruction.account]) }
  }
  await post('assets', { kind: 'token', scale: 2, symbol: bond, name: 'a bond that is on no chain' })
  await post('deposits', { reference: unique('bond'), account: 1003, asset: bond, amount: '100' })
  const cash = await balance(1004, 'USD'), cashOfCarla = await balance(1003, 'USD')

  await suite.test('instructions: tokens against cash, by the last approval, all in one command', async () => {
    const asked = instruction()
    const parties = [await listener('carla'), await listener('diego')]
    const { xvp, events } = await post('xvp', asked)
    assert.deepEqual(events.map(e => e.event), ['xvp_changed', 'xvp_leg', 'xvp_leg'])
    assert.deepEqual(await post('xvp', asked), { xvp, repeated: true })
    await refused('REFERENCE_CONFLICT', 'xvp', { ...asked, legs: legs('6', '48.75') })
    const approved = await acted('carla', xvp, 'approve')
    assert.deepEqual([approved.state, approved.legs_approved, approved.repeated], ['approving', 1, false])
    assert.equal((await acted('carla', xvp, 'approve')).repeated, true)
    assert.deepEqual(await balance(1003, bond), [95, 5])
    const [seen] = await own('diego', approved.sequence)
    assert.deepEqual([seen.xvp, seen.state, seen.legs.map(l => l.approved)], [String(xvp), 'approving', [true, false]])
    await venue.kill('core') // what was approved stands
    await eventually('the venue takes requests again', async () => (await act('carla', xvp, 'approve')).json.repeated === true)
    assert.deepEqual(await balance(1003, bond), [95, 5])
    const executed = await acted('diego', xvp, 'approve')
    assert.equal(executed.state, 'executed')
    assert.deepEqual([await balance(1003, bond), await balance(1004, bond)], [[95, 0], [5, 0]])
    assert.deepEqual(await balance(1004, 'USD'), [cash[0] - 48.75, cash[1]])
    assert.deepEqual(await balance(1003, 'USD'), [cashOfCarla[0] + 48.75, cashOfCarla[1]])
    const whole = await done('GET', `xvp/${xvp}`)
    assert.deepEqual([whole.state, whole.open, whole.settlement, whole.steps.map(s => s.step)], ['executed', false, 'ledger', ['created', 'approved', 'approved', 'executed']])
    const all = [['created', 'created', 0, null], ['approved', 'approving', 1, 1003], ['approved', 'approved', 2, 1004], ['executed', 'executed', 2, null]]
    for (const { texts } of parties) await eventually('a party is told every step', () => texts.length >= 4)
    assert.deepEqual(parties.map(p => p.steps()), [all, all])
    assert.deepEqual(parties[0].texts, parties[1].texts)
    const again = await listener('diego', xvp - 1)
    assert.deepEqual(again.texts, parties[1].texts) // the same bytes from the tape
    for (const { client } of [...parties, again]) await client.close()
    await eventually('Redis tells of it', () => heard.find(m => m.channel === 'risk' && m.event === 'xvp_changed' && m.xvp === xvp && m.step === 'executed'))
    const text = await (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    assert.match(text, /^lonja_xvp_total\{step="executed"\} 1$/m)
    const rows = await venue.query(`SELECT type, amount::text FROM public.wallet_transactions WHERE user_id IN (1003, 1004) AND sequence = ${whole.sequence} ORDER BY 2`)
    assert.deepEqual(rows.map(r => [r.type, Number(r.amount)]).sort((a, b) => a[1] - b[1]),
      [-48.75, -5, 5, 48.75].map(amount => ['settlement_instruction', amount]))
    await actRefused('XVP', 'diego', xvp, 'cancel')
  })

  await suite.test('instructions: nobody else is told of them', async () => {
    const [carla, diego] = [await listener('carla'), await listener('diego')]
    const { xvp } = await post('xvp', instruction({ legs: [{ from: 1003, to: 1001, asset: bond, amount: '1' }, { from: 1001, to: 1003, asset: 'USD', amount: '9' }] }))
    await post(`xvp/${xvp}/cancel`)
    await eventually('carla is told of its end', () => carla.steps().some(([event]) => event === 'cancelled'))
    await acted('carla', (await post('xvp', instruction())).xvp, 'cancel')
    await eventually('diego is told of the next one', () => diego.steps().some(([event]) => event === 'cancelled'))
    assert.deepEqual(carla.steps().map(([event]) => event), ['created', 'cancelled', 'created', 'cancelled'])
    assert.deepEqual(diego.steps().map(([event]) => event), ['created', 'cancelled'])
    for (const { client } of [carla, diego]) await client.close()
  })

  await suite.test('instructions: who sees two of the parties is told once, live and again', async () => {
    const see = accounts => post('sessions', { session: 3, member: 103, gateway: 'web', accounts })
    await see([1003, 1004])
    try {
      const both = await listener('carla')
      const { xvp } = await post('xvp', instruction())
      await post(`xvp/${xvp}/cancel`)
      await eventually('its end is told', () => both.steps().some(([event]) => event === 'cancelled'))
      const again = await listener('carla', xvp - 1)
      assert.deepEqual(both.steps().map(([event]) => event), ['created', 'cancelled'])
      assert.deepEqual(again.texts, both.texts)
      for (const { client } of [both, again]) await client.close()
    } finally { await see([1003]) }
  })

  await suite.test('instructions: revoked, cancelled and expired ones give back what they hold', async () => {
    const [made] = await cli('xvp', 'create', unique('words'), in_(600), 'manual', `1003:1004:${bond}:7`, `1004:1003:USD:1`, 'called', 'by', 'words')
    await acted('carla', made.xvp, 'approve')
    assert.deepEqual(await balance(1003, bond), [88, 7])
    assert.equal((await acted('carla', made.xvp, 'revoke')).state, 'created')
    assert.deepEqual(await balance(1003, bond), [95, 0])
    await acted('carla', made.xvp, 'approve')
    const error = await actRefused('XVP_NOT_APPROVED', 'diego', made.xvp, 'execute')
    assert.deepEqual([error.limit, error.value], ['2', '1'])
    assert.equal((await cli('xvp', 'cancel', String(made.xvp)))[0].state, 'cancelled')
    assert.deepEqual(await balance(1003, bond), [95, 0])
    const { xvp } = await post('xvp', instruction({ cutoff: in_(3) }))
    await acted('carla', xvp, 'approve')
    await eventually('it expires', async () => (await done('GET', `xvp/${xvp}`)).state === 'expired')
    assert.deepEqual(await balance(1003, bond), [95, 0])
    assert.equal((await cli('xvp', String(xvp)))[0].open, false)
  })

  await suite.test('instructions: what cannot be is refused, with the limit and the value', async () => {
    const withContracts = ['ATUN', 'PORT'].map(asset => ({ from: 1003, to: 1004, asset, amount: '1' }))
    assert.equal((await refused('XVP_ON_CHAIN', 'xvp', instruction({ legs: withContracts }))).name, 'XVP_ON_CHAIN')
    await refused('MISSING_FIELD', 'xvp', instruction({ legs: [...legs('1', '1'), { ...legs('1', '1')[0], kind: 'external' }] }))
    await refused('XVP_CUTOFF', 'xvp', instruction({ cutoff: '2020-01-01' }))
    await refused('MALFORMED', 'xvp', instruction({ cutoff: '2027-02-31T00:00:00Z' }))
    assert.equal((await refused('XVP_LEGS', 'xvp', instruction({ legs: Array(9).fill(legs('1', '1')[0]) }))).value, '9')
    await refused('XVP_LEGS', 'xvp', instruction({ legs: [] }))
    await refused('XVP_LEG', 'xvp', instruction({ legs: [{ from: 1003, to: 1003, asset: 'USD', amount: '1' }] }))
    await refused('UNKNOWN_ACCOUNT', 'xvp', instruction({ legs: [{ from: 1003, to: 39999, asset: 'USD', amount: '1' }] }))
    await refused('UNKNOWN_ASSET', 'xvp', instruction({ legs: [{ from: 1003, to: 1004, asset: 'NOPE', amount: '1' }] }))
    await refused('BAD_NUMBER', 'xvp', instruction({ legs: [{ from: 1003, to: 1004, asset: bond, amount: '0.001' }] }))
    const asked = instruction({ legs: legs('1000', '1') })
    const { xvp } = await post('xvp', asked)
    const error = await actRefused('INSUFFICIENT_BALANCE', 'carla', xvp, 'approve')
    assert.deepEqual([error.limit, error.value], ['1000', '95'])
    await actRefused('ACCOUNT_NOT_OF_SESSION', 'carla', xvp, 'approve', { account: 1004 })
    const others = await post('xvp', instruction({ legs: [{ from: 1001, to: 1002, asset: 'USD', amount: '1' }] }))
    await actRefused('XVP', 'carla', others.xvp, 'cancel') // of which she learns nothing
    assert.ok(!(await own('carla', others.sequence)).some(i => i.xvp === String(others.xvp)))
    await post(`xvp/${others.xvp}/cancel`)
    // While it is open its token gets no contract.
    const asset = (await done('GET', 'assets')).find(a => a.symbol === bond)
    const contract = { asset: asset.asset_id, kind: 'token', scale: 2, symbol: bond, chain_id: 31337, contract_address: '0x00000000000000000000000000000000000057A6' }
    const barred = await ask('POST', 'assets', contract)
    assert.deepEqual([barred.status, barred.json.error.text.includes(asked.reference)], [409, true])
    await post(`xvp/${xvp}/cancel`)
  })

  await suite.test('instructions: who may not have it stops the whole, and the hold stands until he may', async () => {
    const { xvp } = await post('xvp', instruction({ legs: legs('1', '1') }))
    await acted('carla', xvp, 'approve')
    await post('accounts/1003/kill', { reason: 'a look at it' })
    const last = await acted('diego', xvp, 'approve')
    assert.deepEqual([last.state, last.not_executed], ['approved', 'KILLED'])
    assert.deepEqual(await balance(1003, bond), [94, 1])
    await actRefused('KILLED', 'diego', xvp, 'execute')
    await post('accounts/1003/unkill')
    assert.equal((await acted('diego', xvp, 'execute')).state, 'executed')
    assert.deepEqual([await balance(1003, bond), await balance(1004, bond)], [[94, 0], [6, 0]])
  })

  // Carla's bonds here for Diego's coins there: he has the secret, so what he gets is claimed first, here.
  const secret = randomBytes(32)
  const hashlock = '0x' + createHash('sha256').update(secret).digest('hex')
  const elsewhere = (more = {}) => ({ kind: 'external', ledger: 'Ethereum', asset: 'ETH', amount: '1.5', from: '0xD1e60', to: '0xCa51a', claimed: 'last', deadline: in_(600 + 3600), ...more })
  const locked = (more = {}) => instruction({ legs: [legs('2', '1')[0], elsewhere()], hashlock, ...more })

  await suite.test('instructions: with a leg on another ledger the secret executes what is armed', async () => {
    const before = await balance(1003, bond), had = await balance(1004, bond)
    const asked = locked()
    const { xvp } = await post('xvp', asked)
    assert.deepEqual(await post('xvp', asked), { xvp, repeated: true })
    await refused('REFERENCE_CONFLICT', 'xvp', { ...asked, legs: [asked.legs[0], elsewhere({ amount: '1.4' })] })
    const early = await actRefused('XVP_NOT_APPROVED', 'diego', xvp, 'reveal', { secret: secret.toString('hex') })
    assert.equal(early.limit, '1')
    assert.equal((await acted('carla', xvp, 'approve')).state, 'armed')
    await actRefused('XVP_ARMED', 'carla', xvp, 'revoke')
    await refused('XVP_ARMED', `xvp/${xvp}/cancel`)
    await actRefused('XVP_LOCKED', 'diego', xvp, 'execute')
    await actRefused('XVP_SECRET', 'diego', xvp, 'reveal', { secret: '00'.repeat(32) })
    await actRefused('MALFORMED', 'diego', xvp, 'reveal', { secret: '00' })
    await actRefused('MISSING_FIELD', 'diego', xvp, 'reveal')
    const voted = await acted('carla', xvp, 'cancel')
    assert.equal(voted.state, 'armed')
    const [seen] = await own('diego', voted.sequence)
    assert.deepEqual([seen.hashlock, seen.secret, seen.votes_to_cancel], [hashlock, null, [1003]])
    assert.deepEqual([seen.externals[0].ledger, seen.externals[0].amount, seen.externals[0].claimed], ['Ethereum', '1.5', 'last'])
    const [told] = await venue.query(`SELECT count(*)::integer AS n FROM record.venue_event WHERE body::text LIKE '%${secret.toString('hex')}%'`)
    assert.equal(Number(told.n), 0)
    const done_ = await acted('diego', xvp, 'reveal', { secret: '0x' + secret.toString('hex') })
    assert.equal(done_.state, 'executed')
    assert.deepEqual([await balance(1003, bond), await balance(1004, bond)], [[before[0] - 2, before[1]], [had[0] + 2, had[1]]])
    const [after] = await own('carla', done_.sequence) // with which she claims the coins there
    assert.deepEqual([after.state, after.secret], ['executed', '0x' + secret.toString('hex')])
    const whole = await done('GET', `xvp/${xvp}`)
    assert.deepEqual(whole.steps.map(s => s.step), ['created', 'approved', 'voted', 'revealed', 'executed'])
  })

  await suite.test('instructions: a secret that is out stays, and what it could not execute is executed later', async () => {
    const [made] = await cli('xvp', 'create', unique('lock'), in_(600), `1003:1004:${bond}:1`, `1004:1003:USD:1`, 'external', 'Bitcoin', 'BTC', '0.1', 'bc1a', 'bc1b', 'last', in_(600 + 3600), 'lock', hashlock)
    const { xvp } = made
    await acted('carla', xvp, 'approve')
    assert.equal((await acted('diego', xvp, 'approve')).state, 'armed')
    await post('accounts/1003/kill', { reason: 'a look at it' })
    const revealed = JSON.parse(execFileSync(path.join(bin, 'lonja'), ['admin', '--config', path.join(venue.folder, 'lonja.conf'), 'xvp', 'reveal', String(xvp)],
      { input: secret.toString('hex') + '\n' }))
    assert.deepEqual([revealed.state, revealed.not_executed], ['armed', 'KILLED'])
    const page = async () => (await fetch(`http://127.0.0.1:${venue.ports.metrics}/metrics`)).text()
    await eventually('an operator is told of the secret', async () => /^lonja_xvp_secrets_open 1$/m.test(await page()))
    const figures = await page()
    assert.match(figures, /^lonja_xvp_open{state="armed"} 1$/m)
    const held = name => [...figures.matchAll(new RegExp(`^${name}{asset="(.*)"} (.*)$`, 'mg'))].map(m => [m[1], m[2]])
    assert.deepEqual(held('lonja_xvp_escrow').filter(([asset]) => asset === bond), [[bond, '1']])
    assert.deepEqual(held('lonja_xvp_escrow_held'), held('lonja_xvp_escrow'))
    await actRefused('XVP_REVEALED', 'diego', xvp, 'cancel')
    await refused('XVP_REVEALED', `xvp/${xvp}/cancel`)
    await post('accounts/1003/unkill')
    assert.equal((await acted('diego', xvp, 'execute')).state, 'executed')
    const away = await post('xvp', locked())
    await acted('carla', away.xvp, 'approve')
    await acted('diego', away.xvp, 'cancel')
    assert.equal((await acted('carla', away.xvp, 'cancel')).state, 'cancelled')
    const kept = await venue.query(`SELECT details::text, outcome FROM people.audit_log WHERE action LIKE '%/xvp/%/reveal' ORDER BY at DESC LIMIT 1`)
    assert.deepEqual([kept[0].outcome, kept[0].details.includes(secret.toString('hex'))], ['done', true])
  })

  await suite.test('instructions: a lock without its legs, or with ends too near each other, is refused', async () => {
    await refused('XVP_LOCK', 'xvp', locked({ hashlock: undefined }))
    await refused('XVP_LOCK', 'xvp', instruction({ hashlock }))
    await refused('MALFORMED', 'xvp', locked({ hashlock: '0x12' }))
    await refused('XVP_LEGS', 'xvp', locked({ legs: [elsewhere()] }))
    assert.equal((await refused('XVP_LEGS', 'xvp', locked({ legs: [legs('1', '1')[0], ...Array(5).fill(elsewhere())] }))).limit, '4')
    await refused('XVP_MARGIN', 'xvp', locked({ legs: [legs('1', '1')[0], elsewhere({ deadline: in_(3600) })] }))
    await refused('XVP_MARGIN', 'xvp', locked({ legs: [legs('1', '1')[0], elsewhere({ claimed: 'first', deadline: in_(300) })] }))
    await refused('MISSING_FIELD', 'xvp', locked({ legs: [legs('1', '1')[0], elsewhere({ ledger: undefined })] }))
  })
}
