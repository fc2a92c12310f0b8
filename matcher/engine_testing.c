// The venue of the engine's tests: see engine_testing.h.
#include "matcher/engine_testing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- telling what was answered

static void tell(struct venue *venue, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct venue *venue, const char *format, ...)
{
    size_t used = strlen(venue->answer);
    va_list arguments;
    va_start(arguments, format);
    if (used > 0 && venue->answer[used - 1] != ' ')
        used += (size_t)snprintf(venue->answer + used, sizeof(venue->answer) - used, "; ");
    (void)vsnprintf(venue->answer + used, sizeof(venue->answer) - used, format, arguments);
    va_end(arguments);
}

static char name_of(uint32_t account)
{
    return account >= FIRST ? (char)('A' + account - FIRST) : '?';
}

static uint32_t number_of(const struct venue *venue, uint64_t order)
{
    for (uint32_t i = 1; i <= venue->order_count; i++)
        if (venue->orders[i] == order)
            return i;
    return 0;
}

static void tell_trade(struct venue *venue, const struct trade_evt *trade)
{
    tell(venue, "%c %s %ld @ %ld %s %c fee %ld saved %ld left %ld/%ld",
         name_of(trade->taker_account), trade->taker_side == SIDE_BUY ? "buys" : "sells",
         trade->quantity, trade->price, trade->taker_side == SIDE_BUY ? "from" : "to",
         name_of(trade->maker_account), trade->maker_fee + trade->taker_fee, trade->buyer_released,
         trade->taker_leaves, trade->maker_leaves);
}

static const char *const waiting_words[] = {
    [ORDER_STATE_OPEN] = "",
    [ORDER_STATE_PENDING_STOP] = " waits for its trigger",
    [ORDER_STATE_TRIGGERED] = " triggered",
    [ORDER_STATE_PENDING_CLOSE] = " waits for the close",
};

// Only what is not 0.
static void tell_terms(struct venue *venue, const struct order_terms_evt *terms)
{
    char text[256] = "";
    size_t used = 0;
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"stop", terms->stop_price},
                  {"trail", terms->trail_offset},
                  {"show", terms->display_quantity},
                  {"min", terms->minimum_quantity},
                  {"until", (int64_t)terms->expire_ns}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value != 0)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s %ld", fields[i].name,
                                     fields[i].value);
    tell(venue, "terms%s", text);
}

static void tell_triggered(struct venue *venue, const struct order_triggered_evt *triggered)
{
    tell(venue, "#%u triggered at %ld by %ld now %ld @ %ld releases %ld",
         number_of(venue, triggered->order), triggered->stop_price, triggered->trigger_price,
         triggered->leaves, triggered->price, triggered->released);
}

static void tell_status(struct venue *venue, const struct order_status_evt *status)
{
    tell(venue, "#%u is %ld of %ld @ %ld%s", number_of(venue, status->order), status->leaves,
         status->quantity, status->price, waiting_words[status->state]);
}

static void tell_corrected(struct venue *venue, const struct trade_corrected_evt *corrected)
{
    tell(venue, "corrected %ld for %ld fees %ld %ld lacking %ld and %ld, remains %ld",
         corrected->quantity, corrected->notional, corrected->buyer_fee, corrected->seller_fee,
         corrected->token_short, corrected->cash_short, corrected->new_quantity);
}

static const char *const xvp_steps[] = {
    "",        "created",   "approved", "revoked",  "executed", "cancelled", "expired",
    "refused", "uncovered", "settling", "returned", "revealed", "voted"};
static const char *const xvp_states[] = {"",          "created", "approving", "approved", "executed",
                                         "cancelled", "expired", "settling",  "armed"};

static void tell_xvp(struct venue *venue, const struct xvp_changed_evt *changed)
{
    tell(venue, "xvp %s is %s", xvp_steps[changed->step], xvp_states[changed->state]);
    if (changed->code != 0)
        tell(venue, "for %c %s %ld %ld %ld", name_of(changed->account),
             reject_entry(changed->code)->name, changed->limit, changed->value, changed->argument);
}

