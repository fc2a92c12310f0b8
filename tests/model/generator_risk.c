// Random commands of the controls of docs/risk.md, 1 to 5, with numbers near what is there: limits,
// controls of instruments, jurisdictions, rights, the kill switch; confirmations by reference.
#include "tests/model/generator_parts.h"

static uint32_t some_member(struct generator *generator)
{
    return 1 + draw_below(generator, UNIVERSE_MEMBERS);
}

static uint32_t some_known_account(struct generator *generator)
{
    return UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS);
}

// ---- limits

// Mostly off.
static bool is_set(struct generator *generator, const struct beside *beside)
{
    return draw_chance(generator, mood_fills(beside) ? 60 : 6);
}

static int64_t value_of(const struct beside *beside, const struct naive_order *order)
{
    wide value = (wide)order->price * order->leaves;
    for (uint8_t k = 0; k < beside->naive.instruments[order->instrument].terms.token_scale; k++)
        value /= 10;
    return (int64_t)value;
}

// What is open of a member (scope LIMIT_MEMBER) or of an account.
static uint32_t open_of(const struct beside *beside, uint8_t scope, uint32_t id, wide *value)
{
    uint32_t count = 0;
    *value = 0;
    for (uint32_t i = 0; i < beside->naive.order_top; i++) {
        const struct naive_order *order = &beside->naive.orders[i];
        uint32_t of =
            scope == LIMIT_MEMBER ? beside->naive.accounts[order->account].member : order->account;
        if (order->id == 0 || of != id)
            continue;
        count++;
        *value += value_of(beside, order);
    }
    return count;
}

static void think_of_exposure(struct generator *generator, const struct beside *beside,
                              struct limits_set_cmd *limits)
{
    const struct naive_venue *naive = &beside->naive;
    const struct naive_standing *standing = limits->scope == LIMIT_MEMBER
                                                ? &naive->of_members[limits->id]
                                                : &naive->of_accounts[limits->id];
    const struct naive_order *order = some_order(generator, beside);
    wide value = 0;
    uint32_t count = open_of(beside, limits->scope, limits->id, &value);
    value += (wide)standing->traded + (int64_t)draw_below(generator, 4000) * 1000000;
    if (is_set(generator, beside))
        limits->order_value_max = order != NULL && draw_chance(generator, 2)
                                      ? value_of(beside, order)
                                      : (1 + draw_below(generator, 2000)) * (int64_t)1000000;
    if (is_set(generator, beside))
        limits->daily_value_max = value > INT64_MAX ? INT64_MAX : (int64_t)value;
    if (is_set(generator, beside))
        limits->open_orders_max = 1 + count + draw_below(generator, 4);
}

static void think_of_flow(struct generator *generator, const struct beside *beside,
                          struct limits_set_cmd *limits)
{
    if (limits->scope != LIMIT_ACCOUNT && is_set(generator, beside)) {
        limits->messages_max = 3 + draw_below(generator, 20);
        limits->messages_ms = 1 + draw_below(generator, 2);
    }
    if (limits->scope == LIMIT_ACCOUNT && is_set(generator, beside))
        limits->duplicate_ms = 1 + draw_below(generator, 60);
    if (limits->scope == LIMIT_ACCOUNT && is_set(generator, beside)) {
        limits->executions_max = 1 + draw_below(generator, 6);
        limits->executions_ms = 1 + draw_below(generator, 20);
    }
    if (limits->scope == LIMIT_MEMBER && is_set(generator, beside))
        limits->flags |= LIMIT_STRICT_CONFIRM;
    if (limits->scope == LIMIT_MEMBER && is_set(generator, beside))
        limits->flags |= LIMIT_CUMULATIVE_INVESTMENT;
}

