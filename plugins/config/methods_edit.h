/* Methods that change the caller's candidate. */
#ifndef CONFIG_METHODS_EDIT_H
#define CONFIG_METHODS_EDIT_H

#include "plugins/config/engine_internal.h"

/* edit, load-part, discard, rollback, validate, commit. */
method_fn methods_edit_edit, methods_edit_load_part, methods_edit_discard, methods_edit_rollback,
    methods_edit_validate, methods_edit_commit;

#endif
