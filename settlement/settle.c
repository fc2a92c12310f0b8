// One pass of the worker, in this order:
//
//   lead      the lock; without it nothing else happens
//   known     does the database know what was signed? (settle_known.c)
//   results   answers of the core are written down, results are numbered and sent
//   retry     what administrators asked to try again becomes pending; what two persons give up is
//             marked so
//   chain     where is the chain, are the nonces ours (settle_chain.c)
//   marks     transactions that two persons say have settled a trade (settle_mark.c)
//   claim     new trades become requests; not when the chain cannot be used
//   items     the open requests, lowest nonce first, each one step further (settle_item.c), then the
//             first step of the new ones
//   off chain a batch of the trades that need no chain; after those that do
//   custody   what is frozen now, and what is to be
//   results   once more
//
// Any doubt about the database ends the pass; the next one reads the rows again.
#include "settlement/settle_custody.h"

#include <string.h>

#include "base/log.h"

// A database that is lost or refuses is asked again after this, then after twice as long, and so
// on up to a tick.
static const uint64_t STORE_WAIT_NS = 200000000;
static const uint64_t CHAIN_WAIT_NS =
    1000000000; // a node or signer that failed, if a tick is not shorter

void settle_init(struct settle *settle, const struct settle_config *config,
                 const struct settle_store_ops *store, struct node *node,
                 const struct signer_ops *signer, const struct settle_core_ops *core)
{
    ASSERT(config->batch_max > 0 && config->batch_max <= SETTLE_LEGS_MAX && config->claim_max > 0);
    ASSERT(config->attempts_max > 0 && config->tick_ns > 0 && config->poll_ns > 0);
    settle->config = *config;
    settle->store = *store;
    settle->node = node;
    settle->signer = *signer;
    settle->core = *core;
    settle->results_stale = true;
}

bool settle_store_ok(struct settle *settle, enum settle_store_result result)
{
    if (result == SETTLE_STORE_OK)
        return true;
    settle->counters.store_failures++;
    settle->store_failed = true;
    settle->results_stale = true;
    return false;
}

enum settle_step settle_chain_failed(struct settle *settle, const char *what,
                                     enum node_result result)
{
    settle->chain_failed = true;
    settle_keys_doubt(settle);
    if (result == NODE_OK)
        return SETTLE_STEP_ABORT;
    settle->counters.node_failures++;
    log_limited(LOG_WARNING,
                "the node does not answer as it should call=\"%s\" result=%s "
                "message=\"%s\"",
                what, node_result_text(result), settle->node->error.message);
    return SETTLE_STEP_ABORT;
}

// ---- results for the core

// Takes the result out of the list. Answers come in order, so it is the first, but for what was
// booked before this process began.
static void results_remove(struct settle *settle, uint64_t ref_number)
{
    size_t at = settle->result_first;

    while (at < settle->result_count && settle->results[at].command.ref_number != ref_number)
        at++;
    if (at == settle->result_count)
        return;
    memmove(&settle->results[settle->result_first + 1], &settle->results[settle->result_first],
            (at - settle->result_first) * sizeof(settle->results[0]));
    settle->result_first++;
    settle->result_sent += at >= settle->result_sent;
}

static void results_answer(struct settle *settle, const struct settle_answer *answer)
{
    if (answer->kind == SETTLE_ANSWER_RESTARTED) {
        settle->result_sent = settle->result_first;
        return;
    }
    if (answer->kind == SETTLE_ANSWER_REFUSED) {
        settle->counters.results_refused++;
        log_error("the core refuses a settlement result ref=%llu code=%u",
                  (unsigned long long)answer->ref_number, answer->reject_code);
    }
    results_remove(settle, answer->ref_number);
    settle->answers[settle->answer_count++] = *answer;
}

