/* The system calls whose arguments do not matter to the filters, by class. */
#ifndef CORE_SANDBOX_FILTER_CALLS_H
#define CORE_SANDBOX_FILTER_CALLS_H

#include <seccomp.h>

enum filter_calls {
    /* filter A */
    FILTER_CALLS_ALLOWED,
    FILTER_CALLS_UNKNOWN,  /* ENOSYS: libraries probe for them */
    FILTER_CALLS_FATAL,    /* the process ends */
    FILTER_CALLS_LOADING,  /* allowed while the package is loaded */
    FILTER_CALLS_STATE,    /* allowed with fs.state */
    FILTER_CALLS_NO_STATE, /* ENOSYS without it */
    /* filter B, without fs.state */
    FILTER_CALLS_LOADED_OPENS, /* EACCES */
    FILTER_CALLS_LOADED_READS, /* EPERM */
};

/* Adds a list to a filter; calls that this architecture lacks are left out. Errors: negative errno
 * of libseccomp. */
int filter_calls_add(scmp_filter_ctx filter, enum filter_calls which);

#endif
