// What the files of the generator know of each other.
#ifndef LONJA_TESTS_MODEL_GENERATOR_PARTS_H
#define LONJA_TESTS_MODEL_GENERATOR_PARTS_H

#include "tests/model/generator.h"

__extension__ typedef __int128 wide;

// What a whale trades: of the order of the bounds of the ledger.
#define GENERATOR_FORTUNE (((int64_t)1 << 58) / 1000000 * 1000000)

// Now and then, for some thousand commands, everybody does the same, and few things end: so that
// lists grow longer than a command has room for events.
enum mood { USUAL, DATED, ONE_SESSION, STOPS, CALL, WHALES, ONE_HOLDER };

// ---- generator_numbers.c
uint32_t draw_below(struct generator *generator, uint32_t bound);
bool draw_chance(struct generator *generator, uint32_t one_in);
int64_t draw_between(struct generator *generator, int64_t from, int64_t to);
int64_t some_tick_at(const struct beside *beside, uint32_t instrument, int64_t price);
int64_t some_price_near(struct generator *generator, const struct beside *beside,
                        uint32_t instrument, int64_t ticks);
const struct naive_order *some_order(struct generator *generator, const struct beside *beside);
uint32_t some_account(struct generator *generator, uint32_t session);
uint32_t some_instrument(struct generator *generator);
struct command *some_session(struct generator *generator, struct beside *beside, uint8_t type,
                             uint32_t session);
void some_client_id(struct generator *generator, struct command *command, uint8_t *bytes);
enum mood mood_of(const struct beside *beside);
bool mood_fills(const struct beside *beside);

// ---- generator_orders.c
void make_order_new(struct generator *generator, struct beside *beside);
void make_whale_or_rich(struct generator *generator, struct beside *beside);
void make_order_cancel(struct generator *generator, struct beside *beside);
void make_order_amend(struct generator *generator, struct beside *beside);
void make_order_status(struct generator *generator, struct beside *beside);
void make_mass_cancel(struct generator *generator, struct beside *beside);

// ---- generator_ledger.c
void make_session(struct generator *generator, struct beside *beside);
void make_gateway(struct generator *generator, struct beside *beside);
void make_ledger_post(struct generator *generator, struct beside *beside);
void make_settlement(struct generator *generator, struct beside *beside);
// beside.h: follows the events for open trades; the follower is the generator.
void keep_trades(void *follower, const struct event *event);

// ---- generator_money.c
// Something of chapters 6 to 9 of docs/risk.md.
void make_money(struct generator *generator, struct beside *beside);
void make_posting(struct generator *generator, struct beside *beside);
// Mostly the next number; now and then one that was used, with the same content or another.
void some_reference(struct generator *generator, const struct beside *beside, uint64_t *number,
                    uint64_t *hash);

// ---- generator_correct.c
const struct open_trade *some_failed_trade(struct generator *generator); // NULL = there is none
void make_correction(struct generator *generator, struct beside *beside);

// ---- generator_proposal.c
void make_of_two_persons(struct generator *generator, struct beside *beside);
// Of what was made, where it needs two persons: mostly it is proposed instead, or what was proposed
// like it is decided, so that what is to be made right again will be.
void make_it_by_two(struct generator *generator, struct beside *beside);
bool hoards_proposals(const struct beside *beside);

// ---- generator_xvp.c
void make_xvp(struct generator *generator, struct beside *beside);
bool hoards_xvps(const struct beside *beside);

// ---- generator_risk.c
bool make_risk(struct generator *generator, struct beside *beside);
bool heal_risk(struct generator *generator, struct beside *beside);
void think_of_it_again(struct generator *generator, const struct beside *beside,
                       struct order_new_terms_cmd *order);
void think_of_confirmation(struct generator *generator, const struct beside *beside,
                           struct order_new_terms_cmd *order);
void think_of_amends_confirmation(struct generator *generator, const struct beside *beside,
                                  const struct naive_order *order, struct order_amend_cmd *amend);

// ---- generator_operators.c
bool has_orders(const struct beside *beside, uint32_t instrument);
void make_outsider(struct generator *generator, struct beside *beside, uint32_t instrument);
void make_phase(struct generator *generator, struct beside *beside, uint32_t instrument);
void make_market_data(struct generator *generator, struct beside *beside);
void make_account_set(struct generator *generator, struct beside *beside, uint32_t account);
void make_instrument_set(struct generator *generator, struct beside *beside, uint32_t instrument);
void make_reference_data(struct generator *generator, struct beside *beside);

#endif
