BEGIN;
SELECT reason, reason_word FROM public.order_status_history WHERE false;
SELECT 1 / (public.reason_word(12::smallint) = 'expired' AND public.reason_word(0::smallint) IS NULL)::integer;
ROLLBACK;