// One thing wrong with it; what a scope does not have, too.
static void spoil_limits(struct generator *generator, struct limits_set_cmd *limits)
{
    switch (draw_below(generator, 12)) {
    case 0:
        limits->scope = draw_chance(generator, 2) ? 0 : 4;
        break;
    case 1:
        limits->id = draw_chance(generator, 2) ? 0 : 77;
        break;
    case 2:
        limits->order_value_max = -1;
        break;
    case 3:
        limits->daily_value_max = limits->scope == LIMIT_SESSION ? 5 : -1;
        break;
    case 4:
        limits->messages_max = draw_below(generator, 2);
        break;
    case 5:
        limits->messages_ms = draw_below(generator, 2);
        break;
    case 6:
        limits->duplicate_ms = 1;
        break;
    case 7:
        limits->executions_max = draw_below(generator, 2);
        break;
    case 8:
        limits->executions_ms = draw_below(generator, 2);
        break;
    case 9:
        limits->open_orders_max += limits->scope == LIMIT_SESSION;
        break;
    case 10:
        limits->order_value_max += limits->scope == LIMIT_SESSION;
        break;
    default:
        limits->flags = (uint8_t)(1 + draw_below(generator, 4));
        break;
    }
}

static struct limits_set_cmd *start_limits(struct beside *beside, uint8_t scope, uint32_t id)
{
    struct command *command = beside_start(beside, CMD_limits_set, GATEWAY_ADMIN);
    command->body.limits_set = (struct limits_set_cmd){.scope = scope, .id = id};
    return &command->body.limits_set;
}

static void make_limits(struct generator *generator, struct beside *beside)
{
    uint8_t scope = (uint8_t)draw_between(generator, LIMIT_MEMBER, LIMIT_SESSION);
    uint32_t id = scope == LIMIT_MEMBER    ? some_member(generator)
                  : scope == LIMIT_ACCOUNT ? some_known_account(generator)
                                           : 1 + draw_below(generator, UNIVERSE_SESSIONS);
    struct limits_set_cmd *limits = start_limits(beside, scope, id);
    if (scope != LIMIT_SESSION)
        think_of_exposure(generator, beside, limits);
    think_of_flow(generator, beside, limits);
    if (draw_chance(generator, 15))
        spoil_limits(generator, limits);
}

// ---- controls of instruments

// Around what one account has, or could have next.
static int64_t some_position(struct generator *generator, const struct beside *beside,
                             uint32_t instrument)
{
    const struct instrument_rec *terms = &beside->naive.instruments[instrument].terms;
    const struct balance_rec *balance =
        &beside->naive.balances[some_known_account(generator)][terms->token_asset];
    return balance->available + balance->held + draw_below(generator, 200) * terms->lot;
}

static void think_of_buyers(struct generator *generator, const struct beside *beside,
                            struct instrument_controls_set_cmd *controls, uint32_t instrument)
{
    int64_t position = some_position(generator, beside, instrument);
    if (is_set(generator, beside))
        controls->investor_types = (uint8_t)(1 + draw_below(generator, 7));
    if (is_set(generator, beside))
        controls->position_max = position;
    if (is_set(generator, beside)) {
        controls->concentration_bps = 1 + draw_below(generator, 10000);
        wide supply = (wide)position * 10000 / controls->concentration_bps + 1;
        controls->supply = supply > INT64_MAX ? INT64_MAX : (int64_t)supply;
    }
}

static void spoil_controls(struct generator *generator,
                           struct instrument_controls_set_cmd *controls)
{
    switch (draw_below(generator, 6)) {
    case 0:
        controls->instrument = draw_chance(generator, 2) ? 0 : 9;
        break;
    case 1:
        controls->nav_stale_action = 3;
        break;
    case 2:
        controls->investor_types = 8;
        break;
    case 3:
        controls->position_max = -1;
        break;
    case 4:
        controls->supply = -1;
        break;
    default:
        controls->supply = draw_below(generator, 2);
        controls->concentration_bps = controls->supply != 0 ? 10001 : 1;
        break;
    }
}

static void make_controls(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = some_instrument(generator);
    struct command *command = beside_start(beside, CMD_instrument_controls_set, GATEWAY_ADMIN);
    struct instrument_controls_set_cmd *controls = &command->body.instrument_controls_set;
    controls->instrument = instrument;
    if (draw_chance(generator, 3))
        controls->dynamic_bps = 100 + draw_below(generator, 1000);
    if (draw_chance(generator, 2))
        controls->limit_state_ms = 1 + draw_below(generator, 15);
    if (draw_chance(generator, 2)) {
        controls->nav_stale_ms = 1 + draw_below(generator, 60);
        controls->nav_stale_action = (uint8_t)draw_below(generator, 3);
    }
    think_of_buyers(generator, beside, controls, instrument);
    if (draw_chance(generator, 15))
        spoil_controls(generator, controls);
}

