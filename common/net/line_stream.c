#include "line_stream.h"

#include "base/memory.h"
#include "curl_library.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct line_stream {
    char *path, *url;
    const struct curl_library *curl;
    CURLM *multi;
    int ends[2]; /* lines go from [1], the thread's, to [0] */
    pthread_t thread;
    atomic_bool stopping;
    bool opened; /* of the present connection: said so */
    char line[LINE_STREAM_BYTES_MAX];
    size_t length;
};

/* hand_over: a record of a SEQPACKET socket keeps its borders; it begins with a byte so that an empty line is not an end. */
static void hand_over(struct line_stream *stream)
{
    char record[LINE_STREAM_BYTES_MAX];
    record[0] = 'L';
    memcpy(record + 1, stream->line, stream->length);
    ssize_t sent = send(stream->ends[1], record, stream->length + 1, MSG_NOSIGNAL);
    (void)sent; /* closed: so are we, soon */
    stream->length = 0;
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct line_stream *stream = context;
    for (size_t i = 0; i < size * count; i++) {
        if (data[i] == '\n' && stream->length)
            hand_over(stream);
        else if (data[i] != '\n' && data[i] != '\r' && stream->length < sizeof stream->line - 2)
            stream->line[stream->length++] = data[i];
    }
    return size * count;
}

/* take_header: the status line has come: from now on nothing is missed. */
static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct line_stream *stream = context;
    (void)data;
    if (!stream->opened)
        hand_over(stream);
    stream->opened = true;
    return size * count;
}

static void read_once(struct line_stream *stream, CURL *easy)
{
    int running = 1;
    stream->opened = false;
    stream->length = 0;
    stream->curl->multi_add_handle(stream->multi, easy);
    while (running && !atomic_load(&stream->stopping)) {
        if (stream->curl->multi_perform(stream->multi, &running) != CURLM_OK)
            break;
        if (running)
            stream->curl->multi_poll(stream->multi, NULL, 0, 10000, NULL);
    }
    stream->curl->multi_remove_handle(stream->multi, easy);
}

static void *work(void *context)
{
    struct line_stream *stream = context;
    CURL *easy = stream->curl->easy_init();
    bool good = easy && stream->curl->easy_setopt(easy, CURLOPT_URL, stream->url) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, stream->path) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_WRITEDATA, stream) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
                stream->curl->easy_setopt(easy, CURLOPT_HEADERDATA, stream) == CURLE_OK;
    while (good && !atomic_load(&stream->stopping)) {
        read_once(stream, easy);
        if (!atomic_load(&stream->stopping))
            stream->curl->multi_poll(stream->multi, NULL, 0, LINE_STREAM_PAUSE_MS, NULL);
    }
    stream->curl->easy_cleanup(easy);
    return NULL;
}

static void stream_free(struct line_stream *stream)
{
    if (stream->multi)
        stream->curl->multi_cleanup(stream->multi);
    close(stream->ends[0]);
    close(stream->ends[1]);
    free(stream->path);
    free(stream->url);
    free(stream);
}

enum status line_stream_open(const char *unix_socket_path, const char *url, struct line_stream **out_stream,
                             struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(error, STATUS_IO, "no sockets for the stream of %s: %m", url);
    struct line_stream *stream = memory_allocate(sizeof *stream);
    stream->ends[0] = ends[0];
    stream->ends[1] = ends[1];
    stream->path = memory_copy_text(unix_socket_path);
    stream->url = memory_copy_text(url);
    stream->curl = curl_library();
    stream->multi = stream->curl ? stream->curl->multi_init() : NULL;
    if (!stream->multi || pthread_create(&stream->thread, NULL, work, stream) != 0) {
        stream_free(stream);
        return error_set(error, STATUS_IO, "the stream of %s cannot be read: no libcurl, memory or thread", url);
    }
    *out_stream = stream;
    return STATUS_OK;
}

void line_stream_close(struct line_stream *stream)
{
    if (!stream)
        return;
    atomic_store(&stream->stopping, true);
    shutdown(stream->ends[0], SHUT_RDWR); /* it may be waiting for room */
    stream->curl->multi_wakeup(stream->multi);
    pthread_join(stream->thread, NULL);
    stream_free(stream);
}

int line_stream_descriptor(const struct line_stream *stream)
{
    return stream->ends[0];
}

enum status line_stream_read(struct line_stream *stream, char out_line[LINE_STREAM_BYTES_MAX])
{
    char record[LINE_STREAM_BYTES_MAX];
    ssize_t got = recv(stream->ends[0], record, sizeof record, MSG_DONTWAIT);
    if (got < 1)
        return STATUS_AGAIN;
    memcpy(out_line, record + 1, (size_t)got - 1);
    out_line[got - 1] = 0;
    return STATUS_OK;
}
