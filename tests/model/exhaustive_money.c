#include "tests/model/exhaustive_money.h"

// ---- the last trade

static void follow_settlement(struct open_trade *trade, const struct settlement_booked_evt *booked)
{
    trade->failed = booked->outcome == SETTLEMENT_FAILED;
    if (booked->outcome == SETTLEMENT_SETTLED)
        *trade = (struct open_trade){0};
}

void money_walk_follow(void *follower, const struct event *event)
{
    struct open_trade *trade = &((struct money_walk *)follower)->trade;
    if (event->header.type == EVT_trade)
        *trade = open_trade_of(event,
                               universe_instruments[event->body.trade.instrument - 1].token_scale);
    if (event->header.type == EVT_settlement_booked)
        follow_settlement(trade, &event->body.settlement_booked);
    if (event->header.type == EVT_trade_corrected)
        open_trade_change(trade, &event->body.trade_corrected);
}

// ---- fees

static void make_fees(struct beside *beside, enum money_letter letter, uint32_t instrument)
{
    uint32_t account = universe_account(1, 0);
    struct command *command = beside_start(beside, CMD_fees_set, GATEWAY_ADMIN);
    struct fees_set_cmd *fees = &command->body.fees_set;
    if (letter == FEES_BOTH)
        *fees = (struct fees_set_cmd){account, instrument, 33, 77, 15, 44, 0, {0}, {0}};
    else if (letter == FEES_ACCOUNT)
        *fees = (struct fees_set_cmd){account, 0, 9999, 1, 10000, 3, 0, {0}, {0}};
    else if (letter == FEES_INSTRUMENT)
        *fees = (struct fees_set_cmd){0, instrument, 11, 13, 7, 5, 0, {0}, {0}};
    else
        *fees = (struct fees_set_cmd){account, instrument, 0, 0, 0, 0, 1, {0}, {0}};
}

// ---- postings

static struct ledger_post_cmd *make_post(struct beside *beside, uint8_t kind, uint32_t asset,
                                         int64_t amount)
{
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    command->body.ledger_post =
        (struct ledger_post_cmd){.account = universe_account(1, 0),
                                 .asset = asset,
                                 .amount = amount,
                                 .kind = kind,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = beside->naive.references[REF_ADMIN].number + 1};
    return &command->body.ledger_post;
}

static int64_t leaves(const struct balance_rec *balance)
{
    return balance->available + balance->held / 2 + 3;
}

static int64_t covers(const struct balance_rec *balance)
{
    int64_t most = balance->available < balance->deficit ? balance->available : balance->deficit;
    return most > 0 ? most : 1;
}

static void make_posting(struct beside *beside, enum money_letter letter, uint32_t token)
{
    const struct balance_rec *balances = beside->naive.balances[universe_account(1, 0)];
    const int64_t cash_one = 1000000;
    struct ledger_post_cmd *post = NULL;
    switch ((int)letter) {
    case TOKENS_LEAVE:
        (void)make_post(beside, POSTING_CHAIN_OUT, token, leaves(&balances[token]));
        return;
    case CASH_LEAVES:
        (void)make_post(beside, POSTING_CHAIN_OUT, UNIVERSE_CASH, leaves(&balances[UNIVERSE_CASH]));
        return;
    case CASH_DEPOSITED:
        (void)make_post(beside, POSTING_DEPOSIT, UNIVERSE_CASH, 500 * cash_one);
        return;
    case CASH_COVERED:
        (void)make_post(beside, POSTING_COVER, UNIVERSE_CASH, covers(&balances[UNIVERSE_CASH]));
        return;
    default:
        post = make_post(beside, POSTING_TRANSFER, token, 7);
        post->counter_account = post->account;
        post->account = universe_account(2, 1);
        return;
    }
}

// ---- settlement, corrections

static void make_settlement(const struct open_trade *trade, struct beside *beside, uint8_t outcome)
{
    struct command *command = beside_start(beside, CMD_settlement_result, GATEWAY_SETTLE);
    command->body.settlement_result = trade->result;
    command->body.settlement_result.outcome = outcome;
    command->body.settlement_result.ref_number = beside->naive.references[REF_SETTLE].number + 1;
}

static void make_correction(const struct open_trade *trade, struct beside *beside,
                            enum money_letter letter)
{
    struct command *command = beside_start(beside, CMD_trade_correct, GATEWAY_ADMIN);
    struct trade_correct_cmd *correction = &command->body.trade_correct;
    *correction = open_trade_correction(trade);
    correction->ref_source = REF_ADMIN;
    correction->ref_number = beside->naive.references[REF_ADMIN].number + 1;
    if (letter == TRADE_BUSTED) {
        correction->new_quantity = 0;
        open_trade_reprice(correction, 0);
    } else if (letter == TRADE_DEARER) {
        open_trade_reprice(correction, correction->notional + correction->notional / 10);
    } else {
        correction->new_quantity -= correction->new_quantity > 1;
        open_trade_reprice(correction, correction->notional - correction->notional / 5);
    }
}

void money_letter_make(const struct money_walk *walk, struct beside *beside,
                       enum money_letter letter, uint32_t instrument)
{
    uint32_t token = beside->naive.instruments[instrument].terms.token_asset;
    if (letter <= FEES_REMOVED)
        make_fees(beside, letter, instrument);
    else if (letter <= TRANSFERRED)
        make_posting(beside, letter, token);
    else if (letter == TRADE_FAILS)
        make_settlement(&walk->trade, beside, SETTLEMENT_FAILED);
    else if (letter == TRADE_RETRIED)
        make_settlement(&walk->trade, beside, SETTLEMENT_RETRIED);
    else
        make_correction(&walk->trade, beside, letter);
}
