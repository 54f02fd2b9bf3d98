#include "meeting.h"

#include <stddef.h>

enum meeting_verdict meeting_judge(struct meeting *meeting, const struct meeting_facts *facts, int64_t now_ms)
{
    bool overlaps = facts->any_heard && facts->overlaps && facts->is_open && !facts->is_owed;
    if (facts->is_simulator)
        return overlaps ? MEETING_IS_MET : MEETING_GOES_ON;
    if (!facts->any_heard && !facts->is_open) { /* not there yet, or not any more */
        meeting->since_ms = 0;
        return MEETING_GOES_ON;
    }
    if (!meeting->since_ms)
        meeting->since_ms = now_ms;
    int64_t waited_ms = now_ms - meeting->since_ms;
    if (overlaps && (facts->all_heard || waited_ms >= MEETING_OVERLAP_MS))
        return MEETING_IS_MET;
    return waited_ms >= MEETING_PATIENCE_MS ? MEETING_IS_CUT : MEETING_GOES_ON;
}

const char *meeting_lacks(const struct meeting_facts *facts)
{
    if (facts->is_owed)
        return "an answer of the venue is awaited";
    if (!facts->any_heard)
        return "its next owner hears nothing of it yet";
    if (!facts->overlaps)
        return NULL;
    if (!facts->is_open)
        return "its next owner has not opened every socket that it needs";
    return "its next owner has not heard long enough of it";
}
