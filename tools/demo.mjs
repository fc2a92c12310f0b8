// One trade from order to chain, watched on every interface at once. Called by tools/demo.
import { ethers } from 'ethers'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { FixClient } from '../tests/lib/fix_client.mjs'
import { checkSettlement, reader } from '../tests/lib/settlement_check.mjs'
import { sleep, until, VenueClient } from './venue_client.mjs'
import { WsClient } from './ws_client.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const [folder, broken] = process.argv.slice(2)
const SYMBOL = 'PORT'
const QUANTITY = '5'
const SELLER = { account: 1002, compId: 'BALEAR', login: 'balear' }
const BUYER = { account: 1003, login: 'carla' }
const MINED_WITHIN_MS = 20000

const venue = new VenueClient(folder)
const demo = JSON.parse(fs.readFileSync(path.join(root, 'tools/demo.json'), 'utf8'))
const walletOf = account => demo.accounts.find(a => a.account === account).wallet
const chain = new ethers.JsonRpcProvider(venue.services.RPC_URL, undefined, { staticNetwork: true, polling: false })
const token = new ethers.Contract(venue.deployment.instruments[SYMBOL].token,
  ['function balanceOf(address) view returns (uint256)', 'event Transfer(address indexed from, address indexed to, uint256 value)'], chain)

// ---- the timeline ---------------------------------------------------------------------------------------

let zero = process.hrtime.bigint()
const timeline = []
function seen (part, text, at = process.hrtime.bigint()) { timeline.push({ part, text, ms: Number(at - zero) / 1e6 }) }

function print () {
  timeline.sort((a, b) => a.ms - b.ms)
  for (const { part, text, ms } of timeline) console.log(`${ms.toFixed(1).padStart(10)} ms  ${part.padEnd(11)} ${text}`)
}

class Missing extends Error { constructor (part, why) { super(`${part}: ${why}`); this.part = part } }
// Runs one step; whatever goes wrong in it is that part's fault, unless settlement waits for a silent chain.
async function part (name, step) {
  try { return await step() } catch (error) {
    const silent = name === 'settle' && !(await Promise.race([chain.getBlockNumber().then(() => true, () => false), sleep(2000)]))
    throw silent ? new Missing('chain', `the node does not answer (${error.message})`) : new Missing(name, error.message)
  }
}

// ---- breaking a part on purpose ---------------------------------------------------------------------------

function victim () {
  switch (broken) {
    case 'record': case 'settle': return venue.pid(broken)
    case 'redis': return venue.servicePid('redis')
    case 'chain': return venue.servicePid('anvil')
  }
}

// ---- what must be equal -------------------------------------------------------------------------------------

const onChain = async account => (await token.balanceOf(walletOf(account))) / 10n ** 16n // 18 decimals to the ledger's 2

async function inLedger (account) {
  const { balances } = await venue.administer('GET', `/balances?account=${account}`)
  const of = balances.find(b => b.asset === SYMBOL || b.symbol === SYMBOL)
  const units = text => BigInt(Math.round(Number(text) * 100))
  return { total: units(of.available) + units(of.held), unsettled: units(of.unsettled) }
}

// A price at which only our two orders can meet: inside the spread, else at the reference price.
async function priceOfOurOwn () {
  const { json } = await venue.call(venue.web, 'GET', `/api/v1/instruments/${SYMBOL}/book`)
  const instrument = await venue.instrument(SYMBOL)
  const cents = text => Math.round(Number(text) * 100)
  const bid = json.bids.length ? cents(json.bids[0][0]) : 0
  const ask = json.asks.length ? cents(json.asks[0][0]) : Infinity
  const wish = cents(instrument.last_price ?? instrument.reference_price)
  const price = Math.min(Math.max(wish, bid + 1), ask - 1)
  if (price <= bid || price >= ask) throw new Error(`no room between ${bid / 100} and ${ask / 100} in the book`)
  return price / 100
}

// ---- what follows the trade ---------------------------------------------------------------------------------

async function onRedis (heard, trade) {
  const told = await part('redis', () => until(`trade ${trade} on channel trades`, 5000, () => heard.find(m => m.channel === 'trades' && String(m.trade_id) === trade)))
  seen('redis', `trades: ${told.price} x ${told.quantity}`, told.at)
}

async function inPostgres (trade) {
  const [row] = await part('record', () => until(`trade ${trade} in Postgres`, 5000, async () => {
    const rows = await venue.sqlLater(`SELECT price, quantity FROM public.trades WHERE id = ${trade}`)
    return rows.length > 0 && rows
  }))
  seen('record', `Postgres has the row: price ${row[0]}, quantity ${row[1]}`)
}

async function onTheChain (web, heard, trade) {
  const step = (what, is) => part('settle', () => web.waitFor(m => m.type === 'settlement' && m.trade.trade === trade && is(m.trade), what, MINED_WITHIN_MS))
  const sent = await step('transaction hash', t => t.tx_hash)
  seen('settle', `forcedTransfer sent ${sent.trade.tx_hash}`, sent.at)
  const receipt = await part('chain', () => until('mined', MINED_WITHIN_MS, () => chain.getTransactionReceipt(sent.trade.tx_hash), 10))
  if (receipt.status !== 1) throw new Missing('chain', `the transaction reverted in block ${receipt.blockNumber}`)
  const transfer = receipt.logs.map(log => { try { return token.interface.parseLog(log) } catch { return null } }).find(log => log?.name === 'Transfer')
  const expected = BigInt(Math.round(Number(QUANTITY) * 100)) * 10n ** 16n
  if (!transfer || transfer.args.from !== walletOf(SELLER.account) || transfer.args.to !== walletOf(BUYER.account) || transfer.args.value !== expected) throw new Missing('chain', 'the Transfer event is not the trade')
  seen('chain', `mined in block ${receipt.blockNumber}, gas ${receipt.gasUsed}, Transfer of ${QUANTITY} ${SYMBOL} decoded`)
  const settled = await step('settled', t => t.settlement === 'settled')
  seen('settle', `settled ${settled.trade.settlement_type} in block ${settled.trade.block_number}`, settled.at)
  const said = await part('redis', () => until('settlement on Redis', 5000, () => heard.find(m => m.event === 'settlement' && String(m.trade_id) === trade && m.status === 'settled')))
  seen('redis', 'settlement: settled', said.at)
  return receipt.blockNumber
}

