/* Happy path: the head has moved; the newest block that we have is still there; the blocks behind
 * it are read, proved and saved; those that are deep enough are confirmed.
 *
 * What can go wrong, and what is done:
 *   node silent, wrong, behind        the pass ends, told in chain.index_chain.trouble; again at
 * the next poll node of another chain, or genesis nothing is read (`foreign`) too many results the
 * range is halved, down to one block; it grows again by a quarter answers that contradict nothing
 * of it is saved (`lies`); asked again, of whichever node the pool takes reorganisation back to the
 * last common block, at most reorg_blocks_max deep; everything above is orphaned in one commit, and
 * read again deeper than that                  nothing is touched, and told until a person has
 * looked: another chain is likelier database gone, lock lost          belief is dropped; waits 0.2
 * s, doubling up to 5 s core gone, or restarted           the command that has no answer is sent
 * again
 */
#include "chain/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "chain/erc20.h"
#include "schema/rejects.h"

enum { LOGS_MAX = 20000 };
static const uint64_t FAIL_WAIT_MIN_NS = 200000000;
static const uint64_t FAIL_WAIT_MAX_NS = 5000000000;

enum step { STEP_ON, STEP_END }; /* END: this pass has come to its end */

void index_init(struct index_agent *index, const struct index_config *config,
                const struct index_store_ops *store, struct node *node,
                const struct index_core_ops *core)
{
    ASSERT(config->range_blocks > 0 && config->reorg_blocks_max > 0);
    *index = (struct index_agent){.config = *config,
                                  .store = *store,
                                  .node = node,
                                  .core = *core,
                                  .range_blocks = config->range_blocks};
}

void index_wake(struct index_agent *index)
{
    if (index->fail_wait_ns == 0)
        index->poll_at_ns = 0;
}

uint64_t index_deadline_ns(const struct index_agent *index)
{
    return index->poll_at_ns;
}

bool index_is_up_to_date(const struct index_agent *index)
{
    return index->entered && index->trouble[0] == '\0' &&
           (index->work.contract_count == 0 || index->work.from > index->head);
}

static bool hash_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- failures ---- */

static enum step trouble(struct index_agent *index, const char *what, const char *words)
{
    snprintf(index->trouble, sizeof(index->trouble), "%s: %s", what, words);
    log_limited(LOG_WARNING, "the chain is not read what=%s reason=\"%s\"", what, words);
    return STEP_END;
}

static enum step node_failed(struct index_agent *index, const char *what, enum node_result result)
{
    return trouble(index, what,
                   index->node->error.message[0] != '\0' ? index->node->error.message
                                                         : node_result_text(result));
}

static bool store_ok(struct index_agent *index, enum index_store_result result)
{
    if (result == INDEX_STORE_OK) {
        index->fail_wait_ns = 0;
        return true;
    }
    index->entered = false;
    index->has_sent = false;
    index->fail_wait_ns = index->fail_wait_ns == 0 ? FAIL_WAIT_MIN_NS : 2 * index->fail_wait_ns;
    if (index->fail_wait_ns > FAIL_WAIT_MAX_NS)
        index->fail_wait_ns = FAIL_WAIT_MAX_NS;
    return false;
}

/* ---- which chain, and where ---- */

static enum step enter(struct index_agent *index)
{
    uint64_t chain_id;
    bool found;
    struct index_header genesis;
    enum node_result result = node_chain_id(index->node, &chain_id);
    if (result != NODE_OK)
        return node_failed(index, "eth_chainId", result);
    if (chain_id != index->config.chain_id) {
        index->counters.foreign++;
        return trouble(index, "chain", "the node is on another chain than settle.chain_id");
    }
    result = index_node_header(index->node, &found, &genesis, 0);
    if (result != NODE_OK || !found)
        return node_failed(index, "genesis block", result);
    enum index_store_result entered = index->store.enter(index->store.context, &genesis.hash);
    if (entered == INDEX_STORE_FOREIGN) {
        index->counters.foreign++;
        return trouble(index, "chain",
                       "the node's chain has another genesis block than the one that was read");
    }
    index->entered = store_ok(index, entered);
    return index->entered ? STEP_ON : STEP_END;
}

