#include "tests/model/generator.h"

__extension__ typedef __int128 wide;

static const int64_t fortune = ((int64_t)1 << 58) / 1000000 * 1000000;

// ---- numbers
// -----------------------------------------------------------------------------------------------

static uint64_t draw(struct generator *generator)
{
    generator->random += 0x9e3779b97f4a7c15u;
    uint64_t x = generator->random;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t below(struct generator *generator, uint32_t bound)
{
    if (generator->bytes == NULL)
        return (uint32_t)((draw(generator) >> 32) * bound >> 32);
    uint32_t number = 0;
    for (uint32_t most = bound - 1; most > 0 && generator->bytes_left > 0; most >>= 8) {
        number = number << 8 | *generator->bytes++;
        generator->bytes_left--;
    }
    return number % bound;
}

static bool chance(struct generator *generator, uint32_t one_in)
{
    return below(generator, one_in) == one_in - 1;
}

static int64_t between(struct generator *generator, int64_t from, int64_t to)
{
    return from + below(generator, (uint32_t)(to - from + 1));
}

// ---- what there is
// -------------------------------------------------------------------------------------------

static int64_t tick_at(const struct beside *beside, uint32_t instrument, int64_t price)
{
    const struct naive_instrument *there = &beside->naive.instruments[instrument];
    int64_t tick = there->terms.tick;
    for (uint32_t i = 0; i < there->band_count; i++)
        if (there->bands[i].from_price <= price)
            tick = there->bands[i].tick;
    return tick;
}

// It drifts, and starts again before it is far away.
static int64_t middle_of(struct generator *generator, uint32_t instrument)
{
    const int64_t first = 100 * (int64_t)1000000;
    int64_t *middle = &generator->middle[instrument];
    if (*middle < first / 2 || *middle > first * 2)
        *middle = first;
    return *middle;
}

// So many ticks from the middle; on tick, and above zero.
static int64_t price_near(struct generator *generator, const struct beside *beside,
                          uint32_t instrument, int64_t ticks)
{
    int64_t middle = middle_of(generator, instrument);
    int64_t tick = tick_at(beside, instrument, middle);
    int64_t price = (middle / tick + ticks) * tick;
    tick = tick_at(beside, instrument, price > 0 ? price : 0);
    price -= price % tick;
    return price > 0 ? price : tick;
}

// An open order; NULL = there is none. Looks on from a random entry of the array.
static const struct naive_order *random_order(struct generator *generator,
                                              const struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    if (naive->order_top == 0)
        return NULL;
    uint32_t at = below(generator, naive->order_top);
    for (uint32_t i = 0; i < naive->order_top; i++) {
        const struct naive_order *order = &naive->orders[(at + i) % naive->order_top];
        if (order->id != 0)
            return order;
    }
    return NULL;
}

static uint32_t random_account(struct generator *generator, uint32_t session)
{
    if (chance(generator, 200))
        return below(generator, NAIVE_ACCOUNTS + 8);
    return universe_account(session, below(generator, 2));
}

static uint32_t random_instrument(struct generator *generator)
{
    return 1 + below(generator, UNIVERSE_INSTRUMENTS);
}

// ---- headers
// -----------------------------------------------------------------------------------------------

// A command of a session: mostly by its gateway.
static struct command *start_session(struct generator *generator, struct beside *beside,
                                     uint8_t type, uint32_t session)
{
    uint8_t gateway = universe_gateway_of(session);
    if (chance(generator, 300))
        gateway = GATEWAY_FIX + GATEWAY_WEB - gateway;
    struct command *command = beside_start(beside, type, gateway);
    command->header.session = chance(generator, 400) ? below(generator, 12) : session;
    command->header.session_seq = gateway == GATEWAY_FIX ? (uint32_t)beside->gateway_seq : 0;
    if (chance(generator, 800))
        command->header.incarnation++;
    return command;
}

static void client_id(struct generator *generator, struct command *command, uint8_t *bytes)
{
    *bytes = chance(generator, 100) ? 0 : (uint8_t)(1 + below(generator, CLIENT_ID_BYTES_MAX));
    command->header.slots = command_slots(command->header.type, *bytes);
    uint32_t first = below(generator, 26);
    for (uint32_t i = 0; i < *bytes; i++)
        command_tail_writable(command)[i] = (char)('A' + (first + i) % 26);
    if (*bytes > 0 && chance(generator, 500))
        command_tail_writable(command)[below(generator, *bytes)] =
            chance(generator, 2) ? '\n' : (char)0x7f;
}

// ---- new orders
// --------------------------------------------------------------------------------------------

struct idea { // of an order
    struct order_new_terms_cmd order;
    const struct instrument_rec *terms;
    uint8_t phase;
    bool buys;
};

static bool rests_long(uint8_t tif)
{
    return tif == TIF_DAY || tif == TIF_GTC || tif == TIF_GTD;
}

static void think_of_type(struct generator *generator, struct idea *idea)
{
    static const uint8_t types[] = {ORDER_LIMIT, ORDER_LIMIT,      ORDER_LIMIT,         ORDER_LIMIT,
                                    ORDER_LIMIT, ORDER_LIMIT,      ORDER_MARKET,        ORDER_STOP,
                                    ORDER_LIMIT, ORDER_STOP_LIMIT, ORDER_TRAILING_STOP, ORDER_LIMIT};
    static const uint8_t long_tifs[] = {TIF_DAY, TIF_GTC, TIF_GTD, TIF_DAY};
    static const uint8_t short_tifs[] = {TIF_IOC, TIF_FOK, TIF_IOC, TIF_AT_CLOSE};
    struct order_new_terms_cmd *order = &idea->order;
    order->type = types[below(generator, sizeof(types))];
    order->tif = long_tifs[below(generator, 4)];
    bool plain = order->type == ORDER_LIMIT || order->type == ORDER_MARKET;
    bool opening = idea->phase == PHASE_PRE_OPEN || idea->phase == PHASE_OPENING_AUCTION;
    if (plain && idea->phase == PHASE_CONTINUOUS && chance(generator, 3))
        order->tif = short_tifs[below(generator, 4)];
    else if (plain && chance(generator, 8))
        order->tif = opening ? TIF_AT_OPEN : TIF_AT_CLOSE;
    else if (plain && chance(generator, 60))
        order->tif = (uint8_t)below(generator, 8);
}

static void think_of_price(struct generator *generator, const struct beside *beside,
                           struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    int64_t away = between(generator, -3, 6); // below 0: it may cross
    if (chance(generator, 30))
        away = between(generator, -40, 40);
    order->price = price_near(generator, beside, order->instrument, idea->buys ? -away : away);
    if (order->type != ORDER_LIMIT && order->type != ORDER_STOP_LIMIT)
        order->price = 0;
    int64_t beyond = between(generator, -2, 8); // below 0: the market is there already
    if (order->type == ORDER_STOP || order->type == ORDER_STOP_LIMIT ||
        (order->type == ORDER_TRAILING_STOP && chance(generator, 2)))
        order->stop_price =
            price_near(generator, beside, order->instrument, idea->buys ? beyond : -beyond);
    if (order->type == ORDER_STOP_LIMIT && !chance(generator, 8)) {
        int64_t tick = tick_at(beside, order->instrument, order->stop_price);
        int64_t limit = order->stop_price + between(generator, -1, 4) * (idea->buys ? tick : -tick);
        tick = tick_at(beside, order->instrument, limit > 0 ? limit : 0);
        order->price = limit > tick ? limit - limit % tick : tick;
    }
    if (order->type == ORDER_TRAILING_STOP)
        order->trail_offset = between(generator, 1, 6) * idea->terms->tick;
}

static void think_of_quantity(struct generator *generator, struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    int64_t lot = idea->terms->lot;
    int64_t lots = 1 + below(generator, idea->terms->instrument == 2 ? 5 : 120);
    if (chance(generator, 40))
        lots = 1 + below(generator, 6000);
    if (chance(generator, 4))
        lots = 10;
    order->quantity = lots * lot;
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    if (limit && rests_long(order->tif) && lots > 1 && chance(generator, 5))
        order->display_quantity = (1 + below(generator, (uint32_t)(lots - 1)) / 3) * lot;
    if (order->tif == TIF_IOC && chance(generator, 3))
        order->minimum_quantity = (1 + below(generator, (uint32_t)lots)) * lot;
}

static void think_of_manners(struct generator *generator, const struct beside *beside,
                             struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    order->flags = chance(generator, 12) ? (uint8_t)below(generator, 4) : 3;
    if (order->type == ORDER_LIMIT && rests_long(order->tif) && chance(generator, 9))
        order->flags |= ORDER_POST_ONLY;
    if (chance(generator, 2))
        order->stp = (uint8_t)below(generator, 5);
    if (chance(generator, 4))
        order->self_match_id = 1 + below(generator, 2);
    if (order->tif == TIF_GTD)
        order->expire_ns = beside->now + 1 + below(generator, 30000000);
}

static void spoil(struct generator *generator, struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    int64_t lot = idea->terms->lot;
    switch (below(generator, 18)) {
    case 0:
        order->side = (uint8_t)below(generator, 5);
        break;
    case 1:
        order->quantity = -(int64_t)below(generator, 3);
        break;
    case 2:
        order->type = (uint8_t)below(generator, 8);
        break;
    case 3:
        order->tif = (uint8_t)below(generator, 10);
        break;
    case 4:
        order->price = order->price == 0 ? 1 : -(int64_t)below(generator, 2);
        break;
    case 5:
        order->price += 1;
        break;
    case 6:
        order->quantity += 1;
        break;
    case 7:
        order->quantity = INT64_MAX / lot * lot;
        break;
    case 8:
        order->flags = (uint8_t)below(generator, 20);
        break;
    case 9:
        order->stp = (uint8_t)below(generator, 8);
        break;
    case 10:
        order->stop_price += (int64_t)below(generator, 3) - 1;
        break;
    case 11:
        order->stop_price = chance(generator, 2) ? INT64_MAX : (int64_t)1 << 61;
        break;
    case 12:
        order->trail_offset = chance(generator, 3)   ? (int64_t)1 << 62
                              : chance(generator, 2) ? (int64_t)1 << 60
                                                     : below(generator, 2) + 1;
        break;
    case 13:
        order->display_quantity = chance(generator, 2) ? order->quantity : -lot;
        break;
    case 14:
        order->minimum_quantity = order->quantity + lot;
        break;
    case 15:
        order->expire_ns = chance(generator, 2) ? UINT64_MAX : below(generator, 1000);
        break;
    case 16:
        order->price = ((int64_t)1 << 61) / idea->terms->tick * idea->terms->tick;
        break;
    default:
        order->display_quantity += 1;
        break;
    }
}

static bool has_terms(const struct order_new_terms_cmd *order)
{
    return order->stop_price != 0 || order->trail_offset != 0 || order->display_quantity != 0 ||
           order->minimum_quantity != 0 || order->expire_ns != 0;
}

static void make_order_new(struct generator *generator, struct beside *beside)
{
    struct idea idea = {0};
    uint32_t session = 1 + below(generator, UNIVERSE_SESSIONS);
    uint32_t instrument = random_instrument(generator);
    idea.terms = &universe_instruments[instrument - 1];
    idea.phase = beside->naive.instruments[instrument].state.phase;
    idea.buys = chance(generator, 2);
    generator->middle[instrument] +=
        ((int64_t)below(generator, 3) - 1) * universe_instruments[instrument - 1].tick / 2;
    idea.order.account = random_account(generator, session);
    idea.order.instrument = chance(generator, 600) ? below(generator, 9) : instrument;
    idea.order.side = idea.buys ? SIDE_BUY : SIDE_SELL;
    think_of_type(generator, &idea);
    if (idea.order.instrument == instrument)
        think_of_price(generator, beside, &idea);
    think_of_quantity(generator, &idea);
    think_of_manners(generator, beside, &idea);
    if (chance(generator, 40))
        spoil(generator, &idea);
    bool with_terms = has_terms(&idea.order) || chance(generator, 10);
    struct command *command = start_session(
        generator, beside, with_terms ? CMD_order_new_terms : CMD_order_new, session);
    memcpy(&command->body, &idea.order,
           with_terms ? sizeof(idea.order) : sizeof(command->body.order_new));
    client_id(generator, command, &command->body.order_new.client_id_bytes);
}

// Fortunes change hands, back and forth, until the counters of what is not settled are full.
static void make_whale(struct generator *generator, struct beside *beside)
{
    uint32_t session = chance(generator, 2) ? 1 : 3;
    const struct instrument_state_rec *state = &beside->naive.instruments[3].state;
    struct command *command = start_session(generator, beside, CMD_order_new, session);
    struct order_new_cmd *order = &command->body.order_new;
    bool buys = session == 1 ? (beside->sequence >> 6 & 1) == 0 : (beside->sequence >> 6 & 1) != 0;
    int64_t price = state->last_price != 0 ? state->last_price : 100000000;
    price -= price % tick_at(beside, 3, price);
    *order = (struct order_new_cmd){.account = universe_account(session, 0),
                                    .instrument = 3,
                                    .side = buys ? SIDE_BUY : SIDE_SELL,
                                    .type = ORDER_LIMIT,
                                    .tif = TIF_DAY,
                                    .flags = 3,
                                    .price = price,
                                    .quantity = fortune};
    client_id(generator, command, &order->client_id_bytes);
}

static void make_whale_or_rich(struct generator *generator, struct beside *beside)
{
    uint32_t account = universe_account(chance(generator, 2) ? 1 : 3, 0);
    uint32_t asset = chance(generator, 2) ? UNIVERSE_CASH : 4;
    if (beside->naive.balances[account][asset].available >= fortune || !chance(generator, 8)) {
        make_whale(generator, beside);
        return;
    }
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    uint64_t last = beside->naive.references[REF_ADMIN].number;
    command->body.ledger_post = (struct ledger_post_cmd){.account = account,
                                                         .asset = asset,
                                                         .amount = fortune,
                                                         .kind = POSTING_DEPOSIT,
                                                         .ref_source = REF_ADMIN,
                                                         .ref_number = last + 1};
}

// ---- cancel, amend, status
// ---------------------------------------------------------------------------------

static void make_order_cancel(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = random_order(generator, beside);
    uint32_t session = order != NULL ? order->session : 1;
    struct command *command = start_session(generator, beside, CMD_order_cancel, session);
    struct order_cancel_cmd *cancel = &command->body.order_cancel;
    cancel->order = order != NULL && !chance(generator, 20)
                        ? order->id
                        : below(generator, (uint32_t)beside->sequence % 100000 + 2);
    cancel->account = order != NULL && !chance(generator, 50) ? order->account
                                                              : random_account(generator, session);
    client_id(generator, command, &cancel->client_id_bytes);
}

static void amend_quantity(struct generator *generator, const struct naive_order *order,
                           struct order_amend_cmd *amend)
{
    int64_t lot = universe_instruments[order->instrument - 1].lot;
    int64_t lots = order->quantity / lot;
    int64_t most = lots < 1000 ? lots + 1 : 1000;
    amend->quantity = chance(generator, 3) ? (lots + between(generator, 1, 20)) * lot
                                           : between(generator, 1, most) * lot;
    if (chance(generator, 60))
        amend->quantity = chance(generator, 2) ? amend->quantity + 1 : -lot;
}

static void amend_prices(struct generator *generator, const struct beside *beside,
                         const struct naive_order *order, struct order_amend_cmd *amend)
{
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    int64_t away = between(generator, -5, 5);
    if (chance(generator, 3) && (limit || chance(generator, 20)))
        amend->price = chance(generator, 4)
                           ? order->price
                           : price_near(generator, beside, order->instrument, away);
    if (chance(generator, order->state == ORDER_STATE_PENDING_STOP ? 2 : 80))
        amend->stop_price = chance(generator, 4)
                                ? order->stop_price
                                : price_near(generator, beside, order->instrument, away * 2);
    if (chance(generator, order->display != 0 ? 2 : 80))
        amend->display_quantity = between(generator, 1, 15) *
                                  universe_instruments[order->instrument - 1].lot;
    if (chance(generator, 80))
        amend->price = chance(generator, 2) ? amend->price + 1 : -1;
    if (chance(generator, 80))
        amend->stop_price = chance(generator, 2) ? amend->stop_price + 1 : -1;
    if (chance(generator, 80))
        amend->display_quantity = chance(generator, 2) ? amend->display_quantity + 1 : -1;
}

static void make_order_amend(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = random_order(generator, beside);
    if (order == NULL) {
        make_order_new(generator, beside);
        return;
    }
    struct command *command = start_session(generator, beside, CMD_order_amend, order->session);
    struct order_amend_cmd *amend = &command->body.order_amend;
    amend->order = chance(generator, 60) ? order->id + 1 : order->id;
    amend->account =
        chance(generator, 50) ? random_account(generator, order->session) : order->account;
    amend->flags = chance(generator, 12) ? (uint8_t)below(generator, 5) : 3;
    if (chance(generator, 2))
        amend_quantity(generator, order, amend);
    amend_prices(generator, beside, order, amend);
    client_id(generator, command, &amend->client_id_bytes);
}

static void make_order_status(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = random_order(generator, beside);
    uint32_t session = order != NULL ? order->session : 1;
    struct command *command = start_session(generator, beside, CMD_order_status, session);
    struct order_status_cmd *status = &command->body.order_status;
    if (order != NULL && chance(generator, 2)) {
        status->order = chance(generator, 10) ? order->id + 1 : order->id;
        status->account = order->account;
    } else {
        status->account = chance(generator, 3) ? random_account(generator, session) : 0;
        status->instrument = chance(generator, 3) ? below(generator, 6) : 0;
        status->side = chance(generator, 4) ? (uint8_t)below(generator, 4) : 0;
    }
    client_id(generator, command, &status->client_id_bytes);
}

static void make_mass_cancel(struct generator *generator, struct beside *beside)
{
    uint32_t session = 1 + below(generator, UNIVERSE_SESSIONS);
    bool operator = chance(generator, 4);
    struct command *command =
        operator ? beside_start(beside, CMD_order_mass_cancel, GATEWAY_ADMIN)
                 : start_session(generator, beside, CMD_order_mass_cancel, session);
    struct order_mass_cancel_cmd *cancel = &command->body.order_mass_cancel;
    cancel->scope = operator ? SCOPE_VENUE : session == 5 ? SCOPE_MEMBER : SCOPE_SESSION;
    if (chance(generator, 10))
        cancel->scope = (uint8_t)below(generator, 4);
    cancel->account = chance(generator, 3) ? random_account(generator, session) : 0;
    cancel->instrument = chance(generator, 3) ? below(generator, 6) : 0;
    cancel->side = chance(generator, 3) ? (uint8_t)below(generator, 4) : 0;
    cancel->member = chance(generator, operator ? 3 : 30) ? below(generator, 4) : 0;
    client_id(generator, command, &cancel->client_id_bytes);
}

// ---- sessions, gateways, the ledger
// -------------------------------------------------------------------------

static void make_session(struct generator *generator, struct beside *beside)
{
    uint32_t session = 1 + below(generator, UNIVERSE_SESSIONS + (chance(generator, 20) ? 3 : 0));
    bool open = chance(generator, 2);
    struct command *command = start_session(
        generator, beside, open ? CMD_session_open : CMD_session_close, session);
    if (open)
        command->body.session_open.opened_session = session;
    else
        command->body.session_close = (struct session_close_cmd){
            .closed_session = session,
            .reason = chance(generator, 2) ? CANCEL_BY_OWNER : CANCEL_BY_VENUE};
}

static void make_gateway(struct generator *generator, struct beside *beside)
{
    uint8_t gateway = chance(generator, 2) ? GATEWAY_FIX : GATEWAY_WEB;
    if (chance(generator, 3)) {
        struct command *command = beside_start(beside, CMD_gateway_detach, GATEWAY_CORE);
        command->body.gateway_detach.gateway_id = gateway;
        command->body.gateway_detach.old_incarnation =
            beside->incarnations[gateway] - (chance(generator, 4) ? 1 : 0);
        return;
    }
    beside->incarnations[gateway] += chance(generator, 2) ? 1 : 0;
    beside_start(beside, CMD_gateway_attach, gateway);
}

static void make_ledger_post(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    struct ledger_post_cmd *post = &command->body.ledger_post;
    uint64_t last = beside->naive.references[REF_ADMIN].number;
    post->account = chance(generator, 60)
                        ? below(generator, 64) | 16
                        : UNIVERSE_ACCOUNT_FIRST + below(generator, UNIVERSE_ACCOUNTS);
    post->asset = chance(generator, 60) ? below(generator, 9)
                                        : 1 + below(generator, UNIVERSE_INSTRUMENTS + 1);
    post->kind = (uint8_t)(chance(generator, 60) ? below(generator, 9)
                           : chance(generator, 2) ? POSTING_DEPOSIT
                                                  : 1 + below(generator, 4));
    int64_t unit = post->asset == UNIVERSE_CASH ? 1000000 : post->asset == 4 ? 1000000 : 1;
    post->amount = (int64_t)below(generator, chance(generator, 3) ? 60000 : 9000) * unit;
    if (chance(generator, 200))
        post->amount = chance(generator, 2) ? INT64_MAX : ((int64_t)1 << 61) + 1;
    post->ref_source = REF_ADMIN;
    if (!chance(generator, 10))
        generator->post_number = last + 1 + below(generator, 2);
    post->ref_number =
        generator->post_number - (chance(generator, 20) && generator->post_number > 0 ? 1 : 0);
    post->ref_hash = post->ref_number * 7 + (chance(generator, 30) ? 1 : 0);
}

static void make_settlement(struct generator *generator, struct beside *beside)
{
    if (generator->trade_count == 0) {
        beside_start(beside, CMD_journal_digest, GATEWAY_CORE);
        return;
    }
    struct command *command = beside_start(beside, CMD_settlement_result, GATEWAY_SETTLE);
    struct settlement_result_cmd *result = &command->body.settlement_result;
    if (chance(generator, 20) && beside->naive.last_settlement.ref_number != 0) { // again
        *result = beside->naive.last_settlement;
        result->quantity += chance(generator, 3) ? 1 : 0;
        return;
    }
    uint32_t at = below(generator, generator->trade_count);
    struct open_trade *trade = &generator->trades[at];
    *result = trade->result;
    result->ref_number = ++generator->settle_number;
    if (trade->failed) {
        result->outcome = SETTLEMENT_RETRIED;
        trade->failed = false;
    } else if (chance(generator, 4)) {
        result->outcome = SETTLEMENT_FAILED;
        trade->failed = true;
    } else {
        result->outcome = SETTLEMENT_SETTLED;
        *trade = generator->trades[--generator->trade_count];
    }
    if (chance(generator, 100) && result->quantity < (int64_t)1 << 50)
        result->quantity *= 1000;
}

static void keep_trades(struct generator *generator, const struct beside *beside)
{
    for (uint32_t i = 0; i < beside->naive.event_count; i++) {
        const struct event *event = &beside->naive.events[i];
        const struct trade_evt *trade = &event->body.trade;
        bool full = generator->trade_count == GENERATOR_TRADES;
        if (event->header.type != EVT_trade || (full && trade->quantity < fortune / 2))
            continue;
        bool buys = trade->taker_side == SIDE_BUY;
        uint8_t scale = beside->naive.instruments[trade->instrument].terms.token_scale;
        wide value = (wide)trade->price * trade->quantity;
        for (uint8_t k = 0; k < scale; k++)
            value /= 10;
        struct open_trade *open =
            &generator->trades[full ? below(generator, GENERATOR_TRADES) : generator->trade_count];
        generator->trade_count += !full;
        open->failed = false;
        open->result = (struct settlement_result_cmd){
            .trade_id = trade_id_of(beside->sequence, i),
            .instrument = trade->instrument,
            .buyer_account = buys ? trade->taker_account : trade->maker_account,
            .seller_account = buys ? trade->maker_account : trade->taker_account,
            .quantity = trade->quantity,
            .proceeds = (int64_t)value - (buys ? trade->maker_fee : trade->taker_fee)};
    }
}

// ---- operators
// ---------------------------------------------------------------------------------------------

static void make_phase(struct generator *generator, struct beside *beside, uint32_t instrument)
{
    struct command *command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
    command->body.instrument_phase.phase =
        chance(generator, 2) ? PHASE_CONTINUOUS : (uint8_t)(1 + below(generator, 7));
    command->body.instrument_phase.instrument = instrument;
}

static void make_market_data(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = chance(generator, 200) ? 9 : random_instrument(generator);
    uint32_t known = instrument == 9 ? 1 : instrument;
    struct command *command = NULL;
    int64_t price = price_near(generator, beside, known, between(generator, -5, 5));
    switch (below(generator, 7)) {
    case 0:
        command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.nav = price + 1;
        command->body.nav_set.instrument = instrument;
        return;
    case 1:
        command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set.price = price + (chance(generator, 20) ? 1 : 0);
        command->body.reference_set.instrument = instrument;
        return;
    case 2:
        command = beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set.tripped = chance(generator, 4);
        command->body.breaker_set.instrument = instrument;
        return;
    default:
        make_phase(generator, beside, instrument);
        return;
    }
}

static void make_rules(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_instrument_rules_set, GATEWAY_ADMIN);
    uint32_t instrument = random_instrument(generator);
    int64_t lot = universe_instruments[instrument - 1].lot;
    command->body.instrument_rules_set = (struct instrument_rules_set_cmd){
        .instrument = chance(generator, 50) ? 9 : instrument,
        .volatility_bps = chance(generator, 3) ? 0 : 200 + below(generator, 800),
        .order_quantity_min = chance(generator, 3) ? lot * below(generator, 8) : 0,
        .order_notional_min = chance(generator, 3) ? below(generator, 5000000) : 0,
        .volatility_auction_ms = chance(generator, 5) ? 0 : 1 + below(generator, 15),
        .indicative_ms = chance(generator, 5) ? 0 : 1 + below(generator, 4)};
    if (chance(generator, 20))
        command->body.instrument_rules_set.order_quantity_min = -1;
    if (chance(generator, 20))
        command->body.instrument_rules_set.order_notional_min = -1;
}

