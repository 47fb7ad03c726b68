/* The BPF file system, which keeps BPF objects between daemons. */
#include "dataplane/bpffs.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/base/file.h"
#include "dataplane/dataplane_internal.h"

int bpffs_mount(const char *path, struct orb_err *err)
{
    struct statfs fs;
    int r = file_make_dir(path, 0700, err);

    if (r < 0)
        return r;
    if (statfs(path, &fs) < 0)
        return orb_fail(err, -errno, "%s", path);
    if ((unsigned long)fs.f_type == BPF_FS_MAGIC) {
        if (chmod(path, 0700) < 0)
            return orb_fail(err, -errno, "the mode of %s", path);
        return 0;
    }
    if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
        return orb_fail(err, -errno, "mounting bpffs at %s (needs CAP_SYS_ADMIN)", path);
    return 0;
}
