// A small price chart of the trades that are known, one point per second.
import { html, useEffect, useRef } from './vendor/preact.mjs';
import { createChart, AreaSeries, ColorType } from './vendor/charts.mjs';

const OPTIONS = {
  autoSize: true,
  layout: { background: { type: ColorType.Solid, color: 'transparent' }, textColor: '#8491a5', fontSize: 11, attributionLogo: false },
  grid: { vertLines: { visible: false }, horzLines: { color: '#1a212c' } },
  rightPriceScale: { borderVisible: false },
  timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true },
  crosshair: { horzLine: { color: '#5b6779', labelBackgroundColor: '#2a3442' }, vertLine: { color: '#5b6779', labelBackgroundColor: '#2a3442' } },
};
const SERIES = { lineColor: '#d9ac55', topColor: 'rgba(217,172,85,.22)', bottomColor: 'rgba(217,172,85,0)', lineWidth: 2, priceLineColor: '#8a6d35' };

function points(history) {
  const bySecond = new Map();
  for (const trade of history) bySecond.set(Number(BigInt(trade.time) / 1000000000n), Number(trade.price));
  return [...bySecond].sort((a, b) => a[0] - b[0]).map(([time, value]) => ({ time, value }));
}

// All of it is shown when an instrument's first trades arrive and when the place changes its size; in between
// the view is the trader's to move.
export function Chart({ venue }) {
  const place = useRef(null), chart = useRef(null), series = useRef(null), drawn = useRef({});
  useEffect(() => {
    chart.current = createChart(place.current, OPTIONS);
    series.current = chart.current.addSeries(AreaSeries, SERIES);
    const fit = new ResizeObserver(() => requestAnimationFrame(() => chart.current?.timeScale().fitContent()));
    fit.observe(place.current);
    return () => {
      fit.disconnect();
      chart.current.remove();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    const { history, symbol } = venue, before = drawn.current;
    if (before.history === history) return;
    drawn.current = { history, symbol, count: history.length };
    series.current.setData(points(history));
    if (before.symbol !== symbol || before.count < 50) chart.current.timeScale().fitContent();
  });
  return html`<div class="canvas" ref=${place}>${venue.history.length ? '' : html`<p class="empty">no trades yet</p>`}</div>`;
}
