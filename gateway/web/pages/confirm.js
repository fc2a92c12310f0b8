// The question behind FAT_FINGER_CONFIRM, NAV_CONFIRM and NAV_STALE: agreeing sends the same again with the flag set. What is
// refused although its flag is set (an instrument may refuse a stale NAV altogether) is no question any more.
import { html, useEffect, useRef } from './vendor/preact.mjs';
import { show } from './decimal.js';

const FLAG = { FAT_FINGER_CONFIRM: 'confirm_fat_finger', NAV_CONFIRM: 'confirm_nav_deviation', NAV_STALE: 'confirm_nav_deviation' };
const REASON = { FAT_FINGER_CONFIRM: 'Far from the last price', NAV_CONFIRM: 'Far from the net asset value', NAV_STALE: 'The net asset value is old' };

export const isQuestion = (error, sent) => FLAG[error.name] !== undefined && !sent[FLAG[error.name]];
export const confirmation = (error) => ({ [FLAG[error.name]]: true, confirm_ref: error.sequence });

export function Confirm({ order, decimals, error, yes, onYes, onNo }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  return html`<dialog ref=${dialog} onCancel=${onNo}>
    <h3>${REASON[error.name]}</h3>
    <p class="order"><b>${order.side === 'buy' ? 'Buy' : 'Sell'} ${show(order.quantity)} ${order.symbol}</b>
      ${order.price ? html` at <b class="number">${show(order.price, decimals)}</b>` : ' at market'}
      ${order.stop_price ? html` from <b class="number">${show(order.stop_price, decimals)}</b>` : ''}</p>
    <p>${error.text}.</p>
    ${error.name === 'NAV_STALE' ? '' : html`<dl>
      <div><dt>Deviation</dt><dd class="number">${Number(error.value) / 100} %</dd></div>
      <div><dt>Confirmed above</dt><dd class="number">${Number(error.limit) / 100} %</dd></div>
      <div><dt>Compared with</dt><dd class="number">${show(error.argument, 2)}</dd></div>
    </dl>`}
    <div class="choice">
      <button type="button" onClick=${onNo} autofocus>Go back</button>
      <button type="button" class="submit ${order.side}" onClick=${onYes}>${yes}</button>
    </div></dialog>`;
}

export function Reject({ error }) {
  return error ? html`<p class="reject" role="alert"><b>${error.text}</b><span>${error.hint}</span>${error.name ? html`<small>${error.name}</small>` : ''}</p>` : '';
}
