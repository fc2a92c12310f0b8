// The connection to the venue and everything known through it. It connects by itself, logs in with the kept
// token, subscribes, and starts again from snapshots after every interruption; nothing on the page is older
// than the last snapshot and the changes after it. What happened to own orders meanwhile it asks for by the place of the
// last update that it has, also after a new login, so that no fill is missed. onchange is called at most once per frame.
import { Book } from './book.js';
import { decimalsOf, parse, print } from './decimal.js';

const RETRY_MS = [300, 700, 1500, 3000, 6000];
const ANSWER_MS = 10000;
const TRADES_MAX = 200;
const DONE_ORDERS_MAX = 30;
const CHANNELS = ['book', 'trades', 'auction', 'statistics'];
const TRAILING_MS = 400;
const TOKEN_KEY = 'lonja.token';
const USER_KEY = 'lonja.user'; // whose token that was
const MISSED_MS = 60000; // so long the page says what happened meanwhile, and shows a notice
const CORRECTED = ['price', 'quantity', 'fee', 'status', 'corrected_sequence']; // what a correction changes of a trade

const isBehind = (a, b) => !b || a.from_seq > b.from_seq || (a.from_seq === b.from_seq && a.from_index > b.from_index);

const sum = (a, b) => {
  const scale = Math.max(decimalsOf(a), decimalsOf(b));
  return print(parse(a, scale) + parse(b, scale), scale);
};

// What a trade is after a correction: the venue tells what its total changes by, so the price follows.
function corrected(trade, { quantity, total_change: change, fee_change: fee, status }) {
  const q = decimalsOf(trade.quantity), p = decimalsOf(trade.price), left = decimalsOf(quantity);
  const total = sum(print(parse(trade.quantity, q) * parse(trade.price, p), q + p), change);
  const scale = Math.max(decimalsOf(total), 6 + left); // a price has six decimals
  const price = status === 'busted' ? trade.price : print(parse(total, scale) / parse(quantity, left), scale - left);
  return { status, quantity, fee: sum(trade.fee, fee), price };
}

export class Venue {
  constructor(onchange) {
    this.onchange = onchange;
    this.connection = 'connecting'; // connecting, open, lost
    this.state = 'unavailable';
    this.name = 'LONJA';
    this.instruments = new Map();
    this.symbol = null;
    this.book = new Book();
    this.auction = null; // the last indicative price, while orders are called
    this.statistics = null; // of the trading day
    this.trades = []; // newest first
    this.history = []; // for the chart: oldest first
    this.session = null; // kept while the connection is lost, with what was typed in; loggedIn says whether it holds now
    this.loggedIn = false;
    this.clear();
    this.waiting = new Map();
    this.nextId = 1;
    this.tries = 0;
    this.resyncs = 0;
    this.connect();
  }

  clear() {
    this.orders = new Map();
    this.balances = new Map();
    this.ownTrades = new Map();
    this.ownTradesKnown = null; // not yet; false: they could not be had
    this.place = null; // of the last own update
    this.missed = 0; // fills while the connection was lost
    this.notices = []; // of trades that were corrected or busted, of settlement instructions: { text }
  }

