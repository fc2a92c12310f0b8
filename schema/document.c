// Writes docs/records.md and docs/rejects.md from the definitions: `schema_document
// records|rejects`.
#include <stdio.h>
#include <string.h>

#include "schema/records.h"
#include "schema/rejects.h"

static void rejects_document(FILE *stream)
{
    fprintf(stream, "# Reject catalogue\n\nGenerated from `schema/rejects.def`; do not edit. The "
                    "same codes come "
                    "over FIX (tag 58 begins with the name), WebSocket and REST.\n\n"
                    "| code | name | check | 103 | 102 | 380 | HTTP | text | what to do "
                    "|\n|---|---|---|---|---|---|---|---|---|\n");
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++) {
        const struct reject_entry *entry = reject_entry(code);
        if (entry->code == code)
            fprintf(stream, "| %u | %s | %s | %u | %u | %u | %u | %s | %s |\n", code, entry->name,
                    entry->check, entry->ord_rej_reason, entry->cxl_rej_reason,
                    entry->business_reason, entry->http_status, entry->text, entry->hint);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "records") == 0)
        records_document(stdout);
    else if (argc == 2 && strcmp(argv[1], "rejects") == 0)
        rejects_document(stdout);
    else
        return fprintf(stderr, "usage: %s records|rejects\n", argv[0]), 2;
    return ferror(stdout) || fflush(stdout) != 0;
}
