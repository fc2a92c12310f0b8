// Replication, part by part: the decision is complete, frames are bounded, a place in the journal
// is found or said to be lost, the fence survives, the gate holds what is not replicated.
#include "core/replica_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/futex.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"
#include "core/replica_place.h"
#include "core/replica_stream.h"
#include "core/testing_calls.h"

// ---- the decision

static enum replica_decision expected_of_standby(int age, int place)
{
    static const enum replica_decision by_place[] = {REPLICA_CONTINUE, REPLICA_REFUSE_DIVERGED,
                                                     REPLICA_REFUSE_AHEAD, REPLICA_REFUSE_GONE,
                                                     REPLICA_REFUSE_UNREADABLE};
    return age == REPLICA_AGE_HIGHER ? REPLICA_WE_ARE_FENCED : by_place[place];
}

static enum replica_decision expected(int terms, int peer, int age, int place)
{
    if (terms == REPLICA_TERMS_VERSION)
        return REPLICA_REFUSE_VERSION;
    if (terms == REPLICA_TERMS_VENUE)
        return REPLICA_REFUSE_VENUE;
    if (terms == REPLICA_TERMS_SELF)
        return REPLICA_REFUSE_SELF;
    if (peer == REPLICA_PEER_STANDBY)
        return expected_of_standby(age, place);
    return age == REPLICA_AGE_LOWER  ? REPLICA_PEER_IS_FENCED
           : age == REPLICA_AGE_SAME ? REPLICA_BOTH_ARE_FENCED
                                     : REPLICA_WE_ARE_FENCED;
}

static void every_hello_has_its_decision(void **state)
{
    (void)state;
    bool seen[REPLICA_DECISION_END] = {false};
    for (int terms = 0; terms < REPLICA_TERMS_COUNT; terms++)
        for (int peer = 0; peer < REPLICA_PEER_COUNT; peer++)
            for (int age = 0; age < REPLICA_AGE_COUNT; age++)
                for (int place = 0; place < REPLICA_PLACE_COUNT; place++) {
                    enum replica_decision decision =
                        replica_decide((enum replica_terms)terms, (enum replica_peer)peer,
                                       (enum replica_age)age, (enum replica_place)place);
                    assert_int_equal(decision, expected(terms, peer, age, place));
                    seen[decision] = true;
                }
    for (int decision = REPLICA_CONTINUE; decision < REPLICA_DECISION_END; decision++) {
        assert_true(seen[decision]);
        assert_true(strlen(replica_decision_text((enum replica_decision)decision)) <
                    REPLICA_TEXT_BYTES);
    }
}

static void the_highest_epoch_seen_counts(void **state)
{
    (void)state;
    struct replica_hello hello = {.epoch = 7, .fence = 3};
    assert_int_equal(replica_age_of(&hello, 8), REPLICA_AGE_LOWER);
    assert_int_equal(replica_age_of(&hello, 7), REPLICA_AGE_SAME);
    assert_int_equal(replica_age_of(&hello, 6), REPLICA_AGE_HIGHER);
    hello.fence = 1000001;
    assert_int_equal(replica_age_of(&hello, 8), REPLICA_AGE_HIGHER);
}

static void what_counts_is_what_enough_standbys_have(void **state)
{
    (void)state;
    uint64_t acknowledged[] = {7, 20, 11};
    assert_int_equal(replica_quorum(acknowledged, 0, 1), 0);
    assert_int_equal(replica_quorum(acknowledged, 3, 1), 20);
    assert_int_equal(replica_quorum(acknowledged, 3, 2), 11);
    assert_int_equal(replica_quorum(acknowledged, 3, 3), 7);
    assert_int_equal(replica_quorum(acknowledged, 3, 4), 0);
}

// ---- frames

