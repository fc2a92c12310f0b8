// Settlement on real parts while the world misbehaves: reorganisations, nodes that lie, broadcasts that are lost or
// doubled, compliance that changes its mind, a signer that is gone, a key that is changed, a database that vanishes
// between a commit and a broadcast. After every test the independent check (../lib/settlement_check.mjs) must agree:
// each settled trade is on the chain once, and nothing else is.
// LONJA_BIN=… LONJA_DEV_BIN=… node tests/system/settlement.mjs [--all-depths] [--node hardhat] [--seed S] [part of a test's name]
// hardhat (tests/nodes/prepare installs it) cannot reorganise; ./check nodes runs the rest on it.
import fs from 'node:fs'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { ethers } from 'ethers'
import { FaultProxy } from '../lib/fault_proxy.mjs'
import { RAW, RpcError, RpcProxy } from '../lib/rpc_proxy.mjs'
import { artifactsFolder, check, SettlementVenue } from '../lib/settlement_venue.mjs'
import { generator } from '../lib/random.mjs'
import { Suite } from '../lib/suite.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const bin = process.env.LONJA_BIN ?? path.join(root, 'build/release/bin')
const tests = path.join(process.env.LONJA_DEV_BIN ?? path.join(root, 'build/dev/bin'), '../test')
const NODE = process.argv.includes('--node') ? process.argv[process.argv.indexOf('--node') + 1] : 'anvil'
const DEPTH_MAX = 64
// --all-depths: each depth by itself (a minute), and each way to talk nonsense; without it these depths, and one reorganisation that
// undoes 64 blocks at once.
const ALL = process.argv.includes('--all-depths')
const DEPTHS = ALL ? Array.from({ length: DEPTH_MAX }, (_, i) => i + 1) : [1, 2, 3, 6, 13, 33, 63, DEPTH_MAX]
const SEED = process.argv.includes('--seed') ? Number(process.argv[process.argv.indexOf('--seed') + 1]) : undefined
const MANY = ALL ? DEPTH_MAX : 12
const PATIENCE_MS = 10000 // on a busy machine a node takes a second for anything
const SHORT_MS = NODE === 'hardhat' ? PATIENCE_MS : 2000 // where it is a node that does not answer
const LOOK_S = NODE === 'hardhat' ? 120 : 60 // 256 blocks looked through for a transaction that is in none: hardhat needs up to 7 s for it beside other builds
const PORT = 2
const WALLETS = [1001, 1002, 1003, 1004]
const [ATLANTIC, BALEAR, CARLA, DIEGO] = WALLETS

// What the token's agents may do beside settlement; written out by hand.
const TOKEN = new ethers.Interface(['function pause()', 'function addAgent(address)', 'function unpause()', 'function setAddressFrozen(address,bool)',
  'function forcedTransfer(address,address,uint256)', 'function balanceOf(address) view returns (uint256)', 'function compliance() view returns (address)',
  'function paused() view returns (bool)', 'function isFrozen(address) view returns (bool)'])
const COMPLIANCE = new ethers.Interface(['function addModule(address)', 'function removeModule(address)', 'function getModules() view returns (address[])'])
const REGISTRY = new ethers.Interface(['function deleteIdentity(address)', 'function registerIdentity(address,address,uint16)',
  'function identity(address) view returns (address)'])

class World {
  constructor () {
    this.folder = fs.mkdtempSync('/tmp/lonja-settlement-')
    this.venue = new SettlementVenue(bin, tests, this.folder, Number(process.env.LONJA_TEST_PORTS ?? 18800), NODE)
    this.next = 1 << 20
  }

  async start () {
    const { venue } = this
    venue.start()
    this.chain = venue.provider
    this.token = venue.deployment.instruments.PORT.token
    this.registry = venue.deployment.instruments.PORT.identity_registry
    this.deployer = (await this.chain.send('eth_accounts', []))[0]
    this.firstBlock = await this.chain.getBlockNumber() + 1
    this.rpc = await RpcProxy.start(venue.env.RPC_URL)
    this.pg = await FaultProxy.start({ port: Number(venue.env.PG_PORT), seed: 7 })
    const [compliance] = TOKEN.decodeFunctionResult('compliance', await this.chain.call({ to: this.token, data: TOKEN.encodeFunctionData('compliance') }))
    this.compliance = compliance
    this.usual = { modules: await this.modules(), identities: await this.identities(), rows: this.rows() }
    this.startSigner()
    this.startWorker()
    return this
  }

  // What cannot be stopped in order is killed with this program.
  stop () {
    try { this.venue.stop() } catch { /* as far as it came */ }
    if (!process.env.KEEP) fs.rmSync(this.folder, { recursive: true, force: true })
  }

  startSigner () { this.signer = this.venue.sign() }

  // Through both proxies: Postgres by TCP.
  startWorker (...extra) {
    this.options = extra.join(' ')
    this.worker = this.venue.settle([`settle.rpc_url=${this.rpc.url}`, 'postgres.host=127.0.0.1', `postgres.port=${this.pg.port}`,
      'settle.tick_ms=100', 'settle.poll_ms=20', 'settle.stuck_ms=1000', `settle.http_timeout_ms=${PATIENCE_MS}`, `settle.rpc_timeout_ms=${2 * PATIENCE_MS}`, ...extra])
  }

  async restartWorker (...extra) {
    await this.end(this.worker, 'SIGTERM')
    this.startWorker(...extra)
  }

  async end (child, signal = 'SIGKILL') { child.kill(signal); await child.exited }

  // ---- as it was: after every test, whatever it has left behind

  // What is not put back is told; then only another world will do.
  async calm () {
    const { venue } = this
    this.rpc.pass()
    if (this.pg.kind !== 'pass') await this.pg.set('pass')
    if (!isPostgresThere(this)) venue.services('start')
    await this.calmRows()
    if (venue.readPolicy() !== venue.policy) venue.writePolicy(venue.policy)
    await this.calmChain()
    venue.death = null
    if (hasEnded(this.signer)) this.startSigner()
    if (hasEnded(this.worker)) this.startWorker()
    else if (this.options !== '') await this.restartWorker()
    // What has failed in another weather: later trades of the same wallets may wait for it.
    venue.sql("INSERT INTO settle.retry_request (trade_id, requested_by, reason) SELECT trade_id, 'operator', 'calm' FROM settle.trade t WHERE settlement_status = 'failed' AND NOT EXISTS (SELECT FROM settle.retry_request r WHERE r.trade_id = t.trade_id AND answered_at IS NULL)", 'lonja_admin')
    await this.idle()
  }

  rows () {
    return this.venue.sql(`SELECT 'UPDATE people.token SET contract_address = ' || quote_nullable(contract_address) || ', decimals = ' || coalesce(decimals::text, 'NULL') || ' WHERE asset_id = ' || asset_id FROM people.token
      UNION ALL SELECT 'UPDATE people.account SET wallet_address = ' || quote_nullable(wallet_address) || ' WHERE account_id = ' || account_id FROM people.account ORDER BY 1`)
  }

  // Two persons, as the rules ask: whoever was the first, another one is the second.
  async calmRows () {
    const { venue } = this
    if (this.rows() !== this.usual.rows) venue.sql(this.usual.rows.replaceAll('\n', ';'))
    venue.sql(`DELETE FROM settle.netting; DELETE FROM chain.transfer; DELETE FROM chain.event_log; DELETE FROM chain.index_source;
      UPDATE settle.hold SET released_by = 'calm', released_at = now(), release_reason = 'calm' WHERE released_at IS NULL;
      UPDATE settle.manual_mark SET withdrawn_by = 'calm', withdrawn_at = now() WHERE withdrawn_at IS NULL AND answered_at IS NULL;
      UPDATE settle.abandonment SET withdrawn_by = 'calm', withdrawn_at = now() WHERE withdrawn_at IS NULL AND approved_at IS NULL;
      UPDATE settle.incident SET close_reason = coalesce(close_reason, 'calm'), close_proposed_by = coalesce(close_proposed_by, 'calm'),
        close_proposed_at = coalesce(close_proposed_at, now()), closed_by = 'calmer', closed_at = now() WHERE closed_at IS NULL`)
  }

  async calmChain () {
    const gwei = 10n ** 9n
    await this.chain.send('evm_setAutomine', [true])
    await this.mine()
    if ((await this.chain.getBlock('latest')).baseFeePerGas > 2n * gwei) {
      await this.venue.ask('setNextBlockBaseFeePerGas', '0x' + gwei.toString(16))
      await this.mine()
    }
    for (const signer of this.venue.sql('SELECT signer_address FROM settle.signer').split('\n').filter(Boolean).map(a => ethers.getAddress(a)))
      if (await this.chain.getBalance(signer) < 10n ** 18n) await this.venue.ask('setBalance', signer, '0x' + (10n ** 19n).toString(16))
    if (await this.asksToken('paused')) await this.onToken('unpause')
    for (const wallet of WALLETS.map(account => this.wallet(account))) {
      if (await this.asksToken('isFrozen', wallet)) await this.onToken('setAddressFrozen', wallet, false)
      if (await this.identity(wallet) === ethers.ZeroAddress) await this.onRegistry('registerIdentity', wallet, this.usual.identities[wallet], 724)
    }
    for (const module of await this.modules())
      if (!this.usual.modules.includes(module)) await this.asAgent(this.compliance, COMPLIANCE.encodeFunctionData('removeModule', [module]))
  }

  // Nothing is under way, nothing waits, and the worker says that it is well.
  async idle () {
    const left = () => this.venue.sql(`SELECT concat_ws(', ', nullif((SELECT count(*) FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined')), 0) || ' attempts are open',
      nullif((SELECT count(*) FROM settle.trade WHERE settlement_status <> 'settled'), 0) || ' trades are not settled',
      (SELECT 'the lane is ' || state || ', ' || reason FROM settle.lane WHERE token = ${PORT} AND state <> 'running'))`)
    let last
    await this.venue.until('all is quiet', async () => {
      last = left()
      if (last !== '') await this.mine()
      return last === ''
    }).catch(error => { throw new Error(`${error.message}\n${last}`) })
  }

  async asksToken (method, ...args) { return TOKEN.decodeFunctionResult(method, await this.chain.call({ to: this.token, data: TOKEN.encodeFunctionData(method, args) }))[0] }
  async modules () { return [...COMPLIANCE.decodeFunctionResult('getModules', await this.chain.call({ to: this.compliance, data: COMPLIANCE.encodeFunctionData('getModules') }))[0]] }
  async identity (wallet) { return REGISTRY.decodeFunctionResult('identity', await this.chain.call({ to: this.registry, data: REGISTRY.encodeFunctionData('identity', [wallet]) }))[0] }
  async identities () { return Object.fromEntries(await Promise.all(WALLETS.map(account => this.wallet(account)).map(async wallet => [wallet, await this.identity(wallet)]))) }

  // ---- what tests do

  // `count` trades of `quantity` units each; answers with their ids.
  trade (count = 1, { seller = ATLANTIC, buyer = CARLA, quantity = 100 } = {}) {
    const ids = Array.from({ length: count }, () => (this.next += 16))
    this.venue.trades(ids.map(id => ({ id, token: PORT, seller, buyer, quantity })))
    return ids
  }

  retry (ids) {
    for (const id of ids) this.venue.sql(`INSERT INTO settle.retry_request (trade_id, requested_by, reason) VALUES (${id}, 'operator', 'again')`, 'lonja_admin')
  }

  count (ids, where) { return this.venue.count(`trade_id IN (${ids.join()}) AND (${where})`) }
  is (ids, where) { return this.count(ids, where) === ids.length }

  // All of these trades; with each that comes there patience begins anew.
  async until (ids, where, seconds) {
    for (let there = 0; there < ids.length;) {
      const before = there
      await this.venue.until(`${ids.length} trades from ${ids[0]}: ${where}`, () => { there = this.count(ids, where); return there > before }, seconds)
    }
  }

  settled (ids, seconds) { return this.until(ids, "settlement_status = 'settled' AND settlement_type = 'on_chain'", seconds) }

