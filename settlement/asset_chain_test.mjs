#!/usr/bin/env node
// New tokens on a real chain: Postgres, anvil with T-REX's implementations, lonja-sign, the settlement process with its
// service, and `lonja asset`. Everything that is read back and every calldata is checked by ethers. See --help.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Contract, ContractFactory, Interface, keccak256 } from 'ethers';
import { artifactsFolder, check, playSettlement, SettlementVenue } from '../tests/lib/settlement_venue.mjs';

const HELP = `Usage: asset_chain_test.mjs BIN TEST [--port BASE] [--keep FOLDER]

BIN holds lonja, lonja-asset, lonja-sign and lonja-key, TEST holds settle_host. Deploys tokens with the worker killed in
between, registers, mints, settles a trade on one, and sees what must not be stopped or refused. Exit: 0 passed, 1
failed, 77 skipped.
`;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const say = (line) => process.stdout.write(`asset_chain_test: ${line}\n`);
const trex = (path) => JSON.parse(readFileSync(join(artifactsFolder, `contracts/${path}.json`), 'utf8'));
const artifacts = {
  Token: trex('token/Token.sol/Token'),
  ModularCompliance: trex('compliance/modular/ModularCompliance.sol/ModularCompliance'),
  IdentityRegistry: trex('registry/implementation/IdentityRegistry.sol/IdentityRegistry'),
  IdentityRegistryStorage: trex('registry/implementation/IdentityRegistryStorage.sol/IdentityRegistryStorage'),
  ClaimTopicsRegistry: trex('registry/implementation/ClaimTopicsRegistry.sol/ClaimTopicsRegistry'),
  TrustedIssuersRegistry: trex('registry/implementation/TrustedIssuersRegistry.sol/TrustedIssuersRegistry'),
  TREXImplementationAuthority: trex('proxy/authority/TREXImplementationAuthority.sol/TREXImplementationAuthority'),
};
for (const name of ['TokenProxy', 'ModularComplianceProxy', 'IdentityRegistryProxy', 'IdentityRegistryStorageProxy',
  'ClaimTopicsRegistryProxy', 'TrustedIssuersRegistryProxy']) artifacts[name] = trex(`proxy/${name}.sol/${name}`);

class AssetVenue extends SettlementVenue {
  begin() {
    this.start();
    this.config = join(this.folder, 'lonja.conf');
    writeFileSync(this.config, `venue = { state_folder = "${this.folder}"; };
settle = { port = ${this.servicePort}; callers_file = "secrets/chain-callers"; artifacts_folder = "${artifactsFolder}"; };
sign = { policy_file = "chain/policy.json"; };\n`);
    for (const [asset, symbol, decimals] of [[5, 'BOND', 6], [6, 'FUND', 18], [7, 'LOAN', 0]])
      this.sql(`INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (${asset}, 'token', ${Math.min(decimals, 2)}, '${symbol}');
        INSERT INTO people.token (asset_id, name, decimals, total_supply) VALUES (${asset}, 'Lonja ${symbol}', ${decimals}, 1000000)`);
  }

  async begun() {
    await this.until('the service listens', () => this.service('GET', '/health').then((said) => said.status === 200, () => false));
    await this.until('the signer is known', () => this.sql('SELECT count(*) FROM settle.signer') === '1');
    this.deployer = JSON.parse(readFileSync(join(this.folder, 'chain/input.json'), 'utf8')).agent;
  }

  async restart(settle, extra) {
    settle?.kill('SIGKILL');
    await settle?.exited;
    const next = this.settle(extra);
    await this.begun();
    return next;
  }

  // `lonja asset …`: {code, out}.
  asset(...words) {
    const ended = spawnSync(join(this.bin, 'lonja'), ['asset', ...words, '--config', this.config], { encoding: 'utf8' });
    return { code: ended.status, out: ended.stdout + ended.stderr };
  }

  terms(name, content) {
    const path = join(this.folder, `${name}.json`);
    writeFileSync(path, JSON.stringify(content));
    return path;
  }

  // Of a deployment, as the database has it.
  steps(id) {
    return this.sql(`SELECT json_agg(json_build_object('name', p.name, 'state', p.state, 'reason', p.reason, 'contract', p.contract_address,
      'request', p.request_id, 'gas', p.gas_used, 'tx', p.tx_hash) ORDER BY step) FROM chain.deployment_progress p WHERE deployment_id = ${id}`);
  }

