#include "settlement/settle_fake.h"

#include <stdio.h>
#include <string.h>

// Postgres as settlement sees it: every function is one transaction; it happens as a whole or not
// at all, and its answer may be lost either way.

const char fake_token[] = "0x00000000000000000000000000000000000000aa";
const char fake_seller[] = "0x00000000000000000000000000000000000000b1";
const char fake_seller2[] = "0x00000000000000000000000000000000000000b2";
const char fake_buyer[] = "0x00000000000000000000000000000000000000c1";

#define GIGA UINT64_C(1000000000)

// ---- faults
// ---------------------------------------------------------------------------------------

uint64_t fake_random(struct fake_world *world, uint64_t below)
{
    uint64_t x = world->faults.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    world->faults.random = x;
    return (x >> 11) % below;
}

enum fake_fault fake_effect(struct fake_world *world)
{
    struct fake_faults *faults = &world->faults;
    enum fake_fault fault = FAKE_NONE;

    if (faults->dead)
        return FAKE_KILL_BEFORE;
    faults->effects++;
    if (faults->decide != NULL)
        fault = faults->decide();
    else if (faults->at != 0 && faults->effects == faults->at)
        fault = faults->kind;
    else if (faults->permille > 0 && fake_random(world, 1000) < faults->permille)
        fault = (enum fake_fault)(1 + fake_random(world, FAKE_FAULT_COUNT - 1));
    faults->injected += fault != FAKE_NONE;
    faults->dead = fault == FAKE_KILL_BEFORE || fault == FAKE_KILL_AFTER;
    return fault;
}

bool fake_is_before(enum fake_fault fault)
{
    return fault == FAKE_LOST_BEFORE || fault == FAKE_KILL_BEFORE;
}

// Begins a transaction. False: it does not take place.
static bool begin(struct fake_world *world, enum fake_fault *fault)
{
    *fault = fake_effect(world);
    if (*fault == FAKE_NONE && !world->leading)
        *fault = FAKE_LOST_BEFORE;
    if (*fault != FAKE_NONE)
        world->leading = false; // the session is gone, and the lock with it
    if (world->store_refuses && *fault == FAKE_NONE)
        *fault = FAKE_LOST_BEFORE; // the session and the lock stay
    return !fake_is_before(*fault);
}

static enum settle_store_result end(enum fake_fault fault)
{
    return fault == FAKE_NONE ? SETTLE_STORE_OK : SETTLE_STORE_LOST;
}

#define BEGIN                                                                                      \
    struct fake_world *world = context;                                                            \
    enum fake_fault fault;                                                                         \
    if (!begin(world, &fault))                                                                     \
    return SETTLE_STORE_LOST

// ---- rows
// -----------------------------------------------------------------------------------------

static struct fake_trade *trade_row(struct fake_world *world, uint64_t trade_id)
{
    for (size_t i = 0; i < world->trade_count; i++)
        if (world->trades[i].trade_id == trade_id)
            return &world->trades[i];
    ASSERT(false);
    return NULL;
}

static void trade_move(struct fake_world *world, struct fake_trade *trade,
                       enum settle_trade_state to, const char *reason)
{
    if (trade->state != to)
        ASSERT(settle_trade_move_allowed(trade->state, to));
    trade->state = to;
    trade->changed_ns = world->now_ns;
    snprintf(trade->reason, sizeof(trade->reason), "%s", reason != NULL ? reason : "");
}

static void result_queue(struct fake_world *world, const struct fake_trade *trade,
                         enum settlement_outcome outcome)
{
    ASSERT(world->result_count < FAKE_RESULTS_MAX);
    struct settle_result *result = &world->results[world->result_count];
    *result = (struct settle_result){.result_id = world->result_count + 1};
    result->command.trade_id = trade->trade_id;
    result->command.outcome = (uint8_t)outcome;
    world->result_answered[world->result_count++] = false;
}

static struct fake_attempt *attempt_row(struct fake_world *world, uint64_t attempt_id)
{
    ASSERT(attempt_id > 0 && attempt_id <= world->attempt_count);
    return &world->attempts[attempt_id - 1];
}

