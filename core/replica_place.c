// A block is known if ours ends at the same sequence with the same chain: the chain runs over all
// that came before, so one comparison answers for the whole journal. Where it does not, an epoch
// higher than the peer's last one tells where the paths part: our epochs up to the peer's are
// common, and each epoch begins a segment of its own, so the first blocks of segments are enough.
#include "core/replica_place.h"

#include "core/numbered_file.h"

// Header of the first block of a segment; false if it has none.
static bool replica_first_block(struct journal_block_header *block, const struct journal_io *io,
                                uint64_t number)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    int file = io->open(io->context, name, JOURNAL_IO_READ);
    if (file < 0)
        return false;
    int64_t bytes = io->read(io->context, file, block, sizeof *block, JOURNAL_PAGE_BYTES);
    io->close(io->context, file);
    return bytes == (int64_t)sizeof *block && journal_block_header_valid(block, number);
}

static uint64_t replica_common(const struct journal_io *io, const struct replica_hello *peer)
{
    uint64_t first, last, common = 0;
    if (journal_segments(io, &first, &last) <= 0)
        return 0;
    for (uint64_t left = last - first + 1; left > 0; left--) {
        const uint64_t number = first + left - 1;
        struct journal_block_header block;
        if (!replica_first_block(&block, io, number))
            continue;
        if (block.epoch <= peer->epoch)
            break;
        common = block.first_sequence - 1;
    }
    return common < peer->sequence ? common : 0;
}

// True if our journal still has what comes behind `sequence`.
static bool replica_is_kept(const struct journal_io *io, uint64_t sequence)
{
    uint64_t first, last;
    struct journal_block_header block;
    if (journal_segments(io, &first, &last) <= 0)
        return sequence == 0;
    return replica_first_block(&block, io, first) ? block.first_sequence <= sequence + 1
                                                  : sequence == 0 && first == 1;
}

// Reads up to the block that holds the peer's last sequence.
static enum replica_place replica_walk(struct journal_reader *reader,
                                       const struct replica_hello *peer)
{
    while (reader->next_sequence <= peer->sequence) {
        const struct journal_block_header *block;
        if (journal_reader_next(reader, &block) != JOURNAL_READ)
            return REPLICA_PLACE_UNREADABLE;
    }
    bool same = reader->next_sequence == peer->sequence + 1 && reader->chain == peer->chain;
    return same ? REPLICA_PLACE_KNOWN : REPLICA_PLACE_DIVERGED;
}

enum replica_place replica_place_find(struct journal_reader *reader, uint64_t *common,
                                      const struct journal_io *io, const struct replica_hello *peer,
                                      uint64_t journal_seq)
{
    *common = 0;
    if (peer->sequence > journal_seq)
        return REPLICA_PLACE_AHEAD;
    if (!replica_is_kept(io, peer->sequence))
        return REPLICA_PLACE_GONE;
    uint64_t from = peer->sequence == 0 ? 1 : peer->sequence;
    if (journal_reader_open(reader, io, from, true) != 0)
        return REPLICA_PLACE_UNREADABLE;
    // A reader that begins in the middle expects `from`; it takes the block that holds it.
    enum replica_place place =
        peer->sequence == 0 ? REPLICA_PLACE_KNOWN : replica_walk(reader, peer);
    if (place == REPLICA_PLACE_DIVERGED)
        *common = replica_common(io, peer);
    if (place != REPLICA_PLACE_KNOWN)
        journal_reader_close(reader);
    return place;
}
