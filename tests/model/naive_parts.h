// What the files of the naive venue know of each other.
#ifndef LONJA_TESTS_MODEL_NAIVE_PARTS_H
#define LONJA_TESTS_MODEL_NAIVE_PARTS_H

#include "base/assert.h"
#include "tests/model/naive_venue.h"

__extension__ typedef __int128 wide;

#define NAIVE_MONEY_MAX   ((int64_t)1 << 61)
#define NAIVE_COUNTER_MAX ((int64_t)1 << 62)

// ---- naive_events.c
uint32_t naive_room(const struct naive_venue *venue);
struct event *naive_emit(struct naive_venue *venue, uint8_t type);
void naive_reject(struct naive_venue *venue, uint16_t code, int64_t limit, int64_t value,
                  int64_t argument);
// Text that nobody can read: it is not repeated in the answer.
bool naive_client_id_is_plain(const struct command *command);
void naive_done(struct naive_venue *venue, uint8_t repeated, uint32_t count);
void naive_state_changed(struct naive_venue *venue, uint32_t instrument);

#define REFUSE_IF(condition, code, limit, value, argument)                                         \
    if (condition) {                                                                               \
        naive_reject(venue, REJECT_##code, limit, value, argument);                                \
        return true;                                                                               \
    }

// ---- naive_money.c
wide naive_notional(const struct naive_instrument *instrument, int64_t price, int64_t quantity);
int64_t naive_tick_at(const struct naive_instrument *instrument, int64_t price);
int64_t naive_bps_rounded_up(int64_t price, int64_t reference);
bool naive_too_far(int64_t price, int64_t reference, uint32_t bps);
int64_t naive_collar(const struct naive_instrument *instrument, uint8_t side, int64_t reference);
int64_t naive_judged_by(const struct naive_instrument *instrument);  // last, reference, NAV, or 0
int64_t naive_guarded_by(const struct naive_instrument *instrument); // reference, NAV, or 0
uint32_t naive_held_asset(const struct naive_venue *venue, const struct naive_order *order);
struct balance_rec *naive_held_in(struct naive_venue *venue, const struct naive_order *order);
int64_t naive_hold_of(const struct naive_venue *venue, const struct naive_order *order,
                      int64_t quantity);
// Held -> available.
void naive_release(struct naive_venue *venue, const struct naive_order *order, int64_t amount);
// Balances are opened by what may move them; true = there is no room for all, and answered.
bool naive_open_refused(struct naive_venue *venue, bool *const wanted[], uint32_t count);
void naive_open(bool *const wanted[], uint32_t count);
bool naive_counters_full(const struct naive_venue *venue, const struct naive_order *order,
                         int64_t price, int64_t quantity);
void naive_trade(struct naive_venue *venue, struct naive_order *maker, struct naive_order *taker,
                 int64_t price, int64_t quantity, uint8_t kind);

// ---- naive_book.c: who is where
struct naive_order *naive_add(struct naive_venue *venue, const struct naive_order *order);
void naive_erase(struct naive_venue *venue, struct naive_order *order);
struct naive_order *naive_find(struct naive_venue *venue, uint64_t id);
// The first of those in this state: the book and the stop book by price and place, the others by
// place. NULL = none.
struct naive_order *naive_first(struct naive_venue *venue, uint32_t instrument, uint8_t side,
                                uint8_t state);
// The one behind `order` in the same; NULL = none.
struct naive_order *naive_behind(struct naive_venue *venue, const struct naive_order *order);
uint32_t naive_levels(const struct naive_venue *venue);
// An order would find its level, or a free one.
bool naive_level_free(const struct naive_venue *venue, const struct naive_order *order,
                      uint8_t state);
bool naive_may_rest(const struct naive_order *order);
void naive_rest(struct naive_venue *venue, struct naive_order *order);
void naive_wait(struct naive_venue *venue, struct naive_order *order, uint8_t state);
void naive_show(struct naive_order *order);
// Tells, releases, and the order is gone.
void naive_cancel(struct naive_venue *venue, struct naive_order *order, uint8_t reason);
// The same, but the caller has still to erase it.
void naive_tell_cancelled(struct naive_venue *venue, struct naive_order *order, uint8_t reason);
void naive_book_changed(struct naive_venue *venue, uint32_t instrument);

// ---- naive_checks.c: true = refused, and answered
bool naive_session_refused(struct naive_venue *venue);
bool naive_account_refused(struct naive_venue *venue, uint32_t account, uint8_t right);
bool naive_instrument_refused(struct naive_venue *venue, uint32_t instrument);
// Of a member: the venue's own are unknown here.
bool naive_member_account_refused(struct naive_venue *venue, uint32_t account);
bool naive_entry_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body,
                         struct naive_order *order);
