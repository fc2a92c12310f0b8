// Universe: who and what there is in the simulated venue. Small, so that queues are deep, rings
// lapped and pools full; and inside the limits of the naive venue (tests/model), which judges.
#ifndef LONJA_SIM_UNIVERSE_H
#define LONJA_SIM_UNIVERSE_H

#include <stdint.h>

#include "base/config.h"

enum {
    CASH = 1, // the asset; of instrument i the token is asset i + 1
    INSTRUMENTS = 3,
    INSTRUMENT_ON_CHAIN = 1, // the others' tokens have no contract
    CLIENTS = 6,             // client c: session c + 1, account 16 + c
    ACCOUNT_FIRST = 16,
    ACCOUNTS_MAX = 31,
    ASSETS_MAX = 5,
    MEMBERS = 2,
    PRICE_TICK = 1000000, // 1.00
    CASH_DEPOSIT = 2000000000,
    TOKEN_DEPOSIT = 3000,
};

static inline uint32_t universe_session(unsigned client)
{
    return client + 1;
}
static inline uint32_t universe_account(unsigned client)
{
    return ACCOUNT_FIRST + client;
}
static inline unsigned universe_client_of(uint32_t account)
{
    return account - ACCOUNT_FIRST;
}

// Defaults, and the small limits; rings and segments by the seed.
void universe_config(struct config *config);

#endif
