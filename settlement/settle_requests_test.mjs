#!/usr/bin/env node
// Requests that are of no trade, on real parts: every operation of chain.chain_request is inserted as a row and carried
// out by the settlement worker (settle_host) with lonja-sign against anvil with T-REX, while the worker is killed.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { AbiCoder, Contract, Wallet, getAddress, keccak256 } from 'ethers';
import { check, playSettlement } from '../tests/lib/settlement_venue.mjs';

const HELP = `Usage: settle_requests_test.mjs BIN TEST [--port BASE] [--keep FOLDER]

BIN holds lonja-sign and lonja-key, TEST holds settle_host. Starts its own servers in a new folder.
Exit: 0 passed, 1 failed, 77 skipped.
`;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const say = (line) => process.stdout.write(`settle_requests_test: ${line}\n`);
const artifactPath = join(root, 'node_modules/@tokenysolutions/t-rex/artifacts/contracts/proxy/authority/TREXImplementationAuthority.sol/TREXImplementationAuthority.json');

let counter = 0;
// Returns the request's id.
function request(venue, operation, contract, legs, args = {}) {
  const key = `test:${++counter}`;
  const rows = legs.map(({ from, to, amount = 0 }, leg) =>
    `INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount) SELECT request_id, ${leg}, ${from ? `'${from}'` : 'NULL'}, ${to ? `'${to}'` : 'NULL'}, ${amount} FROM chain.chain_request WHERE idempotency_key = '${key}'`);
  venue.sql(['BEGIN', `INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, arguments) VALUES ('${key}', '${operation}', 31337, ${contract ? `'${contract}'` : 'NULL'}, '${JSON.stringify(args)}')`, ...rows, 'COMMIT'].join(';'));
  return venue.sql(`SELECT request_id FROM chain.chain_request WHERE idempotency_key = '${key}'`);
}

const stateOf = (venue, id) => venue.sql(`SELECT state || '|' || coalesce(reason, '') FROM chain.chain_request WHERE request_id = ${id}`);

async function ends(venue, id, state, reason = '') {
  await venue.until(`request ${id} ends`, () => /^(confirmed|rejected|reverted)/.test(stateOf(venue, id)));
  const found = stateOf(venue, id);
  check(found.startsWith(`${state}|`) && found.includes(reason), `request ${id} is ${found}, ${state} ${reason} expected`);
  return id;
}

function allow(venue, artifact) {
  const policy = JSON.parse(readFileSync(join(venue.folder, 'chain/policy.json'), 'utf8'));
  const token = venue.deployment.instruments.PORT;
  const code = artifact.bytecode;
  policy.allow = [
    { contract: token.token, methods: ['forcedTransfer', 'batchForcedTransfer', 'mint', 'burn', 'batchMint', 'batchBurn', 'freezePartialTokens', 'unfreezePartialTokens', 'batchFreezePartialTokens', 'batchUnfreezePartialTokens', 'setAddressFrozen', 'batchSetAddressFrozen', 'addAgent'] },
    { contract: venue.deployment.instruments.ATUN.token, methods: ['forcedTransfer', 'batchForcedTransfer'] },
    { contract: venue.registry, methods: ['registerIdentity', 'deleteIdentity'] },
  ];
  policy.create = [{ name: artifact.contractName, code_hash: keccak256(code), code_length: (code.length - 2) / 2 }];
  writeFileSync(join(venue.folder, 'chain/policy.new'), JSON.stringify(policy));
  renameSync(join(venue.folder, 'chain/policy.new'), join(venue.folder, 'chain/policy.json'));
}

