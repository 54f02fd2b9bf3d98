#include "difference.h"

#include <inttypes.h>
#include <string.h>

/* bits_of: of the double as a sink keeps it. */
static uint64_t bits_of(double value)
{
    static const uint64_t NULL_BITS = UINT64_C(0x7ff8000000000000);
    uint64_t bits;
    if (!isfinite(value))
        return NULL_BITS;
    value += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_at(const void *member)
{
    double value;
    memcpy(&value, member, sizeof value);
    return value;
}

static bool same(const struct field *field, const void *left, const void *right)
{
    const char *a = (const char *)left + field->offset, *b = (const char *)right + field->offset;
    switch (field->type) {
    case FIELD_F64: return bits_of(double_at(a)) == bits_of(double_at(b));
    case FIELD_TEXT:
    case FIELD_JSON: return strcmp(a, b) == 0;
    default: return memcmp(a, b, field->size) == 0;
    }
}

void difference_of(const struct message *message, const void *recomputed, const void *stored,
                   const char *passed_over, struct difference *out)
{
    *out = (struct difference){.count = 0};
    for (size_t i = 0; i < message->field_count_default; i++) {
        const struct field *field = &message->fields[i];
        if (field->flags & FIELD_WIRE || (passed_over && strcmp(field->name, passed_over) == 0))
            continue;
        out->compared++;
        if (!same(field, recomputed, stored) && out->count < DIFFERENCE_FIELDS_MAX)
            out->fields[out->count++] = field;
    }
}

void difference_value(const struct field *field, const void *row, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    field_json(&json, field, row);
    if (field->type == FIELD_F64 && !field_is_null(field, row))
        buffer_format(out, " (%016" PRIx64 ")", bits_of(double_at((const char *)row + field->offset)));
}