static void a_frame_is_whole_or_waited_for_or_refused(void **state)
{
    (void)state;
    uint8_t memory[1024];
    struct replica_buffer buffer = {memory, sizeof memory, 0, 0};
    struct replica_position position = {.sequence = 42};
    struct replica_frame_header header;
    const uint8_t *body;
    replica_frame_put(&buffer, REPLICA_ACK, &position, sizeof position);
    size_t bytes = buffer.end;
    for (size_t there = 0; there < bytes; there++) {
        struct replica_buffer part = {memory, sizeof memory, 0, there};
        assert_int_equal(replica_frame_next(&part, &header, &body), REPLICA_FRAME_NONE);
    }
    assert_int_equal(replica_frame_next(&buffer, &header, &body), REPLICA_FRAME_WHOLE);
    assert_memory_equal(body, &position, sizeof position);
    // No single flipped bit of a header makes it another frame that is believed.
    for (size_t bit = 0; bit < 8 * REPLICA_HEADER_BYTES; bit++) {
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum replica_frame_result result = replica_frame_next(&buffer, &header, &body);
        if (result == REPLICA_FRAME_WHOLE)
            assert_true(header.type == REPLICA_PING); // the one that is as long
        else
            assert_int_equal(result, REPLICA_FRAME_BAD);
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void a_size_beyond_its_type_is_refused_before_it_is_waited_for(void **state)
{
    (void)state;
    struct replica_frame_header header = {REPLICA_MAGIC, REPLICA_BLOCK, JOURNAL_BLOCK_BYTES_MAX, 0};
    struct replica_frame_header read;
    const uint8_t *body;
    struct replica_buffer buffer = {(uint8_t *)&header, sizeof header, 0, sizeof header};
    assert_int_equal(replica_frame_next(&buffer, &read, &body), REPLICA_FRAME_NONE);
    header.bytes++;
    assert_int_equal(replica_frame_next(&buffer, &read, &body), REPLICA_FRAME_BAD);
    header = (struct replica_frame_header){REPLICA_MAGIC, REPLICA_HELLO, 4, 0};
    assert_int_equal(replica_frame_next(&buffer, &read, &body), REPLICA_FRAME_BAD);
}

// ---- two hosts

struct fixture {
    struct replica_host a, b;
    struct standby_store store;
    struct replica_link link;
    char folder[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    replica_host_init(&f->a, 1);
    replica_host_init(&f->b, 2);
    testing_folder_make(f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->link.up)
        replica_link_down(&f->link);
    if (f->store.block != NULL)
        standby_store_close(&f->store);
    replica_host_fini(&f->a);
    replica_host_fini(&f->b);
    testing_folder_remove(f->folder);
    free(f);
    return 0;
}

static void open_store(struct fixture *f, struct replica_host *host)
{
    char reason[160];
    assert_int_equal(standby_store_open(&f->store, reason, &host->io), 0);
}

// Runs the connection until the standby has all, or something ends it; returns how it ended.
static int run_link(struct fixture *f, const struct replica_host *primary, uint64_t fence)
{
    int result = 0;
    replica_link_up(&f->link, &f->store, fence, 1);
    for (int i = 0; i < 10000 && result == 0; i++) {
        result = replica_link_step(&f->link, primary, SIZE_MAX, 1);
        if (f->link.sender.state == REPLICA_SENDER_FOLLOWED &&
            f->link.sender.acked_seq == atomic_load(&primary->control->journal_seq))
            break;
    }
    return result;
}

static void end_link(struct fixture *f)
{
    replica_link_down(&f->link);
    standby_store_close(&f->store);
}

static void write_blocks(struct replica_host *host, int blocks, int commands)
{
    for (int i = 0; i < blocks; i++)
        assert_true(replica_host_write(host, commands));
}

static void a_standby_catches_up_from_nothing_and_goes_on_where_it_ended(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 30, 500); // over several segments
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    assert_int_equal(f->store.next_sequence, f->a.last + 1);
    end_link(f);
    replica_host_end(&f->a);
    assert_true(replica_host_begin(&f->a, 0)); // another epoch
    write_blocks(&f->a, 3, 5);
    open_store(f, &f->b);
    assert_int_equal(f->store.epoch, 1);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    assert_int_equal(f->store.next_sequence, f->a.last + 1);
    assert_int_equal(f->store.epoch, 2);
    assert_int_equal(f->store.chain, f->a.journal.chain);
}

static void a_standby_follows_block_by_block_while_its_primary_writes(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    open_store(f, &f->b);
    replica_link_up(&f->link, &f->store, 0, 1);
    for (int block = 0; block < 100; block++) {
        assert_true(replica_host_write(&f->a, 1 + block % 3));
        for (int i = 0; i < 3; i++)
            assert_int_equal(replica_link_step(&f->link, &f->a, SIZE_MAX, 1), 0);
        assert_int_equal(f->link.sender.acked_seq, f->a.last);
    }
}

static void a_segment_that_is_another_one_than_told_is_refused(void **state)
{
    struct fixture *f = *state;
    struct journal_segment_header segment;
    struct journal_segment_terms terms = {.bytes = REPLICA_TESTING_SEGMENT_BYTES};
    open_store(f, &f->b);
    journal_segment_header_init(&segment, 1, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), 0);
    assert_int_equal(standby_store_prepare(&f->store), 1);
    standby_store_close(&f->store);
    open_store(f, &f->b);
    terms.limits[0] = 7;
    journal_segment_header_init(&segment, 1, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), -EBADMSG);
    terms.limits[0] = 0;
    journal_segment_header_init(&segment, 1, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), 0);
}

// ---- two threads

struct waiting {
    struct fixture *fixture;
    struct journal_segment_header segment;
    void (*call)(struct waiting *waiting);
    int result;
    _Atomic bool is_back;
};

static void call_segment(struct waiting *waiting)
{
    waiting->result = standby_store_segment(&waiting->fixture->store, &waiting->segment);
}

static void call_prepare(struct waiting *waiting)
{
    waiting->result = standby_store_prepare(&waiting->fixture->store);
}

static void *call_store(void *context)
{
    struct waiting *waiting = context;
    waiting->call(waiting);
    waiting->is_back = true;
    return NULL;
}

// While another thread is at the segments, nobody else looks at them.
static void expect_to_wait(struct waiting *waiting, void (*call)(struct waiting *waiting))
{
    struct standby_store *store = &waiting->fixture->store;
    pthread_t thread;
    waiting->call = call;
    waiting->is_back = false;
    assert_int_equal(pthread_mutex_lock(&store->lock), 0);
    assert_int_equal(pthread_create(&thread, NULL, call_store, waiting), 0);
    for (int i = 0; i < 100 && !waiting->is_back; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_false(waiting->is_back);
    assert_int_equal(pthread_mutex_unlock(&store->lock), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void who_tells_of_a_segment_waits_for_who_prepares_one(void **state)
{
    struct fixture *f = *state;
    struct journal_segment_terms terms = {.bytes = REPLICA_TESTING_SEGMENT_BYTES};
    struct waiting waiting = {.fixture = f};
    open_store(f, &f->b);
    journal_segment_header_init(&waiting.segment, 1, &terms);
    expect_to_wait(&waiting, call_segment);
    assert_int_equal(waiting.result, 0);
    expect_to_wait(&waiting, call_prepare);
    assert_int_equal(waiting.result, 1);
}

// The whole story: the standby is promoted, the old primary has written on, comes back and is told
// where it went astray.
static void an_old_primary_that_wrote_on_is_told_where_to_cut(void **state)
{
    struct fixture *f = *state;
    struct replica_fence fence = {0};
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 10, 7);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    end_link(f);
    write_blocks(&f->a, 2, 7); // nobody has these
    replica_host_end(&f->a);
    uint64_t promoted = replica_promotion_epoch(1, &fence);
    assert_int_equal(promoted, REPLICA_EPOCHS_PER_PROMOTION + 1);
    assert_true(replica_host_begin(&f->b, promoted));
    write_blocks(&f->b, 5, 3);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_DIVERGED);
    assert_int_equal(f->link.receiver.common, 70);
}

static void an_old_primary_that_lacks_nothing_follows_at_once(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 10, 7);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    end_link(f);
    replica_host_end(&f->a);
    assert_true(replica_host_begin(&f->b, 1000001));
    write_blocks(&f->b, 5, 3);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 1000001), 0);
    assert_int_equal(f->store.epoch, 1000001);
    assert_int_equal(f->store.next_sequence, f->b.last + 1);
}

