// lonja-ops as a process beside the real core, tape and administration, a real Redis: history is not announced
// again after the whole venue was killed, and a frozen Redis costs nobody anything.
// Usage: node gateway/ops/ops_process_test.mjs BUILD_FOLDER
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const bin = join(resolve(process.argv[2] ?? 'build/dev'), 'bin');
const folder = mkdtempSync(join(tmpdir(), 'lonja-ops-'));
const base = 31000 + (process.pid % 400) * 20, redisPort = base + 11, metrics = base + 4;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let venue, listener;

async function until(what, condition, ms = 60000) {
  for (const end = Date.now() + ms; ; await sleep(50)) {
    const value = await (async () => condition())().catch(() => false);
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

const services = (...args) => execFileSync(join(root, 'tools/services'), args, { stdio: ['ignore', 'ignore', 'inherit'] });
const admin = (...args) => JSON.parse(execFileSync(join(bin, 'lonja'), ['admin', '--url', `http://127.0.0.1:${base + 1}`, '--password-file', join(folder, 'secrets/login-admin'), ...args], { encoding: 'utf8' }));
const status = () => JSON.parse(readFileSync(join(folder, 'state/status.json'), 'utf8'));
const redis = (...words) => execFileSync('redis-cli', ['-p', redisPort, ...words], { encoding: 'utf8' }).trim();
const page = async () => Object.fromEntries((await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()).split('\n').filter((l) => l && l[0] !== '#').map((l) => l.split(' ')));

// Everything that is published, from the first message on, as parsed objects with their channel.
async function listen() {
  const heard = [];
  const socket = net.connect(redisPort, '127.0.0.1');
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (data) => {
    text += data;
    heard.length = 0;
    for (const [, channel, message] of text.matchAll(/\r\nlonja:v1:(\w+)\r\n\$\d+\r\n(\{.*?\})\r\n/g)) heard.push({ channel, ...JSON.parse(message) });
  });
  socket.write('PSUBSCRIBE lonja:v1:*\r\n');
  await until('the subscription', () => text.includes('psubscribe'));
  return { heard, close: () => socket.destroy() };
}

function up() {
  venue = spawn(join(bin, 'lonja'), ['up', '--config', join(folder, 'lonja.conf'), '--only', 'core,tape,admin,record,ops'], { stdio: 'ignore' });
  return until('the venue answers', () => admin('venue').sequence >= 0);
}

async function start() {
  services('start', folder, '--ports-from', String(base + 10));
  const env = Object.fromEntries([...readFileSync(join(folder, 'services.env'), 'utf8').matchAll(/^(\w+)='?(.*?)'?$/gm)].map((m) => [m[1], m[2]]));
  writeFileSync(join(folder, 'lonja.conf'), `venue = { state_folder = "state"; open_when_attached = false; };
admin = { port = ${base + 1}; };
ops = { metrics_port = ${metrics}; };
redis = { port = ${redisPort}; };
postgres = { host = "${env.PG_HOST}"; port = ${env.PG_PORT}; database = "${env.PG_DATABASE}"; secrets_folder = "secrets"; };\n`);
  await up();
  execFileSync(join(root, 'tools/demo-data'), [folder], { stdio: 'ignore' });
}

async function stop() {
  listener?.close();
  venue?.kill('SIGTERM');
  await Promise.race([new Promise((done) => venue?.on('exit', done)), sleep(60000)]);
  try { services('stop', folder); } catch {}
  rmSync(folder, { recursive: true, force: true });
}

const tests = {
  async 'a change is heard, in words, and kept under its key'() {
    listener = await listen();
    admin('halt', '1');
    const told = await until('it is heard', () => listener.heard.find((m) => m.channel === 'market' && m.phase === 'halted'));
    assert.equal(told.symbol, 'PORT');
    assert.equal(JSON.parse(redis('GET', 'lonja:v1:last:market:PORT')).seq, told.seq);
    assert.equal(JSON.parse(redis('GET', 'lonja:v1:last:risk')).kyc, 'approved');
  },

  async 'the whole venue is killed: history is not announced again, its last messages are under the keys'() {
    const before = admin('venue').sequence;
    const pids = Object.values(status().processes).map(({ pid }) => pid).filter((pid) => pid > 0);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    venue.kill('SIGKILL');
    for (const pid of pids) try { process.kill(pid, 'SIGKILL'); } catch {}
    await until('everybody is gone', () => pids.every((pid) => { try { process.kill(pid, 0); return false; } catch { return true; } }));
    listener.close();
    redis('FLUSHALL');
    listener = await listen();
    await up();
    await until('ops is there', async () => (await page()).lonja_core_state === '2' && (await page()).lonja_ops_lag_commands === '0');
    await until('the last messages are under the keys', () => JSON.parse(redis('GET', 'lonja:v1:last:market:PORT')).phase === 'halted');
    admin('resume', '1');
    await until('the next change is heard', () => listener.heard.find((m) => m.channel === 'market' && m.phase === 'continuous'));
    const old = listener.heard.filter((m) => m.event !== 'health' && m.seq <= before);
    assert.deepEqual(old, []);
    assert.ok(Number((await page()).lonja_events_total) < 10, 'history is not counted');
  },

  async 'Redis frozen: dropped and counted, metrics answer, the keys are set again'() {
    const pid = Number(redis('INFO', 'server').match(/process_id:(\d+)/)[1]);
    process.kill(pid, 'SIGSTOP');
    try {
      admin('halt', '2');
      await until('ops has noticed', async () => (await page()).lonja_redis_up === '0');
      const noticed = await page();
      assert.ok(Number(noticed.lonja_redis_dropped_total) > 0);
      await sleep(3000); // the kernel takes new connections for it: they count for nothing
      await until('more is dropped', async () => Number((await page()).lonja_redis_dropped_total) > Number(noticed.lonja_redis_dropped_total));
      assert.equal((await page()).lonja_redis_up, '0');
      admin('resume', '2');
      assert.equal((await page()).lonja_core_state, '2');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('the key is set again', () => JSON.parse(redis('GET', 'lonja:v1:last:market:ATUN')).phase === 'continuous');
    const now = await until('it is connected', async () => { const p = await page(); return p.lonja_redis_up === '1' && p; });
    assert.ok(Number(now.lonja_redis_errors_total) > 0);
  },
};

let failures = 0;
try {
  await start();
  for (const [name, test] of Object.entries(tests)) {
    const begun = Date.now();
    try {
      await test();
      console.log(`ok ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      failures++;
      console.log(`not ok ${name}\n${error.stack}`);
    }
  }
} catch (error) {
  failures++;
  console.log(`not ok start: ${error.stack}`);
} finally {
  if (failures) try { console.log(readFileSync(join(folder, 'state/log/ops.log'), 'utf8').split('\n').slice(-15).join('\n')); } catch {}
  await stop();
}
process.exit(failures ? 1 : 0);
