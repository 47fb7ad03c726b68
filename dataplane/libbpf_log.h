/* What libbpf logs while it loads. */
#ifndef DATAPLANE_LIBBPF_LOG_H
#define DATAPLANE_LIBBPF_LOG_H

struct buf;

/* libbpf's warnings on this thread are appended to ret_text (the caller's) from now on; NULL: to
 * nothing. */
void libbpf_log_capture(struct buf *ret_text);

#endif
