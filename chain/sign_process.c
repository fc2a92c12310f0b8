#include "chain/sign_process.h"

#include "base/testing.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_POLLS 500
#define POLL_US     20000

void sign_process_path(char out[SIGN_PROCESS_PATH_MAX], const struct sign_process *process,
                       const char *name)
{
    int len = snprintf(out, SIGN_PROCESS_PATH_MAX, "%s/%s", process->folder, name);
    assert_true(len > 0 && len < SIGN_PROCESS_PATH_MAX);
}

static void make_key(struct sign_process *process)
{
    char command[1024];
    char text[64] = {0};
    snprintf(command, sizeof(command),
             "%s/lonja-key new --light --make-passphrase --keystore %s/key.json "
             "--passphrase-file %s/pass",
             process->bin, process->folder, process->folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(text, sizeof(text), pipe));
    assert_int_equal(pclose(pipe), 0);
    text[strcspn(text, "\n")] = '\0';
    assert_true(address_parse(&process->address, text));
}

void sign_process_init(struct sign_process *process, const char *bin)
{
    *process = (struct sign_process){.pid = -1};
    snprintf(process->bin, sizeof(process->bin), "%s", bin);
    strcpy(process->folder, "/tmp/lonja-sign-XXXXXX");
    assert_non_null(mkdtemp(process->folder));
    make_key(process);
}

void sign_process_fini(struct sign_process *process)
{
    char pattern[SIGN_PROCESS_PATH_MAX];
    glob_t files;
    if (process->pid > 0)
        sign_process_stop(process, SIGTERM);
    sign_process_path(pattern, process, "*");
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        unlink(files.gl_pathv[i]);
    globfree(&files);
    assert_int_equal(rmdir(process->folder), 0);
}

void sign_process_policy(const struct sign_process *process, const char *contract,
                         const char *methods)
{
    char fresh[SIGN_PROCESS_PATH_MAX];
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(fresh, process, "policy.new");
    sign_process_path(path, process, "policy");
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"chain_id\":31337,\"gas_limit_max\":16777216,\"max_fee_wei_max\":500000000000,"
            "\"allow\":[{\"contract\":\"%s\",\"methods\":%s}]}",
            contract, methods);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

__attribute__((noreturn)) static void become(const struct sign_process *process)
{
    static const char *const options[] = {"--keystore", "--passphrase-file", "--socket", "--policy",
                                          "--log"};
    static const char *const names[] = {"key.json", "pass", "socket", "policy", "log"};
    char paths[5][SIGN_PROCESS_PATH_MAX];
    char texts[5][32];
    char program[SIGN_PROCESS_PATH_MAX + 16];
    char *arguments[12];
    snprintf(program, sizeof(program), "%s/lonja-sign", process->bin);
    arguments[0] = program;
    for (size_t i = 0; i < 5; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s", options[i]);
        sign_process_path(paths[i], process, names[i]);
        arguments[1 + 2 * i] = texts[i];
        arguments[2 + 2 * i] = paths[i];
    }
    arguments[11] = NULL;
    /* The leak checker traces, which the signer forbids. */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    execv(program, arguments);
    _exit(127);
}

static bool answers(const struct sign_process *process)
{
    struct signer_ops ops;
    struct chain_address address;
    sign_process_connect(&ops, process);
    enum signer_result result = ops.address(ops.context, &address);
    ops.close(ops.context);
    if (result == SIGNER_OK)
        assert_true(address_equal(&address, &process->address));
    return result == SIGNER_OK;
}

bool sign_process_start(struct sign_process *process, int *status)
{
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0)
        become(process);
    for (int i = 0; i < START_POLLS; i++) {
        if (answers(process))
            return true;
        if (waitpid(process->pid, status, WNOHANG) == process->pid) {
            process->pid = -1;
            return false;
        }
        usleep(POLL_US);
    }
    fail_msg("lonja-sign neither answers nor exits");
    return false;
}

int sign_process_stop(struct sign_process *process, int signal)
{
    int status;
    assert_int_equal(kill(process->pid, signal), 0);
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    process->pid = -1;
    return status;
}

void sign_process_connect(struct signer_ops *ops, const struct sign_process *process)
{
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(path, process, "socket");
    assert_true(signer_socket_open(ops, path, 5000));
}
