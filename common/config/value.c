#include "base/memory.h"
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool type_is_list(enum config_type type)
{
    return type == CONFIG_I64_LIST || type == CONFIG_F64_LIST || type == CONFIG_TEXT_LIST;
}

static enum config_type element_type(enum config_type type)
{
    return type == CONFIG_I64_LIST    ? CONFIG_I64
           : type == CONFIG_F64_LIST  ? CONFIG_F64
           : type == CONFIG_TEXT_LIST ? CONFIG_TEXT
                                      : type;
}

/* shown: a value as an error may print it: short, one line. */
struct shown {
    char text[64];
};

static struct shown show(const char *text, size_t length)
{
    struct shown shown;
    size_t room = sizeof shown.text - 8, used = 0;
    for (size_t i = 0; i < length && used < room; i++) {
        unsigned char byte = (unsigned char)text[i];
        shown.text[used++] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
    }
    /* Not in the middle of a UTF-8 sequence. */
    while (used < length && used > 0 && ((unsigned char)text[used] & 0xc0) == 0x80)
        used--;
    snprintf(shown.text + used, sizeof shown.text - used, "%s", used < length ? "…" : "");
    return shown;
}

static void append_choices(const struct config_key *key, char *out, size_t out_bytes)
{
    size_t used = (size_t)snprintf(out, out_bytes, "one of ");
    for (const char *const *choice = key->choices; *choice && used < out_bytes; choice++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", choice == key->choices ? "" : ", ",
                                 *choice);
}

void key_expects(const struct config_key *key, char *out, size_t out_bytes)
{
    static const char *const NOUNS[] = {"true or false", "a whole number", "a number", "a text"};
    enum config_type type = element_type(key->type);
    if (key->choices) {
        append_choices(key, out, out_bytes);
        return;
    }
    size_t used = (size_t)snprintf(out, out_bytes, "%s", NOUNS[type]);
    bool number = type == CONFIG_I64 || type == CONFIG_F64;
    if (number && (key->minimum != 0 || key->maximum != 0)) {
        char least[F64_TEXT_BYTES], most[F64_TEXT_BYTES];
        f64_text(key->minimum, least);
        f64_text(key->maximum, most);
        used += (size_t)snprintf(out + used, out_bytes - used, " from %s to %s", least, most);
    }
    if (number && strcmp(key->unit, "–") != 0)
        snprintf(out + used, out_bytes - used, " (%s)", key->unit);
}

static enum status wrong(const struct config_key *key, const char *text, size_t length, const char *remedy,
                         struct error *error)
{
    char expected[512];
    key_expects(key, expected, sizeof expected);
    return error_set(error, STATUS_INVALID, "must be %s, not `%s`%s", expected, show(text, length).text,
                     remedy);
}

/* number_shape: 0 not a number as JSON writes them, 1 a whole one, 2 one with a point or an exponent. */
static int number_shape(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    int shape = 1;
    at += at < end && *at == '-';
    if (at == end || *at < '0' || *at > '9')
        return 0;
    if (*at == '0')
        at++;
    else
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    if (at < end && *at == '.') {
        shape = 2;
        const char *digits = ++at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == digits)
            return 0;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        shape = 2;
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const char *digits = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == digits)
            return 0;
    }
    return at == end ? shape : 0;
}

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static enum status parse_bool(const struct config_key *key, const char *text, size_t length,
                              enum notation notation, struct config_value *out, struct error *error)
{
    bool option = notation == NOTATION_OPTION;
    bool yes = equals(text, length, "true") || (option && equals(text, length, "1"));
    bool no = equals(text, length, "false") || (option && equals(text, length, "0"));
    if (notation == NOTATION_QUOTED || (!yes && !no))
        return wrong(key, text, length, "", error);
    out->boolean = yes;
    return STATUS_OK;
}

static enum status parse_number(const struct config_key *key, const char *text, size_t length,
                                enum notation notation, struct config_value *out, struct error *error)
{
    char copy[64];
    int shape = length < sizeof copy ? number_shape(text, length) : 0;
    if (notation == NOTATION_QUOTED)
        return wrong(key, text, length, " in quotes", error);
    if (!shape || (shape == 2 && out->type == CONFIG_I64))
        return wrong(key, text, length, "", error);
    memcpy(copy, text, length);
    copy[length] = 0;
    errno = 0;
    if (out->type == CONFIG_I64)
        out->integer = strtoll(copy, NULL, 10);
    else
        out->number = strtod(copy, NULL);
    if (out->number == 0)
        out->number = 0; /* -0 */
    bool overflow = out->type == CONFIG_I64 ? errno == ERANGE : !isfinite(out->number);
    return overflow ? wrong(key, text, length, ", which is too large", error) : STATUS_OK;
}

