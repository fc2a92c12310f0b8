-- Requests that others make (mint, burn, identities, freezing, agents, contracts): one wakes the worker, and its caller
-- hears how it goes on.
--   NOTIFY settle                     a request was made
--   NOTIFY chain_request, '{json}'    its state changed: request_id, operation, state, reason
BEGIN;

ALTER TABLE settle.attempt ALTER COLUMN to_address DROP NOT NULL; -- NULL: it creates a contract

CREATE FUNCTION chain.request_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER request_made AFTER INSERT ON chain.chain_request
    FOR EACH STATEMENT EXECUTE FUNCTION chain.request_made();

CREATE FUNCTION chain.request_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chain_request', jsonb_build_object('request_id', NEW.request_id, 'operation', NEW.operation,
        'state', NEW.state, 'reason', NEW.reason)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER request_changed AFTER UPDATE OF state ON chain.chain_request
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION chain.request_changed();

COMMIT;