// The independent check, over what has happened since the trade's block; others may be on their way meanwhile.
async function agrees (block) {
  let problems = []
  const look = async () => {
    const seen = await checkSettlement({ provider: chain, rows: reader(venue.services), fromBlock: block })
    problems = seen.problems
    return problems.length === 0 && seen.figures
  }
  const { settled } = await until('agreement', 5000, look, 200).catch(() => { throw new Error(`chain and database differ: ${problems.join('; ')}`) })
  seen('settle', `chain and database compared: ${settled} trade${settled === 1 ? '' : 's'} on the chain once, with batch id and history`)
}

// ---- the story ----------------------------------------------------------------------------------------------

async function play () {
  const heard = []
  const before = await part('chain', async () => ({ seller: await onChain(SELLER.account), buyer: await onChain(BUYER.account) }))
  const redis = await part('redis', () => venue.subscribe(message => heard.push(message)))
  const fix = await part('fix', () => FixClient.connect({ port: venue.ports.fix, senderCompId: SELLER.compId, username: SELLER.login, password: venue.secret(`login-${SELLER.login}`), reset: true }))
  const web = await part('web', () => WsClient.connect(venue, BUYER.login))
  const price = await part('book', priceOfOurOwn)
  if (broken) {
    process.kill(victim(), 'SIGSTOP')
    console.log(`broken on purpose: ${broken} (pid ${victim()} is frozen)`)
  }
  try {
    const id = String(Date.now())
    console.log(`\nSell ${QUANTITY} ${SYMBOL} at ${price} by FIX (${SELLER.compId}), buy by WebSocket (${BUYER.login})\n`)
    zero = process.hrtime.bigint()
    seen('fix', 'NewOrderSingle sent')
    fix.newOrder({ clOrdId: `S${id}`, symbol: SYMBOL, side: 'sell', price, quantity: Number(QUANTITY) })
    const resting = await part('fix', () => fix.waitFor(m => m.type === '8' && m.body.ClOrdID === `S${id}`, 'execution report'))
    if (resting.body.ExecType !== '0') throw new Missing('fix', `the order was not accepted: ${resting.body.Text}`)
    seen('fix', `ExecutionReport new, order ${resting.body.OrderID}: durable`, resting.at)
    seen('web', 'place sent')
    const placed = await part('web', () => web.request({ op: 'place', symbol: SYMBOL, side: 'buy', quantity: QUANTITY, price: String(price), client_order_id: `B${id}` }))
    if (placed.type !== 'placed') throw new Missing('web', `the order was not accepted: ${JSON.stringify(placed)}`)
    seen('web', `placed, order ${placed.order.order}: durable at sequence ${placed.sequence}`, placed.at)

    const fill = await part('web', () => web.waitFor(m => m.type === 'fill' && m.fill.order === placed.order.order, 'fill'))
    const trade = fill.fill.trade
    seen('web', `fill, trade ${trade}`, fill.at)
    const report = await part('fix', () => fix.waitFor(m => m.type === '8' && m.body.ExecType === 'F' && m.body.ClOrdID === `S${id}`, 'fill'))
    seen('fix', `ExecutionReport trade, ExecID ${report.body.ExecID}`, report.at)
    // Each part is watched at the same time; each says when it has seen its own.
    const [, , mined] = await Promise.all([onRedis(heard, trade), inPostgres(trade), onTheChain(web, heard, trade)])
    const durable = await part('journal', () => until('durable', 5000, () => venue.status().durable_seq >= fill.fill.sequence && venue.status().durable_seq, 100))
    seen('journal', `durable up to sequence ${durable}`)

    for (const { account } of [SELLER, BUYER]) {
      const ledger = await part('ledger', () => until(`account ${account} settled in the ledger`, 5000, async () => { const now = await inLedger(account); return now.unsettled === 0n && now }))
      const wallet = await part('chain', () => onChain(account))
      if (wallet !== ledger.total) throw new Missing('chain', `account ${account}: chain ${wallet}, ledger ${ledger.total} units`)
      const moved = wallet - (account === SELLER.account ? before.seller : before.buyer)
      seen('ledger', `account ${account}: chain = ledger = ${Number(wallet) / 100} ${SYMBOL} (${moved > 0 ? '+' : ''}${Number(moved) / 100})`)
    }
    await part('settle', () => agrees(mined))
  } finally {
    if (broken) process.kill(victim(), 'SIGCONT')
    redis.close()
    await Promise.all([fix.close(), web.close()])
  }
}

try {
  await play()
  print()
  console.log('\nAll of it happened.')
  process.exit(0)
} catch (error) {
  print()
  console.error(`\ndemo: ${error.part ? `what did not happen: ${error.message}` : error.stack}`)
  await sleep(50)
  process.exit(1)
}