bool naive_amend_refused(struct naive_venue *venue, const struct naive_order *old,
                         struct naive_order *order);
bool naive_person_refused(struct naive_venue *venue, uint32_t account);
bool naive_barred(const struct naive_venue *venue, uint32_t account);
// All but IOC, FOK and, in continuous trading, market that is not at-close.
bool naive_needs_place(const struct naive_venue *venue, const struct naive_order *order);

// ---- naive_orders.c
void naive_order_new(struct naive_venue *venue);
void naive_order_cancel(struct naive_venue *venue);
void naive_order_amend(struct naive_venue *venue);
struct naive_order *naive_named_order(struct naive_venue *venue, uint64_t id, uint32_t account,
                                      uint8_t right);

// ---- naive_limits.c: those that refuse say so; `old` is the order before an amend, else NULL
struct naive_standing *naive_standing(struct naive_venue *venue, uint8_t scope, uint32_t id);
bool naive_limit_flag(const struct naive_venue *venue, uint32_t account, uint8_t flag);
void naive_limits_set(struct naive_venue *venue);
bool naive_throttle_refused(struct naive_venue *venue);
bool naive_value_limits_refused(struct naive_venue *venue, const struct naive_order *old,
                                const struct naive_order *order);
bool naive_executions_refused(struct naive_venue *venue, const struct naive_order *order);
bool naive_flow_limits_refused(struct naive_venue *venue, const struct naive_order *order);
void naive_remember_accepted(struct naive_venue *venue, const struct naive_order *order);
void naive_count_trade(struct naive_venue *venue, const struct naive_order *buy,
                       const struct naive_order *sell, int64_t value);

// ---- naive_controls.c: likewise
void naive_controls_set(struct naive_venue *venue);
void naive_jurisdictions_set(struct naive_venue *venue);
bool naive_buyer_refused(struct naive_venue *venue, const struct naive_order *order);
bool naive_position_refused(struct naive_venue *venue, const struct naive_order *old,
                            const struct naive_order *order);
bool naive_nav_refused(struct naive_venue *venue, const struct naive_order *order, uint8_t flags);
bool naive_beyond_bands(const struct naive_instrument *instrument, int64_t price, int64_t last);
void naive_limit_state(struct naive_venue *venue, uint32_t instrument, uint8_t why, bool traded);

// ---- naive_confirm.c
void naive_confirm_remember(struct naive_venue *venue, const struct naive_order *order,
                            uint8_t grants);
bool naive_confirm_refused(struct naive_venue *venue, const struct naive_order *order,
                           uint8_t flags, uint64_t reference);

// ---- naive_kill.c
void naive_kill_set(struct naive_venue *venue);
bool naive_kill_continues_with(const struct naive_venue *venue, const struct command *command);
bool naive_killed_refused(struct naive_venue *venue, uint32_t account);

// ---- naive_many.c
// The first open order that a mass cancel would cancel; NULL = none.
struct naive_order *naive_next_in_scope(struct naive_venue *venue, const struct command *asked);
void naive_mass_cancel(struct naive_venue *venue);
void naive_order_status(struct naive_venue *venue);
void naive_cancel_barred(struct naive_venue *venue);
bool naive_any_barred(const struct naive_venue *venue);

// ---- naive_match.c
bool naive_can_be_had(const struct naive_venue *venue, const struct naive_order *order,
                      int64_t quantity);
// Continuous trading: matches what is open of it; then it rests, is cancelled, or (if it may, and
// the events have run out) waits on.
void naive_enter(struct naive_venue *venue, struct naive_order *order, bool may_wait);

// ---- naive_stops.c
void naive_stops_on_trade(struct naive_venue *venue, uint32_t instrument, int64_t price);
void naive_stops_trigger(struct naive_venue *venue, uint32_t instrument, int64_t price);
bool naive_stop_met(const struct naive_venue *venue, const struct naive_order *order);
void naive_stops_run(struct naive_venue *venue, uint32_t instrument);

// ---- naive_auction.c
struct naive_auction {
    int64_t price, quantity, surplus;
    uint8_t surplus_side;
};
struct naive_auction naive_auction(struct naive_venue *venue, uint32_t instrument);
void naive_auction_tell(struct naive_venue *venue, uint32_t instrument,
                        const struct naive_auction *auction, uint8_t final);
bool naive_crossed(struct naive_venue *venue, uint32_t instrument);

// ---- naive_phase.c
bool naive_is_auction(uint8_t phase);
bool naive_is_call(uint8_t phase);
void naive_phase_change(struct naive_venue *venue, uint32_t instrument, uint8_t phase);
void naive_phase_go_on(struct naive_venue *venue);
void naive_phase_volatility(struct naive_venue *venue, uint32_t instrument);

