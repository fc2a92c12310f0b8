#!/usr/bin/env node
// Benchmark of settlement on real parts: Postgres, anvil with the real ERC-3643 contracts mining every second (blocks of
// 300 M gas), lonja-sign, and the settlement process without a core. Trades are inserted as the recorder does.
//
//   transfers_per_s    trades recorded → the last one settled; the floors are the rates at which the same node takes batches of
//                      the same size that were signed beforehand, one connection, until the last one is mined: `bare`, and `counted`, where
//                      before each batch is sent it is simulated once, its evidence asked for once (the questions of settlement, 200 in one
//                      eth_call) and recorded: a row for each trade, as settlement's, in one statement, committed. In turns.
//   processor_ms       of 1,000 transfers, by node, Postgres, settlement with its signer; the floor is `counted`. It depends little on what
//                      else the machine does
//   gas_per_transfer   of our batches of 100; the floor is a forcedTransfer by itself, between wallets of the same kind. `distinct`: a
//                      hundred sellers and a hundred buyers; `one-seller`: one seller to a hundred buyers
//   mined_blocks       a trade alone: recorded → seen in a block, in block times
//   resident_kib       of lonja-settle at the end; the floor is the same process after the first tenth
//   sign_ns            perf/sign_bench
//
// Wallets are distinct within a batch and others than those of the batch before, so that ours has as much to ask as the floor, and
// have held the token before: what a venue's members are. The node saves its state at the end only: to write all blocks as JSON every
// five seconds is no node's work, and costs the more the more contestants went before.
// Usage: settlement_bench.mjs [--json] [--smoke|--quick|--long] [--trades N]    LONJA_BIN names the release's folder of executables.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Interface, Transaction, Wallet, getAddress, id, toBeHex, zeroPadValue } from 'ethers';
import { SettlementVenue } from '../tests/lib/settlement_venue.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = process.env.LONJA_BIN ?? join(root, 'build/release/bin');
const PORT_FIRST = Number(process.env.LONJA_TEST_PORTS ?? 47600);
const PAIRS = 100; // of a batch
const SETS = process.argv.includes('--smoke') ? 1 : 2; // of pairs: batches take turns
const HOLDERS = 2 * SETS * PAIRS;
const FIRST_ACCOUNT = 5000;
const TOKEN_ASSET = 2;
const SYMBOL = 'PORT';
const QUANTITY = 1; // of scale 2
const UNITS = 10n ** 16n; // the same on the chain
const BLOCK_GAS = 300_000_000;
const BLOCK_MS = 1000;
const BATCH_GAS = 12_000_000n;
const GWEI = 10n ** 9n;
const FLOOR_TRADES = 10_000;
const LENGTHS = { // trades of a round and rounds, trades one by one
  smoke: { trades: 100, rounds: 1, alone: 1 },
  quick: { trades: 3000, rounds: 3, alone: 20 },
  long: { trades: 100_000, rounds: 1, alone: 60 },
};
// The code of chain/multicall.c; behind it the questions, each a word (length, contract) and its calldata.
const MULTICALL = '0x600060445b388110600f57506000f35b602081833960200181518060a01c808385604001396020808501828160200185620f4240fa3d0284529050019060400190600456';
const MULTICALL_QUESTIONS = 200;
const VIEWS = new Interface(['function paused()', 'function identityRegistry() view returns (address)', 'function compliance() view returns (address)',
  'function isFrozen(address)', 'function isVerified(address)', 'function balanceOf(address)', 'function getFrozenTokens(address)',
  'function canTransfer(address,address,uint256)']);
const CALLS = new Interface(['function batchForcedTransfer(address[],address[],uint256[])', 'function addAgent(address)']);

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const say = (text) => process.stderr.write(`settlement: ${text}\n`);

