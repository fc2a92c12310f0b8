// The contracts: a foundation that is deployed once per chain (implementations, factories, one claim issuer) and
// a T-REX suite per instrument. Each step first looks at the chain, so a run that was cut short goes on.
import { AbiCoder, ZeroAddress, keccak256 } from 'ethers';

/** The one claim that a holder needs: "known to the venue". */
export const CLAIM_TOPIC = 1n;
const TREX_VERSION = [4, 1, 6];
const PURPOSE_CLAIM_SIGNER = 3;
const KEY_TYPE_ECDSA = 1;
const AGENT_ETHER_WEI = 1000n * 10n ** 18n;

export const keyOf = (address) => keccak256(AbiCoder.defaultAbiCoder().encode(['address'], [address]));

async function deployImplementations(chain) {
  const names = ['Token', 'ClaimTopicsRegistry', 'IdentityRegistry', 'IdentityRegistryStorage',
    'TrustedIssuersRegistry', 'ModularCompliance'];
  const deployed = await Promise.all(names.map((name) => chain.deploy(name)));
  const authority = await chain.deploy('TREXImplementationAuthority', true, ZeroAddress, ZeroAddress);
  await chain.call(chain.contract('TREXImplementationAuthority', authority.address), 'addAndUseTREXVersion',
    TREX_VERSION, deployed.map((contract) => contract.address));
  return authority.address;
}

async function deployIdentityFactory(chain) {
  const implementation = await chain.deploy('Identity', chain.deployer.address, true);
  const authority = await chain.deploy('ImplementationAuthority', implementation.address);
  return (await chain.deploy('IdFactory', authority.address)).address;
}

async function deployClaimIssuer(chain) {
  const issuer = (await chain.deploy('ClaimIssuer', chain.deployer.address)).address;
  await chain.call(chain.contract('ClaimIssuer', issuer), 'addKey', keyOf(chain.claimSigner.address),
    PURPOSE_CLAIM_SIGNER, KEY_TYPE_ECDSA);
  return issuer;
}

export async function deployFoundation(chain) {
  const authority = await deployImplementations(chain);
  const idFactory = await deployIdentityFactory(chain);
  const factory = await chain.deploy('TREXFactory', authority, idFactory);
  await chain.call(chain.contract('IdFactory', idFactory), 'addTokenFactory', factory.address);
  await chain.call(chain.contract('TREXImplementationAuthority', authority), 'setTREXFactory', factory.address);
  const claimIssuer = await deployClaimIssuer(chain);
  return { factory: factory.address, id_factory: idFactory, claim_issuer: claimIssuer,
    transaction: factory.transaction, block: factory.block };
}

async function deploySuite(chain, foundation, instrument, agent) {
  const { deployer } = chain;
  const agents = agent === deployer.address ? [agent] : [agent, deployer.address];
  const details = [deployer.address, instrument.name, instrument.symbol, instrument.decimals, ZeroAddress,
    ZeroAddress, agents, agents, [], []];
  const claims = [[CLAIM_TOPIC], [foundation.claim_issuer], [[CLAIM_TOPIC]]];
  const factory = chain.contract('TREXFactory', foundation.factory);
  return chain.call(factory, 'deployTREXSuite', instrument.symbol, details, claims);
}

async function describe(chain, instrument, address) {
  const token = chain.contract('Token', address);
  const registryAddress = await token.identityRegistry();
  const registry = chain.contract('IdentityRegistry', registryAddress);
  return {
    symbol: instrument.symbol, name: await token.name(), decimals: Number(await token.decimals()),
    token: address, identity_registry: registryAddress, compliance: await token.compliance(),
    identity_storage: await registry.identityStorage(), trusted_issuers: await registry.issuersRegistry(),
    claim_topics: await registry.topicsRegistry(),
  };
}

/** Deploys the instrument's suite, or finds it. The factory remembers the token by its symbol. */
export async function ensureInstrument(chain, foundation, instrument, agent) {
  const factory = chain.contract('TREXFactory', foundation.factory);
  const existing = await factory.getToken(instrument.symbol);
  const receipt = existing === ZeroAddress ? await deploySuite(chain, foundation, instrument, agent) : null;
  const described = await describe(chain, instrument, await factory.getToken(instrument.symbol));
  if (described.decimals !== instrument.decimals) {
    throw new Error(`${instrument.symbol} is on the chain with ${described.decimals} decimals, not ${instrument.decimals}`);
  }
  if (receipt) Object.assign(described, { transaction: receipt.hash, block: receipt.blockNumber });
  return { described, created: receipt !== null };
}

/** The settlement key may move and register; a key that was changed is added. */
export async function ensureAgent(chain, described, agent) {
  const contracts = [chain.contract('Token', described.token),
    chain.contract('IdentityRegistry', described.identity_registry)];
  let changed = false;
  for (const contract of contracts) {
    if (await contract.isAgent(agent)) continue;
    await chain.call(contract, 'addAgent', agent);
    changed = true;
  }
  return changed;
}

/** Tops up below a tenth of what it was given. */
export async function ensureEther(chain, agent) {
  if ((await chain.provider.getBalance(agent)) >= AGENT_ETHER_WEI / 10n) return false;
  await chain.send({ to: agent, value: AGENT_ETHER_WEI });
  return true;
}

/** A new token is paused; it is opened once, after the opening balances, and never again. */
export async function openToken(chain, described) {
  const token = chain.contract('Token', described.token);
  if (await token.paused()) await chain.call(token, 'unpause');
}
