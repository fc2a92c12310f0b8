// The ledger's index of balances: by account and asset, whatever shares a bucket.
#include "base/testing.h"

#include <string.h>

#include "risk/ledger.h"

enum { BALANCES = 6, ACCOUNTS = 8 };

static void balances_are_found_among_those_of_their_bucket(void **state)
{
    (void)state;
    _Alignas(64) struct balance balances[BALANCES + 1] = {0};
    uint32_t buckets[1] = {0}; // all in one
    uint32_t first_of_account[ACCOUNTS + 1] = {0};
    struct ledger ledger = {.balances = balances,
                            .buckets = buckets,
                            .first_of_account = first_of_account,
                            .balances_max = BALANCES,
                            .accounts_max = ACCOUNTS};
    uint32_t index[3][3] = {{0}};
    for (uint32_t account = 1; account <= 2; account++)
        for (uint32_t asset = 3; asset >= 1; asset--)
            index[account][asset - 1] = ledger_open(&ledger, account, asset);
    for (uint32_t account = 1; account <= 2; account++)
        for (uint32_t asset = 1; asset <= 3; asset++) {
            uint32_t there = index[account][asset - 1];
            assert_int_not_equal(there, 0);
            assert_int_equal(ledger_find(&ledger, account, asset), there);
            assert_int_equal(ledger_open(&ledger, account, asset), there);
            assert_int_equal(ledger_at(&ledger, there)->account, account);
            assert_int_equal(ledger_at(&ledger, there)->asset, asset);
        }
    assert_int_equal(ledger_find(&ledger, 3, 1), 0);
    assert_int_equal(ledger_find(&ledger, 1, 4), 0);
    assert_int_equal(ledger_open(&ledger, 3, 1), 0); // there is no room
    assert_int_equal(ledger.count, BALANCES);
}

static void the_balances_of_an_account_are_chained_by_asset(void **state)
{
    (void)state;
    _Alignas(64) struct balance balances[BALANCES + 1] = {0};
    uint32_t buckets[4] = {0};
    uint32_t first_of_account[ACCOUNTS + 1] = {0};
    struct ledger ledger = {.balances = balances,
                            .buckets = buckets,
                            .first_of_account = first_of_account,
                            .bucket_mask = 3,
                            .balances_max = BALANCES,
                            .accounts_max = ACCOUNTS};
    const uint32_t assets[] = {4, 2, 5, 1, 3};
    for (size_t i = 0; i < sizeof assets / sizeof assets[0]; i++)
        (void)ledger_open(&ledger, 7, assets[i]);
    uint32_t expected = 1;
    for (uint32_t at = first_of_account[7]; at != 0; at = balances[at].next_of_account)
        assert_int_equal(balances[at].asset, expected++);
    assert_int_equal(expected, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balances_are_found_among_those_of_their_bucket),
        cmocka_unit_test(the_balances_of_an_account_are_chained_by_asset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
