#include "gateway/fix/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/fix/frame.h"
#include "gateway/fix/resend.h"
#include "gateway/fix/session.h"
#include "schema/rejects.h"

enum { FINISH_PATIENCE_NS = 1000000000 };

struct client {
    struct clients *clients;
    struct client *next, *previous;
    struct connection *connection;
    struct session *session; // once bound
    struct session_wire wire;
    struct check *check; // credentials are being checked
    char *logon;         // the message, until it is fed; holds the password
    size_t logon_bytes;
    char comp_id[STORE_COMP_ID_BYTES_MAX];
    uint64_t since_ns;
};

// ---- the session's wire -------------------------------------------------------------------------

static void wire_send(void *context, const char *bytes, size_t count)
{
    struct client *client = context;
    connection_send(client->connection, bytes, count);
}

static void wire_hang_up(void *context)
{
    struct client *client = context;
    client->session = NULL;
    connection_finish(client->connection, "the session has ended");
}

// ---- the Logon's fields -------------------------------------------------------------------------

static struct fix_text text_of(const char *bytes, size_t count, uint32_t tag)
{
    struct frame_field field;
    if (!frame_field(bytes, count, tag, &field))
        return (struct fix_text){"", 0};
    return (struct fix_text){field.value, field.bytes};
}

static bool is_text(const struct fix_text *text, const char *expected)
{
    return text->bytes == strlen(expected) && memcmp(text->at, expected, text->bytes) == 0;
}

static bool wants_reset(const char *bytes, size_t count)
{
    struct fix_text flag = text_of(bytes, count, 141);
    return is_text(&flag, "Y");
}

// ---- refusals -----------------------------------------------------------------------------------

// A Logout outside of any session.
static void say_logout(struct client *client, const char *text)
{
    char body[512], message[640], now[FIX_TIME_BYTES];
    fix_time(now, clock_wall_ns(client->clients->desk->clock));
    int bytes = snprintf(body, sizeof body, "35=5\00134=1\00149=%s\00152=%s\00156=%s\00158=%s\001",
                         client->clients->desk->venue, now, client->comp_id, text);
    if (bytes > 0 && (size_t)bytes < sizeof body)
        connection_send(client->connection, message,
                        fix_wrap(message, sizeof message, body, (size_t)bytes));
    connection_finish(client->connection, text);
}

static void logon_wipe(struct client *client)
{
    if (client->logon != NULL)
        explicit_bzero(client->logon, client->logon_bytes);
    free(client->logon);
    client->logon = NULL;
}

static void refuse(struct client *client, uint32_t session_id, const char *text)
{
    struct desk *desk = client->clients->desk;
    struct session *session = session_id <= desk->sessions_max ? desk->sessions[session_id] : NULL;
    log_warning("logon refused peer=%s session=%" PRIu32 " reason=%s",
                connection_peer(client->connection), session_id, text);
    // A Logon with ResetSeqNumFlag would reset the numbers before it is refused; it expects
    // number 1.
    bool resets = client->logon != NULL && wants_reset(client->logon, client->logon_bytes);
    if (session == NULL || resets) {
        say_logout(client, text);
    } else if (session->wire != NULL) {
        connection_finish(client->connection, "refused beside a live connection");
    } else {
        client->session = session;
        session_connect(session, &client->wire, text);
        session_feed(session, client->logon, client->logon_bytes);
        if (client->session != NULL)
            session_disconnected(session);
        client->session = NULL;
        connection_finish(client->connection, text);
    }
    logon_wipe(client);
}

// ---- logon --------------------------------------------------------------------------------------

static void bind_session(struct client *client, struct session *session)
{
    client->session = session;
    session_connect(session, &client->wire, NULL);
    session_feed(session, client->logon, client->logon_bytes);
    logon_wipe(client);
    if (client->session != NULL && !session_logged_on(session)) { // its Logon was no good
        session_disconnected(session);
        client->session = NULL;
        connection_finish(client->connection, "not logged on");
    }
}

