/* parts: one multi-part message of ZeroMQ. */
#pragma once

#include <stddef.h>
#include <zmq.h>

enum { PARTS_MAX = 4 };

struct parts {
    zmq_msg_t part[PARTS_MAX];
    size_t count;
};

static inline void parts_close(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        zmq_msg_close(&parts->part[i]);
}
