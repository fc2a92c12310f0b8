// How far a trade is, in words. Why, and what to do about it, every answer brings along (reason_text, todo).

const PLACE = { pending: 0, claimed: 1, prepared: 1, signed: 1, sent: 2, mined: 3, settled: 4, failed: 4, busted: 4 };
const IN_STEP = { claimed: 'processing', prepared: 'processing: nonce reserved', signed: 'processing: signed' };

// The way of a trade as [word, class]: what is behind it, where it is, what is to come.
export function way(trade) {
  if (trade.status === 'settled' && trade.type === 'off_chain') return [['pending', 'past'], ['settled off chain', 'settled']];
  if (trade.status === 'settled' && trade.type === 'netted' && !trade.tx_hash) return [['pending', 'past'], ['processing', 'past'], ['settled in a net of zero', 'settled']];
  const at = PLACE[trade.step];
  const ended = at === 4;
  const words = ['pending', IN_STEP[trade.step] ?? 'processing', 'sent', trade.step === 'mined'
    ? `mined ${trade.confirmations ?? '?'}/${trade.confirmations_needed ?? '?'}` : 'mined', trade.step === 'busted' ? 'busted' : trade.step === 'failed' ? 'failed' : 'settled'];
  if (trade.status === 'failed' && !trade.tx_hash) return [['pending', 'past'], [words[4], 'failed']];
  return words.map((word, i) => [word, i < at ? 'past' : i > at ? '' : ended ? trade.status : 'now']);
}

// Seconds for people.
export function age(s) {
  if (s === null || s === undefined) return '–';
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}
