/* What libbpf logs while it loads. */
#ifndef DATAPLANE_COMPLAINT_H
#define DATAPLANE_COMPLAINT_H

struct buf;

/* What libbpf complains about goes there from now on, on this thread; NULL: nowhere. */
void complaint_listen(struct buf *ret_text);

#endif
