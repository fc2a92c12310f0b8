#include "tests/sim/index_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "chain/abi.h"
#include "tests/sim/chain.h"
#include "tests/sim/plants.h"
#include "tests/sim/postgres.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { EVENTS_MAX = 1 << 13, BLOCKS_MAX = 1 << 13, RANGES_MAX = 1 << 13, POSTINGS_MAX = 1 << 13 };
enum { NOBODY = CLIENTS, CONFIRM_AT_ONCE = 8 };

enum row_state { SEEN, CONFIRMED, ORPHANED };
enum transfer_class { UNCLASSIFIED, SETTLEMENT, OUTSIDE, OPENING, OTHER };

struct event_row { // chain.event_log and chain.transfer
    struct chain_hash transaction, block_hash;
    uint64_t block;
    uint32_t log_index;
    struct settle_leg moved;
    enum row_state state;
    enum transfer_class class;
    size_t attempt, leg; // of a settlement
    unsigned round;      // how often it was confirmed before
    bool from_counted, to_counted;
};

struct block_row {
    uint64_t number;
    struct chain_hash hash;
    enum row_state state;
};

struct range_row {
    uint64_t from, to;
    bool orphaned;
};

struct posting_row {
    size_t event;
    unsigned side; // 0 = from, 1 = to
    bool reversal;
    struct ledger_post_cmd command;
    bool answered;
    uint16_t reject_code;
    unsigned in_journal; // judgement
};

static struct {
    bool entered;
    struct chain_hash genesis;
    uint64_t anchor, next_block, confirmed;
    size_t event_count, block_count, range_count, posting_count;
    struct event_row events[EVENTS_MAX];
    struct block_row blocks[BLOCKS_MAX];
    struct range_row ranges[RANGES_MAX];
    struct posting_row postings[POSTINGS_MAX];
    // The lock.
    uint64_t session, sessions, lock_until_ns;
} store = {.anchor = UINT64_MAX};

// Of an incarnation: the session that it believes in.
static uint64_t my_session, my_server;

uint64_t index_store_anchor(void)
{
    return store.anchor;
}

static bool hash_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// ---- transactions and the lock

void index_store_session_gone(void)
{
    if (store.session != 0)
        store.lock_until_ns = scheduler_now_ns() + scheduler_random(500 * MS);
    store.session = 0;
}

static bool is_leading(void)
{
    return my_session != 0 && store.session == my_session && my_server == postgres_server();
}

// False: nothing was done.
static bool begins(void)
{
    return postgres_begins() && is_leading();
}

static enum index_store_result committed(void)
{
    return postgres_commits() ? INDEX_STORE_OK : INDEX_STORE_LOST;
}

static enum index_store_result lead(void *context)
{
    (void)context;
    if (!postgres_begins())
        return INDEX_STORE_LOST;
    if (is_leading())
        return INDEX_STORE_OK;
    if (store.session != 0 && my_server != postgres_server())
        store.session = 0; // the server's crash ended it
    if (store.session != 0 || scheduler_now_ns() < store.lock_until_ns)
        return INDEX_STORE_BUSY;
    store.session = my_session = ++store.sessions;
    my_server = postgres_server();
    return INDEX_STORE_OK;
}

// ---- where the reading is

static enum index_store_result enter(void *context, const struct chain_hash *genesis)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    if (!store.entered)
        store.genesis = *genesis;
    store.entered = true;
    bool ours = hash_equal(&store.genesis, genesis);
    enum index_store_result result = committed();
    return result == INDEX_STORE_OK && !ours ? INDEX_STORE_FOREIGN : result;
}

/* The simulated venue has none. */
static enum index_store_result stablecoin(void *context, bool *found, struct index_stablecoin *out)
{
    (void)context;
    (void)out;
    *found = false;
    return begins() ? INDEX_STORE_OK : INDEX_STORE_LOST;
}