// Tokens are minted under a custody proof that is valid now, and never more than it says.
async function proofs(venue, token, port, to) {
  const units = 10n ** 18n;
  const whole = (amount) => `${amount / units}.${(amount % units).toString().padStart(18, '0')}`.replace(/\.?0+$/, '');
  const waits = (id, reason) => venue.until(`request ${id} waits, ${reason}`, () => stateOf(venue, id).startsWith(`prepared|${reason}`));
  const post = (amount) => venue.service('POST', '/api/v1/mint', { token_addr: port, to_addr: to, amount, flow: { kind: 'issuance', id: 1 }, evidence: { by: 'test' } }, { key: `proof-${++counter}` });
  const refused = async (amount, name) => {
    const said = await post(amount);
    check(said.status === 422 && said.error?.name === name, `${name} expected: ${said.text}`);
    return said.error;
  };
  const fails = (what, text) => { try { venue.sql(text); } catch { return; } throw new Error(`taken: ${what}`); };
  const signed = () => venue.sql("SELECT count(*) FROM settle.attempt a JOIN chain.chain_request r USING (request_id) WHERE r.operation = 'mint'");
  const valid = venue.sql("SELECT proof FROM chain.custody_proof_standing WHERE token = 2 AND state = 'valid'");
  venue.decide(valid, 'revoked', 'three');
  const [begun, supply] = [signed(), await token.totalSupply()];
  const first = request(venue, 'mint', port, [{ to, amount: 100 }]);
  await waits(first, 'custody_proof_missing');
  check((await refused('1', 'custody_proof_missing')).value === whole(supply + 100n + units), 'how many there would be is said');
  fails('a verification by the person who recorded it', `INSERT INTO chain.custody_proof_decision (proof_id, decision, decided_by) VALUES (${venue.proof(2, 1, { verified: false })}, 'verified', 'ONE')`);
  fails('a proof that says something else now', `UPDATE chain.custody_proof SET quantity = 1e13`);
  fails('a decision that never was', `DELETE FROM chain.custody_proof_decision`);
  await sleep(700); // two ticks
  check(stateOf(venue, first) === 'prepared|custody_proof_missing' && signed() === begun, 'nothing is signed without a proof');
  venue.proof(2, whole(supply + 100n));
  await ends(venue, first, 'confirmed');
  const both = [1, 2].map(() => request(venue, 'mint', port, [{ to, amount: 60 }]));
  await waits(both[0], `custody_proof_exceeded: ${whole(supply + 160n)}, ${whole(supply + 100n)} covered`);
  const above = await refused('1', 'custody_proof_exceeded');
  check(above.limit === whole(supply + 100n) && above.value === whole(supply + 220n + units), JSON.stringify(above));
  venue.proof(2, whole(supply + 160n));
  await ends(venue, both[0], 'confirmed');
  await waits(both[1], 'custody_proof_exceeded');
  check(await token.totalSupply() === supply + 160n, 'never more than is covered');
  venue.proof(2, 1e12, { expires: "now() + interval '1.5 s'" });
  await ends(venue, both[1], 'confirmed');
  await venue.until('it expires', () => venue.sql("SELECT state FROM chain.custody_proof_standing WHERE token = 2") === 'expired');
  const late = request(venue, 'mint', port, [{ to, amount: 1 }]);
  await waits(late, 'custody_proof_expired: at ');
  check(/^20..-.*Z$/.test((await refused('1', 'custody_proof_expired')).limit), 'when it has expired is said');
  check(venue.sql('SELECT waiting FROM chain.custody_proof_standing WHERE token = 2', 'lonja_ops') === '1', 'who waits is counted');
  venue.proof(2, 1e12);
  await ends(venue, late, 'confirmed');
  check(venue.sql(`SELECT string_agg(status, ' ' ORDER BY id) FROM public.custody_proof WHERE asset_id = 2`) === 'EXPIRED EXPIRED EXPIRED EXPIRED VALID', "the documents' words");
  check(venue.sql(`SELECT count(*) FROM settle.attempt a JOIN chain.chain_request r USING (request_id) WHERE r.operation = 'mint' AND a.raw IS NOT NULL AND NOT EXISTS
    (SELECT FROM chain.mint_check c WHERE c.attempt_id = a.attempt_id AND c.refused IS NULL AND c.proof_id IS NOT NULL)`) === '0', 'each signature has what it was given on');
}

