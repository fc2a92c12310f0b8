#include "gateway/ops/settlement.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP lonja_settlement_%s %s\n# TYPE lonja_settlement_%s %s\n", name, help, name,
            type);
}

// A metric of one number.
static void number(FILE *out, const json_t *from, const char *key, const char *name,
                   const char *type, const char *help)
{
    const json_t *value = json_object_get(from, key);
    if (value == NULL)
        return;
    head(out, name, type, help); // of what there is none now, too: alert rules name it
    if (!json_is_integer(value))
        return;
    fprintf(out, "lonja_settlement_%s %" PRId64 "\n", name, (int64_t)json_integer_value(value));
}

// A metric of one number for each key of an object.
static void by_key(FILE *out, json_t *from, const char *name, const char *label, const char *help)
{
    const char *key;
    json_t *value;
    if (json_object_size(from) == 0)
        return;
    head(out, name, "gauge", help);
    json_object_foreach(from, key, value)
        fprintf(out, "lonja_settlement_%s{%s=\"%s\"} %" PRId64 "\n", name, label, key,
                (int64_t)json_integer_value(value));
}

// Wei do not fit 64 bits; Prometheus keeps a double anyway. The decimal text, its point moved:
// exact to the digit that is printed.
static bool is_wei(const char *text)
{
    return text != NULL && text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

static void ether_value(FILE *out, const char *wei)
{
    enum { DECIMALS = 18 };
    size_t digits = strlen(wei);
    size_t whole = digits > DECIMALS ? digits - DECIMALS : 0;
    fprintf(out, " %.*s.%.*s%s\n", whole > 0 ? (int)whole : 1, whole > 0 ? wei : "0",
            whole > 0 ? 0 : (int)(DECIMALS - digits), "000000000000000000", wei + whole);
}

static void ether(FILE *out, const json_t *gas, const char *key, const char *name, const char *type,
                  const char *help)
{
    const char *wei = json_string_value(json_object_get(gas, key));
    if (!is_wei(wei))
        return;
    head(out, name, type, help);
    fprintf(out, "lonja_settlement_%s", name);
    ether_value(out, wei);
}

// One line of a metric for each element of a list. Of an empty one the type is said, so that a metric
// is known before its first trouble; of one that is not known, nothing.
typedef void line_writer(FILE *out, const char *name, const json_t *element, const void *argument);

static void each(FILE *out, const json_t *list, const char *name, const char *help,
                 line_writer *write, const void *argument)
{
    if (list == NULL)
        return;
    head(out, name, strstr(name, "_total") != NULL ? "counter" : "gauge", help);
    for (size_t i = 0; i < json_array_size(list); i++)
        write(out, name, json_array_get(list, i), argument);
}

static const char *text_of(const json_t *element, const char *key)
{
    const char *text = json_string_value(json_object_get(element, key));
    return text != NULL ? text : "";
}

static int64_t number_of(const json_t *element, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(element, key));
}

static void lane_line(FILE *out, const char *name, const json_t *lane, const void *state)
{
    fprintf(out, "lonja_settlement_%s{symbol=\"%s\",state=\"%s\"} %d\n", name,
            text_of(lane, "symbol"), (const char *)state,
            strcmp(text_of(lane, "state"), state) == 0);
}

static void lane_number(FILE *out, const char *name, const json_t *lane, const void *key)
{
    if (!json_is_integer(json_object_get(lane, key)))
        return; // nothing waits
    fprintf(out, "lonja_settlement_%s{symbol=\"%s\"} %" PRId64 "\n", name, text_of(lane, "symbol"),
            number_of(lane, key));
}

static void signer_number(FILE *out, const char *name, const json_t *signer, const void *key)
{
    if (!json_is_integer(json_object_get(signer, key)))
        return; // nothing is open
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\",signer=\"%s\"} %" PRId64 "\n", name,
            number_of(signer, "chain_id"), text_of(signer, "signer"), number_of(signer, key));
}

