// The socket test of lonja-web: the real core, tape, recorder and Postgres, npm's ws as the client, web_seed in
// the administrator's place. Usage: node gateway/web/web_test.mjs BUILD_FOLDER [name of one test]
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Book } from './pages/book.js';
import { resumeTests } from './resume_tests.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const build = resolve(process.argv[2] ?? 'build/dev');
const only = process.argv[3];
const require = createRequire(join(root, 'package.json'));
const WebSocket = require('ws');
const PASSWORD = 'correct horse';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- the venue -----------------------------------------------------------------------------------------------

const folder = mkdtempSync(join(tmpdir(), 'lonja-web-'));
const services = 21000 + (process.pid % 400) * 20, port = services + 10;
const base = `http://127.0.0.1:${port}`;
let venue, database;

function readEnvironment(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)='?(.*?)'?$/gm)].map((m) => [m[1], m[2]]));
}

function sql(role, text) {
  const env = { ...process.env, PGPASSWORD: readFileSync(join(folder, `secrets/pg-${role}`), 'utf8').trim() };
  return execFileSync('psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-h', database.PG_HOST, '-p', database.PG_PORT, '-U', role, database.PG_DATABASE], { env, input: text, encoding: 'utf8' });
}

function passwordHash() {
  return execFileSync(join(build, 'test/web_hash'), [PASSWORD], { encoding: 'utf8' }).trim();
}

async function start() {
  execFileSync(join(root, 'tools/services'), ['start', folder, '--ports-from', String(services)], { stdio: ['ignore', 'ignore', 'inherit'] });
  database = readEnvironment(readFileSync(join(folder, 'services.env'), 'utf8'));
  mkdirSync(join(folder, 'bin'));
  for (const name of ['lonja', 'lonja-core', 'lonja-tape', 'lonja-record', 'lonja-web']) cpSync(join(build, 'bin', name), join(folder, 'bin', name));
  cpSync(join(build, 'test/web_seed'), join(folder, 'bin/lonja-admin'));
  cpSync(join(build, 'pages'), join(folder, 'pages'), { recursive: true });
  writeFileSync(join(folder, 'lonja.conf'), `venue = { state_folder = "state"; open_when_attached = false; };
limits = { command_events_max = 64; };
tape = { snapshot_every = 100; };
web = { port = ${port}; rate_per_second = 300; message_bytes_max = 2048; connections_max = 300; output_bytes_max = 65536; replay_commands_max = 1000; };
postgres = { host = "${database.PG_HOST}"; port = ${database.PG_PORT}; database = "${database.PG_DATABASE}"; secrets_folder = "secrets"; };\n`);
  const hash = passwordHash();
  sql('lonja_admin', `INSERT INTO people.member (member_id, name) VALUES (103, 'Web traders');
    INSERT INTO people.session (session_id, member_id, gateway) VALUES (3, 103, 'web'), (4, 103, 'web'), (5, 103, 'web');
    INSERT INTO people.login (kind, login_name, session_id, member_id, role, password_hash)
      SELECT 'web', name, id, 103, 'trader', '${hash}' FROM (VALUES ('carla', 3), ('diego', 4), ('elena', 5)) v(name, id);`);
  venue = spawn(join(folder, 'bin/lonja'), ['up', '--config', join(folder, 'lonja.conf')], { stdio: ['ignore', 'ignore', 'ignore'] });
  await until('the venue is open', async () => (await get('/health')).body?.venue_state === 'open');
}

