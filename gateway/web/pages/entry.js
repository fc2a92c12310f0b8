// Order entry. Prices and quantities stay text from the keyboard to the venue; sums are made with BigInt.
// FAT_FINGER_CONFIRM and NAV_CONFIRM open a dialogue; agreeing sends the order again with the flag set.
import { html, useState, useEffect, useRef } from './vendor/preact.mjs';
import { parse, print, show, short, decimalsOf } from './decimal.js';

const CONFIRM = { FAT_FINGER_CONFIRM: 'confirm_fat_finger', NAV_CONFIRM: 'confirm_nav_deviation' };
const REASON = { FAT_FINGER_CONFIRM: 'Far from the last price', NAV_CONFIRM: 'Far from the net asset value' };
const CASH = 6;

let count = 0;
const clientId = () => `web-${Date.now().toString(36)}-${(++count).toString(36)}-${Math.random().toString(36).slice(2, 6)}`;

function total(price, quantity) {
  const p = parse(price, CASH), q = parse(quantity, 8);
  return p === null || q === null ? null : print((p * q) / 10n ** 8n, CASH);
}

function step(value, by, decimals) {
  const now = parse(value || '0', CASH) ?? 0n, next = now + by;
  return print(next > 0n ? next : 0n, CASH, decimals);
}

function Confirm({ question, onYes, onNo }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  const { order, error } = question;
  return html`<dialog ref=${dialog} onCancel=${onNo}>
    <h3>${REASON[error.name]}</h3>
    <p class="order"><b>${order.side === 'buy' ? 'Buy' : 'Sell'} ${show(order.quantity)} ${order.symbol}</b>
      ${order.price ? html` at <b class="number">${show(order.price)}</b>` : ' at market'}</p>
    <p>${error.text}.</p>
    <dl>
      <div><dt>Deviation</dt><dd class="number">${Number(error.value) / 100} %</dd></div>
      <div><dt>Confirmed above</dt><dd class="number">${Number(error.limit) / 100} %</dd></div>
      <div><dt>Compared with</dt><dd class="number">${show(error.argument, 2)}</dd></div>
    </dl>
    <div class="choice">
      <button type="button" onClick=${onNo} autofocus>Go back</button>
      <button type="button" class="submit ${order.side}" onClick=${onYes}>Place it anyway</button>
    </div></dialog>`;
}

function Result({ result }) {
  if (!result) return '';
  if (result.error) return html`<p class="reject" role="alert"><b>${result.error.text}</b><span>${result.error.hint}</span>
    <small>${result.error.name}</small></p>`;
  const o = result.order;
  return html`<p class="accepted" role="status">Order <b class="number">${o.order}</b>: ${o.side} ${show(o.quantity)} ${o.symbol}
    ${o.price ? html` at <span class="number">${show(o.price)}</span>` : ' at market'} is in.</p>`;
}

