/* Which uid a package runs under. It belongs to the name: what was installed before, beside, or
 * taken away since has no say, so the owner of a state directory stays right over all of that, and
 * nothing has to be given anew where nothing can be written.
 *
 * A uid is known from the owner of the name's state directory, else from the file `uids` in the
 * state directory (lines "NAME UID"). The file may be missing, damaged or unreadable: what it alone
 * knew are names without a directory, which lose nothing with another uid. */
#ifndef CORE_SUP_UIDS_H
#define CORE_SUP_UIDS_H

#include "core/pkg/package.h"

/* No other program assigns these: the following range is systemd's (DynamicUser=). */
#define UIDS_FIRST 61000u
#define UIDS_LAST 61183u
#define UIDS_MAX 512 /* entries of a list: directories may have any owner */

struct uid_entry {
    char name[PACKAGE_NAME]; /* "" in a list of owners: no package can be called so */
    uint32_t uid;
};

struct uids {
    struct uid_entry items[UIDS_MAX];
    unsigned count;
};

/* The uid of name, 0: it has none. */
uint32_t uids_of(const struct uids *uids, const char *name);
/* The choice alone. file: recorded uids; owners: of the existing directories; names: the installed
 * packages, sorted. A uid that a directory has is assigned to that directory's name only. ret_uids
 * has no entry for a name when all uids are taken. */
void uids_choose(const struct uids *file, const struct uids *owners, const char *const *names,
                 unsigned count, struct uids *ret_uids);
/* Sets uid of each package of the list, and writes the file when it differs. A package for which no
 * uid is left is removed from the list and reported to on_error. err: the file cannot be read, is
 * invalid, or cannot be written; uids are set all the same. Blocks on the disk. */
int uids_assign(const char *state_dir, struct package_list *packages,
                void (*on_error)(void *arg, const char *dir, const struct orb_err *err), void *arg,
                struct orb_err *err);

#endif
