// A stablecoin on a live venue: our own ERC-20 (chain/contracts/Stablecoin.json), and what its users do; stablecoinTests is the
// scenario that a venue's suite runs.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { wallet, word } from './token_venue.mjs'
import { bin, eventually, root } from './venue.mjs'

const { bytecode } = JSON.parse(fs.readFileSync(path.join(root, 'chain/contracts/Stablecoin.json'), 'utf8'))
const ISSUER = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266' // anvil's first account: makes it, and is nobody's wallet here
const ASSET = 9
const COIN = 1000000n // one, in the smallest units of contract and ledger
const decimal = amount => `${amount / COIN}.${String(amount % COIN).padStart(6, '0')}`

class Stablecoin {
  constructor (chain, escrow) { Object.assign(this, { chain, venue: chain.venue, escrow }) }

  async deploy (decimals = 6) {
    const hash = await this.venue.rpc('eth_sendTransaction', { from: ISSUER, data: bytecode + word(decimals), gas: '0x1e8480' })
    const { contractAddress } = await eventually('it is mined', () => this.venue.rpc('eth_getTransactionReceipt', hash))
    return (await import('ethers')).getAddress(contractAddress)
  }

  call (from, selector, ...words) {
    return this.venue.rpc('eth_sendTransaction', { from, to: this.address, data: selector + words.map(word).join(''), gas: '0x30d40' })
  }

  mint (to, amount) { return this.call(ISSUER, '0x40c10f19', to, amount) }
  block (who, on) { return this.call(ISSUER, '0x000af2a1', who, on ? 1 : 0) }
  silence (on) { return this.call(ISSUER, '0xf4a0740c', on ? 1 : 0) }
  pay (from, amount) { return this.call(from, '0xa9059cbb', this.escrow, amount) }
  async holds (who) { return BigInt(await this.venue.rpc('eth_call', { to: this.address, data: '0x70a08231' + word(who) }, 'latest')) }

  async ledger (account) {
    const { balances } = await this.venue.administer('GET', `/balances?account=${account}`)
    const row = balances.find(b => b.symbol === 'USDC')
    return row ? BigInt(Math.round((Number(row.available) + Number(row.held)) * 1e6)) : 0n
  }

  // What the signer may pay out of it.
  allow (units) {
    const file = path.join(this.venue.folder, 'chain/policy.json')
    const policy = JSON.parse(fs.readFileSync(file, 'utf8'))
    policy.allow = policy.allow.filter(rule => rule.contract !== this.address)
    policy.caps = (policy.caps ?? []).filter(cap => cap.contract !== this.address)
    policy.allow.push({ contract: this.address, methods: ['transfer'] })
    policy.caps.push({ contract: this.address, window_s: 86400, units_max: String(units) })
    fs.writeFileSync(`${file}.new`, JSON.stringify(policy))
    fs.renameSync(`${file}.new`, file)
  }

  async refused (route, body) {
    const { status, json } = await this.venue.call(this.venue.admin, 'POST', `/api/v1/admin${route}`, { token: await this.token(), body })
    assert.ok(status >= 400, JSON.stringify(json))
    return json.error.name
  }

  // lonja admin stablecoin WORDS…: its answers, one a line; a refusal is its status.
  async say (...words) {
    const env = { ...process.env, LONJA_ADMIN_TOKEN: await this.token() }
    return new Promise(resolve => execFile(path.join(bin, 'lonja'), ['admin', '--config', path.join(this.venue.folder, 'lonja.conf'), 'stablecoin', ...words], { env },
      (error, stdout) => resolve(error ? error.code : stdout.trim().split('\n').filter(Boolean).map(line => JSON.parse(line)))))
  }

  token () { return (this.loggedIn ??= this.venue.login(this.venue.admin, 'admin')) }

  tie (changes) {
    return { asset: ASSET, kind: 'cash', scale: 6, symbol: 'USDC', contract_address: this.address, escrow_address: this.escrow, chain_id: 31337, decimals: 6, ...changes }
  }

  status () { return this.venue.administer('GET', '/stablecoins').then(([row]) => row) }
  payout (reference) { return this.venue.administer('GET', '/payouts').then(rows => rows.find(p => p.reference === reference)) }
  withdraw (reference, account, amount) { return this.venue.administer('POST', '/withdrawals', { reference, account, asset: 'USDC', amount: decimal(amount) }) }

  // Mines until something holds.
  until (what, ask) { return eventually(what, async () => { await this.chain.mine(); return ask() }, PATIENCE_MS, 100) }
  ends (reference, state) { return this.until(`${reference} is ${state}`, async () => { const p = await this.payout(reference); return p?.state === state && p }) }
}

