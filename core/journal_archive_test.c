// The archive: what goes in comes out, whatever fails on the way, and who reads from the beginning
// does not see where the segments are.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "core/fake_disk.h"
#include "core/journal_archive.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

static void expect_all(const struct journal_io *live_io, const struct journal_io *archived,
                       uint64_t last)
{
    static struct journal_archive archive;
    struct journal_io io = *live_io;
    journal_archive_overlay(&archive, &io, archived);
    struct journal_reader reader;
    const struct journal_block_header *block;
    enum journal_decision decision;
    assert_int_equal(journal_reader_open(&reader, &io, 1, false), 0);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        ;
    if (decision != JOURNAL_END)
        fail_msg("%s", reader.reason);
    assert_int_equal(reader.next_sequence - 1, last);
    journal_reader_close(&reader);
    journal_archive_close(&archive);
}

// ---- every failure on the way

struct disks {
    struct journal_io live, archive;
    struct fake_disk *live_disk, *archive_disk;
    uint64_t last;
};

static void disks_open(struct disks *disks, uint64_t seed)
{
    disks->live_disk = fake_disk_create(&disks->live, seed);
    disks->archive_disk = fake_disk_create(&disks->archive, seed + 1000);
    disks->last = testing_make_journal(&disks->live);
}

static void disks_close(struct disks *disks)
{
    fake_disk_destroy(disks->live_disk);
    fake_disk_destroy(disks->archive_disk);
}

static void disks_crash(struct disks *disks, bool power)
{
    void (*crash)(struct fake_disk *) = power ? fake_disk_power_failure : fake_disk_process_killed;
    crash(disks->live_disk);
    crash(disks->archive_disk);
}

// Fails at operation `at` of one of the disks; true if it came that far.
static bool try_crash(uint64_t at, bool archive_fails, bool power, uint64_t seed)
{
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, seed);
    struct fake_disk *failing = archive_fails ? disks.archive_disk : disks.live_disk;
    fake_disk_fail_at(failing, at);
    int result = 0;
    for (uint64_t number = 1; number <= 3 && result == 0; number++)
        result = journal_archive_segment(&disks.live, &disks.archive, number, &archived);
    bool failed = result != 0;
    disks_crash(&disks, power);
    expect_all(&disks.live, &disks.archive, disks.last);
    for (uint64_t number = 1; number <= 3; number++) { // the next run does the rest
        result = journal_archive_segment(&disks.live, &disks.archive, number, &archived);
        assert_true(result == 0 || result == -ENOENT);
    }
    expect_all(&disks.live, &disks.archive, disks.last);
    uint64_t first, last;
    assert_int_equal(journal_segments(&disks.live, &first, &last), 1);
    assert_int_equal(first, 4);
    disks_close(&disks);
    return failed;
}

static void no_crash_of_the_archiver_loses_a_segment(void **state)
{
    (void)state;
    for (int archive_fails = 0; archive_fails < 2; archive_fails++)
        for (int power = 0; power < 2; power++) {
            uint64_t at = 1;
            for (bool failed = true; failed; at++) {
                failed = false;
                for (uint64_t seed = 1; seed <= 20; seed++)
                    failed |= try_crash(at, archive_fails != 0, power != 0, seed);
            }
            assert_true(at > (archive_fails ? 12 : 6)); // it has met every step of three segments
        }
}

static void no_crash_of_a_restore_loses_a_segment(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct disks disks;
        struct journal_archived archived;
        disks_open(&disks, at);
        for (uint64_t number = 1; number <= 3; number++)
            assert_int_equal(
                journal_archive_segment(&disks.live, &disks.archive, number, &archived), 0);
        fake_disk_fail_at(disks.live_disk, at);
        int result = 0;
        for (uint64_t number = 3; number >= 1 && result == 0; number--)
            result = journal_archive_restore(&disks.live, &disks.archive, number);
        failed = result != 0;
        disks_crash(&disks, true);
        expect_all(&disks.live, &disks.archive, disks.last);
        for (uint64_t number = 3; number >= 1; number--)
            assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, number), 0);
        struct journal_io nothing;
        struct fake_disk *empty = fake_disk_create(&nothing, 1);
        expect_all(&disks.live, &nothing, disks.last);
        fake_disk_destroy(empty);
        disks_close(&disks);
    }
}

