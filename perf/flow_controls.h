// Flow controls: every pre-trade control of the venue that can be switched, set so wide that the
// flow passes all of them: what they cost is then the cost of looking.
#ifndef LONJA_PERF_FLOW_CONTROLS_H
#define LONJA_PERF_FLOW_CONTROLS_H

#include <stdint.h>

#include "schema/records.h"

#define FLOW_CONTROLS(C)                                                                           \
    C(BREAKER, "breaker")                                                                          \
    C(FAT_FINGER, "fat-finger")                                                                    \
    C(NAV, "nav")                                                                                  \
    C(NAV_STALE, "nav-stale")                                                                      \
    C(ORDER_SIZE, "order-size")                                                                    \
    C(ORDER_NOTIONAL, "order-notional")                                                            \
    C(ORDER_VALUE, "order-value")                                                                  \
    C(INVESTMENT, "investment")                                                                    \
    C(CUMULATIVE, "cumulative-investment")                                                         \
    C(DAILY_VALUE, "daily-value")                                                                  \
    C(OPEN_ORDERS, "open-orders")                                                                  \
    C(MESSAGES, "message-rate")                                                                    \
    C(DUPLICATE, "duplicate")                                                                      \
    C(EXECUTIONS, "executions")                                                                    \
    C(POSITION, "position")                                                                        \
    C(CONCENTRATION, "concentration")                                                              \
    C(JURISDICTION, "jurisdiction")                                                                \
    C(INVESTOR_TYPE, "investor-type")                                                              \
    C(STRICT_CONFIRM, "strict-confirm")                                                            \
    C(STATIC_BAND, "static-band")                                                                  \
    C(DYNAMIC_BAND, "dynamic-band")                                                                \
    C(FEES, "fees")

#define FLOW_CONTROL_NUMBER(name, word) FLOW_CONTROL_##name,
enum flow_control { FLOW_CONTROLS(FLOW_CONTROL_NUMBER) FLOW_CONTROL_COUNT };

#define FLOW_CONTROLS_ALL  ((1u << FLOW_CONTROL_COUNT) - 1)
#define FLOW_CONTROLS_NONE 0u

const char *flow_control_name(enum flow_control control);

// `on` is a set of bits, 1 << enum flow_control.
uint8_t flow_account_flags(uint32_t on);
void flow_instrument_controls(uint32_t on, struct instrument_set_cmd *terms);

// What further commands a venue needs: each fills the body of one command; false = it is not
// needed.
bool flow_rules_of(uint32_t on, uint32_t instrument, struct instrument_rules_set_cmd *out);
bool flow_controls_of(uint32_t on, uint32_t instrument, struct instrument_controls_set_cmd *out);
bool flow_jurisdictions_of(uint32_t on, uint32_t instrument, struct jurisdictions_set_cmd *out,
                           uint16_t codes[JURISDICTIONS_MAX]);
bool flow_limits_of(uint32_t on, uint8_t scope, uint32_t id, struct limits_set_cmd *out);
bool flow_fees_of(uint32_t on, uint32_t account, uint32_t instrument, struct fees_set_cmd *out);

enum { FLOW_JURISDICTION = 724 };

#endif
