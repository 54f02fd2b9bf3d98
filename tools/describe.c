/* describe: the parts of docs/wire-protocol.md and docs/control-protocol.md that are made from the code: prints them, compares them, rewrites them.
 *
 * A document holds them between `<!-- generated: WHAT NAME -->` and `<!-- end -->`. WHAT NAME is `fields MESSAGE`, `kinds
 * all`, `example NAME` (tests/vectors/NAME.hex beside the document's folder), `request NAME` (tests/vectors/requests/NAME.json there: one
 * line of JSON, without its end as it is sent) or `file NAME` (a file beside the document). */
#include "proto/describe.h"
#include "base/file.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>

static const char BEGIN[] = "<!-- generated: ";
static const char CLOSE[] = " -->\n";
static const char END[] = "<!-- end -->";

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: describe                  print the field tables of all messages as Markdown\n"
                 "       describe --check FILE...  compare the generated parts of documents; 1: they differ\n"
                 "       describe --update FILE... rewrite them\n"
                 "       describe --dump FILE.hex  show a recorded frame as JSON lines\n");
    return code;
}

static void fence(struct buffer *out, const char *language, const struct buffer *content)
{
    buffer_format(out, "```%s\n", language);
    buffer_append(out, content->data, content->length);
    buffer_append_text(out, "```\n");
}

/* beside: a file named from the place of the document. */
static enum status beside(const char *document, const char *relative, const char *name, const char *suffix,
                          struct buffer *out, struct error *error)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", document);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    else
        snprintf(folder, sizeof folder, ".");
    path_join(path, folder, "%s%s%s", relative, name, suffix);
    enum status status = file_read(path, out);
    return status == STATUS_OK ? STATUS_OK : error_set(error, status, "%s cannot be read", path);
}

/* append_example: topic and hexdump as the vector has them, then what the frame says. */
static enum status append_example(struct buffer *out, const char *document, const char *name,
                                  struct error *error)
{
    struct buffer vector, bytes, rows;
    buffer_init(&vector, 0);
    buffer_init(&bytes, 0);
    buffer_init(&rows, 0);
    enum status status = beside(document, "../tests/vectors/", name, ".hex", &vector, error);
    if (status == STATUS_OK)
        status = hexdump_read(buffer_text(&vector), vector.length, &bytes, error);
    if (status == STATUS_OK)
        status = describe_frame(&rows, bytes.data, bytes.length, error);
    if (status == STATUS_OK) {
        fence(out, "text", &vector);
        fence(out, "json", &rows);
    }
    buffer_finish(&vector);
    buffer_finish(&bytes);
    buffer_finish(&rows);
    return status;
}

static enum status append_request(struct buffer *out, const char *document, const char *name,
                                  struct error *error)
{
    struct buffer request, dump;
    buffer_init(&request, 0);
    buffer_init(&dump, 0);
    enum status status = beside(document, "../tests/vectors/requests/", name, ".json", &request, error);
    if (status == STATUS_OK) {
        describe_hexdump(&dump, request.data, strcspn(buffer_text(&request), "\n"));
        fence(out, "text", &dump);
    }
    buffer_finish(&request);
    buffer_finish(&dump);
    return status;
}

static enum status append_file(struct buffer *out, const char *document, const char *name,
                               struct error *error)
{
    struct buffer content;
    const char *dot = strrchr(name, '.');
    buffer_init(&content, 0);
    enum status status = beside(document, "", name, "", &content, error);
    if (status == STATUS_OK)
        fence(out, dot && strcmp(dot, ".py") == 0 ? "python" : "text", &content);
    buffer_finish(&content);
    return status;
}

static enum status append_part(struct buffer *out, const char *document, const char *what, const char *name,
                               struct error *error)
{
    if (strcmp(what, "fields") == 0 && message_of_name(name)) {
        describe_fields(out, message_of_name(name));
        return STATUS_OK;
    }
    if (strcmp(what, "kinds") == 0) {
        describe_kinds(out);
        return STATUS_OK;
    }
    if (strcmp(what, "example") == 0)
        return append_example(out, document, name, error);
    if (strcmp(what, "request") == 0)
        return append_request(out, document, name, error);
    if (strcmp(what, "file") == 0)
        return append_file(out, document, name, error);
    return error_set(error, STATUS_INVALID, "%s: there is no part `%s %s`", document, what, name);
}