static void a_primary_learns_from_a_standby_that_it_was_replaced(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 3, 7);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 1000001), -EACCES);
    assert_int_equal(f->link.sender.decision, REPLICA_WE_ARE_FENCED);
    assert_int_equal(f->link.sender.peer_epoch, 1000001);
    assert_int_equal(f->store.next_sequence, 1);
}

static void a_promoted_host_believes_no_older_primary(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    open_store(f, &f->b);
    replica_link_up(&f->link, &f->store, 1000001, 1);
    struct replica_answer yes = {.decision = REPLICA_CONTINUE, .epoch = 1};
    replica_frame_put(&f->link.receiver.in, REPLICA_ANSWER, &yes, sizeof yes);
    assert_int_equal(replica_receiver_take(&f->link.receiver, 1, REPLICA_TESTING_TIMEOUT_NS),
                     -ESTALE);
}

static void a_standby_ahead_of_its_primary_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 3, 7);
    assert_true(replica_host_begin(&f->b, 0));
    write_blocks(&f->b, 2, 7);
    replica_host_end(&f->a);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_AHEAD);
}

static void one_epoch_with_two_contents_has_nothing_in_common(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 2, 8);
    replica_host_end(&f->a);
    assert_true(replica_host_begin(&f->b, 0));
    write_blocks(&f->b, 4, 4);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_DIVERGED);
    assert_int_equal(f->link.receiver.common, 0);
}

static void a_primary_without_its_beginning_says_so(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 30, 500);
    assert_int_equal(f->a.io.remove(f->a.io.context, "00000000000000000001.journal"), 0);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_GONE);
}

static void another_venue_and_another_release_are_refused(void **state)
{
    struct fixture *f = *state;
    struct replica_now now;
    assert_true(replica_host_begin(&f->a, 0));
    now = replica_host_now(&f->a, 1);
    struct replica_hello hello = now.own;
    assert_int_equal(replica_terms_of(&hello, &now.own), REPLICA_TERMS_SELF);
    hello.life++;
    assert_int_equal(replica_terms_of(&hello, &now.own), REPLICA_TERMS_SAME);
    hello.engine_version++;
    assert_int_equal(replica_terms_of(&hello, &now.own), REPLICA_TERMS_VERSION);
    hello.engine_version--;
    hello.venue[0] = 'X';
    assert_int_equal(replica_terms_of(&hello, &now.own), REPLICA_TERMS_VENUE);
    memset(hello.venue, 'X', sizeof hello.venue);
    assert_false(replica_hello_valid(&hello));
}

// ---- what only a stranger sends

static void nothing_is_said_before_the_core_has_spoken(void **state)
{
    struct fixture *f = *state;
    open_store(f, &f->b);
    replica_link_up(&f->link, &f->store, 0, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(replica_link_step(&f->link, &f->a, SIZE_MAX, 1), 0);
    assert_int_equal(f->link.sender.decision, 0);
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 1, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(replica_link_step(&f->link, &f->a, SIZE_MAX, 1), 0);
    assert_int_equal(f->link.sender.acked_seq, 1);
}

static int take_from_stranger(struct fixture *f, enum replica_frame_type type, const void *body,
                              size_t bytes)
{
    struct replica_now now = replica_host_now(&f->a, 1);
    replica_frame_put(&f->link.sender.in, type, body, bytes);
    return replica_sender_take(&f->link.sender, &now);
}

static void who_acknowledges_what_was_never_sent_is_cut_off(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 2, 3);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    struct replica_position position = {.sequence = 6};
    assert_int_equal(take_from_stranger(f, REPLICA_ACK, &position, sizeof position), 0);
    position.sequence = 7;
    assert_int_equal(take_from_stranger(f, REPLICA_ACK, &position, sizeof position), -EPROTO);
    position.sequence = 5;
    assert_int_equal(take_from_stranger(f, REPLICA_ACK, &position, sizeof position), -EPROTO);
    assert_int_equal(f->link.sender.acked_seq, 6);
}

static void who_does_not_begin_with_hello_is_cut_off(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    open_store(f, &f->b);
    replica_link_up(&f->link, &f->store, 0, 1);
    struct replica_position position = {0};
    assert_int_equal(take_from_stranger(f, REPLICA_PING, &position, sizeof position), -EPROTO);
}

static void who_sends_too_much_or_nothing_is_cut_off(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    open_store(f, &f->b);
    replica_link_up(&f->link, &f->store, 0, 1);
    struct replica_buffer *in = &f->link.sender.in;
    struct replica_now now = replica_host_now(&f->a, 1 + REPLICA_TESTING_TIMEOUT_NS);
    assert_int_equal(replica_sender_take(&f->link.sender, &now), 0);
    now.now_ns++;
    assert_int_equal(replica_sender_take(&f->link.sender, &now), -ETIMEDOUT);
    // The header of a frame that is larger than what a primary ever takes.
    struct replica_frame_header header = {REPLICA_MAGIC, REPLICA_BLOCK, JOURNAL_BLOCK_BYTES_MAX, 0};
    memcpy(in->memory, &header, sizeof header);
    in->end = in->capacity;
    now.now_ns = 1;
    assert_int_equal(replica_sender_take(&f->link.sender, &now), -EPROTO);
}

static void a_primary_that_falls_silent_is_left(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 2, 3);
    open_store(f, &f->b);
    assert_int_equal(run_link(f, &f->a, 0), 0);
    uint64_t later = 1 + REPLICA_TESTING_TIMEOUT_NS / 2;
    assert_int_equal(replica_link_step(&f->link, &f->a, SIZE_MAX, later), 0); // pings go both ways
    assert_int_equal(replica_link_step(&f->link, &f->a, SIZE_MAX, later), 0);
    later += REPLICA_TESTING_TIMEOUT_NS;
    assert_int_equal(replica_receiver_take(&f->link.receiver, later, REPLICA_TESTING_TIMEOUT_NS),
                     0);
    assert_int_equal(
        replica_receiver_take(&f->link.receiver, later + 1, REPLICA_TESTING_TIMEOUT_NS),
        -ETIMEDOUT);
}