static void attempt_move(struct fake_attempt *row, enum settle_attempt_state to)
{
    ASSERT(settle_attempt_move_allowed(row->attempt.state, to));
    row->attempt.state = to;
}

static struct fake_attempt *open_attempt(struct fake_world *world, const struct fake_trade *trade)
{
    struct fake_attempt *found = NULL;

    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (row->trade != (size_t)(trade - world->trades) ||
            !settle_attempt_is_open(row->attempt.state))
            continue;
        ASSERT(found == NULL); // one open attempt of a request at most
        found = row;
    }
    return found;
}

bool fake_is_committed(const struct fake_world *world, const uint8_t *raw, size_t len)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (row->raw_len == len && memcmp(row->raw, raw, len) == 0)
            return row->attempt.state != SETTLE_ATTEMPT_PREPARED;
    }
    return false;
}

// ---- the functions
// --------------------------------------------------------------------------------

static enum settle_store_result store_lead(void *context)
{
    struct fake_world *world = context;
    enum fake_fault fault = fake_effect(world);

    world->leading = fault == FAKE_NONE;
    return end(fault);
}

static enum settle_store_result store_retry(void *context, size_t *retried)
{
    BEGIN;
    *retried = 0;
    for (size_t i = 0; i < world->trade_count; i++) {
        struct fake_trade *trade = &world->trades[i];
        if (!trade->retry_asked)
            continue;
        trade->retry_asked = false;
        if (trade->state != SETTLE_TRADE_FAILED || open_attempt(world, trade) != NULL)
            continue;
        trade_move(world, trade, SETTLE_TRADE_PENDING, NULL);
        trade->attempts = 0;
        result_queue(world, trade, SETTLEMENT_RETRIED);
        ++*retried;
    }
    return end(fault);
}

static enum settle_store_result store_nonce_get(void *context, bool *known, uint64_t *next,
                                                const struct chain_address *signer)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *known = world->signer_known;
    *next = world->nonce_next;
    return end(fault);
}

static enum settle_store_result store_nonce_set(void *context, const struct chain_address *signer,
                                                uint64_t next)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    world->signer_known = true;
    if (next > world->nonce_next)
        world->nonce_next = next;
    return end(fault);
}

static bool inbound_of(const struct fake_world *world, const struct fake_trade *trade,
                       bool earlier_only)
{
    for (size_t i = 0; i < world->trade_count; i++) {
        const struct fake_trade *other = &world->trades[i];
        if (other == trade || other->buyer_wallet == NULL || trade->seller_wallet == NULL ||
            strcmp(other->buyer_wallet, trade->seller_wallet) != 0)
            continue;
        if (earlier_only ? other < trade && (other->state == SETTLE_TRADE_PENDING ||
                                             other->state == SETTLE_TRADE_PROCESSING)
                         : other->state != SETTLE_TRADE_SETTLED)
            return true;
    }
    return false;
}

static enum settle_plan_result plan_of(struct settle_leg *leg, const char **reason,
                                       const struct fake_trade *trade)
{
    const struct settle_trade_terms terms = {.contract_address = trade->contract,
                                             .buyer_wallet = trade->buyer_wallet,
                                             .seller_wallet = trade->seller_wallet,
                                             .quantity = trade->quantity,
                                             .scale = 2,
                                             .decimals = 18};
    return settle_plan(leg, reason, &terms);
}

static void claim_one(struct fake_world *world, struct fake_trade *trade, struct settle_claim *done)
{
    const char *reason = NULL;
    struct settle_leg leg;

    switch (plan_of(&leg, &reason, trade)) {
    case SETTLE_PLAN_OFF_CHAIN: // store_off_chain
        break;
    case SETTLE_PLAN_WAIT:
        snprintf(trade->reason, sizeof(trade->reason), "%s", reason);
        break;
    case SETTLE_PLAN_REFUSED:
        trade_move(world, trade, SETTLE_TRADE_FAILED, reason);
        result_queue(world, trade, SETTLEMENT_FAILED);
        done->refused++;
        break;
    case SETTLE_PLAN_ON_CHAIN:
        if (inbound_of(world, trade, true))
            break;
        ASSERT(open_attempt(world, trade) == NULL);
        trade_move(world, trade, SETTLE_TRADE_PROCESSING, NULL);
        trade->request_open = true;
        trade->leg = leg;
        done->claimed++;
        break;
    }
}

