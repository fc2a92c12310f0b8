// Record: any snapshot record, event or command for people, whatever kind it is: decimals, times
// and words where a field's name says what it is.
#ifndef LONJA_CORE_EXPLAIN_RECORD_H
#define LONJA_CORE_EXPLAIN_RECORD_H

#include <jansson.h>

#include "core/explain_view.h"

// A record, event or command as a JSON object for people: from what snapshot_dump, event_dump,
// command_dump wrote, with decimals, times and words where the field's name says what it is, and
// without what is 0. Fields it does not know stay numbers.
json_t *explain_record(const struct explain_view *view, const char *dump);
json_t *explain_snapshot(const struct explain_view *view, const struct snapshot_record *record);
// The same on one line: "limits: scope account, id 21, order_value_max 500". The caller frees it.
char *explain_line(const json_t *record);

#endif
