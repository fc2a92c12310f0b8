// Test only: the settlement process without a core, for settle_chain_test.mjs. Arguments are
// configuration keys, settle.tick_ms=200 or so, on top of the defaults. Results for the "core" are
// taken, written to standard output one per line ("result REF TRADE OUTCOME") and answered as
// booked.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/network.h"
#include "settlement/settle_netting_option.h"
#include "settlement/settle_process.h"
#include "settlement/settle_rebuild.h"
#include "settlement/settle_store.h"

struct booked {
    uint64_t head, tail;
    uint64_t refs[SETTLE_RESULTS_MAX];
};

static void host_begin(void *context, uint64_t after_sequence)
{
    (void)context;
    (void)after_sequence;
}

static uint64_t host_sequence(void *context)
{
    (void)context;
    return 0;
}

static bool host_send(void *context, const struct settlement_result_cmd *command)
{
    struct booked *booked = context;

    if (booked->tail - booked->head == SETTLE_RESULTS_MAX)
        return false;
    printf("result %llu %llu %u\n", (unsigned long long)command->ref_number,
           (unsigned long long)command->trade_id, command->outcome);
    fflush(stdout);
    booked->refs[booked->tail++ % SETTLE_RESULTS_MAX] = command->ref_number;
    return true;
}

static bool host_poll(void *context, struct settle_answer *answer)
{
    struct booked *booked = context;

    if (booked->head == booked->tail)
        return false;
    *answer =
        (struct settle_answer){.kind = SETTLE_ANSWER_BOOKED,
                               .ref_number = booked->refs[booked->head++ % SETTLE_RESULTS_MAX]};
    return true;
}

static void nothing(void *context)
{
    (void)context;
}

#define SET_INT(group, key, def, min, max, doc)                                                    \
    if (strcmp(name, #group "." #key) == 0) {                                                      \
        config->group##_##key = strtoll(value, NULL, 10);                                          \
        return true;                                                                               \
    }
#define SET_TEXT(group, key, def, doc)                                                             \
    if (strcmp(name, #group "." #key) == 0) {                                                      \
        snprintf(config->group##_##key, CONFIG_TEXT_BYTES_MAX, "%s", value);                       \
        return true;                                                                               \
    }

static bool set(struct config *config, const char *name, const char *value)
{
    if (strcmp(name, "settle.network") == 0 && network_find(value) != NULL)
        network_apply(config, network_find(value));
    CONFIG_KEYS(SET_INT, SET_TEXT)
    return false;
}

#define DEFAULT_INT(group, key, def, min, max, doc) config->group##_##key = def;
#define DEFAULT_TEXT(group, key, def, doc)                                                         \
    snprintf(config->group##_##key, CONFIG_TEXT_BYTES_MAX, "%s", def);

static void set_defaults(struct config *config)
{
    CONFIG_KEYS(DEFAULT_INT, DEFAULT_TEXT)
}

int main(int argc, char **argv)
{
    static struct config config;
    struct booked booked = {0};
    const struct settle_process_core core = {
        .ops = {.context = &booked,
                .begin = host_begin,
                .sequence = host_sequence,
                .send = host_send,
                .poll = host_poll,
                .close = nothing},
        .fd = -1,
        .drain = nothing,
    };

    log_open("settle");
    set_defaults(&config);
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "rebuild") == 0) // the words behind it are its own
            return settle_rebuild(&config, NULL, argc - i - 1, argv + i + 1);
        if (strcmp(argv[i], "netting") == 0)
            return settle_netting_option(&config, argc - i - 1, argv + i + 1);
        if (equals == NULL)
            return 2;
        *equals = '\0';
        if (!set(&config, argv[i], equals + 1)) {
            log_error("no such key key=%s", argv[i]);
            return 2;
        }
    }
    return settle_process_run(&config, &core);
}