  state(id) {
    return this.sql(`SELECT state || ' ' || coalesce(failed_step, '') || ' ' || coalesce(reason, '') FROM chain.deployment WHERE deployment_id = ${id}`);
  }

  async asDeployer(to, signature, args) {
    const data = new Interface([`function ${signature}`]).encodeFunctionData(signature.split('(')[0], args);
    await this.provider.send('anvil_impersonateAccount', [this.deployer]);
    await this.provider.send('eth_sendTransaction', [{ from: this.deployer, to, data }]);
    await this.provider.send('anvil_stopImpersonatingAccount', [this.deployer]);
  }
}

// What ethers makes of the same plan, transaction by transaction.
async function compareCalldata(venue, id) {
  const plan = JSON.parse(venue.sql(`SELECT steps FROM chain.deployment WHERE deployment_id = ${id}`));
  const made = Object.fromEntries(JSON.parse(venue.steps(id)).filter((step) => step.contract).map((step) => [step.name, step.contract]));
  const resolved = (value) => (Array.isArray(value) ? value.map(resolved) : typeof value === 'string' && value[0] === '$' ? made[value.slice(1)] : value);
  for (const [number, step] of plan.entries()) {
    const [to, sent] = venue.sql(`SELECT coalesce(a.to_address, ''), encode(a.calldata, 'hex') FROM settle.attempt a JOIN chain.deployment_step s
      USING (request_id) WHERE s.deployment_id = ${id} AND s.step = ${number} AND a.state = 'confirmed'`).split('|');
    let data;
    if (step.operation === 'deploy') {
      const { abi, bytecode } = artifacts[step.artifact];
      data = (await new ContractFactory(abi, bytecode).getDeployTransaction(...resolved(step.values))).data;
      check(step.code_hash === keccak256(bytecode), `${step.name}: the hash of its code`);
    } else {
      const method = step.method ?? 'addAgent(address)';
      const abi = new Interface([`function ${method}`]);
      data = abi.encodeFunctionData(method.split('(')[0], step.operation === 'add_agent' ? [step.agent] : resolved(step.values));
    }
    check(data === `0x${sent}`, `${step.name}: ethers would send other bytes`);
    check(to.toLowerCase() === (step.contract ? resolved(step.contract).toLowerCase() : ''), `${step.name}: goes to ${to}`);
  }
  return plan.length;
}

async function compareToken(venue, id, terms) {
  const made = Object.fromEntries(JSON.parse(venue.steps(id)).filter((step) => step.contract).map((step) => [step.name, step.contract]));
  const of = (name, artifact) => new Contract(made[name], artifacts[artifact].abi, venue.provider);
  const token = of('token', 'Token');
  const registry = of('identity_registry', 'IdentityRegistry');
  const seen = { name: await token.name(), symbol: await token.symbol(), decimals: Number(await token.decimals()), paused: await token.paused(),
    agent: await token.isAgent(venue.deployer) && await registry.isAgent(venue.deployer), registry: await token.identityRegistry(),
    compliance: await token.compliance(), bound: await of('compliance', 'ModularCompliance').getTokenBound(), supply: await token.totalSupply() };
  check(seen.name === terms.name && seen.symbol === terms.symbol && seen.decimals === terms.decimals && seen.paused === !terms.open && seen.agent &&
    seen.registry === made.identity_registry && seen.compliance === made.compliance && seen.bound === made.token && seen.supply === 0n,
  `the token is not what was agreed on: ${JSON.stringify(seen, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}`);
  const row = venue.sql(`SELECT contract_address || ' ' || identity_registry_addr || ' ' || status FROM people.token WHERE asset_id = ${terms.asset}`);
  check(row === `${made.token} ${made.identity_registry} draft`, `the venue's token: ${row}`);
  return token;
}

// The worker is killed again and again meanwhile; `lonja asset deploy` with the same key goes on.
async function deployUnderFire(venue, settle, path) {
  const words = ['deploy', path, '--key', 'bond-1', '--flow', '17', '--evidence', 'approved by ana and ben', '--extend-policy'];
  let code;
  let kills = 0;
  let out = '';
  for (const end = Date.now() + 120_000; code !== 0;) {
    check(Date.now() < end, `the deployment does not end: ${venue.state(1)}\n${out}`);
    const cli = spawn(join(venue.bin, 'lonja'), ['asset', ...words, '--config', venue.config]);
    out = '';
    cli.stdout.on('data', (text) => { out += text; });
    cli.stderr.on('data', (text) => { out += text; });
    let running = true;
    const exited = new Promise((done) => cli.on('exit', (status) => { running = false; done(status); }));
    while (running && kills < 8) {
      await sleep(100 + Math.random() * 700);
      settle = await venue.restart(settle);
      kills++;
    }
    code = await exited;
    if (code !== 0 && venue.state(1).startsWith('deploy_failed')) throw new Error(`${venue.state(1)}\n${out}`);
  }
  check(out.includes('deployment 1 of asset 5: deployed'), out);
  return { settle, kills };
}

