#include "tests/support/rows.h"

#include "proto/frame.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static int64_t random_i64(struct random *random)
{
    int64_t value = (int64_t)(random_u64(random) >> random_below(random, 64));
    value = random_below(random, 2) ? value : -value;
    return value == FIELD_NULL_I64 ? 0 : value;
}

static double random_f64(struct random *random)
{
    double value;
    do {
        uint64_t bits = random_u64(random);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return random_below(random, 4) ? value : (double)random_i64(random);
}

/* random_text: less than `size` bytes of UTF-8, at least one. */
static void random_text(struct random *random, char *out, size_t size)
{
    static const char *const PIECES[] = {"a", "Z", "0", "/", "\"", "\\", "\n", "é", "–", "𝄞", " ", "USDT"};
    size_t target =
        1 + random_below(random, random_below(random, 8) ? (size < 40 ? size - 1 : 40) : size - 1);
    size_t length = 0;
    for (;;) {
        const char *piece = PIECES[random_below(random, sizeof PIECES / sizeof PIECES[0])];
        size_t bytes = strlen(piece);
        if (length + bytes > target) {
            if (length)
                break;
            piece = "x";
            bytes = 1;
        }
        memcpy(out + length, piece, bytes);
        length += bytes;
    }
    out[length] = 0;
}

static void random_json(struct random *random, char *out, size_t size)
{
    static const char *const VALUES[] = {
        "{}", "[]", "null", "0", "{\"a\":[1,2.5e-7,\"é\\n\"],\"b\":null}", "\"\\u00e9\""};
    snprintf(out, size, "%s", VALUES[random_below(random, sizeof VALUES / sizeof VALUES[0])]);
}

static void field_random(const struct field *field, struct random *random, void *row)
{
    void *member = (char *)row + field->offset;
    if ((field->flags & FIELD_NULLABLE) && random_below(random, 4) == 0)
        return; /* cleared already */
    switch (field->type) {
    case FIELD_I64: *(int64_t *)member = random_i64(random); break;
    case FIELD_I32: {
        int32_t value = (int32_t)(random_u64(random) >> random_below(random, 64));
        *(int32_t *)member = value == FIELD_NULL_I32 ? -1 : value;
        break;
    }
    case FIELD_F64: *(double *)member = random_f64(random); break;
    case FIELD_BOOL: *(int8_t *)member = (int8_t)random_below(random, 2); break;
    case FIELD_DECIMAL:
        *(struct decimal *)member = (struct decimal){random_i64(random), (int32_t)random_below(random, 19)};
        break;
    case FIELD_ENUM: {
        size_t count = 0;
        while (field->names[count])
            count++;
        *(int8_t *)member = (int8_t)random_below(random, count);
        break;
    }
    case FIELD_TEXT: random_text(random, member, field->size); break;
    case FIELD_JSON: random_json(random, member, field->size); break;
    default: break;
    }
}

void row_random(const struct message *message, size_t field_count, struct random *random, void *out_row)
{
    message_clear(message, out_row);
    for (size_t i = 0; i < field_count; i++)
        field_random(&message->fields[i], random, out_row);
}

static bool members_equal(const struct field *field, const void *left, const void *right)
{
    if (field->type == FIELD_DECIMAL) {
        const struct decimal *l = left, *r = right;
        return l->units == r->units && (decimal_is_null(*l) || l->exponent == r->exponent);
    }
    if (field->type == FIELD_TEXT || field->type == FIELD_JSON)
        return strcmp(left, right) == 0;
    return memcmp(left, right, field->size) == 0;
}

const char *row_difference(const struct message *message, const void *left, const void *right)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct field *field = &message->fields[i];
        if (field_is_null(field, left) && field_is_null(field, right))
            continue;
        if (!members_equal(field, (const char *)left + field->offset, (const char *)right + field->offset))
            return field->name;
    }
    return NULL;
}

void assert_same_row(const struct message *message, const void *row, const void *other)
{
    struct buffer first, second;
    buffer_init(&first, 0);
    buffer_init(&second, 0);
    row_encode(&first, message, message->field_count, row);
    row_encode(&second, message, message->field_count, other);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    buffer_finish(&first);
    buffer_finish(&second);
}
