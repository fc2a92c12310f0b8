// Numbers of the generator, the mood everybody is in, and what there is to choose from.
#include "tests/model/generator_parts.h"

// ---- moods
enum mood mood_of(const struct beside *beside)
{
    static const enum mood moods[] = {USUAL, DATED, USUAL, ONE_SESSION, ONE_HOLDER, STOPS,
                                      USUAL, CALL,  USUAL, DATED,       USUAL,      ONE_SESSION,
                                      USUAL, STOPS, USUAL, WHALES};
    return moods[beside->sequence / 4096 % 16];
}

// The last commands of a mood.
static bool mood_ends(const struct beside *beside)
{
    return beside->sequence % 4096 > 3800;
}

bool mood_fills(const struct beside *beside)
{
    enum mood mood = mood_of(beside);
    return mood != USUAL && mood != WHALES && !mood_ends(beside);
}

// ---- numbers

static uint64_t draw(struct generator *generator)
{
    generator->random += 0x9e3779b97f4a7c15u;
    uint64_t x = generator->random;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint32_t draw_below(struct generator *generator, uint32_t bound)
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

bool draw_chance(struct generator *generator, uint32_t one_in)
{
    return draw_below(generator, one_in) == one_in - 1;
}

int64_t draw_between(struct generator *generator, int64_t from, int64_t to)
{
    return from + draw_below(generator, (uint32_t)(to - from + 1));
}

// ---- what there is

int64_t some_tick_at(const struct beside *beside, uint32_t instrument, int64_t price)
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

// Nobody trades far from the last price: it has to come after the middle step by step.
static int64_t on_the_way(struct generator *generator, const struct beside *beside,
                          uint32_t instrument)
{
    int64_t middle = middle_of(generator, instrument);
    int64_t last = beside->naive.instruments[instrument].state.last_price;
    int64_t most = last / 5 * 2;
    bool far = last != 0 && (middle > last + most || middle < last - most);
    if (!far || draw_chance(generator, 2))
        return middle;
    return middle > last ? last + most : last - most;
}

// So many ticks from the middle; on tick, and above zero.
int64_t some_price_near(struct generator *generator, const struct beside *beside,
                        uint32_t instrument, int64_t ticks)
{
    int64_t middle = on_the_way(generator, beside, instrument);
    int64_t tick = some_tick_at(beside, instrument, middle);
    int64_t price = (middle / tick + ticks) * tick;
    tick = some_tick_at(beside, instrument, price > 0 ? price : 0);
    price -= price % tick;
    return price > 0 ? price : tick;
}

// An open order; NULL = there is none. Looks on from a random entry of the array.
const struct naive_order *some_order(struct generator *generator, const struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    if (naive->order_top == 0)
        return NULL;
    uint32_t at = draw_below(generator, naive->order_top);
    for (uint32_t i = 0; i < naive->order_top; i++) {
        const struct naive_order *order = &naive->orders[(at + i) % naive->order_top];
        if (order->id != 0)
            return order;
    }
    return NULL;
}

uint32_t some_account(struct generator *generator, uint32_t session)
{
    if (draw_chance(generator, 200))
        return draw_below(generator, NAIVE_ACCOUNTS + 8);
    return universe_account(session, draw_below(generator, 2));
}

uint32_t some_instrument(struct generator *generator)
{
    return 1 + draw_below(generator, UNIVERSE_INSTRUMENTS);
}

// ---- headers

// A command of a session: mostly by its gateway.
struct command *some_session(struct generator *generator, struct beside *beside, uint8_t type,
                             uint32_t session)
{
    uint8_t gateway = universe_gateway_of(session);
    if (draw_chance(generator, 300))
        gateway = GATEWAY_FIX + GATEWAY_WEB - gateway;
    struct command *command = beside_start(beside, type, gateway);
    command->header.session = draw_chance(generator, 400) ? draw_below(generator, 12) : session;
    command->header.session_seq = gateway == GATEWAY_FIX ? (uint32_t)beside->gateway_seq : 0;
    if (draw_chance(generator, 800))
        command->header.incarnation++;
    return command;
}

void some_client_id(struct generator *generator, struct command *command, uint8_t *bytes)
{
    *bytes =
        draw_chance(generator, 100) ? 0 : (uint8_t)(1 + draw_below(generator, CLIENT_ID_BYTES_MAX));
    command->header.slots = command_slots(command->header.type, *bytes);
    uint32_t first = draw_below(generator, 26);
    for (uint32_t i = 0; i < *bytes; i++)
        command_tail_writable(command)[i] = (char)('A' + (first + i) % 26);
    if (*bytes > 0 && draw_chance(generator, 500))
        command_tail_writable(command)[draw_below(generator, *bytes)] =
            draw_chance(generator, 2) ? '\n' : (char)0x7f;
}
