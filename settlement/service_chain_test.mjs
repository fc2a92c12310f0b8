#!/usr/bin/env node
// The chain's service (port 8082) on real parts: Postgres, anvil with T-REX contracts, lonja-sign, and the settlement
// process with its service. See --help.
import { appendFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, playSettlement } from '../tests/lib/settlement_venue.mjs';

const HELP = `Usage: service_chain_test.mjs BIN TEST [--port BASE] [--keep FOLDER]

BIN holds lonja-sign and lonja-key, TEST holds settle_host. Starts its own servers in a new folder, and asks the
service for what it does and for what it must not do. Exit: 0 passed, 1 failed, 77 skipped.
`;

const say = (line) => process.stdout.write(`service_chain_test: ${line}\n`);

const LIMITED = 'l'.repeat(40);
const WALLET = '0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199'; // nobody's
const flow = { kind: 'allocation', id: '77' };
const evidence = { allocation: 77, decided: 'by hand' };

async function refused(answer, status, name, field) {
  const said = await answer;
  check(said.status === status && said.error?.name === name && (field === undefined || said.error.field === field),
    `${status} ${name} ${field ?? ''} expected, got ${said.status} ${said.text}`);
  return said.error;
}

// ---- who may, and what is no request at all

async function strangers(venue) {
  const read = '/api/v1/requests';
  check((await venue.service('GET', '/health', undefined, { token: '' })).status === 200, 'health needs no token');
  await refused(venue.service('GET', read, undefined, { token: '' }), 401, 'not_authorised');
  await refused(venue.service('GET', read, undefined, { token: 'x'.repeat(40) }), 401, 'not_authorised');
  await refused(venue.service('GET', '/nonsense', undefined, { token: 'x'.repeat(40) }), 401, 'not_authorised');
  await refused(venue.service('GET', '/nonsense'), 404, 'not_found');
  await refused(venue.service('PUT', '/api/v1/mint', '{}'), 404, 'not_found');
  check((await venue.service('GET', read, undefined, { token: LIMITED })).status === 200, 'who may read may read');
  await refused(venue.service('POST', '/api/v1/mint', {}, { token: LIMITED }), 403, 'not_allowed');
  await venue.until('guessing is slowed down', async () => {
    const many = await Promise.all(Array.from({ length: 30 }, () => venue.service('GET', read, undefined, { token: 'y'.repeat(40) })));
    check(many.every((said) => [401, 429].includes(said.status)), 'a guess is right');
    return many.some((said) => said.status === 429);
  });
  await sleep(1100);
}

// Bytes as they are; what comes back within a second or until the connection is closed.
function raw(venue, bytes) {
  return new Promise((resolve) => {
    let text = '';
    const socket = net.connect(venue.servicePort, '127.0.0.1', () => socket.write(bytes));
    const end = () => { socket.destroy(); resolve(text); };
    socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
    socket.on('error', end).on('close', end);
    setTimeout(end, 1000);
  });
}

