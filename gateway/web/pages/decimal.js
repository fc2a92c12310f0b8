// Exact decimals: a string from the venue becomes a BigInt at a scale and back. No price or quantity of an
// order is ever a floating-point number here; the chart alone draws with them.

export function parse(text, scale) {
  const match = /^(-?)(\d*)\.?(\d*)$/.exec(String(text).trim());
  if (!match || (match[2] === '' && match[3] === '')) return null;
  const fraction = match[3].replace(/0+$/, '');
  if (fraction.length > scale) return null;
  const value = BigInt(match[2] + fraction.padEnd(scale, '0') || '0');
  return match[1] ? -value : value;
}

export function print(value, scale, decimalsMin = 0) {
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '').padEnd(decimalsMin, '0');
  return sign + whole + (fraction ? '.' + fraction : '');
}

// For people: thousands apart, at least so many decimals. Display only.
export function show(text, decimalsMin = 0) {
  if (text === null || text === undefined || text === '') return '–';
  const [whole, fraction = ''] = String(text).split('.');
  const padded = fraction.padEnd(decimalsMin, '0');
  return whole.replace(/\B(?=(\d{3})+$)/g, '\u2009') + (padded ? '.' + padded : '');
}

// Two decimals, the rest cut off: never more than there is. The exact text belongs in a title.
export const short = (text) => String(text).replace(/(\.\d{2})\d+$/, '$1');

export const decimalsOf = (text) => (String(text).split('.')[1] || '').length;
// Of an instrument's prices: as many as its finest tick has.
export const priceDecimals = (instrument) => (instrument ? Math.max(decimalsOf(instrument.tick), ...(instrument.tick_table ?? []).map(([, tick]) => decimalsOf(tick))) : 2);

export function compare(a, b) {
  const scale = Math.max(decimalsOf(a), decimalsOf(b));
  const x = parse(a, scale), y = parse(b, scale);
  return x < y ? -1 : x > y ? 1 : 0;
}
