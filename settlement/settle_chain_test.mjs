#!/usr/bin/env node
// Settlement on real parts: Postgres, anvil with T-REX contracts, lonja-sign, and the settlement process
// (settle_host: lonja-settle without a core). See --help.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Contract } from 'ethers';
import { check, playSettlement } from '../tests/lib/settlement_venue.mjs';

const HELP = `Usage: settle_chain_test.mjs BIN TEST [--trades N] [--port BASE] [--keep FOLDER]

BIN holds lonja-sign and lonja-key, TEST holds settle_host. Starts its own servers in a new folder, makes N
trades (60), lets the settlement worker settle them while it is killed, the node and the database are
stopped, then compares the chain with the database, trade by trade. Exit: 0 passed, 1 failed, 77 skipped.
`;


const say = (line) => process.stdout.write(`settle_chain_test: ${line}\n`);
const tokenOf = (venue, symbol) =>
  new Contract(venue.deployment.instruments[symbol].token,
    ['function setAddressFrozen(address,bool)', 'function balanceOf(address) view returns (uint256)'],
    venue.provider);

// setAddressFrozen by the agent, whose key the signer holds: the node lets us speak for it.
async function freeze(venue, account, frozen) {
  const agent = JSON.parse(readFileSync(join(venue.folder, 'chain/input.json'), 'utf8')).agent;
  await venue.provider.send('anvil_impersonateAccount', [agent]);
  const data = tokenOf(venue, 'PORT').interface.encodeFunctionData('setAddressFrozen', [venue.wallet(account), frozen]);
  await venue.provider.send('eth_sendTransaction', [{ from: agent, to: venue.deployment.instruments.PORT.token, data }]);
  await venue.provider.send('anvil_stopImpersonatingAccount', [agent]);
  await venue.until('the counter goes past a transaction that is not ours', async () =>
    Number(venue.sql('SELECT nonce_floor FROM settle.signer')) >= (await venue.provider.getTransactionCount(agent)));
}

// The independent check of tests/lib: chain and database agree, trade by trade and in their sums. Within a while: what the
// chain has lost is looked for once in a tick.
async function compareWithChain(venue, firstBlock) {
  for (const end = Date.now() + 60000; ; await sleep(100)) {
    const { problems, figures } = await venue.compare({ fromBlock: firstBlock });
    if (problems.length === 0) return figures.settled;
    check(Date.now() < end, `chain and database differ:\n${problems.join('\n')}`);
  }
}

// `foreign`: transactions made with the venue's key behind its back (freezing and releasing a wallet).
async function compareRows(venue, foreign = 0) {
  const wrong = [];
  const one = (text, expected, what) => {
    const found = venue.sql(text);
    if (found !== expected) wrong.push(`${what}: ${found}, expected ${expected}`);
  };
  // What follows a settled trade takes a moment: the core books it, and says so.
  await venue.until('no attempt and no result is open', () => venue.sql(`SELECT (SELECT count(*) FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined'))
    + (SELECT count(*) FROM settle.result WHERE state <> 'booked')`) === '0');
  one(`SELECT count(*) FROM (SELECT request_id FROM settle.attempt WHERE state = 'confirmed' GROUP BY 1 HAVING count(*) > 1) x`, '0', 'requests confirmed twice');
  one(`SELECT max(nonce) - min(nonce) + 1 - count(*) FROM settle.nonce`, `${foreign}`, 'gaps between nonces');
  one(`SELECT count(*) FROM settle.attempt a WHERE a.raw IS NOT NULL AND NOT EXISTS
       (SELECT 1 FROM chain.transfer_check c WHERE c.request_id = a.request_id AND c.verdict = 'allowed' AND c.at <= a.signed_at)`, '0', 'signatures without evidence');
  one(`SELECT count(*) FROM settle.trade t WHERE settlement_type = 'on_chain' AND NOT EXISTS
       (SELECT 1 FROM chain.gas_transaction g WHERE g.tx_hash = t.tx_hash AND g.succeeded)`, '0', 'settled trades without gas');
  one(`SELECT count(*) FROM chain.gas_transaction g JOIN settle.attempt a USING (tx_hash) WHERE a.state NOT IN ('confirmed', 'reverted')`, '0', 'gas of nothing');
  check(wrong.length === 0, wrong.join('\n'));
}