static enum index_store_result work(void *context, struct index_work *out, uint64_t from_block,
                                    uint64_t head)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    if (store.anchor == UINT64_MAX) {
        story_tell("index", "takes up the token at block %llu", (unsigned long long)head);
        store.anchor = head;
        store.next_block = from_block;
    }
    *out = (struct index_work){.from = store.next_block, .until = UINT64_MAX, .contract_count = 1};
    ASSERT(address_parse(&out->contracts[0], fake_token));
    return INDEX_STORE_OK;
}

static enum index_store_result block(void *context, bool *found, uint64_t *number,
                                     struct chain_hash *hash, uint64_t at)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    const struct block_row *best = NULL;
    for (size_t i = 0; i < store.block_count; i++) {
        const struct block_row *row = &store.blocks[i];
        if (row->state != ORPHANED && (at == UINT64_MAX || row->number == at) &&
            (best == NULL || row->number > best->number))
            best = row;
    }
    *found = best != NULL;
    if (best != NULL) {
        *number = best->number;
        *hash = best->hash;
    }
    return INDEX_STORE_OK;
}

static void save_block(const struct index_header *header)
{
    size_t at = 0;
    while (at < store.block_count && (store.blocks[at].number != header->number ||
                                      !hash_equal(&store.blocks[at].hash, &header->hash)))
        at++;
    LAW(at < BLOCKS_MAX, "the simulator's index has too few blocks");
    if (at == store.block_count)
        store.block_count++;
    else if (store.blocks[at].state != ORPHANED)
        return;
    store.blocks[at] = (struct block_row){.number = header->number, .hash = header->hash};
}

static void forget_blocks(uint64_t keep_from)
{
    uint64_t newest = 0;
    size_t kept = 0;
    for (size_t i = 0; i < store.block_count; i++)
        if (store.blocks[i].state != ORPHANED && store.blocks[i].number > newest)
            newest = store.blocks[i].number;
    for (size_t i = 0; i < store.block_count; i++)
        if (store.blocks[i].number >= keep_from || store.blocks[i].number >= newest)
            store.blocks[kept++] = store.blocks[i];
    store.block_count = kept;
}

static struct event_row *event_of(const struct index_log *log)
{
    for (size_t i = 0; i < store.event_count; i++) {
        struct event_row *row = &store.events[i];
        if (row->log_index == log->log.log_index &&
            hash_equal(&row->transaction, &log->transaction_hash) &&
            hash_equal(&row->block_hash, &log->block_hash))
            return row;
    }
    return NULL;
}

static void save_event(const struct index_log *log)
{
    struct event_row *row = event_of(log);
    struct abi_word from, to, units;
    if (row != NULL) {
        row->state = row->state == ORPHANED ? SEEN : row->state;
        return;
    }
    LAW(store.event_count < EVENTS_MAX, "the simulator's index has too few events");
    row = &store.events[store.event_count++];
    *row = (struct event_row){.transaction = log->transaction_hash,
                              .block_hash = log->block_hash,
                              .block = log->block_number,
                              .log_index = log->log.log_index};
    ASSERT(log->log.topic_count == 3);
    memcpy(from.bytes, log->log.topics[1].bytes, sizeof from.bytes);
    memcpy(to.bytes, log->log.topics[2].bytes, sizeof to.bytes);
    ASSERT(abi_answer_word(&units, log->log.data, log->log.data_len, 0));
    ASSERT(abi_word_address(&row->moved.from, &from) && abi_word_address(&row->moved.to, &to) &&
           abi_word_u128(&row->moved.units, &units));
}

static enum index_store_result save(void *context, const struct index_work *done,
                                    const struct index_range *range, uint64_t keep_from)
{
    (void)context;
    if (!begins() || store.next_block != done->from)
        return INDEX_STORE_LOST;
    // Beside transfers it is told what is frozen and unfrozen: here only the venue does that, and
    // nothing is made of it.
    for (size_t i = 0; i < range->logs.count; i++)
        if (hash_equal(&range->logs.items[i].log.topics[0], &erc3643_transfer_topic))
            save_event(&range->logs.items[i]);
    for (uint64_t at = range->from; at <= range->to; at++)
        if (at >= keep_from || at == range->to)
            save_block(&range->headers[at - range->from]);
    forget_blocks(keep_from);
    LAW(store.range_count < RANGES_MAX, "the simulator's index has too few ranges");
    store.ranges[store.range_count++] = (struct range_row){.from = range->from, .to = range->to};
    store.next_block = range->to + 1;
    return committed();
}

