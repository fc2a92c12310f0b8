import { html, useState } from './vendor/preact.mjs';

export function Login({ venue }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    await venue.login(form.get('user'), form.get('password')).catch(setError);
    setBusy(false);
  };
  return html`<section class="panel entry"><h2>Log in to trade</h2>
    <form onSubmit=${submit}>
      <label>User<input name="user" autocomplete="username" autofocus required maxlength="64" spellcheck=${false} autocapitalize="none" /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required maxlength="128" /></label>
      <button class="submit neutral" disabled=${busy}>${busy ? 'Checking…' : 'Log in'}</button>
      ${error ? html`<p class="reject" role="alert"><b>${error.text}</b><span>${error.hint}</span></p>` : ''}
    </form></section>`;
}