  // As the token's other agent, who has nothing to do with settlement's key. Answers with the hash.
  async asAgent (to, data, status = 1) {
    const hash = await this.chain.send('eth_sendTransaction', [{ from: this.deployer, to, data, ...(status === 0 && { gas: '0x100000' }) }])
      .catch(error => error.error?.data?.txHash ?? Promise.reject(error)) // hardhat mines what reverts, and says that it does
    await this.venue.until('the agent is heard', () => this.chain.getTransactionReceipt(hash))
    check((await this.chain.getTransactionReceipt(hash)).status === status, `the agent was ${status === 1 ? 'refused' : 'heard'}`)
    return hash
  }

  // The signer's now: that of a trade which is settled for it. `blocks`: as deep as the worker asks for.
  async key (blocks = 1) {
    const ids = this.trade(1)
    await this.until(ids, 'tx_hash IS NOT NULL')
    if (blocks > 1) await this.mine(blocks - 1)
    await this.settled(ids)
    return ethers.getAddress(this.venue.sql(`SELECT a.signer_address FROM settle.attempt a JOIN settle.trade USING (tx_hash) WHERE trade_id = ${ids[0]}`))
  }

  onToken (method, ...args) { return this.asAgent(this.token, TOKEN.encodeFunctionData(method, args)) }
  onRegistry (method, ...args) { return this.asAgent(this.registry, REGISTRY.encodeFunctionData(method, args)) }
  wallet (account) { return this.venue.wallet(account) }
  mine (blocks = 1) { return this.venue.ask('mine', '0x' + blocks.toString(16)) }

  // Within a while, which begins anew with each step: what the chain has lost is looked for once in a tick.
  async agrees (fromBlock = this.since) {
    for (let last, end; ; await sleep(100)) {
      const open = this.venue.sql("SELECT count(*) FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined')")
      const { problems, figures } = open === '0' ? await this.venue.compare({ fromBlock }) : { problems: [] }
      if (open === '0' && problems.length === 0) return figures
      const now = [`${open} attempts are open`, ...problems].join('\n')
      if (now !== last) end = Date.now() + 60000
      last = now
      check(Date.now() < end && !this.venue.death, this.venue.death ?? now)
    }
  }
}

// ---- reorganisations ---------------------------------------------------------------------------------------

