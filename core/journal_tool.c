#include "core/journal_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/recovery.h"

struct journal_tool {
    struct journal_io io;
    struct journal_io_file io_file;
    struct journal_reader reader;
};

static bool tool_open(struct journal_tool *tool, const char *state, uint64_t sequence)
{
    char folder[NUMBERED_PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s/journal", state);
    ASSERT(n > 0);
    int result = (size_t)n >= sizeof folder ? -ENAMETOOLONG : 0;
    if (result == 0 && access(folder, F_OK) != 0) // a mistyped folder is not an empty journal
        result = -errno;
    if (result == 0)
        result = journal_io_file_open(&tool->io, &tool->io_file, folder, true);
    if (result == 0)
        result = journal_reader_open(&tool->reader, &tool->io, sequence, false);
    if (result == 0)
        return true;
    fprintf(stderr, "lonja-journal: %s: %s\n", folder, strerror(-result));
    return false;
}

static void tool_close(struct journal_tool *tool)
{
    journal_reader_close(&tool->reader);
    journal_io_file_close(&tool->io_file);
}

// Called for each block; returns false to stop.
typedef bool tool_block(void *context, const struct journal_block_header *block);

static int tool_walk(struct journal_tool *tool, tool_block *callback, void *context,
                     enum journal_decision *end)
{
    for (;;) {
        const struct journal_block_header *block;
        *end = journal_reader_next(&tool->reader, &block);
        if (*end == JOURNAL_CORRUPT) {
            fprintf(stderr, "lonja-journal: corrupt: %s\n", tool->reader.reason);
            return EXIT_POISON;
        }
        if (*end != JOURNAL_READ || !callback(context, block))
            return 0;
    }
}

// ---- verify
// ------------------------------------------------------------------------------------------

struct tool_verified {
    uint64_t blocks, commands, bytes;
};

static bool tool_verify_block(void *context, const struct journal_block_header *block)
{
    struct tool_verified *verified = context;
    verified->blocks++;
    verified->commands += block->count;
    verified->bytes += block->bytes;
    return true;
}

int journal_tool_verify(const char *state, FILE *out)
{
    struct journal_tool tool;
    if (!tool_open(&tool, state, 1))
        return 1;
    struct tool_verified verified = {0};
    enum journal_decision end;
    int status = tool_walk(&tool, tool_verify_block, &verified, &end);
    if (status == 0)
        fprintf(out,
                "sequence=%" PRIu64 " epoch=%" PRIu64 " blocks=%" PRIu64 " commands=%" PRIu64
                " bytes=%" PRIu64 " segment=%" PRIu64 " offset=%" PRIu64 " end=%s\n",
                tool.reader.next_sequence - 1, tool.reader.epoch, verified.blocks,
                verified.commands, verified.bytes, tool.reader.segment, tool.reader.offset,
                end == JOURNAL_TORN ? "torn" : "clean");
    tool_close(&tool);
    return status;
}

// ---- dump
// --------------------------------------------------------------------------------------------

struct tool_range {
    FILE *out;
    uint64_t from, to;
};

static bool tool_dump_block(void *context, const struct journal_block_header *block)
{
    struct tool_range *range = context;
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        if (command->header.sequence > range->to)
            return false;
        if (command->header.sequence < range->from)
            continue;
        char line[4096];
        command_dump(command, line, sizeof line);
        fprintf(range->out, "%s\n", line);
    }
    return true;
}

int journal_tool_dump(const char *state, FILE *out, uint64_t from, uint64_t to)
{
    struct journal_tool tool;
    if (!tool_open(&tool, state, from > 0 ? from : 1))
        return 1;
    struct tool_range range = {.out = out, .from = from, .to = to};
    enum journal_decision end;
    int status = tool_walk(&tool, tool_dump_block, &range, &end);
    tool_close(&tool);
    return status;
}

// ---- stat
// --------------------------------------------------------------------------------------------

struct tool_counts {
    FILE *out;
    uint64_t epoch, segment, blocks;
    uint64_t of_type[256];
};

static bool tool_stat_block(void *context, const struct journal_block_header *block)
{
    struct tool_counts *counts = context;
    if (block->epoch != counts->epoch || block->segment != counts->segment)
        fprintf(counts->out, "epoch=%" PRIu64 " segment=%" PRIu64 " first_sequence=%" PRIu64 "\n",
                block->epoch, block->segment, block->first_sequence);
    counts->epoch = block->epoch;
    counts->segment = block->segment;
    counts->blocks++;
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL)
        counts->of_type[command->header.type]++;
    return true;
}

int journal_tool_stat(const char *state, FILE *out)
{
    struct journal_tool tool;
    if (!tool_open(&tool, state, 1))
        return 1;
    struct tool_counts counts = {.out = out};
    enum journal_decision end;
    int status = tool_walk(&tool, tool_stat_block, &counts, &end);
    for (unsigned type = 0; type < 256; type++)
        if (counts.of_type[type] > 0)
            fprintf(out, "%s=%" PRIu64 "\n", command_name((uint8_t)type), counts.of_type[type]);
    fprintf(out, "blocks=%" PRIu64 " sequence=%" PRIu64 "\n", counts.blocks,
            tool.reader.next_sequence - 1);
    tool_close(&tool);
    return status;
}

// ---- replay
// ------------------------------------------------------------------------------------------

static void tool_raise(uint32_t *limit, uint32_t other)
{
    if (other > *limit)
        *limit = other;
}

bool journal_tool_limits(struct engine_limits *limits, const struct journal_io *io)
{
    uint64_t first, last;
    memset(limits, 0, sizeof *limits);
    if (journal_segments(io, &first, &last) <= 0)
        return false;
    for (uint64_t number = first; number <= last; number++) {
        struct journal_segment_header header;
        if (!journal_segment_header_read(io, &header, number))
            continue;
        uint32_t *ours = (uint32_t *)(void *)limits;
        for (size_t i = 0; i < sizeof *limits / sizeof *ours; i++)
            tool_raise(&ours[i], header.limits[i]);
    }
    return engine_bytes(limits) > 0;
}

static int tool_replay(const struct journal_io *io, const char *state, FILE *out,
                       bool from_snapshot, uint64_t until)
{
    struct engine_limits limits;
    struct replay replay;
    if (!journal_tool_limits(&limits, io) || replay_open(&replay, &limits) != 0) {
        fprintf(stderr, "lonja-journal: no segment names the engine's limits\n");
        return 1;
    }
    char snapshots[NUMBERED_PATH_BYTES];
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", state);
    struct recovered recovered;
    bool done = from_snapshot ? recovery_run(&recovered, &replay, io, snapshots, until, NULL, NULL)
                              : recovery_run_all(&recovered, &replay, io, until, NULL, NULL);
    if (done) {
        engine_check(replay.engine);
        fprintf(out,
                "sequence=%" PRIu64 " events=%" PRIu64 " events_digest=%016" PRIx64
                " state_digest=%016" PRIx64 " from=%" PRIu64 "\n",
                replay.sequence, replay.events, replay.events_digest, engine_digest(replay.engine),
                recovered.snapshot_sequence);
    }
    replay_close(&replay);
    return done ? 0 : EXIT_POISON;
}

int journal_tool_replay(const char *state, FILE *out, bool from_snapshot, uint64_t until)
{
    struct journal_tool tool;
    if (!tool_open(&tool, state, 1))
        return 1;
    int status = tool_replay(&tool.io, state, out, from_snapshot, until);
    tool_close(&tool);
    return status;
}
