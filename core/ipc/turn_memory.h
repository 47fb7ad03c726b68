/* Memory valid until a turn of the loop ends: the arena, into which connections read one after the
 * other, and blocks for frames created here. Frames borrow it until they are written, so passing
 * one on copies nothing. */
#ifndef CORE_IPC_TURN_MEMORY_H
#define CORE_IPC_TURN_MEMORY_H

#include <stddef.h>

#include "orbital/error.h"

struct turn_block;

struct turn_memory {
    unsigned char *arena;
    size_t arena_used;
    struct turn_block *blocks;
};

/* ORB_E_NOMEM: nothing to free then. */
int turn_memory_init(struct turn_memory *memory, struct orb_err *err);
void turn_memory_fini(struct turn_memory *memory);

/* len bytes, aligned to 8, contents undefined; they are memory's until turn_memory_reset_blocks().
 * Never fails. */
unsigned char *turn_memory_get(struct turn_memory *memory, size_t len);
/* What was got is not in use any more. */
void turn_memory_reset_blocks(struct turn_memory *memory);

/* Space for len bytes in the arena; NULL: it is full, so borrowers must be written and the arena
 * reset. Only what is passed to turn_memory_keep() stays used. */
unsigned char *turn_memory_room(struct turn_memory *memory, size_t len);
/* Keeps the first len bytes of the space returned last until the reset. */
void turn_memory_keep(struct turn_memory *memory, size_t len);
/* Takes the arena back: nothing in it may be used any more. */
void turn_memory_reset_arena(struct turn_memory *memory);

#endif