static void a_block_that_does_not_follow_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct {
        struct journal_block_header header;
        struct command command;
    } block = {.header = {.epoch = 1, .segment = 1, .first_sequence = 1, .count = 1, .bytes = 64},
               .command = {.header = {.slots = 1, .sequence = 1}}};
    open_store(f, &f->b);
    journal_block_seal(&block.header);
    size_t bytes = JOURNAL_BLOCK_HEADER_BYTES + 64;
    uint64_t operations = fake_disk_operations(f->b.disk);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), -EBADMSG); // no such segment
    assert_int_equal(standby_store_block(&f->store, &block, bytes - 1), -EBADMSG);
    assert_int_equal(fake_disk_operations(f->b.disk), operations);
    struct journal_segment_header segment;
    struct journal_segment_terms terms = {.bytes = REPLICA_TESTING_SEGMENT_BYTES};
    journal_segment_header_init(&segment, 1, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), 0);
    assert_int_equal(standby_store_segment(&f->store, &segment),
                     0); // a new connection says it again
    terms.bytes *= 2;
    journal_segment_header_init(&segment, 1, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), -EBADMSG); // but not another one
    journal_segment_header_init(&segment, 3, &terms);
    assert_int_equal(standby_store_segment(&f->store, &segment), -EBADMSG); // nor one with a gap
    block.header.previous_chain = 5;
    journal_block_seal(&block.header);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), -EBADMSG);
    block.header.previous_chain = 0;
    journal_block_seal(&block.header);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), 0);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), -EBADMSG); // again
}

// ---- what only a liar says

static void a_hello_that_contradicts_itself_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    struct replica_hello own = replica_host_now(&f->a, 1).own, hello = own;
    assert_true(replica_hello_valid(&hello));
    hello.role = REPLICA_STANDBY;
    assert_true(replica_hello_valid(&hello));
    hello.role = 3;
    assert_false(replica_hello_valid(&hello));
    hello = own;
    hello.reserved = 1;
    assert_false(replica_hello_valid(&hello));
    hello = own;
    hello.sequence = 0;
    hello.chain = 5; // of nothing
    assert_false(replica_hello_valid(&hello));
    hello.sequence = 1;
    assert_true(replica_hello_valid(&hello));
    hello = own;
    hello.protocol++;
    assert_int_equal(replica_terms_of(&hello, &own), REPLICA_TERMS_VERSION);
    hello = own;
    hello.schema_version++;
    assert_int_equal(replica_terms_of(&hello, &own), REPLICA_TERMS_VERSION);
}

// A fresh connection to a primary with a block; `follows`: its HELLO was answered.
static void connect_anew(struct fixture *f, bool follows)
{
    if (f->link.up)
        end_link(f);
    else
        assert_true(replica_host_begin(&f->a, 0) && replica_host_write(&f->a, 3));
    open_store(f, &f->b);
    if (follows) {
        assert_int_equal(run_link(f, &f->a, 0), 0);
    } else {
        replica_link_up(&f->link, &f->store, 0, 1);
    }
}

static void a_primary_cuts_off_who_says_what_is_not_his_turn(void **state)
{
    struct fixture *f = *state;
    struct replica_hello hello = {0};
    struct replica_answer answer = {0};
    struct replica_position position = {.sequence = 3};
    connect_anew(f, false);
    assert_int_equal(take_from_stranger(f, REPLICA_HELLO, &hello, sizeof hello), -EPROTO);
    connect_anew(f, true);
    assert_int_equal(take_from_stranger(f, REPLICA_PING, &position, sizeof position), 0);
    position.sequence = 2; // less than it said before
    assert_int_equal(take_from_stranger(f, REPLICA_ACK, &position, sizeof position), -EPROTO);
    connect_anew(f, true);
    hello = replica_host_now(&f->a, 1).own;
    assert_int_equal(take_from_stranger(f, REPLICA_HELLO, &hello, sizeof hello), -EPROTO);
    connect_anew(f, true);
    assert_int_equal(take_from_stranger(f, REPLICA_ANSWER, &answer, sizeof answer), -EPROTO);
    connect_anew(f, true);
    struct replica_now now = replica_host_now(&f->a, 1);
    f->link.sender.in.end = REPLICA_HEADER_BYTES; // no frame
    memset(f->link.sender.in.memory, 0, REPLICA_HEADER_BYTES);
    assert_int_equal(replica_sender_take(&f->link.sender, &now), -EPROTO);
}

static int take_from_primary(struct fixture *f, enum replica_frame_type type, const void *body,
                             size_t bytes)
{
    replica_frame_put(&f->link.receiver.in, type, body, bytes);
    return replica_receiver_take(&f->link.receiver, 1, REPLICA_TESTING_TIMEOUT_NS);
}

static void a_standby_leaves_a_primary_that_says_what_is_not_its_turn(void **state)
{
    struct fixture *f = *state;
    struct replica_position position = {.sequence = 3};
    static const uint32_t decisions[] = {0, REPLICA_DECISION_END, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct replica_answer answer = {.decision = decisions[i], .epoch = 1};
        connect_anew(f, false);
        assert_int_equal(take_from_primary(f, REPLICA_ANSWER, &answer, sizeof answer), -EPROTO);
    }
    connect_anew(f, false);
    assert_int_equal(take_from_primary(f, REPLICA_PING, &position, sizeof position), -EPROTO);
    connect_anew(f, true);
    struct replica_answer again = {.decision = REPLICA_CONTINUE, .epoch = 1};
    assert_int_equal(take_from_primary(f, REPLICA_ANSWER, &again, sizeof again), -EPROTO);
    connect_anew(f, true);
    assert_int_equal(take_from_primary(f, REPLICA_ACK, &position, sizeof position), -EPROTO);
    connect_anew(f, false); // it has a block of epoch 1, and this one is of none
    again.epoch = 0;
    assert_int_equal(take_from_primary(f, REPLICA_ANSWER, &again, sizeof again), -ESTALE);
}

