// What a client has missed is told again: tests of web_test.mjs, with its venue and its clients (context).
import assert from 'node:assert/strict';

const isUpdate = (message) => ['order', 'fill', 'trade_corrected', 'settlement_instruction'].includes(message.type);
const placeOf = (message) => ({ from_seq: message.sequence, from_index: message.index });
const isBehind = (a, b) => a.from_seq > b.from_seq || (a.from_seq === b.from_seq && a.from_index > b.from_index);

// A client that keeps its updates as they came, and the place of the last one, over any number of connections.
class Listener {
  constructor(context, user) { Object.assign(this, { context, user, texts: [], connections: 0, replayed: 0 }); }

  async open(from = this.place) {
    const { Client, tokenOf } = this.context;
    this.client = await Client.open();
    this.client.socket.on('message', (data) => this.hear(data.toString()));
    const answer = await this.client.ask('login', { token: await tokenOf(this.user), ...from });
    assert.equal(answer.type, 'login', JSON.stringify(answer));
    this.connections++;
    if (!from) this.place = { from_seq: (await this.client.next('orders')).sequence };
    return this;
  }

  hear(text) {
    const message = JSON.parse(text);
    if (!isUpdate(message)) return;
    const place = placeOf(message);
    assert.ok(!this.last || isBehind(place, this.last), `out of order: ${text}`);
    this.texts.push(text);
    this.place = this.last = place;
  }

  async told() {
    const { count } = await this.client.next('replayed');
    this.replayed += count;
    return this;
  }

  // Without a word, in the middle of whatever comes.
  async cut() {
    this.client.socket.terminate();
    await this.client.closed;
  }
}

// Something of everything that makes updates: orders, icebergs, stops, fills of both sides, amends, cancels, mass cancels.
async function traffic({ Client }, rounds, first = 0) {
  const carla = await Client.open('carla'), diego = await Client.open('diego');
  const at = (fields) => ({ symbol: 'ATUN', quantity: '1', ...fields });
  for (let i = first; i < first + rounds; i++) {
    await Promise.all([
      carla.place(at({ side: 'sell', price: '25', quantity: '3', display_quantity: '1' })),
      carla.place(at({ side: 'sell', order_type: 'stop_limit', stop_price: '24.9', price: '24.8', tif: 'gtc' })),
      carla.place(at({ side: 'sell', price: '25.1', client_order_id: `resume-${i}-${Date.now()}` })),
    ]);
    await diego.place(at({ side: 'buy', price: '25', quantity: '2.5', tif: 'ioc' }));
    const { orders } = await carla.ask('mass_status', { symbol: 'ATUN' });
    await carla.ask('amend', { order: orders.at(-1).order, quantity: '2' });
    await carla.ask('cancel', { order: orders.at(-1).order });
    await diego.place(at({ side: 'buy', price: '24.9' }));
    await carla.place(at({ side: 'sell', price: '24.9', quantity: '0.5' }));
    await carla.ask('cancel_all');
    await diego.ask('cancel_all');
  }
  await carla.close();
  await diego.close();
}

async function sameAs(context, listener, witness, what) {
  await context.until(`${what}: as many updates as the one who was never away`, () => listener.texts.length >= witness.texts.length);
  assert.deepEqual(listener.texts, witness.texts, what);
}

