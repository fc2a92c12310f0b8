// HTTP/1.1 and WebSocket server over libwebsockets, on the gateway's loop (loop.h). This is the
// only place that knows libwebsockets; above it there are requests, answers and text messages.
//
// Requests: the whole body is read first (at most body_bytes_max), then `request` is called once.
// The answer may be given at once or later by the id; a client that has left meanwhile is no error:
// http_answer returns false. A request not answered within answer_timeout_s is cut.
//
// WebSocket: at most one path (websocket_path). `opened`, then `message` per complete text message
// of valid UTF-8, then `closed` once. Longer messages are closed with 1009, binary ones with 1003,
// a message not complete within 10 s with 1002; a peer that answers no ping within websocket_idle_s
// is cut.
//
// Output and slow consumers: a frame is made once and shared by all receivers. It is written at
// once where the socket takes it; otherwise it waits in the connection's queue. http_send with
// HTTP_MUST never drops: beyond output_bytes_max waiting bytes the connection is cut (the client
// must resynchronise, rather than miss something unknowingly). With HTTP_MAY the frame is dropped
// if anything waits already; then `drained` is called once the queue is empty, and the owner sends
// a fresh state instead.
//
// Ids are never reused (slot and generation), so they may be kept after the peer has gone.
//
// Threads: the loop's thread only. Memory: allocated per connection, bounded by connections_max,
// body_bytes_max, message_bytes_max and output_bytes_max.
#ifndef LONJA_GATEWAY_COMMON_HTTP_H
#define LONJA_GATEWAY_COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/common/loop.h"

// HEAD is given to the owner as HTTP_GET, and its answer is sent without the body.
enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };
enum {
    HTTP_PATH_BYTES_MAX = 256,
    HTTP_QUERY_BYTES_MAX = 512,
    HTTP_BEARER_BYTES_MAX = 128,
    HTTP_KEY_BYTES_MAX = 160,
};

// Valid during the callback only.
struct http_request {
    enum http_method method;
    const char *path;   // decoded, begins with '/', NUL-terminated
    const char *bearer; // token of "Authorization: Bearer …", or ""
    const char *key;    // of "Idempotency-Key: …", or ""; one that does not fit is "?"
    const char *body;   // NUL-terminated behind body_bytes
    size_t body_bytes;
    const char *peer; // address of the client
    unsigned refused; // 0; or 411 or 413: the body was not read (body_bytes is what was announced);
                      // answer with that status, the connection is closed behind the answer
    const void *arguments; // for http_argument
};

struct http_handlers {
    void (*request)(void *context, uint64_t id, const struct http_request *request);
    // NULL if the server has no WebSocket:
    void (*opened)(void *context, uint64_t id, const char *peer);
    void (*message)(void *context, uint64_t id, const char *text, size_t bytes);
    void (*drained)(void *context, uint64_t id);
    void (*closed)(void *context, uint64_t id);
};

struct http_options {
    const char *address; // of the interface: "127.0.0.1", "0.0.0.0"
    int port;
    unsigned connections_max;
    size_t body_bytes_max;
    const char *websocket_path; // NULL = none
    size_t message_bytes_max;
    size_t output_bytes_max;
    unsigned websocket_idle_s;
    unsigned answer_timeout_s;
};

struct http_counters {
    uint64_t connections_refused; // above connections_max
    uint64_t slow_consumers_cut;
    uint64_t frames_dropped; // HTTP_MAY
    uint64_t requests;
    uint64_t messages;
};

struct http_server;

// NULL if the port cannot be opened (the reason is on standard error).
CHECKED struct http_server *http_open(struct loop *loop, const struct http_options *options,
                                      const struct http_handlers *handlers, void *context);
// Closes all connections without calling back and frees the server; the loop is not run again after
// it.
void http_close(struct http_server *server);
// Stops accepting connections; the existing ones live on.
void http_stop_listening(struct http_server *server);
const struct http_counters *http_counters(const struct http_server *server);
unsigned http_connections(const struct http_server *server);

// Value of ?name=, decoded and NUL-terminated; false if absent or longer than fits.
bool http_argument(const struct http_request *request, const char *name, char *out, size_t size);

// All of them: "name=value", decoded, each NUL-terminated, an empty one at the end; one without a
// name stands for what did not fit into HTTP_QUERY_BYTES_MAX.
const char *http_arguments(const struct http_request *request);

// Answers a request. The body is copied. `headers` is NULL or further header lines, each "Name:
// value\r\n". Returns false if the client has gone.
bool http_answer(struct http_server *server, uint64_t id, unsigned status, const char *content_type,
                 const char *headers, const char *body, size_t body_bytes);

// ---- WebSocket -------------------------------------------------------------------------------

enum http_delivery { HTTP_MUST, HTTP_MAY };
enum http_sent { HTTP_SENT, HTTP_DROPPED, HTTP_GONE };

struct http_frame; // one text message, shared by reference count

struct http_frame *http_frame_new(const char *text, size_t bytes);
void http_frame_release(struct http_frame *frame); // the creator's reference, or one of keep's
struct http_frame *http_frame_keep(struct http_frame *frame);
size_t http_frame_bytes(const struct http_frame *frame);
enum http_sent http_send(struct http_server *server, uint64_t id, struct http_frame *frame,
                         enum http_delivery delivery);
// Bytes that wait for the socket, roughly (what libwebsockets has of a frame counts as one); 0 if
// the peer has gone.
size_t http_waiting_bytes(const struct http_server *server, uint64_t id);
// Sends what waits as far as the socket takes it, then a close frame with this code, then closes.
void http_hang_up(struct http_server *server, uint64_t id, uint16_t code, const char *reason);

#endif
