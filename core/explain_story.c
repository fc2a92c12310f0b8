#include "core/explain_story.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/journal.h"
#include "core/journal_tool.h"
#include "risk/postings.h"

// ---- every command of the story is kept

struct command story_kept[STORY_COMMANDS_MAX];
size_t story_kept_count;
bool story_keeping;

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    bool again = story_kept_count > 0 && // by the second engine of engine_twin.c
                 story_kept[story_kept_count - 1].header.sequence == command->header.sequence;
    if (story_keeping && !again) {
        assert_true(story_kept_count < STORY_COMMANDS_MAX);
        memcpy(&story_kept[story_kept_count++], command,
               (size_t)command->header.slots * SLOT_BYTES);
    }
    __real_engine_apply(engine, command, sink);
}

// ---- what is told wrongly

struct story_lies story_lies;

int __real_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX]);
int __wrap_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX]);
int __wrap_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX])
{
    int count = __real_postings_of(event, terms, out);
    return story_lies.posting_left_out && event->header.type == EVT_trade ? count - 1 : count;
}

bool __real_engine_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                           struct balance_rec *out);
bool __wrap_engine_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                           struct balance_rec *out);
bool __wrap_engine_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                           struct balance_rec *out)
{
    bool there = __real_engine_balance(engine, account, asset, out);
    out->available += story_lies.engine.available;
    out->held += story_lies.engine.held;
    out->unsettled += story_lies.engine.unsettled;
    out->blocked += story_lies.engine.blocked;
    return there;
}

struct saving {
    engine_save_sink *sink;
    void *context;
    bool had_balance;
};

static int save_wrongly(void *context, const struct snapshot_record *record)
{
    struct saving *saving = context;
    struct snapshot_record told = *record;
    if (told.header.type == REC_balance && !saving->had_balance) {
        told.body.balance.available += story_lies.saved_available;
        saving->had_balance = true;
    }
    if (told.header.type == REC_meta)
        told.body.meta.venue_state += story_lies.saved_venue_state;
    if (told.header.type == REC_order)
        told.body.order.held += story_lies.saved_held;
    return saving->sink(saving->context, &told);
}

int __real_engine_save(const struct engine *engine, engine_save_sink *sink, void *context);
int __wrap_engine_save(const struct engine *engine, engine_save_sink *sink, void *context);
int __wrap_engine_save(const struct engine *engine, engine_save_sink *sink, void *context)
{
    struct saving saving = {.sink = sink, .context = context};
    return __real_engine_save(engine, save_wrongly, &saving);
}

void __real_engine_check(const struct engine *engine);
void __wrap_engine_check(const struct engine *engine);
void __wrap_engine_check(const struct engine *engine)
{
    ASSERT(!story_lies.check_fails);
    __real_engine_check(engine);
}

// ---- a story

int story_begin(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    void *venue;
    story_kept_count = 0;
    story_keeping = true;
    assert_int_equal(open_venue(&venue), 0);
    story->venue = venue;
    testing_folder_make(story->folder);
    *state = story;
    return 0;
}

int story_end(void **state)
{
    struct story *story = *state;
    void *venue = story->venue;
    story_keeping = false;
    if (story->answered)
        explain_answer_close(&story->answer);
    close_venue(&venue);
    testing_folder_remove(story->folder);
    free(story);
    return 0;
}

// ---- the journal

static void write_commands(struct journal *journal)
{
    for (size_t i = 0; i < story_kept_count; i++)
        journal_append(journal, &story_kept[i]);
    journal_flush(journal);
    int written = 0;
    while ((size_t)written < story_kept_count) {
        int result = journal_write_work(journal);
        assert_true(result > 0);
        written += result;
    }
}

// What the story has so far becomes the journal.
void story_write_journal(struct story *story)
{
    static _Alignas(4096) struct event_ring_control control;
    struct gate gate = {.control = &control};
    struct journal_io io;
    struct journal_io_file file;
    static struct journal journal;
    char folder[128];
    story_keeping = false;
    snprintf(folder, sizeof folder, "%s/journal", story->folder);
    testing_folder_remove(folder);
    assert_int_equal(journal_io_file_open(&io, &file, folder, true), 0);
    const struct journal_options options = {.segments = replay_terms(&limits, STORY_SEGMENT_BYTES),
                                            .epoch = 1,
                                            .next_sequence = 1,
                                            .queue_slots = 4096};
    memset(&control, 0, sizeof control);
    assert_int_equal(journal_open(&journal, &io, &gate, &clock_system, &options), 0);
    write_commands(&journal);
    journal_close(&journal);
    journal_io_file_close(&file);
    story_keeping = true;
}

