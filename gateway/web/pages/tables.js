// Tables: own trades with their settlement, balances, and everybody's trades.
import { html, useState } from './vendor/preact.mjs';
import { show, short, decimalsOf, priceDecimals } from './decimal.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const time = (ns) => clock.format(new Date(Number(BigInt(ns) / 1000000n)));
const decimalsOfPrice = (venue, symbol) => priceDecimals(venue.instruments.get(symbol));
const quantityDecimals = (venue, symbol) => decimalsOf(venue.instruments.get(symbol)?.lot ?? '0.01');

function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

// ---- own trades

const KNOWN = new Map([[null, '…'], [true, 'No trades yet.'], [false, 'Earlier trades cannot be shown at the moment; new ones appear here.']]);

function Hash({ hash }) {
  const [copied, setCopied] = useState(false);
  if (!hash) return '';
  const copy = () => navigator.clipboard?.writeText(hash).then(() => {
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  });
  return html`<button class="hash" title=${`${hash}\nclick to copy`} onClick=${copy}>${copied ? 'copied' : `${hash.slice(0, 8)}…${hash.slice(-6)}`}</button>`;
}

export function OwnTrades({ venue }) {
  if (!venue.session) return html`<${Empty}>Log in to see your trades.<//>`;
  const trades = [...venue.ownTrades.values()].sort((a, b) => (BigInt(a.trade) < BigInt(b.trade) ? 1 : -1));
  if (!trades.length) return html`<${Empty}>${KNOWN.get(venue.ownTradesKnown)}<//>`;
  return html`<table class="own-trades"><thead><tr><th>Time</th><th>Token</th><th>Side</th><th class="number">Price</th><th class="number">Quantity</th>
      <th class="number">Fee</th><th>Settlement</th><th>Transaction</th></tr></thead>
    <tbody>${trades.map((t) => html`<tr key=${t.trade + t.side}>
      <td>${time(t.time)}</td><td><b>${t.symbol}</b></td><td class=${t.side}>${t.side}</td>
      <td class="number">${show(t.price, decimalsOfPrice(venue, t.symbol))}</td>
      <td class="number">${show(t.quantity, quantityDecimals(venue, t.symbol))}</td>
      <td class="number" title=${t.fee}>${show(short(t.fee), 2)}</td>
      <td>${['busted', 'corrected'].includes(t.status) ? html`<span class="badge ${t.status}">${t.status}</span> ` : ''}<span class="badge ${t.settlement}" title=${t.settlement_reason ?? ''}>${t.settlement}${({ off_chain: ' off chain', netted: ' in a net' })[t.settlement_type] ?? ''}</span></td>
      <td><${Hash} hash=${t.tx_hash} /></td></tr>`)}</tbody></table>`;
}

// ---- balances

export function Balances({ venue }) {
  if (!venue.session) return html`<${Empty}>Log in to see your balances.<//>`;
  const balances = [...venue.balances.values()];
  if (!balances.length) return html`<${Empty}>Nothing in this account yet.<//>`;
  const several = venue.session.accounts.length > 1;
  const row = (b) => html`<tr key=${`${b.account} ${b.asset}`}>${several ? html`<td>${b.account}</td>` : ''}<td><b>${b.asset}</b></td>
    ${[b.available, b.held, b.unsettled].map((amount) => html`<td class="number" title=${amount}>${show(short(amount), 2)}</td>`)}${b.blocked === '0' ? html`<td></td>` : html`<td class="number sell">${show(b.blocked, 2)} blocked</td>`}</tr>`;
  return html`<table><thead><tr>${several ? html`<th>Account</th>` : ''}<th>Asset</th><th class="number">Available</th><th class="number">In orders</th>
    <th class="number" title="part of it that the chain has not settled yet">Unsettled</th><th></th></tr></thead><tbody>${balances.map(row)}</tbody></table>`;
}

// ---- everybody's trades

export function Tape({ venue, instrument }) {
  const decimals = priceDecimals(instrument), q = instrument ? decimalsOf(instrument.lot) : 2;
  return html`<section class="panel tape"><h2>Trades</h2>
    <div class="scroll">${venue.trades.length ? html`<table><tbody>${venue.trades.slice(0, 60).map((t) => html`<tr key=${t.trade} title=${t.kind === 'auction' ? 'in an auction' : ''}>
      <td class="number ${t.kind === 'auction' ? 'auctioned' : t.side}">${show(t.price, decimals)}</td><td class="number">${show(t.quantity, q)}</td><td class="number muted">${time(t.time)}</td></tr>`)}
    </tbody></table>` : html`<${Empty}>no trades yet<//>`}</div></section>`;
}
