// The alert rules of gateway/ops/alerts.yaml, as text: which there are, and which metrics they name.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const rulesFile = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../gateway/ops/alerts.yaml')
const text = fs.readFileSync(rulesFile, 'utf8')

export const alerts = [...text.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name)
const expressions = [...text.matchAll(/^ +expr: '(.*)'$/gm)].map(([, expression]) => expression)
if (alerts.length < 50 || alerts.length !== expressions.length) throw new Error(`${rulesFile}: ${alerts.length} rules, ${expressions.length} expressions read`)

// Of those that the rules name the ones that a metrics page does not export, in order. What has no value now is exported by its type.
export function missing (page) {
  const exported = new Set([...page.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name))
  const named = new Set(expressions.flatMap(expression => expression.match(/\blonja_\w+/g) ?? []))
  return [...named].filter(name => !exported.has(name)).sort()
}
