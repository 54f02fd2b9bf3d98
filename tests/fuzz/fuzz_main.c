/* The driver of builds without clang's fuzzer: deterministic, a few seconds. */
#include "fuzz.h"

#include "base/memory.h"

#include <string.h>

enum { MUTATIONS = 4000, SEED = 20240808 };

static struct {
    struct buffer *items;
    size_t count, capacity;
} seeds;

static void take_seed(const void *data, size_t bytes)
{
    seeds.items = memory_grow(seeds.items, &seeds.capacity, seeds.count + 1, sizeof *seeds.items);
    buffer_init(&seeds.items[seeds.count], 0);
    buffer_append(&seeds.items[seeds.count++], data, bytes);
}

/* run: from memory of exactly that size, so that a sanitizer sees a read behind it. */
static void run(const void *data, size_t bytes)
{
    uint8_t *exact = malloc(bytes ? bytes : 1);
    fuzz_require(exact);
    if (bytes)
        memcpy(exact, data, bytes);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
}

static size_t place(struct random *random, size_t bound)
{
    return (size_t)random_below(random, bound + 1);
}

static void mutate_once(struct buffer *text, struct random *random)
{
    static const uint8_t TELLING[] = {0x00, 0x7f, 0x80, 0xff, 0xc1, 0xdb, 0xdd, 0xdf, '"', '{', '-', '9'};
    const struct buffer *other = &seeds.items[random_below(random, seeds.count)];
    size_t at = place(random, text->length ? text->length - 1 : 0);
    switch (random_below(random, 6)) {
    case 0:
        if (text->length)
            text->data[at] ^= (uint8_t)(1 << random_below(random, 8));
        break;
    case 1:
        if (text->length)
            text->data[at] = TELLING[random_below(random, sizeof TELLING)];
        break;
    case 2: text->length = text->length ? at : 0; break;
    case 3: /* the end of another one */
        text->length = text->length ? at : 0;
        at = place(random, other->length);
        buffer_append(text, other->data + at, other->length - at);
        break;
    case 4: /* a piece goes */
        if (text->length) {
            size_t bytes = place(random, text->length - at < 64 ? text->length - at : 64);
            memmove(text->data + at, text->data + at + bytes, text->length - at - bytes);
            text->length -= bytes;
        }
        break;
    default: /* a piece comes twice */
        if (text->length) {
            uint8_t piece[64];
            size_t bytes = text->length - at < sizeof piece ? text->length - at : sizeof piece;
            memcpy(piece, text->data + at, bytes);
            buffer_append(text, piece, bytes);
        }
    }
}

static void run_mutations(long count)
{
    struct random random;
    struct buffer text;
    random_seed(&random, SEED);
    buffer_init(&text, 1 << 20);
    for (long i = 0; i < count; i++) {
        const struct buffer *seed = &seeds.items[random_below(&random, seeds.count)];
        buffer_clear(&text);
        buffer_append(&text, seed->data, seed->length);
        for (uint64_t left = 1 + random_below(&random, 4); left; left--)
            mutate_once(&text, &random);
        run(text.data, text.length);
    }
    buffer_finish(&text);
}

static void write_corpus(const char *folder)
{
    fuzz_require(folder_make(folder, 0755) == STATUS_OK);
    for (size_t i = 0; i < seeds.count; i++) {
        char path[PATH_BYTES];
        path_join(path, folder, "seed-%04zu", i);
        fuzz_require(file_replace(path, seeds.items[i].data, seeds.items[i].length, false) == STATUS_OK);
    }
}

static void run_file(const char *path)
{
    struct buffer content;
    buffer_init(&content, 0);
    fuzz_require(file_read(path, &content) == STATUS_OK);
    run(content.data, content.length);
    buffer_finish(&content);
}

int main(int argc, char **argv)
{
    fuzz_seeds(take_seed);
    fuzz_require(seeds.count > 0);
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_corpus(argv[2]);
    } else if (argc > 1) {
        for (int i = 1; i < argc; i++)
            run_file(argv[i]);
    } else {
        for (size_t i = 0; i < seeds.count; i++)
            run(seeds.items[i].data, seeds.items[i].length);
        run_mutations(MUTATIONS);
        fuzz_require(folder_remove(fuzz_folder()) == STATUS_OK);
    }
    for (size_t i = 0; i < seeds.count; i++)
        buffer_finish(&seeds.items[i]);
    free(seeds.items);
    return 0;
}
