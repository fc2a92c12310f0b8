#include "core/journal_block.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/crc32c.h"

size_t journal_block_bytes(size_t payload_bytes)
{
    return round_up(JOURNAL_BLOCK_HEADER_BYTES + payload_bytes, JOURNAL_PAGE_BYTES);
}

static const uint8_t *journal_block_payload(const struct journal_block_header *block)
{
    return (const uint8_t *)(block + 1);
}

void journal_block_seal(struct journal_block_header *block)
{
    ASSERT(block->count > 0 && block->bytes > 0 && block->bytes <= JOURNAL_PAYLOAD_BYTES_MAX);
    block->magic = JOURNAL_BLOCK_MAGIC;
    block->reserved = 0;
    block->payload_crc = crc32c(0, journal_block_payload(block), block->bytes);
    block->chain = crc32c(0, block, offsetof(struct journal_block_header, chain));
    block->header_crc = crc32c(0, block, offsetof(struct journal_block_header, header_crc));
}

bool journal_block_header_valid(const struct journal_block_header *block, uint64_t segment)
{
    return block->magic == JOURNAL_BLOCK_MAGIC &&
           block->header_crc ==
               crc32c(0, block, offsetof(struct journal_block_header, header_crc)) &&
           block->segment == segment && block->count > 0 && block->first_sequence > 0 &&
           block->bytes >= block->count * (uint64_t)SLOT_BYTES &&
           block->bytes <= JOURNAL_PAYLOAD_BYTES_MAX && block->bytes % SLOT_BYTES == 0;
}

const struct command *journal_block_next(const struct journal_block_header *block,
                                         const struct command *command)
{
    const uint8_t *payload = journal_block_payload(block);
    const uint8_t *at = payload;
    ASSERT(command == NULL || command->header.slots != 0); // else this would never end
    if (command != NULL)
        at = (const uint8_t *)command + (size_t)command->header.slots * SLOT_BYTES;
    return at < payload + block->bytes ? (const struct command *)(const void *)at : NULL;
}

bool journal_block_payload_valid(const struct journal_block_header *block)
{
    if (crc32c(0, journal_block_payload(block), block->bytes) != block->payload_crc)
        return false;
    const uint8_t *end = journal_block_payload(block) + block->bytes;
    const struct command *command = NULL;
    uint32_t count = 0;
    while ((command = journal_block_next(block, command)) != NULL) {
        size_t bytes = (size_t)command->header.slots * SLOT_BYTES;
        if (bytes == 0 || bytes > COMMAND_BYTES_MAX ||
            bytes > (size_t)(end - (const uint8_t *)command))
            return false;
        if (command->header.sequence != block->first_sequence + count)
            return false;
        count++;
    }
    return count == block->count;
}

void journal_segment_header_init(struct journal_segment_header *header, uint64_t number,
                                 const struct journal_segment_terms *terms)
{
    *header = (struct journal_segment_header){.magic = JOURNAL_SEGMENT_MAGIC,
                                              .format = JOURNAL_FORMAT,
                                              .schema_version = SCHEMA_VERSION,
                                              .engine_version = terms->engine_version,
                                              .number = number,
                                              .bytes = terms->bytes};
    memcpy(header->limits, terms->limits, sizeof header->limits);
    header->crc = crc32c(0, header, sizeof *header);
}

enum journal_header journal_segment_header_judge(const struct journal_segment_header *header,
                                                 uint64_t number)
{
    struct journal_segment_header copy = *header;
    copy.crc = 0;
    if (header->magic != JOURNAL_SEGMENT_MAGIC || header->number != number ||
        header->crc != crc32c(0, &copy, sizeof copy))
        return JOURNAL_HEADER_BROKEN;
    return header->format == JOURNAL_FORMAT && header->schema_version == SCHEMA_VERSION
               ? JOURNAL_HEADER_OURS
               : JOURNAL_HEADER_OTHER_VERSION;
}

bool journal_segment_header_valid(const struct journal_segment_header *header, uint64_t number)
{
    return journal_segment_header_judge(header, number) == JOURNAL_HEADER_OURS;
}
