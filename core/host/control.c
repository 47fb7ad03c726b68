/* The file of the control socket may be removed or replaced by others: then no client can connect,
 * without any event in the daemon. RUN is in memory, so it is checked on the loop itself. */
#include "core/host/control.h"

#include "core/base/own.h"
#include "core/host/names.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/ipc/listen.h"

#define GONE "control.socket-gone"

void control_check(struct orbitald *host)
{
    struct orb_err err = {0};
    int r = listen_check(host->broker, &err);

    if (r > 0) {
        log_warn(host->log, "control.socket-made-anew");
        names_socket_made(host->names);
    }
    if (r >= 0)
        problem_clear(host, GONE);
    else
        problem_set(host, GONE, HEALTH_DEGRADED, err.text, "",
                    r == ORB_E_STATE ? "systemctl restart orbitald.socket, or remove what "
                                       "lies there"
                                     : "remove what lies there, or stop who listens there; "
                                       "it is tried again each second");
}
