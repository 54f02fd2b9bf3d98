/* Records of the raw capture, counted by walking its files. */
#include "journal/capture.h"
#include "run_files.h"

#include <stdio.h>

struct records {
    int64_t messages, rest_answers, controls, other;
    int64_t socket_messages; /* from the first record of harvest's last life on */
};

static void count_record(struct records *records, const struct capture_record *record, int64_t first_of_life)
{
    switch (record->kind) {
    case CAPTURE_MESSAGE:
        records->messages++;
        records->socket_messages += (int64_t)record->seq >= first_of_life;
        break;
    case CAPTURE_REST: records->rest_answers++; break;
    case CAPTURE_CONTROL: records->controls++; break;
    default: records->other++; break;
    }
}

static void add_records(struct run_files *run, const struct records *records, bool torn, bool life_known)
{
    struct figures *figures = &run->figures;
    figures_add(figures, "", "capture:messages", records->messages);
    figures_add(figures, "", "capture:rest_answers", records->rest_answers);
    figures_add(figures, "", "capture:controls", records->controls);
    figures_add(figures, "", "capture:other", records->other);
    figures_add(figures, "", "capture:torn", torn);
    if (life_known)
        figures_add(figures, "", "capture:socket_messages", records->socket_messages);
}

void read_capture(struct run_files *run)
{
    char folder[PATH_BYTES];
    struct capture_reader *reader;
    struct capture_record record;
    struct records records = {0};
    struct error error;
    int64_t first_of_life = 0;
    if (!(run->conditions.modules & module_bit(MODULE_HARVEST)))
        return;
    bool life_known = figures_get(&run->figures, "", "harvest:socket_first_record", &first_of_life);
    path_join(folder, config_text(run->config, "run.data_root"), "raw");
    if (capture_reader_open(folder, run->run_id, NULL, &reader, &error) != STATUS_OK) {
        run_files_problem(run, "%s: %s", folder, error.text);
        return;
    }
    enum status status;
    while ((status = capture_next(reader, &record, &error)) == STATUS_OK)
        count_record(&records, &record, first_of_life);
    if (status == STATUS_END)
        add_records(run, &records, capture_torn_offset(reader) != 0, life_known);
    else
        run_files_problem(run, "%s: %s", folder, error.text);
    capture_reader_close(reader);
}
