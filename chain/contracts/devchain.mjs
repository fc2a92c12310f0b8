// The development chain: a provider, its well-known accounts, and a sender that owns the deployer's nonces.
// The keys are those of the public test mnemonic that anvil and hardhat print; they must never hold value.
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic } from 'ethers';
import { artifact } from './artifacts.mjs';

const MNEMONIC = Mnemonic.fromPhrase('test test test test test test test test test test test junk');
const RECEIPT_POLL_MS = 20;
const RECEIPT_TIMEOUT_MS = 120_000;
const RECEIPT_PATIENCE_MS = 5000;
const GAS_MARGIN = (estimate) => (estimate * 125n) / 100n;

export const DEPLOYER_ACCOUNT = 0;
export const CLAIM_SIGNER_ACCOUNT = 1;

export const devWallet = (index) => HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class DevChain {
  #nextNonce;
  #sending = Promise.resolve();

  /** Connects to `url`; fails at once when nobody answers. */
  static async connect(url) {
    const chain = new DevChain();
    // ethers' own start-up retries for ever, so the first question is asked by hand.
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
    }).catch((error) => {
      throw new Error(`no node answers at ${url} (${error.cause?.code ?? error.message})`);
    });
    chain.chainId = Number((await answer.json()).result);
    chain.provider = new JsonRpcProvider(url, chain.chainId, {
      staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1,
    });
    chain.deployer = devWallet(DEPLOYER_ACCOUNT).connect(chain.provider);
    chain.claimSigner = devWallet(CLAIM_SIGNER_ACCOUNT);
    chain.#nextNonce = await chain.provider.getTransactionCount(chain.deployer.address, 'pending');
    return chain;
  }

  close() {
    this.provider.destroy();
  }

  contract(name, address) {
    return new Contract(address, artifact(name).abi, this.deployer);
  }

  async hasCode(address) {
    return (await this.provider.getCode(address)) !== '0x';
  }

  /** Sends and waits until mined. Calls may run side by side; they are sent one after the other. */
  async send(request) {
    const gasLimit = GAS_MARGIN(await this.deployer.estimateGas(request));
    const sent = await this.#inOrder({ ...request, gasLimit });
    const receipt = await this.#receipt(sent.hash);
    if (receipt.status !== 1) throw new Error(`transaction ${sent.hash} failed in block ${receipt.blockNumber}`);
    return receipt;
  }

  // A transaction that comes before its predecessor may stay in the node's pool for good.
  #inOrder(request) {
    const sent = this.#sending.then(() => this.deployer.sendTransaction({ ...request, nonce: this.#nextNonce }))
      .then((transaction) => { this.#nextNonce += 1; return transaction; });
    this.#sending = sent.catch(() => {});
    return sent;
  }

  async call(contract, method, ...args) {
    return this.send(await contract[method].populateTransaction(...args));
  }

  async deploy(name, ...args) {
    const { abi, bytecode } = artifact(name);
    const request = await new ContractFactory(abi, bytecode).getDeployTransaction(...args);
    const receipt = await this.send(request);
    return { address: receipt.contractAddress, transaction: receipt.hash, block: receipt.blockNumber };
  }

  async #receipt(hash) {
    for (const start = Date.now(); Date.now() - start < RECEIPT_TIMEOUT_MS; await pause(RECEIPT_POLL_MS)) {
      const receipt = await this.provider.getTransactionReceipt(hash);
      if (receipt) return receipt;
      // The node mines when a transaction comes; should it not, the next block is asked for.
      if (Date.now() - start > RECEIPT_PATIENCE_MS) await this.provider.send('evm_mine', []);
    }
    throw new Error(`transaction ${hash} was not mined within ${RECEIPT_TIMEOUT_MS} ms`);
  }
}