// The accounts' are 1, 2 and 3.
static void make_jurisdictions(struct generator *generator, struct beside *beside)
{
    uint16_t codes[JURISDICTIONS_MAX];
    uint8_t count = 0;
    for (uint16_t code = 1; code <= 5; code++)
        if (draw_chance(generator, 2))
            codes[count++] = code;
    if (count > 0 && draw_chance(generator, 10))
        codes[draw_below(generator, count)] =
            draw_chance(generator, 2) ? (uint16_t)(1000 * draw_below(generator, 2)) : 1;
    struct command *command = beside_start(beside, CMD_jurisdictions_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_jurisdictions_set, count * sizeof(codes[0]));
    command->body.jurisdictions_set = (struct jurisdictions_set_cmd){
        .instrument = draw_chance(generator, 40) ? 9 : some_instrument(generator),
        .mode = (uint8_t)(is_set(generator, beside) ? 1 + draw_below(generator, 2) : 0),
        .code_count = count};
    if (draw_chance(generator, 40))
        command->body.jurisdictions_set.mode = 3;
    memcpy(command_tail_writable(command), codes, count * sizeof(codes[0]));
}

// ---- rights of sessions

static void start_session(struct generator *generator, struct beside *beside, uint32_t id,
                          bool all_rights)
{
    const struct session_rec *there = &beside->naive.sessions[id].terms;
    uint32_t accounts[2];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t rights = all_rights || !draw_chance(generator, 3) ? 0 : draw_below(generator, 8);
        accounts[i] = universe_account(id, i) | rights << SESSION_ACCOUNT_RIGHTS_SHIFT;
        if (!all_rights && draw_chance(generator, 30))
            accounts[i] |= (draw_chance(generator, 2) ? 8u : 255u) << SESSION_ACCOUNT_RIGHTS_SHIFT;
    }
    struct command *command = beside_start(beside, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(accounts));
    memcpy(&command->body.session_set, there, sizeof(*there));
    memcpy(command_tail_writable(command), accounts, sizeof(accounts));
}

static void make_rights(struct generator *generator, struct beside *beside)
{
    uint32_t id = 1 + draw_below(generator, UNIVERSE_SESSIONS);
    start_session(generator, beside, id, false);
}

// ---- the kill switch

static struct kill_set_cmd *start_kill(struct beside *beside, uint8_t scope, uint32_t id,
                                       uint8_t killed)
{
    struct command *command = beside_start(beside, CMD_kill_set, GATEWAY_ADMIN);
    command->body.kill_set = (struct kill_set_cmd){
        .scope = scope, .killed = killed, .id = id, .operator_id = 1 + (uint32_t)killed};
    return &command->body.kill_set;
}

static void spoil_kill(struct generator *generator, struct kill_set_cmd *kill)
{
    switch (draw_below(generator, 3)) {
    case 0:
        kill->scope = draw_chance(generator, 2) ? 0 : 5;
        break;
    case 1:
        kill->killed = 2;
        break;
    default:
        kill->id = draw_chance(generator, 2) ? ACCOUNT_TREASURY : 77;
        break;
    }
}

static bool make_kill(struct generator *generator, struct beside *beside)
{
    uint8_t scope = (uint8_t)draw_between(generator, KILL_ACCOUNT, KILL_VENUE);
    uint32_t ids[] = {[KILL_ACCOUNT] = some_known_account(generator),
                      [KILL_MEMBER] = some_member(generator),
                      [KILL_SESSION] = 1 + draw_below(generator, UNIVERSE_SESSIONS),
                      [KILL_VENUE] = 0};
    uint8_t killed = !draw_chance(generator, 5);
    if (mood_fills(beside) && !draw_chance(generator, 16))
        return false;
    struct kill_set_cmd *kill = start_kill(beside, scope, ids[scope], killed);
    if (draw_chance(generator, 8))
        spoil_kill(generator, kill);
    return true;
}

// ---- one of them