  changed() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.onchange();
    });
  }

  // ---- connection

  connect() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.socket = new WebSocket(`${scheme}//${location.host}/ws`);
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = () => this.lost();
  }

  lost() {
    this.connection = 'lost';
    this.loggedIn = false;
    for (const [, entry] of this.waiting) entry.reject({ name: 'CONNECTION_LOST', text: 'the connection was lost before an answer', hint: 'look at your orders when it is back' });
    this.waiting.clear();
    const delay = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
    setTimeout(() => this.connect(), delay);
    this.changed();
  }

  // Resolves with the answer, rejects with the error of the reject catalogue.
  ask(op, fields = {}) {
    if (this.socket.readyState !== WebSocket.OPEN)
      return Promise.reject({ name: 'CONNECTION_LOST', text: 'not connected', hint: 'it reconnects by itself' });
    const id = this.nextId++;
    this.socket.send(JSON.stringify({ op, id, ...fields }));
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      setTimeout(() => {
        if (this.waiting.delete(id)) reject({ name: 'NO_ANSWER', text: 'no answer within ten seconds', hint: 'look at your orders' });
      }, ANSWER_MS);
    });
  }

  async greeted(hello) {
    this.connection = 'open';
    this.tries = 0;
    this.name = hello.venue;
    this.state = hello.state;
    const instruments = await this.askInstruments();
    this.instruments = new Map(instruments.map((i) => [i.symbol, i]));
    if (!this.instruments.has(this.symbol)) this.symbol = instruments[0]?.symbol ?? null;
    this.subscribe();
    this.loadHistory();
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token) this.present(token).catch(() => {});
    else this.session = null;
    this.changed();
  }

  async askInstruments() {
    const all = [];
    for (let after = 0; after !== null;) {
      const { instruments, next } = await this.ask('instruments', { after });
      all.push(...instruments);
      after = next ?? null;
    }
    return all;
  }

  receive(message) {
    if (message.id !== undefined && this.waiting.has(message.id)) {
      const entry = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.type === 'error') entry.reject({ ...message.error, sequence: message.sequence });
      else entry.resolve(message);
    }
    this['on_' + message.type]?.(message);
    this.changed();
  }

  // ---- market data

  select(symbol) {
    if (symbol === this.symbol) return;
    for (const channel of CHANNELS)
      this.ask('unsubscribe', { channel, symbol: this.symbol }).catch(() => {});
    this.symbol = symbol;
    this.book = new Book();
    this.auction = this.statistics = null;
    this.trades = [];
    this.history = [];
    this.subscribe();
    this.loadHistory();
    this.changed();
  }

  subscribe() {
    if (!this.symbol) return;
    for (const channel of CHANNELS)
      this.ask('subscribe', { channel, symbol: this.symbol }).catch(() => {});
  }

  // What Postgres has, for the chart; without it the chart begins with the next trade.
  async loadHistory() {
    const symbol = this.symbol;
    if (!symbol) return;
    const response = await fetch(`/api/v1/instruments/${encodeURIComponent(symbol)}/trades?limit=1000`).catch(() => null);
    if (!response?.ok) return;
    const { trades } = await response.json();
    if (symbol !== this.symbol) return;
    this.addHistory(trades);
    this.trades = this.history.slice(-TRADES_MAX).reverse();
    this.changed();
  }

  addHistory(trades) {
    const known = new Map(this.history.map((t) => [t.trade, t]));
    for (const trade of trades) known.set(trade.trade, trade);
    this.history = [...known.values()].sort((a, b) => (BigInt(a.trade) < BigInt(b.trade) ? -1 : 1)).slice(-2000);
  }

  on_book(message) {
    if (message.symbol !== this.symbol) return;
    if (this.book.apply(message)) return;
    this.resyncs++;
    this.book.seq = null; // changes are refused until the snapshot is here
    if (!message.snapshot || this.resyncs < 5)
      this.ask('subscribe', { channel: 'book', symbol: this.symbol }).catch(() => {});
  }

  on_trades(message) {
    if (message.symbol !== this.symbol) return;
    this.addHistory(message.trades);
    this.trades = this.history.slice(-TRADES_MAX).reverse();
    const last = message.trades.at(-1);
    const instrument = this.instruments.get(message.symbol);
    if (last && instrument) instrument.last_price = last.price;
    if (last && !message.snapshot) this.askTrailing();
  }

  on_auction(message) {
    if (message.symbol === this.symbol) this.auction = message.auction?.final ? null : message.auction;
  }

  on_statistics(message) {
    if (message.symbol === this.symbol) this.statistics = message.statistics;
  }

  // A trailing stop's trigger moves with the trades, without a word: it is asked for.
  askTrailing() {
    if (this.trailingAsked) return;
    this.trailingAsked = true;
    setTimeout(() => {
      this.trailingAsked = false;
      for (const o of this.orders.values())
        if (o.order_type === 'trailing_stop' && o.status === 'pending_stop' && o.symbol === this.symbol)
          this.ask('order_status', { order: o.order }).catch(() => {});
    }, TRAILING_MS);
  }

  on_order_status(message) { this.on_order(message); }

  on_instrument(message) {
    const before = this.instruments.get(message.instrument.symbol);
    this.instruments.set(message.instrument.symbol, message.instrument);
    if (message.instrument.symbol === this.symbol && before?.phase !== message.instrument.phase) this.auction = null; // its auction's messages follow
    if (this.symbol === null) { // the venue's first
      this.symbol = message.instrument.symbol;
      this.subscribe();
    }
  }

  on_venue(message) {
    this.state = message.state;
  }

  on_hello(message) {
    this.greeted(message).catch(() => this.socket.close());
  }

  // ---- login

  async login(user, password) {
    if (user !== sessionStorage.getItem(USER_KEY)) this.clear();
    const response = await fetch('/api/v1/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ user, password }),
    }).catch(() => null);
    if (!response) throw { text: 'the venue cannot be reached', hint: 'it reconnects by itself' };
    const answer = await response.json();
    if (!response.ok) throw answer.error;
    sessionStorage.setItem(USER_KEY, user);
    sessionStorage.setItem(TOKEN_KEY, answer.token);
    await this.present(answer.token);
  }

  async present(token) {
    try {
      this.session = await this.ask('login', { token, ...this.place });
      this.loggedIn = true;
      this.ask('settlements', { limit: 100 }).catch(() => { this.ownTradesKnown ??= false; });
    } catch (error) {
      if (error.name === 'NOT_LOGGED_IN') sessionStorage.removeItem(TOKEN_KEY);
      if (error.name !== 'CONNECTION_LOST') this.session = null;
      throw error;
    }
  }

  logout() {
    sessionStorage.removeItem(TOKEN_KEY);
    this.ask('logout').catch(() => {});
  }

  on_logged_out() {
    sessionStorage.removeItem(TOKEN_KEY);
    this.session = null;
    this.loggedIn = false;
    this.clear();
  }

  // ---- own orders, trades, balances

  stand(from_seq, from_index = 2 ** 32 - 1) {
    const place = { from_seq, from_index };
    if (isBehind(place, this.place)) this.place = place;
  }

  on_replaying() { this.replaying = true; }

  on_replayed(message) {
    this.replaying = false;
    this.stand(message.sequence);
    setTimeout(() => { this.missed = 0; this.changed(); }, MISSED_MS);
  }

  on_not_replayed() {
    this.replaying = false;
    this.clear();
  }

  // What is done stays to be read.
  on_orders(message) {
    const done = [...this.orders.values()].filter((o) => o.leaves === '0');
    this.orders = new Map([...done, ...message.orders].map((o) => [o.order, o]));
    this.stand(message.sequence);
  }

  // What an order no longer has (a trigger that was met, a minimum of entry) stays readable.
  on_order({ order, sequence, index }) {
    if (index !== undefined) this.stand(sequence, index);
    const { minimum_quantity, stop_price, trail_offset } = this.orders.get(order.order) ?? {};
    this.orders.set(order.order, { minimum_quantity, stop_price, trail_offset, ...order });
    this.forgetDone();
  }

  on_placed(message) { this.on_order(message); }
  on_cancelled(message) { this.on_order(message); }
  on_amended(message) { this.on_order(message); }

  forgetDone() {
    const done = [...this.orders.values()].filter((o) => o.leaves === '0');
    for (const order of done.slice(0, Math.max(0, done.length - DONE_ORDERS_MAX))) this.orders.delete(order.order);
  }

  on_fill({ fill, sequence, index }) {
    this.stand(sequence, index);
    if (this.replaying) this.missed++;
    const order = this.orders.get(fill.order);
    if (order && order.status !== 'cancelled') {
      order.leaves = fill.leaves;
      order.status = fill.leaves === '0' ? 'filled' : 'partially_filled';
    }
    this.keepTrade(fill);
  }

  // A settlement that is already known is newer than the fill that announces the trade.
  keepTrade(trade) {
    const key = trade.trade + trade.side;
    const known = this.ownTrades.get(key);
    this.ownTrades.set(key, known && trade.settlement === 'pending' ? { ...trade, ...known } : trade);
  }

  // The database may be behind a correction that was told already.
  on_settlement({ trade }) {
    const key = trade.trade + trade.side;
    const known = this.ownTrades.get(key);
    const newer = (known?.corrected_sequence ?? 0) > (trade.corrected_sequence ?? 0);
    this.ownTrades.set(key, newer ? { ...trade, ...Object.fromEntries(CORRECTED.map((name) => [name, known[name]])) } : trade);
  }

  on_trade_corrected({ correction, sequence, index }) {
    this.stand(sequence, index);
    this.notice(`Your ${correction.side === 'buy' ? 'purchase' : 'sale'} of ${correction.symbol} (trade ${correction.trade}) was ${correction.status}: ${correction.status === 'busted' ? 'it does not count any more.' : `${correction.quantity} of it remain.`}`);
    const key = correction.trade + correction.side;
    const known = this.ownTrades.get(key);
    if (known && (known.corrected_sequence ?? 0) < sequence) this.ownTrades.set(key, { ...known, ...corrected(known, correction), corrected_sequence: sequence });
  }

  on_settlement_instruction({ event, instruction, sequence, index }) {
    this.stand(sequence, index);
    const why = instruction.not_executed ? `, ${instruction.not_executed}` : '';
    this.notice(`Settlement instruction ${instruction.xvp}: ${event}${why} (${instruction.legs_approved} of ${instruction.legs} legs approved).`);
  }

  notice(text) {
    const notice = { text };
    this.notices.push(notice);
    setTimeout(() => { this.notices = this.notices.filter((n) => n !== notice); this.changed(); }, MISSED_MS);
  }

  on_settlements({ trades }) {
    for (const trade of trades) this.on_settlement({ trade });
    this.ownTradesKnown = true;
  }

  on_balances(message) {
    if (message.snapshot) this.balances.clear();
    for (const b of message.balances) this.balances.set(`${b.account} ${b.asset}`, b);
  }
}
