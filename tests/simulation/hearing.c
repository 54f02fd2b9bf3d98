#include "tests/simulation/hearing.h"

#include "proto/frame.h"
#include "proto/request.h"
#include "tests/simulation/moves.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/venue.h"

#include <string.h>

/* When each process last asked about each symbol; 0: never. */
static int64_t asked_ns[PROCESS_COUNT][FAULT_SYMBOLS];
static int64_t deaf_count;

void hearing_begin(void)
{
    memset(asked_ns, 0, sizeof asked_ns);
    deaf_count = 0;
}

void hearing_note_answer(const void *data, size_t bytes)
{
    const struct planned_move *move = moves_under_way();
    struct catch_up_answer_row answer;
    struct frame frame;
    struct row_view view;
    struct error error;
    if (move && fiber_process() == &processes[move->from] &&
        frame_open(&frame, data, bytes, &error) == STATUS_OK && frame_next(&frame, &view) &&
        view.kind == ROW_CATCH_UP_ANSWER &&
        row_decode(&view, &catch_up_answer_message, &answer, &error) == STATUS_OK && answer.question)
        asked_ns[move->from][move->symbol] = fiber_now_ns();
}

void hearing_judge(void)
{
    const struct planned_move *move = moves_under_way();
    if (!move || fiber_process() != &processes[move->from])
        return;
    int64_t asked = asked_ns[move->from][move->symbol], now = fiber_now_ns();
    int64_t deaf = venue_deaf_since_ns(&processes[move->to], move->symbol);
    if (deaf < (asked ? asked : now))
        trace_complain("%s lets symbol %zu go at %.6f s, asked at %.6f s, but %s hears nothing since %.6f s",
                       processes[move->from].name, move->symbol, (double)now / 1e9, (double)asked / 1e9,
                       processes[move->to].name, (double)deaf / 1e9);
    deaf_count += deaf != INT64_MAX;
}

int64_t hearing_deaf_count(void)
{
    return deaf_count;
}
