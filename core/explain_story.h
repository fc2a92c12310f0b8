// A story of the tests of explain_*.c: it is told to an engine (matcher/engine_testing.h), every
// command of it goes to a journal on a real disk, and the questions are asked of that journal.
//
// Prices of that venue are single cash units: 100 is written 0.0001. Threads: one.
#ifndef LONJA_CORE_EXPLAIN_STORY_H
#define LONJA_CORE_EXPLAIN_STORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/explain.h"
#include "core/explain_answer.h"
#include "core/explain_journal.h"
#include "core/explain_view.h"
#include "core/testing.h"
#include "matcher/engine_testing.h"

enum { STORY_COMMANDS_MAX = 4200, STORY_SEGMENT_BYTES = 1 << 22 };

struct story {
    struct venue *venue;
    char folder[64]; // the venue's state
    struct explain_answer answer;
    bool answered;
};

// Its commands so far.
extern struct command story_kept[STORY_COMMANDS_MAX];
extern size_t story_kept_count;
extern bool story_keeping;

// What those who explain are told wrongly; all zero: nothing.
struct story_lies {
    bool posting_left_out;     // the last one of each trade
    struct balance_rec engine; // added to each balance that the engine tells
    int64_t saved_available;   // added to the first balance of each snapshot
    int64_t saved_held;        // added to each order of a snapshot
    uint8_t saved_venue_state; // added to that of a snapshot
    bool check_fails;          // as if the engine's check found something
};
extern struct story_lies story_lies;

// Set up and tear down of a test.
int story_begin(void **state);
int story_end(void **state);
#define STORY(name)      cmocka_unit_test_setup_teardown(name, story_begin, story_end)
#define TELL(story, ...) (void)say((story)->venue, __VA_ARGS__)

// What the story has so far becomes the journal; a snapshot as of this sequence beside it.
void story_write_journal(struct story *story);
void story_write_snapshot(const struct story *story, uint64_t sequence);
// A status of a supervisor that lives: it is younger than every question.
void story_write_status(const struct story *story, uint64_t durable);

// Questions; the answer's text, which is good until the next one.
void story_open_question(struct story *story, struct explain_journal *journal);
const char *story_close_question(struct story *story, struct explain_journal *journal);
const char *story_ask_order(struct story *story, uint64_t id, int status);
const char *story_ask_reject(struct story *story, uint64_t sequence, int status);
const char *story_ask_balance(struct story *story, char who, const char *asset, uint64_t from,
                              uint64_t limit);
const char *story_ask_state(struct story *story, const struct explain_options *options, int status);
extern const struct explain_options STORY_OPTIONS;
// After what has been told so far: of its order of this number; of the last thing that was said.
const char *story_ask(struct story *story, int number);
const char *story_refused(struct story *story);

// lonja-explain with these words ends with this status and says this, among other things.
void story_run(const struct story *story, const char *words, int status, const char *said);
void story_expect(const char *text, const char *words);

// A view is what engine_save told and what is added to it by hand, in the order of snapshots.
void story_view_add(struct explain_view *view, uint8_t type, const void *body, size_t bytes);
#define STORY_VIEW_ADD(view, name, ...)                                                            \
    story_view_add((view), REC_##name, &(struct name##_rec)__VA_ARGS__, sizeof(struct name##_rec))

#endif
