#include "settlement/settle_netting_option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pg.h"
#include "chain/erc3643_precheck.h"
#include "chain/rpc_open.h"
#include "settlement/settle_net.h"

const char settle_netting_usage[] =
    "Usage: lonja settle netting [SYMBOL on|off] [--config FILE]\n"
    "\n"
    "Without words: each token of the chain, whether its trades are netted (what two wallets owe "
    "each\n"
    "other moves once), and what of its compliance forbids it. With them: the option of one "
    "token.\n"
    "Off by default. Refused where a module has not been reviewed (settle.netting_modules).\n"
    "\n"
    "Exit status: 0 done, 1 refused or not done (the reason is said), 2 bad arguments.\n";

enum { WHY_MAX = 256 };

struct option {
    const struct config *config;
    struct pg *pg;
    struct node *node;
};

static int fail(const char *what)
{
    fprintf(stderr, "lonja settle: %s\n", what);
    return 1;
}

static int database_failed(const struct option *option)
{
    return fail(pg_last_error(option->pg)->message);
}

// Why the token must not be netted; "" = it may be. False: the chain does not say.
static bool look(const struct option *option, char why[WHY_MAX], const char *contract)
{
    struct erc3643_module modules[ERC3643_MODULES_MAX];
    struct chain_address token, compliance;
    char address[ADDRESS_TEXT_SIZE];
    size_t count = 0;
    enum node_result result;

    why[0] = '\0';
    if (!address_parse(&token, contract))
        return false;
    result =
        erc3643_read_address(option->node, &compliance, &token, ERC3643_COMPLIANCE, NODE_LATEST);
    if (result == NODE_OK)
        result = erc3643_modules_read(option->node, modules, &count, &compliance, NODE_LATEST);
    if (result == NODE_REVERTED || result == NODE_UNFIT) {
        snprintf(why, WHY_MAX, "%s: the compliance contract does not name its modules",
                 SETTLE_NET_MODULE);
        return true;
    }
    const struct erc3643_module *module =
        settle_net_unreviewed(option->config->settle_netting_modules, modules, count);
    if (result != NODE_OK || module == NULL)
        return result == NODE_OK;
    address_format(address, &module->address);
    snprintf(why, WHY_MAX, "%s: %s %s", SETTLE_NET_MODULE,
             module->name[0] != '\0' ? module->name : "without a name,", address);
    return true;
}

static enum pg_class tokens_read(const struct option *option, struct pg_rows **rows,
                                 const char *symbol)
{
    return pg_query(option->pg, rows,
                    "SELECT a.symbol, k.contract_address, n.token_asset IS NOT NULL, k.asset_id "
                    "FROM people.token k JOIN people.asset a USING (asset_id) "
                    "LEFT JOIN settle.netting n ON n.token_asset = k.asset_id "
                    "WHERE k.contract_address IS NOT NULL AND k.chain_id = $1 "
                    "AND ($2::text IS NULL OR a.symbol = $2) ORDER BY a.symbol",
                    PG_PARAMS(pg_i64(option->config->settle_chain_id), pg_text(symbol)));
}

static int list(const struct option *option)
{
    struct pg_rows *rows = NULL;
    char why[WHY_MAX];

    if (tokens_read(option, &rows, NULL) != PG_OK)
        return database_failed(option);
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        bool known = look(option, why, pg_value(rows, i, 1));

        printf("%-12s %-4s %s\n", pg_value(rows, i, 0), pg_number(rows, i, 2) == 1 ? "on" : "off",
               !known           ? "the chain does not say whether it may be"
               : why[0] != '\0' ? why
                                : "may be netted");
    }
    pg_rows_free(rows);
    return 0;
}

static int set(const struct option *option, int64_t asset, bool on)
{
    enum pg_class class =
        on ? pg_query(option->pg, NULL,
                      "INSERT INTO settle.netting (token_asset) VALUES ($1) ON CONFLICT DO NOTHING",
                      PG_PARAMS(pg_i64(asset)))
           : pg_query(option->pg, NULL, "DELETE FROM settle.netting WHERE token_asset = $1",
                      PG_PARAMS(pg_i64(asset)));

    return class == PG_OK ? 0 : database_failed(option);
}

static int change(const struct option *option, const char *symbol, bool on)
{
    struct pg_rows *rows = NULL;
    char why[WHY_MAX] = "";
    int status = 1;

    if (tokens_read(option, &rows, symbol) != PG_OK)
        return database_failed(option);
    if (pg_rows_count(rows) != 1)
        fprintf(stderr, "lonja settle: %s is no token of this chain\n", symbol);
    else if (on && !look(option, why, pg_value(rows, 0, 1)))
        (void)fail("the chain does not say which modules the token's compliance has");
    else if (why[0] != '\0')
        (void)fail(why);
    else
        status = set(option, pg_number(rows, 0, 3), on);
    pg_rows_free(rows);
    if (status == 0)
        printf("%s: netting %s\n", symbol, on ? "on" : "off");
    return status;
}

static int run(const struct option *option, int count, char **words)
{
    uint64_t chain_id = 0;

    if (pg_connect(option->pg) != PG_OK)
        return database_failed(option);
    if (node_chain_id(option->node, &chain_id) != NODE_OK ||
        chain_id != (uint64_t)option->config->settle_chain_id)
        return fail("the node does not answer, or is on another chain than settle.chain_id");
    return count == 0 ? list(option) : change(option, words[0], strcmp(words[1], "on") == 0);
}

int settle_netting_option(const struct config *config, int count, char **words)
{
    struct rpc_pool *pool = calloc(1, sizeof(*pool));
    struct pg_settings settings;
    struct rpc_ops rpc;
    struct node node;
    struct option option = {.config = config, .node = &node};
    char error[RPC_MESSAGE_MAX];
    int status = 2;

    ASSERT(pool != NULL);
    if (count != 0 &&
        !(count == 2 && (strcmp(words[1], "on") == 0 || strcmp(words[1], "off") == 0))) {
        fputs(settle_netting_usage, stderr);
    } else if (!rpc_open(&rpc, pool, config, NULL, NULL, error, sizeof(error))) {
        status = fail(error);
    } else {
        node_init(&node, &rpc);
        pg_settings_of(&settings, config, "lonja_owner");
        option.pg = pg_open(&settings);
        status = run(&option, count, words);
        pg_close(option.pg);
        node_fini(&node);
    }
    free(pool);
    return status;
}
