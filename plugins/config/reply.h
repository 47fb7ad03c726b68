/* Answers to requests. Each request is answered exactly once; req NULL (no client waits) does
 * nothing. Inside of an object that a caller writes, reply_slice() fills the member that carries a
 * piece of a long text. */
#ifndef CONFIG_REPLY_H
#define CONFIG_REPLY_H

#include "plugins/config/engine_internal.h"

/* Refuses with err. */
void reply_refuse(struct engine *engine, void *req, const struct orb_err *err);
/* Answers with text, a JSON object; borrowed. */
void reply_text(struct engine *engine, void *req, const struct buf *text);
/* Answers with reply, which is taken. */
void reply_tree(struct engine *engine, void *req, json_t *reply);
/* The same with a large one, for a request that may stop here. */
void reply_tree_in_slices(struct engine *engine, void *req, json_t *reply);
/* Appends as much of text from offset as one frame carries, quoted: the value of "data".
 * ret_len: so many bytes of text; 0 at its end. */
void reply_slice(struct buf *to, const struct buf *text, size_t offset, size_t *ret_len);

#endif
