#include "base/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memfile.h"

const char *process_name(enum process_id process)
{
    static const char *const names[] = {
        [PROCESS_CORE] = "core",       [PROCESS_TAPE] = "tape",   [PROCESS_FIX] = "fix",
        [PROCESS_WEB] = "web",         [PROCESS_ADMIN] = "admin", [PROCESS_RECORD] = "record",
        [PROCESS_SETTLE] = "settle",   [PROCESS_SIGN] = "sign",   [PROCESS_OPS] = "ops",
        [PROCESS_SURVEIL] = "surveil", [PROCESS_REPLICATE] = "replicate",
        [PROCESS_STANDBY] = "standby", [PROCESS_INDEX] = "index",
    };
    static_assert(sizeof names / sizeof names[0] == PROCESS_COUNT, "every process has a name");
    ASSERT(process < PROCESS_COUNT);
    return names[process];
}

enum process_id process_of_gateway(enum gateway_id gateway)
{
    static const enum process_id processes[] = {
        [GATEWAY_CORE] = PROCESS_CORE,     [GATEWAY_FIX] = PROCESS_FIX,
        [GATEWAY_WEB] = PROCESS_WEB,       [GATEWAY_ADMIN] = PROCESS_ADMIN,
        [GATEWAY_SETTLE] = PROCESS_SETTLE, [GATEWAY_INDEX] = PROCESS_INDEX,
    };
    static_assert(sizeof processes / sizeof processes[0] == GATEWAY_COUNT, "every gateway");
    ASSERT(gateway < GATEWAY_COUNT);
    return processes[gateway];
}

static __attribute__((noreturn)) void boot_refuse(enum process_id process, const char *reason)
{
    fprintf(stderr, "lonja-%s: %s; it is started by `lonja`, not by hand\n", process_name(process),
            reason);
    exit(2);
}

static int boot_descriptor(enum process_id process)
{
    const char *text = getenv("LONJA_BOOT_FD");
    if (text == NULL)
        boot_refuse(process, "LONJA_BOOT_FD is not set");
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || fd < 0 || fd > 1 << 20)
        boot_refuse(process, "LONJA_BOOT_FD is not a descriptor");
    return (int)fd;
}

const struct boot *boot_inherit(enum process_id process)
{
    int fd = boot_descriptor(process);
    void *memory;
    int result = memfile_map(&memory, fd, sizeof(struct boot), false);
    if (result != 0)
        boot_refuse(process, strerror(-result));
    int seals = fcntl(fd, F_GET_SEALS);
    const struct boot *boot = memory;
    if (seals < 0 || (seals & F_SEAL_WRITE) == 0)
        boot_refuse(process, "the boot record is not sealed");
    if (boot->magic != BOOT_MAGIC || boot->version != BOOT_VERSION)
        boot_refuse(process, "the boot record is of another version");
    if (boot->process != process)
        boot_refuse(process, "the boot record is another process's");
    return boot;
}