export function resumeTests(context) {
  const { Client, http, get, sleep, until, pid, kill, tokenOf, forgetTokens } = context;
  return {
    async 'what was missed is told again, in the same bytes, and then what is live'() {
      const witness = await new Listener(context, 'carla').open();
      const begin = witness.place;
      await traffic(context, 2);
      const middle = placeOf(JSON.parse(witness.texts[Math.floor(witness.texts.length / 2)]));
      const whole = await (await new Listener(context, 'carla').open(begin)).told();
      await sameAs(context, whole, witness, 'from the begin');
      assert.ok(whole.replayed > 20 && whole.replayed === whole.texts.length, `${whole.replayed} told again`);
      const half = await (await new Listener(context, 'carla').open(middle)).told();
      await until('the rest', () => half.texts.at(-1) === witness.texts.at(-1));
      assert.deepEqual(half.texts, witness.texts.slice(Math.floor(witness.texts.length / 2) + 1));
      const none = await (await new Listener(context, 'carla').open(witness.place)).told();
      assert.equal(none.replayed, 0);
      await traffic(context, 1, 10);
      await sameAs(context, whole, witness, 'live');
      assert.deepEqual(none.texts, witness.texts.slice(whole.replayed));
      const orders = (await whole.client.ask('orders')).orders;
      assert.deepEqual(orders, (await witness.client.ask('orders')).orders);
      for (const one of [witness, whole, half, none]) await one.client.close();
    },

    async 'nobody is told what is another account\'s'() {
      const diego = await (await new Listener(context, 'diego').open({ from_seq: 0 })).told();
      assert.ok(diego.texts.length > 10);
      for (const text of diego.texts) assert.equal((JSON.parse(text).order ?? JSON.parse(text).fill).account, 1004, text);
      await diego.client.close();
    },

    async 'again and again cut in the middle: every update once, in order'() {
      const witness = await new Listener(context, 'carla').open();
      const unlucky = await new Listener(context, 'carla').open();
      const end = { over: false };
      const trading = traffic(context, 8, 20).finally(() => { end.over = true; });
      while (!end.over) {
        await sleep(Math.random() * 120);
        await unlucky.cut();
        await sleep(Math.random() * 60);
        await unlucky.open();
      }
      await trading;
      await sameAs(context, unlucky, witness, `after ${unlucky.connections} connections`);
      assert.ok(unlucky.connections > 5);
      await witness.client.close();
      await unlucky.client.close();
    },

    async 'killed gateway, killed core, new login: the stream goes on where it was'() {
      const witness = await new Listener(context, 'diego').open();
      const begin = witness.place;
      await traffic(context, 1, 40);
      for (const victim of [['web'], ['core', 'tape', 'web']]) {
        await witness.cut();
        await kill(victim);
        forgetTokens();
        await witness.open();
        await witness.told();
        await traffic(context, 1, 50);
      }
      const whole = await (await new Listener(context, 'diego').open(begin)).told();
      await sameAs(context, whole, witness, 'one replay of all');
      assert.ok(whole.texts.length > 8, `${whole.texts.length} updates`);
      await witness.client.close();
      await whole.client.close();
    },

    async 'a request in doubt: its client order id tells whether it was accepted'() {
      const client = await Client.open('carla');
      const { order } = await client.place({ price: '95.2', client_order_id: `doubt-${Date.now()}` });
      assert.equal((await client.ask('order_status', { client_order_id: order.client_order_id })).order.order, order.order);
      await client.ask('cancel', { order: order.order });
      const done = await client.ask('order_status', { client_order_id: order.client_order_id });
      assert.deepEqual([done.error.name, done.error.value], ['UNKNOWN_ORDER', order.order], 'it was accepted, and is done');
      const never = await client.ask('order_status', { client_order_id: 'never-sent' });
      assert.deepEqual([never.error.name, never.error.value], ['UNKNOWN_ORDER', '0']);
      await client.close();
    },

    async 'REST: the same events, page by page'() {
      const token = await tokenOf('carla');
      const whole = await (await new Listener(context, 'carla').open({ from_seq: 0 })).told();
      const texts = [];
      let after = { after: 0 }, pages = 0;
      for (let page; !page?.complete; pages++) {
        const query = new URLSearchParams({ ...after, limit: 37 });
        page = (await get(`/api/v1/events?${query}`, token)).body;
        assert.ok(page.events.length <= 37);
        texts.push(...page.events.map((event) => JSON.stringify(event)));
        after = { after: page.sequence, ...(page.index === null ? {} : { after_index: page.index }) };
      }
      assert.ok(pages > 2);
      assert.deepEqual(texts, whole.texts);
      assert.deepEqual((await get(`/api/v1/events?after=${after.after}`, token)).body.events, []);
      for (const [query, name] of [['after=-1', 'BAD_NUMBER'], ['after=x', 'BAD_NUMBER'], ['after=0&limit=1001', 'BAD_NUMBER'],
        ['after=0&after_index=4294967296', 'BAD_NUMBER'], ['after=9007199254740993', 'BAD_NUMBER'], ['after=9007199254740992', 'REPLAY_AHEAD']])
        assert.equal((await get(`/api/v1/events?${query}`, token)).body.error.name, name, query);
      assert.equal((await get('/api/v1/events?after=0')).status, 401);
      await whole.client.close();
    },

    async 'a place that makes no sense'() {
      const client = await Client.open();
      const token = await tokenOf('carla');
      for (const [fields, name] of [[{ from_seq: -1 }, 'BAD_NUMBER'], [{ from_seq: 1.5 }, 'BAD_NUMBER'], [{ from_seq: 'x' }, 'MALFORMED'],
        [{ from_seq: 1e30 }, 'BAD_NUMBER'], [{ from_seq: null }, 'MALFORMED'], [{ from_seq: 0, from_index: -1 }, 'BAD_NUMBER'],
        [{ from_seq: 0, from_index: 4294967296 }, 'BAD_NUMBER']]) {
        const answer = await client.ask('login', { token, ...fields });
        assert.equal(answer.error?.name, name, JSON.stringify(fields));
        assert.equal((await client.ask('orders')).error.name, 'NOT_LOGGED_IN');
      }
      const { sequence } = await client.ask('ping');
      const refused = async (fields, name) => {
        assert.equal((await client.ask('login', { token, ...fields })).type, 'login');
        assert.equal((await client.next('not_replayed')).error.name, name, JSON.stringify(fields));
        await client.next('orders');
        assert.equal((await client.next('balances')).snapshot, true);
      };
      await refused({ from_seq: sequence + 1000 }, 'REPLAY_AHEAD');
      await refused({ from_seq: 9007199254740992 }, 'REPLAY_AHEAD');
      // web.replay_commands_max is 1000 here, a snapshot is made every 100 commands, and three are kept.
      const diego = await Client.open('diego');
      await until('the venue has gone on', async () => {
        await Promise.all(Array.from({ length: 50 }, () => diego.place({ price: '95.1', tif: 'ioc' })));
        return (await client.ask('ping')).sequence > 1100;
      });
      await refused({ from_seq: 1 }, 'REPLAY_TOO_OLD');
      assert.equal((await get('/api/v1/events?after=1', token)).status, 410);
      const now = (await client.ask('ping')).sequence;
      assert.equal((await client.ask('login', { token, from_seq: now })).type, 'login');
      assert.equal((await client.next('replayed')).count, 0);
      await diego.close();
      await client.close();
    },

    async 'a flood of replays: a few of each session are served, nobody waits for them'() {
      const token = await tokenOf('carla'), { sequence } = await (await Client.open()).ask('ping');
      const from_seq = sequence - 200;
      const flood = await Promise.all(Array.from({ length: 24 }, () => Client.open()));
      for (const client of flood) client.socket.send(JSON.stringify({ op: 'login', id: 1, token, from_seq }));
      const diego = await Client.open('diego');
      const begun = Date.now();
      assert.equal((await diego.place({ price: '95.1', tif: 'ioc' })).type, 'placed');
      assert.ok(Date.now() - begun < 10000, 'orders go on');
      let served = 0, refused = 0;
      for (const client of flood) {
        const end = await client.next('balances', (m) => m.snapshot);
        assert.ok(end);
        served += client.messages.some((m) => m.type === 'replayed');
        refused += client.messages.some((m) => m.type === 'not_replayed' && m.error.name === 'REPLAY_BUSY');
      }
      assert.equal(served + refused, 24);
      assert.ok(served >= 4 && refused > 0, `${served} served, ${refused} refused`);
      for (const client of [...flood, diego]) await client.close();
      const after = await (await new Listener(context, 'carla').open({ from_seq })).told();
      await after.client.close();
    },

    async 'one who asks again and again and never reads costs little, and nobody waits for him'() {
      const token = await tokenOf('carla'), memory = async () => Number(/VmRSS:\s+(\d+)/.exec(context.readFile(`/proc/${await pid('web')}/status`))[1]);
      const { sequence } = await (await Client.open()).ask('ping');
      const before = await memory();
      const deaf = await Client.open();
      deaf.socket.pause();
      for (let i = 0; i < 200; i++) deaf.socket.send(JSON.stringify({ op: 'login', id: i, token, from_seq: sequence - 200 }));
      await sleep(300);
      const other = await (await new Listener(context, 'diego').open({ from_seq: sequence - 200 })).told();
      assert.ok(await memory() < before + 32 * 1024, `${before} kB before, ${await memory()} kB after`);
      deaf.socket.terminate();
      await other.client.close();
      assert.equal((await http('GET', '/health')).status, 200);
    },
  };
}
