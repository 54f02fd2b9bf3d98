#include "curl_library.h"

#include "base/log.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The name of the interface that curl/curl.h of any libcurl since 7.16 describes. */
static const char SONAME[] = "libcurl.so.4";

static const struct entry {
    const char *symbol;
    size_t offset;
} ENTRIES[] = {
#define CURL_LIBRARY_ENTRY(name) {"curl_" #name, offsetof(struct curl_library, name)},
    CURL_LIBRARY_FUNCTIONS(CURL_LIBRARY_ENTRY)
#undef CURL_LIBRARY_ENTRY
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct curl_library library;
static bool loaded;

static void load(void)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    bool good = handle != NULL;
    for (size_t i = 0; good && i < sizeof ENTRIES / sizeof *ENTRIES; i++) {
        void *function = dlsym(handle, ENTRIES[i].symbol);
        memcpy((char *)&library + ENTRIES[i].offset, &function, sizeof function);
        good = function != NULL;
    }
    if (!good) {
        log_event(LOG_ERROR, "libcurl_missing", "reason=\"%s\" remedy=\"install libcurl4\"", dlerror());
        return;
    }
    library.global_init(CURL_GLOBAL_DEFAULT);
    loaded = true;
}

const struct curl_library *curl_library(void)
{
    pthread_once(&once, load);
    return loaded ? &library : NULL;
}
