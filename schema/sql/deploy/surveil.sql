-- Alerts of market surveillance: written by lonja_surveil, with its cursor in the same transaction; closed by
-- operators through lonja_admin. What each figure means: docs/surveillance.md.
BEGIN;

CREATE SCHEMA surveil; -- primary data, for what people have decided about the alerts
GRANT USAGE ON SCHEMA surveil TO lonja_surveil, lonja_admin, lonja_ops;

CREATE TABLE surveil.cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    sequence bigint NOT NULL,  -- the last command that has been looked at
    time_ns bigint NOT NULL,
    checksum bigint NOT NULL,  -- of its events: another venue's are noticed
    day_first bigint NOT NULL, -- first command of its UTC day: a restart reads from there
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO surveil.cursor (sequence, time_ns, checksum, day_first) VALUES (0, 0, 0, 0);

CREATE TABLE surveil.alert (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detector text NOT NULL CHECK (detector IN ('wash_account', 'wash_member', 'wash_circular', 'spoofing', 'layering',
        'marking_close', 'ratio_number', 'ratio_volume')),
    sequence bigint NOT NULL, -- of the event that completed the pattern
    event_index integer NOT NULL,
    at_ns bigint NOT NULL,
    since_ns bigint NOT NULL,
    instrument_id integer NOT NULL,
    symbol text NOT NULL,
    side text CHECK (side IN ('buy', 'sell')),
    member_id integer,
    account_id integer,
    counter_member_id integer,
    counter_account_id integer,
    price bigint, -- cash units per token
    quantity bigint NOT NULL, -- token units; of ratio_number messages
    token_scale smallint NOT NULL,
    value bigint NOT NULL,
    threshold bigint NOT NULL,
    evidence bigint[] NOT NULL, -- sequences of commands, ascending; the last ones of evidence_total
    evidence_total integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    closed_at timestamptz,
    closed_by text,
    note text CHECK (length(note) BETWEEN 1 AND 2000),
    CHECK ((status = 'closed') = (closed_at IS NOT NULL AND closed_by IS NOT NULL AND note IS NOT NULL)),
    CONSTRAINT alert_once UNIQUE NULLS NOT DISTINCT (detector, sequence, event_index, instrument_id, member_id, account_id)
);
CREATE INDEX alert_member ON surveil.alert (member_id, alert_id);
CREATE INDEX alert_account ON surveil.alert (account_id, alert_id);
CREATE INDEX alert_counter_account ON surveil.alert (counter_account_id, alert_id);
CREATE INDEX alert_detector ON surveil.alert (detector, alert_id);
CREATE INDEX alert_open ON surveil.alert (alert_id) WHERE status = 'open';

CREATE FUNCTION surveil.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('alerts', '');
    RETURN NULL;
END $$;
CREATE TRIGGER alert_tell AFTER INSERT ON surveil.alert FOR EACH STATEMENT EXECUTE FUNCTION surveil.tell();

CREATE FUNCTION surveil.time_text(ns bigint) RETURNS text LANGUAGE sql STABLE RETURN
    to_char((timestamptz 'epoch' + ns / 1000 * interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
        || lpad((ns % 1000)::text, 3, '0') || 'Z';
GRANT EXECUTE ON FUNCTION surveil.time_text(bigint) TO lonja_admin, lonja_ops;

-- As people read them: decimals as text, times in UTC.
CREATE VIEW surveil.alerts AS
SELECT alert_id AS id, detector, status, sequence, event_index, surveil.time_text(at_ns) AS at, surveil.time_text(since_ns) AS since,
    instrument_id AS instrument, symbol, side, member_id AS member, account_id AS account,
    counter_member_id AS counter_member, counter_account_id AS counter_account,
    trim_scale(public.decimal_of(price, 6::smallint))::text AS price,
    trim_scale(CASE detector WHEN 'ratio_number' THEN quantity ELSE public.decimal_of(quantity, token_scale) END)::text AS quantity,
    value, threshold, evidence, evidence_total, created_at, closed_at, closed_by, note
FROM surveil.alert;

-- Everything is looked at again from the first command on (with other thresholds, say). The alerts stay, and none is
-- written twice. To be run by lonja_owner.
CREATE FUNCTION surveil.look_again() RETURNS void LANGUAGE sql AS $$
    UPDATE surveil.cursor SET sequence = 0, time_ns = 0, checksum = 0, day_first = 0, updated_at = clock_timestamp();
$$;

GRANT SELECT, UPDATE ON surveil.cursor TO lonja_surveil;
GRANT SELECT, INSERT ON surveil.alert TO lonja_surveil;
GRANT SELECT ON surveil.cursor, surveil.alert, surveil.alerts TO lonja_admin, lonja_ops;
GRANT UPDATE (status, closed_at, closed_by, note) ON surveil.alert TO lonja_admin;

COMMIT;
