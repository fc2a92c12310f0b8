/* Happy path: the stored ranges that meet FROM..TO are read one after the other, each is proved
 * again by the same code that proved it first, its digest is that of the row, and it has as many
 * events as the event log. */
#include "chain/index_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/boot.h"
#include "base/log.h"
#include "base/pg.h"
#include "chain/index_store.h"
#include "chain/rpc_open.h"

static const char USAGE[] =
    "Usage: lonja index verify FROM TO [--config FILE]\n"
    "\n"
    "Proves again what was read of the chain: every stored range that meets the blocks FROM to TO "
    "is read anew\n"
    "from the node (headers, logs, receipts) and compared with its digest and with the event log.\n"
    "One line per range: proved, or what differs. Blocks that no range covers are said at the "
    "end.\n"
    "\n"
    "The configuration is --config FILE, else $LONJA_CONFIG, else var/lonja.conf.\n"
    "Exit status: 0 all proved, 1 something differs or could not be proved, 2 bad arguments.\n";

enum { LOGS_MAX = 1000000 };

struct verify {
    const struct boot *boot;
    struct pg *pg;
    struct rpc_pool pool;
    struct node node;
    uint64_t from;
    uint64_t to;
    size_t proved;
    size_t failed;
};

static bool parse(uint64_t *out, const char *word)
{
    char *end;
    *out = strtoull(word, &end, 10);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && *out <= INT64_MAX;
}

/* "{0x…,0x…}" as Postgres writes it. */
static size_t read_contracts(struct chain_address *out, const char *text)
{
    size_t count = 0;
    for (const char *at = text; *at == '{' || *at == ','; at += 1 + 2 + 2 * ADDRESS_BYTES) {
        char one[HEX_TEXT_SIZE(ADDRESS_BYTES)];
        snprintf(one, sizeof(one), "%s", at + 1);
        if (count == INDEX_CONTRACTS_MAX || !hex_decode_exact(out[count].bytes, ADDRESS_BYTES, one))
            break;
        count++;
    }
    return count;
}

static void fail(struct verify *verify, const char *what, const char *words)
{
    verify->failed++;
    printf(" %s%s%s\n", what, words[0] == '\0' ? "" : ": ", words);
}

/* Row: from, to, digest, log_count, addresses, events of the log in it, party. */
static void verify_range(struct verify *verify, const struct pg_rows *rows, size_t row)
{
    static struct chain_address contracts[INDEX_CONTRACTS_MAX];
    struct index_range range;
    enum index_fault fault;
    const struct index_prove_options options = {
        .logs_max = LOGS_MAX, .header_hash = verify->boot->config.index_header_hash != 0};
    char digest[HEX_TEXT_SIZE(KECCAK_BYTES)];
    struct chain_address party;
    size_t count = read_contracts(contracts, pg_value(rows, row, 4));
    bool has_party = hex_decode_exact(party.bytes, ADDRESS_BYTES, pg_value(rows, row, 6));
    const struct index_filter filter = {
        .contracts = contracts, .contract_count = count, .party = has_party ? &party : NULL};
    printf("%" PRId64 " to %" PRId64 ":", pg_number(rows, row, 0), pg_number(rows, row, 1));
    if (count == 0) {
        fail(verify, "the stored set of contracts cannot be read", "");
        return;
    }
    enum node_result result =
        index_prove(&verify->node, &range, &fault, &filter, (uint64_t)pg_number(rows, row, 0),
                    (uint64_t)pg_number(rows, row, 1), NULL, &options);
    if (result != NODE_OK) {
        fail(verify, "not proved", verify->node.error.message);
        return;
    }
    hex_encode(digest, range.digest.bytes, KECCAK_BYTES);
    if (strcmp(digest, pg_value(rows, row, 2)) != 0) {
        fail(verify, "the chain is another than was read, digest", digest);
    } else if ((int64_t)range.logs.count != pg_number(rows, row, 3) ||
               pg_number(rows, row, 3) != pg_number(rows, row, 5)) {
        printf(" %zu logs, %" PRId64 " stored in the event log", range.logs.count,
               pg_number(rows, row, 5));
        fail(verify, "", "events are missing or too many");
    } else {
        verify->proved++;
        printf(" proved, %zu events\n", range.logs.count);
    }
    index_range_fini(&range);
}

