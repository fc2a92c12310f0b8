#include "chain/sign_log.h"

#include "base/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static int new_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/lonja-signlog-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static const struct chain_address own = {{7}};
static uint8_t calldata[SIGNER_CALLDATA_MAX];

/* Its calldata is `payload` again and again. */
static struct sign_log_record record_of(uint64_t nonce, uint64_t fee, uint8_t payload,
                                        uint8_t transaction)
{
    memset(calldata, payload, sizeof(calldata));
    return (struct sign_log_record){.kind = SIGN_LOG_SIGNED,
                                    .chain_id = 31337,
                                    .nonce = nonce,
                                    .max_fee_wei = fee,
                                    .priority_fee_wei = fee,
                                    .calldata_len = 100,
                                    .kept_len = 100,
                                    .signer = own,
                                    .unsigned_hash = {{transaction}}};
}

static void open_log(struct sign_log *log)
{
    uint64_t cut;
    uint64_t bad;
    assert_int_equal(sign_log_open(log, path, &cut, &bad), SIGN_LOG_OK);
}

static enum signer_result check_record(struct sign_log *log, bool *known,
                                       const struct sign_log_record *record)
{
    enum sign_log_standing standing;
    size_t entry;
    enum signer_result result = sign_log_check(log, &standing, &entry, record, calldata);
    *known = standing == SIGN_LOG_KNOWN;
    return result;
}

static enum signer_result check(struct sign_log *log, bool *known, uint64_t nonce, uint64_t fee,
                                uint8_t payload, uint8_t transaction)
{
    struct sign_log_record record = record_of(nonce, fee, payload, transaction);
    return check_record(log, known, &record);
}

static void append(struct sign_log *log, uint64_t nonce, uint64_t fee, uint8_t payload,
                   uint8_t transaction)
{
    struct sign_log_record record = record_of(nonce, fee, payload, transaction);
    assert_true(sign_log_append(log, &record, calldata));
}

/* With a head and three blocks, the second of which is all zero. */
static struct sign_log_record append_long(struct sign_log *log, uint64_t nonce)
{
    struct sign_log_record record = record_of(nonce, 100, 1, (uint8_t)nonce);
    record.calldata_len = record.kept_len = SIGN_LOG_FIRST_BYTES + 2 * SIGN_LOG_BLOCK_BYTES + 44;
    memset(calldata, 0x55, sizeof(calldata));
    memset(calldata + SIGN_LOG_FIRST_BYTES + SIGN_LOG_BLOCK_BYTES, 0, SIGN_LOG_BLOCK_BYTES);
    assert_true(sign_log_append(log, &record, calldata));
    return record;
}

static void expect_rules(struct sign_log *log)
{
    bool known;
    assert_int_equal(check(log, &known, 7, 100, 1, 1), SIGNER_OK);
    assert_true(known);
    assert_int_equal(check(log, &known, 7, 200, 1, 3), SIGNER_OK);
    assert_false(known);
    assert_int_equal(check(log, &known, 7, 120, 1, 4), SIGNER_BUMP_TOO_SMALL);
    assert_int_equal(check(log, &known, 7, 200, 2, 5), SIGNER_NONCE_CONFLICT);
    assert_int_equal(check(log, &known, 8, 1, 2, 6), SIGNER_OK);
    assert_false(known);
}

static void a_nonce_belongs_to_one_payload_also_after_a_restart(void **state)
{
    (void)state;
    struct sign_log log;
    open_log(&log);
    append(&log, 7, 100, 1, 1);
    append(&log, 7, 120, 1, 2);
    expect_rules(&log);
    sign_log_close(&log);
    open_log(&log);
    assert_int_equal(log.count, 2);
    expect_rules(&log);
    sign_log_close(&log);
}

static void give_up(struct sign_log *log, uint64_t nonce, uint64_t fee, enum signer_result expected)
{
    bool known;
    struct sign_log_record record = record_of(nonce, fee, 99, (uint8_t)fee);
    record.calldata_len = record.kept_len = 0;
    assert_int_equal(check_record(log, &known, &record), expected);
    if (expected == SIGNER_OK && !known)
        assert_true(sign_log_append(log, &record, NULL));
}

