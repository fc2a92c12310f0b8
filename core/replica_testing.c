#include "core/replica_testing.h"

#include <stdlib.h>
#include <string.h>

#include "core/journal_reader.h"

void replica_host_init(struct replica_host *host, uint64_t seed)
{
    memset(host, 0, sizeof *host);
    host->disk = fake_disk_create(&host->io, seed);
    host->control = aligned_alloc(4096, sizeof *host->control);
    memset(host->control, 0, sizeof *host->control);
    host->gate.control = host->control;
}

void replica_host_fini(struct replica_host *host)
{
    if (host->writes)
        replica_host_end(host);
    fake_disk_destroy(host->disk);
    free(host->control);
}

// ---- a primary

static void host_recover(struct replica_host *host)
{
    struct journal_reader reader;
    const struct journal_block_header *block;
    assert_int_equal(journal_reader_open(&reader, &host->io, 1, false), 0);
    enum journal_decision decision;
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        ;
    if (decision == JOURNAL_CORRUPT)
        fail_msg("the journal is corrupt: %s", reader.reason);
    host->last = reader.next_sequence - 1;
    host->chain = reader.chain;
    host->epoch = reader.epoch;
    journal_reader_close(&reader);
}

bool replica_host_begin(struct replica_host *host, uint64_t epoch)
{
    host_recover(host);
    host->epoch = host->epoch + 1 > epoch ? host->epoch + 1 : epoch;
    memset(host->control, 0, sizeof *host->control);
    if (journal_sync_all(&host->io) != 0)
        return false;
    gate_announce(&host->gate, host->last, host->epoch);
    struct journal_options options = {
        .segments = {.bytes = REPLICA_TESTING_SEGMENT_BYTES, .engine_version = 1},
        .epoch = host->epoch,
        .next_sequence = host->last + 1,
        .chain = host->chain,
        .queue_slots = 4096};
    host->writes =
        journal_open(&host->journal, &host->io, &host->gate, &clock_system, &options) == 0;
    if (!host->writes)
        journal_close(&host->journal);
    return host->writes;
}

bool replica_host_write(struct replica_host *host, int commands)
{
    for (int i = 0; i < commands; i++) {
        struct command command = {.header = {.slots = 1,
                                             .type = CMD_clock_tick,
                                             .version = SCHEMA_VERSION,
                                             .sequence = ++host->last,
                                             .time_ns = host->epoch}};
        journal_append(&host->journal, &command);
    }
    journal_flush(&host->journal);
    bool written = journal_write_work(&host->journal) == commands;
    // Segments are prepared as the journal's third thread would.
    return written && journal_prepare_work(&host->journal) >= 0;
}

void replica_host_end(struct replica_host *host)
{
    journal_close(&host->journal);
    host->writes = false;
}

struct replica_now replica_host_now(const struct replica_host *host, uint64_t now_ns)
{
    struct replica_now now = {.io = &host->io, .timeout_ns = REPLICA_TESTING_TIMEOUT_NS};
    now.own = (struct replica_hello){.protocol = REPLICA_PROTOCOL,
                                     .schema_version = SCHEMA_VERSION,
                                     .role = REPLICA_PRIMARY,
                                     .life = 1,
                                     .venue = "TEST"};
    now.own.epoch = atomic_load(&host->control->journal_epoch);
    now.journal_seq = now.own.sequence = atomic_load(&host->control->journal_seq);
    now.now_ns = now_ns;
    return now;
}

// ---- a connection

void replica_link_up(struct replica_link *link, struct standby_store *store, uint64_t fence,
                     uint64_t now_ns)
{
    struct replica_hello terms = {.protocol = REPLICA_PROTOCOL,
                                  .schema_version = SCHEMA_VERSION,
                                  .life = 2,
                                  .fence = fence,
                                  .venue = "TEST"};
    assert_int_equal(replica_sender_open(&link->sender, now_ns), 0);
    assert_int_equal(replica_receiver_open(&link->receiver, store, &terms, now_ns), 0);
    link->up = true;
}

void replica_link_down(struct replica_link *link)
{
    replica_sender_close(&link->sender);
    replica_receiver_close(&link->receiver);
    link->up = false;
}

static void link_carry(struct replica_buffer *to, struct replica_buffer *from, size_t bytes)
{
    size_t room = replica_buffer_room(to), there = from->end - from->begin;
    if (bytes > there)
        bytes = there;
    if (bytes > room)
        bytes = room;
    memcpy(to->memory + to->end, from->memory + from->begin, bytes);
    to->end += bytes;
    replica_buffer_drop(from, bytes);
}

int replica_link_step(struct replica_link *link, const struct replica_host *primary, size_t bytes,
                      uint64_t now_ns)
{
    struct replica_now now = replica_host_now(primary, now_ns);
    link_carry(&link->sender.in, &link->receiver.out, bytes);
    int result = replica_sender_take(&link->sender, &now);
    if (result == 0)
        result = replica_sender_fill(&link->sender, &now);
    if (result < 0)
        return result;
    link_carry(&link->receiver.in, &link->sender.out, bytes);
    result = replica_receiver_take(&link->receiver, now_ns, REPLICA_TESTING_TIMEOUT_NS);
    return result < 0 ? result : 0;
}
