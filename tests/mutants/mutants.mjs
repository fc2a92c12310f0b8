// Mutants of matcher/, risk/ and core/: which of them do the tests notice? See usage.
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { build, configure, firstToFail, make, refresh, root, start, testsOf, withChanges } from './copy.mjs'
import { codesOf, mutantsOf, withoutCheck } from './operators.mjs'

const usage = `Usage: tests/mutants/run [--count N | --all | --list | NAME… | FILE…]
       tests/mutants/run --checks [--count N | --all | --list | CODE…]

Breaks one thing at a time in a copy of the sources (build/mutants), builds it, and runs the tests of its folder that it
is linked into, those of the engine beside the model of tests/model too, until one fails, and fails again by itself.

Mutants: 300 of matcher/, risk/ and core/, chosen from all that tests/mutants/operators.mjs finds: as many of each file as
it has, by their names, which are digests of what is changed and where. So the same sources give the same mutants.
What does not compile, or compiles to the same code, is passed over for the file's next one. Those that a person has
found to change nothing that can be seen are in equivalent.txt, each with its reason.

--checks: for each CODE of the reject catalogue the engine's check that refuses with it always passes.

Without arguments, others every day: 10 mutants, or as many of them as are begun within 15 seconds once the copy is built,
but 5 on any machine; 2 checks; and what tests/planted has for today. --count N: N of them; --all: every one (an hour); FILE: those
of the 300 that are in it.

Exit status: 0 nine tenths of the mutants and every check were noticed, 1 they were not, 2 bad arguments.
A day's few mutants may miss by two; that none was tried is a failure.`

const FOLDERS = ['matcher', 'risk', 'core']
const WANTED = 300
const MUTANTS_A_DAY = 10
const MUTANTS_A_DAY_LEAST = 5
const CHECKS_A_DAY = 2
const DAILY_MS = 15000
const EQUIVALENT = path.join(root, 'tests/mutants/equivalent.txt')
const TIMES = path.join(root, 'build/mutants/times.json')
const day = Math.floor(Date.now() / 86400000)

const isProduct = file => /\.[ch]$/.test(file) && !/(_test|testing\w*|_twin|_story|fake_\w+)\.[ch]$/.test(file)
const files = FOLDERS.flatMap(folder => fs.readdirSync(path.join(root, folder)).filter(isProduct).sort().map(name => `${folder}/${name}`))
const sourceOf = file => fs.readFileSync(path.join(root, file), 'utf8')
const order = name => crypto.createHash('sha256').update(name).digest('hex')

// Each file's share of the whole, rounded so that they sum up to it.
function quotas (sizes) {
  const sum = sizes.reduce((a, b) => a + b, 0)
  const exact = sizes.map(size => size * WANTED / sum)
  const whole = exact.map(Math.floor)
  const byRest = exact.map((x, i) => [x - whole[i], i]).sort((a, b) => b[0] - a[0])
  for (let i = 0; whole.reduce((a, b) => a + b, 0) < WANTED; i++) whole[byRest[i][1]]++
  return whole
}

function equivalents () {
  return new Map(fs.readFileSync(EQUIVALENT, 'utf8').split('\n').filter(line => /^\S+-[0-9a-f]{6} /.test(line)).map(line => [line.split(' ')[0], line]))
}

// All mutants, each file's in the order of choice, and how many of each file are wanted.
function population () {
  const known = equivalents()
  const ofFiles = files.map(file => mutantsOf(file, sourceOf(file)))
  const wanted = quotas(ofFiles.map(mutants => mutants.length))
  return ofFiles.map((mutants, i) => ({
    wanted: wanted[i], mutants: mutants.filter(m => !known.has(m.name)).sort((a, b) => order(a.name) < order(b.name) ? -1 : 1)
  }))
}

// ---- building and testing

const engineTests = () => [
  { name: 'model_test', command: [`${build}/test/model_test`, '--seed', '1', '--commands', '60000'], directory: build },
  ...['continuous', 'auction', 'stops', 'risk', 'money'].map(alphabet => (
    { name: `exhaustive_test ${alphabet}`, command: [`${build}/test/exhaustive_test`, '--alphabet', alphabet, '--depth', '3'], directory: build }))]

const ENGINE = ['matcher/all', 'risk/all', 'model_test', 'exhaustive_test']
const parts = {
  engine: { targets: ENGINE, tests: () => [...testsOf('matcher'), ...testsOf('risk'), ...engineTests()], together: 2 },
  core: { targets: ['core/all'], tests: () => testsOf('core'), together: 4 } // they wait more than they work
}
const partOf = file => file.startsWith('core/') ? parts.core : parts.engine

