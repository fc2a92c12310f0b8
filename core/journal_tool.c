#include "core/journal_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_archive.h"
#include "core/journal_progress.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/recovery.h"

struct journal_tool {
    struct journal_io io;
    struct journal_io_file io_file;
    struct journal_archive archive;
    struct journal_progress progress;
    struct journal_reader reader;
};

static bool tool_open(struct journal_tool *tool, const char *what, const char *state,
                      uint64_t sequence)
{
    char folder[NUMBERED_PATH_BYTES];
    if (!state_path_fits(state)) {
        fprintf(stderr, "lonja-journal: %s: %s\n", state, strerror(ENAMETOOLONG));
        return false;
    }
    path_join(folder, state, "journal");
    int result = access(folder, F_OK) == 0 ? 0 : -errno; // a mistyped folder is not an empty journal
    if (result == 0)
        result = journal_io_file_open(&tool->io, &tool->io_file, folder, true);
    if (result == 0)
        result = journal_archive_open(&tool->archive, &tool->io, folder);
    if (result == 0)
        journal_progress_begin(&tool->progress, what, &tool->io);
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
    journal_archive_close(&tool->archive);
    journal_io_file_close(&tool->io_file);
}

// Called for each block; returns false to stop.
typedef bool tool_block(void *context, const struct journal_block_header *block);

static int tool_corrupt(const struct journal_tool *tool)
{
    enum recovery_action action = recovery_decide(RECOVERY_LOCK_FREE, RECOVERY_SNAPSHOT_NONE,
                                                  recovery_journal_of(tool->reader.fault));
    fprintf(stderr, "lonja-journal: %s\nWhat to do: %s\n", tool->reader.reason,
            recovery_way_out(action));
    return action == RECOVERY_REFUSE_UNREADABLE ? 1 : EXIT_POISON;
}

static int tool_walk(struct journal_tool *tool, tool_block *callback, void *context,
                     enum journal_decision *end)
{
    for (;;) {
        const struct journal_block_header *block;
        *end = journal_reader_next(&tool->reader, &block);
        journal_progress_at(&tool->progress, &tool->reader);
        if (*end == JOURNAL_READ && callback(context, block))
            continue;
        journal_progress_end(&tool->progress);
        return *end == JOURNAL_CORRUPT ? tool_corrupt(tool) : 0;
    }
}

// ---- verify

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

static void tool_say_verified(FILE *out, bool json, const struct journal_reader *reader,
                              const struct tool_verified *verified, const char *end)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"sequence", reader->next_sequence - 1},
                   {"epoch", reader->epoch},
                   {"blocks", verified->blocks},
                   {"commands", verified->commands},
                   {"bytes", verified->bytes},
                   {"segment", reader->segment},
                   {"offset", reader->offset}};
    fputs(json ? "{" : "", out);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        fprintf(out, json ? "\"%s\": %" PRIu64 ", " : "%s=%" PRIu64 " ", numbers[i].name,
                numbers[i].value);
    fprintf(out, json ? "\"end\": \"%s\"}\n" : "end=%s\n", end);
}

int journal_tool_verify(const char *state, FILE *out, bool json)
{
    struct journal_tool tool;
    if (!tool_open(&tool, "verify", state, 1))
        return 1;
    struct tool_verified verified = {0};
    enum journal_decision end;
    int status = tool_walk(&tool, tool_verify_block, &verified, &end);
    if (status == 0)
        tool_say_verified(out, json, &tool.reader, &verified,
                          end == JOURNAL_TORN ? "torn" : "clean");
    tool_close(&tool);
    return status;
}

// ---- dump

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
    if (!tool_open(&tool, "dump", state, from > 0 ? from : 1))
        return 1;
    struct tool_range range = {.out = out, .from = from, .to = to};
    enum journal_decision end;
    int status = tool_walk(&tool, tool_dump_block, &range, &end);
    tool_close(&tool);
    return status;
}

// ---- stat

struct tool_counts {
    FILE *out;
    bool json, begun; // begun: a line of the list stands there
    uint64_t epoch, segment, blocks;
    uint64_t of_type[256];
};

static bool tool_stat_block(void *context, const struct journal_block_header *block)
{
    struct tool_counts *counts = context;
    if (block->epoch != counts->epoch || block->segment != counts->segment) {
        fprintf(counts->out,
                counts->json ? "%s\n  {\"epoch\": %" PRIu64 ", \"segment\": %" PRIu64
                               ", \"first_sequence\": %" PRIu64 "}"
                             : "%sepoch=%" PRIu64 " segment=%" PRIu64 " first_sequence=%" PRIu64
                               "\n",
                counts->json && counts->begun ? "," : "", block->epoch, block->segment,
                block->first_sequence);
        counts->begun = true;
    }
    counts->epoch = block->epoch;
    counts->segment = block->segment;
    counts->blocks++;
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL)
        counts->of_type[command->header.type]++;
    return true;
}

static void tool_stat_types(const struct tool_counts *counts)
{
    const char *before = "";
    for (unsigned type = 0; type < 256; type++) {
        if (counts->of_type[type] == 0)
            continue;
        fprintf(counts->out, counts->json ? "%s\"%s\": %" PRIu64 : "%s%s=%" PRIu64 "\n", before,
                command_name((uint8_t)type), counts->of_type[type]);
        before = counts->json ? ", " : "";
    }
}

int journal_tool_stat(const char *state, FILE *out, bool json)
{
    struct journal_tool tool;
    if (!tool_open(&tool, "stat", state, 1))
        return 1;
    struct tool_counts counts = {.out = out, .json = json};
    enum journal_decision end;
    fprintf(out, "%s", json ? "{\"segments\": [" : "");
    int status = tool_walk(&tool, tool_stat_block, &counts, &end);
    fprintf(out, "%s", json ? "],\n \"commands\": {" : "");
    tool_stat_types(&counts);
    fprintf(out,
            json ? "},\n \"blocks\": %" PRIu64 ", \"sequence\": %" PRIu64 "}\n"
                 : "blocks=%" PRIu64 " sequence=%" PRIu64 "\n",
            counts.blocks, tool.reader.next_sequence - 1);
    tool_close(&tool);
    return status;
}

// ---- replay

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

// No segment names limits that this program knows: it says why, as the reader sees it.
static int tool_no_limits(struct journal_tool *tool)
{
    const struct journal_block_header *block;
    if (journal_reader_next(&tool->reader, &block) == JOURNAL_CORRUPT)
        return tool_corrupt(tool);
    fprintf(stderr, "lonja-journal: the journal is empty, or names limits that this engine refuses\n");
    return 1;
}

static int tool_replay(struct journal_tool *tool, const char *state, FILE *out, bool from_snapshot,
                       uint64_t until)
{
    const struct journal_io *io = &tool->io;
    struct engine_limits limits;
    struct replay replay;
    if (!journal_tool_limits(&limits, io) || replay_open(&replay, &limits) != 0)
        return tool_no_limits(tool);
    char snapshots[NUMBERED_PATH_BYTES];
    path_join(snapshots, state, "snapshots");
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
    if (!tool_open(&tool, "replay", state, 1))
        return 1;
    int status = tool_replay(&tool, state, out, from_snapshot, until);
    tool_close(&tool);
    return status;
}
