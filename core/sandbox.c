#include "core/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

enum { SANDBOX_INSTRUCTIONS_MAX = 160 };

struct sandbox_program {
    struct sock_filter code[SANDBOX_INSTRUCTIONS_MAX];
    unsigned short count;
};

#define SANDBOX_EPERM (SECCOMP_RET_ERRNO | EPERM)

static const int sandbox_allowed[] = {
    SYS_futex,           SYS_futex_waitv,  SYS_sched_yield,     SYS_clock_gettime,
    SYS_clock_nanosleep, SYS_nanosleep,    SYS_write,           SYS_close,
    SYS_fcntl,           SYS_pwrite64,     SYS_pread64,         SYS_fdatasync,
    SYS_fsync,           SYS_munmap,       SYS_madvise,         SYS_rt_sigreturn,
    SYS_rt_sigprocmask,  SYS_rt_sigaction, SYS_restart_syscall, SYS_getpid,
    SYS_gettid,          SYS_tgkill,       SYS_setpriority,     SYS_exit,
    SYS_exit_group,      SYS_rseq,         SYS_set_robust_list, SYS_fstat,
    SYS_newfstatat,      SYS_lseek,
    SYS_seccomp, // a filter can only take more away
};
static const int sandbox_deadly[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_accept,
    SYS_accept4,
    SYS_bind,
    SYS_listen,
    SYS_sendto,
    SYS_sendmsg,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_execve,
    SYS_execveat,
    SYS_fork,
    SYS_vfork,
    SYS_clone,
    SYS_clone3,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_bpf,
    SYS_mount,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_io_uring_setup,
};
// What the core thread may not do although the process may.
static const int sandbox_core_denied[] = {
    SYS_openat, SYS_pwrite64, SYS_renameat, SYS_fdatasync, SYS_fsync, SYS_pread64,
};

static void sandbox_add(struct sandbox_program *program, struct sock_filter instruction)
{
    ASSERT(program->count < SANDBOX_INSTRUCTIONS_MAX);
    program->code[program->count++] = instruction;
}

static void sandbox_load(struct sandbox_program *program, size_t offset)
{
    sandbox_add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

// If the loaded word is `value`, ends with `action`.
static void sandbox_on(struct sandbox_program *program, uint32_t value, uint32_t action)
{
    sandbox_add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    sandbox_add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void sandbox_finish(struct sandbox_program *program, uint32_t action)
{
    sandbox_add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// System calls of another architecture would be judged by the wrong numbers.
static void sandbox_begin(struct sandbox_program *program)
{
    program->count = 0;
    sandbox_load(program, offsetof(struct seccomp_data, arch));
    sandbox_add(program,
                (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    sandbox_finish(program, SECCOMP_RET_KILL_PROCESS);
    sandbox_load(program, offsetof(struct seccomp_data, nr));
}

// Allows `call` if its argument number `argument` is `fd`; the program goes on behind it with the
// call's number loaded again.
static void sandbox_allow_folder(struct sandbox_program *program, int call, int argument, int fd)
{
    // call differs: skip load, compare, allow, refuse.
    sandbox_add(program,
                (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4));
    sandbox_load(program, offsetof(struct seccomp_data, args) + (size_t)argument * 8);
    sandbox_on(program, (uint32_t)fd, SECCOMP_RET_ALLOW);
    sandbox_finish(program, SANDBOX_EPERM);
}

static int sandbox_install(const struct sandbox_program *program, unsigned flags)
{
#if defined(LONJA_SANITIZED)
    (void)program;
    (void)flags;
    log_warning("sandbox is off in a build with sanitizers");
    return 0;
#else
    struct sock_filter *code =
        (struct sock_filter *)(uintptr_t)program->code; // the kernel only reads it
    struct sock_fprog filter = {.len = program->count, .filter = code};
#if defined(LONJA_COVERAGE) // what has been counted is written at the end, to many files
    struct sock_filter everything = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter = (struct sock_fprog){.len = 1, .filter = &everything};
#endif
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) != 0)
        return -errno;
    return 0;
#endif
}

int sandbox_enter_process(int journal_folder_fd)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    struct sandbox_program program;
    sandbox_begin(&program);
    for (size_t i = 0; i < sizeof sandbox_allowed / sizeof sandbox_allowed[0]; i++)
        sandbox_on(&program, (uint32_t)sandbox_allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof sandbox_deadly / sizeof sandbox_deadly[0]; i++)
        sandbox_on(&program, (uint32_t)sandbox_deadly[i], SECCOMP_RET_KILL_PROCESS);
    sandbox_allow_folder(&program, SYS_openat, 0, journal_folder_fd);
    sandbox_allow_folder(&program, SYS_renameat, 2, journal_folder_fd);
    sandbox_finish(&program, SANDBOX_EPERM);
    return sandbox_install(&program, SECCOMP_FILTER_FLAG_TSYNC);
}

int sandbox_enter_core_thread(void)
{
    struct sandbox_program program;
    sandbox_begin(&program);
    for (size_t i = 0; i < sizeof sandbox_core_denied / sizeof sandbox_core_denied[0]; i++)
        sandbox_on(&program, (uint32_t)sandbox_core_denied[i], SANDBOX_EPERM);
    sandbox_finish(&program, SECCOMP_RET_ALLOW);
    return sandbox_install(&program, 0);
}