let keys = 0;
const post = (venue, path, body) => venue.service('POST', `/api/v1/${path}`,
  { flow: { kind: 'allocation', id: 1 }, evidence: { by: 'test' }, ...body }, { key: `t${keys++}` });

async function completed(venue, said, what) {
  check(said.status === 202 || said.status === 200, `${what}: ${said.text}`);
  await venue.until(what, async () => {
    const now = await venue.service('GET', `/api/v1/requests/${said.request_id}`);
    check(!['failed', 'dead_letter', 'cancelled'].includes(now.state), `${what}: ${now.text}`);
    return now.state === 'completed' && now;
  });
  return venue.service('GET', `/api/v1/requests/${said.request_id}`);
}

// M20: one identity registered (here two), one mint, one transfer, one refused.
async function firstOperations(venue, token) {
  const address = await token.getAddress();
  const register = (account) => {
    const { country, wallet } = venue.demo.accounts.find((a) => a.account === account);
    return post(venue, 'register-identity', { token_addr: address, investor: wallet, identity: venue.deployment.wallets[wallet].identity,
      country_code: country, country_source: 'passport', country_date: '2026-11-28' });
  };
  const uncovered = await post(venue, 'mint', { token_addr: address, to_addr: venue.wallet(1001), amount: '1' });
  check(uncovered.status === 422 && uncovered.error.name === 'custody_proof_missing' && uncovered.error.value === '1', `a new token has no custody proof: ${uncovered.text}`);
  venue.proof(5, 5000);
  const early = await post(venue, 'mint', { token_addr: address, to_addr: venue.wallet(1001), amount: '1' });
  await venue.until('a mint to who is not registered fails', async () => (await venue.service('GET', `/api/v1/requests/${early.request_id}`)).state === 'failed');
  const first = await register(1001);
  const twice = await register(1001);
  const done = await completed(venue, first, 'the first identity');
  check(twice.request_id === done.request_id || (twice.state === 'completed' && twice.reason === 'already_done'), `registered twice: ${twice.text}`);
  await completed(venue, await register(1002), 'the second identity');
  const again = await register(1001);
  check(again.state === 'completed' && again.reason === 'already_done', again.text);
  check(venue.sql(`SELECT evidence ->> 'earlier_request' FROM chain.chain_request WHERE request_id = ${again.request_id}`) === `${done.request_id}`, 'the earlier request is named');
  const minted = await completed(venue, await post(venue, 'mint', { token_addr: address, to_addr: venue.wallet(1001), amount: '1000.25' }), 'the mint');
  check(minted.gas_used > 0 && /^0x[0-9a-f]{64}$/.test(minted.tx_hash), minted.text);
  check(await token.balanceOf(venue.wallet(1001)) === 1000250000n, 'what was minted is there');
  const above = await post(venue, 'mint', { token_addr: address, to_addr: venue.wallet(1001), amount: '9000' });
  check(above.error?.name === 'supply_exceeded' && above.error.limit === '10000000000', above.text);
  const more = await post(venue, 'mint', { token_addr: address, to_addr: venue.wallet(1001), amount: '4000' });
  check(more.error?.name === 'custody_proof_exceeded' && more.error.limit === '5000' && more.error.value === '5000.25', more.text);

  venue.trade(1 << 21, 5, 1001, 1002, 2500);
  await venue.until('the trade settles', () => venue.count(`trade_id = ${1 << 21} AND settlement_status = 'settled'`) === 1);
  check(await token.balanceOf(venue.wallet(1002)) === 25000000n, 'the buyer has what he bought');
  venue.trade((1 << 21) + 16, 5, 1002, 1003, 100);
  await venue.until('a buyer who is not registered is refused', () =>
    venue.count(`trade_id = ${(1 << 21) + 16} AND settlement_status = 'failed' AND reason = 'not_registered_receiver'`) === 1);
  await completed(venue, await post(venue, 'freeze', { token_addr: address, wallet: venue.wallet(1002), frozen: true, amount: '20', flow: { kind: 'custody', id: 1 } }), 'freezing');
  check(await token.getFrozenTokens(venue.wallet(1002)) === 20000000n, 'what was frozen is frozen');
  await completed(venue, await post(venue, 'burn', { token_addr: address, from_addr: venue.wallet(1001), amount: '0.25', flow: { kind: 'redemption', id: 1 } }), 'the burn');
  check(await token.totalSupply() === 1000000000n, 'what was burned is gone');
}