// ---- transfers and the ledger

static void post(size_t event, unsigned side, bool reversal, bool gives, bool *counted)
{
    const struct event_row *row = &store.events[event];
    unsigned client;
    if (!chain_client_of(&client, side == 0 ? &row->moved.from : &row->moved.to))
        return;
    *counted = !reversal;
    LAW(store.posting_count < POSTINGS_MAX, "the simulator's index has too few postings");
    uint64_t number = store.posting_count + 1;
    store.postings[store.posting_count++] =
        (struct posting_row){.event = event,
                             .side = side,
                             .reversal = reversal,
                             .command = {.account = universe_account(client),
                                         .asset = INSTRUMENT_ON_CHAIN + 1,
                                         .kind = gives ? POSTING_CHAIN_IN : POSTING_CHAIN_OUT,
                                         .amount = (int64_t)(row->moved.units / CHAIN_UNIT),
                                         .ref_source = REF_INDEX,
                                         .ref_number = number,
                                         .ref_hash = number * 2654435761u + event}};
}

// The transaction's attempt, whose hash is committed before it is sent.
static bool find_attempt(size_t *attempt, const struct chain_hash *transaction)
{
    const struct fake_world *world = postgres_world();
    if (plants_is(PLANT_own_as_outside) && transaction->bytes[0] % 4 == 0)
        return false;
    for (*attempt = 0; *attempt < world->attempt_count; ++*attempt)
        if (hash_equal(&world->attempts[*attempt].attempt.hash, transaction))
            return true;
    return false;
}

static bool leg_is_taken(size_t attempt, size_t leg)
{
    for (size_t i = 0; i < store.event_count; i++)
        if (store.events[i].state == CONFIRMED && store.events[i].class == SETTLEMENT &&
            store.events[i].attempt == attempt && store.events[i].leg == leg)
            return true;
    return false;
}

static bool find_leg(struct event_row *row)
{
    static struct settle_call call;
    if (!find_attempt(&row->attempt, &row->transaction))
        return false;
    fake_call_of(postgres_world(), &call, row->attempt);
    for (row->leg = 0; row->leg < call.leg_count; row->leg++) {
        const struct settle_leg *leg = &call.legs[row->leg];
        if (leg->units == row->moved.units && address_equal(&leg->from, &row->moved.from) &&
            address_equal(&leg->to, &row->moved.to) && !leg_is_taken(row->attempt, row->leg))
            return true;
    }
    LAW(false, "a transaction of ours moves what no leg planned");
    return false;
}

static void classify(size_t at)
{
    struct event_row *row = &store.events[at];
    unsigned client;
    bool ours =
        chain_client_of(&client, &row->moved.from) || chain_client_of(&client, &row->moved.to);
    row->round += row->class != UNCLASSIFIED;
    row->from_counted = row->to_counted = false;
    bool is_leg = find_leg(row);
    row->state = CONFIRMED;
    row->class = is_leg                       ? SETTLEMENT
                 : row->block <= store.anchor ? OPENING
                 : ours                       ? OUTSIDE
                                              : OTHER;
    if (row->class != OUTSIDE)
        return;
    post(at, 0, false, false, &row->from_counted);
    post(at, 1, false, true, &row->to_counted);
}

