#!/usr/bin/env node
// Reads and steers a deployed token on a development chain, for tests and by hand. See --help.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DevChain } from './devchain.mjs';

const HELP = `Usage: token.mjs --state FILE [--rpc URL] COMMAND

  balances [SYMBOL]          JSON: {SYMBOL: {ADDRESS: units}} of every wallet in the state file
  freeze SYMBOL ADDRESS      freezes the wallet for this token; unfreeze undoes it
  unfreeze SYMBOL ADDRESS
  freeze-units SYMBOL ADDRESS UNITS
  pause SYMBOL               stops transfers of the token; unpause undoes it
  unpause SYMBOL
  unregister SYMBOL ADDRESS  removes the wallet from the token's identity registry

  --state FILE   as written by deploy.mjs
  --rpc URL      default http://127.0.0.1:8545
`;

async function balances(chain, state, symbol) {
  const result = {};
  for (const instrument of Object.values(state.instruments)) {
    if (symbol && instrument.symbol !== symbol) continue;
    const token = chain.contract('Token', instrument.token);
    const entries = await Promise.all(Object.keys(state.wallets).map(
      async (address) => [address, String(await token.balanceOf(address))]));
    result[instrument.symbol] = Object.fromEntries(entries);
  }
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

const onToken = (method, ...fixed) => (chain, state, symbol, ...args) =>
  chain.call(chain.contract('Token', instrumentOf(state, symbol).token), method, ...args, ...fixed);

function instrumentOf(state, symbol) {
  const instrument = state.instruments[symbol];
  if (!instrument) throw new Error(`no instrument ${symbol}; there are ${Object.keys(state.instruments).join(', ')}`);
  return instrument;
}

const commands = {
  balances,
  freeze: onToken('setAddressFrozen', true),
  unfreeze: onToken('setAddressFrozen', false),
  'freeze-units': onToken('freezePartialTokens'),
  pause: onToken('pause'),
  unpause: onToken('unpause'),
  unregister: (chain, state, symbol, wallet) =>
    chain.call(chain.contract('IdentityRegistry', instrumentOf(state, symbol).identity_registry), 'deleteIdentity', wallet),
};

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { state: { type: 'string' }, rpc: { type: 'string', default: 'http://127.0.0.1:8545' }, help: { type: 'boolean' } },
  });
  const [name, ...args] = positionals;
  if (values.help || !values.state || !commands[name]) {
    process.stderr.write(HELP);
    return values.help ? 0 : 2;
  }
  const chain = await DevChain.connect(values.rpc);
  try {
    await commands[name](chain, JSON.parse(readFileSync(values.state, 'utf8')), ...args);
  } finally {
    chain.close();
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`token: ${error.shortMessage ?? error.message}\n`);
  process.exitCode = 1;
}