export async function stablecoinTests (suite, chain) {
  const { venue } = chain
  const escrow = (await import('ethers')).getAddress((await chain.one('SELECT signer_address FROM settle.signer')).signer_address)
  const coin = new Stablecoin(chain, escrow)
  const carla = wallet(1003)
  const heard = await venue.listen()
  const told = (event, more) => eventually(`${event} is told on Redis`, () => heard.find(m => m.channel === 'reconciliation' && m.event === event && more(m)))

  await suite.test('stablecoin: what is none, or another one, is refused; what is one is read', async () => {
    const verdict = async changes => {
      await venue.administer('POST', '/assets', coin.tie(changes))
      return looked()
    }
    const looked = () => eventually('it was looked at', async () => { const { state, reason } = await coin.status(); return state !== 'asked' && (reason ?? state) })
    coin.address = escrow
    assert.equal(await coin.refused('/assets', coin.tie({ escrow_address: undefined })), 'MISSING_FIELD')
    assert.equal(await coin.refused('/assets', coin.tie({ decimals: 5 })), 'MALFORMED')
    assert.equal(await coin.refused('/assets', coin.tie({ chain_id: 1 })), 'STABLECOIN')
    assert.equal(await coin.refused('/assets', coin.tie({ contract_address: chain.token })), 'STABLECOIN', 'a token of the venue')
    assert.equal(await verdict({ contract_address: carla }), 'no_contract')
    assert.equal(await verdict({ contract_address: venue.deployment.foundation.factory }), 'contract_is_no_token')
    assert.equal(await verdict({ contract_address: await coin.deploy(8) }), 'decimals_differ')
    assert.equal(await coin.refused('/withdrawals', { reference: 'sc-early', account: 1003, asset: 'USDC', amount: '1' }), 'STABLECOIN')
    coin.address = await coin.deploy()
    assert.equal(await coin.refused('/assets', coin.tie({ escrow_address: carla })), 'STABLECOIN', 'an account\'s wallet')
    assert.deepEqual([await coin.say('PORT', coin.address, escrow, '6'), await coin.say('USDC', coin.address, escrow, 'six')], [2, 2])
    await coin.say('USDC', coin.address, escrow, '6')
    assert.equal(await looked(), 'proved')
    assert.deepEqual((await coin.say()).map(c => [c.symbol, c.state, c.escrow_address, c.asked_by]), [['USDC', 'proved', escrow, 'admin']])
    assert.equal(await coin.refused('/assets', coin.tie({ decimals: 7 })), 'STABLECOIN', 'it is fixed')
    await eventually('it is read', async () => (await coin.status()).read_to_block > 0)
  })

  await suite.test('stablecoin: a deposit from a member\'s wallet is credited once, when it is deep enough; another\'s is not', async () => {
    for (const to of [carla, ISSUER]) await coin.mint(to, 1000n * COIN)
    await coin.pay(carla, 100500000n)
    await coin.pay(ISSUER, 7n * COIN)
    await eventually('it is seen', async () => (await chain.one(`SELECT count(*) AS n FROM chain.event_log WHERE address = '${coin.address.toLowerCase()}'`)).n === '2')
    assert.equal(await coin.ledger(1003), 0n, 'not before it is confirmed')
    await venue.kill('index')
    await chain.mine(3)
    await eventually('it is credited', async () => await coin.ledger(1003) === 100500000n)
    const [unmatched] = await venue.administer('GET', '/stablecoins/unmatched')
    assert.deepEqual([unmatched.from_address, unmatched.amount, unmatched.state], [ISSUER.toLowerCase(), '7', 'waits'])
    await told('unmatched_deposit', m => m.from === ISSUER.toLowerCase() && m.amount === '7000000')
    const status = await eventually('the record has it', async () => { const now = await coin.status(); return now.ledger !== '0' && now })
    assert.deepEqual([status.ledger, status.unmatched, status.unmatched_transfers], ['100.5', '7', 1])
    await eventually('it is on the metrics page', async () => await venue.metric('settlement_unmatched_transfers{symbol="USDC"}') === 1 &&
      await venue.metric('settlement_unmatched_oldest_seconds{symbol="USDC"}') >= 0)
    await eventually('it is on Redis', () => heard.find(m => m.event === 'settlement_status' && m.watch.unmatched.some(u => u.symbol === 'USDC' && u.transfers === 1)))
    assert.equal(await coin.refused('/deposits', { reference: 'sc-hand', account: 1003, asset: 'USDC', amount: '1' }), 'STABLECOIN')
    assert.equal(await coin.refused('/chain-in', { reference: 'sc-hand', account: 1003, asset: 'USDC', amount: '1' }), 'STABLECOIN')
    const found = await chain.agrees()
    assert.deepEqual(found.wallets.filter(w => w.symbol === 'USDC').map(w => [w.wallet, w.record_units, w.chain, w.unmatched]), [[escrow.toLowerCase(), 100500000, '107500000', '7000000']])
    assert.equal((await chain.one(`SELECT count(*) AS n FROM chain.ledger_posting WHERE token_asset = ${ASSET}`)).n, '1')
  })

  await suite.test('stablecoin: a deposit that a reorganisation takes away is taken back', async () => {
    const snapshot = await venue.rpc('evm_snapshot')
    await coin.pay(carla, 50n * COIN)
    await coin.until('it is credited', async () => await coin.ledger(1003) === 150500000n)
    await venue.rpc('evm_revert', snapshot)
    await venue.rpc('evm_increaseTime', 91)
    await chain.mine(10)
    await coin.until('it is taken back', async () => await coin.ledger(1003) === 100500000n)
    await chain.agrees()
  })

  await suite.test('stablecoin: a withdrawal leaves the ledger, then the escrow, once; nothing above the signer\'s cap', async () => {
    coin.allow(1n)
    await venue.rpc('evm_setAutomine', false)
    await coin.withdraw('sc-out', 1003, 40n * COIN)
    assert.equal(await coin.ledger(1003), 60500000n)
    await eventually('the signer\'s cap holds it', async () => (await coin.payout('sc-out')).reason === 'units_above_window_cap')
    assert.equal((await coin.withdraw('sc-out', 1003, 40n * COIN)).repeated, true)
    await chain.agrees()
    coin.allow(60n * COIN)
    await eventually('it is sent', async () => (await coin.payout('sc-out')).request_state === 'sent')
    await venue.kill('settle')
    await venue.rpc('evm_setAutomine', true)
    const paid = await coin.ends('sc-out', 'paid')
    assert.equal(await coin.holds(carla), 939500000n)
    assert.match(paid.tx_hash, /^0x[0-9a-f]{64}$/)
    await chain.agrees()
    assert.equal((await chain.one("SELECT count(*) AS n FROM chain.transfer t JOIN chain.payout p USING (request_id) WHERE t.class = 'request'")).n, '1')
  })

  await suite.test('stablecoin: what cannot be paid is put back, with its reason', async () => {
    await coin.block(carla, true)
    await coin.withdraw('sc-blocked', 1003, 10n * COIN)
    const { reason } = await coin.ends('sc-blocked', 'put_back')
    assert.match(reason, /^reverted: .*the wallet is blocked/)
    await told('payout_failed', m => m.reference === 'sc-blocked' && m.reason === reason)
    await coin.until('it is in the ledger again', async () => await coin.ledger(1003) === 60500000n)
    await coin.block(carla, false)
    await chain.agrees()
  })

  await suite.test('stablecoin: money of an unknown wallet goes back to it, once', async () => {
    const [{ event }] = await coin.say('unmatched')
    const before = await coin.holds(ISSUER)
    const [{ payout }] = await coin.say('return', String(event), 'nobody', 'we', 'know')
    assert.equal(await coin.refused(`/stablecoins/unmatched/${event}/return`, { reason: 'again' }), 'NOT_FOUND')
    await coin.until('it is back', async () => (await venue.administer('GET', '/payouts')).find(p => p.payout === payout).state === 'paid')
    assert.equal(await coin.holds(ISSUER), before + 7n * COIN)
    assert.equal((await venue.administer('GET', '/stablecoins/unmatched'))[0].state, 'returned')
    await chain.agrees()
  })

  await suite.test('stablecoin: a contract that says nothing of a transfer: nothing is put back before a person has looked', async () => {
    await coin.silence(true)
    await coin.withdraw('sc-silent', 1003, 3n * COIN)
    assert.match((await coin.ends('sc-silent', 'unclear')).reason, /^transfer_is_not_the_planned_one/)
    assert.equal(await coin.ledger(1003), 57500000n)
    await told('payout_unclear', m => m.reference === 'sc-silent')
    const found = await eventually('it differs', async () => { const f = await chain.reconcile(); return f.breaks > 0 && f })
    assert.deepEqual(found.wallets.filter(w => w.cause !== 'equal').map(w => [w.symbol, w.cause, w.difference]), [['USDC', 'unindexed_transfer', '-3000000']])
    await coin.pay(carla, 3n * COIN) // likewise without a word: it is as if it had stayed
    await coin.silence(false)
    const { payout } = await coin.payout('sc-silent')
    assert.equal(await coin.say('decide', String(payout), 'perhaps', 'who knows'), 2)
    assert.deepEqual(await coin.say('decide', String(payout), 'stayed', 'it', 'is', 'there', 'again'), [{ payout, state: 'failed' }])
    assert.equal(await coin.say('decide', String(payout), 'left', 'after all'), 1)
    await coin.until('it is put back', async () => await coin.ledger(1003) === 60500000n)
    await chain.agrees()
  })

  await suite.test('stablecoin: an escrow that has less than the ledger owes is told like any break, and closes when it is made good', async () => {
    await venue.administer('POST', '/deposits', { reference: 'sc-wrong', account: 2, asset: 'USDC', amount: '5' })
    const found = await eventually('it differs', async () => { const f = await chain.reconcile(); return f.breaks > 0 && f })
    assert.deepEqual(found.wallets.filter(w => w.cause !== 'equal').map(w => [w.symbol, w.cause, w.difference]), [['USDC', 'escrow_imbalance', '-5000000']])
    await told('break', m => m.cause === 'escrow_imbalance')
    assert.deepEqual((await venue.administer('GET', '/breaks?limit=1')).map(b => [b.symbol, b.cause]), [['USDC', 'escrow_imbalance']])
    await coin.pay(ISSUER, 5n * COIN) // the venue's own, from a wallet of no account
    const { event } = await coin.until('it waits', async () => (await venue.administer('GET', '/stablecoins/unmatched')).find(u => u.amount === '5' && u.state === 'waits'))
    assert.deepEqual(await coin.say('keep', String(event), 'the venue makes it good'), [{ event, state: 'kept' }])
    assert.equal(await coin.say('return', String(event), 'after all'), 1)
    await chain.agrees()
    await eventually('it is closed', async () => (await chain.one('SELECT count(*) AS n FROM chain.reconciliation_break WHERE closed_at IS NULL')).n === '0')
  })

  await suite.test('stablecoin: settlement\'s rows are lost: payouts come back, once each; a mint waits for a proof, kept money is asked about again', async () => {
    coin.allow(1n)
    for (const reference of ['sc-lost', 'sc-lost-too']) await coin.withdraw(reference, 1003, 2n * COIN)
    await eventually('the signer\'s cap holds them', async () => (await coin.payout('sc-lost-too')).reason === 'units_above_window_cap')
    const signers = (await venue.query('SELECT signer_address AS signer FROM settle.signer')).flatMap(({ signer }) => ['--signer', signer])
    const ended = () => venue.query(`SELECT payout_id, kind, account_id, reference, event_id, to_address, amount, state, CASE state WHEN 'paid' THEN request_id END AS request FROM chain.payout
      WHERE reference IS DISTINCT FROM 'sc-lost' AND reference IS DISTINCT FROM 'sc-lost-too' ORDER BY payout_id`)
    const [before, held] = [await ended(), await coin.holds(carla)]
    assert.deepEqual(before.map(p => p.state), ['paid', 'put_back', 'paid', 'put_back'])
    process.kill(await venue.livePid('settle'), 'SIGSTOP')
    await chain.lose('payout', 'unmatched_kept', 'custody_proof', 'custody_proof_decision')
    const { sequence } = await chain.one("SELECT sequence FROM people.ledger_request WHERE reference = 'sc-out'")
    const withdrawal = change => venue.query(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE people.ledger_request SET ${change} WHERE reference = 'sc-out'; COMMIT`)
    await withdrawal("state = 'rejected', reject_code = 1, sequence = NULL")
    await venue.kill('settle')
    const rebuild = (...words) => chain.lonja('settle', 'rebuild', '--from', '0', ...signers, ...words)
    assert.ok((await rebuild()).stderr.includes(`people is older than the ledger: it has booked withdrawal ${sequence},`))
    await withdrawal(`state = 'done', reject_code = NULL, sequence = ${sequence}`)
    const { status, stdout, stderr } = await rebuild()
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /6 payouts of stablecoins: 2 paid, 2 put back or failed, 2 asked for again, 0 to be decided by a person/)
    assert.deepEqual(await ended(), before)
    assert.equal((await rebuild('--verify')).status, 0)
    assert.equal((await chain.one("SELECT state FROM chain.custody_proof_standing WHERE symbol = 'PORT'")).state, 'none')
    await venue.query(`WITH asked AS (INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, requested_by)
      VALUES ('sc-mint', 'mint', 31337, '${chain.token}', 'test') RETURNING request_id)
      INSERT INTO chain.request_leg (request_id, leg, to_address, amount) SELECT request_id, 0, '${carla}', 1 FROM asked`)
    const mint = async () => (await chain.one("SELECT state, reason FROM chain.chain_request WHERE idempotency_key = 'sc-mint'"))
    await eventually('the mint waits', async () => (await mint()).reason === 'custody_proof_missing')
    coin.allow(60n * COIN)
    for (const reference of ['sc-lost', 'sc-lost-too']) await coin.ends(reference, 'paid')
    assert.equal(await coin.holds(carla), held + 4n * COIN)
    assert.equal((await mint()).state, 'prepared')
    await venue.query("UPDATE chain.chain_request SET state = 'cancelled', reason = 'test' WHERE idempotency_key = 'sc-mint'")
    const { event } = (await venue.administer('GET', '/stablecoins/unmatched')).find(u => u.amount === '5' && u.state === 'waits')
    await coin.say('keep', String(event), 'as before')
    await chain.agrees()
  })

  // A payout that was signed, and of which neither a row nor the chain knows: the signer's log names its withdrawal.
  await suite.test('stablecoin: a payout that only the signer knows is paid once, also if it was asked for again', async () => {
    const held = await coin.holds(carla)
    await venue.rpc('evm_setAutomine', false)
    await coin.withdraw('sc-signed', 1003, 3n * COIN)
    await eventually('it is sent', async () => (await coin.payout('sc-signed')).request_state === 'sent')
    process.kill(await venue.livePid('settle'), 'SIGSTOP')
    const { request_id: request } = await chain.one("SELECT request_id FROM chain.payout WHERE reference = 'sc-signed'")
    await venue.query(`BEGIN; SET LOCAL session_replication_role = replica;
      ${['settle.attempt', 'settle.nonce', 'chain.request_leg', 'chain.chain_request'].map(table => `DELETE FROM ${table} WHERE request_id = ${request}`).join('; ')};
      UPDATE chain.payout SET request_id = NULL WHERE reference = 'sc-signed'; COMMIT`)
    await venue.query("SELECT chain.payout_ask(payout_id) FROM chain.payout WHERE reference = 'sc-signed'")
    await venue.kill('settle')
    await venue.rpc('evm_setAutomine', true)
    await coin.ends('sc-signed', 'paid')
    assert.equal((await chain.one("SELECT request_id FROM chain.payout WHERE reference = 'sc-signed'")).request_id, request)
    assert.equal(await coin.holds(carla), held + 3n * COIN)
    assert.equal((await chain.one("SELECT count(*) AS n FROM chain.chain_request WHERE operation = 'erc20_transfer' AND state IN ('prepared', 'signed', 'sent')")).n, '0')
    await chain.agrees()
  })
  return coin
}

// The last of a suite: the new key is no agent of any token.
export async function escrowKeyTest (suite, coin) {
  const { chain, venue, escrow } = coin
  const carla = wallet(1003)

  // docs/signer.md, Changing the key. What is new is the new key's, but for what leaves the escrow.
  await suite.test('stablecoin: the signer\'s key is changed while the escrow holds money: the old key goes on paying, and nothing else', async () => {
    const key = (...words) => execFileSync(path.join(bin, 'lonja-key'), ['rotate', '--keystore', path.join(venue.folder, 'secrets/settlement-key.json'),
      '--passphrase-file', path.join(venue.folder, 'secrets/settlement-key.pass'), ...words], { encoding: 'utf8' })
    const [held, left] = [await coin.holds(carla), await coin.holds(escrow)]
    assert.equal((await coin.status()).escrow_key, 'active')
    const next = /0x[0-9a-fA-F]{40}/.exec(key())[0]
    await venue.rpc('eth_sendTransaction', { from: ISSUER, to: next, value: '0xde0b6b3a7640000' })
    key('--activate')
    await venue.kill('sign')
    await coin.until('the escrow is a retired key\'s', async () => (await coin.status()).escrow_key === 'retired')
    coin.allow(100n * COIN) // of both keys together
    await coin.withdraw('sc-rotated', 1003, 5n * COIN)
    await coin.ends('sc-rotated', 'paid')
    assert.deepEqual([await coin.holds(carla), await coin.holds(escrow)], [held + 5n * COIN, left - 5n * COIN])
    const { signer_address: signer } = await chain.one("SELECT a.signer_address FROM settle.attempt a JOIN chain.payout p USING (request_id) WHERE p.reference = 'sc-rotated'")
    assert.equal(signer, escrow.toLowerCase())
    assert.deepEqual((await coin.say()).map(c => [c.symbol, c.escrow_address, c.escrow_key]), [['USDC', escrow, 'retired']])
    await chain.agrees()
  })
}
