// Order entry: the ticket. Prices and quantities stay text from the keyboard to the venue; sums are made with BigInt.
// Which fields there are follows from the type (ticket.js).
import { html, useState, useEffect, useRef } from './vendor/preact.mjs';
import { parse, print, show, short, priceDecimals } from './decimal.js';
import { Confirm, confirmation, isQuestion, Reject } from './confirm.js';
import { TYPES, SELF_TRADE, tifName, options, request, explain, warning } from './ticket.js';

const CASH = 6;
const EMPTY = { side: 'buy', type: 'limit', tif: 'day', price: '', stop: '', trail: '', quantity: '', display: '', minimum: '', expire: '', iceberg: false, postOnly: false, selfTrade: 'none' };

let count = 0;
export const clientId = () => `web-${Date.now().toString(36)}-${(++count).toString(36)}-${Math.random().toString(36).slice(2, 6)}`;

function total(price, quantity) {
  const p = parse(price, CASH), q = parse(quantity, 8);
  return p === null || q === null ? null : print((p * q) / 10n ** 8n, CASH);
}

// The tick that holds at a price.
function tickAt(instrument, price) {
  let tick = instrument.tick;
  const at = parse(price || '0', CASH) ?? 0n;
  for (const [from, step] of instrument.tick_table ?? []) if (at >= parse(from, CASH)) tick = step;
  return parse(tick, CASH);
}

function step(value, by, decimals) {
  const now = parse(value || '0', CASH) ?? 0n, next = now + by;
  return print(next > 0n ? next : 0n, CASH, decimals);
}

function Result({ result, decimals }) {
  if (!result) return '';
  if (result.error) return html`<${Reject} error=${result.error} />`;
  const o = result.order;
  const waits = { pending_stop: ' and waits for its trigger', pending_close: ' and waits for the close' }[o.status] ?? '';
  return html`<p class="accepted" role="status">Order <b class="number">${o.order}</b>: ${o.side} ${show(o.quantity)} ${o.symbol}
    ${o.price ? html` at <span class="number">${show(o.price, decimals)}</span>` : ' at market'} is in${waits}.</p>`;
}

// A number with its unit; arrow keys step.
function Amount({ label, name, value, onValue, unit, by, decimals = 0, placeholder = '0', required = true, hint, input }) {
  const arrows = (event) => {
    const way = { ArrowUp: 1n, ArrowDown: -1n }[event.key];
    if (!way) return;
    event.preventDefault();
    onValue(step(value, way * by * (event.shiftKey ? 10n : 1n), decimals));
  };
  return html`<label title=${hint}>${label}<span class="field"><input ref=${input} class="number" inputmode="decimal" autocomplete="off" required=${required}
    value=${value} name=${name} placeholder=${placeholder} onInput=${(e) => onValue(e.target.value)} onKeyDown=${arrows} /><i title=${unit}>${unit}</i></span></label>`;
}

function Toggle({ on, onToggle, title, children }) {
  return html`<button type="button" class="chip" aria-pressed=${on} title=${title} onClick=${() => onToggle(!on)}>${children}</button>`;
}