static bool has_orders(const struct beside *beside, uint32_t instrument)
{
    for (uint32_t i = 0; i < beside->naive.order_top; i++)
        if (beside->naive.orders[i].id != 0 && beside->naive.orders[i].instrument == instrument)
            return true;
    return false;
}

static void make_tick_table(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = random_instrument(generator);
    int64_t tick = beside->naive.instruments[instrument].terms.tick;
    struct tick_band_tail bands[TICK_BANDS_MAX];
    uint32_t count = chance(generator, 3) ? 0 : 1 + below(generator, 4);
    int64_t from = (int64_t)below(generator, 20) * 8 * tick;
    int64_t before = tick;
    for (uint32_t i = 0; i < count; i++) {
        int64_t next = tick * (1 + below(generator, 4));
        from += (1 + below(generator, 3)) * 12 * tick;
        from -= from % (before * next);
        from += chance(generator, 40) ? 1 : before * next;
        bands[i] = (struct tick_band_tail){.from_price = from, .tick = next};
        if (chance(generator, 40))
            bands[i].tick = chance(generator, 2) ? next + 1 : 0;
        before = next;
    }
    struct command *command = beside_start(beside, CMD_tick_table_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_tick_table_set, count * sizeof(bands[0]));
    command->body.tick_table_set.instrument = chance(generator, 50) ? 9 : instrument;
    command->body.tick_table_set.band_count = count;
    memcpy(command_tail_writable(command), bands, count * sizeof(bands[0]));
}

