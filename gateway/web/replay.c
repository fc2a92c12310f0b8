// Happy path: replay_to_client puts a job into `waiting`; schedule makes the jobs that wait a pass
// and submits a portion; the worker (run) fills the jobs' buffers; finish gives them to the sockets
// as far as they take them and submits the next portion, until every job has been told what it
// missed up to its target; then its held live updates, `replayed` and the snapshots, and it is
// live.
//
// A portion ends early when a buffer is full or the tape has no more at the moment; the next tick
// goes on. While a portion runs, the jobs of the pass, the view and the tape are the worker's;
// `client`, `target` and what is held are the loop's.
#include "gateway/web/replay.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "core/snapshot_file.h"
#include "core/tape_format.h"
#include "core/tape_reader.h"
#include "gateway/web/shapes.h"

#define PATIENCE_NS 10000000000u // for a tape that does not go on

enum {
    WORKER_NICE = 10,
    PORTION_EVENTS = 16384,
    BATCH = 256,
    BUFFER_BYTES_MAX = 256 << 10, // and at most the updates of one more batch
};

struct held_frame {
    struct held_frame *next;
    struct http_frame *frame;
    struct teller_place place;
};

struct replay {
    struct replay *next;
    struct reply reply; // of REST; of a WebSocket its connection
    uint32_t session;
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t account_count;
    // The loop's.
    struct client *client; // NULL: REST, or it has gone
    bool gone;
    uint64_t target; // what is live begins behind this sequence
    struct held_frame *held_first, *held_last;
    size_t held_bytes;
    size_t sent;      // bytes of the buffer
    uint64_t reached; // up to here all is in the buffer, or sent
    // The worker's while a portion runs.
    uint16_t refused;         // enum reject_code; 0 = none
    struct teller_place told; // of the last update in the buffer, or before it
    struct json_out buffer;   // updates, each with a newline behind it
    uint32_t count;           // of updates
    uint32_t limit;           // of REST
};

struct replays {
    struct web *web;
    struct workers *workers;
    struct replay *waiting, *pass; // lists
    struct replay *leaving;        // have all in their buffers, and read slowly
    unsigned count;                // of jobs
    bool running;                  // a portion is under way
    bool closing;
    uint64_t starved_since_ns; // 0 = the last portion has got on
    // The worker's while a portion runs.
    struct view *view; // NULL: no pass has begun
    struct tape_reader tape;
    bool placed;     // the tape stands at the event behind `at`
    bool starved;    // the tape has no more at the moment
    uint64_t at;     // the view stands behind this sequence
    uint64_t reach;  // how far the pass is to go: the furthest target
    uint8_t *wanted; // by account
    struct teller teller;
    struct json_out out;
};

// ---- jobs ------------------------------------------------------------------------------------

static void job_push(struct replay **list, struct replay *job)
{
    job->next = *list;
    *list = job;
}

static void held_drop(struct replay *job)
{
    while (job->held_first != NULL) {
        struct held_frame *held = job->held_first;
        job->held_first = held->next;
        http_frame_release(held->frame);
        free(held);
    }
    job->held_last = NULL;
    job->held_bytes = 0;
}

static void job_free(struct replays *replays, struct replay *job)
{
    if (job->client != NULL)
        job->client->replay = NULL;
    held_drop(job);
    json_out_fini(&job->buffer);
    free(job);
    replays->count--;
}

static size_t unsent(const struct replay *job)
{
    return job->buffer.bytes - job->sent;
}

static bool is_full(const struct replay *job)
{
    return job->reply.rest ? job->count >= job->limit : unsent(job) >= BUFFER_BYTES_MAX;
}

static bool wants(const struct replay *job, uint32_t account)
{
    for (size_t i = 0; i < job->account_count; i++)
        if (job->accounts[i] == account)
            return true;
    return false;
}

// ---- the worker ------------------------------------------------------------------------------

static bool on_wanted(void *context, uint32_t account)
{
    const struct replays *replays = context;
    return replays->wanted[account] != 0;
}

static void on_tell(void *context, uint32_t account, struct teller_place place, uint64_t answered)
{
    struct replays *replays = context;
    (void)answered; // whether the answer has arrived is what nobody knows
    for (struct replay *job = replays->pass; job != NULL; job = job->next) {
        bool more = !job->reply.rest || job->count < job->limit;
        if (job->refused != REJECT_NONE || !more || !teller_is_behind(place, job->told) ||
            !wants(job, account))
            continue;
        json_raw(&job->buffer, replays->out.text, replays->out.bytes);
        json_raw(&job->buffer, "\n", 1);
        job->told = place;
        job->count++;
    }
}

