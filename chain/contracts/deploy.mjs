#!/usr/bin/env node
// Deploys the venue's instruments and holders on a development chain, or brings them up to date. See --help.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { getAddress } from 'ethers';
import { DevChain } from './devchain.mjs';
import { ensureIdentities, ensureOpeningBalances, ensureRegistrations } from './holders.mjs';
import { deployFoundation, ensureAgent, ensureEther, ensureInstrument, openToken } from './suite.mjs';

const HELP = `Usage: deploy.mjs --input FILE --state FILE [--policy FILE] [--rpc URL]

Deploys ERC-3643 (T-REX) tokens on a development chain: contracts, identities with claims, registrations,
opening balances. Run again on the same chain it changes nothing; with more instruments or wallets in the
input it adds them. An existing balance is never changed.

  --input FILE    {"agent": "0x…",
                   "instruments": [{"symbol", "name", "decimals"}],
                   "wallets": [{"account", "address", "country", "balances": {SYMBOL: units},
                                "instruments": [SYMBOL, …]}]}
                  agent: the settlement key's address. country: ISO 3166 numeric. units: smallest units,
                  a number or a string of digits. instruments: where the wallet is registered (all).
  --state FILE    written: addresses, transactions and blocks of what is deployed (deployment.json)
  --policy FILE   written: what lonja-sign may sign for these tokens
  --rpc URL       default http://127.0.0.1:8545

Exit status: 0 done, 1 failed (the message says why), 2 bad arguments or input.
`;

class InputError extends Error {}

const say = (line) => process.stdout.write(`deploy: ${line}\n`);