static void tell_xvp_posted(struct venue *venue, const struct xvp_posted_evt *posted)
{
    tell(venue, "%c %s %+ld held %+ld", name_of(posted->account),
         posted->asset == CASH ? "cash" : "token", posted->amount, posted->held_amount);
}

static const char *const proposal_words[] = {"", "open", "approved", "withdrawn", "failed"};

static void tell_event(struct venue *venue, const struct event *event)
{
    const struct rejected_evt *refused = &event->body.rejected;
    switch (event->header.type) {
    case EVT_order_accepted:
        venue->orders[++venue->order_count] = event->body.order_accepted.order;
        tell(venue, "#%u holds %ld%s", venue->order_count, event->body.order_accepted.held,
             waiting_words[event->body.order_accepted.state]);
        break;
    case EVT_trade:
        tell_trade(venue, &event->body.trade);
        break;
    case EVT_order_cancelled:
        tell(venue, "#%u cancelled %ld releases %ld reason %d",
             number_of(venue, event->body.order_cancelled.order),
             event->body.order_cancelled.quantity, event->body.order_cancelled.released,
             event->body.order_cancelled.reason);
        break;
    case EVT_order_amended:
        tell(venue, "#%u now %ld leaves %ld releases %ld%s",
             number_of(venue, event->body.order_amended.order), event->body.order_amended.quantity,
             event->body.order_amended.leaves, event->body.order_amended.released,
             event->body.order_amended.priority_kept ? " kept" : "");
        break;
    case EVT_order_terms:
        tell_terms(venue, &event->body.order_terms);
        break;
    case EVT_order_triggered:
        tell_triggered(venue, &event->body.order_triggered);
        break;
    case EVT_order_reduced:
        tell(venue, "#%u reduced to %ld leaves %ld releases %ld",
             number_of(venue, event->body.order_reduced.order), event->body.order_reduced.quantity,
             event->body.order_reduced.leaves, event->body.order_reduced.released);
        break;
    case EVT_order_refreshed:
        tell(venue, "#%u shows %ld", number_of(venue, event->body.order_refreshed.order),
             event->body.order_refreshed.displayed);
        break;
    case EVT_order_status:
        tell_status(venue, &event->body.order_status);
        break;
    case EVT_rejected:
        if (refused->code == REJECT_UNKNOWN_ORDER || refused->code == REJECT_NOT_OWNER)
            tell(venue, "%s #%u", reject_entry(refused->code)->name,
                 number_of(venue, (uint64_t)refused->value));
        else
            tell(venue, "%s %ld %ld %ld", reject_entry(refused->code)->name, refused->limit,
                 refused->value, refused->argument);
        break;
    case EVT_instrument_state:
        tell(venue, "phase %d breaker %d%s", event->body.instrument_state.phase,
             event->body.instrument_state.breaker_tripped,
             event->body.instrument_state.limit_state_end_ns != 0 ? " limit state" : "");
        break;
    case EVT_xvp_changed:
        tell_xvp(venue, &event->body.xvp_changed);
        break;
    case EVT_xvp_posted:
        tell_xvp_posted(venue, &event->body.xvp_posted);
        break;
    case EVT_xvp_move:
        tell(venue, "%c to %c %ld", name_of(event->body.xvp_move.from_account),
             name_of(event->body.xvp_move.to_account), event->body.xvp_move.amount);
        break;
    case EVT_proposal_changed:
        tell(venue, "proposal %s", proposal_words[event->body.proposal_changed.state]);
        break;
    case EVT_ledger_posted:
        tell(venue, "posted %ld", event->body.ledger_posted.amount);
        break;
    case EVT_deficit_changed:
        tell(venue, "%c owes %ld (%+ld)%s", name_of(event->body.deficit_changed.account),
             event->body.deficit_changed.deficit, event->body.deficit_changed.amount,
             event->body.deficit_changed.entered ? " entered" : "");
        break;
    case EVT_trade_corrected:
        tell_corrected(venue, &event->body.trade_corrected);
        break;
    case EVT_done:
        tell(venue, event->body.done.repeated ? "repeated" : "done %u", event->body.done.count);
        break;
    case EVT_session_closed:
        tell(venue, "session %u closed", event->body.session_closed.closed_session);
        break;
    case EVT_gateway_attached:
        tell(venue, "attached last %lu", event->body.gateway_attached.last_gateway_seq);
        break;
    default:
        tell(venue, "%s", event_name(event->header.type));
    }
}

