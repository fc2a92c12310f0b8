BEGIN;
SELECT signer_address, balance_wei FROM settle.worker WHERE false;
SELECT signer, days FROM settle.signer_fuel WHERE false;
SELECT watch FROM settle.watch;
ROLLBACK;
