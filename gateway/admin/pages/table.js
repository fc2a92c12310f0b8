// A table that is a list of cards where the screen is narrow (desk.css): each cell knows its head.
import { html } from './vendor/preact.mjs';

// heads: words; those in `numbers` are right-aligned. rows: [{ key, attributes, cells, below }], below: a row of its own.
export function Table({ heads, numbers = [], rows }) {
  const kind = (i) => (numbers.includes(i) ? 'number' : '');
  return html`<div class="scroll"><table><thead><tr>${heads.map((head, i) => html`<th class=${kind(i)}>${head}</th>`)}</tr></thead><tbody>
    ${rows.flatMap(({ key, attributes, cells, below }) => [html`<tr key=${key} ...${attributes}>${cells.map((cell, i) => html`<td class=${kind(i)} data-head=${heads[i]}>${cell}</td>`)}</tr>`,
      below ? html`<tr key=${`${key} below`} class="below"><td colspan=${heads.length}>${below}</td></tr>` : null])}</tbody></table></div>`;
}
