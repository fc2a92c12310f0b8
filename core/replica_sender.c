#include "core/replica_sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "core/replica_place.h"

enum {
    SENDER_IN_BYTES = 4096,
    SENDER_OUT_BYTES = 4 * REPLICA_FRAME_BYTES_MAX,
    SENDER_LOOK_MS = 200,
    SENDER_SEGMENTS_AHEAD = 2,
    SENDER_SMALL_BYTES = 1024, // room for the frames that are no blocks
};

int replica_sender_open(struct replica_sender *sender, uint64_t now_ns)
{
    memset(sender, 0, sizeof *sender);
    sender->in = (struct replica_buffer){malloc(SENDER_IN_BYTES), SENDER_IN_BYTES, 0, 0};
    sender->out = (struct replica_buffer){malloc(SENDER_OUT_BYTES), SENDER_OUT_BYTES, 0, 0};
    sender->heard_ns = sender->said_ns = now_ns;
    if (sender->in.memory != NULL && sender->out.memory != NULL)
        return 0;
    replica_sender_close(sender);
    return -ENOMEM;
}

void replica_sender_close(struct replica_sender *sender)
{
    if (sender->state == REPLICA_SENDER_FOLLOWED)
        journal_reader_close(&sender->reader);
    free(sender->in.memory);
    free(sender->out.memory);
    memset(sender, 0, sizeof *sender);
}

// ---- the answer

static void sender_answer(struct replica_sender *sender, const struct replica_now *now,
                          uint64_t common)
{
    struct replica_answer answer = {
        .decision = sender->decision, .epoch = now->own.epoch, .sequence = now->journal_seq};
    snprintf(answer.text, sizeof answer.text, "%s", replica_decision_text(sender->decision));
    if (sender->decision == REPLICA_REFUSE_DIVERGED)
        answer.sequence = common;
    replica_frame_put(&sender->out, REPLICA_ANSWER, &answer, sizeof answer);
    sender->said_ns = now->now_ns;
}

static void sender_hello(struct replica_sender *sender, const struct replica_hello *hello,
                         const struct replica_now *now)
{
    enum replica_terms terms = replica_terms_of(hello, &now->own);
    enum replica_age age = replica_age_of(hello, now->own.epoch);
    bool standby = hello->role == REPLICA_STANDBY;
    enum replica_place place = REPLICA_PLACE_UNREADABLE;
    uint64_t common = 0;
    // Whoever is not to be served does not make us read the journal.
    if (standby && terms == REPLICA_TERMS_SAME && age != REPLICA_AGE_HIGHER)
        place = replica_place_find(&sender->reader, &common, now->io, hello, now->journal_seq);
    sender->decision =
        replica_decide(terms, standby ? REPLICA_PEER_STANDBY : REPLICA_PEER_PRIMARY, age, place);
    sender->peer_epoch = hello->epoch > hello->fence ? hello->epoch : hello->fence;
    sender_answer(sender, now, common);
    sender->state = REPLICA_SENDER_ENDING;
    if (sender->decision != REPLICA_CONTINUE)
        return;
    sender->state = REPLICA_SENDER_FOLLOWED;
    sender->acked_seq = sender->sent_seq = hello->sequence;
    // It has its last segment; a reader at the beginning stands before the first.
    sender->told_segment = sender->reader.segment;
}

// ---- taking

static int sender_frame(struct replica_sender *sender, const struct replica_frame_header *header,
                        const uint8_t *body, const struct replica_now *now)
{
    if (header->type == REPLICA_HELLO && sender->state == REPLICA_SENDER_NEW) {
        struct replica_hello hello;
        memcpy(&hello, body, sizeof hello);
        if (!replica_hello_valid(&hello))
            return -EPROTO;
        sender_hello(sender, &hello, now);
        return 0;
    }
    bool position = header->type == REPLICA_ACK || header->type == REPLICA_PING;
    if (!position || sender->state != REPLICA_SENDER_FOLLOWED)
        return -EPROTO;
    struct replica_position said;
    memcpy(&said, body, sizeof said);
    // What we have not sent, it cannot have.
    if (said.sequence < sender->acked_seq || said.sequence > sender->sent_seq)
        return -EPROTO;
    sender->acked_seq = said.sequence;
    return 0;
}