// The binary is newer than the schema: its statements are refused. It waits, however often it is notified.
async function refusedStatements(venue) {
  const logged = readFileSync(join(venue.folder, 'settle.log'), 'utf8').length;
  venue.sql('ALTER TABLE settle.result RENAME COLUMN sent_after TO not_there');
  const settle = venue.settle(['settle.tick_ms=1000']);
  const words = 'schema and binary differ: run schema/sql/setup with this version, then restart';
  const log = () => readFileSync(join(venue.folder, 'settle.log'), 'utf8').slice(logged);
  await venue.until('the log says what to do', () => log().includes(words));
  for (const end = Date.now() + 4000; Date.now() < end; await sleep(10)) venue.sql('NOTIFY settle');
  settle.kill('SIGTERM');
  check((await settle.exited) === 0, 'a clean stop has status 0');
  venue.sql('ALTER TABLE settle.result RENAME COLUMN not_there TO sent_after');
  const passes = Number(/settlement ends passes=(\d+)/.exec(log())[1]);
  check(passes <= 10, `${passes} passes in four seconds of refused statements`);
  check(log().split('\n').length <= 20, 'too many lines are logged');
}

async function main(venue, trades) {
  venue.start();
  const firstBlock = (await venue.provider.getBlockNumber()) + 1;
  let sign = venue.sign();
  let settle = venue.settle();
  let id = 1 << 20;
  const accounts = [1001, 1002, 1003, 1004];
  const make = (count) => {
    for (let i = 0; i < count; i++, id += 16)
      venue.trade(id, i % 10 === 9 ? 4 : 2 + (i % 2), accounts[i % 4], accounts[(i + 1 + (i >> 2) % 3) % 4], 10 + (id >> 4) % 900);
  };

  make(12);
  await venue.until('the first trades settle', () => venue.count("settlement_status <> 'settled'") === 0);
  say(`12 trades settled, ${await compareWithChain(venue, firstBlock)} on the chain`);
  await compareRows(venue);

  for (let round = 0; round < 12; round++) {
    make(Math.ceil(trades / 12));
    await sleep(20 + Math.random() * 250);
    settle.kill('SIGKILL');
    await settle.exited;
    settle = venue.settle();
    if (round === 3) { sign.kill('SIGKILL'); await sign.exited; await sleep(500); sign = venue.sign(); }
    if (round === 6) { venue.services('stop', 'anvil'); make(5); await sleep(700); venue.services('start'); }
    if (round === 8) { // the node loses what it has not saved: up to five seconds of blocks
      await venue.killNode();
      venue.services('start');
    }
    if (round === 9) { venue.services('stop', 'postgres'); await sleep(700); venue.services('start'); }
  }
  await venue.until('every trade settles after the faults', () => venue.count("settlement_status <> 'settled'") === 0);
  say(`${venue.count('true')} trades settled, worker killed 12 times, signer once, node twice (once it lost its newest blocks), database once; ${await compareWithChain(venue, firstBlock)} on the chain`);
  await compareRows(venue);

  await freeze(venue, 1002, true);
  venue.trade(id, 2, 1002, 1003, 777);
  await venue.until('a frozen wallet fails the trade', () => venue.count(`trade_id = ${id} AND settlement_status = 'failed' AND reason = 'frozen_sender'`) === 1);
  check(venue.count(`trade_id = ${id} AND total_attempts = 0`) === 1, 'a refusal used an attempt');
  const [corrected, busted] = [id + 16, id + 32];
  venue.trade(corrected, 2, 1002, 1003, 500);
  venue.trade(busted, 2, 1002, 1003, 400);
  await venue.until('so do two more', () => venue.count(`trade_id IN (${corrected}, ${busted}) AND settlement_status = 'failed'`) === 2);
  venue.correct(corrected, -200, 300);
  venue.correct(busted, -400, 0);
  await freeze(venue, 1002, false);
  for (const trade of [corrected, busted])
    venue.sql(`INSERT INTO settle.retry_request (trade_id, requested_by, reason) VALUES (${trade}, 'operator', 'wallet released')`, 'lonja_admin');
  await venue.until('of a corrected trade what remains is settled', () => venue.count(`trade_id = ${corrected} AND settlement_status = 'settled' AND corrected_quantity = 300`) === 1);
  await venue.until('the retry of a busted trade is answered', () => venue.sql(`SELECT answer FROM settle.retry_request WHERE trade_id = ${busted}`).startsWith('refused: '));
  check(venue.count(`trade_id = ${busted} AND settlement_status = 'failed' AND reason = 'busted' AND tx_hash IS NULL`) === 1, 'a busted trade stays failed');
  say('frozen wallet: a corrected trade moves what remains, a busted one nothing');
  venue.sql(`INSERT INTO settle.retry_request (trade_id, requested_by, reason) VALUES (${id}, 'operator', 'wallet released')`, 'lonja_admin');
  await venue.until('the trade settles after the retry', () => venue.count(`trade_id = ${id} AND settlement_status = 'settled'`) === 1);
  const history = venue.sql(`SELECT string_agg(to_status, ' ' ORDER BY history_id) FROM settle.trade_settlement_history WHERE trade_id = ${id}`);
  check(/^pending processing failed pending processing( processing)? settled$/.test(history), `history: ${history}`);
  say(`frozen wallet: ${history}`);

  id = busted + 16;
  venue.sql('UPDATE people.account SET wallet_address = NULL WHERE account_id = 1004');
  venue.trade(id, 2, 1001, 1004, 5);
  await venue.until('a missing wallet waits', () => venue.count(`trade_id = ${id} AND settlement_status = 'pending' AND reason = 'wallet_missing'`) === 1);
  venue.sql(`UPDATE people.account SET wallet_address = '${venue.wallet(1004)}' WHERE account_id = 1004`);
  await venue.until('and settles when it is there', () => venue.count(`trade_id = ${id} AND settlement_status = 'settled' AND total_attempts = 0`) === 1);

  id += 16;
  await venue.provider.send('evm_setAutomine', [false]);
  venue.trade(id, 2, 1001, 1003, 6);
  await venue.until('a transaction is sent', () => venue.count(`trade_id = ${id} AND tx_hash IS NOT NULL`) === 1);
  await venue.provider.send('anvil_dropAllTransactions', []);
  await sleep(700);
  await venue.provider.send('evm_mine', []);
  await venue.provider.send('evm_setAutomine', [true]);
  await venue.provider.send('evm_mine', []);
  await venue.until('a dropped transaction is sent again', () => venue.count(`trade_id = ${id} AND settlement_status = 'settled'`) === 1);

  await venue.provider.send('anvil_reorg', [3, []]);
  await venue.until('a reorganisation is noticed', () =>
    readFileSync(join(venue.folder, 'settle.log'), 'utf8').includes('the same bytes are sent again'));
  await venue.until('and mended', () => venue.sql(`SELECT count(*) FROM settle.attempt WHERE state = 'sent'`) === '0');
  say(`after all: ${await compareWithChain(venue, firstBlock)} on the chain`);
  await compareRows(venue, 2);

  settle.kill('SIGTERM');
  await settle.exited;
  await refusedStatements(venue);
  settle = venue.settle();
  id += 16;
  venue.trade(id, 2, 1001, 1001, 7);
  await venue.until('one wallet on both sides settles', () =>
    venue.count(`trade_id = ${id} AND settlement_status = 'settled' AND settlement_type = 'off_chain' AND reason = 'same_wallet' AND tx_hash IS NULL`) === 1);
  await venue.until('and the core is told', () => venue.sql(`SELECT outcome || ' ' || state FROM settle.result WHERE trade_id = ${id}`) === 'settled booked');
  await compareWithChain(venue, firstBlock);
  say('a schema that does not fit is waited for; one wallet on both sides needs no chain');

  const second = venue.settle();
  await venue.until('the second worker waits for the lock', () => readFileSync(join(venue.folder, 'settle.log'), 'utf8').includes('another settlement worker holds the lock'));
  second.kill('SIGTERM');
  settle.kill('SIGTERM');
  check((await settle.exited) === 0, 'a clean stop has status 0');
  const booked = new Set(venue.results.map((line) => line.split(' ').slice(1).join(' ')));
  check(booked.size === Number(venue.sql('SELECT count(*) FROM settle.result')), 'results told to the core');
}

await playSettlement({ name: 'settle_chain_test', help: HELP, port: '18700' }, (venue, option) => main(venue, Number(option('--trades', '60'))));
