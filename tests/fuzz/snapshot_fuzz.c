// libFuzzer: the snapshot of a small venue is edited (edits.h), its chunks are sealed again where
// the input asks for it, and it is loaded: refused, or an engine that can be walked; and saved
// again, it loads again to the same.
//
//   snapshot_fuzz [-max_total_time=10] [-close_fd_mask=3] [FOLDER]     FILE does one input again
#include "base/crc32c.h"
#include "core/replay.h"
#include "core/snapshot_file.h"
#include "perf/flow_commands.h"
#include "tests/fuzz/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { FILE_BYTES_MAX = 256 * 1024, ORDERS = 60, SEQUENCES = 4000 };

static char folder[64], path[NUMBERED_PATH_BYTES];
static uint8_t good[FILE_BYTES_MAX], bad[FILE_BYTES_MAX];
static size_t file_bytes;
static uint64_t file_sequence;
static struct engine_limits limits;
static struct replay replay, again;

static void apply(void *context, struct command *command)
{
    (void)context;
    command->header.sequence = replay.sequence + 1;
    command->header.time_ns = command->header.sequence * 1000000;
    command->header.incarnation = 1;
    ASSERT(replay.sequence < SEQUENCES); // no digest is due
    ASSERT(replay_apply(&replay, command, 1) == REPLAY_APPLIED);
}

static void trade(const struct flow_venue *venue)
{
    for (uint32_t id = 1; id <= ORDERS; id++) {
        struct command command;
        struct order_flow_operation operation = {.kind = FLOW_NEW,
                                                 .sell = id % 2,
                                                 .instrument = id % venue->instruments,
                                                 .price = 32768 + id * 7 % 11,
                                                 .quantity = 1 + id % 5,
                                                 .id = id};
        flow_command_new(&command, venue, &operation, id);
        apply(NULL, &command);
    }
}

static void open_all(void)
{
    struct flow_venue venue = flow_small(2);
    venue.accounts = 16;
    venue.others = 1;
    limits = flow_limits(&venue, 200);
    limits.levels_max = limits.stops_max = 100;
    limits.trailing_stops_max = 10;
    limits.command_events_max = 256;
    edits_folder(folder);
    ASSERT(replay_open(&replay, &limits) == 0 && replay_open(&again, &limits) == 0);
    flow_venue_make(&venue, 1, apply, NULL);
    trade(&venue);
    ASSERT(replay_save(&replay, folder) == 0);
    file_sequence = replay.sequence;
    numbered_path(path, folder, file_sequence, SNAPSHOT_SUFFIX);
    file_bytes = edits_read(path, good, sizeof good);
    ASSERT(file_bytes < sizeof good);
}

static struct snapshot_chunk *chunk_at(size_t at)
{
    return (struct snapshot_chunk *)(void *)(bad + at);
}

// As an honest writer would have sealed what now stands there.
static void seal(void)
{
    uint32_t crc = 0;
    for (size_t at = sizeof(struct snapshot_file_header); at + SNAPSHOT_RECORD_BYTES < file_bytes;
         at += sizeof(struct snapshot_chunk)) {
        struct snapshot_chunk *chunk = chunk_at(at);
        size_t records = (file_bytes - at) / SNAPSHOT_RECORD_BYTES - 1;
        records = records < SNAPSHOT_CHUNK_RECORDS ? records : SNAPSHOT_CHUNK_RECORDS;
        struct snapshot_record *last = &chunk->records[records - 1];
        if (last->header.type == REC_end)
            last->body.end.checksum = crc32c(crc, chunk->records, (records - 1) * sizeof *last);
        crc = crc32c(crc, chunk->records, records * sizeof *last);
        chunk->header.records_crc = crc32c(0, chunk->records, records * sizeof *last);
        chunk->header.crc =
            crc32c(0, &chunk->header, offsetof(struct snapshot_chunk_header, crc));
    }
}

static void load(void)
{
    uint64_t sequence;
    ASSERT(replay_reset(&replay) == 0);
    bool whole = snapshot_file_newest(&sequence, folder, UINT64_MAX);
    bool loaded = replay_load(&replay, folder, file_sequence);
    ASSERT(whole || !loaded);
    if (!loaded)
        return;
    // Its digest agrees: it is what was saved.
    engine_check(replay.engine);
    ASSERT(replay_save(&replay, folder) == 0 && replay_reset(&again) == 0);
    ASSERT(replay_load(&again, folder, file_sequence));
    ASSERT(engine_digest(again.engine) == engine_digest(replay.engine));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (file_bytes == 0)
        open_all();
    if (count < 1)
        return 0;
    memcpy(bad, good, file_bytes);
    edits_apply(bad, file_bytes, bytes + 1, count - 1);
    if ((bytes[0] & 1) != 0)
        seal();
    size_t cut = (bytes[0] & 2) != 0 ? (size_t)(bytes[0] >> 2) * 97 : 0;
    edits_write(path, bad, cut < file_bytes ? file_bytes - cut : 0);
    load();
    return 0;
}
