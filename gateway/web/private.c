// Private updates: what happens to an account's orders and balances, sent to everybody who is
// logged in for that account, whichever gateway caused it. The connection that has just got the
// same as its answer is left out; one that is still being told what it has missed gets it behind
// that (replay.h). A message is made once per account.
#include <stdlib.h>

#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

static bool anybody(void *context, uint32_t account)
{
    return users_of_account(context, account) != NULL;
}

// ---- balances --------------------------------------------------------------------------------

static void mark(struct web *web, uint32_t account, uint32_t asset)
{
    if (!anybody(web, account))
        return;
    for (size_t i = 0; i < web->dirty_count; i++)
        if (web->dirty[i].account == account && web->dirty[i].asset == asset)
            return;
    if (web->dirty_count == DIRTY_BALANCES_MAX)
        private_flush(web);
    web->dirty[web->dirty_count].account = account;
    web->dirty[web->dirty_count].asset = asset;
    web->dirty_count++;
}

static void mark_both(struct web *web, uint32_t account, uint32_t instrument)
{
    const struct view_instrument *found = view_instrument(web->view, instrument);
    if (found == NULL)
        return;
    mark(web, account, found->terms.token_asset);
    mark(web, account, found->terms.cash_asset);
}

static void balances_begin(struct web *web, bool snapshot)
{
    struct json_out *out = &web->out;
    json_boolean(out, "snapshot", snapshot);
    json_integer(out, "sequence", (int64_t)view_sequence(web->view));
    json_name(out, "balances");
    json_open(out, '[');
}

static void flush_account(struct web *web, uint32_t account)
{
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "balances");
    balances_begin(web, false);
    for (size_t i = 0; i < web->dirty_count; i++) {
        struct balance_rec balance;
        if (web->dirty[i].account != account)
            continue;
        if (view_balance(web->view, account, web->dirty[i].asset, &balance))
            shape_balance(out, web->view, &balance);
        web->dirty[i].account = 0;
    }
    json_close(out, ']');
    json_close(out, '}');
    send_out_to_account(web, account, NULL, 0);
}

void private_flush(struct web *web)
{
    for (size_t i = 0; i < web->dirty_count; i++)
        if (web->dirty[i].account != 0)
            flush_account(web, web->dirty[i].account);
    web->dirty_count = 0;
}

void private_send_balances(struct web *web, struct user *user, const struct reply *reply)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, user->session, RIGHT_SEE, accounts, SESSION_ACCOUNTS_MAX);
    reply_begin(web, reply, "balances");
    balances_begin(web, true);
    for (size_t i = 0; i < count; i++)
        for (int64_t asset = 1; asset <= web->config->limits_assets_max; asset++) {
            struct balance_rec balance;
            if (view_balance(web->view, accounts[i], (uint32_t)asset, &balance))
                shape_balance(&web->out, web->view, &balance);
        }
    json_close(&web->out, ']');
    reply_end(web, reply, 200);
}

// ---- orders ----------------------------------------------------------------------------------

static void order_into(void *context, const struct view_order *order)
{
    struct web *web = context;
    if (order->leaves > 0)
        shape_order(&web->out, web->view, order, &(struct order_note){0});
}

void private_send_orders(struct web *web, struct user *user, const struct reply *reply)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, user->session, RIGHT_SEE, accounts, SESSION_ACCOUNTS_MAX);
    reply_begin(web, reply, "orders");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_name(&web->out, "orders");
    json_open(&web->out, '[');
    for (size_t i = 0; i < count; i++)
        view_orders_of_account(web->view, accounts[i], order_into, web);
    json_close(&web->out, ']');
    reply_end(web, reply, 200);
}

static void tell(void *context, uint32_t account, struct teller_place place, uint64_t answered)
{
    send_out_to_account(context, account, &place, answered);
}

struct teller private_teller(struct web *web)
{
    return (struct teller){
        .view = web->view, .out = &web->out, .wanted = anybody, .tell = tell, .context = web};
}

// ---- one event -------------------------------------------------------------------------------

static void mark_of_order(struct web *web, uint64_t order)
{
    const struct view_order *found = view_order(web->view, order);
    ASSERT(found != NULL);
    mark_both(web, found->account, found->instrument);
}

static void mark_of_two(struct web *web, uint32_t one, uint32_t other, uint32_t instrument)
{
    mark_both(web, one, instrument);
    mark_both(web, other, instrument);
}

static void balances_on_event(struct web *web, const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        mark_of_order(web, event->body.order_accepted.order);
        break;
    case EVT_order_amended:
        mark_of_order(web, event->body.order_amended.order);
        break;
    case EVT_order_cancelled:
        mark_of_order(web, event->body.order_cancelled.order);
        break;
    case EVT_order_triggered:
        mark_of_order(web, event->body.order_triggered.order);
        break;
    case EVT_order_reduced:
        mark_of_order(web, event->body.order_reduced.order);
        break;
    case EVT_order_refreshed:
        mark_of_order(web, event->body.order_refreshed.order);
        break;
    case EVT_trade:
        mark_of_two(web, event->body.trade.maker_account, event->body.trade.taker_account,
                    event->body.trade.instrument);
        break;
    case EVT_ledger_posted:
        mark(web, event->body.ledger_posted.account, event->body.ledger_posted.asset);
        break;
    case EVT_deficit_changed:
        mark(web, event->body.deficit_changed.account, event->body.deficit_changed.asset);
        break;
    case EVT_xvp_posted:
        mark(web, event->body.xvp_posted.account, event->body.xvp_posted.asset);
        break;
    case EVT_settlement_booked:
        mark_of_two(web, event->body.settlement_booked.buyer_account,
                    event->body.settlement_booked.seller_account,
                    event->body.settlement_booked.instrument);
        break;
    case EVT_trade_corrected:
        mark_of_two(web, event->body.trade_corrected.buyer_account,
                    event->body.trade_corrected.seller_account,
                    event->body.trade_corrected.instrument);
        break;
    default:
        break;
    }
}

void private_on_event(struct web *web, const struct event *event, uint64_t answered)
{
    teller_on_event(&web->teller, event, answered);
    balances_on_event(web, event);
}