// A disk that refuses to be looked at: an error, and all stays where it is.
static void no_refused_look_loses_a_segment(void **state)
{
    (void)state;
    for (int archive_refuses = 0; archive_refuses < 2; archive_refuses++) {
        bool refused = true;
        for (uint64_t at = 1; refused; at++) {
            struct disks disks;
            struct journal_archived archived;
            disks_open(&disks, at);
            struct fake_disk *disk = archive_refuses ? disks.archive_disk : disks.live_disk;
            fake_disk_refuse_look(disk, at);
            int result = journal_archive_segment(&disks.live, &disks.archive, 1, &archived);
            refused = fake_disk_refused(disk);
            // That an archived one cannot be looked at only means that it is written again.
            assert_true(result == 0 || refused);
            fake_disk_refuse_look(disk, 0);
            expect_all(&disks.live, &disks.archive, disks.last);
            result = journal_archive_segment(&disks.live, &disks.archive, 1, &archived);
            assert_true(result == 0 || result == -ENOENT);
            fake_disk_refuse_look(disk, at);
            result = journal_archive_restore(&disks.live, &disks.archive, 1);
            assert_int_equal(result, archive_refuses && fake_disk_refused(disk) ? -EIO : 0);
            disks_close(&disks);
        }
    }
}

// What the overlay cannot read, it says: to whom reads, it is never the end.
static void a_refused_look_through_the_overlay_is_never_the_end(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    for (uint64_t number = 1; number <= 3; number++)
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, number, &archived),
                         0);
    for (int archive_refuses = 0; archive_refuses < 2; archive_refuses++) {
        struct fake_disk *disk = archive_refuses ? disks.archive_disk : disks.live_disk;
        bool refused = true;
        for (uint64_t at = 1; refused; at++) {
            static struct journal_archive archive;
            struct journal_io io = disks.live;
            journal_archive_overlay(&archive, &io, &disks.archive);
            struct journal_reader reader;
            const struct journal_block_header *block;
            enum journal_decision decision;
            fake_disk_refuse_look(disk, at);
            assert_int_equal(journal_reader_open(&reader, &io, 1, false), 0);
            while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
                ;
            refused = fake_disk_refused(disk);
            fake_disk_refuse_look(disk, 0);
            assert_int_equal(decision, refused ? JOURNAL_CORRUPT : JOURNAL_END);
            assert_true(!refused || reader.fault == JOURNAL_FAULT_UNREADABLE);
            journal_reader_close(&reader);
            journal_archive_close(&archive);
        }
    }
    disks_close(&disks);
}

static void no_more_archived_segments_are_open_than_there_is_room_for(void **state)
{
    (void)state;
    static struct journal_archive archive;
    struct disks disks;
    struct journal_archived archived;
    int files[JOURNAL_ARCHIVE_OPEN_MAX];
    uint8_t byte;
    disks_open(&disks, 1);
    for (uint64_t number = 1; number <= 4; number++)
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, number, &archived),
                         0);
    struct journal_io io = disks.live;
    journal_archive_overlay(&archive, &io, &disks.archive);
    char name[NUMBERED_NAME_BYTES];
    for (int i = 0; i < JOURNAL_ARCHIVE_OPEN_MAX; i++) {
        numbered_name(name, (uint64_t)i + 1, JOURNAL_SUFFIX);
        files[i] = io.open(io.context, name, JOURNAL_IO_READ);
        assert_true(files[i] >= 0);
        assert_int_equal(io.size(io.context, files[i]), SEGMENT_BYTES);
        assert_int_equal(io.read(io.context, files[i], &byte, 1, SEGMENT_BYTES - 1), 1);
        assert_int_equal(io.read(io.context, files[i], &byte, 1, SEGMENT_BYTES), 0);
    }
    numbered_name(name, JOURNAL_ARCHIVE_OPEN_MAX + 1, JOURNAL_SUFFIX);
    assert_int_equal(io.open(io.context, name, JOURNAL_IO_READ), -EMFILE);
    io.close(io.context, files[0]);
    assert_int_equal(io.open(io.context, name, JOURNAL_IO_READ), files[0]);
    assert_int_equal(io.open(io.context, "00000000000000000099.journal", JOURNAL_IO_READ), -EMFILE);
    io.close(io.context, files[1]);
    assert_int_equal(io.open(io.context, "00000000000000000099.journal", JOURNAL_IO_READ), -ENOENT);
    journal_archive_close(&archive);
    disks_close(&disks);
}

