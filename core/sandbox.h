// Sandbox: what the core may ask of the kernel once it runs. Raw BPF, no library.
//
// The whole process: time, futexes, log lines, the journal's folder. A network socket, another
// program, a child, a debugger: the kernel ends the process. Everything else fails with EPERM. The
// core thread itself may not even open, write by offset, rename or sync: only its journal threads
// may.
#ifndef LONJA_CORE_SANDBOX_H
#define LONJA_CORE_SANDBOX_H

#include "base/assert.h"

// For all threads of the process; files can be opened and renamed in `journal_folder_fd` only.
// Returns 0 or -errno. In a build with sanitizers it does nothing, since those need more, and says
// so.
CHECKED int sandbox_enter_process(int journal_folder_fd);
// For the calling thread, in addition, after the process.
CHECKED int sandbox_enter_core_thread(void);

#endif