function compareGas(venue) {
  const one = (text, expected, what) => check(venue.sql(text) === expected, `${what}: ${venue.sql(text)}`);
  one(`SELECT count(*) FROM chain.chain_request r WHERE state = 'confirmed' AND reason IS DISTINCT FROM 'already_done'
    AND NOT EXISTS (SELECT 1 FROM chain.gas_transaction g WHERE g.request_id = r.request_id AND g.succeeded)`, '0', 'confirmed requests without gas');
  one(`SELECT count(*) FROM (SELECT request_id FROM settle.attempt WHERE state = 'confirmed' GROUP BY 1 HAVING count(*) > 1) x`, '0', 'requests confirmed twice');
  one(`SELECT count(*) FROM chain.deployment_step s JOIN chain.deployment_step t USING (contract_address) WHERE (s.deployment_id, s.step) < (t.deployment_id, t.step)`,
    '0', 'one contract of two steps');
}

async function refusals(venue, authority) {
  const terms = { asset: 5, name: 'Lonja BOND', symbol: 'BOND', decimals: 6, implementation_authority: authority };
  const deploy = (change, rest = {}) => venue.service('POST', '/api/v1/deploy',
    { terms: { ...terms, ...change }, flow: { kind: 'issuance', id: 1 }, evidence: { by: 'test' }, ...rest }, { key: `r${keys++}` });
  const refused = async (answer, status, name, field) => {
    const said = await answer;
    check(said.status === status && said.error?.name === name && said.error.field === field, `${status} ${name} ${field} expected: ${said.text}`);
  };
  await refused(deploy({ decimals: 7 }), 409, 'terms_differ', 'decimals');
  await refused(deploy({ name: 'Other' }), 409, 'terms_differ', 'name');
  await refused(deploy({ asset: 77 }), 422, 'unknown_token', 'asset');
  await refused(deploy({ asset: 2, name: 'Port of Palma Bond', symbol: 'PORT', decimals: 18 }), 409, 'token_not_draft', 'asset');
  await refused(deploy({ implementation_authority: venue.wallet(1001) }), 422, 'no_contract', 'implementation_authority');
  await refused(deploy({ artifacts: { TokenProxy: '../package.json' } }), 422, 'artifact_unusable', 'TokenProxy');
  await refused(deploy({ artifacts: { TokenProxy: 'contracts/token/IToken.sol/IToken.json' } }), 422, 'artifact_unusable', 'TokenProxy');
  await refused(deploy({}, { evidence: { terms_hash: `0x${'00'.repeat(32)}` } }), 409, 'terms_differ', 'evidence');
  await refused(deploy({}, { flow: { kind: 'trade', id: 1 } }), 422, 'flow_not_allowed', 'flow');
  check(venue.sql('SELECT count(*) FROM chain.deployment') === '0', 'what is refused leaves no row');
}

// From nothing, implementations and all; too little gas stops it before it is sent.
async function wholeFoundation(venue, settle) {
  const path = venue.terms('fund', { asset: 6, name: 'Lonja FUND', symbol: 'FUND', decimals: 18 });
  const words = ['deploy', path, '--key', 'fund-1', '--flow', '18', '--evidence', 'test', '--extend-policy'];
  settle = await venue.restart(settle, ['settle.gas_deploy_max=3000000']);
  const before = await venue.provider.getTransactionCount(venue.deployer);
  const stopped = venue.asset(...words);
  check(stopped.code === 1 && venue.state(2).startsWith('deploy_failed token_implementation') && /gas/.test(venue.state(2)), `${stopped.out}\n${venue.state(2)}`);
  check(await venue.provider.getTransactionCount(venue.deployer) === before, 'nothing was sent');
  settle = await venue.restart(settle);
  const resumed = venue.asset('resume', '2', '--extend-policy');
  check(resumed.code === 0, `${resumed.out}\n${venue.state(2)}`);
  await compareToken(venue, 2, { asset: 6, name: 'Lonja FUND', symbol: 'FUND', decimals: 18, open: false });
  const gas = JSON.parse(venue.steps(2)).map((step) => Number(step.gas));
  say(`${gas.length} steps from nothing, ${gas.reduce((sum, one) => sum + one, 0)} gas, the largest ${Math.max(...gas)}; a limit below that stopped it first`);
  return { settle, steps: await compareCalldata(venue, 2) };
}