// ---- what is not whole

static void change_byte(const struct journal_io *io, const char *name, uint64_t at)
{
    uint8_t byte;
    int file = io->open(io->context, name, JOURNAL_IO_WRITE);
    assert_true(file >= 0);
    assert_int_equal(io->read(io->context, file, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(io->write(io->context, file, &byte, 1, at), 0);
    io->close(io->context, file);
}

static void a_rotten_segment_is_not_put_away(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    change_byte(&disks.live, "00000000000000000001.journal", 2 * JOURNAL_PAGE_BYTES + 99);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), -EBADMSG);
    change_byte(&disks.live, "00000000000000000002.journal", 9);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 2, &archived), -EBADMSG);
    uint64_t first, last;
    assert_int_equal(journal_segments(&disks.live, &first, &last), 1);
    assert_int_equal(first, 1);
    assert_int_equal(journal_archive_range(&disks.archive, &first, &last), 0);
    disks_close(&disks);
}

// A changed byte is noticed, or it changes nothing that comes out.
static void a_rotten_archive_is_noticed(void **state)
{
    (void)state;
    static const char name[] = "00000000000000000001.journal.zst";
    struct disks disks;
    struct journal_archived archived;
    unsigned noticed = 0, changed = 0;
    disks_open(&disks, 1);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
    for (uint64_t at = 0; at < archived.compressed; at += at < 4200 ? 61 : 1) {
        change_byte(&disks.archive, name, at);
        int result = journal_archive_restore(&disks.live, &disks.archive, 1);
        if (result == 0)
            expect_all(&disks.live, &disks.archive, disks.last);
        else
            assert_int_equal(result, -EBADMSG);
        noticed += result != 0;
        changed++;
        change_byte(&disks.archive, name, at);
    }
    assert_true(noticed + 8 > changed); // zstd has a few bits without a meaning
    assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, 1), 0);
    expect_all(&disks.live, &disks.archive, disks.last);
    disks_close(&disks);
}

// ---- a disk that bends what it holds

static struct bent {
    struct journal_io io;
    int64_t size; // what every file's size is said to be; 0 = as it is
    int64_t left; // bytes that reads find; -1 = all
} bent;

static int64_t bent_size(void *context, int file)
{
    return bent.size != 0 ? bent.size : bent.io.size(context, file);
}

static int64_t bent_read(void *context, int file, void *out, size_t bytes, uint64_t offset)
{
    int64_t n = bent.io.read(context, file, out, bytes, offset);
    return bent.left >= 0 && n > bent.left ? bent.left : n;
}

static struct journal_io bend(const struct journal_io *io, int64_t size, int64_t left)
{
    bent = (struct bent){*io, size, left};
    struct journal_io other = *io;
    other.size = bent_size;
    other.read = bent_read;
    return other;
}

static void a_file_of_an_impossible_size_is_not_read(void **state)
{
    (void)state;
    static const struct {
        int64_t size, left;
        int result;
    } cases[] = {
        {-EIO, -1, -EIO}, {4294967297, -1, -EFBIG}, {0, 100, -EIO}, {0, 0, -EIO}, {1, 1, -EBADMSG}};
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct journal_io io = bend(&disks.live, cases[i].size, cases[i].left);
        assert_int_equal(journal_archive_segment(&io, &disks.archive, 1, &archived),
                         cases[i].result);
    }
    expect_all(&disks.live, &disks.archive, disks.last);
    disks_close(&disks);
}

// Memory that is not there, wherever it is asked for: nothing is archived, nothing is lost.
static void without_memory_nothing_is_archived(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    static const char *const calls[] = {"malloc", "ZSTD_createCCtx", "ZSTD_compress2"};
    disks_open(&disks, 1);
    for (size_t i = 0; i < 3; i++) {
        for (unsigned at = 1; at <= (i == 0 ? 2 : 1);
             at++) { // the fake disk's own memory comes later
            testing_calls_fail(calls[i], at, ENOMEM);
            assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived),
                             -ENOMEM);
            assert_true(testing_calls_failed());
        }
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
        assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, 1), 0);
        expect_all(&disks.live, &disks.archive, disks.last);
        assert_int_equal(
            disks.archive.remove(disks.archive.context, "00000000000000000001.journal.zst"), 0);
    }
    disks_close(&disks);
}

