// The trading page: one state (venue.js), drawn anew when it changes.
import { html, render, useState, useEffect, useReducer, useRef } from './vendor/preact.mjs';
import { Venue } from './venue.js';
import { Ladder } from './ladder.js';
import { Entry } from './entry.js';
import { Login } from './login.js';
import { Chart } from './chart.js';
import { Orders } from './orders.js';
import { OwnTrades, Balances, Tape } from './tables.js';
import { Phase, Statistics } from './phase.js';
import { show, priceDecimals } from './decimal.js';

const CONNECTION = { connecting: 'connecting', open: 'live', lost: 'reconnecting' };
const STATE = { open: 'open', cancel_only: 'cancel only', unavailable: 'no answer from the core' };

function Status({ venue }) {
  const good = venue.connection === 'open' && venue.state === 'open';
  const text = venue.connection === 'open' ? STATE[venue.state] : CONNECTION[venue.connection];
  return html`<span class="status ${good ? 'good' : venue.connection === 'open' ? 'warn' : 'bad'}" role="status">
    <i></i>${venue.connection === 'open' ? html`<b>${CONNECTION.open}</b>` : ''} ${text}</span>`;
}

function Header({ venue }) {
  const list = useRef(null); // with many instruments, the chosen one is in sight
  useEffect(() => { list.current.querySelector('.chosen')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [venue.symbol]);
  return html`<header>
    <h1><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M6 26V14a10 10 0 0 1 20 0v12M12.500 26V14.500a3.500 3.500 0 0 1 7 0V26"/></svg>
      ${venue.name}</h1>
    <nav ref=${list} aria-label="Instruments">${[...venue.instruments.values()].map((i) => html`
      <button class=${i.symbol === venue.symbol ? 'chosen' : ''} onClick=${() => venue.select(i.symbol)}
        aria-pressed=${i.symbol === venue.symbol}>
        <b>${i.symbol}</b><span class="number">${show(i.last_price, priceDecimals(i))}</span>
      </button>`)}</nav>
    <${Status} venue=${venue} />
    ${venue.loggedIn ? html`<span class="who">Account ${venue.session.accounts.map((a) => a.account).join(', ')}
      <button class="quiet" onClick=${() => venue.logout()}>Log out</button></span>` : ''}
  </header>`;
}

// What a trader should know before he wonders why his order is refused.
function Banner({ venue, instrument }) {
  const texts = [];
  if (venue.connection === 'lost') texts.push('The connection is lost. Prices below are from before; it reconnects by itself.');
  else if (venue.state === 'cancel_only') texts.push('The venue takes cancels only.');
  else if (venue.state === 'unavailable' && venue.connection === 'open') texts.push('The venue’s core does not answer at the moment.');
  if (venue.missed) texts.push(`While the connection was lost you had ${venue.missed} fill${venue.missed > 1 ? 's' : ''}.`);
  for (const { text } of venue.notices) texts.push(text);
  if (instrument?.breaker_tripped) texts.push(`The circuit breaker of ${instrument.symbol} is tripped.`);
  if (instrument && ['closed', 'halted'].includes(instrument.phase)) texts.push(`${instrument.symbol} is ${instrument.phase}: cancels only.`);
  if (instrument && instrument.status !== 'secondary') texts.push(`${instrument.symbol} is ${instrument.status}.`);
  return texts.length ? html`<p class="banner" role="alert">${texts.join(' ')}</p>` : '';
}

function Tabs({ tabs }) {
  const [chosen, choose] = useState(0);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (chosen + step + tabs.length) % tabs.length;
    choose(next);
    event.currentTarget.children[next].focus();
  };
  return html`<section class="panel tabs">
    <div role="tablist" onKeyDown=${move}>${tabs.map(([name, count], i) => html`
      <button role="tab" aria-selected=${i === chosen} tabindex=${i === chosen ? 0 : -1} onClick=${() => choose(i)}>
        ${name}${count ? html`<sup>${count}</sup>` : ''}</button>`)}</div>
    <div role="tabpanel" class="scroll">${tabs[chosen][2]()}</div>
  </section>`;
}

const PLACES = ['Book', 'Trade', 'Chart', 'Mine'];

function App() {
  const [, redraw] = useReducer((n) => n + 1, 0);
  const venue = useRef(null);
  venue.current ??= new Venue(() => redraw());
  const v = venue.current;
  const [draft, setDraft] = useState({ price: '', stamp: 0 });
  const [place, setPlace] = useState('Trade'); // on a phone: which part is shown
  const instrument = v.instruments.get(v.symbol);
  useEffect(() => { document.title = instrument ? `${show(instrument.last_price, priceDecimals(instrument))} ${instrument.symbol} · ${v.name}` : v.name; });
  const pick = (price) => { setDraft({ price, stamp: Date.now() }); setPlace('Trade'); };
  const open = [...v.orders.values()].filter((o) => o.leaves !== '0');
  return html`
    <${Header} venue=${v} />
    <${Banner} venue=${v} instrument=${instrument} />
    <main data-place=${place}>
      <div class="area-book" data-part="Book"><${Ladder} venue=${v} instrument=${instrument} onPick=${pick} /></div>
      <div class="area-chart" data-part="Chart"><section class="panel chart"><div class="head"><h2>${v.symbol ?? ''}</h2>
        ${instrument ? html`<${Phase} instrument=${instrument} /><${Statistics} instrument=${instrument} statistics=${v.statistics} />` : ''}</div><${Chart} venue=${v} /></section></div>
      <div class="area-mine" data-part="Mine"><${Tabs} tabs=${[
        ['Orders', open.length, () => html`<${Orders} venue=${v} />`],
        ['Trades', v.ownTrades.size, () => html`<${OwnTrades} venue=${v} />`],
        ['Balances', 0, () => html`<${Balances} venue=${v} />`],
      ]} /></div>
      <div class="area-entry" data-part="Trade">${v.session
        ? html`<${Entry} venue=${v} instrument=${instrument} draft=${draft} />`
        : html`<${Login} venue=${v} />`}</div>
      <div class="area-tape" data-part="Book"><${Tape} venue=${v} instrument=${instrument} /></div>
    </main>
    <nav class="places" aria-label="Parts">${PLACES.map((name) => html`
      <button aria-pressed=${name === place} onClick=${() => setPlace(name)}>${name}</button>`)}</nav>
    <footer>Chart: <a href="https://www.tradingview.com/" rel="noopener">TradingView Lightweight Charts™</a></footer>`;
}

render(html`<${App} />`, document.getElementById('app'));
