// Replication from outside: what an honest peer would say, damaged, doubled, out of turn and cut
// short, to both ends of the port. Nothing may abort; who says what no peer of ours says is cut
// off; and the standby's journal stays one that reads from its first block to its end, whatever a
// primary sent.
#include "tests/fuzz/fuzz.h"

#include "core/journal_reader.h"
#include "core/replica_testing.h"

enum { CONVERSATION_BYTES = 64 * 1024, FRAMES_MAX = 12, PIECE_BYTES = 3000 };

struct conversation {
    struct fuzz *fuzz;
    struct replica_host primary, standby;
    struct standby_store store;
    struct replica_buffer said; // what will be fed, piece by piece
};

static uint64_t below(struct conversation *c, size_t limit)
{
    return fuzz_below(c->fuzz, limit);
}

// ---- what is said

static struct replica_hello make_hello(struct conversation *c)
{
    struct replica_hello hello = replica_host_now(&c->primary, 1).own;
    hello.life = 1 + below(c, 3);
    hello.role = below(c, 4) == 0 ? REPLICA_PRIMARY : REPLICA_STANDBY;
    hello.epoch = below(c, 4);
    hello.fence = below(c, 8) == 0 ? 1000001 : 0;
    hello.sequence = below(c, 3) == 0 ? 0 : below(c, c->primary.last + 3);
    hello.chain = hello.sequence == 0                 ? 0
                  : hello.sequence == c->primary.last ? c->primary.journal.chain
                                                      : (uint32_t)fuzz_draw(c->fuzz);
    return hello;
}

// A block that follows, or nearly does.
static size_t make_block(struct conversation *c, uint8_t *out)
{
    const struct standby_store *store = &c->store;
    struct journal_block_header *block = (struct journal_block_header *)(void *)out;
    uint32_t count = 1 + (uint32_t)below(c, 5);
    bool begins = store->segment == 0 || below(c, 6) == 0;
    *block = (struct journal_block_header){
        .epoch = store->epoch + (begins && (store->epoch == 0 || below(c, 2) == 0)),
        .segment = store->segment + begins,
        .first_sequence = store->next_sequence + (below(c, 12) == 0),
        .count = count,
        .bytes = count * (uint32_t)SLOT_BYTES,
        .previous_chain = store->chain ^ (below(c, 12) == 0)};
    memset(block + 1, 0, block->bytes);
    for (uint32_t i = 0; i < count; i++) {
        struct command_header *command =
            (struct command_header *)(void *)((uint8_t *)(block + 1) + i * SLOT_BYTES);
        command->slots = 1;
        command->sequence = block->first_sequence + i;
    }
    journal_block_seal(block);
    return JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes;
}

static void say_segment(struct conversation *c)
{
    struct journal_segment_header header;
    struct journal_segment_terms terms = {.bytes = REPLICA_TESTING_SEGMENT_BYTES};
    if (below(c, 6) == 0)
        terms.bytes = below(c, 4) * JOURNAL_PAGE_BYTES + below(c, 2);
    journal_segment_header_init(&header, c->store.told + 1 + (below(c, 8) == 0), &terms);
    replica_frame_put(&c->said, REPLICA_SEGMENT, &header, sizeof header);
}

static void say_one(struct conversation *c)
{
    static _Alignas(64) uint8_t block[4096];
    struct replica_hello hello = make_hello(c);
    struct replica_answer answer = {.decision = (uint32_t)below(c, REPLICA_DECISION_END + 1),
                                    .epoch = below(c, 3),
                                    .sequence = below(c, 100)};
    struct replica_position position = {.sequence = below(c, c->primary.last + 2)};
    switch (below(c, 7)) {
    case 0:
        replica_frame_put(&c->said, REPLICA_HELLO, &hello, sizeof hello);
        break;
    case 1:
        answer.decision = REPLICA_CONTINUE;
        replica_frame_put(&c->said, REPLICA_ANSWER, &answer, sizeof answer);
        break;
    case 2:
        replica_frame_put(&c->said, REPLICA_ANSWER, &answer, sizeof answer);
        break;
    case 3:
        say_segment(c);
        break;
    case 4:
        replica_frame_put(&c->said, REPLICA_BLOCK, block, make_block(c, block));
        break;
    case 5:
        replica_frame_put(&c->said, REPLICA_ACK, &position, sizeof position);
        break;
    default:
        replica_frame_put(&c->said, REPLICA_PING, &position, sizeof position);
    }
}

// Mostly what a primary says while it is followed.
static void say_as_primary(struct conversation *c)
{
    static _Alignas(64) uint8_t block[4096];
    if (c->store.told == 0 || below(c, 8) == 0)
        say_segment(c);
    else if (below(c, 8) > 0)
        replica_frame_put(&c->said, REPLICA_BLOCK, block, make_block(c, block));
    else
        say_one(c);
}

