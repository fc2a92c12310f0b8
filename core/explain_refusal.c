// Each code of the catalogue names the kinds of state that decide it (topics); of these, the
// records that concern the command's account, instrument, session, order are shown as the snapshot
// has them, so a new kind of record needs a row in record_topics and no more.
#include "core/explain_refusal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain_market.h"
#include "core/explain_record.h"
#include "core/explain_words.h"

enum topic {
    VENUE = 1 << 0,
    TERMS = 1 << 1, // of the instrument
    STATE = 1 << 2, // its phase, prices, NAV
    RULES = 1 << 3, // and auctions, ticks
    CONTROLS = 1 << 4,
    COUNTRIES = 1 << 5,
    PERSON = 1 << 6, // account and member
    SESSION = 1 << 7,
    LIMITS = 1 << 8, // of session, account, member; and what they have used
    BALANCE = 1 << 9,
    BOOK = 1 << 10,
    ORDER = 1 << 11,  // the one that was named
    ORDERS = 1 << 12, // how many, and their value
    KILL = 1 << 13,
    FEES = 1 << 14,
    CONFIRM = 1 << 15,
    PROPOSALS = 1 << 16, // and what needs two persons
    REFERENCES = 1 << 17,
    GATEWAYS = 1 << 18,
    ASSET = 1 << 19,
    CAPACITY = 1 << 20, // the engine's pools
    BOUGHT = 1 << 21,
    SCHEDULE = 1 << 22,
};

static const uint32_t topics_of[REJECT_CODE_MAX + 1] = {
    [REJECT_NOT_ATTACHED] = GATEWAYS,
    [REJECT_THROTTLED] = LIMITS | SESSION,
    [REJECT_VENUE_CANCEL_ONLY] = VENUE,
    [REJECT_UNKNOWN_SESSION] = SESSION,
    [REJECT_SESSION_WRONG_GATEWAY] = SESSION,
    [REJECT_ACCOUNT_NOT_OF_SESSION] = SESSION,
    [REJECT_UNKNOWN_ORDER] = ORDER,
    [REJECT_NOT_OWNER] = ORDER,
    [REJECT_ORDER_TYPE] = TERMS,
    [REJECT_OFF_TICK] = TERMS | RULES,
    [REJECT_OFF_LOT] = TERMS,
    [REJECT_QUANTITY_MAX] = TERMS,
    [REJECT_NOTIONAL_MAX] = TERMS,
    [REJECT_BREAKER_TRIPPED] = STATE | TERMS,
    [REJECT_FAT_FINGER_BLOCK] = TERMS | STATE,
    [REJECT_FAT_FINGER_CONFIRM] = TERMS | STATE | CONFIRM,
    [REJECT_NAV_CONFIRM] = TERMS | STATE | CONFIRM,
    [REJECT_NO_REFERENCE] = STATE,
    [REJECT_NAV_MISSING] = TERMS | STATE,
    [REJECT_NOTIONAL_MIN] = RULES,
    [REJECT_QUANTITY_MIN] = RULES,
    [REJECT_TOKEN_STATUS] = TERMS,
    [REJECT_TRADING_MODE] = TERMS,
    [REJECT_PHASE] = STATE | SCHEDULE,
    [REJECT_NO_WALLET] = PERSON,
    [REJECT_KYC] = PERSON,
    [REJECT_FATCA] = PERSON,
    [REJECT_NOT_ACTIVATED] = PERSON,
    [REJECT_MEMBER_SUSPENDED] = PERSON,
    [REJECT_INVESTMENT_LIMIT] = PERSON | LIMITS | BOUGHT | ORDERS,
    [REJECT_STOPS_MAX] = CAPACITY,
    [REJECT_INSUFFICIENT_BALANCE] = BALANCE | TERMS | FEES | ORDERS,
    [REJECT_OVERFLOW] = TERMS,
    [REJECT_NO_LIQUIDITY] = BOOK | STATE | TERMS,
    [REJECT_POST_ONLY_CROSSES] = BOOK | STATE,
    [REJECT_DISPLAY_QUANTITY] = TERMS | ORDER,
    [REJECT_ORDERS_MAX] = CAPACITY,
    [REJECT_LEVELS_MAX] = CAPACITY,
    [REJECT_ID_RANGE] = CAPACITY,
    [REJECT_BALANCES_MAX] = CAPACITY,
    [REJECT_MINIMUM_QUANTITY] = TERMS,
    [REJECT_TRAIL_OFFSET] = TERMS | STATE,
    [REJECT_TRAILING_MAX] = CAPACITY,
    [REJECT_REFERENCE_CONFLICT] = REFERENCES,
    [REJECT_REFERENCE_OLD] = REFERENCES,
    [REJECT_WITHDRAWAL_UNSETTLED] = BALANCE,
    [REJECT_INSTRUMENT_TERMS] = TERMS | ASSET,
    [REJECT_INSTRUMENT_BUSY] = TERMS | RULES | ORDERS,
    [REJECT_ASSET_TERMS] = ASSET,
    [REJECT_SETTLEMENT_MISMATCH] = BALANCE,
    [REJECT_TICK_TABLE] = TERMS | RULES,
    [REJECT_SCHEDULE] = SCHEDULE,
    [REJECT_MASS_SCOPE] = SESSION,
    [REJECT_AMEND_FIELD] = ORDER,
    [REJECT_INSTRUMENT_RULES] = RULES,
    [REJECT_NAV_STALE] = STATE | CONTROLS | CONFIRM,
    [REJECT_CONFIRM_REF] = CONFIRM | LIMITS,
    [REJECT_KILLED] = KILL,
    [REJECT_ACCOUNT_RIGHT] = SESSION,
    [REJECT_ORDER_VALUE_MAX] = LIMITS,
    [REJECT_DAILY_VALUE_MAX] = LIMITS | ORDERS,
    [REJECT_OPEN_ORDERS_MAX] = LIMITS | ORDERS,
    [REJECT_DUPLICATE_ORDER] = LIMITS,
    [REJECT_EXECUTIONS_MAX] = LIMITS,
    [REJECT_POSITION_MAX] = CONTROLS | BALANCE | ORDERS,
    [REJECT_CONCENTRATION] = CONTROLS | BALANCE | ORDERS,
    [REJECT_JURISDICTION] = COUNTRIES | PERSON,
    [REJECT_INVESTOR_TYPE] = CONTROLS | PERSON,
    [REJECT_DEFICIT] = BALANCE,
    [REJECT_TWO_PERSONS] = PROPOSALS,
    [REJECT_NEEDS_APPROVAL] = PROPOSALS,
    [REJECT_PROPOSAL] = PROPOSALS,
    [REJECT_PROPOSALS_MAX] = PROPOSALS,
    [REJECT_LIMITS] = LIMITS,
    [REJECT_CONTROLS] = CONTROLS | COUNTRIES,
    [REJECT_FEES] = FEES,
    [REJECT_FEES_MAX] = FEES | CAPACITY,
    [REJECT_CORRECTION] = BALANCE,
};

