// ABI and bytecode of the T-REX and OnchainID contracts, as their npm packages ship them. They are read at run
// time and never copied into this repository (their licence is the GPL).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const packageFolder = (name) => dirname(require.resolve(`${name}/package.json`));

const TREX = join(packageFolder('@tokenysolutions/t-rex'), 'artifacts/contracts');
const ONCHAINID = join(packageFolder('@onchain-id/solidity'), 'artifacts/contracts');

const paths = {
  Token: [TREX, 'token/Token.sol'],
  IdentityRegistry: [TREX, 'registry/implementation/IdentityRegistry.sol'],
  IdentityRegistryStorage: [TREX, 'registry/implementation/IdentityRegistryStorage.sol'],
  TrustedIssuersRegistry: [TREX, 'registry/implementation/TrustedIssuersRegistry.sol'],
  ClaimTopicsRegistry: [TREX, 'registry/implementation/ClaimTopicsRegistry.sol'],
  ModularCompliance: [TREX, 'compliance/modular/ModularCompliance.sol'],
  TREXImplementationAuthority: [TREX, 'proxy/authority/TREXImplementationAuthority.sol'],
  TREXFactory: [TREX, 'factory/TREXFactory.sol'],
  Identity: [ONCHAINID, 'Identity.sol'],
  ImplementationAuthority: [ONCHAINID, 'proxy/ImplementationAuthority.sol'],
  IdFactory: [ONCHAINID, 'factory/IdFactory.sol'],
  ClaimIssuer: [ONCHAINID, 'ClaimIssuer.sol'],
};

/** {abi, bytecode} of a contract named above. */
export function artifact(name) {
  const [root, file] = paths[name];
  return JSON.parse(readFileSync(join(root, file, `${name}.json`), 'utf8'));
}
