#!/usr/bin/env node
// An independent look at settlement: reads the chain by ethers.js and the database by psql, by itself, and compares.
// Nothing of the venue's own code is used; the few signatures are written out by hand from ERC-3643, and the
// batch id from its description. See --help.
//
//   const { problems, figures } = await checkSettlement({ provider, rows, fromBlock, confirmations })
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ethers } from 'ethers'

const HELP = `Usage: settlement_check.mjs FOLDER [--from BLOCK] [--confirmations N] [--without-ids]

FOLDER is that of a venue or of tools/services: its services.env and secrets say where chain and database are.
Looks at every block from BLOCK (0) on and at every trade that was settled since, and prints what does not agree:

  - each trade that is settled on the chain has exactly one transaction; it has succeeded, is N blocks deep (1), and
    its Transfers are exactly the legs of its trades (of a net: their sums)
  - calldata, batch id (--without-ids: where there is one) and signed bytes say the same as the rows
  - what two persons have marked as settled by a transaction of others has its Transfer there, and no other trade's
  - the history of each trade is whole
  - no trade is in two transactions, and no transfer of our signers is without a request
  - per wallet and token, the sums over trades and over Transfers are equal
  - gas is booked of each transaction of ours that a block has, as its receipt says, and of nothing else

Exit status: 0 all agrees, 1 it does not, 2 bad arguments.
`

// ---- what the chain says, by hand -------------------------------------------------------------------------

const words = ethers.AbiCoder.defaultAbiCoder()
const METHODS = {
  '0x9fc1d0e7': { types: ['address', 'address', 'uint256'], legs: ([from, to, units]) => [{ from, to, units }] },
  '0x42a47abc': {
    types: ['address[]', 'address[]', 'uint256[]'],
    legs: ([from, to, units]) => from.map((address, i) => ({ from: address, to: to[i], units: units[i] }))
  }
}
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const KINDS = ['single', 'batch', 'net']

// { legs, id } of a forced transfer, { } of anything else. `id` is null where nothing follows the arguments.
export function readCalldata (data) {
  const method = METHODS[data.slice(0, 10)]
  if (!method) return {}
  const values = words.decode(method.types, '0x' + data.slice(10))
  const length = 10 + words.encode(method.types, values).length - 2
  return { legs: method.legs(values), id: data.length === length ? null : readBatchId('0x' + data.slice(length)) }
}

export function readBatchId (hex) {
  const bytes = Buffer.from(hex.slice(2), 'hex')
  if (bytes.length !== 32) throw new Error(`${bytes.length} bytes behind the calldata`)
  if (bytes.toString('latin1', 0, 6) !== 'LONJA1' || bytes[6] !== 1 || bytes[7] >= KINDS.length) throw new Error(`no batch id: ${hex}`)
  return { kind: KINDS[bytes[7]], request: bytes.readBigUInt64BE(8), first: bytes.readBigUInt64BE(16), legs: bytes.readUInt16BE(24), hash: bytes.toString('hex', 26) }
}

export function membersHash (ids) {
  const bytes = Buffer.alloc(8 * ids.length)
  ids.forEach((id, i) => bytes.writeBigUInt64BE(id, 8 * i))
  return ethers.keccak256(bytes).slice(2, 14)
}

const address = topic => ethers.getAddress('0x' + topic.slice(26))
function transfersOf (receipt) {
  return receipt.logs.filter(log => log.topics[0] === TRANSFER && log.topics.length === 3)
    .map(log => ({ token: ethers.getAddress(log.address), from: address(log.topics[1]), to: address(log.topics[2]), units: BigInt(log.data) }))
}

const hex = number => '0x' + number.toString(16)

