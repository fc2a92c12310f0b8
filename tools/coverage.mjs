// What gcov counted, as branches taken of each file: node tools/coverage.mjs BUILD [--list] [FILE…].
//
// An inline function of a header is in every object that calls it: a branch was taken if it was in any of them.
// gcov knows no macros: the lines of an ASSERT(…) are found in the source, and their branches not counted.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const FOLDERS = ['matcher', 'risk', 'risk/surveillance', 'core']
const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..')
const [build, ...options] = process.argv.slice(2)
const list = options.includes('--list')
const wanted = options.filter(option => option !== '--list')

// What is tested, not what tests.
const isProduct = file => FOLDERS.includes(path.dirname(file)) && !/(_test|testing\w*|_twin|_story|fake_\w+)\.[ch]$/.test(file)

function dataFiles (folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = path.join(folder, entry.name)
    if (entry.isDirectory()) return dataFiles(name)
    return name.endsWith('.gcno') ? [name] : []
  })
}

// Line → counts of its branches, by file.
function addCounts (counts, report) {
  for (const { file: name, lines } of report.files) {
    const file = path.relative(root, path.resolve(report.current_working_directory, name))
    if (!isProduct(file)) continue
    const ofFile = counts.get(file) ?? counts.set(file, new Map()).get(file)
    for (const line of lines) {
      const branches = ofFile.get(line.line_number) ?? ofFile.set(line.line_number, []).get(line.line_number)
      line.branches.forEach((branch, i) => { branches[i] = (branches[i] ?? 0) + branch.count })
    }
  }
}

function gcov (folder, names) {
  try {
    return execFileSync('gcov', ['--branch-probabilities', '--json-format', '--stdout', ...names],
      { cwd: root, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  } catch {
    console.error(`coverage: the counts of ${folder}/ are of another build: run tools/coverage without --again`)
    process.exit(1)
  }
}

function readCounts () {
  const counts = new Map()
  for (const folder of ['matcher', 'risk', 'core', 'tests/model']) {
    const names = dataFiles(path.join(root, build, folder))
    for (const report of gcov(folder, names).split('\n')) if (report !== '') addCounts(counts, JSON.parse(report))
  }
  return counts
}

// The numbers of the lines on which an ASSERT( … ) stands, from its name to its closing parenthesis.
function assertedLines (text) {
  const lines = new Set()
  const lineOf = at => text.slice(0, at).split('\n').length
  for (const match of text.matchAll(/\bASSERT\(/g)) {
    let depth = 0
    let end = match.index
    do { depth += { '(': 1, ')': -1 }[text[end]] ?? 0; end++ } while (depth > 0 || text[end - 1] !== ')')
    for (let line = lineOf(match.index); line <= lineOf(end); line++) lines.add(line)
  }
  return lines
}

function ofFile (file, lines) {
  const text = fs.readFileSync(path.join(root, file), 'utf8')
  const source = text.split('\n')
  const asserted = assertedLines(text)
  const result = { file, total: 0, taken: 0, missed: [] }
  for (const [number, branches] of [...lines].sort((a, b) => a[0] - b[0])) {
    if (asserted.has(number)) continue
    const taken = branches.filter(count => count > 0).length
    result.total += branches.length
    result.taken += taken
    if (taken < branches.length) result.missed.push(`${file}:${number}: ${taken} of ${branches.length}: ${source[number - 1].trim()}`)
  }
  return result
}

const percent = ({ total, taken }) => total === 0 ? '' : `${Math.floor(1000 * taken / total) / 10} %`
const show = (name, sum) => console.log(`${name.padEnd(34)} ${String(sum.taken).padStart(5)} of ${String(sum.total).padStart(5)}  ${percent(sum).padStart(7)}`)

const files = [...readCounts()].map(([file, lines]) => ofFile(file, lines)).sort((a, b) => a.file < b.file ? -1 : 1)
for (const folder of FOLDERS) {
  const here = files.filter(({ file }) => path.dirname(file) === folder && (wanted.length === 0 || wanted.some(name => file.startsWith(name))))
  if (here.length === 0) continue
  for (const file of here) { show(file.file, file); if (list) for (const line of file.missed) console.log(`    ${line}`) }
  const sum = here.reduce((sum, file) => ({ total: sum.total + file.total, taken: sum.taken + file.taken }), { total: 0, taken: 0 })
  show(`${folder}/`, sum)
}
