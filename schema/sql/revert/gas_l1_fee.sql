BEGIN;

DROP VIEW public.gas_transactions;
CREATE VIEW public.gas_transactions AS
SELECT gas_id AS id, request_id, chain_id, tx_hash, operation, succeeded, block_number, gas_limit, gas_used,
    gas_price_wei, fee_wei, created_at
FROM chain.gas_transaction;
GRANT SELECT ON public.gas_transactions TO lonja_ops, lonja_admin;

-- As in deploy.
CREATE TEMPORARY TABLE shown ON COMMIT DROP AS
SELECT DISTINCT c.oid::regclass::text AS name, pg_get_viewdef(c.oid) AS definition, c.relacl AS rights
FROM pg_attribute a JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class WHERE a.attrelid = 'chain.gas_transaction'::regclass AND a.attname = 'fee_wei';
DO $$ DECLARE v record; BEGIN
    FOR v IN SELECT * FROM shown LOOP EXECUTE 'DROP VIEW ' || v.name; END LOOP;
END $$;

ALTER TABLE chain.gas_transaction
    DROP COLUMN fee_wei,
    DROP COLUMN l1_fee_wei,
    ADD COLUMN fee_wei numeric(78, 0) GENERATED ALWAYS AS (gas_used * gas_price_wei) STORED;

DO $$ DECLARE v record; g record; BEGIN
    FOR v IN SELECT * FROM shown LOOP
        EXECUTE 'CREATE VIEW ' || v.name || ' AS ' || v.definition;
        FOR g IN SELECT grantee::regrole AS role, privilege_type FROM aclexplode(v.rights) WHERE grantee <> grantor LOOP
            EXECUTE format('GRANT %s ON %s TO %s', g.privilege_type, v.name, g.role);
        END LOOP;
    END LOOP;
END $$;

COMMIT;
