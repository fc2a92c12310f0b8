BEGIN;
SELECT sequence, event_index, created_at, instrument_id, phase, price, quantity, surplus, surplus_side FROM record.auction WHERE false;
SELECT instrument_id, volatility_bps, order_quantity_min, order_notional_min, volatility_auction_ms, indicative_ms, sequence
    FROM record.instrument_rules WHERE false;
SELECT flags, stp, self_match_id, waits_for, stop_price, trail_offset, display, minimum, expire_ns, trigger_price, triggered_at
    FROM record.orders WHERE false;
SELECT kind FROM record.trade WHERE false;
SELECT phase_end_ns, schedule_next_ns, opened_ns, closed_ns FROM record.instrument_state WHERE false;
SELECT waits_for, stop_price, trail_offset, display, minimum, expire_ns, trigger_price, triggered_at, stp, self_match_id
FROM record.orders WHERE false;
SELECT event, price, quantity, priority_kept FROM record.order_event WHERE false;
SELECT kind FROM public.trades WHERE false;
SELECT stop_price, display_quantity, expires_at, self_trade_prevention, expired FROM public.orders WHERE false;
SELECT instrument_id, phase, price, quantity, surplus_side FROM public.auctions WHERE false;
SELECT open, high, low, close, volume, turnover, vwap, trades FROM public.instrument_statistics WHERE false;
SELECT member_scope FROM people.session WHERE false;
SELECT instrument_id, band, from_price, tick, sequence FROM record.tick_band WHERE false;
SELECT instrument_id, entry, phase, weekdays, time_of_day_ms, sequence FROM record.schedule_entry WHERE false;
ROLLBACK;
