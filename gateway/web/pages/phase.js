// The phase of an instrument, what ends it, and the auction while one runs.
import { html, useEffect, useReducer } from './vendor/preact.mjs';
import { show, short, decimalsOf, priceDecimals } from './decimal.js';
import { PHASES, isCall } from './ticket.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const DAY_MS = 24 * 3600 * 1000;

// Redraws every second while it is shown.
function useSeconds() {
  const [, again] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(again, 1000);
    return () => clearInterval(timer);
  }, []);
}

function Until({ instrument }) {
  useSeconds();
  const end = instrument.phase_end ?? instrument.schedule_next;
  if (!end) return '';
  const left = Math.max(0, Math.round((Date.parse(end) - Date.now()) / 1000));
  if (left > DAY_MS / 1000) return '';
  if (left >= 600) return html`<small>until ${clock.format(new Date(end))}</small>`;
  return html`<small class="number">${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left</small>`;
}

export function Phase({ instrument }) {
  return html`<span class="phase ${instrument.phase} ${isCall(instrument.phase) ? 'call' : ''}" role="status"><i></i>${PHASES[instrument.phase] ?? instrument.phase} <${Until} instrument=${instrument} /></span>`;
}

// In the ladder's middle while orders are called.
export function Auction({ instrument, auction }) {
  const decimals = priceDecimals(instrument), q = decimalsOf(instrument.lot);
  if (!auction?.price) return html`<div class="auction"><span>${instrument.phase === 'pre_open' ? 'Orders are collected' : 'Nothing would trade yet'}</span></div>`;
  return html`<div class="auction">
    <span>Indicative</span><strong class="number">${show(auction.price, decimals)}</strong>
    <span class="number">${show(short(auction.quantity), q)} would trade</span>
    ${auction.surplus_side ? html`<span class="number ${auction.surplus_side}">${show(short(auction.surplus), q)} more to ${auction.surplus_side}</span>` : html`<span>balanced</span>`}
  </div>`;
}

export function Statistics({ instrument, statistics }) {
  const decimals = priceDecimals(instrument), q = decimalsOf(instrument.lot), s = statistics;
  const rows = [
    ['Open', show(s?.open, decimals)],
    ['High', show(s?.high, decimals)],
    ['Low', show(s?.low, decimals)],
    ['Last', show(instrument.last_price, decimals)],
    ['VWAP', show(s?.vwap && short(s.vwap), decimals), s?.vwap],
    ['Volume', show(s?.volume, q), s ? `${s.turnover} ${instrument.currency} in ${s.trades} trades` : ''],
    ['NAV', show(instrument.nav, decimals)],
  ];
  const terms = `tick ${show(instrument.tick)}${instrument.tick_table?.length ? ' and more by price' : ''}, lot ${show(instrument.lot)}, seller's fee ${instrument.fee_bps / 100} %`;
  return html`<dl class="terms" title=${terms}>${rows.map(([name, value, title]) => html`<div title=${title}><dt>${name}</dt><dd class="number">${value}</dd></div>`)}</dl>`;
}
