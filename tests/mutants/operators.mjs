// Mutants of a C source: one small change each, of the kind that people make by mistake.
//
// Reads text, not a syntax tree: the tree's style (one statement a line, operators between spaces, functions
// that begin and end in the first column) tells enough, and what does not compile is no mutant. Comments,
// strings, directives and assertions are left alone: an assertion is a test, not what is tested.
import crypto from 'node:crypto'

const RELATIONS = { '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==' }
const SWAPS = { '&&': '||', '||': '&&', '+': '-', '-': '+', '*': '+', '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=', '++': '--', '--': '++' }
const DECLARES = /^(const |static |struct |enum |unsigned |__extension__ |[a-z_]\w* \**[a-z_]\w*( =|;|\[|,))/
const ASKS_EARLY = /^(?!engine_fetch\b)\w*(prefetch|fetch|scout)\w*\(/ // of memory: only time could tell
const CONTROLS = /^(return|if|else|for|while|do|switch|case|default|break|continue|goto)\b/

const blank = text => text.replace(/[^\n]/g, ' ')

// The index behind the parenthesis that closes the one at `open`.
function closing (text, open) {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === '(') depth++
    if (text[i] === ')' && --depth === 0) return i + 1
  }
  return text.length
}

// The text, spaces where nothing is to be changed; every character at its place.
function mask (text) {
  let masked = text.replace(/\/\*[^]*?\*\/|\/\/[^\n]*|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])+'/g, blank)
  masked = masked.replace(/^#.*(\\\n.*)*$/gm, blank)
  for (const match of masked.matchAll(/\b(ASSERT|static_assert|__builtin_expect)\(/g)) {
    const end = closing(masked, match.index + match[0].length - 1)
    masked = masked.slice(0, match.index) + blank(masked.slice(match.index, end)) + masked.slice(end)
  }
  return masked
}

// Functions: where their bodies are, and the line that names them.
function * functions (masked) {
  for (const match of masked.matchAll(/^([a-zA-Z_][^;{}=]*\([^;{}]*\))\n\{\n([^]*?)^\}/gm)) {
    const from = match.index + match[1].length + 3
    yield { head: match[1], from, body: match[2] }
  }
}

function * changes ({ head, body }) {
  const found = (at, length, operator, replacement) => ({ at, length, operator, replacement })
  for (const m of body.matchAll(/ (<=|>=|<|>|==|!=)(?=[ \n])/g)) yield found(m.index + 1, m[1].length, 'relation', RELATIONS[m[1]])
  for (const m of body.matchAll(/ (&&|\|\|)(?=[ \n])/g)) yield found(m.index + 1, 2, 'logic', SWAPS[m[1]])
  for (const m of body.matchAll(/ ([+*-]|\+=|-=|\|=|&=)(?=[ \n])/g)) yield found(m.index + 1, m[1].length, 'arithmetic', SWAPS[m[1]])
  for (const m of body.matchAll(/\+\+|--/g)) yield found(m.index, 2, 'step', SWAPS[m[0]])
  for (const m of body.matchAll(/(?<![\w.])\d+(?![\w.])/g)) yield found(m.index, m[0].length, 'number', String(BigInt(m[0]) + 1n))
  for (const m of body.matchAll(/\b(true|false)\b/g)) yield found(m.index, m[0].length, 'truth', m[0] === 'true' ? 'false' : 'true')
  for (const m of body.matchAll(/\b(if|while) \(/g)) {
    const open = m.index + m[0].length - 1
    const end = closing(body, open)
    yield found(open, end - open, 'negation', text => `(!${text})`)
  }
  for (const m of body.matchAll(/\b(break|continue);/g)) yield found(m.index, m[0].length, 'removal', ';')
  yield * removedStatements(body)
  if (/^(static |inline |COLD |CHECKED )*bool [a-z]/.test(head)) {
    for (const m of body.matchAll(/\breturn ([^;]+);/g)) if (!/^(true|false)$/.test(m[1])) yield found(m.index + 7, m[1].length, 'answer', text => `!(${text})`)
  }
  if (/^(static |inline |COLD )*void (?!\w*(fetch|scout))/.test(head) && body.split('\n').length > 3) yield found(0, 0, 'early end', '    return;')
}

// Assignments and calls that stand for themselves.
function * removedStatements (body) {
  for (const m of body.matchAll(/^ +([a-zA-Z_*(][^;{}]*);$/gm)) {
    const start = m.index + m[0].indexOf(m[1])
    if (ASKS_EARLY.test(m[1]) || DECLARES.test(m[1]) || CONTROLS.test(m[1]) || /\b(if|for|while|switch|case|default)\b/.test(m[1])) continue
    yield { at: start, length: m[1].length, operator: 'removal', replacement: text => `(void)0${text.replace(/[^\n]/g, '')}` }
  }
}

const nameOf = (file, identity) => `${file.replace(/^.*\//, '')}-${crypto.createHash('sha256').update(identity).digest('hex').slice(0, 6)}`

// All mutants of a source: {name, file, line, operator, before, after, text}. A mutant's name depends on its
// function and its line's words, not on where that is, so that it stays while other lines change.
export function mutantsOf (file, source) {
  const masked = mask(source)
  const mutants = []
  const times = new Map()
  for (const f of functions(masked)) {
    for (const change of changes(f)) {
      const at = f.from + change.at
      const old = source.slice(at, at + change.length)
      const next = typeof change.replacement === 'function' ? change.replacement(old) : change.replacement
      const from = source.lastIndexOf('\n', at - 1) + 1
      const to = source.indexOf('\n', at)
      const text = source.slice(0, at) + next + source.slice(at + change.length)
      const before = source.slice(from, to).trim()
      const identity = [file, f.head.replace(/\s+/g, ' '), before, change.operator].join('\0')
      const nth = times.get(identity) ?? 0
      times.set(identity, nth + 1)
      mutants.push({
        name: nameOf(file, `${identity}\0${nth}`), file, line: source.slice(0, at).split('\n').length,
        operator: change.operator, before: old.replace(/\s+/g, ' '), after: next.replace(/\s+/g, ' ').trim(), text
      })
    }
  }
  return mutants
}

const CHECK = /(return|\|\||&&|=|\?|:)\s*!?(refuse\(&?refusal,\s*REJECT_(\w+))/g

// The codes that a source refuses by: where a refusal is the value of what a function returns, or of a condition.
export const codesOf = source => [...mask(source).matchAll(CHECK)].map(match => match[3])

// The source with every such check of this code passing, whatever it sees.
export function withoutCheck (source, code) {
  const changed = [...mask(source).matchAll(CHECK)].filter(match => match[3] === code).reverse()
  return changed.reduce((text, match) => {
    const from = match.index + match[0].length - match[2].length
    const to = closing(text, from + 'refuse'.length)
    return `${text.slice(0, from)}(true || ${text.slice(from, to)})${text.slice(to)}`
  }, source)
}
