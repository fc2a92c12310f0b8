// Holders: an OnchainID with the venue's claim per wallet, its registration in each instrument's identity
// registry, and the opening balance. What the chain already has is left alone: an opening balance is minted only
// where the wallet has never received a mint of that token.
import { AbiCoder, ZeroAddress, getBytes, keccak256 } from 'ethers';
import { CLAIM_TOPIC, keyOf } from './suite.mjs';

const SCHEME_ECDSA = 1n;
const CLAIM_DATA = '0x00';
const AT_ONCE = 40;

/** Runs `step` for every item, some at a time; returns the results that are not null. */
async function forEach(items, step) {
  const results = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...await Promise.all(items.slice(at, at + AT_ONCE).map(step)));
  }
  return results.filter((result) => result !== null);
}

async function ensureIdentity(chain, foundation, wallet) {
  const factory = chain.contract('IdFactory', foundation.id_factory);
  wallet.identity = await factory.getIdentity(wallet.address);
  if (wallet.identity !== ZeroAddress) return null;
  // The deployer holds the management key, so that it can add claims without the wallet's signature.
  await chain.call(factory, 'createIdentityWithManagementKeys', wallet.address, wallet.address,
    [keyOf(chain.deployer.address)]);
  wallet.identity = await factory.getIdentity(wallet.address);
  return wallet;
}

async function ensureClaim(chain, foundation, wallet) {
  const identity = chain.contract('Identity', wallet.identity);
  if ((await identity.getClaimIdsByTopic(CLAIM_TOPIC)).length > 0) return null;
  const digest = keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'uint256', 'bytes'],
    [wallet.identity, CLAIM_TOPIC, CLAIM_DATA]));
  const signature = await chain.claimSigner.signMessage(getBytes(digest));
  await chain.call(identity, 'addClaim', CLAIM_TOPIC, SCHEME_ECDSA, foundation.claim_issuer, signature,
    CLAIM_DATA, '');
  return wallet;
}

export async function ensureIdentities(chain, foundation, wallets) {
  const created = await forEach(wallets, (wallet) => ensureIdentity(chain, foundation, wallet));
  const claimed = await forEach(wallets, (wallet) => ensureClaim(chain, foundation, wallet));
  return { created: created.length, claimed: claimed.length };
}

/** Registers the wallets that the registry does not contain; returns how many. */
export async function ensureRegistrations(chain, described, wallets) {
  const registry = chain.contract('IdentityRegistry', described.identity_registry);
  const missing = await forEach(wallets, async (wallet) => (await registry.contains(wallet.address) ? null : wallet));
  for (let at = 0; at < missing.length; at += AT_ONCE) {
    const batch = missing.slice(at, at + AT_ONCE);
    await chain.call(registry, 'batchRegisterIdentity', batch.map((wallet) => wallet.address),
      batch.map((wallet) => wallet.identity), batch.map((wallet) => wallet.country));
  }
  return missing.length;
}

async function wasMinted(token, address) {
  return (await token.queryFilter(token.filters.Transfer(ZeroAddress, address), 0)).length > 0;
}

/**
 * Mints opening balances (smallest units) of wallets that never had a mint; returns how many. `recorded` holds
 * what earlier runs minted, by address, and is added to. The chain is asked as well, because a run may have
 * been cut short before its record was written; it alone would not do, since a node may prune old logs.
 */
export async function ensureOpeningBalances(chain, described, wallets, recorded) {
  const token = chain.contract('Token', described.token);
  const minted = await forEach(wallets, async (wallet) => {
    const units = BigInt(wallet.balances?.[described.symbol] ?? 0);
    if (units === 0n || recorded[wallet.address] !== undefined) return null;
    const known = await wasMinted(token, wallet.address);
    if (!known) await chain.call(token, 'mint', wallet.address, units);
    recorded[wallet.address] = String(units);
    return known ? null : wallet;
  });
  return minted.length;
}
