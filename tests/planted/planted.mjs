// Plants known errors in a copy of the tree: the test that a patch names must fail with it, and pass without. See usage.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { build, configure, make, refresh, root, start, withChanges } from '../mutants/copy.mjs'

const usage = `Usage: tests/planted/run [--count N | --all | --list | NAME…]

Each NAME.patch here is an error that the venue could not live with, and the tests that must notice it. It is planted in a
copy of the tree (build/mutants); its tests must pass without it and fail with it. Without arguments one of them, another
every day, and what passes without it is left to the other groups of ./check; --count N: N; --all: every one (minutes).

A patch begins with why it is an error and a line "Test: NAME…" (names of ctest). Where it belongs is found by the words of
its hunks, not by their lines, which must be there exactly once: else the patch is out of date, which is a failure.

Exit status: 0 all were noticed, 1 one was not, or is out of date, 2 bad arguments.`

const A_DAY = 1
const OUT_OF_DATE = 'is out of date: its words are not in the tree once'
const PATIENCE_MS = 300000 // on a machine that does other things, too
const folder = path.join(root, 'tests/planted')
const names = fs.readdirSync(folder).filter(name => name.endsWith('.patch')).map(name => name.replace(/\.patch$/, '')).sort()

// {why, tests, hunks: [{file, before, after}]}
function readPatch (name) {
  const text = fs.readFileSync(path.join(folder, `${name}.patch`), 'utf8')
  const [head, ...rest] = text.split(/^--- .*\n/m)
  const tests = head.match(/^Test: (.*)$/m)?.[1].split(/\s+/) ?? []
  const hunks = rest.flatMap(part => {
    const file = part.match(/^\+\+\+ b\/(\S+)/)[1]
    return part.split(/^@@.*@@.*\n/m).slice(1).map(hunk => {
      const lines = hunk.split('\n').slice(0, -1)
      const side = signs => lines.filter(line => signs.includes(line[0] ?? ' ')).map(line => `${line.slice(1)}\n`).join('')
      return { file, before: side(' -'), after: side(' +') }
    })
  })
  return { why: head.replace(/^Test: .*$/m, '').trim(), tests, hunks }
}

// file → its text with the error; null: the patch is out of date.
function planted (patch) {
  const texts = {}
  for (const { file, before, after } of patch.hunks) {
    const text = texts[file] ?? fs.readFileSync(path.join(root, file), 'utf8')
    if (text.split(before).length !== 2) return null
    texts[file] = text.replace(before, () => after)
  }
  return texts
}

// ctest has no command for what is not built yet.
function testOf (name) {
  const known = JSON.parse(execFileSync('ctest', ['--test-dir', build, '--show-only=json-v1'], { maxBuffer: 1 << 26 }).toString()).tests
  const test = known.find(test => test.name === name)
  if (!test?.command) throw new Error(`${name} is no test`)
  const property = wanted => test.properties.find(p => p.name === wanted)?.value
  const database = property('LABELS')?.includes('postgres') ? [path.join(folder, 'with_postgres')] : []
  return { name, command: [...database, ...test.command], directory: property('WORKING_DIRECTORY') ?? build }
}

// The program of a ctest, as a target of the build.
const targetOf = name => {
  const program = fs.readFileSync(path.join(build, 'build.ninja'), 'utf8').match(new RegExp(`^build (test/${name.replace(/^unit\./, '')}):`, 'm'))
  return program ? program[1] : name.replace(/^unit\./, '')
}

async function runTests (tests) {
  for (const name of tests) {
    const wrong = await make(targetOf(name))
    if (wrong) return { error: `is not built:\n${wrong}` }
  }
  const results = []
  for (const name of tests) results.push({ name, ...await start(testOf(name), PATIENCE_MS).done })
  return { results }
}

async function tryPatch (name) {
  const patch = readPatch(name)
  const texts = planted(patch)
  const not = why => { console.log(`not ok planted: ${name}: ${why}`); return false }
  if (patch.tests.length === 0) return not('names no test')
  if (texts === null) return not(OUT_OF_DATE)
  if (!daily) {
    const sound = await runTests(patch.tests)
    if (sound.error) return not(`the sound tree ${sound.error}`)
    const broken = sound.results.find(result => result.failed)
    if (broken) return not(`${broken.name} fails without it (${broken.case})\n${broken.said}`)
  }
  const spoilt = await withChanges(texts, () => runTests(patch.tests))
  if (spoilt.error) return not(spoilt.error)
  const deaf = spoilt.results.find(result => !result.failed)
  if (deaf) return not(`${deaf.name} does not notice`)
  console.log(`ok planted: ${name} (${spoilt.results.map(result => `${result.name}: ${result.case ?? 'it ended'}`).join(', ')})`)
  return true
}

const words = process.argv.slice(2)
const daily = words.length === 0
if (words.includes('--help') || words.includes('-h')) { console.log(usage); process.exit(0) }
if (words.includes('--list')) { for (const name of names) console.log(`${name.padEnd(32)} ${readPatch(name).why}`); process.exit(0) }
const day = Math.floor(Date.now() / 86400000)
const count = words[0] === '--count' ? Number(words[1]) : A_DAY
const wanted = words[0] === '--all' ? names
  : words.length > 0 && words[0] !== '--count' ? words
    : Array.from({ length: count }, (_, i) => names[(day * count + i) % names.length])
for (const name of wanted) if (!names.includes(name)) { console.error(`planted: there is no ${name}.patch`); process.exit(2) }
refresh()
configure()
let good = true
// Of the others, too: none may be found out of date only when its day comes.
for (const name of names.filter(name => !wanted.includes(name) && planted(readPatch(name)) === null)) {
  console.log(`not ok planted: ${name}: ${OUT_OF_DATE}`)
  good = false
}
for (const name of wanted) good = await tryPatch(name) && good
process.exit(good ? 0 : 1)
