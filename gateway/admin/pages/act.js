// What an operator does: a button that asks for what is needed and says what will happen, before anything is sent.
import { html, useState } from './vendor/preact.mjs';

const REASON_MAX = 500; // as the administration's (gateway/admin/hands.c)

export function Refusal({ error }) {
  return error ? html`<p class="reject" role="alert"><b>${error.text}</b><span>${error.hint}</span></p>` : '';
}

// `says`: what will happen. `fields`: more inputs. `reason`: whether one is needed. `act` gets what was entered.
export function Act({ word, says, fields, reason = true, act }) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState(null);
  const [sent, setSent] = useState(false);
  const leave = () => { setOpen(false); setError(null); };
  const submit = async (event) => {
    event.preventDefault();
    const entered = Object.fromEntries(new FormData(event.currentTarget));
    setSent(true);
    await act(entered).then(leave, setError).finally(() => setSent(false));
  };
  if (!open) return html`<button class="quiet" onClick=${() => setOpen(true)}>${word}</button>`;
  return html`<form class="act" onSubmit=${submit} onKeyDown=${(event) => { if (event.key === 'Escape') leave(); }}><p>${says}</p>${fields ?? ''}
    ${reason ? html`<label>Reason<input name="reason" required maxlength=${REASON_MAX} pattern=".*\\S.*" autofocus autocomplete="off" /></label>` : ''}
    <div><button class="sure" disabled=${sent}>Yes: ${word.toLowerCase().replace('…', '')}</button><button type="button" class="quiet" onClick=${leave}>Leave</button></div>
    <${Refusal} error=${error} /></form>`;
}