static const uint32_t record_topics[REC_COUNT] = {
    [REC_asset] = ASSET,
    [REC_instrument] = TERMS,
    [REC_instrument_rules] = RULES,
    [REC_tick_band] = RULES,
    [REC_schedule_entry] = SCHEDULE,
    [REC_instrument_controls] = CONTROLS,
    [REC_jurisdiction] = COUNTRIES,
    [REC_member] = PERSON,
    [REC_account] = PERSON,
    [REC_session] = SESSION,
    [REC_session_account] = SESSION,
    [REC_session_state] = LIMITS,
    [REC_gateway] = GATEWAYS,
    [REC_reference] = REFERENCES,
    [REC_balance] = BALANCE,
    [REC_order] = ORDER,
    [REC_order_terms] = ORDER,
    [REC_limits] = LIMITS,
    [REC_member_state] = LIMITS,
    [REC_account_state] = LIMITS,
    [REC_investment] = BOUGHT,
    [REC_fees] = FEES,
    [REC_kill] = KILL,
    [REC_venue_rules] = PROPOSALS,
    [REC_proposal] = PROPOSALS,
    [REC_confirm] = CONFIRM,
};

struct refusal_view {
    struct explain_answer *answer;
    const struct explain_view *before;
    const struct command *command;
    const struct rejected_evt *rejected;
    json_t *records;
    uint32_t account, member, instrument, session, asset, cash, token;
    uint64_t order;
};

// ---- whom it concerns

