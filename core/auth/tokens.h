/* The file of API tokens: what it holds, and how we know that it is as we wrote it. */
#ifndef CORE_AUTH_TOKENS_H
#define CORE_AUTH_TOKENS_H

#include <stdint.h>

#include "core/auth/auth.h"

#define TOKEN_HASH 32

struct token {
    char name[64];
    char role[16];
    int64_t created_us;
    unsigned char hash[TOKEN_HASH]; /* BLAKE2b-256 of the token */
};

/* Reads path into tokens (room for AUTH_TOKENS). No file is no tokens. Errors: it cannot be read,
 * is no regular file, is not as this program writes it, or somebody else may have written it. */
int tokens_read(const char *path, struct token *tokens, unsigned *ret_count, struct orb_err *err);
/* The text of the file. */
void tokens_text(const struct token *tokens, unsigned count, struct buf *ret_text);
/* Gives the file at path another name, which says that it is damaged and when it was set aside;
 * nothing is ever overwritten. No file is no error. */
int tokens_set_aside(const char *path, struct orb_err *err);

#endif
