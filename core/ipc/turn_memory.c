/* Memory of one turn of the loop. */
#include "core/ipc/turn_memory.h"

#include <stdlib.h>

#include "core/base/xalloc.h"

#define ARENA_SIZE (1u << 20)
#define BLOCK_SIZE 65536u

struct turn_block {
    struct turn_block *next;
    size_t used, size;
    unsigned char data[];
};

static size_t aligned(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

int turn_memory_init(struct turn_memory *memory, struct orb_err *err)
{
    *memory = (struct turn_memory){.arena = malloc(ARENA_SIZE)};
    if (!memory->arena)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the broker (%u bytes)", ARENA_SIZE);
    return 0;
}

void turn_memory_fini(struct turn_memory *memory)
{
    while (memory->blocks) {
        struct turn_block *block = memory->blocks;

        memory->blocks = block->next;
        free(block);
    }
    free(memory->arena);
    *memory = (struct turn_memory){0};
}

unsigned char *turn_memory_get(struct turn_memory *memory, size_t len)
{
    struct turn_block *block = memory->blocks;
    unsigned char *p;

    len = aligned(len);
    if (!block || block->size - block->used < len) {
        size_t size = len > BLOCK_SIZE ? len : BLOCK_SIZE;

        block = xcalloc(1, sizeof(*block) + size);
        block->size = size;
        block->next = memory->blocks;
        memory->blocks = block;
    }
    p = block->data + block->used;
    block->used += len;
    return p;
}

void turn_memory_reset_blocks(struct turn_memory *memory)
{
    struct turn_block *block = memory->blocks;

    while (block && (block->next || block->size > BLOCK_SIZE)) {
        memory->blocks = block->next;
        free(block);
        block = memory->blocks;
    }
    if (block)
        block->used = 0;
}

unsigned char *turn_memory_room(struct turn_memory *memory, size_t len)
{
    return memory->arena_used + len > ARENA_SIZE ? NULL : memory->arena + memory->arena_used;
}

void turn_memory_keep(struct turn_memory *memory, size_t len)
{
    memory->arena_used += aligned(len);
}

void turn_memory_reset_arena(struct turn_memory *memory)
{
    memory->arena_used = 0;
}
