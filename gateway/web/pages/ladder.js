// The ladder: asks above, bids below, best ones in the middle; a bar behind each shows the quantity up to it.
import { html } from './vendor/preact.mjs';
import { show, decimalsOf, priceDecimals, parse, print, compare } from './decimal.js';
import { Auction } from './phase.js';
import { isCall } from './ticket.js';

const DEPTH = 13;
const SCALE = 8;

function accumulate(levels) {
  let sum = 0n;
  return levels.map((level) => ({ ...level, sum: (sum += parse(level.quantity, SCALE)) }));
}

function mine(venue, symbol) {
  const own = new Set();
  for (const o of venue.orders.values())
    if (o.symbol === symbol && o.leaves !== '0' && o.price && !o.status.startsWith('pending')) own.add(o.side + o.price);
  return own;
}

function Row({ level, side, most, decimals, quantityDecimals, own, onPick }) {
  const share = most > 0n ? Number((level.sum * 1000n) / most) / 10 : 0;
  return html`<button class="level ${side}" onClick=${() => onPick(level.price)}
      aria-label=${`${side} ${level.quantity} at ${level.price}`}>
    <i style=${{ width: `${share}%` }}></i>
    <span class="number price">${show(level.price, decimals)}</span>
    <span class="number">${show(level.quantity, quantityDecimals)}</span>
    <span class="number orders">${own ? html`<em title="your order">●</em>` : ''}${level.orders}</span>
  </button>`;
}

export function Ladder({ venue, instrument, onPick }) {
  const bids = accumulate(venue.book.levels('bids', DEPTH));
  const asks = accumulate(venue.book.levels('asks', DEPTH));
  const most = [...bids, ...asks].reduce((most, l) => (l.sum > most ? l.sum : most), 0n);
  const decimals = priceDecimals(instrument);
  const quantityDecimals = instrument ? decimalsOf(instrument.lot) : 2;
  const own = mine(venue, venue.symbol);
  const none = (words) => html`<p class="empty">${venue.book.seq === null ? '…' : words}</p>`;
  const row = (side) => (level) => html`<${Row} key=${level.price} level=${level} side=${side} most=${most} decimals=${decimals}
    quantityDecimals=${quantityDecimals} own=${own.has(side + level.price)} onPick=${onPick} />`;
  const call = instrument && isCall(instrument.phase);
  const spread = bids[0] && asks[0] && compare(asks[0].price, bids[0].price) > 0 ? print(parse(asks[0].price, 6) - parse(bids[0].price, 6), 6) : null;
  const last = venue.trades[0], before = venue.trades[1];
  const move = last && before ? compare(last.price, before.price) : 0;
  return html`<section class="panel ladder">
    <h2>Book</h2>
    <div class="level head"><span>Price</span><span>Quantity</span><span>Orders</span></div>
    <div class="asks">${asks.length ? asks.map(row('sell')).reverse() : none('no offers')}</div>
    <div class="middle">
      <strong class="number ${move > 0 ? 'up' : move < 0 ? 'down' : ''}">${show(last?.price ?? instrument?.last_price, decimals)}</strong>
      <span>${call ? 'orders are called' : spread === null ? 'no spread' : html`spread <b class="number">${show(spread, decimals)}</b>`}</span>
    </div>
    ${call ? html`<${Auction} instrument=${instrument} auction=${venue.auction} />` : ''}
    <div class="bids">${bids.length ? bids.map(row('buy')) : none('no bids')}</div>
  </section>`;
}
