// Makes members for a replay, runs it (lobster_replay.mjs), shows progress and result. Called by tools/replay.
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { RawFix } from '../tests/lib/raw_fix.mjs'
import { Replay } from './lobster_replay.mjs'
import { until, VenueClient } from './venue_client.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { speed: { type: 'string', default: '0' }, rows: { type: 'string' }, 'no-correct': { type: 'boolean', default: false }, symbol: { type: 'string', default: 'AAPL' } }
})
const [folder, file] = positionals
const symbol = values.symbol
const speed = Number(values.speed)
const rows = values.rows === undefined ? Infinity : Number(values.rows)
if (!(speed >= 0) || !(rows > 0)) { console.error('replay: --speed and --rows take numbers'); process.exit(2) }

const firstLine = fs.readFileSync(file, { encoding: 'utf8', flag: 'r' }).slice(0, 200).split('\n')[0]
if (firstLine.split(',').length !== 6 || !firstLine.split(',').every(word => Number.isFinite(Number(word)))) {
  console.error(`replay: ${file} is no LOBSTER message file: its first line is not "time,type,id,size,price,direction" but "${firstLine.slice(0, 60)}"`)
  process.exit(2)
}
const venue = new VenueClient(folder)
const MEMBERS = [
  { name: 'Replay maker one', comp: 'REPLAY1', member: 901, account: 9001, session: 901 },
  { name: 'Replay maker two', comp: 'REPLAY2', member: 902, account: 9002, session: 902 },
  { name: 'Replay taker', comp: 'REPLAY3', member: 903, account: 9003, session: 903 }
]

function passwordOf (comp) {
  const file = path.join(folder, 'secrets', `login-${comp.toLowerCase()}`)
  if (!fs.existsSync(file)) fs.writeFileSync(file, crypto.randomBytes(12).toString('hex'), { mode: 0o600 })
  return fs.readFileSync(file, 'utf8').trim()
}

// Instrument without fat finger, NAV and order limits; members without investment limits and with deep pockets.
async function prepare () {
  const { json } = await venue.call(venue.web, 'GET', '/api/v1/instruments')
  const known = json.instruments.find(i => i.symbol === symbol)
  const assets = await venue.administer('GET', '/assets')
  const asset = (assets.rows ?? assets).find?.(a => a.symbol === symbol)?.asset_id ?? 900
  const instrument = known?.instrument ?? 400
  await venue.administer('POST', '/assets', { asset, symbol, kind: 'token', scale: 0, name: `${symbol} (replay)`, decimals: 0, status: 'secondary', trading_mode: 'full_orderbook' })
  await venue.administer('POST', '/instruments', { instrument, symbol, token_asset: asset, cash_asset: 1, tick: 100, lot: 1, status: 'secondary', trading_mode: 'full_orderbook', fat_finger_block_bps: 0, fat_finger_confirm_bps: 0, nav_confirm_bps: 0, collar_bps: 1000 })
  for (const m of MEMBERS) {
    await venue.administer('POST', '/members', { member: m.member, name: m.name })
    await venue.administer('POST', '/accounts', { account: m.account, member: m.member, name: m.name, nationality: 'ES', jurisdiction: 724, kyc_status: 'approved', kyc_level: 3, accreditation_status: 'institutional', wallet_address: `0x${String(m.account).padStart(40, '0')}`, is_activated: true, limits_waived: true })
    await venue.administer('POST', '/sessions', { session: m.session, member: m.member, gateway: 'fix', accounts: [m.account], cancel_on_disconnect: true })
    await venue.administer('POST', '/logins', { kind: 'fix', login_name: m.comp.toLowerCase(), comp_id: m.comp, session: m.session, password: passwordOf(m.comp) })
    await venue.administer('POST', '/deposits', { reference: `replay cash ${m.account}`, account: m.account, asset: 'USD', amount: '1000000000' })
    await venue.administer('POST', '/deposits', { reference: `replay ${symbol} ${m.account}`, account: m.account, asset: symbol, amount: '100000000' })
  }
  await venue.administer('POST', `/instruments/${instrument}/phase`, { phase: 'continuous' })
}

const connect = m => RawFix.connect({ port: venue.ports.fix, sender: m.comp, user: m.comp.toLowerCase(), password: passwordOf(m.comp), reset: true, keep: false })

let began = 0
function progress ({ counts }) {
  const seconds = (Date.now() - began) / 1000
  const line = `${String(counts.rows).padStart(7)} rows  ${counts.accepted} orders accepted  ${counts.hit}/${counts.executions} executions hit their order  ${Math.round(counts.rows / seconds)} rows/s`
  process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : counts.rows % 10000 === 0 ? `${line}\n` : '')
}

function report (replay, seconds) {
  const { counts } = replay
  const folderOut = path.join(folder, 'replay')
  fs.mkdirSync(folderOut, { recursive: true })
  const csv = ['row,order,quantity,price,hit,reason', ...replay.differences.map(d => [d.row, d.id, d.quantity, d.price, d.hit, d.reason].join(','))].join('\n')
  fs.writeFileSync(path.join(folderOut, 'differences.csv'), `${csv}\n`)
  console.log(`\n${counts.rows} rows in ${seconds.toFixed(1)} s`)
  console.log(`  orders        ${counts.sent - counts.corrections} of the recording and ${counts.corrections} corrections sent; ${counts.accepted} accepted, ${counts.rejected} rejected`)
  console.log(`  amended       ${counts.amended}, cancelled ${counts.cancelled}, too late ${counts.late}`)
  console.log(`  executions    ${counts.executions} of a known order, ${counts.hit} hit that very order`)
  console.log(`  unexpected    ${counts.unexpected} new orders met one that rested`)
  console.log(`  skipped       ${Object.entries(replay.skipped).map(([type, n]) => `${n} of type ${type}`).join(', ') || 'none'}`)
  for (const d of replay.differences.slice(0, 12)) console.log(`  row ${d.row}: order ${d.id} ${d.quantity} @ ${d.price} hit [${d.hit}]: ${d.reason}`)
  if (replay.differences.length > 12) console.log(`  … and ${replay.differences.length - 12} more in ${folderOut}/differences.csv`)
  for (const raw of replay.rejects.slice(0, 5)) console.log(`  rejected: ${raw}`)
}

await prepare()
const [one, two, taker] = await Promise.all(MEMBERS.map(connect))
const replay = new Replay({ file, makers: [one, two], taker, symbol, correct: !values['no-correct'], speed, progress })
began = Date.now()
await replay.run(rows)
const seconds = (Date.now() - began) / 1000
report(replay, seconds)
const durable = venue.status().durable_seq
await until('the recorder', 60000, async () => Number(venue.sql('SELECT sequence FROM record.cursor')[0][0]) >= durable, 200)
const [[broken]] = venue.sql('SELECT count(*) FROM (SELECT asset_id FROM record.balance GROUP BY asset_id HAVING sum(available + held) <> 0) t')
console.log(`  conservation  ${broken === '0' ? 'every asset sums to zero in Postgres' : `${broken} assets do not sum to zero`}`)
await Promise.all([one.logout(), two.logout(), taker.logout()])
process.exit(replay.counts.accepted === replay.counts.sent && replay.rejects.length === 0 && broken === '0' ? 0 : 1)
