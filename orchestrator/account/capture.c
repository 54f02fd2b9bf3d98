/* Records of the raw capture, counted by walking its files. */
#include "journal/capture.h"
#include "config/plan.h"
#include "run_files.h"

#include <stdio.h>

struct records {
    int64_t messages, rest_answers, controls, other;
    int64_t socket_messages; /* from the first record of harvest's last life on */
    int64_t torn;
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

static void add_records(struct run_files *run, const struct records *records, bool life_known)
{
    struct figures *figures = &run->figures;
    figures_add(figures, "", "capture:messages", records->messages);
    figures_add(figures, "", "capture:rest_answers", records->rest_answers);
    figures_add(figures, "", "capture:controls", records->controls);
    figures_add(figures, "", "capture:other", records->other);
    figures_add(figures, "", "capture:torn", records->torn);
    if (life_known)
        figures_add(figures, "", "capture:socket_messages", records->socket_messages);
}

/* count_folder: one instance's capture. STATUS_NOT_FOUND: it has none. */
static enum status count_folder(const struct run_files *run, const char *folder, int64_t first_of_life,
                                struct records *records, struct error *error)
{
    struct capture_reader *reader;
    struct capture_record record;
    enum status status = capture_reader_open(folder, run->run_id, NULL, &reader, error);
    if (status != STATUS_OK)
        return status;
    while ((status = capture_next(reader, &record, error)) == STATUS_OK)
        count_record(records, &record, first_of_life);
    records->torn += capture_torn_offset(reader) != 0;
    capture_reader_close(reader);
    return status == STATUS_END ? STATUS_OK : status;
}

/* read_capture: of an instance that owns no symbol there is none; of all together there must be one. */
void read_capture(struct run_files *run)
{
    struct records records = {0};
    struct error error = {{0}}, missing = {{0}};
    size_t found = 0;
    bool life_known = true;
    if (!(run->conditions.modules & module_bit(MODULE_HARVEST)))
        return;
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++) {
        char folder[PATH_BYTES], name[PLAN_NAME_BYTES], figure[FIGURE_KEY_BYTES];
        int64_t first_of_life = 0;
        plan_instance_name("harvest", number, name);
        path_join(folder, config_text(run->config, "run.data_root"), "raw%s%s", number > 1 ? "-" : "",
                  number > 1 ? name : "");
        snprintf(figure, sizeof figure, "%s:socket_first_record", name);
        bool known = figures_get(&run->figures, "", figure, &first_of_life);
        enum status status = count_folder(run, folder, first_of_life, &records, &error);
        if (status == STATUS_NOT_FOUND) {
            missing = number == 1 ? error : missing;
            continue;
        }
        if (status != STATUS_OK) {
            run_files_problem(run, "%s: %s", folder, error.text);
            return;
        }
        found++;
        life_known = life_known && known;
    }
    if (found)
        add_records(run, &records, life_known);
    else
        run_files_problem(run, "%s/raw: %s", config_text(run->config, "run.data_root"), missing.text);
}
