#include "base/text.h"

#include <stdint.h>
#include <string.h>

size_t utf8_length(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80)
        return 1;
    size_t need = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                   : 0;
    if (!need || need > length)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool beyond = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || beyond ? 0 : need;
}

/* ascii_length: how many leading bytes are plain ASCII, found eight at a time. */
static size_t ascii_length(const char *text, size_t length)
{
    size_t at = 0;
    uint64_t eight;
    for (; at + sizeof eight <= length; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (at < length && !(text[at] & 0x80))
        at++;
    return at;
}

bool utf8_valid(const char *text, size_t length)
{
    for (size_t at = ascii_length(text, length); at < length;) {
        size_t step = utf8_length(text + at, length - at);
        if (!step)
            return false;
        at += step;
    }
    return true;
}

/* scan: recursive descent over one value; every part moves `at` and says whether it fitted. */
struct scan {
    const char *text;
    size_t length, at;
};

static bool take(struct scan *scan, char character)
{
    if (scan->at == scan->length || scan->text[scan->at] != character)
        return false;
    scan->at++;
    return true;
}

static void skip_blanks(struct scan *scan)
{
    while (take(scan, ' ') || take(scan, '\t'))
        ;
}

static bool take_word(struct scan *scan, const char *word)
{
    while (*word)
        if (!take(scan, *word++))
            return false;
    return true;
}

static bool take_digits(struct scan *scan)
{
    size_t first = scan->at;
    while (scan->at < scan->length && scan->text[scan->at] >= '0' && scan->text[scan->at] <= '9')
        scan->at++;
    return scan->at > first;
}

static bool take_number(struct scan *scan)
{
    take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan))
        return false;
    if (take(scan, '.') && !take_digits(scan))
        return false;
    if (!take(scan, 'e') && !take(scan, 'E'))
        return true;
    if (!take(scan, '+'))
        take(scan, '-');
    return take_digits(scan);
}

static bool take_escape(struct scan *scan)
{
    static const char SINGLE[] = "\"\\/bfnrt", HEX[] = "0123456789abcdefABCDEF";
    if (scan->at == scan->length)
        return false;
    char head = scan->text[scan->at++];
    if (head != 'u')
        return head && strchr(SINGLE, head);
    for (int i = 0; i < 4; i++, scan->at++)
        if (scan->at == scan->length || !scan->text[scan->at] || !strchr(HEX, scan->text[scan->at]))
            return false;
    return true;
}

static bool take_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->length && scan->text[scan->at] != '"') {
        if ((unsigned char)scan->text[scan->at] < ' ')
            return false;
        size_t step = utf8_length(scan->text + scan->at, scan->length - scan->at);
        bool escape = scan->text[scan->at] == '\\';
        scan->at += step;
        if (!step || (escape && !take_escape(scan)))
            return false;
    }
    return take(scan, '"');
}

static bool take_value(struct scan *scan, int depth);

/* take_members: what stands between the brackets of an object or array, and the closing one. */
static bool take_members(struct scan *scan, bool object, int depth)
{
    char close = object ? '}' : ']';
    skip_blanks(scan);
    if (take(scan, close))
        return true;
    do {
        skip_blanks(scan);
        if (object && !take_string(scan))
            return false;
        skip_blanks(scan);
        if (object && !take(scan, ':'))
            return false;
        if (!take_value(scan, depth))
            return false;
        skip_blanks(scan);
    } while (take(scan, ','));
    return take(scan, close);
}

static bool take_value(struct scan *scan, int depth)
{
    skip_blanks(scan);
    if (scan->at == scan->length)
        return false;
    switch (scan->text[scan->at]) {
    case '{':
    case '[': return depth < JSON_DEPTH_MAX && take_members(scan, scan->text[scan->at++] == '{', depth + 1);
    case '"': return take_string(scan);
    case 't': return take_word(scan, "true");
    case 'f': return take_word(scan, "false");
    case 'n': return take_word(scan, "null");
    default: return take_number(scan);
    }
}

bool json_valid(const char *text, size_t length)
{
    struct scan scan = {.text = text, .length = length};
    if (!take_value(&scan, 0))
        return false;
    skip_blanks(&scan);
    return scan.at == scan.length;
}

const char *plural(int64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

bool text_ends_in(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length > tail && strcmp(text + length - tail, suffix) == 0;
}
