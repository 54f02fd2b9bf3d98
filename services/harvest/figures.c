#include "figures.h"

static void report_receiver(const struct receiver *receiver, struct stage_report *report)
{
    struct receiver_figures figures = receiver_figures(receiver);
    const struct {
        const char *name;
        int64_t value;
    } counters[] = {
        {"socket_messages", figures.messages}, /* of this life; received_messages are those of the run */
        {"received_bytes", figures.message_bytes},
        {"queue_dropped", figures.queue_dropped},
        {"messages_too_large", figures.messages_too_large},
        {"connections_open", figures.connections_open},
        {"connections_opened", figures.openings},
        {"refused_attempts", figures.refused_attempts},
        {"substream_timeout_detected", figures.substream_timeouts},
        {"rest_requests", figures.rest_requests},
        {"rest_failures", figures.rest_failures},
        {"snapshots_asked", figures.snapshots_asked},
        {"receiver_pauses", figures.pauses},
        {"capture_backlog", figures.backlog},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        stage_report_counter(report, counters[i].name, counters[i].value);
}

void figures_report(const struct feed *feed, const struct receiver *receiver, const struct capture_writer *writer,
                    struct stage_report *report)
{
    for (enum feed_counter counter = 0; counter < FEED_COUNTER_COUNT; counter++)
        stage_report_counter(report, feed_counter_name(counter), feed_count(feed, FEED_ALL, counter));
    if (receiver)
        report_receiver(receiver, report);
    if (writer)
        stage_report_counter(report, "capture_bytes", capture_written_bytes(writer));
}