// ---- saying

struct command *start(struct venue *venue, uint8_t type, uint8_t gateway)
{
    memset(&venue->command, 0, sizeof(venue->command));
    venue->command.header = (struct command_header){.slots = command_slots(type, 0),
                                                    .type = type,
                                                    .version = SCHEMA_VERSION,
                                                    .gateway = gateway,
                                                    .incarnation = 1,
                                                    .gateway_seq = venue->sequence + 1};
    return &venue->command;
}

static void apply_one(struct venue *venue)
{
    struct command_header *header = &venue->command.header;
    header->sequence = ++venue->sequence;
    header->time_ns = venue->sequence + venue->ahead_ns;
    assert_true(command_check(&venue->command));
    struct engine *twin = twin_load(venue);
    venue->sink.count = 0;
    engine_apply(venue->engine, &venue->command, &venue->sink);
    for (uint32_t i = 0; i < venue->sink.count; i++)
        tell_event(venue, &venue->events[i]);
    engine_check(venue->engine);
    twin_follow(venue, twin);
    fold_events(venue);
}

const char *apply(struct venue *venue)
{
    venue->answer[0] = '\0';
    apply_one(venue);
    return venue->answer;
}

static void take_continuation(struct venue *venue)
{
    struct command next;
    assert_true(engine_continuation(venue->engine, &next));
    memset(&venue->command, 0, sizeof(venue->command));
    memcpy(&venue->command, &next, (size_t)next.header.slots * SLOT_BYTES);
}

const char *apply_all(struct venue *venue)
{
    struct command next;
    apply(venue);
    while (engine_continuation(venue->engine, &next)) {
        strcat(venue->answer, " | ");
        take_continuation(venue);
        apply_one(venue);
    }
    return venue->answer;
}

struct command *start_session(struct venue *venue, uint8_t type, char who, uint8_t *bytes)
{
    bool web = who == 'C' || who == 'D';
    struct command *command = start(venue, type, web ? GATEWAY_WEB : GATEWAY_FIX);
    command->header.session = web ? 2 : who == 'E' ? 3 : 1;
    if (bytes != NULL) {
        *bytes = 4;
        command->header.slots = command_slots(type, *bytes);
        memcpy(command_tail_writable(command), "test", 4);
    }
    return command;
}

struct order_new_cmd *start_order(struct venue *venue, char who, uint8_t side, int64_t quantity,
                                  int64_t price)
{
    uint8_t bytes = 0;
    struct command *command = start_session(venue, CMD_order_new, who, &bytes);
    command->body.order_new =
        (struct order_new_cmd){.account = (uint32_t)(FIRST + who - 'A'),
                               .instrument = 1,
                               .side = side,
                               .type = price != 0 ? ORDER_LIMIT : ORDER_MARKET,
                               .client_id_bytes = bytes,
                               .price = price,
                               .quantity = quantity};
    return &command->body.order_new;
}

// ---- sentences

