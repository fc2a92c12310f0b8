#include "tests/model/generator_parts.h"

// ---- making it right again

static bool heal_instrument(struct generator *generator, struct beside *beside, uint32_t id)
{
    const struct naive_instrument *instrument = &beside->naive.instruments[id];
    const struct instrument_state_rec *state = &instrument->state;
    struct command *command = NULL;
    int64_t last =
        state->last_price - state->last_price % some_tick_at(beside, id, state->last_price);
    if (state->breaker_tripped && last > 0 && state->reference_price != last) {
        command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set = (struct reference_set_cmd){.instrument = id, .price = last};
        generator->middle[id] = last;
    } else if (state->breaker_tripped) {
        beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set.instrument = id;
    } else if (instrument->terms.status != TOKEN_SECONDARY ||
               instrument->terms.trading_mode != MODE_FULL_ORDERBOOK) {
        make_instrument_set(generator, beside, id);
    } else if (state->nav == 0 && (instrument->terms.flags & INSTRUMENT_NAV_REQUIRED) != 0) {
        if (id == 2) { // it never has one
            make_instrument_set(generator, beside, id);
            return true;
        }
        command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.instrument = id;
        command->body.nav_set.nav = 100000000;
    } else if (state->phase != PHASE_CONTINUOUS && draw_chance(generator, 3)) {
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
    return heal_risk(generator, beside) || heal_people(generator, beside);
}

// ---- a step

static void make_command(struct generator *generator, struct beside *beside)
{
    if (generator->emptied != 0) {
        make_outsider(generator, beside, generator->emptied);
        generator->emptied = 0;
        return;
    }
    if (draw_chance(generator, 20) && heal(generator, beside))
        return;
    if (draw_chance(generator, 40) && make_risk(generator, beside))
        return;
    if (draw_chance(generator, 12)) {
        make_money(generator, beside);
        return;
    }
    if (draw_chance(generator, hoards_xvps(beside) ? 4 : 14)) {
        make_xvp(generator, beside);
        return;
    }
    bool fills = mood_fills(beside);
    bool whales = mood_of(beside) == WHALES;
    uint32_t r = draw_below(generator, 10000);
    if (whales && draw_chance(generator, 3))
        make_whale_or_rich(generator, beside);
    else if (r < 5900 || (fills && r < 7000))
        make_order_new(generator, beside);
    else if (r < 7000)
        make_order_cancel(generator, beside);
    else if (r < 8300)
        make_order_amend(generator, beside);
    else if (r < 8900 && !whales)
        make_settlement(generator, beside);
    else if (r < 9300)
        make_ledger_post(generator, beside);
    else if (r < 9340 && !fills)
        make_mass_cancel(generator, beside);
    else if (r < 9420)
        make_order_status(generator, beside);
    else if (r < 9460 && (!fills || draw_chance(generator, 8)))
        make_session(generator, beside);
    else if (r < 9470)
        make_gateway(generator, beside);
    else if (r < 9800)
        make_market_data(generator, beside);
    else if (r < 9990)
        make_reference_data(generator, beside);
    else
        beside_start(beside, draw_chance(generator, 2) ? CMD_journal_digest : CMD_clock_tick,
                     GATEWAY_CORE);
}

// Mostly microseconds; now and then to the next deadline, however far it is.
static void let_time_pass(struct generator *generator, struct beside *beside)
{
    uint64_t deadline = naive_deadline(&beside->naive);
    uint64_t next = beside->now + 1 + draw_below(generator, 100000);
    const uint64_t far_away_ns = (uint64_t)200 * 366 * 86400 * 1000000000; // 2170
    uint32_t rarely = mood_fills(beside) && mood_of(beside) == DATED ? 3000 : 400;
    bool late = draw_chance(generator, 100); // the core, now and then
    if (mood_of(beside) == DATED && !mood_fills(beside) && draw_chance(generator, 100)) {
        late = draw_chance(generator, 2);
        next = (beside->now | 0xffffffff) + 4; // when all those dates have come
    } else if (draw_chance(generator, rarely) && deadline != UINT64_MAX && deadline > next)
        next = deadline + draw_below(generator, 2000000);
    else if (draw_chance(generator, 20000) && next < far_away_ns) // other days and months
        next += (uint64_t)draw_below(generator, 40 * 86400) * 1000000000;
    if (!late)
        beside_ticks(beside, next);
    if (next > beside->now + 1)
        beside->now = next - 1;
}

void generator_step(struct generator *generator, struct beside *beside)
{
    beside->follow = keep_trades;
    beside->follower = generator;
    let_time_pass(generator, beside);
    make_command(generator, beside);
    make_it_by_two(generator, beside);
    beside_apply(beside);
}