static enum settle_store_result store_claim(void *context, struct settle_claim *done, size_t max)
{
    BEGIN;
    *done = (struct settle_claim){0};
    for (size_t i = 0; i < world->trade_count; i++) {
        struct fake_trade *trade = &world->trades[i];
        if (done->claimed + done->refused == max)
            break;
        if (trade->state != SETTLE_TRADE_PENDING || trade->attempts >= world->attempts_max ||
            (trade->reason[0] != '\0' && world->now_ns - trade->changed_ns < world->tick_ns))
            continue;
        claim_one(world, trade, done);
    }
    return end(fault);
}

static enum settle_store_result store_off_chain(void *context, size_t *settled, size_t max)
{
    BEGIN;
    *settled = 0;
    for (size_t i = 0; i < world->trade_count && *settled < max; i++) {
        struct fake_trade *trade = &world->trades[i];
        const char *reason = NULL;
        struct settle_leg leg;
        if (trade->state != SETTLE_TRADE_PENDING ||
            plan_of(&leg, &reason, trade) != SETTLE_PLAN_OFF_CHAIN)
            continue;
        trade_move(world, trade, SETTLE_TRADE_SETTLED, reason);
        result_queue(world, trade, SETTLEMENT_SETTLED);
        ++*settled;
    }
    return end(fault);
}

static void item_fill(struct fake_world *world, struct settle_item *item,
                      const struct fake_trade *trade)
{
    struct fake_attempt *open = open_attempt(world, trade);

    *item = (struct settle_item){.request_id = (uint64_t)(trade - world->trades) + 1,
                                 .trade_id = trade->trade_id,
                                 .attempts_used = trade->attempts,
                                 .leg = trade->leg};
    for (size_t i = 0; open != NULL && i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (row->trade == open->trade && row->attempt.nonce == open->attempt.nonce &&
            row->attempt.state != SETTLE_ATTEMPT_DROPPED)
            item->bids[item->bid_count++] = row->attempt;
    }
}

static bool item_before(const struct settle_item *a, const struct settle_item *b)
{
    if (a->bid_count > 0 && b->bid_count > 0)
        return a->bids[0].nonce < b->bids[0].nonce;
    if (a->bid_count == 0 && b->bid_count == 0)
        return a->trade_id < b->trade_id;
    return a->bid_count > 0;
}

static enum settle_store_result store_load(void *context, struct settle_item *items, size_t *count,
                                           size_t max)
{
    BEGIN;
    *count = 0;
    for (size_t i = 0; i < world->trade_count && *count < max; i++) {
        struct settle_item item;
        size_t at;
        if (!world->trades[i].request_open)
            continue;
        item_fill(world, &item, &world->trades[i]);
        for (at = *count; at > 0 && item_before(&item, &items[at - 1]); at--)
            items[at] = items[at - 1];
        items[at] = item;
        ++*count;
    }
    return end(fault);
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    BEGIN;
    const struct fake_attempt *row = attempt_row(world, attempt_id);
    ASSERT(row->raw_len > 0 && row->raw_len <= *len);
    memcpy(raw, row->raw, row->raw_len);
    *len = row->raw_len;
    return end(fault);
}

static void trade_end(struct fake_world *world, struct fake_trade *trade, enum settle_end how,
                      bool signed_one, const char *reason)
{
    bool last;

    trade->attempts += signed_one;
    trade->total_attempts += signed_one;
    trade->request_open = false;
    last = how == SETTLE_END_COUNT && trade->attempts >= world->attempts_max;
    if (how == SETTLE_END_FAIL || last) {
        trade_move(world, trade, SETTLE_TRADE_FAILED, reason);
        result_queue(world, trade, SETTLEMENT_FAILED);
    } else {
        trade_move(world, trade, SETTLE_TRADE_PENDING, reason);
    }
}