// What it has of whole commands: a command that is told in part must be come to from its begin.
static uint64_t known_to(const struct replay *job)
{
    bool whole = job->told.sequence == 0 || job->told.index == UINT32_MAX;
    return whole ? job->told.sequence : job->told.sequence - 1;
}

static struct replay *oldest_of(const struct replays *replays)
{
    struct replay *oldest = NULL;
    for (struct replay *job = replays->pass; job != NULL; job = job->next)
        if (job->refused == REJECT_NONE &&
            (oldest == NULL || teller_is_behind(oldest->told, job->told)))
            oldest = job;
    return oldest;
}

// Whether the tape goes on behind `start`. A tape that is not there yet will be.
static bool tape_has(const struct replays *replays, uint64_t start)
{
    uint64_t first;
    return !numbered_smallest(&first, replays->tape.folder, TAPE_SUFFIX) || first <= start + 1;
}

// The snapshot from which the oldest place can be reached, 0 = from the beginning of all; who is
// further back than that, or than the limit, is refused. False: nobody is left.
static bool start_find(struct replays *replays, uint64_t *start)
{
    const struct config *config = replays->web->config;
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, config, "snapshots");
    for (struct replay *oldest; (oldest = oldest_of(replays)) != NULL;) {
        if (!snapshot_file_newest(start, folder, known_to(oldest)))
            *start = 0;
        if (tape_has(replays, *start) &&
            replays->reach - *start <= (uint64_t)config->web_replay_commands_max)
            return true;
        oldest->refused = REJECT_REPLAY_TOO_OLD;
    }
    return false;
}

static void pass_begin(struct replays *replays)
{
    uint64_t start = 0;
    if (!start_find(replays, &start))
        return;
    replays->view = view_create(replays->web->boot);
    replays->at = start > 0 ? view_load_at(replays->view, replays->web->boot, start) : 0;
    replays->teller = (struct teller){.view = replays->view,
                                      .out = &replays->out,
                                      .wanted = on_wanted,
                                      .tell = on_tell,
                                      .context = replays};
    if (replays->at == start)
        return;
    // It was removed meanwhile: whoever asked for this is too far back by now.
    for (struct replay *job = replays->pass; job != NULL; job = job->next)
        job->refused = REJECT_REPLAY_TOO_OLD;
}

static void pass_end(struct replays *replays)
{
    if (replays->view != NULL)
        view_destroy(replays->view);
    replays->view = NULL;
    tape_reader_fini(&replays->tape);
    replays->placed = false;
}

// A reader that is slow: of what was read for it, much is not sent.
static bool any_full(const struct replays *replays)
{
    for (struct replay *job = replays->pass; job != NULL; job = job->next)
        if (!job->reply.rest && is_full(job))
            return true;
    return false;
}

static void apply(struct replays *replays, const struct event *event)
{
    view_apply(replays->view, event);
    teller_on_event(&replays->teller, event, 0);
    if (event->header.last != 0)
        replays->at = event->header.sequence;
}

static void read_portion(struct replays *replays)
{
    struct event events[BATCH];
    if (!replays->placed)
        replays->placed = tape_reader_seek(&replays->tape, replays->at + 1, 0);
    replays->starved = !replays->placed && replays->at < replays->reach;
    for (size_t read = 0; replays->placed && read < PORTION_EVENTS &&
                          replays->at < replays->reach && !any_full(replays);) {
        size_t count = tape_reader_read(&replays->tape, events, BATCH);
        for (size_t i = 0; i < count; i++)
            apply(replays, &events[i]);
        read += count;
        replays->starved = count == 0;
        if (count == 0)
            return;
    }
}

static void run(void *context)
{
    struct replays *replays = context;
    (void)setpriority(PRIO_PROCESS, 0, WORKER_NICE); // of this thread; faster without, not wrong
    if (replays->pass == NULL) {
        pass_end(replays);
        return;
    }
    if (replays->view == NULL)
        pass_begin(replays);
    if (replays->view != NULL && oldest_of(replays) != NULL)
        read_portion(replays);
}

// ---- to the client ---------------------------------------------------------------------------

static bool takes_more(const struct web *web, const struct replay *job)
{
    size_t waiting = http_waiting_bytes(web->http, job->reply.peer);
    return waiting < (size_t)web->config->web_output_bytes_max / 2;
}

