// What every test of engine_testing.h is besides: one of snapshots, and one of postings.
#include "matcher/engine_testing.h"

#include <string.h>

#include "risk/postings.h"

static int copy_record(void *context, const struct snapshot_record *record)
{
    return engine_load(context, record) ? 0 : 1;
}

struct engine *twin_load(struct venue *venue)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    struct engine *twin = engine_init(venue->twin_memory, &limits);
    assert_int_equal(engine_save(venue->engine, copy_record, twin), 0);
    assert_true(engine_digest(twin) == engine_digest(venue->engine));
    return twin;
}

void twin_follow(struct venue *venue, struct engine *twin)
{
    struct event_sink sink = {.events = venue->twin_events, .mask = EVENTS - 1};
    engine_apply(twin, &venue->command, &sink);
    assert_int_equal(sink.count, venue->sink.count);
    assert_memory_equal(venue->twin_events, venue->events, sink.count * sizeof(struct event));
    assert_true(engine_digest(twin) == engine_digest(venue->engine));
    assert_true(engine_book_digest(twin, 1) == engine_book_digest(venue->engine, 1));
    assert_true(engine_next_deadline_ns(twin) == engine_next_deadline_ns(venue->engine));
    engine_check(twin);
}

static void fold_event(struct venue *venue, const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    int64_t sums[ASSETS + 1] = {0};
    int count = postings_of(event, &venue->traded, postings);
    assert_in_range(count, 0, POSTINGS_MAX);
    for (int i = 0; i < count; i++) {
        struct balance_rec *balance = &venue->folded[postings[i].account][postings[i].asset];
        balance->available += postings[i].available;
        balance->held += postings[i].held;
        balance->unsettled += postings[i].unsettled;
        balance->blocked += postings[i].blocked;
        balance->deficit += postings[i].deficit;
        sums[postings[i].asset] += postings[i].available + postings[i].held;
    }
    for (uint32_t asset = 1; asset <= ASSETS; asset++)
        assert_int_equal(sums[asset], 0);
}

void fold_events(struct venue *venue)
{
    for (uint32_t i = 0; i < venue->sink.count; i++)
        fold_event(venue, &venue->events[i]);
    for (uint32_t account = 1; account <= ACCOUNTS; account++)
        for (uint32_t asset = 1; asset <= ASSETS; asset++) {
            struct balance_rec folded = venue->folded[account][asset];
            struct balance_rec there = balance(venue, account, asset);
            folded.account = there.account;
            folded.asset = there.asset;
            assert_memory_equal(&folded, &there, sizeof there);
        }
}