async function stop() {
  if (venue && venue.exitCode === null) {
    venue.kill('SIGTERM');
    await Promise.race([new Promise((done) => venue.on('exit', done)), sleep(60000)]);
  }
  execFileSync(join(root, 'tools/services'), ['stop', folder], { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
}

// What comes within milliseconds on a machine that does nothing else.
async function until(what, condition, ms = 60000) {
  for (const end = Date.now() + ms; ; await sleep(20)) {
    const value = await (async () => condition())().catch(() => false);
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

async function http(method, path, body, token) {
  const response = await fetch(base + path, { method, body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body), headers: token ? { Authorization: `Bearer ${token}` } : {} });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: response.headers.get('content-type') === 'application/json' ? JSON.parse(text) : null };
}
const get = (path, token) => http('GET', path, undefined, token);
// status.json is a second old at most: it may still name the process before.
const pid = (name) => until(`${name} has a process`, () => {
  const { pid } = JSON.parse(readFileSync(join(folder, 'state/status.json'), 'utf8')).processes[name];
  return pid > 0 && process.kill(pid, 0) && pid;
});

// Trades on until the tape has made a snapshot above a sequence.
async function snapshotAbove(client, sequence) {
  await until('a snapshot is made', async () => {
    for (let i = 0; i < 25; i++) await client.place({ price: '95.1', tif: 'ioc' });
    return readdirSync(join(folder, 'state/snapshots')).some((name) => parseInt(name) > Number(sequence));
  });
}

// ---- a client --------------------------------------------------------------------------------------------------

class Client {
  static async open(user) {
    const client = new Client();
    client.socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    client.messages = [];
    client.id = 0;
    client.closed = new Promise((done) => client.socket.on('close', (code, reason) => done({ code, reason: reason.toString() })));
    client.socket.on('message', (text) => client.messages.push(JSON.parse(text)));
    client.socket.on('error', () => {});
    await client.next('hello');
    if (user) {
      client.token = tokens[user] ??= (await http('POST', '/api/v1/login', { user, password: PASSWORD })).body.token;
      await client.ask('login', { token: client.token });
      await client.next('balances');
    }
    return client;
  }
  // The next message of a type that has not been taken yet.
  next(type, fits = () => true) {
    return until(`a message of type ${type}`, () => {
      const at = this.messages.findIndex((m) => m.type === type && fits(m));
      return at >= 0 && this.messages.splice(at, 1)[0];
    });
  }
  ask(op, fields = {}) {
    const id = ++this.id;
    this.socket.send(JSON.stringify({ op, id, ...fields }));
    return until(`an answer to ${op}`, () => {
      const at = this.messages.findIndex((m) => m.id === id);
      return at >= 0 && this.messages.splice(at, 1)[0];
    });
  }
  place(fields) {
    return this.ask('place', { symbol: 'PORT', side: 'buy', price: '100', quantity: '1', client_order_id: `t${++orders}`, ...fields });
  }
  close() {
    this.socket.close();
    return this.closed;
  }
}
const tokens = {};
let orders = 0;

// Bytes as they are, to where no client library would go: what is answered until the connection is closed, or, where
// it stays open, until a while behind `enough`.
function raw(bytes, enough = /$^/, ms = 300) {
  return new Promise((done) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const end = () => { clearTimeout(limit); done(text); socket.destroy(); };
    const limit = setTimeout(end, 60000);
    socket.on('data', (data) => { text += data.toString('latin1'); if (enough.test(text)) setTimeout(end, ms); });
    socket.on('close', () => { text += '[closed]'; end(); });
    socket.on('error', () => {});
    socket.write(bytes);
  });
}

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

async function pageTest(page) {
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (line) => { if (/Content Security Policy/.test(line.text())) faults.push(line.text()); });
  const diego = await Client.open('diego');
  page.setDefaultTimeout(60000);
  await page.goto(base);
  await page.fill('input[name=user]', 'carla');
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button.submit');
  await page.waitForSelector('input[name=price]');
  const order = async (price, quantity) => {
    await page.fill('input[name=price]', price);
    await page.fill('input[name=quantity]', quantity);
    await page.click('form .submit');
  };
  await order('100.005', '1');
  await page.waitForSelector('.reject >> text=/multiple of the tick 0.01/');
  await order('70', '1');
  await page.waitForSelector('dialog >> text=Far from the last price');
  await page.click('dialog .submit');
  await page.waitForSelector('dialog >> text=Far from the net asset value');
  await page.click('dialog button >> nth=0');
  await order('97', '2');
  await page.waitForSelector('.own-orders >> text=97.00');
  await page.setViewportSize({ width: 390, height: 800 });
  const reaches = await page.evaluate(() => {
    const box = (css) => document.querySelector(css).getBoundingClientRect();
    return { input: box('input[name=quantity]').right, unit: box('input[name=quantity] + i').left };
  });
  assert.ok(reaches.input <= reaches.unit, 'the unit stands beside the quantity, not on it');
  await page.click('.places >> text=Mine');
  assert.ok((await page.locator('.own-orders .act button').first().boundingBox()).x < 390 - 40, 'a cancel is in reach on a phone');
  await page.setViewportSize({ width: 1280, height: 800 });
  assert.match(await page.textContent('.bids .level >> nth=0'), /97\.002\.00/);
  assert.equal((await diego.place({ side: 'sell', price: '97', quantity: '0.5', tif: 'ioc' })).type, 'placed');
  await page.waitForSelector('.badge.partially_filled');
  await page.click('role=tab[name=/^Trades/]');
  await page.waitForSelector('.own-trades .badge.pending');
  await page.click('role=tab[name=/^Orders/]');
  await page.click('.own-orders button:has-text("Cancel")');
  await page.waitForSelector('.badge.cancelled');
  await order('97.50', '1');
  await page.waitForSelector('.own-orders >> text=97.50');
  process.kill(await pid('web'), 'SIGKILL');
  await page.waitForSelector('.banner >> text=/connection is lost/');
  await page.waitForSelector('.status.good');
  await page.waitForSelector('text=Log in to trade');
  for (const user in tokens) delete tokens[user];
  const filler = await Client.open('diego'); // while nobody is there for carla
  assert.equal((await filler.place({ side: 'sell', price: '97.50', tif: 'ioc' })).type, 'placed');
  await filler.close();
  await page.fill('input[name=user]', 'carla');
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button.submit');
  await page.waitForSelector('.banner >> text=/you had 1 fill\\./');
  await page.waitForSelector('.own-orders .badge.filled');
  assert.deepEqual(faults, []);
}

// ---- tests -----------------------------------------------------------------------------------------------------------