static enum step look_at_head(struct index_agent *index)
{
    enum node_result result = node_block_number(index->node, &index->head);
    if (result != NODE_OK)
        return node_failed(index, "eth_blockNumber", result);
    return STEP_ON;
}

/* ---- reorganisations ---- */

/* The chain at `number` is not what we have: is it the same chain at all? A switched node answers
 * with another one. */
static enum step find_fork(struct index_agent *index, uint64_t tip, uint64_t from)
{
    index->entered = false;
    if (enter(index) != STEP_ON)
        return STEP_END;
    for (uint64_t at = from; tip - at < index->config.reorg_blocks_max; at--) {
        bool known;
        bool found;
        uint64_t number;
        struct chain_hash hash;
        struct index_header header;
        if (!store_ok(index, index->store.block(index->store.context, &known, &number, &hash, at)))
            return STEP_END;
        if (!known)
            break; /* we have read nothing below */
        enum node_result result = index_node_header(index->node, &found, &header, at);
        if (result != NODE_OK || !found)
            return node_failed(index, "header", result);
        if (hash_equal(&header.hash, &hash)) {
            if (!store_ok(index, index->store.orphan(index->store.context, at, tip)))
                return STEP_END;
            index->counters.reorganisations++;
            index->counters.orphaned_blocks += tip - at;
            log_warning("reorganisation fork=%" PRIu64 " depth=%" PRIu64, at, tip - at);
            return STEP_ON;
        }
        if (at == 0)
            break;
    }
    index->counters.deep++;
    return trouble(
        index, "reorganisation",
        "deeper than index.reorg_blocks_max: nothing is changed until a person has looked");
}

static enum step look_for_fork(struct index_agent *index)
{
    bool known;
    bool found;
    uint64_t tip;
    uint64_t at;
    struct chain_hash hash;
    struct index_header header;
    if (!store_ok(index, index->store.block(index->store.context, &known, &tip, &hash, UINT64_MAX)))
        return STEP_END;
    if (!known)
        return STEP_ON;
    at = tip;
    if (index->head < tip) { /* the node is behind what another one told, or was rolled back */
        at = index->head;
        uint64_t number;
        if (!store_ok(index, index->store.block(index->store.context, &known, &number, &hash, at)))
            return STEP_END;
        if (!known)
            return trouble(index, "node", "it is further behind than a reorganisation may be");
    }
    enum node_result result = index_node_header(index->node, &found, &header, at);
    if (result != NODE_OK || !found)
        return node_failed(index, "header", result);
    if (hash_equal(&header.hash, &hash))
        return at == tip ? STEP_ON
                         : trouble(index, "node",
                                   "it is behind: blocks that we have read are not there yet");
    return find_fork(index, tip, at == 0 ? 0 : at - 1);
}

/* ---- reading ---- */

static enum step read_failed(struct index_agent *index, enum node_result result,
                             enum index_fault fault, uint64_t blocks)
{
    if (fault == INDEX_FAULT_LIE)
        index->counters.lies++;
    else if (fault == INDEX_FAULT_MOVED)
        index->counters.moved++;
    else if (fault == INDEX_FAULT_MISSING)
        index->counters.missing++;
    else if (blocks > 1 && index_node_wants_less(index->node, result)) {
        index->range_blocks = blocks / 2;
        index->counters.shrinks++;
        log_info("the node wants smaller ranges blocks=%" PRIu64 " reason=\"%s\"",
                 index->range_blocks, index->node->error.message);
        return STEP_ON;
    }
    return node_failed(index, fault == INDEX_FAULT_LIE ? "contradiction" : "range", result);
}

static uint64_t end_of_range(const struct index_agent *index)
{
    const struct index_work *work = &index->work;
    uint64_t to = work->from + index->range_blocks - 1;
    if (work->until != UINT64_MAX && to >= work->until)
        to = work->until - 1;
    return to < index->head ? to : index->head;
}

static void grow(struct index_agent *index)
{
    index->range_blocks += index->range_blocks / 4 + 1;
    if (index->range_blocks > index->config.range_blocks)
        index->range_blocks = index->config.range_blocks;
}

/* The block below the range, where we have it: new ranges stand on old ones. */
static enum step parent_of(struct index_agent *index, bool *known, struct chain_hash *hash)
{
    uint64_t number;
    *known = false;
    if (index->work.from == 0)
        return STEP_ON;
    return store_ok(index, index->store.block(index->store.context, known, &number, hash,
                                              index->work.from - 1))
               ? STEP_ON
               : STEP_END;
}

