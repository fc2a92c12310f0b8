#include "risk/surveillance/facts_file.h"

#include "core/snapshot_file.h"

static int add(void *context, const struct snapshot_record *record)
{
    return snapshot_writer_add(context, record);
}

int facts_file_save(const char *folder, const struct surveillance *surveillance,
                    const struct facts_mark *mark)
{
    ASSERT(mark->sequence > 0);
    int result = state_folder_make(folder);
    if (result != 0)
        return result;
    struct snapshot_writer writer;
    struct snapshot_record meta = {.header = {.type = REC_meta, .version = SCHEMA_VERSION},
                                   .body.meta = {.sequence = mark->sequence,
                                                 .time_ns = mark->time_ns,
                                                 .events_digest = mark->digest}};
    result = snapshot_writer_open(&writer, folder, mark->sequence);
    if (result == 0)
        result = snapshot_writer_add(&writer, &meta);
    if (result == 0)
        result = surveillance_save(surveillance, add, &writer);
    return result == 0 ? snapshot_writer_commit(&writer) : result;
}

struct loading {
    struct surveillance *surveillance;
    struct facts_mark *mark;
};

static bool load(void *context, const struct snapshot_record *record)
{
    struct loading *loading = context;
    if (record->header.type == REC_meta)
        *loading->mark = (struct facts_mark){.sequence = record->body.meta.sequence,
                                             .time_ns = record->body.meta.time_ns,
                                             .digest = record->body.meta.events_digest};
    else
        surveillance_load(loading->surveillance, record);
    return true;
}

bool facts_file_load(const char *folder, struct surveillance *surveillance, struct facts_mark *mark,
                     uint64_t limit)
{
    uint64_t sequence;
    struct loading loading = {.surveillance = surveillance, .mark = mark};
    *mark = (struct facts_mark){0};
    // A file's checksum is proved before its first record is shown.
    return snapshot_file_newest(&sequence, folder, limit) &&
           snapshot_file_read(folder, sequence, load, &loading);
}