// What it has to say does not fit, because nobody takes it: it is said later, or never.
static void who_is_not_heard_goes_on(void **state)
{
    struct fixture *f = *state;
    connect_anew(f, true);
    struct replica_buffer *out = &f->link.receiver.out;
    out->begin = 0;
    out->end = out->capacity;
    assert_int_equal(replica_receiver_take(&f->link.receiver, 1 + REPLICA_TESTING_TIMEOUT_NS / 2,
                                           REPLICA_TESTING_TIMEOUT_NS),
                     0);
    assert_int_equal(out->end, out->capacity);
    out = &f->link.sender.out;
    struct replica_now now = replica_host_now(&f->a, 1 + REPLICA_TESTING_TIMEOUT_NS / 2);
    out->begin = 0;
    out->end = out->capacity - 100;
    assert_true(replica_host_write(&f->a, 3));
    now.journal_seq = f->a.last;
    assert_int_equal(replica_sender_fill(&f->link.sender, &now), 0); // neither block nor ping
    f->link.sender.told_segment = 0;
    assert_int_equal(replica_sender_fill(&f->link.sender, &now), 0); // nor segments
    assert_int_equal(out->end, out->capacity - 100);
    out->end = 0;
    assert_int_equal(replica_sender_fill(&f->link.sender, &now), 1);
}

// Segments are told faster than they can be made: the ninth waits in the buffer.
static void segments_that_cannot_be_made_yet_wait(void **state)
{
    struct fixture *f = *state;
    connect_anew(f, true);
    struct journal_segment_terms terms = {.bytes = REPLICA_TESTING_SEGMENT_BYTES};
    uint64_t first = f->store.told + 1;
    for (uint64_t number = first; number < first + 9; number++) {
        struct journal_segment_header segment;
        journal_segment_header_init(&segment, number, &terms);
        assert_int_equal(take_from_primary(f, REPLICA_SEGMENT, &segment, sizeof segment), 0);
    }
    uint64_t told = f->store.told;
    assert_true(told < first + 8);
    assert_int_equal(f->store.waiting_count, STANDBY_SEGMENTS_WAITING_MAX);
    assert_int_equal(standby_store_prepare(&f->store), 1);
    assert_int_equal(replica_receiver_take(&f->link.receiver, 1, REPLICA_TESTING_TIMEOUT_NS), 0);
    assert_int_equal(f->store.told, told + 1);
}

static void memory_that_is_not_there_is_said(void **state)
{
    struct fixture *f = *state;
    struct replica_hello terms = {0};
    open_store(f, &f->b);
    for (unsigned at = 1; at <= 2; at++) {
        testing_calls_fail("malloc", at, ENOMEM);
        assert_int_equal(replica_sender_open(&f->link.sender, 1), -ENOMEM);
        assert_true(testing_calls_failed());
        testing_calls_fail("malloc", at, ENOMEM);
        assert_int_equal(replica_receiver_open(&f->link.receiver, &f->store, &terms, 1), -ENOMEM);
        assert_true(testing_calls_failed());
    }
}

// ---- places, whatever the disk says

static enum replica_place place_of(struct fixture *f, uint64_t sequence, uint64_t journal_seq)
{
    struct journal_reader reader;
    struct replica_hello peer = {.sequence = sequence, .epoch = 1};
    uint64_t common;
    enum replica_place place = replica_place_find(&reader, &common, &f->a.io, &peer, journal_seq);
    if (place == REPLICA_PLACE_KNOWN)
        journal_reader_close(&reader);
    return place;
}

static void a_place_in_a_journal_of_nothing_is_gone_or_the_beginning(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(place_of(f, 5, 10), REPLICA_PLACE_GONE); // no segment at all
    assert_int_equal(place_of(f, 0, 10), REPLICA_PLACE_KNOWN);
    assert_true(replica_host_begin(&f->a, 0)); // segments without a block
    assert_int_equal(place_of(f, 5, 10), REPLICA_PLACE_GONE);
    assert_int_equal(place_of(f, 0, 10), REPLICA_PLACE_KNOWN);
    assert_true(journal_prepare_work(&f->a.journal) >= 0);
    assert_int_equal(f->a.io.remove(f->a.io.context, "00000000000000000001.journal"), 0);
    assert_int_equal(place_of(f, 0, 10), REPLICA_PLACE_GONE);
}

static void what_is_in_common_is_never_more_than_the_standby_has(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 2, 4); // 8 commands of epoch 1, other blocks than there
    replica_host_end(&f->a);
    assert_true(replica_host_begin(&f->b, 0));
    write_blocks(&f->b, 2, 8);
    replica_host_end(&f->b);
    assert_true(replica_host_begin(&f->b, 0)); // epoch 2 begins behind 16
    write_blocks(&f->b, 1, 8);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_DIVERGED);
    assert_int_equal(f->link.receiver.common, 0);
}

// The journal is said to go further than it can be read.
static void a_place_behind_what_can_be_read_is_unreadable(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 1, 4);
    assert_int_equal(place_of(f, 3, 10), REPLICA_PLACE_DIVERGED);
    assert_int_equal(place_of(f, 6, 10), REPLICA_PLACE_UNREADABLE);
}

