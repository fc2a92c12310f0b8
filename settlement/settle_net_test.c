// Netting as statements, then as properties of random flows: what every wallet ends with is the
// same by nets as trade by trade, summed up here by another way than the module has.
#include "settlement/settle_net.h"

#include <stdio.h>
#include <string.h>

#include "base/testing.h"

enum { WALLETS = 7, FLOWS = 400, TRADES = 300 };

static struct chain_address wallet(uint8_t n)
{
    struct chain_address address = {{0}};

    address.bytes[0] = (uint8_t)(n * 101); // the order of addresses is not that of the numbers
    address.bytes[19] = (uint8_t)(n + 1);
    return address;
}

static struct settle_net_trade trade(uint64_t id, uint8_t from, uint8_t to, chain_uint128 units)
{
    return (struct settle_net_trade){
        .trade_id = id, .from = wallet(from), .to = wallet(to), .units = units};
}

static bool is(const struct settle_net *net, uint64_t id, uint8_t from, uint8_t to,
               chain_uint128 units, size_t count)
{
    struct chain_address a = wallet(from), b = wallet(to);

    return net->net_id == id && address_equal(&net->from, &a) && address_equal(&net->to, &b) &&
           net->units == units && net->count == count;
}

static void two_wallets_move_the_difference(void **state)
{
    struct settle_net_trade trades[] = {trade(30, 1, 0, 6), trade(10, 0, 1, 10), trade(20, 0, 2, 5),
                                        trade(40, 0, 1, 1)};
    struct settle_net nets[4];
    size_t count;

    (void)state;
    assert_true(settle_net(nets, &count, trades, 4));
    assert_int_equal(count, 2);
    assert_true(is(&nets[0], 10, 0, 1, 5, 3));
    assert_true(is(&nets[1], 20, 0, 2, 5, 1));
    assert_int_equal(trades[nets[0].first].trade_id, 10);
    assert_int_equal(trades[nets[0].first + 1].trade_id, 30);
    assert_true(settle_net_check(nets, count, trades, 4));
}

static void a_net_of_zero_moves_nothing(void **state)
{
    struct settle_net_trade trades[] = {trade(1, 3, 2, 4), trade(2, 2, 3, 1), trade(3, 2, 3, 3)};
    struct settle_net nets[3];
    size_t count;

    (void)state;
    assert_true(settle_net(nets, &count, trades, 3));
    assert_int_equal(count, 1);
    assert_true(is(&nets[0], 1, 3, 2, 0, 3));
    assert_true(settle_net_check(nets, count, trades, 3));
}

static void sums_that_do_not_fit_are_refused(void **state)
{
    const chain_uint128 most = ~(chain_uint128)0;
    struct settle_net_trade trades[] = {trade(1, 0, 1, most), trade(2, 0, 1, 1)};
    struct settle_net_trade both[] = {trade(1, 0, 1, most), trade(2, 1, 0, most)};
    struct settle_net nets[2];
    size_t count;

    (void)state;
    assert_false(settle_net(nets, &count, trades, 2));
    assert_true(settle_net(nets, &count, both, 2));
    assert_true(nets[0].units == 0 && settle_net_check(nets, count, both, 2));
}

static void a_broken_plan_is_noticed(void **state)
{
    struct settle_net_trade trades[] = {trade(1, 0, 1, 9), trade(2, 1, 0, 4), trade(3, 0, 2, 5)};
    struct settle_net good[3], nets[3];
    size_t count;

    (void)state;
    assert_true(settle_net(good, &count, trades, 3));
    assert_int_equal(count, 2);
#define BROKEN(change)                                                                             \
    do {                                                                                           \
        memcpy(nets, good, sizeof(nets));                                                          \
        change;                                                                                    \
        assert_false(settle_net_check(nets, count, trades, 3));                                    \
    } while (0)
    BROKEN(nets[0].units++);
    BROKEN(nets[0].units = -nets[0].units);
    BROKEN(nets[0].to = wallet(2));
    BROKEN(nets[0].count--);
    BROKEN(nets[1].first = nets[0].first);
    BROKEN(nets[1].net_id = 4);
    BROKEN(nets[1].count = SIZE_MAX);
    BROKEN(nets[1] = nets[0]);
#undef BROKEN
    assert_false(settle_net_check(good, 1, trades, 3)); // a trade in no net
    assert_true(settle_net_check(good, count, trades, 3));
}

