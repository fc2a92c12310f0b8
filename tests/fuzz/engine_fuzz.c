// libFuzzer: bytes become commands in the shapes of tests/model's generator, and go to the engine
// and to the naive venue side by side; the engine's invariants are walked after each input. The
// fuzzer follows the engine's branches, where the seeded generator only follows chance.
//
//   engine_fuzz [-max_total_time=10] [-seed=1] [FOLDER]     FOLDER keeps what reached new branches
//   engine_fuzz FILE                                        one input again
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/model/generator.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { STEPS_MAX = 200 }; // per input

static struct beside *beside, *beginning;
static struct generator *generator;
static void *engine_at_beginning;

static void set_phase(uint32_t instrument, uint8_t phase)
{
    struct command *command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
    command->body.instrument_phase.instrument = instrument;
    command->body.instrument_phase.phase = phase;
    beside_apply(beside);
}

// Everybody has something, and one instrument is in each kind of phase.
static void set_up_market(void)
{
    for (uint32_t i = 0; i < UNIVERSE_ACCOUNTS; i++)
        for (uint32_t asset = 1; asset <= UNIVERSE_INSTRUMENTS + 1; asset++)
            universe_deposit(beside, UNIVERSE_ACCOUNT_FIRST + i, asset, (int64_t)100000000000);
    universe_deposit(beside, ACCOUNT_SUSPENSE, UNIVERSE_CASH, 1); // for corrections
    set_phase(1, PHASE_CONTINUOUS);
    set_phase(2, PHASE_OPENING_AUCTION);
    set_phase(3, PHASE_PRE_OPEN);
}

static void open_all(void)
{
    const struct engine_limits limits = {.accounts_max = NAIVE_ACCOUNTS - 1,
                                         .members_max = NAIVE_MEMBERS - 1,
                                         .sessions_max = NAIVE_SESSIONS - 1,
                                         .session_accounts_max = 16,
                                         .assets_max = NAIVE_ASSETS - 1,
                                         .instruments_max = NAIVE_INSTRUMENTS - 1,
                                         .balances_max = NAIVE_ACCOUNTS * NAIVE_ASSETS,
                                         .orders_max = 60,
                                         .levels_max = 30,
                                         .stops_max = 20,
                                         .trailing_stops_max = 4,
                                         .fees_max = 6,
                                         .command_events_max = 40};
    beside = calloc(1, sizeof(*beside));
    beginning = calloc(1, sizeof(*beginning));
    generator = calloc(1, sizeof(*generator));
    ASSERT(beside != NULL && beginning != NULL && generator != NULL);
    beside->program = "engine_fuzz";
    beside->now = (uint64_t)1790000000 * 1000000000;
    beside_open(beside, &limits);
    universe_set_up(beside);
    set_up_market();
    beside->twin_every = 61; // from here on: a twin of the beginning would not be kept
    beside->twin_lives = 40;
    *beginning = *beside;
    engine_at_beginning = malloc(beside->engine_size);
    ASSERT(engine_at_beginning != NULL);
    memcpy(engine_at_beginning, beside->engine, beside->engine_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (beside == NULL)
        open_all();
    *beside = *beginning;
    memcpy(beside->engine, engine_at_beginning, beside->engine_size);
    memset(generator, 0, sizeof(*generator));
    if (count < 2)
        return 0;
    generator->random = bytes[0];
    for (uint32_t i = 0; i < bytes[1] % 64u; i++) // a market that chance has made
        generator_step(generator, beside);
    generator->bytes = bytes + 2;
    generator->bytes_left = count - 2;
    for (uint32_t i = 0; i < STEPS_MAX && generator->bytes_left > 0; i++)
        generator_step(generator, beside);
    beside_check(beside);
    return 0;
}
