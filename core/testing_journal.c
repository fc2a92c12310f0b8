#include "core/testing_journal.h"

#include <string.h>

#include "core/testing.h"

static struct event_ring_control control;
static struct gate gate = {.control = &control};

const struct engine_limits testing_limits = {.accounts_max = 10,
                                             .members_max = 10,
                                             .sessions_max = 10,
                                             .session_accounts_max = 10,
                                             .assets_max = 10,
                                             .instruments_max = 10,
                                             .balances_max = 10,
                                             .orders_max = 10,
                                             .levels_max = 10,
                                             .stops_max = 10,
                                             .trailing_stops_max = 10,
                                             .fees_max = 10,
                                             .command_events_max = 64};

uint64_t testing_live(const struct journal_io *io, uint64_t epoch, uint64_t last, uint32_t *chain,
                      int blocks, int commands)
{
    struct journal journal;
    struct journal_options options = {.segments = replay_terms(&testing_limits, SEGMENT_BYTES),
                                      .epoch = epoch,
                                      .next_sequence = last + 1,
                                      .chain = *chain,
                                      .queue_slots = 4096};
    memset(&control, 0, sizeof control);
    assert_int_equal(journal_open(&journal, io, &gate, &clock_system, &options), 0);
    for (int i = 0; i < blocks; i++) {
        for (int k = 0; k < commands; k++) {
            last++;
            struct command command = {.header = {.slots = 1,
                                                 .type = CMD_clock_tick,
                                                 .version = SCHEMA_VERSION,
                                                 .sequence = last,
                                                 .time_ns = last}};
            journal_append(&journal, &command);
        }
        journal_flush(&journal);
        assert_int_equal(journal_write_work(&journal), commands);
    }
    *chain = journal.chain;
    journal_close(&journal);
    return last;
}

uint64_t testing_make_journal(const struct journal_io *io)
{
    uint32_t chain = 0;
    uint64_t last = testing_live(io, 1, 0, &chain, 20, 3);
    return testing_live(io, 2, last, &chain, 20, 3);
}
