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

static struct signer_request request_of(uint64_t nonce, uint64_t fee)
{
    return (struct signer_request){.chain_id = 31337,
                                   .nonce = nonce,
                                   .max_fee_wei = fee,
                                   .priority_fee_wei = fee,
                                   .calldata_len = 100};
}

static struct sign_log_payload payload_of(uint8_t payload, uint8_t transaction)
{
    return (struct sign_log_payload){{{payload}}, {{transaction}}};
}

static void open_log(struct sign_log *log)
{
    uint64_t cut;
    uint64_t bad;
    assert_int_equal(sign_log_open(log, path, &cut, &bad), SIGN_LOG_OK);
}

static enum signer_result check(const struct sign_log *log, bool *known, uint64_t nonce,
                                uint64_t fee, uint8_t payload, uint8_t transaction)
{
    struct signer_request request = request_of(nonce, fee);
    struct sign_log_payload hashes = payload_of(payload, transaction);
    return sign_log_check(log, known, &request, &hashes);
}

static void append(struct sign_log *log, uint64_t nonce, uint64_t fee, uint8_t payload,
                   uint8_t transaction)
{
    struct signer_request request = request_of(nonce, fee);
    struct sign_log_payload hashes = payload_of(payload, transaction);
    assert_int_equal(sign_log_append(log, &request, &hashes, 1), SIGNER_OK);
}

static void expect_rules(const struct sign_log *log)
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
    struct signer_request request = request_of(nonce, fee);
    struct sign_log_payload hashes = payload_of(99, (uint8_t)fee);
    request.calldata_len = 0;
    assert_int_equal(sign_log_check(log, &known, &request, &hashes), expected);
    if (expected == SIGNER_OK && !known)
        assert_int_equal(sign_log_append(log, &request, &hashes, 1), SIGNER_OK);
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

static void another_chain_has_its_own_nonces(void **state)
{
    (void)state;
    struct sign_log log;
    bool known;
    open_log(&log);
    append(&log, 7, 100, 1, 1);
    struct signer_request request = request_of(7, 1);
    struct sign_log_payload hashes = payload_of(9, 9);
    request.chain_id = 1;
    assert_int_equal(sign_log_check(&log, &known, &request, &hashes), SIGNER_OK);
    sign_log_close(&log);
}

static void a_torn_tail_of_any_length_is_cut(void **state)
{
    (void)state;
    for (off_t kept = 0; kept < (off_t)sizeof(struct sign_log_record); kept += 7) {
        struct sign_log log;
        uint64_t cut;
        uint64_t bad;
        unlink(path);
        open_log(&log);
        append(&log, 1, 100, 1, 1);
        append(&log, 2, 100, 2, 2);
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

static void zero_bytes(off_t from, off_t to)
{
    static const uint8_t zeros[sizeof(struct sign_log_record)];
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, zeros, (size_t)(to - from), from), to - from);
    close(file);
}

/* Records 1 to 3 fill 480 bytes: the fourth crosses the first sector's end. */
static void a_last_record_with_an_unwritten_sector_is_cut(void **state)
{
    (void)state;
    static const off_t unwritten[][2] = {{480, 512}, {512, 640}, {480, 640}};
    for (size_t i = 0; i < 3; i++) {
        struct sign_log log;
        uint64_t cut;
        uint64_t bad;
        unlink(path);
        open_log(&log);
        for (uint8_t nonce = 0; nonce < 4; nonce++)
            append(&log, nonce, 100, nonce, nonce);
        sign_log_close(&log);
        zero_bytes(unwritten[i][0], unwritten[i][1]);
        assert_int_equal(sign_log_open(&log, path, &cut, &bad), SIGN_LOG_OK);
        assert_int_equal(cut, sizeof(struct sign_log_record));
        assert_int_equal(log.count, 3);
        sign_log_close(&log);
    }
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
    struct signer_request request = request_of(2, 100);
    struct sign_log_payload hashes = payload_of(2, 2);
    assert_int_equal(sign_log_append(&log, &request, &hashes, 1), SIGNER_LOG_FAILED);
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
        cmocka_unit_test_setup_teardown(another_chain_has_its_own_nonces, new_path, remove_path),
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
