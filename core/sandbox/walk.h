/* Walking through a directory that a service may have filled: a link is an entry, never a way. */
#ifndef CORE_SANDBOX_WALK_H
#define CORE_SANDBOX_WALK_H

struct stat;

enum walk { WALK_ON, WALK_PAST /* not below this entry */, WALK_STOP };

/* name is relative to dir_fd; st: of the entry itself; depth: 0 for those in the directory given to
 * walk_dir. */
typedef enum walk walk_fn(void *arg, int dir_fd, const char *name, const struct stat *st,
                          unsigned depth);

/* Calls visit for each entry below dir, before those below it. Links are not followed, what cannot
 * be opened is empty. Blocks on the disk. */
void walk_dir(const char *dir, walk_fn *visit, void *arg);

#endif
