// Random commands of fees, and of the kinds of posting that make deficits and make them good.
#include "tests/model/generator_parts.h"

// ---- fees

static uint16_t some_rate(struct generator *generator)
{
    static const uint16_t rates[] = {0, 0, 1, 7, 13, 25, 33, 60, 9999, 10000};
    return rates[draw_below(generator, draw_chance(generator, 12) ? 10 : 8)];
}

static void spoil_fees(struct generator *generator, struct fees_set_cmd *fees)
{
    static const uint32_t nobody[] = {ACCOUNT_TREASURY, ACCOUNT_VENUE_MAX, 31, 99};
    switch (draw_below(generator, 5)) {
    case 0:
        fees->account = nobody[draw_below(generator, 4)];
        return;
    case 1:
        fees->instrument = draw_chance(generator, 2) ? 4 : 99;
        return;
    case 2:
        fees->account = 0;
        fees->instrument = 0;
        return;
    case 3:
        fees->remove = 2;
        return;
    default: {
        uint16_t *const rates[] = {&fees->sell_maker_bps, &fees->sell_taker_bps,
                                   &fees->buy_maker_bps, &fees->buy_taker_bps};
        *rates[draw_below(generator, 4)] = 10001;
        return;
    }
    }
}

// One that is there, most of the time.
static void name_record(struct generator *generator, const struct beside *beside,
                        struct fees_set_cmd *fees)
{
    const struct fees_rec *record = &beside->naive.fees[draw_below(generator, NAIVE_FEES)];
    if (record->account == 0 && record->instrument == 0)
        return;
    fees->account = record->account;
    fees->instrument = record->instrument;
}

static void make_fees(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_fees_set, GATEWAY_ADMIN);
    struct fees_set_cmd *fees = &command->body.fees_set;
    uint32_t shape = draw_below(generator, 3);
    *fees = (struct fees_set_cmd){
        .account =
            shape != 0 ? UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS) : 0,
        .instrument = shape != 1 ? some_instrument(generator) : 0,
        .sell_maker_bps = some_rate(generator),
        .sell_taker_bps = some_rate(generator),
        .buy_maker_bps = some_rate(generator),
        .buy_taker_bps = some_rate(generator),
        .remove = draw_chance(generator, 3)};
    if (fees->remove == 1 && !draw_chance(generator, 4))
        name_record(generator, beside, fees);
    if (draw_chance(generator, 6))
        spoil_fees(generator, fees);
}

// ---- postings

// Whose, and of what: mostly of a failed trade's buyer or seller, else of anybody.
struct purse {
    uint32_t account, asset;
    const struct balance_rec *balance;
};

static struct purse purse_of(const struct beside *beside, uint32_t account, uint32_t asset)
{
    return (struct purse){
        .account = account, .asset = asset, .balance = &beside->naive.balances[account][asset]};
}

static struct purse some_purse(struct generator *generator, const struct beside *beside)
{
    const struct open_trade *trade = some_failed_trade(generator);
    bool cash = draw_chance(generator, 2);
    if (trade != NULL && draw_chance(generator, 2))
        return purse_of(beside, cash ? trade->result.seller_account : trade->result.buyer_account,
                        cash ? UNIVERSE_CASH : trade->result.instrument + 1);
    uint32_t account = UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS);
    return purse_of(beside, account, 1 + draw_below(generator, UNIVERSE_INSTRUMENTS + 1));
}

// One with a deficit, and at least so much to pay it from; else any.
static struct purse some_empty_purse(struct generator *generator, const struct beside *beside,
                                     int64_t least)
{
    uint32_t first = draw_below(generator, UNIVERSE_ACCOUNTS);
    for (uint32_t i = 0; i < UNIVERSE_ACCOUNTS; i++)
        for (uint32_t asset = 1; asset <= UNIVERSE_INSTRUMENTS + 1; asset++) {
            struct purse purse =
                purse_of(beside, UNIVERSE_ACCOUNT_FIRST + (first + i) % UNIVERSE_ACCOUNTS, asset);
            if (purse.balance->deficit > 0 && purse.balance->available >= least)
                return purse;
        }
    return some_purse(generator, beside);
}

static int64_t small(struct generator *generator, uint32_t asset)
{
    bool fine = asset == UNIVERSE_CASH || asset == 4;
    return (1 + draw_below(generator, 30)) * (int64_t)(fine ? 1000000 : 1);
}

static int64_t at_least_one(int64_t amount)
{
    return amount > 0 ? amount : 1;
}

// All that is there, a little more, all that is held too, or only a part.
static int64_t what_leaves(struct generator *generator, const struct purse *purse)
{
    const struct balance_rec *balance = purse->balance;
    switch (draw_below(generator, 8)) {
    case 0:
        return balance->available;
    case 1:
        return balance->available + small(generator, purse->asset);
    case 2:
        return balance->available + balance->held / 2 + 1;
    case 3:
        return balance->available + balance->held + draw_below(generator, 2);
    default:
        return balance->available / 16;
    }
}

static int64_t what_moves(struct generator *generator, const struct purse *purse)
{
    const struct balance_rec *balance = purse->balance;
    int64_t free = balance->available - balance->unsettled - balance->blocked;
    switch (draw_below(generator, 6)) {
    case 0:
        return free + 1;
    case 1:
        return balance->available + 1;
    case 2:
        return free;
    default:
        return free / 8;
    }
}

