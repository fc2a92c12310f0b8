// The settlement desk: trades on their way to finality, the lanes of their tokens, keys and nodes; drawn anew at each answer.
import { html, render, useReducer, useRef, useState } from './vendor/preact.mjs';
import { Desk } from './api.js';
import { age, laneWords, way } from './words.js';
import { parse, print, show } from './decimal.js';

const STATUSES = [['', 'All'], ['open', 'On their way'], ['pending', 'Pending'], ['processing', 'Processing'], ['settled', 'Settled'], ['failed', 'Failed']];
const WEI = 18;
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });
const ether = (wei) => show(print(parse(wei, 0), WEI).replace(/(\.\d{6})\d+$/, '$1'));
const shortHash = (hash) => `${hash.slice(0, 10)}…${hash.slice(-6)}`;

function Refusal({ error }) {
  return error ? html`<p class="reject" role="alert"><b>${error.text}</b><span>${error.hint}</span></p>` : '';
}

function Login({ desk }) {
  const [error, setError] = useState(null);
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setError(null);
    desk.login(form.get('user'), form.get('password')).catch(setError);
  };
  return html`<section class="panel entry alone"><h2>Settlement desk</h2>
    <form onSubmit=${submit}>
      <label>Operator<input name="user" autocomplete="username" autofocus required maxlength="64" spellcheck=${false} autocapitalize="none" /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required maxlength="128" /></label>
      <button class="submit neutral">Log in</button><${Refusal} error=${error} />
    </form></section>`;
}

function Header({ desk }) {
  const halted = desk.status?.tokens.filter((t) => t.state !== 'running') ?? [];
  const good = !desk.error && halted.length === 0;
  return html`<header><h1><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M6 26V14a10 10 0 0 1 20 0v12M12.500 26V14.500a3.500 3.500 0 0 1 7 0V26"/></svg>SETTLEMENT</h1>
    <span class="status ${desk.error ? 'bad' : good ? 'good' : 'warn'}" role="status"><i></i>${desk.error ? 'no answer' : good ? 'all lanes run' : `${halted.map((t) => t.symbol).join(', ')}: not running`}</span>
    <span class="who">${desk.role} <button class="quiet" onClick=${() => desk.logout()}>Log out</button></span></header>
    ${desk.error ? html`<p class="banner" role="alert">${desk.error.text}. ${desk.seen ? `What is shown is of ${clock.format(desk.seen)}.` : ''}</p>` : ''}`;
}

function Figures({ status }) {
  const { trades, gas } = status;
  const open = Object.values(status.attempts_open).reduce((sum, n) => sum + n, 0);
  const figures = [['pending', trades.pending], ['processing', trades.processing], ['settled', trades.settled], ['failed', trades.failed, trades.failed > 0],
    ['oldest pending', age(status.oldest_pending_s)], ['oldest processing', age(status.oldest_processing_s)],
    ['transactions signed', status.attempts_signed], ['… not final', open], ['gas spent, ether', ether(gas.fee_wei)], ['… last day', ether(gas.fee_wei_last_day)],
    ['retries waiting', status.retries_waiting], ['results not booked', status.results_waiting]];
  return html`<section class="panel"><h2>Now</h2><div class="figures">${figures.map(([name, value, alarm]) => html`
    <div key=${name} class=${alarm ? 'alarm' : ''}><b>${value}</b>${name}</div>`)}</div></section>`;
}

function Lanes({ tokens }) {
  return html`<section class="panel lanes-panel"><h2>Lanes</h2><table><thead><tr><th>Token</th><th>State</th><th>Why</th><th class="number">Pending</th>
    <th class="number">Processing</th><th class="number">Failed</th><th class="number">Oldest</th></tr></thead><tbody>${tokens.map((t) => html`
    <tr key=${t.token} data-lane=${t.symbol}><td><b>${t.symbol}</b></td><td><span class="badge ${t.state}">${t.state}</span></td><td>${laneWords(t.reason)}</td>
      <td class="number">${t.pending}</td><td class="number">${t.processing}</td><td class="number">${t.failed}</td><td class="number">${age(t.oldest_s)}</td></tr>`)}</tbody></table></section>`;
}

