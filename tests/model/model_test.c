// Model test: random commands to the engine and to the naive venue.
//
//   model_test [--seed N] [--commands N] [--digest]
//
// A failure prints the seed and the number of the command: the same seed fails at the same place.
// At the end it prints how often everything happened; a run of a million commands and more fails if
// something that can happen has not. --digest prints one line instead: a digest of all events and
// of the engine's state now and then, equal on every compiler.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "tests/model/generator.h"

enum { FULL_LENGTH = 1000000 };

static uint64_t missing;
static bool cramped; // not everybody can have every balance
static bool roomy;   // there may be more orders than a command has events

static void line(const char *kind, const char *name, uint64_t number, uint64_t count, bool wanted)
{
    printf("  %-14s %-26s %3" PRIu64 " %12" PRIu64 "%s\n", kind, name, number, count,
           wanted && count == 0 ? "  MISSING" : "");
    missing += wanted && count == 0;
}

static void report_events(const struct coverage *coverage)
{
#define LINE_EVENT(number, name, fields, doc)                                                      \
    line("event", #name, number, coverage->events[number], true);
    EVENTS(LINE_EVENT)
#define LINE_COMMAND(number, name, fields, by, doc)                                                \
    line("command", #name, number, coverage->commands[number], true);
    COMMANDS(LINE_COMMAND)
}

// What the gateways refuse, what this universe's reference data never asks for, what is retired.
static bool never_rejected(uint16_t code)
{
    static const uint16_t never[] = {REJECT_UNKNOWN_COMMAND,
                                     REJECT_NOT_ALLOWED_HERE,
                                     REJECT_OVERLOADED,
                                     REJECT_TOO_LARGE,
                                     REJECT_DUPLICATE_CLIENT_ID,
                                     REJECT_UNKNOWN_SYMBOL,
                                     REJECT_BAD_NUMBER,
                                     REJECT_MISSING_FIELD,
                                     REJECT_UNKNOWN_FIELD,
                                     REJECT_BAD_CREDENTIALS,
                                     REJECT_NOT_LOGGED_IN,
                                     REJECT_IN_DOUBT,
                                     REJECT_RECORD_BEHIND,
                                     REJECT_DATABASE_DOWN,
                                     REJECT_FORBIDDEN,
                                     REJECT_NOT_FOUND,
                                     REJECT_SHUTTING_DOWN,
                                     REJECT_REPLAY_TOO_OLD,
                                     REJECT_REPLAY_AHEAD,
                                     REJECT_REPLAY_BUSY,
                                     REJECT_HOLD,
                                     REJECT_HOLDS_MAX,
                                     REJECT_MARK,
                                     REJECT_MARK_OPEN,
                                     REJECT_MARK_TRADE,
                                     REJECT_INCIDENT,
                                     REJECT_REASON_LENGTH,
                                     REJECT_CUSTODY,
                                     REJECT_ABANDONMENT,
                                     REJECT_ABANDONMENT_OPEN,
                                     REJECT_ABANDONMENT_REQUEST,
                                     REJECT_XVP_ON_CHAIN,
                                     REJECT_XVP_LOCK,
                                     REJECT_PROOF,
                                     REJECT_STABLECOIN};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (never[i] == code)
            return true;
    return false;
}

static void report_rejects(const struct coverage *coverage)
{
#define LINE_REJECT(code, name, check, ord, cxl, business, http, text, hint)                       \
    line("reject", #name, code, coverage->rejects[code],                                           \
         !never_rejected(code) && (cramped || code != REJECT_BALANCES_MAX));
    REJECTS(LINE_REJECT)
}

static void report_words(const struct coverage *coverage)
{
    static const char *const reasons[] = {
        "",        "by owner",   "IOC",    "disconnect", "by venue",   "suspended", "mass",
        "limit",   "breaker",    "FOK",    "minimum",    "self-trade", "expired",   "auction",
        "amended", "volatility", "killed", "band",       "uncovered"};
    static const char *const tifs[] = {"DAY", "GTC", "at open", "IOC",
                                       "FOK", "",    "GTD",     "at close"};
    static const char *const types[] = {"", "market", "limit", "stop", "stop limit", "trailing"};
    static const char *const phases[] = {"",           "closed",     "pre-open", "opening",
                                         "continuous", "volatility", "halted",   "closing"};
    static const char *const modes[] = {"", "newest", "oldest", "both", "decrement"};
    for (uint32_t i = 1; i <= CANCEL_UNCOVERED; i++)
        line("cancel", reasons[i], i, coverage->cancels[i], true);
    for (uint32_t i = 0; i <= TIF_AT_CLOSE; i++)
        if (i != 5)
            line("time in force", tifs[i], i, coverage->tifs[i], true);
    for (uint32_t i = 1; i <= ORDER_TRAILING_STOP; i++)
        line("type", types[i], i, coverage->types[i], true);
    for (uint32_t i = 1; i <= PHASE_CLOSING_AUCTION; i++)
        line("accepted in", phases[i], i, coverage->accepted[i],
             i != PHASE_CLOSED && i != PHASE_HALTED);
    for (uint32_t i = 1; i <= STP_DECREMENT; i++)
        line("prevented", modes[i], i, coverage->prevented[i], true);
    for (uint32_t from = 1; from <= PHASE_CLOSING_AUCTION; from++)
        for (uint32_t to = 1; to <= PHASE_CLOSING_AUCTION; to++)
            line(phases[from], phases[to], to, coverage->phase_changes[from][to], true);
}

static void report_rest(const struct coverage *coverage)
{
    static const uint8_t resumable[] = {CMD_gateway_detach, CMD_session_close,
                                        CMD_order_mass_cancel, CMD_order_status};
    static const char *const works[] = {"", "expire", "phase", "triggered"};
    for (size_t i = 0; i < sizeof(resumable); i++)
        line("goes on", command_name(resumable[i]), resumable[i],
             coverage->continuations[resumable[i]], roomy);
    for (uint32_t i = WORK_EXPIRE; i <= WORK_TRIGGERED; i++)
        line("goes on", works[i], i, coverage->works[i], roomy || i == WORK_TRIGGERED);
    line("trade", "auction", 0, coverage->auction_trades, true);
    line("amend", "keeps its place", 0, coverage->kept, true);
    line("amend", "loses its place", 0, coverage->lost, true);
    line("terms", "iceberg", 0, coverage->icebergs, true);
    line("terms", "minimum", 0, coverage->minimums, true);
    line("triggered", "collar came nearer", 0, coverage->trailed, true);
    line("snapshot", "loaded", 0, coverage->snapshots, true);
    line("snapshot", "in unfinished work", 0, coverage->snapshots_of_pending, true);
}

static void report_risk(const struct coverage *coverage)
{
    static const char *const wrongs[] = {
        "", "no such refusal", "too old", "another order", "worse price", "another flag"};
    static const char *const scopes[] = {"", "account", "member", "session", "venue"};
    line("confirmed", "by reference", 0, coverage->confirmed, true);
    for (uint32_t i = 1; i <= 5; i++)
        line("not confirmed", wrongs[i], i, coverage->wrong_confirms[i], true);
    for (uint32_t i = KILL_ACCOUNT; i <= KILL_VENUE; i++)
        line("killed", scopes[i], i, coverage->kills[i], true);
    line("killed", "goes on", 0, coverage->killed_on, roomy);
    line("limit state", "begins", 0, coverage->limit_states, true);
    line("limit state", "traded out", 0, coverage->traded_out, true);
    line("limit state", "auction", 0, coverage->timed_out, true);
    line("time", "days", 0, coverage->days, true);
}

static void report_fees(const struct coverage *coverage)
{
    for (uint32_t level = 1; level <= 5; level++)
        line("fee", "of level", level, coverage->fee_levels[level], true);
    line("fee", "of a buying taker", 0, coverage->buyer_fees[0], true);
    line("fee", "of a buying maker", 0, coverage->buyer_fees[1], true);
}

static void report_deficits(const struct coverage *coverage)
{
    static const char *const kinds[] = {"",         "deposit",  "withdrawal", "credit", "debit",
                                        "transfer", "chain in", "chain out",  "cover"};
    static const char *const assets[] = {"of tokens", "of cash"};
    bool roomy_for_deficits = !cramped; // there may be no room for what lacks it
    for (uint32_t i = POSTING_DEPOSIT; i <= POSTING_COVER; i++)
        line("posting", kinds[i], i, coverage->postings[i], true);
    for (int i = 0; i < 2; i++) {
        line("deficit grows", assets[i], 0, coverage->deficits_grown[i], roomy_for_deficits);
        line("deficit shrinks", assets[i], 0, coverage->deficits_shrunk[i], roomy_for_deficits);
    }
    line("deficit shrinks", "by a posting of cover", 0, coverage->deficits_covered, true);
    line("goes on", "uncover", WORK_UNCOVER, coverage->works[WORK_UNCOVER], true);
    line("goes on", "uncover, more than once", 0, coverage->uncover_again, roomy);
    line("goes on", "uncover, what is blocked", 0, coverage->uncover_blocked, true);
    line("goes on", "uncover, none has to go", 0, coverage->uncover_nothing, true);
}

static void report_corrections(const struct coverage *coverage)
{
    line("correction", "bust", 0, coverage->busts, true);
    line("correction", "cheaper", 0, coverage->cheaper, true);
    line("correction", "dearer", 0, coverage->dearer, true);
    line("correction", "tokens are short", 0, coverage->shorts[0], !cramped);
    line("correction", "cash is short", 0, coverage->shorts[1], !cramped);
}

static void report_proposals(const struct coverage *coverage)
{
    static const char *const states[] = {"", "open", "approved", "withdrawn", "failed"};
    for (uint32_t i = PROPOSAL_OPEN; i <= PROPOSAL_FAILED; i++)
        line("proposal", states[i], i, coverage->proposals[i], true);
}

static void report_xvps(const struct coverage *coverage)
{
    static const char *const steps[] = {
        "",        "created",   "approved", "revoked",  "executed", "cancelled", "expired",
        "refused", "uncovered", "settling", "returned", "revealed", "voted"};
    for (uint32_t i = XVP_STEP_CREATED; i <= XVP_STEP_VOTED; i++)
        line("instruction", steps[i], i, coverage->xvps[i], true);
    line("instruction", "refused for somebody", 0, coverage->xvp_refusals[0], true);
    line("instruction", "refused for want of room", 0, coverage->xvp_refusals[1], cramped);
    line("instruction", "executed by its secret", 0, coverage->xvp_locks[XVP_STEP_EXECUTED], true);
    line("instruction", "cancelled by votes", 0, coverage->xvp_locks[XVP_STEP_CANCELLED], true);
    line("instruction", "expired with its secret", 0, coverage->xvp_locks[XVP_STEP_EXPIRED], true);
    line("instruction", "uncovered when armed", 0, coverage->xvp_locks[XVP_STEP_UNCOVERED], true);
}

static void report(const struct beside *beside)
{
    const struct coverage *coverage = &beside->coverage;
    report_events(coverage);
    report_rejects(coverage);
    report_words(coverage);
    report_rest(coverage);
    report_risk(coverage);
    report_fees(coverage);
    report_deficits(coverage);
    report_corrections(coverage);
    report_proposals(coverage);
    report_xvps(coverage);
    printf("model_test: seed %" PRIu64 ", %" PRIu64 " commands agree, %" PRIu64
           " things that can happen did not\n",
           beside->seed, beside->sequence, missing);
}

// Some seeds have less room for events, some more for orders.
static struct engine_limits limits_of(uint64_t seed)
{
    struct engine_limits limits = {.accounts_max = NAIVE_ACCOUNTS - 1,
                                   .members_max = NAIVE_MEMBERS - 1,
                                   .sessions_max = NAIVE_SESSIONS - 1,
                                   .session_accounts_max = 16,
                                   .assets_max = NAIVE_ASSETS - 1,
                                   .instruments_max = NAIVE_INSTRUMENTS - 1,
                                   .balances_max = NAIVE_ACCOUNTS * NAIVE_ASSETS,
                                   .orders_max = 40,
                                   .levels_max = 22,
                                   .stops_max = 12,
                                   .trailing_stops_max = 3,
                                   .fees_max = 6,
                                   .command_events_max = 40};
    if (seed % 3 == 1) {
        limits.orders_max = 100;
        limits.stops_max = 60;
        limits.trailing_stops_max = 12;
        limits.levels_max = 60;
    }
    if (seed % 3 == 2)
        limits.balances_max = 46;
    return limits;
}

int main(int count, char **words)
{
    struct beside *beside = calloc(1, sizeof(*beside));
    struct generator *generator = calloc(1, sizeof(*generator));
    ASSERT(beside != NULL && generator != NULL);
    uint64_t commands = FULL_LENGTH;
    bool digest = false;
    beside->seed = (uint64_t)time(NULL);
    for (int i = 1; i < count; i++)
        if (strcmp(words[i], "--seed") == 0 && i + 1 < count)
            beside->seed = strtoull(words[++i], NULL, 10);
        else if (strcmp(words[i], "--commands") == 0 && i + 1 < count)
            commands = strtoull(words[++i], NULL, 10);
        else if (strcmp(words[i], "--digest") == 0)
            digest = true;
    printf("model_test: seed %" PRIu64 "\n", beside->seed);
    fflush(stdout);
    struct engine_limits limits = limits_of(beside->seed);
    roomy = limits.orders_max > limits.command_events_max;
    cramped = limits.balances_max < 48;
    beside->program = "model_test";
    beside->twin_every = 5000;
    beside->twin_lives = 2000;
    beside->balances_every = 16;
    beside->check_every = 1000;
    beside->now = (uint64_t)1790000000 * 1000000000;
    generator->random = beside->seed;
    beside_open(beside, &limits);
    universe_set_up(beside);
    universe_deposit(beside, ACCOUNT_SUSPENSE, UNIVERSE_CASH, 1); // what corrections need is there
    while (beside->sequence < commands)
        generator_step(generator, beside);
    beside_check(beside);
    if (digest)
        printf("digest %016" PRIx64 "\n", beside->digest ^ engine_digest(beside->engine));
    else
        report(beside);
    beside_close(beside);
    free(beside);
    free(generator);
    return missing != 0 && commands >= FULL_LENGTH ? 1 : 0;
}
