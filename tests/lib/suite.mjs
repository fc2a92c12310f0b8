// Prints one line per test, and the sums; what ./check reads.
//
//   Suite.main(async suite => {
//     await suite.test("a trade is seen by both", async () => { … })
//   })
const filter = process.argv.slice(2).find((word, i, words) => !word.startsWith('--') && !words[i - 1]?.startsWith('--'))

export class Suite {
  constructor () { this.passed = this.failed = 0 }

  // A limit for what hangs, above that of whatever it waits for: those say what did not come.
  async test (name, body, timeoutMs = 300000) {
    if (filter && !name.includes(filter)) return true
    const begun = Date.now()
    let timer
    try {
      const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`not done within ${timeoutMs} ms`)), timeoutMs) })
      await Promise.race([body(), late])
      this.passed++
      console.log(`ok ${name} (${Date.now() - begun} ms)`)
      return true
    } catch (error) {
      this.failed++
      console.log(`not ok ${name} (${Date.now() - begun} ms)\n${indent(error.stack ?? String(error))}`)
      return false
    } finally { clearTimeout(timer) }
  }

  // A program that brings up a venue, tests, and takes it down; exits with the result.
  static async main (body) {
    const suite = new Suite()
    // What nobody awaits must not keep the venue from being taken down.
    process.on('unhandledRejection', error => {
      suite.failed++
      console.log(`not ok nobody waited for this\n${indent(error?.stack ?? String(error))}`)
    })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1))
    try { await body(suite) } catch (error) {
      suite.failed++
      console.log(`not ok the group itself\n${indent(error.stack ?? String(error))}`)
    }
    console.log(`${suite.passed} passed, ${suite.failed} failed`)
    process.exit(suite.failed > 0 || suite.passed === 0 ? 1 : 0)
  }
}

const indent = text => text.split('\n').map(line => `    ${line}`).join('\n')