function Chain({ status }) {
  return html`<section class="panel"><h2>Keys and nodes</h2><table><thead><tr><th>Key or node</th><th>State</th><th></th></tr></thead><tbody>
    ${status.signers.map((s) => html`<tr key=${s.signer}><td title=${s.signer}>key ${shortHash(s.signer)}</td><td>next nonce ${s.next_nonce}</td>
      <td>${s.open_nonces} not mined${s.open_nonces ? `, oldest ${age(s.oldest_open_s)}` : ''}</td></tr>`)}
    ${status.workers.map((w) => html`<tr key=${w.chain_id}><td>chain ${w.chain_id}</td><td>${w.silent ? 'worker silent' : w.trouble ? laneWords(w.trouble) : `block ${w.head_block}`}</td>
      <td>final after ${w.confirmations} block${w.confirmations === 1 ? '' : 's'}${w.final_block === null ? '' : `, finalized: ${w.final_block}`}</td></tr>
      ${w.endpoints.map((e) => html`<tr key=${e.name}><td>${e.name}</td><td><span class="badge ${e.state}">${e.state}</span></td><td>${e.latency_ms} ms, ${e.failures} failures in ${e.calls} calls</td></tr>`)}`)}
    </tbody></table></section>`;
}

// A reason is needed for everything that is done by hand.
function Ask({ word, act }) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const reason = new FormData(event.currentTarget).get('reason');
    await act(reason).then(() => { setOpen(false); setError(null); }, setError);
  };
  if (!open) return html`<button class="quiet" onClick=${() => setOpen(true)}>${word}</button>`;
  return html`<form class="reason" onSubmit=${submit}><input name="reason" placeholder="reason" required maxlength="200" autofocus /><button class="quiet">${word}</button>
    <button type="button" class="quiet" onClick=${() => setOpen(false)}>Leave</button></form><${Refusal} error=${error} />`;
}

function Row({ desk, t }) {
  const may = desk.role !== 'auditor';
  return html`<tr data-trade=${t.trade}><td>${clock.format(new Date(t.created_at))}</td><td>${t.trade}</td><td><b>${t.symbol}</b></td><td class="number">${show(t.quantity)}</td>
    <td>${t.seller} → ${t.buyer}</td><td><div class="steps">${way(t).map(([word, kind]) => html`<span class=${kind}>${word}</span>`)}</div></td>
    <td>${t.tx_hash ? html`<span class="hash" title=${t.tx_hash}>${shortHash(t.tx_hash)}</span>` : ''}</td><td class="why" title=${t.reason ?? ''}>${t.reason_text ?? ''}</td>
    <td class="number">${t.total_attempts}</td>
    <td>${t.step === 'failed' && may ? html`<${Ask} word="Retry" act=${(reason) => desk.act(`trades/${t.trade}/retry-settlement`, { reason })} />` : ''}</td></tr>`;
}

function Trades({ desk }) {
  const { filter } = desk;
  return html`<section class="panel trades"><h2>Trades on their way to finality</h2>
    <div class="filters">${STATUSES.map(([status, name]) => html`<button class="quiet" aria-pressed=${filter.status === status} onClick=${() => desk.choose({ status })}>${name}</button>`)}
      <select aria-label="Token" value=${filter.token} onChange=${(event) => desk.choose({ token: event.currentTarget.value })}><option value="">every token</option>
        ${desk.status.tokens.map((t) => html`<option value=${String(t.token)}>${t.symbol}</option>`)}</select>
      <input aria-label="Account" placeholder="account" inputmode="numeric" maxlength="9" value=${filter.account}
        onInput=${(event) => desk.choose({ account: event.currentTarget.value.replace(/\D/g, '').replace(/^0+/, '') })} /></div>
    <div class="scroll">${desk.trades.length === 0 ? html`<p class="empty">No such trades.</p>` : html`<table><thead><tr><th>Matched</th><th>Trade</th><th>Token</th><th class="number">Quantity</th>
      <th>Seller → buyer</th><th>Way</th><th>Transaction</th><th>Reason</th><th class="number">Attempts</th><th></th></tr></thead>
      <tbody>${desk.trades.map((t) => html`<${Row} key=${t.trade} desk=${desk} t=${t} />`)}</tbody></table>`}</div></section>`;
}

function App() {
  const [, redraw] = useReducer((n) => n + 1, 0);
  const kept = useRef(null);
  kept.current ??= new Desk(() => redraw());
  const desk = kept.current;
  if (!desk.token) return html`<${Login} desk=${desk} />`;
  if (!desk.status) return html`<${Header} desk=${desk} /><p class="empty">Asking…</p>`;
  return html`<${Header} desk=${desk} /><div class="desk"><${Figures} status=${desk.status} />
    <div class="lanes"><${Lanes} tokens=${desk.status.tokens} /><${Chain} status=${desk.status} /></div>
    <${Trades} desk=${desk} /></div>`;
}

render(html`<${App} />`, document.getElementById('app'));