// A tick table needs an instrument without orders: mostly they are cancelled first.
static void make_empty_or_tick_table(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = random_instrument(generator);
    if (!has_orders(beside, instrument) || chance(generator, 4)) {
        make_tick_table(generator, beside);
        return;
    }
    struct command *command = beside_start(beside, CMD_order_mass_cancel, GATEWAY_ADMIN);
    command->body.order_mass_cancel.scope = SCOPE_VENUE;
    command->body.order_mass_cancel.instrument = instrument;
}

static void make_schedule(struct generator *generator, struct beside *beside)
{
    struct schedule_entry_tail entries[SCHEDULE_ENTRIES_MAX] = {0};
    uint32_t count = chance(generator, 3) ? 0 : 1 + below(generator, 8);
    uint32_t time = below(generator, 86400000 / 2);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].time_of_day_ms = time;
        entries[i].phase = (uint8_t)(chance(generator, 100) ? below(generator, 10)
                                     : chance(generator, 2) ? PHASE_CONTINUOUS
                                                            : 1 + below(generator, 4));
        if (chance(generator, 3))
            entries[i].phase = (uint8_t)(PHASE_HALTED + below(generator, 2));
        time += chance(generator, 100) ? 0 : 1 + below(generator, 86400000 / 20);
    }
    struct command *command = beside_start(beside, CMD_schedule_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_schedule_set, count * sizeof(entries[0]));
    command->body.schedule_set = (struct schedule_set_cmd){
        .instrument = chance(generator, 50) ? 9 : random_instrument(generator),
        .weekdays = (uint8_t)(chance(generator, 20) ? 128 * below(generator, 2)
                                                    : 1 + below(generator, 127)),
        .entry_count = (uint8_t)count};
    memcpy(command_tail_writable(command), entries, count * sizeof(entries[0]));
}

