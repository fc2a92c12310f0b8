#!/usr/bin/env node
// The alert rules: each is explained to operators, each is provoked and quiet in alerts_test.yaml, and promtool finds nothing wrong.
// That every metric they name is exported by a venue is seen by tests/system/desk.mjs.
// Usage: alerts_test.mjs; exit status 0 passed, 1 failed, 77 without promtool (of Debian's package prometheus).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { alerts, rulesFile } from '../../tests/lib/alerts.mjs';

const folder = dirname(rulesFile);
const read = (path) => readFileSync(join(folder, path), 'utf8');

const told = [...read('../../docs/operations.md').split('<!-- alerts -->')[1].split('<!-- end of alerts -->')[0].matchAll(/^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$/gm)].map(([, name]) => name);
assert.deepEqual(told, alerts, 'docs/operations.md, Alerts: a line for each rule, in their order');
console.log(`ok each of ${alerts.length} rules has its line in the operator's guide`);

const provoked = new Set([...read('alerts_test.yaml').matchAll(/alertname="(\w+)"}', value: 1/g)].map(([, name]) => name));
assert.deepEqual(alerts.filter((name) => !provoked.has(name)), [], 'alerts_test.yaml provokes each rule');
console.log('ok each rule is provoked');

if (spawnSync('promtool', ['--version']).error) {
  console.log('skipped: there is no promtool (apt-get install prometheus)');
  process.exit(77);
}
for (const words of [['check', 'rules', 'alerts.yaml'], ['test', 'rules', 'alerts_test.yaml']]) {
  const { status, stdout, stderr } = spawnSync('promtool', words, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, `promtool ${words.join(' ')}\n${stdout}${stderr}`);
  console.log(`ok promtool ${words.join(' ')}`);
}