static void write_page(const struct journal_io *io, const char *name, uint64_t at, const void *page)
{
    int file = io->open(io->context, name, JOURNAL_IO_WRITE);
    assert_true(file >= 0);
    assert_int_equal(io->write(io->context, file, page, JOURNAL_PAGE_BYTES, at), 0);
    io->close(io->context, file);
}

// Each block of a segment is whole and continues the one before; whatever does not is somebody
// else's to judge.
static void a_segment_with_a_block_that_does_not_follow_is_not_put_away(void **state)
{
    (void)state;
    static const char name[] = "00000000000000000001.journal";
    for (int i = 0; i < 6; i++) {
        struct disks disks;
        struct journal_archived archived;
        _Alignas(4096) static uint8_t page[JOURNAL_PAGE_BYTES];
        struct journal_block_header *block = (struct journal_block_header *)(void *)page;
        disks_open(&disks, 1);
        int file = disks.live.open(disks.live.context, name, JOURNAL_IO_READ);
        uint64_t at = 7 * JOURNAL_PAGE_BYTES; // the last block of seven
        assert_int_equal(disks.live.read(disks.live.context, file, page, sizeof page, at),
                         sizeof page);
        disks.live.close(disks.live.context, file);
        int result = -EBADMSG;
        if (i == 0)
            block->previous_chain ^= 1;
        else if (i == 1)
            block->epoch++;
        else if (i == 2)
            block->first_sequence++;
        else if (i == 3)
            block->bytes = 2 * JOURNAL_PAGE_BYTES; // it would end behind the segment: a torn one
        else
            result = 0;
        struct command_header *command = (struct command_header *)(void *)(block + 1);
        for (uint32_t k = 0; i == 2 && k < block->count;
             k++, command = (void *)((uint8_t *)command + SLOT_BYTES))
            command->sequence++;
        if (i == 3) {
            block->header_crc = crc32c(0, block, offsetof(struct journal_block_header, header_crc));
            result = 0; // where an epoch ends it may stand
        } else if (i < 4) {
            journal_block_seal(block);
        } else if (i == 4) {
            block->magic = 0; // torn
        } else {
            memset(page, 0, sizeof page);
        }
        write_page(&disks.live, name, at, page);
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived),
                         result);
        disks_close(&disks);
    }
}

// What stands in the archive under the number of another journal's segment is not taken for it: it
// is written anew.
static void another_journals_archive_is_not_taken_for_ours(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    struct journal_io other;
    struct fake_disk *other_disk = fake_disk_create(&other, 3);
    uint32_t chain = 0;
    disks_open(&disks, 1);
    testing_live(&other, 1, 0, &chain, 20, 1); // the same size, other blocks
    assert_int_equal(journal_archive_segment(&other, &disks.archive, 1, &archived), 0);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
    assert_true(archived.compressed > 0);
    expect_all(&disks.live, &disks.archive, disks.last);
    fake_disk_destroy(other_disk);
    disks_close(&disks);
}

static void what_is_no_archived_segment_is_refused(void **state)
{
    (void)state;
    static const char name[] = "00000000000000000001.journal.zst";
    static const struct {
        uint64_t at;
        const char *what;
    } cases[] = {{0, "the mark of a frame to skip"},
                 {4, "its length"},
                 {8, "the segment's header"},
                 {4104, "zstd's mark"}};
    static struct journal_archive archive;
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        change_byte(&disks.archive, name, cases[i].at);
        if (journal_archive_restore(&disks.live, &disks.archive, 1) != -EBADMSG)
            fail_msg("%s", cases[i].what);
        struct journal_io io = disks.live;
        journal_archive_overlay(&archive, &io, &disks.archive);
        int file = io.open(io.context, "00000000000000000001.journal", JOURNAL_IO_READ);
        assert_int_equal(file < 0 ? file : 0, i < 3 ? -EBADMSG : 0);
        journal_archive_close(&archive);
        change_byte(&disks.archive, name, cases[i].at);
    }
    struct journal_io io = disks.live, shortened = bend(&disks.archive, 0, 100);
    assert_int_equal(journal_archive_restore(&disks.live, &shortened, 1), -EIO);
    shortened = bend(&disks.archive, 4000, -1);
    assert_int_equal(journal_archive_restore(&disks.live, &shortened, 1), -EBADMSG);
    shortened = bend(&disks.archive, 0, 100);
    journal_archive_overlay(&archive, &io, &shortened);
    assert_int_equal(io.open(io.context, "00000000000000000001.journal", JOURNAL_IO_READ),
                     -EBADMSG);
    // Only to read, and only what has a segment's name.
    assert_int_equal(io.open(io.context, "00000000000000000001.journal", JOURNAL_IO_WRITE),
                     -ENOENT);
    assert_int_equal(io.open(io.context, "lock", JOURNAL_IO_READ), -ENOENT);
    journal_archive_close(&archive);
    assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, 1), 0);
    disks_close(&disks);
}

