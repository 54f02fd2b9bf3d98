/* telling: what report tells of itself: in the heartbeat (operations.md §9), and for the loss ledger. */
#pragma once

#include "report_service.h"
#include "stage/stage.h"
#include "web.h"

void telling_report(struct report_service *service, struct stage_report *report);

/* telling_web: of its HTTP server; NULL: there is none. */
void telling_web(const struct web *web, struct stage_report *report);

/* telling_ledger: rows it has counted of each symbol. */
void telling_ledger(struct report_service *service, const struct stage *stage, struct stage_ledger *ledger);