// What a test runs: its own program, and those of the venue where it names their folder.
function digestOfTest (test) {
  const program = fs.readFileSync(test.command[0])
  return program.includes(`${build}/bin`) ? digestOf([test.command[0], ...venuePrograms()]) : digestOf([test.command[0]])
}

// Builds what a part needs, and learns how long each test takes when nothing is broken: from the last time, if the
// tests have just passed anyway.
async function ready (part, trusting) {
  await builtWhole(part)
  part.all = part.tests()
  const known = fs.existsSync(TIMES) ? JSON.parse(fs.readFileSync(TIMES)) : {}
  await Promise.all(spread(part.all, part.together, async test => { test.ms = (trusting && known[test.name]) || await timeOf(test) }))
  for (const test of part.all) known[test.name] = test.ms
  fs.writeFileSync(TIMES, JSON.stringify(known))
  for (const test of part.all) test.digest = digestOfTest(test)
}

async function builtWhole (part) {
  const wrong = await make(...part.targets)
  if (wrong) throw new Error(`the copy is not built:\n${wrong}`)
}

async function timeOf (test) {
  const result = await start(test, 120000).done
  if (result.failed) throw new Error(`without a mutant every test passes, but ${test.name} fails (${result.case}):\n${result.said}`)
  return result.ms
}

// Some at a time.
function spread (list, together, body) {
  let at = 0
  const worker = async () => { while (at < list.length) await body(list[at++]) }
  return Array.from({ length: together }, worker)
}

