#include "config/tree.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct tree_reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *path;
    struct error *error;
    size_t nodes;
};

static enum status wrong(const struct tree_reader *reader, yaml_mark_t mark, const char *reason,
                         const char *what)
{
    return error_set(reader->error, STATUS_INVALID, "%s:%zu:%zu: %s%s", reader->path, mark.line + 1,
                     mark.column + 1, reason, what);
}

static enum status next(struct tree_reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return STATUS_OK;
    memset(&reader->event, 0, sizeof reader->event);
    return wrong(reader, reader->parser.problem_mark,
                 reader->parser.problem ? reader->parser.problem : "this is not YAML", "");
}

static enum status expect(struct tree_reader *reader, yaml_event_type_t type, const char *what)
{
    enum status status = next(reader);
    if (status != STATUS_OK || reader->event.type == type)
        return status;
    return wrong(reader, reader->event.start_mark, "here must be ", what);
}

/* plain: neither anchor nor tag. */
static enum status plain(const struct tree_reader *reader)
{
    const yaml_event_t *event = &reader->event;
    bool marked = event->type == YAML_ALIAS_EVENT;
    if (event->type == YAML_SCALAR_EVENT)
        marked = event->data.scalar.anchor || event->data.scalar.tag;
    else if (event->type == YAML_MAPPING_START_EVENT)
        marked = event->data.mapping_start.anchor || event->data.mapping_start.tag;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        marked = event->data.sequence_start.anchor || event->data.sequence_start.tag;
    return marked ? wrong(reader, event->start_mark, "anchors, aliases and tags are not taken", "")
                  : STATUS_OK;
}

static struct tree *child_add(struct tree *parent)
{
    parent->children =
        memory_grow(parent->children, &parent->capacity, parent->count + 1, sizeof *parent->children);
    struct tree *child = &parent->children[parent->count++];
    *child = (struct tree){.type = TREE_TEXT};
    return child;
}

static enum status node(struct tree_reader *reader, struct tree *out, int depth);

static enum status member(struct tree_reader *reader, struct tree *map, int depth)
{
    enum status status = plain(reader);
    if (status == STATUS_OK && reader->event.type != YAML_SCALAR_EVENT)
        status = wrong(reader, reader->event.start_mark, "a key must be a text", "");
    if (status != STATUS_OK)
        return status;
    const char *key = (const char *)reader->event.data.scalar.value;
    yaml_mark_t mark = reader->event.start_mark;
    if (tree_member(map, key))
        return wrong(reader, reader->event.start_mark, "this key comes twice: ", key);
    struct tree *child = child_add(map);
    child->key = memory_copy_text(key);
    child->key_line = mark.line + 1;
    child->key_column = mark.column + 1;
    status = next(reader);
    return status == STATUS_OK ? node(reader, child, depth + 1) : status;
}

static enum status children(struct tree_reader *reader, struct tree *out, int depth)
{
    yaml_event_type_t end = out->type == TREE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    enum status status;
    while ((status = next(reader)) == STATUS_OK && reader->event.type != end) {
        status = out->type == TREE_MAP ? member(reader, out, depth) : node(reader, child_add(out), depth + 1);
        if (status != STATUS_OK)
            return status;
    }
    return status;
}

/* node: the one whose event has just been read. */
static enum status node(struct tree_reader *reader, struct tree *out, int depth)
{
    yaml_mark_t mark = reader->event.start_mark;
    out->line = mark.line + 1;
    out->column = mark.column + 1;
    enum status status = plain(reader);
    if (status == STATUS_OK && (depth > TREE_DEPTH_MAX || ++reader->nodes > TREE_NODES_MAX))
        status = wrong(reader, mark, "too deep, or too much", "");
    if (status != STATUS_OK)
        return status;
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        if (strlen((const char *)reader->event.data.scalar.value) != reader->event.data.scalar.length)
            return wrong(reader, mark, "a text with a NUL in it", "");
        out->text = memory_copy_text((const char *)reader->event.data.scalar.value);
        return STATUS_OK;
    case YAML_MAPPING_START_EVENT: out->type = TREE_MAP; return children(reader, out, depth);
    case YAML_SEQUENCE_START_EVENT: out->type = TREE_LIST; return children(reader, out, depth);
    default: return wrong(reader, mark, "here must be a value", "");
    }
}

static enum status document(struct tree_reader *reader, struct tree *out)
{
    enum status status = expect(reader, YAML_STREAM_START_EVENT, "the beginning");
    status = status == STATUS_OK ? expect(reader, YAML_DOCUMENT_START_EVENT, "a document") : status;
    status = status == STATUS_OK ? next(reader) : status;
    status = status == STATUS_OK ? node(reader, out, 1) : status;
    status =
        status == STATUS_OK ? expect(reader, YAML_DOCUMENT_END_EVENT, "the end of the document") : status;
    return status == STATUS_OK ? expect(reader, YAML_STREAM_END_EVENT, "the end: one document is taken")
                               : status;
}

enum status tree_read(const char *path, struct tree *out_tree, struct error *error)
{
    struct tree_reader reader = {.path = path, .error = error};
    struct tree tree = {.type = TREE_TEXT};
    struct buffer text;
    buffer_init(&text, TREE_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK || !yaml_parser_initialize(&reader.parser)) {
        buffer_finish(&text);
        return error_set(error, status == STATUS_OK ? STATUS_IO : status, "%s: cannot be read (%s)", path,
                         status_name(status));
    }
    /* buffer_text: libyaml aborts on NULL, which is what an empty file is read as. */
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)buffer_text(&text), text.length);
    status = document(&reader, &tree);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    buffer_finish(&text);
    if (status == STATUS_OK)
        *out_tree = tree;
    else
        tree_finish(&tree);
    return status;
}

void tree_finish(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        tree_finish(&tree->children[i]);
    free(tree->children);
    free(tree->key);
    free(tree->text);
    *tree = (struct tree){.type = TREE_TEXT};
}

const struct tree *tree_member(const struct tree *map, const char *key)
{
    for (size_t i = 0; map->type == TREE_MAP && i < map->count; i++)
        if (map->children[i].key && strcmp(map->children[i].key, key) == 0)
            return &map->children[i];
    return NULL;
}

const char *config_library_version(void)
{
    return yaml_get_version_string();
}
