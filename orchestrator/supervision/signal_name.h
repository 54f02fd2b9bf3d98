/* signal_name: "KILL", "SIGKILL" and "9" are the same signal. */
#pragma once

/* signal_number_of: 0 when the text names no signal. */
int signal_number_of(const char *text);
/* signal_name_of: "KILL"; "0" for 0, "?" for what has no name. */
const char *signal_name_of(int number);