// The one to be confirmed next, in the order of blocks and places.
static size_t next_seen(uint64_t upto, uint64_t *left)
{
    size_t next = SIZE_MAX;
    *left = 0;
    for (size_t i = 0; i < store.event_count; i++) {
        const struct event_row *row = &store.events[i];
        if (row->state != SEEN || row->block > upto)
            continue;
        ++*left;
        if (next == SIZE_MAX || row->block < store.events[next].block ||
            (row->block == store.events[next].block &&
             row->log_index < store.events[next].log_index))
            next = i;
    }
    return next;
}

static enum index_store_result confirm(void *context, uint64_t upto, uint64_t *left)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    size_t next = next_seen(upto, left);
    for (unsigned i = 0; i < CONFIRM_AT_ONCE && next != SIZE_MAX; i++) {
        classify(next);
        next = next_seen(upto, left);
    }
    if (*left == 0 && upto > store.confirmed)
        store.confirmed = upto;
    return committed();
}

static bool comes_later(const struct event_row *a, const struct event_row *b)
{
    return a->block != b->block ? a->block > b->block : a->log_index > b->log_index;
}

// Newest first. What was confirmed is taken back from the ledger.
static void orphan_events(uint64_t fork)
{
    for (;;) {
        size_t last = SIZE_MAX;
        for (size_t i = 0; i < store.event_count; i++)
            if (store.events[i].block > fork && store.events[i].state != ORPHANED &&
                (last == SIZE_MAX || comes_later(&store.events[i], &store.events[last])))
                last = i;
        if (last == SIZE_MAX)
            return;
        struct event_row *row = &store.events[last];
        bool takes_back = row->state == CONFIRMED && !plants_is(PLANT_reorg_booked_twice);
        row->state = ORPHANED;
        if (takes_back && row->to_counted)
            post(last, 1, true, false, &row->to_counted);
        if (takes_back && row->from_counted)
            post(last, 0, true, true, &row->from_counted);
    }
}

static enum index_store_result orphan(void *context, uint64_t fork, uint64_t tip)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    story_tell("index", "goes back from block %llu to %llu", (unsigned long long)tip,
               (unsigned long long)fork);
    orphan_events(fork);
    for (size_t i = 0; i < store.block_count; i++)
        if (store.blocks[i].number > fork)
            store.blocks[i].state = ORPHANED;
    uint64_t again = fork + 1;
    for (size_t i = 0; i < store.range_count; i++) {
        struct range_row *range = &store.ranges[i];
        if (range->orphaned || range->to <= fork)
            continue;
        range->orphaned = true;
        again = range->from < again ? range->from : again;
    }
    if (store.next_block > again)
        store.next_block = again;
    if (store.confirmed > fork)
        store.confirmed = fork;
    return committed();
}

static enum index_store_result tell(void *context, uint64_t head, bool subscribed,
                                    const char *trouble)
{
    (void)context, (void)head, (void)subscribed, (void)trouble;
    return is_leading() ? INDEX_STORE_OK : INDEX_STORE_LOST;
}

static enum index_store_result posting(void *context, bool *found, struct index_posting *out)
{
    (void)context;
    if (!begins())
        return INDEX_STORE_LOST;
    *found = false;
    for (size_t i = 0; i < store.posting_count && !*found; i++)
        if (!store.postings[i].answered) {
            *found = true;
            *out = (struct index_posting){
                .number = i + 1, .fits = true, .command = store.postings[i].command};
        }
    return INDEX_STORE_OK;
}

static enum index_store_result answered(void *context, uint64_t number, uint16_t reject_code,
                                        uint64_t sequence)
{
    (void)context, (void)sequence;
    if (!begins())
        return INDEX_STORE_LOST;
    struct posting_row *row = &store.postings[number - 1];
    if (!row->answered) {
        row->answered = true;
        row->reject_code = reject_code;
    }
    return committed();
}

static void nothing(void *context)
{
    (void)context;
}

struct index_store_ops index_store_open(void)
{
    my_session = 0;
    return (struct index_store_ops){.lead = lead,
                                    .enter = enter,
                                    .stablecoin = stablecoin,
                                    .work = work,
                                    .block = block,
                                    .save = save,
                                    .orphan = orphan,
                                    .confirm = confirm,
                                    .tell = tell,
                                    .posting = posting,
                                    .answered = answered,
                                    .close = nothing};
}