static enum step read_range(struct index_agent *index)
{
    struct index_range range;
    enum index_fault fault;
    struct chain_hash parent;
    bool has_parent;
    const struct index_prove_options options = {.logs_max = LOGS_MAX,
                                                .header_hash = index->config.header_hash};
    uint64_t to = end_of_range(index);
    uint64_t blocks = to - index->work.from + 1;
    if (parent_of(index, &has_parent, &parent) != STEP_ON)
        return STEP_END;
    const struct index_filter filter = {
        .contracts = index->work.contracts,
        .contract_count = index->work.contract_count,
        .party = address_is_zero(&index->work.party) ? NULL : &index->work.party};
    enum node_result result = index_prove(index->node, &range, &fault, &filter, index->work.from,
                                          to, has_parent ? &parent : NULL, &options);
    if (result != NODE_OK)
        return read_failed(index, result, fault, blocks);
    uint64_t keep = index->head > index->config.reorg_blocks_max
                        ? index->head - index->config.reorg_blocks_max
                        : 0;
    bool saved =
        store_ok(index, index->store.save(index->store.context, &index->work, &range, keep));
    if (saved) {
        index->counters.ranges++;
        index->counters.blocks += blocks;
        index->counters.events += range.logs.count;
        grow(index);
    }
    index_range_fini(&range);
    return saved ? STEP_ON : STEP_END;
}

/* One range per pass, so that booking and stopping never wait for a long one. *more: the head is
 * not reached. */
static enum step read_next(struct index_agent *index, bool *more)
{
    if (!store_ok(index, index->store.work(index->store.context, &index->work,
                                           index->config.from_block, index->head)))
        return STEP_END;
    if (index->work.contract_count == 0 || index->work.from > index->head)
        return STEP_ON;
    if (read_range(index) != STEP_ON)
        return STEP_END;
    if (!store_ok(index, index->store.work(index->store.context, &index->work,
                                           index->config.from_block, index->head)))
        return STEP_END;
    *more = index->work.from <= index->head;
    return STEP_ON;
}

/* ---- stablecoins ---- */

/* What somebody has asked for is read when it is what he says it is. One at a time. */
static enum step prove_stablecoin(struct index_agent *index, bool *more)
{
    struct index_stablecoin coin;
    enum erc3643_fitness fitness;
    bool found;
    if (!store_ok(index, index->store.stablecoin(index->store.context, &found, &coin)))
        return STEP_END;
    if (!found)
        return STEP_ON;
    enum node_result result = erc20_check(index->node, &fitness, &coin.contract, coin.decimals,
                                          &coin.escrow, index->head);
    if (result != NODE_OK)
        return node_failed(index, "stablecoin", result);
    const char *reason = fitness == ERC3643_FIT ? NULL : erc3643_fitness_text(fitness);
    log_info("stablecoin asset=%u verdict=%s", coin.asset, erc3643_fitness_text(fitness));
    *more = true;
    return store_ok(index, index->store.stablecoin_proved(index->store.context, &coin, reason))
               ? STEP_ON
               : STEP_END;
}

/* ---- confirming ---- */

static enum step confirmable(struct index_agent *index, bool *any, uint64_t *upto)
{
    uint64_t needed = index->config.confirmations > 0 ? index->config.confirmations : 1;
    *any = index->work.contract_count > 0 && index->work.from > 0 && index->head + 1 >= needed;
    if (!*any)
        return STEP_ON;
    *upto = index->head + 1 - needed;
    if (index->config.finalized_tag) {
        bool found;
        struct index_header final;
        enum node_result result = index_node_header(index->node, &found, &final, NODE_FINALIZED);
        if (result != NODE_OK)
            return node_failed(index, "finalized block", result);
        *any = found;
        if (found && final.number < *upto)
            *upto = final.number;
    }
    if (*upto >= index->work.from)
        *upto = index->work.from - 1;
    return STEP_ON;
}