// Archives, as segment 1, a file that says that it has `says` bytes, and has `bytes`.
static void forge(const struct disks *disks, uint64_t says, size_t bytes)
{
    const uint32_t magic = 0x184d2a50, page_bytes = JOURNAL_PAGE_BYTES;
    struct journal_segment_header header = {.magic = JOURNAL_SEGMENT_MAGIC,
                                            .format = JOURNAL_FORMAT,
                                            .schema_version = SCHEMA_VERSION,
                                            .engine_version = ENGINE_VERSION,
                                            .number = 1,
                                            .bytes = says};
    header.crc = crc32c(0, &header, sizeof header);
    size_t room = bytes > JOURNAL_PAGE_BYTES ? bytes : JOURNAL_PAGE_BYTES;
    size_t prefix = 8 + JOURNAL_PAGE_BYTES, bound = ZSTD_compressBound(room);
    uint8_t *segment = calloc(1, room), *file = calloc(1, prefix + bound);
    memcpy(segment, &header, sizeof header);
    memcpy(file, &magic, 4);
    memcpy(file + 4, &page_bytes, 4);
    memcpy(file + 8, segment, JOURNAL_PAGE_BYTES);
    size_t n = ZSTD_compress(file + prefix, bound, segment, bytes, 1);
    assert_false(ZSTD_isError(n));
    const struct journal_io *io = &disks->archive;
    int out = io->open(io->context, "00000000000000000001.journal.zst", JOURNAL_IO_CREATE);
    assert_true(out >= 0);
    assert_int_equal(io->write(io->context, out, file, prefix + n, 0), 0);
    io->close(io->context, out);
    free(file);
    free(segment);
}

// As large as it says, and not smaller than a page.
static void an_archived_segment_is_as_large_as_it_says(void **state)
{
    (void)state;
    static const struct {
        uint64_t says;
        size_t bytes;
        int result;
    } cases[] = {{8192, 8192, 0}, {8192, 4096, -EBADMSG}, {4096, 8192, -EBADMSG},
                 {4096, 4096, 0}, {4095, 4095, -EBADMSG}, {0, 0, -EBADMSG}};
    struct disks disks;
    disks_open(&disks, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        forge(&disks, cases[i].says, cases[i].bytes);
        if (journal_archive_restore(&disks.live, &disks.archive, 1) != cases[i].result)
            fail_msg("case %zu", i);
    }
    disks_close(&disks);
}

// What is large is written in pieces, and the first that fails is the last.
static void a_large_segment_comes_back_whole_or_not_at_all(void **state)
{
    (void)state;
    enum { BYTES = (5 << 20) / 2 }; // three pieces
    struct disks disks;
    disks_open(&disks, 1);
    forge(&disks, BYTES, BYTES);
    int result = -EIO;
    unsigned failures = 0;
    for (uint64_t at = 1; result != 0; at++, failures++) {
        fake_disk_fail_at(disks.live_disk, at);
        result = journal_archive_restore(&disks.live, &disks.archive, 1);
        fake_disk_process_killed(disks.live_disk); // another one looks at the disk
        assert_true(at < 20);
    }
    assert_in_range(failures, 6, 9); // open, three writes, sync, rename, sync of the folder
    int file = disks.live.open(disks.live.context, "00000000000000000001.journal", JOURNAL_IO_READ);
    assert_int_equal(disks.live.size(disks.live.context, file), BYTES);
    disks.live.close(disks.live.context, file);
    disks_close(&disks);
}