static const char RANGES[] =
    "SELECT r.from_block, r.to_block, r.digest, r.log_count, s.addresses::text, (SELECT count(*) "
    "FROM"
    " chain.event_log e WHERE e.chain_id = r.chain_id AND e.block_number BETWEEN r.from_block AND "
    "r.to_block"
    " AND e.address = ANY (s.addresses) AND e.state <> 'orphaned'), s.party"
    " FROM chain.index_range r JOIN chain.index_set s USING (set_id) WHERE r.chain_id = $1 AND "
    "r.state = 'proved'"
    " AND r.to_block >= $2 AND r.from_block <= $3 ORDER BY r.from_block, r.range_id";

/* Blocks in FROM..TO that no proved range covers. */
static const char UNCOVERED[] =
    "WITH r AS (SELECT from_block, to_block, max(to_block) OVER (ORDER BY from_block, range_id "
    "ROWS BETWEEN"
    " UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM chain.index_range WHERE chain_id = $1 "
    "AND state = 'proved'"
    " AND to_block >= $2 AND from_block <= $3)"
    " SELECT coalesce(sum(greatest(from_block - greatest(coalesce(before + 1, $2), $2), 0)), 0)"
    " + greatest($3 - greatest(coalesce(max(to_block), $2 - 1), $2 - 1), 0) FROM r";

static int complain(const struct verify *verify, const char *what)
{
    const struct pg_error *error = pg_last_error(verify->pg);
    fprintf(stderr, "lonja index: %s: %s %s\n", what, error->sqlstate, error->message);
    return 1;
}

static int run(struct verify *verify)
{
    struct pg_rows *rows;
    int64_t chain_id = verify->boot->config.settle_chain_id;
    const struct pg_param params[] = {pg_i64(chain_id), pg_i64((int64_t)verify->from),
                                      pg_i64((int64_t)verify->to)};
    if (pg_query(verify->pg, &rows, RANGES, params, 3) != PG_OK)
        return complain(verify, "the stored ranges");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        verify_range(verify, rows, i);
        fflush(stdout);
    }
    pg_rows_free(rows);
    if (pg_query(verify->pg, &rows, UNCOVERED, params, 3) != PG_OK)
        return complain(verify, "the stored ranges");
    int64_t uncovered = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    printf("%zu ranges proved, %zu not; %" PRId64 " blocks are in no range\n", verify->proved,
           verify->failed, uncovered);
    return verify->failed == 0 && uncovered == 0 ? 0 : 1;
}

int index_verify_main(int count, char **words)
{
    static struct verify verify;
    struct rpc_ops rpc;
    struct pg_settings settings;
    char error[RPC_MESSAGE_MAX];
    bool help = false;
    for (int i = 1; i < count; i++)
        help |= strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
    if (help || count != 4 || strcmp(words[1], "verify") != 0 || !parse(&verify.from, words[2]) ||
        !parse(&verify.to, words[3]) || verify.from > verify.to) {
        fputs(USAGE, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    verify.boot = boot_inherit(PROCESS_INDEX);
    log_open("index");
    if (!rpc_open(&rpc, &verify.pool, &verify.boot->config, NULL, NULL, error, sizeof(error))) {
        fprintf(stderr, "lonja index: settle.rpc_url: %s\n", error);
        return 2;
    }
    node_init(&verify.node, &rpc);
    pg_settings_of(&settings, &verify.boot->config, "lonja_index");
    verify.pg = pg_open(&settings);
    int status = run(&verify);
    node_fini(&verify.node);
    pg_close(verify.pg);
    return status;
}
