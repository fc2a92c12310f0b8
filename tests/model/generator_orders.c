// Random commands of members: orders, cancels, amends, mass cancels, status.
#include "tests/model/generator_parts.h"

// ---- new orders

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

static void think_of_type(struct generator *generator, struct idea *idea, enum mood mood)
{
    static const uint8_t types[] = {
        ORDER_LIMIT,  ORDER_LIMIT, ORDER_LIMIT, ORDER_LIMIT,      ORDER_LIMIT,         ORDER_LIMIT,
        ORDER_MARKET, ORDER_STOP,  ORDER_LIMIT, ORDER_STOP_LIMIT, ORDER_TRAILING_STOP, ORDER_LIMIT};
    static const uint8_t long_tifs[] = {TIF_DAY, TIF_GTC, TIF_GTD, TIF_DAY};
    static const uint8_t short_tifs[] = {TIF_IOC, TIF_FOK, TIF_IOC, TIF_AT_CLOSE};
    struct order_new_terms_cmd *order = &idea->order;
    order->type = types[draw_below(generator, sizeof(types))];
    if (mood == STOPS && !draw_chance(generator, 3))
        order->type = (uint8_t)draw_between(generator, ORDER_STOP, ORDER_TRAILING_STOP);
    order->tif = long_tifs[draw_below(generator, 4)];
    bool plain = order->type == ORDER_LIMIT || order->type == ORDER_MARKET;
    bool opening = idea->phase == PHASE_PRE_OPEN || idea->phase == PHASE_OPENING_AUCTION;
    if (mood == DATED || (mood == STOPS && draw_chance(generator, 2)))
        order->tif = mood == DATED ? TIF_GTD : TIF_GTC;
    else if (plain && idea->phase == PHASE_CONTINUOUS && draw_chance(generator, 3))
        order->tif = short_tifs[draw_below(generator, 4)];
    else if (plain && draw_chance(generator, 8))
        order->tif = opening ? TIF_AT_OPEN : TIF_AT_CLOSE;
    else if (plain && draw_chance(generator, 60))
        order->tif = (uint8_t)draw_below(generator, 8);
}

static void think_of_price(struct generator *generator, const struct beside *beside,
                           struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    bool shy = mood_fills(beside) && !draw_chance(generator, 10);
    int64_t away = draw_between(generator, shy ? 1 : -3, shy ? 12 : 6); // below 0: it may cross
    if (draw_chance(generator, 30))
        away = draw_between(generator, -40, 40);
    order->price = some_price_near(generator, beside, order->instrument, idea->buys ? -away : away);
    if (order->type != ORDER_LIMIT && order->type != ORDER_STOP_LIMIT)
        order->price = 0;
    int64_t beyond =
        draw_between(generator, shy ? 2 : -2, 8); // below 0: the market is there already
    if (order->type == ORDER_STOP || order->type == ORDER_STOP_LIMIT ||
        (order->type == ORDER_TRAILING_STOP && draw_chance(generator, 2)))
        order->stop_price =
            some_price_near(generator, beside, order->instrument, idea->buys ? beyond : -beyond);
    if (order->type == ORDER_STOP_LIMIT && !draw_chance(generator, 8)) {
        int64_t tick = some_tick_at(beside, order->instrument, order->stop_price);
        int64_t limit =
            order->stop_price + draw_between(generator, -1, 4) * (idea->buys ? tick : -tick);
        tick = some_tick_at(beside, order->instrument, limit > 0 ? limit : 0);
        order->price = limit > tick ? limit - limit % tick : tick;
    }
    if (order->type == ORDER_TRAILING_STOP)
        order->trail_offset = draw_between(generator, 1, 6) * idea->terms->tick;
}

static void think_of_quantity(struct generator *generator, struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    int64_t lot = idea->terms->lot;
    int64_t lots = 1 + draw_below(generator, idea->terms->instrument == 2 ? 5 : 120);
    if (draw_chance(generator, 40))
        lots = 1 + draw_below(generator, 6000);
    if (draw_chance(generator, 4))
        lots = 10;
    order->quantity = lots * lot;
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    if (limit && rests_long(order->tif) && lots > 1 && draw_chance(generator, 5))
        order->display_quantity = (1 + draw_below(generator, (uint32_t)(lots - 1)) / 3) * lot;
    if (order->tif == TIF_IOC && draw_chance(generator, 3))
        order->minimum_quantity = (1 + draw_below(generator, (uint32_t)lots)) * lot;
}