static enum settle_store_result store_end(void *context, const struct settle_item *item,
                                          enum settle_end how, const char *reason,
                                          const struct erc3643_evidence *evidence)
{
    BEGIN;
    struct fake_trade *trade = trade_row(world, item->trade_id);
    ASSERT(open_attempt(world, trade) == NULL && how != SETTLE_END_COUNT);
    world->checks += evidence != NULL;
    trade_end(world, trade, how, false, reason);
    return end(fault);
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_item *item)
{
    BEGIN;
    *open = inbound_of(world, trade_row(world, item->trade_id), false);
    return end(fault);
}

static enum settle_store_result store_prepare(void *context, struct settle_attempt *attempt,
                                              const struct settle_item *item,
                                              const struct chain_address *signer,
                                              const uint8_t *calldata, size_t calldata_len,
                                              const struct erc3643_evidence *evidence)
{
    BEGIN;
    struct fake_trade *trade = trade_row(world, item->trade_id);
    struct fake_attempt *open = open_attempt(world, trade);
    ASSERT(calldata_len > 4 && calldata[0] == 0x9f && address_equal(signer, &world->signer));
    ASSERT(trade->state == SETTLE_TRADE_PROCESSING || open != NULL);
    for (size_t i = 0; i < world->attempt_count; i++)
        ASSERT(world->attempts[i].attempt.state != SETTLE_ATTEMPT_PREPARED);
    if (open == NULL) {
        ASSERT(attempt->nonce == world->nonce_next && evidence != NULL &&
               evidence->verdict == ERC3643_ALLOWED);
        world->nonce_next++;
        world->checks++;
    } else {
        ASSERT(attempt->nonce == open->attempt.nonce);
        attempt_move(open, SETTLE_ATTEMPT_REPLACED);
    }
    ASSERT(world->attempt_count < FAKE_ATTEMPTS_MAX);
    struct fake_attempt *row = &world->attempts[world->attempt_count++];
    *row = (struct fake_attempt){.attempt = *attempt, .trade = (size_t)(trade - world->trades)};
    row->attempt.attempt_id = attempt->attempt_id = world->attempt_count;
    row->attempt.state = SETTLE_ATTEMPT_PREPARED;
    return end(fault);
}

static enum settle_store_result store_refuse(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             enum settle_end how, const char *reason)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    attempt_move(row, SETTLE_ATTEMPT_DROPPED);
    if (item->bid_count > 1) {
        attempt_move(attempt_row(world, item->bids[item->bid_count - 2].attempt_id),
                     SETTLE_ATTEMPT_SENT);
        return end(fault);
    }
    ASSERT(world->nonce_next == row->attempt.nonce + 1);
    world->nonce_next--;
    trade_end(world, trade_row(world, item->trade_id), how, false, reason);
    return end(fault);
}

static enum settle_store_result store_sign(void *context, const struct settle_attempt *attempt,
                                           const struct chain_address *signer, const uint8_t *raw,
                                           size_t len)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    ASSERT(len <= FAKE_RAW_MAX && address_equal(signer, &world->signer));
    attempt_move(row, SETTLE_ATTEMPT_SIGNED);
    memcpy(row->raw, raw, len);
    row->raw_len = len;
    row->attempt.hash = attempt->hash;
    return end(fault);
}

static enum settle_store_result store_sent(void *context, const struct settle_item *item,
                                           const struct settle_attempt *attempt)
{
    BEGIN;
    attempt_move(attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_SENT);
    trade_row(world, item->trade_id)->tx_hash = attempt->hash;
    return end(fault);
}

static enum settle_store_result store_mined(void *context, const struct settle_item *item,
                                            const struct settle_attempt *attempt,
                                            const struct settle_receipt *receipt)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    struct fake_attempt *open = open_attempt(world, trade_row(world, item->trade_id));
    if (open != NULL && open != row)
        attempt_move(open, open->attempt.state == SETTLE_ATTEMPT_PREPARED
                               ? SETTLE_ATTEMPT_DROPPED
                               : SETTLE_ATTEMPT_REPLACED);
    attempt_move(row, SETTLE_ATTEMPT_MINED);
    row->attempt.mined_block = receipt->block_number;
    return end(fault);
}

