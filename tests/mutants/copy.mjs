// A copy of the tree that may be broken: build/mutants/tree, built into build/mutants/build.
//
// matcher/ and risk/ are shared libraries there, so that a changed source costs one compilation and one link. What
// was changed in the copy is put right by refresh(): it compares contents, and touches only what differs.
import { execFile, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..')
const SOURCES = ['CMakeLists.txt', 'CMakePresets.json', 'cmake', 'base', 'chain', 'core', 'gateway', 'lifecycle', 'matcher', 'perf', 'risk',
  'schema', 'settlement', 'supervisor', 'tests', 'tools', 'package.json', 'package-lock.json', 'node_modules']
const here = path.join(root, 'build/mutants')
export const tree = path.join(here, 'tree')
export const build = path.join(here, 'build')

function refreshFile (from, to) {
  const wanted = fs.readFileSync(from)
  if (fs.existsSync(to) && wanted.equals(fs.readFileSync(to))) return
  fs.writeFileSync(to, wanted)
  fs.chmodSync(to, fs.statSync(from).mode)
}

function refreshFolder (from, to) {
  fs.mkdirSync(to, { recursive: true })
  const names = fs.readdirSync(from)
  for (const name of fs.readdirSync(to)) if (!names.includes(name)) fs.rmSync(path.join(to, name), { recursive: true })
  for (const name of names) refreshEntry(path.join(from, name), path.join(to, name))
}

function refreshEntry (from, to) {
  if (path.basename(from) === 'node_modules') { if (!fs.existsSync(to)) fs.symlinkSync(from, to) } // nothing there is changed
  else if (fs.statSync(from).isDirectory()) refreshFolder(from, to)
  else refreshFile(from, to)
}

export function refresh () {
  fs.mkdirSync(tree, { recursive: true })
  for (const name of SOURCES) if (fs.existsSync(path.join(root, name))) refreshEntry(path.join(root, name), path.join(tree, name))
}

// Changes files of the copy (file → text; null takes one away) while the body runs.
export async function withChanges (changed, body) {
  const names = Object.keys(changed).map(file => path.join(tree, file))
  const before = names.map(name => fs.existsSync(name) ? fs.readFileSync(name) : null)
  const put = (name, text) => text === null ? fs.rmSync(name, { force: true }) : fs.writeFileSync(name, text)
  try {
    names.forEach((name, i) => put(name, Object.values(changed)[i]))
    return await body()
  } finally { names.forEach((name, i) => put(name, before[i])) }
}

export function configure () {
  if (fs.existsSync(path.join(build, 'build.ninja'))) return
  execFileSync('cmake', ['-G', 'Ninja', '-S', tree, '-B', build, '-DCMAKE_BUILD_TYPE=None', '-DCMAKE_C_FLAGS=-O1 -w', '-DCMAKE_CXX_FLAGS=-O1 -w',
    '-DLONJA_SHARED=lonja_matcher;lonja_risk', '-DCMAKE_LINK_DEPENDS_NO_SHARED=ON'], { stdio: ['ignore', 'ignore', 'inherit'] })
}

// Builds targets; what the compiler said, or null if all is well.
export function make (...targets) {
  return new Promise(resolve => execFile('ninja', ['-C', build, ...targets], { maxBuffer: 1 << 26 },
    (error, stdout) => resolve(error ? stdout.split('\n').slice(-30).join('\n') : null)))
}

// The modules' own tests of a folder, but those that need a Postgres: {name, command, directory}.
export function testsOf (folder) {
  const { tests } = JSON.parse(execFileSync('ctest', ['--test-dir', path.join(build, folder), '--show-only=json-v1', '-R', '^unit[.]', '-LE', 'postgres']).toString())
  return tests.filter(test => test.command).map(test => ({
    name: test.name.replace(/^unit\./, ''), command: test.command, directory: test.properties.find(p => p.name === 'WORKING_DIRECTORY')?.value ?? build
  }))
}

const firstFailed = said => said.match(/^\[  FAILED  \] (\w+)$/m)?.[1] ?? said.match(/^not ok (.*)$/m)?.[1] ?? [...said.matchAll(/^\[ RUN      \] (\w+)$/gm)].at(-1)?.[1]

// Starts a program in a process group of its own; {done, stop}. done: {failed, case, said, ms}.
export function start (test, timeoutMs) {
  const begun = Date.now()
  const child = spawn(test.command[0], test.command.slice(1), { cwd: test.directory, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...test.environment } })
  const stop = () => { try { process.kill(-child.pid, 'SIGKILL') } catch { /* it has ended */ } }
  const timer = setTimeout(stop, timeoutMs)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { if (said.length < 1 << 20) said += data })
  const done = new Promise(resolve => {
    const end = failed => { clearTimeout(timer); resolve({ failed, case: firstFailed(said), said, ms: Date.now() - begun }) }
    child.on('error', () => end(true))
    child.on('exit', (code, signal) => end(code !== 0 || signal !== null))
  })
  return { done, stop }
}

// The first of the tests that fails, some at a time; null if none does. A test has as long as `patience` says.
export function firstToFail (tests, patience, together = os.cpus().length) {
  return new Promise(resolve => {
    const running = new Set()
    let at = 0
    let found = null
    const next = () => {
      if (found !== null || at === tests.length) { if (running.size === 0) resolve(found); return }
      const test = tests[at++]
      const run = start(test, patience(test))
      running.add(run)
      run.done.then(result => {
        running.delete(run)
        if (result.failed && found === null) {
          found = { test: test.name, case: result.case, said: result.said }
          for (const other of running) other.stop()
        }
        next()
      })
    }
    for (let i = 0; i < together; i++) next()
  })
}
