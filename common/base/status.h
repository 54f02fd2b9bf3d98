/* status: what a call came to, and one sentence for people when it failed.
 *
 * Every fallible function returns enum status and is must-use; its outputs are untouched unless it returns
 * STATUS_OK. Functions that can fail for reasons a person must act on also take a struct error. */
#pragma once

#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))

enum status {
    STATUS_OK = 0,
    STATUS_AGAIN,       /* nothing there yet; ask again */
    STATUS_END,         /* the input is at its end */
    STATUS_MALFORMED,   /* bytes that cannot be what they claim to be */
    STATUS_UNSUPPORTED, /* well formed, but not something we know */
    STATUS_INVALID,     /* a value outside its range, a wrong option, a wrong configuration */
    STATUS_NOT_FOUND,
    STATUS_EXISTS,
    STATUS_LIMIT,    /* a named limit was reached */
    STATUS_CONFLICT, /* two things that must be equal differ */
    STATUS_IO,       /* the operating system refused; errno tells */
    STATUS_CLOSED,   /* the other side is gone */
    STATUS_COUNT,
};

/* status_name: the constant's name in lower case without its prefix ("malformed"), for logs. */
const char *status_name(enum status status);

enum { ERROR_TEXT_BYTES = 1024 };

/* error: one sentence that says where and what to do. An empty text means "no error". */
struct error {
    char text[ERROR_TEXT_BYTES];
};

/* error_set: writes the sentence (cut at ERROR_TEXT_BYTES) and returns `status`; `error` may be NULL. */
enum status error_set(struct error *error, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);
#ifdef __clang_analyzer__ /* it looks at one file at a time, and cannot know that the status comes back */
#define error_set(error, status, ...) ((void)error_set(error, status, __VA_ARGS__), (status))
#endif
