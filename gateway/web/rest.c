// REST (docs/rest.md): the same requests as over WebSocket, for those who ask one thing at a time.
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "gateway/web/replay.h"
#include "gateway/web/route.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum handler {
    HEALTH,
    STATUS,
    INSTRUMENTS,
    INSTRUMENT,
    BOOK,
    BEST,
    BOOK_ORDERS,
    AUCTION,
    STATISTICS,
    PUBLIC_TRADES,
    LOGIN,
    LOGOUT,
    ORDERS,
    PLACE,
    ORDER_STATUS,
    MASS_STATUS,
    AMEND,
    CANCEL,
    CANCEL_ALL,
    OWN_TRADES,
    BALANCES,
    EVENTS,
    XVPS,
    XVP_ACTS, // and enum xvp_action
    XVP_ACTS_LAST = XVP_ACTS + XVP_REVEAL,
};

static const struct route routes[] = {
    {HTTP_GET, "/health", HEALTH},
    {HTTP_GET, "/api/v1/status", STATUS},
    {HTTP_GET, "/api/v1/instruments", INSTRUMENTS},
    {HTTP_GET, "/api/v1/instruments/:symbol", INSTRUMENT},
    {HTTP_GET, "/api/v1/instruments/:symbol/book", BOOK},
    {HTTP_GET, "/api/v1/instruments/:symbol/best", BEST},
    {HTTP_GET, "/api/v1/instruments/:symbol/book_orders", BOOK_ORDERS},
    {HTTP_GET, "/api/v1/instruments/:symbol/auction", AUCTION},
    {HTTP_GET, "/api/v1/instruments/:symbol/statistics", STATISTICS},
    {HTTP_GET, "/api/v1/instruments/:symbol/trades", PUBLIC_TRADES},
    {HTTP_POST, "/api/v1/login", LOGIN},
    {HTTP_POST, "/api/v1/logout", LOGOUT},
    {HTTP_GET, "/api/v1/orders", ORDERS},
    {HTTP_POST, "/api/v1/orders", PLACE},
    {HTTP_POST, "/orders", PLACE}, // A23: the short form of the documents
    {HTTP_GET, "/api/v1/orders/status", MASS_STATUS},
    {HTTP_GET, "/api/v1/orders/:id", ORDER_STATUS},
    {HTTP_PATCH, "/api/v1/orders/:id", AMEND},
    {HTTP_DELETE, "/api/v1/orders/:id", CANCEL},
    {HTTP_DELETE, "/api/v1/orders", CANCEL_ALL},
    {HTTP_GET, "/api/v1/trades", OWN_TRADES},
    {HTTP_GET, "/api/v1/balances", BALANCES},
    {HTTP_GET, "/api/v1/events", EVENTS},
    {HTTP_GET, "/api/v1/xvp", XVPS},
    {HTTP_POST, "/api/v1/xvp/:id/approve", XVP_ACTS + XVP_APPROVE},
    {HTTP_POST, "/api/v1/xvp/:id/revoke", XVP_ACTS + XVP_REVOKE},
    {HTTP_POST, "/api/v1/xvp/:id/execute", XVP_ACTS + XVP_EXECUTE},
    {HTTP_POST, "/api/v1/xvp/:id/cancel", XVP_ACTS + XVP_CANCEL},
    {HTTP_POST, "/api/v1/xvp/:id/reveal", XVP_ACTS + XVP_REVEAL},
};

// One request on its way through the handlers.
struct call {
    struct web *web;
    const struct http_request *http;
    struct reply reply;
    struct user *user; // of the private ones
    char value[ROUTE_VALUE_BYTES_MAX];
};

static void refuse(struct call *call, enum reject_code code, int64_t limit, int64_t value)
{
    reply_code(call->web, &call->reply, code, limit, value);
}

// ---- open to everybody -----------------------------------------------------------------------

static void health(struct call *call)
{
    struct web *web = call->web;
    bool good = web->link.attached && !web->stopping;
    reply_begin(web, &call->reply, "health");
    json_text(&web->out, "status", good ? "ok" : "unavailable");
    json_text(&web->out, "venue_state", feed_state(web));
    json_boolean(&web->out, "database", pg_async_connected(web->pg));
    reply_end(web, &call->reply, good ? 200 : 503);
}

