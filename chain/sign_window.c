#include "chain/sign_window.h"

#include <string.h>

#define NS_PER_S 1000000000u

static const chain_uint128 units_most = ~(chain_uint128)0;

void sign_windows_reset(struct sign_windows *windows)
{
    memset(windows, 0, sizeof(*windows));
}

static bool is_counted(const struct sign_log_entry *entry, const struct sign_policy *policy,
                       const struct sign_cap *cap)
{
    return entry->chain_id == policy->chain_id && address_equal(&entry->to, &cap->contract);
}

static chain_uint128 add_units(chain_uint128 a, chain_uint128 b)
{
    chain_uint128 sum;
    return __builtin_add_overflow(a, b, &sum) ? units_most : sum;
}

/* The times of the log never go back, so the window only moves forward. */
static void move_window(struct sign_window *window, const struct sign_policy *policy,
                        const struct sign_cap *cap, const struct sign_log *log, uint64_t now_ns)
{
    uint64_t window_ns = (uint64_t)cap->window_s * NS_PER_S;
    for (; window->to < log->count; window->to++) {
        const struct sign_log_entry *entry = &log->entries[window->to];
        if (!is_counted(entry, policy, cap))
            continue;
        window->units = add_units(window->units, entry->units);
        window->transfers += entry->transfers;
    }
    for (; window->from < window->to; window->from++) {
        const struct sign_log_entry *entry = &log->entries[window->from];
        if (now_ns < window_ns || entry->time_ns > now_ns - window_ns)
            break;
        if (!is_counted(entry, policy, cap))
            continue;
        if (window->units != units_most)
            window->units -= entry->units;
        window->transfers -= entry->transfers;
    }
}

enum signer_result sign_windows_check(struct sign_windows *windows, struct signer_bound *bound,
                                      const struct sign_policy *policy, const struct sign_log *log,
                                      const struct sign_call *call,
                                      const struct chain_address *contract, uint64_t now_ns)
{
    if (call->transfers == 0)
        return SIGNER_OK;
    for (size_t i = 0; i < policy->cap_count; i++) {
        const struct sign_cap *cap = &policy->caps[i];
        struct sign_window *window = &windows->windows[i];
        if (!address_equal(&cap->contract, contract))
            continue;
        move_window(window, policy, cap, log, now_ns);
        *bound = (struct signer_bound){.limit = cap->units_max,
                                       .seen = add_units(window->units, call->units)};
        if (bound->seen > bound->limit)
            return SIGNER_UNITS_REFUSED;
        *bound = (struct signer_bound){.limit = cap->transfers_max,
                                       .seen = window->transfers + call->transfers};
        if (bound->seen > bound->limit)
            return SIGNER_TRANSFERS_REFUSED;
    }
    *bound = (struct signer_bound){0};
    return SIGNER_OK;
}
