/* The file of API tokens: its content, and how damage is detected. */
#ifndef CORE_AUTH_TOKENS_H
#define CORE_AUTH_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/auth/auth.h"

#define TOKEN_HASH 32

struct token {
    char name[64];
    char role[16];
    int64_t created_us;
    int64_t expires_us;             /* 0: never */
    bool expired;                   /* expiry was noticed: final, whatever the clock shows later */
    unsigned char hash[TOKEN_HASH]; /* BLAKE2b-256 of the token */
};

struct tokens {
    struct token items[AUTH_TOKENS];
    unsigned count;
    int64_t seen_us; /* the latest wall clock known, so that one set back is noticed; 0: none */
};

/* Reads path. No file is no tokens. Errors: it cannot be read, is no regular file, is not as this
 * program writes it, or another user may have written it; then there are no tokens. */
int tokens_read(const char *path, struct tokens *ret_tokens, struct orb_err *err);
/* The text of the file. Without a token that expires it is what earlier versions wrote. */
void tokens_text(const struct tokens *tokens, struct buf *ret_text);
/* Renames the file at path to a name with "damaged" and the time; nothing is ever overwritten. A
 * missing file is no error. */
int tokens_set_aside(const char *path, struct orb_err *err);

/* Whether it is one of the roles that a token may have. */
bool tokens_role_known(const char *role);

#endif
