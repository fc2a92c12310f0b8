// Own orders: their terms and states, cancel, and amend in place.
import { html, useState, useLayoutEffect, useRef } from './vendor/preact.mjs';
import { show, priceDecimals, parse, print, compare } from './decimal.js';
import { Confirm, confirmation, isQuestion, Reject } from './confirm.js';
import { TYPES, TIFS, TIF_SHORT } from './ticket.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const time = (ns) => clock.format(new Date(Number(BigInt(ns) / 1000000n)));
const day = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const STATUS = { pending_stop: 'pending stop', pending_close: 'pending close', partially_filled: 'partly filled' };
const REASON = {
  ioc: 'nothing more to trade with', fok: 'not fillable at once', minimum_quantity: 'minimum not to be had', self_trade: 'self-trade prevention',
  expired: 'expired', auction: 'left by the auction', amended: 'amended below what is filled', volatility: 'volatility auction', breaker: 'circuit breaker',
  limit: 'a limit of the venue', disconnect: 'connection lost', by_venue: 'by the venue', suspended: 'suspended', mass_cancel: '', by_owner: '',
};

// What may be amended of an order, and what it is now.
function fields(order) {
  const all = { quantity: order.quantity };
  if (order.price) all.price = order.price;
  if (order.status === 'pending_stop' && order.stop_price) all.stop_price = order.stop_price;
  if (order.display_quantity) all.display_quantity = order.display_quantity;
  return all;
}

function changes(order, draft) {
  const now = fields(order), out = {};
  for (const name in now) {
    const text = draft[name].trim();
    if (parse(text, 8) === null || compare(text, now[name]) !== 0) out[name] = text;
  }
  return out;
}

function Status({ order }) {
  const reason = REASON[order.reason] ?? order.reason ?? '';
  return html`<span class="badge ${order.status}" title=${reason}>${STATUS[order.status] ?? order.status}</span>${reason ? html` <small>${reason}</small>` : ''}`;
}

function Kind({ order }) {
  const valid = order.tif === 'day' ? '' : order.expire_time ? `GTD ${day.format(new Date(order.expire_time))}` : TIF_SHORT[order.tif];
  const more = [valid, order.display_quantity && 'iceberg', order.post_only && 'post only', order.minimum_quantity && 'minimum'].filter(Boolean);
  const title = order.expire_time ? moment.format(new Date(order.expire_time)) : TIFS[order.tif];
  return html`<span title=${title}>${TYPES[order.order_type]?.name ?? order.order_type}${more.map((m) => html` <small class="mark">${m}</small>`)}</span>`;
}

function Row({ venue, order, onError }) {
  const [busy, setBusy] = useState(false);
  const [draft, setDraft] = useState(null); // being amended
  const [question, setQuestion] = useState(null);
  const first = useRef(null);
  const live = order.leaves !== '0', amending = live && draft !== null;
  useLayoutEffect(() => { if (amending) first.current?.select(); }, [amending]); // at once: later it would take the focus from another field
  const instrument = venue.instruments.get(order.symbol);
  const p = priceDecimals(instrument);
  const filled = order.status === 'cancelled' ? order.filled : print(parse(order.quantity, 8) - parse(order.leaves, 8), 8);

  const run = (promise) => {
    setBusy(true);
    return promise.finally(() => setBusy(false));
  };
  const cancel = () => run(venue.ask('cancel', { order: order.order }).catch(onError));
  function amend(confirmed = {}) {
    const what = changes(order, draft);
    setQuestion(null);
    if (!Object.keys(what).length) return setDraft(null);
    onError(null);
    return run(venue.ask('amend', { order: order.order, ...what, ...confirmed }).then(() => setDraft(null))
      .catch((error) => (isQuestion(error, confirmed) ? setQuestion({ error, confirmed: { ...confirmed, ...confirmation(error) } }) : onError(error))));
  }
  const keys = (event) => {
    if (event.key === 'Enter') amend();
    else if (event.key === 'Escape') setDraft(null);
  };
  const edit = (name, label) => html`<input ref=${name === 'price' || (name === 'quantity' && !order.price) ? first : undefined} class="number" inputmode="decimal" name=${`amend_${name}`} aria-label=${label} value=${draft[name]}
    onInput=${(e) => setDraft({ ...draft, [name]: e.target.value })} onKeyDown=${keys} />`;
  const may = fields(order);

  return html`<tr class=${live ? '' : 'done'} data-order=${order.order}>
    <td>${time(order.time)}</td><td><b>${order.symbol}</b></td><td class=${order.side}>${order.side}</td>
    <td class="kind"><${Kind} order=${order} /></td>
    <td class="number stop">${amending && may.stop_price ? edit('stop_price', 'trigger') : order.stop_price ? show(order.stop_price, p) : ''}${order.trail_offset ? html` <small title="distance">± ${show(order.trail_offset)}</small>` : ''}</td>
    <td class="number price">${amending && may.price ? edit('price', 'price') : order.price ? show(order.price, p) : 'market'}</td>
    <td class="number quantity">${amending ? html`${edit('quantity', 'quantity')}${may.display_quantity ? html` <small>show</small> ${edit('display_quantity', 'slice')}` : ''}`
      : html`${show(filled)} <small>of</small> ${show(order.quantity)}${order.display_quantity ? html` <small title="shown at a time">show ${show(order.display_quantity)}</small>` : ''}`}</td>
    <td class="state"><${Status} order=${order} /></td>
    <td class="act">${!live ? '' : amending
      ? html`<button class="quiet save" disabled=${busy} onClick=${() => amend()}>Save</button> <button class="quiet" onClick=${() => setDraft(null)}>Back</button>`
      : html`<button class="quiet amend" disabled=${busy} onClick=${() => setDraft(may)} aria-label=${`amend order ${order.order}`}>Amend</button>
        <button class="quiet" disabled=${busy} onClick=${cancel} aria-label=${`cancel order ${order.order}`}>Cancel</button>`}
      ${question ? html`<${Confirm} order=${{ ...order, ...changes(order, draft) }} decimals=${p} error=${question.error} yes="Amend it anyway" onYes=${() => amend(question.confirmed)} onNo=${() => setQuestion(null)} />` : ''}</td>
  </tr>`;
}

export function Orders({ venue }) {
  const [error, setError] = useState(null);
  if (!venue.session) return html`<p class="empty">Log in to see your orders.</p>`;
  const orders = [...venue.orders.values()].sort((a, b) => (a.leaves === '0') - (b.leaves === '0') || (BigInt(a.order) < BigInt(b.order) ? 1 : -1));
  if (!orders.length) return html`<p class="empty">No orders. A click on a price of the book begins one.</p>`;
  const live = orders.filter((o) => o.leaves !== '0').length;
  return html`<table class="own-orders"><thead><tr><th>Time</th><th>Token</th><th>Side</th><th>Type</th><th class="number">Trigger</th><th class="number">Price</th><th class="number">Filled</th><th>Status</th>
      <th class="act">${live > 1 ? html`<button class="quiet" onClick=${() => venue.ask('cancel_all').catch(setError)}>Cancel all</button>` : ''}</th></tr></thead>
    <tbody>${orders.map((o) => html`<${Row} key=${o.order} venue=${venue} order=${o} onError=${setError} />`)}</tbody></table>
    <${Reject} error=${error} />`;
}
