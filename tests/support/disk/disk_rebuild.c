#include "tests/support/disk/disk_rebuild.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the log --- */

struct disk_log {
    struct buffer bytes;
    size_t *offsets;
    size_t count, capacity;
};

struct disk_log *disk_log_read(const char *path)
{
    struct disk_log *log = memory_allocate(sizeof *log);
    buffer_init(&log->bytes, 0);
    if (file_read(path, &log->bytes) != STATUS_OK) {
        fprintf(stderr, "disk log %s cannot be read\n", path);
        abort();
    }
    for (size_t at = 0; at < log->bytes.length;) {
        struct disk_record record;
        if (log->bytes.length - at < sizeof record)
            abort();
        memcpy(&record, log->bytes.data + at, sizeof record);
        log->offsets = memory_grow(log->offsets, &log->capacity, log->count + 1, sizeof *log->offsets);
        log->offsets[log->count++] = at;
        at += sizeof record + record.path_bytes + record.data_bytes;
        if (at > log->bytes.length)
            abort();
    }
    return log;
}

void disk_log_close(struct disk_log *log)
{
    buffer_finish(&log->bytes);
    free(log->offsets);
    free(log);
}

size_t disk_log_count(const struct disk_log *log)
{
    return log->count;
}

const struct disk_record *disk_log_at(const struct disk_log *log, size_t index, const char **out_path)
{
    /* Records are not aligned; whoever asks gets a copy that lives until the next call of this thread. */
    static _Thread_local struct disk_record record;
    memcpy(&record, log->bytes.data + log->offsets[index], sizeof record);
    if (out_path)
        *out_path =
            record.path_bytes ? (const char *)log->bytes.data + log->offsets[index] + sizeof record : "";
    return &record;
}

/* --- the model --- */

struct file_change {
    size_t record;
    bool is_truncation, is_durable;
    uint64_t offset;
    const uint8_t *data;
    size_t bytes;
};

struct entry {
    char *name;
    struct object *object;
};

/* object: a file or folder, whatever it is called. */
struct object {
    bool is_folder;
    size_t number;
    char base[PATH_BYTES]; /* where its first content is, "": empty */
    size_t sync_begin;
    struct file_change *changes;
    size_t change_count, change_capacity;
    struct entry *entries; /* of a folder, as of now */
    size_t entry_count, entry_capacity;
    size_t kept; /* at the cut: records of name changes below this number are kept */
};

/* name_change: in one folder, or from one into another. `to` NULL: a removal; `from` NULL: a creation. */
struct name_change {
    size_t record;
    bool is_durable, is_kept;
    bool
        is_given; /* was there before anything was recorded: says nothing of what came before it in this list */
    struct object *from, *to, *object;
    char *from_name, *to_name;
};

enum { INODE_SLOTS = 1 << 16 };

struct model {
    const char *root;
    struct object *top;
    struct object **objects;
    size_t object_count, object_capacity;
    struct name_change *names;
    size_t name_count, name_capacity;
    struct {
        uint64_t inode;
        struct object *object;
    } inodes[INODE_SLOTS];
};

static struct object *object_new(struct model *model, bool is_folder)
{
    struct object *object = memory_allocate(sizeof *object);
    object->is_folder = is_folder;
    object->number = model->object_count;
    model->objects =
        memory_grow(model->objects, &model->object_capacity, model->object_count + 1, sizeof *model->objects);
    model->objects[model->object_count++] = object;
    return object;
}

static size_t entry_find(const struct object *folder, const char *name)
{
    size_t i = 0;
    while (i < folder->entry_count && strcmp(folder->entries[i].name, name) != 0)
        i++;
    return i;
}

static void entry_remove(struct object *folder, const char *name)
{
    size_t i = entry_find(folder, name);
    if (i == folder->entry_count)
        return;
    free(folder->entries[i].name);
    folder->entries[i] = folder->entries[--folder->entry_count];
}

static void entry_set(struct object *folder, const char *name, struct object *object)
{
    entry_remove(folder, name);
    folder->entries = memory_grow(folder->entries, &folder->entry_capacity, folder->entry_count + 1,
                                  sizeof *folder->entries);
    folder->entries[folder->entry_count++] = (struct entry){memory_copy_text(name), object};
}

