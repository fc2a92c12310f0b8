// The same chain as chain/contracts/anvil.sh makes: chain id, fork rules with EIP-7825's cap, automine, public keys.
module.exports = {
  solidity: '0.8.17',
  networks: { hardhat: { chainId: 31337, hardfork: 'osaka', mining: { auto: true } } },
};