static void read_option(struct order_new_terms_cmd *order, const char *word)
{
    static const struct {
        const char *word;
        uint8_t tif;
    } tifs[] = {{"gtc", TIF_GTC}, {"ioc", TIF_IOC},      {"fok", TIF_FOK},
                {"gtd", TIF_GTD}, {"open", TIF_AT_OPEN}, {"close", TIF_AT_CLOSE}};
    long value = 0;
    for (size_t i = 0; i < sizeof tifs / sizeof tifs[0]; i++)
        if (strcmp(word, tifs[i].word) == 0)
            order->tif = tifs[i].tif;
    if (strcmp(word, "confirmed") == 0)
        order->flags |= ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    if (strcmp(word, "post") == 0)
        order->flags |= ORDER_POST_ONLY;
    if (sscanf(word, "until=%ld", &value) == 1) {
        order->tif = TIF_GTD;
        order->expire_ns = (uint64_t)value;
    }
    (void)(sscanf(word, "stop=%ld", &order->stop_price) ||
           sscanf(word, "trail=%ld", &order->trail_offset) ||
           sscanf(word, "show=%ld", &order->display_quantity) ||
           sscanf(word, "min=%ld", &order->minimum_quantity));
    if (sscanf(word, "stp=%ld", &value) == 1)
        order->stp = (uint8_t)value;
    if (sscanf(word, "self=%ld", &value) == 1)
        order->self_match_id = (uint32_t)value;
}

static uint8_t type_meant(const struct order_new_terms_cmd *order)
{
    if (order->trail_offset != 0)
        return ORDER_TRAILING_STOP;
    if (order->stop_price != 0)
        return order->price != 0 ? ORDER_STOP_LIMIT : ORDER_STOP;
    return order->price != 0 ? ORDER_LIMIT : ORDER_MARKET;
}

static void say_new(struct venue *venue, const char *words)
{
    struct order_new_terms_cmd order = {.instrument = 1};
    char text[128];
    char verb[16] = "";
    char who = 0;
    (void)snprintf(text, sizeof text, "%s", words);
    if (sscanf(words, "%c %15s %ld @ %ld", &who, verb, &order.quantity, &order.price) < 4)
        assert_int_equal(sscanf(words, "%c %15s %ld at", &who, verb, &order.quantity), 3);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        read_option(&order, word);
    bool terms = (order.stop_price | order.trail_offset | order.display_quantity |
                  order.minimum_quantity) != 0 ||
                 order.expire_ns != 0;
    uint8_t type = terms ? CMD_order_new_terms : CMD_order_new;
    struct command *command = start_session(venue, type, who, &order.client_id_bytes);
    order.account = (uint32_t)(FIRST + who - 'A');
    order.side = verb[0] == 'b' ? SIDE_BUY : SIDE_SELL;
    order.type = type_meant(&order);
    memcpy(&command->body, &order,
           terms ? sizeof(struct order_new_terms_cmd) : sizeof(struct order_new_cmd));
}

static void say_amend(struct venue *venue, const char *words)
{
    struct order_amend_cmd amend = {0};
    char text[128];
    char who = 0;
    long number = 0;
    int found =
        sscanf(words, "%c amends %ld to %ld @ %ld", &who, &number, &amend.quantity, &amend.price);
    assert_int_equal(found, 4);
    (void)snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        (void)(sscanf(word, "stop=%ld", &amend.stop_price) ||
               sscanf(word, "show=%ld", &amend.display_quantity));
        if (strcmp(word, "confirmed") == 0)
            amend.flags = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    }
    struct command *command = start_session(venue, CMD_order_amend, who, &amend.client_id_bytes);
    amend.order = venue->orders[number];
    amend.account = (uint32_t)(FIRST + who - 'A');
    command->body.order_amend = amend;
}

static void prepare(struct venue *venue, const char *words)
{
    char who = words[0];
    long number = 0;
    if (strstr(words, " amends ") != NULL)
        say_amend(venue, words);
    else if (strstr(words, "cancels all") != NULL)
        start_session(venue, CMD_order_mass_cancel, who, NULL);
    else if (strstr(words, "asks all") != NULL)
        start_session(venue, CMD_order_status, who, NULL);
    else if (sscanf(words, "%c asks %ld", &who, &number) == 2)
        start_session(venue, CMD_order_status, who, NULL)->body.order_status =
            (struct order_status_cmd){.order = venue->orders[number],
                                      .account = (uint32_t)(FIRST + who - 'A')};
    else if (sscanf(words, "%c cancels %ld", &who, &number) == 2)
        start_session(venue, CMD_order_cancel, who, NULL)->body.order_cancel =
            (struct order_cancel_cmd){.order = venue->orders[number],
                                      .account = (uint32_t)(FIRST + who - 'A')};
    else
        say_new(venue, words);
}