function writeWhole(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

function check(condition, message) {
  if (!condition) throw new InputError(message);
}

function address(text, where) {
  try {
    return getAddress(text);
  } catch {
    throw new InputError(`${where}: "${text}" is no address`);
  }
}

function checkInstrument(instrument, seen) {
  const { symbol, name, decimals } = instrument;
  check(typeof symbol === 'string' && symbol !== '', 'an instrument has no symbol');
  check(!seen.has(symbol), `instrument ${symbol} stands twice`);
  check(typeof name === 'string' && name !== '', `instrument ${symbol} has no name`);
  check(Number.isInteger(decimals) && decimals >= 0 && decimals <= 18, `instrument ${symbol}: decimals 0 to 18`);
  seen.add(symbol);
}

function checkWallet(wallet, symbols, seen) {
  wallet.address = address(wallet.address, `wallet of account ${wallet.account}`);
  check(!seen.has(wallet.address), `wallet ${wallet.address} stands twice`);
  check(Number.isInteger(wallet.country) && wallet.country > 0 && wallet.country < 1000,
    `wallet ${wallet.address}: country is an ISO 3166 number`);
  wallet.instruments ??= [...symbols];
  for (const symbol of [...wallet.instruments, ...Object.keys(wallet.balances ?? {})]) {
    check(symbols.has(symbol), `wallet ${wallet.address}: no instrument ${symbol}`);
  }
  for (const [symbol, units] of Object.entries(wallet.balances ?? {})) {
    check(/^\d+$/.test(String(units)), `wallet ${wallet.address}: units of ${symbol}`);
    check(wallet.instruments.includes(symbol), `wallet ${wallet.address}: a balance of ${symbol} but not registered`);
  }
  seen.add(wallet.address);
}

function readInput(path) {
  let input;
  try {
    input = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InputError(`${path}: ${error.message}`);
  }
  check(Array.isArray(input.instruments) && Array.isArray(input.wallets), `${path}: instruments and wallets are lists`);
  input.agent = address(input.agent, 'agent');
  const symbols = new Set();
  input.instruments.forEach((instrument) => checkInstrument(instrument, symbols));
  const wallets = new Set();
  input.wallets.forEach((wallet) => checkWallet(wallet, symbols, wallets));
  return input;
}

/** The recorded foundation, if it is of this chain; a record of another chain stops the run. */
async function openState(chain, path) {
  if (!existsSync(path)) return { chain_id: chain.chainId, instruments: {}, wallets: {} };
  const state = JSON.parse(readFileSync(path, 'utf8'));
  if (state.chain_id !== chain.chainId || !(await chain.hasCode(state.foundation.factory))) {
    throw new Error(`${path} describes another chain than the one that answers: start the chain with its state, `
      + 'or remove the file (and the signer\'s log) to deploy anew');
  }
  return state;
}

async function ensureFoundation(chain, state) {
  if (state.foundation) return say('foundation is there');
  say('deploying implementations, factories and claim issuer');
  state.foundation = await deployFoundation(chain);
}

async function ensureInstruments(chain, state, input) {
  for (const instrument of input.instruments) {
    const { described, created } = await ensureInstrument(chain, state.foundation, instrument, input.agent);
    const changed = await ensureAgent(chain, described, input.agent);
    state.instruments[instrument.symbol] = { ...state.instruments[instrument.symbol], ...described };
    say(`${instrument.symbol} ${created ? 'deployed at' : 'is at'} ${described.token}${changed ? ', agent added' : ''}`);
  }
}

async function ensureHolders(chain, state, input) {
  const { created, claimed } = await ensureIdentities(chain, state.foundation, input.wallets);
  say(`identities: ${created} created, ${claimed} claims added, ${input.wallets.length} in all`);
  for (const wallet of input.wallets) {
    state.wallets[wallet.address] = { account: wallet.account, country: wallet.country, identity: wallet.identity };
  }
  for (const { symbol } of input.instruments) {
    const described = state.instruments[symbol];
    const members = input.wallets.filter((wallet) => wallet.instruments.includes(symbol));
    const registered = await ensureRegistrations(chain, described, members);
    described.minted ??= {};
    const minted = await ensureOpeningBalances(chain, described, members, described.minted);
    say(`${symbol}: ${registered} registered, ${minted} opening balances minted`);
  }
}

/** A token is opened by the run that first has it complete; a pause of later days is an operator's. */
async function openTokens(chain, state) {
  for (const described of Object.values(state.instruments).filter((instrument) => !instrument.opened)) {
    await openToken(chain, described);
    described.opened = true;
    say(`${described.symbol} is open`);
  }
}

const policyOf = (state) => ({
  chain_id: state.chain_id,
  gas_limit_max: 16777216,
  max_fee_wei_max: 500_000_000_000,
  allow: Object.values(state.instruments).map((instrument) => ({
    contract: instrument.token,
    methods: ['forcedTransfer', 'batchForcedTransfer', 'freezePartialTokens', 'batchFreezePartialTokens',
      'unfreezePartialTokens', 'batchUnfreezePartialTokens'],
  })),
});

async function deploy(options) {
  const input = readInput(options.input);
  const chain = await DevChain.connect(options.rpc);
  try {
    const state = await openState(chain, options.state);
    const save = () => writeWhole(options.state, state);
    await ensureFoundation(chain, state);
    save();
    state.agent = input.agent;
    if (await ensureEther(chain, input.agent)) say(`ether for gas sent to ${input.agent}`);
    await ensureInstruments(chain, state, input);
    save();
    await ensureHolders(chain, state, input);
    await openTokens(chain, state);
    state.block = await chain.provider.getBlockNumber();
    save();
    if (options.policy) writeWhole(options.policy, policyOf(state));
    say(`done at block ${state.block}: ${options.state}`);
  } finally {
    chain.close();
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      input: { type: 'string' }, state: { type: 'string' }, policy: { type: 'string' },
      rpc: { type: 'string', default: 'http://127.0.0.1:8545' }, help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  check(values.input && values.state, '--input and --state are needed; --help explains');
  return values;
}

try {
  await deploy(readOptions());
} catch (error) {
  const usage = error instanceof InputError || String(error.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`deploy: ${error.shortMessage ?? error.message}\n`);
  process.exit(usage ? 2 : 1);
}