static int64_t what_covers(struct generator *generator, const struct purse *purse)
{
    const struct balance_rec *balance = purse->balance;
    int64_t most = balance->deficit < balance->available ? balance->deficit : balance->available;
    switch (draw_below(generator, 4)) {
    case 0:
        return balance->deficit + 1;
    case 1:
        return balance->available + 1;
    case 2:
        return most / 2;
    default:
        return most;
    }
}

void some_reference(struct generator *generator, const struct beside *beside, uint64_t *number,
                    uint64_t *hash)
{
    uint64_t last = beside->naive.references[REF_ADMIN].number;
    *number = last + 1 + draw_below(generator, 2);
    if (draw_chance(generator, 25))
        *number = last;
    if (draw_chance(generator, 50) && last > 0)
        *number = last - 1;
    *hash = *number == last ? beside->naive.references[REF_ADMIN].hash : *number * 7;
    if (draw_chance(generator, 30))
        *hash += 1;
}

static void spoil_post(struct generator *generator, struct ledger_post_cmd *post)
{
    static const uint32_t nobody[] = {0, ACCOUNT_OUTSIDE, ACCOUNT_TREASURY, ACCOUNT_DEFICIT, 31,
                                      99};
    switch (draw_below(generator, 4)) {
    case 0:
        post->account = nobody[draw_below(generator, 6)];
        return;
    case 1:
        post->counter_account = nobody[draw_below(generator, 6)];
        return;
    case 2:
        post->counter_account = post->account;
        return;
    default:
        post->amount = draw_chance(generator, 2) ? 0 : ((int64_t)1 << 61) + 1;
        return;
    }
}

static struct ledger_post_cmd *start_post(struct generator *generator, struct beside *beside,
                                          uint8_t kind, const struct purse *purse, int64_t amount)
{
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    struct ledger_post_cmd *post = &command->body.ledger_post;
    *post = (struct ledger_post_cmd){.account = purse->account,
                                     .asset = purse->asset,
                                     .amount = at_least_one(amount),
                                     .kind = kind,
                                     .ref_source = REF_ADMIN,
                                     .operator_id = draw_below(generator, 4)};
    some_reference(generator, beside, &post->ref_number, &post->ref_hash);
    return post;
}

static void make_transfer(struct generator *generator, struct beside *beside)
{
    struct purse purse = draw_chance(generator, 6) ? some_empty_purse(generator, beside, 0)
                                                   : some_purse(generator, beside);
    if (draw_chance(generator, 8))
        purse = purse_of(beside, draw_chance(generator, 2) ? ACCOUNT_TREASURY : ACCOUNT_SUSPENSE,
                         UNIVERSE_CASH);
    struct ledger_post_cmd *post =
        start_post(generator, beside, POSTING_TRANSFER, &purse, what_moves(generator, &purse));
    struct purse receiver = some_empty_purse(generator, beside, 0);
    post->counter_account = receiver.account;
    if (receiver.balance->deficit > 0 && draw_chance(generator, 2))
        post->asset = receiver.asset;
}

static void make_good(struct generator *generator, struct beside *beside)
{
    static const uint8_t kinds[] = {POSTING_DEPOSIT, POSTING_CREDIT, POSTING_CHAIN_IN,
                                    POSTING_DEPOSIT};
    struct purse purse = some_empty_purse(generator, beside, 0);
    int64_t lacks = purse.balance->deficit;
    int64_t amount =
        draw_chance(generator, 4) ? lacks / 2 : lacks + 20 * small(generator, purse.asset);
    (void)start_post(generator, beside, kinds[draw_below(generator, 4)], &purse, amount);
}

// While everybody's orders are one account's sales: it gets what it can sell, until its orders are
// more than one command has room for; then all of it leaves.
static void make_for_holder(struct generator *generator, struct beside *beside)
{
    uint32_t sales = 0;
    struct purse purse = purse_of(beside, universe_account(2, 0), 2);
    for (uint32_t i = 0; i < beside->naive.order_top; i++) {
        const struct naive_order *order = &beside->naive.orders[i];
        sales +=
            order->account == purse.account && order->instrument == 1 && order->side == SIDE_SELL;
    }
    if (sales > 22)
        (void)start_post(generator, beside, POSTING_CHAIN_OUT, &purse,
                         purse.balance->available + purse.balance->held);
    else
        (void)start_post(generator, beside, POSTING_CHAIN_IN, &purse, 500);
}

void make_posting(struct generator *generator, struct beside *beside)
{
    if (mood_of(beside) == ONE_HOLDER) {
        make_for_holder(generator, beside);
        return;
    }
    struct purse purse = some_purse(generator, beside);
    uint32_t r = draw_below(generator, 100);
    if (r < 30) {
        (void)start_post(generator, beside, POSTING_CHAIN_OUT, &purse,
                         what_leaves(generator, &purse));
    } else if (r < 50) {
        make_transfer(generator, beside);
    } else if (r < 75) {
        purse = some_empty_purse(generator, beside, 1);
        (void)start_post(generator, beside, POSTING_COVER, &purse, what_covers(generator, &purse));
    } else {
        make_good(generator, beside);
    }
    if (draw_chance(generator, 15))
        spoil_post(generator, &beside->command.body.ledger_post);
}

// ---- all of it

void make_money(struct generator *generator, struct beside *beside)
{
    uint32_t r = draw_below(generator, 100);
    if (hoards_proposals(beside) && !draw_chance(generator, 3))
        make_of_two_persons(generator, beside);
    else if (r < 15)
        make_fees(generator, beside);
    else if (r < 50)
        make_posting(generator, beside);
    else if (r < 75)
        make_correction(generator, beside);
    else
        make_of_two_persons(generator, beside);
}