// ---- who and what
// --------------------------------------------------------------------------------------------

static void make_account_set(struct generator *generator, struct beside *beside, uint32_t account)
{
    struct command *command = beside_start(beside, CMD_account_set, GATEWAY_ADMIN);
    uint8_t limits = chance(generator, 3) ? 0 : ACCOUNT_NO_LIMITS;
    command->body.account_set = (struct account_set_cmd){
        .account = account,
        .member = 1 + (account - UNIVERSE_ACCOUNT_FIRST) / 4,
        .kyc = chance(generator, 20) ? KYC_PENDING : KYC_APPROVED,
        .accreditation = (uint8_t)(1 + account % 3),
        .fatca = chance(generator, 20) ? FATCA_BLOCKED : FATCA_CLEAR,
        .flags = (uint8_t)(ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | limits),
        .fee_bps = chance(generator, 3) ? below(generator, 100) : FEE_BPS_DEFAULT};
    if (chance(generator, 20))
        command->body.account_set.flags = (uint8_t)below(generator, 16);
}

static void make_instrument_set(struct generator *generator, struct beside *beside,
                                uint32_t instrument)
{
    struct command *command = beside_start(beside, CMD_instrument_set, GATEWAY_ADMIN);
    struct instrument_rec terms = universe_instruments[instrument - 1];
    terms.cash_asset = UNIVERSE_CASH;
    terms.status = TOKEN_SECONDARY;
    terms.trading_mode = MODE_FULL_ORDERBOOK;
    if (chance(generator, 8))
        terms.status = (uint8_t)(1 + below(generator, 6));
    if (chance(generator, 8))
        terms.trading_mode = (uint8_t)(1 + below(generator, 3));
    if (chance(generator, 6))
        terms.collar_bps = below(generator, 2) * 30000;
    if (chance(generator, 3))
        terms.flags ^= INSTRUMENT_SELL_UNSETTLED;
    if (chance(generator, 10))
        terms.breaker_bps = 0;
    if (chance(generator, 20))
        terms.tick *= 2;
    if (chance(generator, 3))
        terms.fee_bps = 30;
    memcpy(&command->body, &terms, sizeof(terms));
}