// Where the paths part is told as it is, or nothing is said to be in common: whatever look fails.
static void no_refused_look_makes_more_common_than_there_is(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0)); // three segments of epoch 1, then epoch 2
    write_blocks(&f->a, 20, 8);
    replica_host_end(&f->a);
    uint64_t parts = f->a.last;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 20, 8);
    const struct replica_hello peer = {.epoch = 1, .sequence = parts + 5, .chain = 1};
    bool refused = true;
    unsigned diverged = 0, unreadable = 0, unknown = 0;
    for (uint64_t look = 1; refused; look++) {
        struct journal_reader reader;
        uint64_t common = 99;
        fake_disk_refuse_look(f->a.disk, look);
        enum replica_place place = replica_place_find(&reader, &common, &f->a.io, &peer, f->a.last);
        refused = fake_disk_refused(f->a.disk);
        fake_disk_refuse_look(f->a.disk, 0);
        assert_int_not_equal(place, REPLICA_PLACE_KNOWN);
        diverged += place == REPLICA_PLACE_DIVERGED && common == parts;
        unknown += place == REPLICA_PLACE_DIVERGED && common == 0;
        unreadable += place == REPLICA_PLACE_UNREADABLE && common == 0;
        if (!refused)
            assert_true(place == REPLICA_PLACE_DIVERGED && common == parts);
    }
    assert_true(diverged > 0 && unreadable > 0 && unknown > 0);
}

static void journals_of_other_epochs_have_nothing_in_common(void **state)
{
    struct fixture *f = *state;
    assert_true(replica_host_begin(&f->a, 0));
    write_blocks(&f->a, 2, 4);
    replica_host_end(&f->a);
    assert_true(replica_host_begin(&f->b, 5)); // all of it above the standby's epoch
    write_blocks(&f->b, 2, 8);
    open_store(f, &f->a);
    assert_int_equal(run_link(f, &f->b, 0), -EACCES);
    assert_int_equal(f->link.receiver.refused, REPLICA_REFUSE_DIVERGED);
    assert_int_equal(f->link.receiver.common, 0);
}

// Whatever look at its journal is refused to a primary: the standby is told no, or nothing, and
// never takes a block that is not ours.
static void a_primary_whose_disk_refuses_a_look_serves_nothing_wrong(void **state)
{
    (void)state;
    bool refused = true;
    unsigned unreadable = 0, cut = 0;
    for (uint64_t look = 1; refused; look++) {
        struct fixture *f;
        setup((void **)&f);
        assert_true(replica_host_begin(&f->a, 0));
        write_blocks(&f->a, 12, 500);
        open_store(f, &f->b);
        assert_int_equal(run_link(f, &f->a, 0), 0);
        end_link(f);
        write_blocks(&f->a, 12, 500);
        open_store(f, &f->b);
        fake_disk_refuse_look(f->a.disk, look);
        int result = run_link(f, &f->a, 0);
        refused = fake_disk_refused(f->a.disk);
        cut += result == -EIO;
        unreadable += result == -EACCES;
        if (result == 0)
            assert_int_equal(f->store.next_sequence, f->a.last + 1);
        end_link(f);
        open_store(f, &f->b); // what it has is whole
        fake_disk_refuse_look(f->a.disk, 0);
        assert_int_equal(run_link(f, &f->a, 0), 0);
        assert_int_equal(f->store.chain, f->a.journal.chain);
        teardown((void **)&f);
    }
    assert_true(unreadable > 0 && cut > 0);
}

// ---- the store, whatever comes

struct one_block {
    struct journal_block_header header;
    uint64_t slots[100][SLOT_BYTES / 8];
};

static size_t make_block(struct one_block *block, const struct standby_store *store,
                         uint32_t commands)
{
    memset(block, 0, sizeof *block);
    block->header = (struct journal_block_header){.epoch = 1,
                                                  .segment = 1,
                                                  .first_sequence = store->next_sequence,
                                                  .previous_chain = store->chain,
                                                  .count = commands,
                                                  .bytes = commands * 64};
    for (uint32_t i = 0; i < commands; i++)
        memcpy(block->slots[i],
               &(struct command_header){.slots = 1, .sequence = store->next_sequence + i},
               sizeof(struct command_header));
    journal_block_seal(&block->header);
    return JOURNAL_BLOCK_HEADER_BYTES + (size_t)commands * 64;
}

static int tell_segment(struct fixture *f, uint64_t number, uint64_t bytes)
{
    struct journal_segment_header segment;
    struct journal_segment_terms terms = {.bytes = bytes};
    journal_segment_header_init(&segment, number, &terms);
    return standby_store_segment(&f->store, &segment);
}

static void a_block_of_another_time_or_place_is_not_written(void **state)
{
    struct fixture *f = *state;
    static struct one_block block;
    static uint8_t large[JOURNAL_BLOCK_BYTES_MAX + 1];
    open_store(f, &f->b);
    assert_int_equal(tell_segment(f, 1, JOURNAL_PAGE_BYTES), -EBADMSG); // no room for a block
    assert_int_equal(tell_segment(f, 1, 3 * JOURNAL_PAGE_BYTES + 1), -EBADMSG);
    assert_int_equal(tell_segment(f, 1, 2 * JOURNAL_PAGE_BYTES), 0);
    assert_int_equal(standby_store_block(&f->store, large, sizeof large), -EBADMSG);
    assert_int_equal(standby_store_block(&f->store, large, 5), -EBADMSG);
    assert_int_equal(standby_store_block(&f->store, large, sizeof block), -EBADMSG);
    size_t bytes = make_block(&block, &f->store, 2);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), 0);
    bytes = make_block(&block, &f->store, 2); // the segment has room for no other one
    assert_int_equal(standby_store_block(&f->store, &block, bytes), -EBADMSG);
    static const struct {
        uint64_t segment, epoch;
    } wrong[] = {{0, 1}, {1, 2}, {1, 0}, {2, 0}, {3, 1}};
    assert_int_equal(tell_segment(f, 2, 2 * JOURNAL_PAGE_BYTES), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bytes = make_block(&block, &f->store, 2);
        block.header.segment = wrong[i].segment;
        block.header.epoch = wrong[i].epoch;
        journal_block_seal(&block.header);
        assert_int_equal(standby_store_block(&f->store, &block, bytes), -EBADMSG);
    }
    bytes = make_block(&block, &f->store, 2); // another epoch begins with a segment
    block.header.segment = 2;
    block.header.epoch = 2;
    journal_block_seal(&block.header);
    assert_int_equal(standby_store_block(&f->store, &block, bytes), 0);
}

