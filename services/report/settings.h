/* settings: the configuration keys of report as the plain structs of its parts. */
#pragma once

#include "report_service.h"
#include "stage/stage.h"
#include "web.h"

/* report_settings: everything but wake. Texts are borrowed from the stage; so is `store_path`. */
void report_settings(struct stage *stage, const char *store_path, struct report_config *out);

/* web_settings: a port below 0 means that nothing listens. */
void web_settings(const struct stage *stage, struct web_config *out);