static void send_next(struct web *web, struct replay *job)
{
    const char *text = job->buffer.text + job->sent;
    size_t bytes = (size_t)((const char *)memchr(text, '\n', unsent(job)) - text);
    struct http_frame *frame = http_frame_new(text, bytes);
    http_send(web->http, job->reply.peer, frame, HTTP_MUST);
    http_frame_release(frame);
    job->sent += bytes + 1;
}

// Half of what may wait for a socket is for the replay, the other half for what is live.
static void flush(struct web *web, struct replay *job)
{
    while (unsent(job) > 0 && takes_more(web, job))
        send_next(web, job);
    if (unsent(job) > 0)
        return;
    json_clear(&job->buffer);
    job->sent = 0;
}

static void send_held(struct web *web, struct replay *job)
{
    for (struct held_frame *held = job->held_first; held != NULL; held = held->next) {
        if (!teller_is_behind(held->place, job->told))
            continue; // the tape was further than we were
        http_send(web->http, job->reply.peer, held->frame, HTTP_MUST);
        job->told = held->place;
    }
}

static void say_begin(struct web *web, const char *type)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", type);
}

static void say_state(struct web *web, struct client *client)
{
    private_send_orders(web, client->user, &(struct reply){.peer = client->id});
    private_send_balances(web, client->user, &(struct reply){.peer = client->id});
}

static void go_live(struct web *web, struct replay *job)
{
    struct client *client = job->client;
    send_held(web, job);
    client->told = job->told;
    client->replay = NULL;
    say_begin(web, "replayed");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_integer(&web->out, "count", job->count);
    json_close(&web->out, '}');
    send_out(web, client->id);
    say_state(web, client);
}

static void not_replayed(struct web *web, struct client *client, uint16_t code, uint64_t from)
{
    const struct fault fault = {.code = code,
                                .value = (int64_t)from,
                                .limit = web->config->web_replay_commands_max,
                                .argument = (int64_t)view_sequence(web->view)};
    say_begin(web, "not_replayed");
    shape_error(&web->out, &fault);
    json_close(&web->out, '}');
    send_out(web, client->id);
    say_state(web, client);
}

static void answer_events(struct web *web, struct replay *job, uint64_t at)
{
    struct json_out *out = &web->out;
    bool complete = job->count < job->limit;
    for (size_t i = 0; i + 1 < job->buffer.bytes; i++)
        if (job->buffer.text[i] == '\n')
            job->buffer.text[i] = ',';
    reply_begin(web, &job->reply, "events");
    json_integer(out, "sequence", (int64_t)(complete ? at : job->told.sequence));
    if (complete)
        json_null(out, "index");
    else
        json_integer(out, "index", job->told.index);
    json_boolean(out, "complete", complete);
    json_name(out, "events");
    json_open(out, '[');
    json_raw(out, job->buffer.text, job->buffer.bytes > 0 ? job->buffer.bytes - 1 : 0);
    json_close(out, ']');
    reply_end(web, &job->reply, 200);
}

static void refuse(struct web *web, struct replay *job)
{
    struct client *client = job->client;
    if (job->reply.rest) {
        reply_code(web, &job->reply, job->refused, web->config->web_replay_commands_max,
                   (int64_t)job->told.sequence);
        return;
    }
    while (unsent(job) > 0)
        send_next(web, job);
    send_held(web, job);
    client->told = job->told;
    client->replay = NULL;
    not_replayed(web, client, job->refused, job->told.sequence);
}

// Whether all has been told that is not live. The state that is shown then must not be older than
// the last update.
static bool is_told(const struct replays *replays, const struct replay *job)
{
    return job->reached >= job->target && view_sequence(replays->web->view) >= job->told.sequence &&
           unsent(job) == 0 && takes_more(replays->web, job);
}

// Returns whether the job is over.
static bool serve(struct replays *replays, struct replay *job)
{
    struct web *web = replays->web;
    if (job->gone)
        return true;
    if (job->refused != REJECT_NONE) {
        refuse(web, job);
        return true;
    }
    if (job->reply.rest) {
        bool whole = replays->at >= job->target || job->count == job->limit;
        if (whole)
            answer_events(web, job, replays->at);
        return whole;
    }
    flush(web, job);
    if (!is_told(replays, job))
        return false;
    go_live(web, job);
    return true;
}

// ---- passes ----------------------------------------------------------------------------------

typedef bool job_test(const struct replays *replays, const struct replay *job);