static void make_reference_data(struct generator *generator, struct beside *beside)
{
    struct command *command = NULL;
    switch (below(generator, 12)) {
    case 0:
        command = beside_start(beside, CMD_venue_state, GATEWAY_ADMIN);
        command->body.venue_state.state = chance(generator, 6) ? VENUE_CANCEL_ONLY : VENUE_OPEN;
        return;
    case 1:
        command = beside_start(beside, CMD_member_set, GATEWAY_ADMIN);
        command->body.member_set = (struct member_set_cmd){
            .member = 1 + below(generator, UNIVERSE_MEMBERS), .suspended = chance(generator, 8)};
        return;
    case 2:
    case 3:
        make_instrument_set(generator, beside, random_instrument(generator));
        return;
    case 4:
    case 5:
        make_rules(generator, beside);
        return;
    case 6:
        make_empty_or_tick_table(generator, beside);
        return;
    case 7:
        make_schedule(generator, beside);
        return;
    default:
        make_account_set(generator, beside,
                         UNIVERSE_ACCOUNT_FIRST + below(generator, UNIVERSE_ACCOUNTS));
        return;
    }
}

// ---- making it right again
// -----------------------------------------------------------------------------------

static bool heal_instrument(struct generator *generator, struct beside *beside, uint32_t id)
{
    const struct naive_instrument *instrument = &beside->naive.instruments[id];
    const struct instrument_state_rec *state = &instrument->state;
    struct command *command = NULL;
    int64_t last = state->last_price - state->last_price % tick_at(beside, id, state->last_price);
    if (state->breaker_tripped && last > 0 && state->reference_price != last) {
        command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set =
            (struct reference_set_cmd){.instrument = id, .price = last};
        generator->middle[id] = last;
    } else if (state->breaker_tripped) {
        beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set.instrument = id;
    } else if (instrument->terms.status != TOKEN_SECONDARY ||
               instrument->terms.trading_mode != MODE_FULL_ORDERBOOK) {
        make_instrument_set(generator, beside, id);
    } else if (state->nav == 0 && (instrument->terms.flags & INSTRUMENT_NAV_REQUIRED) != 0) {
        command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.instrument = id;
        command->body.nav_set.nav = 100000000;
    } else if (state->phase != PHASE_CONTINUOUS && chance(generator, 3)) {
        make_phase(generator, beside, id);
    } else {
        return false;
    }
    return true;
}