const char *say(struct venue *venue, const char *words)
{
    prepare(venue, words);
    return apply(venue);
}

const char *say_all(struct venue *venue, const char *words)
{
    prepare(venue, words);
    return apply_all(venue);
}

const char *go_on(struct venue *venue)
{
    take_continuation(venue);
    return apply(venue);
}

bool goes_on(const struct venue *venue)
{
    struct command next;
    return engine_continuation(venue->engine, &next);
}

void at(struct venue *venue, uint64_t time_ns)
{
    venue->ahead_ns = time_ns - (venue->sequence + 1);
}

void play(struct venue *venue, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(say(venue, lines[i].said), lines[i].answered);
}

// ---- what administrators say

const char *post(struct venue *venue, char who, uint32_t asset, uint8_t kind, int64_t amount)
{
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = (uint32_t)(FIRST + who - 'A'),
                                 .asset = asset,
                                 .amount = amount,
                                 .kind = kind,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = ++venue->number,
                                 .ref_hash = 9};
    return apply(venue);
}

const char *set_terms(struct venue *venue)
{
    memcpy(&start(venue, CMD_instrument_set, GATEWAY_ADMIN)->body, &venue->terms,
           sizeof(venue->terms));
    return apply(venue);
}

const char *set_account(struct venue *venue, char who)
{
    memcpy(&start(venue, CMD_account_set, GATEWAY_ADMIN)->body, &venue->accounts[who - 'A'],
           sizeof(struct account_rec));
    return apply(venue);
}

const char *set_price(struct venue *venue, uint8_t type, int64_t price)
{
    struct command *command = start(venue, type, GATEWAY_ADMIN);
    command->body.nav_set = (struct nav_set_cmd){.instrument = 1, .nav = price};
    return apply(venue); // reference_set has the same layout
}

const char *set_phase(struct venue *venue, uint8_t phase)
{
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = phase};
    return apply(venue);
}

const char *set_breaker(struct venue *venue, uint8_t tripped)
{
    start(venue, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set =
        (struct breaker_set_cmd){.instrument = 1, .tripped = tripped};
    return apply(venue);
}

const char *set_venue(struct venue *venue, uint8_t state)
{
    start(venue, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = state;
    return apply(venue);
}

const char *set_member(struct venue *venue, uint8_t suspended)
{
    start(venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set =
        (struct member_set_cmd){.member = 1, .suspended = suspended};
    return apply(venue);
}

const char *settle(struct venue *venue, uint8_t outcome, int64_t quantity, int64_t proceeds)
{
    start(venue, CMD_settlement_result, GATEWAY_SETTLE)->body.settlement_result =
        (struct settlement_result_cmd){.trade_id = 1,
                                       .ref_number = ++venue->number,
                                       .instrument = 1,
                                       .buyer_account = FIRST,
                                       .seller_account = FIRST + 2,
                                       .outcome = outcome,
                                       .quantity = quantity,
                                       .proceeds = proceeds};
    return apply(venue);
}

const char *set_session(struct venue *venue, uint32_t session, uint8_t gateway, uint8_t flags)
{
    uint32_t accounts[2] = {FIRST + (session - 1) * 2, FIRST + (session - 1) * 2 + 1};
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(accounts));
    command->body.session_set = (struct session_set_cmd){
        .session = session, .member = 1, .gateway = gateway, .flags = flags, .account_count = 2};
    memcpy(command_tail_writable(command), accounts, sizeof(accounts));
    return apply(venue);
}

const struct engine_limits limits = {.accounts_max = ACCOUNTS,
                                     .members_max = 2,
                                     .sessions_max = 4,
                                     .session_accounts_max = 6,
                                     .assets_max = ASSETS,
                                     .instruments_max = 6,
                                     .balances_max = 16,
                                     .orders_max = 100,
                                     .levels_max = 16,
                                     .stops_max = 12,
                                     .trailing_stops_max = 4,
                                     .fees_max = 5,
                                     .command_events_max = EVENTS};

static void set_up_reference_data(struct venue *venue)
{
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++) {
        start(venue, CMD_gateway_attach, gateway);
        apply(venue);
    }
    for (uint32_t asset = CASH; asset <= TOKEN; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = asset == CASH ? ASSET_CASH : ASSET_TOKEN,
                                   .scale = asset == CASH ? 6 : 0};
        assert_string_equal(apply(venue), "asset_changed");
    }
    assert_string_equal(set_member(venue, 0), "member_changed");
    venue->terms = (struct instrument_rec){.instrument = 1,
                                           .token_asset = TOKEN,
                                           .cash_asset = CASH,
                                           .status = TOKEN_SECONDARY,
                                           .trading_mode = MODE_FULL_ORDERBOOK,
                                           .flags = INSTRUMENT_SELL_UNSETTLED,
                                           .tick = 1,
                                           .lot = 1,
                                           .fat_finger_block_bps = 5000,
                                           .fat_finger_confirm_bps = 1000,
                                           .nav_confirm_bps = 2000,
                                           .collar_bps = 500,
                                           .fee_bps = 100};
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
    assert_string_equal(set_phase(venue, PHASE_CONTINUOUS), "phase 4 breaker 0");
}