// A trade is settled, blocks follow, and `depth` of them with its own are replaced. Every other time the new branch
// has the transaction in its first block, as if the miners had kept it.
async function reorganise (world, depth) {
  const [id] = world.trade(1, { quantity: depth })
  await world.settled([id])
  const hash = world.venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${id}`)
  const { block } = { block: (await world.chain.getTransactionReceipt(hash)).blockNumber }
  if (depth > 1) await world.mine(depth - 1)
  const head = await world.chain.getBlockNumber()
  check(head - block + 1 === depth, `the transaction is ${head - block + 1} deep, not ${depth}`)
  const kept = depth % 2 === 0 ? [[world.venue.sql(`SELECT '0x' || encode(raw, 'hex') FROM settle.attempt WHERE tx_hash = '${hash}'`), 0]] : []
  await world.venue.ask('reorg', depth, kept)
  await world.venue.until(`its bytes are mined again, depth ${depth}`, async () => (await world.chain.getTransactionReceipt(hash))?.status === 1)
  await world.venue.until(`its rows say in which block, depth ${depth}`, async () => {
    const receipt = await world.chain.getTransactionReceipt(hash)
    return receipt && world.venue.sql(`SELECT a.state, a.block_hash, w.block_number FROM settle.attempt a, settle.trade w WHERE a.tx_hash = '${hash}' AND w.trade_id = ${id}`) === `confirmed|${receipt.blockHash}|${receipt.blockNumber}`
  })
}

// ---- tests ---------------------------------------------------------------------------------------------------

const CASES = {
  async reorganisations_of_depths_to_64 (world) {
    for (const depth of DEPTHS) await reorganise(world, depth)
  },

  // Many transactions are gone at once, the oldest 64 blocks deep, and come again in the order of their nonces.
  async a_reorganisation_of_64_blocks_with_many_trades (world) {
    await world.restartWorker('settle.batch_max=1', 'settle.claim_max=100')
    const first = await world.chain.getBlockNumber() + 1
    await world.settled(world.trade(MANY, { quantity: 3 }))
    await world.mine(DEPTH_MAX - (await world.chain.getBlockNumber() - first + 1))
    await world.venue.ask('reorg', DEPTH_MAX, [])
    await world.agrees()
  },

  // The price of a block has gone up meanwhile: a higher bid takes its place, and the settled trade says so.
  async a_reorganisation_after_which_a_higher_bid_is_mined (world) {
    const { venue } = world
    const gwei = 10n ** 9n
    const hash = id => venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${id}`)
    await world.chain.send('evm_setAutomine', [true])
    const [id] = world.trade(1)
    await world.settled([id])
    const before = hash(id)
    await world.chain.send('evm_setAutomine', [false])
    await venue.ask('reorg', 1, [])
    await venue.until('it is bid up', async () => {
      await venue.ask('setNextBlockBaseFeePerGas', '0x' + (100n * gwei).toString(16))
      await world.mine()
      return Number(venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${id} AND a.raw IS NOT NULL`)) > 1
    })
    await world.chain.send('evm_setAutomine', [true])
    await venue.until('the trade says which', async () => { await world.mine(); return hash(id) !== before && (await world.chain.getTransactionReceipt(hash(id)))?.status === 1 })
    check(world.is([id], "settlement_status = 'settled' AND total_attempts = 0"), 'it is settled once')
  },

  async broadcasts_that_are_lost_doubled_or_answered_by_nobody (world) {
    const kinds = [
      async (params, ask) => ethers.keccak256(params[0]), // taken, and lost
      async (params, ask) => { const hash = await ask(); await ask().catch(() => {}); return hash }, // sent twice
      async (params, ask) => { await ask(); throw new Error('answer lost') },
      async () => { throw new Error('question lost') },
      async () => { throw new RpcError(-32000, 'txpool is full') },
      async () => RAW('{"jsonrpc":"2.0","id":1,"result":"0x12"}')
    ]
    let turn = 0
    world.rpc.take('eth_sendRawTransaction', (params, ask) => turn++ % 2 === 0 ? kinds[(turn >> 1) % kinds.length](params, ask) : ask())
    await world.restartWorker('settle.batch_max=1')
    await world.settled(world.trade(8))
    check(turn > 8, `${turn} broadcasts`)
    await world.restartWorker()
    for (let round = 0; round < 3; round++) await world.settled(world.trade(7))
  },

  async a_wallet_frozen_in_the_middle_of_many (world) {
    await world.onToken('setAddressFrozen', world.wallet(BALEAR), true)
    const good = world.trade(4)
    const bad = world.trade(1, { seller: BALEAR, buyer: DIEGO })
    const after = world.trade(4)
    await world.settled([...good, ...after])
    await world.until(bad, "settlement_status = 'failed' AND reason = 'frozen_sender' AND total_attempts = 0")
    await world.onToken('setAddressFrozen', world.wallet(BALEAR), false)
    world.retry(bad)
    await world.settled(bad)
  },

  // U7, M28: between the check and the block the seller's wallet is frozen, which a forced transfer does not mind.
  async compliance_that_changes_between_check_and_block (world) {
    const { venue } = world
    world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
      world.rpc.pass()
      await world.onToken('setAddressFrozen', world.wallet(BALEAR), true)
      return ask()
    })
    const ids = world.trade(1).concat(world.trade(1, { seller: BALEAR, buyer: DIEGO }))
    await world.settled(ids)
    const incidents = () => venue.sql(`SELECT i.kind, i.trade_id, i.tx_hash = w.tx_hash, i.token_asset FROM settle.incident i JOIN settle.trade w USING (trade_id) WHERE i.trade_id IN (${ids.join()})`)
    check(incidents() === `compliance_changed|${ids[1]}|t|${PORT}`, `incidents: ${incidents()}`)
    check(venue.sql(`SELECT string_agg(c.stage || ' ' || coalesce(c.code, 'allowed'), ', ' ORDER BY c.stage DESC) FROM chain.transfer_check c JOIN chain.request_leg l USING (request_id, leg) WHERE l.trade_id = ${ids[1]}`) ===
      'before_signing allowed, at_mined_block frozen_sender', 'its evidence')
    await world.onToken('setAddressFrozen', world.wallet(BALEAR), false)
    await world.settled(world.trade(1, { seller: BALEAR, buyer: DIEGO })) // nothing is halted
    venue.sql(`UPDATE settle.incident SET close_reason = 'told', close_proposed_by = 'one', close_proposed_at = now() WHERE trade_id = ${ids[1]}`, 'lonja_admin')
    venue.sql(`UPDATE settle.incident SET closed_by = 'two', closed_at = now() WHERE trade_id = ${ids[1]}`, 'lonja_admin')
  },

  // Somebody else has our key: his transaction takes a nonce of ours, which is tried again at another one. Then the chain loses his,
  // and the last block of ours stands: ours is valid again at the free nonce, and must not move what has moved.
  async a_reorganisation_that_frees_a_nonce_which_another_had_taken (world) {
    const { venue } = world
    const key = await world.key()
    await venue.ask('impersonateAccount', key)
    const before = await world.chain.getBlockNumber()
    world.rpc.take('eth_sendRawTransaction', async params => {
      world.rpc.pass()
      await world.chain.send('eth_sendTransaction', [{ from: key, to: key }])
      return ethers.keccak256(params[0])
    })
    const [id] = world.trade(1)
    await world.settled([id])
    check(world.is([id], 'total_attempts = 1'), 'it was not in the way')
    const attempts = state => venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${id} AND a.state = '${state}'`)
    const raw = venue.sql(`SELECT '0x' || encode(a.raw, 'hex') FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${id} AND a.state = 'dropped'`)
    await venue.ask('reorg', await world.chain.getBlockNumber() - before, [])
    await venue.until('the nonce is given up', async () => { await world.mine(); return venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${id} AND a.calldata = '' AND a.state = 'dropped'`) === '1' })
    await venue.until('it is settled by the other', () => attempts('confirmed') === '1')
    check(await world.chain.send('eth_sendRawTransaction', [raw]).then(() => false, () => true), 'it could still be mined')
    check(venue.sql('SELECT count(*) FROM settle.incident WHERE closed_at IS NULL') === '0', 'an incident')
    await venue.ask('stopImpersonatingAccount', key)
  },

  // A request of three trades reverts by one of them; two are settled by another. The chain loses both, and takes them up otherwise:
  // the first one passes, so that the other is given up; it fails after all, and the node is late to say so (both are told as soon as
  // nothing can move them any more); it passes, and counts; it is lost, and ends once more with two legs that were done and one that
  // was back already. On the last branch all is as it was.
  async a_reorganisation_that_gives_a_request_back_and_takes_it_again (world) {
    const { venue } = world
    const identity = await world.identity(world.wallet(DIEGO))
    const gone = { from: world.deployer, to: world.registry, data: REGISTRY.encodeFunctionData('deleteIdentity', [world.wallet(DIEGO)]), gas: '0x7a120' }
    const before = await world.chain.getBlockNumber()
    world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
      world.rpc.pass()
      await world.asAgent(gone.to, gone.data)
      return ask()
    })
    const ids = [0, 1, 2].map(() => (world.next += 16))
    venue.trades(ids.map((id, i) => ({ id, token: PORT, seller: ATLANTIC, buyer: i === 2 ? DIEGO : CARLA, quantity: 100 + i })))
    await world.settled(ids.slice(0, 2))
    await world.until(ids.slice(2), "settlement_status = 'failed' AND total_attempts = 1")
    const requests = venue.sql(`SELECT DISTINCT request_id FROM chain.request_leg WHERE trade_id IN (${ids.join()}) ORDER BY 1`).split('\n')
    check(requests.length === 2, `requests ${requests}`)
    const [first, second] = requests.map(id => venue.sql(`SELECT '0x' || encode(raw, 'hex') FROM settle.attempt WHERE request_id = ${id}`))
    let forking = false
    const branch = async transactions => {
      forking = true
      const hash = async () => (await world.chain.getBlock(before + 1)).hash
      const was = await hash()
      do await venue.ask('reorg', await world.chain.getBlockNumber() - before, transactions); while (await hash() === was) // a block came between
      forking = false
    }
    const is = () => requests.map(id => venue.sql(`SELECT (SELECT string_agg(state || coalesce(' ' || fate, ''), ', ' ORDER BY attempt) FROM settle.attempt WHERE request_id = ${id}) || ': ' ||
      (SELECT string_agg(state, ' ' ORDER BY leg) FROM chain.request_leg WHERE request_id = ${id})`)).join('; ')
    // A block for every third look of the worker's: anvil knows the states of 64 blocks, those of branches that were left included.
    let looked = 0
    const looks = () => world.rpc.calls.eth_feeHistory ?? 0
    const mine = async () => { if (!forking && looks() >= looked + 3) { await world.mine(); looked = looks() } }
    const becomes = async (...states) => venue.until('the rows are as they should be', async () => { await mine(); return states.includes(is()) }).catch(error => { throw new Error(`${error.message}\n${is()}\nnot ${states}`) })
    const incidents = () => venue.sql(`SELECT kind, trade_id FROM settle.incident WHERE trade_id IN (${ids.join()}) ORDER BY incident_id`).split('\n').join()
    const hash = ethers.keccak256(first)
    world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
      if (ethers.Transaction.from(params[0]).data !== '0x') return ask()
      world.rpc.pass('eth_sendRawTransaction')
      world.rpc.take('eth_getTransactionReceipt', (asked, answer) => asked[0] === hash ? null : answer())
      await branch([[gone, 0], [first, 1]])
      return ask()
    })
    await branch([[first, 0]])
    await becomes('sent over: back back back; replaced cancel, dropped cancel: back back')
    check(incidents() === '', incidents())
    world.rpc.pass()
    await becomes('reverted over: back back back; replaced cancel, dropped cancel: back back')
    const told = `settled_but_lost|${ids[0]},settled_but_lost|${ids[1]}`
    check(incidents() === told, incidents())
    await branch([[first, 0]])
    await becomes('confirmed: done done back; replaced over, dropped over: back back')
    check(incidents() === `${told},moved_though_failed|${ids[2]}`, incidents())
    await branch([[gone, 0], [first, 1]])
    await becomes('reverted: back back back; replaced over, dropped over: back back')
    await branch([[gone, 0], [first, 1], [second, 2]])
    await becomes('reverted over: back back back; confirmed, replaced over: done done')
    check(incidents() === `${told},moved_though_failed|${ids[2]}`, incidents())
    for (const change of ["close_reason = 'seen', close_proposed_by = 'one', close_proposed_at = now()", "closed_by = 'two', closed_at = now()"])
      venue.sql(`UPDATE settle.incident SET ${change} WHERE trade_id IN (${ids.join()})`, 'lonja_admin')
    await world.onRegistry('registerIdentity', world.wallet(DIEGO), identity, 724)
    world.retry(ids.slice(2))
    await world.settled(ids.slice(2))
  },

  async a_token_that_is_paused (world) {
    await world.onToken('pause')
    const ids = world.trade(3)
    await world.until(ids, "settlement_status = 'failed' AND reason = 'paused' AND total_attempts = 0")
    await world.onToken('unpause')
    world.retry(ids)
    await world.settled(ids)
  },

  async a_buyer_who_is_not_registered (world) {
    const identity = await world.identity(world.wallet(DIEGO))
    await world.onRegistry('deleteIdentity', world.wallet(DIEGO))
    const bad = world.trade(1, { buyer: DIEGO })
    const good = world.trade(2)
    await world.settled(good)
    await world.until(bad, "settlement_status = 'failed' AND reason = 'not_registered_receiver' AND total_attempts = 0")
    await world.onRegistry('registerIdentity', world.wallet(DIEGO), identity, 724)
    world.retry(bad)
    await world.settled(bad)
  },

  async a_balance_that_is_not_there (world) {
    const has = await world.asksToken('balanceOf', world.wallet(DIEGO)) / 10n ** 16n
    const bad = world.trade(1, { seller: DIEGO, buyer: BALEAR, quantity: Number(has) + 1 })
    await world.until(bad, "settlement_status = 'failed' AND reason = 'balance' AND total_attempts = 0")
    await world.settled(world.trade(1, { buyer: DIEGO, quantity: 1 }))
    world.retry(bad)
    await world.settled(bad)
    // He has nothing left: the first unit of a wallet takes more gas, and its margin must not be in the way.
    await world.settled(world.trade(1, { seller: BALEAR, buyer: DIEGO, quantity: Number(has) }))
  },

  // What operators read is a table in the database; what is to stand there the code says, wherever it can write a reason.
  async every_reason_has_its_words (world) {
    const read = file => fs.readFileSync(path.join(root, file), 'utf8').replaceAll('\\\n', '')
    const words = (file, pattern, atLeast, not = []) => {
      const found = [...read(file).matchAll(pattern)].map(match => match[1]).filter(word => !not.includes(word))
      check(found.length >= atLeast, `${file}: ${found.length} reasons`)
      return found
    }
    const sources = fs.readdirSync(path.join(root, 'settlement')).filter(f => /^settle_.*\.[ch]$/.test(f) && !/_test\.c$|fake/.test(f)).map(f => `settlement/${f}`)
    const written = [...words('settlement/settle_plan.h', /#define SETTLE_REASON_\w+\s+"([^"]+)"/g, 30),
      ...words('chain/erc3643_precheck.h', /X\(\w+, \d+, "(\w+)"\)/g, 8, ['allowed']), ...words('chain/erc3643_token.h', /X\(\w+, "(\w+)"\)/g, 5, ['fit']),
      ...words('chain/signer.h', /X\(\w+, \d+, "(\w+)",\s*(?:true|false)\)/g, 19, ['signed']), ...words('settlement/settle_report.c', /return TROUBLE_(\w+);/g, 4, ['NONE']).map(name => name.toLowerCase()),
      ...sources.flatMap(file => words(file, /refuse\(\w+,\s*"(\w+): /g, 0)), ...sources.flatMap(file => words(file, /reason = '([\w ]+)'/g, 0)),
      ...world.venue.sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'incident_kind_check'").match(/'\w+'/g).map(w => w.slice(1, -1)),
      ...world.venue.sql("SELECT pg_get_viewdef('settle.lane'::regclass)").match(/'(worker_silent|contract_on_another_chain|incident)/g).map(w => w.slice(1))]
    check(written.includes('legs_malformed') && written.includes('moved_twice') && written.includes('worker_silent'), written.join(' '))
    const known = world.venue.sql('SELECT word FROM settle.reason_word').split('\n')
    const missing = [...new Set(written)].filter(word => !known.includes(word))
    check(missing.length === 0, `no words for ${missing.join(', ')}: a row of settle.reason_word`)
    const everywhere = [...sources, ...fs.readdirSync(path.join(root, 'schema/sql/deploy')).filter(f => f !== 'settle_words.sql').map(f => `schema/sql/deploy/${f}`)].map(read).join('\n')
    const idle = known.filter(word => !written.includes(word) && !new RegExp(`['"]${word}['":]`).test(everywhere))
    check(idle.length === 0, `nobody writes ${idle.join(', ')}`)
    const told = [...read('docs/operations.md').split('<!-- reasons')[1].split('\n## ')[0].matchAll(/^\| `([^`]+)` \| (.*) \| (.*) \|$/gm)].map(([, word, text, todo]) => `${word}|${text}|${todo === '–' ? '' : todo}`)
    const rows = world.venue.sql("SELECT concat_ws('|', word, words, coalesce(todo, '')) FROM settle.reason_word").split('\n')
    const differ = [...rows.filter(row => !told.includes(row)), ...told.filter(row => !rows.includes(row))]
    check(differ.length === 0, `docs/operations.md and settle.reason_word differ: ${differ.join('; ')}`)
  },

  // Two persons say that a trade was settled by a transaction of others: the chain is asked, they are not believed.
  async marks_that_name_a_transaction (world) {
    const { venue } = world
    await world.restartWorker('settle.confirmations=3')
    await world.onToken('setAddressFrozen', world.wallet(BALEAR), true)
    const [one, twin, other] = [5, 5, 6].flatMap(quantity => world.trade(1, { seller: BALEAR, buyer: DIEGO, quantity }))
    await world.until([one, twin, other], "settlement_status = 'failed' AND reason = 'frozen_sender'")
    const move = (quantity, buyer = DIEGO, status = 1) => world.asAgent(world.token,
      TOKEN.encodeFunctionData('forcedTransfer', [world.wallet(BALEAR), world.wallet(buyer), BigInt(quantity) * 10n ** 16n]), status)
    const mark = (id, hash) => venue.sql(`INSERT INTO settle.manual_mark (trade_id, outcome, tx_hash, reason, proposed_by) VALUES
      (${id}, 'settled_on_chain', '${hash}', 'by hand', 'one') RETURNING mark_id`, 'lonja_admin')
    const approve = id => venue.sql(`UPDATE settle.manual_mark SET approved_by = 'two', approved_at = now() WHERE mark_id = ${id}`, 'lonja_admin')
    const withdraw = id => venue.sql(`UPDATE settle.manual_mark SET withdrawn_by = 'two', withdrawn_at = now() WHERE mark_id = ${id}`, 'lonja_admin')
    const says = (id, problem) => venue.until(`mark ${id}: ${problem}`, () => venue.sql(`SELECT problem FROM settle.manual_mark WHERE mark_id = ${id} AND answered_at IS NULL`) === problem)
    const waits = async (trade, hash, problem) => {
      const id = mark(trade, hash)
      approve(id)
      await says(id, problem)
      return id
    }
    const isFailed = id => check(world.is([id], "settlement_status = 'failed'"), `trade ${id} was moved`)
    for (const [hash, problem] of [[() => `0x${'ab'.repeat(32)}`, 'transaction_not_found'], [() => move(1e9, DIEGO, 0), 'transaction_failed'],
      [() => move(5, CARLA), 'transaction_not_final'], [() => move(4), 'transaction_not_final']]) {
      const id = await waits(one, await hash(), problem)
      if (problem === 'transaction_not_final') {
        await world.mine(2)
        await says(id, 'transfer_not_in_transaction') // to somebody else; of another amount
      }
      isFailed(one)
      withdraw(id)
    }
    // A node that has no answer to this question: the mark waits, trades go on.
    const hash = await move(5)
    await world.mine(2)
    world.rpc.take('eth_getTransactionReceipt', (params, ask) => { if (params[0] === hash) throw new RpcError(-32000, 'no such index'); return ask() })
    const mine = await waits(one, hash, 'node_unavailable')
    const beside = world.trade(1)
    await world.until(beside, 'tx_hash IS NOT NULL')
    await world.mine(2)
    await world.settled(beside)
    // Where the index reads the token: not before it has come that far, and not what it has told the ledger.
    const block = Number((await world.chain.getTransactionReceipt(hash)).blockNumber)
    const log = (await world.chain.getTransactionReceipt(hash)).logs.find(l => l.topics.length === 3).index
    venue.sql(`INSERT INTO chain.index_source (chain_id, address, kind, token_asset, next_block, anchor_block) VALUES (31337, lower('${world.token}'), 'token', ${PORT}, 0, 0)`)
    world.rpc.pass()
    await says(mine, 'transfer_not_read_by_index')
    venue.sql(`WITH e AS (INSERT INTO chain.event_log (chain_id, tx_hash, log_index, block_number, block_hash, address, event_name, decoded_payload, state) VALUES
      (31337, '${hash}', ${log}, ${block}, '0x${'0'.repeat(64)}', '${world.token}', 'Transfer', '{}', 'confirmed') RETURNING event_id)
      INSERT INTO chain.transfer (event_id, chain_id, token_asset, block_number, from_address, to_address, amount, class, from_counted)
      SELECT event_id, 31337, ${PORT}, ${block}, '', '', 0, 'outside', true FROM e`)
    await says(mine, 'transfer_is_in_the_ledger')
    isFailed(one)
    venue.sql('DELETE FROM chain.transfer; DELETE FROM chain.event_log; DELETE FROM chain.index_source')
    await world.settled([one])
    check(venue.sql(`SELECT answer || ' ' || block_number || ' ' || log_index FROM settle.manual_mark WHERE mark_id = ${mine}`) === `done ${block} ${log}`, 'its evidence')
    check(venue.sql(`SELECT reason || ' ' || block_number FROM settle.trade WHERE trade_id = ${one}`) === `manual: by hand (one, two) ${block}`, 'its reason')
    // One Transfer settles one trade, whether by a mark or by a transaction of ours.
    withdraw(await waits(twin, hash, 'transfer_is_of_another_trade'))
    await world.onToken('setAddressFrozen', world.wallet(BALEAR), false)
    const [ours] = world.trade(1, { seller: BALEAR, buyer: DIEGO, quantity: 6 })
    await world.until([ours], 'tx_hash IS NOT NULL')
    await world.mine(2)
    await world.settled([ours])
    withdraw(await waits(other, venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${ours}`), 'transfer_is_of_another_trade'))
    isFailed(twin)
    const last = await waits(twin, await move(5), 'transaction_not_final')
    await world.mine(2)
    await world.settled([twin])
    check(venue.sql(`SELECT problem IS NULL AND answer = 'done' FROM settle.manual_mark WHERE mark_id = ${last}`) === 't', 'it is answered')
    // What is settled stays so.
    const late = mark(twin, hash)
    approve(late)
    await venue.until('it is refused', () => venue.sql(`SELECT answer FROM settle.manual_mark WHERE mark_id = ${late}`).startsWith('refused: ') ||
      venue.sql(`SELECT problem FROM settle.manual_mark WHERE mark_id = ${late}`) === 'transfer_is_of_another_trade')
    check(world.is([twin], `tx_hash <> '${hash}'`), 'its hash is final')
  },

  // What never moves is given up by two persons: held, or settled if a miner was faster; never both.
  async requests_that_two_persons_give_up (world) {
    const { venue } = world
    const propose = request => venue.sql(`INSERT INTO settle.abandonment (request_id, reason, proposed_by) VALUES (${request}, 'it is stuck', 'one') RETURNING abandonment_id`, 'lonja_admin')
    const approve = (id, who = 'two') => venue.sql(`UPDATE settle.abandonment SET approved_by = '${who}', approved_at = now() WHERE abandonment_id = ${id}`, 'lonja_admin')
    const state = id => venue.sql(`SELECT state FROM settle.abandonment_list WHERE abandonment = ${id}`, 'lonja_admin')
    const answer = id => venue.sql(`SELECT answer FROM settle.abandonment WHERE abandonment_id = ${id}`)
    const holds = (id, open) => venue.sql(`SELECT count(*) FROM settle.hold WHERE abandonment_id = ${id} AND (released_at IS NULL) = ${open}`)
    const bids = request => venue.sql(`SELECT count(*) FROM settle.attempt WHERE request_id = ${request} AND raw IS NOT NULL AND fate = 'abandon'`)
    const refused = change => { try { change() } catch { return true } return false }
    for (const isFaster of [false, true]) {
      await world.chain.send('evm_setAutomine', [false])
      const ids = world.trade(3)
      await world.until(ids, 'tx_hash IS NOT NULL')
      const [request, hash, nonce] = venue.sql(`SELECT a.request_id, a.tx_hash, a.nonce FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${ids[0]} AND a.state = 'sent'`).split('|')
      const id = propose(request)
      await sleep(400)
      check(state(id) === 'proposed' && bids(request) === '0', 'one person was enough')
      check(refused(() => approve(id, 'one')), 'the same person decided twice')
      // A miner that does not hear of the empty one has the one before.
      if (isFaster) world.rpc.take('eth_sendRawTransaction', params => ethers.keccak256(params[0]))
      approve(id)
      await venue.until('an empty one takes its place', () => bids(request) === '2')
      check(holds(id, true) === '3' && state(id) === 'ending', `${holds(id, true)} holds`)
      await venue.until('it is answered', async () => { await world.mine(); return answer(id) !== '' })
      world.rpc.pass()
      await world.chain.send('evm_setAutomine', [true])
      const receipt = await world.chain.getTransactionReceipt(hash)
      check(venue.sql(`SELECT count(DISTINCT nonce) FROM settle.attempt WHERE request_id = ${request}`) === '1', 'another nonce was used')
      if (isFaster) {
        check(answer(id) === 'refused: its transaction was mined after all' && receipt.status === 1 && holds(id, true) === '0', answer(id))
        check(world.is(ids, `settlement_status = 'settled' AND tx_hash = '${hash}'`), 'it was mined, and is not settled')
        continue
      }
      check(answer(id) === 'done' && receipt === null, `${answer(id)}, ${JSON.stringify(receipt)}`)
      await sleep(500) // claims go by
      check(world.is(ids, "settlement_status = 'pending' AND reason IN ('abandoned', 'held') AND total_attempts = 0") && holds(id, true) === '3', 'not held')
      venue.sql(`UPDATE settle.hold SET released_by = 'one', released_at = now(), release_reason = 'again' WHERE abandonment_id = ${id}`, 'lonja_admin')
      await world.settled(ids)
      check(Number(venue.sql(`SELECT max(nonce) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${ids[0]}`)) > Number(nonce), 'the same nonce')
    }
    // Nothing of it is signed, or nothing of it is open.
    await world.end(world.worker, 'SIGTERM')
    const unsigned = venue.sql(`INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, token_asset) VALUES ('given up', 'burn', 31337, '${world.token}', ${PORT}) RETURNING request_id`)
    const ended = venue.sql("SELECT max(request_id) FROM settle.attempt WHERE state = 'confirmed'")
    const both = [unsigned, ended].map(request => { const id = propose(request); approve(id); return id })
    world.startWorker()
    await venue.until('they are answered', () => both.every(id => answer(id) !== ''))
    check(venue.sql("SELECT count(*) FROM chain.gas_transaction g JOIN settle.attempt a USING (tx_hash) WHERE a.calldata = '' AND g.operation <> 'cancel_nonce'") === '0', 'an empty transaction is booked as a transfer')
    check(answer(both[0]) === 'done' && venue.sql(`SELECT state || ' ' || reason FROM chain.chain_request WHERE request_id = ${unsigned}`) === 'rejected abandoned: it is stuck (one, two)', 'it waits')
    check(answer(both[1]) === 'refused: nothing of it is under way', answer(both[1]))
  },

  async what_operators_see_of_a_trade_on_its_way (world) {
    const one = text => JSON.parse(world.venue.sql(text, 'lonja_admin'))
    const lane = () => one(`SELECT row_to_json(l) FROM settle.lane l WHERE token = ${PORT}`)
    const isLane = (state, reason) => world.venue.until(`lane is ${state}, ${reason}`, () => lane().state === state && lane().reason === reason)
    await world.restartWorker('settle.confirmations=4')
    await isLane('running', null)
    const key = (await world.key(4)).toLowerCase()
    const theSigner = () => one(`SELECT row_to_json(s) FROM settle.signer_lane s WHERE lower(s.signer) = '${key}'`)
    world.rpc.take('eth_sendRawTransaction', params => ethers.keccak256(params[0])) // taken, and lost
    const [id] = world.trade()
    const seen = () => one(`SELECT row_to_json(p) FROM settle.progress p WHERE trade = ${id}`)
    const deep = n => world.venue.until(`${n} of 4`, () => seen().step === 'mined' && seen().confirmations === n && seen().confirmations_needed === 4)
    await world.venue.until('it is sent', () => seen().step === 'sent' && theSigner().open_nonces === 1)
    world.rpc.pass()
    await deep(1)
    check(/^0x[0-9a-f]{64}$/.test(seen().tx_hash) && seen().status === 'processing', JSON.stringify(seen()))
    const signer = theSigner()
    const { workers } = one('SELECT status FROM settle.status')
    check(signer.open_nonces === 0 && signer.next_nonce === await world.chain.getTransactionCount(ethers.getAddress(signer.signer)), JSON.stringify(signer))
    check(workers[0].endpoints.every(e => e.state === 'up'), JSON.stringify(workers))
    await world.mine(2)
    await deep(3)
    await world.mine()
    await world.settled([id])
    check(seen().step === 'settled' && seen().confirmations === null, JSON.stringify(seen()))
    const { gas } = one('SELECT status FROM settle.status')
    check(gas.transactions > 0 && gas.gas_used > 21000 && BigInt(gas.fee_wei) > 0n, JSON.stringify(gas))

    world.rpc.take('eth_blockNumber', () => { throw new Error('gone') })
    await isLane('halted', 'node_unavailable')
    world.rpc.pass()
    await isLane('running', null)
    await world.end(world.worker)
    world.venue.sql("UPDATE settle.worker SET due_at = now() - interval '1 second'")
    check(lane().state === 'halted' && lane().reason === 'worker_silent', JSON.stringify(lane()))
    world.startWorker()
    await isLane('running', null)
  },

  async a_signer_that_is_gone (world) {
    await world.end(world.signer)
    const ids = world.trade(3)
    await sleep(1000) // they are claimed, or wait to be: the signer is asked about its nonces first
    check(world.is(ids, "settlement_status IN ('pending', 'processing') AND tx_hash IS NULL"), 'something was signed without a signer')
    world.startSigner()
    await world.settled(ids)
  },

  async a_database_that_is_gone_between_commit_and_broadcast (world) {
    for (const isSent of [false, true]) {
      let raw
      world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
        world.rpc.pass()
        if (isSent) await ask()
        raw = params[0]
        throw new Error('nobody hears of it')
      })
      const ids = world.trade(1)
      await world.venue.until('it is broadcast', () => raw)
      // The bytes are with the world: they must be with the database, whatever befalls it now.
      await world.pg.set('refuse')
      process.kill(Number(fs.readFileSync(path.join(world.venue.folder, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGQUIT')
      await world.venue.until('Postgres has gone', () => !fs.existsSync(path.join(world.venue.folder, 'postgres/data/postmaster.pid')) || !isPostgresThere(world))
      world.venue.services('start')
      await world.pg.set('pass')
      check(world.venue.sql(`SELECT count(*) FROM settle.attempt WHERE raw = '\\x${raw.slice(2)}'`) === '1', 'bytes were broadcast that no row has')
      await world.settled(ids)
    }
  },

  async a_database_whose_answers_are_lost (world) {
    const ids = []
    for (let round = 0; round < 4; round++) {
      ids.push(...world.trade(3))
      await sleep(30 + 40 * round)
      await world.pg.set(round % 2 === 0 ? 'deaf' : 'cut')
      await sleep(300)
      await world.pg.set('refuse')
      await world.pg.set('pass')
    }
    await world.settled(ids)
  },

  // The signed bytes wait, and go out as soon as somebody has filled the account.
  async a_signer_that_has_no_money_for_gas (world) {
    const signer = await world.key()
    const money = await world.chain.send('eth_getBalance', [signer, 'latest'])
    await world.venue.ask('setBalance', signer, '0x1')
    const ids = world.trade(2)
    await world.venue.until('the bytes are signed', () => world.venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${ids[0]} AND a.state = 'signed'`) === '1')
    await sleep(1000)
    check(world.is(ids, "settlement_status = 'processing' AND tx_hash IS NULL"), 'sent, though there is no money')
    await world.venue.ask('setBalance', signer, money)
    await world.settled(ids)
  },

  async fees_that_spike (world) {
    const gwei = 10n ** 9n
    await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + (900n * gwei).toString(16))
    await world.mine()
    // The worker has asked for the price behind this block, and has begun another pass.
    const asked = () => world.rpc.calls.eth_feeHistory ?? 0
    const seen = asked()
    await world.venue.until('the price is seen', () => asked() >= seen + 3)
    const ids = world.trade(2)
    await world.until(ids, "settlement_status = 'pending' AND reason = 'fee_above_cap' AND total_attempts = 0")
    await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + gwei.toString(16))
    await world.mine()
    await world.settled(ids)
    // Sent, and then the price of a block goes up: a higher bid of the same call at the same nonce.
    await world.chain.send('evm_setAutomine', [false])
    const [late] = world.trade(1)
    await world.until([late], 'tx_hash IS NOT NULL')
    for (let block = 0; block < 4; block++) {
      await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + (100n * gwei).toString(16))
      await world.mine()
      await sleep(400)
    }
    await world.venue.until('there is a higher bid', () => Number(world.venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${late} AND a.raw IS NOT NULL`)) > 1)
    await world.chain.send('evm_setAutomine', [true])
    await world.venue.until('and it settles', async () => { await world.mine(); return world.is([late], "settlement_status = 'settled'") })
    check(world.venue.sql(`SELECT count(DISTINCT (nonce, calldata)) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${late}`) === '1', 'a higher bid changed nonce or call')
    // At the highest fee: operators see it, and the next worker, who says nothing new. Then it goes on by itself.
    await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + gwei.toString(16))
    await world.mine()
    await world.chain.send('evm_setAutomine', [false])
    const [stuck] = world.trade(1)
    await world.until([stuck], 'tx_hash IS NOT NULL')
    // Of the bid that it has, or of a last higher one that the node does not take.
    const stands = () => world.venue.sql(`SELECT a.reason || ' ' || r.reason || ' ' || a.updated_at || ' ' || settle.trade_waits(${stuck}, ${PORT}) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) JOIN chain.chain_request r USING (request_id)
      WHERE l.trade_id = ${stuck} AND a.state IN ('signed', 'sent') AND a.reason IS NOT NULL`)
    // Blocks pass without it, of which the first may be there before the worker has looked.
    await world.venue.until('it says that it stands', async () => {
      await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + (900n * gwei).toString(16))
      await world.mine()
      return /^no_higher_bid no_higher_bid .* no_higher_bid$/.test(stands())
    })
    const before = stands()
    await world.end(world.worker)
    world.startWorker()
    await sleep(2500)
    check(stands() === before, `it said ${before}, now ${stands()}`)
    await world.venue.ask('setNextBlockBaseFeePerGas', '0x' + gwei.toString(16))
    await world.chain.send('evm_setAutomine', [true])
    await world.mine()
    await world.settled([stuck])
    check(world.venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${stuck} AND a.reason = 'no_higher_bid'`) === '0', 'it still says so')
  },

  // Base's: beside the gas, and in what a transaction is booked to have cost.
  async a_price_on_top_of_the_gas (world) {
    const { venue } = world
    world.rpc.take('eth_getTransactionReceipt', async (params, ask) => { const r = await ask(); return r && { ...r, l1Fee: '0x1234567890' } })
    const ids = world.trade(1)
    await world.settled(ids)
    const where = `FROM chain.gas_transaction WHERE tx_hash = (SELECT tx_hash FROM settle.trade WHERE trade_id = ${ids[0]})`
    check(venue.sql(`SELECT fee_wei - gas_used * gas_price_wei ${where}`) === `${0x1234567890}`, venue.sql(`SELECT fee_wei, gas_used, gas_price_wei ${where}`))
    venue.sql('UPDATE chain.gas_transaction SET l1_fee_wei = 0') // the node that a rebuild asks knows nothing of it
  },

  // The other endpoint tells the truth: nobody is paid twice, and nobody who was paid is called failed.
  async a_node_that_lies_beside_an_honest_one (world) {
    await world.restartWorker(`settle.rpc_url=${world.rpc.url},${world.venue.env.RPC_URL}`)
    const lies = [
      ['eth_getTransactionReceipt', async () => null], // nothing is ever mined
      ['eth_getTransactionReceipt', async (params, ask) => { const r = await ask(); return r && { ...r, logs: [] } }],
      ['eth_getTransactionReceipt', async (params, ask) => { const r = await ask(); return r && { ...r, status: '0x0', logs: [] } }],
      ['eth_getTransactionReceipt', async (params, ask) => { const r = await ask(); return r && { ...r, transactionHash: ethers.ZeroHash } }],
      ['eth_getTransactionCount', async (params, ask) => '0x' + (Number(await ask()) + 5).toString(16)],
      ['eth_getTransactionCount', async () => '0x0'],
      ['eth_chainId', async () => '0x1'],
      ['eth_blockNumber', async () => RAW('{"jsonrpc":"2.0","id":1,"result":')],
      ['eth_call', async () => '0x'],
      ['eth_call', async () => '0x' + 'ff'.repeat(32)],
      ['eth_estimateGas', async () => '0x' + 'ff'.repeat(33)],
      ['eth_getBlockByNumber', async () => RAW('[' + '0'.repeat(1 << 20))]
    ]
    for (const [index, [method, lie]] of lies.entries()) {
      world.rpc.take(method, lie)
      const ids = world.trade(2)
      await sleep(400)
      world.rpc.pass()
      await world.venue.until(`the truth ends it (${index}: ${method})`, () => world.is(ids, "settlement_status = 'settled'"))
    }
  },

  // What cannot be the token that the rows take it for is not signed for; what only pretends to have moved has not settled.
  async contracts_that_are_none_or_lie_and_rows_that_do_not_fit (world) {
    const { venue } = world
    const [nobody, yes, liar] = ['0x00000000000000000000000000000000000000B1', '0x00000000000000000000000000000000000000B2', '0x00000000000000000000000000000000000000b3'].map(a => ethers.getAddress(a.toLowerCase()))
    await world.restartWorker('settle.http_timeout_ms=10000')
    await venue.ask('setCode', yes, '0x60015f5260205ff3') // 1, whatever is asked
    await venue.ask('setCode', liar, pretender(world.token))
    const signed = () => venue.sql('SELECT count(*) FROM settle.attempt WHERE signed_at IS NOT NULL')
    const failed = (ids, reason) => world.until(ids, `settlement_status = 'failed' AND reason = '${reason}' AND total_attempts = 0`)
    const withToken = async (change, back, reason) => {
      const before = signed()
      venue.sql(change)
      const ids = world.trade(2)
      await failed(ids, reason)
      check(signed() === before, `${reason}: something was signed`)
      venue.sql(back)
      world.retry(ids)
      await world.settled(ids)
    }
    const token = value => `UPDATE people.token SET contract_address = '${value}' WHERE asset_id = ${PORT}`
    await withToken(token(nobody), token(world.token), 'no_contract')
    await withToken(token(yes), token(world.token), 'decimals_differ')
    await withToken(token(world.registry), token(world.token), 'contract_is_no_token')
    const wrong = [...world.token].map((c, i) => i > 1 && /[a-zA-Z]/.test(c) ? (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()) : c).join('')
    await withToken(token(wrong), token(world.token), 'address_checksum_wrong')
    const wallet = world.wallet(CARLA)
    const own = value => `UPDATE people.account SET wallet_address = '${value}' WHERE account_id = ${CARLA}`
    await withToken(own([...wallet].map((c, i) => i > 1 ? (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()) : c).join('')), own(wallet), 'address_checksum_wrong')
    const decimals = n => `UPDATE people.token SET decimals = ${n} WHERE asset_id = ${PORT}`
    await withToken(decimals(17), decimals(18), 'decimals_differ')
    for (const [field, value] of [['decimals', '37'], ['decimals', '-1'], ['contract_address', "'0x12'"], ['contract_address', `'${world.token}0'`], ['chain_id', '0']]) {
      let said = ''
      try { venue.sql(`UPDATE people.token SET ${field} = ${value} WHERE asset_id = ${PORT} /* refused */`) } catch (error) { said = String(error) }
      check(/psql|Command failed/.test(said), `${field} = ${value} was taken`)
    }
    // It answers every question as the token does, says that it has moved, and has not.
    const rules = JSON.parse(venue.policy)
    venue.writePolicy(JSON.stringify({ ...rules, allow: [...rules.allow, { contract: liar, methods: ['forcedTransfer', 'batchForcedTransfer'] }] }))
    venue.sql(token(liar))
    const [id] = world.trade()
    const incident = await (async () => {
      await venue.until('it is an incident', () => venue.sql(`SELECT count(*) FROM settle.incident WHERE kind = 'not_the_planned_transfer' AND token_asset = ${PORT} AND closed_at IS NULL`) !== '0')
      return venue.sql(`SELECT max(incident_id) FROM settle.incident WHERE token_asset = ${PORT} AND closed_at IS NULL`)
    })()
    check(venue.count(`trade_id = ${id} AND settlement_status <> 'settled' AND total_attempts > 0`) === 1, 'it was believed')
    const [next] = world.trade()
    await world.until([next], "settlement_status = 'pending' AND reason = 'held'") // the token stands still
    venue.sql(token(world.token))
    venue.writePolicy(venue.policy)
    venue.sql(`UPDATE settle.incident SET close_reason = 'the row was wrong', close_proposed_by = 'one', close_proposed_at = now() WHERE incident_id = ${incident}`, 'lonja_admin')
    venue.sql(`UPDATE settle.incident SET closed_by = 'two', closed_at = now() WHERE incident_id = ${incident}`, 'lonja_admin')
    if (venue.count(`trade_id = ${id} AND settlement_status = 'failed'`) === 1) world.retry([id])
    await world.settled([id, next])
  },

  // It is the only one, and nobody contradicts it: what no transaction shows is not believed, and no nonce is left out.
  async a_node_alone_that_counts_nonces_wrong (world) {
    const { venue } = world
    const nonces = () => venue.sql('SELECT max(nonce) - min(nonce) + 1 - count(*) FROM settle.nonce GROUP BY signer_address')
    const gaps = () => venue.sql("SELECT count(*) FROM chain.chain_request WHERE operation = 'cancel_nonce'")
    const before = gaps()
    await world.settled(world.trade(1))
    for (const lie of [n => n + 5, n => n + 1e9, n => n - 1, n => 0]) {
      for (const often of [1, 7, Infinity]) {
        let left = often
        world.rpc.take('eth_getTransactionCount', async (params, ask) => {
          const count = Number(await ask())
          return '0x' + (left-- > 0 ? Math.max(lie(count), 0) : count).toString(16)
        })
        const ids = world.trade(1)
        await sleep(250) // over two ticks: it lies to a worker that rests, too
        ids.push(...world.trade(2))
        await venue.until(`they settle, whatever it counts (${lie}, ${often})`, () => world.is(ids, "settlement_status = 'settled' AND total_attempts = 0"), LOOK_S)
        await venue.until('it is asked so often', () => left <= 0 || often === Infinity, LOOK_S)
      }
    }
    // What is lost on its way meanwhile is sent again.
    for (const lie of [n => n + 5, n => 0]) {
      world.rpc.take('eth_getTransactionCount', async (params, ask) => '0x' + lie(Number(await ask())).toString(16))
      world.rpc.take('eth_sendRawTransaction', params => { world.rpc.pass('eth_sendRawTransaction'); return ethers.keccak256(params[0]) })
      await world.settled(world.trade(1), LOOK_S)
    }
    world.rpc.pass()
    check(nonces().split('\n').every(left => left === '0') && gaps() === before, `nonces were left out (${nonces()}), or given up`)
    // Three that were counted for somebody else's transactions, which are gone: filled, though no block comes before that.
    venue.sql(`UPDATE settle.signer SET nonce_floor = (SELECT max(nonce) + 4 FROM settle.nonce n WHERE n.signer_address = settle.signer.signer_address)
      WHERE signer_address = (SELECT signer_address FROM settle.attempt ORDER BY attempt_id DESC LIMIT 1)`)
    await world.settled(world.trade(1), LOOK_S)
    check(nonces().split('\n').every(left => left === '0') && Number(gaps()) === Number(before) + 3, `nonces were left out (${nonces()})`)
  },

  // It is the only one, and is not to be believed: nothing is signed or final on what it says, the reason is told in words, memory
  // stays, and as soon as it is well again everything goes on by itself. (Some twenty more ways: settle_hostile_test.)
  async a_node_alone_that_talks_nonsense (world) {
    const { venue } = world
    const signed = () => venue.sql('SELECT count(*) FROM settle.attempt WHERE raw IS NOT NULL')
    const log = () => fs.readFileSync(path.join(venue.folder, 'settle.log'), 'utf8')
    await world.restartWorker(`settle.http_timeout_ms=${SHORT_MS}`, `settle.rpc_timeout_ms=${2 * SHORT_MS}`)
    const memory = what => Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(fs.readFileSync(`/proc/${world.worker.pid}/status`, 'utf8'))[1]) / 1024
    const before = memory('VmRSS')
    const told = new Set()
    for (const [name, { spoil, says, trouble = 'node_unavailable' }] of Object.entries(ALL ? NONSENSE : someNonsense())) {
      await world.chain.send('evm_setAutomine', [false])
      const open = world.trade(1)
      await world.until(open, 'tx_hash IS NOT NULL')
      const [count, said] = [signed(), log().length]
      world.rpc.spoil = spoil
      await world.mine()
      const waiting = world.trade(1)
      await venue.until(`it says what is wrong (${name})`, () => says.test(log().slice(said)))
      if (!told.has(trouble)) await venue.until(`operators see it (${name})`, () => venue.sql(`SELECT trouble || ' ' || reason FROM settle.worker, settle.lane WHERE token = ${PORT}`) === `${trouble} ${trouble}`)
      told.add(trouble)
      check(signed() === count && !world.is(open, "settlement_status = 'settled'") && world.is(waiting, "settlement_status <> 'settled' AND tx_hash IS NULL"), `${name}: it was believed`)
      world.rpc.spoil = null
      await world.chain.send('evm_setAutomine', [true])
      await world.mine()
      const well = Date.now()
      await world.settled([...open, ...waiting])
      if (process.env.TELL) console.log(`# ${name}: well again after ${Date.now() - well} ms, ${memory('VmRSS')} MiB, at most ${memory('VmHWM')}`)
      check(world.worker.exitCode === null && world.worker.signalCode === null, `${name}: the worker has ended`)
    }
    check(memory('VmRSS') - before < 64 && memory('VmHWM') - before < 256, `${before} MiB before, ${memory('VmRSS')} after, ${memory('VmHWM')} at most`)
  },

  // Five transactions of the old key are open. It finishes them, bids included; what is new is the new key's.
  async a_key_that_is_rotated_while_transactions_are_open (world) {
    const { venue } = world
    const key = (...words) => execFileSync(path.join(bin, 'lonja-key'), ['rotate', '--keystore', path.join(venue.folder, 'secrets/settlement-key.json'),
      '--passphrase-file', path.join(venue.folder, 'secrets/settlement-key.pass'), ...words], { encoding: 'utf8' })
    const gwei = 10n ** 9n
    await world.restartWorker('settle.batch_max=1')
    await world.settled(world.trade(1))
    const old = venue.sql('SELECT signer_address FROM settle.attempt ORDER BY attempt_id DESC LIMIT 1')
    const next = /0x[0-9a-fA-F]{40}/.exec(key())[0]
    await world.onToken('addAgent', next)
    await world.chain.send('eth_sendTransaction', [{ from: world.deployer, to: next, value: '0x' + (10n ** 19n).toString(16) }])
    await world.chain.send('evm_setAutomine', [false])
    const ids = world.trade(5)
    await world.until(ids, 'tx_hash IS NOT NULL')
    await world.end(world.signer)
    const after = world.trade(2) // prepared for the old key, if it is taken before the worker knows that the signer is gone
    key('--activate')
    world.startSigner()
    await world.until(after, 'tx_hash IS NOT NULL', LOOK_S) // the new key's past is looked through
    const signers = which => venue.sql(`SELECT DISTINCT a.signer_address FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE a.raw IS NOT NULL AND l.trade_id IN (${which.join()})`)
    check(signers(after) === next.toLowerCase(), `what is new is signed by ${signers(after)}, not by ${next}\n${venue.sql(`SELECT l.trade_id, a.attempt_id, a.attempt, a.nonce, a.signer_address, a.state, a.raw IS NOT NULL AS signed, a.reason FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id IN (${[...ids, ...after].join()}) ORDER BY 2`)}`)
    // Blocks pass without them: higher bids, of the same key.
    const bids = () => venue.sql(`SELECT '0x' || encode(a.raw, 'hex') FROM settle.attempt a JOIN chain.request_leg l USING (request_id) WHERE l.trade_id = ${ids[0]} AND a.raw IS NOT NULL`).split('\n')
    await venue.until('the oldest is bid up', async () => {
      await venue.ask('setNextBlockBaseFeePerGas', '0x' + (100n * gwei).toString(16))
      await world.mine()
      return bids().length > 1
    })
    for (const raw of bids()) check(ethers.Transaction.from(raw).from.toLowerCase() === old, `a bid for the old key's nonce is of ${ethers.Transaction.from(raw).from}`)
    await venue.ask('setNextBlockBaseFeePerGas', '0x' + gwei.toString(16))
    await world.chain.send('evm_setAutomine', [true])
    await venue.until('all settle', async () => { await world.mine(); return world.is([...ids, ...after], "settlement_status = 'settled'") })
    check(signers(ids) === old && world.is([...ids, ...after], 'total_attempts = 0'), 'an open transaction changed hands, or was used up')
  },

  async a_key_that_is_changed (world) {
    const keys = () => Number(world.venue.sql('SELECT count(DISTINCT signer_address) FROM settle.nonce'))
    const before = keys()
    await world.end(world.worker, 'SIGTERM')
    await world.end(world.signer)
    const { folder } = world.venue
    for (const file of fs.readdirSync(path.join(folder, 'secrets')).filter(name => name.startsWith('settlement-key.'))) fs.renameSync(path.join(folder, 'secrets', file), path.join(folder, 'secrets', `old-${file}`))
    fs.renameSync(path.join(folder, 'sign/sign.log'), path.join(folder, 'sign/old-sign.log'))
    world.venue.deploy()
    world.startSigner()
    world.startWorker()
    await world.settled(world.trade(3))
    check(keys() === before + 1, 'the new key has no counter of its own')
  },

  // A database that took over from one which had committed more. What it has forgotten is in the signer's log, in the pool,
  // or mined; it comes back, and nothing moves twice.
  async a_database_that_has_forgotten_its_last_commits (world) {
    const { venue } = world
    // `forget` is the SQL of what is lost of the trades `ids` and the attempts behind `last`.
    const stale = (forget) => venue.sql(`BEGIN; SET LOCAL session_replication_role = replica; ${forget}; COMMIT`)
    const settledOnce = async (what, forget, mined) => {
      await world.chain.send('evm_setAutomine', [false])
      const last = venue.sql('SELECT coalesce(max(attempt_id), 0) FROM settle.attempt')
      const ids = [...world.trade(2, { quantity: 3 })]
      await world.until(ids, 'tx_hash IS NOT NULL')
      ids.push(...world.trade(3, { seller: BALEAR, quantity: 2 }))
      await world.until(ids, 'tx_hash IS NOT NULL')
      const before = venue.sql(`SELECT attempt_id, request_id, nonce, md5(raw), tx_hash FROM settle.attempt WHERE attempt_id > ${last} ORDER BY 1`)
      await world.end(world.worker)
      if (mined) await world.mine()
      stale(forget(last, ids.join()))
      await world.chain.send('evm_setAutomine', [true])
      world.startWorker()
      await venue.until(`${what}: they are settled`, async () => { await world.mine(); return world.is(ids, "settlement_status = 'settled' AND settlement_type = 'on_chain'") }, 30)
      const after = venue.sql(`SELECT attempt_id, request_id, nonce, md5(raw), tx_hash FROM settle.attempt WHERE attempt_id > ${last} ORDER BY 1`)
      check(after === before, `${what}: attempts differ:\n${difference(before, after)}`)
      check(world.is(ids, 'total_attempts = 0'), `${what}: an attempt was used`)
    }
    const attempts = (last, ids) => `DELETE FROM settle.attempt WHERE attempt_id > ${last};
      DELETE FROM settle.nonce n WHERE NOT EXISTS (SELECT FROM settle.attempt a WHERE a.nonce = n.nonce AND a.signer_address = n.signer_address);
      UPDATE chain.chain_request r SET state = 'prepared', attempts = 0 FROM chain.request_leg l WHERE l.request_id = r.request_id AND l.trade_id IN (${ids});
      UPDATE settle.trade SET tx_hash = NULL WHERE trade_id IN (${ids})`
    const claims = (last, ids) => `${attempts(last, ids)};
      CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT DISTINCT request_id FROM chain.request_leg WHERE trade_id IN (${ids});
      DELETE FROM chain.transfer_check WHERE request_id IN (SELECT request_id FROM gone); DELETE FROM chain.request_leg WHERE request_id IN (SELECT request_id FROM gone);
      DELETE FROM chain.chain_request WHERE request_id IN (SELECT request_id FROM gone);
      SELECT setval('chain.chain_request_request_id_seq', (SELECT min(request_id) FROM gone)); SELECT setval('settle.attempt_attempt_id_seq', ${last});
      UPDATE settle.trade SET settlement_status = 'pending' WHERE trade_id IN (${ids});
      DELETE FROM settle.trade_settlement_history WHERE trade_id IN (${ids}) AND from_status IS NOT NULL`
    const signature = (last, ids) => `UPDATE settle.attempt SET state = 'prepared', raw = NULL, tx_hash = NULL WHERE attempt_id = (SELECT max(attempt_id) FROM settle.attempt);
      UPDATE chain.chain_request r SET state = 'prepared', attempts = 0 FROM settle.attempt a WHERE a.request_id = r.request_id AND a.state = 'prepared'`
    await settledOnce('signatures', signature, false)
    await settledOnce('attempts, mined', attempts, true)
    for (const mined of [false, true]) await settledOnce(`claims, mined: ${mined}`, claims, mined)
    // A request of nobody's trade is found by its bytes.
    venue.writePolicy(venue.policy.replace('"forcedTransfer"', '"forcedTransfer", "setAddressFrozen"'))
    await world.chain.send('evm_setAutomine', [false])
    const request = venue.sql(`BEGIN; INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, token_asset, arguments)
      VALUES ('freeze', 'set_address_frozen', 31337, '${world.token}', ${PORT}, '{"frozen": true}'); INSERT INTO chain.request_leg (request_id, leg, to_address, amount)
      SELECT max(request_id), 0, '${world.wallet(DIEGO)}', 0 FROM chain.chain_request RETURNING request_id; COMMIT`)
    const state = () => venue.sql(`SELECT state FROM chain.chain_request WHERE request_id = ${request}`)
    await venue.until('it is sent', () => state() === 'sent')
    await world.end(world.worker)
    const sent = venue.sql(`SELECT tx_hash FROM settle.attempt WHERE request_id = ${request}`)
    stale(`DELETE FROM settle.nonce WHERE request_id = ${request}; DELETE FROM settle.attempt WHERE request_id = ${request};
      UPDATE chain.chain_request SET state = 'prepared', attempts = 0 WHERE request_id = ${request}`)
    await world.chain.send('evm_setAutomine', [true])
    world.startWorker()
    await venue.until('it is confirmed', async () => { await world.mine(); return state() === 'confirmed' })
    check(venue.sql(`SELECT tx_hash FROM settle.attempt WHERE request_id = ${request}`) === sent, 'another transaction has done it')
    await world.onToken('setAddressFrozen', world.wallet(DIEGO), false)
  },

  // Two wallets trade to and fro: with the option on, what they owe each other moves once, or not at all.
  async two_wallets_that_trade_to_and_fro (world) {
    says(world.venue.netting(['PORT', 'on']), 0, /PORT: netting on/)
    const moves = () => Number(world.venue.sql('SELECT count(*) FROM settle.attempt'))
    const before = moves()
    const ids = toAndFro(world, 20)
    await netted(world, ids)
    check(moves() === before + 1, `${moves() - before} transactions`)
    const [net] = nets(world, ids)
    check(net.trades === 20 && net.amount === String(10n * 10n ** 16n) && net.net_id === String(ids[0]), JSON.stringify(net))
    check(world.venue.count(`net_id = ${ids[0]} AND tx_hash IS NOT NULL AND reason IS NULL`) === 20, 'not all of them say which net')
    check(Number(world.venue.sql(`SELECT count(*) FROM chain.transfer_check c JOIN chain.request_leg l USING (request_id, leg) WHERE l.net_id = ${ids[0]} AND c.stage = 'before_signing' AND c.verdict = 'allowed'`)) === 20, 'a trade without evidence')

    const zero = world.trade(2, { quantity: 40 }).concat(world.trade(1, { seller: CARLA, buyer: ATLANTIC, quantity: 80 }))
    await netted(world, zero)
    check(moves() === before + 1 && world.is(zero, "tx_hash IS NULL AND reason = 'net_zero'"), 'a net of zero has a transaction')
    await agreesWithNets(world)

    says(world.venue.netting(['PORT', 'off']), 0, /PORT: netting off/)
    const gross = toAndFro(world, 6)
    await world.settled(gross)
    check(nets(world, gross).length === 0, 'netted, though the option is off')
  },

  // A module that counts transfers: the option is refused, and where it was on already nothing is netted.
  async a_module_that_forbids_netting (world) {
    const { compliance } = world
    const { bytecode } = JSON.parse(fs.readFileSync(path.join(artifactsFolder, 'contracts/compliance/modular/modules/TimeTransfersLimitsModule.sol/TimeTransfersLimitsModule.json'), 'utf8'))
    const hash = await world.chain.send('eth_sendTransaction', [{ from: world.deployer, data: bytecode, gas: '0x7a1200' }])
    await world.venue.until('the module is there', () => world.chain.getTransactionReceipt(hash))
    const module = (await world.chain.getTransactionReceipt(hash)).contractAddress
    says(world.venue.netting([]), 0, /^PORT +off +may be netted$/m)
    await world.asAgent(compliance, COMPLIANCE.encodeFunctionData('addModule', [module]))
    const word = new RegExp(`netting_module_not_reviewed: TimeTransfersLimitsModule ${module.toLowerCase()}`, 'i')
    says(world.venue.netting(['PORT', 'on']), 1, word)
    says(world.venue.netting([]), 0, /^PORT +off +netting_module_not_reviewed/m)
    says(world.venue.netting(['NONE', 'on']), 1, /NONE is no token of this chain/)
    says(world.venue.netting(['PORT', 'perhaps']), 2, /Usage/)
    netting(world, true) // it was on before the module came
    await world.settled(toAndFro(world, 4))
    check(word.test(world.venue.sql(`SELECT refused FROM settle.netting WHERE token_asset = ${PORT}`, 'lonja_admin')), 'it is not said why')
    await world.restartWorker(`settle.netting_modules=MaxBalanceModule,${module}`)
    await netted(world, toAndFro(world, 4))
    check(world.venue.sql(`SELECT refused IS NULL FROM settle.netting WHERE token_asset = ${PORT}`) === 't', 'it is still said why')
  },

  // Between the simulation and the block the buyer's identity goes: nobody fails, each trade goes by itself.
  async a_net_that_reverts (world) {
    const identity = await world.identity(world.wallet(CARLA))
    netting(world, true)
    world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
      world.rpc.pass()
      await world.onRegistry('deleteIdentity', world.wallet(CARLA))
      // Hardhat answers with the revert of what it has mined.
      try { return await ask() } finally { await world.onRegistry('registerIdentity', world.wallet(CARLA), identity, 724) }
    })
    const ids = toAndFro(world, 5)
    await world.settled(ids)
    check(world.is(ids, 'total_attempts = 0 AND net_id IS NULL'), 'an attempt was used')
    check(world.venue.sql(`SELECT count(*) FROM chain.request_leg WHERE trade_id IN (${ids.join()}) AND state = 'back' AND net_id = ${ids[0]}`) === '5', 'it was no net that reverted')
    check(Number(world.venue.sql(`SELECT count(*) FROM settle.trade_settlement_history WHERE trade_id IN (${ids.join()}) AND reason = 'reverted_as_a_net'`)) === 5, 'the history does not say so')
    await agreesWithNets(world)
  },

  async nets_while_the_worker_dies_and_the_database_forgets (world) {
    netting(world, true)
    for (const isSent of [false, true]) {
      let reached = false
      world.rpc.take('eth_sendRawTransaction', async (params, ask) => {
        if (isSent) await ask()
        reached = true
        return new Promise(() => {}) // until it is dead
      })
      const ids = toAndFro(world, 7)
      await world.venue.until('it is broadcast', () => reached)
      await world.end(world.worker)
      world.rpc.pass()
      world.startWorker()
      await netted(world, ids)
    }
    // The database forgets the attempt with its net, then the whole claim: the signer's log brings them back.
    for (const claim of [false, true]) {
      await world.chain.send('evm_setAutomine', [false])
      const ids = toAndFro(world, 5)
      await world.until(ids, 'tx_hash IS NOT NULL')
      await world.end(world.worker)
      const lost = () => world.venue.sql(`SELECT DISTINCT l.request_id, l.net_id, a.attempt_id, a.tx_hash, n.amount, n.trades, n.digest FROM chain.request_leg l JOIN settle.attempt a USING (request_id) JOIN chain.net n USING (net_id) WHERE l.trade_id IN (${ids.join()})`)
      const before = lost()
      const [request, , attempt] = before.split('|')
      world.venue.sql(`BEGIN; SET LOCAL session_replication_role = replica;
        DELETE FROM settle.attempt WHERE request_id = ${request}; DELETE FROM settle.nonce WHERE request_id = ${request}; DELETE FROM chain.net WHERE request_id = ${request};
        UPDATE chain.request_leg SET net_id = NULL, place = NULL WHERE request_id = ${request}; UPDATE chain.chain_request SET state = 'prepared', attempts = 0 WHERE request_id = ${request};
        UPDATE settle.trade SET tx_hash = NULL WHERE trade_id IN (${ids.join()});
        ${claim ? `DELETE FROM chain.transfer_check WHERE request_id = ${request}; DELETE FROM chain.request_leg WHERE request_id = ${request}; DELETE FROM chain.chain_request WHERE request_id = ${request};
          SELECT setval('chain.chain_request_request_id_seq', ${request}); SELECT setval('settle.attempt_attempt_id_seq', ${attempt});
          UPDATE settle.trade SET settlement_status = 'pending' WHERE trade_id IN (${ids.join()}); DELETE FROM settle.trade_settlement_history WHERE trade_id IN (${ids.join()}) AND from_status IS NOT NULL;` : ''}
        COMMIT`)
      await world.chain.send('evm_setAutomine', [true])
      world.startWorker()
      await world.venue.until('the net is settled', async () => { await world.mine(); return world.is(ids, "settlement_status = 'settled' AND settlement_type = 'netted' AND total_attempts = 0") }, 30)
      let after
      await world.venue.until('what it was comes back', () => { after = lost(); return after === before }).catch(error => { throw new Error(`${error.message}\nwhat came back is\n${after}\nit was\n${before}`) })
    }
    await agreesWithNets(world)
  },

  async a_reorganisation_of_nets (world) {
    netting(world, true)
    for (const depth of [1, 3]) {
      const ids = toAndFro(world, 3).concat(world.trade(1, { seller: BALEAR, buyer: DIEGO, quantity: 1 }))
      await world.until(ids, "settlement_status = 'settled'")
      const hash = world.venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${ids[0]}`)
      if (depth > 1) await world.mine(depth - 1)
      await world.venue.ask('reorg', depth, [])
      await world.venue.until(`its bytes are mined again, depth ${depth}`, async () => (await world.chain.getTransactionReceipt(hash))?.status === 1)
    }
    await agreesWithNets(world)
  },

  // The database of settlement is lost; chain and record are there. What comes back is what was.
  async rows_that_are_rebuilt_from_the_chain (world) {
    const { venue } = world
    const rebuild = (...words) => venue.rebuild(['--from', `${world.firstBlock}`, ...words])
    const says = (result, words) => check(words.test(result.stdout + result.stderr), `it says\n${result.stdout}${result.stderr}`)
    for (let i = 0; i < 3; i++) await world.settled(world.trade(1 + 3 * i))
    netting(world, true)
    await netted(world, toAndFro(world, 4))
    netting(world, false)
    says(rebuild(), /a settlement worker runs/)
    await world.agrees()
    let result = rebuild('--verify')
    check(result.status === 0, `--verify finds differences: ${result.stdout}${result.stderr}`)
    await world.end(world.worker, 'SIGTERM')
    const signers = venue.sql('SELECT signer_address FROM settle.signer').split('\n').flatMap(signer => ['--signer', signer])
    const alter = change => venue.sql(`BEGIN; SET LOCAL session_replication_role = replica; ${change}; COMMIT`)
    const attempt = venue.sql("SELECT min(attempt_id) FROM settle.attempt WHERE state = 'confirmed'")
    alter(`UPDATE settle.attempt SET state = 'reverted' WHERE attempt_id = ${attempt}`)
    result = rebuild('--verify')
    check(result.status === 1, 'a row that says something else is not noticed')
    says(result, /has succeeded, its row is reverted/)
    says(rebuild(...signers), /there are rows of settlement already/)
    alter(`UPDATE settle.attempt SET state = 'confirmed' WHERE attempt_id = ${attempt}`)

    const kept = () => [
      `SELECT trade_id, settlement_status, settlement_type, net_id, tx_hash FROM settle.trade WHERE settlement_status = 'settled' AND tx_hash IS NOT NULL AND coalesce(reason, '') NOT LIKE 'manual:%' ORDER BY 1`,
      `SELECT request_id, nonce, signer_address, lower(to_address), md5(calldata), md5(raw), tx_hash, state, block_number, block_hash, gas_used, gas_price_wei, gas_limit FROM settle.attempt a WHERE state = 'confirmed' AND EXISTS (SELECT FROM chain.request_leg l WHERE l.request_id = a.request_id AND l.trade_id IS NOT NULL) ORDER BY tx_hash`,
      `SELECT l.request_id, l.trade_id, lower(l.from_address), lower(l.to_address), l.amount, l.log_index, l.net_id FROM chain.request_leg l WHERE l.state = 'done' AND l.trade_id IS NOT NULL AND l.log_index IS NOT NULL ORDER BY 2`,
      `SELECT net_id, request_id, from_address, to_address, amount, trades, digest FROM chain.net n WHERE EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.net_id = n.net_id AND l.log_index IS NOT NULL) ORDER BY 1`,
      // What went to no token (an empty one, a contract that lied) is not what a rebuild looks for.
      `SELECT g.tx_hash, g.gas_used, g.fee_wei, g.succeeded, g.operation FROM chain.gas_transaction g JOIN settle.attempt a USING (tx_hash) WHERE g.operation LIKE '%forced_transfer' AND lower(a.to_address) = lower('${world.token}') ORDER BY 1`
    ].map(query => venue.sql(query))
    const before = kept()
    venue.sql('TRUNCATE settle.trade, settle.attempt, settle.nonce, settle.signer, settle.result, settle.trade_settlement_history, settle.retry_request, chain.chain_request, chain.request_leg, chain.transfer_check, chain.gas_transaction CASCADE')
    // A worker that is started on the lost tables claims nothing, gives the lock to the rebuild, and goes on behind it.
    const lost = venue.sql('SELECT trade_id FROM record.trade ORDER BY 1').split('\n')
    venue.sql('INSERT INTO settle.trade (trade_id, created_at) SELECT trade_id, now() FROM record.trade')
    const mined = await world.chain.getTransactionCount(signers[1])
    world.startWorker()
    await venue.until('the lane says what is missing', () => venue.sql(`SELECT state || ' ' || reason FROM settle.lane WHERE token = ${PORT}`) === 'halted attempts_missing')
    await sleep(2000)
    check(world.is(lost, "settlement_status = 'pending'") && venue.sql('SELECT count(*) FROM settle.attempt') === '0', 'something was done on lost tables')
    check(await world.chain.getTransactionCount(signers[1]) === mined, 'something was sent on lost tables')
    says(rebuild(), /no signer is known/)
    result = venue.rebuild(['--from', `${world.firstBlock}`, ...signers], 150)
    // It was killed in the middle, if it had enough to do; Postgres takes a moment to see that who held the lock is gone.
    if (result.status !== 0) await venue.until('the lock is free', () => !/a settlement worker runs/.test((result = rebuild(...signers)).stderr))
    check(result.status === 0, `not rebuilt: ${result.stdout}${result.stderr}`)
    kept().forEach((rows, i) => check(rows === before[i], `rows of table ${i} differ:\n${difference(before[i], rows)}`))
    check(Number(venue.sql("SELECT count(*) FROM settle.trade_settlement_history WHERE to_status = 'settled' AND reason = 'rebuilt_from_chain'")) === before[0].split('\n').length, 'the history does not say where it comes from')
    check(rebuild('--verify').status === 0, '--verify finds differences after the rebuild')
    check(venue.sql('SELECT * FROM settle.net_differs') === '' && venue.sql('SELECT count(*) FROM chain.net') !== '0', 'the nets are not those that were')
    await world.settled(world.trade(5))
  },

  // Whoever checks must be able to say no.
  async the_independent_check_notices (world) {
    const [id] = world.trade(1)
    await world.settled([id])
    const [other] = world.trade(1)
    await world.settled([other])
    await world.end(world.worker, 'SIGTERM')
    const alter = (table, change, where) => world.venue.sql(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE ${table} SET ${change} WHERE ${where}; COMMIT`)
    const noticed = async (words, change, back) => {
      change()
      const { problems } = await world.venue.compare({ fromBlock: world.since })
      back()
      check(problems.some(p => words.test(p)), `not noticed: ${words}\n${problems.join('\n')}`)
    }
    await noticed(/its trades/, () => alter('record.trade', 'quantity = quantity + 1', `trade_id = ${id}`), () => alter('record.trade', 'quantity = quantity - 1', `trade_id = ${id}`))
    await noticed(/is not on the chain/, () => alter('settle.trade', `tx_hash = '0x' || translate(substr(tx_hash, 3), '0123456789', '1234567890')`, `trade_id = ${id}`),
      () => alter('settle.trade', `tx_hash = '0x' || translate(substr(tx_hash, 3), '1234567890', '0123456789')`, `trade_id = ${id}`))
    const hash = world.venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${id}`)
    const mine = world.venue.sql(`SELECT tx_hash FROM settle.trade WHERE trade_id = ${other}`)
    await noticed(/moves/, () => alter('settle.trade', `tx_hash = '${hash}'`, `trade_id = ${other}`), () => alter('settle.trade', `tx_hash = '${mine}'`, `trade_id = ${other}`))
    await noticed(/without a request/, () => alter('settle.attempt', `tx_hash = '0x${'1'.repeat(64)}'`, `tx_hash = '${hash}'`), () => alter('settle.attempt', `tx_hash = '${hash}'`, `tx_hash = '0x${'1'.repeat(64)}'`))
    await noticed(/its row says/, () => alter('settle.attempt', "state = 'dropped'", `tx_hash = '${hash}'`), () => alter('settle.attempt', "state = 'confirmed'", `tx_hash = '${hash}'`))
    await noticed(/gas is booked as/, () => alter('chain.gas_transaction', 'gas_used = gas_used + 1', `tx_hash = '${hash}'`), () => alter('chain.gas_transaction', 'gas_used = gas_used - 1', `tx_hash = '${hash}'`))
    await noticed(/no block has it/, () => alter('chain.gas_transaction', `tx_hash = '0x${'2'.repeat(64)}'`, `tx_hash = '${hash}'`), () => alter('chain.gas_transaction', `tx_hash = '${hash}'`, `tx_hash = '0x${'2'.repeat(64)}'`))
    await noticed(/signed with nonce/, () => alter('settle.attempt', 'nonce = nonce + 1', `tx_hash = '${hash}'`), () => alter('settle.attempt', 'nonce = nonce - 1', `tx_hash = '${hash}'`))
    await noticed(/sums/, () => alter('settle.trade', "settlement_status = 'failed', settlement_type = NULL, settled_at = NULL, tx_hash = NULL, reason = 'x'", `trade_id = ${id}`),
      () => alter('settle.trade', `settlement_status = 'settled', settlement_type = 'on_chain', settled_at = now(), tx_hash = '${hash}', reason = NULL`, `trade_id = ${id}`))
  }
}

const says = (result, status, words) => check(result.status === status && words.test(result.stdout + result.stderr), `exit status ${result.status}, it says\n${result.stdout}${result.stderr}`)

// ---- a node that is not to be believed

const spoilt = change => (response, text) => response.end(change(text))
const sized = (response, text, bytes) => { response.setHeader('content-length', text.length); response.write(bytes) }

// Of a request or of several.
const answered = change => (response, text, question) => {
  const one = (answer, { method }) => change(answer, method) ?? answer
  const all = JSON.parse(text)
  response.end(JSON.stringify(Array.isArray(all) ? all.map((answer, i) => one(answer, question[i])) : one(all, question)))
}

// A network of its own, with other blocks, none of our transactions, and an address that everybody can reach.
const elsewhere = answered((answer, method) => {
  const result = { eth_chainId: '0x1', eth_blockNumber: '0x2ffffff', eth_getTransactionCount: '0x0', eth_getTransactionReceipt: null, eth_getTransactionByHash: null, eth_call: '0x', eth_getCode: '0x' }[method]
  if (result !== undefined) return { jsonrpc: '2.0', id: answer.id, result }
  if (method === 'eth_getBlockByNumber' && answer.result) answer.result.hash = answer.result.parentHash
})

// As much as whoever asks will take, a MiB at a time.
function pour (response, head, piece, mib) {
  const bytes = Buffer.alloc(1 << 20, piece)
  return pipeline(function * () { yield head; for (let i = 0; i < mib; i++) yield bytes }, response)
}

const NONSENSE = {
  'another chain, behind an open connection': { spoil: elsewhere, says: /the node is on another chain chain_id=1 configured=31337/, trouble: 'node_on_another_chain' },
  'half an answer': { spoil: (response, text) => { sized(response, text, text.slice(0, text.length / 2)); setTimeout(() => response.destroy(), 10) }, says: /transfer closed|Transferred a partial file/ },
  '100 MB': { spoil: response => pour(response, '{"jsonrpc":"2.0","id":1,"result":"0x', '0', 100), says: /the answer is longer than allowed/ },
  'five million values': { spoil: response => pour(response, '[', '{},', 15), says: /the answer has too many values/ },
  'numbers above 2^256': { spoil: spoilt(text => text.replace(/"0x[0-9a-f]+"/g, `"0x1${'0'.repeat(64)}"`)), says: /unusable answer to eth_/ },
  '100,000 brackets': { spoil: spoilt(() => '['.repeat(1e5)), says: /maximum parsing depth/ },
  'answers to other questions': { spoil: answered(answer => ({ ...answer, id: answer.id + 1 })), says: /not a JSON-RPC response to this request/ },
  'no answer': { spoil: () => {}, says: /[Tt]imed? ?out/ },
  'an answer that comes too late': { spoil: async (response, text) => { await sleep(2 * SHORT_MS); response.end(text) }, says: /[Tt]imed? ?out/ },
  'status 500': { spoil: response => { response.statusCode = 500; response.end('{}') }, says: /HTTP status 500/ },
  'status 429': { spoil: (response, text) => { response.writeHead(429, { 'retry-after': '1' }).end(text) }, says: /HTTP status 429/ },
  'bytes that are no text': { spoil: (response, text) => response.end(Buffer.from(text.replaceAll('0x', '\xff\xfe'), 'latin1')), says: /unable to decode byte 0xff/ },
  'words without end, cut within a character': { spoil: answered(({ id }) => ({ jsonrpc: '2.0', id, error: { code: -32000, message: 'x' + 'é'.repeat(1e5) } })), says: /x\?\?\?/ }
}

// Those with a way of their own through the code; all the others in turn, request by request.
function someNonsense () {
  const alone = ['another chain, behind an open connection', '100 MB', 'five million values', 'words without end, cut within a character', 'no answer']
  const others = Object.entries(NONSENSE).filter(([name]) => !alone.includes(name) && !name.includes('late')).map(([, { spoil }]) => spoil)
  let turn = 0
  return { ...Object.fromEntries(alone.map(name => [name, NONSENSE[name]])), 'one after the other': { spoil: (...words) => others[turn++ % others.length](...words), says: { test: () => turn > others.length } } }
}

// ---- netting

const netting = (world, on) => world.venue.sql(on ? `INSERT INTO settle.netting (token_asset) VALUES (${PORT}) ON CONFLICT DO NOTHING` : 'DELETE FROM settle.netting', 'lonja_admin')
const netted = (world, ids, seconds) => world.until(ids, "settlement_status = 'settled' AND settlement_type = 'netted'", seconds)
const nets = (world, ids) => JSON.parse(world.venue.sql(`SELECT coalesce(json_agg(json_build_object('net_id', net_id::text, 'request_id', request_id::text, 'amount', amount::text, 'trades', trades) ORDER BY net_id), '[]') FROM chain.net WHERE net_id IN (${ids.join()})`))

// `count` trades of Atlantic with Carla, one way and the other, each of a unit more than the last.
function toAndFro (world, count) {
  const ids = Array.from({ length: count }, () => (world.next += 16))
  world.venue.trades(ids.map((id, i) => ({ id, token: PORT, seller: i % 2 ? CARLA : ATLANTIC, buyer: i % 2 ? ATLANTIC : CARLA, quantity: 100 + i })))
  return ids
}

// Conservation by the database itself, and by ethers on the chain.
async function agreesWithNets (world) {
  await world.agrees()
  const differs = world.venue.sql('SELECT * FROM settle.net_differs')
  check(differs === '', `nets that differ: ${differs}`)
}

const difference = (before, after) => before.split('\n').filter(line => !after.includes(line)).slice(0, 5).map(line => `- ${line}`)
  .concat(after.split('\n').filter(line => !before.includes(line)).slice(0, 5).map(line => `+ ${line}`)).join('\n')

// Asks `token` whatever it is asked, but for transfers of an agent: they do nothing, and are answered with 1.
function pretender (token) {
  const byte = n => n.toString(16).padStart(2, '0')
  const selector = '5f3560e01c'
  const pass = `365f5f375f5f365f73${token.slice(2)}5afa3d5f5f3e` // calldata to the token by STATICCALL, its answer to memory
  const jumps = ['9fc1d0e7', '42a47abc'].map(method => `8063${method}1460@@57`).join('')
  const head = selector + jumps + pass + '60##573d5ffd'
  const size = head.length / 2
  const end = size + 4 // JUMPDEST, RETURNDATASIZE, PUSH0, RETURN
  return '0x' + head.replaceAll('@@', byte(end)).replace('##', byte(size)) + '5b3d5ff3' + '5b60015f5260205ff3'
}

const hasEnded = child => child.exitCode !== null || child.signalCode !== null

function isPostgresThere (world) {
  try { process.kill(Number(fs.readFileSync(path.join(world.venue.folder, 'postgres/pid'), 'utf8')), 0); return true } catch { return false }
}

// What is not to follow from the order in which they run: --seed S shuffles them.
function inOrder () {
  const names = Object.keys(CASES)
  if (SEED === undefined) return names
  const next = generator(SEED)
  for (let i = names.length - 1; i > 0; i--) { const j = next(i + 1); [names[i], names[j]] = [names[j], names[i]] }
  return names
}

const WORLDS_MAX = 3

await Suite.main(async suite => {
  let world, worlds = 0
  const begin = async () => {
    world?.stop()
    if (worlds++ === WORLDS_MAX) throw new Error(`${WORLDS_MAX} venues are spoilt, there will be no other`)
    world = new World()
    await world.start()
    suite.again()
  }
  process.on('exit', () => world?.stop())
  suite.watch(() => world.venue.died())
  if (SEED !== undefined) console.log(`# --seed ${SEED}`)
  await begin()
  for (const name of inOrder().filter(name => suite.wants(name))) {
    if (NODE === 'hardhat' && name.includes('reorganisation')) { console.log(`skip ${name} hardhat cannot`); continue }
    const well = await suite.test(name, async () => {
      world.since = await world.chain.getBlockNumber() + 1
      await CASES[name](world)
      await world.calm()
      await world.agrees()
    })
    if (well) continue
    console.log(world.venue.lastWords().replace(/^/gm, '# '))
    try {
      if (suite.over) throw new Error(suite.over)
      await world.calm()
      await world.settled(world.trade())
      await world.agrees()
    } catch (error) {
      console.log(`# behind ${name} the world is not as it was, a fresh one begins: ${error.message}`)
      await begin()
    }
  }
  await suite.test('at_the_end_all_blocks_agree', () => world.agrees(world.firstBlock))
})