// A live segment that is cut or has grown is not what its header says; one of another size under
// its number is not it.
static void a_segment_is_as_large_as_it_says(void **state)
{
    (void)state;
    static const char name[] = "00000000000000000001.journal";
    struct disks disks;
    struct journal_archived archived;
    uint8_t page[JOURNAL_PAGE_BYTES] = {0};
    disks_open(&disks, 1);
    forge(&disks, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES); // another journal's
    write_page(&disks.live, name, SEGMENT_BYTES, page);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), -EBADMSG);
    disks_close(&disks);
    disks_open(&disks, 1);
    forge(&disks, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
    assert_int_equal(archived.bytes, SEGMENT_BYTES); // it was written anew
    expect_all(&disks.live, &disks.archive, disks.last);
    disks_close(&disks);
}

static int list_downwards(void *context, journal_io_name *name, void *told)
{
    (void)context;
    static const char *const names[] = {"00000000000000000003.journal.zst", "lock",
                                        "00000000000000000002.journal.zst",
                                        "00000000000000000004.journal.zst"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        name(told, names[i]);
    return 0;
}

static void a_folder_names_its_files_in_any_order(void **state)
{
    (void)state;
    const struct journal_io io = {.list = list_downwards};
    uint64_t first, last;
    assert_int_equal(journal_archive_range(&io, &first, &last), 3);
    assert_int_equal(first, 2);
    assert_int_equal(last, 4);
}

static void an_archive_that_cannot_be_listed_is_not_empty(void **state)
{
    (void)state;
    struct disks disks;
    uint64_t first, last;
    disks_open(&disks, 1);
    fake_disk_refuse_look(disks.archive_disk, 1);
    assert_int_equal(journal_archive_range(&disks.archive, &first, &last), -EIO);
    disks_close(&disks);
}

// The path of the archive below a folder fits, or it is refused: never cut short.
static void a_folders_path_fits_or_is_refused(void **state)
{
    (void)state;
    static struct journal_archive archive;
    static char path[NUMBERED_PATH_BYTES];
    struct journal_io io = {0};
    size_t longest = NUMBERED_PATH_BYTES - strlen("/" JOURNAL_ARCHIVE_FOLDER) - 1;
    memset(path, 'x', longest + 1);
    memcpy(path, "/tmp/", 5);
    assert_int_equal(journal_archive_open(&archive, &io, path), -ENAMETOOLONG);
    path[longest] = '\0';
    int result = journal_archive_open(&archive, &io, path);
    assert_true(result == 0 || result == -ENAMETOOLONG); // the file system has its own limit
    journal_archive_close(&archive);
    char folder[64];
    testing_folder_make(folder);
    snprintf(path, sizeof path, "%s/" JOURNAL_ARCHIVE_FOLDER, folder);
    assert_int_equal(mkdir(path, 0750), 0);
    testing_calls_fail("access", 1, EACCES);
    assert_int_equal(journal_archive_open(&archive, &io, folder), -EACCES);
    testing_calls_fail("open", 1, EMFILE);
    assert_int_equal(journal_archive_open(&archive, &io, folder), -EMFILE);
    assert_int_equal(journal_archive_open(&archive, &io, folder), 0);
    assert_true(archive.has_folder);
    journal_archive_close(&archive);
    testing_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_crash_of_the_archiver_loses_a_segment),
        cmocka_unit_test(no_crash_of_a_restore_loses_a_segment),
        cmocka_unit_test(no_refused_look_loses_a_segment),
        cmocka_unit_test(a_refused_look_through_the_overlay_is_never_the_end),
        cmocka_unit_test(no_more_archived_segments_are_open_than_there_is_room_for),
        cmocka_unit_test(a_rotten_segment_is_not_put_away),
        cmocka_unit_test(a_rotten_archive_is_noticed),
        cmocka_unit_test(a_file_of_an_impossible_size_is_not_read),
        cmocka_unit_test(without_memory_nothing_is_archived),
        cmocka_unit_test(a_segment_with_a_block_that_does_not_follow_is_not_put_away),
        cmocka_unit_test(another_journals_archive_is_not_taken_for_ours),
        cmocka_unit_test(what_is_no_archived_segment_is_refused),
        cmocka_unit_test(an_archived_segment_is_as_large_as_it_says),
        cmocka_unit_test(a_large_segment_comes_back_whole_or_not_at_all),
        cmocka_unit_test(a_segment_is_as_large_as_it_says),
        cmocka_unit_test(a_folder_names_its_files_in_any_order),
        cmocka_unit_test(an_archive_that_cannot_be_listed_is_not_empty),
        cmocka_unit_test(a_folders_path_fits_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
