// A statement on its way. Happy path: libpq has it in its buffer; every pg_poll sends what the
// socket takes, of a COPY piece by piece once the server has said that it takes the data, and reads
// what has come, until the last result is there. Failure modes: the server refuses (its first word
// counts, the rest is read), the connection breaks, or nothing moves until the deadline: then the
// connection is broken off, because nobody knows any more what the server will do.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pg.h"
#include "base/pg_internal.h"

enum { PIECE_BYTES = 256 * 1024, TRAILER_BYTES = 2 };

uint64_t pg_now_ms(void)
{
    return clock_monotone_ns(&clock_system) / 1000000;
}

bool pg_wait_socket(const PGconn *connection, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = pg_now_ms();
        bool is_over = now >= deadline_ms;
        struct pollfd poll_fd = {.fd = PQsocket(connection), .events = events};
        int ready = poll(&poll_fd, 1, is_over ? 0 : (int)(deadline_ms - now));
        if (ready > 0)
            return true;
        if (is_over || (ready < 0 && errno != EINTR))
            return false;
    }
}

enum pg_class pg_lose(struct pg *pg, const char *message)
{
    pg_error_set(&pg->error, PG_GONE, message);
    pg_disconnect(pg);
    return PG_GONE;
}

// Our own deadline is behind the server's, so that the server's word comes first.
static void move_deadline(struct pg *pg)
{
    pg->flight.deadline_ms = pg_now_ms() + pg->settings.statement_timeout_ms + 2000;
}

void pg_flight_begin(struct pg *pg, const void *data, size_t bytes)
{
    ASSERT(!pg->flight.flying);
    pg->flight = (struct pg_flight){.flying = true, .data = data, .bytes = bytes};
    move_deadline(pg);
}

static void end(struct pg *pg)
{
    PQclear(pg->flight.last);
    pg->flight = (struct pg_flight){0};
}

static bool result_is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN;
}

// Gives libpq the next piece; behind the last one the trailer of the binary format.
static bool push_piece(struct pg *pg)
{
    static const char trailer[TRAILER_BYTES] = {'\377', '\377'};
    struct pg_flight *flight = &pg->flight;
    size_t left = flight->bytes - flight->sent, piece = left < PIECE_BYTES ? left : PIECE_BYTES;
    if (PQputCopyData(pg->connection, flight->data + flight->sent, (int)piece) != 1)
        return false;
    move_deadline(pg);
    flight->sent += piece;
    if (flight->sent < flight->bytes)
        return true;
    flight->data = NULL;
    return PQputCopyData(pg->connection, trailer, sizeof trailer) == 1 &&
           PQputCopyEnd(pg->connection, NULL) == 1;
}

// Sends while the socket takes it. False = the connection is broken.
static bool push(struct pg *pg)
{
    int left = PQflush(pg->connection);
    while (left == 0 && pg->flight.taking && pg->flight.data != NULL) {
        if (!push_piece(pg))
            return false;
        left = PQflush(pg->connection);
    }
    return left >= 0;
}

// Keeps the result, or the error that came first.
static void keep(struct pg_flight *flight, PGresult *result)
{
    if (flight->last != NULL && !result_is_good(flight->last)) {
        PQclear(result);
        return;
    }
    PQclear(flight->last);
    flight->last = result;
}

// Takes the results that are there. True = it was the last one.
static bool take_results(struct pg *pg)
{
    while (!PQisBusy(pg->connection)) {
        PGresult *result = PQgetResult(pg->connection);
        if (result == NULL)
            return true;
        keep(&pg->flight, result);
        if (PQresultStatus(result) != PGRES_COPY_IN)
            continue;
        ASSERT(pg->flight.data != NULL); // pg_copy.c sends COPY … FROM STDIN only
        pg->flight.taking = true;
        return false; // more only after the data
    }
    return false;
}

// A failed statement: classify it, drop the connection if that is what failed.
static enum pg_class fail(struct pg *pg)
{
    pg_error_of_result(&pg->error, pg->flight.last, pg->connection);
    end(pg);
    if (pg->error.class == PG_GONE)
        pg_disconnect(pg);
    return pg->error.class;
}

static enum pg_class land(struct pg *pg, struct pg_rows **out)
{
    if (pg->flight.last == NULL || !result_is_good(pg->flight.last))
        return fail(pg);
    if (out != NULL) {
        struct pg_rows *rows = malloc(sizeof *rows);
        ASSERT(rows != NULL);
        rows->result = pg->flight.last;
        pg->flight.last = NULL;
        *out = rows;
    }
    end(pg);
    return PG_OK;
}

bool pg_poll(struct pg *pg, enum pg_class *class, struct pg_rows **out)
{
    ASSERT(pg->flight.flying);
    if (out != NULL)
        *out = NULL;
    bool lives = push(pg) && PQconsumeInput(pg->connection) == 1, took = pg->flight.taking;
    if (take_results(pg))
        *class = land(pg, out);
    else if (!lives || (pg->flight.taking && !took && !push(pg))) // the first pieces go at once
        *class = pg_lose(pg, PQerrorMessage(pg->connection));
    else if (pg_now_ms() > pg->flight.deadline_ms)
        *class = pg_lose(pg, "no answer from the server");
    else
        return false;
    return true;
}

void pg_await(struct pg *pg, uint32_t timeout_ms)
{
    if (!pg->flight.flying)
        return;
    uint64_t until_ms = pg_now_ms() + timeout_ms, over_ms = pg->flight.deadline_ms + 1;
    bool sends = PQflush(pg->connection) != 0 || (pg->flight.taking && pg->flight.data != NULL);
    // The server may want to be read before it takes more.
    (void)pg_wait_socket(pg->connection, sends ? POLLIN | POLLOUT : POLLIN,
                         until_ms < over_ms ? until_ms : over_ms);
}

enum pg_class pg_finish(struct pg *pg, struct pg_rows **out)
{
    enum { LONG_MS = 60000 };
    enum pg_class class;
    while (!pg_poll(pg, &class, out))
        pg_await(pg, LONG_MS);
    return class;
}