export function Entry({ venue, instrument, draft }) {
  const [side, setSide] = useState('buy');
  const [type, setType] = useState('limit');
  const [tif, setTif] = useState('day');
  const [price, setPrice] = useState('');
  const [quantity, setQuantity] = useState('');
  const [account, setAccount] = useState(venue.session.accounts[0]?.account);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState(null);
  const [question, setQuestion] = useState(null);
  const quantityInput = useRef(null);

  useEffect(() => {
    if (!draft.price) return;
    setPrice(draft.price);
    setType('limit');
    quantityInput.current?.focus();
  }, [draft.stamp]);
  useEffect(() => { setPrice(''); setResult(null); }, [instrument?.symbol]);
  useEffect(() => {
    const key = (event) => {
      if (event.target.closest('input, select, dialog, [contenteditable]') || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'b') setSide('buy');
      else if (event.key === 's') setSide('sell');
      else if (event.key === 'q') quantityInput.current?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);

  if (!instrument) return html`<section class="panel entry"><h2>Order</h2><p class="empty">no instrument</p></section>`;

  const tick = parse(instrument.tick, CASH), lot = parse(instrument.lot, CASH);
  const arrows = (set, by, decimals) => (event) => {
    const way = { ArrowUp: 1n, ArrowDown: -1n }[event.key];
    if (!way) return;
    event.preventDefault();
    set((value) => step(value, way * by * (event.shiftKey ? 10n : 1n), decimals));
  };
  const asset = side === 'buy' ? instrument.currency : instrument.symbol;
  const balance = venue.balances.get(`${account} ${asset}`);
  const sum = total(type === 'limit' ? price : instrument.last_price ?? '', quantity);

  async function send(order) {
    setBusy(true);
    setQuestion(null);
    try {
      const answer = await venue.ask('place', { ...order, client_order_id: clientId() });
      setResult({ order: answer.order });
      setQuantity('');
    } catch (error) {
      if (CONFIRM[error.name]) setQuestion({ order, error });
      else setResult({ error });
    }
    setBusy(false);
  }
  function submit(event) {
    event.preventDefault();
    const order = { symbol: instrument.symbol, side, order_type: type, quantity: quantity.trim(), account };
    if (type === 'limit') Object.assign(order, { price: price.trim(), tif });
    setResult(null);
    send(order);
  }
  const confirm = () => send({ ...question.order, [CONFIRM[question.error.name]]: true, confirm_ref: question.error.sequence });
  const back = () => { setResult({ error: { ...question.error, hint: 'not placed' } }); setQuestion(null); };

  return html`<section class="panel entry"><h2>Order</h2>
    <form onSubmit=${submit} autocomplete="off">
      <div class="pair sides" role="group" aria-label="Side">
        <button type="button" class="buy" aria-pressed=${side === 'buy'} onClick=${() => setSide('buy')}>Buy <kbd>B</kbd></button>
        <button type="button" class="sell" aria-pressed=${side === 'sell'} onClick=${() => setSide('sell')}>Sell <kbd>S</kbd></button>
      </div>
      <div class="pair" role="group" aria-label="Type">
        <button type="button" aria-pressed=${type === 'limit'} onClick=${() => setType('limit')}>Limit</button>
        <button type="button" aria-pressed=${type === 'market'} onClick=${() => setType('market')}>Market</button>
      </div>
      ${venue.session.accounts.length > 1 ? html`<label>Account<select value=${account} onChange=${(e) => setAccount(Number(e.target.value))}>
        ${venue.session.accounts.map((a) => html`<option value=${a.account}>${a.account}</option>`)}</select></label>` : ''}
      ${type === 'limit' ? html`<label>Price<span class="field"><input class="number" inputmode="decimal" required value=${price} name="price"
          placeholder=${show(instrument.last_price, decimalsOf(instrument.tick))} onInput=${(e) => setPrice(e.target.value)}
          onKeyDown=${arrows(setPrice, tick, decimalsOf(instrument.tick))} /><i>${instrument.currency}</i></span></label>` : ''}
      <label>Quantity<span class="field"><input ref=${quantityInput} class="number" inputmode="decimal" required value=${quantity} name="quantity"
          placeholder="0" onInput=${(e) => setQuantity(e.target.value)}
          onKeyDown=${arrows(setQuantity, lot, 0)} /><i title=${instrument.symbol}>${instrument.symbol}</i></span></label>
      ${type === 'limit' ? html`<label>Valid<select value=${tif} onChange=${(e) => setTif(e.target.value)}>
        <option value="day">for the day</option><option value="gtc">until cancelled</option><option value="ioc">immediate or cancel</option></select></label>` : ''}
      <dl class="sums">
        <div><dt>${type === 'limit' ? 'Total' : 'About'}</dt><dd class="number">${sum === null ? '–' : `${show(short(sum), 2)} ${instrument.currency}`}</dd></div>
        <div><dt>Available</dt><dd class="number" title=${balance?.available}>${balance ? `${show(short(balance.available), 2)} ${asset}` : `0 ${asset}`}</dd></div>
      </dl>
      <button class="submit ${side}" disabled=${busy || venue.connection !== 'open'}>
        ${busy ? 'Sending…' : `${side === 'buy' ? 'Buy' : 'Sell'} ${instrument.symbol}`}</button>
      <${Result} result=${result} />
    </form>
    ${question ? html`<${Confirm} question=${question} onYes=${confirm} onNo=${back} />` : ''}
  </section>`;
}
