// What is held, marked and open, by whom and why; and the buttons to begin and to end it.
import { html, useState } from './vendor/preact.mjs';
import { Act } from './act.js';
import { show } from './decimal.js';
import { Table } from './table.js';

const SCOPES = { token: 'Symbol', account: 'Number', trade: 'Number', venue: '' };
const OUTCOMES = [['settled_on_chain', 'settled by this transaction'], ['settled_off_chain', 'settled off the chain'], ['failed', 'failed']];
const OUTCOME = { settled_on_chain: 'settled on chain', settled_off_chain: 'settled off chain', failed: 'failed' };

const numbered = (scope, which) => (scope === 'venue' ? { venue: true } : { [scope]: scope === 'token' ? which : Number(which) });

export function Hold({ desk, scope, which, name }) {
  if (!desk.may('operator')) return '';
  return html`<${Act} word="Hold" says=${`Nothing of ${name} is settled from now on, until the hold is released. What is under way goes on.`}
    act=${({ reason }) => desk.act('settlement/holds', { ...numbered(scope, which), reason })} />`;
}

// Of anything: which is asked for.
function HoldAny({ desk }) {
  const [scope, setScope] = useState('token');
  const fields = html`<label>What<select name="scope" value=${scope} onChange=${(event) => setScope(event.currentTarget.value)}>${Object.keys(SCOPES).map((s) => html`<option value=${s}>${s}</option>`)}</select></label>
    ${SCOPES[scope] ? html`<label>${SCOPES[scope]}<input name="which" required maxlength="20" pattern=${scope === 'token' ? null : '[1-9][0-9]*'} autocomplete="off" /></label>` : ''}`;
  return html`<${Act} word="Hold…" says="Nothing of it is settled from now on, until the hold is released. What is under way goes on." fields=${fields}
    act=${({ scope: chosen, which, reason }) => desk.act('settlement/holds', { ...numbered(chosen, which), reason })} />`;
}

export function Mark({ desk, t }) {
  const [outcome, setOutcome] = useState('settled_on_chain');
  if (!desk.may('administrator')) return '';
  const fields = html`<label>It is<select name="outcome" value=${outcome} onChange=${(event) => setOutcome(event.currentTarget.value)}>
      ${OUTCOMES.filter(([o]) => o !== 'failed' || t.status === 'pending').map(([o, words]) => html`<option value=${o}>${words}</option>`)}</select></label>
    ${outcome === 'settled_on_chain' ? html`<label>Transaction<input name="tx_hash" required pattern="0x[0-9a-fA-F]{64}" placeholder="0x…" autocomplete="off" spellcheck=${false} /></label>` : ''}`;
  return html`<${Act} word="Mark" fields=${fields}
    says=${`Another person has to approve it. ${outcome === 'settled_on_chain' ? 'The chain is asked whether this transaction moves the trade.' : 'Nothing is moved on the chain by it.'}`}
    act=${(entered) => desk.act(`trades/${t.trade}/mark`, entered)} />`;
}

const what = (h) => (h.scope === 'venue' ? 'the venue' : `${h.scope} ${h.symbol ?? h.account ?? h.trade}`);

function Holds({ desk, holds }) {
  return html`<${Table} heads=${['Held', 'Why', 'By', '']} rows=${holds.map((h) => ({ key: h.hold, attributes: { 'data-hold': h.hold }, cells: [html`<b>${what(h)}</b>`, h.reason, h.held_by,
    desk.may('operator') ? html`<${Act} word="Release" says=${`${what(h)} is settled again.`} act=${({ reason }) => desk.act(`settlement/holds/${h.hold}/release`, { reason })} />` : ''] }))} />`;
}

function MarkActs({ desk, m }) {
  const approve = m.state === 'proposed' && desk.may('administrator');
  return html`${approve && m.proposed_by !== desk.name ? html`<${Act} word="Approve" reason=${false} says=${`Trade ${m.trade} is marked: ${OUTCOME[m.outcome]}, as ${m.proposed_by} says.`}
      act=${() => desk.act(`settlement/marks/${m.mark}/approve`)} />` : approve ? html`<span class="muted">another person approves</span>` : ''}
    ${desk.may('operator') ? html`<${Act} word="Withdraw" says="The mark ends, nothing is done." act=${({ reason }) => desk.act(`settlement/marks/${m.mark}/withdraw`, { reason })} />` : ''}`;
}

