// Deficits of the naive venue: what an outside fact or a correction took and was not there. How one
// grows and shrinks, and the orders that hold what is not there any more, or may not be sold.
#include "tests/model/naive_parts.h"

static void tell(struct naive_venue *venue, uint32_t account, uint32_t asset, int64_t amount,
                 uint32_t counter_account, bool entered)
{
    const struct balance_rec *owner = &venue->balances[account][asset];
    naive_emit(venue, EVT_deficit_changed)->body.deficit_changed =
        (struct deficit_changed_evt){.account = account,
                                     .asset = asset,
                                     .amount = amount,
                                     .counter_account = counter_account,
                                     .entered = entered,
                                     .deficit = owner->deficit,
                                     .available = owner->available};
}

void naive_deficit_grow(struct naive_venue *venue, uint32_t account, uint32_t asset, int64_t amount,
                        uint32_t counter_account)
{
    venue->opened[ACCOUNT_DEFICIT][asset] = true;
    venue->balances[account][asset].deficit += amount;
    venue->balances[ACCOUNT_DEFICIT][asset].available -= amount;
    venue->balances[counter_account][asset].available += amount;
    tell(venue, account, asset, amount, counter_account, false);
}

// The owner pays from what is available: so much, but no more than the deficit is.
void naive_deficit_pay(struct naive_venue *venue, uint32_t account, uint32_t asset, int64_t most)
{
    struct balance_rec *owner = &venue->balances[account][asset];
    int64_t paid = most < owner->deficit ? most : owner->deficit;
    if (paid == 0)
        return;
    owner->deficit -= paid;
    owner->available -= paid;
    venue->balances[ACCOUNT_DEFICIT][asset].available += paid;
    tell(venue, account, asset, -paid, account, false);
}

// A ledger_posted has moved the money already.
void naive_deficit_covered(struct naive_venue *venue, uint32_t account, uint32_t asset,
                           int64_t amount)
{
    venue->balances[account][asset].deficit -= amount;
    tell(venue, account, asset, -amount, account, true);
}

bool naive_deficit_refused(struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    int64_t deficit = venue->balances[account][asset].deficit;
    REFUSE_IF(deficit > 0, DEFICIT, 0, deficit, asset)
    return false;
}

// ---- uncover

static bool holds(struct naive_venue *venue, const struct naive_order *order, uint32_t account,
                  uint32_t asset)
{
    return order->id != 0 && order->account == account &&
           naive_held_in(venue, order) == &venue->balances[account][asset];
}

static struct naive_order *newest_holding(struct naive_venue *venue, uint32_t account,
                                          uint32_t asset)
{
    struct naive_order *newest = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++)
        if (holds(venue, &venue->orders[i], account, asset) &&
            (newest == NULL || venue->orders[i].id > newest->id))
            newest = &venue->orders[i];
    return newest;
}

// To be called in the order in which they come.
void naive_uncover_next(struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    struct naive_pending *pending = &venue->pending;
    uint32_t at = pending->work == NAIVE_UNCOVER ? 1 : 0;
    if (newest_holding(venue, account, asset) == NULL &&
        naive_held_by_xvps(venue, account, asset, false) == 0)
        return;
    pending->work = NAIVE_UNCOVER;
    pending->uncover[at].account = account;
    pending->uncover[at].asset = asset;
}

// False: the events have run out.
static bool uncover(struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    const struct balance_rec *balance = &venue->balances[account][asset];
    struct naive_order *order = NULL;
    while ((balance->deficit > 0 || balance->blocked > balance->available) &&
           (order = newest_holding(venue, account, asset)) != NULL) {
        if (naive_room(venue) < 3)
            return false;
        naive_cancel(venue, order, CANCEL_UNCOVERED);
        naive_deficit_pay(venue, account, asset, balance->available);
    }
    return naive_xvp_uncover(venue, account, asset);
}

void naive_uncover(struct naive_venue *venue)
{
    struct naive_pending pending = venue->pending;
    venue->pending = (struct naive_pending){0};
    for (int i = 0; i < 2 && pending.uncover[i].account != 0; i++)
        if (!uncover(venue, pending.uncover[i].account, pending.uncover[i].asset)) {
            venue->pending = pending;
            return;
        }
}
