// What disk_faults.so and the test that preloads it share: a page in a memory file, whose path is
// in LONJA_DISK_FAULTS. The library stands between lonja-core and libc and makes one call fail:
// call number `at` (from 1) of a class, among those that touch the journal's folder. It counts all
// of them, and what the process still does to the same file after the failure.
#ifndef LONJA_TESTS_DISK_FAULTS_H
#define LONJA_TESTS_DISK_FAULTS_H

#include <stdatomic.h>
#include <stdint.h>

enum disk_fault_class {
    DISK_FAULT_OPEN,   // open, openat
    DISK_FAULT_READ,   // pread
    DISK_FAULT_WRITE,  // pwrite
    DISK_FAULT_SYNC,   // fdatasync, fsync
    DISK_FAULT_RENAME, // renameat
    DISK_FAULT_CLASSES
};
enum disk_fault_manner {
    DISK_FAULT_ERROR,       // fails with `error`, nothing is done
    DISK_FAULT_ERROR_AFTER, // fails with `error`, though all of it was done
    DISK_FAULT_SHORT,       // a write that ends in the middle
};

struct disk_faults {
    uint32_t fault_class, manner;
    int32_t error;
    uint64_t at; // 0 = never
    _Atomic uint64_t calls[DISK_FAULT_CLASSES];
    _Atomic uint64_t failed;  // 1 when the call was met
    _Atomic int32_t file;     // whose call it was
    _Atomic uint64_t retried; // calls of the same class to the same file afterwards
};

#endif
