/* curl_library: libcurl, loaded when it is first needed. It brings thirty libraries with it (TLS twice, LDAP, SSH, Kerberos), which cost
 * whoever merely might ask something 7 ms at every start and a megabyte of private memory. */
#pragma once

#include <curl/curl.h>

#define CURL_LIBRARY_FUNCTIONS(ENTRY) \
    ENTRY(easy_cleanup)               \
    ENTRY(easy_getinfo)               \
    ENTRY(easy_init)                  \
    ENTRY(easy_setopt)                \
    ENTRY(easy_strerror)              \
    ENTRY(global_init)                \
    ENTRY(multi_add_handle)           \
    ENTRY(multi_cleanup)              \
    ENTRY(multi_info_read)            \
    ENTRY(multi_init)                 \
    ENTRY(multi_perform)              \
    ENTRY(multi_poll)                 \
    ENTRY(multi_remove_handle)        \
    ENTRY(multi_wakeup)               \
    ENTRY(slist_append)               \
    ENTRY(slist_free_all)

/* curl_library: a member per function of libcurl, without its `curl_`. */
#define CURL_LIBRARY_MEMBER(name) __typeof__(curl_##name) *name;
struct curl_library {
    CURL_LIBRARY_FUNCTIONS(CURL_LIBRARY_MEMBER)
};
#undef CURL_LIBRARY_MEMBER

/* curl_library: the same for all threads, never unloaded. NULL: it cannot be loaded, which has been logged. */
const struct curl_library *curl_library(void);
