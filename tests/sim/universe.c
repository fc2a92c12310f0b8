#include "tests/sim/universe.h"

#include <stdio.h>

#include "base/answer_cpu.h"
#include "core/journal_format.h"
#include "tests/sim/files.h"
#include "tests/sim/scheduler.h"

#define DEFAULT_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define DEFAULT_TEXT(group, key, def, doc)                                                         \
    snprintf(config->group##_##key, sizeof config->group##_##key, "%s", def);

void universe_config(struct config *config)
{
    CONFIG_KEYS(DEFAULT_INT, DEFAULT_TEXT)
    snprintf(config->venue_state_folder, sizeof config->venue_state_folder, FILES_STATE);
    config->venue_answer_cpu =
        ANSWER_CPU_NONE; // its threads are fibers: there is nothing to keep on a CPU
    config->limits_accounts_max = ACCOUNTS_MAX;
    config->limits_members_max = 5;
    config->limits_sessions_max = CLIENTS;
    config->limits_session_accounts_max = 16;
    config->limits_assets_max = ASSETS_MAX;
    config->limits_instruments_max = INSTRUMENTS + 1;
    config->limits_balances_max = 64;
    config->limits_orders_max = 96;
    config->limits_levels_max = 48;
    config->limits_stops_max = 16;
    config->limits_trailing_stops_max = 4;
    config->limits_fees_max = 8;
    config->limits_command_events_max = 64;
    // The smallest ones that there can be, and somewhat larger ones: full queues and laps, or not.
    config->rings_command_slots = 64 << scheduler_random(3);
    config->rings_events = 256 << scheduler_random(3);
    config->core_heartbeat_timeout_ms = 500;
    config->journal_segment_bytes = JOURNAL_PAGE_BYTES + JOURNAL_BLOCK_BYTES_MAX +
                                    (int64_t)scheduler_random(8) * JOURNAL_PAGE_BYTES;
    config->tape_segment_events = (int64_t)scheduler_between(200, 1200);
    config->tape_snapshot_every = (int64_t)scheduler_between(60, 600);
    config->record_batch_rows_max = (int64_t)scheduler_between(20, 2000);
    config->settle_tick_ms = 1000;
    config->settle_confirmations = (int64_t)scheduler_between(1, 3);
    config->settle_pace_ms = scheduler_chance(500) ? 0 : (int64_t)scheduler_random(8000);
    config->index_range_blocks = (int64_t)scheduler_between(1, 40);
}
