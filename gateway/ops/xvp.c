#include "gateway/ops/xvp.h"

#include <inttypes.h>
#include <string.h>

static void head(FILE *out, const char *name, const char *help)
{
    fprintf(out, "# HELP lonja_xvp_%s %s\n# TYPE lonja_xvp_%s gauge\n", name, help, name);
}

static void by_state(FILE *out, json_t *from, const char *name, const char *help)
{
    const char *state;
    json_t *value;
    head(out, name, help);
    json_object_foreach(from, state, value)
        fprintf(out, "lonja_xvp_%s{state=\"%s\"} %" PRId64 "\n", name, state,
                (int64_t)json_integer_value(value));
}

static void number(FILE *out, const json_t *xvp, const char *key, const char *name,
                   const char *help)
{
    head(out, name, help);
    fprintf(out, "lonja_xvp_%s %" PRId64 "\n", name,
            (int64_t)json_integer_value(json_object_get(xvp, key)));
}

// Decimals, as text.
static void by_asset(FILE *out, const json_t *list, const char *key, const char *name,
                     const char *help)
{
    head(out, name, help);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *asset = json_string_value(json_object_get(one, "asset"));
        const char *amount = json_string_value(json_object_get(one, key));
        if (asset != NULL && amount != NULL && strspn(amount, "-.0123456789") == strlen(amount))
            fprintf(out, "lonja_xvp_%s{asset=\"%s\"} %s\n", name, asset, amount);
    }
}

void xvp_metrics(FILE *out, json_t *xvp)
{
    const json_t *escrow = json_object_get(xvp, "escrow");
    if (xvp == NULL)
        return;
    by_state(out, json_object_get(xvp, "open"), "open", "settlement instructions that are open");
    by_state(out, json_object_get(xvp, "cutoff_s"), "cutoff_seconds",
             "until the nearest cut-off of those");
    number(out, xvp, "approvals_missing", "approvals_missing",
           "accounts that give something in one of them and have not approved");
    number(out, xvp, "secrets", "secrets_open",
           "instructions whose secret is public and which are not executed");
    by_asset(out, escrow, "approved", "escrow", "what approvals of open instructions hold");
    by_asset(out, escrow, "held", "escrow_held",
             "what the ledger holds for instructions: the same");
}