static void think_of_manners(struct generator *generator, const struct beside *beside,
                             struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    order->flags = draw_chance(generator, 12) ? (uint8_t)draw_below(generator, 4) : 3;
    if (order->type == ORDER_LIMIT && rests_long(order->tif) && draw_chance(generator, 9))
        order->flags |= ORDER_POST_ONLY;
    if (draw_chance(generator, 2))
        order->stp = (uint8_t)draw_below(generator, 5);
    if (draw_chance(generator, 4))
        order->self_match_id = 1 + draw_below(generator, 2);
    if (order->tif == TIF_GTD)
        order->expire_ns = mood_of(beside) == DATED && !draw_chance(generator, 8)
                               ? (beside->now | 0xffffffff) + draw_below(generator, 3)
                               : beside->now + 1 + draw_below(generator, 30000000);
}

static void spoil(struct generator *generator, struct idea *idea)
{
    struct order_new_terms_cmd *order = &idea->order;
    int64_t lot = idea->terms->lot;
    switch (draw_below(generator, 18)) {
    case 0:
        order->side = (uint8_t)draw_below(generator, 5);
        break;
    case 1:
        order->quantity = -(int64_t)draw_below(generator, 3);
        break;
    case 2:
        order->type = (uint8_t)draw_below(generator, 8);
        break;
    case 3:
        order->tif = (uint8_t)draw_below(generator, 10);
        break;
    case 4:
        order->price = order->price == 0 ? 1 : -(int64_t)draw_below(generator, 2);
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
        order->flags = (uint8_t)draw_below(generator, 20);
        break;
    case 9:
        order->stp = (uint8_t)draw_below(generator, 8);
        break;
    case 10:
        order->stop_price += (int64_t)draw_below(generator, 3) - 1;
        break;
    case 11:
        order->stop_price = draw_chance(generator, 2) ? INT64_MAX : (int64_t)1 << 61;
        break;
    case 12:
        order->trail_offset = draw_chance(generator, 3)   ? (int64_t)1 << 62
                              : draw_chance(generator, 2) ? (int64_t)1 << 60
                                                          : draw_below(generator, 2) + 1;
        break;
    case 13:
        order->display_quantity = draw_chance(generator, 2) ? order->quantity : -lot;
        break;
    case 14:
        order->minimum_quantity = order->quantity + lot;
        break;
    case 15:
        order->expire_ns = draw_chance(generator, 2) ? UINT64_MAX : draw_below(generator, 1000);
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

void make_order_new(struct generator *generator, struct beside *beside)
{
    struct idea idea = {0};
    enum mood mood = mood_of(beside);
    uint32_t session = 1 + draw_below(generator, UNIVERSE_SESSIONS);
    uint32_t instrument = some_instrument(generator);
    if ((mood == ONE_SESSION || mood == ONE_HOLDER) && !draw_chance(generator, 10))
        session = 2;
    if ((mood == CALL || mood == STOPS || mood == ONE_HOLDER) && !draw_chance(generator, 10))
        instrument = 1;
    idea.terms = &universe_instruments[instrument - 1];
    idea.phase = beside->naive.instruments[instrument].state.phase;
    idea.buys = draw_chance(generator, mood == ONE_HOLDER && session == 2 ? 12 : 2);
    generator->middle[instrument] +=
        ((int64_t)draw_below(generator, 3) - 1) * universe_instruments[instrument - 1].tick / 2;
    idea.order.account = some_account(generator, session);
    if (mood == ONE_HOLDER && session == 2)
        idea.order.account = universe_account(session, 0);
    idea.order.instrument = draw_chance(generator, 600) ? draw_below(generator, 9) : instrument;
    idea.order.side = idea.buys ? SIDE_BUY : SIDE_SELL;
    think_of_type(generator, &idea, mood);
    if (idea.order.instrument == instrument)
        think_of_price(generator, beside, &idea);
    think_of_quantity(generator, &idea);
    think_of_manners(generator, beside, &idea);
    think_of_it_again(generator, beside, &idea.order);
    think_of_confirmation(generator, beside, &idea.order);
    if (draw_chance(generator, 40))
        spoil(generator, &idea);
    bool with_terms = has_terms(&idea.order) || draw_chance(generator, 10);
    struct command *command =
        some_session(generator, beside, with_terms ? CMD_order_new_terms : CMD_order_new, session);
    memcpy(&command->body, &idea.order,
           with_terms ? sizeof(idea.order) : sizeof(command->body.order_new));
    some_client_id(generator, command, &command->body.order_new.client_id_bytes);
}

// Fortunes change hands, back and forth, until the counters of what is not settled are full.
static void make_whale(struct generator *generator, struct beside *beside)
{
    uint32_t session = draw_chance(generator, 2) ? 1 : 3;
    const struct instrument_state_rec *state = &beside->naive.instruments[3].state;
    struct command *command = some_session(generator, beside, CMD_order_new, session);
    struct order_new_cmd *order = &command->body.order_new;
    bool buys = session == 1 ? (beside->sequence >> 6 & 1) == 0 : (beside->sequence >> 6 & 1) != 0;
    int64_t price = state->last_price != 0 ? state->last_price : 100000000;
    price -= price % some_tick_at(beside, 3, price);
    *order = (struct order_new_cmd){.account = universe_account(session, 0),
                                    .instrument = 3,
                                    .side = buys ? SIDE_BUY : SIDE_SELL,
                                    .type = ORDER_LIMIT,
                                    .tif = TIF_DAY,
                                    .flags = 3,
                                    .price = price,
                                    .quantity = GENERATOR_FORTUNE};
    some_client_id(generator, command, &order->client_id_bytes);
}

void make_whale_or_rich(struct generator *generator, struct beside *beside)
{
    uint32_t account = universe_account(draw_chance(generator, 2) ? 1 : 3, 0);
    uint32_t asset = draw_chance(generator, 2) ? UNIVERSE_CASH : 4;
    if (beside->naive.balances[account][asset].available >= GENERATOR_FORTUNE ||
        !draw_chance(generator, 8)) {
        make_whale(generator, beside);
        return;
    }
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    uint64_t last = beside->naive.references[REF_ADMIN].number;
    command->body.ledger_post = (struct ledger_post_cmd){.account = account,
                                                         .asset = asset,
                                                         .amount = GENERATOR_FORTUNE,
                                                         .kind = POSTING_DEPOSIT,
                                                         .ref_source = REF_ADMIN,
                                                         .ref_number = last + 1};
}

// ---- cancel, amend, status

void make_order_cancel(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = some_order(generator, beside);
    uint32_t session = order != NULL ? order->session : 1;
    struct command *command = some_session(generator, beside, CMD_order_cancel, session);
    struct order_cancel_cmd *cancel = &command->body.order_cancel;
    cancel->order = order != NULL && !draw_chance(generator, 20)
                        ? order->id
                        : draw_below(generator, (uint32_t)beside->sequence % 100000 + 2);
    cancel->account = order != NULL && !draw_chance(generator, 50)
                          ? order->account
                          : some_account(generator, session);
    some_client_id(generator, command, &cancel->client_id_bytes);
}

static void amend_quantity(struct generator *generator, const struct naive_order *order,
                           struct order_amend_cmd *amend)
{
    int64_t lot = universe_instruments[order->instrument - 1].lot;
    int64_t lots = order->quantity / lot;
    int64_t most = lots < 1000 ? lots + 1 : 1000;
    amend->quantity = draw_chance(generator, 3) ? (lots + draw_between(generator, 1, 20)) * lot
                                                : draw_between(generator, 1, most) * lot;
    if (draw_chance(generator, 60))
        amend->quantity = draw_chance(generator, 2) ? amend->quantity + 1 : -lot;
}

static void amend_prices(struct generator *generator, const struct beside *beside,
                         const struct naive_order *order, struct order_amend_cmd *amend)
{
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    int64_t away = draw_between(generator, -5, 5);
    if (draw_chance(generator, 3) && (limit || draw_chance(generator, 20)))
        amend->price = draw_chance(generator, 4)
                           ? order->price
                           : some_price_near(generator, beside, order->instrument, away);
    if (draw_chance(generator, order->state == ORDER_STATE_PENDING_STOP ? 2 : 80))
        amend->stop_price = draw_chance(generator, 4)
                                ? order->stop_price
                                : some_price_near(generator, beside, order->instrument, away * 2);
    if (draw_chance(generator, order->display != 0 ? 2 : 80))
        amend->display_quantity =
            draw_between(generator, 1, 15) * universe_instruments[order->instrument - 1].lot;
    if (draw_chance(generator, 80))
        amend->price = draw_chance(generator, 2) ? amend->price + 1 : -1;
    if (draw_chance(generator, 80))
        amend->stop_price = draw_chance(generator, 2) ? amend->stop_price + 1 : -1;
    if (draw_chance(generator, 80))
        amend->display_quantity = draw_chance(generator, 2) ? amend->display_quantity + 1 : -1;
}

void make_order_amend(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = some_order(generator, beside);
    if (order == NULL) {
        make_order_new(generator, beside);
        return;
    }
    struct command *command = some_session(generator, beside, CMD_order_amend, order->session);
    struct order_amend_cmd *amend = &command->body.order_amend;
    amend->order = draw_chance(generator, 60) ? order->id + 1 : order->id;
    amend->account =
        draw_chance(generator, 50) ? some_account(generator, order->session) : order->account;
    amend->flags = draw_chance(generator, 12) ? (uint8_t)draw_below(generator, 5) : 3;
    if (draw_chance(generator, 2))
        amend_quantity(generator, order, amend);
    amend_prices(generator, beside, order, amend);
    think_of_amends_confirmation(generator, beside, order, amend);
    some_client_id(generator, command, &amend->client_id_bytes);
}

void make_order_status(struct generator *generator, struct beside *beside)
{
    const struct naive_order *order = some_order(generator, beside);
    uint32_t session = order != NULL ? order->session : 1;
    struct command *command = some_session(generator, beside, CMD_order_status, session);
    struct order_status_cmd *status = &command->body.order_status;
    if (order != NULL && draw_chance(generator, 2)) {
        status->order = draw_chance(generator, 10) ? order->id + 1 : order->id;
        status->account = order->account;
    } else {
        status->account = draw_chance(generator, 3) ? some_account(generator, session) : 0;
        status->instrument = draw_chance(generator, 3) ? draw_below(generator, 6) : 0;
        status->side = draw_chance(generator, 4) ? (uint8_t)draw_below(generator, 4) : 0;
    }
    some_client_id(generator, command, &status->client_id_bytes);
}

void make_mass_cancel(struct generator *generator, struct beside *beside)
{
    uint32_t session = 1 + draw_below(generator, UNIVERSE_SESSIONS);
    bool operator= draw_chance(generator, 4);
    struct command *command = operator
                                  ? beside_start(beside, CMD_order_mass_cancel, GATEWAY_ADMIN)
                                  : some_session(generator, beside, CMD_order_mass_cancel, session);
    struct order_mass_cancel_cmd *cancel = &command->body.order_mass_cancel;
    cancel->scope = operator? SCOPE_VENUE : session == 5 ? SCOPE_MEMBER : SCOPE_SESSION;
    if (draw_chance(generator, 10))
        cancel->scope = (uint8_t)draw_below(generator, 4);
    cancel->account = draw_chance(generator, 3) ? some_account(generator, session) : 0;
    cancel->instrument = draw_chance(generator, 3) ? draw_below(generator, 6) : 0;
    cancel->side = draw_chance(generator, 3) ? (uint8_t)draw_below(generator, 4) : 0;
    cancel->member = draw_chance(generator, operator? 3 : 30) ? draw_below(generator, 4) : 0;
    some_client_id(generator, command, &cancel->client_id_bytes);
}