static void only_reviewed_modules_are_netted(void **state)
{
    struct erc3643_module modules[] = {{wallet(1), "MaxBalanceModule"}, {wallet(2), ""}};
    char address[ADDRESS_TEXT_SIZE], list[2 * ADDRESS_TEXT_SIZE];

    (void)state;
    assert_null(settle_net_unreviewed("", NULL, 0));
    assert_ptr_equal(settle_net_unreviewed("", modules, 2), &modules[0]);
    assert_ptr_equal(settle_net_unreviewed("MaxBalance, MaxBalanceModuleX", modules, 2),
                     &modules[0]);
    assert_ptr_equal(settle_net_unreviewed("A,MaxBalanceModule,,", modules, 2), &modules[1]);
    address_format(address, &modules[1].address);
    snprintf(list, sizeof(list), " MaxBalanceModule , %s", address);
    assert_null(settle_net_unreviewed(list, modules, 2));
    list[strlen(list) - 1] ^= 1; // another address
    assert_ptr_equal(settle_net_unreviewed(list, modules, 2), &modules[1]);
}

// ---- properties

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static size_t random_flow(struct settle_net_trade *trades)
{
    size_t count = 1 + draw(TRADES);
    uint8_t wallets = (uint8_t)(2 + draw(WALLETS - 1));
    uint64_t id = draw(5);

    for (size_t i = 0; i < count; i++) {
        uint8_t from = (uint8_t)draw(wallets);
        uint8_t to = (uint8_t)((from + 1 + draw(wallets - 1u)) % wallets);

        id += 1 + draw(40);
        trades[i] = trade(id, from, to, 1 + draw(draw(2) ? 3 : 1000000));
    }
    return count;
}

static void shuffle(struct settle_net_trade *trades, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = draw(i);
        struct settle_net_trade kept = trades[i - 1];

        trades[i - 1] = trades[other];
        trades[other] = kept;
    }
}

static void move(int64_t ends[WALLETS], const struct chain_address *from,
                 const struct chain_address *to, chain_uint128 units)
{
    ends[from->bytes[19] - 1] -= (int64_t)units;
    ends[to->bytes[19] - 1] += (int64_t)units;
}

static void every_wallet_ends_where_it_would_have(void **state)
{
    static struct settle_net_trade trades[TRADES], again[TRADES];
    static struct settle_net nets[TRADES], nets_again[TRADES];
    size_t zeros = 0, saved = 0;

    (void)state;
    seed = 1;
    for (size_t flow = 0; flow < FLOWS; flow++) {
        int64_t gross[WALLETS] = {0}, net[WALLETS] = {0};
        size_t count = random_flow(trades), net_count, count_again, members = 0;

        for (size_t i = 0; i < count; i++)
            move(gross, &trades[i].from, &trades[i].to, trades[i].units);
        memcpy(again, trades, sizeof(trades));
        shuffle(again, count);
        assert_true(settle_net(nets, &net_count, trades, count));
        assert_true(settle_net_check(nets, net_count, trades, count));
        for (size_t i = 0; i < net_count; i++) {
            move(net, &nets[i].from, &nets[i].to, nets[i].units);
            members += nets[i].count;
            zeros += nets[i].units == 0;
        }
        assert_memory_equal(net, gross, sizeof(net));
        assert_int_equal(members, count);
        saved += count - net_count;
        assert_true(settle_net(nets_again, &count_again, again, count));
        struct chain_hash one = settle_net_digest(nets, net_count, trades);
        struct chain_hash other = settle_net_digest(nets_again, count_again, again);
        assert_memory_equal(&one, &other, sizeof(one));
        again[draw(count)].units++;
        other = settle_net_digest(nets_again, count_again, again);
        assert_memory_not_equal(&one, &other, sizeof(one));
    }
    assert_true(zeros > 0 && saved > 0); // the flows have what they are to prove
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_wallets_move_the_difference),
        cmocka_unit_test(a_net_of_zero_moves_nothing),
        cmocka_unit_test(sums_that_do_not_fit_are_refused),
        cmocka_unit_test(a_broken_plan_is_noticed),
        cmocka_unit_test(only_reviewed_modules_are_netted),
        cmocka_unit_test(every_wallet_ends_where_it_would_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