async function nonsense(venue) {
  for (const body of ['', '{', '[]', '7', 'null', '"x"', '{"a":1,"a":2}', '{"a":"\\u0000"}', '\u0000', '{"a":1}x',
    '['.repeat(30000), '{"a":'.repeat(10000), '{"token_addr":"\\ud800"}'])
    await refused(venue.service('POST', '/api/v1/mint', body), 400, 'malformed');
  await refused(venue.service('POST', '/api/v1/mint', 'x'.repeat(70000)), 413, 'too_large');
  await refused(venue.service('POST', '/api/v1/mint', '{}', { key: 'k'.repeat(150) }), 400, 'field_malformed', 'Idempotency-Key');
  await refused(venue.service('POST', '/api/v1/mint', '{}', { key: 'k'.repeat(500) }), 400, 'field_malformed', 'Idempotency-Key');
  await refused(venue.service('GET', '/api/v1/requests/0'), 404, 'not_found');
  await refused(venue.service('GET', '/api/v1/requests/99999999999999999999'), 404, 'not_found');
  await refused(venue.service('GET', '/api/v1/requests/9223372036854775807'), 404, 'not_found');
  await refused(venue.service('GET', '/api/v1/requests?limit=1001'), 400, 'field_malformed', 'limit');
  await refused(venue.service('GET', '/api/v1/requests?key=%27%3B--'), 404, 'not_found');
  const token = 'authorization: bearer ' + 'z'.repeat(5000);
  for (const bytes of ['\0\0\0\0\r\n\r\n', 'GET\r\n\r\n', `GET / HTTP/1.1\r\n${token}\r\n\r\n`, `GET /${'a'.repeat(9000)} HTTP/1.1\r\n\r\n`,
    'POST /api/v1/mint HTTP/1.1\r\ncontent-length: -1\r\n\r\n', 'POST /api/v1/mint HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /api/v1/mint HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131) & 255))])
    check(!/HTTP\/1.1 2/.test(await raw(venue, bytes)), `was accepted: ${bytes}`);
  check((await venue.service('GET', '/health')).status === 200, 'the service lives on');
}

// ---- fields

let keys = 0;
const port = (venue) => venue.deployment.instruments.PORT.token;
const mint = (venue, change = {}, options = { key: `k${keys++}` }) => venue.service('POST', '/api/v1/mint',
  { token_addr: port(venue), to_addr: venue.wallet(1003), amount: '1.5', flow, evidence, ...change }, options);

async function fields(venue) {
  const lower = port(venue).toLowerCase();
  await refused(mint(venue, {}, {}), 400, 'key_missing');
  await refused(mint(venue, { idempotency_key: 'a:b' }, {}), 400, 'field_malformed', 'idempotency_key');
  await refused(mint(venue, { idempotency_key: 'other' }), 400, 'field_malformed', 'idempotency_key');
  await refused(mint(venue, { colour: 1 }), 400, 'unknown_field', 'colour');
  await refused(mint(venue, { amount: undefined }), 400, 'missing_field', 'amount');
  await refused(mint(venue, { token_addr: lower }), 422, 'address_not_checksummed', 'token_addr');
  await refused(mint(venue, { token_addr: port(venue).slice(0, 41) }), 422, 'address_malformed', 'token_addr');
  await refused(mint(venue, { to_addr: '0x0000000000000000000000000000000000000000' }), 422, 'address_zero', 'to_addr');
  await refused(mint(venue, { token_addr: WALLET }), 422, 'unknown_token', 'token_addr');
  await refused(mint(venue, { chain_id: 1 }), 422, 'wrong_chain', 'chain_id');
  await refused(mint(venue, { amount: 1.5 }), 422, 'amount_malformed', 'amount');
  await refused(mint(venue, { amount: '1e3' }), 422, 'amount_malformed', 'amount');
  await refused(mint(venue, { amount: '0' }), 422, 'amount_not_positive', 'amount');
  await refused(mint(venue, { amount: '-1' }), 422, 'amount_not_positive', 'amount');
  await refused(mint(venue, { amount: '0.0000000000000000001' }), 422, 'amount_not_representable', 'amount');
  const large = await refused(mint(venue, { amount: `${(2n ** 128n) / 10n ** 18n + 1n}` }), 422, 'amount_too_large', 'amount');
  check(large.limit === `${2n ** 128n - 1n}`, 'the limit is said');
  await refused(mint(venue, { amount: `${2n ** 256n}` }), 422, 'amount_too_large', 'amount');
  await refused(mint(venue, { flow: undefined }), 400, 'missing_field', 'flow');
  await refused(mint(venue, { flow: { kind: 'allocation' } }), 400, 'missing_field', 'id');
  await refused(mint(venue, { flow: { kind: 'whim', id: 1 } }), 422, 'flow_not_allowed', 'flow');
  await refused(mint(venue, { evidence: {} }), 400, 'field_malformed', 'evidence');
  venue.sql(`INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (8, 'token', 2, 'LIE'), (9, 'token', 2, 'FAR');
    INSERT INTO people.token (asset_id, name, chain_id, contract_address) VALUES (8, 'no code', 31337, '${WALLET}'),
    (9, 'elsewhere', 137, '0x1000000000000000000000000000000000000009')`);
  await refused(mint(venue, { token_addr: WALLET }), 422, 'no_contract', 'token_addr');
  await refused(mint(venue, { token_addr: '0x1000000000000000000000000000000000000009' }), 422, 'wrong_chain', 'token_addr');
  venue.sql(`UPDATE people.token SET total_supply = 10000000 WHERE asset_id = 2`); // 100,000: 102,000 are there
  await refused(mint(venue), 422, 'supply_exceeded', 'amount');
  venue.sql(`UPDATE people.token SET total_supply = NULL WHERE asset_id = 2`);
  check(venue.sql('SELECT count(*) FROM chain.chain_request') === '0', 'what is refused leaves no row');
}

// ---- rows

async function idempotence(venue) {
  const first = await mint(venue, {}, { key: 'once' });
  check(first.status === 202 && first.operation === 'mint' && first.key === 'once', first.text);
  check(first.legs[0].amount === '1500000000000000000' && first.legs[0].to === venue.wallet(1003), first.text);
  const again = await mint(venue, { amount: '1.50' }, { key: 'once' });
  check(again.status === 200 && again.request_id === first.request_id, 'the same content in other words is the same request');
  const conflict = await refused(mint(venue, { amount: '2' }, { key: 'once' }), 409, 'key_conflict');
  check(conflict.limit === first.content_hash && /^0x[0-9a-f]{64}$/.test(conflict.value) && conflict.value !== conflict.limit, 'both hashes are told');
  const found = await venue.service('GET', '/api/v1/requests?key=once');
  check(found.request_id === first.request_id, 'found by its key');
  await sleep(1100);
  const many = await Promise.all(Array.from({ length: 20 }, () => mint(venue, { amount: '3' }, { key: 'race' })));
  check(new Set(many.map((said) => said.request_id)).size === 1, `one request, however many ask: ${many.map((said) => said.text.slice(0, 60))}`);
  check(venue.sql(`SELECT count(*) FROM people.audit_log WHERE role = 'service'`) === '2', 'what was done is written down, once');
  await venue.until('a caller that asks too often is told so', async () => {
    const flood = await Promise.all(Array.from({ length: 30 }, () => venue.service('GET', '/nonsense')));
    return flood.some((said) => said.error?.name === 'too_many_requests');
  });
  await sleep(1100);
}

const register = (venue, account, change = {}) => {
  const { country, wallet } = venue.demo.accounts.find((a) => a.account === account);
  const { identity } = venue.deployment.wallets[wallet];
  return venue.service('POST', '/api/v1/register-identity', {
    token_addr: port(venue), investor: wallet, identity, country_code: country, country_source: 'passport', country_date: '2026-11-28',
    flow: { kind: 'onboarding', id: account }, evidence, ...change }, { key: `k${keys++}` });
};

async function registrations(venue) {
  const there = await register(venue, 1001);
  check(there.status === 200 && there.state === 'completed' && there.reason === 'already_done', `already registered is success: ${there.text}`);
  await refused(register(venue, 1001, { country_code: 276 }), 409, 'registered_differently', 'investor');
  await refused(register(venue, 1001, { country_code: 0 }), 400, 'field_malformed', 'country_code');
  await refused(register(venue, 1001, { identity: WALLET }), 422, 'no_contract', 'identity');
}

async function transfers(venue) {
  const post = (change) => venue.service('POST', '/api/v1/transfer',
    { token_addr: port(venue), from_addr: venue.wallet(1001), to_addr: venue.wallet(1002), amount: '5', flow: { kind: 'trade', id: 1 << 20 }, evidence, ...change },
    { key: `k${keys++}` });
  await refused(post({}), 404, 'flow_unknown', 'flow');
  await refused(post({ to_addr: venue.wallet(1001) }), 400, 'field_malformed', 'to_addr');
  await refused(post({ flow: { kind: 'exception', id: 1 } }), 422, 'approvals_missing', 'evidence');
  await refused(post({ flow: { kind: 'exception', id: 1 }, evidence: { reason: 'court order', approved_by: ['ana', 'ANA'] } }), 422, 'approvals_missing');
  venue.trade(1 << 20, 2, 1001, 1002, 500);
  await refused(post({ amount: '6' }), 409, 'flow_differs', 'flow');
  await refused(post({ from_addr: venue.wallet(1002), to_addr: venue.wallet(1001) }), 409, 'flow_differs', 'flow');
  await venue.until('the trade settles', () => venue.count("settlement_status = 'settled'") === 1);
  const settled = await post({});
  check(settled.status === 200 && settled.state === 'completed' && /^0x/.test(settled.tx_hash) && settled.gas_used > 0, settled.text);
  check(venue.sql(`SELECT count(*) FROM chain.request_leg WHERE trade_id = ${1 << 20}`) === '1', 'a trade is moved once, whoever asks');
}

// What is gone is said, nothing is half done, and the same key goes through later.
async function losses(venue) {
  const ask = () => mint(venue, { amount: '4' }, { key: 'later' });
  venue.services('stop', 'anvil');
  await refused(ask(), 503, 'node_unavailable');
  venue.services('start');
  venue.services('stop', 'postgres');
  await refused(ask(), 503, 'database_unavailable');
  check((await venue.service('GET', '/health')).status === 200, 'health is the service\'s own');
  venue.services('start');
  let said;
  await venue.until('the same key goes through', async () => { said = await ask(); return said.status !== 503; });
  check([200, 202].includes(said.status) && said.key === 'later', said.text);
  check(venue.sql(`SELECT count(*) FROM chain.chain_request WHERE idempotency_key = 'api:operator:later'`) === '1', 'once');
}

async function main(venue) {
  venue.start();
  appendFileSync(join(venue.folder, 'secrets/chain-callers'), `auditor ${LIMITED} read\n`);
  venue.sign();
  let settle = venue.settle();
  await venue.until('the service listens', () => venue.service('GET', '/health').then((said) => said.status === 200, () => false));
  await strangers(venue);
  await nonsense(venue);
  say('strangers, nonsense and bytes that are no HTTP are answered');
  await fields(venue);
  say('every field is checked, and what is refused leaves nothing behind');
  await idempotence(venue);
  await registrations(venue);
  await transfers(venue);
  say('one key is one request; a registration that is there is success; a trade moves once');
  await losses(venue);
  say('a node and a database that are gone are said to be, and the same key goes through later');
  settle.kill('SIGTERM');
  check((await settle.exited) === 0, 'a clean stop has status 0');
}

await playSettlement({ name: 'service_chain_test', help: HELP, port: '18650' }, main);