async function main(venue) {
  venue.start();
  const artifact = JSON.parse(readFileSync(artifactPath, 'utf8'));
  const port = venue.deployment.instruments.PORT.token;
  const views = ['function identityRegistry() view returns (address)', 'function balanceOf(address) view returns (uint256)', 'function isFrozen(address) view returns (bool)', 'function getFrozenTokens(address) view returns (uint256)', 'function totalSupply() view returns (uint256)'];
  const token = new Contract(port, views, venue.provider);
  venue.registry = await token.identityRegistry();
  const registry = new Contract(venue.registry, ['function identity(address) view returns (address)', 'function contains(address) view returns (bool)', 'function investorCountry(address) view returns (uint16)'], venue.provider);
  allow(venue, artifact);
  venue.sign();
  let settle = venue.settle();
  const [one, two] = [venue.wallet(1001), venue.wallet(1002)];
  const supply = await token.totalSupply();
  const before = [await token.balanceOf(one), await token.balanceOf(two)];

  await ends(venue, request(venue, 'mint', port, [{ to: one, amount: 1000 }]), 'confirmed');
  await ends(venue, request(venue, 'mint', port, [{ to: one, amount: 10 }, { to: two, amount: 20 }]), 'confirmed');
  await ends(venue, request(venue, 'burn', port, [{ from: one, amount: 500 }]), 'confirmed');
  check(await token.totalSupply() === supply + 530n && await token.balanceOf(one) === before[0] + 510n && await token.balanceOf(two) === before[1] + 20n, 'mint and burn');
  await ends(venue, request(venue, 'forced_transfer', port, [{ from: one, to: two, amount: 10 }]), 'confirmed');
  check(await token.balanceOf(one) === before[0] + 500n, 'a transfer that is of no trade');
  await ends(venue, request(venue, 'freeze_partial', port, [{ to: one, amount: 7 }, { to: two, amount: 8 }]), 'confirmed');
  check(await token.getFrozenTokens(one) === 7n && await token.getFrozenTokens(two) === 8n, 'frozen units');
  await ends(venue, request(venue, 'unfreeze_partial', port, [{ to: one, amount: 7 }]), 'confirmed');
  await ends(venue, request(venue, 'unfreeze_partial', port, [{ to: one, amount: 7 }, { to: two, amount: 8 }]), 'rejected', 'leg 0: reverted');
  await ends(venue, request(venue, 'unfreeze_partial', port, [{ to: two, amount: 8 }]), 'confirmed');
  await ends(venue, request(venue, 'set_address_frozen', port, [{ to: one }, { to: two }], { frozen: true }), 'confirmed');
  check(await token.isFrozen(one) && await token.isFrozen(two), 'frozen wallets');
  await ends(venue, request(venue, 'set_address_frozen', port, [{ to: one }, { to: two }], { frozen: true }), 'confirmed', 'already_done');
  await ends(venue, request(venue, 'set_address_frozen', port, [{ to: one }, { to: two }], { frozen: false }), 'confirmed');
  say('mint, burn, transfer, freeze: one wallet and many');

  await proofs(venue, token, port, one);
  say('a mint waits for its custody proof, for one that has not expired, and for one that covers it');

  const investor = Wallet.createRandom().address;
  const identity = await registry.identity(one);
  await ends(venue, request(venue, 'register_identity', venue.registry, [{ to: investor }], { identity, country: 724 }), 'confirmed');
  check(await registry.identity(investor) === identity && await registry.investorCountry(investor) === 724n, 'registered');
  await ends(venue, request(venue, 'register_identity', venue.registry, [{ to: investor }], { identity, country: 724 }), 'confirmed', 'already_done');
  await ends(venue, request(venue, 'register_identity', venue.registry, [{ to: investor }], { identity, country: 250 }), 'rejected', 'reverted');
  await ends(venue, request(venue, 'delete_identity', venue.registry, [{ to: investor }]), 'confirmed');
  check(!(await registry.contains(investor)), 'deleted');
  await ends(venue, request(venue, 'add_agent', port, [], { agent: investor }), 'rejected', 'reverted'); // the key owns no token
  say('identities and agents');

  const args = { artifact: 'TREXImplementationAuthority', path: artifactPath, code_hash: keccak256(artifact.bytecode),
    arguments: AbiCoder.defaultAbiCoder().encode(['bool', 'address', 'address'], [true, one, two]) };
  const deploy = request(venue, 'deploy', null, [], args);
  await ends(venue, deploy, 'confirmed');
  const address = getAddress(venue.sql(`SELECT contract_address FROM chain.chain_request WHERE request_id = ${deploy}`));
  check((await venue.provider.getCode(address)).length > 100, 'code is there');
  await ends(venue, request(venue, 'add_agent', address, [], { agent: investor }), 'rejected', '');
  await ends(venue, request(venue, 'deploy', null, [], { ...args, code_hash: `0x${'1'.repeat(64)}` }), 'rejected', 'artifact_changed');
  await ends(venue, request(venue, 'mint', one, [{ to: one, amount: 1 }]), 'rejected', 'no_contract');
  say('a contract is created; what cannot be carried out is rejected');

  const minted = await token.totalSupply();
  const ids = [];
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 3; i++) ids.push(request(venue, 'mint', port, [{ to: i % 2 ? one : two, amount: 1000 + round }]));
    venue.trade((1 << 20) + 16 * round, 2, 1001, 1002, 10 + round);
    await sleep(20 + Math.random() * 150);
    settle.kill('SIGKILL');
    await settle.exited;
    settle = venue.settle();
  }
  for (const id of ids) await ends(venue, id, 'confirmed');
  await venue.until('trades settle beside them', () => venue.count("settlement_status <> 'settled'") === 0);
  check(await token.totalSupply() === minted + 3n * (8n * 1000n + 28n), 'each mint happened once');
  await venue.until('no attempt is left open', () => venue.sql(`SELECT count(*) FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined')`) === '0');
  check(venue.sql(`SELECT count(*) FROM chain.gas_transaction g JOIN chain.chain_request r USING (request_id) WHERE g.operation <> r.operation`) === '0', 'gas is booked by operation');
  say(`${ids.length} mints and 8 trades, the worker killed 8 times: each once`);
  // A person gives a nonce up: what was sent there goes again.
  const id = (1 << 20) + 16 * 100;
  await venue.provider.send('evm_setAutomine', [false]);
  await venue.provider.send('evm_setIntervalMining', [0]);
  venue.trade(id, 2, 1001, 1002, 5);
  await venue.until('a transaction is sent', () => venue.count(`trade_id = ${id} AND tx_hash IS NOT NULL`) === 1);
  const nonce = Number(venue.sql(`SELECT nonce FROM settle.attempt WHERE state = 'sent'`));
  const cancel = request(venue, 'cancel_nonce', null, [], { nonce });
  await venue.until('an empty one takes its place', () => venue.sql(`SELECT count(*) FROM settle.attempt WHERE nonce = ${nonce} AND state = 'sent' AND length(calldata) = 0`) === '1');
  await venue.provider.send('evm_setAutomine', [true]);
  await venue.provider.send('evm_mine', []);
  await ends(venue, cancel, 'confirmed', 'its_request_is_being_cancelled');
  await venue.until('the trade goes again', () => venue.count(`trade_id = ${id} AND settlement_status = 'settled' AND total_attempts = 0`) === 1);
  check(venue.sql(`SELECT string_agg(state, ' ' ORDER BY request_id) FROM chain.request_leg WHERE trade_id = ${id}`) === 'back done', 'its legs');
  await ends(venue, request(venue, 'cancel_nonce', null, [], { nonce }), 'rejected', 'nonce_is_used');
  say('a nonce is given up by hand');

  // A transaction reverts, the chain goes back behind it, and now it would pass: its bytes are never sent again.
  const lost = id + 16;
  const agent = JSON.parse(readFileSync(join(venue.folder, 'chain/input.json'), 'utf8')).agent;
  const owner = (await venue.provider.send('eth_accounts', []))[0];
  const all = (await token.balanceOf(two)).toString();
  await venue.provider.send('evm_setAutomine', [false]);
  venue.trade(lost, 2, 1002, 1001, 5);
  await venue.until('it is sent', () => venue.count(`trade_id = ${lost} AND tx_hash IS NOT NULL`) === 1);
  const burn = new Contract(port, ['function burn(address,uint256)'], venue.provider).interface.encodeFunctionData('burn', [two, all]);
  await venue.provider.send('eth_sendTransaction', [{ from: owner, to: port, data: burn, gas: '0x100000', maxFeePerGas: '0x1bf08eb000', maxPriorityFeePerGas: '0x174876e800' }]);
  await venue.provider.send('evm_mine', []);
  await venue.provider.send('evm_setAutomine', [true]);
  await venue.until('it reverts', () => venue.count(`trade_id = ${lost} AND settlement_status = 'failed' AND total_attempts = 1`) === 1);
  const reverted = venue.sql(`SELECT nonce FROM settle.attempt WHERE state = 'reverted' ORDER BY attempt_id DESC LIMIT 1`);
  await venue.provider.send('anvil_reorg', [1, []]);
  check((await token.balanceOf(two)).toString() === all, 'the chain has gone back behind it');
  await venue.until('its nonce is given up', () => venue.sql(`SELECT string_agg(state || length(calldata)::text, ' ' ORDER BY attempt_id) FROM settle.attempt WHERE nonce = ${reverted}`).match(/^replaced\d+ dropped0$/) !== null);
  check((await token.balanceOf(two)).toString() === all && (await venue.provider.getTransactionCount(agent)) === Number(reverted) + 1, 'nothing has moved');
  check(venue.count(`trade_id = ${lost} AND settlement_status = 'failed'`) === 1 && venue.sql('SELECT count(*) FROM settle.incident') === '0', 'the trade stays failed');
  say('a reverted transaction that the chain lost is never sent again');
  await decisions(venue, lost + 16, lost);

  settle.kill('SIGTERM');
  check((await settle.exited) === 0, 'a clean stop has status 0');
  settle = venue.settle(['settle.off_chain_missing_wallet=1']);
  venue.sql('UPDATE people.account SET wallet_address = NULL WHERE account_id = 1004');
  venue.trade(lost + 160, 2, 1001, 1004, 5);
  await venue.until('without a wallet it is settled off chain, and owed', () => venue.count(`trade_id = ${lost + 160} AND settlement_type = 'off_chain' AND reason = 'wallet_missing' AND trade_id IN (SELECT trade_id FROM settle.owed_on_chain)`) === 1);
  say("the documents' choice for a missing wallet");
  settle.kill('SIGTERM');
  await settle.exited;
}

