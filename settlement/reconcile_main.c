// lonja-reconcile: ledger, record and chain compared once, by hand.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "chain/rpc_open.h"
#include "settlement/reconcile_run.h"

static const char USAGE[] =
    "Usage: lonja reconcile [--json] [--all] [--config FILE]\n"
    "\n"
    "Compares, per token and wallet, the ledger (events of the engine), the record in Postgres, "
    "and the chain\n"
    "(balanceOf at the last confirmed block), with what is on its way between them. Prints what "
    "differs, since\n"
    "when, and the likely cause; --all prints every wallet, --json everything for machines. What "
    "is found is\n"
    "written down and told like what lonja-index finds by itself (docs/reconciliation.md). Nets of "
    "trades that do not\n"
    "add up to what moved differ, too.\n"
    "\n"
    "The configuration is --config FILE, else $LONJA_CONFIG, else var/lonja.conf.\n"
    "Exit status: 0 nothing differs, 1 something does, 2 bad arguments, 3 it could not be compared "
    "(why is said).\n";

enum { EXIT_DIFFERS = 1, EXIT_USAGE = 2, EXIT_NOT_COMPARED = 3 };

static void print_row(const json_t *row)
{
    printf("%s account %" JSON_INTEGER_FORMAT " %s: ",
           json_string_value(json_object_get(row, "symbol")),
           json_integer_value(json_object_get(row, "account")),
           json_string_value(json_object_get(row, "wallet")));
    printf("record %" JSON_INTEGER_FORMAT ", deficit %" JSON_INTEGER_FORMAT
           ", in flight %" JSON_INTEGER_FORMAT ", booking %" JSON_INTEGER_FORMAT
           " (units of the ledger); chain %s, expected %s, difference %s: %s",
           json_integer_value(json_object_get(row, "record_units")),
           json_integer_value(json_object_get(row, "deficit_units")),
           json_integer_value(json_object_get(row, "in_flight_units")),
           json_integer_value(json_object_get(row, "booking_units")),
           json_string_value(json_object_get(row, "chain")),
           json_string_value(json_object_get(row, "expected")),
           json_string_value(json_object_get(row, "difference")),
           json_string_value(json_object_get(row, "cause")));
    const char *words = json_string_value(json_object_get(row, "words"));
    printf("%s%s\n", words[0] == '\0' ? "" : ": ", words);
}

static void print_since(struct pg *pg)
{
    struct pg_rows *rows = NULL;
    if (pg_query(pg, &rows,
                 "SELECT a.symbol, b.wallet_address, to_char(b.since AT TIME ZONE 'UTC', "
                 "'YYYY-MM-DD HH24:MI:SS'), b.runs,"
                 " b.halted_at IS NOT NULL FROM chain.reconciliation_break b JOIN people.asset a "
                 "ON a.asset_id ="
                 " b.token_asset WHERE b.closed_at IS NULL ORDER BY 1, 2",
                 PG_NO_PARAMS) != PG_OK)
        return;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        printf("%s %s differs since %s UTC, %" PRId64 " comparisons%s\n", pg_value(rows, i, 0),
               pg_value(rows, i, 1), pg_value(rows, i, 2), pg_number(rows, i, 3),
               pg_number(rows, i, 4) == 1 ? "; its instruments were halted" : "");
    pg_rows_free(rows);
}

// Nets whose trades do not add up to what moved (docs/settlement.md, Netting). NULL: not known.
static json_t *nets_read(struct pg *pg)
{
    struct pg_rows *rows = NULL;
    json_t *nets;
    if (pg_query(
            pg, &rows,
            "SELECT coalesce(json_agg(json_build_object('net', net_id::text, 'what', what) ORDER "
            "BY net_id), '[]') FROM settle.net_differs",
            PG_NO_PARAMS) != PG_OK)
        return NULL;
    nets = json_loads(pg_value(rows, 0, 0), 0, NULL);
    pg_rows_free(rows);
    return nets;
}

static void print_nets(const json_t *nets)
{
    size_t at;
    json_t *net;
    json_array_foreach(nets, at, net)
        printf("net %s: %s\n", json_string_value(json_object_get(net, "net")),
               json_string_value(json_object_get(net, "what")));
}

static void print_text(const struct reconcile_report *report, struct pg *pg, bool all)
{
    size_t at;
    json_t *row;
    json_array_foreach(report->rows, at, row)
    {
        if (all || strcmp(json_string_value(json_object_get(row, "cause")), "equal") != 0)
            print_row(row);
    }
    print_since(pg);
    printf("compared %zu wallets at sequence %" PRIu64 " and block %" PRIu64
           ": %zu differ; ledger = record %s\n",
           report->compared, report->sequence, report->block, report->breaks,
           report->ledger_known ? "was compared" : "was not compared");
}

static void print_json(const struct reconcile_report *report, json_t *nets)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:b, s:s, s:O, s:O*}", "sequence",
                             (json_int_t)report->sequence, "block", (json_int_t)report->block,
                             "compared", (json_int_t)report->compared, "breaks",
                             (json_int_t)report->breaks, "ledger_compared", report->ledger_known,
                             "reason", report->reason, "wallets", report->rows, "nets", nets);
    ASSERT(json != NULL && json_dumpf(json, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0);
    printf("\n");
    json_decref(json);
}

static int run(const struct boot *boot, bool as_json, bool all)
{
    static struct rpc_pool pool;
    struct rpc_ops rpc;
    struct node node;
    struct pg_settings settings;
    struct reconcile_report report;
    char error[RPC_MESSAGE_MAX];
    if (!rpc_open(&rpc, &pool, &boot->config, NULL, NULL, error, sizeof(error))) {
        fprintf(stderr, "lonja reconcile: settle.rpc_url: %s\n", error);
        return EXIT_USAGE;
    }
    node_init(&node, &rpc);
    pg_settings_of(&settings, &boot->config, "lonja_index");
    struct reconcile reconcile = {.config = &boot->config,
                                  .pg = pg_open(&settings),
                                  .node = &node,
                                  .ledger = reconcile_ledger_open(boot)};
    bool compared = reconcile_run(&reconcile, &report);
    if (report.reason[0] != '\0')
        fprintf(stderr, "lonja reconcile: %s\n", report.reason);
    json_t *nets = compared ? nets_read(reconcile.pg) : NULL;
    bool nets_equal = nets != NULL && json_array_size(nets) == 0;
    if (as_json)
        print_json(&report, nets);
    else if (compared)
        print_text(&report, reconcile.pg, all);
    if (!as_json)
        print_nets(nets);
    json_decref(nets);
    json_decref(report.rows);
    reconcile_ledger_close(reconcile.ledger);
    pg_close(reconcile.pg);
    node_fini(&node);
    if (!compared || !report.ledger_known)
        return EXIT_NOT_COMPARED;
    return report.breaks == 0 && nets_equal ? 0 : EXIT_DIFFERS;
}

int main(int count, char **words)
{
    bool as_json = false;
    bool all = false;
    for (int i = 1; i < count; i++) {
        bool help = strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
        as_json = as_json || strcmp(words[i], "--json") == 0;
        all = all || strcmp(words[i], "--all") == 0;
        if (help || (strcmp(words[i], "--json") != 0 && strcmp(words[i], "--all") != 0)) {
            fputs(USAGE, help ? stdout : stderr);
            return help ? 0 : EXIT_USAGE;
        }
    }
    const struct boot *boot = boot_inherit(PROCESS_INDEX);
    log_open("index");
    return run(boot, as_json, all);
}