/* Whatever is mined of the three, the payload moves its units once or never. */
static void a_nonce_may_be_given_up_and_its_own_payload_bid_again(void **state)
{
    (void)state;
    struct sign_log log;
    bool known;
    open_log(&log);
    append(&log, 7, 100, 1, 1);
    give_up(&log, 7, 100, SIGNER_BUMP_TOO_SMALL);
    give_up(&log, 7, 120, SIGNER_OK);
    give_up(&log, 7, 120, SIGNER_OK); /* the same again */
    assert_int_equal(log.count, 2);
    assert_int_equal(check(&log, &known, 7, 120, 1, 2), SIGNER_BUMP_TOO_SMALL);
    assert_int_equal(check(&log, &known, 7, 140, 1, 2), SIGNER_OK);
    assert_int_equal(check(&log, &known, 7, 140, 3, 3), SIGNER_NONCE_CONFLICT);
    sign_log_close(&log);
}

static void a_nonce_that_was_given_up_first_has_no_payload_ever(void **state)
{
    (void)state;
    struct sign_log log;
    bool known;
    open_log(&log);
    give_up(&log, 7, 100, SIGNER_OK);
    sign_log_close(&log);
    open_log(&log);
    assert_int_equal(check(&log, &known, 7, 200, 1, 1), SIGNER_NONCE_CONFLICT);
    give_up(&log, 7, 120, SIGNER_OK);
    sign_log_close(&log);
}

/* As long a calldata as that of append_long, with the byte at `changed` another. */
static enum signer_result bid_again(struct sign_log *log, size_t len, size_t changed,
                                    const struct chain_address *to)
{
    bool known;
    struct sign_log_record record = record_of(4, 200, 0x55, 9);
    record.calldata_len = (uint32_t)len;
    record.to = *to;
    memset(calldata + SIGN_LOG_FIRST_BYTES + SIGN_LOG_BLOCK_BYTES, 0, SIGN_LOG_BLOCK_BYTES);
    calldata[changed] ^= 1;
    return check_record(log, &known, &record);
}

static void a_bid_has_every_byte_of_the_payload(void **state)
{
    (void)state;
    struct sign_log log;
    static const struct chain_address nobody;
    open_log(&log);
    size_t len = append_long(&log, 4).calldata_len;
    give_up(&log, 4, 120, SIGNER_OK);
    assert_int_equal(bid_again(&log, len, len, &nobody), SIGNER_OK); /* behind the end */
    for (size_t at = 0; at < len; at++)
        assert_int_equal(bid_again(&log, len, at, &nobody), SIGNER_NONCE_CONFLICT);
    assert_int_equal(bid_again(&log, len - 1, len, &nobody), SIGNER_NONCE_CONFLICT);
    assert_int_equal(bid_again(&log, len + 1, len + 1, &nobody), SIGNER_NONCE_CONFLICT);
    assert_int_equal(bid_again(&log, 100, len, &nobody), SIGNER_NONCE_CONFLICT);
    assert_int_equal(bid_again(&log, len, len, &own), SIGNER_NONCE_CONFLICT);
    sign_log_close(&log);
}

static void flip_byte(off_t at);

static void a_bid_for_a_payload_that_has_rotted_is_not_signed(void **state)
{
    (void)state;
    struct sign_log log;
    static const struct chain_address nobody;
    open_log(&log);
    size_t len = append_long(&log, 4).calldata_len;
    flip_byte(SIGN_LOG_BLOCK_BYTES + 7);
    assert_int_equal(bid_again(&log, len, len, &nobody), SIGNER_LOG_FAILED);
    sign_log_close(&log);
}

static void every_chain_and_key_has_its_own_nonces(void **state)
{
    (void)state;
    struct sign_log log;
    bool known;
    open_log(&log);
    append(&log, 7, 100, 1, 1);
    struct sign_log_record record = record_of(7, 1, 9, 9);
    record.chain_id = 1;
    assert_int_equal(check_record(&log, &known, &record), SIGNER_OK);
    record = record_of(7, 1, 9, 9);
    assert_int_equal(check_record(&log, &known, &record), SIGNER_NONCE_CONFLICT);
    record.signer.bytes[0] ^= 1;
    assert_int_equal(check_record(&log, &known, &record), SIGNER_OK);
    assert_int_equal(sign_log_next_nonce(&log, 31337, &own), 8);
    assert_int_equal(sign_log_next_nonce(&log, 1, &own), 0);
    assert_int_equal(sign_log_next_nonce(&log, 31337, &record.signer), 0);
    sign_log_close(&log);
}

