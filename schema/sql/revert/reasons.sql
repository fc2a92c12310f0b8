BEGIN;
DROP VIEW public.order_status_history;
DROP FUNCTION public.reason_word(smallint);
CREATE VIEW public.order_status_history AS
SELECT order_id, from_status, to_status, at, sequence, event_index, reason FROM (
    SELECT order_id, lag(status) OVER (PARTITION BY order_id ORDER BY sequence, event_index) AS from_status,
        status AS to_status, created_at AS at, sequence, event_index, reason
    FROM (SELECT order_id, sequence, event_index, created_at, reason,
            CASE status WHEN 'expired' THEN 'cancelled' ELSE status END AS status
        FROM record.order_event) s) e
WHERE from_status IS DISTINCT FROM to_status;
GRANT SELECT ON public.order_status_history TO lonja_web, lonja_admin;
COMMIT;