function Marks({ desk, marks }) {
  return html`<${Table} heads=${['Mark', 'Says', 'Why', 'State', '']} rows=${marks.map((m) => ({ key: m.mark, attributes: { 'data-mark': m.mark }, cells: [html`<b>trade ${m.trade}</b>`,
    html`${OUTCOME[m.outcome]} ${m.tx_hash ? html`<span class="hash" title=${m.tx_hash}>${m.tx_hash.slice(0, 10)}…</span>` : ''}`, m.reason,
    html`${m.state === 'proposed' ? `proposed by ${m.proposed_by}` : `proposed by ${m.proposed_by}, approved by ${m.approved_by}`}${m.problem ? html`<br /><b class="problem">${m.problem_text}</b>${m.todo ? html` <span class="todo">${m.todo}</span>` : ''}` : ''}`,
    html`<${MarkActs} desk=${desk} m=${m} />`] }))} />`;
}

// What is on its way and does not move.
export function Abandon({ desk, t }) {
  if (!desk.may('administrator')) return '';
  return html`<${Act} word="Give up" says="Another person has to approve it. An empty transaction then takes its place, and every trade of it is held; if it is mined before that, it counts."
    act=${({ reason }) => desk.act('settlement/abandonments', { trade: t.trade, reason })} />`;
}

function AbandonmentActs({ desk, b }) {
  if (b.state !== 'proposed') return '';
  return html`${desk.may('administrator') && b.proposed_by !== desk.name ? html`<${Act} word="Approve" reason=${false} says="Its nonce is given up, its trades are held. This cannot be taken back."
      act=${() => desk.act(`settlement/abandonments/${b.abandonment}/approve`)} />` : html`<span class="muted">another person approves</span>`}
    ${desk.may('operator') ? html`<${Act} word="Withdraw" says="It goes on as before." act=${({ reason }) => desk.act(`settlement/abandonments/${b.abandonment}/withdraw`, { reason })} />` : ''}`;
}

const GIVEN_UP = { proposed: (b) => `proposed by ${b.proposed_by}`, approved: (b) => `approved by ${b.approved_by}`, ending: () => 'its nonce is being given up' };

function Abandonments({ desk, abandonments }) {
  return html`<${Table} heads=${['Given up', 'Trades', 'Why', 'State', '']} rows=${abandonments.map((b) => ({ key: b.abandonment, attributes: { 'data-abandonment': b.abandonment }, cells: [html`<b>request ${b.request}</b> ${b.operation?.replaceAll('_', ' ') ?? ''} ${b.symbol ?? ''}`,
    b.trades.length > 3 ? `${b.trades.length} trades` : b.trades.join(', '), b.reason, GIVEN_UP[b.state](b), html`<${AbandonmentActs} desk=${desk} b=${b} />`] }))} />`;
}

function IncidentActs({ desk, i }) {
  if (i.state === 'open') return desk.may('administrator') ? html`<${Act} word="Close" says="Another person has to approve it; then the token is settled again." act=${({ reason }) => desk.act(`settlement/incidents/${i.incident}/close`, { reason })} />` : '';
  return html`${desk.may('administrator') && i.close_proposed_by !== desk.name ? html`<${Act} word="Approve" reason=${false} says=${`The incident is closed, ${i.symbol ?? 'its token'} is settled again.`}
      act=${() => desk.act(`settlement/incidents/${i.incident}/approve`)} />` : html`<span class="muted">another person approves</span>`}
    ${desk.may('operator') ? html`<${Act} word="Withdraw" reason=${false} says="It stays open." act=${() => desk.act(`settlement/incidents/${i.incident}/withdraw`)} />` : ''}`;
}

function Incidents({ desk, incidents }) {
  return html`<${Table} heads=${['Incident', 'What', 'State', '']} rows=${incidents.map((i) => ({ key: i.incident, attributes: { 'data-incident': i.incident }, cells: [html`<b>${i.symbol ?? ''}</b> ${i.trade ? `trade ${i.trade}` : ''}`,
    html`<b class="problem">${i.kind_text}</b> <span class="todo">${i.todo}</span>`, i.state === 'closing' ? `to be closed, says ${i.close_proposed_by}: ${i.close_reason}` : 'open', html`<${IncidentActs} desk=${desk} i=${i} />`] }))} />`;
}