// Answers that could not be written down are kept, and written by a later pass. If the process ends
// before that, the next one finds them where `unanswered_after` says.
static size_t results_poll(struct settle *settle)
{
    struct settle_answer answer;
    size_t done = 0;

    while (settle->core_begun && !settle->store_failed) {
        while (settle->answer_count < SETTLE_RESULTS_MAX &&
               settle->core.poll(settle->core.context, &answer))
            results_answer(settle, &answer);
        if (settle->answer_count == 0 ||
            !settle_store_ok(settle, settle->store.answered(settle->store.context, settle->answers,
                                                            settle->answer_count)))
            break;
        done += settle->answer_count;
        settle->answer_count = 0;
    }
    return done;
}

static void results_begin(struct settle *settle)
{
    uint64_t sequence = 0;

    if (settle->core_begun ||
        !settle_store_ok(settle, settle->store.unanswered_after(settle->store.context, &sequence)))
        return;
    settle->core.begin(settle->core.context, sequence);
    settle->core_begun = true;
}

// Every answer is written down here: the row of one that is not would be read as open.
static void results_read(struct settle *settle)
{
    size_t count = 0;

    ASSERT(settle->answer_count == 0);
    if (!settle->results_stale || settle->result_first < settle->result_count)
        return;
    if (!settle_store_ok(settle,
                         settle->store.results(settle->store.context, settle->results, &count,
                                               SETTLE_RESULTS_MAX, settle->result_read,
                                               settle->core.sequence(settle->core.context))))
        return;
    settle->result_first = settle->result_sent = 0;
    settle->result_count = count;
    settle->results_stale = count == SETTLE_RESULTS_MAX;
    if (count > 0)
        settle->result_read = settle->results[count - 1].command.ref_number;
}

static size_t results_send(struct settle *settle)
{
    size_t before;

    results_begin(settle);
    if (!settle->core_begun || settle->store_failed)
        return 0;
    results_read(settle);
    before = settle->result_sent;
    while (settle->result_sent < settle->result_count &&
           settle->core.send(settle->core.context, &settle->results[settle->result_sent].command))
        settle->result_sent++;
    settle->counters.results_sent += settle->result_sent - before;
    return settle->result_sent - before;
}

// Answers first, then what is to be sent: not the other way round (results_read).
static size_t results_pass(struct settle *settle)
{
    size_t done = results_poll(settle);

    return done + results_send(settle);
}

// ---- the pass

static void store_back_off(struct settle *settle, uint64_t now_ns)
{
    uint64_t wait_ns = settle->store_wait_ns == 0 ? STORE_WAIT_NS : 2 * settle->store_wait_ns;

    if (wait_ns > settle->config.tick_ns)
        wait_ns = settle->config.tick_ns;
    settle->store_wait_ns = wait_ns;
    settle->store_again_ns = settle->deadline_ns = now_ns + wait_ns;
}

static bool pass_lead(struct settle *settle, uint64_t now_ns)
{
    enum settle_store_result result;
    bool anew = false;

    if (now_ns < settle->store_again_ns)
        return false;
    result = settle->store.lead(settle->store.context, &anew);
    if (result != SETTLE_STORE_OK || anew) {
        settle->attempts_known = settle->bids_known = false;
        settle_keys_doubt(settle);
        settle_keys_reread(settle);
    }
    if (result == SETTLE_STORE_OK)
        return true;
    settle->counters.store_failures++;
    if (result == SETTLE_STORE_BUSY) // no failure: take over soon after the other one has gone
        settle->store_wait_ns = 0;
    store_back_off(settle, now_ns);
    log_limited(LOG_WARNING, "%s",
                result == SETTLE_STORE_BUSY ? "another settlement worker holds the lock"
                                            : "the database cannot be used");
    return false;
}

// What this pass asks the node for.
static void pass_plan(struct settle *settle, uint64_t now_ns)
{
    settle->pass_ns = now_ns;
    settle->store_failed = false;
    settle->chain_failed = false;
    settle->scan_until_ns = 0;
    settle->look = now_ns - settle->looked_ns >= settle->config.poll_ns;
    settle->resend = now_ns - settle->resent_ns >= settle->config.tick_ns;
    if (settle->look)
        settle->looked_ns = now_ns;
    if (settle->resend)
        settle->resent_ns = now_ns;
    settle->moved_unlooked |= settle->look || settle->resend;
}