static struct name_change *name_change_add(struct model *model, size_t record)
{
    model->names =
        memory_grow(model->names, &model->name_capacity, model->name_count + 1, sizeof *model->names);
    struct name_change *change = &model->names[model->name_count++];
    *change = (struct name_change){.record = record};
    return change;
}

/* durable_name: of something that nobody recorded being made: it was there. */
static void durable_name(struct model *model, struct object *folder, const char *name, struct object *object)
{
    struct name_change *change = name_change_add(model, 0);
    *change = (struct name_change){.is_durable = true,
                                   .is_given = true,
                                   .to = folder,
                                   .to_name = memory_copy_text(name),
                                   .object = object};
    entry_set(folder, name, object);
}

/* walk: the folder that holds a path, and the name in it. A folder that is not known was made by a process that was not recorded. */
static struct object *walk(struct model *model, const char *path, char out_name[PATH_BYTES])
{
    struct object *folder = model->top;
    const char *at = path + strlen(model->root);
    *out_name = 0;
    while (*at == '/') {
        const char *begin = ++at;
        at += strcspn(at, "/");
        if (*out_name) {
            size_t i = entry_find(folder, out_name);
            if (i == folder->entry_count)
                durable_name(model, folder, out_name, object_new(model, true));
            folder = folder->entries[i].object;
            assert(folder->is_folder);
        }
        snprintf(out_name, PATH_BYTES, "%.*s", (int)(at - begin), begin);
    }
    return folder;
}

static struct object *lookup(struct model *model, const char *path)
{
    char name[PATH_BYTES];
    struct object *folder = walk(model, path, name);
    if (!*name)
        return folder;
    size_t i = entry_find(folder, name);
    return i < folder->entry_count ? folder->entries[i].object : NULL;
}

static void bind(struct model *model, uint64_t inode, struct object *object)
{
    size_t slot = inode % INODE_SLOTS;
    while (model->inodes[slot].object && model->inodes[slot].inode != inode)
        slot = (slot + 1) % INODE_SLOTS;
    model->inodes[slot].inode = inode;
    model->inodes[slot].object = object;
}

static struct object *bound(struct model *model, uint64_t inode)
{
    size_t slot = inode % INODE_SLOTS;
    while (model->inodes[slot].object && model->inodes[slot].inode != inode)
        slot = (slot + 1) % INODE_SLOTS;
    return model->inodes[slot].object;
}

static void make_name(struct model *model, size_t record, const char *path, struct object *object)
{
    char name[PATH_BYTES];
    struct object *folder = walk(model, path, name);
    assert(*name);
    struct name_change *change = name_change_add(model, record);
    change->to = folder;
    change->to_name = memory_copy_text(name);
    change->object = object;
    entry_set(folder, name, object);
}

static void drop_name(struct model *model, size_t record, const char *path)
{
    char name[PATH_BYTES];
    struct object *folder = walk(model, path, name);
    assert(*name);
    struct name_change *change = name_change_add(model, record);
    change->from = folder;
    change->from_name = memory_copy_text(name);
    entry_remove(folder, name);
}

static void move_name(struct model *model, size_t record, const char *paths)
{
    char from_name[PATH_BYTES], to_name[PATH_BYTES];
    struct object *from = walk(model, paths, from_name),
                  *to = walk(model, paths + strlen(paths) + 1, to_name);
    if (entry_find(from, from_name) == from->entry_count)
        return; /* of a file that nobody recorded */
    struct name_change *change = name_change_add(model, record);
    *change = (struct name_change){.record = record,
                                   .from = from,
                                   .to = to,
                                   .from_name = memory_copy_text(from_name),
                                   .to_name = memory_copy_text(to_name),
                                   .object = from->entries[entry_find(from, from_name)].object};
    entry_remove(from, from_name);
    entry_set(to, to_name, change->object);
}

/* load_base: what was there when recording began is durable. */
static void load_base(struct model *model, struct object *folder, const char *path)
{
    DIR *listing = opendir(path);
    assert(listing);
    struct dirent *found;
    while ((found = readdir(listing))) {
        char child[PATH_BYTES];
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        path_join(child, path, "%s", found->d_name);
        struct stat status;
        if (stat(child, &status) != 0 || !(S_ISDIR(status.st_mode) || S_ISREG(status.st_mode)))
            continue;
        struct object *object = object_new(model, S_ISDIR(status.st_mode));
        memcpy(object->base, child, sizeof object->base);
        durable_name(model, folder, found->d_name, object);
        if (object->is_folder)
            load_base(model, object, child);
    }
    closedir(listing);
}

