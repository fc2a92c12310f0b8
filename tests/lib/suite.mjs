// Prints one line per test, and the sums; what ./check reads.
//
//   Suite.main(async suite => {
//     const venue = await Venue.start({ name: 'system' })
//     suite.watch(() => venue.died())                            // who dies of itself fails the test that runs, at once
//     await suite.test('a trade is seen by both', async () => { … })
//     const well = await suite.story(async () => { … })         // tests that build on one another
//   })
//
// One failure is told once. In a story what follows a test that has failed is left out: `skip NAME, because … has failed`. And nothing
// more is run (`over` says why) when a body does not end, or what is watched says that it cannot go on; who begins a fresh venue
// calls again().
import { setTimeout as sleep } from 'node:timers/promises'

const filter = process.argv.slice(2).find((word, i, words) => !word.startsWith('--') && !words[i - 1]?.startsWith('--'))
const LOOK_MS = 200
const REST_MS = 70000 // longer than a body waits for anything

export class Suite {
  constructor () { Object.assign(this, { passed: 0, failed: 0, skipped: 0, over: null, stories: 0, died: () => {} }) }

  // `died` is asked while a test runs: what it answers, if anything, is why the test fails. If it answers an error with `fatal`,
  // nothing more is run.
  watch (died) { this.died = died }
  again () { this.over = null }
  wants (name) { return !filter || name.includes(filter) }

  // A limit for what hangs, above that of whatever it waits for: those say what did not come.
  async test (name, body, timeoutMs = 300000) {
    if (!this.wants(name)) return true
    if (this.over) {
      this.skipped++
      console.log(`skip ${name}, because ${this.over}`)
      return false
    }
    const begun = Date.now()
    const running = Promise.resolve().then(body)
    let isDone = false
    running.then(() => { isDone = true }, () => { isDone = true })
    try {
      await Promise.race([running, this.trouble(timeoutMs, () => isDone)])
      this.passed++
      console.log(`ok ${name} (${Date.now() - begun} ms)`)
      return true
    } catch (error) {
      this.failed++
      console.log(`not ok ${name} (${Date.now() - begun} ms)\n${indent(error.stack ?? String(error))}`)
      // What goes on by itself would meddle with whatever comes next.
      for (const end = Date.now() + REST_MS; !isDone && Date.now() < end;) await sleep(LOOK_MS)
      if (!isDone) this.over = `"${name}" does not end`
      else if (this.stories > 0 || error.fatal) this.over = `"${name}" has failed`
      return false
    }
  }

  // Rejects as soon as the time is over or somebody has died; ends when there is nothing to look after any more.
  async trouble (timeoutMs, isDone) {
    for (const end = Date.now() + timeoutMs; !isDone(); await sleep(LOOK_MS)) {
      const died = this.died()
      if (died) throw died
      if (Date.now() >= end) throw new Error(`not done within ${timeoutMs} ms`)
    }
    return new Promise(() => {})
  }

  // Returns whether all of its tests have passed.
  async story (body) {
    const before = this.failed
    this.stories++
    try { await body() } catch (error) {
      if (this.over) console.log(`# ${error.message}`) // it misses what was left out
      else this.fault('what lies between the tests', error)
    } finally { this.stories-- }
    return this.failed === before && !this.over
  }

  fault (what, error) {
    this.failed++
    this.over ??= `${what} has failed`
    console.log(`not ok ${what}\n${indent(error?.stack ?? String(error))}`)
  }

  // A program that is one story.
  static oneStory (body) { return Suite.main(suite => suite.story(() => body(suite))) }

  // A program that brings up a venue, tests, and takes it down; exits with the result.
  static async main (body) {
    const suite = new Suite()
    // What nobody awaits must not keep the venue from being taken down.
    process.on('unhandledRejection', error => {
      suite.failed++
      console.log(`not ok nobody waited for this\n${indent(error?.stack ?? String(error))}`)
    })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1))
    try { await body(suite) } catch (error) { suite.fault('the group itself', error) }
    console.log(`${suite.passed} passed, ${suite.failed} failed${suite.skipped > 0 ? `, ${suite.skipped} left out` : ''}`)
    process.exit(suite.failed > 0 || suite.passed === 0 ? 1 : 0)
  }
}

const indent = text => text.split('\n').map(line => `    ${line}`).join('\n')
