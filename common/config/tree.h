/* tree: a YAML text as nodes, for files that are no configuration (fault scenarios). As strict as the configuration's reader: anchors,
 * aliases, tags, repeated keys and a second document are errors; depth and size are bounded. Scalars stay text. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { TREE_BYTES_MAX = 256 * 1024, TREE_DEPTH_MAX = 8, TREE_NODES_MAX = 10000 };

enum tree_type { TREE_TEXT, TREE_MAP, TREE_LIST };

struct tree {
    enum tree_type type;
    char *key;  /* of a map's member, else NULL */
    char *text; /* of TREE_TEXT */
    struct tree *children;
    size_t count, capacity;
    size_t line, column;         /* from 1; of the value */
    size_t key_line, key_column; /* of the key; 0: it has none */
};

/* tree_read: the whole file. STATUS_INVALID, STATUS_NOT_FOUND, STATUS_LIMIT with "file:line:column: reason". */
enum status tree_read(const char *path, struct tree *out_tree, struct error *error) MUST_USE;
void tree_finish(struct tree *tree);

/* tree_member: a member of a map, NULL when there is none. */
const struct tree *tree_member(const struct tree *map, const char *key);
