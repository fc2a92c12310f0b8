// System: what stands behind the wrapped system calls that are no files (see system.c).
#ifndef LONJA_SIM_SYSTEM_H
#define LONJA_SIM_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

uint64_t system_wall_ns(void);
// The wall clock goes forward or back by so much.
void system_jump(int64_t ns);
// Zeros, from the kernel: a page costs nothing before it is touched. A process that dies leaves
// them behind.
void *system_zeros(size_t bytes);
// Shared memory that no process has any more.
void system_free_memory(int fd);

#endif
