#include "settlement/settle_rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "chain/rpc_open.h"
#include "settlement/settle_config.h"
#include "settlement/settle_rebuild_rows.h"

const char settle_rebuild_usage[] =
    "Usage: lonja settle rebuild [--from BLOCK] [--signer ADDRESS]… [--verify] [--config FILE]\n"
    "\n"
    "Writes the rows of settlement again from the chain: statuses, attempts, nonces, gas, history\n"
    "(marked rebuilt_from_chain). For a database that was lost; the record must be there (lonja "
    "record\n"
    "rebuild) and lonja-settle must not run. Interrupted, the same command goes on.\n"
    "\n"
    "  --from BLOCK      the first block that is read (0); later is quicker, if no settlement is "
    "before\n"
    "  --signer ADDRESS  a key that has settled; each one that ever did\n"
    "                    (default: those that the database knows)\n"
    "  --verify          changes nothing and says where chain and database differ, also beside a "
    "worker\n"
    "\n"
    "Exit status: 0 done, 1 not done (the reason is said) or differences, 2 bad arguments.\n";

enum { STRETCH_BLOCKS = 64, SECOND = 1000000000 };

static int fail(const char *what)
{
    fprintf(stderr, "lonja settle: %s\n", what);
    return 1;
}

static bool is(const char *word, const char *one)
{
    return strcmp(word, one) == 0;
}

// False: bad arguments.
static bool take_options(struct settle_rebuild *rebuild, int count, char **words)
{
    for (int i = 0; i < count; i++) {
        char *end = NULL;

        if (is(words[i], "--verify")) {
            rebuild->verify = true;
        } else if (is(words[i], "--from") && i + 1 < count) {
            rebuild->from_block = strtoull(words[++i], &end, 10);
            if (end == words[i] || *end != '\0')
                return false;
        } else if (is(words[i], "--signer") && i + 1 < count &&
                   rebuild->chain.signer_count < SETTLE_REBUILD_SIGNERS_MAX) {
            if (!address_parse(&rebuild->chain.signers[rebuild->chain.signer_count++], words[++i]))
                return false;
        } else {
            return false;
        }
    }
    return true;
}

// The last block that counts.
static enum node_result head_look(const struct settle_config *config, struct node *node,
                                  uint64_t *head)
{
    struct node_block block;
    enum node_result result;

    if (config->finalized_tag) {
        result = node_get_block(node, &block, NODE_FINALIZED);
        *head = result == NODE_OK && block.found ? block.number : 0;
        return result;
    }
    uint64_t depth = config->confirmations > 0 ? config->confirmations - 1 : 0;
    result = node_block_number(node, head);
    if (result == NODE_OK)
        *head = *head > depth ? *head - depth : 0;
    return result;
}

static bool visit(void *context, const struct settle_rebuild_transaction *transaction)
{
    struct settle_rebuild *rebuild = context;

    return rebuild->verify ? settle_rebuild_compare(rebuild, transaction)
                           : settle_rebuild_write(rebuild, transaction);
}

static void say_progress(const struct settle_rebuild *rebuild, uint64_t head)
{
    printf("read up to block %" PRIu64 " of %" PRIu64 ": %zu transactions, %zu trades settled\n",
           rebuild->next_block - 1, head, rebuild->transactions, rebuild->trades);
    fflush(stdout);
}

// A stretch of blocks, its rows and the progress, in one transaction.
static bool stretch(struct settle_rebuild *rebuild, uint64_t end)
{
    bool whole = true;

    if (!settle_rebuild_begin(rebuild))
        return false;
    for (uint64_t block = rebuild->next_block; block < end; block++) {
        enum node_result result =
            settle_rebuild_block(&rebuild->chain, &whole, block, visit, rebuild);

        if (result != NODE_OK || !whole) {
            fprintf(stderr, "lonja settle: stopped at block %" PRIu64 "%s%s\n", block,
                    result != NODE_OK ? ": the node: " : "",
                    result != NODE_OK ? node_result_text(result) : "");
            settle_rebuild_rollback(rebuild);
            return false;
        }
    }
    rebuild->next_block = end;
    return settle_rebuild_commit(rebuild);
}

