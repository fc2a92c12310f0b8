#include "supervisor/incarnation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/atomic_file.h"

static const char FILE_NAME[] = "incarnation";
enum { FILE_BYTES_MAX = 1024 };

static int process_by_name(const char *name)
{
    for (int process = 0; process < PROCESS_COUNT; process++)
        if (strcmp(process_name((enum process_id)process), name) == 0)
            return process;
    return -1;
}

// Takes "NAME NUMBER\n" lines; a name of another version of Lonja is damage too: its count would be lost.
static int parse(struct incarnations *incarnations, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char name[32], beyond;
        uint32_t number = 0;
        if (sscanf(line, "%31s %" SCNu32 " %c", name, &number, &beyond) != 2)
            return -EBADMSG;
        int process = process_by_name(name);
        if (process < 0)
            return -EBADMSG;
        incarnations->last[process] = number;
    }
    return 0;
}

int incarnations_load(struct incarnations *incarnations, int folder_fd)
{
    char text[FILE_BYTES_MAX + 1];
    memset(incarnations, 0, sizeof *incarnations);
    incarnations->folder_fd = folder_fd;
    int fd = openat(folder_fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t bytes = read(fd, text, FILE_BYTES_MAX);
    int error = errno;
    close(fd);
    if (bytes < 0)
        return -error;
    // It is replaced as a whole: cut short means that something else wrote it.
    if (bytes == 0 || bytes == FILE_BYTES_MAX || text[bytes - 1] != '\n')
        return -EBADMSG;
    text[bytes] = '\0';
    return parse(incarnations, text);
}

void incarnations_raise(struct incarnations *incarnations, uint32_t floor)
{
    for (int process = 0; process < PROCESS_COUNT; process++)
        if (incarnations->last[process] < floor)
            incarnations->last[process] = floor;
}

static size_t print(const struct incarnations *incarnations, char text[FILE_BYTES_MAX])
{
    size_t bytes = 0;
    for (int process = 0; process < PROCESS_COUNT; process++) {
        int more = snprintf(text + bytes, FILE_BYTES_MAX - bytes, "%s %" PRIu32 "\n",
                            process_name((enum process_id)process), incarnations->last[process]);
        ASSERT(more > 0 && bytes + (size_t)more < FILE_BYTES_MAX);
        bytes += (size_t)more;
    }
    return bytes;
}

int incarnations_next(struct incarnations *incarnations, uint32_t *incarnation,
                      enum process_id process)
{
    ASSERT(process < PROCESS_COUNT);
    char text[FILE_BYTES_MAX];
    struct incarnations next = *incarnations;
    if (next.last[process] == UINT32_MAX)
        return -EOVERFLOW;
    next.last[process]++;
    size_t bytes = print(&next, text);
    int result = atomic_file_write(next.folder_fd, FILE_NAME, text, bytes, ATOMIC_FILE_DURABLE);
    if (result < 0)
        return result;
    *incarnations = next;
    *incarnation = next.last[process];
    return 0;
}
