#include "target.h"

#include <stdio.h>
#include <string.h>

static const char *const TYPE_NAMES[] = {"none", "prometheus", "influxdb", "influxdb1"};

const char *export_type_name(enum export_type type)
{
    return TYPE_NAMES[type];
}

static enum export_type type_of(const struct config *config)
{
    const char *name = config_text(config, "export.type");
    for (enum export_type type = EXPORT_PROMETHEUS; type <= EXPORT_INFLUXDB1; type++)
        if (config_bool(config, "export.enabled") && strcmp(name, TYPE_NAMES[type]) == 0)
            return type;
    return EXPORT_NONE;
}

/* base_of: the configured address without a slash at its end. */
static const char *base_of(const struct config *config, enum export_type type, int *out_length)
{
    const char *influx = config_text(config, "export.influx_url");
    const char *url = type != EXPORT_PROMETHEUS && *influx ? influx : config_text(config, "export.url");
    size_t length = strlen(url);
    while (length && url[length - 1] == '/')
        length--;
    *out_length = (int)length;
    return url;
}

static void append_argument(struct buffer *url, const char *name, const char *value)
{
    buffer_format(url, "%s=", name);
    body_percent(value, url);
    buffer_append_byte(url, '&');
}

static void write_url(const struct config *config, enum export_type type, const char *run_id,
                      struct buffer *url)
{
    int length;
    const char *base = base_of(config, type, &length);
    buffer_format(url, "%.*s", length, base);
    if (type == EXPORT_PROMETHEUS) {
        buffer_append_text(url, "/metrics/job/");
        body_percent(config_text(config, "export.job"), url);
        buffer_append_text(url, "/run_id/");
        body_percent(run_id, url);
        return;
    }
    buffer_append_text(url, type == EXPORT_INFLUXDB ? "/api/v2/write?" : "/write?");
    if (type == EXPORT_INFLUXDB) {
        append_argument(url, "org", config_text(config, "export.influx_org"));
        append_argument(url, "bucket", config_text(config, "export.influx_bucket"));
    } else {
        append_argument(url, "db", config_text(config, "export.influx_db"));
    }
    buffer_append_text(url, "precision=ns");
}

static void check_url(const struct config *config, enum export_type type, struct buffer *url)
{
    static const char *const PATHS[] = {"", "/-/ready", "/health", "/ping"};
    int length;
    const char *base = base_of(config, type, &length);
    buffer_format(url, "%.*s%s", length, base, PATHS[type]);
}

static void authorization(enum export_type type, const char *token, struct buffer *header)
{
    if (!token || !*token || type == EXPORT_PROMETHEUS)
        return;
    buffer_append_text(header, "Authorization: ");
    if (type == EXPORT_INFLUXDB) {
        buffer_format(header, "Token %s", token);
        return;
    }
    buffer_append_text(header, "Basic ");
    body_base64(token, header);
}

/* keep: false when it does not fit, or would break out of its line. */
static bool keep(struct buffer *text, char *out, size_t size)
{
    bool fits = !text->overflowed && text->length < size && !strpbrk(buffer_text(text), "\r\n");
    if (fits)
        snprintf(out, size, "%s", buffer_text(text));
    buffer_clear(text);
    return fits;
}

enum status target_init(const struct config *config, const char *run_id, const char *token,
                        struct target *out_target, struct error *error)
{
    struct target target = {.type = type_of(config)};
    struct buffer text;
    bool fits = true;
    buffer_init(&text, 0);
    if (target.type != EXPORT_NONE) {
        write_url(config, target.type, run_id, &text);
        fits = keep(&text, target.write_url, sizeof target.write_url);
        check_url(config, target.type, &text);
        fits = keep(&text, target.check_url, sizeof target.check_url) && fits;
        authorization(target.type, token, &text);
        fits = keep(&text, target.authorization, sizeof target.authorization) && fits;
        snprintf(target.content_type, sizeof target.content_type, "Content-Type: text/plain; %s",
                 target.type == EXPORT_PROMETHEUS ? "version=0.0.4" : "charset=utf-8");
    }
    buffer_finish(&text);
    if (!fits)
        return error_set(
            error, STATUS_LIMIT,
            "export: the address, the job or the token is longer than %d bytes, or has a line break",
            TARGET_URL_BYTES);
    *out_target = target;
    return STATUS_OK;
}

const char *target_method(const struct target *target)
{
    return target->type == EXPORT_PROMETHEUS ? "PUT" : "POST";
}

void target_body(const struct target *target, const struct export_figures *figures,
                 const struct body_tags *tags, struct buffer *out)
{
    if (target->type == EXPORT_PROMETHEUS)
        body_pushgateway(figures, out);
    else
        body_influx(figures, tags, out);
}