static void a_segment_that_cannot_be_made_is_said_to_who_needs_it(void **state)
{
    struct fixture *f = *state;
    static struct one_block block;
    open_store(f, &f->b);
    assert_int_equal(tell_segment(f, 1, 2 * JOURNAL_PAGE_BYTES), 0);
    assert_int_equal(standby_store_prepare(&f->store), 1);
    assert_int_equal(f->b.io.remove(f->b.io.context, "00000000000000000001.journal"), 0);
    assert_int_equal(tell_segment(f, 1, 2 * JOURNAL_PAGE_BYTES), -EBADMSG); // it was there
    standby_store_close(&f->store);
    for (int threaded = 0; threaded < 2; threaded++) {
        open_store(f, &f->b);
        if (threaded)
            assert_int_equal(standby_store_start(&f->store), 0);
        fake_disk_fail_at(f->b.disk, 1);
        assert_int_equal(tell_segment(f, 1, 2 * JOURNAL_PAGE_BYTES), 0);
        size_t bytes = make_block(&block, &f->store, 2);
        assert_int_equal(standby_store_block(&f->store, &block, bytes), -EIO);
        assert_int_equal(tell_segment(f, 2, 2 * JOURNAL_PAGE_BYTES), -EIO);
        assert_int_equal(standby_store_block(&f->store, &block, bytes), -EIO);
        standby_store_close(&f->store);
        fake_disk_fail_at(f->b.disk, 0);
    }
}

// ---- a connection

static int64_t stream_result;

static int64_t end_of_stream(void *context, void *out, size_t bytes)
{
    (void)context, (void)out, (void)bytes;
    return 0;
}

static int64_t broken_pipe(void *context, const void *data, size_t bytes)
{
    (void)context, (void)data, (void)bytes;
    return stream_result;
}

static void a_connection_that_takes_nothing_more_is_over(void **state)
{
    (void)state;
    uint8_t memory[8] = {0};
    struct replica_buffer full = {memory, sizeof memory, 0, sizeof memory};
    struct replica_buffer none = {memory, sizeof memory, 0, 0};
    struct replica_stream stream = {.read = end_of_stream, .write = broken_pipe};
    stream_result = -EPIPE;
    assert_int_equal(replica_stream_move(&stream, &none, &full), -EPIPE);
    stream_result = 3;
    assert_int_equal(replica_stream_move(&stream, &none, &full), 1);
    assert_int_equal(full.end - full.begin, 5);
    full = (struct replica_buffer){memory, sizeof memory, 0, sizeof memory};
    assert_int_equal(replica_stream_move(&stream, &full, &none), 0); // no room, nothing to say
}

// ---- the fence

static void a_fence_is_what_was_written_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct replica_fence fence;
    assert_int_equal(replica_fence_read(&fence, f->folder), 0);
    assert_int_equal(fence.epoch, 0);
    fence = (struct replica_fence){.epoch = 2000001, .own = true};
    assert_int_equal(replica_fence_write(&fence, f->folder, "the hall\nburns"), 0);
    memset(&fence, 0, sizeof fence);
    assert_int_equal(replica_fence_read(&fence, f->folder), 0);
    assert_int_equal(fence.epoch, 2000001);
    assert_true(fence.own);
    fence.own = false;
    assert_int_equal(replica_fence_write(&fence, f->folder, "heard"), 0);
    assert_int_equal(replica_fence_read(&fence, f->folder), 0);
    assert_false(fence.own);
    assert_int_equal(replica_note_write(f->folder, "fence", "epoch twelve"), 0);
    assert_int_equal(replica_fence_read(&fence, f->folder), -EBADMSG);
}

static void a_promotion_is_above_all_that_was(void **state)
{
    (void)state;
    struct replica_fence none = {0}, old = {.epoch = 3000001};
    assert_int_equal(replica_promotion_epoch(1, &none), 1000001);
    assert_int_equal(replica_promotion_epoch(999999, &none), 1000001);
    assert_int_equal(replica_promotion_epoch(1000001, &none), 2000001);
    assert_int_equal(replica_promotion_epoch(7, &old), 4000001);
}

// ---- the gate

struct gate_fixture {
    struct boot boot;
    struct event_ring ring;
    struct gate gate;
    struct reader_page *page;
    char folder[64];
};

static void gate_fixture_open(struct gate_fixture *f, enum replication_mode mode)
{
    testing_folder_make(f->folder);
    testing_boot_init(&f->boot, PROCESS_CORE, f->folder);
    f->boot.config.replication_mode = mode;
    assert_int_equal(event_ring_open_writer(&f->ring, f->boot.event_ring_fd, 1024, 64), 0);
    assert_int_equal(gate_open(&f->gate, &f->boot, f->ring.control), 0);
    f->page = f->gate.pages[PROCESS_REPLICATE];
    assert_int_equal(gate_start(&f->gate, 0), 0);
}

static void gate_fixture_close(struct gate_fixture *f)
{
    gate_stop(&f->gate, 0);
    gate_close(&f->gate);
    event_ring_close(&f->ring);
    testing_boot_fini(&f->boot);
    testing_folder_remove(f->folder);
}

// As lonja-replicate does it.
static void say(struct gate_fixture *f, uint64_t sequence, enum replica_verdict verdict)
{
    atomic_store(&f->page->position_seq, sequence);
    atomic_store(&f->page->verdict, verdict);
    atomic_fetch_add(&f->page->answers, 1);
    futex_wake(&f->page->answers);
}

static void await_durable(struct gate_fixture *f, uint64_t sequence)
{
    for (int i = 0; i < 10000 && atomic_load(&f->ring.control->durable_seq) != sequence; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&f->ring.control->durable_seq), sequence);
}

static void without_waiting_for_standbys_the_gate_follows_the_disk(void **state)
{
    (void)state;
    struct gate_fixture f;
    gate_fixture_open(&f, REPLICATION_ASYNC);
    gate_publish(&f.gate, 10, 0);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 10);
    assert_int_equal(gate_may_begin(&f.gate, 1), 1);
    gate_fixture_close(&f);
}

