// The WebSocket protocol (docs/websocket.md): a message in, the part that deals with it found by
// its op.
#include <stdlib.h>
#include <string.h>

#include "gateway/web/replay.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { CLOSE_GOING_AWAY = 1001, CLOSE_POLICY = 1008 };

static void hello(struct web *web, uint64_t id)
{
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "hello");
    json_integer(out, "version", PROTOCOL_VERSION);
    json_text(out, "venue", web->config->venue_name);
    json_text(out, "state", feed_state(web));
    json_integer(out, "sequence", (int64_t)view_sequence(web->view));
    json_integer(out, "rate_per_second", web->config->web_rate_per_second);
    json_integer(out, "message_bytes_max", web->config->web_message_bytes_max);
    json_close(out, '}');
    send_out(web, id);
}

void socket_opened(void *context, uint64_t id, const char *peer)
{
    struct web *web = context;
    (void)peer;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        http_hang_up(web->http, id, CLOSE_GOING_AWAY, "no memory");
        return;
    }
    client->id = id;
    map_put(&web->clients, id, (uint64_t)(uintptr_t)client);
    hello(web, id);
}

void socket_closed(void *context, uint64_t id)
{
    struct web *web = context;
    struct client *client = client_find(web, id);
    if (client == NULL)
        return;
    markets_leave(web, client);
    user_remove_client(web, client);
    map_remove(&web->clients, id);
    free(client);
}

void socket_drained(void *context, uint64_t id)
{
    struct web *web = context;
    struct client *client = client_find(web, id);
    if (client != NULL)
        markets_catch_up(web, client);
}

// ---- login -----------------------------------------------------------------------------------

static void write_rights(struct json_out *out, uint8_t rights)
{
    static const char *const words[] = {"trade", "cancel", "see"}; // by bit of enum session_right
    json_name(out, "rights");
    json_open(out, '[');
    for (uint32_t bit = 0; bit < 3; bit++)
        if ((rights >> bit & 1) != 0)
            json_string_item(out, words[bit], strlen(words[bit]));
    json_close(out, ']');
}

static void write_login(struct web *web, const struct user *user, const struct reply *reply,
                        const struct token *token)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, user->session, RIGHTS_ALL, accounts, SESSION_ACCOUNTS_MAX);
    const struct session_rec *session = view_session(web->view, user->session);
    struct json_out *out = &web->out;
    reply_begin(web, reply, "login");
    json_integer(out, "session", user->session);
    json_boolean(out, "cancel_on_disconnect", (session->flags & SESSION_CANCEL_ON_DISCONNECT) != 0);
    json_id(out, "expires", token->expires_ns);
    json_name(out, "accounts");
    json_open(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(out, '{');
        json_integer(out, "account", accounts[i]);
        write_rights(out, view_session_rights(web->view, user->session, accounts[i]));
        json_close(out, '}');
    }
    json_close(out, ']');
    reply_end(web, reply, 200);
}

// The place behind which a client wants its updates; without an index it has the whole command.
// False: the answer has been given.
static bool place_named(struct web *web, const struct reply *reply, struct teller_place *place,
                        const struct request *request)
{
    struct fault fault;
    int64_t sequence, index;
    if (!request_whole(&sequence, &fault, request, WEB_FIELD_from_seq, SEQUENCE_MAX, 0) ||
        !request_whole(&index, &fault, request, WEB_FIELD_from_index, UINT32_MAX, UINT32_MAX)) {
        reply_fault(web, reply, &fault, 0);
        return false;
    }
    *place = (struct teller_place){(uint64_t)sequence, (uint32_t)index};
    return true;
}

static void log_in(struct web *web, struct client *client, const struct request *request,
                   const struct reply *reply)
{
    const struct json_member *text = request->field[WEB_FIELD_token];
    struct token token;
    struct user *user = NULL;
    struct teller_place from;
    if (!place_named(web, reply, &from, request))
        return;
    if (tokens_find(web->tokens, &token, text->text, text->text_bytes, web_wall_ns()))
        user = user_of_session(web, token.session);
    if (user == NULL) {
        reply_code(web, reply, REJECT_NOT_LOGGED_IN, 0, 0);
        return;
    }
    if (client->user !=
        user) { // as somebody else; with a fresh token of the same session nobody leaves
        user_remove_client(web, client);
        user_add_client(web, user, client);
    }
    replay_leave(client);
    client->token = token.number;
    client->expires_ns = token.expires_ns;
    write_login(web, user, reply, &token);
    if (request_has(request, WEB_FIELD_from_seq)) {
        replay_to_client(web, client, from);
        return;
    }
    client->told = (struct teller_place){0};
    private_send_orders(web, user, &(struct reply){.peer = client->id});
    private_send_balances(web, user, &(struct reply){.peer = client->id});
}

static void say_logged_out(struct web *web, struct client *client, const char *reason)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "logged_out");
    json_text(&web->out, "reason", reason);
    json_close(&web->out, '}');
    send_out(web, client->id);
    user_remove_client(web, client);
    client->token = 0;
}

static struct client *client_at(const struct web *web, size_t i)
{
    const struct map_entry *entry = &web->clients.entries[i];
    return entry->key != 0 ? (struct client *)(uintptr_t)entry->value : NULL;
}

void socket_log_out(struct web *web, uint64_t token_number, const char *reason)
{
    tokens_revoke(web->tokens, token_number);
    for (size_t i = 0; i < web->clients.capacity; i++) {
        struct client *client = client_at(web, i);
        if (client != NULL && client->user != NULL && client->token == token_number)
            say_logged_out(web, client, reason);
    }
}

