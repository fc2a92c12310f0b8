// Settlement on real parts, without a venue: Postgres, anvil with T-REX contracts, lonja-sign, and the settlement
// process (settle_host: lonja-settle without a core). The caller plays the recorder: it inserts trades.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { JsonRpcProvider } from 'ethers';
import { checkSettlement, reader } from './settlement_check.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const artifactsFolder = join(root, 'node_modules/@tokenysolutions/t-rex/artifacts');
export const anvilBinary = join(root, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil');

const run = (command, args, env = {}) =>
  execFileSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

// `node`: anvil, or hardhat as tests/nodes/prepare has installed it (beside anvil, which then nobody asks).
export class SettlementVenue {
  constructor(bin, tests, folder, port, node = 'anvil') {
    Object.assign(this, { bin, tests, folder, port, node, servicePort: Number(port) + 5, children: [], results: [], death: null });
  }

  services(command, ...rest) {
    run(join(root, 'tools/services'), [command, this.folder, ...rest]);
    if (command === 'start' && this.nodeUrl) this.nameNode();
  }

  start() {
    this.services('start', '--ports-from', `${this.port}`);
    if (this.node === 'hardhat') this.hardhat(Number(this.port) + 6);
    this.deploy();
    this.demo = JSON.parse(readFileSync(join(root, 'tools/demo.json'), 'utf8'));
    this.env = Object.fromEntries(
      readFileSync(join(this.folder, 'services.env'), 'utf8').trim().split('\n')
        .map((line) => line.replaceAll("'", '').split(/=(.*)/s).slice(0, 2)));
    this.provider = new JsonRpcProvider(this.env.RPC_URL, 31337, { staticNetwork: true, cacheTimeout: -1 });
    mkdirSync(join(this.folder, 'sign'), { recursive: true });
    this.log = openSync(join(this.folder, 'settle.log'), 'a');
    this.people();
  }

  hardhat(port) {
    const home = join(root, 'build/nodes');
    copyFileSync(join(root, 'tests/nodes/hardhat.config.cjs'), join(home, 'hardhat.config.cjs'));
    const environment = { ...process.env, HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true', CI: 'true' };
    const log = openSync(join(this.folder, 'hardhat.log'), 'a');
    this.own(spawn('node', [join(home, 'node_modules/hardhat/internal/cli/bootstrap.js'), 'node', '--port', `${port}`],
      { cwd: home, env: environment, stdio: ['ignore', log, log] }), 'hardhat', 'hardhat.log');
    this.nodeUrl = `http://127.0.0.1:${port}`;
    run('curl', ['-s', '-o', '/dev/null', '--noproxy', '*', '--retry', '300', '--retry-delay', '1', '--retry-connrefused', this.nodeUrl]);
    this.nameNode();
  }

  // Whenever servers are started, tools/services names its own node again.
  nameNode() {
    const env = join(this.folder, 'services.env');
    writeFileSync(env, readFileSync(env, 'utf8').replace(/^RPC_URL=.*$/m, `RPC_URL=${this.nodeUrl}`));
  }

  // The node loses what it has not saved. anvil writes its file in place, so that it may die in the middle of it: then
  // the file is what it was before.
  async killNode() {
    const file = join(this.folder, 'anvil/anvil-state.json');
    const whole = () => { try { return JSON.parse(readFileSync(file, 'utf8')) && readFileSync(file); } catch { return null; } };
    let saved = null;
    await this.until('the node has saved its state', () => (saved = whole()) !== null);
    process.kill(Number(readFileSync(join(this.folder, 'anvil/pid'), 'utf8')), 'SIGKILL');
    await sleep(500);
    if (whole() === null) writeFileSync(file, saved);
  }

  // A method of the node's own: anvil_… or hardhat_….
  ask(method, ...params) {
    return this.provider.send(`${this.node}_${method}`, params);
  }

  // The settlement key, if there is none, and contracts of which it is an agent.
  deploy() {
    run(join(root, 'tools/demo-chain'), [this.folder], { LONJA_BIN: this.bin });
    this.deployment = JSON.parse(readFileSync(join(this.folder, 'chain/deployment.json'), 'utf8'));
    this.policy = this.readPolicy();
  }

  // What the signer may sign: `policy` is that of the deployment.
  readPolicy() {
    return readFileSync(join(this.folder, 'chain/policy.json'), 'utf8');
  }

  writePolicy(text) {
    const file = join(this.folder, 'chain/policy.json');
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  stop() {
    for (const child of this.children) child.kill('SIGKILL');
    this.services('stop');
    this.provider?.destroy();
  }

  sql(text, role = 'postgres') {
    return run('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', 'lonja', '-c', text], {
      PGHOST: this.env.PG_HOST, PGPORT: this.env.PG_PORT, PGUSER: role,
      PGPASSWORD: readFileSync(join(this.folder, `secrets/pg-${role}`), 'utf8').trim(),
    }).trim();
  }

  people() {
    const rows = [];
    for (const m of this.demo.members) rows.push(`INSERT INTO people.member (member_id, name) VALUES (${m.member}, '${m.name}')`);
    for (const a of this.demo.accounts)
      rows.push(`INSERT INTO people.account (account_id, member_id, name, wallet_address) VALUES (${a.account}, ${a.member}, 'a', '${a.wallet}')`);
    for (const a of this.demo.assets) {
      rows.push(`INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (${a.asset}, '${a.kind}', ${a.scale}, '${a.symbol}')`);
      if (a.kind === 'token')
        rows.push(`INSERT INTO people.token (asset_id, name, decimals, chain_id, contract_address) VALUES (${a.asset}, '${a.name}', ${a.decimals}, 31337, '${this.deployment.instruments[a.symbol].token}')`);
    }
    rows.push(`INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (4, 'token', 2, 'PAPER')`);
    rows.push(`INSERT INTO people.token (asset_id, name) VALUES (4, 'no contract')`);
    this.sql(rows.join(';'));
    for (const a of this.demo.assets) if (a.kind === 'token') this.proof(a.asset, 1e12);
  }

  // The custodian's document says so; one person records it, another verifies it. Returns its number.
  proof(asset, quantity, { expires = 'NULL', verified = true } = {}) {
    const id = this.sql(`INSERT INTO chain.custody_proof (token_asset, custodian_reference, proof_hash, quantity, expires_at, recorded_by)
      VALUES (${asset}, 'vault 7', '0x${'5e'.repeat(32)}', ${quantity}, ${expires}, 'one') RETURNING proof_id`, 'lonja_admin');
    if (verified) this.decide(id, 'verified', 'two');
    return id;
  }

  decide(proof, decision, who) {
    this.sql(`INSERT INTO chain.custody_proof_decision (proof_id, decision, decided_by, reason)
      VALUES (${proof}, '${decision}', '${who}', ${decision === 'revoked' ? "'a test'" : 'NULL'})`, 'lonja_admin');
  }

  sign() {
    const f = this.folder;
    return this.child(join(this.bin, 'lonja-sign'), [
      '--keystore', `${f}/secrets/settlement-key.json`, '--passphrase-file', `${f}/secrets/settlement-key.pass`,
      '--socket', `${f}/sign/sign.sock`, '--policy', `${f}/chain/policy.json`, '--log', `${f}/sign/sign.log`]);
  }

  // The node's address twice: what decides is asked of both, at one block, as of two nodes.
  // Later words win: postgres.port and settle.rpc_url may name a proxy.
  settle(extra = []) {
    return this.child(join(this.tests, 'settle_host'), [
      `postgres.host=${this.env.PG_HOST}`, `postgres.port=${this.env.PG_PORT}`, `postgres.secrets_folder=${this.folder}/secrets`,
      `settle.rpc_url=${this.env.RPC_URL},${this.env.RPC_URL}`, `venue.state_folder=${this.folder}`, 'settle.tick_ms=300', 'settle.poll_ms=50',
      'settle.http_timeout_ms=2000', 'settle.rpc_timeout_ms=2000', `settle.port=${this.servicePort}`,
      `settle.callers_file=${this.folder}/secrets/chain-callers`, `settle.artifacts_folder=${artifactsFolder}`, ...extra]);
  }

  // The chain's service, as the operator unless another token is named. `key`: the header Idempotency-Key.
  async service(method, path, body, { token, key } = {}) {
    token ??= /^operator (\w+)/m.exec(readFileSync(join(this.folder, 'secrets/chain-callers'), 'utf8'))[1];
    const response = await fetch(`http://127.0.0.1:${this.servicePort}${path}`, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...(key && { 'idempotency-key': key }) },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { ...(text.startsWith('{') ? JSON.parse(text) : {}), status: response.status, text };
  }

  // `lonja settle rebuild`; killed after a while if `ms` is given.
  rebuild(words, ms) {
    return spawnSync(join(this.tests, 'settle_host'), [
      `postgres.host=${this.env.PG_HOST}`, `postgres.port=${this.env.PG_PORT}`, `postgres.secrets_folder=${this.folder}/secrets`,
      `settle.rpc_url=${this.env.RPC_URL}`, `venue.state_folder=${this.folder}`, 'rebuild', ...words],
    { encoding: 'utf8', timeout: ms, killSignal: 'SIGKILL' });
  }

  // `lonja settle netting`.
  netting(words) {
    return spawnSync(join(this.tests, 'settle_host'), [
      `postgres.host=${this.env.PG_HOST}`, `postgres.port=${this.env.PG_PORT}`, `postgres.secrets_folder=${this.folder}/secrets`,
      `settle.rpc_url=${this.env.RPC_URL}`, `venue.state_folder=${this.folder}`, 'netting', ...words], { encoding: 'utf8' });
  }

  child(command, args) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', this.log] });
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => this.results.push(...text.split('\n').filter((line) => line.startsWith('result'))));
    return this.own(child, basename(command), 'settle.log');
  }

  own(child, name, log) {
    child.exited = new Promise((done) => child.on('exit', (code, signal) => {
      if (!child.killed) this.death ??= `${name} has ended by itself, ${signal ?? `exit status ${code}`}; at the end of its log\n${this.lastWords(log)}`;
      done(code);
    }));
    this.children.push(child);
    return child;
  }

  // Whoever of our processes is not there, and nobody has killed him.
  died() {
    return this.death && new Error(this.death);
  }

  lastWords(log = 'settle.log', lines = 12) {
    return readFileSync(join(this.folder, log), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  // The recorder's part: the trades in the record and their pending rows, in one transaction.
  trade(id, token, seller, buyer, quantity) {
    this.trades([{ id, token, seller, buyer, quantity }]);
  }

  trades(list) {
    this.sql(this.tradesText(list));
  }

  tradesText(list) {
    const rows = list.map(({ id, token, seller, buyer, quantity }) => `(${id}, ${id >> 4}, ${id & 15}, ${id}, 1, ${token}, 1, 2, 'buy',
      100000000, ${quantity}, ${quantity * 1000000}, ${buyer}, ${seller}, 1, 2, 0, 10)`);
    return `BEGIN; INSERT INTO record.trade (trade_id, sequence, event_index, created_ns, instrument_id, token_asset, cash_asset,
      token_scale, taker_side, price, quantity, notional, buyer_account, seller_account, buyer_order, seller_order, buyer_fee, seller_fee)
      VALUES ${rows.join()};
      INSERT INTO settle.trade (trade_id, created_at) VALUES ${list.map(({ id }) => `(${id}, now())`).join()}; COMMIT`;
  }

  // The recorder's part of a correction: what changes, and what remains.
  correct(id, change, left) {
    this.sql(`INSERT INTO settle.correction (trade_id, sequence, quantity, notional, buyer_fee, seller_fee, new_quantity)
      VALUES (${id}, ${(id >> 4) + 1000000}, ${change}, ${change * 1000000}, 0, 0, ${left})`, 'lonja_record');
  }

  wallet(account) {
    return this.demo.accounts.find((a) => a.account === account).wallet;
  }

  async until(what, condition, seconds = 60) {
    const end = Date.now() + 1000 * seconds;
    while (!(await condition())) {
      const died = this.died();
      if (died) throw died;
      if (Date.now() >= end)
        throw new Error(`timeout: ${what}\n${this.sql('SELECT settlement_status, reason, count(*) FROM settle.trade GROUP BY 1, 2')}`);
      await sleep(50);
    }
  }

  count(where) {
    return Number(this.sql(`SELECT count(*) FROM settle.trade WHERE ${where}`));
  }

  compare(options) {
    return checkSettlement({ provider: this.provider, rows: reader(this.env), ...options });
  }
}

/**
 * A test's program: NAME BIN TEST [--port BASE] [--keep FOLDER]. `play` gets a venue that is not started, and option(word, fallback).
 * Exit status 0 passed, 1 failed, 2 bad arguments, 77 without a node.
 */
export async function playSettlement({ name, help, port, Venue = SettlementVenue }, play) {
  const argv = process.argv.slice(2);
  const option = (word, fallback) => (argv.includes(word) ? argv[argv.indexOf(word) + 1] : fallback);
  const say = (line) => process.stdout.write(`${name}: ${line}\n`);
  if (argv.includes('--help') || argv.length < 2) {
    process.stdout.write(help);
    process.exit(argv.includes('--help') ? 0 : 2);
  }
  if (!existsSync(anvilBinary)) {
    say('skipped: npm ci has not been run, there is no EVM node');
    process.exit(77);
  }
  const keep = option('--keep', '');
  const folder = keep !== '' ? resolve(keep) : mkdtempSync(`/tmp/lonja-${name}-`);
  mkdirSync(folder, { recursive: true });
  const venue = new Venue(resolve(argv[0]), resolve(argv[1]), folder, Number(option('--port', port)));
  let status = 0;
  try {
    await play(venue, option);
    say('passed');
  } catch (error) {
    say(`FAILED: ${error.stack} ${error.cause ?? ''}`);
    const log = join(folder, 'settle.log');
    if (existsSync(log)) process.stdout.write(run('tail', ['-n', '40', log]));
    status = 1;
  } finally {
    try { venue.stop(); } catch (error) { say(`not stopped: ${error.message}`); }
    if (keep === '') rmSync(folder, { recursive: true, force: true });
  }
  process.exit(status);
}
