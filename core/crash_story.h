// Crash story: several lives of a journal on the fake disk (fake_disk.h), each ended by a crash,
// and what must hold after it: nothing that the gate had shown is lost, nothing is there that was
// not sent, in the same order, and the journal is never called corrupt. Used by the two crash
// tests.
#ifndef LONJA_CORE_CRASH_STORY_H
#define LONJA_CORE_CRASH_STORY_H

#include "core/testing.h"

#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/journal_reader.h"

// A bug put in on purpose: the tests must find what it damages. The program that links this must be
// linked with --wrap=journal_block_header_valid, --wrap=journal_block_payload_valid.
enum crash_plant {
    PLANT_NOTHING,
    PLANT_NO_SYNC,
    PLANT_NO_FOLDER_SYNC,
    PLANT_ANSWER_BEFORE_SYNC,
    PLANT_NO_HEADER_CRC,
    PLANT_NO_PAYLOAD_CRC,
    PLANT_COUNT
};
extern enum crash_plant crash_planted;

struct crash_story {
    struct journal_io io;
    struct fake_disk *disk;
    struct event_ring_control *control;
    struct gate gate;
    uint64_t segment_bytes;
    uint64_t batch; // commands at most in an ordinary batch
    uint64_t shown; // highest sequence that anybody may have seen
    uint64_t epoch;
    uint64_t last; // recovered
    uint32_t chain;
    const char *damage; // what the checks found; NULL = nothing
    char reason[JOURNAL_REASON_BYTES];
};

enum { CRASH_STORY_BATCHES = 60, CRASH_STORY_LIVES = 3 };

// Every crash logs that the journal failed: from here on the log goes nowhere; failures of tests
// stay on standard error.
void crash_story_quiet(void);
void crash_story_open(struct crash_story *story, uint64_t seed, uint64_t segment_bytes,
                      uint64_t batch);
void crash_story_close(struct crash_story *story);
// Reads the journal as a new life does and judges it.
void crash_story_recover(struct crash_story *story);
// A life from there, until the disk fails (fake_disk_fail_at) or the work is done.
void crash_story_live(struct crash_story *story);
// The process is killed, or the power fails.
void crash_story_crash(struct crash_story *story);
// What anybody may have seen by now, in the middle of a life.
uint64_t crash_story_shown(const struct crash_story *story);
// True if these are exactly the commands that were sent.
bool crash_story_was_sent(const struct journal_block_header *block);

#endif