/* looks_typed: a plain YAML scalar that means something other than text. A key that takes choices or times
 * (simulator.start) has its own check, so numbers are let through there. */
static bool looks_typed(const char *text, size_t length)
{
    static const char *const WORDS[] = {"true", "false", "null", "~", "", NULL};
    for (const char *const *word = WORDS; *word; word++)
        if (equals(text, length, *word))
            return true;
    return number_shape(text, length) != 0;
}

/* utf8_is_valid: well formed as RFC 3629 has it. */
static bool utf8_is_valid(const unsigned char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char first = text[i];
        size_t more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : 3;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || more >= length - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((text[i + k] & 0xc0) != 0x80)
                return false;
        if ((first == 0xe0 && text[i + 1] < 0xa0) || (first == 0xed && text[i + 1] > 0x9f) ||
            (first == 0xf0 && text[i + 1] < 0x90) || (first == 0xf4 && text[i + 1] > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static enum status parse_text(const struct config_key *key, const char *text, size_t length,
                              enum notation notation, struct config_value *out, struct error *error)
{
    if (length > CONFIG_TEXT_BYTES_MAX)
        return error_set(error, STATUS_INVALID, "has %zu bytes; at most %d are taken", length,
                         CONFIG_TEXT_BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(error, STATUS_INVALID, "has a control character (byte %zu)", i + 1);
    if (!utf8_is_valid((const unsigned char *)text, length))
        return error_set(error, STATUS_INVALID, "is not UTF-8");
    bool number_welcome = key->check && !key->choices && strcmp(key->name, "simulator.start") == 0;
    if (notation == NOTATION_PLAIN && !(number_welcome && number_shape(text, length)) &&
        looks_typed(text, length))
        return wrong(key, text, length, "; a text that looks like that needs quotes", error);
    char *copy = memory_allocate(length + 1);
    memcpy(copy, text, length);
    out->text = copy;
    return STATUS_OK;
}

static bool has_placeholder(const char *text, size_t length)
{
    return memmem(text, length, "${", 2) != NULL;
}

enum status value_parse(const struct config_key *key, const char *text, size_t length, enum notation notation,
                        struct config_value *out, struct error *error)
{
    struct config_value value = {.type = element_type(key->type)};
    if (has_placeholder(text, length))
        return error_set(error, STATUS_INVALID,
                         "holds a placeholder (`%s`); nothing is expanded here, write the value",
                         show(text, length).text);
    enum status status = STATUS_OK;
    switch (value.type) {
    case CONFIG_BOOL: status = parse_bool(key, text, length, notation, &value, error); break;
    case CONFIG_I64:
    case CONFIG_F64: status = parse_number(key, text, length, notation, &value, error); break;
    default: status = parse_text(key, text, length, notation, &value, error); break;
    }
    if (status == STATUS_OK)
        *out = value;
    return status;
}

void value_begin_list(const struct config_key *key, struct config_value *out)
{
    *out = (struct config_value){.type = key->type};
}

static size_t element_bytes(enum config_type type)
{
    return type == CONFIG_I64_LIST   ? sizeof(int64_t)
           : type == CONFIG_F64_LIST ? sizeof(double)
                                     : sizeof(char *);
}

/* list_room: the list's array, one element longer. */
static void *list_room(struct config_value *list)
{
    const void *array = list->type == CONFIG_I64_LIST   ? (const void *)list->list.integers
                        : list->type == CONFIG_F64_LIST ? (const void *)list->list.numbers
                                                        : (const void *)list->list.texts;
    return memory_resize((void *)array, (list->list.count + 1) * element_bytes(list->type));
}

static void list_push(struct config_value *list, const struct config_value *element)
{
    void *array = list_room(list);
    size_t at = list->list.count++;
    if (list->type == CONFIG_I64_LIST) {
        ((int64_t *)array)[at] = element->integer;
        list->list.integers = array;
    } else if (list->type == CONFIG_F64_LIST) {
        ((double *)array)[at] = element->number;
        list->list.numbers = array;
    } else {
        ((const char **)array)[at] = element->text;
        list->list.texts = array;
    }
}

enum status value_append(const struct config_key *key, struct config_value *list, const char *text,
                         size_t length, enum notation notation, struct error *error)
{
    if (list->list.count >= CONFIG_LIST_MAX)
        return error_set(error, STATUS_INVALID, "has more than %d elements", CONFIG_LIST_MAX);
    struct config_value element = {0};
    enum status status = value_parse(key, text, length, notation, &element, error);
    if (status == STATUS_OK)
        list_push(list, &element);
    return status;
}

static enum status parse_option_list(const struct config_key *key, const char *text, struct config_value *out,
                                     struct error *error)
{
    struct config_value list;
    value_begin_list(key, &list);
    enum status status = STATUS_OK;
    for (const char *at = text; *text && status == STATUS_OK;) {
        size_t length = strcspn(at, ","), left = strspn(at, " "), right = length;
        while (right > left && at[right - 1] == ' ')
            right--;
        if (left > right)
            left = right;
        status = value_append(key, &list, at + left, right - left, NOTATION_OPTION, error);
        if (!at[length])
            break;
        at += length + 1;
    }
    if (status == STATUS_OK)
        *out = list;
    else
        value_finish(&list);
    return status;
}

enum status value_parse_option(const struct config_key *key, const char *text, struct config_value *out,
                               struct error *error)
{
    struct config_value value = {.type = key->type};
    enum status status = STATUS_OK;
    if ((key->flags & CONFIG_NULLABLE) && strcmp(text, "null") == 0)
        value.is_null = true;
    else if (type_is_list(key->type))
        status = parse_option_list(key, text, &value, error);
    else
        status = value_parse(key, text, strlen(text), NOTATION_OPTION, &value, error);
    if (status != STATUS_OK)
        return status;
    status = value_check(key, &value, error);
    if (status == STATUS_OK)
        *out = value;
    else
        value_finish(&value);
    return status;
}

static enum status check_number(const struct config_key *key, double number, struct error *error)
{
    if ((key->minimum == 0 && key->maximum == 0) || (number >= key->minimum && number <= key->maximum))
        return STATUS_OK;
    char text[F64_TEXT_BYTES];
    return wrong(key, text, f64_text(number, text), "", error);
}

static enum status check_choice(const struct config_key *key, const char *text, struct error *error)
{
    if (!key->choices || !text)
        return STATUS_OK;
    for (const char *const *choice = key->choices; *choice; choice++)
        if (strcmp(*choice, text) == 0)
            return STATUS_OK;
    return wrong(key, text, strlen(text), "", error);
}

static bool elements_equal(const struct config_list *list, size_t i, size_t j)
{
    return list->texts      ? strcmp(list->texts[i], list->texts[j]) == 0
           : list->integers ? list->integers[i] == list->integers[j]
                            : list->numbers[i] == list->numbers[j];
}

static enum status check_unique(const struct config_list *list, struct error *error)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < i; j++)
            if (elements_equal(list, i, j))
                return error_set(error, STATUS_INVALID, "names %s twice",
                                 list->texts ? show(list->texts[i], strlen(list->texts[i])).text
                                             : "a number");
    return STATUS_OK;
}

static enum status check_list(const struct config_key *key, const struct config_list *list,
                              struct error *error)
{
    if (list->count < key->count_min || list->count > key->count_max)
        return error_set(error, STATUS_INVALID, "has %zu element%s; it takes %zu to %zu", list->count,
                         list->count == 1 ? "" : "s", key->count_min, key->count_max);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < list->count && status == STATUS_OK; i++)
        status = list->texts      ? check_choice(key, list->texts[i], error)
                 : list->integers ? check_number(key, (double)list->integers[i], error)
                                  : check_number(key, list->numbers[i], error);
    if (status == STATUS_OK && (key->flags & CONFIG_UNIQUE))
        status = check_unique(list, error);
    return status;
}

enum status value_check(const struct config_key *key, const struct config_value *value, struct error *error)
{
    if (value->is_null)
        return STATUS_OK;
    enum status status = STATUS_OK;
    if (type_is_list(value->type))
        status = check_list(key, &value->list, error);
    else if (value->type == CONFIG_I64)
        status = check_number(key, (double)value->integer, error);
    else if (value->type == CONFIG_F64)
        status = check_number(key, value->number, error);
    else if (value->type == CONFIG_TEXT)
        status = check_choice(key, value->text, error);
    const char *reason = status == STATUS_OK && key->check ? key->check(value) : NULL;
    return reason ? error_set(error, STATUS_INVALID, "%s", reason) : status;
}

struct config_value value_copy(const struct config_value *value)
{
    struct config_value copy = *value;
    copy.text = value->text ? memory_copy_text(value->text) : NULL;
    copy.list = (struct config_list){0};
    for (size_t i = 0; i < value->list.count; i++) {
        struct config_value element = {0};
        if (value->type == CONFIG_I64_LIST)
            element.integer = value->list.integers[i];
        else if (value->type == CONFIG_F64_LIST)
            element.number = value->list.numbers[i];
        else
            element.text = memory_copy_text(value->list.texts[i]);
        list_push(&copy, &element);
    }
    return copy;
}

void value_finish(struct config_value *value)
{
    free((void *)value->text);
    for (size_t i = 0; value->list.texts && i < value->list.count; i++)
        free((void *)value->list.texts[i]);
    free((void *)value->list.texts);
    free((void *)value->list.integers);
    free((void *)value->list.numbers);
    *value = (struct config_value){.type = value->type};
}

static bool lists_equal(const struct config_value *left, const struct config_value *right)
{
    if (left->list.count != right->list.count)
        return false;
    for (size_t i = 0; i < left->list.count; i++) {
        bool equal = left->type == CONFIG_I64_LIST   ? left->list.integers[i] == right->list.integers[i]
                     : left->type == CONFIG_F64_LIST ? left->list.numbers[i] == right->list.numbers[i]
                                                     : strcmp(left->list.texts[i], right->list.texts[i]) == 0;
        if (!equal)
            return false;
    }
    return true;
}

bool value_equal(const struct config_value *left, const struct config_value *right)
{
    if (left->type != right->type || left->is_null != right->is_null)
        return false;
    if (left->is_null)
        return true;
    switch (left->type) {
    case CONFIG_BOOL: return left->boolean == right->boolean;
    case CONFIG_I64: return left->integer == right->integer;
    case CONFIG_F64: return left->number == right->number;
    case CONFIG_TEXT: return strcmp(left->text, right->text) == 0;
    default: return lists_equal(left, right);
    }
}

static void write_list_json(struct json *json, const struct config_value *value)
{
    json_array_begin(json);
    for (size_t i = 0; i < value->list.count; i++) {
        if (value->type == CONFIG_I64_LIST)
            json_i64(json, value->list.integers[i]);
        else if (value->type == CONFIG_F64_LIST)
            json_f64(json, value->list.numbers[i]);
        else
            json_text(json, value->list.texts[i]);
    }
    json_array_end(json);
}

void value_write_json(struct json *json, const struct config_value *value)
{
    if (value->is_null) {
        json_null(json);
        return;
    }
    switch (value->type) {
    case CONFIG_BOOL: json_bool(json, value->boolean); break;
    case CONFIG_I64: json_i64(json, value->integer); break;
    case CONFIG_F64: json_f64(json, value->number); break;
    case CONFIG_TEXT: json_text(json, value->text); break;
    default: write_list_json(json, value); break;
    }
}

static void write_scalar_text(struct buffer *out, enum config_type type, const struct config_value *value)
{
    char number[F64_TEXT_BYTES];
    switch (type) {
    case CONFIG_BOOL: buffer_append_text(out, value->boolean ? "true" : "false"); break;
    case CONFIG_I64: buffer_format(out, "%" PRId64, value->integer); break;
    case CONFIG_F64: buffer_append(out, number, f64_text(value->number, number)); break;
    default: buffer_append_text(out, value->text); break;
    }
}

void value_write_text(struct buffer *out, const struct config_value *value)
{
    if (value->is_null) {
        buffer_append_text(out, "null");
        return;
    }
    if (!type_is_list(value->type)) {
        write_scalar_text(out, value->type, value);
        return;
    }
    for (size_t i = 0; i < value->list.count; i++) {
        struct config_value element = {
            .integer = value->list.integers ? value->list.integers[i] : 0,
            .number = value->list.numbers ? value->list.numbers[i] : 0,
            .text = value->list.texts ? value->list.texts[i] : NULL,
        };
        buffer_append_text(out, i ? "," : "");
        write_scalar_text(out, element_type(value->type), &element);
    }
}