// "2026-12-31T17:30", as the browser's own clock has it, for <input type=datetime-local>.
function localMinute(at) {
  return new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export function Entry({ venue, instrument, draft: picked }) {
  const [draft, setDraft] = useState({ ...EMPTY, account: venue.session.accounts[0]?.account });
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState(null);
  const [question, setQuestion] = useState(null);
  const quantityInput = useRef(null);
  const set = (name) => (value) => setDraft((d) => ({ ...d, [name]: value }));
  // A trigger is no start of a trail, and the other way round: neither is carried over.
  const setType = (type) => setDraft((d) => ({ ...d, type, tif: TYPES[type].tifs.includes(d.tif) ? d.tif : 'day', stop: TYPES[type].stop && TYPES[d.type].stop ? d.stop : '' }));

  useEffect(() => {
    if (!picked.price) return;
    setDraft((d) => ({ ...d, price: picked.price, type: TYPES[d.type].price ? d.type : 'limit' }));
    quantityInput.current?.focus();
  }, [picked.stamp]);
  useEffect(() => { setDraft((d) => ({ ...d, price: '', stop: '', trail: '' })); setResult(null); }, [instrument?.symbol]);
  useEffect(() => {
    const key = (event) => {
      if (event.target.closest('input, select, dialog, [contenteditable]') || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'b') set('side')('buy');
      else if (event.key === 's') set('side')('sell');
      else if (event.key === 'q') quantityInput.current?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);

  if (!instrument) return html`<section class="panel entry"><h2>Order</h2><p class="empty">no instrument</p></section>`;

  const { side, type, tif, account } = draft;
  const kind = TYPES[type], may = options(draft);
  const decimals = priceDecimals(instrument), lot = parse(instrument.lot, CASH);
  const last = show(instrument.last_price, decimals);
  const asset = side === 'buy' ? instrument.currency : instrument.symbol;
  const balance = venue.balances.get(`${account} ${asset}`);
  const sum = total(kind.price ? draft.price : draft.stop || instrument.last_price || '', draft.quantity);
  const says = explain(draft, instrument), warns = warning(draft, instrument);

  async function send(order) {
    setBusy(true);
    setQuestion(null);
    try {
      const answer = await venue.ask('place', { ...order, client_order_id: clientId() });
      setResult({ order: answer.order });
      set('quantity')('');
    } catch (error) {
      if (isQuestion(error, order)) setQuestion({ order, error });
      else setResult({ error });
    }
    setBusy(false);
  }
  function submit(event) {
    event.preventDefault();
    setResult(null);
    send(request(draft, instrument));
  }
  const confirm = () => send({ ...question.order, ...confirmation(question.error) });
  const back = () => { setResult({ error: { ...question.error, hint: 'not placed' } }); setQuestion(null); };
  const priceField = (label, name, field, more = {}) => html`<${Amount} label=${label} name=${name} value=${draft[field]} onValue=${set(field)} unit=${instrument.currency}
    by=${tickAt(instrument, draft[field])} decimals=${decimals} ...${more} />`;
  const quantityField = (label, name, field, more = {}) => html`<${Amount} label=${label} name=${name} value=${draft[field]} onValue=${set(field)} unit=${instrument.symbol}
    by=${lot} ...${more} />`;

  return html`<section class="panel entry"><h2>Order</h2>
    <form onSubmit=${submit} autocomplete="off">
      <div class="pair sides" role="group" aria-label="Side">
        <button type="button" class="buy" aria-pressed=${side === 'buy'} onClick=${() => set('side')('buy')}>Buy <kbd>B</kbd></button>
        <button type="button" class="sell" aria-pressed=${side === 'sell'} onClick=${() => set('side')('sell')}>Sell <kbd>S</kbd></button>
      </div>
      <div class="pair types" role="group" aria-label="Type">${Object.entries(TYPES).map(([id, of]) => html`
        <button type="button" aria-pressed=${type === id} data-type=${id} onClick=${() => setType(id)}>${of.name}</button>`)}</div>
      ${venue.session.accounts.length > 1 ? html`<label>Account<select value=${account} onChange=${(e) => set('account')(Number(e.target.value))}>
        ${venue.session.accounts.map((a) => html`<option value=${a.account}>${a.account}</option>`)}</select></label>` : ''}
      ${kind.stop ? priceField('Trigger', 'stop_price', 'stop', { placeholder: last, hint: 'the trade price that sets it off' }) : ''}
      ${kind.trail ? priceField('Distance', 'trail_offset', 'trail', { hint: 'how far the trigger stays from the best trade' }) : ''}
      ${kind.trail ? priceField('Start', 'stop_price', 'stop', { required: false, placeholder: 'from the last trade', hint: 'the first trigger, if it is not to follow from the last trade' }) : ''}
      ${kind.price ? priceField('Price', 'price', 'price', { placeholder: last }) : ''}
      ${quantityField('Quantity', 'quantity', 'quantity', { input: quantityInput })}
      ${may.iceberg && draft.iceberg ? quantityField('Show', 'display_quantity', 'display', { hint: 'what others see at a time' }) : ''}
      ${may.minimum ? quantityField('At least', 'minimum_quantity', 'minimum', { required: false, placeholder: 'any', hint: 'less than this at once, and nothing is traded' }) : ''}
      <label>Valid<select name="tif" value=${tif} onChange=${(e) => set('tif')(e.target.value)}>
        ${kind.tifs.map((t) => html`<option value=${t}>${tifName(type, t)}</option>`)}</select></label>
      ${tif === 'gtd' ? html`<label>Until<input type="datetime-local" name="expire_time" required value=${draft.expire} min=${localMinute(Date.now())}
        onInput=${(e) => set('expire')(e.target.value)} /></label>` : ''}
      <div class="chips">
        ${may.iceberg ? html`<${Toggle} on=${draft.iceberg} onToggle=${set('iceberg')} title="show only a part at a time">Iceberg<//>` : ''}
        ${may.postOnly ? html`<${Toggle} on=${draft.postOnly} onToggle=${set('postOnly')} title="never trade at once">Post only<//>` : ''}
        <${Toggle} on=${draft.selfTrade !== 'none'} onToggle=${(on) => set('selfTrade')(on ? 'cancel_newest' : 'none')} title="do not trade with own orders">No self-trade<//>
      </div>
      ${draft.selfTrade !== 'none' ? html`<label>Own order<select name="self_trade_prevention" value=${draft.selfTrade} onChange=${(e) => set('selfTrade')(e.target.value)}>
        ${Object.entries(SELF_TRADE).filter(([id]) => id !== 'none').map(([id, name]) => html`<option value=${id}>${name}</option>`)}</select></label>` : ''}
      ${warns ? html`<p class="says warn">${warns}</p>` : says ? html`<p class="says">${says}</p>` : ''}
      <dl class="sums">
        <div><dt>${kind.price ? 'Total' : 'About'}</dt><dd class="number">${sum === null ? '–' : `${show(short(sum), 2)} ${instrument.currency}`}</dd></div>
        <div><dt>Available</dt><dd class="number" title=${balance?.available}>${balance ? `${show(short(balance.available), 2)} ${asset}` : `0 ${asset}`}</dd></div>
      </dl>
      <button class="submit ${side}" disabled=${busy || !venue.loggedIn}>
        ${busy ? 'Sending…' : `${side === 'buy' ? 'Buy' : 'Sell'} ${instrument.symbol}`}</button>
      <${Result} result=${result} decimals=${decimals} />
    </form>
    ${question ? html`<${Confirm} order=${question.order} decimals=${decimals} error=${question.error} yes="Place it anyway" onYes=${confirm} onNo=${back} />` : ''}
  </section>`;
}
