BEGIN;
SELECT trade, stage, block_hash, verdict, code_text FROM settle.check_list WHERE false;
ROLLBACK;
