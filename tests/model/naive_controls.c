// Controls of instruments in the naive venue (docs/risk.md, 4): what operators set, who may buy and
// how much, how old a NAV may be, how far a trade may be from the last one.
#include "tests/model/naive_parts.h"

// ---- what operators set

static bool controls_refused(struct naive_venue *venue,
                             const struct instrument_controls_rec *controls)
{
    uint32_t part = controls->concentration_bps;
    REFUSE_IF(controls->nav_stale_action > NAV_STALE_REFUSE, CONTROLS, 0,
              controls->nav_stale_action, 5)
    REFUSE_IF(controls->investor_types > 7, CONTROLS, 0, controls->investor_types, 6)
    REFUSE_IF(part > 10000 || (part > 0 && controls->supply == 0), CONTROLS, 0, part, 8)
    REFUSE_IF(controls->position_max < 0, CONTROLS, 0, controls->position_max, 9)
    REFUSE_IF(controls->supply < 0, CONTROLS, 0, controls->supply, 10)
    return false;
}

void naive_controls_set(struct naive_venue *venue)
{
    struct instrument_controls_rec controls;
    memcpy(&controls, &venue->command->body, sizeof(controls));
    if (naive_instrument_refused(venue, controls.instrument) || controls_refused(venue, &controls))
        return;
    venue->instruments[controls.instrument].controls = controls;
    memcpy(&naive_emit(venue, EVT_instrument_controls_changed)->body, &controls, sizeof(controls));
}

static bool codes_refused(struct naive_venue *venue, const uint16_t *codes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        REFUSE_IF(codes[i] < 1 || codes[i] > 999 || (i > 0 && codes[i] <= codes[i - 1]), CONTROLS,
                  0, codes[i], 100 + i)
    return false;
}

void naive_jurisdictions_set(struct naive_venue *venue)
{
    const struct jurisdictions_set_cmd *body = &venue->command->body.jurisdictions_set;
    uint16_t codes[JURISDICTIONS_MAX] = {0};
    memcpy(codes, command_tail(venue->command), body->code_count * sizeof(codes[0]));
    if (naive_instrument_refused(venue, body->instrument))
        return;
    if (body->mode > JURISDICTIONS_EXCEPT) {
        naive_reject(venue, REJECT_MALFORMED, 0, body->mode, 2);
        return;
    }
    if (codes_refused(venue, codes, body->code_count))
        return;
    struct naive_instrument *instrument = &venue->instruments[body->instrument];
    instrument->jurisdictions_mode = body->mode;
    instrument->code_count = body->code_count;
    memcpy(instrument->codes, codes, sizeof(codes));
    for (uint32_t i = 0; i < body->code_count || i == 0; i++)
        naive_emit(venue, EVT_jurisdiction_listed)->body.jurisdiction_listed =
            (struct jurisdiction_listed_evt){.instrument = body->instrument,
                                             .code = codes[i],
                                             .mode = body->mode,
                                             .index = (uint8_t)i,
                                             .count = body->code_count};
}

// ---- who may buy

static bool jurisdiction_refused(struct naive_venue *venue,
                                 const struct naive_instrument *instrument, uint16_t jurisdiction)
{
    bool listed = false;
    for (uint32_t i = 0; i < instrument->code_count; i++)
        listed = listed || instrument->codes[i] == jurisdiction;
    bool refused = (instrument->jurisdictions_mode == JURISDICTIONS_ONLY && !listed) ||
                   (instrument->jurisdictions_mode == JURISDICTIONS_EXCEPT && listed);
    REFUSE_IF(refused, JURISDICTION, 0, jurisdiction, instrument->jurisdictions_mode)
    return false;
}

bool naive_buyer_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    const struct account_rec *account = &venue->accounts[order->account];
    uint8_t types = instrument->controls.investor_types;
    if (order->side != SIDE_BUY)
        return false;
    if (jurisdiction_refused(venue, instrument, account->jurisdiction))
        return true;
    REFUSE_IF(types != 0 && (types >> (account->accreditation - 1) & 1) == 0, INVESTOR_TYPE, types,
              account->accreditation, 0)
    return false;
}

// ---- how much