static void change_add(struct object *object, const struct file_change *change)
{
    object->changes = memory_grow(object->changes, &object->change_capacity, object->change_count + 1,
                                  sizeof *object->changes);
    object->changes[object->change_count++] = *change;
}

static void synchronised(struct model *model, struct object *object)
{
    for (size_t i = 0; i < object->change_count; i++)
        object->changes[i].is_durable |= object->changes[i].record < object->sync_begin;
    for (size_t i = 0; object->is_folder && i < model->name_count; i++)
        model->names[i].is_durable |= (model->names[i].from == object || model->names[i].to == object) &&
                                      model->names[i].record < object->sync_begin;
}

static void open_object(struct model *model, const struct disk_record *record, const char *path)
{
    struct object *object = lookup(model, path);
    if (object)
        bind(model, record->inode, object);
}

static void take_change(struct model *model, size_t index, const struct disk_record *record,
                        const uint8_t *data)
{
    struct object *object = bound(model, record->inode);
    if (!object)
        return; /* nothing of this root */
    struct file_change change = {
        .record = index, .offset = record->offset, .data = data, .bytes = record->data_bytes};
    switch (record->kind) {
    case DISK_WRITE: change_add(object, &change); break;
    case DISK_WRITE_SYNC:
        change.is_durable = true;
        change_add(object, &change);
        break;
    case DISK_TRUNCATE:
        change.is_truncation = true;
        change_add(object, &change);
        break;
    case DISK_SYNC_BEGIN: object->sync_begin = index; break;
    case DISK_SYNC_END: synchronised(model, object); break;
    default: break;
    }
}

static void take_record(struct model *model, const struct disk_log *log, size_t index)
{
    const char *path;
    const struct disk_record *record = disk_log_at(log, index, &path);
    struct object *object;
    switch (record->kind) {
    case DISK_CREATE:
        object = object_new(model, false);
        make_name(model, index, path, object);
        bind(model, record->inode, object);
        break;
    case DISK_OPEN: open_object(model, record, path); break;
    case DISK_MKDIR: make_name(model, index, path, object_new(model, true)); break;
    case DISK_RENAME: move_name(model, index, path); break;
    case DISK_UNLINK:
    case DISK_RMDIR: drop_name(model, index, path); break;
    case DISK_NOTE: break;
    default:
        take_change(model, index, record,
                    log->bytes.data + log->offsets[index] + sizeof *record + record->path_bytes);
        break;
    }
}

/* --- the cut --- */

static bool concerns(const struct name_change *change, const struct object *folder)
{
    return change->from == folder || change->to == folder;
}

/* choose_names: each folder keeps its changes up to a point not before its last durable one; what one folder keeps of a rename the
 * other keeps too, and with it all that came before. */
static void choose_names(struct model *model, struct random *random)
{
    for (size_t i = 0; i < model->object_count; i++) {
        struct object *folder = model->objects[i];
        size_t last = 0, durable = 0;
        for (size_t k = 0; folder->is_folder && k < model->name_count; k++)
            if (concerns(&model->names[k], folder)) {
                last = k + 1;
                durable = model->names[k].is_durable && !model->names[k].is_given ? k + 1 : durable;
            }
        uint64_t mode = random_below(random, 4);
        folder->kept = mode == 0   ? durable
                       : mode == 1 ? last
                                   : durable + random_below(random, last - durable + 1);
    }
    for (bool again = true; again;) {
        again = false;
        for (size_t k = 0; k < model->name_count; k++) {
            struct name_change *change = &model->names[k];
            bool kept = change->is_durable || (change->from && k < change->from->kept) ||
                        (change->to && k < change->to->kept);
            if (!kept)
                continue;
            change->is_kept = true;
            if (change->is_given)
                continue;
            struct object *folders[] = {change->from, change->to};
            for (int i = 0; i < 2; i++)
                if (folders[i] && folders[i]->kept <= k) {
                    folders[i]->kept = k + 1;
                    again = true;
                }
        }
    }
}

static void replay_names(struct model *model)
{
    for (size_t i = 0; i < model->object_count; i++)
        while (model->objects[i]->entry_count)
            entry_remove(model->objects[i], model->objects[i]->entries[0].name);
    for (size_t k = 0; k < model->name_count; k++) {
        const struct name_change *change = &model->names[k];
        if (!change->is_kept)
            continue;
        if (change->from)
            entry_remove(change->from, change->from_name);
        if (change->to)
            entry_set(change->to, change->to_name, change->object);
    }
}