// False: nothing is made, where lists are to grow.
bool make_risk(struct generator *generator, struct beside *beside)
{
    switch (draw_below(generator, 12)) {
    case 0:
        return make_kill(generator, beside);
    case 1:
        make_jurisdictions(generator, beside);
        return true;
    case 2:
    case 3:
        make_rights(generator, beside);
        return true;
    case 4:
    case 5:
    case 6:
        make_controls(generator, beside);
        return true;
    default:
        make_limits(generator, beside);
        return true;
    }
}

// ---- making it right again

static bool heal_kill(struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    if (naive->killed) {
        (void)start_kill(beside, KILL_VENUE, 0, 0);
        return true;
    }
    for (uint32_t id = 1; id < NAIVE_ACCOUNTS; id++) {
        uint8_t scope = id < NAIVE_MEMBERS && naive->of_members[id].killed     ? KILL_MEMBER
                        : id < NAIVE_SESSIONS && naive->of_sessions[id].killed ? KILL_SESSION
                        : naive->of_accounts[id].killed                        ? KILL_ACCOUNT
                                                                               : 0;
        if (scope != 0) {
            (void)start_kill(beside, scope, id, 0);
            return true;
        }
    }
    return false;
}

static bool has_limits(const struct limits_rec *limits)
{
    const struct limits_rec none = {.scope = limits->scope, .id = limits->id};
    return memcmp(limits, &none, sizeof(none)) != 0;
}

// What is tripped; where lists are to grow, whatever has a limit.
static bool heal_limits(struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    bool all = mood_fills(beside);
    for (uint32_t id = 1; id < NAIVE_ACCOUNTS; id++) {
        const struct naive_standing *account = &naive->of_accounts[id];
        uint8_t scope =
            account->tripped || (all && has_limits(&account->limits)) ? LIMIT_ACCOUNT : 0;
        if (all && id < NAIVE_MEMBERS && has_limits(&naive->of_members[id].limits))
            scope = LIMIT_MEMBER;
        if (all && id < NAIVE_SESSIONS && has_limits(&naive->of_sessions[id].limits))
            scope = LIMIT_SESSION;
        if (scope != 0) {
            (void)start_limits(beside, scope, id);
            return true;
        }
    }
    return false;
}

static bool heal_rights(struct generator *generator, struct beside *beside)
{
    for (uint32_t id = 1; id <= UNIVERSE_SESSIONS; id++)
        for (uint32_t i = 0; i < 2; i++)
            if (beside->naive.sessions[id].rights[universe_account(id, i)] != RIGHTS_ALL) {
                start_session(generator, beside, id, true);
                return true;
            }
    return false;
}

static bool heal_nav(struct beside *beside)
{
    for (uint32_t id = 1; id <= UNIVERSE_INSTRUMENTS; id++) {
        const struct naive_instrument *instrument = &beside->naive.instruments[id];
        uint64_t most = (uint64_t)instrument->controls.nav_stale_ms * 1000000;
        if (most == 0 || instrument->controls.nav_stale_action != NAV_STALE_REFUSE ||
            instrument->state.nav == 0 || beside->now < instrument->state.nav_time_ns + most)
            continue;
        struct command *command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.instrument = id;
        command->body.nav_set.nav = instrument->state.nav;
        return true;
    }
    return false;
}

bool heal_risk(struct generator *generator, struct beside *beside)
{
    if (heal_kill(beside) || heal_nav(beside))
        return true;
    return draw_chance(generator, mood_fills(beside) ? 1 : 4) &&
           (heal_limits(beside) || heal_rights(generator, beside));
}

// ---- orders: again, and confirmed

// The last order of its account once more.
void think_of_it_again(struct generator *generator, const struct beside *beside,
                       struct order_new_terms_cmd *order)
{
    if (order->account >= NAIVE_ACCOUNTS)
        return;
    const struct naive_accepted *last = &beside->naive.of_accounts[order->account].last;
    if (last->id == 0 || last->type == ORDER_TRAILING_STOP || !draw_chance(generator, 6))
        return;
    bool limit = last->type == ORDER_LIMIT || last->type == ORDER_STOP_LIMIT;
    *order = (struct order_new_terms_cmd){.account = order->account,
                                          .instrument = last->instrument,
                                          .side = last->side,
                                          .type = last->type,
                                          .tif = last->tif,
                                          .flags = order->flags & 3,
                                          .stp = order->stp,
                                          .price = limit ? last->price : 0,
                                          .quantity = last->quantity,
                                          .stop_price = last->stop_price};
    if (last->tif == TIF_GTD)
        order->expire_ns = beside->now + 1 + draw_below(generator, 30000000);
}

