/* The real nft(8) for unit tests. A program that is linked with it is skipped without root. */
#ifndef TEST_UNIT_DATAPLANE_NFT_RUN_H
#define TEST_UNIT_DATAPLANE_NFT_RUN_H

#include "core/base/buf.h"

/* Runs nft in the namespace of the process, with text (may be NULL) as a file; its output and its
 * errors are appended to ret_output. Its status as of pclose(3). */
int nft_run(const char *arguments, const char *text, struct buf *ret_output);

#endif