static void resize(struct buffer *content, size_t bytes)
{
    static const uint8_t zeros[4096];
    while (content->length < bytes)
        buffer_append(content, zeros,
                      bytes - content->length < sizeof zeros ? bytes - content->length : sizeof zeros);
    content->length = bytes;
}

static void apply_piece(struct buffer *content, const struct file_change *change, uint64_t from, uint64_t to)
{
    if (content->length < to)
        resize(content, to);
    memcpy(content->data + from, change->data + (from - change->offset), to - from);
}

/* apply_torn: some of the sectors of a write; the size may cover what is lost. */
static void apply_torn(struct buffer *content, const struct file_change *change, size_t sector,
                       struct random *random)
{
    uint64_t end = change->offset + change->bytes;
    if (content->length < end && random_below(random, 2))
        resize(content, end);
    for (uint64_t at = change->offset; at < end;) {
        uint64_t next = (at / sector + 1) * sector;
        next = next < end ? next : end;
        if (random_below(random, 2))
            apply_piece(content, change, at, next);
        at = next;
    }
}

enum fate { FATE_NONE, FATE_ALL, FATE_SOME, FATE_FIRST };

static void file_content(const struct object *object, struct random *random, struct buffer *out)
{
    enum fate fate = (enum fate)random_below(random, 4);
    size_t sector = random_below(random, 2) ? 512 : 4096, pending = 0, seen = 0;
    if (*object->base && file_read(object->base, out) != STATUS_OK)
        abort();
    for (size_t i = 0; i < object->change_count; i++)
        pending += !object->changes[i].is_durable;
    size_t first = random_below(random, pending + 1);
    for (size_t i = 0; i < object->change_count; i++) {
        const struct file_change *change = &object->changes[i];
        bool whole = change->is_durable || fate == FATE_ALL || (fate == FATE_FIRST && seen < first);
        bool torn = !whole && (fate == FATE_SOME || (fate == FATE_FIRST && seen == first));
        seen += !change->is_durable;
        if (change->is_truncation && (whole || (torn && random_below(random, 2))))
            resize(out, change->offset);
        else if (!change->is_truncation && whole && change->bytes)
            apply_piece(out, change, change->offset, change->offset + change->bytes);
        else if (!change->is_truncation && torn)
            apply_torn(out, change, sector, random);
    }
}

static void write_tree(const struct object *folder, const char *path, struct random *random)
{
    if (folder_make(path, 0755) != STATUS_OK)
        abort();
    for (size_t i = 0; i < folder->entry_count; i++) {
        char child[PATH_BYTES];
        struct object *object = folder->entries[i].object;
        path_join(child, path, "%s", folder->entries[i].name);
        if (object->is_folder) {
            write_tree(object, child, random);
            continue;
        }
        struct buffer content;
        buffer_init(&content, 0);
        file_content(object, random, &content);
        FILE *file = fopen(child, "we");
        bool written =
            file && (!content.length || fwrite(content.data, 1, content.length, file) == content.length);
        if (!written || fclose(file) != 0)
            abort();
        buffer_finish(&content);
    }
}

static void model_finish(struct model *model)
{
    for (size_t i = 0; i < model->object_count; i++) {
        while (model->objects[i]->entry_count)
            entry_remove(model->objects[i], model->objects[i]->entries[0].name);
        free(model->objects[i]->entries);
        free(model->objects[i]->changes);
        free(model->objects[i]);
    }
    for (size_t i = 0; i < model->name_count; i++) {
        free(model->names[i].from_name);
        free(model->names[i].to_name);
    }
    free(model->objects);
    free(model->names);
    free(model);
}

void disk_rebuild(const struct disk_log *log, size_t cut, uint64_t seed, const char *root, const char *base,
                  const char *out)
{
    struct model *model = memory_allocate(sizeof *model);
    struct random random;
    random_seed(&random, seed);
    model->root = root;
    model->top = object_new(model, true);
    if (base)
        load_base(model, model->top, base);
    for (size_t i = 0; i < cut; i++)
        take_record(model, log, i);
    choose_names(model, &random);
    replay_names(model);
    write_tree(model->top, out, &random);
    model_finish(model);
}