const tests = {
  async 'login: right, wrong, malformed, slowed down'() {
    const good = await http('POST', '/api/v1/login', { user: 'carla', password: PASSWORD });
    assert.equal(good.status, 200);
    assert.match(good.body.token, /^[0-9a-f]{64}$/);
    assert.equal((await http('POST', '/api/v1/login', { user: 'nobody', password: 'x' })).status, 401);
    assert.equal((await http('POST', '/api/v1/login', { user: 'carla' })).body.error.name, 'MISSING_FIELD');
    assert.equal((await http('POST', '/api/v1/login', 'user=carla')).body.error.name, 'MALFORMED');
    assert.equal((await http('POST', '/api/v1/login', { user: 'x'.repeat(65), password: 'x' })).status, 401);
    const answers = [], begun = Date.now();
    while (answers.at(-1) !== 429 && answers.length < 100) answers.push((await http('POST', '/api/v1/login', { user: 'mallory', password: 'x' })).status);
    const wrong = answers.length - 1; // three, and one for each second
    assert.ok(answers.at(-1) === 429 && answers.slice(0, -1).every((status) => status === 401) && wrong >= 3 && wrong <= 3 + Math.ceil((Date.now() - begun) / 1000), answers.join());
  },

  async 'login: many guesses at once learn no more than one after the other'() {
    const guesses = Array.from({ length: 12 }, (_, i) => http('POST', '/api/v1/login', { user: 'gus', password: `guess ${i}` }));
    const begun = Date.now();
    const statuses = (await Promise.all(guesses)).map((answer) => answer.status);
    const told = statuses.filter((status) => status === 401).length; // three, and one for each second that hashing takes
    assert.ok(told >= 3 && told <= 3 + Math.ceil((Date.now() - begun) / 1000) && statuses.every((status) => status === 401 || status === 429), statuses.join());
  },

  async 'a fresh token on the same connection is no disconnect'() {
    const elena = await Client.open('elena');
    const { order } = await elena.place({ symbol: 'ATUN', price: '24.9' });
    const { token } = (await http('POST', '/api/v1/login', { user: 'elena', password: PASSWORD })).body;
    assert.equal((await elena.ask('login', { token })).session, 5);
    const { orders: open } = await elena.ask('orders');
    await elena.ask('ping');
    assert.deepEqual(open.map((o) => o.order), [order.order]);
    assert.equal((await elena.ask('cancel', { order: order.order })).type, 'cancelled');
    await elena.close();
  },

  async 'logout ends the token and the sockets that came with it'() {
    const { token } = (await http('POST', '/api/v1/login', { user: 'elena', password: PASSWORD })).body;
    const client = await Client.open();
    assert.equal((await client.ask('login', { token })).session, 5);
    assert.equal((await http('POST', '/api/v1/logout', '', token)).status, 200);
    await client.next('logged_out');
    assert.equal((await client.place({})).error.name, 'NOT_LOGGED_IN');
    assert.equal((await get('/api/v1/orders', token)).status, 401);
    await client.close();
  },

  async 'a login that is disabled, or gets another password, is logged out within seconds'() {
    const change = (what) => sql('lonja_admin', `UPDATE people.login SET ${what}, updated_at = now() WHERE login_name = 'elena'`);
    const login = async () => (await http('POST', '/api/v1/login', { user: 'elena', password: PASSWORD })).body.token;
    const carla = await Client.open('carla');
    for (const what of ['disabled = true', `password_hash = '${passwordHash()}'`]) {
      const token = await login(), client = await Client.open();
      assert.equal((await client.ask('login', { token })).session, 5);
      change(what);
      assert.equal((await client.next('logged_out')).reason, 'login_changed');
      assert.equal((await client.place({})).error.name, 'NOT_LOGGED_IN');
      assert.equal((await get('/api/v1/orders', token)).status, 401);
      change('disabled = false');
      await client.close();
    }
    assert.equal((await carla.ask('orders')).type, 'orders', 'nobody else is');
    delete tokens.elena;
    await carla.close();
  },

  async 'an order by WebSocket, its trade, both sides, balances, book'() {
    const carla = await Client.open('carla'), diego = await Client.open('diego'), watcher = await Client.open();
    const book = new Book(), trades = [];
    watcher.socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (message.type === 'book') assert.ok(book.apply(message), `book does not follow: ${text}`);
      if (message.type === 'trades' && !message.snapshot) trades.push(...message.trades);
    });
    await watcher.ask('subscribe', { channel: 'book', symbol: 'PORT' });
    await watcher.ask('subscribe', { channel: 'trades', symbol: 'PORT' });
    const rest = await carla.place({ side: 'sell', price: '100.50', quantity: '2.5', client_order_id: 'ask-1' });
    assert.equal(rest.type, 'placed');
    assert.equal(rest.order.status, 'open');
    assert.equal(rest.order.price, '100.5');
    await until('the book shows it', () => book.levels('asks', 1)[0]?.quantity === '2.5');
    const take = await diego.place({ side: 'buy', price: '101', quantity: '1.25', tif: 'ioc' });
    const fill = (await diego.next('fill')).fill, other = (await carla.next('fill')).fill;
    assert.equal(fill.order, take.order.order);
    assert.equal(fill.price, '100.5');
    assert.equal(fill.liquidity, 'taker');
    assert.equal(other.liquidity, 'maker');
    assert.equal(other.trade, fill.trade);
    assert.equal(other.leaves, '1.25');
    assert.equal(other.fee, '0.125625'); // 125.625 * 10 / 10000, down to 1e-6
    await until('the book has less', () => book.levels('asks', 1)[0]?.quantity === '1.25');
    await until('the watcher has the trade', () => trades.some((t) => t.trade === fill.trade && t.price === '100.5' && t.side === 'buy'));
    const balances = (await diego.next('balances', (m) => !m.snapshot && m.balances.some((b) => b.asset === 'PORT' && b.unsettled === '1.25'))).balances;
    assert.ok(balances);
    const cancelled = await carla.ask('cancel', { client_order_id: 'ask-1' });
    assert.equal(cancelled.type, 'cancelled');
    assert.equal(cancelled.order.status, 'cancelled');
    assert.equal(cancelled.order.filled, '1.25');
    assert.equal(cancelled.order.reason, 'by_owner');
    await until('the book is empty', () => book.levels('asks', 1).length === 0);
    for (const client of [carla, diego, watcher]) await client.close();
  },

  async 'a second connection of the same trader hears the same, once each'() {
    const one = await Client.open('carla'), two = await Client.open('carla');
    const { order } = await one.place({ price: '95.01', quantity: '3' });
    assert.deepEqual((await two.next('order')).order, order);
    assert.equal(one.messages.filter((m) => m.type === 'order').length, 0);
    const amended = await two.ask('amend', { order: order.order, quantity: '2' });
    assert.equal(amended.type, 'amended');
    assert.equal(amended.order.leaves, '2');
    assert.equal((await one.next('order')).order.quantity, '2');
    assert.equal((await two.ask('cancel_all')).count, 1);
    assert.equal((await one.next('order')).order.status, 'cancelled');
    const fresh = await Client.open('carla');
    assert.deepEqual((await fresh.ask('orders')).orders, []);
    for (const client of [one, two, fresh]) await client.close();
  },

  async 'a cancel that overtakes its order is kept until the order is accepted'() {
    const client = await Client.open('carla');
    const placed = client.place({ price: '95.05', client_order_id: 'overtaken' });
    const cancelled = client.ask('cancel', { client_order_id: 'overtaken' });
    assert.equal((await placed).type, 'placed');
    assert.equal((await cancelled).order.status, 'cancelled');
    await client.close();
  },

  async 'what is refused, and how'() {
    const client = await Client.open('carla');
    const refused = async (fields, name, field) => {
      const answer = await client.place(fields);
      assert.equal(answer.type, 'error', JSON.stringify(answer));
      assert.equal(answer.error.name, name);
      if (field) assert.equal(answer.error.field, field);
      return answer;
    };
    await refused({ symbol: 'NOPE' }, 'UNKNOWN_SYMBOL');
    await refused({ quantity: '0' }, 'QUANTITY_NOT_POSITIVE');
    await refused({ quantity: '-1' }, 'QUANTITY_NOT_POSITIVE');
    await refused({ quantity: '0.001' }, 'BAD_NUMBER', 'quantity');
    await refused({ quantity: '1e3' }, 'BAD_NUMBER', 'quantity');
    await refused({ quantity: '99999999999999999999' }, 'BAD_NUMBER', 'quantity');
    await refused({ quantity: 1 }, 'MALFORMED', 'quantity');
    await refused({ price: 100 }, 'MALFORMED', 'price');
    await refused({ price: '100.005' }, 'OFF_TICK');
    await refused({ price: '0' }, 'PRICE_NOT_POSITIVE');
    await refused({ price: undefined }, 'MISSING_FIELD', 'price');
    await refused({ order_type: 'market', price: '100' }, 'PRICE_ON_MARKET');
    await refused({ order_type: 'peg' }, 'MALFORMED', 'order_type');
    await refused({ order_type: 'stop' }, 'MISSING_FIELD', 'stop_price');
    await refused({ tif: 'gtd', expire_time: '2026-02-30T00:00:00Z' }, 'MALFORMED', 'expire_time');
    await refused({ stop_price: '99' }, 'STOP_PRICE');
    await refused({ side: 'both' }, 'MALFORMED', 'side');
    await refused({ account: 1004 }, 'ACCOUNT_NOT_OF_SESSION');
    await refused({ colour: 'red' }, 'UNKNOWN_FIELD');
    await refused({ client_order_id: '' }, 'CLIENT_ID_LENGTH');
    await refused({ client_order_id: 'x'.repeat(37) }, 'CLIENT_ID_LENGTH');
    await refused({ client_order_id: 'caf\u00e9' }, 'MALFORMED', 'client_order_id');
    await refused({ price: '9223372036854.77', quantity: '9223372036854775.00' }, 'FAT_FINGER_BLOCK');
    const tick = (await refused({ price: '100.005' }, 'OFF_TICK')).error;
    assert.deepEqual([tick.limit, tick.value, tick.check], ['0.01', '100.005', 'tick']);
    assert.match(tick.hint, /round/);
    assert.equal((await client.place({ price: '95.02', client_order_id: 'twice' })).type, 'placed');
    await refused({ price: '95.02', client_order_id: 'twice' }, 'DUPLICATE_CLIENT_ID');
    assert.equal((await client.ask('cancel', { order: '999999' })).error.name, 'UNKNOWN_ORDER');
    assert.equal((await client.ask('cancel', {})).error.name, 'MISSING_FIELD');
    assert.equal((await client.ask('cancel', { order: '1', client_order_id: 'x' })).error.name, 'MISSING_FIELD');
    const done = await client.ask('cancel', { client_order_id: 'twice' });
    assert.equal((await client.ask('cancel', { order: done.order.order })).error.name, 'UNKNOWN_ORDER');
    await refused({ price: '95.02', client_order_id: 'twice' }, 'DUPLICATE_CLIENT_ID');
    const diego = await Client.open('diego');
    const foreign = (await client.place({ price: '95.03' })).order.order;
    assert.equal((await diego.ask('cancel', { order: foreign })).error.name, 'NOT_OWNER');
    await client.ask('cancel_all');
    await client.close();
    await diego.close();
  },

  async 'confirmation: asked for, given'() {
    const client = await Client.open('carla');
    const asked = await client.place({ price: '70' });
    assert.equal(asked.error.name, 'FAT_FINGER_CONFIRM');
    const next = await client.place({ price: '70', confirm_fat_finger: true, confirm_ref: asked.sequence });
    assert.equal(next.error.name, 'NAV_CONFIRM');
    const placed = await client.place({ price: '70', confirm_fat_finger: true, confirm_nav_deviation: true });
    assert.equal(placed.type, 'placed');
    assert.equal((await client.place({ price: '20', confirm_fat_finger: true, confirm_nav_deviation: true })).error.name, 'FAT_FINGER_BLOCK');
    await client.ask('cancel_all');
    await client.close();
  },

  async 'REST: order with its trades once durable, cancel, history with min_seq'() {
    const carla = await Client.open('carla'), diego = (await Client.open('diego'));
    await carla.place({ side: 'sell', price: '100.10', quantity: '1' });
    await carla.place({ side: 'sell', price: '100.20', quantity: '1' });
    const taken = await http('POST', '/orders', { symbol: 'PORT', side: 'buy', price: '100.20', quantity: '3', client_order_id: 'rest-1' }, diego.token);
    assert.equal(taken.status, 200);
    assert.deepEqual(taken.body.trades.map((t) => [t.price, t.quantity]), [['100.1', '1'], ['100.2', '1']]);
    assert.equal(taken.body.order.status, 'partially_filled');
    const own = await get('/api/v1/orders', diego.token);
    assert.deepEqual(own.body.orders.map((o) => o.order), [taken.body.order.order]);
    const history = await get(`/api/v1/trades?min_seq=${taken.body.sequence}`, diego.token);
    assert.equal(history.status, 200, history.text);
    assert.ok(history.body.sequence >= taken.body.sequence);
    assert.deepEqual(history.body.trades.slice(0, 2).map((t) => [t.price, t.settlement, t.tx_hash]), [['100.2', 'pending', null], ['100.1', 'pending', null]]);
    await until('status says how far the record is', async () => {
      const status = (await get('/api/v1/status')).body; // it looks every five seconds
      return status.recorded >= taken.body.sequence && status.record_lag === 0 && status.record_behind_s === 0;
    });
    const behind = await get('/api/v1/trades?min_seq=999999999', diego.token);
    assert.equal(behind.status, 503);
    assert.equal(behind.body.error.limit, '999999999');
    assert.ok(Number(behind.body.error.value) > 0);
    const cancelled = await http('DELETE', `/api/v1/orders/${taken.body.order.order}`, undefined, diego.token);
    assert.equal(cancelled.body.order.status, 'cancelled');
    assert.equal((await http('DELETE', `/api/v1/orders/${taken.body.order.order}`, undefined, diego.token)).status, 404);
    assert.equal((await http('DELETE', '/api/v1/orders/abc', undefined, diego.token)).status, 400);
    assert.equal((await http('POST', '/api/v1/orders', { symbol: 'PORT', side: 'buy', price: '1', quantity: '1', client_order_id: 'rest-2' }, diego.token)).status, 422);
    const trades = await get('/api/v1/instruments/PORT/trades?limit=2');
    assert.deepEqual(trades.body.trades.map((t) => t.price), ['100.2', '100.1']);
    assert.equal((await get('/api/v1/instruments/PORT/book')).body.symbol, 'PORT');
    assert.equal((await get('/api/v1/instruments/NOPE/book')).status, 404);
    const page = await carla.ask('instruments', { limit: 1 });
    assert.deepEqual([page.instruments.map((i) => i.symbol), page.next], [['PORT'], 1]);
    const rest = await carla.ask('instruments', { after: page.next });
    assert.deepEqual([rest.instruments.map((i) => i.symbol), rest.next], [['ATUN'], null]);
    assert.deepEqual((await get('/api/v1/instruments?after=1')).body.instruments, rest.instruments);
    assert.deepEqual((await carla.ask('instruments', { after: 4294967295 })).instruments, []);
    assert.equal((await get('/api/v1/balances', diego.token)).body.balances.length, 3);
    assert.equal((await get('/api/v1/balances')).status, 401);
    assert.equal((await get('/api/v1/nothing')).status, 404);
    assert.equal((await get('/api/v1/trades?limit=abc', diego.token)).body.error.name, 'BAD_NUMBER');
    for (const client of [carla, diego]) await client.close();
  },

  async 'settlement: changes of the own trade arrive with the hash'() {
    const carla = await Client.open('carla'), diego = await Client.open('diego');
    await carla.place({ side: 'sell', price: '100.30', quantity: '1' });
    await diego.place({ side: 'buy', price: '100.30', quantity: '1' });
    const { fill } = await diego.next('fill');
    await until('the recorder has it', () => sql('lonja_settle', `SELECT count(*) FROM settle.trade WHERE trade_id = ${fill.trade}`).trim() === '1');
    const hash = '0x' + 'ab'.repeat(32);
    sql('lonja_settle', `UPDATE settle.trade SET settlement_status = 'processing', tx_hash = '${hash}' WHERE trade_id = ${fill.trade}`);
    const sent = await diego.next('settlement', (m) => m.trade.settlement === 'processing');
    assert.equal(sent.trade.tx_hash, hash);
    sql('lonja_settle', `UPDATE settle.trade SET settlement_status = 'settled', settlement_type = 'on_chain', settled_at = now(), block_number = 7 WHERE trade_id = ${fill.trade}`);
    const settled = await carla.next('settlement', (m) => m.trade.settlement === 'settled');
    assert.deepEqual([settled.trade.trade, settled.trade.side, settled.trade.block_number], [fill.trade, 'sell', '7']);
    const list = await diego.ask('settlements', { limit: 5 });
    assert.equal(list.trades[0].settlement, 'settled');
    for (const client of [carla, diego]) await client.close();
  },

  async 'a stop that is an iceberg: outside the book, triggered, refreshed, told to its owner'() {
    const carla = await Client.open('carla'), diego = await Client.open('diego'), watcher = await Client.open();
    const at = (fields) => ({ symbol: 'ATUN', quantity: '1', ...fields });
    await watcher.ask('subscribe', { channel: 'best', symbol: 'ATUN' });
    await carla.place(at({ side: 'sell', price: '25' }));
    await diego.place(at({ side: 'buy', price: '25' }));
    const stop = (await carla.place(at({ side: 'sell', order_type: 'stop_limit', stop_price: '24.9', price: '24.8', quantity: '6', display_quantity: '2', tif: 'gtc' }))).order;
    assert.deepEqual([stop.status, stop.stop_price, stop.display_quantity, stop.displayed], ['pending_stop', '24.9', '2', '0']);
    const other = await Client.open('carla'); // begins from the snapshot
    assert.deepEqual((await other.ask('orders')).orders.find((o) => o.order === stop.order), stop);
    assert.equal((await get('/api/v1/instruments/ATUN/best')).body.ask, null);
    await diego.place(at({ side: 'buy', price: '24.9' }));
    await carla.place(at({ side: 'sell', price: '24.9' }));
    for (const client of [carla, other]) {
      const { order, event } = await client.next('order', (m) => m.order.order === stop.order && m.event === 'triggered');
      assert.deepEqual([order.status, order.stop_price, event], ['open', undefined, 'triggered']);
    }
    await watcher.next('best', (m) => m.ask?.join() === '24.8,2,1');
    assert.equal((await diego.next('fill')).fill.price, '25');
    await diego.place(at({ side: 'buy', price: '24.8', quantity: '2' }));
    assert.equal((await carla.next('order', (m) => m.event === 'refreshed')).order.leaves, '4');
    assert.equal((await carla.ask('order_status', { client_order_id: stop.client_order_id })).order.status, 'partially_filled');
    const list = await carla.ask('mass_status', { symbol: 'ATUN' });
    assert.deepEqual(list.orders.map((o) => [o.order, o.leaves, o.displayed]), [[stop.order, '4', '2']]);
    const { statistics } = (await get('/api/v1/instruments/ATUN/statistics')).body;
    assert.deepEqual([statistics.close, statistics.low], ['24.8', '24.8']);
    assert.equal((await carla.ask('cancel_all', { symbol: 'ATUN', side: 'buy' })).count, 0);
    assert.equal((await carla.ask('cancel_all', { symbol: 'ATUN', side: 'sell' })).count, 1);
    for (const client of [carla, diego, other, watcher]) await client.close();
  },

  async 'more orders than one command tells of: one answer'() {
    const client = await Client.open('carla');
    await sleep(1000);
    for (let i = 0; i < 150; i++) client.socket.send(JSON.stringify({ op: 'place', symbol: 'ATUN', side: 'buy', price: '22.9', quantity: '1', client_order_id: `many${orders}-${i}` }));
    await until('they are in', () => client.messages.filter((m) => m.type === 'placed').length === 150);
    const { count, orders: told } = await client.ask('mass_status', { symbol: 'ATUN', side: 'buy' });
    assert.deepEqual([count, told.length, new Set(told.map((o) => o.order)).size], [150, 150, 150]);
    assert.equal((await client.ask('cancel_all', { symbol: 'ATUN' })).count, 150);
    assert.deepEqual((await client.ask('orders')).orders.filter((o) => o.symbol === 'ATUN'), []);
    await client.close();
  },

  async 'cancel on disconnect, for the session that has it'() {
    const elena = await Client.open('elena'), watcher = await Client.open();
    const book = new Book();
    watcher.socket.on('message', (text) => { const m = JSON.parse(text); if (m.type === 'book') book.apply(m); });
    await watcher.ask('subscribe', { channel: 'book', symbol: 'ATUN' });
    assert.equal((await elena.place({ symbol: 'ATUN', price: '25' })).type, 'placed');
    await until('it stands in the book', () => book.levels('bids', 1).length === 1);
    elena.socket.terminate();
    await until('it is gone', () => book.levels('bids', 1).length === 0);
    await watcher.close();
  },

  async 'hostile input: refused, and the venue goes on'() {
    const client = await Client.open('carla');
    for (const text of ['', '{', '[]', 'null', '"x"', '{"op":"ping"', '{"op":{}}', '{"op":"ping","op":"ping"}', '\u0000', '{"op":"ping","x":' + '['.repeat(900)]) {
      client.socket.send(text);
      assert.equal((await client.next('error')).error.name, 'MALFORMED', text.slice(0, 20));
    }
    assert.equal((await client.ask('ping')).type, 'pong');
    const closes = async (send) => {
      const victim = await Client.open();
      send(victim.socket);
      return (await victim.closed).code;
    };
    assert.equal(await closes((s) => s.send('x'.repeat(2049))), 1009);
    assert.equal(await closes((s) => s.send(Buffer.from([1, 2, 3]))), 1003);
    assert.equal(await closes((s) => s.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false })), 1007);
    assert.equal((await http('POST', '/api/v1/login', 'x'.repeat(5000))).status, 413);
    assert.match(await raw('POST /api/v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', /\r\n\r\n/), /^HTTP\/1.1 411 /);
    assert.match(await raw('\x00\x01\x02\r\n\r\n'), /\[closed\]$/);
    // A body behind the answer to HEAD would be read as the next answer.
    assert.match(await raw('HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n', /\r\n\r\n/), /^HTTP\/1.1 200 OK\r\n[^{]*Content-Length: \d\d+\r\n[^{]*\r\n\r\n$/);
    // What the library has to say stays in the log's format and within its limits.
    for (let i = 0; i < 20; i++) await raw(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(50000)}\r\n\r\n`, /./, 0);
    const said = readFileSync(join(folder, 'state/log/web.log'), 'utf8').split('\n').filter((line) => /header data space/.test(line));
    assert.ok(said.length >= 1 && said.length <= 3 && said.every((line) => /web warning http library says/.test(line)), said.join('\n'));
    assert.match(await raw('GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', /\r\n\r\n/), /^(HTTP\/1.[01] 40[034] |\[closed\])/);
    assert.match(await raw(`GET /${'a'.repeat(300)} HTTP/1.1\r\nHost: x\r\n\r\n`), /\[closed\]$/);
    assert.equal((await client.ask('ping')).type, 'pong');
    await client.close();
  },

  async 'rate limit: messages above it are refused, cancels are not'() {
    const client = await Client.open('carla');
    for (let seconds = 1; seconds >= 1 / 3;) { // on a machine so slow that the bucket fills meanwhile: again
      await sleep(1100);
      client.messages.length = 0;
      const begun = Date.now();
      for (let i = 0; i < 400; i++) client.socket.send(`{"op":"ping","id":"p${i}"}`);
      const cancel = await client.ask('cancel', { order: '999999' });
      assert.equal(cancel.error.name, 'UNKNOWN_ORDER');
      seconds = (Date.now() - begun + 1) / 1000;
      const refused = client.messages.filter((m) => m.error?.name === 'THROTTLED').length;
      assert.ok(refused >= 99 - 300 * seconds && refused <= 100, `${refused} within ${seconds} s`);
    }
    await client.close();
  },

  async 'a client that never reads is cut or conflated, nobody waits for it'() {
    const deaf = await Client.open('diego'), busy = await Client.open('carla'), watcher = await Client.open();
    const book = new Book();
    let follows = true;
    watcher.socket.on('message', (text) => { const m = JSON.parse(text); if (m.type === 'book') follows &&= book.apply(m); });
    await deaf.ask('subscribe', { channel: 'book', symbol: 'PORT' });
    await watcher.ask('subscribe', { channel: 'book', symbol: 'PORT' });
    deaf.socket._socket.pause();
    const before = (await get('/api/v1/status')).body;
    const told = async () => {
      const after = (await get('/api/v1/status')).body;
      return after.updates_conflated > before.updates_conflated || after.slow_consumers_cut > before.slow_consumers_cut || after.connections < before.connections;
    };
    for (let i = 0; i < 250; i++) busy.socket.send(JSON.stringify({ op: 'place', symbol: 'ATUN', side: 'buy', price: '23', quantity: '1', client_order_id: `deaf${i}` }));
    const again = JSON.stringify({ op: 'subscribe', channel: 'book_orders', symbol: 'ATUN' });
    await until('it is conflated or cut', async () => { // a snapshot of 250 orders each: more than any socket buffer keeps
      for (let i = 0; i < 250; i++) deaf.socket.send(again);
      await sleep(1000);
      await busy.place({ side: 'buy', price: '99.5', quantity: '1' });
      return told();
    });
    for (let i = 0; i < 20; i++) await busy.place({ side: 'buy', price: '99.4', quantity: '1' });
    assert.ok(follows, 'the other subscriber follows');
    await busy.ask('cancel_all');
    deaf.socket.terminate();
    for (const client of [busy, watcher]) await client.close();
  },

  async 'too many connections: the ones above are closed at once, the others live'() {
    const client = await Client.open('carla');
    const sockets = Array.from({ length: 400 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    await until('some are refused', () => sockets.filter((s) => s.destroyed || s.readableEnded).length >= 90);
    assert.equal((await client.ask('ping')).type, 'pong');
    sockets.forEach((s) => s.destroy());
    await client.close();
    await until('there is room again', async () => (await get('/health')).status === 200);
  },

  async 'the page comes with its libraries and forbids everything else'() {
    const page = await get('/');
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/);
    assert.ok(!/<script(?![^>]*src=)/.test(page.text));
    for (const path of ['/app.js', '/vendor/preact.mjs', '/vendor/charts.mjs', '/style.css']) assert.equal((await get(path)).status, 200, path);
    assert.equal((await get('/../lonja.conf')).status, 404);
  },

  async 'the page in Chromium: log in, order with its question, fill, cancel, connection lost and found'() {
    if (!existsSync(CHROMIUM)) return console.log(`skipped: ${CHROMIUM} is not there`);
    const browser = await require('playwright-core').chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    try {
      await pageTest(await browser.newPage({ viewport: { width: 1280, height: 800 } }));
    } finally {
      await browser.close();
    }
  },

  async 'Postgres away: history and login say so, orders go on'() {
    const client = await Client.open('carla');
    execFileSync(join(root, 'tools/services'), ['stop', folder, 'postgres'], { stdio: 'ignore' });
    await until('the gateway has noticed', async () => (await get('/health')).body.database === false);
    assert.equal((await http('POST', '/api/v1/login', { user: 'carla', password: PASSWORD })).status, 503);
    assert.equal((await get('/api/v1/trades', client.token)).body.error.name, 'DATABASE_DOWN');
    assert.equal((await client.place({ price: '95' })).type, 'placed');
    assert.equal((await client.ask('cancel_all')).count, 1);
    execFileSync(join(root, 'tools/services'), ['start', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    await until('it is back', async () => (await get('/health')).body.database === true);
    assert.equal((await get('/api/v1/trades', client.token)).status, 200);
    await client.close();
  },

  async 'the gateway stands still too long: detached, attached again, orders go on'() {
    const elena = await Client.open('elena'), web = await pid('web');
    assert.equal((await elena.place({ price: '95.6' })).type, 'placed');
    process.kill(web, 'SIGSTOP');
    await sleep(4500);
    process.kill(web, 'SIGCONT');
    await until('it is attached again', async () => (await get('/health')).status === 200);
    await elena.next('order', (m) => m.order.reason === 'disconnect');
    assert.equal((await elena.place({ price: '95.6' })).type, 'placed');
    assert.equal((await elena.ask('cancel_all')).count, 1);
    await elena.close();
  },

  async 'the core is killed: answers in doubt, then everything goes on from snapshots'() {
    const client = await Client.open('carla');
    const kept = (await client.place({ price: '95.33', client_order_id: 'survivor' })).order;
    process.kill(await pid('core'), 'SIGKILL');
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(client.place({ price: '95.34', client_order_id: `doubt-${i}` }).catch((error) => ({ error: { name: error.message } })));
    const names = new Set((await Promise.all(answers)).map((a) => (a.type === 'placed' ? 'placed' : a.error.name)));
    for (const name of names) assert.ok(['placed', 'IN_DOUBT', 'NOT_ATTACHED', 'VENUE_CANCEL_ONLY'].includes(name), name);
    await until('the venue takes cancels again', async () => (await get('/health')).status === 200);
    const own = await client.ask('orders');
    assert.ok(own.orders.some((o) => o.order === kept.order), 'what was acknowledged is still there');
    await client.ask('cancel_all');
    await client.close();
  },

  async 'the gateway is killed: it comes back with the same orders'() {
    const client = await Client.open('carla');
    await until('the venue is open', async () => (await client.place({ price: '95.5', client_order_id: `kept-${++orders}` })).type === 'placed');
    const before = (await client.ask('orders')).orders;
    assert.equal(before.length, 1);
    const name = `name-${orders}`, { order } = await client.place({ price: '95.2', quantity: '3' });
    await client.ask('amend', { order: order.order, quantity: '2', new_client_order_id: name });
    await client.ask('cancel', { order: order.order });
    await snapshotAbove(client, order.order);
    process.kill(await pid('web'), 'SIGKILL');
    await client.closed;
    delete tokens.carla;
    await until('it serves again', async () => (await get('/health')).status === 200);
    const fresh = await Client.open('carla');
    assert.deepEqual((await fresh.ask('orders')).orders, before);
    for (const client_order_id of [name, order.client_order_id])
      assert.equal((await fresh.place({ price: '95.2', client_order_id })).error?.name, 'DUPLICATE_CLIENT_ID', client_order_id);
    await fresh.close();
  },

  async 'SIGTERM: everybody is told before it goes'() {
    const client = await Client.open();
    process.kill(await pid('web'), 'SIGTERM');
    await client.next('serverShutdown');
    assert.equal((await client.closed).code, 1001);
    await until('the supervisor has started it again', async () => (await get('/health')).status === 200);
    forgetTokens(); // the next gateway knows none of them
  },
};

const tokenOf = async (user) => (tokens[user] ??= (await http('POST', '/api/v1/login', { user, password: PASSWORD })).body.token);
const forgetTokens = () => { for (const user in tokens) delete tokens[user]; };

// Kills processes; returns when the venue takes orders by a new gateway.
async function kill(names) {
  for (const name of names) process.kill(await pid(name), 'SIGKILL');
  await until('the gateway has gone', async () => (await get('/health').catch(() => null)) === null || !names.includes('web'));
  await until('the venue is open again', async () => (await get('/health')).body?.venue_state === 'open');
}

const resume = resumeTests({ Client, http, get, sleep, until, pid, kill, tokenOf, forgetTokens, readFile: (path) => readFileSync(path, 'utf8') });

// ---- the run -----------------------------------------------------------------------------------------------------------

let failures = 0;
try {
  await start();
  for (const [name, test] of Object.entries({ ...tests, ...resume })) {
    if (only && !new RegExp(only).test(name)) continue;
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
  try { console.log(readFileSync(join(folder, 'state/log/web.log'), 'utf8').slice(-2000)); } catch {}
} finally {
  if (failures && process.env.KEEP) console.log(`kept: ${folder}`);
  if (failures) try { console.log(readFileSync(join(folder, 'state/log/web.log'), 'utf8').split('\n').slice(-15).join('\n')); } catch {}
  await stop();
}
process.exit(failures ? 1 : 0);
