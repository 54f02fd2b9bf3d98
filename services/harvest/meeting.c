#include "meeting.h"

#include <stddef.h>

enum meeting_verdict meeting_judge(struct meeting *meeting, const struct meeting_facts *facts, int64_t now_ms)
{
    bool overlaps = facts->any_heard && facts->overlaps && facts->open_since && !facts->is_owed;
    if (facts->is_simulator)
        return overlaps ? MEETING_IS_MET : MEETING_GOES_ON;
    if (facts->open_since != meeting->opening) {
        meeting->opening = facts->open_since;
        meeting->opening_ms = now_ms;
    }
    if (!facts->any_heard && !facts->open_since) { /* not there yet, or not any more */
        meeting->since_ms = 0;
        return MEETING_GOES_ON;
    }
    if (!meeting->since_ms)
        meeting->since_ms = now_ms;
    if (overlaps && (facts->all_heard || now_ms - meeting->opening_ms >= MEETING_OVERLAP_MS))
        return MEETING_IS_MET;
    return now_ms - meeting->since_ms >= MEETING_PATIENCE_MS ? MEETING_IS_CUT : MEETING_GOES_ON;
}

const char *meeting_lacks(const struct meeting_facts *facts)
{
    if (facts->is_owed)
        return "an answer of the venue is awaited";
    if (!facts->any_heard)
        return "its next owner hears nothing of it yet";
    if (!facts->overlaps)
        return NULL;
    if (!facts->open_since)
        return "its next owner has not opened every socket that it needs";
    return "its next owner has not heard long enough of it";
}
