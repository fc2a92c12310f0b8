// Laws of money that neither venue's code knows, and how often what happens to money has happened.
#include "tests/model/beside.h"

// ---- laws

// All deficits of an asset are what ACCOUNT_DEFICIT is below zero.
static void check_deficits(const struct beside *beside, uint32_t asset)
{
    const struct naive_venue *naive = &beside->naive;
    int64_t sum = naive->balances[ACCOUNT_DEFICIT][asset].available;
    for (uint32_t account = 0; account < NAIVE_ACCOUNTS; account++)
        sum += naive->balances[account][asset].deficit;
    if (sum != 0)
        beside_fail(beside, "deficits are not what their account lacks");
}

// What is held is what open orders and approvals hold; only the venue's own accounts are below
// zero.
static void check_balance(const struct beside *beside, uint32_t account, uint32_t asset)
{
    const struct balance_rec *balance = &beside->naive.balances[account][asset];
    if (balance->held != naive_held_by_orders(&beside->naive, account, asset) +
                             naive_held_by_xvps(&beside->naive, account, asset, true))
        beside_fail(beside, "orders and approvals hold another amount than is held");
    if (account > ACCOUNT_VENUE_MAX && (balance->available < 0 || balance->deficit < 0))
        beside_fail(beside, "a balance below zero");
    if (balance->blocked < 0 || balance->unsettled < 0)
        beside_fail(beside, "a counter below zero");
}

void beside_check_money(const struct beside *beside)
{
    for (uint32_t asset = 1; asset < NAIVE_ASSETS; asset++) {
        check_deficits(beside, asset);
        for (uint32_t account = 1; account < NAIVE_ACCOUNTS; account++)
            check_balance(beside, account, asset);
    }
}

// A buyer never pays more than is held for it.
static void check_trade(const struct beside *beside, const struct trade_evt *trade)
{
    if (trade->buyer_released < 0 || trade->maker_fee < 0 || trade->taker_fee < 0)
        beside_fail(beside, "a trade takes more than was held");
}

// ---- how often

static void cover_trade(struct beside *beside, const struct trade_evt *trade)
{
    struct coverage *coverage = &beside->coverage;
    bool buys = trade->taker_side == SIDE_BUY;
    check_trade(beside, trade);
    coverage
        ->fee_levels[naive_fees_level(&beside->naive, trade->maker_account, trade->instrument)]++;
    coverage
        ->fee_levels[naive_fees_level(&beside->naive, trade->taker_account, trade->instrument)]++;
    coverage->buyer_fees[0] += buys && trade->taker_fee > 0;
    coverage->buyer_fees[1] += !buys && trade->maker_fee > 0;
}

static void cover_deficit(struct coverage *coverage, const struct deficit_changed_evt *deficit)
{
    bool cash = deficit->asset == UNIVERSE_CASH;
    coverage->deficits_grown[cash] += deficit->amount > 0;
    coverage->deficits_shrunk[cash] += deficit->amount < 0 && deficit->entered == 0;
    coverage->deficits_covered += deficit->entered;
}

static void cover_correction(struct coverage *coverage, const struct trade_corrected_evt *by)
{
    coverage->busts += by->new_quantity == 0;
    coverage->cheaper += by->notional < 0;
    coverage->dearer += by->notional > 0;
    coverage->shorts[0] += by->token_short > 0;
    coverage->shorts[1] += by->cash_short > 0;
}

// Orders go for a deficit, for units whose settlement has failed, or none has to.
static void cover_uncover(struct beside *beside, const struct done_evt *done)
{
    struct coverage *coverage = &beside->coverage;
    uint32_t cancelled = 0;
    uint32_t deficits = 0;
    for (uint32_t i = 0; i < beside->sink.count; i++) {
        cancelled += beside->events[i].header.type == EVT_order_cancelled;
        deficits += beside->events[i].header.type == EVT_deficit_changed;
    }
    coverage->uncover_again += done->more;
    coverage->uncover_blocked += cancelled > 0 && deficits == 0;
    coverage->uncover_nothing += cancelled == 0;
}

void beside_cover_money(struct beside *beside, const struct event *event)
{
    struct coverage *coverage = &beside->coverage;
    switch (event->header.type) {
    case EVT_trade:
        cover_trade(beside, &event->body.trade);
        return;
    case EVT_ledger_posted:
        coverage->postings[event->body.ledger_posted.kind]++;
        return;
    case EVT_deficit_changed:
        cover_deficit(coverage, &event->body.deficit_changed);
        return;
    case EVT_trade_corrected:
        cover_correction(coverage, &event->body.trade_corrected);
        return;
    case EVT_xvp_changed:
        coverage->xvps[event->body.xvp_changed.step]++;
        coverage->xvp_locks[event->body.xvp_changed.step] +=
            event->body.xvp_changed.step == XVP_STEP_EXPIRED
                ? (event->body.xvp_changed.lock & XVP_LOCK_REVEALED) != 0
                : event->body.xvp_changed.lock != 0;
        coverage->xvp_refusals[event->body.xvp_changed.account == 0] +=
            event->body.xvp_changed.code != 0;
        return;
    case EVT_proposal_changed:
        coverage->proposals[event->body.proposal_changed.state]++;
        return;
    case EVT_done:
        if (beside->command.header.type == CMD_continue_work &&
            beside->command.body.continue_work.work == WORK_UNCOVER)
            cover_uncover(beside, &event->body.done);
        return;
    default:
        return;
    }
}
