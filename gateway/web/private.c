// Private updates: what happens to an account's orders and balances, sent to everybody who is
// logged in for that account, whichever gateway caused it. The connection that has just got the
// same as its answer is left out. A message is made once per account.
#include <stdlib.h>

#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

static bool anybody(const struct web *web, uint32_t account)
{
    return users_of_account(web, account) != NULL;
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
    send_out_to_account(web, account, 0);
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
    size_t count = view_session_accounts(web->view, user->session, accounts, SESSION_ACCOUNTS_MAX);
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
        shape_order(&web->out, web->view, order, 0, 0);
}

void private_send_orders(struct web *web, struct user *user, const struct reply *reply)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count = view_session_accounts(web->view, user->session, accounts, SESSION_ACCOUNTS_MAX);
    reply_begin(web, reply, "orders");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_name(&web->out, "orders");
    json_open(&web->out, '[');
    for (size_t i = 0; i < count; i++)
        view_orders_of_account(web->view, accounts[i], order_into, web);
    json_close(&web->out, ']');
    reply_end(web, reply, 200);
}

static void order_update(struct web *web, const struct event *event, uint64_t order,
                         int64_t cancelled, uint8_t reason, uint64_t but)
{
    const struct view_order *found = view_order(web->view, order);
    ASSERT(found != NULL);
    if (!anybody(web, found->account))
        return;
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "order");
    json_integer(out, "sequence", (int64_t)event->header.sequence);
    json_name(out, "order");
    shape_order(out, web->view, found, cancelled, reason);
    json_close(out, '}');
    send_out_to_account(web, found->account, but);
}

static void fill_update(struct web *web, const struct event *event, uint32_t account, bool taker)
{
    if (!anybody(web, account))
        return;
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "fill");
    json_name(out, "fill");
    shape_fill(out, web->view, event, taker);
    json_close(out, '}');
    send_out_to_account(web, account, 0);
}

static void on_trade(struct web *web, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    fill_update(web, event, trade->maker_account, false);
    fill_update(web, event, trade->taker_account, true);
    mark_both(web, trade->maker_account, trade->instrument);
    mark_both(web, trade->taker_account, trade->instrument);
}

void private_on_event(struct web *web, const struct event *event, uint64_t answered)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        order_update(web, event, event->body.order_accepted.order, 0, 0, answered);
        mark_both(web, event->body.order_accepted.account, event->body.order_accepted.instrument);
        break;
    case EVT_trade:
        on_trade(web, event);
        break;
    case EVT_order_cancelled:
        order_update(web, event, event->body.order_cancelled.order,
                     event->body.order_cancelled.quantity, event->body.order_cancelled.reason,
                     answered);
        mark_both(web, event->body.order_cancelled.account, event->body.order_cancelled.instrument);
        break;
    case EVT_order_amended:
        order_update(web, event, event->body.order_amended.order, 0, 0, answered);
        mark_both(web, event->body.order_amended.account, event->body.order_amended.instrument);
        break;
    case EVT_ledger_posted:
        mark(web, event->body.ledger_posted.account, event->body.ledger_posted.asset);
        break;
    case EVT_settlement_booked:
        mark_both(web, event->body.settlement_booked.buyer_account,
                  event->body.settlement_booked.instrument);
        mark_both(web, event->body.settlement_booked.seller_account,
                  event->body.settlement_booked.instrument);
        break;
    default:
        break;
    }
}