// Every transaction of the signers with its receipt, from block `from` to the head.
async function transactionsOf (provider, signers, from) {
  const head = Number(await provider.send('eth_blockNumber', []))
  const found = []
  for (let block = from; block <= head; block += 50) {
    const numbers = Array.from({ length: Math.min(50, head + 1 - block) }, (_, i) => block + i)
    const blocks = await Promise.all(numbers.map(n => provider.send('eth_getBlockByNumber', [hex(n), true])))
    for (const { transactions } of blocks) found.push(...transactions.filter(t => signers.has(ethers.getAddress(t.from))))
  }
  const receipts = await Promise.all(found.map(t => provider.send('eth_getTransactionReceipt', [t.hash])))
  return { head, transactions: found.map((t, i) => ({ ...t, receipt: receipts[i], succeeded: receipts[i].status === '0x1' })) }
}

// ---- what the database says ---------------------------------------------------------------------------------

// What a row says is read as text and kept as it is: ids and amounts do not fit a number of JavaScript.
const TRADES = `SELECT r.trade_id::text AS id, t.settlement_status AS status, t.settlement_type AS type, t.tx_hash AS hash,
    to_jsonb(t)->>'net_id' AS net, coalesce(t.corrected_quantity, r.quantity)::text AS quantity, r.token_scale AS scale, k.decimals,
    k.contract_address AS token, s.wallet_address AS from, b.wallet_address AS to,
    (SELECT m.log_index FROM settle.manual_mark m WHERE m.trade_id = t.trade_id AND m.tx_hash = t.tx_hash AND m.answer = 'done') AS mark
  FROM settle.trade t JOIN record.trade r USING (trade_id) JOIN people.token k ON k.asset_id = r.token_asset
  JOIN people.account s ON s.account_id = r.seller_account JOIN people.account b ON b.account_id = r.buyer_account
  WHERE k.contract_address IS NOT NULL AND (t.tx_hash IS NOT NULL OR t.settlement_type <> 'off_chain')
    AND coalesce(t.block_number, $FROM) >= $FROM ORDER BY r.trade_id`
const ATTEMPTS = `SELECT a.request_id::text AS request, r.operation, a.state, a.tx_hash AS hash, a.nonce::text, lower(a.signer_address) AS signer,
    lower(a.to_address) AS to, '0x' || encode(a.calldata, 'hex') AS data, '0x' || encode(a.raw, 'hex') AS raw
  FROM settle.attempt a JOIN chain.chain_request r USING (request_id) WHERE a.raw IS NOT NULL ORDER BY a.attempt_id`
const GAS = `SELECT tx_hash AS hash, succeeded, block_number::text AS block, gas_used::text AS used, fee_wei::text AS fee
  FROM chain.gas_transaction WHERE block_number >= $FROM`
const SIGNERS = 'SELECT DISTINCT signer_address AS signer FROM settle.nonce'

// From nothing to pending, each step from where the last one led, up to what the trade is now.
const HISTORIES = `SELECT t.trade_id::text AS id, string_agg(coalesce(h.from_status, '-') || '>' || h.to_status, ' ' ORDER BY h.history_id) AS says
  FROM settle.trade t LEFT JOIN (SELECT *, lag(to_status) OVER (PARTITION BY trade_id ORDER BY history_id) AS before FROM settle.trade_settlement_history) h USING (trade_id)
  GROUP BY t.trade_id, t.settlement_status
  HAVING count(h.history_id) = 0 OR bool_or(h.from_status IS DISTINCT FROM h.before)
    OR (array_agg(h.to_status ORDER BY h.history_id DESC))[1] <> t.settlement_status`

function readTrade (row) {
  const units = BigInt(row.quantity) * 10n ** BigInt(row.decimals)
  return {
    ...row, id: BigInt(row.id), units: units / 10n ** BigInt(row.scale), token: ethers.getAddress(row.token),
    from: row.from && ethers.getAddress(row.from), to: row.to && ethers.getAddress(row.to)
  }
}

// ---- the comparison -----------------------------------------------------------------------------------------

const legText = leg => `${leg.from} ${leg.to} ${leg.units}`
const sorted = legs => legs.map(legText).sort().join('\n')