static bool heal_people(struct generator *generator, struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    const uint8_t wanted = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET;
    for (uint32_t member = 1; member <= UNIVERSE_MEMBERS; member++)
        if (naive->members[member].suspended) {
            beside_start(beside, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = member;
            return true;
        }
    for (uint32_t i = UNIVERSE_ACCOUNT_FIRST; i < UNIVERSE_ACCOUNT_FIRST + UNIVERSE_ACCOUNTS; i++)
        if (naive->accounts[i].kyc != KYC_APPROVED || naive->accounts[i].fatca != FATCA_CLEAR ||
            (naive->accounts[i].flags & (wanted | ACCOUNT_SUSPENDED)) != wanted) {
            make_account_set(generator, beside, i);
            return true;
        }
    return false;
}

// Makes one thing that keeps orders out right again, so that most of the time most orders can
// trade.
static bool heal(struct generator *generator, struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    for (uint8_t gateway = GATEWAY_FIX; gateway <= GATEWAY_WEB; gateway++)
        if (!naive->gateways[gateway].attached) {
            beside_start(beside, CMD_gateway_attach, gateway);
            return true;
        }
    if (naive->state != VENUE_OPEN) {
        beside_start(beside, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = VENUE_OPEN;
        return true;
    }
    for (uint32_t i = 1; i <= UNIVERSE_INSTRUMENTS; i++)
        if (heal_instrument(generator, beside, i))
            return true;
    return heal_people(generator, beside);
}

// ---- a step
// ----------------------------------------------------------------------------------------------

static void make_command(struct generator *generator, struct beside *beside)
{
    if (chance(generator, 20) && heal(generator, beside))
        return;
    bool filling = beside->sequence / 4096 % 4 == 0; // few cancels: lists grow longer than a
                                                     // command's events
    bool whales = beside->sequence / 16384 % 16 == 5;
    uint32_t r = below(generator, 10000);
    if (whales && chance(generator, 3))
        make_whale_or_rich(generator, beside);
    else if (r < 5900 || (filling && r < 7000))
        make_order_new(generator, beside);
    else if (r < 7000)
        make_order_cancel(generator, beside);
    else if (r < 8300)
        make_order_amend(generator, beside);
    else if (r < 8900 && !whales)
        make_settlement(generator, beside);
    else if (r < 9300)
        make_ledger_post(generator, beside);
    else if (r < 9340)
        make_mass_cancel(generator, beside);
    else if (r < 9420)
        make_order_status(generator, beside);
    else if (r < 9460)
        make_session(generator, beside);
    else if (r < 9470)
        make_gateway(generator, beside);
    else if (r < 9800)
        make_market_data(generator, beside);
    else if (r < 9990)
        make_reference_data(generator, beside);
    else
        beside_start(beside, chance(generator, 2) ? CMD_journal_digest : CMD_clock_tick,
                     GATEWAY_CORE);
}

// Mostly microseconds; now and then to the next deadline, however far it is.
static void let_time_pass(struct generator *generator, struct beside *beside)
{
    uint64_t deadline = naive_deadline(&beside->naive);
    uint64_t next = beside->now + 1 + below(generator, 100000);
    if (chance(generator, 400) && deadline != UINT64_MAX && deadline > next)
        next = deadline + below(generator, 2000000);
    if (!chance(generator, 100)) // now and then the core is late
        beside_ticks(beside, next);
    if (next > beside->now + 1)
        beside->now = next - 1;
}

void generator_step(struct generator *generator, struct beside *beside)
{
    let_time_pass(generator, beside);
    make_command(generator, beside);
    beside_apply(beside);
    keep_trades(generator, beside);
}
