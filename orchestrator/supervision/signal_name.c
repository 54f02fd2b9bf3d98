#include "signal_name.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int signal_number_of(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (end != text)
        return *end == 0 && number > 0 && number < SIGRTMIN && sigabbrev_np((int)number) ? (int)number : 0;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int candidate = 1; candidate < SIGRTMIN; candidate++) {
        const char *name = sigabbrev_np(candidate);
        if (name && strcasecmp(name, text) == 0)
            return candidate;
    }
    return 0;
}

const char *signal_name_of(int number)
{
    const char *name = number > 0 ? sigabbrev_np(number) : NULL;
    return name ? name : number == 0 ? "0" : "?";
}