// Mostly the right beginning, so that what comes behind it is heard.
static void begin_saying(struct conversation *c, bool to_primary)
{
    struct replica_hello hello = make_hello(c);
    struct replica_answer yes = {.decision = REPLICA_CONTINUE, .epoch = 1000000};
    c->said.begin = c->said.end = 0;
    if (below(c, 5) == 0)
        return;
    if (to_primary)
        replica_frame_put(&c->said, REPLICA_HELLO, &hello, sizeof hello);
    else
        replica_frame_put(&c->said, REPLICA_ANSWER, &yes, sizeof yes);
}

static void damage(struct conversation *c)
{
    for (size_t i = below(c, 4); i > 0; i--)
        c->said.end = fuzz_damage(c->fuzz, c->said.memory, c->said.end, c->said.capacity);
}

static void hand_over(struct conversation *c, struct replica_buffer *in)
{
    size_t bytes = 1 + below(c, PIECE_BYTES), there = c->said.end - c->said.begin;
    size_t room = replica_buffer_room(in);
    bytes = bytes < there ? bytes : there;
    bytes = bytes < room ? bytes : room;
    memcpy(in->memory + in->end, c->said.memory + c->said.begin, bytes);
    in->end += bytes;
    c->said.begin += bytes;
}

// ---- both ends

static void to_primary(struct conversation *c)
{
    struct replica_sender sender;
    struct replica_now now = replica_host_now(&c->primary, 1);
    int result = 0;
    ASSERT(replica_sender_open(&sender, 1) == 0);
    begin_saying(c, true);
    for (size_t i = below(c, FRAMES_MAX); i > 0; i--)
        say_one(c);
    damage(c);
    while (result >= 0 && c->said.begin < c->said.end) {
        hand_over(c, &sender.in);
        result = replica_sender_take(&sender, &now);
        if (result == 0)
            result = replica_sender_fill(&sender, &now);
        sender.out.begin = sender.out.end = 0; // it reads all of it
        ASSERT(sender.acked_seq <= sender.sent_seq && sender.sent_seq <= now.journal_seq);
    }
    replica_sender_close(&sender);
}

static void to_standby(struct conversation *c)
{
    struct replica_receiver receiver;
    struct replica_hello terms = replica_host_now(&c->primary, 1).own;
    int result = 0;
    ASSERT(replica_receiver_open(&receiver, &c->store, &terms, 1) == 0);
    begin_saying(c, false);
    // One frame at a time, so that a block is made when the ones before it have been taken.
    for (size_t i = below(c, 4 * FRAMES_MAX); i > 0 && result >= 0; i--) {
        say_as_primary(c);
        if (below(c, 6) == 0)
            damage(c);
        while (result >= 0 && c->said.begin < c->said.end) {
            hand_over(c, &receiver.in);
            result = replica_receiver_take(&receiver, 1, REPLICA_TESTING_TIMEOUT_NS);
            receiver.out.begin = receiver.out.end = 0;
        }
        c->said.begin = c->said.end = 0;
    }
    replica_receiver_close(&receiver);
}

static void check_journal(struct conversation *c)
{
    struct journal_reader reader;
    const struct journal_block_header *block;
    enum journal_decision decision;
    ASSERT(journal_reader_open(&reader, &c->standby.io, 1, false) == 0);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        ;
    if (decision != JOURNAL_END)
        fprintf(stderr, "%d: %s\n", decision, reader.reason);
    ASSERT(decision == JOURNAL_END);
    ASSERT(reader.next_sequence == c->store.next_sequence && reader.chain == c->store.chain);
    journal_reader_close(&reader);
}

static uint64_t converse(struct fuzz *fuzz)
{
    struct conversation c = {.fuzz = fuzz};
    char reason[160];
    c.said = (struct replica_buffer){malloc(CONVERSATION_BYTES), CONVERSATION_BYTES, 0, 0};
    replica_host_init(&c.primary, 1 + fuzz_below(fuzz, 1000));
    replica_host_init(&c.standby, 1 + fuzz_below(fuzz, 1000));
    ASSERT(replica_host_begin(&c.primary, 0));
    for (size_t i = 1 + below(&c, 5); i > 0; i--)
        ASSERT(replica_host_write(&c.primary, 1 + (int)below(&c, 20)));
    ASSERT(standby_store_open(&c.store, reason, &c.standby.io) == 0);
    for (int i = 0; i < 8; i++) {
        to_primary(&c);
        to_standby(&c);
    }
    check_journal(&c);
    uint64_t taken = c.store.next_sequence - 1;
    standby_store_close(&c.store);
    replica_host_fini(&c.primary);
    replica_host_fini(&c.standby);
    free(c.said.memory);
    return taken;
}

int main(int argc, char **argv)
{
    struct fuzz fuzz;
    uint64_t taken = 0;
    fuzz_begin(&fuzz, "replica_fuzz", argc, argv);
    for (uint64_t round = 0; round < fuzz.rounds; round++)
        taken += converse(&fuzz);
    ASSERT(taken > 10 * fuzz.rounds); // it got past the door
    printf("replica_fuzz: nothing broke, %" PRIu64 " commands were taken\n", taken);
    return 0;
}
