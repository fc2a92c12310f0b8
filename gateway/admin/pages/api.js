// What is known of settlement, asked for again and again by REST; and what an operator does. One login per tab.
const EVERY_MS = 2000;
const TOKEN_KEY = 'lonja.desk.token';
const ROLE_KEY = 'lonja.desk.role';
const NAME_KEY = 'lonja.desk.name';
const LISTS = ['holds', 'marks', 'abandonments', 'incidents', 'proofs']; // what people do by hand; open ones come first
const LIST_MAX = 20;

const UNREACHABLE = { text: 'the administration cannot be reached', hint: 'it is asked again by itself' };

export class Desk {
  constructor(onchange) {
    this.onchange = onchange;
    this.token = sessionStorage.getItem(TOKEN_KEY);
    this.role = sessionStorage.getItem(ROLE_KEY);
    this.name = sessionStorage.getItem(NAME_KEY);
    this.status = null; // settlement's state, as it was at `seen`
    this.trades = [];
    this.hands = { holds: [], marks: [], abandonments: [], incidents: [], proofs: [] };
    this.opened = null; // the trade that is looked at closely, and all that is known of it
    this.one = null;
    this.seen = null;
    this.error = null; // of the last question
    this.filter = { status: 'open', token: '', account: '' };
    this.asked = 0;
    this.ask();
  }

  async call(method, path, body) {
    const headers = { 'Content-Type': 'application/json', ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) }).catch(() => { throw UNREACHABLE; });
    const answer = await response.json().catch(() => { throw UNREACHABLE; });
    if (response.ok) return answer;
    if (response.status === 401 && path !== '/login') this.logout();
    throw answer.error;
  }

  async login(user, password) {
    const { token, role } = await this.call('POST', '/login', { user, password });
    Object.assign(this, { token, role, name: user });
    sessionStorage.setItem(NAME_KEY, user);
    sessionStorage.setItem(TOKEN_KEY, token);
    sessionStorage.setItem(ROLE_KEY, role);
    await this.ask();
  }

  logout() {
    Object.assign(this, { token: null, role: null, name: null, status: null, trades: [], opened: null, one: null, error: null });
    for (const key of [TOKEN_KEY, ROLE_KEY, NAME_KEY]) sessionStorage.removeItem(key);
    this.onchange();
  }

  choose(filter) {
    Object.assign(this.filter, filter);
    this.ask();
    this.onchange();
  }

  // Looks closely at a trade, or no longer.
  open(trade) {
    this.opened = this.opened === trade ? null : trade;
    this.one = null;
    this.ask();
    this.onchange();
  }

  // An operator holds, releases, retries, withdraws; an administrator does also what needs two persons.
  may(what) {
    return this.role === 'administrator' || (this.role === 'operator' && what === 'operator');
  }

  // An answer that is overtaken by a later question is not shown.
  async ask() {
    clearTimeout(this.timer);
    const turn = ++this.asked;
    if (this.token) {
      const words = Object.entries(this.filter).filter(([, value]) => value !== '').map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
      try {
        const [status, trades, one, ...lists] = await Promise.all([this.call('GET', '/admin/settlement'), this.call('GET', `/admin/settlement/trades?${words.join('&')}`),
          this.opened && this.call('GET', `/admin/settlement/trades/${this.opened}`), ...LISTS.map((list) => this.call('GET', `/admin/settlement/${list}?limit=${LIST_MAX}`))]);
        if (turn !== this.asked) return;
        Object.assign(this, { status, trades, one, hands: Object.fromEntries(LISTS.map((list, i) => [list, lists[i]])), seen: new Date(), error: null });
      } catch (error) {
        if (turn !== this.asked) return;
        this.error = error;
      }
      this.onchange();
    }
    this.timer = setTimeout(() => this.ask(), EVERY_MS);
  }

  // What an operator does; throws the refusal.
  async act(path, body) {
    const answer = await this.call('POST', `/admin/${path}`, body);
    await this.ask();
    return answer;
  }
}
