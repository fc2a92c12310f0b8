// The overlay over the real folders.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_archive.h"
#include "core/numbered_file.h"

int journal_archive_open(struct journal_archive *archive, struct journal_io *io, const char *folder)
{
    char path[NUMBERED_PATH_BYTES];
    memset(archive, 0, sizeof *archive);
    int n = snprintf(path, sizeof path, "%s/" JOURNAL_ARCHIVE_FOLDER, folder);
    ASSERT(n > 0);
    if ((size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    if (access(path, F_OK) != 0)
        return errno == ENOENT ? 0 : -errno;
    struct journal_io_file file;
    struct journal_io archived;
    int result = journal_io_file_open(&archived, &file, path, true);
    if (result != 0)
        return result;
    journal_archive_overlay(archive, io, &archived);
    archive->archive_file = file;
    archive->archive.context = &archive->archive_file;
    archive->has_folder = true;
    return 0;
}

void journal_archive_close(struct journal_archive *archive)
{
    for (int i = 0; i < JOURNAL_ARCHIVE_OPEN_MAX; i++)
        free(archive->entries[i].data);
    if (archive->has_folder)
        journal_io_file_close(&archive->archive_file);
    memset(archive, 0, sizeof *archive);
}
