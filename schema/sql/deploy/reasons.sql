-- Why an order's status changed, in the words of the gateways (enum cancel_reason of schema/records.h).
BEGIN;

CREATE FUNCTION public.reason_word(reason smallint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['by_owner', 'ioc', 'disconnect', 'by_venue', 'suspended', 'mass_cancel', 'limit', 'breaker', 'fok',
        'minimum_quantity', 'self_trade', 'expired', 'auction', 'amended', 'volatility'])[reason];
$$;
GRANT EXECUTE ON FUNCTION public.reason_word(smallint) TO PUBLIC;

-- A new column at the end; reason stays the number.
CREATE OR REPLACE VIEW public.order_status_history AS
SELECT order_id, from_status, to_status, at, sequence, event_index, reason, public.reason_word(reason) AS reason_word
FROM (
    SELECT order_id, lag(status) OVER (PARTITION BY order_id ORDER BY sequence, event_index) AS from_status,
        status AS to_status, created_at AS at, sequence, event_index, reason
    FROM (SELECT order_id, sequence, event_index, created_at, reason,
            CASE status WHEN 'expired' THEN 'cancelled' ELSE status END AS status
        FROM record.order_event) s) e
WHERE from_status IS DISTINCT FROM to_status;

COMMIT;