// What the account has of the order's token, and what its open buys may bring.
static wide position_of(const struct naive_venue *venue, const struct naive_order *of)
{
    uint32_t token = venue->instruments[of->instrument].terms.token_asset;
    const struct balance_rec *balance = &venue->balances[of->account][token];
    wide position = (wide)balance->available + balance->held;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        if (order->id != 0 && order->account == of->account && order->side == SIDE_BUY &&
            venue->instruments[order->instrument].terms.token_asset == token)
            position += order->leaves;
    }
    return position;
}

bool naive_position_refused(struct naive_venue *venue, const struct naive_order *old,
                            const struct naive_order *order)
{
    const struct instrument_controls_rec *controls =
        &venue->instruments[order->instrument].controls;
    uint32_t part = controls->concentration_bps;
    if (order->side != SIDE_BUY)
        return false;
    wide position = position_of(venue, order) + order->leaves - (old != NULL ? old->leaves : 0);
    int64_t told = position > INT64_MAX ? INT64_MAX : (int64_t)position;
    REFUSE_IF(controls->position_max != 0 && position > controls->position_max, POSITION_MAX,
              controls->position_max, told, 0)
    REFUSE_IF(part != 0 && position * 10000 > (wide)controls->supply * part, CONCENTRATION, part,
              told, controls->supply)
    return false;
}

// ---- how old a NAV may be

static bool is_stale(const struct naive_venue *venue, const struct naive_instrument *instrument)
{
    uint64_t most = (uint64_t)instrument->controls.nav_stale_ms * 1000000;
    return instrument->state.nav != 0 && most != 0 &&
           venue->now - instrument->state.nav_time_ns > most;
}

static bool stale_nav_refused(struct naive_venue *venue, const struct naive_order *order,
                              uint8_t flags)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    uint8_t action = instrument->controls.nav_stale_action;
    uint64_t age_ms = (venue->now - instrument->state.nav_time_ns) / 1000000;
    bool asks = action == NAV_STALE_CONFIRM && (flags & ORDER_CONFIRM_NAV) == 0;
    if (asks)
        naive_confirm_remember(venue, order, flags | ORDER_CONFIRM_NAV);
    REFUSE_IF(asks || action == NAV_STALE_REFUSE, NAV_STALE, instrument->controls.nav_stale_ms,
              (int64_t)age_ms, action)
    return false;
}

bool naive_nav_refused(struct naive_venue *venue, const struct naive_order *order, uint8_t flags)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    const struct instrument_rec *terms = &instrument->terms;
    int64_t nav = instrument->state.nav;
    if (is_stale(venue, instrument))
        return stale_nav_refused(venue, order, flags);
    REFUSE_IF(nav == 0 && (terms->flags & INSTRUMENT_NAV_REQUIRED) != 0, NAV_MISSING, 0, 0, 0)
    bool asks = nav != 0 && terms->nav_confirm_bps != 0 && (flags & ORDER_CONFIRM_NAV) == 0 &&
                naive_too_far(order->price, nav, terms->nav_confirm_bps);
    if (asks)
        naive_confirm_remember(venue, order, flags | ORDER_CONFIRM_NAV);
    REFUSE_IF(asks, NAV_CONFIRM, terms->nav_confirm_bps, naive_bps_rounded_up(order->price, nav),
              nav)
    return false;
}

// ---- bands

// `last` as it was when the order that enters began to match.
bool naive_beyond_bands(const struct naive_instrument *instrument, int64_t price, int64_t last)
{
    uint32_t around_reference = instrument->rules.volatility_bps;
    uint32_t around_last = instrument->controls.dynamic_bps;
    int64_t reference = naive_guarded_by(instrument);
    return (around_reference != 0 && reference != 0 &&
            naive_too_far(price, reference, around_reference)) ||
           (around_last != 0 && last != 0 && naive_too_far(price, last, around_last));
}

// After an order has ended its matching: why it stopped (0: it did not), and whether it traded.
void naive_limit_state(struct naive_venue *venue, uint32_t id, uint8_t why, bool traded)
{
    struct naive_instrument *instrument = &venue->instruments[id];
    uint64_t *end_ns = &instrument->state.limit_state_end_ns;
    bool begins = why == CANCEL_BAND && *end_ns == 0;
    bool ends = why != CANCEL_BAND && why != CANCEL_BREAKER && traded && *end_ns != 0;
    if (begins)
        *end_ns = venue->now + (uint64_t)instrument->controls.limit_state_ms * 1000000;
    if (ends)
        *end_ns = 0;
    if (begins || ends)
        naive_state_changed(venue, id);
}
