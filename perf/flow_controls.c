#include "perf/flow_controls.h"

#include <string.h>

#include "base/assert.h"

#define WIDE ((int64_t)1 << 50)

static bool is_on(uint32_t on, enum flow_control control)
{
    return (on >> control & 1) != 0;
}

const char *flow_control_name(enum flow_control control)
{
#define FLOW_CONTROL_WORD(name, word) word,
    static const char *const words[] = {FLOW_CONTROLS(FLOW_CONTROL_WORD)};
    ASSERT(control < FLOW_CONTROL_COUNT);
    return words[control];
}

uint8_t flow_account_flags(uint32_t on)
{
    const uint8_t flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET;
    bool limited = is_on(on, FLOW_CONTROL_INVESTMENT) || is_on(on, FLOW_CONTROL_CUMULATIVE);
    return limited ? flags : flags | ACCOUNT_NO_LIMITS;
}

void flow_instrument_controls(uint32_t on, struct instrument_set_cmd *terms)
{
    if (is_on(on, FLOW_CONTROL_BREAKER))
        terms->breaker_bps = 20000;
    if (is_on(on, FLOW_CONTROL_FAT_FINGER)) {
        terms->fat_finger_block_bps = 9000;
        terms->fat_finger_confirm_bps = 6000; // a market order is judged at its collar
    }
    if (is_on(on, FLOW_CONTROL_NAV)) {
        terms->nav_confirm_bps = 8000;
        terms->flags |= INSTRUMENT_NAV_REQUIRED;
    }
    if (is_on(on, FLOW_CONTROL_ORDER_SIZE))
        terms->order_quantity_max = 1000000;
    if (is_on(on, FLOW_CONTROL_ORDER_NOTIONAL))
        terms->order_notional_max = WIDE;
}

bool flow_rules_of(uint32_t on, uint32_t instrument, struct instrument_rules_set_cmd *out)
{
    *out = (struct instrument_rules_set_cmd){.instrument = instrument, .volatility_bps = 9000};
    return is_on(on, FLOW_CONTROL_STATIC_BAND);
}

bool flow_controls_of(uint32_t on, uint32_t instrument, struct instrument_controls_set_cmd *out)
{
    *out = (struct instrument_controls_set_cmd){.instrument = instrument};
    if (is_on(on, FLOW_CONTROL_DYNAMIC_BAND)) {
        out->dynamic_bps = 5000;
        out->limit_state_ms = 15000;
    }
    if (is_on(on, FLOW_CONTROL_NAV_STALE)) {
        out->nav_stale_ms = UINT32_MAX;
        out->nav_stale_action = NAV_STALE_CONFIRM;
    }
    if (is_on(on, FLOW_CONTROL_INVESTOR_TYPE))
        out->investor_types = 1 << (ACCREDITATION_INSTITUTIONAL - 1);
    if (is_on(on, FLOW_CONTROL_POSITION))
        out->position_max = INT64_MAX;
    if (is_on(on, FLOW_CONTROL_CONCENTRATION)) {
        out->concentration_bps = 9999;
        out->supply = INT64_MAX;
    }
    const uint32_t any = 1u << FLOW_CONTROL_DYNAMIC_BAND | 1u << FLOW_CONTROL_NAV_STALE |
                         1u << FLOW_CONTROL_INVESTOR_TYPE | 1u << FLOW_CONTROL_POSITION |
                         1u << FLOW_CONTROL_CONCENTRATION;
    return (on & any) != 0;
}

bool flow_jurisdictions_of(uint32_t on, uint32_t instrument, struct jurisdictions_set_cmd *out,
                           uint16_t codes[JURISDICTIONS_MAX])
{
    static const uint16_t listed[] = {40, 56, 276, 380, 528, FLOW_JURISDICTION};
    enum { COUNT = sizeof(listed) / sizeof(listed[0]) };
    *out = (struct jurisdictions_set_cmd){
        .instrument = instrument, .mode = JURISDICTIONS_ONLY, .code_count = COUNT};
    memcpy(codes, listed, sizeof(listed));
    return is_on(on, FLOW_CONTROL_JURISDICTION);
}

static void member_limits(uint32_t on, struct limits_set_cmd *out)
{
    if (is_on(on, FLOW_CONTROL_STRICT_CONFIRM))
        out->flags |= LIMIT_STRICT_CONFIRM;
    if (is_on(on, FLOW_CONTROL_CUMULATIVE))
        out->flags |= LIMIT_CUMULATIVE_INVESTMENT;
}

static void account_limits(uint32_t on, struct limits_set_cmd *out)
{
    if (is_on(on, FLOW_CONTROL_DUPLICATE))
        out->duplicate_ms = 1; // commands are a millisecond apart
    if (is_on(on, FLOW_CONTROL_EXECUTIONS)) {
        out->executions_max = UINT32_MAX;
        out->executions_ms = 1000;
    }
}

bool flow_limits_of(uint32_t on, uint8_t scope, uint32_t id, struct limits_set_cmd *out)
{
    const struct limits_set_cmd nothing = {.scope = scope, .id = id};
    *out = nothing;
    if (scope != LIMIT_ACCOUNT && is_on(on, FLOW_CONTROL_MESSAGES)) {
        out->messages_max = UINT32_MAX;
        out->messages_ms = 1000;
    }
    if (scope != LIMIT_SESSION) {
        out->order_value_max = is_on(on, FLOW_CONTROL_ORDER_VALUE) ? WIDE : 0;
        out->daily_value_max = is_on(on, FLOW_CONTROL_DAILY_VALUE) ? INT64_MAX : 0;
        out->open_orders_max = is_on(on, FLOW_CONTROL_OPEN_ORDERS) ? UINT32_MAX : 0;
    }
    if (scope == LIMIT_MEMBER)
        member_limits(on, out);
    if (scope == LIMIT_ACCOUNT)
        account_limits(on, out);
    return memcmp(out, &nothing, sizeof(nothing)) != 0;
}

// Those of the instrument, and of every other account its own.
bool flow_fees_of(uint32_t on, uint32_t account, uint32_t instrument, struct fees_set_cmd *out)
{
    ASSERT((account == 0) != (instrument == 0));
    *out = (struct fees_set_cmd){.account = account,
                                 .instrument = instrument,
                                 .sell_maker_bps = 10,
                                 .sell_taker_bps = 20,
                                 .buy_maker_bps = 5,
                                 .buy_taker_bps = 15};
    return is_on(on, FLOW_CONTROL_FEES) && (account == 0 || account % 2 == 0);
}
