#include "tests/simulation/parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/parquet_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* store/parquet_private.h with text in the files: the names, the temporary file, the rename, the checkpoint and the merging
 * are the product's own. */

const char PARTS_ARE[] = "text";

struct parquet_content {
    const struct parquet_config *config;
};

enum status parquet_content_open(const struct parquet_config *config, struct parquet_content **out_content,
                                 struct error *error)
{
    (void)error;
    *out_content = memory_allocate(sizeof **out_content);
    (*out_content)->config = config;
    return STATUS_OK;
}

void parquet_content_close(struct parquet_content *content)
{
    free(content);
}

/* bits_text: a number's bits; printf would cost more than all the rest of a run. */
static void bits_text(const void *value, size_t bytes, struct buffer *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    const uint8_t *at = value;
    char text[16];
    for (size_t i = 0; i < bytes; i++) {
        text[2 * i] = DIGITS[at[bytes - 1 - i] >> 4];
        text[2 * i + 1] = DIGITS[at[bytes - 1 - i] & 15];
    }
    buffer_append(out, text, 2 * bytes);
}

static void value_text(const struct columns *columns, const struct column *column, size_t row,
                       struct buffer *out)
{
    static const size_t BYTES[] = {
        [COLUMN_I64] = 8, [COLUMN_I32] = 4, [COLUMN_F64] = 8, [COLUMN_BOOL] = 1, [COLUMN_NAME] = 1};
    if (column->type == COLUMN_TEXT) {
        struct text_span span = ((const struct text_span *)column->values)[row];
        if (span.length != COLUMN_TEXT_NULL)
            buffer_append(out, columns->arena.data + span.offset, span.length);
    } else {
        size_t bytes = BYTES[column->type];
        bits_text((const uint8_t *)column->values + row * bytes, bytes, out);
    }
    buffer_append_byte(out, '|');
}

static enum status write_text(const char *path, const struct buffer *text, const char *name,
                              struct error *error)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    enum status status = descriptor < 0 ? STATUS_IO : file_write_all(descriptor, text->data, text->length);
    if (descriptor >= 0)
        close(descriptor);
    return status == STATUS_OK ? status : error_set(error, status, "%s: %m", name);
}

enum status parquet_content_write(struct parquet_content *content, const struct columns *columns,
                                  const uint32_t *numbers, const char *path, const char *name,
                                  struct error *error)
{
    struct buffer text;
    (void)content;
    buffer_init(&text, 0);
    for (size_t i = 0; i < columns->rows; i++) {
        buffer_format(&text, "%s|", columns->symbol);
        for (size_t k = 0; k < columns->item_count; k++)
            value_text(columns, &columns->items[k], numbers ? numbers[i] : i, &text);
        buffer_append_byte(&text, '\n');
    }
    enum status status = write_text(path, &text, name, error);
    buffer_finish(&text);
    return status;
}

enum status parquet_content_merge(struct parquet_content *content, const char *const *paths, size_t count,
                                  const char *id_column, const char *path, const char *name,
                                  struct error *error)
{
    struct buffer text;
    enum status status = STATUS_OK;
    (void)content;
    (void)id_column;
    buffer_init(&text, 0);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if ((status = file_read(paths[i], &text)) != STATUS_OK)
            error_set(error, status, "%s: part %s cannot be read", name, paths[i]);
    if (status == STATUS_OK)
        status = write_text(path, &text, name, error);
    buffer_finish(&text);
    return status;
}

enum status parts_read(const char *path, struct buffer *out, struct error *error)
{
    enum status status = file_read(path, out);
    return status == STATUS_OK ? status : error_set(error, status, "it cannot be read");
}

const char *parquet_library_version(void)
{
    return NULL;
}