static void welcome(struct client *client, uint32_t session_id)
{
    struct desk *desk = client->clients->desk;
    const struct session_rec *terms = view_session(desk->view, session_id);
    if (client->clients->closing) {
        refuse(client, session_id, reject_entry(REJECT_SHUTTING_DOWN)->text);
        return;
    }
    if (!desk->link->attached) {
        refuse(client, session_id, "the venue cannot be reached; retry");
        return;
    }
    if (terms == NULL || terms->session == 0 || terms->gateway != GATEWAY_FIX ||
        (terms->flags & SESSION_DISABLED) != 0) {
        refuse(client, session_id, "the session is not known to the venue, or disabled");
        return;
    }
    struct session *session = desk_session(desk, session_id, client->comp_id);
    if (session == NULL)
        refuse(client, 0, "the session cannot be opened; ask the venue");
    else if (session->wire != NULL)
        refuse(client, session_id, "the session has a connection already");
    else
        bind_session(client, session);
}

static void on_verdict(void *context, enum verdict verdict, uint32_t session_id)
{
    struct client *client = context;
    client->check = NULL;
    switch (verdict) {
    case VERDICT_GOOD:
        welcome(client, session_id);
        break;
    case VERDICT_WRONG: // of no session: its numbers would tell that it exists
        refuse(client, 0, reject_entry(REJECT_BAD_CREDENTIALS)->text);
        break;
    case VERDICT_NO_DATABASE:
        refuse(client, 0, "the database cannot be reached; retry");
        break;
    case VERDICT_BUSY:
        refuse(client, 0, "too many logons at once; retry");
        break;
    }
    // Input stays held: the next turn of the loop goes on with it.
}

// True if the first message may be judged: a Logon of somebody to us.
static bool is_logon_to_us(struct client *client, const char *bytes, size_t count)
{
    struct fix_text type = text_of(bytes, count, 35), from = text_of(bytes, count, 49);
    struct fix_text to = text_of(bytes, count, 56), version = text_of(bytes, count, 8);
    if (!is_text(&type, "A") || from.bytes == 0 || from.bytes >= sizeof client->comp_id)
        return false;
    memcpy(client->comp_id, from.at, from.bytes);
    client->comp_id[from.bytes] = 0;
    return is_text(&version, "FIX.4.4") && is_text(&to, client->clients->desk->venue);
}

static void begin_logon(struct client *client, const char *bytes, size_t count)
{
    if (!is_logon_to_us(client, bytes, count)) {
        char text[200];
        frame_printable(text, sizeof text, bytes, count);
        log_warning("first message is no Logon to us peer=%s text=%s",
                    connection_peer(client->connection), text);
        connection_finish(client->connection, "no Logon to us");
        return;
    }
    struct fix_text comp_id = text_of(bytes, count, 49), user = text_of(bytes, count, 553);
    struct fix_text password = text_of(bytes, count, 554);
    client->logon = malloc(count);
    ASSERT(client->logon != NULL);
    memcpy(client->logon, bytes, count);
    client->logon_bytes = count;
    connection_hold(client->connection, true);
    client->check = credentials_check(client->clients->credentials, &comp_id, &user, &password,
                                      on_verdict, client);
    if (client->check == NULL)
        on_verdict(client, VERDICT_BUSY, 0);
}

static void on_message(void *context, const char *bytes, size_t count)
{
    struct client *client = context;
    if (client->session == NULL) {
        begin_logon(client, bytes, count);
        return;
    }
    struct session *session = client->session;
    session_feed(session, bytes, count);
    if (client->session != NULL && session_is_held(session))
        connection_hold(client->connection, true);
}

// ---- the list -----------------------------------------------------------------------------------

static void on_closed(void *context)
{
    struct client *client = context;
    struct clients *clients = client->clients;
    if (client->session != NULL)
        session_disconnected(client->session);
    if (client->check != NULL)
        credentials_forget(client->check);
    logon_wipe(client);
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        clients->first = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    clients->count--;
    free(client);
}

static const struct connection_owner owner = {.message = on_message, .closed = on_closed};