// What trades move together: legs of the single ones, sums per net of the netted.
function legsOf (trades) {
  const legs = []
  const nets = new Map()
  for (const trade of trades) {
    if (trade.type !== 'netted') { legs.push({ from: trade.from, to: trade.to, units: trade.units }); continue }
    const net = nets.get(trade.net) ?? { from: trade.from, to: trade.to, units: 0n }
    nets.set(trade.net, net)
    if (![trade.from, trade.to].every(a => a === net.from || a === net.to)) throw new Error(`net ${trade.net} is of more than two wallets`)
    net.units += trade.from === net.from ? trade.units : -trade.units
  }
  for (const net of nets.values()) {
    if (net.units > 0n) legs.push(net)
    if (net.units < 0n) legs.push({ from: net.to, to: net.from, units: -net.units })
  }
  return legs
}

function checkId (say, id, calldata, members, attempt) {
  const kind = members.some(t => t.type === 'netted') ? 'net' : calldata.data.startsWith('0x9fc1d0e7') ? 'single' : 'batch'
  const ids = members.map(t => t.id)
  if (id.kind !== kind) say(`batch id says ${id.kind}, the trades ${kind}`)
  if (id.request !== BigInt(attempt.request)) say(`batch id says request ${id.request}, the row ${attempt.request}`)
  if (id.first !== ids[0]) say(`batch id begins with trade ${id.first}, the trades with ${ids[0]}`)
  if (id.legs !== calldata.legs.length) say(`batch id says ${id.legs} legs, the call has ${calldata.legs.length}`)
  if (id.hash !== membersHash(ids)) say(`batch id is of other trades than ${ids.join(' ')}`)
}

// A transaction that has succeeded against its trades.
function checkTransaction (say, transaction, attempt, members, withIds) {
  const { legs, id } = readCalldata(transaction.input)
  const transfers = transfersOf(transaction.receipt)
  const token = ethers.getAddress(transaction.to)
  if (members.length === 0) return say('a forced transfer of no trade')
  if (members.some(t => t.token !== token) || transfers.some(t => t.token !== token)) say('more than one token')
  if (sorted(legs) !== sorted(legsOf(members))) say(`the call moves\n${sorted(legs)}\nits trades\n${sorted(legsOf(members))}`)
  if (sorted(transfers) !== sorted(legs)) say(`the call moves\n${sorted(legs)}\nthe Transfers are\n${sorted(transfers)}`)
  if (id) checkId(say, id, { data: transaction.input, legs }, members, attempt)
  else if (withIds) say('no batch id')
}

// Who signed some bytes takes a while to find out, and a test asks again and again.
const signedBytes = new Map()
function transactionOf (raw) {
  if (!signedBytes.has(raw)) signedBytes.set(raw, ethers.Transaction.from(raw))
  return signedBytes.get(raw)
}

function checkBytes (say, attempt) {
  const signed = transactionOf(attempt.raw)
  if (signed.hash !== attempt.hash) say('the hash is not that of the bytes')
  if (signed.from.toLowerCase() !== attempt.signer) say(`signed by ${signed.from}`)
  if (BigInt(signed.nonce) !== BigInt(attempt.nonce)) say(`signed with nonce ${signed.nonce}, the row says ${attempt.nonce}`)
  if ((signed.to ?? '').toLowerCase() !== attempt.to || signed.data !== attempt.data) say('the signed call is another one')
}

class Sums {
  constructor () { this.units = new Map() }
  add (token, { from, to, units }) {
    for (const [wallet, change] of [[from, -units], [to, units]]) {
      const key = `${token} ${wallet}`
      this.units.set(key, (this.units.get(key) ?? 0n) + change)
    }
  }

  compare (say, other) {
    for (const key of new Set([...this.units.keys(), ...other.units.keys()])) {
      const [ours, theirs] = [this.units.get(key) ?? 0n, other.units.get(key) ?? 0n]
      if (ours !== theirs) say(`${key}: ${ours} by trades, ${theirs} by Transfers`)
    }
  }
}

