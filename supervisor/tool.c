#include "supervisor/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memfile.h"
#include "supervisor/venue_memory.h"

// Returns `fd`, which an exec now passes on; or -errno.
static int passed_on(int fd)
{
    return fd < 0 || fcntl(fd, F_SETFD, 0) == 0 ? fd : -errno;
}

int tool_boot(const struct config *config, enum process_id process)
{
    static struct venue_memory memory; // its descriptors live until the exec, and beyond
    struct boot boot = {.magic = BOOT_MAGIC,
                        .version = BOOT_VERSION,
                        .process = process,
                        .incarnation = 1,
                        .config = *config};
    char number[16];
    ASSERT(venue_memory_is_reader(process));
    int result = venue_memory_create(&memory, config);
    if (result != 0)
        return result;
    venue_memory_grant(&memory, &boot, process);
    int fd = passed_on(memfile_create_constant("lonja-boot", &boot, sizeof boot));
    if (fd < 0)
        return fd;
    snprintf(number, sizeof number, "%d", fd);
    int fds[] = {boot.event_ring_fd, boot.reader_page_fd[process], boot.doorbell_fd[process]};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0] && result >= 0; i++)
        result = passed_on(fds[i]);
    if (result >= 0)
        result = setenv("LONJA_BOOT_FD", number, 1) == 0 ? 0 : -errno;
    return result;
}