int open_venue(void **state)
{
    struct venue *venue = calloc(1, sizeof(*venue));
    size_t bytes = engine_bytes(&limits);
    venue->memory = aligned_alloc(64, bytes);
    venue->twin_memory = aligned_alloc(64, bytes);
    memset(venue->memory, 0, bytes);
    venue->engine = engine_init(venue->memory, &limits);
    venue->traded = (struct posting_terms){.token_asset = TOKEN, .cash_asset = CASH};
    venue->sink = (struct event_sink){.events = venue->events, .mask = EVENTS - 1};
    set_up_reference_data(venue);
    for (char who = 'A'; who <= 'D'; who++) {
        venue->accounts[who - 'A'] =
            (struct account_rec){.account = (uint32_t)(FIRST + who - 'A'),
                                 .member = 1,
                                 .kyc = KYC_APPROVED,
                                 .accreditation = ACCREDITATION_RETAIL,
                                 .fatca = FATCA_CLEAR,
                                 .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET,
                                 .fee_bps = FEE_BPS_DEFAULT};
        assert_string_equal(set_account(venue, who), "account_changed");
        assert_string_equal(post(venue, who, CASH, POSTING_DEPOSIT, 100000), "posted 100000");
        assert_string_equal(post(venue, who, TOKEN, POSTING_DEPOSIT, 1000), "posted 1000");
    }
    set_session(venue, 1, GATEWAY_FIX, 0);
    set_session(venue, 2, GATEWAY_WEB, SESSION_CANCEL_ON_DISCONNECT);
    assert_string_equal(set_venue(venue, VENUE_OPEN), "venue_state_changed");
    *state = venue;
    return 0;
}

int open_xvp_venue(void **state)
{
    const uint32_t accounts[2] = {FIRST, FIRST + 1};
    open_venue(state);
    struct venue *venue = *state;
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(accounts));
    command->body.session_set = (struct session_set_cmd){
        .session = SESSION_OF_A, .member = 1, .gateway = GATEWAY_WEB, .account_count = 2};
    memcpy(command_tail_writable(command), accounts, sizeof(accounts));
    assert_string_equal(apply(venue), "session_changed; session_account; session_account");
    return 0;
}

int close_venue(void **state)
{
    struct venue *venue = *state;
    free(venue->memory);
    free(venue->twin_memory);
    free(venue);
    return 0;
}

struct balance_rec balance(const struct venue *venue, uint32_t account, uint32_t asset)
{
    struct balance_rec out = {0};
    (void)engine_balance(venue->engine, account, asset, &out);
    return out;
}