static bool pass_chain(struct settle *settle, uint64_t now_ns)
{
    return now_ns >= settle->chain_again_ns && settle->attempts_known &&
           settle_chain_look(settle) != SETTLE_STEP_ABORT;
}

static bool pass_load(struct settle *settle)
{
    return settle_store_ok(settle, settle->store.load(settle->store.context, settle->items,
                                                      &settle->item_count, SETTLE_ITEMS_MAX));
}

// NONE or DONE: they are as the signer's log has them.
static bool pass_bids(struct settle *settle)
{
    enum settle_step step = settle_lost_bids(settle);

    return step == SETTLE_STEP_NONE || (step == SETTLE_STEP_DONE && pass_load(settle));
}

// While receipts are looked at the node begins with the first group of what is new.
static void pass_ahead(struct settle *settle)
{
    size_t first = 0;

    while (first < settle->item_count && settle->items[first].bid_count > 0)
        first++;
    if (!settle->look || first == 0 || first == settle->item_count || settle->is_over ||
        settle->attempts_lost || settle->node->rpc.ahead == NULL)
        return;
    struct settle_item *next = &settle->items[first];
    // A node that fails is dealt with when it is asked in earnest.
    if (next->call.is_of_trades &&
        settle_preflight_contract(settle->node, &settle->preflight, &next->call.contract,
                                  NODE_LATEST) == NODE_OK)
        (void)!settle_begin_ahead(settle, next, SETTLE_FIRSTS_MAX);
}

static size_t pass_items(struct settle *settle)
{
    size_t done = 0;

    settle_keys_mark(settle);
    pass_ahead(settle);
    for (size_t i = 0; i < settle->item_count && !settle->store_failed; i++) {
        if (settle->items[i].bid_count == 0 && settle->attempts_lost)
            continue;
        bool apart = settle_is_apart(settle, &settle->items[i]);
        if (apart) {
            settle_together_flush(settle, true);
            if (settle->store_failed || settle->chain_failed)
                break;
        }
        done += settle_item_step(settle, &settle->items[i]) == SETTLE_STEP_DONE;
        settle_together_flush(settle, apart);
        if (settle->store_failed || settle->chain_failed)
            break;
    }
    settle_together_flush(settle, true);
    return done;
}

static bool has_open_bids(const struct settle *settle)
{
    for (size_t i = 0; i < settle->item_count; i++)
        if (settle->items[i].bid_count > 0)
            return true;
    return false;
}

// Short gathering: while transactions are under way anyway, those that come meanwhile go together.
// Nothing waits for a timer when nothing is under way.
static bool claim_is_due(struct settle *settle, uint64_t now_ns)
{
    bool gathers = has_open_bids(settle) && !settle->claim_more;
    uint64_t wait_ns = settle->config.pace_ns;

    if (gathers && settle->config.gather_ns > wait_ns)
        wait_ns = settle->config.gather_ns;
    settle->claim_again_ns = 0;
    if (settle->claimed_ns == 0 || now_ns - settle->claimed_ns >= wait_ns)
        return true;
    settle->claim_again_ns = settle->claimed_ns + wait_ns;
    return false;
}

static bool pass_may_claim(const struct settle *settle)
{
    return !settle->store_failed && !settle->chain_failed && !settle->attempts_lost;
}

static size_t pass_claim(struct settle *settle, uint64_t now_ns)
{
    struct settle_claim claim = {.trades_max = settle->config.claim_max,
                                 .batch_max = settle->config.batch_max,
                                 .requests_max = SETTLE_ITEMS_MAX - settle->item_count,
                                 .mark = settle->resend};

    if (claim.requests_max == 0 || !claim_is_due(settle, now_ns) ||
        !settle_store_ok(settle, settle->store.claim(settle->store.context, &claim)))
        return 0;
    settle->claimed_ns = now_ns;
    settle->claim_more = claim.claimed + claim.refused >= claim.trades_max;
    settle->counters.claimed += claim.claimed;
    settle->counters.refused += claim.refused;
    settle->results_stale |= claim.refused > 0;
    if (claim.claimed > 0)
        (void)!pass_load(settle);
    return claim.claimed + claim.refused;
}

