#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "out of memory: %zu bytes\n", bytes);
    abort();
}

static void *checked(void *block, size_t bytes)
{
    if (!block)
        out_of_memory(bytes);
    return block;
}

void *memory_allocate(size_t bytes)
{
    return checked(calloc(1, bytes ? bytes : 1), bytes);
}

void *memory_resize(void *block, size_t bytes)
{
    return checked(realloc(block, bytes ? bytes : 1), bytes);
}

void *memory_copy(const void *data, size_t bytes)
{
    void *copy = memory_allocate(bytes);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

char *memory_copy_text(const char *text)
{
    return memory_copy(text, strlen(text) + 1);
}

void *memory_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes)
{
    if (needed <= *capacity)
        return array;
    size_t larger = *capacity ? *capacity : 16, bytes;
    while (larger < needed)
        larger = larger <= SIZE_MAX / 2 ? 2 * larger : needed;
    if (__builtin_mul_overflow(larger, element_bytes, &bytes))
        out_of_memory(needed);
    array = memory_resize(array, bytes);
    *capacity = larger;
    return array;
}
