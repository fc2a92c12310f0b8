// Confirmations by reference in the naive venue (docs/risk.md, 4): of members in strict mode, a
// confirm flag must name the refusal that asked for it.
#include "tests/model/naive_parts.h"

static const uint64_t valid_ns = 60000000000;
static const uint8_t confirms = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;

static bool is_strict(const struct naive_venue *venue, const struct naive_order *order)
{
    return naive_limit_flag(venue, order->account, LIMIT_STRICT_CONFIRM);
}

// Before the refusal: what the order had confirmed, and what it lacks.
void naive_confirm_remember(struct naive_venue *venue, const struct naive_order *order,
                            uint8_t grants)
{
    if (!is_strict(venue, order))
        return;
    venue->confirms[venue->confirm_count++ % NAIVE_CONFIRMS] =
        (struct naive_confirm){.reject = venue->command->header.sequence,
                               .time_ns = venue->now,
                               .price = order->price,
                               .account = order->account,
                               .instrument = order->instrument,
                               .side = order->side,
                               .grants = grants & confirms};
}

// One of those that are kept; NULL = there is none of that sequence.
static const struct naive_confirm *find(const struct naive_venue *venue, uint64_t reject)
{
    for (uint32_t i = 0; i < NAIVE_CONFIRMS && i < venue->confirm_count; i++)
        if (venue->confirms[i].reject == reject)
            return &venue->confirms[i];
    return NULL;
}

static int what_is_wrong(const struct naive_venue *venue, const struct naive_confirm *confirm,
                         const struct naive_order *order, uint8_t flags)
{
    if (confirm == NULL)
        return 1;
    if (venue->now - confirm->time_ns > valid_ns)
        return 2;
    if (confirm->account != order->account || confirm->instrument != order->instrument ||
        confirm->side != order->side)
        return 3;
    if (order->side == SIDE_BUY ? order->price > confirm->price : order->price < confirm->price)
        return 4;
    return (flags & confirms & ~confirm->grants) != 0 ? 5 : 0;
}

bool naive_confirm_refused(struct naive_venue *venue, const struct naive_order *order,
                           uint8_t flags, uint64_t reference)
{
    if ((flags & confirms) == 0 || !is_strict(venue, order))
        return false;
    int wrong = what_is_wrong(venue, find(venue, reference), order, flags);
    REFUSE_IF(wrong != 0, CONFIRM_REF, 0, (int64_t)reference, wrong)
    return false;
}
