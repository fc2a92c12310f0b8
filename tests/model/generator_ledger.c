// Random commands of gateways, of the ledger and of settlement.
#include "tests/model/generator_parts.h"

// ---- sessions, gateways, the ledger

void make_session(struct generator *generator, struct beside *beside)
{
    uint32_t session =
        1 + draw_below(generator, UNIVERSE_SESSIONS + (draw_chance(generator, 20) ? 3 : 0));
    bool open = draw_chance(generator, 2);
    struct command *command =
        some_session(generator, beside, open ? CMD_session_open : CMD_session_close, session);
    if (open)
        command->body.session_open.opened_session = session;
    else
        command->body.session_close = (struct session_close_cmd){
            .closed_session = session,
            .reason = draw_chance(generator, 2) ? CANCEL_BY_OWNER : CANCEL_BY_VENUE};
}

void make_gateway(struct generator *generator, struct beside *beside)
{
    uint8_t gateway = draw_chance(generator, 2) ? GATEWAY_FIX : GATEWAY_WEB;
    if (draw_chance(generator, 3)) {
        struct command *command = beside_start(beside, CMD_gateway_detach, GATEWAY_CORE);
        command->body.gateway_detach.gateway_id = gateway;
        command->body.gateway_detach.old_incarnation =
            beside->incarnations[gateway] - (draw_chance(generator, 4) ? 1 : 0);
        return;
    }
    beside->incarnations[gateway] += draw_chance(generator, 2) ? 1 : 0;
    beside_start(beside, CMD_gateway_attach, gateway);
}

// What the venue has earned, and what the rich have, leaves it again: there is only so much.
static void make_withdrawal(struct generator *generator, struct beside *beside)
{
    uint32_t account = draw_chance(generator, 2)
                           ? (uint32_t)ACCOUNT_TREASURY
                           : UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS);
    uint32_t asset = 1 + draw_below(generator, UNIVERSE_INSTRUMENTS + 1);
    const struct balance_rec *balance = &beside->naive.balances[account][asset];
    int64_t free = balance->available - balance->unsettled - balance->blocked;
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    command->body.ledger_post =
        (struct ledger_post_cmd){.account = account,
                                 .asset = asset,
                                 .amount = free > GENERATOR_FORTUNE / 4 ? free : free / 8,
                                 .kind = POSTING_WITHDRAWAL,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = beside->naive.references[REF_ADMIN].number + 1};
}

// One that does not exist too.
static uint32_t some_kind(struct generator *generator)
{
    return draw_below(generator, POSTING_COVER + 2);
}

void make_ledger_post(struct generator *generator, struct beside *beside)
{
    if (draw_chance(generator, 10)) {
        make_withdrawal(generator, beside);
        return;
    }
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    struct ledger_post_cmd *post = &command->body.ledger_post;
    uint64_t last = beside->naive.references[REF_ADMIN].number;
    post->account = draw_chance(generator, 60)
                        ? draw_below(generator, 64) | 16
                        : UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS);
    post->asset = draw_chance(generator, 60) ? draw_below(generator, 9)
                                             : 1 + draw_below(generator, UNIVERSE_INSTRUMENTS + 1);
    post->kind = (uint8_t)(draw_chance(generator, 60)  ? some_kind(generator)
                           : draw_chance(generator, 2) ? POSTING_DEPOSIT
                                                       : 1 + draw_below(generator, 4));
    int64_t unit = post->asset == UNIVERSE_CASH ? 1000000 : post->asset == 4 ? 1000000 : 1;
    post->amount = (int64_t)draw_below(generator, draw_chance(generator, 3) ? 60000 : 9000) * unit;
    if (draw_chance(generator, 200))
        post->amount = draw_chance(generator, 2) ? INT64_MAX : ((int64_t)1 << 61) + 1;
    post->ref_source = REF_ADMIN;
    if (!draw_chance(generator, 10))
        generator->post_number = last + 1 + draw_below(generator, 2);
    post->ref_number =
        generator->post_number - (draw_chance(generator, 20) && generator->post_number > 0 ? 1 : 0);
    post->ref_hash = post->ref_number * 7 + (draw_chance(generator, 30) ? 1 : 0);
}

static void forget_trade(struct generator *generator, struct open_trade *trade)
{
    *trade = generator->trades[--generator->trade_count];
}

// One thing wrong with it.
static void spoil_settlement(struct generator *generator, struct settlement_result_cmd *result)
{
    switch (draw_below(generator, 4)) {
    case 0:
        result->instrument = draw_chance(generator, 2) ? 0 : 9;
        break;
    case 1:
        result->outcome = draw_chance(generator, 2) ? 0 : SETTLEMENT_XVP_RETURNED + 1;
        break;
    case 2:
        result->quantity = draw_chance(generator, 2) ? 0 : -1;
        break;
    default:
        result->proceeds = -1;
        break;
    }
}

void make_settlement(struct generator *generator, struct beside *beside)
{
    if (generator->trade_count == 0) {
        beside_start(beside, CMD_journal_digest, GATEWAY_CORE);
        return;
    }
    struct command *command = beside_start(beside, CMD_settlement_result, GATEWAY_SETTLE);
    struct settlement_result_cmd *result = &command->body.settlement_result;
    if (draw_chance(generator, 20) && beside->naive.last_settlement.ref_number != 0) { // again
        *result = beside->naive.last_settlement;
        result->quantity += draw_chance(generator, 3) ? 1 : 0;
        return;
    }
    uint32_t at = draw_below(generator, generator->trade_count);
    struct open_trade *trade = &generator->trades[at];
    *result = trade->result;
    result->ref_number = ++generator->settle_number;
    result->outcome = SETTLEMENT_SETTLED;
    if (draw_chance(generator, 60)) {
        spoil_settlement(generator, result);
        return;
    }
    if (trade->failed) {
        result->outcome = SETTLEMENT_RETRIED;
        trade->failed = false;
    } else if (draw_chance(generator, 4)) {
        result->outcome = SETTLEMENT_FAILED;
        trade->failed = true;
    } else {
        forget_trade(generator, trade);
    }
    if (draw_chance(generator, 100) && result->quantity < (int64_t)1 << 50)
        result->quantity *= 1000;
}

static void keep_correction(struct generator *generator, const struct trade_corrected_evt *by)
{
    for (uint32_t i = 0; i < generator->trade_count; i++) {
        struct open_trade *trade = &generator->trades[i];
        if (trade->result.trade_id != by->trade_id)
            continue;
        open_trade_change(trade, by);
        // A correction that claimed other amounts than those that were traded: the venue keeps no
        // trades, and took its word.
        if (by->new_quantity == 0 || trade->result.proceeds < 0)
            forget_trade(generator, trade);
        return;
    }
}

void keep_trades(void *follower, const struct event *event)
{
    struct generator *generator = follower;
    bool full = generator->trade_count == GENERATOR_TRADES;
    if (event->header.type == EVT_trade_corrected)
        keep_correction(generator, &event->body.trade_corrected);
    if (event->header.type != EVT_trade ||
        (full && event->body.trade.quantity < GENERATOR_FORTUNE / 2))
        return;
    uint32_t at = full ? draw_below(generator, GENERATOR_TRADES) : generator->trade_count++;
    generator->trades[at] =
        open_trade_of(event, universe_instruments[event->body.trade.instrument - 1].token_scale);
}