// Somebody changes the token before it is read back.
async function differentOnTheChain(venue, authority) {
  const path = venue.terms('loan', { asset: 7, name: 'Lonja LOAN', symbol: 'LOAN', decimals: 0, implementation_authority: authority });
  const words = ['deploy', path, '--key', 'loan-1', '--flow', '19', '--evidence', 'test'];
  let ended = venue.asset(...words);
  check(ended.code === 3 && venue.state(3).startsWith('awaiting_policy'), `creations await the policy: ${ended.out}`);
  check(venue.asset('resume', '3').code === 1 && venue.state(3) === 'deploy_failed claim_topics creation_not_allowed', `the signer refuses what its policy does not name: ${venue.state(3)}`);
  check(venue.asset('policy', '3', '--extend-policy').code === 0, 'the policy is extended');
  ended = venue.asset('resume', '3');
  check(ended.code === 3, `calls await the policy: ${ended.out} ${venue.state(3)}`);
  const token = JSON.parse(venue.steps(3)).find((step) => step.name === 'token').contract;
  await venue.asDeployer(token, 'setName(string)', ['Another name']);
  ended = venue.asset('resume', '3', '--extend-policy');
  check(ended.code === 1 && /^deploy_failed read_back token.name: \["Lonja LOAN"\] expected/.test(venue.state(3)), `a difference stops it: ${venue.state(3)}`);
  check(venue.sql('SELECT contract_address IS NULL FROM people.token WHERE asset_id = 7') === 't', 'the token has no address');
  ended = venue.asset('deploy', path, '--key', 'loan-2', '--flow', '19', '--evidence', 'test');
  check(ended.code === 1 && ended.out.includes('deployment_exists'), `one suite at a time: ${ended.out}`);
  check(venue.asset('abandon', '3', '--reason', 'somebody renamed it').code === 0 && venue.state(3).startsWith('abandoned'), 'it is given up');
  check(venue.asset('resume', '3').out.includes('state_conflict'), 'what is given up is not resumed');
  ended = venue.asset('deploy', path, '--key', 'loan-2', '--flow', '19', '--evidence', 'test', '--extend-policy');
  check(ended.code === 0 && ended.out.includes('of asset 7: deployed'), `another suite: ${ended.out}`);
}

async function main(venue) {
  venue.begin();
  venue.sign();
  let settle = venue.settle();
  await venue.begun();
  const factory = new Contract(venue.deployment.foundation.factory, ['function getImplementationAuthority() view returns (address)'], venue.provider);
  const authority = await factory.getImplementationAuthority();
  const terms = { asset: 5, name: 'Lonja BOND', symbol: 'BOND', decimals: 6, implementation_authority: authority, claim_topics: [1],
    trusted_issuers: [{ issuer: venue.deployment.foundation.claim_issuer, topics: [1] }], open: true };
  await refusals(venue, authority);
  const path = venue.terms('bond', terms);
  const plan = venue.asset('plan', path);
  check(plan.code === 0 && JSON.parse(plan.out).steps.length === 12, plan.out);
  const fired = await deployUnderFire(venue, settle, path);
  settle = fired.settle;
  const token = await compareToken(venue, 1, terms);
  say(`a token in ${await compareCalldata(venue, 1)} transactions, each as ethers would send it, the worker killed ${fired.kills} times`);
  const policy = readFileSync(join(venue.folder, 'chain/policy.json'), 'utf8');
  check(!/addAgent|addClaimTopic|unpause|code_hash/.test(policy) && policy.includes(await token.getAddress()), 'the policy is closed behind the set-up');
  await firstOperations(venue, token);
  say('registered, minted, traded, refused, frozen, burned');
  ({ settle } = await wholeFoundation(venue, settle));
  await differentOnTheChain(venue, authority);
  say('what the signer does not know, and what is not as agreed on the chain, stops a deployment');
  compareGas(venue);
  settle.kill('SIGTERM');
  check((await settle.exited) === 0, 'a clean stop has status 0');
}

await playSettlement({ name: 'asset_chain_test', help: HELP, port: '18600', Venue: AssetVenue }, main);
