-- Results for the core go out in batches, and what it has booked is read from its events after a crash:
-- beside each number stands the sequence behind which its event, if there is one, must lie.
BEGIN;

ALTER TABLE settle.result ADD COLUMN sent_after bigint CHECK (sent_after >= 0);
UPDATE settle.result SET sent_after = 0 WHERE state = 'open' AND ref_number IS NOT NULL; -- from the first event
ALTER TABLE settle.result ADD CHECK (state <> 'open' OR (ref_number IS NULL) = (sent_after IS NULL));

CREATE INDEX result_unanswered ON settle.result (ref_number) WHERE state = 'open';

-- Numbers are max + 1: contiguous, in the order of the rows.
DROP SEQUENCE settle.result_number;

COMMIT;