// Commands of operators name more than the event has room for.
static void concern_body(struct refusal_view *refusal)
{
    const struct command *command = refusal->command;
    switch (command->header.type) {
#define OF_INSTRUMENT(name)                                                                        \
    case CMD_##name:                                                                               \
        refusal->instrument = command->body.name.instrument;                                       \
        break
        OF_INSTRUMENT(instrument_set);
        OF_INSTRUMENT(instrument_rules_set);
        OF_INSTRUMENT(tick_table_set);
        OF_INSTRUMENT(schedule_set);
        OF_INSTRUMENT(instrument_controls_set);
        OF_INSTRUMENT(jurisdictions_set);
#undef OF_INSTRUMENT
    case CMD_fees_set:
        refusal->account = command->body.fees_set.account;
        refusal->instrument = command->body.fees_set.instrument;
        break;
    case CMD_ledger_post:
        refusal->account = command->body.ledger_post.account;
        refusal->asset = command->body.ledger_post.asset;
        break;
    case CMD_asset_set:
        refusal->asset = command->body.asset_set.asset;
        break;
    case CMD_session_set:
        refusal->session = command->body.session_set.session;
        break;
    case CMD_settlement_result:
        refusal->account = command->body.settlement_result.buyer_account;
        break;
    case CMD_trade_correct:
        refusal->account = command->body.trade_correct.buyer_account;
        refusal->instrument = command->body.trade_correct.instrument;
        break;
    case CMD_limits_set: {
        const struct limits_set_cmd *limits = &command->body.limits_set;
        uint32_t *whose = limits->scope == LIMIT_MEMBER    ? &refusal->member
                          : limits->scope == LIMIT_ACCOUNT ? &refusal->account
                                                           : &refusal->session;
        *whose = limits->id;
        break;
    }
    default:
        break;
    }
}

static void concern(struct refusal_view *refusal)
{
    refusal->account = refusal->rejected->account;
    refusal->instrument = refusal->rejected->instrument;
    refusal->order = refusal->rejected->order;
    refusal->session = refusal->command->header.session;
    concern_body(refusal);
    const struct order_rec *order =
        refusal->order != 0 ? explain_view_order(refusal->before, refusal->order, NULL) : NULL;
    if (refusal->instrument == 0 && order != NULL)
        refusal->instrument = order->instrument;
    const struct account_rec *account = explain_view_account(refusal->before, refusal->account);
    const struct instrument_rec *terms =
        explain_view_instrument(refusal->before, refusal->instrument);
    const struct snapshot_record *session =
        explain_view_find(refusal->before, REC_session, refusal->session);
    if (account != NULL)
        refusal->member = account->member;
    else if (session != NULL)
        refusal->member = session->body.session.member;
    if (terms != NULL) {
        refusal->cash = terms->cash_asset;
        refusal->token = terms->token_asset;
    }
}

static bool concerns_scope(const struct refusal_view *refusal, const struct snapshot_record *record)
{
    if (record->header.type == REC_limits) {
        const struct limits_rec *limits = &record->body.limits;
        return (limits->scope == LIMIT_MEMBER && limits->id == refusal->member) ||
               (limits->scope == LIMIT_ACCOUNT && limits->id == refusal->account) ||
               (limits->scope == LIMIT_SESSION && limits->id == refusal->session);
    }
    const struct explain_whose whose = {refusal->account, refusal->member, refusal->session};
    return explain_kill_concerns(&record->body.kill, &whose);
}

static bool concerns_balance(const struct refusal_view *refusal, const struct balance_rec *balance)
{
    bool of_instrument = balance->asset == refusal->cash || balance->asset == refusal->token;
    return balance->account == refusal->account &&
           (balance->asset == refusal->asset || (refusal->asset == 0 && of_instrument));
}

static bool concerns(const struct refusal_view *refusal, const struct snapshot_record *record)
{
    uint32_t id;
    memcpy(&id, record->body.bytes, sizeof id);
    switch (record->header.type) {
    case REC_asset:
        return id == refusal->asset || id == refusal->cash || id == refusal->token;
    case REC_instrument:
    case REC_instrument_rules:
    case REC_instrument_controls:
    case REC_tick_band:
    case REC_schedule_entry:
    case REC_jurisdiction:
        return id == refusal->instrument;
    case REC_member:
    case REC_member_state:
        return id == refusal->member;
    case REC_account:
    case REC_account_state:
    case REC_investment:
        return id == refusal->account;
    case REC_session:
    case REC_session_account:
    case REC_session_state:
        return id == refusal->session;
    case REC_balance:
        return concerns_balance(refusal, &record->body.balance);
    case REC_order:
    case REC_order_terms: // begin with the order
        return record->body.order.order == refusal->order;
    case REC_limits:
    case REC_kill:
        return concerns_scope(refusal, record);
    case REC_fees:
        return (record->body.fees.account == 0 || record->body.fees.account == refusal->account) &&
               (record->body.fees.instrument == 0 ||
                record->body.fees.instrument == refusal->instrument);
    case REC_confirm:
        return record->body.confirm.account == refusal->account;
    default: // gateways, references, rules of the venue, proposals
        return true;
    }
}

// ---- what was looked at