// ---- naive_clock.c
struct naive_order *naive_first_expired(struct naive_venue *venue);
uint64_t naive_schedule_after(const struct naive_instrument *instrument, uint64_t time_ns);
void naive_clock_tick(struct naive_venue *venue);
void naive_expire(struct naive_venue *venue);

// ---- naive_people.c
void naive_gateway_attach(struct naive_venue *venue);
void naive_gateway_detach(struct naive_venue *venue, bool resumes);
void naive_session_open(struct naive_venue *venue);
void naive_session_close(struct naive_venue *venue);
void naive_session_set(struct naive_venue *venue);
void naive_member_set(struct naive_venue *venue);
void naive_account_set(struct naive_venue *venue);
bool naive_attached(struct naive_venue *venue);

// ---- naive_instruments.c
void naive_instrument_set(struct naive_venue *venue);
void naive_rules_set(struct naive_venue *venue);
void naive_tick_table_set(struct naive_venue *venue);
void naive_schedule_set(struct naive_venue *venue);
void naive_instrument_phase(struct naive_venue *venue);
void naive_nav_set(struct naive_venue *venue);
void naive_reference_set(struct naive_venue *venue);
void naive_breaker_set(struct naive_venue *venue);

// ---- naive_refusals.c: true = refused, and answered
bool naive_member_refused(struct naive_venue *venue, const struct member_rec *member);
bool naive_account_terms_refused(struct naive_venue *venue, const struct account_rec *account);
bool naive_asset_refused(struct naive_venue *venue, const struct asset_rec *asset);
bool naive_terms_refused(struct naive_venue *venue, const struct instrument_rec *terms);
bool naive_session_terms_refused(struct naive_venue *venue, const struct session_rec *terms);
struct naive_named { // by session_set
    uint32_t account, rights;
};
struct naive_named naive_named_account(const struct command *command, uint32_t index);

// ---- naive_fees.c
int64_t naive_fee(int64_t value, uint32_t bps);
// The rate that a buy's hold includes, from its entry on; 0 of a sell.
uint32_t naive_fees_held(const struct naive_venue *venue, const struct naive_order *order);
int64_t naive_fees_at_match(const struct naive_venue *venue, const struct naive_order *order,
                            bool maker, int64_t value);
void naive_fees_set(struct naive_venue *venue);

// ---- naive_deficit.c
void naive_deficit_grow(struct naive_venue *venue, uint32_t account, uint32_t asset, int64_t amount,
                        uint32_t counter_account);
void naive_deficit_pay(struct naive_venue *venue, uint32_t account, uint32_t asset, int64_t most);
void naive_deficit_covered(struct naive_venue *venue, uint32_t account, uint32_t asset,
                           int64_t amount);
bool naive_deficit_refused(struct naive_venue *venue, uint32_t account, uint32_t asset);
// If open orders hold this asset of the account, the next command looks after them.
void naive_uncover_next(struct naive_venue *venue, uint32_t account, uint32_t asset);
void naive_uncover(struct naive_venue *venue);

// ---- naive_correct.c
void naive_trade_correct(struct naive_venue *venue);

// ---- naive_xvp.c
void naive_xvp_create(struct naive_venue *venue);
void naive_xvp_act(struct naive_venue *venue);
bool naive_xvp_result_refused(struct naive_venue *venue);
void naive_xvp_result(struct naive_venue *venue);
uint64_t naive_xvp_deadline(const struct naive_venue *venue);
bool naive_xvp_expire(struct naive_venue *venue);
bool naive_xvp_uncover(struct naive_venue *venue, uint32_t account, uint32_t asset);

// ---- naive_proposal.c
// True if the command needs two persons here and has not come by an approval; it is answered. To be
// asked by the six commands of the rulebook, after all that they refuse.
bool naive_approval_refused(struct naive_venue *venue);
// limits_set needs two persons if this is true; before: all 0 where there were none.
bool naive_limits_raise(const struct limits_rec *before, const struct limits_rec *after);
void naive_venue_rules_set(struct naive_venue *venue);
void naive_propose(struct naive_venue *venue);
void naive_approve(struct naive_venue *venue);

// ---- naive_venue.c
// Applies venue->command, which is not one that goes on with pending work.
void naive_carry_out(struct naive_venue *venue);

// ---- naive_ledger.c
// True if the command is answered already: repeated, too old, or in conflict.
bool naive_reference_answered(struct naive_venue *venue, uint32_t source, uint64_t number,
                              uint64_t hash);
void naive_reference_keep(struct naive_venue *venue, uint32_t source, uint64_t number,
                          uint64_t hash);
void naive_ledger_post(struct naive_venue *venue);
void naive_settlement_result(struct naive_venue *venue);

#endif
