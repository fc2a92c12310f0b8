// Random corrections and busts of trades whose settlement has failed.
#include "tests/model/generator_parts.h"

const struct open_trade *some_failed_trade(struct generator *generator)
{
    uint32_t count = generator->trade_count;
    uint32_t first = count > 0 ? draw_below(generator, count) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct open_trade *trade = &generator->trades[(first + i) % count];
        if (trade->failed)
            return trade;
    }
    return NULL;
}

static void bust(struct trade_correct_cmd *correction)
{
    correction->new_quantity = 0;
    open_trade_reprice(correction, 0);
}

static void think_of_correction(struct generator *generator, struct trade_correct_cmd *correction)
{
    int64_t part = correction->notional / (2 + draw_below(generator, 20));
    switch (draw_below(generator, 6)) {
    case 0:
        bust(correction);
        return;
    case 1: // fewer, at the same price
        correction->new_quantity = correction->quantity / 2;
        open_trade_reprice(correction, correction->notional / 2);
        if (correction->new_quantity == 0)
            bust(correction);
        return;
    case 2: // cheaper
        open_trade_reprice(correction, correction->notional - part);
        return;
    case 3: // dearer
        open_trade_reprice(correction, correction->notional + part);
        return;
    case 4: // dearer, and fewer, the fees as they were
        correction->new_quantity -= correction->new_quantity > 1;
        correction->new_notional += part;
        return;
    default: // the fees too: all that the change of the notional allows
        correction->new_notional += part;
        correction->new_buyer_fee += part;
        correction->new_seller_fee += draw_chance(generator, 2) ? part : part / 3;
        return;
    }
}

static void spoil_who(struct generator *generator, struct trade_correct_cmd *correction)
{
    static const uint32_t nobody[] = {0, ACCOUNT_TREASURY, 31, 99};
    uint32_t who = nobody[draw_below(generator, 4)];
    switch (draw_below(generator, 3)) {
    case 0:
        correction->instrument = draw_chance(generator, 2) ? 0 : 99;
        return;
    case 1:
        correction->buyer_account = who;
        return;
    default:
        correction->seller_account = who;
        return;
    }
}

static void spoil_amount(struct generator *generator, struct trade_correct_cmd *correction)
{
    const int64_t above = ((int64_t)1 << 61) + 1;
    bool below_zero = draw_chance(generator, 2);
    switch (draw_below(generator, 8)) {
    case 0:
        correction->quantity = below_zero ? -1 : 0;
        return;
    case 1:
        correction->new_quantity = below_zero ? -1 : correction->quantity + 1;
        return;
    case 2:
        correction->notional = below_zero ? -1 : above;
        return;
    case 3:
        correction->new_notional = below_zero ? -1 : above;
        return;
    case 4:
        correction->buyer_fee = below_zero ? -1 : correction->notional + 1;
        return;
    case 5:
        correction->new_buyer_fee = below_zero ? -1 : correction->new_notional + 1;
        return;
    case 6:
        correction->seller_fee = below_zero ? -1 : correction->notional + 1;
        return;
    default:
        correction->new_seller_fee = below_zero ? -1 : correction->new_notional + 1;
        return;
    }
}

// Each amount may be; together they may not.
static void spoil_change(struct generator *generator, struct trade_correct_cmd *correction)
{
    switch (draw_below(generator, 6)) {
    case 0:
        bust(correction);
        correction->new_notional = 1;
        return;
    case 1: // against the notional
        correction->new_notional = correction->notional - 1;
        correction->new_buyer_fee = correction->buyer_fee + 1;
        return;
    case 2:
        correction->new_notional = correction->notional - 1;
        correction->new_seller_fee = correction->seller_fee + 1;
        return;
    case 3: // there is nothing to go with
        correction->new_notional = correction->notional;
        correction->new_buyer_fee = correction->buyer_fee + 1;
        return;
    case 4: // more than the notional
        correction->new_notional = correction->notional + 1;
        correction->new_buyer_fee = correction->buyer_fee + 2;
        return;
    default:
        correction->new_notional = correction->notional + 1;
        correction->new_seller_fee = correction->seller_fee + 2;
        return;
    }
}

static void spoil_match(struct generator *generator, struct trade_correct_cmd *correction)
{
    if (draw_chance(generator, 2) && correction->quantity < (int64_t)1 << 50)
        correction->quantity *= 1000;
    else if (correction->notional < (int64_t)1 << 50)
        correction->notional += (int64_t)1 << 52;
}

static void spoil_correction(struct generator *generator, struct trade_correct_cmd *correction)
{
    switch (draw_below(generator, 6)) {
    case 0:
        spoil_who(generator, correction);
        return;
    case 1:
    case 2:
        spoil_amount(generator, correction);
        return;
    case 3:
    case 4:
        spoil_change(generator, correction);
        return;
    default:
        spoil_match(generator, correction);
        return;
    }
}

void make_correction(struct generator *generator, struct beside *beside)
{
    const struct open_trade *trade = some_failed_trade(generator);
    if (trade == NULL) {
        make_settlement(generator, beside);
        return;
    }
    struct command *command = beside_start(beside, CMD_trade_correct, GATEWAY_ADMIN);
    struct trade_correct_cmd *correction = &command->body.trade_correct;
    *correction = open_trade_correction(trade);
    correction->ref_source = REF_ADMIN;
    correction->operator_id = draw_below(generator, 4);
    some_reference(generator, beside, &correction->ref_number, &correction->ref_hash);
    think_of_correction(generator, correction);
    if (draw_chance(generator, 4))
        spoil_correction(generator, correction);
}