// Moves the jobs that pass the test from one list to the other.
static void move(struct replays *replays, struct replay **from, struct replay **to, job_test *test)
{
    for (struct replay **at = from; *at != NULL;) {
        struct replay *job = *at;
        if (!test(replays, job)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job_push(to, job);
    }
}

static bool has_room(const struct replays *replays, const struct replay *job)
{
    (void)replays;
    return unsent(job) == 0;
}

// The pass has not come by its place yet; it may stand within the command behind `at`.
static bool can_join(const struct replays *replays, const struct replay *job)
{
    return unsent(job) == 0 && replays->view != NULL && known_to(job) > replays->at;
}

static bool is_stuck(const struct replays *replays, const struct replay *job)
{
    (void)replays;
    return !job->reply.rest && is_full(job);
}

static void serve_pass(struct replays *replays)
{
    for (struct replay **at = &replays->pass; *at != NULL;) {
        struct replay *job = *at;
        job->reached = replays->at;
        bool over = serve(replays, job);
        if (!over && (job->reply.rest || job->reached < job->target)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        if (over)
            job_free(replays, job);
        else
            job_push(&replays->leaving, job);
    }
}

// Those who need no pass at the moment: for a slow one whose held updates were too many, the target
// has moved away again.
static void serve_others(struct replays *replays)
{
    for (struct replay **at = &replays->leaving; *at != NULL;) {
        struct replay *job = *at;
        bool over = serve(replays, job);
        if (!over && job->reached >= job->target) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        if (over)
            job_free(replays, job);
        else
            job_push(&replays->waiting, job);
    }
    for (struct replay **at = &replays->waiting; *at != NULL;) {
        struct replay *job = *at;
        if (!job->gone) {
            flush(replays->web, job);
            at = &job->next;
            continue;
        }
        *at = job->next;
        job_free(replays, job);
    }
}

// One who reads slowly waits for the next pass, unless there is nobody whom that would help.
static void make_way(struct replays *replays)
{
    unsigned stuck = 0, others = 0;
    for (struct replay *job = replays->pass; job != NULL; job = job->next) {
        stuck += is_stuck(replays, job);
        others += !is_stuck(replays, job);
    }
    if (stuck > 0 && (others > 0 || replays->waiting != NULL))
        move(replays, &replays->pass, &replays->waiting, is_stuck);
}

static void note_wanted(struct replays *replays)
{
    replays->reach = 0;
    for (struct replay *job = replays->pass; job != NULL; job = job->next) {
        if (job->target > replays->reach)
            replays->reach = job->target;
        for (size_t i = 0; i < job->account_count; i++)
            replays->wanted[job->accounts[i]] = 1;
    }
}

static void forget_wanted(struct replays *replays)
{
    size_t accounts = (size_t)replays->web->config->limits_accounts_max + 1;
    memset(replays->wanted, 0, accounts);
}

static void finish(void *context);

static void submit(struct replays *replays)
{
    note_wanted(replays);
    replays->running = workers_submit(replays->workers, run, finish, replays);
    ASSERT(replays->running);
}

// A tape that does not go on: nobody waits for it for ever.
static void give_up_if_starved(struct replays *replays)
{
    uint64_t now_ns = web_now_ns();
    if (!replays->starved) {
        replays->starved_since_ns = 0;
        return;
    }
    if (replays->starved_since_ns == 0)
        replays->starved_since_ns = now_ns;
    if (now_ns - replays->starved_since_ns < PATIENCE_NS)
        return;
    log_limited(LOG_WARNING, "the tape does not go on, nothing can be replayed at=%llu",
                (unsigned long long)replays->at);
    replays->starved_since_ns = 0;
    for (struct replay *job = replays->pass; job != NULL; job = job->next)
        job->refused = REJECT_REPLAY_BUSY;
    serve_pass(replays);
}

// What is to be done next; nothing, if only time helps.
static void schedule(struct replays *replays, bool again)
{
    make_way(replays);
    if (replays->pass == NULL && replays->view != NULL) {
        forget_wanted(replays);
        submit(replays); // ends the pass
        return;
    }
    move(replays, &replays->waiting, &replays->pass, replays->pass == NULL ? has_room : can_join);
    bool stuck = any_full(replays);
    if (replays->pass != NULL && !stuck && (again || !replays->starved))
        submit(replays);
}

static void go_on(struct replays *replays, bool again)
{
    serve_others(replays);
    serve_pass(replays);
    give_up_if_starved(replays);
    schedule(replays, again);
}

static void finish(void *context)
{
    struct replays *replays = context;
    replays->running = false;
    if (!replays->closing)
        go_on(replays, false);
}

void replays_tick(struct web *web)
{
    struct replays *replays = web->replays;
    if (!replays->running && web->http != NULL && (replays->count > 0 || replays->view != NULL))
        go_on(replays, true);
}

// ---- life ------------------------------------------------------------------------------------

struct replays *replays_create(struct web *web)
{
    struct replays *replays = calloc(1, sizeof *replays);
    if (replays == NULL)
        return NULL;
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, web->config, "tape");
    tape_reader_init(&replays->tape, folder);
    replays->web = web;
    json_out_init(&replays->out);
    replays->wanted = calloc((size_t)web->config->limits_accounts_max + 1, 1);
    replays->workers = workers_open(web->loop, 1, 1);
    return replays->wanted != NULL && replays->workers != NULL ? replays : NULL;
}

void replays_close(struct replays *replays)
{
    replays->closing = true;
    workers_close(replays->workers);
}

// ---- requests --------------------------------------------------------------------------------

static unsigned of_session(const struct replay *list, uint32_t session)
{
    unsigned count = 0;
    for (const struct replay *job = list; job != NULL; job = job->next)
        count += job->session == session;
    return count;
}

// Why it cannot be; REJECT_NONE: it can.
static uint16_t verdict(const struct web *web, uint32_t session, struct teller_place from)
{
    const struct replays *replays = web->replays;
    unsigned own = of_session(replays->waiting, session) + of_session(replays->pass, session) +
                   of_session(replays->leaving, session);
    if (from.sequence > web->sequence_seen)
        return REJECT_REPLAY_AHEAD;
    if (replays->count >= REPLAYS_MAX || own >= REPLAYS_SESSION_MAX)
        return REJECT_REPLAY_BUSY;
    return REJECT_NONE;
}

static struct replay *job_add(struct web *web, const struct user *user, struct teller_place from)
{
    struct replay *job = calloc(1, sizeof *job);
    if (job == NULL)
        abort();
    job->session = user->session;
    job->account_count = view_session_accounts(web->view, user->session, RIGHT_SEE, job->accounts,
                                               SESSION_ACCOUNTS_MAX);
    job->told = from;
    job->target = web->sequence_seen;
    json_out_init(&job->buffer);
    job_push(&web->replays->waiting, job);
    web->replays->count++;
    return job;
}

void replay_to_client(struct web *web, struct client *client, struct teller_place from)
{
    ASSERT(client->user != NULL && client->replay == NULL);
    uint16_t code = verdict(web, client->user->session, from);
    client->told = (struct teller_place){0};
    if (code != REJECT_NONE) {
        not_replayed(web, client, code, from.sequence);
        return;
    }
    struct replay *job = job_add(web, client->user, from);
    job->reply.peer = client->id;
    job->client = client;
    client->replay = job;
    say_begin(web, "replaying");
    json_integer(&web->out, "from_seq", (int64_t)from.sequence);
    json_integer(&web->out, "sequence", (int64_t)job->target);
    json_close(&web->out, '}');
    send_out(web, client->id);
    if (!web->replays->running)
        schedule(web->replays, true);
}

void replay_answer(struct web *web, struct user *user, const struct reply *reply,
                   struct teller_place from, uint32_t limit)
{
    ASSERT(reply->rest && limit > 0);
    uint16_t code = verdict(web, user->session, from);
    if (code != REJECT_NONE) {
        const struct fault fault = {.code = code,
                                    .value = (int64_t)from.sequence,
                                    .limit = web->config->web_replay_commands_max,
                                    .argument = (int64_t)view_sequence(web->view)};
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct replay *job = job_add(web, user, from);
    job->reply = *reply;
    job->limit = limit;
    if (!web->replays->running)
        schedule(web->replays, true);
}

// The worker may have it: it is freed when that has come back.
void replay_leave(struct client *client)
{
    struct replay *job = client->replay;
    if (job == NULL)
        return;
    client->replay = NULL;
    job->client = NULL;
    job->gone = true;
    held_drop(job);
}

void replay_hold(struct web *web, const struct client *client, struct http_frame *frame,
                 struct teller_place place)
{
    struct replay *job = client->replay;
    size_t bytes_max = (size_t)web->config->web_output_bytes_max / 4; // they are sent all at once
    if (place.sequence <= job->target)
        return; // comes from the tape
    if (job->held_bytes + http_frame_bytes(frame) > bytes_max) {
        held_drop(job);
        job->target = place.sequence;
        return;
    }
    struct held_frame *held = malloc(sizeof *held);
    if (held == NULL)
        abort();
    *held = (struct held_frame){.frame = http_frame_keep(frame), .place = place};
    if (job->held_last == NULL)
        job->held_first = held;
    else
        job->held_last->next = held;
    job->held_last = held;
    job->held_bytes += http_frame_bytes(frame);
}
