/* The format, shared by journal.c (writing) and journal_scan.c (reading). */
#ifndef CONFIG_JOURNAL_INTERNAL_H
#define CONFIG_JOURNAL_INTERNAL_H

#include "plugins/config/journal.h"

#define JOURNAL_MAGIC 8u
#define JOURNAL_MARK 4u

extern const char journal_magic[JOURNAL_MAGIC + 1]; /* of a file */
extern const char journal_mark[JOURNAL_MARK + 1];   /* of a record */

/* 4 bytes, little-endian. */
void journal_scan_put32(uint8_t *p, uint32_t v);
/* sum of a record, and its chain value after before; in slices, parts NULL: at once. */
void journal_scan_seal(const struct parts *parts, const uint8_t *before, const char *text,
                       size_t len, uint8_t *ret_sum, uint8_t *ret_chain);

#endif
