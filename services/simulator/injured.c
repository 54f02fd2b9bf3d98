#include "injured.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "bus/bus.h"
#include "injury/lease.h"
#include "proto/frame.h"
#include "proto/request.h"
#include "simulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_PER_TURN = 16 };

static const char INSTANCE[] = "simulator";

struct injured {
    struct injury_table *table;
    struct bus *bus;
    char *run_id;
    int64_t generation;
    int64_t chances_of; /* the lease that `random` was seeded for */
    struct random random;
};

enum status injured_open(const struct simulator_config *config, struct injured **out_injured,
                         struct clock *clock, struct error *error)
{
    if (!config->control)
        return STATUS_OK;
    struct injured *injured = memory_allocate(sizeof *injured);
    struct bus_config bus = bus_config_of(config->control, INSTANCE);
    injured->table = injury_table_create();
    injured->run_id = memory_copy_text(config->run_id);
    injured->generation = config->generation;
    enum status status = bus_create(&bus, &injured->bus, error);
    if (status == STATUS_OK)
        status = bus_bind(injured->bus, error);
    if (status != STATUS_OK) {
        injured_close(injured);
        return status;
    }
    *clock = injury_clock(injured->table);
    *out_injured = injured;
    return STATUS_OK;
}

void injured_close(struct injured *injured)
{
    if (!injured)
        return;
    bus_destroy(injured->bus);
    injury_table_destroy(injured->table);
    free(injured->run_id);
    free(injured);
}

/* --- orders --- */

static void answer(struct injured *injured, const struct bus_peer_id *peer,
                   const struct command_answer_row *row)
{
    struct frame_header header = {.generation = injured->generation, .row_count = 1};
    struct clock clock = injury_clock(injured->table);
    struct buffer encoded, frame;
    header.publish_ns = clock_wall_ns(&clock);
    snprintf(header.run_id, sizeof header.run_id, "%s", injured->run_id);
    snprintf(header.instance, sizeof header.instance, "%s", INSTANCE);
    buffer_init(&encoded, 0);
    buffer_init(&frame, 0);
    row_encode(&encoded, &command_answer_message, command_answer_message.field_count, row);
    frame_encode(&frame, &header, encoded.data, encoded.length);
    bus_answer(injured->bus, peer, frame.data, frame.length, NULL, 0);
    buffer_finish(&encoded);
    buffer_finish(&frame);
}

static enum status perform(struct injured *injured, const struct command_row *command, struct error *said)
{
    struct injury_order order;
    if (command->run_id[0] && strcmp(command->run_id, injured->run_id) != 0)
        return error_set(said, STATUS_INVALID, "this is run %s, not %s", injured->run_id, command->run_id);
    if (command->generation && command->generation != injured->generation)
        return error_set(said, STATUS_INVALID, "this is generation %lld, not %lld",
                         (long long)injured->generation, (long long)command->generation);
    if (strcmp(command->verb, "fault") == 0 &&
        injury_order_read(command->arguments, &order, NULL) == STATUS_OK &&
        injury_row(order.kind)->place == INJURY_ON_LINK)
        return error_set(said, STATUS_INVALID, "%s: the simulator reads no stream of the bus",
                         injury_row(order.kind)->name);
    enum status status = injury_command(injured->table, command->verb, command->arguments, said);
    return status != STATUS_UNSUPPORTED
               ? status
               : error_set(said, status, "the simulator knows no command %s", command->verb);
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    struct injured *injured = context;
    struct frame frame;
    struct row_view view;
    struct command_row command;
    struct command_answer_row row = {0};
    struct error said = {{0}};
    if (frame_open(&frame, data, bytes, &said) != STATUS_OK || !frame_next(&frame, &view) ||
        view.kind != ROW_COMMAND || row_decode(&view, &command_message, &command, &said) != STATUS_OK) {
        log_event(LOG_WARNING, "request_rejected", "reason=\"%s\"", *said.text ? said.text : "no command");
        return;
    }
    memcpy(row.request_id, command.request_id, sizeof row.request_id);
    row.ok = perform(injured, &command, &said) == STATUS_OK;
    snprintf(row.text, sizeof row.text, "%.511s", said.text);
    if (strcmp(command.verb, "fault_status") != 0)
        log_event(LOG_INFO, "command", "verb=%s ok=%d reason=\"%s\"", command.verb, row.ok, said.text);
    answer(injured, peer, &row);
}

void injured_turn(struct injured *injured)
{
    if (!injured)
        return;
    const struct bus_events events = {.context = injured, .request = on_request};
    bus_poll(injured->bus, 0, REQUESTS_PER_TURN, &events);
    injury_turn(injured->table);
}

/* --- what the venue does --- */

static struct injury_lease *active(struct injured *injured, enum injury_kind kind)
{
    return injured && injury_any(injured->table) ? injury_active(injured->table, kind) : NULL;
}

/* chosen: one of the lease's share, counted. */
static bool chosen(struct injured *injured, struct injury_lease *lease)
{
    if (injured->chances_of != lease->order.id)
        random_seed(&injured->random, (uint64_t)lease->order.seed);
    injured->chances_of = lease->order.id;
    return random_unit(&injured->random) < lease->order.share && injury_touch(lease);
}

bool injured_stalls(struct injured *injured, uint64_t held)
{
    struct injury_lease *lease = active(injured, INJURY_STALL);
    if (lease && (int64_t)held > atomic_load(&lease->touched))
        atomic_store(&lease->touched, (int64_t)held);
    return lease;
}

bool injured_cuts(struct injured *injured)
{
    return active(injured, INJURY_CUT);
}

void injured_cut(struct injured *injured)
{
    struct injury_lease *lease = active(injured, INJURY_CUT);
    if (lease)
        atomic_fetch_add(&lease->touched, 1);
}

unsigned injured_rest_status(struct injured *injured)
{
    struct injury_lease *lease = active(injured, INJURY_REST_ERROR);
    return lease && chosen(injured, lease) ? (unsigned)lease->order.amount : 0;
}

int64_t injured_rest_delay_ns(struct injured *injured)
{
    struct injury_lease *lease = active(injured, INJURY_REST_SLOW);
    return lease && injury_touch(lease) ? lease->order.amount * 1000000 : 0;
}

size_t injured_nonsense(struct injured *injured, const char *text, size_t bytes, char *out_text, size_t room)
{
    static const char *const TEXTS[] = {
        "", "{", "null", "[]", "{\"stream\":", "{\"stream\":1,\"data\":{}}", "no json"};
    enum { COUNT = sizeof TEXTS / sizeof *TEXTS };
    struct injury_lease *lease = active(injured, INJURY_MALFORMED);
    if (!lease || !chosen(injured, lease))
        return 0;
    size_t which = random_below(&injured->random, COUNT);
    if (which > 0)
        return (size_t)snprintf(out_text, room, "%s", TEXTS[which]);
    size_t part = bytes / 2 < room ? bytes / 2 : room; /* a message that breaks off; venues speak ASCII */
    memcpy(out_text, text, part);
    return part;
}