static void the_gate_opens_to_what_disk_and_standby_have(void **state)
{
    (void)state;
    struct gate_fixture f;
    gate_fixture_open(&f, REPLICATION_SYNC);
    gate_publish(&f.gate, 10, 0);
    assert_int_equal(gate_move(&f.gate), 0);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 0);
    assert_int_equal(atomic_load(&f.ring.control->journal_seq), 10);
    say(&f, 4, REPLICA_FOLLOWED);
    await_durable(&f, 4);
    say(&f, 12, REPLICA_FOLLOWED); // a liar: what is not on this disk is not durable
    await_durable(&f, 10);
    gate_fixture_close(&f);
}

static void an_operator_may_let_the_venue_go_on_alone(void **state)
{
    (void)state;
    struct gate_fixture f;
    gate_fixture_open(&f, REPLICATION_SYNC);
    gate_publish(&f.gate, 10, 0);
    say(&f, 4, REPLICA_DEGRADED);
    await_durable(&f, 10);
    gate_publish(&f.gate, 11, 0);
    await_durable(&f, 11);
    say(&f, 4, REPLICA_FOLLOWED); // restored
    gate_publish(&f.gate, 12, 0);
    say(&f, 11, REPLICA_FOLLOWED);
    assert_int_equal(gate_move(&f.gate), 0);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 11);
    gate_fixture_close(&f);
}

static void an_epoch_begins_when_a_standby_has_what_was_recovered(void **state)
{
    (void)state;
    struct gate_fixture f;
    gate_fixture_open(&f, REPLICATION_SYNC);
    gate_announce(&f.gate, 20, 3);
    assert_int_equal(gate_may_begin(&f.gate, 1), 0);
    say(&f, 19, REPLICA_FOLLOWED);
    assert_int_equal(gate_may_begin(&f.gate, 1), 0);
    say(&f, 20, REPLICA_FOLLOWED);
    assert_int_equal(gate_may_begin(&f.gate, 1), 1);
    gate_fixture_close(&f);
}

static void a_fenced_gate_is_shut_for_good(void **state)
{
    (void)state;
    static const enum replication_mode modes[] = {REPLICATION_ASYNC, REPLICATION_SYNC};
    for (size_t i = 0; i < 2; i++) {
        struct gate_fixture f;
        gate_fixture_open(&f, modes[i]);
        say(&f, 0, REPLICA_FENCED);
        assert_int_equal(gate_may_begin(&f.gate, 1), -ESTALE);
        for (int wait = 0; wait < 10000 && atomic_load(&f.ring.control->journal_error) == 0; wait++)
            usleep(1000);
        assert_int_equal(atomic_load(&f.ring.control->journal_error), ESTALE);
        assert_int_equal(atomic_load(&f.ring.control->core_state), CORE_FAILED);
        gate_fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hello_has_its_decision),
        cmocka_unit_test(the_highest_epoch_seen_counts),
        cmocka_unit_test(what_counts_is_what_enough_standbys_have),
        cmocka_unit_test(a_frame_is_whole_or_waited_for_or_refused),
        cmocka_unit_test(a_size_beyond_its_type_is_refused_before_it_is_waited_for),
#define PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        PAIR(a_standby_catches_up_from_nothing_and_goes_on_where_it_ended),
        PAIR(a_standby_follows_block_by_block_while_its_primary_writes),
        PAIR(a_segment_that_is_another_one_than_told_is_refused),
        PAIR(who_tells_of_a_segment_waits_for_who_prepares_one),
        PAIR(an_old_primary_that_wrote_on_is_told_where_to_cut),
        PAIR(an_old_primary_that_lacks_nothing_follows_at_once),
        PAIR(a_primary_learns_from_a_standby_that_it_was_replaced),
        PAIR(a_promoted_host_believes_no_older_primary),
        PAIR(a_standby_ahead_of_its_primary_is_refused),
        PAIR(one_epoch_with_two_contents_has_nothing_in_common),
        PAIR(a_primary_without_its_beginning_says_so),
        PAIR(another_venue_and_another_release_are_refused),
        PAIR(nothing_is_said_before_the_core_has_spoken),
        PAIR(who_acknowledges_what_was_never_sent_is_cut_off),
        PAIR(who_does_not_begin_with_hello_is_cut_off),
        PAIR(who_sends_too_much_or_nothing_is_cut_off),
        PAIR(a_primary_that_falls_silent_is_left),
        PAIR(a_block_that_does_not_follow_is_not_written),
        PAIR(a_hello_that_contradicts_itself_is_refused),
        PAIR(a_primary_cuts_off_who_says_what_is_not_his_turn),
        PAIR(a_standby_leaves_a_primary_that_says_what_is_not_its_turn),
        PAIR(who_is_not_heard_goes_on),
        PAIR(segments_that_cannot_be_made_yet_wait),
        PAIR(memory_that_is_not_there_is_said),
        PAIR(a_place_in_a_journal_of_nothing_is_gone_or_the_beginning),
        PAIR(what_is_in_common_is_never_more_than_the_standby_has),
        PAIR(a_place_behind_what_can_be_read_is_unreadable),
        PAIR(no_refused_look_makes_more_common_than_there_is),
        PAIR(journals_of_other_epochs_have_nothing_in_common),
        PAIR(a_primary_whose_disk_refuses_a_look_serves_nothing_wrong),
        PAIR(a_block_of_another_time_or_place_is_not_written),
        PAIR(a_segment_that_cannot_be_made_is_said_to_who_needs_it),
        PAIR(a_connection_that_takes_nothing_more_is_over),
        PAIR(a_fence_is_what_was_written_or_nothing),
        cmocka_unit_test(a_promotion_is_above_all_that_was),
        cmocka_unit_test(without_waiting_for_standbys_the_gate_follows_the_disk),
        cmocka_unit_test(the_gate_opens_to_what_disk_and_standby_have),
        cmocka_unit_test(an_operator_may_let_the_venue_go_on_alone),
        cmocka_unit_test(an_epoch_begins_when_a_standby_has_what_was_recovered),
        cmocka_unit_test(a_fenced_gate_is_shut_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