static void refusals_are_kept_and_bind_nothing(void **state)
{
    (void)state;
    struct sign_log log;
    struct sign_log_record record = record_of(7, 100, 1, 1);
    bool known;
    open_log(&log);
    record.kind = SIGN_LOG_REFUSED;
    record.result = SIGNER_GAS_REFUSED;
    assert_true(sign_log_append(&log, &record, calldata));
    sign_log_close(&log);
    open_log(&log);
    assert_int_equal(log.number, 1);
    assert_int_equal(log.count, 0);
    assert_int_equal(check(&log, &known, 7, 1, 2, 2), SIGNER_OK);
    sign_log_close(&log);
}

static void what_was_signed_is_read_back(void **state)
{
    (void)state;
    struct sign_log log;
    struct sign_log_record read;
    static uint8_t back[SIGNER_CALLDATA_MAX];
    size_t entry = 99;
    open_log(&log);
    append(&log, 3, 100, 1, 1);
    struct sign_log_record written = append_long(&log, 4);
    static uint8_t given[SIGNER_CALLDATA_MAX];
    memcpy(given, calldata, sizeof(given));
    append(&log, 4, 120, 1, 5);
    assert_int_equal(sign_log_bids(&log, &entry, 31337, &own, 4, 1), 2);
    assert_int_equal(entry, 1);
    assert_true(sign_log_reload(&log, &read, back, entry));
    assert_memory_equal(&read, &written, sizeof(read));
    assert_memory_equal(back, given, written.calldata_len);
    assert_int_equal(sign_log_bids(&log, &entry, 31337, &own, 5, 0), 0);
    sign_log_close(&log);
}

static void times_never_go_back(void **state)
{
    (void)state;
    struct sign_log log;
    struct sign_log_record record = record_of(1, 100, 1, 1);
    open_log(&log);
    record.time_ns = 500;
    assert_true(sign_log_append(&log, &record, calldata));
    record = record_of(2, 100, 1, 2);
    record.time_ns = 400;
    assert_true(sign_log_append(&log, &record, calldata));
    assert_int_equal(record.time_ns, 500);
    sign_log_close(&log);
}

static void a_torn_tail_of_any_length_is_cut(void **state)
{
    (void)state;
    for (off_t kept = 0; kept < 4 * SIGN_LOG_BLOCK_BYTES; kept += 61) {
        struct sign_log log;
        uint64_t cut;
        uint64_t bad;
        unlink(path);
        open_log(&log);
        append(&log, 1, 100, 1, 1);
        (void)append_long(&log, 2);
        sign_log_close(&log);
        assert_int_equal(truncate(path, (off_t)sizeof(struct sign_log_record) + kept), 0);
        assert_int_equal(sign_log_open(&log, path, &cut, &bad), SIGN_LOG_OK);
        assert_int_equal(cut, kept);
        assert_int_equal(log.count, 1);
        append(&log, 2, 100, 3, 3);
        sign_log_close(&log);
        open_log(&log);
        assert_int_equal(log.count, 2);
        sign_log_close(&log);
    }
}

static void flip_byte(off_t at)
{
    uint8_t byte;
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    close(file);
}

static void a_broken_record_with_another_behind_it_is_corruption(void **state)
{
    (void)state;
    struct sign_log log;
    uint64_t cut;
    uint64_t bad;
    open_log(&log);
    for (uint8_t i = 0; i < 3; i++)
        append(&log, i, 100, i, i);
    sign_log_close(&log);
    flip_byte((off_t)sizeof(struct sign_log_record) + 50);
    assert_int_equal(sign_log_open(&log, path, &cut, &bad), SIGN_LOG_CORRUPT);
    assert_int_equal(bad, sizeof(struct sign_log_record));
}

/* Rot of what was answered must not pass for a torn write: the nonce would be free again. */
static void broken_records_that_were_synced_are_never_forgotten(void **state)
{
    (void)state;
    struct sign_log log;
    uint64_t cut;
    uint64_t bad;
    for (size_t broken = 1; broken <= 3; broken++) {
        unlink(path);
        open_log(&log);
        for (uint8_t i = 0; i < 6; i++)
            append(&log, i, 100, i, i);
        sign_log_close(&log);
        for (size_t i = 0; i < broken; i++) /* the last ones */
            flip_byte((off_t)((5 - i) * sizeof(struct sign_log_record) + 120));
        assert_int_equal(sign_log_open(&log, path, &cut, &bad), SIGN_LOG_CORRUPT);
        assert_int_equal(bad, (6 - broken) * sizeof(struct sign_log_record));
    }
    unlink(path);
    open_log(&log);
    for (uint8_t i = 0; i < 6; i++)
        append(&log, i, 100, i, i);
    sign_log_close(&log);
    flip_byte((off_t)sizeof(struct sign_log_record)); /* two in the middle, magic and all */
    flip_byte((off_t)(2 * sizeof(struct sign_log_record)));
    assert_int_equal(sign_log_open(&log, path, &cut, &bad), SIGN_LOG_CORRUPT);
    assert_int_equal(bad, sizeof(struct sign_log_record));
}

