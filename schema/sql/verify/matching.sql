BEGIN;
SELECT waits_for, stop_price, trail_offset, display, minimum, expire_ns, trigger_price, triggered_at, stp, self_match_id
FROM record.orders WHERE false;
SELECT event, price, quantity, priority_kept FROM record.order_event WHERE false;
SELECT kind FROM public.trades WHERE false;
SELECT stop_price, display_quantity, expires_at, self_trade_prevention, expired FROM public.orders WHERE false;
SELECT instrument_id, phase, price, quantity, surplus_side FROM public.auctions WHERE false;
SELECT open, high, low, close, volume, turnover, vwap, trades FROM public.instrument_statistics WHERE false;
SELECT member_scope FROM people.session WHERE false;
SELECT band, from_price, tick FROM record.tick_band WHERE false;
SELECT entry, phase, weekdays, time_of_day_ms FROM record.schedule_entry WHERE false;
ROLLBACK;