static void worker_number(FILE *out, const char *name, const json_t *worker, const void *key)
{
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\"} %" PRId64 "\n", name,
            number_of(worker, "chain_id"), number_of(worker, key));
}

static void worker_number_in(FILE *out, const char *name, json_t *worker, const char *object,
                             const char *key)
{
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\"} %" PRId64 "\n", name,
            number_of(worker, "chain_id"), number_of(json_object_get(worker, object), key));
}

static void signer_up(FILE *out, const char *name, const json_t *worker, const void *unused)
{
    (void)unused;
    if (json_is_false(json_object_get(worker, "silent"))) // what a silent one has said is history
        fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\"} %d\n", name,
                number_of(worker, "chain_id"),
                strcmp(text_of(worker, "trouble"), "signer_unavailable") != 0);
}

static void worker_up(FILE *out, const char *name, const json_t *worker, const void *unused)
{
    (void)unused;
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\"} %d\n", name,
            number_of(worker, "chain_id"),
            json_is_false(json_object_get(worker, "silent")) &&
                json_is_null(json_object_get(worker, "trouble")));
}

static void worker_lost(FILE *out, const char *name, const json_t *worker, const void *unused)
{
    const char *trouble = json_string_value(json_object_get(worker, "trouble"));

    (void)unused;
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\"} %d\n", name,
            number_of(worker, "chain_id"),
            trouble != NULL && strcmp(trouble, "attempts_missing") == 0);
}

static void endpoint_up(FILE *out, const char *name, const json_t *endpoint, const void *unused)
{
    (void)unused;
    fprintf(out, "lonja_settlement_%s{endpoint=\"%s\"} %d\n", name, text_of(endpoint, "name"),
            strcmp(text_of(endpoint, "state"), "up") == 0);
}

static void endpoint_number(FILE *out, const char *name, const json_t *endpoint, const void *key)
{
    if (!json_is_integer(json_object_get(endpoint, key)))
        return; // not known
    fprintf(out, "lonja_settlement_%s{endpoint=\"%s\"} %" PRId64 "\n", name,
            text_of(endpoint, "name"), number_of(endpoint, key));
}

// What an object counts, each a metric of its own: keys of the worker's are names of Prometheus.
static void worker_counters(FILE *out, const json_t *workers, const char *object, const char *help)
{
    const char *key;
    json_t *value;
    char name[96];
    json_object_foreach(json_object_get(json_array_get(workers, 0), object), key, value)
    {
        if (strspn(key, "abcdefghijklmnopqrstuvwxyz_") != strlen(key))
            continue;
        snprintf(name, sizeof name, "%s_%s_total", object[0] == 'p' ? "pool" : "worker", key);
        head(out, name, "counter", help);
        for (size_t i = 0; i < json_array_size(workers); i++)
            worker_number_in(out, name, json_array_get(workers, i), object, key);
    }
}

// All states of all lanes: a lane that is no longer halted says 0 there.
static void lane_metrics(FILE *out, const json_t *lanes)
{
    static const char *const states[] = {"running", "held", "halted"};
    if (json_array_size(lanes) == 0)
        return;
    head(out, "lane_state", "gauge", "1 for the state that a token's way to the chain is in");
    for (size_t i = 0; i < json_array_size(lanes); i++)
        for (size_t s = 0; s < sizeof states / sizeof states[0]; s++)
            lane_line(out, "lane_state", json_array_get(lanes, i), states[s]);
    each(out, lanes, "lane_pending", "trades of the token that wait", lane_number, "pending");
    each(out, lanes, "lane_processing", "… that are on their way", lane_number, "processing");
    each(out, lanes, "lane_failed", "… that have failed", lane_number, "failed");
    each(out, lanes, "lane_oldest_seconds", "since the oldest of those that are not settled",
         lane_number, "oldest_s");
}