// ---- judgement

// Its transfer, on the chain as it is now.
static bool is_on_chain(const struct event_row *row)
{
    struct chain_hash hash = {{0}};
    if (row->block <= chain_height())
        hash = chain_block_hash(row->block);
    return hash_equal(&hash, &row->block_hash);
}

static bool is_confirmed(const struct chain_outside *transfer)
{
    for (size_t i = 0; i < store.event_count; i++)
        if (store.events[i].state == CONFIRMED && is_on_chain(&store.events[i]) &&
            hash_equal(&store.events[i].transaction, &transfer->hash))
            return true;
    return false;
}

static const char *why_not(void)
{
    static char why[200];
    if (store.anchor == UINT64_MAX)
        return "the index has not taken up the token";
    for (size_t i = 0; i < chain_outside_count(); i++) {
        const struct chain_outside *transfer = chain_outside(i);
        if (transfer->forgotten)
            continue;
        if (transfer->block == 0)
            return "a transfer by others waits in the pool";
        if (is_confirmed(transfer))
            continue;
        snprintf(why, sizeof why, "transfer %zu by others, in block %llu of %llu, is not read", i,
                 (unsigned long long)transfer->block, (unsigned long long)chain_height());
        return why;
    }
    for (size_t i = 0; i < store.event_count; i++)
        if (store.events[i].state != ORPHANED && !is_on_chain(&store.events[i]))
            return "the index has transfers that the chain has not";
    for (size_t i = 0; i < store.posting_count; i++)
        if (!store.postings[i].answered)
            return "the ledger has not answered the index";
    return NULL;
}

// Asked at every step of the scheduler: looked at now and then.
const char *index_store_why_not(void)
{
    static const char *last = "not looked at yet";
    static uint64_t again_ns;
    if (scheduler_now_ns() < again_ns)
        return last;
    again_ns = scheduler_now_ns() + 50 * MS;
    return last = why_not();
}

void index_judge_posted(const struct ledger_posted_evt *posted)
{
    unsigned long long number = posted->ref_number;
    LAW(number > 0 && number <= store.posting_count, "the ledger has an entry %llu of no index",
        number);
    struct posting_row *row = &store.postings[number - 1];
    const struct event_row *event = &store.events[row->event];
    const struct chain_outside *transfer = chain_outside_of(&event->transaction);
    LAW(transfer != NULL, "a transfer of our own is booked as one of others (entry %llu)", number);
    LAW(row->command.account == posted->account && row->command.asset == posted->asset &&
            row->command.kind == posted->kind,
        "entry %llu of the index is booked as another one", number);
    row->in_journal++;
}

// How often the ledger has the transfer on one side: as often as the chain, if it is an account's.
static void judge_transfer(const struct chain_outside *transfer, unsigned side)
{
    int booked = 0;
    for (size_t i = 0; i < store.posting_count; i++) {
        const struct posting_row *row = &store.postings[i];
        if (row->side == side && hash_equal(&store.events[row->event].transaction, &transfer->hash))
            booked += row->reversal ? -1 : 1;
    }
    bool is_there = transfer->block != 0 && (side == 0 ? transfer->from : transfer->to) < CLIENTS;
    LAW(booked == (is_there ? 1 : 0), "a transfer by others in block %llu is booked %d times",
        (unsigned long long)transfer->block, booked);
}

void index_judge_end(void)
{
    for (size_t i = 0; i < store.posting_count; i++)
        LAW(store.postings[i].in_journal == 1 && store.postings[i].reject_code == 0,
            "entry %zu of the index is %u times in the journal, reject code %u", i + 1,
            store.postings[i].in_journal, store.postings[i].reject_code);
    for (size_t i = 0; i < chain_outside_count(); i++)
        for (unsigned side = 0; side < 2; side++)
            judge_transfer(chain_outside(i), side);
}