static bool is_strict(const struct beside *beside, uint32_t account)
{
    if (account >= NAIVE_ACCOUNTS)
        return false;
    uint32_t member = beside->naive.accounts[account].member;
    return (beside->naive.of_members[member].limits.flags & LIMIT_STRICT_CONFIRM) != 0;
}

// A refusal of this account that may be confirmed: one of the last ones. NULL = there is none.
static const struct naive_confirm *some_refusal(struct generator *generator,
                                                const struct beside *beside, uint32_t account)
{
    uint64_t count = beside->naive.confirm_count;
    uint64_t back = draw_chance(generator, 10) ? draw_below(generator, NAIVE_CONFIRMS)
                                               : draw_below(generator, 4);
    for (uint64_t i = back; i < back + 16 && i < count && i < NAIVE_CONFIRMS; i++) {
        const struct naive_confirm *confirm =
            &beside->naive.confirms[(count - 1 - i) % NAIVE_CONFIRMS];
        if (confirm->account == account)
            return confirm;
    }
    return NULL;
}

static int64_t some_other_price(struct generator *generator, const struct beside *beside,
                                const struct naive_confirm *confirm)
{
    int64_t tick = some_tick_at(beside, confirm->instrument, confirm->price);
    int64_t price = confirm->price + draw_between(generator, -1, 1) * tick;
    return price > 0 ? price : confirm->price;
}

// One thing of the confirmation is wrong.
static void spoil_confirmation(struct generator *generator, const struct beside *beside,
                               struct order_new_terms_cmd *order)
{
    switch (draw_below(generator, 6)) {
    case 0:
        order->confirm_ref = draw_chance(generator, 2) ? 0 : order->confirm_ref + 1;
        break;
    case 1:
        order->side = (uint8_t)(SIDE_BUY + SIDE_SELL - order->side);
        break;
    case 2:
        order->account ^= 1; // the other one of its session
        break;
    case 3: // one that has left the memory, perhaps
        order->confirm_ref = beside->naive.confirms[draw_below(generator, NAIVE_CONFIRMS)].reject;
        break;
    default:
        order->flags |= ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
        break;
    }
}

// Members in strict mode ask first, and then confirm what was refused: as it was, or nearly so.
void think_of_confirmation(struct generator *generator, const struct beside *beside,
                           struct order_new_terms_cmd *order)
{
    if (!is_strict(beside, order->account)) {
        order->confirm_ref = draw_below(generator, 3);
        return;
    }
    const struct naive_confirm *confirm = some_refusal(generator, beside, order->account);
    if (!draw_chance(generator, 16))
        order->flags &= (uint8_t) ~(ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV);
    if (confirm == NULL || draw_chance(generator, 2))
        return;
    *order = (struct order_new_terms_cmd){
        .account = order->account,
        .instrument = confirm->instrument,
        .side = confirm->side,
        .type = ORDER_LIMIT,
        .tif = TIF_DAY,
        .flags = confirm->grants,
        .price = confirm->price,
        .quantity = beside->naive.instruments[confirm->instrument].terms.lot *
                    (1 + draw_below(generator, 4)),
        .confirm_ref = confirm->reject};
    if (draw_chance(generator, 3))
        order->price = some_other_price(generator, beside, confirm);
    if (draw_chance(generator, 3))
        spoil_confirmation(generator, beside, order);
}

void think_of_amends_confirmation(struct generator *generator, const struct beside *beside,
                                  const struct naive_order *order, struct order_amend_cmd *amend)
{
    if (!is_strict(beside, order->account))
        return;
    const struct naive_confirm *confirm = some_refusal(generator, beside, order->account);
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    if (!draw_chance(generator, 16))
        amend->flags = 0;
    if (confirm == NULL || draw_chance(generator, 2))
        return;
    amend->flags = confirm->grants;
    amend->confirm_ref = confirm->reject;
    if (limit && order->instrument == confirm->instrument && !draw_chance(generator, 4))
        amend->price = some_other_price(generator, beside, confirm);
}
