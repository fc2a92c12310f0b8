// Echo servers: what the protocols cost by themselves, the floors of an order's answer. Each runs
// in a process of its own, serves one client after the other on 127.0.0.1, and ends with the
// process that started it.
#ifndef LONJA_PERF_ECHO_H
#define LONJA_PERF_ECHO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

// QuickFIX's session layer behind the gateway's own shim, on epoll: logs anybody on, checks every
// message against the dictionary, answers an order or a cancel with an execution report of the
// venue's size. No store on disk, no core.
void echo_fix(uint16_t port) __attribute__((noreturn));
// libwebsockets on libev: sends every text message back as it came.
void echo_ws(uint16_t port) __attribute__((noreturn));

// Starts one in a child process and waits until it listens; returns its process id.
int echo_start(void (*serve)(uint16_t), uint16_t port);
void echo_stop(int pid);

#endif
