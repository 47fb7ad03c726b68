/* What the parts of applying share: see run.h. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/interfaces/misfit.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/run.h"

int run_failure(struct run *run, bool touched, const struct failure *t, struct orb_err *why,
                struct orb_err *err)
{
    char path[ORB_ERR_PATH], key[128];

    model_path(path, sizeof(path), t->name, t->leaf, t->place);
    if (t->doing)
        orb_wrap(why, "%s of %s", t->doing, t->name);
    if (touched && run->mode == APPLY_COMMIT) {
        if (why->code != ORB_E_VETO)
            why->code = ORB_E_KERNEL;
        snprintf(why->path, sizeof(why->path), "%s", path);
        if (err)
            *err = *why;
        return why->code;
    }
    snprintf(key, sizeof(key), "%s:%s%s%s", t->kind, t->name, t->thing ? ":" : "",
             t->thing ? t->thing : "");
    misfit_add(&run->applied->misfits, key, path, why->text, t->todo);
    return 0;
}

int run_look(struct run *run, struct orb_err *err)
{
    int r;

    free(run->links.items);
    free(run->addrs.items);
    run->links = (struct rtnl_links){0};
    run->addrs = (struct rtnl_addrs){0};
    r = rtnl_link_list(run->socket, &run->links, err);
    if (r == 0)
        r = rtnl_addr_list(run->socket, &run->addrs, err);
    return r;
}
