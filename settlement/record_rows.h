// Record rows: the statements that write the rows of a batch, one after the other, for whoever
// holds the transaction. Each is sent and not waited for (pg_send, pg_copy_start); what it says at
// its end is checked here, too.
#ifndef LONJA_SETTLEMENT_RECORD_ROWS_H
#define LONJA_SETTLEMENT_RECORD_ROWS_H

#include "settlement/record_batch.h"
#include "settlement/record_column.h"

enum { RECORD_ROWS_COLUMNS = 17, RECORD_ROWS_PARTS = 14 };

struct record_rows {
    struct record_column columns[RECORD_ROWS_COLUMNS]; // of the statement that was sent last
    struct pg_copy new_orders;
};

void record_rows_fini(struct record_rows *rows);
// What part `part` (0 .. RECORD_ROWS_PARTS - 1, in this order) writes, for the log.
const char *record_rows_name(size_t part);
// Sends the statement of part `part`. *sent false: the batch has nothing for it.
CHECKED enum pg_class record_rows_send(struct record_rows *rows, struct pg *pg, bool *sent,
                                       const struct record_batch *batch, size_t part);
// How many rows part `part` must have affected, if that is certain; else UINT64_MAX.
uint64_t record_rows_expected(const struct record_batch *batch, size_t part);

#endif
