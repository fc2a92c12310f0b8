#include "core/replica_frame.h"

#include <string.h>

#include "base/assert.h"
#include "schema/records.h"

size_t replica_buffer_room(struct replica_buffer *buffer)
{
    ASSERT(buffer->begin <= buffer->end && buffer->end <= buffer->capacity);
    if (buffer->begin > 0)
        memmove(buffer->memory, buffer->memory + buffer->begin, buffer->end - buffer->begin);
    buffer->end -= buffer->begin;
    buffer->begin = 0;
    return buffer->capacity - buffer->end;
}

void replica_buffer_drop(struct replica_buffer *buffer, size_t bytes)
{
    ASSERT(bytes <= buffer->end - buffer->begin);
    buffer->begin += bytes;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
}

static bool replica_frame_fits(const struct replica_frame_header *header)
{
    switch (header->type) {
    case REPLICA_HELLO:
        return header->bytes == sizeof(struct replica_hello);
    case REPLICA_ANSWER:
        return header->bytes == sizeof(struct replica_answer);
    case REPLICA_SEGMENT:
        return header->bytes == sizeof(struct journal_segment_header);
    case REPLICA_BLOCK:
        return header->bytes >= JOURNAL_BLOCK_HEADER_BYTES + SLOT_BYTES &&
               header->bytes <= JOURNAL_BLOCK_BYTES_MAX;
    case REPLICA_ACK:
    case REPLICA_PING:
        return header->bytes == sizeof(struct replica_position);
    default:
        return false;
    }
}

enum replica_frame_result replica_frame_next(const struct replica_buffer *buffer,
                                             struct replica_frame_header *header,
                                             const uint8_t **body)
{
    size_t there = buffer->end - buffer->begin;
    if (there < sizeof *header)
        return REPLICA_FRAME_NONE;
    memcpy(header, buffer->memory + buffer->begin, sizeof *header);
    // Judged before the body is waited for: a wrong size must not make us wait for it.
    if (header->magic != REPLICA_MAGIC || header->reserved != 0 || !replica_frame_fits(header))
        return REPLICA_FRAME_BAD;
    if (there < sizeof *header + header->bytes)
        return REPLICA_FRAME_NONE;
    *body = buffer->memory + buffer->begin + sizeof *header;
    return REPLICA_FRAME_WHOLE;
}

void replica_frame_put(struct replica_buffer *buffer, enum replica_frame_type type,
                       const void *body, size_t bytes)
{
    struct replica_frame_header header = {
        .magic = REPLICA_MAGIC, .type = type, .bytes = (uint32_t)bytes};
    ASSERT(replica_frame_fits(&header));
    ASSERT(replica_buffer_room(buffer) >= sizeof header + bytes);
    memcpy(buffer->memory + buffer->end, &header, sizeof header);
    memcpy(buffer->memory + buffer->end + sizeof header, body, bytes);
    buffer->end += sizeof header + bytes;
}