// How far Postgres is behind; not known before it has answered once.
static void record_status(struct web *web)
{
    struct backlog_figures figures = backlog_figures(&web->record_backlog);
    if (web->record_backlog.count == 0)
        return;
    json_integer(&web->out, "recorded", (int64_t)web->record_backlog.position);
    json_integer(&web->out, "record_lag", (int64_t)figures.lag);
    json_integer(&web->out, "record_behind_s", (int64_t)figures.behind_s);
    json_integer(&web->out, "record_rate", (int64_t)figures.rate);
    json_integer(&web->out, "record_eta_s", (int64_t)figures.eta_s);
}

static void status(struct call *call)
{
    struct web *web = call->web;
    struct json_out *out = &web->out;
    const struct http_counters *counters = http_counters(web->http);
    reply_begin(web, &call->reply, "status");
    json_text(out, "venue", web->config->venue_name);
    json_text(out, "venue_state", feed_state(web));
    json_integer(out, "sequence", (int64_t)view_sequence(web->view));
    json_integer(out, "durable_seq", (int64_t)follower_durable_seq(web->follower));
    json_integer(out, "lag", (int64_t)follower_lag(web->follower));
    json_boolean(out, "database", pg_async_connected(web->pg));
    record_status(web);
    json_integer(out, "connections", http_connections(web->http));
    json_integer(out, "connections_refused", (int64_t)counters->connections_refused);
    json_integer(out, "slow_consumers_cut", (int64_t)counters->slow_consumers_cut);
    json_integer(out, "updates_conflated", (int64_t)counters->frames_dropped);
    json_integer(out, "requests", (int64_t)counters->requests);
    json_integer(out, "messages", (int64_t)counters->messages);
    reply_end(web, &call->reply, 200);
}

static const struct view_instrument *named_instrument(struct call *call)
{
    const struct view_instrument *found =
        view_instrument_by_symbol(call->web->view, call->value, strlen(call->value));
    if (found == NULL)
        refuse(call, REJECT_UNKNOWN_SYMBOL, 0, 0);
    return found;
}

static void instrument(struct call *call)
{
    const struct view_instrument *found = named_instrument(call);
    if (found == NULL)
        return;
    reply_begin(call->web, &call->reply, "instrument");
    json_integer(&call->web->out, "sequence", (int64_t)view_sequence(call->web->view));
    json_name(&call->web->out, "instrument");
    shape_instrument(&call->web->out, call->web->view, found);
    json_name(&call->web->out, "auction");
    shape_auction(&call->web->out, &found->auction, found->auction_ns, found->terms.token_scale);
    json_name(&call->web->out, "statistics");
    shape_statistics(&call->web->out, view_statistics(call->web->view, found->terms.instrument),
                     found->terms.token_scale);
    reply_end(call->web, &call->reply, 200);
}

// As a snapshot of the channel.
static void market_data(struct call *call, enum channel channel)
{
    struct web *web = call->web;
    const struct view_instrument *found = named_instrument(call);
    if (found == NULL)
        return;
    markets_flush(web);
    reply_begin(web, &call->reply, market_channel_name(channel));
    json_text(&web->out, "symbol", call->value);
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    market_write(web, found->terms.instrument, channel);
    reply_end(web, &call->reply, 200);
}