void socket_tick(struct web *web)
{
    uint64_t now_ns = web_wall_ns();
    for (size_t i = 0; i < web->clients.capacity; i++) {
        struct client *client = client_at(web, i);
        if (client != NULL && client->user != NULL && client->expires_ns <= now_ns)
            say_logged_out(web, client, "expired");
    }
}

void socket_shutdown(struct web *web)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "serverShutdown");
    json_text(&web->out, "reason", "the gateway is stopping; connect again");
    json_close(&web->out, '}');
    send_out_to_all(web);
    for (size_t i = 0; i < web->clients.capacity; i++)
        if (web->clients.entries[i].key != 0)
            http_hang_up(web->http, web->clients.entries[i].key, CLOSE_GOING_AWAY, "shutting down");
}

// ---- messages --------------------------------------------------------------------------------

static void instruments(struct web *web, const struct request *request, const struct reply *reply)
{
    struct fault fault;
    int64_t after, limit;
    if (!request_whole(&after, &fault, request, WEB_FIELD_after, UINT32_MAX, 0) ||
        !request_whole(&limit, &fault, request, WEB_FIELD_limit, INSTRUMENTS_PAGE,
                       INSTRUMENTS_PAGE)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    reply_begin(web, reply, "instruments");
    instruments_write(web, (uint32_t)after, limit > 0 ? (uint32_t)limit : 1);
    reply_end(web, reply, 200);
}

static void pong(struct web *web, const struct reply *reply)
{
    reply_begin(web, reply, "pong");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_id(&web->out, "time", web_wall_ns());
    reply_end(web, reply, 200);
}

static void settlements(struct web *web, struct user *user, const struct request *request,
                        const struct reply *reply)
{
    struct fault fault;
    int64_t limit;
    if (request_whole(&limit, &fault, request, WEB_FIELD_limit, 500, 50))
        history_own_trades(web, user, reply, limit, UINT64_MAX, 0);
    else
        reply_fault(web, reply, &fault, 0);
}

// What everybody may ask; false: it needs a login.
static bool public_request(struct web *web, struct client *client, const struct request *request,
                           const struct reply *reply)
{
    switch ((int)request->op) {
    case WEB_OP_login:
        log_in(web, client, request, reply);
        return true;
    case WEB_OP_subscribe:
        markets_subscribe(web, client, request, reply);
        return true;
    case WEB_OP_unsubscribe:
        markets_unsubscribe(web, client, request, reply);
        return true;
    case WEB_OP_instruments:
        instruments(web, request, reply);
        return true;
    case WEB_OP_ping:
        pong(web, reply);
        return true;
    default:
        return false;
    }
}

static void log_out(struct web *web, struct client *client, const struct reply *reply)
{
    reply_begin(web, reply, "logout");
    reply_end(web, reply, 200);
    socket_log_out(web, client->token, "logout");
}

static void private_request(struct web *web, struct client *client, const struct request *request,
                            const struct reply *reply)
{
    struct user *user = client->user;
    const struct view_order *order;
    if (user == NULL) {
        reply_code(web, reply, REJECT_NOT_LOGGED_IN, 0, 0);
        return;
    }
    switch ((int)request->op) {
    case WEB_OP_place:
        orders_place(web, user, request, reply);
        break;
    case WEB_OP_cancel:
        orders_cancel(web, user, request, reply);
        break;
    case WEB_OP_cancel_all:
        orders_cancel_all(web, user, request, reply);
        break;
    case WEB_OP_amend:
        if ((order = orders_named(web, user, request, reply)) != NULL)
            orders_amend(web, user, order, request, reply);
        break;
    case WEB_OP_order_status:
        if ((order = orders_named(web, user, request, reply)) != NULL)
            orders_status(web, user, order, reply);
        break;
    case WEB_OP_mass_status:
        orders_mass_status(web, user, request, reply);
        break;
    case WEB_OP_orders:
        private_send_orders(web, user, reply);
        break;
    case WEB_OP_balances:
        private_send_balances(web, user, reply);
        break;
    case WEB_OP_settlements:
        settlements(web, user, request, reply);
        break;
    default:
        log_out(web, client, reply);
        break;
    }
}

static bool is_cancel(enum web_op op)
{
    return op == WEB_OP_cancel || op == WEB_OP_cancel_all;
}

void socket_message(void *context, uint64_t id, const char *text, size_t bytes)
{
    struct web *web = context;
    struct client *client = client_find(web, id);
    struct json_object object;
    struct request request;
    struct fault fault;
    struct reply reply = {.peer = id};
    if (client == NULL)
        return;
    bool good = request_of_message(&request, &fault, &object, text, bytes);
    reply.id_bytes = (uint8_t)request_id(reply.id, &request);
    uint64_t per_second = (uint64_t)web->config->web_rate_per_second;
    if (!(good && is_cancel(request.op)) && !rate_take(&client->rate, web_now_ns(), per_second))
        reply_code(web, &reply, REJECT_THROTTLED, (int64_t)per_second, 0);
    else if (!good)
        reply_fault(web, &reply, &fault, 0);
    else if (web->stopping)
        reply_code(web, &reply, REJECT_SHUTTING_DOWN, 0, 0);
    else if (!public_request(web, client, &request, &reply))
        private_request(web, client, &request, &reply);
}
