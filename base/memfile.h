// Memory files: shared memory that a peer can neither shrink nor grow (sealed memfd), so that
// mapping it is safe against SIGBUS. The supervisor makes them and hands the descriptors down;
// tests make their own. All descriptors are close-on-exec: the supervisor clears that for the one
// child that gets one. Every function returns a descriptor or 0, or -errno.
#ifndef LONJA_BASE_MEMFILE_H
#define LONJA_BASE_MEMFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

// Zeroed and writable, size sealed, mode 0600: a process under another user id cannot reopen a
// read-only descriptor of it for writing.
CHECKED int memfile_create(const char *name, size_t bytes);
// A second descriptor of the same file that can only read (for readers of the event ring).
CHECKED int memfile_readonly(int fd);
// A file with this content that nobody can ever change (the boot record).
CHECKED int memfile_create_constant(const char *name, const void *data, size_t bytes);

// Maps exactly `bytes`; refuses (-EINVAL) a file of another size and (-EPERM) one whose size is not
// sealed.
CHECKED int memfile_map(void **memory, int fd, size_t bytes, bool writable);
void memfile_unmap(void *memory, size_t bytes);

#endif