static size_t pass_off_chain(struct settle *settle)
{
    size_t settled = 0;

    if (!settle_store_ok(settle, settle->store.off_chain(settle->store.context, &settled,
                                                         SETTLE_OFF_CHAIN_MAX, settle->resend)))
        return 0;
    settle->counters.off_chain += settled;
    settle->results_stale |= settled > 0;
    return settled;
}

static void pass_deadline(struct settle *settle, uint64_t now_ns)
{
    bool busy = has_open_bids(settle) && !settle->chain_failed;

    settle->deadline_ns = now_ns + (busy ? settle->config.poll_ns : settle->config.tick_ns);
    if (settle->claim_again_ns > now_ns && settle->claim_again_ns < settle->deadline_ns)
        settle->deadline_ns = settle->claim_again_ns;
    if (settle->chain_failed) {
        uint64_t wait_ns =
            CHAIN_WAIT_NS < settle->config.tick_ns ? CHAIN_WAIT_NS : settle->config.tick_ns;
        settle->chain_again_ns = settle->deadline_ns = now_ns + wait_ns;
    }
    if (settle->store_failed)
        store_back_off(settle, now_ns);
    else
        settle->store_wait_ns = 0;
}

static size_t pass_abandoned(struct settle *settle)
{
    size_t changed = 0;

    return settle_store_ok(settle, settle->store.abandon(settle->store.context, &changed)) ? changed
                                                                                        : 0;
}

size_t settle_do_work(struct settle *settle, uint64_t now_ns)
{
    size_t done;
    size_t retried = 0;
    size_t marks = 0;
    bool chain_ready;

    settle->counters.passes++;
    if (!pass_lead(settle, now_ns)) {
        settle->deadline_ns = settle->store_again_ns;
        return 0;
    }
    pass_plan(settle, now_ns);
    settle->item_count = 0;
    settle->ahead_end = NULL;
    ASSERT(settle->first_count == 0 && settle->seen_count == 0);
    if (!settle_known_look(settle)) {
        pass_deadline(settle, now_ns);
        if (settle->attempts_missing) // the rebuild wants the lock, too
            settle->store_again_ns = settle->deadline_ns = now_ns + CHAIN_WAIT_NS;
        return 0;
    }
    done = results_pass(settle);
    if (!settle->store_failed &&
        settle_store_ok(settle, settle->store.retry(settle->store.context, &retried, &marks)))
        settle->results_stale |= retried > 0;
    if (!settle->store_failed && settle->resend)
        done += pass_abandoned(settle);
    chain_ready = !settle->store_failed && pass_chain(settle, now_ns);
    if (marks > 0 && chain_ready)
        done += settle_marks_check(settle) == SETTLE_STEP_DONE;
    chain_ready = chain_ready && !settle->chain_failed;
    if (!settle->store_failed && pass_load(settle) && chain_ready && pass_bids(settle)) {
        settle_keys_head(settle, now_ns);
        settle_keys_gaps(settle, now_ns);
        size_t claimed = pass_may_claim(settle) ? pass_claim(settle, now_ns) : 0;
        if (!settle->store_failed)
            done += claimed + pass_items(settle);
        if (claimed > 0)
            settle->looked_ns = 0; // a node that mines at once has the receipts already
    }
    if (!settle->store_failed)
        done += pass_off_chain(settle);
    if (!settle->store_failed && chain_ready && !settle->chain_failed && !settle->attempts_lost)
        done += settle_custody_pass(settle);
    if (!settle->store_failed)
        done += results_pass(settle);
    pass_deadline(settle, now_ns);
    return settle->store_failed || settle->chain_failed ? 0 : done + retried;
}

uint64_t settle_deadline_ns(const struct settle *settle)
{
    return settle->deadline_ns;
}

bool settle_is_backing_off(const struct settle *settle)
{
    return settle->store_wait_ns != 0;
}