// Trades that were settled by transactions of others, as two persons say: each has a Transfer of its own there.
async function checkMarks (sayOf, provider, trades, confirmations, head) {
  const taken = new Set()
  for (const trade of trades) {
    const say = sayOf(`trade ${trade.id}`)
    const receipt = await provider.send('eth_getTransactionReceipt', [trade.hash])
    const log = receipt?.logs.find(l => Number(l.logIndex) === Number(trade.mark))
    const [moved] = log ? transfersOf({ logs: [log] }) : []
    if (receipt?.status !== '0x1') say(`marked as settled by ${trade.hash}, which is not there or has failed`)
    else if (head - Number(receipt.blockNumber) + 1 < confirmations) say(`marked as settled by block ${Number(receipt.blockNumber)}, the head is ${head}`)
    else if (!moved || moved.token !== trade.token || legText(moved) !== legText(trade)) say(`marked as settled by ${trade.hash}, log ${trade.mark} is not its Transfer`)
    else if (taken.has(`${trade.hash} ${trade.mark}`)) say(`marked as settled by the Transfer of another trade, ${trade.hash}`)
    taken.add(`${trade.hash} ${trade.mark}`)
  }
}

// What was spent, by the rows and by the receipts: also what failed, and what gave a nonce up.
function checkGas (sayOf, rows, transactions, attempts) {
  const spent = transactions.filter(t => attempts.has(t.hash))
  const booked = new Map(rows.map(row => [row.hash, row]))
  for (const { hash, succeeded, receipt } of spent) {
    const row = booked.get(hash)
    const says = row && `${row.block} ${row.used} ${row.fee} ${row.succeeded}`
    const is = `${BigInt(receipt.blockNumber)} ${BigInt(receipt.gasUsed)} ${BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice) + BigInt(receipt.l1Fee ?? 0)} ${succeeded}`
    if (says !== is) sayOf(`transaction ${hash}`)(`gas is booked as ${says}, its receipt says ${is}`)
    booked.delete(hash)
  }
  for (const hash of booked.keys()) sayOf(`transaction ${hash}`)('gas is booked, and no block has it')
}

export async function checkSettlement ({ provider, rows, fromBlock = 0, confirmations = 1, withIds = true }) {
  const problems = []
  const sayOf = where => what => { problems.push(`${where}: ${what}`) }
  const signers = new Set(rows(SIGNERS).map(row => ethers.getAddress(row.signer)))
  const { head, transactions } = await transactionsOf(provider, signers, fromBlock)
  // Read after the chain: what was mined by then has its rows already.
  const attempts = new Map(rows(ATTEMPTS).map(row => [row.hash, row]))
  const all = rows(TRADES.replaceAll('$FROM', String(fromBlock))).map(readTrade)
  const isMarked = trade => trade.mark !== null && !attempts.has(trade.hash)
  const trades = all.filter(trade => !isMarked(trade))
  await checkMarks(sayOf, provider, all.filter(isMarked), confirmations, head)
  const members = group(trades, t => t.hash)
  const bySums = new Sums()
  const byTransfers = new Sums()
  const seen = new Map()

  for (const attempt of attempts.values()) checkBytes(sayOf(`attempt ${attempt.hash}`), attempt)
  for (const transaction of transactions) {
    const say = sayOf(`transaction ${transaction.hash}`)
    const attempt = attempts.get(transaction.hash)
    const transfers = transaction.succeeded ? transfersOf(transaction.receipt) : []
    seen.set(transaction.hash, transaction)
    if (transfers.length > 0 && !attempt) { say(`${transfers.length} transfers by our signer without a request`); continue }
    if (!attempt) continue
    if (attempt.data !== transaction.input) say('the mined call is not that of the row')
    if (!transaction.succeeded && attempt.state === 'confirmed') say('confirmed, but it has failed')
    // A contract that says that it has moved, and has not: nobody's trade, and the row is as if it had failed.
    const pretended = transaction.succeeded && transfers.length === 0 && attempt.state === 'reverted'
    if (pretended && readCalldata(transaction.input).legs && !members.has(transaction.hash)) continue
    const givesUp = transaction.input === '0x' && attempt.state === 'dropped' // an empty one, which has used the nonce up
    if (transaction.succeeded && !givesUp && ['replaced', 'dropped', 'reverted', 'prepared'].includes(attempt.state)) say(`has succeeded, but its row says ${attempt.state}`)
    if (transaction.succeeded && readCalldata(transaction.input).legs) {
      checkTransaction(say, transaction, attempt, members.get(transaction.hash) ?? [], withIds)
      const token = ethers.getAddress(transaction.to)
      for (const transfer of transfers) byTransfers.add(token, transfer)
    }
  }

  let settled = 0
  for (const trade of trades) {
    const transaction = seen.get(trade.hash)
    const say = sayOf(`trade ${trade.id}`)
    if (trade.status === 'settled') {
      settled++
      if (trade.hash === null && trade.type === 'netted') continue // moves nothing: its net is summed up below
      if (!transaction) say(`settled by ${trade.hash}, which is not on the chain`)
      else if (!transaction.succeeded) say(`settled by ${trade.hash}, which has failed`)
      else if (head - Number(transaction.blockNumber) + 1 < confirmations) say(`settled by block ${Number(transaction.blockNumber)}, the head is ${head}`)
      else if (attempts.get(trade.hash)?.state !== 'confirmed') say(`settled, but its attempt is ${attempts.get(trade.hash)?.state}`)
    }
    if (trade.status === 'settled' || transaction?.succeeded) bySums.add(trade.token, trade)
  }
  const zero = trades.filter(t => t.status === 'settled' && t.type === 'netted' && t.hash === null)
  for (const leg of legsOf(zero)) sayOf('net without transaction')(`it would move ${legText(leg)}`)
  const twice = rows(`SELECT request_id::text AS id FROM settle.attempt WHERE state = 'confirmed' GROUP BY 1 HAVING count(*) > 1`)
  for (const { id } of twice) sayOf(`request ${id}`)('confirmed twice')
  for (const { id, says } of rows(HISTORIES)) sayOf(`trade ${id}`)(`its history is not whole: ${says}`)
  bySums.compare(sayOf('sums'), byTransfers)
  checkGas(sayOf, rows(GAS.replace('$FROM', String(fromBlock))), transactions, attempts)
  return { problems, figures: { head, transactions: transactions.length, settled, attempts: attempts.size, zeroNets: zero.length } }
}