static enum step confirm(struct index_agent *index, bool *more)
{
    bool any;
    uint64_t upto;
    uint64_t left;
    if (confirmable(index, &any, &upto) != STEP_ON)
        return STEP_END;
    if (!any)
        return STEP_ON;
    if (!store_ok(index, index->store.confirm(index->store.context, upto, &left)))
        return STEP_END;
    if (left == 0)
        index->confirmed = upto;
    *more = *more || left > 0;
    return STEP_ON;
}

/* ---- the ledger ---- */

static bool write_answer(struct index_agent *index, uint16_t reject_code, uint64_t sequence)
{
    if (reject_code == 0) {
        index->counters.booked++;
    } else {
        index->counters.refused++;
        log_error("the ledger refuses a fact of the chain number=%" PRIu64 " code=%u",
                  index->sent.number, reject_code);
    }
    return store_ok(index, index->store.answered(index->store.context, index->sent.number,
                                                 reject_code, sequence));
}

/* REFERENCE_OLD: the core has had larger numbers, so this database was restored from before them.
 * Going on would book what is booked: it stands still until a person has compared. */
static bool take_answer(struct index_agent *index, const struct index_answer *answer)
{
    index->has_sent = false;
    if (answer->kind == INDEX_ANSWER_LOST)
        return true;
    if (answer->kind == INDEX_ANSWER_REFUSED && answer->reject_code == REJECT_REFERENCE_OLD) {
        (void)trouble(
            index, "ledger",
            "the core knows larger reference numbers than this database: was it restored?");
        return false;
    }
    uint16_t code = answer->kind == INDEX_ANSWER_REFUSED ? answer->reject_code : 0;
    return write_answer(index, code, answer->sequence);
}

static enum step send_next(struct index_agent *index, bool *more)
{
    bool found;
    struct index_command command = {.type = CMD_ledger_post};
    if (!store_ok(index, index->store.posting(index->store.context, &found, &index->sent)))
        return STEP_END;
    if (!found)
        return STEP_ON;
    if (!index->sent.fits) {
        *more = true;
        return write_answer(index, REJECT_OVERFLOW, 0) ? STEP_ON : STEP_END;
    }
    command.body.ledger_post = index->sent.command;
    index->has_sent = index->core.send(index->core.context, &command);
    return STEP_ON;
}

static enum step book(struct index_agent *index, bool *more)
{
    if (index->has_sent) {
        struct index_answer answer = index->core.poll(index->core.context);
        if (answer.kind == INDEX_ANSWER_NONE)
            return STEP_ON;
        if (!take_answer(index, &answer))
            return STEP_END;
    } else {
        (void)index->core.poll(
            index->core
                .context); /* of one that was given up with the database: it is asked again */
    }
    return send_next(index, more);
}

/* ---- a pass ---- */

static enum step read_chain(struct index_agent *index, bool *more)
{
    if (!index->entered && enter(index) != STEP_ON)
        return STEP_END;
    if (look_at_head(index) != STEP_ON || look_for_fork(index) != STEP_ON)
        return STEP_END;
    if (prove_stablecoin(index, more) != STEP_ON || read_next(index, more) != STEP_ON)
        return STEP_END;
    return confirm(index, more);
}

static bool lead(struct index_agent *index)
{
    enum index_store_result result = index->store.lead(index->store.context);
    if (result == INDEX_STORE_BUSY)
        log_limited(LOG_INFO, "another indexer holds the lock chain_id=%" PRIu64,
                    index->config.chain_id);
    return store_ok(index, result);
}

static bool pass(struct index_agent *index)
{
    bool more = false;
    if (!lead(index))
        return false;
    index->trouble[0] = '\0';
    bool read = read_chain(index, &more) == STEP_ON;
    /* What the ledger is to be told needs no node. */
    if (index->fail_wait_ns == 0 && book(index, &more) != STEP_ON)
        read = false;
    if (index->fail_wait_ns == 0)
        (void)store_ok(index,
                       index->store.tell(index->store.context, index->head, index->subscribed,
                                         index->trouble[0] == '\0' ? NULL : index->trouble));
    return read && more && index->fail_wait_ns == 0;
}

bool index_do_work(struct index_agent *index, uint64_t now_ns)
{
    index->counters.passes++;
    bool more = pass(index);
    uint64_t wait_ns = index->fail_wait_ns != 0 ? index->fail_wait_ns : index->config.poll_ns;
    index->poll_at_ns = more ? now_ns : now_ns + wait_ns;
    return more;
}