static enum settle_store_result store_unmined(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt)
{
    BEGIN;
    (void)item;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    attempt_move(row, SETTLE_ATTEMPT_SENT);
    row->attempt.mined_block = 0;
    return end(fault);
}

static enum settle_store_result store_confirm(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt)
{
    BEGIN;
    struct fake_trade *trade = trade_row(world, item->trade_id);
    ASSERT(receipt->succeeded && receipt->has_planned_transfer);
    attempt_move(attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_CONFIRMED);
    trade->request_open = false;
    if (trade->state != SETTLE_TRADE_SETTLED) { // not so after a deep reorganisation
        world->gas_rows++;
        trade->tx_hash = attempt->hash;
        trade->on_chain = true;
        trade_move(world, trade, SETTLE_TRADE_SETTLED, NULL);
        result_queue(world, trade, SETTLEMENT_SETTLED);
    }
    return end(fault);
}

static enum settle_store_result store_revert(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_receipt *receipt,
                                             enum settle_end how, const char *reason)
{
    BEGIN;
    ASSERT(how != SETTLE_END_RELEASE && receipt->gas_used > 0);
    attempt_move(attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_REVERTED);
    world->gas_rows++;
    trade_end(world, trade_row(world, item->trade_id), how, true, reason);
    return end(fault);
}

static enum settle_store_result store_drop(void *context, const struct settle_item *item,
                                           const char *reason)
{
    BEGIN;
    struct fake_trade *trade = trade_row(world, item->trade_id);
    attempt_move(open_attempt(world, trade), SETTLE_ATTEMPT_DROPPED);
    trade_end(world, trade, SETTLE_END_COUNT, true, reason);
    return end(fault);
}

static enum settle_store_result store_recheck(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct erc3643_evidence *evidence)
{
    BEGIN;
    (void)item;
    (void)evidence;
    ASSERT(attempt->attempt_id > 0);
    world->rechecks++;
    return end(fault);
}

static enum settle_store_result store_reopen(void *context, size_t *count,
                                             const struct chain_address *signer, uint64_t nonce)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *count = 0;
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (row->attempt.state != SETTLE_ATTEMPT_CONFIRMED || row->attempt.nonce < nonce)
            continue;
        attempt_move(row, SETTLE_ATTEMPT_SENT);
        row->attempt.mined_block = 0;
        world->trades[row->trade].request_open = true;
        ++*count;
    }
    return end(fault);
}

static enum settle_store_result store_unanswered_after(void *context, uint64_t *sequence)
{
    BEGIN;
    *sequence = SETTLE_CORE_NEWEST;
    for (size_t i = 0; i < world->result_count; i++)
        if (!world->result_answered[i] && world->results[i].command.ref_number != 0 &&
            world->result_after[i] < *sequence)
            *sequence = world->result_after[i];
    return end(fault);
}

static enum settle_store_result store_results(void *context, struct settle_result *results,
                                              size_t *count, size_t max, uint64_t after_ref,
                                              uint64_t sequence)
{
    BEGIN;
    *count = 0;
    for (size_t i = 0; i < world->result_count && *count < max; i++) {
        struct settle_result *result = &world->results[i];
        if (result->command.ref_number == 0) {
            result->command.ref_number = ++world->result_number;
            world->result_after[i] = sequence;
        }
        if (!world->result_answered[i] && result->command.ref_number > after_ref)
            results[(*count)++] = *result;
    }
    return end(fault);
}

static enum settle_store_result store_answered(void *context, const struct settle_answer *answers,
                                               size_t count)
{
    BEGIN;
    for (size_t a = 0; a < count; a++)
        for (size_t i = 0; i < world->result_count; i++) {
            if (world->results[i].command.ref_number != answers[a].ref_number ||
                world->result_answered[i])
                continue;
            world->result_answered[i] = true;
            world->result_refused[i] = answers[a].kind == SETTLE_ANSWER_REFUSED;
        }
    return end(fault);
}

static void store_close(void *context)
{
    (void)context;
}

