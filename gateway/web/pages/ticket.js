// What an order may have, by its type: which fields the ticket shows, what it is called, and what it will do. The
// venue decides (docs/matching.md); this keeps a trader from filling in what cannot be.
import { show, parse, priceDecimals } from './decimal.js';

const RESTING = ['day', 'gtc', 'gtd'];
const CASH = 6;

export const TYPES = {
  limit: { name: 'Limit', price: true, tifs: ['day', 'gtc', 'gtd', 'ioc', 'fok', 'at_open', 'at_close'] },
  market: { name: 'Market', tifs: ['day', 'fok', 'at_open', 'at_close'] },
  stop: { name: 'Stop', stop: true, tifs: RESTING },
  stop_limit: { name: 'Stop limit', price: true, stop: true, tifs: RESTING },
  trailing_stop: { name: 'Trailing', trail: true, tifs: RESTING },
};

export const TIFS = {
  day: 'for the day',
  gtc: 'until cancelled',
  gtd: 'until a date',
  ioc: 'at once, cancel the rest',
  fok: 'at once, all or nothing',
  at_open: 'at the open',
  at_close: 'at the close',
};
export const TIF_SHORT = { day: 'day', gtc: 'GTC', gtd: 'GTD', ioc: 'IOC', fok: 'FOK', at_open: 'at open', at_close: 'at close' };

export const SELF_TRADE = {
  none: 'may trade with own orders',
  cancel_newest: 'cancel this one',
  cancel_oldest: 'cancel the other one',
  cancel_both: 'cancel both',
  decrement: 'reduce both',
};

export const PHASES = {
  closed: 'Closed',
  pre_open: 'Pre-open',
  opening_auction: 'Opening auction',
  continuous: 'Continuous trading',
  volatility_auction: 'Volatility auction',
  halted: 'Halted',
  closing_auction: 'Closing auction',
};
export const isCall = (phase) => ['pre_open', 'opening_auction', 'volatility_auction', 'closing_auction'].includes(phase);

export const tifName = (type, tif) => (type === 'market' && tif === 'day' ? 'at once, or the auction' : TIFS[tif]);

// Which of the further terms the ticket offers.
export function options({ type, tif }) {
  const resting = RESTING.includes(tif);
  return {
    iceberg: resting && (type === 'limit' || type === 'stop_limit'),
    postOnly: resting && type === 'limit',
    minimum: tif === 'ioc',
  };
}

// The fields of a `place` request; nothing that the type does not have.
export function request(draft, instrument) {
  const kind = TYPES[draft.type], may = options(draft);
  const order = { symbol: instrument.symbol, side: draft.side, order_type: draft.type, quantity: draft.quantity.trim(), tif: draft.tif, account: draft.account };
  if (kind.price) order.price = draft.price.trim();
  if (kind.stop) order.stop_price = draft.stop.trim();
  if (kind.trail) {
    order.trail_offset = draft.trail.trim();
    if (draft.stop.trim()) order.stop_price = draft.stop.trim();
  }
  if (draft.tif === 'gtd') order.expire_time = draft.expire ? new Date(draft.expire).toISOString() : '';
  if (may.iceberg && draft.iceberg) order.display_quantity = draft.display.trim();
  if (may.postOnly && draft.postOnly) order.post_only = true;
  if (may.minimum && draft.minimum.trim()) order.minimum_quantity = draft.minimum.trim();
  if (draft.selfTrade !== 'none') order.self_trade_prevention = draft.selfTrade;
  return order;
}

// One sentence: what will happen. '' while something is still missing.
export function explain(draft, instrument) {
  const decimals = priceDecimals(instrument), price = (text) => show(text, decimals);
  const buy = draft.side === 'buy', phase = instrument.phase;
  const does = buy ? 'buys' : 'sells';
  const given = (text) => parse(text, CASH) > 0n;
  if (draft.type === 'stop' && given(draft.stop))
    return `When ${instrument.symbol} trades at ${price(draft.stop)} or ${buy ? 'above' : 'below'}, it ${does} at market.`;
  if (draft.type === 'stop_limit' && given(draft.stop))
    return `When ${instrument.symbol} trades at ${price(draft.stop)} or ${buy ? 'above' : 'below'}, it becomes a limit order${given(draft.price) ? ` at ${price(draft.price)}` : ''}.`;
  if (draft.type === 'trailing_stop')
    return given(draft.trail) ? `Its trigger stays ${price(draft.trail)} ${buy ? 'above the lowest' : 'below the highest'} trade; when the market turns and reaches it, it ${does} at market.` : '';
  if (draft.tif === 'at_open') return 'For the opening auction; what that leaves is cancelled.';
  if (draft.tif === 'at_close') return 'It waits for the closing auction; what that leaves is cancelled.';
  if (isCall(phase)) return `${PHASES[phase]}: it stands in the book until the auction trades at one price.`;
  if (draft.iceberg && options(draft).iceberg && given(draft.display)) return `Others see ${show(draft.display)} at a time; each further slice queues behind the others at its price.`;
  if (draft.postOnly && options(draft).postOnly) return 'It is refused if it would trade at once.';
  return '';
}

// What the rulebook says of the phase, before the venue has to.
export function warning(draft, instrument) {
  const phase = instrument.phase, name = (PHASES[phase] ?? phase).toLowerCase();
  if (phase === 'closed' || phase === 'halted') return `No orders are taken: ${name}.`;
  if (draft.tif === 'at_open' && !['pre_open', 'opening_auction'].includes(phase)) return 'Orders for the open are taken before it only.';
  if (isCall(phase) && ['ioc', 'fok'].includes(draft.tif)) return `In the ${name} nothing trades at once.`;
  if (isCall(phase) && draft.postOnly && options(draft).postOnly) return `In the ${name} there is no post-only.`;
  return '';
}
