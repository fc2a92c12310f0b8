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

Suite.main(async suite => {
  const venue = await Venue.start({
    name: 'system',
    settings: ['settle.tick_ms=1000', 'settle.poll_ms=100', 'settle.http_timeout_ms=5000', 'fix.logon_timeout_ms=1500', 'fix.output_bytes_max=65536',
      'web.output_bytes_max=65536', 'web.rate_per_second=20000']
  })
  try {
    await trade(suite, venue)
    await orders(suite, venue)
    await fixTerms(suite, venue)
    await webTerms(suite, venue)
    await operators(suite, venue)
    await explain(suite, venue)
    await surveillance(suite, venue)
    await desk(suite, venue)
    await risk(suite, venue)
    await corrections(suite, venue)
    await riskClients(suite, venue)
    await xvp(suite, venue)
    await resend(suite, venue)
    await resume(suite, venue)
    await hostile(suite, venue)
    await suite.test('at the end: sums are zero, ledger = Postgres = chain', () => venue.conservation())
    await suite.test('at the end: every settled trade is on the chain once, seen by ethers.js', async () => {
      const provider = new ethers.JsonRpcProvider(venue.services.RPC_URL, undefined, { staticNetwork: true, polling: false })
      const { problems } = await checkSettlement({ provider, rows: reader(venue.services) })
      provider.destroy()
      if (problems.length > 0) throw new Error(problems.join('\n'))
    })
  } finally { await venue.stop() }
})