/* renew: the document with every generated part made anew. */
static enum status renew(const char *document, const char *text, struct buffer *out, struct error *error)
{
    const char *begin;
    while ((begin = strstr(text, BEGIN))) {
        char what[32], name[64];
        const char *part = strstr(begin, CLOSE), *end = strstr(begin, END);
        if (!part || !end || part > end || sscanf(begin + strlen(BEGIN), "%31s %63s", what, name) != 2)
            return error_set(error, STATUS_MALFORMED, "%s: `%.40s` has no end or no name", document, begin);
        part += strlen(CLOSE);
        buffer_append(out, text, (size_t)(part - text));
        enum status status = append_part(out, document, what, name, error);
        if (status != STATUS_OK)
            return status;
        text = end;
    }
    buffer_append_text(out, text);
    return STATUS_OK;
}

static int first_difference(const char *left, const char *right)
{
    int line = 1;
    for (; *left && *left == *right; left++, right++)
        line += *left == '\n';
    return line;
}

/* treat: one document; returns the exit code. */
static int treat(const char *document, bool update)
{
    struct buffer old, renewed;
    struct error error;
    int code = 0;
    buffer_init(&old, 0);
    buffer_init(&renewed, 0);
    if (file_read(document, &old) != STATUS_OK) {
        fprintf(stderr, "describe: %s cannot be read\n", document);
        code = 2;
    } else if (renew(document, buffer_text(&old), &renewed, &error) != STATUS_OK) {
        fprintf(stderr, "describe: %s\n", error.text);
        code = 2;
    } else if (old.length != renewed.length || memcmp(old.data, renewed.data, old.length) != 0) {
        code = update ? 0 : 1;
        if (update && file_replace(document, renewed.data, renewed.length, false) != STATUS_OK)
            code = 2;
        fprintf(stderr, "%s:%d: generated parts %s\n", document,
                first_difference(buffer_text(&old), buffer_text(&renewed)),
                update ? "renewed" : "differ from the code; mend with: describe --update");
    }
    buffer_finish(&old);
    buffer_finish(&renewed);
    return code;
}

static int dump(const char *path)
{
    struct buffer text, bytes, rows;
    struct error error;
    buffer_init(&text, 0);
    buffer_init(&bytes, 0);
    buffer_init(&rows, 0);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK)
        error_set(&error, status, "%s cannot be read", path);
    else
        status = hexdump_read(buffer_text(&text), text.length, &bytes, &error);
    if (status == STATUS_OK)
        status = describe_frame(&rows, bytes.data, bytes.length, &error);
    if (status == STATUS_OK)
        fputs(buffer_text(&rows), stdout);
    else
        fprintf(stderr, "describe: %s\n", error.text);
    buffer_finish(&text);
    buffer_finish(&bytes);
    buffer_finish(&rows);
    return status == STATUS_OK ? 0 : 1;
}

static void print_all(void)
{
    const struct message *message;
    struct buffer out;
    buffer_init(&out, 0);
    for (size_t i = 0; (message = message_at(i)); i++) {
        buffer_format(&out, "## %s\n\n%s, kind %d\n\n", message->name, message->title, message->kind);
        describe_fields(&out, message);
        buffer_append_byte(&out, '\n');
    }
    fputs(buffer_text(&out), stdout);
    buffer_finish(&out);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        print_all();
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    if (strcmp(argv[1], "--version") == 0) {
        printf("describe %s\n", ORDERFLOW_VERSION_LINE);
        return 0;
    }
    bool update = strcmp(argv[1], "--update") == 0;
    if (argc == 3 && strcmp(argv[1], "--dump") == 0)
        return dump(argv[2]);
    if (argc < 3 || (!update && strcmp(argv[1], "--check") != 0))
        return usage(stderr, 2);
    int worst = 0;
    for (int i = 2; i < argc; i++) {
        int code = treat(argv[i], update);
        worst = code > worst ? code : worst;
    }
    return worst;
}