const patience = test => Math.max(5000, 8 * test.ms)
const words = name => name.replace(/^.*\//, '').replace(/\.[ch]$/, '').split('_')
const akin = (test, file) => words(file).filter(word => word !== 'engine' && words(test.name).includes(word)).length

// The likeliest to fail and the fastest first.
const testsFor = (part, file) => [...part.all].sort((a, b) => akin(b, file) - akin(a, file) || a.ms - b.ms)

function digestOf (files) {
  const hash = crypto.createHash('sha256')
  for (const file of files) hash.update(fs.readFileSync(file))
  return hash.digest('hex')
}

const filesOf = (folder, pattern) => fs.readdirSync(path.join(build, folder)).filter(name => pattern.test(name)).sort().map(name => path.join(build, folder, name))
const venuePrograms = () => filesOf('bin', /^lonja-(core|tape|journal|explain)$/)
const digestOfBuilt = () => digestOf([...FOLDERS.flatMap(folder => filesOf(folder, /\.(a|so)$/)), ...venuePrograms()])

// The first test that fails, and once more when nothing else runs: a busy machine is no proof.
async function notice (part, file) {
  const tests = testsFor(part, file).filter(test => part !== parts.core || digestOfTest(test) !== test.digest)
  const found = await firstToFail(tests, patience, part.together)
  if (found === null) return null
  const again = await firstToFail(tests.filter(test => test.name === found.test), patience, 1)
  return again ?? await firstToFail(tests, patience, 1)
}

// changed: file → text. 'not built', 'the same' as the digest of the whole, null if no test fails, or what fails.
function tryOut (changed, whole) {
  const [first] = Object.keys(changed)
  const part = partOf(first)
  return withChanges(changed, async () => {
    if (await make(...part.targets)) return 'not built'
    if (digestOfBuilt() === whole) return 'the same'
    return await notice(part, first)
  })
}

const say = line => console.log(line)
const failing = found => `${found.test}: ${found.case ?? 'it ended'}`

// ---- mutants

async function tryMutant (mutant, sum) {
  const part = partOf(mutant.file)
  await builtWhole(part)
  const found = await tryOut({ [mutant.file]: mutant.text }, digestOfBuilt())
  if (typeof found === 'string') { sum.passedOver++; return false }
  const what = `${mutant.name} ${mutant.file}:${mutant.line} ${mutant.operator}: ${mutant.before || '{'} => ${mutant.after}`
  if (found) { sum.killed++; say(`killed ${what} (${failing(found)})`) } else { sum.survived++; say(`SURVIVED ${what}`) }
  return true
}

// Once `withinMs` are over no further group is begun, if there were enough.
async function tryMutants (groups, withinMs) {
  const sum = { killed: 0, survived: 0, passedOver: 0 }
  const until = Date.now() + withinMs
  for (const { wanted, mutants } of groups) {
    if (Date.now() > until && sum.killed + sum.survived >= MUTANTS_A_DAY_LEAST) break
    let done = 0
    for (const mutant of mutants) { if (done === wanted) break; if (await tryMutant(mutant, sum)) done++ }
  }
  return sum
}

// Others every day: every so many of the list; those of the engine first, whose tests are fast.
function someOf (all, count) {
  const list = all.flatMap(({ wanted, mutants }) => mutants.slice(0, wanted))
  const stride = Math.max(1, Math.floor(list.length / count))
  const some = Array.from({ length: count }, (_, i) => list[(i * stride + day) % list.length])
  return some.sort((a, b) => a.file.startsWith('core/') - b.file.startsWith('core/')).map(mutant => ({ wanted: 1, mutants: [mutant] }))
}

// By the names of files: what is chosen of them; by their own: they.
function named (wanted, mutants, names) {
  if (names.includes(mutants[0]?.file)) return { wanted, mutants }
  return { wanted: Infinity, mutants: mutants.filter(m => names.includes(m.name)) }
}

async function runMutants ({ all, count, names, withinMs = Infinity }) {
  const everything = population()
  const groups = names.length > 0
    ? everything.map(({ wanted, mutants }) => named(wanted, mutants, names)).filter(g => g.mutants.length > 0)
    : all ? everything : someOf(everything, count)
  const used = new Set(groups.flatMap(g => g.mutants.slice(0, 1)).map(m => partOf(m.file)))
  for (const part of used) await ready(part, !all)
  const sum = await tryMutants(groups, withinMs)
  const tried = sum.killed + sum.survived
  say(`${sum.killed} of ${tried} mutants noticed, ${sum.survived} not; ${sum.passedOver} passed over (not built, or the same code)`)
  const enough = all ? sum.killed >= 0.9 * tried : names.length > 0 ? sum.survived === 0 : sum.survived <= 2
  const good = tried > 0 && enough
  say(`${good ? 'ok' : 'not ok'} the tests notice mutants: ${sum.killed} of ${tried}`)
  return good
}

// ---- checks

const refusing = files.filter(file => /^(matcher\/engine|risk\/).*\.c$/.test(file))
const allCodes = () => [...new Set(refusing.flatMap(file => codesOf(sourceOf(file))))].sort()

async function tryCheck (code) {
  const changed = Object.fromEntries(refusing.map(file => [file, sourceOf(file)]).filter(([, text]) => codesOf(text).includes(code)).map(([file, text]) => [file, withoutCheck(text, code)]))
  const found = await tryOut(changed, '')
  if (found !== null && typeof found !== 'string') { say(`ok without the check ${code} a test fails (${failing(found)})`); return true }
  say(`not ok without the check ${code} no test fails${found ? `: ${found}` : ''}`)
  return false
}

async function runChecks ({ all, count, names }) {
  const codes = allCodes()
  for (const name of names) if (!codes.includes(name)) { console.error(`mutants: ${name} is no check of the engine`); process.exit(2) }
  const wanted = names.length > 0 ? names : all ? codes : Array.from({ length: count }, (_, i) => codes[(day * count + i) % codes.length])
  await ready(parts.engine, !all)
  let good = true
  for (const code of wanted) good = await tryCheck(code) && good
  return good
}

// ---- the command line

function options () {
  const words = process.argv.slice(2)
  if (words.includes('--help') || words.includes('-h')) { console.log(usage); process.exit(0) }
  const take = (flag, width = 1) => { const at = words.indexOf(flag); return at < 0 ? null : words.splice(at, width) }
  const taken = { checks: take('--checks') !== null, all: take('--all') !== null, list: take('--list') !== null, count: Number(take('--count', 2)?.[1] ?? 0) }
  if (words.some(word => word.startsWith('-')) || Number.isNaN(taken.count)) { console.error(usage); process.exit(2) }
  return { ...taken, names: words }
}

function list ({ checks }) {
  if (checks) { for (const code of allCodes()) say(code); return }
  for (const { wanted, mutants } of population()) for (const m of mutants.slice(0, wanted)) say(`${m.name} ${m.file}:${m.line} ${m.operator}: ${m.before || '{'} => ${m.after}`)
}

const chosen = options()
if (chosen.list) { list(chosen); process.exit(0) }
refresh()
configure()
const daily = !chosen.all && chosen.count === 0 && chosen.names.length === 0
let good = true
if (!chosen.checks) good = await runMutants({ ...chosen, count: chosen.count || MUTANTS_A_DAY, ...(daily && { withinMs: DAILY_MS }) })
if (chosen.checks || daily) good = await runChecks({ ...chosen, count: chosen.count || CHECKS_A_DAY }) && good
if (daily) good = spawnSync(path.join(root, 'tests/planted/run'), { stdio: 'inherit' }).status === 0 && good
process.exit(good ? 0 : 1)