// ?name=whole number
static bool whole_argument(struct call *call, uint64_t *out, const char *name, uint64_t otherwise,
                           int64_t max)
{
    char text[24];
    int64_t value;
    *out = otherwise;
    if (!http_argument(call->http, name, text, sizeof text))
        return true;
    if (decimal_parse(text, strlen(text), 0, &value) != DECIMAL_OK || value < 0 || value > max) {
        struct fault fault = {.code = REJECT_BAD_NUMBER, .field = name};
        reply_fault(call->web, &call->reply, &fault, 0);
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static void instruments(struct call *call)
{
    struct web *web = call->web;
    uint64_t after, limit, all = view_instruments_max(web->view);
    if (!whole_argument(call, &after, "after", 0, UINT32_MAX) ||
        !whole_argument(call, &limit, "limit", all, UINT32_MAX))
        return;
    reply_begin(web, &call->reply, "instruments");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    instruments_write(web, (uint32_t)after, limit > 0 ? (uint32_t)limit : 1);
    reply_end(web, &call->reply, 200);
}

// Anybody may ask this of the database: all together no more than one client may ask.
static void public_trades(struct call *call)
{
    const struct view_instrument *found = named_instrument(call);
    uint64_t per_second = (uint64_t)call->web->config->web_rate_per_second, limit;
    if (found == NULL || !whole_argument(call, &limit, "limit", 200, 1000))
        return;
    if (!rate_take(&call->web->public_rate, web_now_ns(), per_second))
        refuse(call, REJECT_THROTTLED, (int64_t)per_second, 0);
    else
        history_public_trades(call->web, found->terms.instrument, &call->reply, (int64_t)limit);
}

// Scans the body into a request, or answers what is wrong with it.
static bool body(struct call *call, struct request *request, struct json_object *object,
                 enum web_op op)
{
    struct fault fault;
    if (request_of_body(request, &fault, object, op, call->http->body, call->http->body_bytes))
        return true;
    reply_fault(call->web, &call->reply, &fault, 0);
    return false;
}

static void log_in(struct call *call)
{
    struct json_object object;
    struct request request;
    if (body(call, &request, &object, WEB_OP_rest_login))
        login_request(call->web, &request, &call->reply);
}

// ---- with a login ----------------------------------------------------------------------------

static void place(struct call *call)
{
    struct json_object object;
    struct request request;
    if (body(call, &request, &object, WEB_OP_place))
        orders_place(call->web, call->user, &request, &call->reply);
}

// The id of the path; false: the answer has been given.
static bool order_id(struct call *call, uint64_t *order)
{
    int64_t id;
    if (decimal_parse(call->value, strlen(call->value), 0, &id) == DECIMAL_OK && id > 0) {
        *order = (uint64_t)id;
        return true;
    }
    struct fault fault = {.code = REJECT_BAD_NUMBER, .field = "id"};
    reply_fault(call->web, &call->reply, &fault, 0);
    return false;
}

static void cancel(struct call *call)
{
    uint64_t id;
    if (order_id(call, &id))
        orders_cancel_id(call->web, call->user, id, &call->reply);
}

static const struct view_order *order_of_path(struct call *call)
{
    uint64_t id;
    return order_id(call, &id) ? orders_by_id(call->web, call->user, id, &call->reply) : NULL;
}

static void amend(struct call *call)
{
    struct json_object object;
    struct request request;
    const struct view_order *order;
    if (body(call, &request, &object, WEB_OP_rest_amend) && (order = order_of_path(call)) != NULL)
        orders_amend(call->web, call->user, order, &request, &call->reply);
}

static void order_status(struct call *call)
{
    const struct view_order *order = order_of_path(call);
    if (order != NULL)
        orders_status(call->web, call->user, order, &call->reply);
}

// The request's fields as arguments of the address: ?symbol=PORT&side=buy. One that is not known is
// refused: whoever mistypes a filter must not cancel everything.
static bool arguments(struct call *call, struct request *request, struct json_object *object,
                      enum web_op op)
{
    struct fault fault;
    if (request_of_arguments(request, &fault, object, op, http_arguments(call->http)))
        return true;
    reply_fault(call->web, &call->reply, &fault, 0);
    return false;
}

static void cancel_all(struct call *call)
{
    struct json_object object;
    struct request request;
    if (arguments(call, &request, &object, WEB_OP_cancel_all))
        orders_cancel_all(call->web, call->user, &request, &call->reply);
}

static void mass_status(struct call *call)
{
    struct json_object object;
    struct request request;
    if (arguments(call, &request, &object, WEB_OP_mass_status))
        orders_mass_status(call->web, call->user, &request, &call->reply);
}

static void own_trades(struct call *call)
{
    uint64_t limit, before, min_seq;
    if (whole_argument(call, &limit, "limit", 50, 500) &&
        whole_argument(call, &before, "before", UINT64_MAX, INT64_MAX) &&
        whole_argument(call, &min_seq, "min_seq", 0, INT64_MAX))
        history_own_trades(call->web, call->user, &call->reply, (int64_t)limit, before, min_seq);
}

static void own_xvps(struct call *call)
{
    uint64_t limit, before, min_seq;
    if (whole_argument(call, &limit, "limit", 50, 500) &&
        whole_argument(call, &before, "before", UINT64_MAX, INT64_MAX) &&
        whole_argument(call, &min_seq, "min_seq", 0, INT64_MAX))
        history_own_xvps(call->web, call->user, &call->reply, (int64_t)limit, before, min_seq);
}

static void xvp_act(struct call *call, uint8_t action)
{
    struct json_object object;
    struct request request;
    uint64_t id;
    enum web_op op = action == XVP_REVEAL ? WEB_OP_rest_xvp_reveal : WEB_OP_rest_xvp;
    if (body(call, &request, &object, op) && order_id(call, &id))
        orders_xvp(call->web, call->user, id, action, &request, &call->reply);
}

// What login with from_seq tells over a WebSocket.
static void events(struct call *call)
{
    uint64_t after, index, limit;
    if (whole_argument(call, &after, "after", 0, SEQUENCE_MAX) &&
        whole_argument(call, &index, "after_index", UINT32_MAX, UINT32_MAX) &&
        whole_argument(call, &limit, "limit", REPLAY_EVENTS_DEFAULT, REPLAY_EVENTS_MAX))
        replay_answer(call->web, call->user, &call->reply,
                      (struct teller_place){after, (uint32_t)index},
                      limit > 0 ? (uint32_t)limit : 1);
}

// ---- which one -------------------------------------------------------------------------------

static bool open_to_all(struct call *call, enum handler handler)
{
    switch ((int)handler) {
    case HEALTH:
        health(call);
        return true;
    case STATUS:
        status(call);
        return true;
    case INSTRUMENTS:
        instruments(call);
        return true;
    case INSTRUMENT:
        instrument(call);
        return true;
    case BOOK:
        market_data(call, CHANNEL_BOOK);
        return true;
    case BEST:
        market_data(call, CHANNEL_BEST);
        return true;
    case BOOK_ORDERS:
        market_data(call, CHANNEL_BOOK_ORDERS);
        return true;
    case AUCTION:
        market_data(call, CHANNEL_AUCTION);
        return true;
    case STATISTICS:
        market_data(call, CHANNEL_STATISTICS);
        return true;
    case PUBLIC_TRADES:
        public_trades(call);
        return true;
    case LOGIN:
        log_in(call);
        return true;
    case LOGOUT:
        login_logout(call->web, call->http->bearer, &call->reply);
        return true;
    default:
        return false;
    }
}

static void with_login(struct call *call, enum handler handler)
{
    if (handler > XVP_ACTS && handler <= XVP_ACTS_LAST) {
        xvp_act(call, (uint8_t)(handler - XVP_ACTS));
        return;
    }
    switch ((int)handler) {
    case ORDERS:
        private_send_orders(call->web, call->user, &call->reply);
        break;
    case PLACE:
        place(call);
        break;
    case ORDER_STATUS:
        order_status(call);
        break;
    case MASS_STATUS:
        mass_status(call);
        break;
    case AMEND:
        amend(call);
        break;
    case CANCEL:
        cancel(call);
        break;
    case CANCEL_ALL:
        cancel_all(call);
        break;
    case OWN_TRADES:
        own_trades(call);
        break;
    case EVENTS:
        events(call);
        break;
    case XVPS:
        own_xvps(call);
        break;
    default:
        private_send_balances(call->web, call->user, &call->reply);
        break;
    }
}

static bool find_user(struct call *call)
{
    struct token token;
    const char *bearer = call->http->bearer;
    if (tokens_find(call->web->tokens, &token, bearer, strlen(bearer), web_wall_ns()))
        call->user = user_of_session(call->web, token.session);
    if (call->user == NULL)
        refuse(call, REJECT_NOT_LOGGED_IN, 0, 0);
    return call->user != NULL;
}

static void dispatch(struct call *call, enum handler handler)
{
    struct web *web = call->web;
    uint64_t per_second = (uint64_t)web->config->web_rate_per_second;
    if (open_to_all(call, handler) || !find_user(call))
        return;
    if (web->stopping)
        refuse(call, REJECT_SHUTTING_DOWN, 0, 0);
    else if (handler != CANCEL && handler != CANCEL_ALL &&
             !rate_take(&call->user->rate, web_now_ns(), per_second))
        refuse(call, REJECT_THROTTLED, (int64_t)per_second, 0);
    else
        with_login(call, handler);
}

// A body that was not read: too long, or of unknown length.
static void refuse_body(struct call *call, const struct http_request *request)
{
    struct web *web = call->web;
    struct fault fault = {.code = REJECT_MALFORMED, .field = "Content-Length"};
    if (request->refused == 413)
        fault = (struct fault){.code = REJECT_TOO_LARGE,
                               .limit = web->config->web_message_bytes_max,
                               .value = (int64_t)request->body_bytes};
    reply_begin(web, &call->reply, "error");
    shape_error(&web->out, &fault);
    reply_end(web, &call->reply, request->refused);
}

void rest_request(void *context, uint64_t id, const struct http_request *request)
{
    struct web *web = context;
    struct call call = {.web = web, .http = request, .reply = {.peer = id, .rest = true}};
    if (request->refused != 0) {
        refuse_body(&call, request);
        return;
    }
    int route = route_find(call.value, routes, sizeof routes / sizeof *routes, request->method,
                           request->path);
    if (route >= 0)
        dispatch(&call, (enum handler)routes[route].handler);
    else if (request->method != HTTP_GET || !pages_answer(web->pages, web->http, id, request->path))
        refuse(&call, REJECT_NOT_FOUND, 0, 0);
}