// Of the workers that are there: what a silent one has said of its nodes is history.
static void each_endpoint(FILE *out, const json_t *workers, const char *name, const char *help,
                          line_writer *write, const void *argument)
{
    if (json_array_size(workers) == 0)
        return;
    head(out, name, strstr(name, "_total") != NULL ? "counter" : "gauge", help);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        const json_t *endpoints = json_object_get(worker, "endpoints");
        if (!json_is_false(json_object_get(worker, "silent")))
            continue;
        for (size_t k = 0; k < json_array_size(endpoints); k++)
            write(out, name, json_array_get(endpoints, k), argument);
    }
}

static const char *const endpoint_counters[][2] = {
    {"calls", "calls, since the worker began"},
    {"transport", "calls without an answer"},
    {"garbage", "unusable answers, or of another chain"},
    {"limited", "calls that the node refused as too many"},
    {"errors", "answers that are errors"},
    {"waits", "calls that had to wait for their turn"},
    {"disagreements", "answers that were not those of another node"},
    {"reconnects", "connections made anew"}};

static void worker_metrics(FILE *out, const json_t *workers)
{
    each(out, workers, "worker_up", "1 = the worker is heard of and nothing hinders it", worker_up,
         NULL);
    each(out, workers, "attempts_missing",
         "1 = the database has lost what was signed: lonja settle rebuild", worker_lost, NULL);
    each(out, workers, "head_block", "newest block that the worker knows", worker_number,
         "head_block");
    each_endpoint(out, workers, "endpoint_up", "1 = the node is well", endpoint_up, NULL);
    each_endpoint(out, workers, "endpoint_head_block", "its newest block", endpoint_number, "head");
    each_endpoint(out, workers, "endpoint_latency_milliseconds", "mean of its last calls",
                  endpoint_number, "latency_ms");
    each_endpoint(out, workers, "endpoint_error_permille", "of its last calls", endpoint_number,
                  "error_permille");
    for (size_t i = 0; i < sizeof endpoint_counters / sizeof endpoint_counters[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "endpoint_%s_total", endpoint_counters[i][0]);
        each_endpoint(out, workers, name, endpoint_counters[i][1], endpoint_number,
                      endpoint_counters[i][0]);
    }
    each(out, workers, "signer_up", "1 = the signer answers", signer_up, NULL);
    each(out, workers, "worker_heard_seconds", "since the worker has written", worker_number,
         "heard_s");
    worker_counters(out, workers, "pool",
                    "questions to the nodes together, since the worker began");
    worker_counters(out, workers, "counters", "counted by the worker since it began");
}

void settlement_metrics(FILE *out, json_t *status)
{
    const json_t *gas = json_object_get(status, "gas");
    const json_t *signers = json_object_get(status, "signers");

    by_key(out, json_object_get(status, "trades"), "trades", "status", "trades by status");
    number(out, status, "oldest_pending_s", "oldest_pending_seconds", "gauge",
           "age of the oldest trade that waits");
    number(out, status, "oldest_processing_s", "oldest_processing_seconds", "gauge",
           "age of the oldest trade that is on its way");
    number(out, status, "attempts_signed", "attempts_total", "counter", "transactions signed");
    by_key(out, json_object_get(status, "attempts_open"), "attempts_open", "state",
           "transactions whose fate is not known, by state");
    by_key(out, json_object_get(status, "attempts_ended"), "attempts_ended", "state",
           "transactions by how they have ended");
    number(out, status, "holds", "holds", "gauge", "holds that are open");
    number(out, status, "marks_open", "marks_open", "gauge",
           "marks that are neither answered nor withdrawn");
    number(out, status, "incidents_open", "incidents_open", "gauge",
           "incidents that are not closed: each halts its token, but for compliance_changed");
    number(out, status, "retries_waiting", "retries_waiting", "gauge",
           "retries that the worker has not answered");
    number(out, status, "results_waiting", "results_waiting", "gauge",
           "results that the core has not booked");
    number(out, gas, "transactions", "transactions_total", "counter", "transactions mined");
    number(out, gas, "reverted", "transactions_reverted_total", "counter", "those that failed");
    number(out, gas, "gas_used", "gas_used_total", "counter", "gas of all of them");
    ether(out, gas, "fee_wei", "fees_ether_total", "counter",
          "paid for gas, in the chain's currency");
    ether(out, gas, "fee_wei_last_day", "fees_ether_last_day", "gauge", "… in the last 24 hours");
    lane_metrics(out, json_object_get(status, "tokens"));
    each(out, signers, "signer_open_nonces", "nonces whose transaction is not mined", signer_number,
         "open_nonces");
    each(out, signers, "signer_oldest_open_seconds", "since the oldest of them was given out",
         signer_number, "oldest_open_s");
    each(out, signers, "signer_next_nonce", "the next one that is given out", signer_number,
         "next_nonce");
    worker_metrics(out, json_object_get(status, "workers"));
}