static void tell_records(const struct refusal_view *refusal, uint32_t topics)
{
    const struct explain_view *before = refusal->before;
    for (size_t i = 0; i < before->count; i++) {
        uint8_t type = before->records[i].header.type;
        ASSERT(type < REC_COUNT);
        if ((record_topics[type] & topics) == 0 || !concerns(refusal, &before->records[i]))
            continue;
        json_t *record = explain_snapshot(before, &before->records[i]);
        char *line = explain_line(record);
        explain_say(refusal->answer, "  %s", line);
        free(line);
        ASSERT(json_array_append_new(refusal->records, record) == 0);
    }
}

struct open_sum {
    uint64_t orders;
    money_sum value, buys;
};

static void count_order(const struct refusal_view *refusal, struct open_sum *sum,
                        const struct order_rec *order)
{
    const struct instrument_rec *terms =
        explain_view_instrument(refusal->before, order->instrument);
    int64_t value = 0;
    bool fits = money_notional(&value, order->price, order->leaves, terms->token_scale);
    ASSERT(fits); // it was accepted
    sum->orders++;
    sum->value += value;
    if (order->side == SIDE_BUY && order->instrument == refusal->instrument)
        sum->buys += order->leaves;
}

static void tell_sum(const struct refusal_view *refusal, const char *of, uint32_t id,
                     const struct open_sum *sum)
{
    char key[32];
    snprintf(key, sizeof key, "open_of_%s", of);
    json_t *object = explain_object(refusal->answer->root, key);
    unsigned scale = explain_view_token_scale(refusal->before, refusal->instrument);
    explain_set_number(object, "orders", sum->orders);
    explain_set(object, "value", "%s", explain_cash(explain_clamp(sum->value)).text);
    explain_set(object, "buys", "%s", explain_units(explain_clamp(sum->buys), scale).text);
    explain_say(refusal->answer,
                "  open orders of %s %u: %" PRIu64 ", worth %s; buys of the instrument for %s", of,
                id, sum->orders, explain_cash(explain_clamp(sum->value)).text,
                explain_units(explain_clamp(sum->buys), scale).text);
}

// Whose account is whose: by its id.
static uint32_t *members_of_accounts(const struct explain_view *view)
{
    uint32_t *members = calloc((size_t)view->limits.accounts_max + 1, sizeof *members);
    ASSERT(members != NULL);
    for (size_t i = 0; i < view->count; i++) {
        const struct account_rec *account = &view->records[i].body.account;
        if (view->records[i].header.type == REC_account)
            members[account->account] = account->member;
    }
    return members;
}

static void tell_orders(const struct refusal_view *refusal)
{
    struct open_sum account = {0}, member = {0}, instrument = {0};
    uint32_t *members = members_of_accounts(refusal->before);
    for (size_t i = 0; i < refusal->before->count; i++) {
        const struct order_rec *order = explain_view_order_at(refusal->before, i, NULL);
        if (order == NULL)
            continue;
        ASSERT(order->account <= refusal->before->limits.accounts_max);
        if (order->account == refusal->account)
            count_order(refusal, &account, order);
        if (members[order->account] == refusal->member)
            count_order(refusal, &member, order);
        if (order->instrument == refusal->instrument)
            count_order(refusal, &instrument, order);
    }
    free(members);
    if (refusal->account == 0) { // an operator's command about the instrument
        tell_sum(refusal, "instrument", refusal->instrument, &instrument);
        return;
    }
    tell_sum(refusal, "account", refusal->account, &account);
    tell_sum(refusal, "member", refusal->member, &member);
}

static void tell_pool(const struct refusal_view *refusal, json_t *object, const char *name,
                      uint64_t used, uint32_t most)
{
    explain_say(refusal->answer, "  %s: %" PRIu64 " of %u", name, used, most);
    json_t *pool = explain_object(object, name);
    explain_set_number(pool, "used", used);
    explain_set_number(pool, "limit", most);
}

static uint64_t records_of(const struct explain_view *view, uint8_t type)
{
    uint64_t count = 0;
    for (size_t i = 0; i < view->count; i++)
        count += view->records[i].header.type == type;
    return count;
}

static void tell_capacity(const struct refusal_view *refusal)
{
    const struct explain_view *before = refusal->before;
    const struct engine_limits *limits = &before->limits;
    json_t *object = explain_object(refusal->answer->root, "capacity");
    tell_pool(refusal, object, "orders", records_of(before, REC_order), limits->orders_max);
    tell_pool(refusal, object, "balances", records_of(before, REC_balance), limits->balances_max);
    tell_pool(refusal, object, "accounts", records_of(before, REC_account), limits->accounts_max);
    tell_pool(refusal, object, "members", records_of(before, REC_member), limits->members_max);
    tell_pool(refusal, object, "sessions", records_of(before, REC_session), limits->sessions_max);
    tell_pool(refusal, object, "instruments", records_of(before, REC_instrument),
              limits->instruments_max);
    tell_pool(refusal, object, "fees", records_of(before, REC_fees), limits->fees_max);
}

