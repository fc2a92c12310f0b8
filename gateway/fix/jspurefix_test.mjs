// A client that is neither ours nor QuickFIX trades: logon with a reset, order, cancel, order in small and
// large units, disconnect. Run by process_test.c: node jspurefix_test.mjs PORT COMP_ID USER PASSWORD
import assert from 'node:assert/strict'
import { FixClient } from '../../tests/lib/fix_client.mjs'

const [port, senderCompId, username, password] = process.argv.slice(2)

await assert.rejects(FixClient.connect({ port: Number(port), senderCompId, username, password: 'wrong', reset: true, timeoutMs: 3000 }))

const fix = await FixClient.connect({ port: Number(port), senderCompId, username, password, reset: true })
const day = Date.now()
fix.newOrder({ clOrdId: `J1-${day}`, symbol: 'PORT', side: 'buy', price: 1.25, quantity: 3.5 })
const accepted = await fix.waitFor(m => m.type === '8' && m.body.ClOrdID === `J1-${day}`, 'acknowledgement')
assert.equal(accepted.body.ExecType, '0')
assert.equal(accepted.body.LeavesQty, 3.5)
assert.equal(accepted.body.Instrument.Symbol, 'PORT')
fix.cancel({ clOrdId: `J2-${day}`, origClOrdId: `J1-${day}`, symbol: 'PORT', side: 'buy' })
const cancelled = await fix.waitFor(m => m.type === '8' && m.body.ClOrdID === `J2-${day}`, 'cancel')
assert.equal(cancelled.body.ExecType, '4')
assert.equal(cancelled.body.OrigClOrdID, `J1-${day}`)
fix.newOrder({ clOrdId: `J3-${day}`, symbol: 'FISH', side: 'buy', price: 1, quantity: 1 })
const refused = await fix.waitFor(m => m.type === '8' && m.body.ClOrdID === `J3-${day}`, 'refusal')
assert.equal(refused.body.OrdStatus, '8')
await fix.close()
process.exit(0)
