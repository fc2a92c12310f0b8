// Replication, part by part: the decision is complete, frames are bounded, a place in the journal
// is found or said to be lost, the fence survives, the gate holds what is not replicated.
#include "core/replica_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/futex.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"

// ---- the decision
// ------------------------------------------------------------------------------------

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
// ------------------------------------------------------------------------------------------

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
// ---------------------------------------------------------------------------------------

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
// ------------------------------------------------------------------------

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

// ---- the fence
// ---------------------------------------------------------------------------------------

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
// ----------------------------------------------------------------------------------------

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
    gate_publish(&f.gate, 10);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 10);
    assert_int_equal(gate_may_begin(&f.gate, 1), 1);
    gate_fixture_close(&f);
}

static void the_gate_opens_to_what_disk_and_standby_have(void **state)
{
    (void)state;
    struct gate_fixture f;
    gate_fixture_open(&f, REPLICATION_SYNC);
    gate_publish(&f.gate, 10);
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
    gate_publish(&f.gate, 10);
    say(&f, 4, REPLICA_DEGRADED);
    await_durable(&f, 10);
    gate_publish(&f.gate, 11);
    await_durable(&f, 11);
    say(&f, 4, REPLICA_FOLLOWED); // restored
    gate_publish(&f.gate, 12);
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