void clients_init(struct clients *clients, struct loop *loop, const struct config *config,
                  struct desk *desk, struct credentials *credentials)
{
    *clients =
        (struct clients){.loop = loop,
                         .config = config,
                         .limits = {.message_bytes_max = (size_t)config->fix_message_bytes_max,
                                    .output_bytes_max = (size_t)config->fix_output_bytes_max},
                         .desk = desk,
                         .credentials = credentials};
}

// Strangers must not keep members out by being many: the oldest connection that has not logged on
// makes room. Returns false if everybody has, or is being checked.
static bool make_room(struct clients *clients)
{
    struct client *oldest = NULL; // the newest stands first
    for (struct client *client = clients->first; client != NULL; client = client->next)
        if (client->session == NULL && client->check == NULL)
            oldest = client;
    if (oldest == NULL)
        return false;
    connection_close(oldest->connection, "makes room, not logged on");
    return true;
}

void clients_accept(struct clients *clients, int fd)
{
    if (clients->count >= (size_t)clients->config->fix_connections_max && !make_room(clients)) {
        log_limited(LOG_WARNING, "connection refused: there are fix.connections_max=%zu",
                    clients->count);
        close(fd);
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    ASSERT(client != NULL);
    client->clients = clients;
    client->wire = (struct session_wire){wire_send, wire_hang_up, client};
    client->since_ns = clock_monotone_ns(&clock_system);
    client->connection = connection_open(clients->loop, fd, &clients->limits, &owner, client);
    if (client->connection == NULL) {
        free(client);
        return;
    }
    client->next = clients->first;
    if (clients->first != NULL)
        clients->first->previous = client;
    clients->first = client;
    clients->count++;
    log_info("connection peer=%s", connection_peer(client->connection));
}

// ---- work ---------------------------------------------------------------------------------------

// Returns false if it could go on at once.
static bool resend_work(struct client *client)
{
    size_t backlog_bytes_max = client->clients->limits.output_bytes_max / 2;
    size_t backlog = connection_output_bytes(client->connection);
    if (backlog >= backlog_bytes_max)
        return true; // the socket wakes us
    bool more = session_resend_some(client->session, backlog_bytes_max - backlog,
                                    clock_wall_ns(client->clients->desk->clock));
    return !more || connection_output_bytes(client->connection) >= backlog_bytes_max;
}

bool clients_work(struct clients *clients)
{
    bool idle = true;
    for (struct client *client = clients->first, *next = NULL; client != NULL; client = next) {
        next = client->next;
        if (client->session == NULL || client->check != NULL)
            continue;
        idle = resend_work(client) && idle;
        if (!session_is_held(client->session))
            connection_resume(client->connection); // may be the end of the client
    }
    return idle;
}

void clients_flush(struct clients *clients)
{
    for (struct client *client = clients->first, *next = NULL; client != NULL; client = next) {
        next = client->next;
        connection_flush(client->connection);
    }
}

static void client_tick(struct client *client, uint64_t now_ns)
{
    uint64_t finishing_since_ns = 0;
    uint64_t patience_ns = (uint64_t)client->clients->config->fix_logon_timeout_ms * 1000000;
    if (connection_is_finishing(client->connection, &finishing_since_ns)) {
        if (now_ns - finishing_since_ns > FINISH_PATIENCE_NS)
            connection_close(client->connection, "the peer does not take the rest");
    } else if (client->session == NULL && client->check == NULL && // a check has a limit of its own
               now_ns - client->since_ns > patience_ns) {
        connection_close(client->connection, "no logon in time");
    }
}

void clients_tick(struct clients *clients)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    for (struct client *client = clients->first, *next = NULL; client != NULL; client = next) {
        next = client->next;
        client_tick(client, now_ns);
    }
}

void clients_expel(struct clients *clients, const char *reason)
{
    clients->closing = true;
    for (struct client *client = clients->first, *next = NULL; client != NULL; client = next) {
        next = client->next;
        if (client->session != NULL)
            session_expel(client->session, reason);
        else
            connection_close(client->connection, reason);
    }
}

void clients_close(struct clients *clients)
{
    while (clients->first != NULL)
        connection_close(clients->first->connection, "the gateway stops");
}