// What people decide: holds by trade, account, token and venue; a halted token; marks of two persons.
async function decisions(venue, first, failed) {
  const status = (id) => venue.sql(`SELECT settlement_status || ' ' || coalesce(reason, '') FROM settle.trade WHERE trade_id = ${id}`);
  const hold = (column, value) => venue.sql(`INSERT INTO settle.hold (${column}, held_by, reason) VALUES (${value}, 'one', 'a look')`, 'lonja_admin');
  const release = (column) => venue.sql(`UPDATE settle.hold SET released_by = 'two', released_at = now() WHERE released_at IS NULL AND ${column}`, 'lonja_admin');
  const lane = (token, state) => venue.until(`the lane of ${token} is ${state}`, () =>
    venue.sql(`SELECT concat_ws(' ', state, reason) FROM settle.lane WHERE token = ${token}`, 'lonja_ops') === state);
  hold('venue', true);
  await lane(2, 'held a look');
  await lane(3, 'held a look');
  venue.trade(first, 2, 1001, 1003, 5);
  venue.trade(first + 16, 3, 1001, 1003, 6);
  await venue.until('the venue is held', () => status(first) === 'pending held' && status(first + 16) === 'pending held');
  hold('token_asset', 2);
  release('venue');
  await venue.until('then one token only', () => status(first + 16).startsWith('settled') && status(first) === 'pending held');
  await lane(2, 'held a look');
  await lane(3, 'running');
  hold('trade_id', first);
  release('token_asset IS NOT NULL');
  await lane(2, 'running');
  venue.trade(first + 32, 2, 1002, 1003, 7);
  await venue.until('then one trade only', () => status(first + 32).startsWith('settled') && status(first) === 'pending held');
  release('trade_id IS NOT NULL');
  await venue.until('then none', () => status(first).startsWith('settled'));
  const halted = first + 64;
  venue.sql(`INSERT INTO settle.incident (kind, request_id, token_asset) VALUES ('moved_twice', 1, 2)`, 'lonja_settle');
  venue.trade(halted, 2, 1001, 1003, 9);
  await venue.until('an incident halts its token', () => status(halted) === 'pending held');
  await lane(2, 'halted incident: moved_twice');
  await lane(3, 'running');
  const mark = (id, outcome, hash) => venue.sql(`INSERT INTO settle.manual_mark (trade_id, outcome, tx_hash, reason, proposed_by) VALUES (${id}, '${outcome}', ${hash ? `'${hash}'` : 'NULL'}, 'by hand', 'one') RETURNING mark_id`, 'lonja_admin');
  const approve = (id, who) => venue.sql(`UPDATE settle.manual_mark SET approved_by = '${who}', approved_at = now() WHERE mark_id = ${id}`, 'lonja_admin');
  const hash = `0x${'ab'.repeat(32)}`;
  const one = mark(failed, 'settled_on_chain', hash);
  let refused = false;
  try { approve(one, 'one'); } catch { refused = true; }
  check(refused, 'nobody approves what he proposed');
  approve(one, 'two');
  await venue.until('a transaction that is not there settles nothing', () => venue.sql(`SELECT problem FROM settle.manual_mark WHERE mark_id = ${one}`) === 'transaction_not_found');
  venue.sql(`UPDATE settle.manual_mark SET withdrawn_at = now(), withdrawn_by = 'one', withdraw_reason = 'mistyped' WHERE mark_id = ${one}`, 'lonja_admin');
  approve(mark(failed, 'settled_off_chain'), 'two');
  await venue.until('a failed trade is marked settled', () => venue.count(`trade_id = ${failed} AND settlement_status = 'settled' AND settlement_type = 'off_chain' AND reason = 'manual: by hand (one, two)'`) === 1);
  const two = mark(halted, 'failed');
  approve(two, 'two');
  await venue.until('a pending one is marked failed', () => status(halted) === 'failed manual: by hand (one, two)');
  const three = mark(failed, 'settled_off_chain');
  approve(three, 'two');
  await venue.until('a settled one stays so', () => venue.sql(`SELECT answer FROM settle.manual_mark WHERE mark_id = ${three}`).startsWith('refused: '));
  const close = (who) => venue.sql(`UPDATE settle.incident SET close_reason = coalesce(close_reason, 'it was a test'), close_proposed_by = coalesce(close_proposed_by, 'one'), close_proposed_at = now(), closed_at = now(), closed_by = '${who}'`, 'lonja_admin');
  refused = false;
  try { close('one'); } catch { refused = true; }
  check(refused, 'one person does not close an incident');
  close('two');
  const held = halted + 32;
  hold('account_id', 1003);
  venue.trade(held, 2, 1001, 1003, 4);
  venue.trade(held + 16, 2, 1001, 1002, 4);
  await venue.until('an account is held, as a buyer', () => status(held) === 'pending held' && status(held + 16).startsWith('settled'));
  release('account_id IS NOT NULL');
  await venue.until('no longer', () => status(held).startsWith('settled'));
  check(venue.sql(`SELECT string_agg(outcome, ' ' ORDER BY result_id) FROM settle.result WHERE trade_id = ${failed}`) === 'failed retried settled', 'the core is told');
  await venue.until('the core has booked all', () => venue.sql("SELECT count(*) FROM settle.result WHERE state <> 'booked'") === '0');
  say('holds, a halted token, marks of two persons');
}

await playSettlement({ name: 'settle_requests_test', help: HELP, port: '18750' }, main);
