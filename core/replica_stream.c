#include "core/replica_stream.h"

static int stream_read(struct replica_stream *stream, struct replica_buffer *in)
{
    size_t room = replica_buffer_room(in);
    if (room == 0)
        return 0;
    int64_t bytes = stream->read(stream->context, in->memory + in->end, room);
    if (bytes < 0)
        return (int)bytes;
    in->end += (size_t)bytes;
    return bytes > 0;
}

static int stream_write(struct replica_stream *stream, struct replica_buffer *out)
{
    if (out->begin == out->end)
        return 0;
    int64_t bytes = stream->write(stream->context, out->memory + out->begin, out->end - out->begin);
    if (bytes < 0)
        return (int)bytes;
    replica_buffer_drop(out, (size_t)bytes);
    return bytes > 0;
}

int replica_stream_move(struct replica_stream *stream, struct replica_buffer *in,
                        struct replica_buffer *out)
{
    int read = stream_read(stream, in);
    if (read < 0)
        return read;
    // Last, because what a write cannot go on without is what must be waited for.
    int written = stream_write(stream, out);
    return written < 0 ? written : read | written;
}