struct settle_store_ops fake_store(struct fake_world *world)
{
    return (struct settle_store_ops){
        .context = world,
        .lead = store_lead,
        .retry = store_retry,
        .nonce_get = store_nonce_get,
        .nonce_set = store_nonce_set,
        .claim = store_claim,
        .off_chain = store_off_chain,
        .load = store_load,
        .raw = store_raw,
        .end = store_end,
        .inbound_open = store_inbound,
        .prepare = store_prepare,
        .refuse = store_refuse,
        .sign = store_sign,
        .sent = store_sent,
        .mined = store_mined,
        .unmined = store_unmined,
        .confirm = store_confirm,
        .revert = store_revert,
        .drop = store_drop,
        .recheck = store_recheck,
        .reopen = store_reopen,
        .unanswered_after = store_unanswered_after,
        .results = store_results,
        .answered = store_answered,
        .close = store_close,
    };
}

// ---- the world
// ------------------------------------------------------------------------------------

static void wallet_add(struct fake_world *world, const char *address, unsigned tokens)
{
    struct fake_wallet *wallet = fake_wallet_of(world, address);

    wallet->units = (chain_uint128)tokens * GIGA * GIGA;
    wallet->verified = true;
}

void fake_init(struct fake_world *world, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->faults.random = seed * 2654435761u + 88172645463325252u;
    world->now_ns = 1000 * GIGA;
    world->tick_ns = 5 * GIGA;
    world->attempts_max = 5;
    world->chain_id = 31337;
    world->block = 10;
    world->base_fee_wei = GIGA;
    world->can_transfer = true;
    world->key[31] = 7;
    ASSERT(transaction_key_address(&world->signer, world->key));
    wallet_add(world, fake_seller, 1000);
    wallet_add(world, fake_seller2, 1000);
    wallet_add(world, fake_buyer, 0);
}

struct fake_trade *fake_trade(struct fake_world *world, const char *seller, const char *buyer,
                              int64_t quantity)
{
    ASSERT(world->trade_count < FAKE_TRADES_MAX);
    struct fake_trade *trade = &world->trades[world->trade_count++];
    *trade = (struct fake_trade){.trade_id = 1000 * world->trade_count,
                                 .contract = fake_token,
                                 .buyer_wallet = buyer,
                                 .seller_wallet = seller,
                                 .quantity = quantity};
    return trade;
}

void fake_retry(struct fake_world *world, struct fake_trade *trade)
{
    (void)world;
    trade->retry_asked = true;
}

static void check_nonces(const struct fake_world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct fake_attempt *a = &world->attempts[i];
            const struct fake_attempt *b = &world->attempts[j];
            if (a->attempt.nonce == b->attempt.nonce && a->raw_len > 0 && b->raw_len > 0)
                ASSERT(a->trade == b->trade); // a nonce serves one intent
        }
}

void fake_check_end(const struct fake_world *world)
{
    chain_uint128 total = 0;

    for (size_t i = 0; i < world->trade_count; i++) {
        const struct fake_trade *trade = &world->trades[i];
        size_t confirmed = 0;
        for (size_t a = 0; a < world->attempt_count; a++)
            confirmed += world->attempts[a].trade == i &&
                         world->attempts[a].attempt.state == SETTLE_ATTEMPT_CONFIRMED;
        ASSERT(confirmed == (trade->on_chain ? 1 : 0));
        ASSERT(trade->executed == (trade->on_chain ? 1u : 0u));
        if (trade->state == SETTLE_TRADE_SETTLED)
            ASSERT(world->core_booked[i][SETTLEMENT_SETTLED] ==
                   (trade->trade_id == world->refuse_trade ? 0 : 1));
        if (trade->state == SETTLE_TRADE_FAILED)
            ASSERT(world->core_booked[i][SETTLEMENT_FAILED] ==
                   world->core_booked[i][SETTLEMENT_RETRIED] + 1);
    }
    for (size_t i = 0; i < world->wallet_count; i++)
        total += world->wallets[i].units;
    ASSERT(total == (chain_uint128)2000 * GIGA * GIGA);
    for (size_t i = 0; i < world->result_count; i++) {
        ASSERT(world->result_answered[i]);
        ASSERT(world->result_refused[i] ==
               world->core_refused[world->results[i].command.ref_number]);
    }
    check_nonces(world);
}
