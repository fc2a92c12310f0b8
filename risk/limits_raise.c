#include "risk/limits_raise.h"

#include "base/assert.h"

// 0 = off.
static bool maximum_rises(int64_t now, int64_t next)
{
    ASSERT(now >= 0 && next >= 0);
    return now != 0 && (next == 0 || next > now);
}

bool limits_raise(const struct limits_rec *now, const struct limits_rec *next)
{
    return maximum_rises(now->order_value_max, next->order_value_max) ||
           maximum_rises(now->daily_value_max, next->daily_value_max) ||
           maximum_rises(now->open_orders_max, next->open_orders_max) ||
           maximum_rises(now->messages_max, next->messages_max) ||
           maximum_rises(now->executions_max, next->executions_max) ||
           next->messages_ms < now->messages_ms || next->duplicate_ms < now->duplicate_ms ||
           next->executions_ms < now->executions_ms || (now->flags & ~next->flags) != 0;
}
