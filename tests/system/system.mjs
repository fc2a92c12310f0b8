// One venue for all of these tests; they use it one after another.
import { ethers } from 'ethers'
import { checkSettlement, reader } from '../lib/settlement_check.mjs'
import { Suite } from '../lib/suite.mjs'
import { Venue } from '../lib/venue.mjs'
import { corrections } from './corrections.mjs'
import { desk } from './desk.mjs'
import { explain } from './explain.mjs'
import { fixTerms } from './fix_terms.mjs'
import { hostile } from './hostile.mjs'
import { operators } from './operators.mjs'
import { orders } from './orders.mjs'
import { resend } from './resend.mjs'
import { resume } from './resume.mjs'
import { risk } from './risk.mjs'
import { riskClients } from './risk_clients.mjs'
import { surveillance } from './surveillance.mjs'
import { trade } from './trade.mjs'
import { webTerms } from './web_terms.mjs'
import { xvp } from './xvp.mjs'

const PARTS = [trade, orders, fixTerms, webTerms, operators, explain, surveillance, desk, risk, corrections, riskClients, xvp, resend, resume, hostile]

const begin = () => Venue.start({
  name: 'system',
  settings: ['settle.tick_ms=1000', 'settle.poll_ms=100', 'settle.http_timeout_ms=5000', 'fix.logon_timeout_ms=1500', 'fix.output_bytes_max=65536',
    'web.output_bytes_max=65536', 'web.rate_per_second=20000']
})

async function atTheEnd (suite, venue) {
  await suite.test('at the end: sums are zero, ledger = Postgres = chain', () => venue.conservation())
  await suite.test('at the end: every settled trade is on the chain once, seen by ethers.js', async () => {
    const provider = new ethers.JsonRpcProvider(venue.services.RPC_URL, undefined, { staticNetwork: true, polling: false })
    const { problems } = await checkSettlement({ provider, rows: reader(venue.services) })
    provider.destroy()
    if (problems.length > 0) throw new Error(problems.join('\n'))
  })
}

// A part is a story. One that has failed may leave orders, holds and switches behind: the next one has a fresh venue.
Suite.main(async suite => {
  let venue = await begin()
  suite.watch(() => venue.died())
  try {
    for (const part of PARTS) {
      if (await suite.story(() => part(suite, venue))) continue
      console.log(`# behind ${part.name} a fresh venue begins`)
      await venue.stop()
      venue = await begin()
      suite.again()
    }
    await atTheEnd(suite, venue)
  } finally { await venue.stop() }
})