static void fuel_label(FILE *out, const char *name, const json_t *fuel)
{
    fprintf(out, "lonja_settlement_%s{chain_id=\"%" PRId64 "\",signer=\"%s\"}", name,
            number_of(fuel, "chain_id"), text_of(fuel, "signer"));
}

static void fuel_balance(FILE *out, const char *name, const json_t *fuel, const void *unused)
{
    const char *wei = text_of(fuel, "balance_wei");

    (void)unused;
    if (!is_wei(wei))
        return;
    fuel_label(out, name, fuel);
    ether_value(out, wei);
}

static void fuel_days(FILE *out, const char *name, const json_t *fuel, const void *unused)
{
    const char *days = text_of(fuel, "days"); // a decimal

    (void)unused;
    if (days[0] == '\0' || strspn(days, "0123456789.") != strlen(days))
        return; // nothing was spent
    fuel_label(out, name, fuel);
    fprintf(out, " %s\n", days);
}

void settlement_watch_metrics(FILE *out, json_t *watch)
{
    const json_t *proofs = json_object_get(watch, "proofs");
    const json_t *fuel = json_object_get(watch, "fuel");
    const json_t *unmatched = json_object_get(watch, "unmatched");

    each(out, proofs, "proof_valid", "1 = a custody proof of the token is valid", lane_number,
         "valid");
    each(out, proofs, "proof_expires_seconds", "until the valid one expires", lane_number,
         "expires_s");
    each(out, proofs, "proof_mints_waiting", "mints of the token that wait for a custody proof",
         lane_number, "waiting");
    each(out, proofs, "proof_ended_seconds", "since the one that counted has expired", lane_number,
         "ended_s");
    each(out, proofs, "proof_exceeded_seconds",
         "since the oldest mint waits that the proof does not cover", lane_number, "exceeded_s");
    each(out, unmatched, "unmatched_transfers",
         "transfers of unknown wallets to the escrow of the stablecoin that wait", lane_number,
         "transfers");
    each(out, unmatched, "unmatched_oldest_seconds", "since the oldest of them was seen",
         lane_number, "oldest_s");
    each(out, fuel, "signer_balance_ether", "what the signer's account has for gas", fuel_balance,
         NULL);
    each(out, fuel, "signer_gas_days", "how long that lasts at the pace of the last seven days",
         fuel_days, NULL);
    number(out, watch, "requests_waiting", "requests_waiting", "gauge",
           "requests of no trade that wait");
    number(out, watch, "requests_waiting_oldest_s", "requests_waiting_oldest_seconds", "gauge",
           "since the oldest of them was made");
    number(out, watch, "unconfirmed_oldest_s", "unconfirmed_oldest_seconds", "gauge",
           "since the oldest transaction was sent that is not final");
    number(out, watch, "payouts_troubled", "payouts_troubled", "gauge",
           "payouts of stablecoins that have failed and are not put back, or are unclear");
    number(out, watch, "payouts_oldest_s", "payouts_oldest_seconds", "gauge",
           "since the oldest payout that is open was asked for");
    number(out, watch, "custody_waiting_oldest_s", "custody_waiting_oldest_seconds", "gauge",
           "since the oldest deposit or purchase began to wait for its freeze");
    by_key(out, json_object_get(watch, "deployments"), "deployments", "state",
           "deployments of tokens that have not ended, by state");
}
