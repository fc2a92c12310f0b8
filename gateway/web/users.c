// Users: trading sessions with somebody connected, and which account's updates go to whom. The core
// is told when the first WebSocket of a session logs in and when the last one has gone: then its
// orders are cancelled if the session has cancel on disconnect.
#include <stdlib.h>

#include "base/log.h"
#include "gateway/web/replay.h"
#include "gateway/web/web.h"

struct client *client_find(const struct web *web, uint64_t id)
{
    uint64_t found = 0;
    return map_get(&web->clients, id, &found) ? (struct client *)(uintptr_t)found : NULL;
}

const struct account_user *users_of_account(const struct web *web, uint32_t account)
{
    uint64_t found = 0;
    if (account == 0 || !map_get(&web->account_users, account, &found))
        return NULL;
    return (const struct account_user *)(uintptr_t)found;
}

struct user *user_of_session(struct web *web, uint32_t session)
{
    const struct session_rec *known = view_session(web->view, session);
    if (known == NULL || known->session == 0 || known->gateway != GATEWAY_WEB ||
        (known->flags & SESSION_DISABLED) != 0)
        return NULL;
    struct user **user = &web->users[session];
    if (*user == NULL) {
        *user = calloc(1, sizeof **user);
        if (*user == NULL)
            return NULL;
        (*user)->session = session;
    }
    return *user;
}

// ---- accounts --------------------------------------------------------------------------------

static void watch_account(struct web *web, struct user *user, uint32_t account)
{
    struct account_user *entry = malloc(sizeof *entry);
    uint64_t first = 0;
    if (entry == NULL)
        abort();
    map_get(&web->account_users, account, &first);
    *entry = (struct account_user){.user = user, .next = (struct account_user *)(uintptr_t)first};
    map_put(&web->account_users, account, (uint64_t)(uintptr_t)entry);
}

static void unwatch_account(struct web *web, const struct user *user, uint32_t account)
{
    uint64_t found = 0;
    bool there = map_get(&web->account_users, account, &found);
    ASSERT(there);
    struct account_user *first = (struct account_user *)(uintptr_t)found;
    struct account_user **at = &first;
    while ((*at)->user != user)
        at = &(*at)->next;
    struct account_user *entry = *at;
    *at = entry->next;
    free(entry);
    if (first == NULL)
        map_remove(&web->account_users, account);
    else
        map_put(&web->account_users, account, (uint64_t)(uintptr_t)first);
}

static void unwatch_accounts(struct web *web, struct user *user)
{
    for (size_t i = 0; i < user->account_count; i++)
        unwatch_account(web, user, user->accounts[i]);
    user->account_count = 0;
}

static void watch_accounts(struct web *web, struct user *user)
{
    ASSERT(user->account_count == 0);
    user->account_count = view_session_accounts(web->view, user->session, RIGHT_SEE, user->accounts,
                                                SESSION_ACCOUNTS_MAX);
    if (user->account_count > SESSION_ACCOUNTS_MAX)
        user->account_count = SESSION_ACCOUNTS_MAX;
    for (size_t i = 0; i < user->account_count; i++)
        watch_account(web, user, user->accounts[i]);
}

// ---- the core's knowledge of who is there ----------------------------------------------------

// Makes what the core knows what is so; if its ring is full or it is away, the next tick tries
// again.
static void tell_core(struct web *web, struct user *user)
{
    bool wanted = user->clients != NULL;
    if (user->opened == wanted)
        return;
    uint8_t type = wanted ? CMD_session_open : CMD_session_close;
    struct command *command = link_claim(&web->link, type, 0, user->session, 0);
    if (command == NULL)
        return;
    if (wanted) {
        command->body.session_open.opened_session = user->session;
    } else {
        command->body.session_close.closed_session = user->session;
        command->body.session_close.reason = CANCEL_DISCONNECT;
    }
    link_send(&web->link);
    user->opened = wanted;
}

void users_tick(struct web *web)
{
    for (int64_t session = 1; session <= web->config->limits_sessions_max; session++)
        if (web->users[session] != NULL)
            tell_core(web, web->users[session]);
}

// A new core or a new attach has closed all sessions of this gateway.
void users_reattach(struct web *web)
{
    for (int64_t session = 1; session <= web->config->limits_sessions_max; session++)
        if (web->users[session] != NULL)
            web->users[session]->opened = false;
    users_tick(web);
}

void user_add_client(struct web *web, struct user *user, struct client *client)
{
    ASSERT(client->user == NULL);
    if (user->clients == NULL)
        watch_accounts(web, user);
    client->user = user;
    client->next_of_user = user->clients;
    user->clients = client;
    tell_core(web, user);
    log_debug("logged in session=%u", user->session);
}

void user_remove_client(struct web *web, struct client *client)
{
    struct user *user = client->user;
    if (user == NULL)
        return;
    replay_leave(client);
    struct client **at = &user->clients;
    while (*at != client)
        at = &(*at)->next_of_user;
    *at = client->next_of_user;
    client->user = NULL;
    if (user->clients == NULL) {
        unwatch_accounts(web, user);
        tell_core(web, user);
    }
}

void users_session_changed(struct web *web, uint32_t session)
{
    struct user *user = web->users[session];
    if (user == NULL || user->clients == NULL)
        return;
    unwatch_accounts(web, user);
    watch_accounts(web, user);
    if (user_of_session(web, session) != NULL)
        return;
    for (struct client *c = user->clients; c != NULL; c = c->next_of_user)
        http_hang_up(web->http, c->id, 1008, "session disabled");
}