// A snapshot as of this sequence beside it.
void story_write_snapshot(const struct story *story, uint64_t sequence)
{
    struct explain_journal journal;
    char folder[128];
    const struct explain_walk nothing = {0};
    story_keeping = false;
    snprintf(folder, sizeof folder, "%s/snapshots", story->folder);
    assert_int_equal(state_folder_make(folder), 0);
    assert_int_equal(explain_journal_open(&journal, story->folder), 0);
    if (sequence > 0)
        assert_int_equal(explain_journal_run_to(&journal, sequence, &nothing), 0);
    assert_int_equal(replay_save(&journal.replay, folder), 0);
    explain_journal_close(&journal);
    story_keeping = true;
}

// ---- asking

void story_open_question(struct story *story, struct explain_journal *journal)
{
    story_keeping = false;
    if (story->answered)
        explain_answer_close(&story->answer);
    explain_answer_open(&story->answer);
    story->answered = true;
    assert_int_equal(explain_journal_open(journal, story->folder), 0);
}

const char *story_close_question(struct story *story, struct explain_journal *journal)
{
    explain_journal_close(journal);
    fflush(story->answer.lines);
    story_keeping = true;
    if (getenv("LONJA_TEST_VERBOSE") != NULL)
        print_message("%s\n", story->answer.text);
    return story->answer.text;
}

// Returns the text.
const char *story_ask_order(struct story *story, uint64_t id, int status)
{
    struct explain_journal journal;
    story_open_question(story, &journal);
    assert_int_equal(explain_order(&story->answer, &journal, id), status);
    return story_close_question(story, &journal);
}

// Of the story's order of this number.
const char *story_ask(struct story *story, int number)
{
    story_write_journal(story);
    return story_ask_order(story, story->venue->orders[number], EXPLAIN_ANSWERED);
}

const char *story_ask_reject(struct story *story, uint64_t sequence, int status)
{
    struct explain_journal journal;
    story_open_question(story, &journal);
    assert_int_equal(explain_reject(&story->answer, &journal, sequence), status);
    return story_close_question(story, &journal);
}

// Of the last thing that was said.
const char *story_refused(struct story *story)
{
    story_write_journal(story);
    return story_ask_reject(story, story->venue->sequence, EXPLAIN_ANSWERED);
}

const struct explain_options STORY_OPTIONS = {
    .at = UINT64_MAX, .at_ns = UINT64_MAX, .limit = 100, .depth = 5, .now_ns = INT64_MAX};

const char *story_ask_balance(struct story *story, char who, const char *asset, uint64_t from,
                              uint64_t limit)
{
    struct explain_journal journal;
    struct explain_options options = STORY_OPTIONS;
    options.from = from;
    options.limit = limit;
    story_open_question(story, &journal);
    assert_int_equal(
        explain_balance(&story->answer, &journal, (uint32_t)(FIRST + who - 'A'), asset, &options),
        EXPLAIN_ANSWERED);
    return story_close_question(story, &journal);
}

const char *story_ask_state(struct story *story, const struct explain_options *options, int status)
{
    struct explain_journal journal;
    story_open_question(story, &journal);
    assert_int_equal(explain_state(&story->answer, &journal, options), status);
    return story_close_question(story, &journal);
}

void story_expect(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

void story_run(const struct story *story, const char *words, int status, const char *said)
{
    char line[1024], out[16384];
    snprintf(line, sizeof line, "%s/lonja-explain %s --state %s 2>&1", LONJA_BIN, words,
             story->folder);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, sizeof out - 1, pipe)] = '\0';
    int result = pclose(pipe);
    if (WEXITSTATUS(result) != status)
        fail_msg("%s: status %d: %s", words, WEXITSTATUS(result), out);
    story_expect(out, said);
}

void story_write_status(const struct story *story, uint64_t durable)
{
    char path[128];
    snprintf(path, sizeof path, "%s/status.json", story->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"supervisor_pid\": %d, \"core_state\": \"running\", \"durable_seq\": %" PRIu64 "}",
            getpid(), durable);
    fclose(file);
    const struct timespec later[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
}

// ---- views

static void include(struct explain_range *range, size_t index)
{
    if (range->end == 0)
        range->first = index;
    range->end = index + 1;
}

void story_view_add(struct explain_view *view, uint8_t type, const void *body, size_t bytes)
{
    struct snapshot_record record = {.header = {.type = type, .version = SCHEMA_VERSION}};
    memcpy(&record.body, body, bytes);
    assert_true(view->count < view->room);
    include(&view->types[type], view->count);
    if (type == REC_order)
        include(&view->books[record.body.order.instrument], view->count);
    view->records[view->count++] = record;
}
