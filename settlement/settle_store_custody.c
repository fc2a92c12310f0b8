// Custody in Postgres: the functions of schema/sql/deploy/custody.sql decide, here they are asked.
#include "settlement/settle_store_internal.h"

#include <stdlib.h>
#include <string.h>

static enum settle_store_result store_custody(void *context, size_t *changed)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *changed = 0;
    if (!store_ask(store, &rows, "custody", "SELECT settle.custody_step($1)",
                   PG_PARAMS(u64(store->chain_id))))
        return SETTLE_STORE_LOST;
    *changed = (size_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return store_commit(store, "custody");
}

// {0x…,0x…}: those that send.
static char *senders_array(const struct settle_wallet *wallets, size_t count)
{
    char *text = malloc(count * ADDRESS_TEXT_SIZE + 3);
    size_t len = 0;

    ASSERT(text != NULL);
    text[len++] = '{';
    for (size_t i = 0; i < count; i++) {
        struct text_address address = address_text(&wallets[i].address);
        if (!wallets[i].sends)
            continue;
        if (len > 1)
            text[len++] = ',';
        memcpy(text + len, address.text, ADDRESS_TEXT_SIZE - 1);
        len += ADDRESS_TEXT_SIZE - 1;
    }
    memcpy(text + len, "}", 2);
    return text;
}

static void spendable_read(struct settle_wallet *wallets, size_t count, const struct pg_rows *rows)
{
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        struct chain_address address = row_address(rows, row, 0);
        for (size_t i = 0; i < count; i++) {
            if (!address_equal(&wallets[i].address, &address))
                continue;
            wallets[i].in_custody = true;
            wallets[i].venue_units = row_wide(rows, row, 1);
            wallets[i].freeze_under_way = pg_number(rows, row, 2) == 1;
        }
    }
}

static enum settle_store_result store_custody_spendable(void *context,
                                                        struct settle_wallet *wallets, size_t count,
                                                        const struct chain_address *contract,
                                                        uint64_t at_block)
{
    struct settle_store_pg *store = context;
    struct text_address token = address_text(contract);
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    char *senders = senders_array(wallets, count);
    bool ok = pg_query(store->pg, &rows,
                       "SELECT address, units, under_way FROM settle.custody_spendable($1, $2, "
                       "$3::text::text[], $4)",
                       PG_PARAMS(u64(store->chain_id), pg_text(token.text), pg_text(senders),
                                 u64(at_block))) == PG_OK;
    free(senders);
    if (!ok)
        return store_lost(store, "custody_spendable");
    spendable_read(wallets, count, rows);
    pg_rows_free(rows);
    return store_commit(store, "custody_spendable");
}

void settle_store_custody_ops(struct settle_store_ops *ops)
{
    ops->custody = store_custody;
    ops->custody_spendable = store_custody_spendable;
}