static bool scan(struct settle_rebuild *rebuild, uint64_t head)
{
    uint64_t said_ns = clock_monotone_ns(&clock_system);

    while (rebuild->next_block <= head) {
        uint64_t end = rebuild->next_block + STRETCH_BLOCKS;

        if (!stretch(rebuild, end <= head ? end : head + 1))
            return false;
        if (clock_monotone_ns(&clock_system) - said_ns >= SECOND) {
            said_ns = clock_monotone_ns(&clock_system);
            say_progress(rebuild, head);
        }
    }
    say_progress(rebuild, head);
    return true;
}

// Everything of a signer is final, and read: nothing is on its way that would settle a trade a
// second time.
static bool nothing_on_its_way(struct settle_rebuild *rebuild, uint64_t head)
{
    for (size_t i = 0; i < rebuild->chain.signer_count; i++) {
        uint64_t final = 0, pending = 0;

        if (node_transaction_count(rebuild->chain.node, &final, &rebuild->chain.signers[i], head) !=
                NODE_OK ||
            node_transaction_count(rebuild->chain.node, &pending, &rebuild->chain.signers[i],
                                   NODE_PENDING) != NODE_OK)
            return fail("the node does not say how many transactions a signer has"), false;
        if (final != pending) {
            fprintf(stderr,
                    "lonja settle: %" PRIu64 " transactions of a signer are not final yet; the "
                    "same command goes on once they are\n",
                    pending - final);
            return false;
        }
        rebuild->next_nonces[i] = final;
    }
    return true;
}

static int run(struct settle_rebuild *rebuild, const struct settle_config *config,
               const char *tape_folder)
{
    uint64_t head = 0, chain_id = 0;

    if (node_chain_id(rebuild->chain.node, &chain_id) != NODE_OK || chain_id != config->chain_id)
        return fail("the node does not answer, or is on another chain than settle.chain_id");
    if (!settle_rebuild_open(rebuild))
        return 1;
    if (rebuild->chain.signer_count == 0)
        return fail("no signer is known: name each with --signer ADDRESS");
    if (head_look(config, rebuild->chain.node, &head) != NODE_OK)
        return fail("the node does not say which block is the last");
    if (!scan(rebuild, head))
        return 1;
    if (rebuild->verify) {
        if (!settle_rebuild_compare_end(rebuild, head))
            return 1;
        printf("%zu differences\n", rebuild->differences);
        return rebuild->differences == 0 ? 0 : 1;
    }
    if (!nothing_on_its_way(rebuild, head) || !settle_rebuild_end(rebuild, tape_folder))
        return 1;
    printf("done: %zu transactions, %zu trades settled; %zu of other kinds were passed over\n",
           rebuild->transactions, rebuild->trades, rebuild->others);
    return 0;
}

int settle_rebuild(const struct config *config, const char *tape_folder, int count, char **words)
{
    struct settle_config settle_config = settle_config_of(config);
    struct settle_rebuild *rebuild = calloc(1, sizeof(*rebuild));
    struct rpc_pool *pool = calloc(1, sizeof(*pool));
    struct pg_settings settings;
    struct rpc_ops rpc;
    struct node node;
    char error[RPC_MESSAGE_MAX];
    int status = 2;

    ASSERT(rebuild != NULL && pool != NULL);
    rebuild->chain.chain_id = settle_config.chain_id;
    if (!take_options(rebuild, count, words)) {
        fputs(settle_rebuild_usage, stderr);
    } else if (!rpc_open(&rpc, pool, config, NULL, NULL, error, sizeof(error))) {
        status = fail(error);
    } else {
        node_init(&node, &rpc);
        rebuild->chain.node = &node;
        pg_settings_of(&settings, config, "lonja_owner");
        settings.statement_timeout_ms = 600000;
        rebuild->pg = pg_open(&settings);
        status = run(rebuild, &settle_config, tape_folder);
        pg_close(rebuild->pg);
        node_fini(&node);
    }
    free(pool);
    free(rebuild);
    return status;
}