class BenchVenue extends SettlementVenue {
  // Sellers, then buyers, beside the demo's holders.
  deploy() {
    super.deploy();
    const input = JSON.parse(readFileSync(join(this.folder, 'chain/input.json'), 'utf8'));
    for (let i = 0; i < HOLDERS; i++)
      input.wallets.push({ account: FIRST_ACCOUNT + i, address: getAddress(id(`holder ${i}`).slice(0, 42)), country: 724,
        balances: { [SYMBOL]: `${10n ** 24n}` } });
    this.holders = input.wallets.slice(-HOLDERS);
    writeFileSync(join(this.folder, 'chain/bench.json'), JSON.stringify(input));
    execFileSync('node', [join(root, 'chain/contracts/deploy.mjs'), '--input', join(this.folder, 'chain/bench.json'),
      '--state', join(this.folder, 'chain/deployment.json'), '--policy', join(this.folder, 'chain/policy.json'),
      '--rpc', this.rpcUrl()], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.deployment = JSON.parse(readFileSync(join(this.folder, 'chain/deployment.json'), 'utf8'));
  }

  rpcUrl() {
    return /RPC_URL='?([^'\n]+)/.exec(readFileSync(join(this.folder, 'services.env'), 'utf8'))[1];
  }

  // What the worker writes to its standard output is nobody's here: a pipe that is not read would stop it.
  child(command, args) {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', this.log] });
    this.children.push(child);
    return child;
  }

  psql(stdio) {
    return spawn('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'lonja'], { stdio,
      env: { ...process.env, PGHOST: this.env.PG_HOST, PGPORT: this.env.PG_PORT, PGUSER: 'postgres',
        PGPASSWORD: readFileSync(join(this.folder, 'secrets/pg-postgres'), 'utf8').trim() } });
  }

  // One connection, as the recorder's; nobody waits for it but who wants to.
  async recorded(lists) {
    const psql = this.psql(['pipe', 'ignore', 'inherit']);
    const ended = new Promise((done) => psql.on('exit', done));
    for (const list of lists) if (!psql.stdin.write(`${this.tradesText(list)};\n`)) await new Promise((done) => psql.stdin.once('drain', done));
    psql.stdin.end();
    if (await ended !== 0) throw new Error('the trades were not recorded');
  }

  // A connection that is kept; run: a statement is committed.
  recorder() {
    const psql = this.psql(['pipe', 'pipe', 'inherit']);
    const answers = createInterface(psql.stdout)[Symbol.asyncIterator]();
    this.children.push(psql);
    return { run: async (text) => {
      psql.stdin.write(`${text.replaceAll('\n', ' ')}\n\\echo done\n`);
      if ((await answers.next()).value !== 'done') throw new Error('the rows were not written');
    } };
  }

  people() {
    super.people();
    this.sql(this.holders.map((h) => `INSERT INTO people.account (account_id, member_id, name, wallet_address)
      VALUES (${h.account}, ${this.demo.members[0].member}, 'a', '${h.address}')`).join(';'));
  }

  async mineEverySecond() {
    await this.provider.send('evm_setAutomine', [false]);
    // A block that is being made when the limit is set takes it back.
    for (let block = {}; Number(block.gasLimit) !== BLOCK_GAS; block = await this.provider.send('eth_getBlockByNumber', ['latest', false])) {
      await this.provider.send('evm_setBlockGasLimit', [toBeHex(BLOCK_GAS)]);
      await this.provider.send('evm_mine', []);
    }
    await this.provider.send('evm_setIntervalMining', [BLOCK_MS / 1000]);
  }
}

class Contest {
  constructor(venue) {
    Object.assign(this, { venue, next: 1 << 20, rpcId: 0, token: venue.deployment.instruments[SYMBOL].token });
  }

  // Seller i sells to buyer i, always this way: a seller whose purchase is not final would wait for it.
  pair(at) {
    const seller = at % (SETS * PAIRS);
    return [seller, SETS * PAIRS + seller];
  }

  async record(count, oneSeller = false) {
    const list = [];
    for (let i = 0; i < count; i++) {
      const [seller, buyer] = oneSeller ? [0, this.pair(i)[1]] : this.pair(i);
      list.push({ id: (this.next += 16), token: TOKEN_ASSET, seller: FIRST_ACCOUNT + seller, buyer: FIRST_ACCOUNT + buyer, quantity: QUANTITY });
    }
    await this.venue.recorded(Array.from({ length: Math.ceil(count / 500) }, (_, i) => list.slice(500 * i, 500 * (i + 1))));
    return list;
  }

