// A live venue's token PORT beside its ledger: what tests of holders, indexer and custody ask and do.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { PATIENCE_MS } from '../../tools/venue_client.mjs'
import { bin, demo, eventually } from './venue.mjs'

export const UNIT = 10n ** 16n // PORT: 18 decimals on the chain, 2 in the ledger
export const wallet = account => demo.accounts.find(a => a.account === account).wallet
export const word = value => BigInt(value).toString(16).padStart(64, '0')

export class TokenVenue {
  constructor (venue) { Object.assign(this, { venue, token: venue.deployment.instruments.PORT.token }) }

  // A call by a key that the node has: an agent's, or a holder's own.
  call (from, selector, ...words) {
    return this.venue.rpc('eth_sendTransaction', { from, to: this.token, data: selector + words.map(word).join(''), gas: '0x7a120' })
  }

  // transfer() signed by the node with the holder's own key: the venue has nothing to do with it.
  transfer (from, to, amount) { return this.call(wallet(from), '0xa9059cbb', wallet(to), amount) }
  mine (blocks = 1) { return this.venue.rpc('anvil_mine', '0x' + blocks.toString(16)) }
  one (sql) { return this.venue.query(sql).then(rows => rows[0]) }

  lonja (...words) {
    return new Promise(resolve => execFile(path.join(bin, 'lonja'), [...words, '--config', path.join(this.venue.folder, 'lonja.conf')],
      (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr })))
  }

  // Settlement's rows are gone, and of schema chain these tables, too.
  lose (...tables) {
    const lost = ['settle.result', 'settle.trade_settlement_history', 'settle.retry_request', 'settle.attempt', 'settle.nonce', 'settle.signer', 'settle.trade',
      ...['net', 'transfer_check', 'gas_transaction', 'request_leg', 'chain_request', ...tables].map(table => `chain.${table}`)]
    return this.venue.query(`BEGIN; SET LOCAL session_replication_role = replica; ${lost.map(table => `DELETE FROM ${table}`).join('; ')};
      INSERT INTO settle.trade (trade_id, created_at) SELECT trade_id, now() FROM record.trade;
      INSERT INTO settle.trade (trade_id, created_at, xvp_id, move) SELECT trade_id, created_at, xvp_id, move FROM record.xvp_move; COMMIT`)
  }

  async balanceOf (account) {
    const { balances } = await this.venue.administer('GET', `/balances?account=${account}`)
    return balances.find(b => b.symbol === 'PORT')
  }

  reconcile () {
    return new Promise(resolve => execFile(path.join(bin, 'lonja'), ['reconcile', '--json', '--config', path.join(this.venue.folder, 'lonja.conf')],
      (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stderr, ...(stdout ? JSON.parse(stdout) : {}) })))
  }

  // Nothing on its way any more, and nothing differs.
  agrees (ms = PATIENCE_MS, pause = 300) {
    return eventually('ledger, record and chain agree', async () => {
      const found = await this.reconcile()
      if (found.status !== 0) throw new Error(JSON.stringify({ ...found, wallets: found.wallets?.filter(w => w.cause !== 'equal') }))
      return found
    }, ms, pause)
  }
}