function group (list, keyOf) {
  const groups = new Map()
  for (const item of list) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

// Rows as objects, by psql: `services` is what services.env says.
export function reader (services) {
  const env = { ...process.env, PGPASSWORD: fs.readFileSync(path.join(services.SECRETS, 'pg-postgres'), 'utf8').trim() }
  return query => JSON.parse(execFileSync('psql', ['-h', services.PG_HOST, '-p', services.PG_PORT, '-U', 'postgres', '-d', services.PG_DATABASE,
    '-XAt', '-v', 'ON_ERROR_STOP=1', '-c', `SELECT coalesce(json_agg(q), '[]') FROM (${query}) q`], { env, encoding: 'utf8', maxBuffer: 1 << 30 }))
}

export function servicesOf (folder) {
  return Object.fromEntries(fs.readFileSync(path.join(folder, 'services.env'), 'utf8').trim().split('\n')
    .map(line => line.replaceAll("'", '').split(/=(.*)/s).slice(0, 2)))
}

async function main (argv) {
  const option = (name, fallback) => (argv.includes(name) ? Number(argv[argv.indexOf(name) + 1]) : fallback)
  if (argv.includes('--help') || argv.length === 0 || argv[0].startsWith('--')) {
    process.stdout.write(HELP)
    return argv.includes('--help') ? 0 : 2
  }
  const services = servicesOf(argv[0])
  const provider = new ethers.JsonRpcProvider(services.RPC_URL, undefined, { staticNetwork: true, polling: false })
  const { problems, figures } = await checkSettlement({
    provider, rows: reader(services), fromBlock: option('--from', 0), confirmations: option('--confirmations', 1), withIds: !argv.includes('--without-ids')
  })
  provider.destroy()
  for (const problem of problems) console.log(problem)
  console.log(`${figures.settled} trades settled on the chain, ${figures.transactions} transactions of our signers up to block ${figures.head}: ${problems.length === 0 ? 'all agrees' : `${problems.length} differences`}`)
  return problems.length === 0 ? 0 : 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = await main(process.argv.slice(2))