static void zero_block(off_t block)
{
    static const uint8_t zeros[SIGN_LOG_BLOCK_BYTES];
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, zeros, sizeof(zeros), block * SIGN_LOG_BLOCK_BYTES),
                     sizeof(zeros));
    close(file);
}

/* A short record, a long one, and with `behind` another short one. */
static enum sign_log_result open_damaged(void (*damage)(off_t), off_t at, bool behind,
                                         uint64_t *cut)
{
    struct sign_log log;
    uint64_t bad;
    unlink(path);
    open_log(&log);
    append(&log, 1, 100, 1, 1);
    (void)append_long(&log, 2);
    if (behind)
        append(&log, 3, 100, 3, 3);
    sign_log_close(&log);
    damage(at);
    enum sign_log_result result = sign_log_open(&log, path, cut, &bad);
    if (result == SIGN_LOG_OK)
        sign_log_close(&log);
    return result;
}

static void a_last_record_with_an_unwritten_sector_is_cut(void **state)
{
    (void)state;
    uint64_t cut;
    static const off_t blocks[] = {1, 2, 4}; /* head, first and last block of the long one */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(open_damaged(zero_block, blocks[i], false, &cut), SIGN_LOG_OK);
        assert_int_equal(cut, 4 * SIGN_LOG_BLOCK_BYTES);
        assert_int_equal(open_damaged(zero_block, blocks[i], true, &cut), SIGN_LOG_CORRUPT);
    }
    assert_int_equal(open_damaged(zero_block, 3, false, &cut), SIGN_LOG_OK);
    assert_int_equal(cut, 0); /* it is zero by right */
}

/* Rot in a record that was answered does not pass for a torn write because a block of it is zero.
 */
static void a_flipped_bit_in_the_last_record_is_corruption(void **state)
{
    (void)state;
    uint64_t cut;
    for (off_t at = 517; at < 5 * SIGN_LOG_BLOCK_BYTES; at += 171)
        assert_int_equal(open_damaged(flip_byte, at, false, &cut), SIGN_LOG_CORRUPT);
}

static void a_log_has_one_signer(void **state)
{
    (void)state;
    struct sign_log first;
    struct sign_log second;
    uint64_t cut;
    uint64_t bad;
    open_log(&first);
    assert_int_equal(sign_log_open(&second, path, &cut, &bad), SIGN_LOG_LOCKED);
    sign_log_close(&first);
}

static void a_record_that_cannot_be_written_is_not_remembered(void **state)
{
    (void)state;
    struct sign_log log;
    bool known;
    open_log(&log);
    append(&log, 1, 100, 1, 1);
    int writable = log.file;
    log.file = open(path, O_RDONLY);
    struct sign_log_record record = record_of(2, 100, 2, 2);
    assert_false(sign_log_append(&log, &record, calldata));
    assert_int_equal(log.count, 1);
    assert_true(log.broken); /* the undo failed too */
    assert_int_equal(check(&log, &known, 1, 100, 1, 1), SIGNER_LOG_FAILED);
    close(writable);
    sign_log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_nonce_belongs_to_one_payload_also_after_a_restart,
                                        new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_nonce_may_be_given_up_and_its_own_payload_bid_again,
                                        new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_nonce_that_was_given_up_first_has_no_payload_ever,
                                        new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_bid_has_every_byte_of_the_payload, new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_bid_for_a_payload_that_has_rotted_is_not_signed, new_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(every_chain_and_key_has_its_own_nonces, new_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(refusals_are_kept_and_bind_nothing, new_path, remove_path),
        cmocka_unit_test_setup_teardown(what_was_signed_is_read_back, new_path, remove_path),
        cmocka_unit_test_setup_teardown(times_never_go_back, new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_the_last_record_is_corruption, new_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_torn_tail_of_any_length_is_cut, new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_broken_record_with_another_behind_it_is_corruption,
                                        new_path, remove_path),
        cmocka_unit_test_setup_teardown(broken_records_that_were_synced_are_never_forgotten,
                                        new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_last_record_with_an_unwritten_sector_is_cut, new_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_log_has_one_signer, new_path, remove_path),
        cmocka_unit_test_setup_teardown(a_record_that_cannot_be_written_is_not_remembered, new_path,
                                        remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
