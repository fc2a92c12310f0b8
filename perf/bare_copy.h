// Bare copy: the floor of the recorder. It takes the rows that the recorder has written out of the
// database, and puts them back by binary COPY through libpq and nothing else: made beforehand, in
// transactions as large as the recorder's, into the same tables with their indexes and triggers, as
// the same role on a connection with the same durability.
//
// Threads: one. A refusal of the server ends the benchmark: its reason is printed, false returned.
#ifndef LONJA_PERF_BARE_COPY_H
#define LONJA_PERF_BARE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/pg.h"

struct bare_copy;

// Connects as the role that writes, and as one that may read everything. NULL: one was refused.
struct bare_copy *bare_copy_open(const struct pg_settings *writer,
                                 const struct pg_settings *reader);
void bare_copy_close(struct bare_copy *copy);
// Reads the rows of every table of the record that a flow of orders fills, and the first state of
// each trade's settlement.
CHECKED bool bare_copy_take(struct bare_copy *copy);
size_t bare_copy_rows(const struct bare_copy *copy);
// Writes all of them, at most `rows_max` per transaction. The tables must be empty.
CHECKED bool bare_copy_write(struct bare_copy *copy, size_t rows_max);

#endif