// How many tokens there may be, as the custodian says: one person records it, another verifies it.
const covers = (p) => (p.waiver ? 'none is needed' : `${show(p.quantity)} tokens`);
const until = (p) => (p.expires_at ? ` until ${p.expires_at.slice(0, 16).replace('T', ' ')}` : '');

function RecordProof({ desk }) {
  const fields = html`<label>Token<input name="token" required maxlength="20" autocomplete="off" /></label>
    <label>Tokens<input name="quantity" required pattern="[0-9]+([.][0-9]+)?" autocomplete="off" /></label>
    <label>Custodian's number<input name="custodian_reference" required maxlength="200" autocomplete="off" /></label>
    <label>Document's hash<input name="proof_hash" required pattern="0x[0-9a-fA-F]{64}" placeholder="0x…" autocomplete="off" spellcheck=${false} /></label>
    <label>Expires<input name="expires_at" type="date" /></label>`;
  return html`<${Act} word="Custody proof…" reason=${false} fields=${fields} says="Another person has to verify it. Then there may be so many tokens all in all, and it takes the place of the proof before."
    act=${({ expires_at: day, ...entered }) => desk.act('settlement/proofs', { ...entered, ...(day && { expires_at: day }) })} />`;
}

function ProofActs({ desk, p }) {
  return html`${p.open && desk.may('administrator') ? (p.recorded_by !== desk.name ? html`<${Act} word="Verify" reason=${false} says=${`${p.symbol}: ${covers(p)}${until(p)}, as ${p.recorded_by} has recorded. Mints that wait for it go on.`}
      act=${() => desk.act(`settlement/proofs/${p.proof}/verify`)} />` : html`<span class="muted">another person verifies</span>`) : ''}
    ${desk.may('operator') ? html`<${Act} word="Revoke" says=${p.open ? 'It ends, nothing has changed.' : `Nothing of ${p.symbol} is minted until another proof is verified.`} act=${({ reason }) => desk.act(`settlement/proofs/${p.proof}/revoke`, { reason })} />` : ''}`;
}

function Proofs({ desk, proofs }) {
  return html`<${Table} heads=${['Custody proof', 'Covers', 'Document', 'State', '']} rows=${proofs.map((p) => ({ key: p.proof, attributes: { 'data-proof': p.proof }, cells: [html`<b>${p.symbol}</b> ${p.custodian_reference}`,
    html`${covers(p)}${until(p)}`, p.proof_hash ? html`<span class="hash" title=${p.proof_hash}>${p.proof_hash.slice(0, 10)}…</span>` : p.reason,
    p.open ? `recorded by ${p.recorded_by}` : html`${p.state === 'valid' ? 'valid' : html`<b class="problem">${p.state}</b>`}, verified by ${p.verified_by}`, html`<${ProofActs} desk=${desk} p=${p} />`] }))} />`;
}

export function Hands({ desk }) {
  const open = Object.fromEntries(Object.entries(desk.hands).map(([list, rows]) => [list, rows.filter((row) => row.open || row.state === 'valid')]));
  const none = Object.values(open).every((rows) => rows.length === 0);
  return html`<section class="panel hands"><h2>By hand</h2>${desk.may('operator') ? html`<div class="begin"><${HoldAny} desk=${desk} />${desk.may('administrator') ? html`<${RecordProof} desk=${desk} />` : ''}</div>` : ''}
    ${none ? html`<p class="empty">Nothing is held, marked, given up or halted.</p>` : ''}
    ${open.incidents.length ? html`<${Incidents} desk=${desk} incidents=${open.incidents} />` : ''}${open.holds.length ? html`<${Holds} desk=${desk} holds=${open.holds} />` : ''}
    ${open.marks.length ? html`<${Marks} desk=${desk} marks=${open.marks} />` : ''}
    ${open.abandonments.length ? html`<${Abandonments} desk=${desk} abandonments=${open.abandonments} />` : ''}
    ${open.proofs.length ? html`<${Proofs} desk=${desk} proofs=${open.proofs} />` : ''}</section>`;
}