static void tell_state(const struct refusal_view *refusal, uint32_t topics)
{
    struct explain_market market;
    explain_say(refusal->answer,
                "\nWhat it looked at, as it was just before (sequence %" PRIu64 ")",
                refusal->before->sequence);
    explain_market_of(&market, refusal->before, refusal->instrument);
    if (market.terms.instrument != 0 && (topics & (STATE | BOOK | VENUE)) != 0)
        explain_market_tell(refusal->answer, explain_object(refusal->answer->root, "market"),
                            &market, refusal->before, refusal->command->header.time_ns);
    tell_records(refusal, topics);
    if ((topics & ORDERS) != 0)
        tell_orders(refusal);
    if ((topics & CAPACITY) != 0)
        tell_capacity(refusal);
}

// ---- the refusal itself

// Quantities of a ledger command are in units of its asset.
static unsigned scale_of(const struct refusal_view *refusal)
{
    return refusal->asset != 0 ? explain_view_scale(refusal->before, refusal->asset)
                               : explain_view_token_scale(refusal->before, refusal->instrument);
}

static struct explain_text number_text(const struct refusal_view *refusal, enum reject_number which,
                                       int64_t number)
{
    return explain_units(number,
                         reject_decimals(refusal->rejected->code, which, scale_of(refusal)));
}

// The two numbers of this code are of the asset that would have been held: the catalogue cannot
// know which.
static void text_of(const struct refusal_view *refusal, char *out, size_t size)
{
    const struct rejected_evt *rejected = refusal->rejected;
    const struct command *command = refusal->command;
    bool sells =
        (command->header.type == CMD_order_new || command->header.type == CMD_order_new_terms) &&
        command->body.order_new.side == SIDE_SELL;
    uint32_t asset = refusal->asset != 0 ? refusal->asset : sells ? refusal->token : refusal->cash;
    if (rejected->code == REJECT_INSUFFICIENT_BALANCE)
        snprintf(out, size, "needs %s %s, available %s",
                 explain_units(rejected->limit, explain_view_scale(refusal->before, asset)).text,
                 explain_view_asset_symbol(refusal->before, asset).text,
                 explain_units(rejected->value, explain_view_scale(refusal->before, asset)).text);
    else
        reject_text(rejected->code, rejected->limit, rejected->value, rejected->argument,
                    scale_of(refusal), out, size);
}

static void tell_entry(const struct refusal_view *refusal)
{
    const struct rejected_evt *rejected = refusal->rejected;
    const struct reject_entry *entry = reject_entry(rejected->code);
    json_t *object = explain_object(refusal->answer->root, "refusal");
    char text[512];
    text_of(refusal, text, sizeof text);
    explain_say(refusal->answer, "%s (%u), check: %s", entry->name, entry->code, entry->check);
    explain_say(refusal->answer, "  %s", text);
    explain_say(refusal->answer, "  what to do: %s", entry->hint);
    explain_set_number(object, "code", entry->code);
    explain_set(object, "name", "%s", entry->name);
    explain_set(object, "check", "%s", entry->check);
    explain_set(object, "text", "%s", text);
    explain_set(object, "hint", "%s", entry->hint);
    explain_set(object, "limit", "%s", number_text(refusal, REJECT_LIMIT, rejected->limit).text);
    explain_set(object, "value", "%s", number_text(refusal, REJECT_VALUE, rejected->value).text);
    explain_set(object, "argument", "%s",
                number_text(refusal, REJECT_ARGUMENT, rejected->argument).text);
    explain_set_number(object, "http_status", entry->http_status);
}

void explain_refusal_tell(struct explain_answer *answer, const struct explain_view *before,
                          const struct command *command, const struct event *rejected)
{
    struct refusal_view refusal = {.answer = answer,
                                   .before = before,
                                   .command = command,
                                   .rejected = &rejected->body.rejected};
    uint16_t code = refusal.rejected->code;
    ASSERT(rejected->header.type == EVT_rejected && code <= REJECT_CODE_MAX);
    concern(&refusal);
    tell_entry(&refusal);
    refusal.records = explain_array(answer->root, "looked_at");
    uint32_t topics = topics_of[code];
    if (topics != 0)
        tell_state(&refusal, topics);
    else
        explain_say(answer, "\nIt looked at the command alone.");
}