int replica_sender_take(struct replica_sender *sender, const struct replica_now *now)
{
    if (now->now_ns > sender->heard_ns && now->now_ns - sender->heard_ns > now->timeout_ns)
        return -ETIMEDOUT;
    if (sender->state == REPLICA_SENDER_NEW && now->own.epoch == 0)
        return 0;
    for (;;) {
        struct replica_frame_header header;
        const uint8_t *body;
        enum replica_frame_result result = replica_frame_next(&sender->in, &header, &body);
        if (result == REPLICA_FRAME_BAD)
            return -EPROTO;
        if (result == REPLICA_FRAME_NONE)
            return replica_buffer_room(&sender->in) > 0 ? 0 : -EPROTO; // a size we never take
        int error = sender_frame(sender, &header, body, now);
        if (error != 0)
            return error;
        sender->heard_ns = now->now_ns;
        replica_buffer_drop(&sender->in, REPLICA_HEADER_BYTES + header.bytes);
    }
}

// ---- saying

// The headers of the segments up to `number`: the peer needs them before a block. Returns 1, 0 = no
// room, or -EIO = a segment is not there.
static int sender_tell_segments(struct replica_sender *sender, const struct journal_io *io,
                                uint64_t number)
{
    while (sender->told_segment < number) {
        struct journal_segment_header header;
        if (replica_buffer_room(&sender->out) < SENDER_SMALL_BYTES)
            return 0;
        if (!journal_segment_header_read(io, &header, sender->told_segment + 1))
            return -EIO;
        replica_frame_put(&sender->out, REPLICA_SEGMENT, &header, sizeof header);
        sender->told_segment++;
    }
    return 1;
}

// Segments that the core has prepared, so that the peer can prepare them, too, before they are
// needed; one that is not there yet is told the next time.
static void sender_look_ahead(struct replica_sender *sender, const struct replica_now *now)
{
    uint64_t first, last;
    if (now->now_ns < sender->look_ns)
        return;
    sender->look_ns = now->now_ns + SENDER_LOOK_MS * 1000000u;
    if (journal_segments(now->io, &first, &last) <= 0)
        return;
    uint64_t ahead = sender->reader.segment + SENDER_SEGMENTS_AHEAD;
    (void)sender_tell_segments(sender, now->io, last < ahead ? last : ahead);
}

// Returns 1 = sender->block is the next one, 0 = none is due, or -EIO.
static int sender_read(struct replica_sender *sender, const struct replica_now *now)
{
    struct journal_reader *reader = &sender->reader;
    if (sender->block != NULL)
        return 1;
    if (reader->next_sequence > now->journal_seq)
        return 0;
    if (reader->next_sequence > sender->seen_seq) {
        journal_reader_forget(reader);
        sender->seen_seq = now->journal_seq;
    }
    if (journal_reader_next(reader, &sender->block) == JOURNAL_READ)
        return 1;
    sender->block = NULL;
    log_limited(LOG_ERROR,
                "the journal cannot be read for a standby sequence=%" PRIu64 " reason=%s",
                reader->next_sequence, reader->reason);
    return -EIO;
}

// Returns 1 = a block goes out, 0 = none is due or there is no room, or -EIO.
static int sender_block(struct replica_sender *sender, const struct replica_now *now)
{
    int result = sender_read(sender, now);
    if (result <= 0)
        return result;
    result = sender_tell_segments(sender, now->io, sender->block->segment);
    if (result <= 0 || replica_buffer_room(&sender->out) < REPLICA_FRAME_BYTES_MAX)
        return result < 0 ? result : 0;
    replica_frame_put(&sender->out, REPLICA_BLOCK, sender->block,
                      JOURNAL_BLOCK_HEADER_BYTES + (size_t)sender->block->bytes);
    sender->sent_seq = sender->reader.next_sequence - 1;
    sender->block = NULL;
    sender->said_ns = now->now_ns;
    return 1;
}

static void sender_ping(struct replica_sender *sender, const struct replica_now *now)
{
    if (now->now_ns - sender->said_ns < now->timeout_ns / 4 ||
        replica_buffer_room(&sender->out) < SENDER_SMALL_BYTES)
        return;
    struct replica_position ping = {.sequence = now->journal_seq};
    replica_frame_put(&sender->out, REPLICA_PING, &ping, sizeof ping);
    sender->said_ns = now->now_ns;
}

int replica_sender_fill(struct replica_sender *sender, const struct replica_now *now)
{
    int blocks = 0, result = 1;
    if (sender->state != REPLICA_SENDER_FOLLOWED)
        return 0;
    sender_look_ahead(sender, now);
    while (result > 0) {
        result = sender_block(sender, now);
        if (result < 0)
            return result;
        blocks += result;
    }
    sender_ping(sender, now);
    return blocks;
}