  resident() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.worker.pid}/status`, 'utf8'))[1]);
  }

  // Seconds of processor time so far: the node; Postgres with all its processes; settlement with its signer.
  processor() {
    const fields = (pid) => /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1].split(' ').map(Number);
    const own = (pid) => (fields(pid)[11] + fields(pid)[12]) / 100;
    const pid = (name) => Number(readFileSync(join(this.venue.folder, name, 'pid'), 'utf8'));
    const postgres = pid('postgres');
    const backends = readFileSync(`/proc/${postgres}/task/${postgres}/children`, 'utf8').trim().split(' ');
    return { node: own(pid('anvil')), postgres: own(postgres) + (fields(postgres)[13] + fields(postgres)[14]) / 100 + backends.reduce((sum, child) => sum + own(child), 0),
      settlement: own(this.worker.pid) + own(this.signer.pid) };
  }

  // Transfers per second, and milliseconds of processor time for 1,000 of them.
  async spent(count, contestant) {
    const before = this.processor();
    const rate = await contestant();
    const after = this.processor();
    return { rate, processor: Object.fromEntries(Object.keys(after).map((name) => [name, 1e6 * (after[name] - before[name]) / count])) };
  }

  // Kept count of: going through all trades twice a second is work, too.
  settled() {
    return Number(this.venue.sql('SELECT settled FROM settle.tally'));
  }

  // Trades per second; the clock is the database's, so that asking does not count.
  async ours(count) {
    const before = this.settled();
    const began = Number(this.venue.sql('SELECT extract(epoch FROM clock_timestamp())'));
    await this.record(count);
    for (let settled = 0; settled < count; await sleep(500)) {
      settled = this.settled() - before;
      if (settled >= count / 10) this.firstResident ??= this.resident();
      if (this.venue.count("settlement_status = 'failed'") > 0) throw new Error('a trade has failed');
    }
    return count / (Number(this.venue.sql('SELECT extract(epoch FROM max(settled_at)) FROM settle.trade')) - began);
  }

  // As settlement sends them: one after the other on one connection that is kept.
  async rpc(method, params) {
    const response = await fetch(this.venue.env.RPC_URL, { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++this.rpcId, method, params }) });
    const answer = await response.json();
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  async view(name) {
    return VIEWS.decodeFunctionResult(name, await this.rpc('eth_call', [{ to: this.token, data: VIEWS.encodeFunctionData(name) }, 'latest']))[0];
  }

  // What settlement asks about the legs of a batch (settlement/settle_preflight.c), as the data of so many eth_calls.
  evidence(legs) {
    const address = (index) => this.venue.holders[index].address;
    const questions = [...new Set(legs.flat())].flatMap((who) => [[this.token, 'isFrozen', who], [this.registry, 'isVerified', who]]);
    for (const who of new Set(legs.map(([from]) => from))) questions.push([this.token, 'balanceOf', who], [this.token, 'getFrozenTokens', who]);
    const texts = questions.map(([contract, name, who]) => [contract, VIEWS.encodeFunctionData(name, [address(who)])]);
    for (const [from, to] of legs) texts.push([this.compliance, VIEWS.encodeFunctionData('canTransfer', [address(from), address(to), UNITS])]);
    const parts = texts.map(([contract, data]) => (data.length / 2 - 1).toString(16).padStart(24, '0') + contract.slice(2) + data.slice(2));
    return Array.from({ length: Math.ceil(parts.length / MULTICALL_QUESTIONS) }, (_, i) =>
      MULTICALL + parts.slice(i * MULTICALL_QUESTIONS, (i + 1) * MULTICALL_QUESTIONS).join(''));
  }

  // What settlement writes of it (settlement/settle_store_attempts.c), into a table of the same columns and keys.
  evidenceRows(legs) {
    const row = { paused: false, from_frozen: false, to_frozen: false, from_verified: true, to_verified: true, can_transfer: true,
      balance: `${10n ** 24n}`, frozen_tokens: '0', verdict: 'allowed' };
    return `INSERT INTO perf.evidence (request_id, leg, block_number, block_hash, identity_registry, compliance, stage, paused, from_frozen,
      to_frozen, from_verified, to_verified, can_transfer, balance, frozen_tokens, verdict)
      SELECT 1, x.leg, 1, '${id('a block')}', '${this.registry}', '${this.compliance}', 'before_signing', x.paused, x.from_frozen,
      x.to_frozen, x.from_verified, x.to_verified, x.can_transfer, x.balance, x.frozen_tokens, x.verdict
      FROM jsonb_to_recordset('${JSON.stringify(legs.map((_, leg) => ({ leg, ...row })))}'::jsonb) AS x(leg smallint, paused boolean, from_frozen boolean,
      to_frozen boolean, from_verified boolean, to_verified boolean, can_transfer boolean, balance numeric, frozen_tokens numeric, verdict text);`;
  }

  async signBeforehand(count) {
    const holders = this.venue.holders;
    const batches = [];
    for (let at = 0; at < count; at += PAIRS) {
      const legs = Array.from({ length: Math.min(PAIRS, count - at) }, (_, i) => this.pair(at + i));
      const data = CALLS.encodeFunctionData('batchForcedTransfer', [legs.map(([from]) => holders[from].address),
        legs.map(([, to]) => holders[to].address), legs.map(() => UNITS)]) + zeroPadValue('0x01', 32).slice(2);
      batches.push({ data, evidence: this.evidence(legs), rows: this.evidenceRows(legs), raw: await this.floorKey.signTransaction({ type: 2, chainId: 31337, nonce: this.floorNonce++, to: this.token, data,
        gasLimit: BATCH_GAS, maxFeePerGas: 100n * GWEI, maxPriorityFeePerGas: GWEI, value: 0n }) });
    }
    return batches;
  }

  async ask(batch) {
    const block = await this.rpc('eth_blockNumber', []);
    for (const data of batch.evidence) await this.rpc('eth_call', [{ data }, block]);
    await this.rpc('eth_call', [{ from: this.floorKey.address, to: this.token, data: batch.data, gas: toBeHex(BATCH_GAS) }, block]);
    await this.recorder.run(batch.rows);
  }

  async floor(count, counted) {
    const batches = await this.signBeforehand(count);
    const began = Date.now();
    for (const batch of batches) {
      if (counted) await this.ask(batch);
      await this.rpc('eth_sendRawTransaction', [batch.raw]);
    }
    const last = Transaction.from(batches.at(-1).raw).hash;
    let receipt = null;
    while ((receipt = await this.rpc('eth_getTransactionReceipt', [last])) === null) await sleep(20);
    const seconds = (Date.now() - began) / 1000;
    if (receipt.status !== '0x1') throw new Error('the floor was refused by the chain');
    return count / seconds;
  }

  async alone(count) {
    const blocks = [];
    for (let i = 0; i < count; i++) {
      await sleep(300 + (i * 617) % 1000); // anywhere within a block's time
      const [{ id: trade }] = await this.record(1);
      await this.venue.until('a trade alone', () => this.venue.count(`trade_id = ${trade} AND settlement_status = 'settled'`) === 1);
      blocks.push(1000 / BLOCK_MS * Number(this.venue.sql(`SELECT extract(epoch FROM a.mined_at - t.created_at) FROM settle.trade t
        JOIN chain.request_leg l USING (trade_id) JOIN settle.attempt a USING (request_id) WHERE t.trade_id = ${trade} AND a.mined_at IS NOT NULL`)));
    }
    return blocks;
  }

  // Of transactions with so many legs and sellers.
  gas(legs, sellers) {
    return Number(this.venue.sql(`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY g.gas_used / l.legs::numeric) FROM chain.gas_transaction g
      JOIN (SELECT request_id, count(*) AS legs, count(DISTINCT from_address) AS sellers FROM chain.request_leg WHERE trade_id IS NOT NULL GROUP BY 1) l
      USING (request_id) WHERE l.legs = ${legs} AND l.sellers = ${sellers}`));
  }

  async oneSeller() {
    const list = await this.record(PAIRS, true);
    await this.venue.until('a batch of one seller', () => this.venue.count(`trade_id >= ${list[0].id} AND settlement_status = 'settled'`) === PAIRS);
  }

  async begin() {
    this.signer = this.venue.sign();
    this.worker = this.venue.settle([`settle.rpc_url=${this.venue.env.RPC_URL}`, 'settle.tick_ms=5000', 'settle.poll_ms=100', 'settle.http_timeout_ms=30000']);
    this.floorKey = new Wallet(id('floor'));
    this.floorNonce = 0;
    [this.registry, this.compliance] = [await this.view('identityRegistry'), await this.view('compliance')];
    const [deployer] = await this.rpc('eth_accounts', []);
    for (const transaction of [{ to: this.token, data: CALLS.encodeFunctionData('addAgent', [this.floorKey.address]) },
      { to: this.floorKey.address, value: toBeHex(10n ** 21n) }])
      await this.rpc('eth_sendTransaction', [{ from: deployer, ...transaction }]);
    this.venue.sql('CREATE SCHEMA perf; CREATE TABLE perf.evidence (LIKE chain.transfer_check INCLUDING ALL)');
    this.recorder = this.venue.recorder();
    await this.venue.mineEverySecond();
  }
}

// One line as ./bench reads it, or for a person.
function report(json, metric, line) {
  const whole = { bench: 'settlement', workload: 'forced-transfer', metric, ...line, ratio: line.ratio ?? line.median / line.floor_median };
  console.log(json ? JSON.stringify(whole) : Object.entries(whole).map(([key, value]) => `${key}=${typeof value === 'number' ? Math.round(value * 1000) / 1000 : value}`).join(' '));
}

function reportSigner(json, length) {
  const lines = execFileSync(join(bin, 'sign_bench'), ['--json', `--${length}`], { encoding: 'utf8' }).trim().split('\n');
  for (const line of lines.map((text) => JSON.parse(text)))
    report(json, line.metric, { ...line, bench: 'settlement' });
}

async function measure(contest, json, { trades, rounds, alone }) {
  const ours = [], bare = [], counted = [];
  const few = Math.min(trades, FLOOR_TRADES);
  const words = ({ rate, processor }) => `${Math.round(rate)} (${Object.entries(processor).map(([name, ms]) => `${name} ${Math.round(ms)}`).join(', ')})`;
  for (let round = 0; round < rounds; round++) {
    bare.push(await contest.spent(few, () => contest.floor(few, false)));
    counted.push(await contest.spent(few, () => contest.floor(few, true)));
    ours.push(await contest.spent(trades, () => contest.ours(trades)));
    say(`round ${round + 1} of ${rounds}: transfers/s (processor ms of 1,000): ${words(ours.at(-1))}; pre-signed ${words(bare.at(-1))}, simulated and with evidence ${words(counted.at(-1))}`);
  }
  for (const [workload, floor, rates] of [['counted', 'pre-signed batches, one simulation and one evidence each', counted], ['bare', 'pre-signed batches', bare]])
    report(json, 'transfers_per_s', { workload, min: Math.min(...ours.map(({ rate }) => rate)), median: median(ours.map(({ rate }) => rate)), floor,
      floor_median: median(rates.map(({ rate }) => rate)), ratio: median(ours.map(({ rate }, i) => rate / rates[i].rate)) });
  for (const workload of Object.keys(ours[0].processor))
    report(json, 'processor_ms', { workload, median: median(ours.map(({ processor }) => processor[workload])), floor: 'counted',
      floor_median: median(counted.map(({ processor }) => processor[workload])) });
  report(json, 'resident_kib', { median: contest.resident(), floor: 'after a tenth', floor_median: contest.firstResident });
  const blocks = await contest.alone(alone);
  report(json, 'mined_blocks', { min: Math.min(...blocks), median: median(blocks), p50: median(blocks), floor: 'one block', floor_median: 1 });
  await contest.oneSeller();
  for (const [workload, sellers] of [['distinct', PAIRS], ['one-seller', 1]])
    report(json, 'gas_per_transfer', { workload, median: contest.gas(PAIRS, sellers), floor: 'single transfers', floor_median: contest.gas(1, 1) });
}

const words = process.argv.slice(2);
if (words.includes('--help')) {
  console.log(readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n').filter((line) => line.startsWith('//')).map((line) => line.slice(3)).join('\n'));
  process.exit(0);
}
const json = words.includes('--json');
const length = ['smoke', 'long'].find((name) => words.includes(`--${name}`)) ?? 'quick';
if (words.includes('--trades')) Object.assign(LENGTHS[length], { trades: Number(words[words.indexOf('--trades') + 1]), rounds: 1 });
process.env.LONJA_ANVIL_SAVE_S = '1000000';
const folder = mkdtempSync(join(bin, '../bench-settlement-'));
const venue = new BenchVenue(bin, join(bin, '../test'), folder, PORT_FIRST);
try {
  venue.start();
  const contest = new Contest(venue);
  await contest.begin();
  await measure(contest, json, LENGTHS[length]);
  reportSigner(json, length);
} finally {
  venue.stop();
  rmSync(folder, { recursive: true, force: true });
}
