// The settlement desk: trades on their way to finality, the lanes of their tokens, keys and nodes, what people do by hand;
// drawn anew at each answer.
import { html, render, useReducer, useRef, useState } from './vendor/preact.mjs';
import { Act, Refusal } from './act.js';
import { Desk } from './api.js';
import { Abandon, Hands, Hold, Mark } from './hands.js';
import { Table } from './table.js';
import { age, way } from './words.js';
import { parse, print, show } from './decimal.js';

const STATUSES = [['', 'All'], ['open', 'On their way'], ['pending', 'Pending'], ['processing', 'Processing'], ['settled', 'Settled'], ['failed', 'Failed']];
const WEI = 18;
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
const ether = (wei) => show(print(parse(wei, 0), WEI).replace(/(\.\d{6})\d+$/, '$1'));
const shortHash = (hash) => `${hash.slice(0, 10)}…${hash.slice(-6)}`;

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
    <span class="who">${desk.name}, ${desk.role} <button class="quiet" onClick=${() => desk.logout()}>Log out</button></span></header>
    ${desk.error ? html`<p class="banner" role="alert">${desk.error.text}. ${desk.seen ? `What is shown is of ${clock.format(desk.seen)}.` : ''}</p>` : ''}`;
}

function Figures({ status }) {
  const { trades, gas } = status;
  const open = Object.values(status.attempts_open).reduce((sum, n) => sum + n, 0);
  const figures = [['pending', trades.pending], ['processing', trades.processing], ['settled', trades.settled], ['failed', trades.failed, trades.failed > 0],
    ['oldest pending', age(status.oldest_pending_s)], ['oldest processing', age(status.oldest_processing_s)],
    ['transactions signed', status.attempts_signed], ['not final yet', open], ['ether, all in all', ether(gas.fee_wei)], ['ether, last day', ether(gas.fee_wei_last_day)],
    ['held', status.holds], ['marks open', status.marks_open], ['incidents', status.incidents_open, status.incidents_open > 0], ['retries waiting', status.retries_waiting], ['results not booked', status.results_waiting]];
  return html`<section class="panel"><h2>Now</h2><div class="figures">${figures.map(([name, value, alarm]) => html`
    <div key=${name} class=${alarm ? 'alarm' : ''}><b>${value}</b>${name}</div>`)}</div></section>`;
}

const why = (text, todo) => html`${text ?? ''}${todo ? html` <span class="todo">${todo}</span>` : ''}`;

function Lanes({ desk }) {
  const { tokens } = desk.status;
  return html`<section class="panel lanes-panel"><h2>Lanes</h2><${Table} heads=${['Token', 'State', 'Why', 'Pending', 'Processing', 'Failed', 'Oldest', '']} numbers=${[3, 4, 5, 6]}
    rows=${tokens.map((t) => ({ key: t.token, attributes: { 'data-lane': t.symbol }, cells: [html`<b>${t.symbol}</b>`, html`<span class="badge ${t.state}">${t.state}</span>`, why(t.reason_text, t.todo),
      t.pending, t.processing, t.failed, age(t.oldest_s), t.state === 'held' ? '' : html`<${Hold} desk=${desk} scope="token" which=${t.symbol} name=${t.symbol} />`] }))} /></section>`;
}

function Chain({ status }) {
  const keys = status.signers.map((s) => ({ key: s.signer, cells: [html`<span title=${s.signer}>key ${shortHash(s.signer)}</span>`, `next nonce ${s.next_nonce}`,
    `${s.open_nonces} not mined${s.open_nonces ? `, oldest ${age(s.oldest_open_s)}` : ''}`] }));
  const nodes = status.workers.flatMap((w) => [{ key: w.chain_id, cells: [`chain ${w.chain_id}`, w.silent ? 'worker silent' : w.trouble ? html`<b class="problem">${w.trouble_text}</b>` : `block ${w.head_block}`,
    w.trouble && !w.silent ? why('', w.todo) : `final after ${w.confirmations} block${w.confirmations === 1 ? '' : 's'}${w.final_block === null ? '' : `, finalized: ${w.final_block}`}`] },
  ...w.endpoints.map((e) => ({ key: e.name, cells: [e.name, html`<span class="badge ${e.state}">${e.state}</span>`, `${e.latency_ms} ms, ${e.transport + e.garbage} failures in ${e.calls} calls`] }))]);
  return html`<section class="panel"><h2>Keys and nodes</h2><${Table} heads=${['Key or node', 'State', '']} rows=${[...keys, ...nodes]} /></section>`;
}

// All that is known of the trade that is looked at: its transactions with their gas, what the chain said before, its history.
const said = (answer) => (answer === null ? '–' : answer ? 'yes' : 'no');

function Details({ one }) {
  if (!one) return html`<p class="muted">Asking…</p>`;
  const at = (time) => (time ? clock.format(new Date(time)) : '');
  return html`<div class="details">${one.attempts.length ? html`<${Table} heads=${['Transaction', 'State', 'Nonce', 'Gas used', 'of limit', 'Fee, ether', 'Trades in it', 'Signed', 'Mined', '']} numbers=${[2, 3, 4, 5, 6]}
      rows=${one.attempts.map((a) => ({ key: `${a.request} ${a.attempt}`, attributes: { 'data-attempt': a.attempt }, cells: [a.tx_hash ? html`<span class="hash">${a.tx_hash}</span>` : 'not signed', a.state, a.nonce,
        a.gas_used ?? '–', a.gas_limit, a.fee_wei ? ether(a.fee_wei) : '–', a.legs, at(a.signed_at), at(a.mined_at), a.reason ?? ''] }))} />` : html`<p class="muted">No transaction yet.</p>`}
    ${one.evidence.length ? html`<${Table} heads=${['Asked', 'Of block', 'Paused', 'Frozen', 'Registered', 'Compliance', 'Seller has', 'of it frozen', 'Verdict']} numbers=${[1, 6, 7]}
      rows=${one.evidence.map((c) => ({ key: `${c.request} ${c.leg} ${c.stage} ${c.at}`, attributes: { 'data-evidence': c.request }, cells: [c.stage.replaceAll('_', ' '), html`<span title=${c.block_hash}>${c.block}</span>`, said(c.paused),
        `${said(c.from_frozen)} → ${said(c.to_frozen)}`, `${said(c.from_verified)} → ${said(c.to_verified)}`, said(c.can_transfer), c.balance ?? '–', c.frozen_tokens ?? '–', c.code_text ?? c.code ?? c.verdict] }))} />` : ''}
    <${Table} heads=${['When', 'Became', 'Why']} rows=${one.history.map((h) => ({ key: h.history_id, cells: [at(h.at), h.to_status, h.reason_text ?? ''] }))} />
    ${one.marks.length ? html`<${Table} heads=${['Mark', 'State', 'Why', 'Answer']} rows=${one.marks.map((m) => ({ key: m.mark, cells: [m.outcome.replaceAll('_', ' '), `${m.state}, proposed by ${m.proposed_by}`, m.reason, m.answer ?? m.withdraw_reason ?? m.problem_text ?? ''] }))} />` : ''}</div>`;
}

function Acts({ desk, t }) {
  const rests = ['pending', 'failed'].includes(t.step);
  return html`<div class="acts">${t.step === 'failed' && desk.may('operator') ? html`<${Act} word="Retry" says="It is pending again, with new attempts." act=${({ reason }) => desk.act(`trades/${t.trade}/retry-settlement`, { reason })} />` : ''}
    ${rests ? html`<${Hold} desk=${desk} scope="trade" which=${t.trade} name=${`trade ${t.trade}`} /><${Mark} desk=${desk} t=${t} />` : ''}
    ${['signed', 'sent', 'mined'].includes(t.step) ? html`<${Abandon} desk=${desk} t=${t} />` : ''}</div>`;
}

const TRADE = ['Matched', 'Trade', 'Token', 'Quantity', 'Seller → buyer', 'Way', 'Transaction', 'Reason', 'Attempts', ''];
const row = (desk) => (t) => ({
  key: t.trade, attributes: { 'data-trade': t.trade }, below: desk.opened === t.trade ? html`<${Details} one=${desk.one?.trade.trade === t.trade ? desk.one : null} />` : null,
  cells: [clock.format(new Date(t.created_at)), html`<button class="link" aria-expanded=${desk.opened === t.trade} onClick=${() => desk.open(t.trade)}>${t.trade}</button>`, html`<b>${t.symbol}</b>`, show(t.quantity),
    `${t.seller} → ${t.buyer}`, html`<div class="steps">${way(t).map(([word, kind]) => html`<span class=${kind}>${word}</span>`)}</div>`,
    t.tx_hash ? html`<span class="hash" title=${t.tx_hash}>${shortHash(t.tx_hash)}</span>` : '', html`<span class="why" title=${t.reason ?? ''}>${t.status === 'settled' ? why(t.reason_text) : why(t.reason_text ?? t.waits_text, t.todo ?? t.waits_todo)}</span>`, t.total_attempts,
    html`<${Acts} desk=${desk} t=${t} />`],
});

function Trades({ desk }) {
  const { filter } = desk;
  return html`<section class="panel trades"><h2>Trades on their way to finality</h2>
    <div class="filters">${STATUSES.map(([status, name]) => html`<button class="quiet" aria-pressed=${filter.status === status} onClick=${() => desk.choose({ status })}>${name}</button>`)}
      <select aria-label="Token" value=${filter.token} onChange=${(event) => desk.choose({ token: event.currentTarget.value })}><option value="">every token</option>
        ${desk.status.tokens.map((t) => html`<option value=${String(t.token)}>${t.symbol}</option>`)}</select>
      <input aria-label="Account" placeholder="account" inputmode="numeric" maxlength="9" value=${filter.account}
        onInput=${(event) => desk.choose({ account: event.currentTarget.value.replace(/\D/g, '').replace(/^0+/, '') })} /></div>
    ${desk.trades.length === 0 ? html`<p class="empty">${filter.status === 'open' && !filter.token && !filter.account ? 'Nothing is on its way.' : 'No such trades.'}</p>` : html`<${Table} heads=${TRADE} numbers=${[3, 8]} rows=${desk.trades.map(row(desk))} />`}</section>`;
}

function App() {
  const [, redraw] = useReducer((n) => n + 1, 0);
  const kept = useRef(null);
  kept.current ??= new Desk(() => redraw());
  const desk = kept.current;
  if (!desk.token) return html`<${Login} desk=${desk} />`;
  if (!desk.status) return html`<${Header} desk=${desk} /><p class="empty">Asking…</p>`;
  return html`<${Header} desk=${desk} /><div class="desk"><${Figures} status=${desk.status} />
    <${Hands} desk=${desk} />
    <div class="lanes"><${Lanes} desk=${desk} /><${Chain} status=${desk.status} /></div>
    <${Trades} desk=${desk} /></div>`;
}

render(html`<${App} />`, document.getElementById('app'));
